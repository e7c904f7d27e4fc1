"""Who is named, in which order, and in which words."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.configuration import ChurnWarnings, Configuration
from dagster_project.publish.lifetime_tables import CHURN_WARNINGS
from dagster_project.scoring.lifetime.churn import HIGH_VALUE, churn_warnings

LOYAL, DISLOYAL = HIGH_VALUE


def customers(*rows: tuple[str, float, float, str | None, float]) -> pd.DataFrame:
    """Of (quadrant, p_alive, margin if alive, historic margin, days overdue)."""
    return pd.DataFrame([
        {"customer_key": f"c{number}", "as_of_date": datetime.date(2026, 1, 31),
         "quadrant": quadrant, "p_alive": p_alive, "margin_if_alive_amount": margin,
         "historic_margin_amount": historic, "days_since_last_purchase": 75,
         "typical_gap_days": 30.0, "days_overdue": overdue}
        for number, (quadrant, p_alive, margin, historic, overdue) in enumerate(rows)
    ])


def test_low_loyalty_or_a_low_chance_is_named_by_what_would_be_lost(
    default_configuration: Configuration
) -> None:
    found = churn_warnings([customers(
        (LOYAL, 0.5, 900.0, "1.0000", 0),          # at the bound: not below
        (LOYAL, 0.49, 100.0, "1.0000", 0),
        (DISLOYAL, 0.9, 1000.0, "1.0000", 45),
        (DISLOYAL, 0.2, 1000.0, "1.0000", 45),
        (DISLOYAL, np.nan, np.nan, "70.0000", 0),
        (DISLOYAL, np.nan, np.nan, None, 0),
    )], default_configuration)
    assert tuple(found.columns) == CHURN_WARNINGS.column_names
    assert found["customer_key"].tolist() == ["c3", "c2", "c1", "c4", "c5"]
    assert found["rank"].tolist() == [1, 2, 3, 4, 5]
    assert found["expected_loss_amount"].tolist() == [800, 100, 51, None, None]
    assert found["reasons"].tolist() == [
        "low_loyalty, p_alive_low, overdue", "low_loyalty, overdue", "p_alive_low", "low_loyalty",
        "low_loyalty"]
    assert found["words_en"].iloc[0] == (
        "high value, low loyalty; still a customer with a chance of 20 % (below 50 %); 45 days "
        "overdue: a purchase about every 30 days was usual")
    assert found["words_zh"].iloc[1] == "高价值低忠诚;逾期 45 天:通常约每 30 天购买一次"


@given(st.lists(st.tuples(
    st.sampled_from(HIGH_VALUE), st.sampled_from([0.1, 0.4, 0.6, np.nan]),
    st.sampled_from([10.0, 20.0, np.nan]), st.sampled_from(["5.0000", "-3.0000", None]),
    st.sampled_from([0.0, 9.0])), max_size=12), st.integers(1, 8), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_order_and_batches_do_not_matter_and_the_first_are_kept(
    rows: list[tuple[str, float, float, str | None, float]], kept: int, batches: int
) -> None:
    whole = _named([customers(*rows)], 1_000) if rows else _named([], 1_000)
    shuffled = customers(*rows).iloc[::-1] if rows else pd.DataFrame()
    parts = [shuffled.iloc[start::batches] for start in range(batches)] if rows else []
    pd.testing.assert_frame_equal(_named(parts, kept), whole.head(kept))
    assert _named(parts, kept).attrs["customers_n"] == len(whole)


def _named(batches: list[pd.DataFrame], maximum: int) -> pd.DataFrame:
    # Nothing but this section is read.
    configuration = Configuration.model_construct(
        churn_warnings=ChurnWarnings(maximum_customers=maximum))
    return churn_warnings(batches, configuration)


def test_the_configured_bound_decides(default_configuration: Configuration) -> None:
    strict = default_configuration.model_copy(
        update={"churn_warnings": ChurnWarnings(p_alive_below=0)})
    assert churn_warnings([customers((LOYAL, 0.001, 9.0, "1", 9))], strict).empty
    assert len(churn_warnings([customers((LOYAL, 0.001, 9.0, "1", 9))],
                              default_configuration)) == 1


def test_a_night_without_anybody_gives_the_columns(default_configuration: Configuration) -> None:
    found = churn_warnings([], default_configuration)
    assert tuple(found.columns) == CHURN_WARNINGS.column_names
    assert found.empty and found.attrs["customers_n"] == 0
