"""The arithmetic of orders: every form in which shops write refunds, returns and cancellations,
and what is left out. One customer stands for one rule; all figures are worked out by hand."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from builds import Build, Row, configuration_vars, identity

Event = tuple[str, str, Any]
# The build costs ten seconds: one worker makes it.
pytestmark = pytest.mark.xdist_group("order_arithmetic")


def at(day: str) -> datetime:
    """Two in the afternoon of `day` in Shanghai."""
    return datetime.fromisoformat(f"{day} 06:00")


@dataclass(frozen=True)
class Case:
    """The orders of one customer, and what comes of them.

    Attributes:
        rule: what it stands for.
        lines: order lines; quantity 1, completed and of 1 June where they state nothing else.
        events: kind, date and amount of each event, in the order of date and kind.
        refunds: rows of the refunds export.
        purchases_n: orders above zero on D, 30 June.
        orders_n: orders that are neither held nor excluded.
    """

    rule: str
    lines: list[Row]
    events: list[Event]
    purchases_n: int = 1
    orders_n: int = 1
    refunds: list[Row] = field(default_factory=list)

    @property
    def net(self) -> Decimal:
        """What is left on D."""
        return sum((Decimal(str(amount)) for _, day, amount in self.events if day <= "2026-06-30"),
                   Decimal(0))

    @property
    def refunded(self) -> Decimal:
        """What refunds took back on D."""
        return -sum((Decimal(str(amount)) for kind, day, amount in self.events
                     if kind == "refund" and day <= "2026-06-30"), Decimal(0))


def line(order: str, price: float, **more: Any) -> Row:
    """One line at noon; times as dates."""
    row: Row = {"order_id": order, "unit_price": price, "ordered_at": "2026-06-01"} | more
    return {name: at(value) if name.endswith("_at") else value for name, value in row.items()}


def lines(order: str, *rows: Row, **same: Any) -> list[Row]:
    """Lines of one order."""
    return [line(order, **({"price": 0} | row | same), line_key=str(number))
            for number, row in enumerate(rows, start=1)]


def refund(order: str, amount: float, day: str, **more: Any) -> Row:
    """One row of the refunds export."""
    return {"order_id": order, "refund": amount, "refunded_at": at(day),
            "refund_id": f"{order}/{day}/{amount}"} | more


CASES = [
    Case("amounts of the order stand on its first line only", lines(
        "once", {"price": 60, "discount": 20, "shipping": 8, "tax": 5, "refund": 70,
                 "refunded_at": "2026-06-05"}, {"price": 100}),
        [("sale", "2026-06-01", 140), ("refund", "2026-06-05", -70)]),
    Case("the status stands on the first line only: cancelled", lines(
        "cancelled_once", {"price": 60, "status": "cancelled", "cancelled_at": "2026-06-05"},
        {"price": 100, "status": None}),
        [("sale", "2026-06-01", 160), ("cancel", "2026-06-05", -160)], purchases_n=0),
    Case("the status stands on the first line only: refunded", lines(
        "refunded_once", {"price": 60, "status": "refunded", "refunded_at": "2026-06-05"},
        {"price": 100, "status": None}),
        [("sale", "2026-06-01", 160), ("refund", "2026-06-05", -160)], purchases_n=0),
    Case("the status stands on the first line only: unpaid", lines(
        "open_once", {"price": 60, "status": "open"}, {"price": 100, "status": None}),
        [], purchases_n=0, orders_n=0),
    Case("no line states a status: completed", lines(
        "silent", {"price": 60, "status": None}, {"price": 100, "status": None}),
        [("sale", "2026-06-01", 160)]),
    Case("lines of different statuses, one without", lines(
        "differing", {"price": 60, "status": "cancelled", "cancelled_at": "2026-06-05"},
        {"price": 100}, {"price": 7, "status": None}),
        [("sale", "2026-06-01", 167), ("cancel", "2026-06-05", -60)]),
    Case("a negative quantity inside the order, at its own date", lines(
        "negative", {"price": 50, "quantity": 3},
        {"price": 50, "quantity": -1, "ordered_at": "2026-06-10"}),
        [("sale", "2026-06-01", 150), ("return", "2026-06-10", -50)]),
    Case("a negative price, with the date of the refund, of the whole order", lines(
        "negative_price", {"price": 50}, {"price": -50, "refunded_at": "2026-06-12"}),
        [("sale", "2026-06-01", 50), ("return", "2026-06-12", -50)], purchases_n=0),
    Case("a return after the night has not happened yet", lines(
        "late_return", {"price": 50}, {"price": -50, "ordered_at": "2026-07-03"}),
        [("sale", "2026-06-01", 50), ("return", "2026-07-03", -50)]),
    Case("a coupon as a negative row counts with the order", lines(
        "coupon", {"price": 50}, {"price": -5}),
        [("return", "2026-06-01", -5), ("sale", "2026-06-01", 50)]),
    Case("a refund in full is one of what negative rows have left", lines(
        "coupon_refunded", {"price": 100, "status": "refunded", "refunded_at": "2026-06-09"},
        {"price": -5, "status": "refunded"}),
        [("return", "2026-06-01", -5), ("sale", "2026-06-01", 100),
         ("refund", "2026-06-09", -95)], purchases_n=0),
    Case("a negative row that says refunded is the refund, once", lines(
        "twin_row", {"price": 100, "status": "refunded", "refunded_at": "2026-06-09"},
        {"price": -100, "status": "refunded", "refunded_at": "2026-06-09"}),
        [("sale", "2026-06-01", 100), ("refund", "2026-06-09", 0),
         ("return", "2026-06-09", -100)], purchases_n=0),
    Case("a cancelled order leaves nothing, whatever negative rows say too", lines(
        "cancelled_twin_row", {"price": 100, "status": "cancelled", "cancelled_at": "2026-06-09"},
        {"price": -30, "status": "cancelled", "ordered_at": "2026-06-04"},
        {"price": -70, "status": "cancelled", "ordered_at": "2026-06-11"}),
        [("sale", "2026-06-01", 100), ("return", "2026-06-04", -30),
         ("cancel", "2026-06-09", -70)], purchases_n=0),
    Case("a return that is still open has given nothing back", lines(
        "asked", {"price": 100}, {"price": -100, "status": "open", "ordered_at": "2026-06-04"}),
        [("sale", "2026-06-01", 100)]),
    Case("a cancelled twin is an order of its own, at its own date", [
        *lines("536379", {"price": 27.5}, {"price": 4}),
        *lines("C536379", {"price": 27.5, "quantity": -1}, {"price": 4, "quantity": -1},
               ordered_at="2026-06-15")],
        [("sale", "2026-06-01", 31.5), ("return", "2026-06-15", -31.5)], orders_n=2),
    Case("a return without its original", lines(
        "C1", {"price": 12, "quantity": -2}), [("return", "2026-06-01", -24)], purchases_n=0),
    Case("a refunds export, at the date of the refund", lines("e1", {"price": 100}),
         [("sale", "2026-06-01", 100), ("refund", "2026-06-10", -30),
          ("refund", "2026-07-05", -70)],
         refunds=[refund("e1", 30, "2026-06-10"), refund("e1", 70, "2026-07-05")]),
    Case("a refund is never before its order", lines("e2", {"price": 100}),
         [("refund", "2026-06-01", -100), ("sale", "2026-06-01", 100)], purchases_n=0,
         refunds=[refund("e2", 100, "2026-05-20")]),
    Case("column and export both count what they state", lines(
        "e3", {"price": 100, "refund": 30, "refunded_at": "2026-06-10"}),
        [("sale", "2026-06-01", 100), ("refund", "2026-06-10", -60)],
        refunds=[refund("e3", 30, "2026-06-10")]),
    Case("the export states the amount of an order that says only refunded", lines(
        "e4", {"price": 100, "status": "refunded"}),
        [("sale", "2026-06-01", 100), ("refund", "2026-06-10", -40)],
        refunds=[refund("e4", 40, "2026-06-10")]),
    Case("a refund after the cancellation pays out what is taken out already", lines(
        "e5", {"price": 100, "status": "cancelled", "cancelled_at": "2026-06-08"}),
        [("sale", "2026-06-01", 100), ("refund", "2026-06-03", -20),
         ("cancel", "2026-06-08", -80)], purchases_n=0,
        refunds=[refund("e5", 20, "2026-06-03"), refund("e5", 80, "2026-06-12")]),
    Case("a corrected refund replaces the first", lines("e6", {"price": 100}),
         [("sale", "2026-06-01", 100), ("refund", "2026-06-10", -25)],
         refunds=[refund("e6", 50, "2026-06-10", refund_id="R6", version_at=at("2026-06-11")),
                  refund("e6", 25, "2026-06-10", refund_id="R6", version_at=at("2026-06-12"),
                         load_seq=2)]),
    Case("foreign money comes back at the rate of the order", lines(
        "e7", {"price": 10.005, "currency": "USD"}),
        [("sale", "2026-06-01", "71.5358"), ("refund", "2026-06-20", "-71.5358")], purchases_n=0,
        refunds=[refund("e7", 10.005, "2026-06-20", currency="USD")]),
    Case("a refund in another currency than its order is held", lines("e8", {"price": 100}),
         [("sale", "2026-06-01", 100)], refunds=[refund("e8", 5, "2026-06-10", currency="USD")]),
    Case("an order of two shops: the refund names its own, or is held", [
        line("e9", 100), line("e9", 10, source="till")],
        [("sale", "2026-06-01", 10), ("sale", "2026-06-01", 100), ("refund", "2026-06-10", -4)],
        purchases_n=2, orders_n=2,
        refunds=[refund("e9", 4, "2026-06-10", order_source="till"),
                 refund("e9", 5, "2026-06-10")]),
    Case("a refund in full pays shipping and tax back, which were no revenue", lines(
        "s1", {"price": 60, "discount": 4, "shipping_charged": "6.95", "tax": 5,
               "refund": "67.95", "refunded_at": "2026-06-05", "status": "refunded"}),
        [("sale", "2026-06-01", 56), ("refund", "2026-06-05", -56)], purchases_n=0),
    Case("in steps the goods come first, and the last step leaves nothing", lines(
        "s2", {"price": 100, "shipping_charged": 10, "tax": 20, "refund": 70,
               "refunded_at": "2026-06-05"}),
        [("sale", "2026-06-01", 100), ("refund", "2026-06-05", -70),
         ("refund", "2026-06-08", -30), ("refund", "2026-07-04", 0)], purchases_n=0,
        refunds=[refund("s2", 5, "2026-07-04"), refund("s2", 55, "2026-06-08")]),
    Case("beyond shipping and tax a refund is a loss", lines(
        "s3", {"price": 50, "shipping_charged": 5, "refund": 60, "refunded_at": "2026-06-05"}),
        [("sale", "2026-06-01", 50), ("refund", "2026-06-05", -55)], purchases_n=0),
    Case("a cancellation after the refund finds nothing left to take", lines(
        "s4", {"price": 50, "shipping_charged": 5, "refund": 55, "refunded_at": "2026-06-05",
               "status": "cancelled", "cancelled_at": "2026-06-06"}),
        [("sale", "2026-06-01", 50), ("refund", "2026-06-05", -50), ("cancel", "2026-06-06", 0)],
        purchases_n=0),
    Case("what was sent back leaves less for the refund", lines(
        "s5", {"price": 50, "shipping_charged": 5}, {"price": -20, "ordered_at": "2026-06-07"}),
        [("sale", "2026-06-01", 50), ("return", "2026-06-07", -20), ("refund", "2026-06-09", -30)],
        purchases_n=0, refunds=[refund("s5", 35, "2026-06-09")]),
    Case("foreign lines that are rounded apart end at nothing, too", lines(
        "s6", {"price": "10.0003", "shipping_charged": 2}, {"price": "10.0003"},
        currency="USD"),
        [("sale", "2026-06-01", "143.0042"), ("refund", "2026-06-20", "-143.0042")],
        purchases_n=0, refunds=[refund("s6", 22.0006, "2026-06-20", currency="USD")]),
    Case("a gift card is no sale, what else was bought is", lines(
        "gift", {"price": 200, "product_category": "gift card"},
        {"price": 30, "product_id": "GC-50"}, {"price": 50}), [("sale", "2026-06-01", 50)]),
    Case("an order of nothing but gift cards", lines(
        "gift_only", {"price": 200, "product_category": "gift card"}),
        [], purchases_n=0, orders_n=0),
    Case("an unpaid order stays unpaid, though its gift card says so", lines(
        "gift_unpaid", {"price": 200, "product_category": "gift card", "status": "open"},
        {"price": 50, "status": None}), [], purchases_n=0, orders_n=0),
    Case("a test order by its tag", [
        *lines("tagged", {"price": 200, "tags": "vip, test; new"}, {"price": 50}),
        *lines("not_tagged", {"price": 1, "tags": "contest, testing"})],
        [("sale", "2026-06-01", 1)]),
    Case("a zero amount is no purchase", lines("zero", {"price": 0}),
         [("sale", "2026-06-01", 0)], purchases_n=0),
    Case("a discount of more than the price is no return", lines(
        "discounted", {"price": 10, "discount": 30, "status": "refunded"}, {"price": 50}),
        [("refund", "2026-06-01", 20), ("sale", "2026-06-01", 30)]),
]

CRM = configuration_vars(
    [], excluded_order_tags=["test"], excluded_product_ids=["GC-50"],
    excluded_product_categories=["gift card"])
UNKNOWN = refund("nowhere", 7, "2026-06-10")


def raw_rows() -> dict[str, list[Row]]:
    """The rows of all cases."""
    return {
        "raw_order_lines": [
            row | {"identity_id": identity(number)}
            for number, case in enumerate(CASES, start=1) for row in case.lines],
        "raw_refunds": [row for case in CASES for row in case.refunds] + [UNKNOWN],
        "raw_fx_rates": [{"rate_date": date(2026, 6, 1), "currency": "USD", "rate": "7.15"}],
    }


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The night of 30 June."""
    build = Build(tmp_path_factory.mktemp("orders"))
    build.write(raw_rows(), {})
    build.run(CRM)
    return build


