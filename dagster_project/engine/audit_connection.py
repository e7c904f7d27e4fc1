"""A read-only look at one candidate and the night's loads, for the gate.

Everything the gate needs from the engine is here: the two files attached read-only under plain
names, counting of offending rows, fingerprints, and the way in for Great Expectations. What is
checked stays out: that is declared in expectations/ and run by quality/.

What a check sees:

- `crm.<table>`: tables and views of the candidate;
- `night.<raw table>`, `night.load_ledger`, `night.rejected_rows`, `night.repaired_rows`: rows of
  the night's loads;
- `night.publication`: the newest publication, the one the candidate adds;
- `night.customer_score_history`, `night.score_changes`: the rows that this publication adds;
- `night.text_values`: table_name, column_name, value: every distinct text a reader could see;
- `night.<table>` for each table of small facts that the caller passes;
- `looks_like_email(text)`, `looks_like_phone(text)`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import sqlalchemy
import sqlalchemy.dialects
from duckdb_engine import ConnectionWrapper, CursorWrapper, Dialect
from sqlalchemy.engine.interfaces import ReflectedColumn

from dagster_project.engine.failures import damage_in_words
from dagster_project.engine.personal_text import make_text_macros
from dagster_project.engine.table import Table
from dagster_project.engine.time_bound import TimeBound
from dagster_project.ingest.tables import (
    LOAD_LEDGER,
    RAW_TABLES,
    REJECTED_ROWS,
    REPAIRED_ROWS,
)
from dagster_project.publish.change_tables import SCORE_CHANGES
from dagster_project.publish.tables import CUSTOMER_SCORE_HISTORY, PUBLICATION

# Row hashes hold for one version of the engine.
ENGINE_VERSION = f"duckdb {duckdb.__version__}"
# Large, and grown by every publication: what older ones added was looked at in their own night.
GROWING_TABLES = (CUSTOMER_SCORE_HISTORY.name, SCORE_CHANGES.name)
CHECK_SECONDS = 900.0
CHECK_SECONDS_SETTING = "gate: maximum_check_seconds in config/home.yaml"

Answer = TypeVar("Answer")


class AuditConnection:
    """An open audit: questions about one candidate, no way to change it.

    Whatever is asked may raise NoAnswerInTime.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection,
                 check_seconds: float = CHECK_SECONDS) -> None:
        self._connection = connection
        self._bound = TimeBound(check_seconds, CHECK_SECONDS_SETTING)

    @property
    def engine_version(self) -> str:
        """Name and version of the engine; row hashes hold for one version only."""
        return ENGINE_VERSION

    def one_check(self) -> AbstractContextManager[None]:
        """What is asked inside is one check: its questions share the bound."""
        return self._bound.shared()

    def columns(self, relation: str) -> dict[str, str]:
        """Column names of `schema.table` with their types, in order; empty: no such table."""
        schema, table = relation.split(".")
        _, rows = self._ask(
            "select column_name, data_type from information_schema.columns "
            "where table_catalog = 'memory' and table_schema = ? and table_name = ? "
            "order by ordinal_position",
            (schema, table),
        )
        return dict(rows)

    def rows_n(self, relation: str) -> int:
        """Number of rows of `schema.table`."""
        return self._count(f"select count(*) from {relation}")

    def offending(self, query: str, examples: int = 1) -> tuple[int, list[dict[str, Any]]]:
        """Number of rows of a query, and the first of them by its first column.

        Args:
            query: a select that returns the rows at fault.
            examples: rows that are returned at most.

        Returns:
            The count, and rows as column -> value, not masked.
        """
        count = self._count(f"select count(*) from (\n{query}\n) as offending")
        if count == 0:
            return 0, []
        names, rows = self._ask(f"select * from (\n{query}\n) as offending order by 1 "
                                f"limit {int(examples)}")
        return count, [dict(zip(names, row, strict=True)) for row in rows]

    def expectation_source(self) -> tuple[str, dict[str, Any]]:
        """Connection string and create_engine arguments for Great Expectations."""
        return "duckdb+audit://", {"creator": self._creator}

    def fingerprints(self, without: Collection[str] = ()) -> dict[str, dict[str, Any]]:
        """Fingerprints of the tables and views of `crm`, see `fingerprints_of`."""
        cursor = self._connection.cursor()
        return self._bound.ask(cursor, lambda: _fingerprints(cursor, frozenset(without)))

    def _creator(self) -> ConnectionWrapper:
        return _StatementPerCursor(self._connection.cursor(), self._bound)

    def _count(self, query: str) -> int:
        _, ((count,),) = self._ask(query)
        return int(count)

    def _ask(self, query: str, parameters: Sequence[Any] = ()
             ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names of the columns, and the rows; a cursor of its own, which can be left behind."""
        cursor = self._connection.cursor()
        rows = self._bound.ask(cursor, lambda: cursor.execute(query, list(parameters)).fetchall())
        return [entry[0] for entry in cursor.description or ()], rows


class _StatementPerCursor(ConnectionWrapper):
    """Hands out a fresh engine cursor for each statement.

    Great Expectations 1.24 reads a result after its connection went back to the pool, whose
    rollback empties it ("list index out of range"). A result with a cursor of its own outlives
    that.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, bound: TimeBound) -> None:
        super().__init__(connection)
        self._parent = connection
        self._bound = bound

    def cursor(self) -> CursorWrapper:
        """A cursor whose result nobody else can take away."""
        return _BoundedCursor(self._parent.cursor(), self, self._bound)


