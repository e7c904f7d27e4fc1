"""The files of a home that the embedded engine keeps, and how they are opened.

Each file has one writer. No connection outlives the step that opened it: the dbt subprocess
needs the build for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from dagster_project.engine.failures import StoreUnreadable, in_words, unreadable
from dagster_project.engine.table import Table

__all__ = ["Limits", "StoreUnreadable", "Stores", "add_columns", "identifier", "literal",
           "make_tables"]

IN_MEMORY = Path(":memory:")
# What the engine raises where a file opens and its content is not what was asked for.
EngineError = duckdb.Error


@dataclass(frozen=True)
class Limits:
    """What the engine may use of the machine.

    Attributes:
        memory: for example 4GB; what does not fit is spilled to `spill_folder`.
        threads: worker threads.
    """

    memory: str
    threads: int
    spill_folder: Path


@dataclass(frozen=True)
class Stores:
    """Paths of the stores of one home."""

    state: Path
    warehouse: Path
    limits: Limits

    @property
    def raw(self) -> Path:
        """Append-only rows, ledger, rejected rows."""
        return self.state / "raw.duckdb"

    @property
    def vault(self) -> Path:
        """Identifiers and rejected text in clear."""
        return self.state / "vault.duckdb"

    @property
    def build(self) -> Path:
        """Facts, features and scores of one night; disposable."""
        return self.state / "build.duckdb"

    @property
    def candidates(self) -> Path:
        """Folder of candidates, one folder each."""
        return self.state / "candidates"

    @property
    def publication(self) -> Path:
        """The warehouse file that BI reads."""
        return self.warehouse / "crm.duckdb"

    @property
    def kept(self) -> Path:
        """Folder of earlier publications."""
        return self.warehouse / "kept"

    @property
    def withdrawn(self) -> Path:
        """Folder of publications that were set aside when an earlier one was restored."""
        return self.warehouse / "withdrawn"

    def approval(self, publication_id: int) -> Path:
        """The approval of a publication; it need not be kept."""
        return self.state / "approvals" / f"publication-{publication_id:06d}.json"

    @property
    def replays(self) -> Path:
        """Folder of replayed publications."""
        return self.warehouse / "replays"

    @property
    def status(self) -> Path:
        """Runs, loads, checks: replaced after every run."""
        return self.warehouse / "status.duckdb"

    def kept_publication(self, publication_id: int) -> Path:
        """The file of an earlier publication; it need not be kept any more."""
        return self.kept / f"publication-{publication_id:06d}.duckdb"

    def candidate(self, candidate_id: str) -> Path:
        """The file of one candidate."""
        return self.candidates / candidate_id / "crm.duckdb"

    @contextmanager
    def open(self, path: Path | None, *, read_only: bool = False,
             **attached: tuple[Path, str]) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to `path` (None: in memory), closed when the block ends.

        Args:
            path: main file.
            read_only: open the main file read-only.
            **attached: alias -> (path, "READ_ONLY" or "READ_WRITE").

        Raises:
            StoreUnreadable: a file cannot be opened, or is damaged where the block reads it.
            ResourceLimit: memory or disk do not suffice for what the block does.
        """
        connection = self.connect(path, read_only=read_only)
        try:
            for alias, (other, mode) in attached.items():
                options = "(READ_ONLY)" if mode == "READ_ONLY" else ""
                try:
                    connection.execute(f"attach {literal(str(other))} as {alias} {options}")
                except duckdb.Error as error:
                    raise unreadable(other, error) from error
            yield connection
        except duckdb.Error as error:
            connection.close()
            words = self.in_words(error, path, *(other for other, _ in attached.values()))
            if words is None:
                raise
            raise words from error
        finally:
            connection.close()

    def connect(self, path: Path | None, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
        """A connection within the limits, which the caller closes; None: in memory.

        Raises:
            StoreUnreadable: the file cannot be opened.
        """
        try:
            connection = duckdb.connect(str(path) if path else ":memory:", read_only=read_only)
        except duckdb.Error as error:
            raise unreadable(path, error) from error
        self._configure(connection)
        return connection

    def in_words(self, error: duckdb.Error, *files: Path | None) -> Exception | None:
        """What people are told of an error that was met while files were open; they are not now.

        None: the engine's own words say it.
        """
        stores = [file for file in files if file is not None and file != IN_MEMORY]
        return in_words(error, stores, self.limits.memory,
                        (self.state, self.warehouse, self.limits.spill_folder))

    @contextmanager
    def open_scratch(self, folder: Path,
                     **attached: tuple[Path, str]) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that calls an empty store of its own `scratch`.

        The store lives in memory, and beyond the limit in `folder`: to write all of what is read
        into a file costs twice as much as to read it.

        Args:
            folder: private; it may get text in clear.
            **attached: as for `open`.
        """
        limits = replace(self.limits, spill_folder=folder)
        with replace(self, limits=limits).open(
                None, read_only=False, scratch=(IN_MEMORY, "READ_WRITE"),
                **attached) as connection:
            yield connection

    def _configure(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.limits.spill_folder.mkdir(parents=True, exist_ok=True)
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set memory_limit = {literal(self.limits.memory)}")
        connection.execute(f"set threads = {int(self.limits.threads)}")
        connection.execute(f"set temp_directory = {literal(str(self.limits.spill_folder))}")
        connection.execute("set autoinstall_known_extensions = false")
        connection.execute("set autoload_known_extensions = false")
        connection.execute("set enable_progress_bar = false")


def literal(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def make_tables(connection: duckdb.DuckDBPyConnection, schema: str,
                tables: tuple[Table, ...]) -> None:
    """Create those of `tables` that `schema` does not have yet."""
    for table in tables:
        connection.execute(table.ddl(schema))


def add_columns(connection: duckdb.DuckDBPyConnection, catalog: str,
                tables: Iterable[Table]) -> set[tuple[str, str]]:
    """Add the columns of `tables` that a store of an earlier release does not have yet.

    They are empty in the rows that are there.

    Args:
        catalog: name under which the store is attached; the tables are in its schema `main`.

    Returns:
        (table, column) of those that were added.
    """
    present = set(connection.execute(
        "select table_name, column_name from duckdb_columns() "
        "where database_name = ? and schema_name = 'main'", [catalog]).fetchall())
    added = set()
    for table in tables:
        for column in table.columns:
            if (table.name, column.name) not in present:
                connection.execute(f"alter table {catalog}.main.{table.name} "
                                   f"add column {column.name} {column.type}")
                added.add((table.name, column.name))
    return added
