"""Orders that are read out of a database: only what is new, each row once, whatever happens."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from dagster_project.ingest.databases import cursor_text, parse_cursor, read_chunks
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.origins import Database
from dagster_project.ingest.sources import Sources, sources_faults
from tests.ingest.databases import QUERY, URL_NAME, Shop, shop

__all__ = ["shop"]

LINES = "select order_id, line_key, cast(unit_price as double) from raw_order_lines order by 1, 2"
PROJECT = Path(__file__).resolve().parents[2]


def day(number: int, hour: int = 0) -> str:
    """A time of January 2026, as both databases order it."""
    return f"2026-01-{number:02d} {hour:02d}:00:00"


def test_only_what_is_new_or_changed_is_read_again(shop: Shop) -> None:
    shop.add(("A", 1, 10, day(2), 1), ("B", 1, 20, day(3), 2), ("C", 1, 30, day(4), 3))
    assert [file.result.rows_loaded_n for file in shop.load().loaded] == [3]
    shop.execute(f"update lines set price = 21, updated_at = '{day(6)}' where order_id = 'B'")
    shop.add(("D", 1, 40, day(7), 4))
    (file,) = shop.load().loaded
    assert file.name.startswith("database:shop/2026-01-04 00:00:00")
    # C stands at the boundary and comes again.
    assert (file.result.rows_read_n, file.result.rows_repeated_n, file.result.rows_loaded_n) == (
        3, 1, 2)
    assert shop.rows(LINES) == [("A", "1", 10.0), ("B", "1", 20.0), ("B", "1", 21.0),
                                ("C", "1", 30.0), ("D", "1", 40.0)]


def test_a_row_that_takes_the_last_value_later_is_not_missed(shop: Shop) -> None:
    shop.declare(look_back=0)
    shop.add(("A", 1, 10, day(2), 1))
    shop.load()
    shop.add(("B", 1, 20, day(2), 2))
    shop.load()
    assert shop.rows(LINES) == [("A", "1", 10.0), ("B", "1", 20.0)]


def test_a_second_look_at_the_same_rows_is_no_delivery(shop: Shop) -> None:
    """Every delivery moves the clock of loads, and with it what a night is known by."""
    shop.add(("A", 1, 10, day(2), 1), ("B", 1, 20, day(3), 2))
    shop.load()
    before = shop.home.engine.last_load_seq()
    report = shop.load()
    assert (report.loaded, report.refused, report.known_n) == ([], {}, 1)
    assert shop.home.engine.last_load_seq() == before


def test_a_rejected_row_at_the_boundary_is_not_told_of_every_night(shop: Shop) -> None:
    shop.add(("A", 1, 10, day(2), 1), ("B", 1, None, day(3), 2))
    for _ in range(4):
        shop.load()
    assert shop.rows("select count(*) from load_ledger") == [(2,)]
    assert shop.rows("select distinct reason from rejected_rows") == [("missing_value",)]


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 5, 1000])
def test_the_size_of_chunks_does_not_matter(shop: Shop, chunk_rows: int) -> None:
    """Orders of several lines whose times lie apart, interleaved; several rows of one time."""
    shop.declare(chunk_rows=chunk_rows)
    shop.add(("A", 1, 10, day(2), 1), ("B", 1, 20, day(3), 2), ("A", 2, 11, day(4), 3),
             ("C", 1, 30, day(4), 4), ("D", None, 40, day(4), 5), ("D", None, 40, day(4), 6),
             ("B", 2, 21, day(5), 7), ("E", 1, 50, day(6), 8))
    for _ in range(3):
        shop.load()
    assert shop.rows("select order_id, count(*), cast(sum(unit_price) as double), "
                     "count(distinct version_at) from raw_order_lines group by 1 order by 1") == [
        ("A", 2, 21.0, 1), ("B", 2, 41.0, 1), ("C", 1, 30.0, 1), ("D", 2, 80.0, 1),
        ("E", 1, 50.0, 1)]
    assert shop.rows("select count(*) from load_ledger where rows_read_n <> rows_loaded_n "
                     "+ rows_repeated_n + rows_rejected_n") == [(0,)]


def test_an_order_comes_whole_when_one_of_its_lines_has_changed(shop: Shop) -> None:
    """With its changed line alone, the newer version would have lost the others."""
    shop.add(("A", 1, 10, day(2), 1), ("A", 2, 20, day(2), 2), ("B", 1, 5, day(9), 3))
    shop.load()
    shop.execute(f"update lines set price = 12, updated_at = '{day(11)}' "
                 "where order_id = 'A' and line_id = 1")
    shop.load()
    assert shop.rows(
        "select line_key, cast(unit_price as double) from raw_order_lines "
        "where version_at = (select max(version_at) from raw_order_lines) order by 1") == [
        ("1", 12.0), ("2", 20.0)]


def test_rows_without_an_order_are_rejected_not_lost(shop: Shop) -> None:
    shop.add(("A", 1, 10, day(2), 1))
    shop.load()
    shop.add((None, 1, 10, day(8), 2), (None, 2, 10, day(9), 3))
    (file,) = shop.load().loaded
    assert file.result.rejected_by_reason == {"missing_value": 2}
    assert {name for (name,) in shop.rows("select file_name from rejected_rows")} == {file.name}


def test_what_was_committed_late_is_found_by_looking_back(
        postgresql_url: str, tmp_path: Path) -> None:
    shop = Shop(postgresql_url, tmp_path / "home", look_back=3600)
    shop.add(("A", 1, 10, day(2, 10), 1))
    shop.load()
    shop.add(("B", 1, 20, "2026-01-02 09:30:00+00", 2))
    shop.load()
    shop.close()
    assert [row[0] for row in shop.rows(LINES)] == ["A", "B"]
    assert shop.rows("select cursor_to from load_ledger order by load_seq") == [
        ("time 2026-01-02 10:00:00+00:00",)] * 2


def test_a_number_can_be_the_cursor(shop: Shop) -> None:
    shop.declare(cursor="seq", look_back=0, chunk_rows=2, version="arrival")
    shop.add(*((f"o{number}", 1, number, day(2), number) for number in range(1, 6)))
    shop.load()
    shop.add(("o6", 1, 6, day(1), 6))
    shop.load()
    assert shop.rows("select count(*), cast(sum(unit_price) as double) from raw_order_lines") == [
        (6, 21.0)]
    assert shop.rows("select file_name, cursor_to from load_ledger order by load_seq") == [
        ("database:shop/1..2", "integer 2"), ("database:shop/3..4", "integer 4"),
        ("database:shop/5..5", "integer 5"), ("database:shop/5..6", "integer 6")]


def test_another_query_is_read_from_its_beginning(shop: Shop) -> None:
    shop.declare(query=QUERY + "where price > 15")
    shop.add(("A", 1, 10, day(2), 1), ("B", 1, 20, day(3), 2))
    shop.load()
    shop.declare()
    shop.load()
    assert [row[0] for row in shop.rows(LINES)] == ["A", "B"]
    assert shop.rows("select count(distinct query_hash) from load_ledger") == [(2,)]


def test_a_chunk_that_cannot_be_loaded_is_not_passed_over(shop: Shop) -> None:
    """A cursor behind rows that were refused would lose them without a word."""
    shop.add(("A", 1, 10, day(2), 1), ("B", 1, 20, day(3), 2))
    shop.declare(query=QUERY.replace("price as unit_price", "price as unitprice"), chunk_rows=1)
    report = shop.load()
    (text,) = report.refused.values()
    assert "unit_price" in text and "unitprice" in text
    assert text.startswith("database:shop/")
    assert shop.rows("select count(*) from load_ledger") == [(0,)]
    shop.declare(chunk_rows=1)
    shop.load()
    assert len(shop.rows(LINES)) == 2


@pytest.mark.parametrize(("change", "words"), [
    ({"cursor": "updatedat"}, "no column 'updatedat', its cursor; did you mean 'updated_at'?"),
    ({"document": "order"}, "no column 'order', its document"),
    ({"query": QUERY.replace("updated_at", "nullif(1, 1) as updated_at")},
     "some rows have no updated_at"),
    ({"query": QUERY.replace("seq\n", "1.5 as seq\n").replace("1.5", "cast(1.5 as real)"),
      "cursor": "seq"}, "its cursor is a float"),
    ({"query": "select nosuch from lines"}, "nosuch"),
    ({"query": "delete from lines returning *"}, "cannot be read"),
    ({"query": "update lines set price = 0"}, "cannot be read"),
    ({"query": "select * from lines) as q; drop table lines; select (1"}, "cannot be read"),
    ({"query": "select * from lines) as q where 1 = 0; commit; delete from lines; select * "
               "from (select * from lines"}, "cannot be read"),
])
def test_what_cannot_be_read_is_refused_in_words_and_changes_nothing(
        shop: Shop, change: dict[str, str], words: str) -> None:
    shop.add(("A", 1, 10, day(2), 1))
    shop.declare(**change)
    report = shop.load()
    (text,) = report.refused.values()
    assert words in text
    assert text.startswith("database:shop")
    assert "Traceback" not in text and "\n" not in text
    shop.declare()
    assert [file.result.rows_loaded_n for file in shop.load().loaded] == [1]


@pytest.mark.parametrize("url", [
    "postgresql://chief:s3cret@127.0.0.1:1/shop", "mysql://chief:s3cret@127.0.0.1/shop",
    "chief:s3cret@127.0.0.1/shop", "postgresql://chief:s3cret@127.0.0.1:port/shop",
    "sqlite:////nowhere/of/chief/s3cret.db",
])
def test_no_password_is_ever_told(tmp_path: Path, url: str) -> None:
    shop = Shop(f"sqlite:///{tmp_path}/shop.db", tmp_path / "home")
    (text,) = shop.load(url).refused.values()
    shop.close()
    assert "s3cret" not in text and "chief" not in text
    assert text.startswith("database:shop: ")
    assert shop.rows("select count(*) from load_ledger") == [(0,)]


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    shop = Shop(f"sqlite:///{tmp_path}/shop.db", tmp_path / "home")
    shop.declare(url="ANOTHER_URL")
    (text,) = shop.load().refused.values()
    shop.close()
    assert "ANOTHER_URL is not set" in text


def test_a_value_at_fault_is_not_repeated(postgresql_url: str, tmp_path: Path) -> None:
    """The database's own words would carry an e-mail address into the log."""
    shop = Shop(postgresql_url, tmp_path / "home")
    shop.add(("li.na@example.com", 1, 10, day(2), 1))
    shop.declare(query=QUERY.replace("line_id,", "cast(order_id as integer) as line_id,"))
    (text,) = shop.load().refused.values()
    shop.close()
    assert "a value does not fit" in text and "li.na" not in text


