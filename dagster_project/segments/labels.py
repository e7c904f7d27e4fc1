"""RFM scores and segments, age bands, the profitability x loyalty matrix: labels of one customer.

Pure functions over batches. What the facts are stands in the dbt models, the map of RFM cells and
all bounds in crm.yaml; tier, quadrant and stage stand in `scoring/labels.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from dagster_project.configuration import (
    LEVELS,
    RFM_MEASURES,
    RFM_RESERVED,
    Configuration,
    RfmBox,
    RfmMeasure,
)
from dagster_project.scoring.exact import NOT_MEASURED, POINT, Mask, Real, Whole, to_hundredths
from dagster_project.scoring.indicators import facts
from dagster_project.scoring.labels import INSUFFICIENT
from dagster_project.scoring.reference import Reference

# The fact that cuts of each measure are about.
RFM_FACTS = {"recency": "days_since_last_purchase", "frequency": "segment_purchases_n",
             "monetary": "segment_net_revenue"}
CELLS = tuple(RfmBox().cells())
PROFITABILITY_QUADRANTS = (
    *(f"{profit}_profit_{loyalty}_loyalty" for profit in LEVELS for loyalty in LEVELS),
    INSUFFICIENT,
)
FIFTH = 20 * POINT
MAXIMUM_AGE = 120

LABEL_COLUMNS = {
    "customer_key": "UUID", "rfm_recency_score": "TINYINT", "rfm_frequency_score": "TINYINT",
    "rfm_monetary_score": "TINYINT", "rfm_cell": "VARCHAR", "rfm_segment": "VARCHAR",
    "age_band": "VARCHAR", "profitability_quadrant": "VARCHAR",
}


def rfm_indicators(configuration: Configuration) -> list[str]:
    """Indicators whose scores the RFM scores are fifths of, each once."""
    return sorted({measure.indicator for measure in configuration.rfm_measures.values()
                   if measure is not None and measure.indicator is not None})


def segment_labels(
    customers: pd.DataFrame, reference: Reference, configuration: Configuration
) -> pd.DataFrame:
    """Labels of a batch.

    Args:
        customers: one row a customer, with customer_key, as_of_date, profile, purchases_n,
            birth_year, the facts of RFM_FACTS, is_profitable (1, 0, NULL: contribution not
            known), matrix_loyalty_units and `<indicator>__units` (ten-thousandths of a point) of
            `rfm_indicators`.
        reference: cuts of the loyalty axis.
        configuration: the bounds and the map of RFM cells.

    Returns:
        One row for each input row, in the same order, with LABEL_COLUMNS.

    Raises:
        FeatureFault: a column is missing or holds an infinite number.
    """
    is_buyer = facts(customers, "purchases_n") > 0
    scores = {name: _rfm_scores(customers, name, measure, is_buyer)
              for name, measure in configuration.rfm_measures.items()}
    return pd.DataFrame({
        "customer_key": customers["customer_key"],
        **{f"rfm_{name}_score": pd.array(
            np.where(scores[name] > 0, scores[name], np.nan), dtype="Int8")
           for name in RFM_MEASURES},
        **_rfm_words(scores, is_buyer, configuration),
        "age_band": _age_bands(customers, configuration),
        "profitability_quadrant": _profitability_quadrants(customers, reference, configuration),
    }, index=customers.index)


def rfm_cells(configuration: Configuration) -> pd.DataFrame:
    """Table `rfm_cells`: the map as crm.yaml words it, a row a cell."""
    segments = configuration.rfm_segment_of_cells()
    return pd.DataFrame([
        {"rfm_cell": cell, **{f"rfm_{name}_score": int(digit)
                              for name, digit in zip(RFM_MEASURES, cell, strict=True)},
         "rfm_segment": segments[cell].segment, "name_en": segments[cell].name("en"),
         "name_zh": segments[cell].name("zh")}
        for cell in CELLS
    ])


def age_band_names(ages: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the bands that begin at 0 and at each of `ages`: `under_18`, `18_24`, `65_plus`."""
    def names() -> Iterator[str]:
        yield f"under_{ages[0]}"
        for first, after in zip(ages, ages[1:], strict=False):
            yield f"{first}_{after - 1}" if after > first + 1 else str(first)
        yield f"{ages[-1]}_plus"

    return tuple(names()) if ages else ()


