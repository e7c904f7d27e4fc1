"""The mapping language, from a file in landing/ to rows in raw: what it reads, what it refuses."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.conftest import Landing

ORDER_COLUMNS = {"order_id": "No", "ordered_at": "Date", "unit_price": "Price",
                 "currency": {"constant": "EUR"}}


def shop(**changes: Any) -> dict[str, Any]:
    """A source of orders with its own columns."""
    columns = {**ORDER_COLUMNS, **changes.pop("columns", {})}
    return {"kind": "orders", "files": ["*"], "columns": columns, **changes}


def prices(landing: Landing) -> list[Decimal]:
    """The prices that were loaded, by order."""
    return [Decimal(text) for (text,) in landing.rows(
        "select cast(unit_price as varchar) from raw_order_lines order by order_id, line_key")]


def reasons(landing: Landing) -> list[tuple[Any, ...]]:
    """Row, reason and column of what was rejected."""
    return landing.rows("select file_row_no, reason, column_name from rejected_rows "
                        "order by row_no")


def refusal(landing: Landing, content: str, name: str = "a.csv") -> str:
    """Why a file is refused."""
    landing.put(name, content)
    return landing.load().refused[name]


def test_columns_are_renamed_whatever_their_case_and_order(landing_of: Callable[..., Landing]):
    landing = landing_of(shop=shop(columns={"customer_id": ["Client", "Customer"]}))
    landing.put("a.csv", "PRICE , customer,Rest,date,no\n10,c1,x,2026-01-05,o1\n")
    (file,) = landing.load().loaded
    assert file.result.ignored_columns == ("Rest",)
    assert landing.rows("select order_id, ordered_at, currency from raw_order_lines") == [
        ("o1", pd.Timestamp("2026-01-04 16:00"), "EUR")]
    assert landing.only("select clear_value from identities", "vault") == "c1"


@pytest.mark.parametrize(("number", "written", "value"), [
    ({"decimal": ","}, "12,50", "12.5"),
    ({"decimal": ",", "thousands": "."}, "1.234.567,89", "1234567.89"),
    ({"decimal": ",", "thousands": " "}, "1\u202f234,5", "1234.5"),
    ({"thousands": ","}, "-1,234.5", "-1234.5"),
    ({"symbols": ["$", "US"]}, "US$ 9.90", "9.9"),
    ({"brackets": True, "symbols": ["€"]}, "(€12.50)", "-12.5"),
    ({"percent": True}, "45 %", "0.45"),
    ({"times": Decimal("0.01")}, "1999", "19.99"),
    ({"sign": "absolute"}, "-3", "3"),
    ({"sign": "negated"}, "3", "-3"),
])
def test_numbers_are_read_as_they_are_written(landing_of, number, written, value):
    landing = landing_of(shop=shop(columns={"unit_price": {"from": "Price", "number": number}}))
    landing.put("a.csv", f'No,Date,Price\no1,2026-01-05,"{written}"\n')
    landing.load()
    assert prices(landing) == [Decimal(value)]


@pytest.mark.parametrize(("number", "written"), [
    ({"decimal": ","}, "12.50"), ({"decimal": ","}, "1.234"),
    ({"decimal": ",", "thousands": "."}, "1.23,4"), ({"thousands": ","}, "1,2"),
    ({"thousands": ","}, "12,34.5"), ({"symbols": ["$"]}, "9 apples"), ({}, "1e3"),
    ({"times": Decimal(100)}, "9" * 25),
])
def test_a_number_that_is_written_otherwise_is_rejected_never_guessed(landing_of, number, written):
    """12.50 under a decimal comma may be 12.5 or 1250: a factor of a hundred for somebody."""
    landing = landing_of(shop=shop(columns={"unit_price": {"from": "Price", "number": number}}))
    landing.put("a.csv", f'No,Date,Price\no1,2026-01-05,"{written}"\n')
    landing.load()
    assert reasons(landing) == [(1, "not_a_number", "unit_price")]


@settings(max_examples=10, deadline=None)
@given(amount=st.decimals(min_value=Decimal("-99999999.99"), max_value=Decimal("99999999.99"),
                          places=2))
def test_every_amount_survives_every_way_of_writing_it(tmp_path_factory, amount):
    plain = f"{amount:,.2f}"
    swapped = plain.translate(str.maketrans(",.", ".,"))
    ways = {",": ({"thousands": ","}, plain), ".": ({"decimal": ",", "thousands": "."}, swapped)}
    landing = Landing(tmp_path_factory.mktemp("home"), {
        f"s{place}": shop(files=[f"{place}.csv"], columns={
            "unit_price": {"from": "Price", "number": number}})
        for place, (number, _) in enumerate(ways.values())})
    for place, (_, written) in enumerate(ways.values()):
        landing.put(f"{place}.csv", f'No,Date,Price\no{place},2026-01-05,"{written}"\n')
    landing.load()
    assert prices(landing) == [amount, amount]


def test_sums_of_columns_count_empty_ones_as_nought(landing_of: Callable[..., Landing]):
    landing = landing_of(shop=shop(columns={
        "cost": {"from": "Fee", "plus": ["Pack"], "minus": ["Rebate"]}}))
    landing.put("a.csv", "No,Date,Price,Fee,Pack,Rebate\no1,2026-01-05,1,2,3,0.5\n"
                "o2,2026-01-05,1,,4,\no3,2026-01-05,1,,,\no4,2026-01-05,1,2,x,\n")
    landing.load()
    assert landing.rows("select order_id, cast(cost as varchar) from raw_order_lines "
                        "order by 1") == [("o1", "4.5000"), ("o2", "4.0000"), ("o3", None)]
    assert reasons(landing) == [(4, "not_a_number", "cost")]


def test_words_of_the_file_become_words_of_the_column(landing_of: Callable[..., Landing]):
    """A word that the mapping does not know must not become an order that counts."""
    landing = landing_of(shop=shop(columns={"status": {
        "from": "State", "words": {"Paid": "completed", "VOID": "cancelled"},
        "cases": [{"column": "Stopped", "filled": True, "value": "cancelled"}]}}))
    landing.put("a.csv", "No,Date,Price,State,Stopped\no1,2026-01-05,1,paid,\n"
                "o2,2026-01-05,1,void,\no3,2026-01-05,1,completed,\n"
                "o4,2026-01-05,1,Paid,2026-01-06\no5,2026-01-05,1,odd,yes\n")
    landing.load()
    assert landing.rows("select order_id, status from raw_order_lines order by 1") == [
        ("o1", "completed"), ("o2", "cancelled"), ("o4", "cancelled"), ("o5", "cancelled")]
    assert reasons(landing) == [(3, "unknown_word", "status")]
    assert "completed" in landing.only("select row_text from rejected_text", "vault")


def test_other_words_may_be_kept(landing_of: Callable[..., Landing]):
    landing = landing_of(web={"kind": "interactions", "files": ["*"], "columns": {
        "occurred_at": "When", "type": {"from": "Event", "words": {"session_start": "visit"},
                                        "other_words": "keep", "letters": "lower"}}})
    landing.put("a.csv", "When,Event\n2026-01-05,session_start\n2026-01-05,SHARE\n")
    landing.load()
    assert landing.rows("select type from raw_interactions order by 1") == [("share",), ("visit",)]


def test_ids_keep_their_zeros_and_lose_what_a_program_put_in_front(landing_of):
    landing = landing_of(shop=shop(
        read={"strip_prefixes": ["'", "="], "empty_words": ["-", "(空)"]},
        columns={"customer_id": {"from": "Client", "fallback": ["Guest"], "prefix": "eu-"},
                 "product_id": {"join": ["Brand", "Sku"]},
                 "channel": {"from": "Ref", "pattern": "^src=(\\w+)"}}))
    landing.put("a.csv", "No,Date,Price,Client,Guest,Brand,Sku,Ref\n"
                "'00012345678901234567,2026-01-05,1,-,=\"007\",b,1,src=mail&x\n"
                "o2,2026-01-05,1,(空),-,b,-,none\n")
    landing.load()
    assert landing.rows("select order_id, product_id, channel from raw_order_lines "
                        "order by 1") == [("00012345678901234567", "b-1", "mail"),
                                          ("o2", None, None)]
    assert landing.rows("select clear_value from identities", "vault") == [("eu-007",)]


def test_a_key_is_found_in_a_list_of_keys_and_values(landing_of: Callable[..., Landing]):
    landing = landing_of(web={"kind": "interactions", "files": ["*"], "columns": {
        "occurred_at": {"from": "at", "format": "epoch_microseconds"},
        "duration_seconds": {"from": "params", "key": "time_msec",
                             "number": {"times": Decimal("0.001")}},
        "channel": {"from": "extra", "key": "from where"}}})
    landing.put("a.jsonl", '{"at": "1767607200000000", "extra": "{\\"from where\\": \\"app\\"}", '
                '"params": [{"key": "a", "value": {"string_value": "x"}}, '
                '{"key": "time_msec", "value": {"int_value": "4000"}}]}\n'
                '{"at": 1767607200000000, "params": []}\n')
    landing.load()
    assert landing.rows("select occurred_at, duration_seconds, channel from raw_interactions "
                        "order by 2 nulls last") == [
        (pd.Timestamp("2026-01-05 10:00"), 4, "app"),
        (pd.Timestamp("2026-01-05 10:00"), None, None)]


@pytest.mark.parametrize(("written", "form", "utc"), [
    ("05.01.2026 10:00", "%d.%m.%Y %H:%M", "2026-01-05 02:00"),
    ("2026-01-05 10:00:00 +0100", "%Y-%m-%d %H:%M:%S %z", "2026-01-05 09:00"),
    ("1/5/26 3:00 PM", "%m/%d/%y %I:%M %p", "2026-01-05 07:00"),
    ("1767607200", "epoch_seconds", "2026-01-05 10:00"),
    ("2026-01-05T10:00:00Z", "%d.%m.%Y", "2026-01-05 10:00"),
    ("2026/01/05 3:00:00 PM GMT+8", "%Y/%m/%d %I:%M:%S %p %z", "2026-01-05 07:00"),
])
def test_stated_formats_and_iso_are_read(landing_of, written, form, utc):
    landing = landing_of(shop=shop(columns={"ordered_at": {"from": "Date", "format": form}}))
    landing.put("a.csv", f"No,Date,Price\no1,{written},1\no2,05-01-26,1\n")
    landing.load()
    assert landing.rows("select ordered_at from raw_order_lines") == [(pd.Timestamp(utc),)]
    assert reasons(landing) == [(2, "not_a_time", "ordered_at")]


@pytest.mark.parametrize(("dates", "first", "words"), [
    (["01/02/2026", "25/12/2025"], "2026-02-01", "day/month/year"),
    (["01/02/2026", "12/25/2025 10:00"], "2026-01-02", "month/day/year"),
    (["1.2.2026 10:00", "2.2.2026 10:00:30"], "2026-02-01", "day.month.year"),
    (["2 Feb 2026", "25 Dec 2025"], "2026-02-02", "day and month's name"),
    (["2026年1月2日", "2026/2/25"], "2026-01-02", None),
])
def test_a_format_is_proven_by_the_whole_column(landing_of, dates, first, words):
    landing = landing_of(shop=shop())
    landing.put("a.csv", "No,Date,Price\n" + "".join(
        f"o{n},{date},1\n" for n, date in enumerate([*dates, "", "soon"])))
    (file,) = landing.load().loaded
    assert file.result.notes == ((f"ordered_at read as {words}, those without an offset in "
                                  "Asia/Shanghai",) if words else ())
    assert landing.only("select cast(cast(ordered_at + interval 8 hour as date) as varchar) "
                        "from raw_order_lines where order_id = 'o0'") == first
    assert reasons(landing) == [(3, "missing_value", "ordered_at"), (4, "not_a_time",
                                                                     "ordered_at")]


@pytest.mark.parametrize(("dates", "words"), [
    (["01/02/2026", "11/12/2025"], ["01/02/2026", "day/month/year (2026-02-01)",
                                    "month/day/year (2026-01-02)", "format:"]),
    (["1-2-2026"], ["day-month-year", "month-day-year"]),
    (["25/12/2025", "12/25/2025"], ["several forms", "'25/12/2025'", "'12/25/2025'"]),
    (["2026-01-05", "25/12/2025"], ["several forms", "year-month-day"]),
    (["heute", "gestern"], ["no known form", "'xxxxxxx'"]),
])
def test_ambiguous_and_mixed_dates_refuse_the_file(landing_of, dates, words):
    """A guess would move a customer's orders by months, and nobody would see it."""
    landing = landing_of(shop=shop())
    said = refusal(landing, "No,Date,Price\n" + "".join(
        f"o{n},{date},1\n" for n, date in enumerate(dates)))
    assert "column Date (ordered_at)" in said
    for word in words:
        assert word in said
    assert landing.only("select count(*) from load_ledger") == 0


