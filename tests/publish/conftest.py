"""One home with two nights, made once for all workers: a sample, and rows that go nowhere."""

from __future__ import annotations

import fcntl

import pytest

from nights.homes import ORDER_HEADER, TrialHome

FIRST, LAST = "2026-11-19", "2026-11-20"
CUSTOMERS, DAYS = 300, 14
CRAFTED_ORDERS = (
    ("XO1", 1, "X-REJECTED", f"{FIRST} 10:00:00", "completed", 1, "abc", "CNY"),
    ("XO2", 1, "X-SLIPPED", f"{FIRST} 10:00:00", "completed", 1, "5.00", "CNY", "too", "many"),
    ("XO3", 1, "X-HELD", f"{FIRST} 10:00:00", "completed", 1, "500", "JPY"),
    ("XO4", 1, "", f"{FIRST} 10:00:00", "completed", 1, "7.50", "CNY"),
    ("XO5", 1, "X-OPEN", f"{FIRST} 10:00:00", "open", 1, "7.50", "CNY"),
    ("XO6", 1, "X-LISTED", f"{FIRST} 10:00:00", "completed", 1, "7.50", "CNY"),
    ("XO7", 1, "X-OTHER", f"{FIRST} 10:00:00", "completed", 2, "1234.50", "CNY"),
    ("XO8", 1, "X-MERGED-1", f"{FIRST} 10:00:00", "completed", 1, "10.00", "CNY"),
    ("XO9", 1, "X-MERGED-2", f"{FIRST} 10:00:00", "completed", 1, "20.00", "CNY"),
    ("XO15", 1, "X-OPEN", f"{FIRST} 10:00:00", "completed", 1, "6.00", "CNY"),
    ("XO15", 2, "X-SHARED", f"{FIRST} 10:00:00", "completed", 1, "7.00", "CNY"),
    ("XO16", 1, "X-HELD", "whenever", "completed", 1, "7.00", "CNY"),
)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> TrialHome:
    """Publications 1 and 2, of the 19th and the 20th; read it, and change only copies."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "explained"
    shared.mkdir(exist_ok=True)
    home, mark = TrialHome(shared / "home"), shared / "home.made"
    with (shared / ".lock").open("w") as lock:
        # The worker that comes first makes the home, the others wait for it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            assert not home.folder.exists(), "making the home failed before"
            _make(home)
            mark.touch()
    return home


def _make(home: TrialHome) -> None:
    home.crm("init", str(home.folder), "--sample").expect(0)
    home.crm("sample", "--customers", str(CUSTOMERS), "--days", str(DAYS), "--end", LAST,
             "--seed", "3").expect(0)
    # A share of few rows says nothing.
    home.edit("home.yaml", "maximum_rejected_share: 0.05", "maximum_rejected_share: 1")
    home.edit("home.yaml", "maximum_held_share: 0.05", "maximum_held_share: 1")
    home.edit("crm.yaml", "ids: []", "ids: [X-LISTED]")
    home.edit("sources.yaml", "\nsources:\n", "\nsources:\n  people:\n    kind: customers\n"
              "    files: [\"people/*\"]\n    other_ids: {desk_id: zendesk}\n")
    home.edit("crm.yaml", "never_merge: []", 'never_merge: [[X-APART, "zendesk:4713"]]')
    _drop_crafted_files(home)
    home.crm("run", "--from", FIRST, "--to", LAST).expect(0)


def _drop_crafted_files(home: TrialHome) -> None:
    home.drop("orders/orders_gone_2026-11-18.csv", ORDER_HEADER, [
        ("XO0", 1, "X-GONE", "2026-11-18 10:00:00", "completed", 1, "9.00", "CNY")])
    home.drop("orders/orders_crafted_2026-11-19.csv", ORDER_HEADER, [
        *CRAFTED_ORDERS,
        ("XO0", 1, "X-OTHER", "2026-11-18 10:00:00", "completed", 1, "9.00", "CNY")])
    home.drop("orders/orders_later_2026-11-23.csv", ORDER_HEADER, [
        # Half an hour into the 22nd where the shop is; the 21st in UTC.
        ("XO10", 1, "X-LATER", "2026-11-22 00:30:00", "completed", 1, "9.50", "CNY"),
        ("XO12", 1, "X-OPEN", "2026-11-22 10:00:00", "open", 1, "9.50", "CNY")])
    home.drop("customers/customers_crafted_2026-11-19.csv",
              ("customer_id", "customer_type", "email"), [
                  ("X-STAFF", "staff", ""), ("X-MERGED-1", "person", "merged@example.com")])
    home.drop("customers/customers_crafted_2026-11-20.csv",
              ("customer_id", "customer_type", "email"), [
                  ("X-MERGED-2", "person", "merged@example.com")])
    home.drop("orders/orders_guests_2026-11-19.csv", (*ORDER_HEADER, "email"), [
        ("XO13", 1, "", f"{FIRST} 10:00:00", "completed", 1, "11.00", "CNY", "guest@example.com"),
        ("XO14", 1, "", f"{FIRST} 10:00:00", "completed", 1, "4.00", "CNY", "Merged@Example.com")])
    # The shop's records list requesters of the help desk, whose tickets a preset recognises.
    home.drop("people/people.csv", ("customer_id", "valid_from", "desk_id"), [
        ("X-DESK", "2026-11-10", "4711"), ("X-SILENT", "2026-11-11", "4716"),
        ("X-APART", "2026-11-12", "4713"), ("X-LATER-LIST", "2026-12-01", "4714"),
        ("X-SOON", "soon", "4715")])
    home.drop("tickets.csv", ("id", "created_at", "updated_at", "status", "requester_id",
                              "subject", "via_channel", "type"), [
        ("T-1", f"{FIRST} 10:00:00", f"{FIRST} 10:00:00", "open", "4711", "?", "web", "problem"),
        ("T-2", f"{FIRST} 11:00:00", f"{FIRST} 11:00:00", "open", "4711", "?", "web", "question")])
    home.drop("refunds/refunds_2026-11-19.csv",
              ("refund_id", "order_id", "refunded_at", "refund", "currency"),
              [("R-1", "XO8", f"{FIRST} 11:00:00", "1.00", "USD")])
    home.drop("campaigns/campaigns_2026-11-19.csv",
              ("campaign_id", "customer_id", "group", "treated_at"), [
                  ("K1", "X-CAMPAIGN", "treated", f"{FIRST} 10:00:00")])
