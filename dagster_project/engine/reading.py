"""One file -> `staged` in an empty scratch store: every canonical column as text, nothing judged.

Column `row_no` counts the file's rows of data from 1. Rows that cannot be told apart into
columns go to table `unreadable` (row_no, reason, row_text). Types are declared, never sniffed.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import duckdb

from dagster_project.engine.interface import LoadRequest
from dagster_project.engine.stores import identifier, literal
from dagster_project.ingest.landing import FileRefused

DELIMITERS = {"csv": ",", "tsv": "\t"}
MAXIMUM_ROW_BYTES = 16 * 1024 * 1024


def read_file(scratch: duckdb.DuckDBPyConnection, request: LoadRequest) -> tuple[str, ...]:
    """Fill `staged` and `unreadable` of an empty scratch store; the columns that nothing reads.

    Raises:
        FileRefused: the file as a whole cannot be read, or lacks a required column.
    """
    scratch.execute("create table unreadable (row_no bigint, reason varchar, row_text varchar)")
    try:
        if request.file_format in DELIMITERS:
            return _read_delimited(scratch, request)
        if request.file_format == "jsonl":
            return _read_json_lines(scratch, request)
        return _read_parquet(scratch, request)
    except (duckdb.Error, OSError, EOFError, UnicodeDecodeError) as error:
        raise FileRefused(
            f"landing/{request.name}: cannot be read as {request.file_format}: "
            f"{str(error).splitlines()[0]}; deliver the file again, whole"
        ) from error


def _wanted(request: LoadRequest) -> tuple[str, ...]:
    return request.kind.column_names + request.source.attributes


def _select_list(request: LoadRequest, expressions: dict[str, str]) -> str:
    """`staged` has every wanted column: from the file, a constant, or NULL."""
    columns = []
    for name in _wanted(request):
        if name in expressions:
            text = _trimmed(expressions[name])
        elif name in request.source.constants:
            text = literal(request.source.constants[name])
        else:
            text = "cast(null as varchar)"
        columns.append(f"{text} as {identifier(name)}")
    return ", ".join(columns)


def _trimmed(expression: str) -> str:
    """The text without spaces and tabs around it, NULL if nothing is left.

    Nearly no value has any, and trimming each costs more than all the rest of reading it.
    """
    return (f"case when {expression} < '!' or ends_with({expression}, ' ') "
            f"or ends_with({expression}, chr(9)) "
            f"then nullif(trim({expression}, chr(32) || chr(9)), '') else {expression} end")


def _check_columns(request: LoadRequest, found: Sequence[str]) -> tuple[str, ...]:
    """The columns nothing reads.

    Raises:
        FileRefused: a column twice, or a required one missing.
    """
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise FileRefused(f"landing/{request.name}: the header names {', '.join(twice)} twice; "
                          f"each column needs a name of its own")
    known = set(found) | set(request.source.constants)
    if request.source.currency:
        known.add("currency")
    missing = [column.name for column in request.kind.columns
               if column.is_required and column.name not in known]
    if request.source.version.rule == "column" and request.source.version.column not in known:
        missing.append(request.source.version.column)
    if missing:
        hints = [
            f"{name} (did you mean {close[0]!r}?)"
            if (close := difflib.get_close_matches(name, list(found), 1)) else name
            for name in missing
        ]
        raise FileRefused(
            f"landing/{request.name}: the header lacks {', '.join(hints)}; "
            f"{request.kind.name} need these columns. Header: {', '.join(found)}"
        )
    return tuple(name for name in found if name not in _wanted(request))


def _open_text(path: Path) -> io.TextIOWrapper:
    stream = gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")
    return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")


def _header(request: LoadRequest) -> list[str]:
    with _open_text(request.path) as stream:
        line = stream.readline(MAXIMUM_ROW_BYTES)
    if not line.strip():
        raise FileRefused(f"landing/{request.name}: the file is empty; a file without rows still "
                          f"needs its header")
    row = next(csv.reader([line], delimiter=DELIMITERS[request.file_format]))
    return [name.strip().lower() for name in row]


def _read_delimited(scratch: duckdb.DuckDBPyConnection, request: LoadRequest) -> tuple[str, ...]:
    header = _header(request)
    ignored = _check_columns(request, header)
    # Positions as names: a header may hold anything.
    columns = {f"c{position}": "VARCHAR" for position in range(len(header))}
    compression = "gzip" if request.path.suffix.lower() == ".gz" else "none"
    # Names drawn from the file only: a row number must not depend on which columns are wanted,
    # so all columns are read and faults anywhere in a row are seen.
    scratch.execute(
        f"""
        create table lines as
        select * from read_csv(
            {literal(str(request.path))}, auto_detect = false, header = true,
            columns = {columns}, delim = {literal(DELIMITERS[request.file_format])},
            quote = '"', escape = '"', encoding = 'utf-8', compression = '{compression}',
            max_line_size = {MAXIMUM_ROW_BYTES}, null_padding = false, strict_mode = true,
            store_rejects = true, rejects_limit = 0
        )
        """
    )
    scratch.execute(
        """
        insert into unreadable
        select line - 1, min(case error_type when 'MISSING COLUMNS' then 'missing_columns'
                                             when 'TOO MANY COLUMNS' then 'too_many_columns'
                                             else 'unreadable' end), min(csv_line)
        from reject_errors
        group by line
        """
    )
    names = {name: f"c{position}" for position, name in enumerate(header)}
    _stage_lines(scratch, request, names)
    return ignored


def _stage_lines(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                 expressions: dict[str, str]) -> None:
    """`lines` (in file order, without the unreadable rows) -> `staged` with true row numbers."""
    select_list = _select_list(request, expressions)
    bad = scratch.execute("select count(*) from unreadable").fetchone()
    if not bad or bad[0] == 0:
        scratch.execute(f"create view staged as select rowid + 1 as row_no, {select_list} "
                        f"from lines")
        return
    # The k-th unreadable row (k from 0) pushes all rows from its place on by one.
    scratch.execute(
        f"""
        create table staged as
        with pushes as (
            select row_no - row_number() over (order by row_no) + 1 as from_nth,
                   row_number() over (order by row_no) as pushed
            from unreadable
        ), last_push as (
            select from_nth, max(pushed) as pushed from pushes group by from_nth
        )
        select lines.nth + coalesce(last_push.pushed, 0) as row_no, {select_list}
        from (select rowid + 1 as nth, * from lines) as lines
        asof left join last_push on lines.nth >= last_push.from_nth
        """
    )


def _read_json_lines(scratch: duckdb.DuckDBPyConnection, request: LoadRequest) -> tuple[str, ...]:
    compression = "gzip" if request.path.suffix.lower() == ".gz" else "none"
    # Every line is one field: neither quotes nor delimiters mean anything at this level.
    scratch.execute(
        f"""
        create table all_lines as
        select * from read_csv(
            {literal(str(request.path))}, auto_detect = false, header = false,
            columns = {{'line': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '',
            encoding = 'utf-8', compression = '{compression}',
            max_line_size = {MAXIMUM_ROW_BYTES}, store_rejects = true, rejects_limit = 0
        )
        """
    )
    scratch.execute(
        """
        insert into unreadable
        select distinct line, 'unreadable', csv_line from reject_errors
        union all
        select rowid + 1, 'unreadable', line from all_lines
        where line is not null
            and (not json_valid(line) or json_type(line) <> 'OBJECT')
        """
    )
    scratch.execute(
        """
        create table lines as
        select line from all_lines
        where json_valid(line) and json_type(line) = 'OBJECT'
        order by rowid
        """
    )
    keys = scratch.execute(
        "select distinct unnest(json_keys(line)) from (select line from lines limit 1000)"
    ).fetchall()
    found = sorted(key for (key,) in keys)
    scratch.execute("drop table all_lines")
    if not found:
        found = list(_wanted(request))
    ignored = tuple(name for name in found if name not in _wanted(request))
    fields = {name: f"json_extract_string(line, {literal('$.' + chr(34) + name + chr(34))})"
              for name in _wanted(request) if name not in request.source.constants}
    selected = ", ".join(f"{field} as {identifier(name)}" for name, field in fields.items())
    scratch.execute(f"create table json_lines as select {selected} from lines order by rowid")
    scratch.execute("drop table lines")
    scratch.execute("alter table json_lines rename to lines")
    _stage_lines(scratch, request, {name: identifier(name) for name in fields})
    return ignored


def _read_parquet(scratch: duckdb.DuckDBPyConnection, request: LoadRequest) -> tuple[str, ...]:
    # As text, so that a value is judged alike whatever format brought it.
    scratch.execute(f"create table lines as select cast(columns(*) as varchar) "
                    f"from read_parquet({literal(str(request.path))})")
    found = [str(row[0]) for row in scratch.execute("describe lines").fetchall()]
    lowered = [name.strip().lower() for name in found]
    ignored = _check_columns(request, lowered)
    _stage_lines(scratch, request, {low: identifier(name)
                                    for low, name in zip(lowered, found, strict=True)})
    return ignored