def test_what_an_order_repeats_or_leaves_blank_on_its_lines_counts_once(landing_of):
    """Shopify leaves totals blank on further lines, others repeat them: neither may double."""
    source = shop(columns={
        "line_id": {"number_per": "order_id"},
        "customer_id": {"from": "Client", "same_per": "order_id"},
        "discount": {"from": "Off", "once_per": "order_id"}})
    rows = ["o1,2026-01-05,10,c1,3", "o1,2026-01-05,20,,3.00", "o2,2026-01-05,10,c2,4",
            "o2,2026-01-05,20,,", "o3,2026-01-05,10,c3,", "o4,2026-01-05,10,c4,1",
            "o4,2026-01-05,10,c4,2"]
    landing = landing_of(shop=source)
    landing.put("a.csv", "No,Date,Price,Client,Off\n" + "\n".join(rows) + "\n")
    landing.load()
    assert landing.rows(
        "select order_id, count(*), cast(sum(discount) as varchar), count(identity_id), "
        "string_agg(line_key, ',' order by line_key) from raw_order_lines "
        "group by order_id order by order_id") == [
            ("o1", 2, "3.0000", 2, "1,2"), ("o2", 2, "4.0000", 2, "1,2"),
            ("o3", 1, "0.0000", 1, "1")]
    assert reasons(landing) == [(6, "conflicting_values", "discount"),
                                (7, "conflicting_values", "discount")]


