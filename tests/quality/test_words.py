"""Words people see: masked, sorted by what matters, with what to do."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.quality.result import Check, failed, not_evaluated, passed
from dagster_project.quality.words import error_words, example_of, failure_words, mask, scrub

KEY = "3f2a1b7c-0000-4000-8000-123456789012"
CHECK = Check("a_check", "crm.customers", "error", "A reason.", "Do something.")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"), (140.5, "140.5"), (2 / 3, "0.666667"), (Decimal("-0.01"), "-0.01"),
        (True, "True"),
        (datetime.date(2026, 3, 31), "2026-03-31"), (uuid.UUID(KEY), "3f2a1b7c…"),
        (KEY, "3f2a1b7c…"), ("Hangzhou", "H*** (8 characters)"), ("", "*** (0 characters)"),
    ],
)
def test_mask(value: Any, shown: str) -> None:
    """Numbers and dates help and name nobody; text does neither."""
    assert mask(value) == shown


@given(st.emails())
def test_no_address_survives(address: str) -> None:
    """Whatever the address, neither mask nor scrub nor an error repeats it."""
    for text in (mask(address), scrub(f"write to {address} now"),
                 error_words(f"Conversion Error: could not read {address}"),
                 example_of({"city": address}), example_of({"file_name": address}, ["file_name"])):
        assert address not in text


def test_shown_columns_are_clear() -> None:
    """Names of sources and files are what people need."""
    assert example_of({"source": "shop_orders", "value": "Mei"}, ["source"]) == (
        "source = shop_orders, value = M*** (3 characters)")


def test_error_words_quote_no_value() -> None:
    """The engine quotes what it could not read; its second lines are of no use to people."""
    error = ValueError("Could not convert string 'Mei Lin' to DECIMAL\nLINE 1: select 'Mei Lin'")
    assert error_words(error) == "ValueError: Could not convert string '…' to DECIMAL"


def test_what_stops_comes_first() -> None:
    """The last lines of a run begin with what must be mended."""
    results = [
        failed(Check("b_warning", "crm.customers", "warning", "w", "Look."), "c", 2, "two are odd"),
        passed(CHECK, "c"),
        not_evaluated(Check("z_check", "crm.customers", "warning", "w", "Look."), "c", "no column"),
        failed(Check("m_check", "crm.customers", "error", "w", "Look."), "c", 1200, "many. Look."),
    ]
    assert failure_words(results).splitlines() == [
        "2 checks stop this publication; what was published before stays:",
        "- FAILED m_check: many. Look.",
        "- NOT CHECKED z_check: no column",
        "- warning b_warning: two are odd",
    ]
    assert failure_words(results[:2]).startswith("Published with remarks:")
    assert failure_words([passed(CHECK, "c")]) == ""


def test_causes_come_before_what_follows_from_them() -> None:
    """Orders that wait for a rate leave customers, scores and segments empty, too."""
    results = [failed(Check(name, relation, "error", "w", "Look."), "c", 1, "odd")
               for name, relation in (("a", "crm.customers"), ("b", "crm.reconciliation"),
                                      ("c", "night.load_ledger"), ("d", "raw.raw_order_lines"))]
    assert [line.split()[2] for line in failure_words(results).splitlines()[1:]] == [
        "c:", "d:", "b:", "a:"]
    assert failure_words(results[:1]).startswith("1 check stops this publication;")
