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


@pytest.mark.slow
def test_a_help_desk_is_joined_by_the_customer_export_and_parted_by_a_rule(
        home_after: Teller) -> None:
    """Tickets know requester 4711, the shop P-1; its record says that they are one."""
    home = home_after("first")
    home.edit("sources.yaml", "\nsources:\n", "\nsources:\n  people:\n    kind: customers\n"
              "    files: [\"people*\"]\n    other_ids: {desk_id: zendesk}\n")
    home.drop("people.csv", ("customer_id", "valid_from", "desk_id"),
              [["P-1", "2026-11-01", "4711"]])
    home.drop("tickets.csv", ("id", "created_at", "updated_at", "status", "requester_id",
                              "subject", "via_channel", "type"),
              [[f"T-{n}", f"2026-11-16 1{n}:00:00", f"2026-11-16 1{n}:00:00", "open", "4711", "?",
                "web", "problem"] for n in range(3)])
    tickets = ("select source_customer_id, interactions_n from crm.customer_ids "
               "inner join crm.customers using (customer_key) "
               "where source_customer_id in ('P-1', '4711') order by 1")

    home.night(SECOND)

    assert [tuple(row.values()) for row in home.query(tickets)] == [("4711", 3), ("P-1", 3)]
    said = home.crm("explain", "zendesk:4711").expect(0).out
    assert "which customer records list: P-1 (people, since 2026-11-01)" in said
    assert 'never_merge: [[P-1, "zendesk:4711"]]' in said
    home.edit("crm.yaml", "never_merge: []", 'never_merge: [[P-1, "zendesk:4711"]]')
    home.night(SECOND)

    assert [tuple(row.values()) for row in home.query(tickets)] == [("4711", 3), ("P-1", 0)]
    said = home.crm("explain", "4711").expect(0).out
    assert "by rule never_merge: " in said
    key = identity_token(SAMPLE_SECRET, "customer", "P-1")
    changes = home.query("select cast(old_customer_key as varchar) as old, reason "
                         "from crm.customer_key_changes")
    assert {"old": key, "reason": "unmerge"} in changes
    home.crm("rebuild").expect(0)
