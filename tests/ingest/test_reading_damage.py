"""Damaged text: a fault costs its own row, the others keep their numbers, nothing vanishes."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.engine import delimited
from dagster_project.engine.delimited import sift
from dagster_project.ingest.landing import FileRefused
from tests.ingest.reading import contents_of
from tests.ingest.test_reading_formats import put

HEADER = "id,name,note\n"


def faults(found):
    return [(row_no, reason) for row_no, reason, _ in found.unreadable]


def test_an_open_quote_costs_its_own_line_only(tmp_path):
    """Else one quote at the top of a file would swallow a million rows behind it."""
    path = put(tmp_path, "o.csv", HEADER + '1,a,b\n2,"open,c\n3,"q ""x"" r",d\n4,e,"two\nlines"\n'
               + '5,"f"g,h\n6,i,j')
    found = contents_of(path)
    assert found.rows == [("1", "a", "b"), ("3", 'q "x" r', "d"), ("4", "e", "two\nlines"),
                          ("6", "i", "j")]
    assert found.unreadable == [(2, "unreadable", '2,"open,c'), (5, "unreadable", '5,"f"g,h')]


@pytest.mark.parametrize(("name", "content", "row_no"), [
    ("o.csv", HEADER + "1,a,b\n2,a", 2),
    ("o.csv", HEADER + '1,a,b\n2,"a"', 2),
    ("o.csv", HEADER + '1,a,b\n2,"a', 2),
    ("o.csv", HEADER + '1,a,b\n2,a,"one\ntwo', 2),
    ("o.csv", HEADER + '1,a,b\n2,a,"one\n', 2),
    ("o.csv", (HEADER + "1,a,b\n2,a").replace("\n", "\r\n"), 2),
    ("o.csv", (HEADER + "1,a,b\n2,a").replace("\n", "\r"), 2),
    ("o.csv", HEADER + "1,a\n2", 2),
    ("o.csv", HEADER + "1,a,b\n2,\0\0\0", 2),
    ("o.tsv", "id\tname\n1", 1),
    ("o.csv.gz", gzip.compress(f"{HEADER}1,a,b\n2,a".encode()), 2),
    ("o.jsonl", '{"id": 1}\n{"id": 2, "na', 2),
    ("o.jsonl", '{"id": {"n": 1}}\n{"id": {"n": 2}', 2),
])
def test_a_file_that_ends_in_the_middle_of_a_row_is_refused(tmp_path, name, content, row_no):
    """Else what came of half a file passes for all of it."""
    with pytest.raises(FileRefused, match=f"landing/{name}: ends in the middle of row {row_no}, "
                                          f"it is probably incomplete; deliver it again, whole"):
        contents_of(put(tmp_path, name, content))


@pytest.mark.parametrize(("name", "content", "rows_n", "expected"), [
    ("o.csv", HEADER + "1,a,b\n2,a,b", 2, []),
    ("o.csv", HEADER + '1,a,b\n2,a,"one\ntwo"', 2, []),
    ("o.csv", HEADER + "1,a,b\n2,a\n", 1, [(2, "missing_columns")]),
    ("o.csv", (HEADER + "1,a,b\n2,a\n").replace("\n", "\r\n"), 1, [(2, "missing_columns")]),
    ("o.csv", HEADER + "1,a,b\n2,a,b,c", 1, [(2, "too_many_columns")]),
    ("o.csv", HEADER + '1,"a,b\n2,a,b\n3,a,b', 2, [(1, "unreadable")]),
    ("o.jsonl", '{"id": 1}\n{"id": 2}', 2, []),
    ("o.jsonl", '{"id": 1}\n{"id": 2, "na\n', 1, [(2, "unreadable")]),
    ("o.jsonl", '{"id": 1}\n["id", 2]', 1, [(2, "unreadable")]),
])
def test_what_is_no_sign_of_half_a_file_costs_its_row_at_most(tmp_path, name, content, rows_n,
                                                              expected):
    found = contents_of(put(tmp_path, name, content))
    assert len(found.rows) == rows_n
    assert faults(found) == expected


@pytest.mark.parametrize("header", [
    'id,name,no"te', 'id,name, "note"', 'id,na"me, ""note""', '"id",name,note"',
    'id,name,"no,te"', 'id,name,"no""te"'])
def test_a_quote_in_the_header_takes_no_row_along(tmp_path, header):
    rows = "".join(f'{n},a,"b, ""c"""\n' for n in range(1, 5))
    found = contents_of(put(tmp_path, "o.csv", f"{header}\n{rows}"))
    assert len(found.look.columns) == 3
    assert [row[0] for row in found.rows] == ["1", "2", "3", "4"]
    assert found.unreadable == []


def test_the_rest_of_a_broken_row_is_not_taken_for_a_row(tmp_path):
    path = put(tmp_path, "o.csv", HEADER + '1,a,"line one\nx"y,"b",c\nlast" tail"\n2,a,b\n')
    found = contents_of(path)
    assert found.rows == [("2", "a", "b")]
    assert len(found.unreadable) == 3


