"""Exports that make sense only together: an SQL file over several files of the landing folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagster_project.engine.joins import table_columns
from dagster_project.ingest.sources import Sources, sources_faults
from tests.ingest.conftest import Landing

ITEMS = "Order No;Product;Price\nA;tea;10,50\nB;pot;30,00\nB;cup;4,00\n"
ORDERS = "Order No,Buyer,Placed\nA,c1,2026-01-05 10:00:00\nB,c2,2026-01-06 11:00:00\n"
QUERY = """
select
    items."Order No" as order_id,
    items.file_row_no as line_id,
    orders.Buyer as customer_id,
    orders.Placed as ordered_at,
    replace(items.Price, ',', '.') as unit_price,
    'CNY' as currency,
    returns.Reason is not null as is_returned
from items
inner join orders on items."Order No" = orders."Order No"
left join returns on items."Order No" = returns."Order No"
"""
INPUTS = {
    "items": {"files": ["items*"], "read": {"delimiter": ";"}},
    "orders": {"files": ["orders*"]},
    "returns": {"files": ["returns*"], "optional": True, "columns": ["Order No", "Reason"]},
}


class Joined(Landing):
    """A home whose one source joins items and orders."""

    def __init__(self, folder: Path, **source: Any) -> None:
        declared = {"kind": "orders", "query": "queries/shop.sql", "inputs": INPUTS} | source
        super().__init__(folder, {"shop": declared})
        self.queries = folder / "config"
        self.write(QUERY)

    def write(self, query: str) -> None:
        """Another text of the SQL file."""
        path = self.folder / "config" / "queries" / "shop.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(query)

    def refusal(self) -> str:
        """The only thing that this look refuses."""
        report = self.load()
        assert report.loaded == []
        (text,) = report.refused.values()
        return text


@pytest.fixture
def joined(landing_of: Callable[..., Landing], tmp_path: Path) -> Joined:
    """Items and orders are there, no returns yet."""
    home = Joined(tmp_path / "home")
    home.put("items.csv", ITEMS)
    home.put("orders.csv", ORDERS)
    return home


def test_the_rows_of_a_join_are_loaded_like_those_of_a_file(joined: Joined) -> None:
    report = joined.load()
    assert report.refused == {} and report.unclaimed == []
    (file,) = report.loaded
    assert (file.name, file.result.rows_read_n, file.result.rows_loaded_n) == ("query:shop", 3, 3)
    assert file.result.ignored_columns == ("is_returned",)
    assert joined.rows("select order_id, line_key, cast(unit_price as double) "
                       "from raw_order_lines order by 1, 2") == [
        ("A", "1", 10.5), ("B", "2", 30.0), ("B", "3", 4.0)]


def test_every_row_of_an_input_is_counted(joined: Joined) -> None:
    """Rows that never reach the result, and rows that cannot be read, must not vanish unseen."""
    joined.put("items.csv", ITEMS + "cut\n" + "Z;never ordered;1,00\n")
    joined.put("items_2.csv", "Order No;Price;Product\nA;2,00;spoon\n")
    joined.load()
    assert joined.rows("select input, file_name, rows_read_n, rows_unreadable_n from load_inputs "
                       "order by 1, 2") == [
        ("items", "items.csv", 5, 1), ("items", "items_2.csv", 1, 0),
        ("orders", "orders.csv", 2, 0)]
    assert joined.only("select rows_read_n from load_ledger") == 4
    assert joined.rows("select order_id, line_key from raw_order_lines order by 1, 2") == [
        ("A", "1"), ("A", "1"), ("B", "2"), ("B", "3")]


def test_a_row_keeps_its_number_behind_rows_that_cannot_be_read(joined: Joined) -> None:
    lines = ITEMS.splitlines(keepends=True)
    joined.put("items.csv", "".join([lines[0], "cut\n", lines[1], "cut\n", *lines[2:]]))
    joined.load()
    assert [key for (key,) in joined.rows(
        "select line_key from raw_order_lines order by line_key")] == ["2", "4", "5"]


def test_a_join_is_loaded_again_only_when_something_is_another(joined: Joined) -> None:
    joined.load()
    assert (joined.load().loaded, joined.load().known_n) == ([], 1)
    joined.put("returns.csv", "Order No,Reason\nB,broken\n")
    (file,) = joined.load().loaded
    assert (file.result.rows_repeated_n, file.result.rows_loaded_n) == (3, 0)
    joined.write(QUERY.replace("'CNY'", "'USD'"))
    (file,) = joined.load().loaded
    assert file.result.rows_loaded_n == 3
    assert joined.only("select count(*) from load_ledger") == 3
    assert joined.only("select count(distinct query_hash) from load_ledger") == 2


def test_the_newest_date_of_the_inputs_is_the_version(
        landing_of: Callable[..., Landing], tmp_path: Path) -> None:
    home = Joined(tmp_path / "home", version="file_name")
    home.put("items.csv", ITEMS)
    assert "input orders has no file" in home.refusal()
    home.put("orders.csv", ORDERS)
    assert "none of its files carries a date" in home.refusal()
    home.put("orders_2026-01-06.csv", ORDERS)
    (home.landing / "orders.csv").unlink()
    (file,) = home.load().loaded
    assert file.name == "query:shop/2026-01-06"
    assert home.only("select count(distinct version_at) from raw_order_lines") == 1


@pytest.mark.parametrize(("query", "words"), [
    ("select *\nfrom items\nwhere nosuch = 1", "queries/shop.sql line 3: "),
    ("select *\nfrm items", "queries/shop.sql line 2: "),
    ("select * from itms", "queries/shop.sql line 1: "),
    ("select 1; select 2", "must be one select statement"),
    ("", "must be one select statement"),
    ("drop table items", "must be one select statement"),
    ("create table other as select * from items", "must be one select statement"),
    ("attach '/tmp/other.duckdb' as other", "must be one select statement"),
    ("copy items to '/tmp/items.csv'", "must be one select statement"),
    ("set memory_limit = '1GB'", "must be one select statement"),
    ("select * from read_csv('/etc/passwd')", "may select from its inputs only"),
    ("select content from read_text('/etc/passwd')", "may select from its inputs only"),
    ("from glob('/etc/*')", "may select from its inputs only"),
    ("select * from '/etc/passwd.csv'", "may select from its inputs only"),
    ("select * from home", "queries/shop.sql line 1"),
    ("select 1 as order_id, 2 as ORDER_ID", "gives column order_id twice"),
    ("select cast(Price as integer) as unit_price from items", "Could not convert"),
])
def test_a_query_that_cannot_be_run_is_refused_with_its_place(joined: Joined, query: str,
                                                              words: str) -> None:
    joined.write(query)
    text = joined.refusal()
    assert words in text and text.startswith("queries/shop.sql")
    assert "10,50" not in text, "a value of a row is not repeated"
    joined.write(QUERY)
    assert [file.result.rows_loaded_n for file in joined.load().loaded] == [3]


def test_a_query_that_writes_where_it_could_is_refused(joined: Joined) -> None:
    """Its own database lies in a folder that it may open."""
    joined.write("select * from raw.raw_order_lines")
    assert "queries/shop.sql" in joined.refusal()
    joined.write("select * from read_text(getenv('HOME') || '/.bashrc')")
    assert "queries/shop.sql" in joined.refusal()


def test_a_query_file_that_is_missing_is_named(joined: Joined) -> None:
    (joined.folder / "config" / "queries" / "shop.sql").unlink()
    assert "queries/shop.sql beside sources.yaml cannot be read" in joined.refusal()


def test_a_result_that_lacks_a_column_is_refused_with_its_header(joined: Joined) -> None:
    joined.write(QUERY.replace("as unit_price", "as unitprice"))
    text = joined.refusal()
    assert text.startswith("query:shop") and "unit_price" in text


def test_an_input_that_cannot_be_read_is_named(joined: Joined) -> None:
    joined.put("orders.csv", b"")
    assert "landing/orders.csv" in joined.refusal()


def test_no_text_in_clear_stays_behind(joined: Joined) -> None:
    joined.load()
    assert list((joined.stores.state / "scratch").iterdir()) == []


def test_names_of_columns_are_made_unique_and_none_is_dropped() -> None:
    assert table_columns(["Note", " note ", "", "NOTE", "file_name", "a"]) == (
        "Note", "note_2", "column_3", "NOTE_3", "file_name_2", "a")


@pytest.mark.parametrize(("change", "key", "words"), [
    ({"query": "../shop.sql"}, "query", "an SQL file beside sources.yaml"),
    ({"query": "shop"}, "query", "an SQL file beside sources.yaml"),
    ({"inputs": {}}, "inputs", "must be given"),
    ({"query": None}, "inputs", "state the SQL file under query"),
    ({"inputs": {"Items": {"files": ["a"]}}}, "inputs.Items", "small letters"),
    ({"files": ["a*"]}, "query", "cannot stand beside files"),
])
def test_a_declaration_that_cannot_be_meant_is_refused(change: dict[str, object], key: str,
                                                       words: str) -> None:
    source = {"kind": "orders", "query": "queries/shop.sql", "inputs": INPUTS} | change
    sources = Sources.model_validate({"time_zone": "Asia/Shanghai", "sources": {"shop": source}})
    faults = {".".join(map(str, path)): text for path, text in sources_faults(sources)}
    assert words in faults[f"sources.shop.{key}"]