class _BoundedCursor(CursorWrapper):
    """A cursor that is waited for no longer than the bound.

    The engine may do the work when a statement is executed or when its rows are fetched.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, parent: ConnectionWrapper,
                 bound: TimeBound) -> None:
        super().__init__(cursor, parent)
        self._cursor = cursor
        self._bound = bound

    def execute(self, statement: str, parameters: Any = None, context: Any = None) -> None:
        """As the cursor does it."""
        execute = super().execute
        self._waited(lambda: execute(statement, parameters, context))

    def fetchone(self) -> Any:
        """As the cursor does it."""
        return self._waited(self._cursor.fetchone)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """As the cursor does it."""
        fetchmany = super().fetchmany
        return self._waited(lambda: fetchmany(size))

    def fetchall(self) -> list[Any]:
        """As the cursor does it."""
        return self._waited(self._cursor.fetchall)

    def _waited(self, question: Callable[[], Answer]) -> Answer:
        return self._bound.ask(self._cursor, question)


class AuditDialect(Dialect):
    """The engine's dialect with a short way to the columns of a table.

    The one it inherits reads the catalogue as PostgreSQL would, 0.1 s for every table.
    """

    supports_statement_cache = False

    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **_: Any
    ) -> list[ReflectedColumn]:
        """Names of the columns; types are not told apart, no allowed expectation asks."""
        rows = connection.execute(
            sqlalchemy.text(
                "select column_name from duckdb_columns() where database_name = 'memory' "
                "and schema_name = :schema and table_name = :table_name order by column_index"
            ),
            {"schema": schema or "main", "table_name": table_name},
        ).fetchall()
        return [{"name": name, "type": sqlalchemy.types.NullType(), "nullable": True,
                 "default": None} for (name,) in rows]


sqlalchemy.dialects.registry.register("duckdb.audit", __name__, AuditDialect.__name__)


@contextmanager
def open_audit(
    candidate: Path,
    raw: Path,
    *,
    after_load_seq: int,
    known_load_seq: int,
    facts: Sequence[tuple[Table, Sequence[tuple[Any, ...]]]] = (),
    memory_limit: str | None = None,
    threads: int | None = None,
    check_seconds: float = CHECK_SECONDS,
) -> Iterator[AuditConnection]:
    """Open candidate and raw for reading.

    Args:
        candidate: the file to be published.
        raw: the raw file.
        after_load_seq: last load that the previous publication knew; the night's come after.
        known_load_seq: last load of the night (K).
        facts: small tables for `night`, with their rows.
        memory_limit: for example "2GB"; None: the engine's default.
        threads: None: the engine's default.
        check_seconds: how long one check, or one other question, is waited for.

    Raises:
        FileNotFoundError: a file is missing.
        StoreDamaged: a file is damaged.
        NoAnswerInTime: the files could not be opened within the bound of a check.
    """
    for path in (candidate, raw):
        _must_exist(path)
    with (
        damage_in_words(candidate, raw),
        tempfile.TemporaryDirectory(prefix=".audit-", dir=candidate.parent) as spill,
        _memory(spill, memory_limit, threads) as connection,
    ):
        TimeBound(check_seconds, CHECK_SECONDS_SETTING).ask(
            connection, lambda: _prepare(connection, candidate, raw, after_load_seq,
                                         known_load_seq, facts))
        yield AuditConnection(connection, check_seconds)


def fingerprints_of(candidate: Path, without: Collection[str] = (),
                    without_columns: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Fingerprint every table of the file: what it holds, whatever the row order.

    Rows are summed as hashes; xor would make a table in which each row stands twice equal to an
    empty one.

    Args:
        candidate: the file.
        without: tables left out, those that differ from run to run.
        without_columns: columns left out, of whatever table.

    Returns:
        table -> {"rows_n": 3, "hash_sum": "123", "columns": sha256 of names and types}; a view
        has rows_n and hash_sum None and the hash of its definition.
    """
    _must_exist(candidate)
    with damage_in_words(candidate), duckdb.connect(":memory:") as connection:
        _attach(connection, candidate, "candidate")
        return _fingerprints(connection, frozenset(without), frozenset(without_columns))


