"""JSON lines and JSON arrays -> columns of text: one for each key, `a.b` for keys of objects.

Every row is looked at for its keys, so none is lost because it comes late. Arrays stay the text
of their JSON, and so does what is an object in one row and a word in another. A number has the
value that is written, however many digits it has.
"""

from __future__ import annotations

import itertools
import json
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import duckdb

from dagster_project.engine.delimited import FIRST_ROWS, MAXIMUM_ROW_BYTES, cut_off
from dagster_project.engine.stores import literal
from dagster_project.ingest.landing import FileRefused

MAXIMUM_COLUMNS = 5000
OBJECTS_TO_LOOK_AT = 1000
BETWEEN_ELEMENTS = re.compile(r"\s*,\s*")
CHARACTERS_AT_ONCE = 1024 * 1024
# The engine keeps whole numbers of any length, and reads decimals as doubles: 15 digits of one
# come back as they were written, more may not.
LONG_NUMBER = r"[:,\[\s]-?[0-9.]{17,}"
# A string, which is passed over, or a decimal.
STRING_OR_DECIMAL = (r'("(?:[^"\\]|\\.)*")'
                     r"|(-?[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))")
# A control character, which JSON may only escape.
AROUND = "\x02"
# Code points that are no characters, and never will be (Unicode 16.0, section 23.7).
MEANINGLESS = range(0xFDD0, 0xFDF0)


