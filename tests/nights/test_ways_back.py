"""From a score back to a customer of the shop, where orders and answers know addresses only."""

from __future__ import annotations

from pathlib import Path

import pytest

from nights.homes import real_home

# Two nights of a small home: one worker makes it.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nights_ways_back")]

SECRET = {"CRM_HOME_SECRET": "a secret of a home of trials, long enough"}
ORDERS = ("Name", "Email", "Financial Status", "Currency", "Shipping", "Taxes", "Created at",
          "Discount Amount", "Refunded Amount", "Lineitem quantity", "Lineitem price",
          "Lineitem sku")
CUSTOMERS = ("Customer ID", "First Name", "Last Name", "Email", "Phone", "Total Spent",
             "Total Orders")
BUYERS = 12


def _order(number: int, status: str = "paid", refund: str = "0.00") -> tuple[str, ...]:
    return (f"#{number}", f"buyer{number}@example.com", status, "CNY", "6.95", "0.00",
            "2026-11-10 10:00:00 +0800", "0.00", refund, "1", "56.00", "TEA")


def test_a_later_customers_export_leads_back_and_changes_every_key(tmp_path: Path) -> None:
    home = real_home(tmp_path / "home", {})
    home.drop("orders_export_1.csv", ORDERS, [
        _order(0, "refunded", "62.95"), *(_order(number) for number in range(1, BUYERS))])

    first = home.crm("run", "--date", "2026-11-19", **SECRET).expect(0)

    assert (f"{BUYERS} of {BUYERS} customers are known by e-mail or phone alone: customer_ids "
            "leads to none of them; deliver a customers export with their ids") in first.out
    # Refunded with its shipping, the order leaves nothing; it was below nothing once.
    assert sorted(row["net_revenue_amount"] for row in home.query(
        "select net_revenue_amount from crm.customers")) == [0, *[56] * (BUYERS - 1)]

    home.drop("customers_export.csv", CUSTOMERS, [
        (f"70{number:02}", "", "", f"buyer{number}@example.com", "", "", "")
        for number in range(BUYERS)])
    second = home.crm("run", "--date", "2026-11-20", **SECRET).expect(0)

    assert "known by e-mail or phone alone" not in second.out
    said = f"{BUYERS} customers have a new key (merge): see customer_key_changes"
    assert said in second.out
    assert len(home.query("select * from crm.customer_key_changes")) == BUYERS
    assert len(home.query("select * from crm.customer_ids where id_space <> 'email'")) == BUYERS