@pytest.mark.parametrize("number", range(1, len(CASES) + 1),
                         ids=[case.rule for case in CASES])
def test_an_order_is_worth_what_it_leaves(night: Build, number: int) -> None:
    case = CASES[number - 1]
    events = night.rows(
        "select kind, cast(event_date as varchar) as day, sum(amount) as amount "
        f"from marts.order_events where identity_id = '{identity(number)}' "
        "group by kind, day, source order by day, kind, source desc")
    expected = [(kind, day, Decimal(str(amount))) for kind, day, amount in case.events]
    assert sorted(tuple(event.values()) for event in events) == sorted(expected)
    row = night.row("select net_revenue_amount, refund_amount, purchases_n, orders_n "
                    f"from marts.customer_features where customer_key = '{identity(number)}'")
    assert row == {"net_revenue_amount": case.net, "refund_amount": case.refunded,
                   "purchases_n": case.purchases_n, "orders_n": case.orders_n}


def test_refunds_wait_for_their_orders_by_name(night: Build) -> None:
    held = night.rows("select order_id, reason, amount from marts.held_rows "
                      "where kind = 'refunds' order by order_id")
    assert [tuple(row.values()) for row in held] == [
        ("e8", "mixed_currency", 5), ("e9", "ambiguous_order", 5), ("nowhere", "unknown_order", 7)]


