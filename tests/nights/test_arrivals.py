"""A file that did not come: what `check` and the night say, and what ends it."""

from __future__ import annotations

from datetime import date

import pytest

from nights.conftest import SECOND, Teller

VERSIONED = '    files: ["orders/*", "orders*"]\n'
EXPECTED = VERSIONED + "    expected: {minimum_rows: 2}\n"
MISSING = "came = nothing, missing_since = 2026-11-18, last_came = 2026-11-17"


@pytest.mark.slow
def test_a_missing_file_stops_the_night_until_it_comes(home_after: Teller) -> None:
    """Two nights and a check: the second night is published as if nothing had been."""
    home = home_after("first")
    home.edit("sources.yaml", VERSIONED, EXPECTED)

    said = home.crm("run", "--date", SECOND).expect(1)
    assert "deliveries that are missing or much too small: 1" in said.err
    assert f"source = orders, due_date = 2026-11-18, expected = a delivery with at least 2 " \
           f"rows, {MISSING}" in said.err
    assert "crm-value run --date" in said.err

    home.deliver(date.fromisoformat(SECOND))
    home.night(SECOND)
    # The 17th was published before anything was expected, and is judged by its own files.
    said = home.crm("run", "--date", SECOND).expect(0)
    assert "was made again" in said.out


@pytest.mark.slow
def test_check_says_beforehand_what_is_missing(home_after: Teller) -> None:
    home = home_after("first")
    home.edit("sources.yaml", VERSIONED, EXPECTED)
    said = home.crm("check").expect(1)
    assert "orders: a delivery with at least 2 rows expected for " in said.out
    assert "the last delivery is of 2026-11-17: the gate would stop the night" in said.out
    home.edit("sources.yaml", "{minimum_rows: 2}", "{minimum_rows: 2, severity: warning}")
    assert "the gate would warn" in home.crm("check").expect(0).out