def history_fingerprint(publication: Path, publication_id: int,
                        without_columns: Collection[str] = (),
                        table: Table = CUSTOMER_SCORE_HISTORY) -> dict[str, Any]:
    """Fingerprint the rows that a growing table of a file holds of one publication.

    Args:
        publication: the file.
        publication_id: whose rows.
        without_columns: columns left out.
        table: has a column publication_id.

    Returns:
        {"rows_n": 3, "hash_sum": "123"}; no rows where they fell out of history.
    """
    _must_exist(publication)
    with (
        damage_in_words(publication),
        duckdb.connect(str(publication), read_only=True) as connection,
    ):
        names = ", ".join(name for name in table.column_names
                          if name not in without_columns)
        row = connection.execute(
            f"select count(*), coalesce(sum(hash({names})), 0)::varchar "
            f"from {table.name} where publication_id = ?", [publication_id]
        ).fetchone()
    assert row is not None, "an aggregate returns one row"
    return {"rows_n": row[0], "hash_sum": row[1]}


def _prepare(
    connection: duckdb.DuckDBPyConnection, candidate: Path, raw: Path, after_load_seq: int,
    known_load_seq: int, facts: Sequence[tuple[Table, Sequence[tuple[Any, ...]]]],
) -> None:
    """Give a check what it sees, and nothing else."""
    _attach(connection, candidate, "candidate")
    _attach(connection, raw, "raw_file")
    connection.execute("create schema crm")
    connection.execute("create schema night")
    crm = _relations(connection, "candidate", "main")
    for name in crm:
        # A view of the candidate whose table is missing cannot be read: it is left out, and
        # what asks for it is not evaluated.
        with suppress(duckdb.CatalogException, duckdb.BinderException):
            connection.execute(f'create view crm."{name}" as from candidate.main."{name}"')
    _create_night_loads(connection, after_load_seq, known_load_seq)
    _create_night_publication(connection, crm)
    for table, rows in facts:
        connection.execute(table.ddl("night"))
        marks = ", ".join("?" for _ in table.columns)
        for row in rows:
            connection.execute(f"insert into night.{table.name} values ({marks})", list(row))
    _create_text_values(connection)
    # From here on nothing may be read but the two files: no extension, no network.
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist, so it cannot be audited")


