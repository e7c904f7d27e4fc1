"""A clean canonical file is read in one pass: with the same outcome as one read in two steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ingest.conftest import Landing

SHOP = {"kind": "orders", "files": ["orders/*"], "version": "arrival"}
HEADER = "order_id,customer_id,ordered_at,status,quantity,unit_price,currency,channel"
ROWS = (
    "O1,C1,2026-01-01 10:00:00,completed,1,10.50,CNY,web",
    "O2,C2,2026-01-02 10:00:00+08:00,Refunded,,9,CNY,",
    "O3,,2026-01-03T10:00:00Z,,2,0.0001,USD,shop",
    "O4,C1,2026-01-04,completed,3,1e3,CNY,小店",
)
RAW = ("select row_no, row_hash, order_id, line_key, identity_id, ordered_at, status, quantity, "
       "unit_price, discount, currency, channel from raw_order_lines order by row_no")


@pytest.fixture
def shop(landing_of: Callable[..., Landing]) -> Landing:
    return landing_of(shop=SHOP)


def file_of(*rows: str, header: str = HEADER) -> str:
    return "\n".join((header, *rows)) + "\n"


def test_a_file_read_in_two_steps_gives_the_same_rows(shop, tmp_path):
    other = Landing(tmp_path / "other", {"shop": SHOP})
    shop.put("orders/a.csv", file_of(*ROWS))
    other.put("orders/a.csv", file_of(*ROWS, "O5,too,few"))
    assert shop.load().loaded[0].result.rows_loaded_n == len(ROWS)
    (loaded,) = other.load().loaded
    assert (loaded.result.rows_loaded_n, loaded.result.rows_rejected_n) == (len(ROWS), 1)
    assert shop.rows(RAW) == other.rows(RAW)
    assert [row[0] for row in shop.rows(RAW)] == [1, 2, 3, 4]


@pytest.mark.parametrize("padding", [" ", "\t", "\u3000", " \t\u3000 "])
def test_spaces_around_cells_are_no_content(shop, padding):
    shop.put("orders/a.csv", file_of(*ROWS))
    shop.load()
    padded = [",".join(f"{padding}{cell}{padding}" for cell in row.split(",")) for row in ROWS]
    first_and_last = [f"{padding}{row}" for row in ROWS] + [f"{row}{padding}" for row in ROWS]
    shop.put("orders/b.csv", file_of(*padded))
    shop.put("orders/c.csv", file_of(*first_and_last))
    outcomes = [file.result for file in shop.load().loaded]
    assert [(one.rows_repeated_n, one.rows_rejected_n) for one in outcomes[:1]] == [(4, 0)]
    # In the second file each row stands twice: the second of equal rows is a fact of its own.
    assert [(one.rows_repeated_n, one.rows_loaded_n) for one in outcomes[1:]] == [(4, 4)]


def test_a_column_that_is_missing_is_the_same_as_one_without_values(shop):
    shop.put("orders/a.csv", file_of(*ROWS))
    shop.load()
    wider = HEADER + ",cost,updated_at,line_id"
    shop.put("orders/b.csv", file_of(*(f"{row},,," for row in ROWS), header=wider))
    backwards = [",".join(reversed(row.split(","))) for row in ROWS]
    shop.put("orders/c.csv", file_of(*backwards, header=",".join(reversed(HEADER.split(",")))))
    assert [file.result.rows_repeated_n for file in shop.load().loaded] == [4, 4]


def test_rejected_rows_of_a_clean_file_keep_their_place_and_their_text(shop):
    shop.put("orders/a.csv", file_of(
        ROWS[0], "O8,C1,2026-01-01,completed,2,dear,CNY,web", ROWS[1],
        "O9,C1, yesterday ,completed,2,1,CNY,web", "O7,C1,infinity,completed,2,1,CNY,web",
        "O6,C1,2026-01-01,completed,1000000001,1,CNY,web"))
    (loaded,) = shop.load().loaded
    assert dict(loaded.result.rejected_by_reason) == {
        "not_a_number": 1, "not_a_time": 2, "out_of_range": 1}
    assert shop.rows("select row_no, file_row_no, reason, column_name, masked_value "
                     "from rejected_rows order by row_no") == [
        (2, 2, "not_a_number", "unit_price", "xxxx"),
        (4, 4, "not_a_time", "ordered_at", "xxxxxxxxx"),
        (5, 5, "not_a_time", "ordered_at", "xxxxxxxx"),
        (6, 6, "out_of_range", "quantity", "##########"),
    ]
    texts = shop.rows("select row_no, json_extract_string(row_text, '$.ordered_at') "
                      "from rejected_text order by row_no", area="vault")
    assert texts[1] == (4, "yesterday")
    assert [row[0] for row in shop.rows(RAW)] == [1, 3]


# A version by column asks for each time's value; arrival asks of updated_at only whether it is one.
TIMES = {
    "2026-01-05 10:00:00": True, "2026-01-05": True, "2026-01-05T10:00:00Z": True,
    "2026-01-05 10:00:00+08": True, "2026-01-05 10:00:00.25": True, "2026-1-5 1:2:3": True,
    "1900-01-01 08:05:43": True, "1900-01-01 08:05:42": False, "2200-01-01 07:59:59": True,
    "2200-01-01 08:00:00": False, "1899-06-01 00:00:00": False, "2026-02-30 10:00:00": False,
    "2026-01-05 10:00: +": False, "2026-01-05T10:00:00Mars": False, "yesterday": False,
    "infinity": False, "9999-12-31 00:00:00": False, "0044-03-15 (BC) 00:00:00": False,
}


@pytest.mark.parametrize("version", ["arrival", {"rule": "column", "column": "updated_at"}])
def test_a_time_that_nothing_asks_for_must_still_be_one(landing_of, version):
    shop = landing_of(shop=SHOP | {"version": version})
    shop.put("orders/a.csv", file_of(
        *(f"O{place},C1,1900-01-01 08:05:43,completed,1,1,CNY,web,{text}"
          for place, text in enumerate(TIMES)), header=HEADER + ",updated_at"))
    shop.load()
    rejected = {row[0] for row in shop.rows("select row_no - 1 from rejected_rows")}
    assert rejected == {place for place, is_time in enumerate(TIMES.values()) if not is_time}


def test_times_are_read_in_the_zone_of_their_source(landing_of):
    shop = landing_of(shop=SHOP | {"time_zone": "America/New_York"})
    shop.put("orders/a.csv", file_of(
        *(f"O{place},C1,{text},completed,1,1,CNY,web" for place, text in enumerate((
            "2026-01-05 10:00:00", "2026-07-05 10:00:00", "2026-03-08 02:30:00", "2026-01-05",
            "2026-01-05 10:00:00+00", "2026-01-05T10:00:00Z", "2026-01-05 10:00:00 UTC")))))
    shop.load()
    assert [str(row[0]) for row in shop.rows(
        "select ordered_at from raw_order_lines order by row_no")] == [
        "2026-01-05 15:00:00", "2026-07-05 14:00:00", "2026-03-08 07:30:00",
        "2026-01-05 05:00:00", "2026-01-05 10:00:00", "2026-01-05 10:00:00",
        "2026-01-05 10:00:00"]


@pytest.mark.parametrize("damage", [(), ("O9,too,few",)])
def test_a_padded_cell_behind_many_rows_is_trimmed(shop, tmp_path, damage):
    plain = [f"O{n},C1,2026-01-01 10:00:00,completed,1,1,CNY,web" for n in range(5000)]
    padded = [*plain[:-1], "O4999, C1,2026-01-01 10:00:00 ,completed,1\t, 1,CNY,\u3000web"]
    other = Landing(tmp_path / "other", {"shop": SHOP})
    shop.put("orders/a.csv", file_of(*plain))
    other.put("orders/a.csv", file_of(*padded, *damage))
    shop.load()
    other.load()
    assert shop.rows(RAW) == other.rows(RAW)


def test_equal_rows_are_found_in_every_part_of_a_large_file(shop, monkeypatch):
    monkeypatch.setattr("dagster_project.engine.loading.ROWS_SORTED_AT_ONCE", 7)
    rows = [f"O{n},C1,2026-01-01 10:00:00,completed,1,1,CNY,web" for n in range(40)]
    for place in (3, 17, 39):
        shop.put(f"orders/{place}.csv", file_of(*rows[:place + 1], rows[place], header=HEADER))
    shop.put("orders/ids.csv", file_of(*(f"{row},1" for row in (*rows, rows[7])),
                                       header=HEADER + ",line_id"))
    repeated = {file.name: file.result.rows_repeated_n for file in shop.load().loaded}
    # Without line ids the second of two equal lines is a line of its own.
    assert shop.only("select count(*) from raw_order_lines where ends_with(line_key, '-2')") == 3
    assert repeated["orders/ids.csv"] == 1


def test_a_home_knows_its_rows_again_whenever_it_was_made(shop, tmp_path):
    # The hash of this row in stores made before a key had fewer digits.
    known = "5fdb24ef-64fa-d425-f690-edc07aed8bb5"
    with shop.stores.open(shop.stores.raw) as raw:
        raw.execute("drop table row_hash_key")
    old = Landing(shop.folder, {"shop": SHOP})
    old.put("orders/a.csv", file_of(ROWS[0]))
    old.load()
    assert str(old.only("select row_hash from raw_order_lines")) == known
    again = Landing(shop.folder, {"shop": SHOP})
    again.put("orders/b.csv", file_of(*ROWS))
    (loaded,) = again.load().loaded
    assert (loaded.result.rows_repeated_n, loaded.result.rows_loaded_n) == (1, 3)
    new = Landing(tmp_path / "new", {"shop": SHOP})
    new.put("orders/a.csv", file_of(ROWS[0]))
    new.load()
    assert str(new.only("select row_hash from raw_order_lines")) != known
