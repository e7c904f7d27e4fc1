"""Every format, container and encoding gives the same cells of text, or a clear refusal."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zipfile
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.engine.reading import first_rows, look
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.reading_rules import ReadRules
from tests.ingest.reading import contents_of
from tests.ingest.workbooks import Day, Formula, workbook

COLUMNS = ("order_id", "city", "note")
ROWS = [("00123", "上海", "a, b"), ("12345678901234567890", "Zürich", None)]
TEXT = 'order_id,city,note\n00123,上海,"a, b"\n12345678901234567890,Zürich,\n'


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


def as_json(lines: bool) -> str:
    objects = [{name: value for name, value in zip(COLUMNS, row, strict=True)
                if value is not None} for row in ROWS]
    texts = [json.dumps(one, ensure_ascii=False) for one in objects]
    return "\n".join(texts) + "\n" if lines else "[\n" + ",\n".join(texts) + "\n]"


def as_parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: [row[n] for row in ROWS] for n, name in enumerate(COLUMNS)}),
                   buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "content", "rules"), [
    ("o.csv", TEXT.encode(), {}),
    ("o.csv", codecs.BOM_UTF8 + TEXT.encode(), {}),
    ("o.csv", codecs.BOM_UTF8 + TEXT.replace("order_id", '"order_id"').encode(), {}),
    ("o.csv", TEXT.replace("\n", "\r\n").encode(), {}),
    ("o.csv", TEXT.replace("\n", "\r").encode(), {}),
    ("o.csv", TEXT.rstrip("\n").encode(), {}),
    ("o.csv", TEXT.encode("gb18030"), {"encodings": ["utf-8", "gb18030"]}),
    ("o.csv", TEXT.encode("gb18030"), {"encodings": ["gb18030"]}),
    ("o.csv", TEXT.encode(), {"encodings": ["utf-8", "gb18030"]}),
    ("o.csv", TEXT.encode("utf-16"), {"encodings": ["utf-16"]}),
    ("o.csv", TEXT.replace("上海", "Malmö").encode("cp1252"), {"encodings": ["utf-8", "cp1252"]}),
    ("o.csv", TEXT.replace(",", ";").replace("a; b", "a, b").encode(), {"delimiter": ";"}),
    ("o.tsv", TEXT.replace(",", "\t").replace("a\t b", "a, b").encode(), {}),
    ("o.txt", TEXT.replace(",", "\t").replace("a\t b", "a, b").encode(), {"formats": ["tsv"]}),
    ("o.csv.gz", gzip.compress(TEXT.encode(), mtime=0), {}),
    ("o.csv", gzip.compress(TEXT.encode(), mtime=0), {}),
    ("o.zip", zipped(o__csv=TEXT.encode()), {}),
    ("o.csv.zip", zipped(o__csv=TEXT.encode("gb18030"), **{"__MACOSX/._o__csv": b"x"}),
     {"encodings": ["gb18030"]}),
    ("o.jsonl", as_json(lines=True).encode(), {}),
    ("o.ndjson.gz", gzip.compress(as_json(lines=True).encode(), mtime=0), {}),
    ("o.json", as_json(lines=True).encode(), {}),
    ("o.json", as_json(lines=False).encode(), {}),
    ("o.json", codecs.BOM_UTF8 + as_json(lines=False).encode(), {}),
    ("o.json.zip", zipped(o__json=as_json(lines=False).encode("gb18030")),
     {"encodings": ["gb18030"]}),
    ("o.parquet", as_parquet(), {}),
    ("o.zip", zipped(o__parquet=as_parquet()), {}),
    ("o.xlsx", workbook({"data": [COLUMNS, *ROWS]}), {}),
    ("o.zip", zipped(o__xlsx=workbook({"data": [COLUMNS, *ROWS]})), {}),
])
def test_every_format_gives_the_same_cells(tmp_path, name, content, rules):
    """A shop that changes its export tool must not change its customers."""
    expected = ROWS
    if rules.get("encodings", [""])[-1] == "cp1252":
        expected = [("00123", "Malmö", "a, b"), ROWS[1]]
    found = contents_of(put(tmp_path, name, content), **rules)
    assert found.look.columns == COLUMNS
    assert found.rows == expected
    assert found.unreadable == []


def test_cells_of_a_workbook_are_text_as_people_see_them(tmp_path):
    path = put(tmp_path, "o.xlsx", workbook({"data": [
        ["id", "n", "amount", "day", "time", "yes", "sum", "unsaved"],
        ["00123", 123.0, 125.43999999999998, Day(43101), Day(43101.25), True,
         Formula("1+1", 2.0), Formula("1+1")],
        ["'0042", 1e14, -0.1, Day(45000.5), None, False, Formula("A2", 0.5), None],
    ]}))
    assert contents_of(path).rows == [
        ("00123", "123", "125.44", "2018-01-01", "2018-01-01 06:00:00", "true", "2", None),
        ("'0042", "100000000000000", "-0.1", "2023-03-15 12:00:00", None, "false", "0.5", None),
    ]


def test_blank_rows_of_a_sheet_are_none_and_cells_beyond_the_header_are_a_fault(tmp_path):
    path = put(tmp_path, "o.xlsx", workbook({"data": [
        ["exported on Monday"], [], ["id", "name", None], ["1", "a"], [None, None], ["2"],
        ["3", "b", "beyond"], ["4", "line 1\nline 2"],
    ]}))
    found = contents_of(path, header_row=3)
    assert found.look.columns == ("id", "name")
    assert found.rows == [("1", "a"), ("2", None), ("4", "line 1\nline 2")]
    assert [(row_no, reason) for row_no, reason, _ in found.unreadable] == [
        (3, "too_many_columns")]


def test_of_several_sheets_one_must_be_named_and_hidden_ones_are_none(tmp_path):
    two = {"orders": [["id"], ["1"]], "returns": [["order"], ["1"], ["2"]], "old": [["x"]]}
    path = put(tmp_path, "o.xlsx", workbook(two, hidden=["old"]))
    with pytest.raises(FileRefused, match=r"has 2 sheets \(orders, returns\)"):
        contents_of(path)
    with pytest.raises(FileRefused, match="no sheet 'Orders'; its sheets: orders, returns"):
        contents_of(path, sheet="Orders")
    assert contents_of(path, sheet="returns").rows == [("1",), ("2",)]
    assert [(one.sheet, one.columns) for one in first_rows(path, path.name, ["utf-8"])] == [
        ("orders", ("id",)), ("returns", ("order",))]


def test_several_header_rows_with_line_breaks_in_them(tmp_path):
    text = ('\ufeffId,Q1\n"Response\nID","How likely\r\nare you, really?"\n"{""a"":1}",x\n'
            'R1,9\nR2,"two\nlines"\n')
    found = contents_of(put(tmp_path, "q.csv", text), rows_after_header=2)
    assert found.look.header_rows == (
        ("Id", "Q1"), ("Response\nID", "How likely\r\nare you, really?"), ('{"a":1}', "x"))
    assert found.rows == [("R1", "9"), ("R2", "two\nlines")]


def test_a_header_below_other_rows(tmp_path):
    path = put(tmp_path, "bill.csv", "Bill of May\n\n\"from, to\",x\nid,amount\n1,2\n3\n")
    found = contents_of(path, header_row=4)
    assert found.look.columns == ("id", "amount")
    assert found.rows == [("1", "2")]
    assert found.unreadable == [(2, "missing_columns", "3")]
    assert found.look.first_rows[0] == ("Bill of May",)


def test_keys_of_json_that_come_late_are_columns_too(tmp_path):
    lines = [json.dumps({"id": n}) for n in range(3000)] + ['{"id": 3000, "late": {"deep": "x"}}']
    found = contents_of(put(tmp_path, "o.jsonl", "\n".join(lines)))
    assert found.look.columns == ("id", "late.deep")
    assert found.rows[-1] == ("3000", "x")


def test_nested_json_is_reached_by_dots_and_arrays_stay_json(tmp_path):
    one = {"user": {"id": 7, "name": None}, "n": 12345678901234567890123, "ok": True,
           "params": [{"key": "k", "value": {"string_value": "v"}}], "odd \"name": "q", "none": {}}
    other = {"user": "7", "n": 1.5}
    found = contents_of(put(tmp_path, "o.jsonl", f"{json.dumps(one)}\n{json.dumps(other)}\n"))
    first, second = found.records
    assert first["user"] == '{"id":7,"name":null}'
    assert (second["user"], second["n"]) == ("7", "1.5")
    found = contents_of(put(tmp_path, "p.jsonl", f"{json.dumps(one)}\n"))
    (row,) = found.records
    assert (row["user.id"], row["user.name"], row["n"], row["ok"], row['odd "name']) == (
        "7", None, "12345678901234567890123", "true", "q")
    assert json.loads(row["params"] or "") == one["params"]


@given(numbers=st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=12),
                        min_size=1, max_size=4), as_lines=st.booleans(),
       text=st.sampled_from(["", "a", '"', "\\", ': 0.12345678901234567890, "', "\x02"]))
@settings(max_examples=40, deadline=None)
def test_decimals_of_json_keep_all_their_digits(tmp_path_factory, numbers, as_lines, text):
    """Whatever words stand beside them; a double has 17 digits at most."""
    long = ["12345678901234567.890123456789", "-0.10000000000000000000000001", *map(str, numbers)]
    rows = ["{" + f'"n": {number},"text": {json.dumps(text, ensure_ascii=False)}'.replace(
        "\x02", "\\u0002") + f', "list" : [{number} ,1]' + "}" for number in long]
    content = "\n".join(rows) if as_lines else f"[{','.join(rows)}]"
    folder = tmp_path_factory.mktemp("json")
    found = contents_of(put(folder, "o.jsonl" if as_lines else "o.json", content))
    assert [Decimal(row["n"] or "") for row in found.records] == list(map(Decimal, long))
    assert {row["text"] for row in found.records} == {text}
    assert [json.loads(row["list"] or "", parse_float=Decimal) for row in found.records] == [
        [Decimal(number), 1] for number in long]


def test_texts_with_the_mark_of_long_decimals_are_kept(tmp_path):
    rows = [{"n": 1.5, "text": "\ufdd01.5"}, {"n": 2.5, "text": "2\x02"}]
    lines = [json.dumps(row, ensure_ascii=is_ascii).replace(".5,", ".500000000000000000000,")
             for row in rows for is_ascii in (True, False)]
    found = contents_of(put(tmp_path, "o.jsonl", "\n".join(lines)))
    assert [row["text"] for row in found.records] == [rows[0]["text"]] * 2 + [rows[1]["text"]] * 2


def test_lines_that_are_no_objects_are_rejected_by_their_numbers(tmp_path):
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    bad_bytes = b'{"id": "\xff"}'
    path = put(tmp_path, "o.jsonl", b'{"id": 1}\n\n[1]\n' + bad_bytes + b'\n{"id": \n'
               + deep.encode() + b'\nnull\n{"id": 2}')
    found = contents_of(path)
    assert found.rows == [("1",), ("2",)]
    assert [(row_no, reason) for row_no, reason, _ in found.unreadable] == [
        (2, "unreadable"), (3, "unreadable"), (4, "unreadable"), (5, "unreadable"),
        (6, "unreadable")]
    assert found.unreadable[3][2] == deep


def test_types_of_parquet_become_text_without_loss(tmp_path):
    frame = pa.table({
        "amount": pa.array([Decimal("1234567890123.4567")], pa.decimal128(18, 4)),
        "at": pa.array([pd.Timestamp("2026-01-05 10:00")], pa.timestamp("us", "Asia/Shanghai")),
        "local": pa.array([pd.Timestamp("2026-01-05 10:00")], pa.timestamp("us")),
        "id": pa.array([12345678901234567], pa.int64()),
        "user": pa.array([{"id": 7, "tags": ["a", "b"]}]),
        "raw": pa.array([b"00123"], pa.binary()),
    })
    pq.write_table(frame, tmp_path / "o.parquet")
    (row,) = contents_of(tmp_path / "o.parquet").records
    at = row.pop("at")
    assert pd.Timestamp(at) == pd.Timestamp("2026-01-05 10:00", tz="UTC")
    assert row == {"amount": "1234567890123.4567", "local": "2026-01-05 10:00:00",
                   "id": "12345678901234567", "user.id": "7", "user.tags": '["a","b"]',
                   "raw": "00123"}


def test_recognition_sees_the_beginning_in_every_way_it_can_be_read(tmp_path):
    path = put(tmp_path, "o.csv", "订单编号;金额\n1;25\n".encode("gb18030"))
    seen = [(one.encoding, one.delimiter, one.columns)
            for one in first_rows(path, path.name, ["utf-8", "gb18030"])]
    assert seen == [("gb18030", ";", ("订单编号", "金额"))]
    assert list(first_rows(put(tmp_path, "notes.txt", "a,b\n"), "notes.txt", ["utf-8"])) == []
    path = put(tmp_path, "o.json", '{"a": {"b": 1}}\n{"c": 2}\n')
    assert [one.columns for one in first_rows(path, path.name, ["utf-8"])] == [("a.b", "c")]
    path = put(tmp_path, "p.json", '[{"a": {"b": 1}}, {"c": 2}, {"cut')
    assert [one.columns for one in first_rows(path, path.name, ["utf-8"])] == [("a.b", "c")]


def _encrypted() -> bytes:
    content = bytearray(zipped(o__csv=TEXT.encode()))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(("name", "content", "rules", "words"), [
    ("o.csv", b"", {}, "is empty"),
    ("o.csv", b"\n\n", {}, "is empty"),
    ("o.csv", b"\nid\n1\n", {}, "row 1 names no columns"),
    ("o.csv", b"id,name\n1,2\n", {"header_row": 4}, "has 2 rows, and its header"),
    ("o.csv", b'id,"name\n1,2\n', {}, "header row 1 cannot be read"),
    ("o.csv", b"x" * 5000 + b"id,name\n1,2\n", {}, "is no header, it has a name of 5,002"),
    ("o.csv", b"x" * 2_000_000 + b"id,name\n1,2\n", {}, "it is too long"),
    ("o.csv", "编号,b\n".encode("gb18030"), {}, "the header is not utf-8"),
    ("o.csv", "id,b\n1,上海\n2,é\n".encode("cp1252", "replace") + b"\x81\n",
     {"encodings": ["utf-8", "cp1252"]}, r"utf-8 \(line 3\), cp1252 \(line 4\)"),
    ("o.csv", TEXT.encode("utf-16"), {}, "its first bytes say utf-16"),
    ("o.xyz", TEXT.encode(), {}, "no known format"),
    ("o.tsv", TEXT.encode(), {"formats": ["csv", "excel"]}, "no known format; name it .csv, .xls"),
    ("o.csv.gz", gzip.compress(TEXT.encode() * 100, mtime=0)[:-20], {},
     "deliver the file again, whole"),
    ("o.csv.gz", TEXT.encode(), {}, "cannot be read as gzip"),
    ("o.zip", zipped(a__csv=b"a", b__csv=b"b"), {}, "has 2: a.csv, b.csv; unpack it"),
    ("o.zip", zipped(), {}, "has 0"),
    ("o.zip", b"PK\x03\x04 cut", {}, "cannot be read as zip"),
    ("o.zip", _encrypted(), {}, "is encrypted"),
    ("o.csv.gz", gzip.compress(b"id,n\n" + b"1,2\n" * 80_000_000, 1, mtime=0), {},
     "unpacks to more than"),
    ("o.xlsx", TEXT.encode(), {}, "is no Excel workbook"),
    ("o.xls", TEXT.encode(), {}, "is no Excel workbook"),
    ("o.xlsx", workbook({"data": [COLUMNS]})[:-30], {}, "cannot be read as a workbook"),
    ("o.xlsx", zipped(a__csv=b"a"), {}, "cannot be read as a workbook"),
    ("o.xlsx", workbook({"data": []}), {}, "names no columns"),
    ("o.parquet", as_parquet()[:-6], {}, "cannot be read as"),
    ("o.json", b'[{"a": 1}, {"a": ', {}, "cannot be read as json"),
    ("o.json", b"12", {}, "cannot be read as json"),
])
def test_what_cannot_be_read_as_a_whole_is_refused_in_words(tmp_path, name, content, rules, words):
    path = put(tmp_path, name, content)
    with pytest.raises(FileRefused, match=words) as refused:
        contents_of(path, **rules)
    assert str(refused.value).startswith(f"landing/{name}: ")
    assert len(str(refused.value).splitlines()) == 1


def test_a_json_file_without_rows_has_no_columns(tmp_path):
    assert contents_of(put(tmp_path, "o.json", "[]")).rows == []
    assert contents_of(put(tmp_path, "o.jsonl", "")).look.columns == ()


@pytest.mark.parametrize(("rules", "words"), [
    ({"encodings": ["utf-9"]}, "'utf-9' is no encoding"),
    ({"encodings": ["base64"]}, "'base64' is no encoding"),
    ({"delimiter": '"'}, "cannot part cells"),
    ({"formats": ["xls"]}, "'csv', 'tsv'"),
    ({"header": 1}, "Extra inputs"),
])
def test_wrong_rules_are_refused_when_loaded(rules, words):
    with pytest.raises(ValueError, match=words):
        ReadRules.model_validate(rules)


def test_a_format_that_is_stated_holds_for_every_ending(tmp_path):
    path = put(tmp_path, "o.dat", TEXT)
    assert look(path, path.name, ReadRules(formats=("csv",))).columns == COLUMNS
