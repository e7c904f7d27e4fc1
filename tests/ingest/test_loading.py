"""From files to raw: versions, repeats, the law of rows, rejected rows with their reasons."""

from __future__ import annotations

import gzip
import io
import json
import uuid
from collections.abc import Callable

import pandas as pd
import pytest

from dagster_project.customers.identities import identity_token
from dagster_project.engine.embedded import EmbeddedEngine, WrongSecret
from dagster_project.ingest.loading import words_of
from tests.ingest.conftest import SECRET, Landing

HEADER = "order_id,line_id,customer_id,ordered_at,status,quantity,unit_price,currency\n"
GOOD = "o1,1,c1,2026-01-05 10:00:00,completed,2,10.50,CNY\n"
DAY = "orders/orders_2026-01-05.csv"


def result_of(landing: Landing, name: str):
    """The result of the load of one file."""
    report = landing.load()
    assert not report.refused, report.refused
    (file,) = [file for file in report.loaded if file.name == name]
    return file.result


@pytest.mark.parametrize(("row", "reason"), [
    ("o2,1,c1,2026-01-05 10:00:00,completed,1,abc,CNY\n", "not_a_number"),
    ("o2,1,c1,2026-01-05 10:00:00,completed,1,1e400,CNY\n", "not_a_number"),
    ("o2,1,c1,05/01/2026,completed,1,1,CNY\n", "not_a_time"),
    ("o2,1,c1,2026-13-45 10:00:00,completed,1,1,CNY\n", "not_a_time"),
    ("o2,1,c1,0001-01-01 10:00:00,completed,1,1,CNY\n", "not_a_time"),
    ("o2,1,c1,2026-01-06 00:00:00,completed,1,1,CNY\n", "after_file_version"),
    (",1,c1,2026-01-05 10:00:00,completed,1,1,CNY\n", "missing_value"),
    ("o2,1,c1,2026-01-05 10:00:00,completed,1,,CNY\n", "missing_value"),
    ("o2,1,c1,2026-01-05 10:00:00,completed,1,1,yuan\n", "not_a_currency"),
    ("o2,1,c1,2026-01-05 10:00:00,shipped,1,1,CNY\n", "unknown_word"),
    ("o2,1,c1,2026-01-05 10:00:00,completed,1000000,100000000,CNY\n", "out_of_range"),
    ("o2,1,c1,2026-01-05 10:00:00,completed,1,1\n", "missing_columns"),
    ("o2,1,c1,2026-01-05 10:00:00,completed,1,1,CNY,more\n", "too_many_columns"),
    ('o2,"1,c1,2026-01-05 10:00:00,completed,1,1,CNY\n', "unreadable"),
])
def test_a_bad_row_is_rejected_with_its_reason_and_the_good_ones_stay(orders, row, reason):
    """A row that cannot be meant must neither vanish nor stop its neighbours."""
    orders.put(DAY, HEADER + row + GOOD)
    result = result_of(orders, DAY)
    assert (result.rows_read_n, result.rows_loaded_n) == (2, 1)
    assert result.rejected_by_reason == {reason: 1}
    ((row_no, kept),) = orders.rows("select row_no, reason from rejected_rows")
    assert (row_no, kept) == (1, reason)
    assert orders.only("select order_id from raw_order_lines") == "o1"


def test_row_numbers_are_those_of_the_file(orders):
    """People repair rows by their number, also after rows that could not be split."""
    bad = "cut\n"
    orders.put(DAY, HEADER + bad + GOOD + bad + bad + GOOD.replace("o1", "o9") + bad)
    result_of(orders, DAY)
    assert orders.rows("select row_no, order_id from raw_order_lines order by row_no") == [
        (2, "o1"), (5, "o9")]
    assert [row for (row,) in orders.rows(
        "select row_no from rejected_rows order by row_no")] == [1, 3, 4, 6]


def test_identical_rows_with_an_id_are_repeats_without_one_they_are_two_facts(orders):
    """Dropping exact repeats without an id would lose true sales; keeping them with one doubles."""
    without = GOOD.replace("o1,1", "o2,")
    orders.put(DAY, HEADER + GOOD + GOOD + without + without)
    result = result_of(orders, DAY)
    assert (result.rows_loaded_n, result.rows_repeated_n) == (3, 1)
    assert orders.only("select count(distinct line_key) from raw_order_lines "
                       "where order_id = 'o2'") == 2


def test_the_same_file_under_another_name_loads_nothing(orders):
    orders.put(DAY, HEADER + GOOD)
    orders.load()
    orders.put("orders/again_2026-01-05.csv", HEADER + GOOD)
    report = orders.load()
    assert words_of(report) == [
        "landing/orders/again_2026-01-05.csv: loaded before under another name, all rows repeated",
        "1 files were loaded on earlier nights"]
    assert orders.only("select count(*) from raw_order_lines") == 1
    assert orders.load().repeated == {}, "a delivery is told of once"


