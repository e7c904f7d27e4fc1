"""Which deliveries a night asks for, and what counts as one."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.engine.deliveries import deliveries_of
from dagster_project.engine.stores import Limits, Stores
from dagster_project.ingest.expected import (
    Delivered,
    Expected,
    due_deliveries,
    missed_words,
)
from dagster_project.ingest.sources import Source, load_sources
from dagster_project.ingest.tables import LEDGER_TABLES, RAW_TABLES
from dagster_project.yaml_file import ConfigurationError

FRIDAY = date(2026, 11, 20)
DAY = timedelta(days=1)
HEAD = "time_zone: Asia/Shanghai\nsources:\n  shop:\n    files: ['*']\n"


def missed(wanted: Expected, came: dict[date, Delivered], night: date,
           published: list[date] | None = None) -> list[date]:
    """Dates of the deliveries that the night misses."""
    due = due_deliveries({"shop": wanted}, {"shop": came}, night, published or [])
    return [one.due_date for one in due if one.is_missed]


def daily(last: date, days: int, rows_n: int = 100) -> dict[date, Delivered]:
    """One file a day, up to `last`."""
    return {last - n * DAY: Delivered(1, rows_n) for n in range(days)}


def test_a_missing_day_is_missed_and_a_day_that_came_is_not() -> None:
    came = daily(FRIDAY - DAY, 10)
    assert missed(Expected(), came, FRIDAY) == [FRIDAY]
    assert missed(Expected(), came, FRIDAY - DAY) == []


def test_only_stated_weekdays_are_asked_for() -> None:
    came = daily(FRIDAY - 2 * DAY, 10)
    assert missed(Expected(weekdays=("monday",)), came, FRIDAY) == []
    assert missed(Expected(weekdays=("friday",)), came, FRIDAY) == [FRIDAY]
    assert missed(Expected(not_on=(FRIDAY,)), came, FRIDAY) == []


def test_a_hole_that_was_refused_is_asked_for_until_its_night_is_published() -> None:
    came = {**daily(FRIDAY - 2 * DAY, 5), FRIDAY: Delivered(1, 100)}
    thursday = FRIDAY - DAY
    assert missed(Expected(), came, FRIDAY, [FRIDAY - 2 * DAY]) == [thursday]
    # Thursday was published with a waiver.
    assert missed(Expected(), came, FRIDAY, [FRIDAY - 2 * DAY, thursday]) == []
    # Publications of later dates say nothing of a night that is restated.
    assert missed(Expected(), came, thursday, [FRIDAY - 2 * DAY, FRIDAY]) == [thursday]


def test_dates_before_the_first_delivery_are_not_asked_for() -> None:
    came = daily(FRIDAY, 3)
    assert missed(Expected(), came, FRIDAY - 5 * DAY) == []
    assert missed(Expected(), {}, FRIDAY) == [FRIDAY]


def test_a_delay_asks_for_an_earlier_date_and_a_morning_after_for_a_later_one() -> None:
    came = daily(FRIDAY - 2 * DAY, 5)
    assert missed(Expected(delay_days=2), came, FRIDAY) == []
    assert missed(Expected(delay_days=1), came, FRIDAY) == [FRIDAY - DAY]
    assert missed(Expected(delay_days=-1), daily(FRIDAY + DAY, 5), FRIDAY) == []
    assert missed(Expected(delay_days=-1), daily(FRIDAY, 5), FRIDAY) == [FRIDAY + DAY]


@pytest.mark.parametrize(("rows_n", "is_missed"), [(49, True), (50, False)])
def test_a_share_is_of_the_median_of_the_same_weekday(rows_n: int, is_missed: bool) -> None:
    weeks = [80, 100, 5000, 100, 20]
    came = {FRIDAY - (n + 1) * 7 * DAY: Delivered(1, count) for n, count in enumerate(weeks)}
    # Other weekdays are much larger, and do not count.
    came |= {FRIDAY - n * DAY: Delivered(1, 9000) for n in range(1, 5)}
    came[FRIDAY] = Delivered(1, rows_n)
    assert missed(Expected(minimum_share=0.5), came, FRIDAY) == [FRIDAY] * is_missed


def test_two_weeks_are_too_few_to_compare_with() -> None:
    came = {FRIDAY - n * 7 * DAY: Delivered(1, 1000) for n in (1, 2)} | {FRIDAY: Delivered(1, 1)}
    assert missed(Expected(minimum_share=0.9), came, FRIDAY) == []
    assert missed(Expected(minimum_share=0.9, minimum_rows=2), came, FRIDAY) == [FRIDAY]


@given(st.sets(st.integers(0, 30)), st.integers(0, 30), st.sets(st.integers(0, 30)))
def test_a_night_is_missed_just_when_a_due_date_since_the_last_publication_is(
        came_days: set[int], night: int, published: set[int]) -> None:
    start = date(2026, 3, 1)
    came = {start + n * DAY: Delivered(1, 1) for n in came_days}
    before = [n for n in published if n < night]
    asked = range(max(before) + 1 if before else night, night + 1)
    expected = [start + n * DAY for n in asked
                if n not in came_days and (not came_days or n > min(came_days))]
    assert missed(Expected(), came, start + night * DAY,
                  [start + n * DAY for n in published]) == expected


def test_words_say_source_what_is_expected_what_came_and_since_when() -> None:
    came = daily(FRIDAY - 3 * DAY, 60)
    (line,) = missed_words(due_deliveries(
        {"shop": Expected(files=2, minimum_share=0.5)}, {"shop": came}, FRIDAY, []))
    assert line.startswith(
        "shop: 2 files with at least 50 rows, 50% of the median of fridays in the weeks before, "
        "which is 100 expected for 2026-11-20, came: nothing; missing since 2026-11-18, the last "
        "delivery is of 2026-11-17: the gate would stop the night")


@pytest.mark.parametrize(("text", "words"), [
    ("    kind: orders\n    expected: {weekdays: [mondy]}\n",
     "line 6, sources.shop.expected.weekdays.0: unknown value 'mondy', did you mean 'monday'?"),
    ("    kind: orders\n    expected:\n      minimum_row: 5\n",
     "line 7, sources.shop.expected.minimum_row: unknown key 'minimum_row', did you mean "
     "'minimum_rows'?"),
    ("    kind: orders\n    expected: {minimum_share: 2}\n", "sources.shop.expected.minimum_share"),
    ("    kind: orders\n    expected: {files: 2}\n",
     "sources.shop.expected.files: can be counted only where the file's name has the date"),
    ("    kind: customers\n    expected: {}\n",
     "sources.shop.expected: cannot be asked of customers"),
])
def test_what_cannot_be_meant_is_refused_with_its_line(tmp_path: Path, text: str,
                                                       words: str) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_sources(path, ())
    assert words in str(caught.value)


def test_what_is_expected_is_no_part_of_how_rows_are_read() -> None:
    body = {"name": "shop", "kind": "orders", "files": ["*"], "time_zone": "UTC",
            "version": "file_name"}
    plain = Source.model_validate(body, context={"presets": ()})
    asked = Source.model_validate({**body, "expected": {"files": 3}}, context={"presets": ()})
    assert plain.declaration_hash == asked.declaration_hash


def source_of(version: str) -> Source:
    """A source of orders of Berlin."""
    return Source.model_validate(
        {"name": "shop", "kind": "orders", "files": ["*"], "time_zone": "Europe/Berlin",
         "version": version}, context={"presets": ()})


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """Raw with two loads of one day and one of another, an event near midnight, and a repair."""
    stores = Stores(tmp_path, tmp_path, Limits("1GB", 1, tmp_path / "spill"))
    with duckdb.connect(str(stores.raw)) as raw:
        for table in (*RAW_TABLES, *LEDGER_TABLES):
            raw.execute(table.ddl("main"))
        for seq, moment, rows_n in ((1, "2026-03-28 22:59:59", 10), (2, "2026-03-28 22:59:59", 5),
                                    (3, "2026-03-29 21:59:59", 7), (4, "2026-03-28 22:59:59", 1)):
            raw.execute(
                "insert into load_ledger (load_seq, source, kind, file_name, content_hash, "
                "version_rule, file_version_at, declaration_hash, rows_read_n, rows_loaded_n, "
                "rows_repeated_n, rows_rejected_n, run_id, loaded_at) values (?, 'shop', 'orders', "
                "'f', 'h' || ?, 'file_name', ?, 'd', ?, ?, 0, 0, 'r', ?)",
                [seq, seq, moment, rows_n, rows_n, datetime(2026, 4, 1)])
        raw.execute("insert into repaired_rows values (4, 1, 1)")
        for seq, order, ordered_at in ((1, "A", "2026-03-28 22:30:00"),
                                       (1, "B", "2026-03-28 23:30:00"),
                                       (2, "A", "2026-03-28 22:30:00"),
                                       (3, "C", "2026-03-29 22:30:00")):
            raw.execute(
                "insert into raw_order_lines (load_seq, row_no, source, row_hash, order_id, "
                "line_key, ordered_at, quantity, unit_price, discount, refund, currency) "
                "values (?, 1, 'shop', uuid(), ?, '1', ?, 1, 1, 0, 0, 'EUR')",
                [seq, order, ordered_at])
    return stores


def test_the_date_in_a_name_is_that_of_the_source_on_the_day_summer_begins(
        stores: Stores) -> None:
    """The 29th of March has 23 hours in Berlin: its last moment is 21:59 in UTC, not 22:59."""
    found = deliveries_of(stores, [source_of("file_name")], "UTC", 4)["shop"]
    assert found == {date(2026, 3, 28): Delivered(2, 15), date(2026, 3, 29): Delivered(1, 7)}
    assert deliveries_of(stores, [source_of("file_name")], "UTC", 1)["shop"] == {
        date(2026, 3, 28): Delivered(1, 10)}


def test_without_a_date_in_the_name_rows_count_once_on_their_own_day(stores: Stores) -> None:
    found = deliveries_of(stores, [source_of("arrival")], "Europe/Berlin", 4)["shop"]
    assert found == {date(2026, 3, 28): Delivered(2, 1), date(2026, 3, 29): Delivered(1, 1),
                     date(2026, 3, 30): Delivered(1, 1)}