def test_rows_of_other_lengths_bytes_that_fit_nothing_and_nul(tmp_path):
    path = put(tmp_path, "o.csv", HEADER.encode() + b"1,a,b\n\n2,a\n3,\xff,b\r\n4,a\0,b\n5,a,b,c\n"
               b"6,a,\xe4\xb8\x8a\n7,a,b,,\n\n8,\xe4\xb8,b")
    found = contents_of(path)
    assert found.rows == [("1", "a", "b"), ("6", "a", "上"), ("7", "a", "b")]
    assert faults(found) == [
        (2, "missing_columns"), (3, "unreadable"), (4, "unreadable"), (5, "too_many_columns"),
        (8, "unreadable")]


def test_line_ends_of_several_kinds_in_one_file(tmp_path):
    path = put(tmp_path, "o.csv", HEADER + '1,a,"x\r\ny"\r\n2,b,c\n3,"d\re","f\ng"\r\n')
    found = contents_of(path)
    assert found.rows == [("1", "a", "x\r\ny"), ("2", "b", "c"), ("3", "d\re", "f\ng")]
    assert found.unreadable == []


def test_a_field_of_ten_megabytes_is_read_and_a_row_over_the_limit_is_rejected(tmp_path):
    long, longer = "x" * 10_000_000, "y" * 17_000_000
    path = put(tmp_path, "o.csv", f'{HEADER}1,{long},b\n2,{longer},c\n3,"{longer}",c\n4,a,b\n')
    found = contents_of(path)
    assert [(row[0], len(row[1] or "")) for row in found.rows] == [("1", 10_000_000), ("4", 1)]
    assert faults(found) == [(2, "unreadable"), (3, "unreadable")]


def test_too_many_open_quotes_refuse_the_file(tmp_path, monkeypatch):
    """Reading on from every open quote would take a night."""
    monkeypatch.setattr(delimited, "MAXIMUM_BYTES_READ_AGAIN", 10_000)
    path = put(tmp_path, "o.csv", HEADER + '1,"a,b\n' * 3001)
    with pytest.raises(FileRefused, match="from row [0-9]+ on quotes are opened and not closed"):
        contents_of(path)


def test_bytes_that_fit_no_character_of_a_stated_encoding_cost_their_row(tmp_path):
    text = (HEADER + "1,上,b\n2,海,c\n").encode("gb18030").replace("海".encode("gb18030"), b"\xff")
    found = contents_of(put(tmp_path, "o.csv", text), encodings=["gb18030"])
    assert found.rows == [("1", "上", "b")]
    assert faults(found) == [(2, "unreadable")]


CELLS = st.sampled_from(["a", "", "上", '"q"', '"a,b"', '"x\ny"', '""', '"a""b"', "c d"])
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=2).map(",".join), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(rows=TABLES, place=st.integers(0, 60), noise=st.sampled_from(["", ",", '"', "\n", " ", "a"]))
def test_sifted_text_is_clean_and_every_line_is_accounted_for(rows, place, noise):
    """What is copied parses to full rows; what is not is handed out, and together it is all.

    With a line more, no text ends in the middle of a row.
    """
    text = "\n".join(rows)
    text = text[:place] + noise + text[place:] + "\na,b\n"
    target = io.BytesIO()
    bad = list(sift(io.BytesIO(text.encode()), target, "o.csv", 2, ","))
    good = list(csv.reader(io.StringIO(target.getvalue().decode(), newline=""), strict=True))
    assert all(len(row) == 2 for row in good)
    numbers = [row.row_no for row in bad]
    assert numbers == sorted(set(numbers))
    assert not numbers or numbers[-1] <= len(good) + len(bad)

    def letters(found: str) -> str:
        return "".join(sorted(letter for letter in found if letter in "aqxybcd上"))

    kept = "".join("".join(row) for row in good) + "".join(row.text for row in bad)
    assert letters(kept) == letters(text)


@settings(max_examples=40, deadline=None)
@given(rows=TABLES, place=st.integers(0, 60), noise=st.sampled_from(["", ",", '"', "\n", "a"]),
       line_end=st.sampled_from(["\n", "\r\n"]))
def test_the_fast_reader_and_the_careful_one_agree(tmp_path_factory, rows, place, noise, line_end):
    """A fault at the end of a file must not change how the rows before it are read."""
    folder = tmp_path_factory.mktemp("agree")
    text = "\n".join(rows)
    text = (text[:place] + noise + text[place:]).replace("\n", line_end)
    content = f"id,name{line_end}{text}"
    target = io.BytesIO()
    try:
        bad = list(sift(io.BytesIO(text.encode()), target, "o.csv", 2, ","))
    except FileRefused:
        with pytest.raises(FileRefused, match="ends in the middle of row"):
            contents_of(put(folder, "o.csv", content))
        return
    good = [tuple(cell or None for cell in row) for row in csv.reader(
        io.StringIO(target.getvalue().decode(), newline=""), strict=True)]
    found = contents_of(put(folder, "o.csv", content))
    if bad:
        assert [row for row in good if row not in found.rows] == []
    else:
        assert found.rows == good