def test_equal_files_of_one_delivery_name_the_one_that_is_loaded(orders):
    for name in ("c", "b", "a"):
        orders.put(f"orders/{name}_2026-01-05.csv", HEADER + GOOD)
    report = orders.load()
    assert [file.name for file in report.loaded] == ["orders/a_2026-01-05.csv"]
    assert words_of(report)[1:] == [
        f"landing/orders/{name}_2026-01-05.csv: the same content as "
        "landing/orders/a_2026-01-05.csv of this delivery, all rows repeated"
        for name in ("b", "c")]


def test_the_same_rows_in_another_file_of_the_same_version_are_repeats(orders):
    orders.put(DAY, HEADER + GOOD)
    orders.put("orders/more_2026-01-05.csv", HEADER + GOOD + GOOD.replace("o1", "o2"))
    orders.load()
    assert orders.only("select count(*) from raw_order_lines") == 2
    assert orders.only("select sum(rows_repeated_n) from load_ledger") == 1


def test_the_same_rows_in_a_newer_version_are_loaded(orders):
    """A, then B, then A again must end as A: the third version has to be known."""
    orders.put(DAY, HEADER + GOOD)
    orders.put("orders/orders_2026-01-06.csv", HEADER + GOOD)
    orders.load()
    assert orders.only("select count(distinct version_at) from raw_order_lines") == 2


def test_a_column_that_came_later_leaves_rows_of_earlier_stores_known(orders):
    """A raw store without the column gets it; files that lack it, too, are the rows they were."""
    orders.put(DAY, HEADER + GOOD)
    orders.load()
    with orders.stores.open(orders.stores.raw) as connection:
        connection.execute("alter table raw_order_lines drop column shipping_charged")
    orders.engine = EmbeddedEngine(orders.stores, SECRET)
    orders.put("orders/more_2026-01-05.csv", HEADER + GOOD + GOOD.replace("o1", "o2"))
    orders.put("orders/orders_2026-01-06.csv", HEADER.replace("\n", ",shipping_charged\n")
               + GOOD.replace("\n", ",6.95\n"))
    orders.load()
    assert orders.rows("select cast(shipping_charged as varchar) from raw_order_lines "
                       "order by load_seq, order_id") == [(None,), (None,), ("6.9500",)]
    assert orders.only("select sum(rows_repeated_n) from load_ledger") == 1


def test_arrival_sources_take_the_same_row_once(landing_of: Callable[..., Landing]):
    landing = landing_of(shop={"kind": "orders", "files": ["*"]})
    landing.put("a.csv", HEADER + GOOD)
    landing.put("b.csv", HEADER + GOOD + GOOD.replace("10.50", "12"))
    landing.load()
    assert landing.only("select count(*) from raw_order_lines") == 2
    assert landing.only("select count(*) from raw_order_lines where version_at is null") == 2


def test_overlap_distinct_makes_the_same_row_in_two_files_two_facts(
        landing_of: Callable[..., Landing]):
    landing = landing_of(web={"kind": "interactions", "files": ["*"], "overlap": "distinct"})
    row = "customer_id,occurred_at,type\nc1,2026-01-05 10:00:00,visit\n"
    landing.put("a.csv", row)
    landing.put("b.csv", row + "c2,2026-01-05 10:00:00,visit\n")
    landing.load()
    assert landing.only("select count(*) from raw_interactions") == 3
    assert landing.only("select count(distinct interaction_id) from raw_interactions") == 3


def test_version_by_column_is_that_of_the_whole_order(landing_of: Callable[..., Landing]):
    """Lines of one order that were touched at different times are still one document."""
    landing = landing_of(shop={"kind": "orders", "files": ["*"],
                               "version": {"rule": "column", "column": "updated_at"}})
    header = "order_id,line_id,ordered_at,unit_price,currency,updated_at\n"
    landing.put("a.csv", header
                + "o1,1,2026-01-05 10:00:00,1,CNY,2026-01-05 11:00:00\n"
                + "o1,2,2026-01-05 10:00:00,1,CNY,2026-01-05 12:00:00\n")
    landing.load()
    assert landing.only("select count(distinct version_at) from raw_order_lines") == 1


def _as_tsv(text: str) -> bytes:
    return text.replace(",", "\t").encode()


def _as_json_lines(text: str) -> bytes:
    frame = pd.read_csv(io.StringIO(text), dtype=str)
    return "".join(json.dumps(row) + "\n" for row in frame.to_dict("records")).encode()


