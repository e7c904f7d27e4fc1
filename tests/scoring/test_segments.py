"""RFM scores and cells, age bands, profitability quadrants: labels of a batch of customers."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.configuration import (
    RFM_MEASURES,
    Configuration,
    RfmMeasure,
    Segments,
    load_configuration,
)
from dagster_project.scoring.indicators import FeatureFault
from dagster_project.scoring.reference import ProfileReference, Reference
from dagster_project.segments.labels import (
    CELLS,
    LABEL_COLUMNS,
    PROFITABILITY_QUADRANTS,
    age_band_names,
    rfm_cells,
    rfm_indicators,
    segment_labels,
)

CONFIGURATION = load_configuration(Path(__file__).parents[2] / "config" / "crm.yaml")
REFERENCE = Reference("r1", datetime.date(2026, 1, 1), {
    "all": ProfileReference(cuts={"matrix_loyalty_score": ((0.5, 40.0),)})})
NAN = float("nan")


def customers(**columns: list[Any]) -> pd.DataFrame:
    """A batch of buyers of middling facts, but for the given columns."""
    rows = len(next(iter(columns.values())))
    usual = {
        "customer_key": [f"{row:032x}" for row in range(rows)],
        "as_of_date": [datetime.date(2026, 6, 30)] * rows, "profile": ["all"] * rows,
        "purchases_n": [3] * rows, "birth_year": [1990.0] * rows,
        "days_since_last_purchase": [10.0] * rows, "segment_purchases_n": [3.0] * rows,
        "segment_net_revenue": [100.0] * rows, "is_profitable": [1.0] * rows,
        "matrix_loyalty_units": [500_000.0] * rows, "purchase_amount__units": [500_000.0] * rows,
    }
    return pd.DataFrame(usual | columns)


def labels(configuration: Configuration = CONFIGURATION, **columns: list[Any]) -> pd.DataFrame:
    """Labels of `customers(**columns)`, nothing as None."""
    found = segment_labels(customers(**columns), REFERENCE, configuration)
    assert list(found) == list(LABEL_COLUMNS)
    return found.astype(object).where(found.notna(), None)


@pytest.mark.parametrize(("column", "values", "score", "expected"), [
    # 5 up to and on the first cut of days; silence lowers it
    ("days_since_last_purchase", [0, 30, 31, 90, 91, 180, 181, 270, 271, 900],
     "rfm_recency_score", [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]),
    # one-time buyers tie at 1, however many they are
    ("segment_purchases_n", [0, 1, 2, 3, 4, 5, 6, 60], "rfm_frequency_score",
     [1, 1, 2, 3, 4, 4, 5, 5]),
    # fifths of the score: 19.9999, 20, 40, 60, 80, 100
    ("purchase_amount__units", [0, 199_999, 200_000, 400_000, 600_000, 800_000, 1_000_000, NAN],
     "rfm_monetary_score", [1, 1, 2, 3, 4, 5, 5, None]),
])
def test_scores_are_cut_where_the_configuration_says(column, values, score, expected):
    assert labels(**{column: [float(value) for value in values]})[score].tolist() == expected


def test_a_buyer_has_a_cell_and_its_segment():
    found = labels(days_since_last_purchase=[5.0, 5.0, 85.0, 200.0, 400.0],
                   segment_purchases_n=[6.0, 6.0, 1.0, 5.0, 0.0],
                   purchase_amount__units=[900_000.0, 0.0, 0.0, 700_000.0, 0.0])
    assert found["rfm_cell"].tolist() == ["555", "551", "411", "244", "111"]
    assert found["rfm_segment"].tolist() == [
        "champions", "loyal_buyers", "promising", "cannot_lose", "inactive"]


def test_who_never_bought_is_a_prospect_and_who_is_not_measured_says_so():
    found = labels(purchases_n=[0, 1], days_since_last_purchase=[NAN, 3.0],
                   purchase_amount__units=[0.0, NAN])
    assert found["rfm_segment"].tolist() == ["prospect", "insufficient_data"]
    assert found["rfm_cell"].tolist() == [None, None]
    assert found["rfm_recency_score"].tolist() == [None, 5]


def test_monetary_can_be_cut_at_amounts():
    configuration = CONFIGURATION.model_copy(update={"segments": CONFIGURATION.segments.model_copy(
        update={"rfm": CONFIGURATION.segments.rfm.model_copy(update={
            "monetary": RfmMeasure(cuts=tuple(map(Decimal, (1, 10, 100, 1000))))})})})
    assert rfm_indicators(configuration) == []
    found = labels(configuration, segment_net_revenue=[-5.0, 0.99, 1.0, 99.99, 100.0, 1000.0])
    assert found["rfm_monetary_score"].tolist() == [1, 1, 2, 3, 4, 5]


def test_without_an_indicator_of_revenue_nobody_has_a_cell(configure):
    """A home that says nothing of RFM and measures no net revenue."""
    configuration = configure({"number": {
        "kind": "attribute", "of": "customers", "column": "number",
        "score": {"method": "threshold", "points": [[0, 0], [100, 100]]}}})
    assert configuration.segments == Segments()
    found = labels(configuration, purchases_n=[0, 4])
    assert found["rfm_segment"].tolist() == ["prospect", "insufficient_data"]


@pytest.mark.parametrize(("birth_year", "band"), [
    (2009.0, "under_18"), (2008.0, "18_24"), (2002.0, "18_24"), (2001.0, "25_34"),
    (1962.0, "55_64"), (1961.0, "65_plus"), (1906.0, "65_plus"), (1905.0, None),
    (2026.0, "under_18"), (2027.0, None), (NAN, None)])
def test_age_band_of_the_year_of_d(birth_year, band):
    assert labels(birth_year=[birth_year])["age_band"].tolist() == [band]


def test_names_of_age_bands():
    assert age_band_names((18, 19, 30)) == ("under_18", "18", "19_29", "30_plus")
    assert age_band_names(()) == ()
    none = CONFIGURATION.model_copy(update={"segments": Segments(age_bands=())})
    assert labels(none, birth_year=[1990.0])["age_band"].tolist() == [None]


def test_profitability_quadrants():
    """Loyalty is cut on the two decimals people see: 39.995 is shown as 40.00."""
    found = labels(is_profitable=[1.0, 1.0, 0.0, 0.0, NAN, 1.0, 1.0],
                   matrix_loyalty_units=[400_000.0, 399_900.0, 900_000.0, 0.0, 900_000.0, NAN,
                                         399_950.0])
    assert found["profitability_quadrant"].tolist() == [
        "high_profit_high_loyalty", "high_profit_low_loyalty", "low_profit_high_loyalty",
        "low_profit_low_loyalty", "insufficient_data", "insufficient_data",
        "high_profit_high_loyalty"]


def test_a_missing_fact_is_named():
    with pytest.raises(FeatureFault, match="segment_purchases_n"):
        segment_labels(customers(purchases_n=[1]).drop(columns="segment_purchases_n"), REFERENCE,
                       CONFIGURATION)


def test_the_published_map_is_the_one_that_labels_use():
    cells = rfm_cells(CONFIGURATION).set_index("rfm_cell")
    assert sorted(cells.index) == sorted(CELLS)
    assert len(cells) == 125
    assert cells.loc["555", ["rfm_segment", "name_en", "name_zh"]].tolist() == [
        "champions", "champions", "冠军客户"]
    assert cells["rfm_segment"].to_dict() == {
        cell: segment.segment for cell, segment in CONFIGURATION.rfm_segment_of_cells().items()}


Facts = st.fixed_dictionaries({
    "purchases_n": st.integers(0, 20),
    "days_since_last_purchase": st.integers(0, 1_000),
    "segment_purchases_n": st.integers(0, 20),
    "purchase_amount__units": st.none() | st.integers(0, 1_000_000),
    "birth_year": st.none() | st.integers(1800, 2100),
    "is_profitable": st.sampled_from([None, 0, 1]),
    "matrix_loyalty_units": st.none() | st.integers(0, 1_000_000),
})


def _columns(rows: list[dict[str, int | None]]) -> dict[str, list[float]]:
    return {name: [NAN if row[name] is None else row[name] for row in rows] for name in rows[0]}


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(Facts, min_size=1, max_size=30), data=st.data())
def test_labels_part_the_customers_in_any_order(rows, data):
    """Each has one word of the known ones, whoever stands beside."""
    found = labels(**_columns(rows))
    known = {segment.segment for segment in CONFIGURATION.segments.rfm.segments}
    assert set(found["rfm_segment"]) <= known | {"prospect", "insufficient_data"}
    assert set(found["profitability_quadrant"]) <= set(PROFITABILITY_QUADRANTS)
    for row, segment, cell in zip(rows, found["rfm_segment"], found["rfm_cell"], strict=True):
        assert (segment == "prospect") == (row["purchases_n"] == 0)
        assert (cell is None) == (
            row["purchases_n"] == 0 or row["purchase_amount__units"] is None)
    order = data.draw(st.permutations(range(len(rows))))
    again = labels(**_columns([rows[position] for position in order]))
    own = [name for name in LABEL_COLUMNS if name != "customer_key"]
    assert again[own].values.tolist() == found[own].iloc[list(order)].values.tolist()


@settings(deadline=None, max_examples=60)
@given(row=Facts, fact=st.sampled_from(["days_since_last_purchase", "segment_purchases_n",
                                        "purchase_amount__units"]),
       more=st.integers(1, 1_000))
def test_more_of_a_good_thing_never_lowers_a_score(row, fact, more):
    """More silence never raises one."""
    base = row | {"purchases_n": 1, fact: row[fact] or 0}
    found = labels(**_columns([base, base | {fact: base[fact] + more}]))
    sign = -1 if fact == "days_since_last_purchase" else 1
    for name in RFM_MEASURES:
        first, second = found[f"rfm_{name}_score"]
        assert (first is None) == (second is None)
        if first is not None:
            assert sign * second >= sign * first
    assert np.array_equal(found["age_band"].iloc[:1], found["age_band"].iloc[1:])
