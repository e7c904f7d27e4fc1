"""Control groups: who is drawn is nobody else's business, and the size shows the effect."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.feedback.holdout import (
    FORMULA_SIGNS,
    Customer,
    Group,
    Holdout,
    HoldoutError,
    Wish,
    draw_group,
    holdout_lines,
    place_of,
    write_holdout,
)
from dagster_project.feedback.sample_size import detectable_effect, power
from dagster_project.ingest.canonical import CAMPAIGNS

SECRET = b"a secret of a home that nobody knows"
QUADRANT = "high_value_low_loyalty"
keys = st.lists(st.uuids().map(str), unique=True, min_size=1, max_size=60)


def customers(of: list[str]) -> list[Customer]:
    """Buyers of these keys."""
    return [Customer(key, f"C-{key}", True) for key in of]


def many(n: int) -> list[Customer]:
    """So many buyers."""
    return customers([f"00000000-0000-4000-8000-{number:012d}" for number in range(n)])


def drawn(of: list[Customer], wish: Wish, base_rate: float | None = 0.2) -> Group:
    """The draw of one quadrant."""
    return draw_group(QUADRANT, of, base_rate, wish,
                      lambda key: place_of(SECRET, wish.campaign_id, key))


def control_of(of: list[Customer], share: float, campaign: str = "spring") -> set[str]:
    """Keys of those who are kept apart."""
    group = drawn(of, Wish(campaign, share=share))
    assert {*group.control, *group.treated} == set(of)
    assert len(group.control) + len(group.treated) == len(of)
    return {one.customer_key for one in group.control}


@given(keys, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_draw_is_the_same_whatever_the_order(some: list[str], order: object) -> None:
    shuffled = list(some)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert drawn(customers(some), Wish("spring", share=0.3)) == drawn(
        customers(shuffled), Wish("spring", share=0.3))


@given(keys, keys)
@settings(max_examples=50)
def test_further_customers_move_nobody(some: list[str], others: list[str]) -> None:
    both = list(dict.fromkeys(some + others))
    assert control_of(customers(both), 0.4) & set(some) == control_of(customers(some), 0.4)


@given(keys, st.floats(0.01, 0.5), st.floats(0.01, 0.5))
@settings(max_examples=50)
def test_a_larger_share_keeps_all_of_a_smaller_one(some: list[str], one: float,
                                                   other: float) -> None:
    smaller, larger = sorted((one, other))
    assert control_of(customers(some), smaller) <= control_of(customers(some), larger)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_shares_are_met_and_campaigns_are_independent(share: float) -> None:
    n = 20_000
    of = many(n)
    first, second = control_of(of, share), control_of(of, share, "summer")
    spread = np.sqrt(n * share * (1 - share))
    assert abs(len(first) - n * share) < 4 * spread
    # Drawn twice by chance alone: the shares multiply.
    together = n * share**2
    assert abs(len(first & second) - together) < 4 * np.sqrt(together)


def test_another_home_draws_others() -> None:
    places = [place_of(secret, "spring", "key") for secret in (SECRET, SECRET[::-1])]
    assert places[0] != places[1]
    assert all(0 <= place < 1 for place in places)
    assert place_of(SECRET, "spring", "key") == places[0]


def test_power_is_that_of_the_textbook() -> None:
    """Shares of .25 and .40, two-sided 5 %, 152 in each group: power .8 (Fleiss, table 4.4 without
    its correction for continuity).
    """
    assert power(0.25, 0.15, 152, 152) == pytest.approx(0.80, abs=0.005)
    assert power(0.25, 0.15, 0, 152) == 0
    assert power(0.0, 1.0, 10, 10) == 1


def test_power_is_what_simulated_campaigns_show() -> None:
    rng = np.random.default_rng(17)
    treated_n, control_n, draws = 1_200, 400, 4_000
    seen = [rng.binomial(treated_n, 0.2 + 0.07, draws) / treated_n,
            rng.binomial(control_n, 0.2, draws) / control_n]
    pooled = (seen[0] * treated_n + seen[1] * control_n) / (treated_n + control_n)
    error = np.sqrt(pooled * (1 - pooled) * (1 / treated_n + 1 / control_n))
    shown = np.mean((seen[0] - seen[1]) / error > 1.959964)
    assert shown == pytest.approx(power(0.2, 0.07, treated_n, control_n), abs=0.02)


@given(st.floats(0, 0.9), st.floats(0.5, 0.99), st.integers(5, 5_000), st.integers(5, 5_000))
@settings(max_examples=50)
def test_the_smallest_effect_is_seen_and_a_smaller_one_is_not(
        rate: float, wished: float, treated_n: int, control_n: int) -> None:
    smallest = detectable_effect(rate, wished, treated_n, control_n)
    if smallest is None:
        assert power(rate, 1 - rate, treated_n, control_n) < wished
    else:
        assert power(rate, smallest, treated_n, control_n) >= wished
        assert smallest < 1e-9 or power(rate, smallest * 0.99, treated_n, control_n) < wished


def test_the_smallest_percent_that_shows_the_effect_is_taken() -> None:
    of = many(4_000)
    group = drawn(of, Wish("spring", effect=0.05))
    assert group.power is not None and group.power >= 0.8
    percent = round(100 * group.share)
    assert group.share == percent / 100
    one_less = drawn(of, Wish("spring", share=(percent - 1) / 100))
    assert power(0.2, 0.05, len(one_less.treated), len(one_less.control)) < 0.8


def test_only_buyers_make_power() -> None:
    of = [Customer(one.customer_key, one.customer_id, number % 2 == 0)
          for number, one in enumerate(many(4_000))]
    few, all_buy = (drawn(group, Wish("spring", effect=0.08)) for group in (of, many(4_000)))
    assert few.share > all_buy.share


@pytest.mark.parametrize(("n", "wish", "rate", "words"), [
    (50, Wish("s", effect=0.05), 0.2, "cannot be seen with power 0.8 among 50 customers"),
    (4_000, Wish("s", effect=0.05, share=0.01), 0.2, "a larger --share"),
    (50, Wish("s", effect=0.9), 0.2, "an addition to the share"),
    (50, Wish("s", effect=0.05), None, "no rate to size a control group by"),
])
def test_what_cannot_be_is_said(n: int, wish: Wish, rate: float | None, words: str) -> None:
    with pytest.raises(HoldoutError, match=QUADRANT) as caught:
        drawn(many(n), wish, rate)
    assert words in str(caught.value)


def test_a_share_needs_no_effect() -> None:
    group = drawn(many(100), Wish("s", share=0.2), None)
    assert (group.power, group.smallest_effect) == (None, None)
    assert group.control and group.treated


def _holdout(group: Group) -> Holdout:
    return Holdout("spring", date(2026, 11, 20), date(2026, 11, 21), 30, (group,), None, 2,
                   "Asia/Shanghai")


def test_the_file_has_the_columns_of_the_export_and_every_customer_once(tmp_path: Path) -> None:
    file = tmp_path / "campaigns.csv"
    of = many(50)
    group = drawn(of, Wish("spring", share=0.3))
    assert write_holdout(_holdout(group), file) == 50
    with file.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    assert reader.fieldnames == [column.name for column in CAMPAIGNS.columns]
    assert sorted(row["customer_id"] for row in rows) == [one.customer_id for one in of]
    assert {row["customer_id"] for row in rows if row["group"] == "control"} == {
        one.customer_id for one in group.control}
    assert {row["treated_at"] for row in rows} == {"2026-11-21 12:00:00+08:00"}
    assert "by the quadrants of today" in "\n".join(holdout_lines(_holdout(group)))
    assert "2 customers are left out" in "\n".join(holdout_lines(_holdout(group)))


def test_a_draw_of_days_before_the_treatment_is_warned_of() -> None:
    holdout = _holdout(drawn(many(5), Wish("spring", share=0.5)))
    early = replace(holdout, treated_on=date(2026, 11, 22))
    assert "draw again on the eve" in "\n".join(holdout_lines(early))
    assert "draw again on the eve" not in "\n".join(holdout_lines(holdout))


def test_a_file_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "campaigns.csv"
    file.write_text("mine")
    group = drawn(many(5), Wish("spring", share=0.5))
    with pytest.raises(HoldoutError, match="is there already"):
        write_holdout(_holdout(group), file)
    with pytest.raises(HoldoutError, match="is no folder"):
        write_holdout(_holdout(group), tmp_path / "nowhere" / "campaigns.csv")
    assert file.read_text() == "mine"


def test_signs_of_formulas_are_known() -> None:
    assert set("=+-@\t\r") <= set(FORMULA_SIGNS)