def _as_parquet(text: str) -> bytes:
    buffer = io.BytesIO()
    pd.read_csv(io.StringIO(text), dtype=str).to_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(("suffix", "content"), [
    (".csv", lambda text: text.encode()),
    (".csv", lambda text: b"\xef\xbb\xbf" + text.encode()),
    (".csv", lambda text: text.replace("\n", "\r\n").encode()),
    (".csv.gz", lambda text: gzip.compress(text.encode(), mtime=0)),
    (".tsv", _as_tsv),
    (".jsonl", _as_json_lines),
    (".jsonl.gz", lambda text: gzip.compress(_as_json_lines(text), mtime=0)),
    (".parquet", _as_parquet),
], ids=["csv", "bom", "crlf", "csv.gz", "tsv", "jsonl", "jsonl.gz", "parquet"])
def test_every_format_gives_the_same_rows(orders, suffix, content):
    text = HEADER + GOOD + GOOD.replace("o1,1", "o1,2").replace("c1", "客户7")
    orders.put(f"orders/orders_2026-01-05{suffix}", content(text))
    report = orders.load()
    assert not report.refused
    assert orders.rows("select order_id, line_key, ordered_at, cast(quantity as varchar), "
                       "cast(unit_price as varchar), currency from raw_order_lines "
                       "order by line_key") == [
        ("o1", "1", pd.Timestamp("2026-01-05 02:00:00"), "2.0000", "10.5000", "CNY"),
        ("o1", "2", pd.Timestamp("2026-01-05 02:00:00"), "2.0000", "10.5000", "CNY"),
    ]
    assert orders.only("select count(*) from identities where clear_value = '客户7'",
                       "vault") == 1


def test_a_broken_json_line_is_one_rejected_row(orders):
    good = _as_json_lines(HEADER + GOOD).decode()
    orders.put("orders/orders_2026-01-05.jsonl", good + '{"order_id": \n' + "[1, 2]\n" + good)
    result = result_of(orders, "orders/orders_2026-01-05.jsonl")
    assert result.rejected_by_reason == {"unreadable": 2}
    assert (result.rows_read_n, result.rows_loaded_n, result.rows_repeated_n) == (4, 1, 1)


@pytest.mark.parametrize(("name", "content", "words"), [
    ("orders/orders_2026-01-05.csv", "order_id,customer_id\n", "lacks ordered_at"),
    ("orders/orders_2026-01-05.csv", HEADER.replace("ordered_at", "orderd_at"),
     "did you mean 'orderd_at'"),
    ("orders/orders_2026-01-05.csv", "order_id,order_id\n", "names order_id twice"),
    ("orders/orders_2026-01-05.csv", "", "is empty"),
    ("orders/orders_2026-01-05.csv.gz", "no gzip", "cannot be read"),
    ("orders/orders_2026-01-05.parquet", "no parquet", "cannot be read"),
    ("orders/orders.csv", HEADER + GOOD, "carries no date"),
    ("orders/orders_2026-13.csv", HEADER + GOOD, "is no date"),
    ("orders/orders_2026-01-05.xyz", HEADER + GOOD, "no known format"),
])
def test_a_file_that_cannot_be_read_is_refused_in_words(orders, name, content, words):
    orders.put(name, content)
    report = orders.load()
    assert words in report.refused[name]
    assert name in report.refused[name]
    assert orders.only("select count(*) from load_ledger") == 0


def test_times_with_an_offset_are_kept_and_others_read_in_the_zone_of_the_source(orders):
    rows = "".join(
        f"o{n},1,c1,{text},completed,1,1,CNY\n" for n, text in enumerate([
            "2026-01-05T10:00:00Z", "2026-01-05 10:00:00+02:00", "2026-01-05 10:00",
            "2026-01-05",
        ]))
    orders.put(DAY, HEADER + rows)
    result_of(orders, DAY)
    assert orders.rows("select order_id, ordered_at from raw_order_lines order by 1") == [
        ("o0", pd.Timestamp("2026-01-05 10:00")), ("o1", pd.Timestamp("2026-01-05 08:00")),
        ("o2", pd.Timestamp("2026-01-05 02:00")), ("o3", pd.Timestamp("2026-01-04 16:00")),
    ]


def test_spaces_around_values_do_not_make_another_value(orders):
    orders.put(DAY, HEADER + GOOD.replace("o1", "  o1 ").replace("c1", "\tc1 "))
    result_of(orders, DAY)
    assert orders.only("select order_id from raw_order_lines") == "o1"
    assert orders.only("select clear_value from identities", "vault") == "c1"


