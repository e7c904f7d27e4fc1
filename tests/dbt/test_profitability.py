"""Contributions, their curve and the facts of segments, against figures worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from builds import Build, Row, identity

PARTS = ("net_revenue_amount", "uncosted_revenue_amount", "product_cost_amount",
         "shipping_amount", "cost_to_serve_amount", "contribution_amount")


@pytest.fixture(scope="module")
def profitability(build: Build) -> dict[str, Row]:
    """Rows by customer_key."""
    return {str(row["customer_key"]): row
            for row in build.rows("select * from marts.customer_profitability")}


@pytest.fixture(scope="module")
def ranked(profitability: dict[str, Row]) -> list[Row]:
    """The customers that have a place on the curve."""
    return [row for row in profitability.values() if row["contribution_rank"] is not None]


@pytest.mark.parametrize(("number", "status", "parts"), [
    # 220 - 20 discount - 10 refund; two complaints at 15, one that cost 4
    (35, "known", (190, 0, 70, 5, 34, 81)),
    (32, "cost_unknown", (400, 300, 60, 0, 0, None)),
    (33, "partly_known", (600, 300, 100, 0, 0, 200)),
    # 180 - 80 cancelled - 50 sent back, and the cost of both
    (34, "known", (50, 0, 20, 0, 0, 30)),
    # refunded 20 of 100: the goods are not back; the cancelled order takes its cost with it
    (22, "known", (80, 0, 40, 5, 0, 35)),
    (23, "cost_unknown", (100, 100, 0, 0, 0, None)),
    # a complaint and no purchase
    (19, "known", (0, 0, 0, 0, 15, -15)),
    (24, "no_activity", (0, 0, 0, 0, 0, 0)),
])
def test_contribution(
    profitability: dict[str, Row], number: int, status: str, parts: tuple[int | None, ...]
) -> None:
    row = profitability[identity(number)]
    assert row["contribution_status"] == status
    assert tuple(row[name] for name in PARTS) == parts


def test_sales_and_what_was_taken_off_them_make_net_revenue(
    profitability: dict[str, Row]
) -> None:
    row = profitability[identity(34)]
    assert (row["gross_sales_amount"], row["cancelled_amount"], row["returned_amount"]) == (
        180, 80, 50)
    row = profitability[identity(35)]
    assert (row["gross_sales_amount"], row["discount_amount"], row["refund_amount"]) == (
        220, 20, 10)
    for row in profitability.values():
        assert row["net_revenue_amount"] == row["gross_sales_amount"] - sum(
            row[name] for name in ("discount_amount", "refund_amount", "returned_amount",
                                   "cancelled_amount"))


def test_the_share_of_money_with_a_known_cost(profitability: dict[str, Row]) -> None:
    shares = [profitability[identity(number)]["costed_share"] for number in (35, 32, 33, 23, 19)]
    assert shares == [1, Decimal("0.25"), Decimal("0.5"), 0, None]


def test_every_customer_has_one_row(build: Build, profitability: dict[str, Row]) -> None:
    customers = build.rows("select customer_key from marts.customer_features")
    assert set(profitability) == {str(row["customer_key"]) for row in customers}


def test_ranks_and_shares_follow_the_contributions(ranked: list[Row]) -> None:
    total = sum(Fraction(row["contribution_amount"]) for row in ranked)
    for row in ranked:
        mine = row["contribution_amount"]
        above = [other["contribution_amount"] for other in ranked
                 if other["contribution_amount"] > mine]
        upto = [other["contribution_amount"] for other in ranked
                if other["contribution_amount"] >= mine]
        assert row["contribution_rank"] == len(above) + 1
        assert row["contribution_decile"] == 10 * len(above) // len(ranked) + 1
        assert row["cumulative_customers_share"] == len(upto) / len(ranked)
        assert row["contribution_share"] == pytest.approx(float(Fraction(mine) / total), rel=1e-12)
        assert row["cumulative_contribution_share"] == pytest.approx(
            float(sum(map(Fraction, upto)) / total), rel=1e-12)


def test_the_curve_adds_up_the_largest_contributions(build: Build, ranked: list[Row]) -> None:
    curve = build.rows("select * from marts.contribution_curve order by percent_of_customers")
    amounts = sorted((row["contribution_amount"] for row in ranked), reverse=True)
    # Fewer than a hundred customers: one step for each.
    assert [row["customers_n"] for row in curve] == list(range(1, len(amounts) + 1))
    for row in curve:
        assert row["contribution_amount"] == sum(amounts[:row["customers_n"]])
        assert row["percent_of_customers"] == -(-100 * row["customers_n"] // len(amounts))
    assert curve[-1]["percent_of_customers"] == 100
    assert curve[-1]["contribution_share"] == 1
    # Somebody costs money, so the curve rises above the whole before it falls to it.
    assert max(row["contribution_share"] for row in curve) > 1


@pytest.mark.parametrize(("number", "purchases", "net", "category", "amount"), [
    (35, 2, 1189, "tea", 100),      # cups: 100 less 10 refunded on the line
    (33, 2, 600, "cups", 300),      # as much as tea, and first by name
    (34, 1, 50, "tea", 50),         # half sent back; cups were cancelled
    (20, 1, 1, None, None),         # the other purchase lies outside 365 days; no category
    (24, 0, 0, None, None),
])
def test_facts_of_segments(
    build: Build, number: int, purchases: int, net: int, category: str | None,
    amount: int | None,
) -> None:
    row = build.row("select * from marts.customer_segment_facts "
                    f"where customer_key = '{identity(number)}'")
    assert (row["segment_purchases_n"], row["segment_net_revenue_amount"]) == (purchases, net)
    assert (row["top_category"], row["top_category_amount"]) == (category, amount)


def test_attributes_that_are_asked_for(build: Build) -> None:
    rows = build.rows("select * from marts.customer_attributes")
    assert [(str(row["customer_key"]), row["attribute"], row["value"]) for row in rows] == [
        (identity(24), "loyalty points", "12.5")]


@pytest.mark.parametrize(("number", "orders", "days"), [(5, 1, 29), (7, 0, None), (1, 0, None)])
def test_orders_refunded_in_full(
    build: Build, number: int, orders: int, days: int | None
) -> None:
    """Of 5 everything was refunded; 7 was cancelled, which is no refund."""
    row = build.row("select * from marts.customer_features "
                    f"where customer_key = '{identity(number)}'")
    assert (row["refunded_orders_n"], row["days_since_last_refunded_order"]) == (orders, days)
