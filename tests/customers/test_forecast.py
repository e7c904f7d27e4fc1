"""What check says of tonight's gate, on counts made up by hand."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.customers.forecast import (
    currency_advice,
    held_forecast,
    rejected_forecast,
)
from dagster_project.settings import GateSettings

GATE = GateSettings(maximum_rejected_share=0.05, rejected_rows_tolerated=5, maximum_held_share=0.1)


def frame(columns: str, *rows: tuple[object, ...]) -> pd.DataFrame:
    """Rows with these columns."""
    return pd.DataFrame(list(rows), columns=columns.split())


def orders(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Numbers of orders by currency."""
    return frame("currency is_unrated orders_n", *rows)


def test_one_foreign_currency_without_rates_is_probably_the_base_currency() -> None:
    said = currency_advice(orders(("USD", True, 132)), "CNY")
    assert said is not None
    assert said.startswith("All 132 orders are in USD, and the base currency is CNY: set "
                           "base_currency: USD in config/crm.yaml, or deliver the rates of USD")


def test_of_several_currencies_without_rates_the_usual_one_is_proposed() -> None:
    said = currency_advice(orders(("EUR", True, 3), ("USD", True, 5)), "CNY")
    assert said is not None
    assert "(orders: USD 5, EUR 3), and none has a rate: set base_currency: USD" in said


@pytest.mark.parametrize("rows", [
    [], [("CNY", False, 1), ("USD", True, 99)], [("USD", False, 1), ("USD", True, 99)]])
def test_a_currency_in_which_orders_have_amounts_is_left_alone(
        rows: list[tuple[object, ...]]) -> None:
    assert currency_advice(orders(*rows), "CNY") is None


def test_held_rows_over_the_bound_are_told_by_source() -> None:
    parts = frame("source state rows_n", ("a", "held", 2), ("a", "counted", 8),
                  ("a", "excluded", 5), ("b", "held", 1), ("b", "counted", 9), ("c", "counted", 1))
    assert list(held_forecast(parts, GATE)) == [
        "a: 2 of 15 rows would be held, over the bound of 10.0% (maximum_held_share): the gate "
        "would stop the night"]


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_the_held_bound_is_a_share_of_all_current_rows(held: int, counted: int,
                                                       percent: int) -> None:
    counted = max(counted, 100 - held)  # often a whole hundred, where a bound is met exactly
    gate = GateSettings(maximum_held_share=percent / 100)
    parts = frame("source state rows_n", ("a", "held", held), ("a", "counted", counted))
    is_over = Decimal(held) * 100 > Decimal(percent) * (held + counted)
    assert len(list(held_forecast(parts, gate))) == is_over


def test_rows_left_out_or_repaired_are_neither_read_nor_rejected() -> None:
    loads = frame("source rows_read_n", ("a", 60), ("a", 40), ("b", 60), ("c", 10))
    rejected = frame(
        "source reason repaired_load_seq",
        *[("a", "not_a_time", None)] * 6, ("b", "not_a_time", None),
        *[("c", "not_a_time", None)] * 5)
    assert [line.split(",")[0] for line in rejected_forecast(loads, rejected, GATE, {})] == [
        "a: 6 of 100 rows would be rejected"]
    assert list(rejected_forecast(loads, rejected, GATE, {"a": 0.06})) == []
    further = frame("source reason repaired_load_seq", *[("a", "left_out", None)] * 10,
                    *[("a", "not_a_time", 7.0)] * 10)
    (said,) = rejected_forecast(loads, pd.concat([rejected, further]), GATE, {"a": 0.06})
    assert said.startswith("a: 6 of 80 rows would be rejected, over the bound of 6.0%")