def test_what_is_left_out_is_named(night: Build) -> None:
    rules = night.rows("select order_id, excluded_reason from marts.order_facts "
                       "where excluded_reason is not null order by order_id")
    assert [tuple(rule.values()) for rule in rules] == [
        ("gift_only", "product_category:gift card"), ("gift_unpaid", "not_completed"),
        ("open_once", "not_completed"), ("tagged", "tag:test")]


def test_the_law_holds_for_rows_and_money(night: Build) -> None:
    law = {(row["source"], row["measure"], row["currency"]): row
           for row in night.rows("select * from marts.reconciliation")}
    for row in law.values():
        assert row["loaded"] == row["superseded"] + row["current"], row
        assert row["current"] == sum(row[state] for state in (
            "counted", "unattributed", "excluded", "held", "after_date")), row
    # open 160, asked -100, gift cards 230 + 200 + 250, tagged 250
    assert law["shop", "amount", "CNY"]["excluded"] == 990
    assert law["shop", "amount", "CNY"]["after_date"] == -50
    assert law["shop", "rows", ""]["after_date"] == 1
    rows = law["refunds", "rows", ""]
    assert (rows["current"], rows["superseded"]) == (17, 1)
    # e9 and the unknown in yuan, e8 in dollars; e1 pays 70 after the night, s2 5
    assert (rows["held"], rows["after_date"]) == (3, 2)
    money = law["refunds", "amount", "CNY"]
    assert (money["held"], money["after_date"], money["superseded"]) == (12, 75, 50)
    assert law["refunds", "amount", "USD"]["held"] == 5