def test_identities_are_keyed_hashes_and_clear_values_stay_in_the_vault(
        landing_of: Callable[..., Landing]):
    """The token in raw must be the one anyone with the secret can compute, and nothing else."""
    landing = landing_of(
        people={"kind": "customers", "files": ["*"], "phone_region": "CN"})
    landing.put("customers.csv",
                "customer_id,name,email,phone\nc1,Ada Canary,Ada@Example.com,138-0013 8000\n")
    landing.load()
    ((customer, email, phone),) = landing.rows(
        "select cast(identity_id as varchar), cast(email_identity_id as varchar), "
        "cast(phone_identity_id as varchar) from raw_customers")
    assert customer == identity_token(SECRET, "customer", "c1")
    assert email == identity_token(SECRET, "email", "ada@example.com")
    assert phone == identity_token(SECRET, "phone", "+8613800138000")
    assert uuid.UUID(customer)
    raw_bytes = landing.stores.raw.read_bytes()
    for canary in (b"Canary", b"xample.com", b"13800138000"):
        assert canary not in raw_bytes
    assert landing.rows("select clear_value, is_personal from identities order by 1", "vault") == [
        ("+8613800138000", True), ("ada@example.com", True), ("c1", False)]


def test_rejected_values_are_masked_outside_the_vault(orders):
    """A row whose columns slipped may carry an address anywhere."""
    orders.put(DAY, HEADER + "o1,1,c1,2026-01-05 10:00:00,completed,1,ada@example.com,CNY\n")
    result_of(orders, DAY)
    assert orders.only("select masked_value from rejected_rows") == "xxx*xxxxxxx.xxx"
    assert "ada@example.com" in orders.only("select row_text from rejected_text", "vault")


def test_survey_answers_off_their_scale_are_rejected(landing_of: Callable[..., Landing]):
    landing = landing_of(survey={"kind": "surveys", "files": ["*"]})
    landing.put("answers.csv", "response_id,customer_id,responded_at,instrument,score,scale_max\n"
                "r1,c1,2026-01-05,nps,11,\nr2,c1,2026-01-05,csat,5,\nr3,c1,2026-01-05,csat,7,7\n"
                "r4,c1,2026-01-05,ces,0,\nr5,c1,2026-01-05,NPS,0,\n")
    landing.load()
    assert landing.rows("select response_id, instrument, cast(scale_max as integer) "
                        "from raw_survey_answers order by 1") == [
        ("r2", "csat", 5), ("r3", "csat", 7), ("r5", "nps", 10)]
    assert landing.rows("select row_no, reason from rejected_rows order by 1") == [
        (1, "off_scale"), (4, "off_scale")]


def test_constants_and_kept_attributes(landing_of: Callable[..., Landing]):
    landing = landing_of(people={
        "kind": "customers", "files": ["*"], "attributes": ["tenure_months"],
        "constants": {"customer_type": "company"}})
    landing.put("customers.csv", "customer_id,tenure_months,shoe_size\nc1,14,39\n")
    (file,) = landing.load().loaded
    assert file.result.ignored_columns == ("shoe_size",)
    assert landing.rows("select customer_type, attributes from raw_customers") == [
        ("company", '{"tenure_months":"14"}')]


def test_an_unfinished_file_waits(orders):
    orders.put(DAY + ".part", HEADER + GOOD)
    orders.put("orders/.hidden_2026-01-05.csv", HEADER + GOOD)
    report = orders.load()
    assert (report.loaded, report.unclaimed) == ([], [])


def test_a_growing_file_waits_for_the_next_look(orders, monkeypatch):
    path = orders.put(DAY, HEADER)

    def grow(_seconds: float) -> None:
        with path.open("a") as file:
            file.write(GOOD)

    monkeypatch.setattr("dagster_project.ingest.landing.time.sleep", grow)
    assert orders.load().waiting == [DAY]
    monkeypatch.setattr("dagster_project.ingest.landing.time.sleep", lambda _seconds: None)
    assert [file.name for file in orders.load().loaded] == [DAY]


def test_files_that_nobody_claims_are_named(orders):
    orders.put("ordres/orders_2026-01-05.csv", HEADER + GOOD)
    assert orders.load().unclaimed == ["ordres/orders_2026-01-05.csv"]


def test_two_shops_with_the_same_numbers_stay_apart(landing_of: Callable[..., Landing]):
    shop = {"kind": "orders", "version": "file_name"}
    landing = landing_of(
        north={**shop, "files": ["north/*"], "id_space": "north"},
        south={**shop, "files": ["south/*"], "id_space": "south"})
    landing.put("north/o_2026-01-05.csv", HEADER + GOOD)
    landing.put("south/o_2026-01-05.csv", HEADER + GOOD)
    landing.load()
    assert landing.only("select count(distinct identity_id) from raw_order_lines") == 2
    assert landing.only("select count(*) from raw_order_lines") == 2


def test_another_secret_is_refused(orders):
    """With another secret every customer would silently become somebody else."""
    with pytest.raises(WrongSecret, match="not the secret this home was made with"):
        EmbeddedEngine(orders.stores, b"another secret")
