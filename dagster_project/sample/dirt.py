"""The known dose of dirt: documents and rows that go wrong in ways real exports do.

All of it is added to clean files under ids of its own, so that nothing else changes and the
manifest can state each consequence exactly. Dirt lies in the last nights of the span, rows that
must be refused only in files with rows enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np

from dagster_project.sample.deliveries import HEADERS, Span
from dagster_project.sample.exchange import Currencies
from dagster_project.sample.files import DeliveredFiles
from dagster_project.sample.manifest import CorrectedOrder, LateRateOrder, LateRow, Manifest
from dagster_project.sample.people import FIRST_ID

LEAST_CUSTOMERS = 50
LEAST_DAYS = 7
CUSTOMERS_A_DOSE = 5_000
MOST_DOSES = 25

# Nights before the last one. The resent file must hold no other dirt: all its rows are repeats.
RESENT_NIGHT = 1
CORRECTING_NIGHT = 2
LATE_NIGHT = 3
CORRECTED_NIGHT = 4
LATE_DATE = 5
FAULTY_NIGHTS = (0, 2, 3, 4, 5)
# A night with a larger share of faults would be stopped by the gate, and rightly so.
MOST_FAULTY_SHARE = 0.01

# Above every number that chunks give out.
FIRST_ORDER = 90_000_000_000
FIRST_INTERACTION = 900_000_000_000

Row = dict[str, str]


@dataclass(frozen=True)
class Fault:
    """A row that ingest must refuse: one cell is wrong, or the number of cells."""

    kind: str
    reason: str
    column: str = ""
    value: str = ""
    cells_more: int = 0


FAULTS = (
    Fault("orders", "not_a_number", "unit_price", "12.5O"),
    Fault("orders", "not_a_time", "ordered_at", "yesterday"),
    Fault("orders", "too_many_columns", cells_more=1),
    Fault("orders", "missing_value", "order_id", ""),
    Fault("orders", "not_a_currency", "currency", "yuan"),
    Fault("interactions", "not_a_time", "occurred_at", "2026-13-45 10:00:00"),
    Fault("interactions", "missing_columns", cells_more=-3),
    Fault("interactions", "after_file_version"),
    Fault("surveys", "off_scale", "score", "11"),
    Fault("customers", "missing_value", "customer_id", ""),
)


def doses_of(customers: int, days: int) -> int:
    """How often each kind of dirt occurs: 0 in a tiny sample, 1 to 25 in others."""
    if customers < LEAST_CUSTOMERS or days < LEAST_DAYS:
        return 0
    return min(1 + customers // CUSTOMERS_A_DOSE, MOST_DOSES)


def late_rate_day(span: Span) -> int:
    """Day whose rate of the late currency comes a night late."""
    return span.days - 1 - LATE_NIGHT


class Dirt:
    """Adds dirt to the files of a sample and writes it into the manifest."""

    def __init__(
        self,
        rng: np.random.Generator,
        files: DeliveredFiles,
        span: Span,
        currencies: Currencies,
        manifest: Manifest,
    ) -> None:
        self._rng = rng
        self._files = files
        self._span = span
        self._currencies = currencies
        self._manifest = manifest
        self._orders_n = 0
        self._interactions_n = 0

    def add(self, doses: int) -> None:
        """Add `doses` of every kind of dirt that is made before the files are finished."""
        for dose in range(doses):
            self._add_corrected_order()
            self._add_late_rate_order()
            self._add_late_rows()
            self._add_guest_and_gift()
            for number, fault in enumerate(FAULTS):
                night = FAULTY_NIGHTS[(number + dose) % len(FAULTY_NIGHTS)]
                self._add_faulty_row(fault, self._delivery_of_fault(fault.kind, night))
        # The first delivery is a month file in all but short samples.
        for delivery in sorted({0, self._delivery(LATE_NIGHT)}):
            for kind in ("orders", "interactions"):
                self._files.repeat_rows(kind, delivery, doses)

    def resend(self) -> None:
        """Deliver the finished order file of one night again under another name."""
        night = self._delivery(RESENT_NIGHT)
        first = self._files.file("orders", night)
        again = self._files.resend("orders", self._span.deliveries[night], first)
        self._manifest.files.append(again)
        self._manifest.resent_files.append((again.path, first.path))

    def _delivery(self, nights_before_last: int) -> int:
        return int(self._span.delivery_of_day[self._span.days - 1 - nights_before_last])

    def _path(self, kind: str, nights_before_last: int) -> str:
        return self._files.file(kind, self._delivery(nights_before_last)).path

    def _time(self, nights_before_last: int) -> datetime:
        """A local time of one of the last days."""
        return self._time_on(self._span.date_of(self._span.days - 1 - nights_before_last))

    def _time_on(self, day: date) -> datetime:
        """A local time between 08:00 and 19:59 of a day."""
        seconds = int(self._rng.integers(8 * 3600, 20 * 3600))
        return datetime.combine(day, time()) + timedelta(seconds=seconds)

    def _customer_id(self) -> str:
        return f"C{FIRST_ID + int(self._rng.integers(0, self._manifest.customers))}"

    def _order_lines(self, placed_at: datetime, currency: str, lines: int) -> list[Row]:
        """The lines of a new order, completed at once."""
        order_id = f"O{FIRST_ORDER + self._orders_n}"
        self._orders_n += 1
        customer_id = self._customer_id()
        return [
            {
                "order_id": order_id,
                "line_id": str(line),
                "customer_id": customer_id,
                "ordered_at": str(placed_at),
                "status": "completed",
                "quantity": str(int(self._rng.integers(1, 4))),
                "unit_price": f"{Decimal(int(self._rng.integers(500, 20_000))) / 100:.2f}",
                "discount": "0.00",
                "refund": "0.00",
                "updated_at": str(placed_at),
                "currency": currency,
                "product_id": "P1001",
                "product_category": "fashion",
                "channel": "web",
            }
            for line in range(1, lines + 1)
        ]

    def _interaction(self, occurred_at: datetime) -> Row:
        number = FIRST_INTERACTION + self._interactions_n
        self._interactions_n += 1
        return {
            "interaction_id": f"I{number}",
            "customer_id": self._customer_id(),
            "occurred_at": str(occurred_at),
            "channel": "app",
            "type": "visit",
            "duration_seconds": str(int(self._rng.integers(5, 600))),
        }

    def _survey_answer(self, responded_at: datetime) -> Row:
        response_id = f"R{FIRST_ORDER + self._orders_n}"
        self._orders_n += 1
        return {
            "response_id": response_id,
            "customer_id": self._customer_id(),
            "responded_at": str(responded_at),
            "instrument": "nps",
            "score": "9",
            "scale_min": "0",
            "scale_max": "10",
            "direction": "higher_is_better",
        }

    def _customer(self, valid_from: datetime) -> Row:
        return {
            "customer_id": self._customer_id(),
            "valid_from": valid_from.date().isoformat(),
            "name": "王伟",
            "customer_type": "person",
        }

    def _append(self, kind: str, nights_before_last: int, rows: Sequence[Row]) -> None:
        self._files.append_rows(kind, self._delivery(nights_before_last),
                                [_cells(kind, row) for row in rows])

    def _add_corrected_order(self) -> None:
        """An order of three lines that a later night corrects to two, one of them changed."""
        lines = self._order_lines(self._time(CORRECTED_NIGHT), self._currencies.base, 3)
        updated_at = str(self._time(CORRECTING_NIGHT))
        corrected = [line | {"updated_at": updated_at} for line in lines[:2]]
        corrected[1]["quantity"] = str(int(corrected[1]["quantity"]) + 1)
        self._append("orders", CORRECTED_NIGHT, lines)
        self._append("orders", CORRECTING_NIGHT, corrected)
        manifest = self._manifest
        manifest.orders += 1
        manifest.order_versions += 2
        manifest.superseded_rows["orders"] += len(lines)
        manifest.corrected_orders.append(CorrectedOrder(
            lines[0]["order_id"],
            self._path("orders", CORRECTED_NIGHT),
            self._path("orders", CORRECTING_NIGHT),
            str(_amount(lines)), str(_amount(corrected)), len(lines), len(corrected),
        ))

    def _add_late_rate_order(self) -> None:
        """An order in the currency whose rate of that date comes a night late."""
        lines = self._order_lines(self._time(LATE_NIGHT), self._currencies.late, 1)
        self._append("orders", LATE_NIGHT, lines)
        self._manifest.orders += 1
        self._manifest.order_versions += 1
        self._manifest.late_rate_orders.append(LateRateOrder(
            lines[0]["order_id"], self._currencies.late, self._path("orders", LATE_NIGHT),
            self._path("fx_rates", LATE_NIGHT - 1),
        ))

    def _add_late_rows(self) -> None:
        """An order and an interaction that come two nights after their business date."""
        lines = self._order_lines(self._time(LATE_DATE), self._currencies.base, 1)
        interaction = self._interaction(self._time(LATE_DATE))
        self._append("orders", LATE_NIGHT, lines)
        self._append("interactions", LATE_NIGHT, [interaction])
        self._manifest.orders += 1
        self._manifest.order_versions += 1
        for kind, identifier in (("orders", lines[0]["order_id"]),
                                 ("interactions", interaction["interaction_id"])):
            self._manifest.late_rows.append(LateRow(
                kind, identifier, lines[0]["ordered_at"][:10], self._path(kind, LATE_NIGHT)
            ))

    def _add_guest_and_gift(self) -> None:
        """An order without a customer and one that costs nothing, which chance may leave out."""
        guest, gift = (
            self._order_lines(self._time(RESENT_NIGHT), self._currencies.base, 1)
            for _ in range(2)
        )
        guest[0]["customer_id"] = ""
        gift[0]["unit_price"] = "0.00"
        self._append("orders", RESENT_NIGHT, guest + gift)
        manifest = self._manifest
        manifest.orders += 2
        manifest.order_versions += 2
        manifest.unattributed_orders += 1
        manifest.zero_amount_orders += 1

    def _good_row(self, kind: str, at: datetime) -> Row:
        """A row of its own, of a kind that has faults."""
        if kind == "orders":
            return self._order_lines(at, self._currencies.base, 1)[0]
        if kind == "interactions":
            return self._interaction(at)
        return self._survey_answer(at) if kind == "surveys" else self._customer(at)

    def _delivery_of_fault(self, kind: str, night: int) -> int:
        """The delivery of a night, or that with most rows where one more fault is too many."""
        delivery = self._delivery(night)
        file = self._files.file(kind, delivery)
        if sum(file.rejected.values()) + 1 <= MOST_FAULTY_SHARE * file.rows_read:
            return delivery
        resent = self._delivery(RESENT_NIGHT)
        others = (number for number in range(len(self._span.deliveries)) if number != resent)
        return max(others, key=lambda number: self._files.file(kind, number).rows_read)

    def _add_faulty_row(self, fault: Fault, delivery: int) -> None:
        """A row of its own, whole but for the fault."""
        at = self._time_on(self._span.deliveries[delivery].version_date)
        if fault.reason == "after_file_version":
            at += timedelta(days=1)
        row = self._good_row(fault.kind, at)
        if fault.column:
            row[fault.column] = fault.value
        cells = _cells(fault.kind, row)
        if fault.cells_more > 0:
            cells += ["unquoted"] * fault.cells_more
        elif fault.cells_more < 0:
            cells = cells[:fault.cells_more]
        self._files.append_rows(fault.kind, delivery, [cells], fault.reason)


def _cells(kind: str, row: Mapping[str, str]) -> list[str]:
    """The cells of a row in the order of the header; empty where the row has none."""
    return [row.get(column, "") for column in HEADERS[kind]]


def _amount(lines: Sequence[Row]) -> Decimal:
    """Quantity x price - discount over the lines of an order."""
    amounts = (
        Decimal(line["quantity"]) * Decimal(line["unit_price"]) - Decimal(line["discount"])
        for line in lines
    )
    return sum(amounts, Decimal(0))
