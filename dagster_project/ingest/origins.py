"""Where the rows of a source come from when no single file of landing/ has them: models only.

`database:` is a query of a database that is read on from a cursor; `query:` with `inputs:` is an
SQL file that joins files of landing/. Reading the first stands in `databases.py`, finding the
files of the second in `joins.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from dagster_project.ingest.reading_rules import ReadRules
from dagster_project.yaml_file import Fault

# As columns of every input beside those of its files.
INPUT_COLUMNS = ("file_name", "file_row_no")


def _below_landing(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if pattern.startswith("/") or ".." in pattern.split("/"):
            raise ValueError(f"{pattern!r} must lie below landing/")
    return patterns


# Glob patterns of a source's files, or of an input's.
FilesBelowLanding = Annotated[tuple[str, ...], AfterValidator(_below_landing)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Database(_Strict):
    """A query whose rows are read on, night by night, from where the last night ended.

    Every row whose cursor is not below the last value comes again, and is then a repeat; so a
    row that takes the last value later is not missed. A row that is deleted in the database, or
    whose cursor does not move when it changes, stays as it was.

    Attributes:
        url: name of the environment variable with the URL, for example
            postgresql://user:password@host/shop or sqlite:////srv/shop.db.
        query: one select; a cell is text as a file would have it, times in UTC.
        cursor: column of the query that grows whenever a row is added or changed: a whole
            number, a date, a time, or a text that the database orders. Its values stand in
            names and tables that people read, so nothing personal.
        document: column of the query that names the order; all lines of an order are then read
            together as soon as one of them has moved.
        chunk_rows: rows of one load. Rows with one value of the cursor are never parted.
        look_back: how far below the last value reading begins, for rows that were committed
            late: seconds of a time, units of a number. Dates and texts begin at the last value.
    """

    url: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    query: str = Field(min_length=1)
    cursor: str = Field(min_length=1)
    document: str | None = Field(default=None, min_length=1)
    chunk_rows: int = Field(default=100_000, ge=1, le=10_000_000)
    look_back: int = Field(default=3600, ge=0, le=10**9)

    @field_validator("url", mode="before")
    @classmethod
    def _is_a_name(cls, value: object) -> object:
        # The fault would show the value, and with it the password.
        if isinstance(value, str) and ":" in value:
            raise ValueError("must be the name of an environment variable, never the URL itself, "
                             "which has a password in it")
        return value


class Input(_Strict):
    """Files of landing/ that are one table of the query: every column as text.

    Columns have the names of the header; a second one of the same name, whatever the case of
    its letters, has `_2` behind it, one without a name is `column_<n>`. `file_name` and
    `file_row_no` say where a row stood.

    Attributes:
        files: glob patterns below landing/; files with different columns are put one below the
            other by the names of their columns.
        read: how the files are read.
        optional: the query runs without such a file too, and finds an empty table.
        columns: names that the table has even where no file has them.
    """

    files: FilesBelowLanding = Field(min_length=1)
    read: ReadRules = ReadRules()
    optional: bool = False
    columns: tuple[str, ...] = ()

    @field_validator("columns")
    @classmethod
    def _not_given_anyway(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name in INPUT_COLUMNS:
                raise ValueError(f"{name} is a column of every input")
        return names


def origin_faults(*, kind: str, files: tuple[str, ...], read: ReadRules,
                  database: Database | None, query: str | None, inputs: Mapping[str, Input],
                  version: str, overlap: str) -> Iterator[Fault]:
    """What a source says of its origin that cannot be meant together: (keys below it, words).

    Args:
        kind: kind of export.
        files, read: of a source of plain files.
        database: of a source that is a database.
        query, inputs: of a source that is a join.
        version: rule by which newer versions are known.
        overlap: same or distinct.
    """
    stated = [key for key, value in (("files", files), ("database", database), ("query", query))
              if value]
    if not stated:
        yield ("files",), "must be given, or database, or query with inputs"
    for key in stated[1:]:
        yield (key,), f"cannot stand beside {stated[0]}: a source has one origin"
    if not files and read != ReadRules():
        yield ("read",), "is of files; an input of a query states its own"
    if query is not None:
        yield from _join_faults(query, inputs)
    elif inputs:
        yield ("inputs",), "are what a query selects from; state the SQL file under query"
    if database is not None:
        yield from _database_faults(database, kind, version, overlap)


def _join_faults(query: str, inputs: Mapping[str, Input]) -> Iterator[Fault]:
    if not re.fullmatch(r"(?!.*\.\.)\w[\w./-]*\.sql", query):
        yield ("query",), (f"is {query!r}; it must be an SQL file beside sources.yaml, for "
                           f"example queries/orders.sql")
    if not inputs:
        yield ("inputs",), "must be given: the tables that the query selects from"
    for name in inputs:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
            yield ("inputs", name), "is the name of a table: small letters, digits and _ only"


def _database_faults(database: Database, kind: str, version: str,
                     overlap: str) -> Iterator[Fault]:
    if version == "file_name":
        yield ("version",), "a database has no file names; state arrival, or {rule: column}"
    if overlap == "distinct":
        yield ("overlap",), ("rows of a database come again every night: equal rows are one "
                             "fact, so same")
    if kind == "orders" and database.document is None:
        yield ("database", "document"), (
            "must name the column of the order's id: the lines of an order are read together, "
            "or a line that changed would replace the whole order")
