"""What other people's exports look like, turned into canonical columns as their owner would do it.

The data lie beside the project and are never copied into it.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

# What was ordered and not taken back is sold; an order that was only created waits for its
# payment. Cancelled and unavailable orders were not delivered.
OLIST_STATUS = {
    "delivered": "completed", "shipped": "completed", "invoiced": "completed",
    "processing": "completed", "approved": "completed", "created": "open",
    "canceled": "cancelled", "unavailable": "cancelled",
}
OLIST_ORDER_COLUMNS = ("order_id", "line_id", "customer_id", "ordered_at", "status", "quantity",
                       "unit_price", "shipping", "cancelled_at", "currency", "product_id")
OLIST_TIMES = ("order_purchase_timestamp", "order_approved_at", "order_delivered_carrier_date",
               "order_delivered_customer_date")


class DataMissing(Exception):
    """The data that these tests read are not where they must be."""


def data_folder(name: str) -> Path:
    """Folder of one data set.

    Raises:
        DataMissing: it is not there.
    """
    folder = DATA / name
    if not folder.is_dir():
        raise DataMissing(f"{folder} does not exist; tests marked real_data read exports of other "
                          f"people from ../shared/data beside the project")
    return folder


@dataclass(frozen=True)
class Order:
    """One order of Olist with its items."""

    order_id: str
    person: str
    status: str
    ordered_at: str
    last_seen_at: str
    items: tuple[dict[str, str], ...]

    @property
    def amount(self) -> Decimal:
        """Prices of its items."""
        return sum((Decimal(item["price"]) for item in self.items), Decimal(0))


def olist_orders() -> list[Order]:
    """All orders; the person is customer_unique_id, customer_id is one of each order."""
    people = {row["customer_id"]: row["customer_unique_id"] for row in _olist("customers")}
    items: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _olist("order_items"):
        items[row["order_id"]].append(row)
    return [
        Order(row["order_id"], people[row["customer_id"]], OLIST_STATUS[row["order_status"]],
              row["order_purchase_timestamp"], max(row[name] for name in OLIST_TIMES),
              tuple(items[row["order_id"]]))
        for row in _olist("orders")
    ]


def olist_order_rows(orders: list[Order]) -> Iterator[list[object]]:
    """One line for each item. An order without items is a line that costs nothing.

    No date of cancellation is exported: the last time at which anything happened stands in.
    """
    nothing = {"order_item_id": "0", "price": "0", "freight_value": "0", "product_id": ""}
    for order in orders:
        cancelled_at = order.last_seen_at if order.status == "cancelled" else ""
        for item in order.items or (nothing,):
            yield [order.order_id, item["order_item_id"], order.person, order.ordered_at,
                   order.status, 1, item["price"], item["freight_value"], cancelled_at, "BRL",
                   item["product_id"]]


def olist_survey_rows(orders: list[Order]) -> Iterator[list[object]]:
    """One answer for each review of each order: a review_id alone repeats."""
    people = {order.order_id: order.person for order in orders}
    for row in _olist("order_reviews"):
        yield [f"{row['review_id']}/{row['order_id']}", people[row["order_id"]],
               row["review_answer_timestamp"], "csat", row["review_score"],
               row["review_comment_message"]]


def olist_customer_rows() -> Iterator[list[object]]:
    """One row for each person, with the address of the first order in the file."""
    first = {}
    for row in _olist("customers"):
        first.setdefault(row["customer_unique_id"], row)
    for person, row in first.items():
        yield [person, row["customer_city"], row["customer_state"]]


def olist_payments() -> Decimal:
    """All payments."""
    return sum((Decimal(row["payment_value"]) for row in _olist("order_payments")), Decimal(0))


def _olist(table: str) -> Iterator[dict[str, str]]:
    path = data_folder("olist") / f"olist_{table}_dataset.csv"
    with path.open(newline="", encoding="utf-8-sig") as stream:
        yield from csv.DictReader(stream)


def cdnow_rows() -> Iterator[list[object]]:
    """order_id, customer_id, ordered_at, unit_price, currency of each row of the master file.

    All rows of a customer and a day are one order; rows have no ids.
    """
    path = data_folder("cdnow") / "CDNOW_master.txt"
    with path.open(encoding="ascii") as stream:
        next(stream)
        for line in stream:
            customer, day, _, dollars = line.split()
            at = datetime.strptime(day, "%Y%m%d")
            yield [f"{customer}-{day}", customer, at.strftime("%Y-%m-%d 12:00:00"), dollars, "USD"]
