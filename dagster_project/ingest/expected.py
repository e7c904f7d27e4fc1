"""When deliveries of a source are due, and whether they came: `expected:` of sources.yaml.

Pure. A delivery has a business date: the date in the file's name, else the dates of the events in
its rows. No clock is asked, so a night is judged alike whenever it is run. What was delivered is
counted in `engine/deliveries.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from statistics import median
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from dagster_project.yaml_file import Fault

Weekday: TypeAlias = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
                             "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday",
                                 "saturday", "sunday")
# Kinds whose rows have no day on which something happened.
KINDS_WITHOUT_DAYS = ("customers", "campaigns")
WEEKS_COMPARED = 8
FEWEST_WEEKS = 3
# Nights without a publication that are still asked for; beyond, the last ones are enough.
NIGHTS_ASKED = 31
DAYS_LOOKED_BACK = 400


class Expected(BaseModel):
    """What is normal for a source.

    Attributes:
        weekdays: of deliveries; all where none is stated.
        not_on: dates on which nothing comes, for example holidays.
        files: files of one date, at least; sources with `version: file_name` only.
        minimum_rows: rows of one date, at least.
        minimum_share: rows of one date, as a share of the median of the same weekday in the eight
            weeks before. Fewer than three such dates: not asked.
        delay_days: the night of D asks for the delivery of D less so many days; -1: exports bear
            the date of the morning after.
        severity: error stops the night, warning is shown and published.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1)] = WEEKDAYS
    not_on: tuple[date, ...] = ()
    files: int = Field(default=1, ge=1, le=10_000)
    minimum_rows: int | None = Field(default=None, ge=1)
    minimum_share: float | None = Field(default=None, gt=0, le=1)
    delay_days: int = Field(default=0, ge=-1, le=31)
    severity: Literal["error", "warning"] = "error"

    def is_due_on(self, day: date) -> bool:
        """Whether a delivery of this date is expected."""
        return WEEKDAYS[day.weekday()] in self.weekdays and day not in self.not_on


@dataclass(frozen=True)
class Delivered:
    """What came of one source for one date."""

    files_n: int
    rows_n: int


NOTHING = Delivered(0, 0)
Deliveries: TypeAlias = Mapping[date, Delivered]


@dataclass(frozen=True)
class DueDelivery:
    """One delivery that a night asks for, beside what came.

    Attributes:
        source: of sources.yaml.
        due_date: date of the delivery.
        severity: error or warning.
        expected_files_n, expected_rows_n: at least; 0 rows: not asked.
        files_n, rows_n: that came.
        expected, came: the same in words.
        missing_since: first due date after the last delivery; None: something came.
        last_came: date of the last delivery up to the due date; None: there was none.
    """

    source: str
    due_date: date
    severity: str
    expected_files_n: int
    expected_rows_n: int
    files_n: int
    rows_n: int
    expected: str
    came: str
    missing_since: date | None
    last_came: date | None

    @property
    def is_missed(self) -> bool:
        """Whether less came than is expected; the gate asks the same in SQL."""
        return self.files_n < self.expected_files_n or self.rows_n < self.expected_rows_n


def expected_faults(expected: Expected, *, kind: str, version: str) -> Iterator[Fault]:
    """What a source cannot expect: (keys below `expected`, words)."""
    if version == "file_name":
        return
    if kind in KINDS_WITHOUT_DAYS:
        yield (), (f"cannot be asked of {kind} without a date in the file's name: nothing says of "
                   f"which day a delivery is; state version: file_name")
    elif "files" in expected.model_fields_set:
        yield ("files",), ("can be counted only where the file's name has the date (version: "
                           "file_name); leave it out, and the rows of each date are asked for")


def due_deliveries(
    expected: Mapping[str, Expected],
    delivered: Mapping[str, Deliveries],
    as_of_date: date,
    published_dates: Sequence[date],
) -> list[DueDelivery]:
    """The deliveries that the night of D asks for.

    Those of its own night, and of the nights before it that were never published: a date that was
    refused and not mended leaves a hole, which the next night must not cover. Dates before the
    first delivery of a source are not asked for.

    Args:
        expected: source -> what is normal.
        delivered: source -> date -> what came, as known at K.
        as_of_date: D.
        published_dates: as-of dates of all publications so far.
    """
    before = [day for day in published_dates if day < as_of_date]
    first = max(before) + timedelta(days=1) if before else as_of_date
    first = max(first, as_of_date - timedelta(days=NIGHTS_ASKED - 1))
    nights = [first + timedelta(days=n) for n in range((as_of_date - first).days + 1)]
    found = []
    for source, wanted in expected.items():
        came = delivered.get(source, {})
        for night in nights:
            day = night - timedelta(days=wanted.delay_days)
            if wanted.is_due_on(day) and (not came or day >= min(came)):
                found.append(_due(source, wanted, came, day))
    return found


def _due(source: str, wanted: Expected, came: Deliveries, day: date) -> DueDelivery:
    here = came.get(day, NOTHING)
    rows_n, basis = _expected_rows(wanted, came, day)
    files = f"{wanted.files} file{'s' if wanted.files > 1 else ''}"
    words = files if "files" in wanted.model_fields_set or not rows_n else "a delivery"
    earlier = [other for other in came if other <= day]
    return DueDelivery(
        source=source, due_date=day, severity=wanted.severity,
        expected_files_n=wanted.files, expected_rows_n=rows_n,
        files_n=here.files_n, rows_n=here.rows_n,
        expected=words + (f" with at least {rows_n} rows{basis}" if rows_n else ""),
        came=f"{here.files_n} with {here.rows_n} rows" if here.files_n else "nothing",
        missing_since=None if here.files_n else _missing_since(wanted, came, day),
        last_came=max(earlier, default=None))


def _expected_rows(wanted: Expected, came: Deliveries, day: date) -> tuple[int, str]:
    """Rows that are expected at least, and where a share was taken, of what."""
    fewest = wanted.minimum_rows or 0
    if wanted.minimum_share is None:
        return fewest, ""
    weeks = [day - timedelta(weeks=n) for n in range(1, WEEKS_COMPARED + 1)]
    counts = [came[other].rows_n for other in weeks if other in came]
    if len(counts) < FEWEST_WEEKS:
        return fewest, ""
    share = Fraction(str(wanted.minimum_share))
    middle = Fraction(median([Fraction(count) for count in counts]))
    rows_n = math.ceil(share * middle)
    if rows_n <= fewest:
        return fewest, ""
    return rows_n, (f", {float(share):.0%} of the median of {WEEKDAYS[day.weekday()]}s in the "
                    f"weeks before, which is {float(middle):g}")


def _missing_since(wanted: Expected, came: Deliveries, day: date) -> date:
    since = day
    for back in range(1, DAYS_LOOKED_BACK):
        other = day - timedelta(days=back)
        if other in came or not came or other < min(came):
            break
        if wanted.is_due_on(other):
            since = other
    return since


def missed_words(due: Sequence[DueDelivery]) -> list[str]:
    """What `crm-value check` says of deliveries that are missing or too small, a line each."""
    lines = []
    for one in due:
        if not one.is_missed:
            continue
        last = f"the last delivery is of {one.last_came}" if one.last_came else \
            "nothing was ever delivered"
        since = f"; missing since {one.missing_since}, {last}" if one.missing_since else ""
        effect = "stop the night" if one.severity == "error" else "warn"
        lines.append(f"{one.source}: {one.expected} expected for {one.due_date}, came: "
                     f"{one.came}{since}: the gate would {effect}. Ask for the file; if none "
                     f"comes that day, list it under not_on in sources.yaml")
    return lines
