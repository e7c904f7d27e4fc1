"""The score judged afterwards: hand-made figures, and a score that knows everything or nothing."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dagster_project.configuration import PopulationFigures
from dagster_project.feedback.backtest import (
    COLUMNS,
    decile,
    rank_correlation,
    rank_shares,
    score_backtest,
)

RULES = PopulationFigures()
THEN = date(2026, 8, 31)


def customers(n: int, **columns: Any) -> pd.DataFrame:
    """Customers scored then; what is not given is plain."""
    plain = {"is_followed": True, "profile": "all", "crm_value": np.linspace(1, 100, n),
             "p_alive": np.nan, "tier": "low", "purchases_then": 2.0, "purchases_since": 0.0,
             "margin_since": 0.0}
    return pd.DataFrame(plain | columns, index=range(n))


def figure(found: pd.DataFrame, name: str, kind: str = "all", part: str = "all") -> pd.Series:
    """One row."""
    chosen = found[(found["figure"] == name) & (found["part_kind"] == kind)
                   & (found["part"] == part)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_a_score_that_knows_margins_correlates_wholly() -> None:
    found = score_backtest(customers(50, margin_since=np.linspace(1, 100, 50) ** 3), THEN, RULES)
    assert figure(found, "rank_correlation_margin")["value"] == "1.000000"
    assert list(found.columns) == COLUMNS


def test_the_interval_of_a_correlation_by_hand() -> None:
    """r .5 of 103: tanh(.549306 -+ 1.959964 x sqrt(1.125 / 100))."""
    rng = np.random.default_rng(1)
    first = rng.normal(size=103)
    second = first + rng.normal(size=103) * 1.6
    value, low, high = rank_correlation(first, second)
    assert value == pytest.approx(stats.spearmanr(first, second).statistic)
    half = 1.959964 * np.sqrt((1 + value**2 / 2) / 100)
    assert (low, high) == pytest.approx((np.tanh(np.arctanh(value) - half),
                                         np.tanh(np.arctanh(value) + half)))


def test_intervals_of_correlations_hold_the_truth() -> None:
    """Spearman's rho of a normal pair with r .5 is 6/pi asin(r/2)."""
    rng = np.random.default_rng(5)
    truth = 6 / np.pi * np.arcsin(0.25)
    held = 0
    for _ in range(1_000):
        first = rng.normal(size=120)
        _, low, high = rank_correlation(first, 0.5 * first
                                        + np.sqrt(0.75) * rng.normal(size=120))
        held += low <= truth <= high
    assert abs(held / 10 - 95) < 2