def _rfm_scores(
    customers: pd.DataFrame, name: str, measure: RfmMeasure | None, is_buyer: Mask
) -> Whole:
    """1-5 of one measure; 0 where it is not measured or there is no purchase."""
    if measure is None:
        return np.zeros(len(customers), np.int64)
    if measure.cuts is None:
        units = facts(customers, f"{measure.indicator}__units")
        fifths = np.minimum(np.where(np.isnan(units), 0, units) // FIFTH, 4) + 1
        return np.where(is_buyer & ~np.isnan(units), fifths, 0).astype(np.int64)
    values = facts(customers, RFM_FACTS[name])
    cuts = np.array([float(cut) for cut in measure.cuts])
    is_measured = is_buyer & ~np.isnan(values)
    known = np.where(is_measured, values, 0.0)
    if name == "recency":
        scores = 5 - np.searchsorted(cuts, known, side="left")
    else:
        scores = 1 + np.searchsorted(cuts, known, side="right")
    return np.where(is_measured, scores, 0)


def _rfm_words(
    scores: dict[str, Whole], is_buyer: Mask, configuration: Configuration
) -> dict[str, pd.Categorical]:
    """Cell and segment; every customer has a segment, if only a word for having no cell."""
    recency, frequency, monetary = (scores[name] for name in RFM_MEASURES)
    has_cell = (recency > 0) & (frequency > 0) & (monetary > 0)
    cell = np.where(has_cell, 25 * (recency - 1) + 5 * (frequency - 1) + monetary - 1, -1)
    owners = configuration.rfm_segment_of_cells()
    names = [*dict.fromkeys(owners[name].segment for name in CELLS), *RFM_RESERVED]
    of_cell = np.array([names.index(owners[name].segment) for name in CELLS])
    prospect, insufficient = (names.index(name) for name in RFM_RESERVED)
    segment = np.select([~is_buyer, ~has_cell], [prospect, insufficient], default=of_cell[cell])
    return {"rfm_cell": pd.Categorical.from_codes(cell, list(CELLS)),
            "rfm_segment": pd.Categorical.from_codes(segment, names)}


def _age_bands(customers: pd.DataFrame, configuration: Configuration) -> pd.Categorical:
    """By the age reached in the year of D; none where the year of birth cannot be."""
    ages = configuration.segments.age_bands
    years = pd.to_datetime(customers["as_of_date"]).dt.year.to_numpy(np.float64)
    age: Real = years - facts(customers, "birth_year")
    is_known = (age >= 0) & (age <= MAXIMUM_AGE) & bool(ages)
    band = np.searchsorted(np.array(ages, np.float64), np.where(is_known, age, 0), side="right")
    return pd.Categorical.from_codes(np.where(is_known, band, -1), list(age_band_names(ages)))


def _profitability_quadrants(
    customers: pd.DataFrame, reference: Reference, configuration: Configuration
) -> pd.Categorical:
    """Profit by its bound, loyalty by the cut of the value x loyalty matrix in the profile."""
    is_profitable = facts(customers, "is_profitable")
    units = facts(customers, "matrix_loyalty_units")
    loyalty = np.where(np.isnan(units), NOT_MEASURED, units).astype(np.int64)
    is_loyal = np.zeros(len(customers), bool)
    for profile in customers["profile"].unique():
        cut = reference.cut_units(str(profile), "matrix_loyalty_score",
                                  configuration.matrix_cuts(str(profile)).loyalty)
        is_loyal |= ((customers["profile"] == profile).to_numpy(bool)
                     & (to_hundredths(loyalty) * 100 >= cut))
    quadrant = 2 * (is_profitable != 1) + ~is_loyal
    is_missing = np.isnan(is_profitable) | (loyalty == NOT_MEASURED)
    return pd.Categorical.from_codes(
        np.where(is_missing, len(PROFITABILITY_QUADRANTS) - 1, quadrant),
        list(PROFITABILITY_QUADRANTS))
