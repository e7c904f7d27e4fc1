"""The orders of one chunk of customers, and the versions in which the shop exports them.

An order is exported on the day it is placed and again, whole, with every later change of its
state: completed, cancelled, refunded. A month file shows what stood at the end of the month.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dagster_project.sample.arrow_columns import (
    Bools,
    decimals,
    ids,
    times,
    where_known,
    words,
)
from dagster_project.sample.chance import choose, draw_days, draw_times
from dagster_project.sample.deliveries import Ints, Span
from dagster_project.sample.exchange import Currencies, worth
from dagster_project.sample.people import COMPANY, FIRST_ID, People

CATEGORIES = ("fashion", "beauty", "food", "home", "baby", "sports", "books", "electronics")
CATEGORY_SHARES = np.array([0.22, 0.16, 0.20, 0.12, 0.08, 0.08, 0.09, 0.05])
# Median price of one unit in yuan, and the share of it that the product costs the shop.
CATEGORY_PRICES = np.array([160.0, 120.0, 45.0, 140.0, 130.0, 180.0, 40.0, 900.0])
CATEGORY_COSTS = np.array([0.48, 0.40, 0.66, 0.55, 0.60, 0.55, 0.62, 0.78])
PRODUCTS_A_CATEGORY = 400
CHANNELS = ("app", "web", "wechat", "store", "marketplace")
CHANNEL_SHARES = np.array([0.34, 0.22, 0.20, 0.14, 0.10])
STATUSES = ("open", "completed", "cancelled", "refunded")
OPEN, COMPLETED, CANCELLED, REFUNDED = range(4)

GUEST_SHARE = 0.03
GIFT_SHARE = 0.01
FOREIGN_SHARES = np.array([0.94, 0.04, 0.02])
HIGHEST_PRICE = 5_000_000
TAX_SHARE = 0.06
# An order number holds the chunk and the number of the order in it.
ORDERS_A_CHUNK = 10_000_000

# How an order ends.
KEPT, CANCEL, FULL_REFUND, PART_REFUND = range(4)
ENDING_SHARES = np.array([0.92, 0.02, 0.03, 0.03])


@dataclass(frozen=True)
class Orders:
    """Orders, one per array element.

    Attributes:
        number: number of the order over all chunks.
        person: position of the buyer in People.
        is_guest: exported without a customer id.
        is_gift: every line costs nothing.
        placed_day, placed_at: day in the span, local second.
        completed_day, completed_at: as above; -1 for an order that was never open.
        ended_day, ended_at: of the cancellation or refund, may lie after the span; -1 for none.
        ending: KEPT, CANCEL, FULL_REFUND or PART_REFUND.
        currency: index into Currencies.of_orders.
        channel: index into CHANNELS.
        lines_n: lines of the order.
    """

    number: Ints
    person: Ints
    is_guest: Bools
    is_gift: Bools
    placed_day: Ints
    placed_at: Ints
    completed_day: Ints
    completed_at: Ints
    ended_day: Ints
    ended_at: Ints
    ending: Ints
    currency: Ints
    channel: Ints
    lines_n: Ints


@dataclass(frozen=True)
class Lines:
    """Order lines in the order of Orders; amounts in hundredths of the order's currency.

    `refund` is what is refunded once the order has ended; `cost` is -1 where it is not known.
    """

    order: Ints
    line: Ints
    quantity: Ints
    unit_price: Ints
    discount: Ints
    refund: Ints
    shipping: Ints
    tax: Ints
    cost: Ints
    product: Ints
    category: Ints


def draw_orders(rng: np.random.Generator, people: People, chunk: int, span: Span) -> Orders:
    """Draw the orders of a chunk, by customer."""
    person = np.repeat(np.arange(len(people.number)), people.orders_n)
    count = len(person)
    placed_day = draw_days(rng, people.first_day[person], people.last_day[person], span)
    placed_at = draw_times(rng, placed_day, span)
    # Guests are drawn among those who buy once, so that no history is torn apart.
    is_guest = (people.orders_n[person] == 1) & (rng.random(count) < GUEST_SHARE)
    is_gift = rng.random(count) < GIFT_SHARE
    # The first order is a plain one: it has a survey answer however small the sample is.
    is_guest[0] = is_gift[0] = False
    ending = choose(rng, ENDING_SHARES, count)
    ending[is_gift & (ending != CANCEL)] = KEPT
    was_open = (ending != CANCEL) & (rng.random(count) < 0.08)
    completed_day = np.where(was_open, placed_day + rng.integers(1, 4, count), -1)
    delay = np.where(
        ending == CANCEL,
        rng.integers(1, 4, count),
        4 + np.minimum(rng.exponential(9.0, count), 80).astype(np.int64),
    )
    ended_day = np.where(ending == KEPT, -1, placed_day + delay)
    is_company = people.type[person] == COMPANY
    lines_n = 1 + np.minimum(rng.poisson(np.where(is_company, 2.5, 0.93)), 40)
    return Orders(
        number=chunk * ORDERS_A_CHUNK + np.arange(count, dtype=np.int64),
        person=person,
        is_guest=is_guest,
        is_gift=is_gift,
        placed_day=placed_day,
        placed_at=placed_at,
        completed_day=completed_day,
        completed_at=draw_times(rng, completed_day, span),
        ended_day=ended_day,
        ended_at=draw_times(rng, ended_day, span),
        ending=ending,
        currency=choose(rng, FOREIGN_SHARES, count),
        channel=choose(rng, CHANNEL_SHARES, count),
        lines_n=lines_n,
    )


def draw_lines(
    rng: np.random.Generator, orders: Orders, people: People, currencies: Currencies
) -> Lines:
    """Draw the lines of the orders: heavy-tailed prices, some discounts, costs, refunds."""
    order = np.repeat(np.arange(len(orders.number)), orders.lines_n)
    count = len(order)
    line = np.arange(count) - np.repeat(np.cumsum(orders.lines_n) - orders.lines_n,
                                        orders.lines_n)
    person = orders.person[order]
    is_company = people.type[person] == COMPANY
    category = choose(rng, CATEGORY_SHARES, count)
    product = (rng.power(2.5, count) * PRODUCTS_A_CATEGORY).astype(np.int64)
    # Prices are drawn in yuan and turned into the currency the order is paid in.
    unit_worth = np.array([worth(code) for code in currencies.of_orders])
    level = CATEGORY_PRICES[category] / unit_worth[orders.currency[order]]
    price = level * np.exp(people.spend_level[person] + rng.normal(0.0, 0.5, count))
    unit_price = np.clip(np.rint(price * 100), 1, HIGHEST_PRICE).astype(np.int64)
    unit_price[orders.is_gift[order]] = 0
    quantity = 1 + rng.poisson(np.where(is_company, 8.0, 0.35))
    gross = quantity * unit_price
    discount_percent = np.where(rng.random(count) < 0.25, rng.integers(5, 31, count), 0)
    discount = gross * discount_percent // 100
    net = gross - discount
    refund_percent = np.where(
        orders.ending[order] == FULL_REFUND, 100,
        np.where((orders.ending[order] == PART_REFUND) & (line == 0),
                 rng.integers(20, 71, len(order)), 0),
    )
    cost_share = CATEGORY_COSTS[category] * rng.uniform(0.9, 1.1, count)
    is_costed = rng.random(len(orders.number)) >= 0.05
    freight = rng.integers(600, 2000, count) / unit_worth[orders.currency[order]]
    return Lines(
        order=order,
        line=line,
        quantity=quantity,
        unit_price=unit_price,
        discount=discount,
        refund=net * refund_percent // 100,
        shipping=np.where(line == 0, np.rint(freight), 0).astype(np.int64),
        tax=np.rint(net * TAX_SHARE).astype(np.int64),
        cost=np.where(
            is_costed[order], np.rint(quantity * price * 100 * cost_share), -1
        ).astype(np.int64),
        product=product,
        category=category,
    )


@dataclass(frozen=True)
class Versions:
    """What of which order is exported when, by delivery.

    Attributes:
        order: position in Orders.
        stage: 0 as placed, 1 completed after having been open, 2 ended.
        delivery: number of the delivery, ascending.
        updated_at: local second of the last change.
    """

    order: Ints
    stage: Ints
    delivery: Ints
    updated_at: Ints


def versions_of(orders: Orders, span: Span) -> Versions:
    """The exported versions: one per delivery in which an order is new or has changed."""
    changes = (
        (orders.placed_day, orders.placed_at),
        (orders.completed_day, orders.completed_at),
        (orders.ended_day, orders.ended_at),
    )
    deliveries = np.stack([
        np.where((day >= 0) & (day < span.days),
                 span.delivery_of_day[np.clip(day, 0, span.days - 1)], -1)
        for day, _ in changes
    ])
    # The last change within a delivery is the one it shows.
    is_exported = deliveries >= 0
    is_exported[0] &= (deliveries[0] != deliveries[1]) & (deliveries[0] != deliveries[2])
    is_exported[1] &= deliveries[1] != deliveries[2]
    stage, order = np.nonzero(is_exported)
    delivery = deliveries[stage, order]
    updated_at = np.stack([at for _, at in changes])[stage, order]
    by_delivery = np.lexsort((order, updated_at, delivery))
    return Versions(order[by_delivery], stage[by_delivery], delivery[by_delivery],
                    updated_at[by_delivery])


def orders_table(
    orders: Orders, lines: Lines, versions: Versions, people: People, currencies: Currencies
) -> tuple[pa.Table, Ints]:
    """The rows of the order export.

    Returns:
        The rows and the number of the delivery of each, ascending, shape (rows,).
    """
    line, version = _lines_of_versions(orders, versions)
    order = lines.order[line]
    stage = versions.stage[version]
    has_ended = stage == 2
    ending = orders.ending[order]
    refund = np.where(has_ended, lines.refund[line], 0)
    status = np.where(stage >= 1, COMPLETED,
                      np.where(orders.completed_day[order] >= 0, OPEN, COMPLETED))
    status[has_ended & (ending == CANCEL)] = CANCELLED
    status[has_ended & (ending == FULL_REFUND)] = REFUNDED
    number = FIRST_ID * 10 + orders.number[order]
    table = pa.table({
        "order_id": ids("O", number),
        "line_id": pa.array(lines.line[line] + 1),
        "customer_id": where_known(people.customer_ids.take(pa.array(orders.person[order])),
                                   ~orders.is_guest[order]),
        "ordered_at": times(orders.placed_at[order]),
        "status": words(status, STATUSES),
        "quantity": pa.array(lines.quantity[line]),
        "unit_price": decimals(lines.unit_price[line], 2),
        "discount": decimals(lines.discount[line], 2),
        "refund": decimals(refund, 2),
        "refunded_at": times(orders.ended_at[order], refund > 0),
        "cancelled_at": times(orders.ended_at[order], has_ended & (ending == CANCEL)),
        "updated_at": times(versions.updated_at[version]),
        "shipping": decimals(lines.shipping[line], 2),
        "tax": decimals(lines.tax[line], 2),
        "cost": decimals(lines.cost[line], 2, lines.cost[line] >= 0),
        "currency": words(orders.currency[order], currencies.of_orders),
        "product_id": ids("P", 1000 * (1 + lines.category[line]) + lines.product[line]),
        "product_category": words(lines.category[line], CATEGORIES),
        "channel": words(orders.channel[order], CHANNELS),
    })
    return table, versions.delivery[version]


def _lines_of_versions(orders: Orders, versions: Versions) -> tuple[Ints, Ints]:
    """Position of the line, and of the version, of each exported row."""
    lines_n = orders.lines_n[versions.order]
    first_line = (np.cumsum(orders.lines_n) - orders.lines_n)[versions.order]
    first_row = np.cumsum(lines_n) - lines_n
    version = np.repeat(np.arange(len(versions.order)), lines_n)
    return np.arange(len(version)) - first_row[version] + first_line[version], version