def test_a_column_twice_is_refused(postgresql_url: str, tmp_path: Path) -> None:
    """SQLite gives the second one another name by itself."""
    shop = Shop(postgresql_url, tmp_path / "home")
    shop.declare(query=QUERY.replace("seq\n", "seq, seq\n"))
    (text,) = shop.load().refused.values()
    shop.close()
    assert "gives seq twice" in text


def test_cells_are_text_as_a_file_would_have_them(postgresql_url: str, tmp_path: Path) -> None:
    database = Database(url=URL_NAME, cursor="id", query="""
        select 1 as id, '007'::text as code, 12345678901234567890::numeric as big,
            10.50::numeric(9, 2) as price, 1e20::numeric as wide, 0.1::float8 as share,
            '2026-01-05 10:00:00.5+08'::timestamptz as moment, '2026-01-05 10:00'::timestamp as at,
            date '2026-01-05' as day, true as yes, null::text as nothing,
            '{"名": [1, "a:b"]}'::jsonb as more, '\\xff'::bytea as bytes,
            'f0000000-0000-0000-0000-000000000001'::uuid as token, '50%% :x' as sign""")
    (chunk,) = read_chunks("shop", database, lambda name: postgresql_url, None, tmp_path)
    (row,) = pq.read_table(chunk.path).to_pylist()
    assert row == {
        "id": "1", "code": "007", "big": "12345678901234567890", "price": "10.50",
        "wide": "100000000000000000000", "share": "0.1",
        "moment": "2026-01-05 02:00:00.500000+00:00", "at": "2026-01-05 10:00:00",
        "day": "2026-01-05", "yes": "true", "nothing": None,
        "more": '{"名": [1, "a:b"]}', "bytes": "ff",
        "token": "f0000000-0000-0000-0000-000000000001", "sign": "50%% :x"}


