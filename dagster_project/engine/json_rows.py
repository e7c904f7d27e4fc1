"""JSON lines and JSON arrays -> columns of text: one for each key, `a.b` for keys of objects.

Every row is looked at for its keys, so none is lost because it comes late. Arrays stay the text
of their JSON, and so does what is an object in one row and a word in another.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.engine.delimited import FIRST_ROWS, MAXIMUM_ROW_BYTES
from dagster_project.engine.stores import literal
from dagster_project.ingest.landing import FileRefused

MAXIMUM_COLUMNS = 5000
OBJECTS_TO_LOOK_AT = 1000
BETWEEN_ELEMENTS = re.compile(r"[\s,]*")


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
    decoder, place = json.JSONDecoder(), text.find("[") + 1
    while place > 0:
        between = BETWEEN_ELEMENTS.match(text, place)
        place = between.end() if between else place
        try:
            _, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return
        yield text[place:end]
        place = end


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


def read_objects_of_array(scratch: duckdb.DuckDBPyConnection, path: Path) -> None:
    """`objects` (line), in file order: every element of the array."""
    scratch.execute(
        f"""
        create or replace table objects as
        select cast(line as varchar) as line
        from read_json({literal(str(path))}, format = 'array', records = false,
                       columns = {{line: 'JSON'}}, compression = 'none',
                       maximum_object_size = {MAXIMUM_ROW_BYTES})
        """
    )


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
        cells = ", ".join(f"cells[{position + 1}] as c{position}"
                          for position in range(len(paths)))
        scratch.execute(
            f"create or replace table lines as select {cells} from ("
            f"select rowid as nth, json_extract_string(line, [{listed}]) as cells from objects) "
            f"order by nth"
        )
    scratch.execute("drop table objects")
    return tuple(".".join(path) for path in paths)


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
