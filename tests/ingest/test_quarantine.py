"""Rejected rows: listed, written out in clear, repaired, taken back: each once, in its version."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.engine.quarantine import Choice
from dagster_project.ingest.quarantine import (
    QuarantineError,
    TakenBack,
    quarantine_words,
    repair_words,
    take_back,
    write_rejected,
)
from tests.ingest.conftest import NOW, Landing

HEADER = "order_id,line_id,customer_id,ordered_at,status,quantity,unit_price,currency\n"
DAY = "orders/orders_2026-01-05.csv"
GOOD = "o1,1,c1,2026-01-05 10:00:00,completed,1,10,CNY\n"
BAD = "o1,2,c1,2026-01-05 10:00:00,completed,1,twenty,CNY\n"
THIRD = "o1,3,c1,2026-01-05 10:00:00,completed,1,30,CNY\n"
Cells = dict[str, str]
ALL = Choice()


def write(landing: Landing, folder: Path, choice: Choice = ALL) -> list[Path]:
    """Write the rejected rows out; the files."""
    written = write_rejected(landing.stores, landing.sources, choice, folder,
                             landing=landing.landing, who="Chen", now=NOW)
    return [path for path, _ in written]


def rows_of(path: Path) -> list[Cells]:
    """The rows of a repair file."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def mend(path: Path, change: Callable[[Cells], object]) -> Path:
    """Change every row of a repair file, as people do it."""
    rows = rows_of(path)
    for row in rows:
        change(row)
    return save(path, rows)


