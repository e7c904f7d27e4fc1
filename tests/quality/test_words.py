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
        "2 check(s) stop this publication; what was published before stays:",
        "- FAILED m_check (1,200 rows): many. Look.",
        "- NOT CHECKED z_check: no column",
        "- warning b_warning (2 rows): two are odd",
    ]
    assert failure_words(results[:2]).startswith("Published with remarks:")
    assert failure_words([passed(CHECK, "c")]) == ""