def test_the_line_that_counts_does_not_depend_on_the_order_of_rows(landing_of):
    """The same export sorted otherwise must end in the same rows, or versions would differ."""
    landing = landing_of(**{
        f"s{n}": shop(files=[f"{n}.csv"], columns={
            "product_id": "Sku", "discount": {"from": "Off", "once_per": "order_id"}})
        for n in range(6)})
    rows = ["o1,2026-01-05,10,x,3\n", "o1,2026-01-05,20,y,\n", "o1,2026-01-05,30,z,3\n"]
    for number, order in enumerate(itertools.permutations(rows)):
        landing.put(f"{number}.csv", "No,Date,Price,Sku,Off\n" + "".join(order))
    landing.load()
    hashes = landing.rows("select source, string_agg(cast(row_hash as varchar), ',' order by "
                          "row_hash) from raw_order_lines group by source")
    assert len(hashes) == 6
    assert len({joined for _, joined in hashes}) == 1


def test_rows_that_are_no_facts_are_left_out_by_name(landing_of: Callable[..., Landing]):
    landing = landing_of(shop=shop(left_out=[
        {"rule": "test_order", "column": ["Label", "Tags"], "pattern": "(?i)\\btest\\b"},
        {"rule": "no_number", "column": "No", "filled": False}]))
    landing.put("a.csv", "No,Date,Price,Tags\no1,2026-01-05,1,vip\no2,2026-01-05,1,a Test\n"
                ",2026-01-05,1,\no4,bad,1,latest\n")
    (file,) = landing.load().loaded
    assert file.result.rejected_by_reason == {"left_out": 2, "not_a_time": 1}
    assert landing.rows("select file_row_no, column_name, masked_value from rejected_rows "
                        "where reason = 'left_out' order by row_no") == [
        (2, "Label", "test_order"), (3, "No", "no_number")]