def test_a_chunk_is_known_by_its_rows_not_by_their_order(tmp_path: Path) -> None:
    hashes = set()
    for number, direction in enumerate(("asc", "desc")):
        url = f"sqlite:///{tmp_path}/shop{number}.db"
        shop = Shop(url, tmp_path / f"home{number}")
        rows = [("A", 1, 10, day(2), 1), ("B", 1, 20, day(2), 2), ("C", 1, 20, day(2), 3)]
        shop.add(*(rows if direction == "asc" else reversed(rows)))
        database = Database(url=URL_NAME, query=QUERY, cursor="updated_at")
        (chunk,) = read_chunks("shop", database, {URL_NAME: url}.get, None, tmp_path)
        hashes.add(chunk.content_hash)
        shop.close()
    assert len(hashes) == 1


@pytest.mark.parametrize("value", [
    0, -5, 10**30, "text with spaces ", "", date(2026, 1, 5), datetime(2026, 1, 5, 1, 2, 3, 4),
    datetime.fromisoformat("2026-01-05 01:02:03.000004+00:00"),
])
def test_a_cursor_is_read_back_as_it_was(value: object) -> None:
    read = parse_cursor(cursor_text(value))
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("value", [1.5, True, b"1", timedelta(1)])
def test_what_has_no_sure_order_is_no_cursor(value: object) -> None:
    with pytest.raises(FileRefused, match="a cursor is a whole number"):
        cursor_text(value)


