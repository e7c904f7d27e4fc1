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