SURVEY = {"kind": "surveys", "files": ["*"],
          "columns": {"response_id": "Id", "responded_at": "End", "customer_id": "Who"},
          "answers": [
              {"question": {"text": "(?i)recommend", "not_text": "group"}, "instrument": "nps",
               "scale": [0, 10], "comment": "Why"},
              {"question": "Q2", "instrument": "csat", "scale": [1, 5], "skipped": ["-3"],
               "words": {"Very good": 5, "Bad": 2}, "pattern": None}]}
ANSWERS = ("Id,End,Who,Q1,Q1_GROUP,Q2,Why\n"
           "x,x,x,Would you recommend us?,recommend - group,How was it?,\n"
           "r1,2026-01-05,c1,9,Promoter,very good,nice\n"
           "r2,2026-01-05,c2,,,Bad,\n"
           "cut\n"
           "r3,2026-01-05,c3,11,,-3,\n"
           "r4,2026-01-05,c4,,,,\n")


def test_every_answered_question_of_a_row_is_a_record(landing_of: Callable[..., Landing]):
    landing = landing_of(survey={**SURVEY, "read": {"rows_after_header": 1}})
    landing.put("a.csv", ANSWERS)
    (file,) = landing.load().loaded
    assert landing.rows("select response_id, instrument, cast(score as integer), "
                        "cast(scale_max as integer), has_comment from raw_survey_answers "
                        "order by 1, 2") == [
        ("r1", "csat", 5, 5, False), ("r1", "nps", 9, 10, True), ("r2", "csat", 2, 5, False)]
    assert reasons(landing) == [(3, "missing_columns", None), (4, "off_scale", "score"),
                                (5, "left_out", "score")]
    assert landing.only("select masked_value from rejected_rows where reason = 'left_out'") \
        == "no_answer"
    assert (file.result.rows_read_n, file.result.rows_loaded_n) == (6, 3)
    assert landing.only("select count(distinct row_no) from rejected_rows") == 3