def first_objects(text: str, known: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns of the objects at the beginning of a text, and the first of them as text."""
    texts = text.splitlines() if known == "jsonl" else _elements(text)
    found: list[dict[str, str]] = []
    for line in itertools.islice(texts, OBJECTS_TO_LOOK_AT):
        try:
            parsed = json.loads(line)
            if isinstance(parsed, dict):
                found.append({".".join(path): cell for path, cell in _cells(parsed, ())})
        except (ValueError, RecursionError):
            continue
    columns = tuple(dict.fromkeys(key for cells in found for key in cells))
    rows = [tuple(cells.get(column, "") for column in columns) for cells in found[:FIRST_ROWS]]
    return columns, rows


def _elements(text: str) -> Iterator[str]:
    """The elements of a JSON array whose end may be missing."""
    decoder, found = json.JSONDecoder(), re.search(r"\[\s*", text)
    while found:
        try:
            _, end = decoder.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            return
        yield text[found.end():end]
        found = BETWEEN_ELEMENTS.match(text, end)


def _cells(parsed: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in parsed.items():
        if isinstance(value, dict) and value:
            yield from _cells(value, (*above, key))
        elif isinstance(value, str):
            yield (*above, key), value
        else:
            yield (*above, key), "" if value is None else json.dumps(value, ensure_ascii=False)


def read_objects_of_lines(scratch: duckdb.DuckDBPyConnection, path: Path) -> None:
    """`objects` (line), in file order: every line that is not blank, whatever is in it."""
    # Every line is one field: neither quotes nor delimiters mean anything at this level.
    scratch.execute(
        f"""
        create or replace table objects as
        select line
        from read_csv(
            {literal(str(path))}, auto_detect = false, header = false,
            columns = {{'line': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '',
            encoding = 'utf-8', compression = 'none', max_line_size = {MAXIMUM_ROW_BYTES}
        )
        where trim(line, chr(32) || chr(9) || chr(13)) <> ''
        """
    )


def read_objects_of_array(scratch: duckdb.DuckDBPyConnection, path: Path, folder: Path) -> None:
    """`objects` (line), in file order: every element of the array.

    Args:
        folder: for a copy in clear.
    """
    if _has_long_number(path):
        # The engine's reader of arrays hands elements out with their decimals rounded already.
        lines = folder / "elements"
        with path.open(encoding="utf-8", newline="") as source, \
                lines.open("w", encoding="utf-8", newline="") as target:
            is_whole = _copy_elements(source, target)
        if is_whole:
            read_objects_of_lines(scratch, lines)
            return
    scratch.execute(
        f"""
        create or replace table objects as
        select cast(line as varchar) as line
        from read_json({literal(str(path))}, format = 'array', records = false,
                       columns = {{line: 'JSON'}}, compression = 'none',
                       maximum_object_size = {MAXIMUM_ROW_BYTES})
        """
    )


def _has_long_number(path: Path) -> bool:
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return re.search(LONG_NUMBER.encode(), text) is not None


def _copy_elements(source: TextIO, target: TextIO) -> bool:
    """Write each element of an array as a line, its text as it stands; whether all of it is one."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str)
    text, is_end, characters_n = "", False, CHARACTERS_AT_ONCE
    between = re.compile(r"\s*\[\s*")
    while not is_end:
        part = source.read(characters_n)
        is_end = len(part) < characters_n
        text, place = text + part, 0
        # An element that touches the end of what was read may go on behind it.
        while (found := between.match(text, place)) and found.end() < len(text):
            try:
                _, end = decoder.raw_decode(text, found.end())
            except (ValueError, RecursionError):
                break
            if end == len(text) and not is_end:
                break
            target.write(text[found.end():end].replace("\n", " ").replace("\r", " ") + "\n")
            place, between = end, BETWEEN_ELEMENTS
        text = text[place:]
        if len(text) > MAXIMUM_ROW_BYTES:
            return False
        characters_n = max(CHARACTERS_AT_ONCE, len(text))
    return re.fullmatch(r"\s*\]\s*", text) is not None


def columns_of_objects(scratch: duckdb.DuckDBPyConnection, name: str) -> tuple[str, ...]:
    """Make `lines` (c0, c1 ...) of `objects`; the names of its columns.

    What is no object goes to `unreadable`.

    Raises:
        FileRefused: more keys than an export can have; they are probably values.
    """
    _set_aside(scratch, "not coalesce(try(json_type(line) = 'OBJECT'), false)")
    # An object nested more deeply than the engine's limit would end the query; only one with
    # that many brackets can be.
    brackets = "length(line) - length(translate(line, '{[', ''))"
    _set_aside(scratch, f"{brackets} > 100 and try(json_structure(line)) is null")
    cell_text = _keep_long_decimals(scratch, name)
    ((found,),) = scratch.execute(
        "select json_group_structure(cast(line as json)) from objects").fetchall()
    structure = json.loads(found) if found else {}
    paths = list(_leaves(structure, ())) if isinstance(structure, dict) else []
    if len(paths) > MAXIMUM_COLUMNS:
        raise FileRefused(
            f"landing/{name}: its objects have {len(paths):,} different keys, for example "
            f"{'.'.join(paths[-1])!r}; more than {MAXIMUM_COLUMNS:,} are no columns"
        )
    if not paths:
        scratch.execute("create or replace table lines as "
                        "select cast(null as varchar) as c0 from objects order by rowid")
    else:
        listed = ", ".join(literal("$" + "".join(f".{json.dumps(key, ensure_ascii=False)}"
                                                 for key in path)) for path in paths)
        cells = ", ".join(f"{cell_text.format(f'cells[{position + 1}]')} as c{position}"
                          for position in range(len(paths)))
        scratch.execute(
            f"create or replace table lines as select {cells} from ("
            f"select rowid as nth, json_extract_string(line, [{listed}]) as cells from objects) "
            f"order by nth"
        )
    scratch.execute("drop table objects")
    return tuple(".".join(path) for path in paths)


def require_last_object(scratch: duckdb.DuckDBPyConnection, name: str) -> None:
    """Raise if the last line, which has no line end, is the beginning of an object only.

    Raises:
        FileRefused: the file ends in the middle of it.
    """
    cut = scratch.execute(
        """
        select row_no from unreadable
        where row_no = (select count(*) from lines) + (select count(*) from unreadable)
            and row_text like '{%' and not json_valid(row_text)
        """
    ).fetchone()
    if cut is not None:
        raise cut_off(name, int(cut[0]))


def _keep_long_decimals(scratch: duckdb.DuckDBPyConnection, name: str) -> str:
    """Write decimals of many digits as marked strings, which the engine does not round.

    Returns:
        SQL that takes the marks out of a cell, to be formatted with the cell.
    """
    is_long = f"regexp_matches(line, {literal(LONG_NUMBER)}) and not contains(line, '{AROUND}')"
    if not scratch.execute(f"select 1 from objects where {is_long} limit 1").fetchone():
        return "{}"
    mark = _mark_in_no_line(scratch, name)
    written = (
        f"replace(regexp_replace(line, {literal(STRING_OR_DECIMAL)}, "
        f"'\\1{AROUND}\\2{AROUND}', 'g'), '{AROUND}{AROUND}', '')")
    scratch.execute(
        f"update objects set line = regexp_replace({written}, '{AROUND}([^{AROUND}]*){AROUND}', "
        f"'\"{mark}\\1\"', 'g') where {is_long}")
    # In an array the number stands between the quotes of its string.
    return f"regexp_replace({{}}, '\"?{mark}([-+.0-9eE]+)\"?', '\\1', 'g')"


def _mark_in_no_line(scratch: duckdb.DuckDBPyConnection, name: str) -> str:
    """A code point that means nothing, and that the file has neither plain nor escaped.

    Raises:
        FileRefused: it has them all.
    """
    for code in MEANINGLESS:
        if not scratch.execute(
                f"select 1 from objects where contains(line, '{chr(code)}') "
                f"or contains(lower(line), '\\u{code:04x}') limit 1").fetchone():
            return chr(code)
    raise FileRefused(f"landing/{name}: has every code point from U+FDD0 to U+FDEF, which no text "
                      f"has; it is no export")


def _set_aside(scratch: duckdb.DuckDBPyConnection, condition: str) -> None:
    """Move the objects for which `condition` holds to `unreadable`."""
    scratch.execute(f"insert into unreadable select rowid + 1, 'unreadable', line from objects "
                    f"where {condition}")
    scratch.execute(f"delete from objects where {condition}")


def _leaves(structure: dict[str, object], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Paths of everything that is no object, in the order of the keys' first appearance."""
    for key, inner in structure.items():
        if isinstance(inner, dict) and inner:
            yield from _leaves(inner, (*above, key))
        else:
            yield (*above, key)
