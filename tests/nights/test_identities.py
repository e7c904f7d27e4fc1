"""The rules of crm.yaml that part customers, from rows of an export to what is published."""

from __future__ import annotations

import pytest

from dagster_project.customers.identities import identity_token
from dagster_project.settings import SAMPLE_SECRET
from nights.conftest import SECOND, Teller
from nights.homes import ORDER_HEADER

# Account, address and amount of one order each; the last is known by an address alone.
ORDERS = (("P-1", "pair@example.com", 10), ("P-2", "pair@example.com", 20),
          ("P-3", "till@example.com", 40), ("P-4", "till@example.com", 80),
          ("P-5", "team@example.com", 160), ("P-6", "team@example.com", 320),
          ("", "till@example.com", 640))


@pytest.mark.slow
def test_who_is_kept_apart_is_published_apart(home_after: Teller) -> None:
    """A pair by its ids, who shares a till by its address; the two of a team are one."""
    home = home_after("first")
    excluded = home.law()["orders"]["excluded"]
    home.drop(f"orders/orders_shared_{SECOND}.csv", (*ORDER_HEADER, "email"),
              [[f"SHARED-{number}", "1", account, "2026-11-18 10:00:00", "completed", 1, amount,
                "CNY", email] for number, (account, email, amount) in enumerate(ORDERS)])
    till = identity_token(SAMPLE_SECRET, "email", "till@example.com")
    home.edit("crm.yaml", "never_merge: []", "never_merge: [[P-1, P-2]]")
    home.edit("crm.yaml", "ignored_contacts: []", f"ignored_contacts: [{till}]")

    home.night(SECOND)

    published = {row["source_customer_id"]: int(row["net_revenue_amount"]) for row in home.query(
        "select source_customer_id, net_revenue_amount from crm.customer_ids "
        "inner join crm.customers using (customer_key) where source_customer_id like 'P-%'")}
    assert published == {"P-1": 10, "P-2": 20, "P-3": 40, "P-4": 80, "P-5": 480, "P-6": 480}
    assert home.query(f"select * from crm.customers where customer_key = '{till}'") == []
    assert home.law()["orders"]["excluded"] == excluded + 1
