"""Accounts: each rule by hand, and what no data can change."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.configuration import REQUIRED_COMPOSITES, Accounts, Configuration
from dagster_project.scoring.accounts import roll_up
from dagster_project.scoring.reference import ProfileReference, Reference

DAY = datetime.date(2026, 6, 30)
POINT = 10_000


@pytest.fixture(scope="module")
def configuration(configure: Any) -> Configuration:
    made: Configuration = configure({"amount": {
        "kind": "sum", "of": "orders", "column": "net_revenue",
        "score": {"method": "threshold", "points": [[0, 0], [100, 100]]}}})
    return made


REFERENCE = Reference("r", DAY, {"all": ProfileReference()})


def members(*rows: tuple[str, int, float | None]) -> pd.DataFrame:
    """(account, revenue, score of every composite) of each customer."""
    return pd.DataFrame([
        {"account_id": account, "as_of_date": DAY, "profile": "all",
         "net_revenue": revenue * POINT}
        | dict.fromkeys(REQUIRED_COMPOSITES,
                        None if score is None else round(score * POINT))
        for account, revenue, score in rows
    ])


def with_rule(configuration: Configuration, rule: str) -> Configuration:
    return configuration.model_copy(update={"accounts": Accounts(rule=rule)})


@pytest.mark.parametrize(("rule", "crm_value", "tier"), [
    ("spend_weighted_mean", 80.0, "high"), ("mean", 60.0, "medium"), ("highest", 90.0, "high"),
])
def test_each_rule_by_hand(
    configuration: Configuration, rule: str, crm_value: float, tier: str
) -> None:
    """90 with 500 spent and 30 with 100: (90 x 500 + 30 x 100) / 600 = 80."""
    rolled = roll_up(members(("A", 500, 90.0), ("A", 100, 30.0)), REFERENCE,
                     with_rule(configuration, rule))
    row = rolled.iloc[0]
    assert (row["crm_value"], row["tier"]) == (crm_value, tier)
    assert row["net_revenue_amount"] == Decimal("600.0000")
    assert (row["customers_n"], row["scored_customers_n"], row["coverage_share"]) == (2, 2, 1)


def test_who_returned_more_than_they_bought_weighs_nothing(configuration: Configuration) -> None:
    row = roll_up(members(("A", -500, 10.0), ("A", 1, 30.0)), REFERENCE, configuration).iloc[0]
    assert (row["crm_value"], row["net_revenue_amount"]) == (30, Decimal(-499))


def test_where_nobody_spent_all_count_alike(configuration: Configuration) -> None:
    row = roll_up(members(("A", 0, 10.0), ("A", 0, 30.0)), REFERENCE, configuration).iloc[0]
    assert row["crm_value"] == 20


def test_an_account_whose_spenders_are_not_scored_is_not_scored(
    configuration: Configuration
) -> None:
    rolled = roll_up(members(("A", 100, None), ("A", 50, 90.0), ("B", 50, None), ("B", 60, 90.0)),
                     REFERENCE, configuration).set_index("account_id")
    assert pd.isna(rolled.loc["A", "crm_value"])
    assert rolled.loc["A", ["tier", "quadrant"]].tolist() == ["insufficient_data"] * 2
    assert rolled.loc["A", "coverage_share"] == pytest.approx(1 / 3, abs=1e-6)
    assert rolled.loc["B", "crm_value"] == 90


def test_of_two_profiles_that_with_the_most_weight_counts(configuration: Configuration) -> None:
    both = configuration.model_copy(update={"profiles": (
        configuration.profiles[0].model_copy(update={
            "name": "b2b", "customer_types": ("company",)}), *configuration.profiles)})
    reference = Reference("r", DAY, {name: ProfileReference() for name in ("b2b", "all")})
    rows = members(("A", 100, 90.0), ("A", 90, 90.0), ("B", 1, 1.0), ("B", 1, 1.0))
    rows["profile"] = ["all", "b2b", "all", "b2b"]
    rolled = roll_up(rows, reference, both)
    assert rolled["profile"].tolist() == ["all", "b2b"]


def test_without_accounts_there_are_no_rows_and_all_columns(configuration: Configuration) -> None:
    rolled = roll_up(members(("A", 1, 1.0)).iloc[:0], REFERENCE, configuration)
    assert rolled.empty
    assert "quadrant" in rolled.columns


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(
    st.sampled_from("ABC"), st.integers(-10**9, 10**9),
    st.one_of(st.none(), st.integers(0, 1_000_000).map(lambda units: units / POINT))),
    min_size=1, max_size=30), seed=st.integers(0, 10**6))
@pytest.mark.parametrize("rule", ["spend_weighted_mean", "mean", "highest"])
def test_neither_order_matters_nor_does_an_account_leave_its_people(
    configuration: Configuration, rule: str, rows: list[tuple[str, int, float | None]], seed: int
) -> None:
    ruled = with_rule(configuration, rule)
    given_rows = members(*rows)
    rolled = roll_up(given_rows, REFERENCE, ruled)
    pd.testing.assert_frame_equal(
        rolled, roll_up(given_rows.sample(frac=1, random_state=seed), REFERENCE, ruled))
    assert rolled["customers_n"].sum() == len(rows)
    for row in rolled.itertuples():
        scores = [score for account, _, score in rows
                  if account == row.account_id and score is not None]
        if not pd.isna(row.crm_value):
            assert min(scores) <= row.crm_value <= max(scores)
