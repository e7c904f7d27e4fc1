"""Orders and their refunds from the landing folder to the warehouse: a small home, two nights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nights.homes import TrialHome, real_home

# The home costs a minute: one worker makes it.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nights_order_arithmetic")]

SECRET = {"CRM_HOME_SECRET": "a secret of a home of trials, long enough"}
FIRST, SECOND = "2026-11-19", "2026-11-20"

ORDERS_HEADER = ("order_id", "line_id", "customer_id", "ordered_at", "status", "quantity",
                 "unit_price", "discount", "shipping", "refund", "refunded_at", "currency",
                 "product_category", "tags")
# Customer, status, discount, refund and its date stand on the first line of an order only.
ORDERS = (
    ("A", "1", "C-A", "2026-11-01 10:00:00", "completed", 1, 60, 20, 8, 70,
     "2026-11-10 10:00:00", "CNY", "tea", ""),
    ("A", "2", "", "2026-11-01 10:00:00", "", 1, 100, "", "", "", "", "CNY", "tea", ""),
    ("B", "1", "C-B", "2026-11-02 10:00:00", "", 3, 50, "", "", "", "", "CNY", "tea", ""),
    ("B", "2", "C-B", "2026-11-12 10:00:00", "", -1, 50, "", "", "", "", "CNY", "tea", ""),
    ("D", "1", "C-D", "2026-11-03 10:00:00", "", 2, 40, "", "", "", "", "CNY", "tea", ""),
    ("C-D", "1", "C-D", "2026-11-13 10:00:00", "", -2, 40, "", "", "", "", "CNY", "tea", ""),
    ("E", "1", "C-E", "2026-11-04 10:00:00", "", 1, 90, "", "", "", "", "CNY", "tea", ""),
    ("E", "2", "C-E", "2026-11-04 10:00:00", "", 1, 500, "", "", "", "", "CNY", "gift card", ""),
    ("F", "1", "C-F", "2026-11-05 10:00:00", "", 1, 900, "", "", "", "", "CNY", "tea", "test"),
    ("G", "1", "C-G", "2026-11-06 10:00:00", "cancelled", 1, 80, "", "", "", "", "CNY", "tea", ""),
    ("H", "1", "C-H", "2026-11-07 10:00:00", "", 1, 0, "", "", "", "", "CNY", "tea", ""),
    ("I", "1", "", "2026-11-08 10:00:00", "", 1, 33, "", "", "", "", "CNY", "tea", ""),
)
REFUNDS_HEADER = ("refund_id", "order_id", "refunded_at", "refund", "currency")
REFUNDS = (
    ("R1", "E", "2026-11-15 10:00:00", 15, "CNY"),
    ("R2", "E", "2026-11-20 10:00:00", 25, "CNY"),
    ("R3", "LATER", "2026-11-18 10:00:00", 9, "CNY"),
    ("R4", "I", "2026-11-18 10:00:00", 3, "CNY"),
    ("R4", "I", "2026-11-18 10:00:00", 3, "CNY"),
    ("R5", "E", "2026-11-18 10:00:00", -4, "CNY"),
)


def _home(folder: Path) -> TrialHome:
    return real_home(folder, {
        "crm.yaml": {"    tags: []": "    tags: [test]",
                     "product_categories: []": "product_categories: [gift card]"},
        # A share of few rows says nothing.
        "home.yaml": {"maximum_rejected_share: 0.05": "maximum_rejected_share: 0.5",
                      "maximum_held_share: 0.05": "maximum_held_share: 0.5"},
    })


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> TrialHome:
    """The home after its first night."""
    home = _home(tmp_path_factory.mktemp("orders") / "home")
    home.drop("orders_1.csv", ORDERS_HEADER, ORDERS)
    home.drop("refunds_1.csv", REFUNDS_HEADER, REFUNDS)
    home.crm("run", "--date", FIRST, **SECRET).expect(0)
    return home


@pytest.fixture(scope="module")
def second(first: TrialHome, tmp_path_factory: pytest.TempPathFactory) -> TrialHome:
    """The home after the night in which the missing order came."""
    home = first.copy(tmp_path_factory.mktemp("later") / "home")
    home.drop("orders_2.csv", ORDERS_HEADER, [
        ("LATER", "1", "C-L", "2026-11-16 10:00:00", "", 1, 50, "", "", "", "", "CNY", "", "")])
    home.crm("run", "--date", SECOND, **SECRET).expect(0)
    return home


def _worth(home: TrialHome) -> dict[str, tuple[int, ...]]:
    """Net revenue and refunds in whole yuan, purchases, orders, by customer id."""
    rows = home.query(
        "select source_customer_id as id, net_revenue_amount, refund_amount, purchases_n, orders_n "
        "from crm.customers inner join crm.customer_ids using (customer_key)")
    names = ("net_revenue_amount", "refund_amount", "purchases_n", "orders_n")
    assert all(row[name] == int(row[name]) for row in rows for name in names)
    return {row["id"]: tuple(int(row[name]) for name in names) for row in rows}


def _law(home: TrialHome, kind: str, measure: str) -> dict[str, Any]:
    rows = home.query(f"select * from crm.reconciliation where kind = '{kind}' "
                      f"and measure = '{measure}'")
    assert len(rows) == 1
    row = rows[0]
    assert row["loaded"] == row["current"] + row["superseded"]
    assert row["current"] == sum(row[state] for state in (
        "counted", "unattributed", "excluded", "held", "after_date"))
    return row


def test_customers_are_worth_what_their_orders_leave(first: TrialHome) -> None:
    assert _worth(first) == {
        "C-A": (70, 70, 1, 1),   # 160 - 20, less 70 in a column
        "C-B": (100, 0, 1, 1),   # 150, less 50 in a negative row
        "C-D": (0, 0, 1, 2),     # 80, and its cancelled twin
        "C-E": (75, 15, 1, 1),   # 90 without the gift card, less 15 of the refunds export
        "C-F": (0, 0, 0, 0),     # a test order
        "C-G": (0, 0, 0, 1),     # cancelled
        "C-H": (0, 0, 0, 1),     # a zero amount
    }


def test_every_row_and_amount_is_somewhere(first: TrialHome) -> None:
    orders = _law(first, "orders", "rows")
    assert (orders["read"], orders["counted"], orders["unattributed"], orders["excluded"]) == (
        12, 9, 1, 2)
    money = _law(first, "orders", "amount")
    # 160 - 20 + 150 - 50 + 80 - 80 + 90 + 80
    assert (money["counted"], money["unattributed"], money["excluded"]) == (410, 33, 1400)
    refunds = _law(first, "refunds", "rows")
    assert (refunds["read"], refunds["repeated"], refunds["rejected"]) == (6, 1, 1)
    assert (refunds["counted"], refunds["unattributed"], refunds["held"],
            refunds["after_date"]) == (1, 1, 1, 1)
    money = _law(first, "refunds", "amount")
    assert (money["counted"], money["unattributed"], money["held"], money["after_date"]) == (
        15, 3, 9, 25)


def test_a_refund_without_its_order_is_held_until_the_order_comes(
        first: TrialHome, second: TrialHome) -> None:
    held = first.query("select kind, refund_id, order_id, reason, amount from crm.held_rows",
                       first.status)
    assert held == [{"kind": "refunds", "refund_id": "R3", "order_id": "LATER",
                     "reason": "unknown_order", "amount": 9}]
    assert second.query("select * from crm.held_rows", second.status) == []
    worth = _worth(second)
    assert worth["C-L"] == (41, 9, 1, 1)
    assert worth["C-E"] == (50, 40, 1, 1)
    assert _law(second, "refunds", "amount")["counted"] == 49
