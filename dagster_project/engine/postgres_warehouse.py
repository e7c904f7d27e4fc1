"""PostgreSQL as a serving database: one publication in schema `crm`, for readers.

Readers see views. A publication is loaded into a schema of its own, `crm__<publication>_<hash>`,
in one transaction that also verifies it: a publisher that is killed leaves nothing. A second,
short transaction points all views at it (`postgres_switch.py`). `crm__ledger.publications` says
what is loaded and which of it is shown; it changes in the same two transactions.

Only one publisher works at a time, by an advisory lock. It belongs to a connection, so the
program must reach the server itself and not through a pool that shares connections.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from dagster_project.engine.postgres_switch import (
    LOADED_SCHEMA,
    SERVED,
    PostgresSwitch,
    lock_timeout_ms,
    quoted,
    run,
)
from dagster_project.engine.serving import ServingBounds, ServingFailed, Tell, WrongServingUrl
from dagster_project.engine.stores import Stores
from dagster_project.engine.warehouse_file import (
    Checksum,
    FileColumn,
    FilePublication,
    Relation,
    WarehouseFile,
    open_warehouse_file,
    publication_of,
    row_text,
)

APPLICATION = "crm-value publisher"
CONNECT_SECONDS = 20
LOOK_AGAIN_SECONDS = 0.5
# The server cuts longer names off without a word, and may make two equal.
LONGEST_NAME = 63
# Any number will do that other programs in the database are unlikely to take.
ADVISORY_KEY = 0x63726D5F76616C75
SAME_TYPES = {"DATE": "date", "UUID": "uuid", "VARCHAR": "text", "BOOLEAN": "boolean",
              "TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer",
              "BIGINT": "bigint", "DOUBLE": "double precision",
              "TIMESTAMP": "timestamp with time zone",
              "TIMESTAMP WITH TIME ZONE": "timestamp with time zone"}

LEDGER_SCHEMA = "crm__ledger"
LEDGER = sa.Table(
    "publications", sa.MetaData(schema=LEDGER_SCHEMA),
    sa.Column("schema_name", sa.Text, primary_key=True),
    sa.Column("publication_id", sa.Integer, nullable=False),
    sa.Column("as_of_date", sa.Date, nullable=False),
    sa.Column("candidate_id", sa.Text, nullable=False),
    sa.Column("file_sha256", sa.Text, nullable=False),
    sa.Column("home_token", sa.Text, nullable=False),
    sa.Column("relations_n", sa.Integer, nullable=False),
    sa.Column("rows_n", sa.BigInteger, nullable=False),
    sa.Column("loaded_at", sa.DateTime(timezone=True), server_default=sa.func.now(),
              nullable=False),
    sa.Column("shown_at", sa.DateTime(timezone=True)),
    sa.Column("is_shown", sa.Boolean, nullable=False, server_default=sa.false()),
)


@dataclass
class _Progress:
    """How far a switch has come: the block was passed, the switch committed."""

    is_given: bool = False
    is_shown: bool = False


class PostgresWarehouse:
    """One database as the second place of a home's publications.

    Attributes:
        place: `schema crm of database D at H`, without who logs in.
    """

    def __init__(self, url: str, stores: Stores, *, home_token: str, bounds: ServingBounds,
                 tell: Tell) -> None:
        """Connects when it is asked for something.

        Args:
            url: postgresql://user:password@host/database.
            stores: of the home; how its files are opened.
            home_token: tells this home from others; a database holds one.
            bounds: how the switch treats readers.
            tell: called with what is worth knowing and stops nothing.

        Raises:
            ServingFailed: the URL is none of a PostgreSQL database.
        """
        self._url = _parsed(url)
        self._stores = stores
        self._home_token = home_token
        self._bounds = bounds
        self._tell = tell
        self._engine = sa.create_engine(
            self._url, poolclass=NullPool, hide_parameters=True,
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": APPLICATION,
                          "options": "-c timezone=UTC -c datestyle=ISO -c client_encoding=UTF8"})

    @property
    def place(self) -> str:
        """Where readers find it."""
        host = self._url.host or self._url.query.get("host") or "this machine"
        return f"schema {SERVED} of database {self._url.database} at {host}"

    def shows(self, file: Path) -> bool:
        """Whether readers see exactly the publication of `file`."""
        sha256 = publication_of(self._stores, file).sha256
        with self._faults_in_words(), self._engine.connect() as connection:
            if not sa.inspect(connection).has_table(LEDGER.name, schema=LEDGER_SCHEMA):
                return False
            return connection.scalar(
                sa.select(LEDGER.c.file_sha256).where(LEDGER.c.is_shown)) == sha256

    @contextmanager
    def switching(self, file: Path) -> Iterator[None]:
        """See `ServingDatabase.switching`."""
        publication = publication_of(self._stores, file)
        with self._faults_in_words() as progress, self._engine.connect() as connection:
            self._require_database(connection)
            with self._as_only_publisher(connection):
                self._prepare(connection)
                schema = self._loaded(connection, file, publication)
                switch = PostgresSwitch(connection, self._engine, self._bounds)
                with switch.to(schema, self._meanings(file)):
                    _show(connection, schema)
                    yield
                    progress.is_given = True
                progress.is_shown = True
                self._drop_old(connection)

    # --- before -------------------------------------------------------------------------------

    def _require_database(self, connection: sa.Connection) -> None:
        """Raise unless the database can hold our texts."""
        encoding = run(connection, "show server_encoding").scalar()
        connection.rollback()
        if encoding != "UTF8":
            raise ServingFailed(f"database {self._url.database} has the encoding {encoding}; make "
                                f"one with encoding UTF8")

    @contextmanager
    def _as_only_publisher(self, connection: sa.Connection) -> Iterator[None]:
        deadline = time.monotonic() + self._bounds.switch_wait_seconds
        key = {"key": ADVISORY_KEY}
        while not connection.scalar(sa.text("select pg_try_advisory_lock(:key)"), key):
            connection.rollback()
            if time.monotonic() > deadline:
                holder = connection.scalar(sa.text(
                    "select min(pid) from pg_locks where locktype = 'advisory' and granted "
                    "and classid = (cast(:key as bigint) >> 32)::oid"), key)
                raise ServingFailed(f"another publisher works on database {self._url.database} "
                                    f"(pid {holder}) and has not ended after "
                                    f"{self._bounds.switch_wait_seconds:g} s")
            time.sleep(LOOK_AGAIN_SECONDS)
        connection.commit()
        try:
            yield
        finally:
            if not connection.invalidated and not connection.closed:
                connection.rollback()
                connection.execute(sa.text("select pg_advisory_unlock(:key)"), key)
                connection.commit()

    def _prepare(self, connection: sa.Connection) -> None:
        """Make ledger and served schema, and clear away what a publisher left behind."""
        with connection.begin():
            for schema in (SERVED, LEDGER_SCHEMA):
                # Not `create if not exists`, which asks for the right to create either way.
                if not sa.inspect(connection).has_schema(schema):
                    connection.execute(sa.schema.CreateSchema(schema))
            LEDGER.metadata.create_all(connection)
            others = connection.scalar(
                sa.select(sa.func.count()).where(LEDGER.c.home_token != self._home_token))
            if others:
                raise ServingFailed(f"database {self._url.database} holds the publications of "
                                    f"another home; give each home a database of its own")
            known = set(connection.scalars(sa.select(LEDGER.c.schema_name)))
            there = {name for name in sa.inspect(connection).get_schema_names()
                     if re.fullmatch(LOADED_SCHEMA, name)}
            connection.execute(sa.delete(LEDGER).where(LEDGER.c.schema_name.in_(known - there)))
        for name in sorted(there - known):
            self._drop(connection, name)

    def _meanings(self, file: Path) -> tuple[Relation, ...]:
        with open_warehouse_file(self._stores, file) as opened:
            return opened.relations()

    # --- loading ------------------------------------------------------------------------------

    def _loaded(self, connection: sa.Connection, path: Path,
                publication: FilePublication) -> str:
        """The schema that holds the publication; loaded now if it was not before."""
        with connection.begin():
            found = connection.scalar(sa.select(LEDGER.c.schema_name).where(
                LEDGER.c.file_sha256 == publication.sha256))
        if found:
            return str(found)
        schema = f"crm__{publication.publication_id:06d}_{publication.sha256[:8]}"
        with connection.begin(), open_warehouse_file(self._stores, path) as file:
            connection.execute(sa.schema.CreateSchema(schema))
            # Views of the file name their tables plainly.
            run(connection, f"set local search_path = {quoted(schema)}")
            relations = file.relations()
            rows_n = 0
            for relation in relations:
                if relation.query is None:
                    _copy(connection, file, relation)
                else:
                    run(connection, f"create view {quoted(relation.name)} as {relation.query}")
                rows_n += _verify(connection, file, relation)
            connection.execute(sa.insert(LEDGER).values(
                schema_name=schema, publication_id=publication.publication_id,
                as_of_date=publication.as_of_date, candidate_id=publication.candidate_id,
                file_sha256=publication.sha256, home_token=self._home_token,
                relations_n=len(relations), rows_n=rows_n))
        return schema

    # --- afterwards ---------------------------------------------------------------------------

    def _drop_old(self, connection: sa.Connection) -> None:
        """Drop loaded publications that fall out; what is in use stays until the next time."""
        with connection.begin():
            names = list(connection.scalars(
                sa.select(LEDGER.c.schema_name).where(~LEDGER.c.is_shown)
                .order_by(LEDGER.c.shown_at.desc().nulls_last())))
            never_shown = set(connection.scalars(
                sa.select(LEDGER.c.schema_name).where(LEDGER.c.shown_at.is_(None))))
        kept = [name for name in names if name not in never_shown]
        for name in (*kept[self._bounds.keep_publications:], *sorted(never_shown)):
            self._drop(connection, name)

    def _drop(self, connection: sa.Connection, name: str) -> None:
        """Drop a schema, unless somebody uses it or has built upon it."""
        try:
            with connection.begin():
                timeout = lock_timeout_ms(connection, self._bounds)
                run(connection, f"set local lock_timeout = {timeout}")
                # One after the other and not by cascade, which would take with it what others
                # built upon a table.
                for kind, relation in _relations_of(connection, name):
                    run(connection, f"drop {kind} {quoted(name)}.{quoted(relation)}")
                connection.execute(sa.schema.DropSchema(name))
                connection.execute(sa.delete(LEDGER).where(LEDGER.c.schema_name == name))
        except DBAPIError as error:
            if connection.invalidated:
                raise
            self._tell(f"{self._url.database}: schema {name} of an earlier publication is kept "
                       f"until the next one: {self._words(error)}")

    # --- faults -------------------------------------------------------------------------------

    @contextmanager
    def _faults_in_words(self) -> Iterator[_Progress]:
        progress = _Progress()
        try:
            yield progress
        except (SQLAlchemyError, psycopg.Error) as error:
            if progress.is_shown:
                # What is left is clearing away, which the next publication does again.
                self._tell(f"PostgreSQL, {self.place}: {self._words(error)}")
                return
            state = ("The warehouse file is switched already, and whether readers of the database "
                     "see the same is not known; run the night again, or crm-value publish"
                     if progress.is_given else "What readers see there was not changed")
            raise ServingFailed(f"PostgreSQL, {self.place}: {self._words(error)}. "
                                f"{state}") from None

    def _words(self, error: Exception) -> str:
        """What the server says against it, without who logs in and without values."""
        origin: Any = error.orig if isinstance(error, DBAPIError) else error
        state = str(getattr(origin, "sqlstate", None) or "")
        # Class 22 repeats the value at fault, which may be personal.
        text = (f"a value does not fit ({type(origin).__name__})" if state.startswith("22")
                else " ".join(str(origin).split()))
        detail = getattr(getattr(origin, "diag", None), "message_detail", None)
        if state == "2BP01" and detail and detail not in text:
            text += f" ({' '.join(detail.split())})"
        for secret in (self._url.password, self._url.username):
            if secret:
                text = re.sub(rf"(?<!\w){re.escape(str(secret))}(?!\w)", "***", text)
        return text


def _parsed(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        # The library's own words would repeat the URL; so would the chained error.
        raise WrongServingUrl(
            "the URL of the PostgreSQL database is none; write it as "
            "postgresql://user:password@host/database, with characters such as @ or / in the "
            "password as %40, %2F") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise WrongServingUrl("the URL of the PostgreSQL database must begin with postgresql://")
    return url.set(drivername="postgresql+psycopg")


def postgres_type(column: FileColumn) -> str:
    """The type of a column of the file in PostgreSQL.

    Raises:
        ServingFailed: it has no exact counterpart.
    """
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", column.type)
    if decimal:
        return f"numeric({decimal[1]},{decimal[2]})"
    if column.type not in SAME_TYPES:
        raise ServingFailed(f"column {column.name} is {column.type}, which has no counterpart in "
                            f"PostgreSQL")
    return SAME_TYPES[column.type]


def _copy(connection: sa.Connection, file: WarehouseFile, relation: Relation) -> None:
    """Make a table and fill it."""
    for name in (relation.name, *(column.name for column in relation.columns)):
        if len(name.encode()) > LONGEST_NAME:
            raise ServingFailed(f"{name} has more than the {LONGEST_NAME} characters that "
                                f"PostgreSQL allows; give the indicator or composite in crm.yaml "
                                f"a shorter name")
    declared = ", ".join(
        f"{quoted(column.name)} {postgres_type(column)}{' not null' if column.is_required else ''}"
        for column in relation.columns)
    run(connection, f"create table {quoted(relation.name)} ({declared})")
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(
            f"copy {quoted(relation.name)} from stdin (format csv)") as copy:
        for part in file.csv_of(relation):
            copy.write(part)
    run(connection, f"analyze {quoted(relation.name)}")


def _verify(connection: sa.Connection, file: WarehouseFile, relation: Relation) -> int:
    """Compare both sides; the number of rows.

    Raises:
        ServingFailed: they differ.
    """
    row = row_text(relation, _summed)
    hashed = f"('x' || left(md5({row}), 15))::bit(60)::bigint"
    rows_n, row_sum = run(connection, f"select count(*), coalesce(sum({hashed}), 0) "
                                      f"from {quoted(relation.name)}").one()
    here, there = file.checksum(relation), Checksum(int(rows_n), int(row_sum))
    if here != there:
        what = (f"{there.rows_n} rows, not {here.rows_n}" if here.rows_n != there.rows_n
                else f"other values in its {here.rows_n} rows")
        raise ServingFailed(f"PostgreSQL has {what} of {relation.name} than the warehouse file; "
                            f"nothing was switched")
    return here.rows_n


def _summed(column: FileColumn) -> str:
    name = quoted(column.name)
    if column.kind == "time":
        return f"(extract(epoch from {name}) * 1000000)::bigint::text"
    if column.kind == "double":
        return (f"case when {name} = 'NaN' then 'NaN' "
                f"else ('x' || encode(float8send({name}), 'hex'))::bit(64)::text end")
    return f"{name}::text"


def _show(connection: sa.Connection, schema: str) -> None:
    connection.execute(sa.update(LEDGER).where(LEDGER.c.is_shown).values(is_shown=False))
    connection.execute(sa.update(LEDGER).where(LEDGER.c.schema_name == schema).values(
        is_shown=True, shown_at=sa.func.now()))


def _relations_of(connection: sa.Connection, schema: str) -> list[tuple[str, str]]:
    """(view or table, name) of a schema, views first."""
    found = sa.inspect(connection)
    return [*(("view", name) for name in found.get_view_names(schema)),
            *(("table", name) for name in found.get_table_names(schema))]