def test_what_was_paid_back_is_lost_revenue_or_named_charges(night: Build) -> None:
    """Refunds as they were stated are found again: the part that is revenue and the other."""
    paid_back = {row["order_id"]: (row["lost"], row["charges"]) for row in night.rows(
        "select order_id, sum(amount_original) as lost, "
        "sum(charges_amount_original) as charges from marts.order_events "
        "where kind in ('refund', 'cancel') group by order_id having charges <> 0")}
    assert paid_back == {
        "s1": (-56, Decimal("-11.95")), "s2": (-100, -30), "s3": (-55, -5), "s5": (-30, -5),
        "s6": (Decimal("-20.0006"), -2)}


def test_a_refund_is_released_when_its_order_comes(tmp_path: Path) -> None:
    rows = raw_rows()
    rows["raw_order_lines"].append(
        line("nowhere", 10, load_seq=2) | {"identity_id": identity(1)})
    build = Build(tmp_path)
    build.write(rows, {})
    build.run(CRM)
    found = build.row("select event_date, refund_amount, held_reason from marts.refund_facts "
                      "where order_id = 'nowhere'")
    assert found == {"event_date": date(2026, 6, 10), "refund_amount": 7, "held_reason": None}
    touched = build.rows("select load_seq, business_date from marts.touched "
                         f"where identity_id = '{identity(1)}' and business_date = '2026-06-10'",
                         with_raw=True)
    assert [tuple(cell.values()) for cell in touched] == [(2, date(2026, 6, 10))]


def test_the_order_of_rows_and_loads_does_not_matter(tmp_path: Path, night: Build) -> None:
    rows = raw_rows()
    shuffler = random.Random(11)
    for table in rows.values():
        shuffler.shuffle(table)
        for row in table:
            row["load_seq"] = 9 - row.get("load_seq", 1)
    shuffled = Build(tmp_path)
    shuffled.write(rows, {})
    shuffled.run(CRM)
    for query in ("select * from marts.customer_features order by customer_key",
                  "select * from marts.order_events order by all",
                  "select source, refund_id, held_reason, refund_amount, event_date "
                  "from marts.refund_facts order by all"):
        assert shuffled.rows(query) == night.rows(query)