@contextmanager
def _memory(
    spill: str, memory_limit: str | None, threads: int | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, Any] = {
        "temp_directory": spill,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if threads is not None:
        config["threads"] = threads
    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute("set TimeZone = 'UTC'")
        yield connection
    finally:
        # A question that was left behind keeps its connection until the process ends.
        with suppress(duckdb.ResourceInUseException):
            connection.close()


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    quoted = str(path).replace("'", "''")
    connection.execute(f"attach '{quoted}' as {name} (read_only)")


def _relations(connection: duckdb.DuckDBPyConnection, catalog: str, schema: str) -> list[str]:
    rows = connection.execute(
        "select table_name from information_schema.tables "
        "where table_catalog = ? and table_schema = ? order by table_name",
        [catalog, schema],
    ).fetchall()
    return [row[0] for row in rows]


def _create_night_loads(
    connection: duckdb.DuckDBPyConnection, after_load_seq: int, known_load_seq: int
) -> None:
    present = set(_relations(connection, "raw_file", "main"))
    for table in (*RAW_TABLES, LOAD_LEDGER, REJECTED_ROWS, REPAIRED_ROWS):
        if table.name in present:
            connection.execute(
                f"create view night.{table.name} as from raw_file.main.{table.name} "
                f"where load_seq > {int(after_load_seq)} and load_seq <= {int(known_load_seq)}"
            )


def _create_night_publication(connection: duckdb.DuckDBPyConnection, crm: Sequence[str]) -> None:
    if PUBLICATION.name not in crm:
        return
    connection.execute(
        "create table night.publication as from candidate.main.publication "
        "where publication_id = (select max(publication_id) from candidate.main.publication)"
    )
    row = connection.execute("select max(publication_id) from night.publication").fetchone()
    newest = row[0] if row and row[0] is not None else 0
    for name in GROWING_TABLES:
        if name in crm:
            # A constant, so that the engine skips the blocks of older nights.
            connection.execute(f"create view night.{name} as "
                               f"from candidate.main.{name} where publication_id = {newest}")


def _create_text_values(connection: duckdb.DuckDBPyConnection) -> None:
    make_text_macros(connection)
    rows = connection.execute(
        "select table_schema, table_name, column_name from information_schema.columns "
        "where table_catalog = 'memory' and data_type in ('VARCHAR', 'JSON') "
        "and (table_schema = 'crm' or table_schema || '.' || table_name = 'night.rejected_rows') "
        "order by all"
    ).fetchall()
    tables = {
        name for (name,) in connection.execute(
            "select table_name from duckdb_tables() "
            "where database_name = 'candidate' and schema_name = 'main'"
        ).fetchall()
    }
    parts = ["select null::varchar as table_name, null::varchar as column_name, "
             "null::varchar as value where false"]
    for schema, table, column in rows:
        if schema == "crm" and table not in tables:
            continue  # a view shows texts of tables that are looked at already
        is_growing = table in GROWING_TABLES and PUBLICATION.name in tables
        home = "night" if is_growing else schema
        parts.append(
            f"select distinct '{table}', '{column}', \"{column}\"::varchar from {home}.\"{table}\" "
            f'where "{column}" is not null'
        )
    connection.execute("create view night.text_values as\n" + "\nunion all\n".join(parts))


def _fingerprints(
    connection: duckdb.DuckDBPyConnection, without: frozenset[str],
    without_columns: frozenset[str] = frozenset(),
) -> dict[str, dict[str, Any]]:
    columns: dict[str, list[tuple[str, str]]] = {}
    for table, column, data_type in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = 'candidate' and schema_name = 'main' "
        "order by table_name, column_index"
    ).fetchall():
        if table not in without and column not in without_columns:
            columns.setdefault(table, []).append((column, data_type))
    views = dict(connection.execute(
        "select view_name, sql from duckdb_views() "
        "where database_name = 'candidate' and schema_name = 'main'"
    ).fetchall())
    found: dict[str, dict[str, Any]] = {}
    for table, described in columns.items():
        if table in views:
            found[table] = {"rows_n": None, "hash_sum": None, "columns": _sha256(views[table])}
            continue
        names = ", ".join(f'"{column}"' for column, _ in described)
        row = connection.execute(
            f"select count(*), coalesce(sum(hash({names})), 0)::varchar "
            f'from candidate.main."{table}"'
        ).fetchone()
        assert row is not None, "an aggregate returns one row"
        found[table] = {"rows_n": row[0], "hash_sum": row[1], "columns": _sha256(repr(described))}
    return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
