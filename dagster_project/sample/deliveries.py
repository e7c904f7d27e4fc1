"""Which files the shop delivers, and which file a business date falls into.

A delivery is what one export run writes: a whole month for the past, one night for the last
weeks. Names, headers and the calendar are here; writing is in `files.py`.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

HEADERS: dict[str, tuple[str, ...]] = {
    "campaigns": ("campaign_id", "customer_id", "group", "treated_at"),
    "customers": (
        "customer_id", "valid_from", "name", "email", "phone", "customer_type", "account_id",
        "region", "city", "gender", "birth_year", "signed_up_at",
    ),
    "fx_rates": ("date", "currency", "rate"),
    "interactions": (
        "interaction_id", "customer_id", "occurred_at", "channel", "type", "duration_seconds",
        "completion", "cost",
    ),
    "orders": (
        "order_id", "line_id", "customer_id", "ordered_at", "status", "quantity", "unit_price",
        "discount", "refund", "refunded_at", "cancelled_at", "updated_at", "shipping", "tax",
        "cost", "currency", "product_id", "product_category", "channel",
    ),
    "surveys": (
        "response_id", "customer_id", "responded_at", "instrument", "score", "scale_min",
        "scale_max", "direction", "comment",
    ),
}
# What every sample has; campaigns are in one that is asked for them.
CAMPAIGNS = "campaigns"
KINDS = tuple(kind for kind in HEADERS if kind != CAMPAIGNS)

# Month files of these kinds are compressed, as shops do with what is read once.
COMPRESSED_MONTHS = frozenset({"surveys"})

# Glob patterns below landing/, for those who declare the sources.
FILE_PATTERNS: dict[str, tuple[str, ...]] = {
    kind: (f"{kind}/{kind}_*.csv",)
    + ((f"{kind}/{kind}_*.csv.gz",) if kind in COMPRESSED_MONTHS else ())
    for kind in KINDS
}
# The date in a file's name; without a day it means the last day of the month.
VERSION_PATTERN = r"(?P<year>\d{4})-(?P<month>\d{2})(?:-(?P<day>\d{2}))?"

NIGHTLY_DAYS = 35
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Delivery:
    """One export run.

    Attributes:
        label: date part of the file names, `2026-11-20` or `2026-09`.
        version_date: last business date the export knows.
        is_nightly: one day; otherwise one month.
    """

    label: str
    version_date: date
    is_nightly: bool

    def file_name(self, kind: str, suffix: str = "") -> str:
        """Path of the delivery's file of `kind`, below landing/."""
        ending = ".csv.gz" if not self.is_nightly and kind in COMPRESSED_MONTHS else ".csv"
        return f"{kind}/{kind}_{self.label}{suffix}{ending}"


@dataclass(frozen=True)
class Span:
    """The business dates of a sample. Days are counted from 0, the first one.

    Attributes:
        start, end: first and last business date.
        deliveries: in the order of their version dates.
        delivery_of_day: index into `deliveries`, one per day.
    """

    start: date
    end: date
    deliveries: tuple[Delivery, ...]
    delivery_of_day: Ints

    @property
    def days(self) -> int:
        """Number of business dates."""
        return len(self.delivery_of_day)

    @property
    def start_epoch_day(self) -> int:
        """Days from 1970-01-01 to the first business date."""
        return (self.start - _EPOCH).days

    def date_of(self, day: int) -> date:
        """Business date of a day; negative days lie before the span."""
        return self.start + timedelta(days=day)


def span_of(days: int, end: date) -> Span:
    """The span of `days` business dates that ends on `end`, with its deliveries.

    At least the last 35 days come in nightly files. These begin with a month, because a month
    file is of the last day of its month: a night inside a delivered month would be older than
    the month file, and its corrections would lose against it.
    """
    start = end - timedelta(days=days - 1)
    first_night = max(start, (end - timedelta(days=NIGHTLY_DAYS - 1)).replace(day=1))
    deliveries: list[Delivery] = []
    delivery_of_day = np.empty(days, dtype=np.int64)
    for day in range(days):
        on = start + timedelta(days=day)
        delivery = _delivery_of(on, is_nightly=on >= first_night)
        if not deliveries or deliveries[-1] != delivery:
            deliveries.append(delivery)
        delivery_of_day[day] = len(deliveries) - 1
    return Span(start, end, tuple(deliveries), delivery_of_day)


def _delivery_of(on: date, is_nightly: bool) -> Delivery:
    if is_nightly:
        return Delivery(on.isoformat(), on, True)
    last = on.replace(day=calendar.monthrange(on.year, on.month)[1])
    return Delivery(f"{on:%Y-%m}", last, False)