def save(path: Path, rows: list[Cells]) -> Path:
    """Write rows as a repair file."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def take(landing: Landing, path: Path) -> list[TakenBack]:
    """Take a repaired file back."""
    return take_back(landing.engine, landing.stores, landing.sources, path, now=NOW)


def repaired(landing: Landing, folder: Path, **cells: str) -> list[TakenBack]:
    """Write out, set cells of every row, take back."""
    (path,) = write(landing, folder)
    return take(landing, mend(path, lambda row: row.update(cells)))


def current_lines(landing: Landing) -> list[tuple[str, str, str]]:
    """(order, line, price) of the lines that count, as the models decide it."""
    return [(order, line, f"{price:.2f}") for order, line, price in landing.rows(
        """
        select order_id, line_key, unit_price from (
            select *, row_number() over (
                partition by order_id, line_key order by version_at desc nulls last,
                case when version_at is null then load_seq end desc nulls last, row_hash desc
            ) as newness
            from raw_order_lines
            inner join (
                select order_id, max(version_at) as newest from raw_order_lines group by order_id
            ) using (order_id)
            where newest is null or version_at = newest
        ) where newness = 1 order by all
        """)]


def law_holds(landing: Landing) -> bool:
    """read = loaded + repeated + rejected, for every load, and raw holds what was loaded."""
    return not landing.rows(
        "select * from load_ledger where rows_read_n <> rows_loaded_n + rows_repeated_n + "
        "rows_rejected_n") and landing.only("select sum(rows_loaded_n) from load_ledger") == (
            landing.only("select count(*) from raw_order_lines"))


def test_the_list_says_source_file_reason_rows_and_what_to_do(orders: Landing) -> None:
    orders.put(DAY, HEADER + GOOD + BAD + THIRD.replace("30", "much") + "torn,1\n")
    orders.load()
    assert quarantine_words(orders.stores, ALL) == [
        "shop: 3 rejected",
        f"  landing/{DAY} (load 1)",
        "    1 missing_columns, row 4. The row has fewer fields than the header; repair the row.",
        "    2 not_a_number in unit_price, row 2, 3 (such as 'xxxxxx'). Write a plain "
        "number with a decimal point.",
    ]
    assert len(quarantine_words(orders.stores, Choice(reason="missing_columns"))) == 3
    with pytest.raises(QuarantineError, match=r"--source shops: .* Did you mean shop\?"):
        quarantine_words(orders.stores, Choice(source="shops"))
    with pytest.raises(QuarantineError, match=r"Did you mean not_a_number\?"):
        quarantine_words(orders.stores, Choice(reason="no_number"))


def test_nothing_loaded_is_said(orders: Landing) -> None:
    orders.stores.raw.unlink()
    with pytest.raises(QuarantineError, match="nothing was loaded yet"):
        quarantine_words(orders.stores, ALL)


def test_written_rows_are_as_delivered_and_for_their_owner_only(orders: Landing,
                                                                tmp_path: Path) -> None:
    orders.put(DAY, HEADER + GOOD + BAD + "torn,1\n")
    orders.load()
    (path,) = write(orders, tmp_path / "repair")
    assert path.name == "shop_load-000001.csv"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    bad, torn = rows_of(path)
    assert (bad["_load"], bad["_row"], bad["_reason"], bad["_column"], bad["_file"]) == (
        "1", "2", "not_a_number", "unit_price", DAY)
    assert (bad["order_id"], bad["unit_price"], bad["_text"]) == ("o1", "twenty", "")
    assert (torn["_row"], torn["_text"], torn["order_id"]) == ("3", "torn,1", "")
    assert torn["_header"] == HEADER.strip()
    assert orders.rows("select who, rows_n from vault_reads", "vault") == [("Chen", 2)]
    assert str(path) in orders.only("select what from vault_reads", "vault")


def test_rows_in_clear_are_not_written_where_others_look(orders: Landing, tmp_path: Path) -> None:
    orders.put(DAY, HEADER + BAD)
    orders.load()
    (tmp_path / "link").symlink_to(orders.stores.warehouse)
    for folder in (orders.landing / "repair", orders.stores.warehouse, tmp_path / "link" / "x"):
        with pytest.raises(QuarantineError, match="must not lie in"):
            write(orders, folder)
    assert orders.rows("select * from vault_reads", "vault") == []


def test_a_file_that_is_there_is_not_overwritten(orders: Landing, tmp_path: Path) -> None:
    orders.put(DAY, HEADER + BAD)
    orders.load()
    (path,) = write(orders, tmp_path)
    mend(path, lambda row: row.update(unit_price="20"))
    with pytest.raises(QuarantineError, match="is there already, perhaps half repaired"):
        write(orders, tmp_path)
    assert rows_of(path)[0]["unit_price"] == "20"


@pytest.mark.parametrize("version", ["file_name", "arrival", {"rule": "column",
                                                              "column": "updated_at"}])
def test_a_repaired_line_joins_the_other_lines_of_its_order(
        landing_of: Callable[..., Landing], tmp_path: Path, version: object) -> None:
    """A document is replaced as a whole; a repaired line is no new document."""
    landing = landing_of(shop={"kind": "orders", "files": ["orders/*"], "version": version})
    stamps = {"1": "2026-01-05 11:00:00", "2": "2026-01-05 12:00:00", "3": "2026-01-05 11:30:00"}
    landing.put(DAY, HEADER.replace("\n", ",updated_at\n") + "".join(
        row.replace("\n", f",{stamps[row[3]]}\n") for row in (GOOD, BAD, THIRD)))
    landing.load()
    # Also where the mended row is said to be newer than its order was.
    (part,) = repaired(landing, tmp_path, unit_price="20", updated_at="2026-01-06 12:00:00")
    assert part.result is not None
    assert (part.result.rows_loaded_n, part.still_rejected) == (1, ())
    assert current_lines(landing) == [("o1", "1", "10.00"), ("o1", "2", "20.00"),
                                      ("o1", "3", "30.00")]
    assert law_holds(landing)


@pytest.mark.parametrize("version", ["file_name", "arrival"])
def test_what_came_later_stays_newer(landing_of: Callable[..., Landing], tmp_path: Path,
                                     version: str) -> None:
    """The repaired row is as old as the file that brought it, whenever somebody repairs it."""
    landing = landing_of(shop={"kind": "orders", "files": ["orders/*"], "version": version})
    landing.put(DAY, HEADER + GOOD + BAD)
    landing.load()
    landing.put("orders/orders_2026-01-06.csv",
                HEADER + GOOD.replace(",10,", ",11,") + BAD.replace("twenty", "22"))
    landing.load()
    repaired(landing, tmp_path, unit_price="20")
    assert current_lines(landing) == [("o1", "1", "11.00"), ("o1", "2", "22.00")]
    assert law_holds(landing)
    assert quarantine_words(landing.stores, ALL) == []


def test_of_two_repairs_the_one_of_the_later_load_counts(landing_of: Callable[..., Landing],
                                                         tmp_path: Path) -> None:
    """Whichever of the two was repaired first."""
    for first in (0, 1):
        landing = landing_of(shop={"kind": "orders", "files": ["orders/*"],
                                   "version": "arrival"})
        landing.put("orders/a.csv", HEADER + BAD)
        landing.load()
        landing.put("orders/b.csv", HEADER + BAD.replace("twenty", "many"))
        landing.load()
        paths = write(landing, tmp_path / f"out{first}")
        for price, path in sorted(zip(("20", "22"), paths, strict=True), reverse=bool(first)):
            take(landing, mend(path, lambda row, price=price: row.update(unit_price=price)))
        assert current_lines(landing) == [("o1", "2", "22.00")]
        assert law_holds(landing)
        for path in landing.landing.rglob("*.csv"):
            path.unlink()
        for store in (landing.stores.raw, landing.stores.vault):
            store.unlink()


def test_the_same_file_twice_changes_nothing(orders: Landing, tmp_path: Path) -> None:
    orders.put(DAY, HEADER + GOOD + BAD)
    orders.load()
    repaired(orders, tmp_path, unit_price="20")
    before = orders.rows("select * from raw_order_lines order by all")
    known = orders.engine.last_load_seq()
    (part,) = take(orders, tmp_path / "shop_load-000001.csv")
    assert (part.result, part.known_n) == (None, 1)
    assert "1 rows were taken back before" in repair_words([part], tmp_path)[0]
    assert orders.rows("select * from raw_order_lines order by all") == before
    assert orders.engine.last_load_seq() == known
    assert orders.load().loaded == []


def test_a_repaired_row_is_marked_and_not_listed_any_more(orders: Landing,
                                                          tmp_path: Path) -> None:
    orders.put(DAY, HEADER + GOOD + BAD + "torn,1\n")
    orders.load()
    (path,) = write(orders, tmp_path)
    rows = rows_of(path)
    save(path, [{**rows[0], "unit_price": "20"}])
    take(orders, path)
    assert orders.rows("select * from repaired_rows") == [(2, 1, 2)]
    assert quarantine_words(orders.stores, ALL)[0] == "shop: 1 rejected"
    ledger = orders.rows("select load_seq, file_name, file_version_at, rows_read_n, rows_loaded_n "
                         "from load_ledger order by 1")
    assert ledger[1][:2] == (2, f"{DAY} (repaired)")
    assert ledger[1][2] == ledger[0][2]
    assert ledger[1][3:] == (1, 1)


def test_rows_that_are_still_wrong_stay_rejected_and_the_others_are_taken(
        orders: Landing, tmp_path: Path) -> None:
    orders.put(DAY, HEADER + BAD + THIRD.replace("30", "much"))
    orders.load()
    (path,) = write(orders, tmp_path)
    mend(path, lambda row: row.update(unit_price={"twenty": "20"}.get(row["unit_price"], "more")))
    (part,) = take(orders, path)
    assert part.result is not None and part.result.rows_loaded_n == 1
    assert [(row.line, row.reason, row.column) for row in part.still_rejected] == [
        (3, "not_a_number", "unit_price")]
    assert "line 3: not_a_number in unit_price. Write a plain number" in (
        repair_words([part], path)[-1])
    assert orders.only("select count(*) from rejected_rows") == 2
    mend(path, lambda row: row.update(unit_price="30"))
    (part,) = take(orders, path)
    assert (part.known_n, part.still_rejected) == (1, ())
    assert [line for _, line, _ in current_lines(orders)] == ["2", "3"]
    assert law_holds(orders)


def test_a_torn_row_may_become_several_whole_or_none(orders: Landing, tmp_path: Path) -> None:
    """A quote that was left open swallows the rows behind it."""
    orders.put(DAY, HEADER + 'o2,"1,c2\n' + GOOD)
    orders.load()
    (path,) = write(orders, tmp_path)
    (torn,) = rows_of(path)
    cells = {"order_id": "o2", "customer_id": "c2", "ordered_at": "2026-01-05 11:00:00",
             "currency": "CNY"}
    first = {**torn, **cells, "line_id": "1", "unit_price": "5"}
    save(path, [first, {**first, "line_id": "2", "unit_price": "six"}])
    (part,) = take(orders, path)
    assert (part.result, len(part.still_rejected)) == (None, 1)
    save(path, [first, {**first, "line_id": "2", "unit_price": "6"}])
    (part,) = take(orders, path)
    assert part.result is not None and part.result.rows_loaded_n == 2
    assert current_lines(orders) == [("o1", "1", "10.00"), ("o2", "1", "5.00"),
                                     ("o2", "2", "6.00")]


def test_equal_rows_without_an_id_stay_two_facts_and_a_redelivery_one(
        orders: Landing, tmp_path: Path) -> None:
    """A true second sale must not vanish because it was rejected at first."""
    row = "o1,,c1,2026-01-05 10:00:00,completed,1,10,CNY\n"
    orders.put(DAY, HEADER + row + row.replace(",10,", ",ten,"))
    orders.load()
    (part,) = repaired(orders, tmp_path, unit_price="10")
    assert part.result is not None and part.result.rows_loaded_n == 1
    # The shop mends its own export too, under the same date.
    orders.put("orders/mended_2026-01-05.csv", HEADER + row + row)
    report = orders.load()
    assert report.loaded[0].result.rows_repeated_n == 2
    assert len(current_lines(orders)) == 2


def test_rows_are_repaired_in_canonical_columns_whatever_the_file_has(
        landing_of: Callable[..., Landing], tmp_path: Path) -> None:
    landing = landing_of(shop={
        "kind": "orders", "files": ["orders/*"], "version": "file_name",
        "time_zone": "Europe/Berlin",
        "columns": {"order_id": "Nummer", "ordered_at": {"from": "Datum", "format": "%d.%m.%Y"},
                    "unit_price": {"from": "Preis", "number": {"decimal": ","}},
                    "status": {"from": "Stand", "words": {"bezahlt": "completed"}},
                    "currency": {"constant": "EUR"}}})
    landing.put(DAY, "Nummer,Datum,Preis,Stand\n1,05.01.2026,\"10,50\",bezahlt\n"
                     "2,05.01.2026,zehn,bezahlt\n3,05.01.2026\n")
    landing.load()
    (path,) = write(landing, tmp_path)
    bad, torn = rows_of(path)
    assert (bad["order_id"], bad["unit_price"], bad["status"], bad["currency"]) == (
        "2", "zehn", "completed", "EUR")
    assert (torn["_text"], torn["_header"], torn["currency"]) == (
        "3,05.01.2026", "Nummer,Datum,Preis,Stand", "EUR")
    save(path, [{**bad, "unit_price": "10.5"},
                {**torn, "order_id": "3", "ordered_at": "2026-01-05", "unit_price": "3"}])
    (part,) = take(landing, path)
    assert part.still_rejected == ()
    assert landing.rows("select order_id, currency, status, cast(ordered_at as varchar) from "
                        "raw_order_lines where load_seq = 2 order by 1") == [
        ("2", "EUR", "completed", "2026-01-04 23:00:00"),
        ("3", "EUR", landing.only("select status from raw_order_lines where order_id = '3'"),
         "2026-01-04 23:00:00")]


def test_a_row_whose_key_is_damaged_is_kept_as_it_stood(orders: Landing, tmp_path: Path) -> None:
    """Its value is in no canonical column; whoever repairs the row finds it in the text."""
    row = {"order_id": "o1", "line_id": "1", "customer_id": "c1", "currency": "CNY",
           "ordered_at": "2026-01-05 10:00:00", "unit_price": 10}
    damaged = {"ordQr_id" if name == "order_id" else name: value for name, value in row.items()}
    orders.put("orders/orders_2026-01-05.jsonl",
               "".join(json.dumps(one) + "\n" for one in (
                   row, damaged, {**row, "line_id": "2", "unit_price": "ten"})))
    orders.load()
    (path,) = write(orders, tmp_path)
    bad, plain = rows_of(path)
    assert (bad["_reason"], bad["_column"], bad["order_id"]) == ("missing_value", "order_id", "")
    assert json.loads(bad["_text"]) == {**damaged, "unit_price": "10"}
    assert plain["_text"] == ""
    save(path, [{**bad, "order_id": "o1", "line_id": "3"}])
    (part,) = take(orders, path)
    assert part.still_rejected == ()
    assert [line for _, line, _ in current_lines(orders)] == ["1", "3"]


def test_cells_that_nothing_reads_are_kept_with_a_rejected_row(
        landing_of: Callable[..., Landing], tmp_path: Path) -> None:
    """Under names of their own, also where the header has one twice or leaves it blank."""
    landing = landing_of(shop={
        "kind": "orders", "files": ["orders/*"], "currency": "EUR",
        "columns": {"order_id": "Nr", "ordered_at": "Datum",
                    "unit_price": {"from": "Preis", "number": {"decimal": ","}}},
        "left_out": [{"rule": "test_order", "column": "Nr", "pattern": "^T"}]})
    landing.put("orders/o.csv", "Nr,Datum,Preis,Rest,Rest,\n1,2026-01-05,zehn,a,b,c\n"
                                "2,2026-01-05,zehn,,,\nT3,2026-01-05,1,a,b,c\n4,morgen,1,,d,\n")
    landing.load()
    (path,) = write(landing, tmp_path)
    first, second, fourth = rows_of(path)
    assert json.loads(first["_text"]) == {"Nr": "1", "Datum": "2026-01-05", "Preis": "zehn",
                                          "Rest": "a", "Rest (column 5)": "b", "(column 6)": "c"}
    assert second["_text"] == ""
    assert json.loads(fourth["_text"])["Rest (column 5)"] == "d"
    assert landing.rows("select row_no from rejected_text where row_text like '%_text%' "
                        "order by 1", "vault") == [(1,), (4,)]


def test_repaired_customers_keep_their_attributes(landing_of: Callable[..., Landing],
                                                  tmp_path: Path) -> None:
    landing = landing_of(crm={"kind": "customers", "files": ["c*"], "attributes": ["grade"]})
    landing.put("c.csv", "customer_id,valid_from,name,email,grade\n"
                         "c1,soon,Ada Canary,ada@example.com,A\n")
    landing.load()
    (part,) = repaired(landing, tmp_path, valid_from="2026-01-01")
    assert part.result is not None and part.result.rows_loaded_n == 1
    assert landing.only("select attributes from raw_customers") == '{"grade":"A"}'
    assert landing.only("select clear_text from personal_text", "vault") == "Ada Canary"


@pytest.mark.parametrize(("change", "words"), [
    ({"_record": "7"}, r"line 2: _load 1, _record 7 is no rejected row"),
    ({"_load": "9"}, r"line 2: _load 9, _record 1 is no rejected row"),
    ({"_load": ""}, r"line 2: _load is '', not a number"),
    ({"_record": "1.0"}, r"line 2: _record is '1.0', not a number"),
    ({"unit_prize": "20"}, r"the header names unit_prize, .* Did you mean unit_price\?"),
])
def test_a_file_that_was_changed_too_far_is_refused_whole(orders: Landing, tmp_path: Path,
                                                          change: Cells, words: str) -> None:
    orders.put(DAY, HEADER + BAD)
    orders.load()
    (path,) = write(orders, tmp_path)
    save(path, [{**rows_of(path)[0], "unit_price": "20", **change}])
    with pytest.raises(QuarantineError, match=words):
        take(orders, path)
    assert orders.engine.last_load_seq() == 1


@pytest.mark.parametrize(("content", "words"), [
    (b"order_id,unit_price\no1,20\n", "the header lacks _load, _record"),
    ("_load,_record,name\n1,1,\u6797\n".encode("gb18030"), "is not UTF-8"),
    (b"_load,_record\n1\n", "line 2: has 1 cells, the header 2"),
    (b'_load,_record\n1,"1\n', "line 2: cannot be read"),
    (b"", "the header lacks"),
])
def test_what_is_no_repair_file_is_refused(orders: Landing, tmp_path: Path, content: bytes,
                                           words: str) -> None:
    orders.put(DAY, HEADER + BAD)
    orders.load()
    path = tmp_path / "strange.csv"
    path.write_bytes(content)
    with pytest.raises(QuarantineError, match=words):
        take(orders, path)
    with pytest.raises(QuarantineError, match="cannot be read: No such file"):
        take(orders, tmp_path / "nowhere.csv")


def test_a_file_that_a_spreadsheet_saved_with_semicolons_is_read(orders: Landing,
                                                                 tmp_path: Path) -> None:
    orders.put(DAY, HEADER + BAD)
    orders.load()
    (path,) = write(orders, tmp_path)
    (row,) = rows_of(path)
    row["unit_price"] = "20"
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerows([row.keys(), row.values(), [""] * len(row)])
    (part,) = take(orders, path)
    assert part.result is not None and part.result.rows_loaded_n == 1


def test_rows_that_a_rule_leaves_out_are_neither_written_nor_repaired(
        landing_of: Callable[..., Landing], tmp_path: Path) -> None:
    landing = landing_of(shop={
        "kind": "orders", "files": ["orders/*"], "version": "file_name",
        "columns": {"order_id": "order_id", "ordered_at": "ordered_at",
                    "unit_price": "unit_price", "currency": "currency"},
        "left_out": [{"rule": "drafts", "column": "status", "words": ["draft"]}]})
    landing.put(DAY, HEADER + GOOD + BAD.replace("completed", "draft"))
    landing.load()
    assert "1 left_out" in "".join(quarantine_words(landing.stores, ALL))
    with pytest.raises(QuarantineError, match="no such row is rejected"):
        write(landing, tmp_path / "a")
    (path,) = write(landing, tmp_path / "b", Choice(reason="left_out"))
    with pytest.raises(QuarantineError, match="left out by a rule"):
        take(landing, path)


def test_a_time_that_cannot_be_read_is_shown_with_how_to_state_its_form(orders: Landing) -> None:
    """Whoever sees 19.11.2026 knows what to state; row 2 alone says nothing."""
    orders.put(DAY, HEADER + GOOD.replace("2026-01-05 10:00:00", "05.01.2026"))
    orders.load()
    *_, said = quarantine_words(orders.stores, ALL)
    assert said.startswith("    1 not_a_time in ordered_at, row 1 (such as '05.01.2026'). Write ")
    assert said.endswith("Where all rows have one form, state it with format: under columns in "
                         "sources.yaml.")