def test_equal_values_share_a_tenth_and_tenths_are_tenths() -> None:
    assert decile(np.arange(100.0)).tolist() == [10 - n // 10 for n in range(100)]
    # Six in ten are alike: their middle is the seventh rank from below.
    assert set(decile(np.array([0.0] * 60 + list(range(1, 41)))).tolist()) == {8, 1, 2, 3, 4}
    assert decile(np.array([5.0])).tolist() == [6]


def test_lift_by_decile_and_by_tier() -> None:
    n = 100
    best = np.arange(n) >= 80
    found = score_backtest(customers(
        n, tier=np.where(best, "high", "low"), purchases_since=np.where(best, 1.0, 0.0),
        margin_since=np.where(best, 50.0, 0.0)), THEN, RULES)
    assert figure(found, "retention")["value"] == "0.200000"
    top = figure(found, "retention", "crm_value_decile", "01")
    assert (top["value"], top["lift"], top["n"], top["status"]) == (
        "1.000000", "5.000000", 10, "few")
    assert figure(found, "mean_margin", "tier", "high")["lift"] == "5.000000"
    assert figure(found, "mean_margin", "tier", "low")["value"] == "0.000000"
    assert figure(found, "mean_margin")["lift"] is None


def test_profiles_are_ranked_apart() -> None:
    """The lower values of one profile are its best customers; half of all tenths are of each."""
    n = 40
    is_business = np.arange(n) % 2 == 1
    margin = np.arange(n) // 2 + 0.0
    judged = score_backtest(customers(
        n, profile=np.where(is_business, "b2b", "all"), margin_since=margin + 1_000 * is_business,
        crm_value=margin + 50.0 * ~is_business), THEN, RULES)
    assert figure(judged, "rank_correlation_margin")["value"] == "1.000000"
    for tenth in range(1, 11):
        # Two of each profile, with the same places in it.
        part = judged[(judged["part_kind"] == "crm_value_decile")
                      & (judged["part"] == f"{tenth:02d}")]
        assert set(part["n"]) == {4}


def test_who_is_alone_in_a_profile_stands_in_its_middle() -> None:
    shares = rank_shares(pd.Series([3.0, 1.0, 1.0, 9.0]), pd.Series(["a", "a", "a", "b"]))
    assert shares.tolist() == pytest.approx([5 / 6, 1 / 3, 1 / 3, 1 / 2])


def test_retention_is_of_those_who_had_bought() -> None:
    found = score_backtest(customers(
        40, purchases_then=np.where(np.arange(40) < 20, 0.0, 1.0),
        purchases_since=np.where(np.arange(40) < 30, 1.0, 0.0)), THEN, RULES)
    assert (figure(found, "retention")["n"], figure(found, "retention")["value"]) == (
        20, "0.500000")


def test_chance_to_be_alive_is_set_beside_what_came() -> None:
    alive = np.repeat([0.05, 0.55, 1.0], 40)
    found = score_backtest(customers(120, p_alive=alive, purchases_since=np.tile(
        [1.0, 0.0, 0.0, 0.0], 30)), THEN, RULES)
    parts = found[found["part_kind"] == "p_alive"]
    assert parts["part"].tolist() == ["0.0-0.1", "0.5-0.6", "0.9-1.0"]
    assert parts["foretold"].tolist() == ["0.050000", "0.550000", "1.000000"]
    assert set(parts["value"]) == {"0.250000"}


def test_a_chance_that_was_not_kept_is_said() -> None:
    found = score_backtest(customers(40), THEN, RULES)
    row = figure(found, "retention", "p_alive")
    assert (row["status"], row["value"], row["n"]) == ("not_kept", None, 0)


def test_all_alike_have_no_correlation() -> None:
    found = score_backtest(customers(40), THEN, RULES)
    assert figure(found, "rank_correlation_margin")["status"] == "constant"


def test_without_known_costs_there_is_no_margin() -> None:
    bought = np.arange(60) % 2 == 0
    found = score_backtest(customers(
        60, purchases_since=bought.astype(float), margin_since=np.where(bought, np.nan, 0.0)),
        THEN, RULES)
    for name in ("mean_margin", "rank_correlation_margin"):
        assert (figure(found, name)["status"], figure(found, name)["value"]) == (
            "no_margin", None)
    assert figure(found, "retention")["value"] == "0.500000"


def test_who_is_gone_is_counted_and_not_judged() -> None:
    found = score_backtest(customers(40, is_followed=np.arange(40) < 30), THEN, RULES)
    assert figure(found, "customers_scored")["value"] == "40.000000"
    assert figure(found, "customers_followed")["value"] == "30.000000"
    assert figure(found, "retention")["n"] == 30


def test_a_handful_is_not_shown() -> None:
    found = score_backtest(customers(9, margin_since=np.arange(9.0)), THEN, RULES)
    asked = found[~found["figure"].str.startswith("customers")]
    assert set(asked["status"]) == {"suppressed", "not_kept"}
    assert asked["value"].isna().all()


def test_without_history_the_rows_say_so() -> None:
    found = score_backtest(pd.DataFrame(), None, RULES)
    assert set(found["status"]) == {"no_history"}
    assert (found["n"] == 0).all() and found["value"].isna().all()
    assert found["scored_date"].isna().all()


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    asked = customers(200, crm_value=rng.integers(0, 30, 200) / 1.0, margin_since=rng.normal(
        1e6, 1e6, 200), purchases_since=rng.integers(0, 3, 200) / 1.0, p_alive=rng.random(200))
    pd.testing.assert_frame_equal(
        score_backtest(asked, THEN, RULES),
        score_backtest(asked.sample(frac=1, random_state=9), THEN, RULES))
