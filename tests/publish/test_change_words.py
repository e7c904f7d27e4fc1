"""A change in words: its causes, its labels, and why there are no parts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dagster_project.publish.change_tables import CAUSES, CHANGE_KINDS, SPLIT_STATUSES
from dagster_project.publish.change_words import change_lines

KEY, OTHER = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
COMPARED = "publication 4 (2026-03-01)"


def _row(**given: Any) -> dict[str, Any]:
    """A change from 60 to 63.5, by a correction, time and new events."""
    row: dict[str, Any] = {
        "customer_key": KEY, "compared_customer_key": KEY, "compared_publication_id": 4,
        "compared_date": date(2026, 3, 1), "change_kind": "changed", "split_status": "split",
        "old_crm_value": Decimal("60.0000"), "new_crm_value": Decimal("63.5000"),
        "crm_value_change": Decimal("3.5000"),
        **{f"{cause}_change": Decimal("0.0000") for cause in CAUSES},
        "correction_change": Decimal("2.1000"), "time_change": Decimal("-0.7000"),
        "behaviour_change": Decimal("2.1000"),
        "old_tier": "medium", "new_tier": "high", "old_quadrant": "q", "new_quadrant": "q",
        "old_lifecycle_stage": "repeat", "new_lifecycle_stage": "repeat",
    }
    return {**row, **given}


def _without_parts(**given: Any) -> dict[str, Any]:
    return _row(**{f"{cause}_change": None for cause in CAUSES}, **given)


def test_causes_are_told_in_their_order_and_those_without_part_are_not() -> None:
    assert list(change_lines(_row(), "en")) == [
        f"- since {COMPARED} the CRM value went from 60.0000 to 63.5000 (+3.5000): +2.1000 by new "
        "knowledge of old dates, -0.7000 by time (events grow older), +2.1000 by new events",
        "- tier: medium -> high"]


@pytest.mark.parametrize(("row", "words"), [
    (_row(crm_value_change=Decimal(0), new_crm_value=Decimal(60), correction_change=Decimal(0),
          time_change=Decimal(0), behaviour_change=Decimal(0)),
     f"- since {COMPARED} the CRM value stayed 60"),
    (_without_parts(old_crm_value=None, new_crm_value=None, crm_value_change=None,
                    split_status="no_value"),
     f"- since {COMPARED} there is no CRM value, as before"),
    (_without_parts(change_kind="appeared", compared_customer_key=None, old_crm_value=None,
                    crm_value_change=None, split_status="no_value"),
     f"- was no customer in {COMPARED}"),
    (_without_parts(change_kind="became_sufficient", old_crm_value=None, crm_value_change=None,
                    split_status="no_value"),
     f"- since {COMPARED} there is a CRM value, 63.5000; before too little was measured"),
    (_without_parts(change_kind="became_insufficient", new_crm_value=None, crm_value_change=None,
                    split_status="no_value"),
     f"- since {COMPARED} there is no CRM value any more, it was 60.0000: too little is measured"),
    (_without_parts(split_status="no_value_midway"),
     f"- since {COMPARED} the CRM value went from 60.0000 to 63.5000 (+3.5000): the parts cannot "
     "be told, since between the two too little was measured for a value"),
    (_without_parts(split_status="not_comparable"),
     f"- since {COMPARED} the CRM value went from 60.0000 to 63.5000 (+3.5000): the parts cannot "
     "be told, since this version of the program cannot score by the reference of then"),
])
def test_what_cannot_be_split_says_why(row: dict[str, Any], words: str) -> None:
    assert next(iter(change_lines(row, "en"))) == words


def test_another_customer_of_before_is_named() -> None:
    lines = list(change_lines(_row(compared_customer_key=OTHER), "en"))
    assert lines[1] == f"- compared with {OTHER}, whose ids it has"


@pytest.mark.parametrize("kind", sorted(set(CHANGE_KINDS) - {"vanished", "merged"}))
@pytest.mark.parametrize("status", SPLIT_STATUSES)
def test_every_change_has_words_in_both_languages(kind: str, status: str) -> None:
    """Who vanished or merged is not there to be asked for."""
    row = _row(change_kind=kind, split_status=status)
    english, chinese = (list(change_lines(row, language)) for language in ("en", "zh"))
    assert len(english) == len(chinese) > 0
    assert all(line.startswith("- ") and "None" not in line for line in (*english, *chinese))
    assert not any(line.isascii() for line in chinese)
