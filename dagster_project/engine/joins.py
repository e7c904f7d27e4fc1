"""An SQL file over files of landing/ -> one Parquet file of text columns, loaded like any other.

The query sees one table an input and nothing else: it runs in a database of its own in which
access to files, to other databases and to settings is switched off before its first word is run.
What the inputs are, and when a join is due, stands in `ingest/joins.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.engine.interface import Join, JoinedFile, LoadRequest
from dagster_project.engine.reading import look, read_lines
from dagster_project.engine.scratch import scratch_folder
from dagster_project.engine.stores import Stores, identifier
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.origins import INPUT_COLUMNS, Input

CATALOG = "landing_files"
BATCH_ROWS = 50_000
# `lines` with the number of each row in its file: unreadable rows before it are counted too.
NUMBERED_LINES = """
    select nth + coalesce(pushed, 0) as row_no, *
    from (select rowid + 1 as nth, * from lines) as numbered
    asof left join (
        select row_no - row_number() over (order by row_no) + 1 as from_nth,
               row_number() over (order by row_no) as pushed
        from unreadable
    ) as pushes on numbered.nth >= pushes.from_nth
"""
# Faults of the SQL itself: they repeat words of the query, never a value of a row.
SQL_FAULTS = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException,
              duckdb.PermissionException)


def run_join(stores: Stores, request: LoadRequest, folder: Path) -> LoadRequest:
    """The request with the query's result as its file, and with the rows of its inputs counted.

    Args:
        stores: for the limits of the engine.
        request: with a `join`.
        folder: private folder; the result of an earlier join in it is replaced.

    Raises:
        FileRefused: an input cannot be read, or the query cannot be run.
    """
    join = request.join
    assert join is not None
    result = folder / "join.parquet"
    # Spilling goes to a folder of its own: a query can reach the files beside its spill.
    with scratch_folder(folder) as own:
        limits = replace(stores.limits, spill_folder=own)
        with replace(stores, limits=limits).open(own / f"{CATALOG}.duckdb") as connection:
            files = tuple(file for name, declared in sorted(request.source.inputs.items())
                          for file in _make_input(connection, name, declared, join))
            with _sql_faults_in_words(join.query_name):
                _lock(connection)
                _write_result(connection, join, result)
    return replace(request, path=result, join=replace(join, files=files))


def _make_input(connection: duckdb.DuckDBPyConnection, name: str, declared: Input,
                join: Join) -> list[JoinedFile]:
    """Make the table of one input: its files one below the other, by the names of columns."""
    columns = ", ".join(
        f"cast(null as {'bigint' if column == 'file_row_no' else 'varchar'}) "
        f"as {identifier(column)}" for column in (*declared.columns, *INPUT_COLUMNS))
    connection.execute(f"create table {CATALOG}.main.{identifier(name)} as "
                       f"select {columns} where false")
    counted = []
    for file in join.files:
        if file.input == name:
            counted.append(_add_file(connection, file, declared))
    return counted


def _add_file(connection: duckdb.DuckDBPyConnection, file: JoinedFile,
              declared: Input) -> JoinedFile:
    """Append the rows of one file to the table of its input.

    Raises:
        FileRefused: the file as a whole cannot be read.
    """
    for table in ("reject_errors", "reject_scans"):
        connection.execute(f"drop table if exists temp.main.{table}")
    connection.execute(f"create schema {CATALOG}.file")
    connection.execute(f"use {CATALOG}.file")
    seen = look(file.path, file.name, declared.read)
    seen = read_lines(connection, file.path, file.name, seen, declared.read)
    target = f"{CATALOG}.main.{identifier(file.input)}"
    selected = []
    for position, column in enumerate(table_columns(seen.columns)):
        connection.execute(f"alter table {target} add column if not exists "
                           f"{identifier(column)} varchar")
        selected.append(f"c{position} as {identifier(column)}")
    if selected:
        connection.execute(
            f"insert into {target} by name select {', '.join(selected)}, $name as file_name, "
            f"row_no as file_row_no from ({NUMBERED_LINES})", {"name": file.name})
    row = connection.execute(
        "select (select count(*) from lines), (select count(*) from unreadable)").fetchone()
    assert row is not None
    connection.execute(f"use {CATALOG}.main")
    connection.execute(f"drop schema {CATALOG}.file cascade")
    return replace(file, rows_read_n=row[0] + row[1], rows_unreadable_n=row[1])


def table_columns(header: Sequence[str]) -> tuple[str, ...]:
    """Names of a table's columns for the names of a header.

    A name that is empty becomes `column_<n>`; one that is taken, whatever the case of its
    letters, gets `_2`, `_3` and so on behind it. Nothing is dropped.
    """
    taken = set(INPUT_COLUMNS)
    names = []
    for position, name in enumerate(header, start=1):
        wanted = free = name.strip() or f"column_{position}"
        number = 2
        while free.lower() in taken:
            free = f"{wanted}_{number}"
            number += 1
        taken.add(free.lower())
        names.append(free)
    return tuple(names)


def _lock(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("set python_enable_replacements = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _write_result(connection: duckdb.DuckDBPyConnection, join: Join, target: Path) -> None:
    """The rows of the query as a Parquet file of text columns.

    Raises:
        FileRefused: the text is no single select, or gives a column twice.
    """
    statements = connection.extract_statements(join.query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise FileRefused(f"{join.query_name}: must be one select statement, and nothing else; "
                          f"it has {len(statements)} statement(s)")
    # As a view, so that a fault comes with its line.
    connection.execute(f"create view {CATALOG}.main.query_result__ as\n{join.query}")
    names = [str(name).lower() for name in connection.sql(join.query).columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileRefused(f"{join.query_name}: gives column {', '.join(twice)} twice; name each "
                          f"column once")
    rows = connection.sql(
        f"select cast(columns(*) as varchar) from {CATALOG}.main.query_result__")
    reader = rows.to_arrow_reader(BATCH_ROWS)
    assert reader is not None
    schema = pa.schema([(field.name, pa.string()) for field in reader.schema])
    with pq.ParquetWriter(target, schema) as file:
        for batch in reader:
            file.write_batch(batch.cast(schema))


@contextmanager
def _sql_faults_in_words(query_name: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowInvalid) as error:
        text = str(error)
        line = re.search(r"^LINE (\d+):", text, re.MULTILINE)
        # The view stands one line above the query.
        offset = 0 if isinstance(error, duckdb.ParserException) else 1
        place = f" line {int(line.group(1)) - offset}" if line else ""
        words = " ".join(text[:line.start()].split() if line else text.split())
        if not isinstance(error, SQL_FAULTS):
            words = re.sub(r"'[^']*'|\"[^\"]*\"", "'...'", words)
        if isinstance(error, duckdb.PermissionException):
            words += "; the query may select from its inputs only"
        raise FileRefused(f"{query_name}{place}: {words}") from None