@pytest.mark.parametrize(("change", "key", "words"), [
    ({"version": "file_name"}, "version", "no file names"),
    ({"overlap": "distinct"}, "overlap", "one fact"),
    ({"files": ["a*"]}, "database", "cannot stand beside files"),
    ({"read": {"delimiter": ";"}}, "read", "is of files"),
    ({"database": {"url": "U", "query": "select 1", "cursor": "id"}}, "database.document",
     "lines of an order"),
])
def test_a_declaration_that_cannot_be_meant_is_refused(change: dict[str, object], key: str,
                                                       words: str) -> None:
    source = {"kind": "orders", "database": {"url": "U", "query": "select 1", "cursor": "id",
                                             "document": "order_id"}} | change
    sources = Sources.model_validate({"time_zone": "Asia/Shanghai", "sources": {"shop": source}})
    faults = {".".join(map(str, path)): text for path, text in sources_faults(sources)}
    assert words in faults[f"sources.shop.{key}"]


def test_a_url_in_the_file_is_refused_without_being_repeated() -> None:
    with pytest.raises(ValueError, match="name of an environment variable"):
        Database(url="postgresql://chief:s3cret@host/shop", query="select 1", cursor="id")


@pytest.mark.slow
def test_killed_anywhere_each_row_comes_once(shop: Shop, tmp_path: Path) -> None:
    """Killed again and again in the middle of reading, vault, raw or ledger."""
    orders_n, chance = 250, random.Random(20260110)
    shop.add(*((f"o{number}", line, number, f"2026-01-05 {number // 60:02d}:{number % 60:02d}:00",
                number) for number in range(orders_n) for line in (1, None)))
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "tests.ingest.ingest_shop", str(folder), shop.url, "40"]
    shop.folder = folder
    seen = set()
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT)
        assert process.stdout is not None
        for _ in range(chance.randint(1, 4)):
            assert process.stdout.readline().startswith(b"reading database:shop/")
        try:
            process.wait(chance.uniform(0, 0.2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        process.stdout.close()
        shop.declare()
        seen.add(shop.rows("select count(*) from load_ledger")[0][0])
    assert len(seen) > 2, "no kill struck in the middle"
    subprocess.run(command, check=True, cwd=PROJECT, stdout=subprocess.DEVNULL)
    shop.declare()
    assert shop.rows("select count(*), count(distinct order_id || '/' || line_key), "
                     "cast(sum(unit_price) as double) from raw_order_lines") == [
        (2 * orders_n, 2 * orders_n, float(orders_n * (orders_n - 1)))]
    assert shop.rows("select count(*) from load_ledger where rows_read_n <> rows_loaded_n "
                     "+ rows_repeated_n + rows_rejected_n") == [(0,)]
    assert list((folder / "state" / "scratch").iterdir()) == [], "text in clear was left behind"


def test_what_was_read_before_the_connection_broke_is_kept(
        postgresql_url: str, tmp_path: Path) -> None:
    database = Database(url=URL_NAME, cursor="id", chunk_rows=1000,
                        query="select id from generate_series(1, 50000) as id")
    chunks = read_chunks("shop", database, {URL_NAME: postgresql_url}.get, None, tmp_path)
    first = next(chunks)
    shop = Shop(postgresql_url, tmp_path / "home")
    shop.execute("select pg_terminate_backend(pid) from pg_stat_activity "
                 "where pid <> pg_backend_pid() and datname = current_database()")
    shop.close()
    with pytest.raises(FileRefused, match=r"^database:shop: cannot be read: "):
        list(chunks)
    assert (first.reached, pq.read_table(first.path).num_rows) == ("integer 1000", 1000)


def test_a_database_that_breaks_off_goes_on_behind_its_last_chunk(shop: Shop) -> None:
    """The third row cannot be read; what stands before it is loaded, and comes once."""
    shop.add(*((f"o{number}", 1, number, day(number), number) for number in (1, 2, 3)))
    broken = ("cast(1 / (3 - seq) as text)" if shop.backend == "postgresql"
              else "cast(case seq when 3 then x'ff' else 'c1' end as text)")
    query = QUERY.replace("customer_id,", f"{broken} as customer_id,")
    shop.declare(chunk_rows=1, query=query)
    report = shop.load()
    assert list(report.refused) == ["database:shop"]
    loaded = len(report.loaded)
    assert shop.rows("select count(*) from raw_order_lines") == [(loaded,)]
    shop.execute("update lines set seq = 4 where seq = 3")
    shop.load()
    assert [row[0] for row in shop.rows(LINES)] == ["o1", "o2", "o3"]


def test_the_shop_sees_nothing_of_the_reading(shop: Shop) -> None:
    """Reading leaves no transaction open, and the shop goes on writing after it."""
    shop.add(("A", 1, 10, day(2), 1))
    shop.load()
    shop.execute("delete from lines")
    engine = sa.create_engine(shop._engine.url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from lines").scalar() == 0
    engine.dispose()
