"""What a refused night says where the home counts in another currency than its orders."""

from __future__ import annotations

from pathlib import Path

import pytest

from nights.homes import ORDER_HEADER, real_home

pytestmark = pytest.mark.slow

SECRET = {"CRM_HOME_SECRET": "a secret of a home of trials, long enough"}


def test_the_reason_comes_first_and_the_waiver_last(tmp_path: Path) -> None:
    home = real_home(tmp_path / "home", {})
    home.drop("orders_2026-11-19.csv", ORDER_HEADER, [
        [f"O{number}", "1", f"C{number}", "2026-11-18 10:00:00", "completed", 1, 10, "USD"]
        for number in range(30)])

    said = [line for line in home.crm("run", "--date", "2026-11-19", **SECRET).expect(1)
            .err.splitlines() if line.strip()]

    [first] = [n for n, line in enumerate(said) if line.startswith(
        "All 30 orders are in USD, and the base currency is CNY: set base_currency: USD")]
    assert said[first + 1].endswith("stop this publication; what was published before stays:") or \
        said[first + 1].endswith("stops this publication; what was published before stays:")
    assert said[first + 2].startswith(
        "- FAILED held_share_within_bound: crm.reconciliation: sources with too large a share of "
        "held rows: 1. For example source = orders, held = 30")
    assert said[-1].startswith("Only if an alarm is false: crm-value --home ")