@pytest.mark.parametrize(("header", "words"), [
    ("Id,End,Who,Colour,Q2b", ["lacks Q2 (did you mean 'Q2b'?)"]),
    ("Id,End,Who,Recommend 1,Recommend 2,Q2", ["'Recommend 1', 'Recommend 2' all match",
                                               "{column: Recommend 1}"]),
])
def test_questions_that_cannot_be_told_refuse_the_file(landing_of, header, words):
    landing = landing_of(survey=SURVEY)
    said = refusal(landing, header + "\n" + ",".join("1" for _ in header.split(",")) + "\n")
    for word in words:
        assert word in said


def test_a_survey_without_known_questions_says_which_there_are(landing_of):
    answers = [{"question": {"text": "recommend"}, "instrument": "nps"}]
    landing = landing_of(survey={**SURVEY, "answers": answers})
    said = refusal(landing, "Id,End,Who,How was it?\nr1,2026-01-05,c1,4\n")
    assert "no column matches a question of source survey" in said
    assert "{column: 'How was it?'}" in said


def test_two_answers_to_one_instrument_refuse_the_file(landing_of):
    """A response has one answer to each instrument: the second would replace the first."""
    answers = [{"question": "Q1", "instrument": "nps"}, {"question": "Q2", "instrument": "nps"}]
    landing = landing_of(survey={**SURVEY, "answers": answers})
    assert "both answers to nps" in refusal(landing, "Id,End,Who,Q1,Q2\nr1,2026-01-05,c1,4,5\n")


def test_line_items_side_by_side_are_records(landing_of: Callable[..., Landing]):
    landing = landing_of(shop={
        "kind": "orders", "files": ["*"],
        "columns": {"order_id": "No", "ordered_at": "Date", "currency": {"constant": "EUR"}},
        "lines": {"numbered": {"product_id": "Item {n} id",
                               "unit_price": {"from": "Item {n} Total"}}}})
    landing.put("a.csv", "No,Date,Item 1 id,Item 1 Total,Item 2 id,Item 2 Total,Item 10 Total\n"
                "o1,2026-01-05,a,1,b,2,\no2,2026-01-05,c,3,,,4\no3,2026-01-05,,,,,\n"
                "o4,2026-01-05,d,5,e,x,\n")
    landing.load()
    assert landing.rows("select order_id, line_key, product_id, cast(unit_price as integer) "
                        "from raw_order_lines order by 1, 2") == [
        ("o1", "1", "a", 1), ("o1", "2", "b", 2), ("o2", "1", "c", 3), ("o2", "10", None, 4),
        ("o4", "1", "d", 5)]
    assert reasons(landing) == [(3, "missing_value", "unit_price"),
                                (4, "not_a_number", "unit_price")]


def test_a_header_without_a_mapped_column_refuses_the_file(landing_of):
    landing = landing_of(shop=shop(columns={"customer_id": {"from": "Client", "optional": True},
                                            "discount": "Discount"}))
    said = refusal(landing, "No,Date,Prices,Discounts\no1,2026-01-05,1,\n")
    assert "lacks Price (did you mean 'Prices'?) for unit_price, " \
           "Discount (did you mean 'Discounts'?) for discount" in said
    assert "Header: No, Date, Prices, Discounts" in said


def test_a_column_that_is_read_must_not_be_there_twice(landing_of):
    landing = landing_of(shop=shop())
    said = refusal(landing, "No,Date,Price,Price,x,x\no1,2026-01-05,1,1,2,3\n")
    assert "names Price twice" in said


def test_attributes_of_customers_may_be_renamed(landing_of: Callable[..., Landing]):
    landing = landing_of(people={
        "kind": "customers", "files": ["*"], "attributes": ["tenure", "segment"],
        "columns": {"customer_id": "Id", "tenure": {"from": "Months", "number": {"decimal": ","}},
                    "signed_up_at": {"from": "Since", "format": "%d/%m/%Y"}}})
    landing.put("a.csv", "Id,Months,Segment,Since\nc1,14,gold,05/01/2026\n")
    landing.load()
    assert landing.rows("select attributes, signed_up_at from raw_customers") == [
        ('{"tenure":"14","segment":"gold"}', pd.Timestamp("2026-01-04 16:00"))]
