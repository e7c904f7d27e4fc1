"""What a warehouse file holds, for whoever loads it elsewhere: relations, rows, checksums.

Reading only. Where the rows go is not known here; that both places sum a row alike is: a checksum
is made of the texts that `ROW_KINDS` promises, which any database can write.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow import csv as arrow_csv

from dagster_project.engine.stores import Stores, identifier

BATCH_ROWS = 20_000
# PostgreSQL takes no NUL in a text; delimited files get the same mark when they are read.
NUL_MARK = "\N{REPLACEMENT CHARACTER}"
# Stands between the cells of a row that is summed, and for a cell without a value.
CELL_END, NO_VALUE = "chr(31)", "chr(30)"
# A function takes no more in PostgreSQL than a hundred arguments.
MOST_ARGUMENTS = 90

# What is summed of a cell, by the kind of its type:
#   plain: the text of the value: whole numbers, decimals with all their places, ISO dates, true and
#       false, UUIDs in small letters; texts themselves;
#   time: microseconds since 1970 in UTC;
#   double: its 64 bits as 0 and 1, since engines write numbers in other digits; NaN, which has
#       many bit patterns, as NaN.
ROW_KINDS = {"TIMESTAMP": "time", "TIMESTAMP WITH TIME ZONE": "time", "DOUBLE": "double"}


@dataclass(frozen=True)
class FileColumn:
    """One column as the file has it.

    Attributes:
        type: the engine's type, for example DECIMAL(7,4).
        comment: what it means; empty: nothing was said.
    """

    name: str
    type: str
    is_required: bool
    comment: str

    @property
    def kind(self) -> str:
        """How a cell is summed: plain, time or double."""
        return ROW_KINDS.get(self.type, "plain")


@dataclass(frozen=True)
class Relation:
    """One table or view of the file.

    Attributes:
        query: of a view, the select that makes it, over plain names of this file; None: a table.
    """

    name: str
    columns: tuple[FileColumn, ...]
    comment: str
    query: str | None


@dataclass(frozen=True)
class Checksum:
    """What a relation holds, whatever the order of its rows."""

    rows_n: int
    row_sum: int


@dataclass(frozen=True)
class FilePublication:
    """The newest publication of a file.

    Attributes:
        sha256: of the bytes; two files are the same publication if and only if these are equal.
    """

    publication_id: int
    as_of_date: date
    candidate_id: str
    sha256: str


class WarehouseFile:
    """An open warehouse file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def relations(self) -> tuple[Relation, ...]:
        """Tables, then views, by name."""
        views = {name: (sql, comment) for name, sql, comment in self._rows(
            "select view_name, sql, comment from duckdb_views() "
            "where database_name = current_database() and schema_name = 'main' and not internal")}
        tables = dict(self._rows(
            "select table_name, comment from duckdb_tables() "
            "where database_name = current_database() and schema_name = 'main'"))
        columns: dict[str, list[FileColumn]] = {}
        for table, name, kind, is_nullable, comment in self._rows(
                "select table_name, column_name, data_type, is_nullable, comment "
                "from duckdb_columns() where database_name = current_database() "
                "and schema_name = 'main' and not internal order by table_name, column_index"):
            columns.setdefault(table, []).append(
                FileColumn(name, kind, not is_nullable, comment or ""))
        return (
            *(Relation(name, tuple(columns[name]), tables[name] or "", None)
              for name in sorted(tables)),
            *(Relation(name, tuple(columns[name]), views[name][1] or "",
                       _query_of(views[name][0])) for name in sorted(views)),
        )

    def csv_of(self, relation: Relation) -> Iterator[bytes]:
        """Rows as CSV in UTF-8, without a header, a batch at a time.

        Texts stand in quotation marks, so that an empty one is told from a missing one.
        """
        cells = ", ".join(_cell(column) for column in relation.columns)
        reader: pa.RecordBatchReader = self._connection.sql(
            f"select {cells} from {identifier(relation.name)}").to_arrow_reader(BATCH_ROWS)
        options = arrow_csv.WriteOptions(include_header=False)
        for batch in reader:
            written = io.BytesIO()
            arrow_csv.write_csv(batch, written, options)
            yield written.getvalue()

    def checksum(self, relation: Relation) -> Checksum:
        """Number of rows, and the sum of their hashes."""
        row = row_text(relation, _summed)
        [(rows_n, row_sum)] = self._rows(
            f"select count(*), coalesce(sum(cast('0x' || left(md5({row}), 15) as bigint)), 0) "
            f"from {identifier(relation.name)}")
        return Checksum(int(rows_n), int(row_sum))

    def newest(self) -> tuple[int, date, str]:
        """Number, date and candidate of the newest publication."""
        [(publication_id, as_of_date, candidate_id)] = self._rows(
            "select publication_id, as_of_date, candidate_id from publication "
            "order by publication_id desc limit 1")
        return int(publication_id), as_of_date, str(candidate_id)

    def _rows(self, query: str) -> list[tuple]:
        return self._connection.execute(query).fetchall()


@contextmanager
def open_warehouse_file(stores: Stores, path: Path) -> Iterator[WarehouseFile]:
    """A warehouse file, for reading.

    Raises:
        StoreUnreadable: it cannot be opened.
    """
    with stores.open(path, read_only=True) as connection:
        yield WarehouseFile(connection)


def publication_of(stores: Stores, path: Path) -> FilePublication:
    """The newest publication of a file, with the hash of the file.

    Raises:
        StoreUnreadable: it cannot be opened.
    """
    with open_warehouse_file(stores, path) as file:
        newest = file.newest()
    with path.open("rb") as stream:
        return FilePublication(*newest, hashlib.file_digest(stream, "sha256").hexdigest())


def row_text(relation: Relation, summed: Callable[[FileColumn], str]) -> str:
    """The SQL expression for the text of a row, of which the hash is summed.

    Args:
        relation: whose rows.
        summed: column -> expression for what ROW_KINDS says of its kind; NULL of NULL.
    """
    cells = [f"coalesce({summed(column)}, {NO_VALUE})" for column in relation.columns]
    # One cell after the other would copy the row as often as it has cells.
    parts = [f"concat_ws({CELL_END}, {', '.join(cells[start:start + MOST_ARGUMENTS])})"
             for start in range(0, len(cells), MOST_ARGUMENTS)]
    return f" || {CELL_END} || ".join(parts)


def _cell(column: FileColumn) -> str:
    name = identifier(column.name)
    if column.type == "VARCHAR":
        return f"replace({name}, chr(0), '{NUL_MARK}') as {name}"
    return f"cast({name} as varchar) as {name}" if column.type == "UUID" else name


def _summed(column: FileColumn) -> str:
    name = identifier(column.name)
    if column.type == "VARCHAR":
        return f"replace({name}, chr(0), '{NUL_MARK}')"
    if column.kind == "time":
        return f"cast(epoch_us({name}) as varchar)"
    if column.kind == "double":
        return f"case when isnan({name}) then 'NaN' else cast(cast({name} as bit) as varchar) end"
    return f"cast({name} as varchar)"


def _query_of(sql: str) -> str:
    return re.sub(r"^CREATE VIEW .+? AS ", "", sql.strip().rstrip(";"), count=1, flags=re.DOTALL)
