"""Pointing the views that readers know at another loaded publication, in one transaction.

The switch waits for readers for a bounded time and makes others wait no longer than that. Views
that people built upon ours go on, and so do grants: a view is replaced in place wherever its
columns allow it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from dagster_project.engine.serving import ServingBounds, ServingFailed
from dagster_project.engine.warehouse_file import Relation

SERVED = "crm"
LOADED_SCHEMA = r"crm__\d{6,}_[0-9a-f]{8}"
BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled,
        psycopg.errors.DeadlockDetected)
# Between two attempts, so that readers who were made to wait get through.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
LOOK_AGAIN_SECONDS = 0.05
# Of the server's deadlock_timeout: readers and the switch may wait for each other, and the server
# ends the one that has waited so long. It must not be the reader.
SHARE_OF_DEADLOCK_TIMEOUT = 0.8

_COLUMNS = sa.text("""
    select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    from pg_class as c
    inner join pg_attribute as a on c.oid = a.attrelid
    where c.relnamespace = to_regnamespace(:schema) and c.relkind in ('v', 'r', 'm', 'f', 'p')
        and a.attnum > 0 and not a.attisdropped
    order by c.relname, a.attnum
""")
# Views over a loaded publication are ours; whatever else stands in the schema is somebody's.
_OURS = sa.text(r"""
    select distinct c.relname
    from pg_class as c
    inner join pg_rewrite as r on c.oid = r.ev_class
    inner join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        and d.refclassid = 'pg_class'::regclass
    inner join pg_class as source on d.refobjid = source.oid
    inner join pg_namespace as n on source.relnamespace = n.oid
    where c.relnamespace = to_regnamespace(:schema) and c.relkind = 'v' and n.nspname ~ :loaded
""")
_COMMENTS = sa.text("""
    select c.relname, coalesce(a.attname, ''), d.description
    from pg_description as d
    inner join pg_class as c on d.classoid = 'pg_class'::regclass and d.objoid = c.oid
    left join pg_attribute as a on c.oid = a.attrelid and d.objsubid = a.attnum and a.attnum > 0
    where c.relnamespace = to_regnamespace(:schema)
""")
_GRANTS = sa.text("""
    with lists as (
        select c.relname, '' as attname, c.relacl as acl, c.relowner from pg_class as c
        where c.relnamespace = to_regnamespace(:schema) and c.relkind = 'v'
        union all
        select c.relname, a.attname, a.attacl, c.relowner from pg_class as c
        inner join pg_attribute as a on c.oid = a.attrelid
        where c.relnamespace = to_regnamespace(:schema) and c.relkind = 'v' and a.attacl is not null
    )
    select relname, attname, case when grantee = 0 then '' else pg_get_userbyid(grantee) end,
        privilege_type, is_grantable
    from lists, aclexplode(acl)
    where grantee <> relowner
""")
# What others built upon our views; a view depends through its rule.
_DEPENDENTS = sa.text("""
    select distinct c.relname, coalesce(
        (select n.nspname || '.' || v.relname from pg_rewrite as r
         inner join pg_class as v on r.ev_class = v.oid
         inner join pg_namespace as n on v.relnamespace = n.oid
         where d.classid = 'pg_rewrite'::regclass and r.oid = d.objid),
        pg_describe_object(d.classid, d.objid, d.objsubid))
    from pg_class as c
    inner join pg_depend as d on d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid
        and d.deptype = 'n'
    where c.relnamespace = to_regnamespace(:schema) and c.relkind = 'v'
        and not (d.classid = 'pg_rewrite'::regclass
                 and exists (select 1 from pg_rewrite as r where r.oid = d.objid
                             and r.ev_class = c.oid))
""")
_BLOCKERS = sa.text("""
    select pid, usename, application_name, state,
        round(extract(epoch from now() - xact_start)),
        round(extract(epoch from now() - query_start))
    from pg_stat_activity where pid = any(pg_blocking_pids(:pid)) order by pid
""")
_WAITED_FOR = sa.text("""
    select c.relname from pg_locks as l inner join pg_class as c on l.relation = c.oid
    where l.pid = :pid and not l.granted
""")

Columns = dict[str, dict[str, str]]
Grants = frozenset[tuple[str, str, str, str, bool]]


def quoted(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def lock_timeout_ms(connection: sa.Connection, bounds: ServingBounds) -> int:
    """How long to wait for readers at a time: as configured, but no deadlock long."""
    deadlock_ms = connection.scalar(sa.text(
        "select cast(setting as integer) from pg_settings where name = 'deadlock_timeout'"))
    return int(min(bounds.lock_timeout_seconds * 1000,
                   SHARE_OF_DEADLOCK_TIMEOUT * float(deadlock_ms or 1000)))


def run(connection: sa.Connection, statement: str) -> sa.CursorResult[Any]:
    """Execute a statement that has no parameters, whatever it holds."""
    return connection.exec_driver_sql(statement.replace("%", "%%"))


@dataclass(frozen=True)
class _Plan:
    """What the switch will do.

    Attributes:
        statements: in order, without what must be granted again.
        dropped: views that are dropped, whether they are made again or not.
        lost: columns that are gone: (view, column); of a view that is gone (view, "").
    """

    statements: tuple[str, ...]
    dropped: tuple[str, ...]
    lost: frozenset[tuple[str, str]]


class PostgresSwitch:
    """The switch of one connection, by the only publisher."""

    def __init__(self, connection: sa.Connection, engine: sa.Engine,
                 bounds: ServingBounds) -> None:
        """`engine` is asked who stands in the way while `connection` waits."""
        self._connection = connection
        self._engine = engine
        self._bounds = bounds
        # Locked first, the last of them first of all.
        self._contended = ["publication"]

    @contextmanager
    def to(self, schema: str, relations: Sequence[Relation]) -> Iterator[None]:
        """Show what `schema` holds; committed when the block ends, undone if it raises.

        Args:
            schema: a loaded publication.
            relations: its tables and views with what they mean.

        Raises:
            ServingFailed: readers did not let go in time, or somebody's views need what is gone.
        """
        with self._connection.begin():
            plan = self._plan(schema, relations)
        with self._locked():
            grants = self._grants()
            for statement in (*plan.statements, *_regrants(grants, plan)):
                run(self._connection, statement)
            self._require_grants(grants, plan)
            yield

    # --- the plan -----------------------------------------------------------------------------

    def _plan(self, schema: str, relations: Sequence[Relation]) -> _Plan:
        there, new = self._columns(SERVED), self._columns(schema)
        old = {name: there[name] for name in self._views()}
        if set(new) != {relation.name for relation in relations}:
            raise ServingFailed(f"schema {schema} does not hold the tables that were loaded into "
                                f"it; drop it, and run again")
        others = sorted(set(new) & (set(there) - set(old)))
        if others:
            raise ServingFailed(f"schema {SERVED} holds something else called {', '.join(others)}, "
                                f"which is to be published now; move it into another schema")
        dependents = self._dependents()
        statements: list[str] = []
        dropped = sorted(name for name, columns in old.items()
                         if not columns.items() <= new.get(name, {}).items())
        for name in dropped:
            if name in dependents:
                raise ServingFailed(_refusal(name, old[name], new.get(name), dependents[name]))
            statements.append(f"drop view {quoted(SERVED)}.{quoted(name)}")
        for name, columns in sorted(new.items()):
            # Columns stay where they were, so that a view can be replaced in place; new ones
            # stand behind them.
            before = [] if name in dropped else list(old.get(name, ()))
            order = [*before, *(column for column in columns if column not in before)]
            statements.append(
                f"create or replace view {quoted(SERVED)}.{quoted(name)} as "
                f"select {', '.join(map(quoted, order))} from {quoted(schema)}.{quoted(name)}")
        lost = {(name, column) for name in dropped for column in ("", *old[name])
                if name not in new or (column and column not in new[name])}
        statements += self._comments(relations, dropped)
        return _Plan(tuple(statements), tuple(dropped), frozenset(lost))

    def _views(self) -> list[str]:
        return sorted(self._connection.scalars(
            _OURS, {"schema": SERVED, "loaded": f"^{LOADED_SCHEMA}$"}))

    def _columns(self, schema: str) -> Columns:
        found: Columns = {}
        for name, column, kind in self._connection.execute(_COLUMNS, {"schema": schema}):
            found.setdefault(name, {})[column] = kind
        return found

    def _dependents(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, dependent in self._connection.execute(_DEPENDENTS, {"schema": SERVED}):
            found.setdefault(name, []).append(dependent)
        return found

    def _comments(self, relations: Sequence[Relation], dropped: Sequence[str]) -> list[str]:
        """What must be said anew of views and columns; most nights nothing."""
        said = {(name, column): text
                for name, column, text in self._connection.execute(_COMMENTS, {"schema": SERVED})
                if name not in dropped}
        statements = []
        for relation in relations:
            view = f"{quoted(SERVED)}.{quoted(relation.name)}"
            if relation.comment and said.get((relation.name, "")) != relation.comment:
                statements.append(f"comment on view {view} is {self._literal(relation.comment)}")
            statements += [
                f"comment on column {view}.{quoted(column.name)} is {self._literal(column.comment)}"
                for column in relation.columns
                if column.comment and said.get((relation.name, column.name)) != column.comment]
        return statements

    def _literal(self, text: str) -> str:
        return psycopg.sql.Literal(text).as_string(self._connection.connection.driver_connection)

    # --- the lock -----------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """A transaction that has all views for itself; tried again until the time is up."""
        deadline = time.monotonic() + self._bounds.switch_wait_seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            with self._connection.begin() as transaction:
                blockers = self._lock()
                if blockers is None:
                    yield
                    return
                transaction.rollback()
            if time.monotonic() + pause > deadline:
                raise ServingFailed(
                    f"the views of schema {SERVED} are in use, and were not free within "
                    f"{self._bounds.switch_wait_seconds:g} s (postgres.switch_wait_seconds in "
                    f"config/home.yaml). In the way: "
                    f"{'; '.join(blockers) or 'nobody who could be named'}. End it there or with "
                    f"select pg_terminate_backend(pid); then run again")
            # Not in step with a dashboard that is refreshed every so many seconds.
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _lock(self) -> list[str] | None:
        """Lock all views at once; None, or who stands in the way."""
        names = sorted(self._views(), key=self._rank)
        if not names:
            return None
        views = ", ".join(f"{quoted(SERVED)}.{quoted(name)}" for name in names)
        pid = self._connection.scalar(sa.text("select pg_backend_pid()"))
        timeout = lock_timeout_ms(self._connection, self._bounds)
        # lock_timeout counts anew for each view; those behind us wait for all of them.
        run(self._connection, f"set local lock_timeout = {timeout}")
        run(self._connection, f"set local statement_timeout = {timeout}")
        with _Watch(self._engine, int(pid or 0)) as watch:
            try:
                run(self._connection, f"lock table {views} in access exclusive mode")
            except DBAPIError as error:
                if not isinstance(error.orig, BUSY):
                    raise
                # A reader who has it and waits for one that we have would wait again. With it in
                # hand first, readers come to us before they have anything.
                self._contended.extend(watch.waited_for)
                return watch.seen
        run(self._connection, "set local statement_timeout = 0")
        return None

    def _rank(self, name: str) -> tuple[int, str]:
        last = [number for number, found in enumerate(self._contended) if found == name]
        return (-last[-1] if last else 1), name

    # --- grants -------------------------------------------------------------------------------

    def _grants(self) -> Grants:
        return frozenset((view, column, role, privilege, is_grantable)
                         for view, column, role, privilege, is_grantable
                         in self._connection.execute(_GRANTS, {"schema": SERVED}))

    def _require_grants(self, before: Grants, plan: _Plan) -> None:
        missing = {grant for grant in before - self._grants()
                   if not {(grant[0], ""), (grant[0], grant[1])} & plan.lost}
        if missing:
            view, column, role, privilege, _ = sorted(missing)[0]
            raise ServingFailed(f"{len(missing)} grants would be lost, {privilege} on {SERVED}."
                                f"{view} {column} to {role or 'public'} among them; nothing was "
                                f"switched")


class _Watch:
    """Looks from a connection of its own at who blocks a waiting one."""

    def __init__(self, engine: sa.Engine, pid: int) -> None:
        self.seen: list[str] = []
        self.waited_for: list[str] = []
        self._engine = engine
        self._pid = pid
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        try:
            with self._engine.connect() as connection:
                while not self._is_over.wait(LOOK_AGAIN_SECONDS):
                    found = connection.execute(_BLOCKERS, {"pid": self._pid}).all()
                    if found:
                        self.seen = [_blocker_words(*row) for row in found]
                        self.waited_for = list(
                            connection.scalars(_WAITED_FOR, {"pid": self._pid}))
                    connection.rollback()
        except SQLAlchemyError:
            # Without a second connection the names are missing; the switch does not need them.
            return


def _blocker_words(pid: int, user: str | None, application: str | None, state: str | None,
                   transaction_seconds: float | None, query_seconds: float | None) -> str:
    """One who stands in the way; never what was asked, which may hold data."""
    ages = ("age unknown: the publisher is no member of pg_read_all_stats"
            if query_seconds is None else
            f"{state or 'active'}, last query {query_seconds:.0f} s ago, transaction open for "
            f"{transaction_seconds or 0:.0f} s")
    return f"pid {pid} (user {user}, application {application or 'unnamed'}, {ages})"


def _refusal(name: str, old: dict[str, str], new: dict[str, str] | None,
             dependents: Sequence[str]) -> str:
    if new is None:
        change = "is published no more"
    else:
        changes = [f"{column} {kind} -> {new[column]}" if column in new else f"{column} is gone"
                   for column, kind in old.items() if new.get(column) != kind]
        change = f"changes ({', '.join(changes)})"
    return (f"{SERVED}.{name} {change}, and views that are not ours need it as it was: "
            f"{', '.join(sorted(dependents))}. Drop them, run again, and make them again over the "
            f"new columns; nothing was switched")


def _regrants(grants: Grants, plan: _Plan) -> list[str]:
    """What was granted on views that are dropped and made again."""
    statements = []
    for view, column, role, privilege, is_grantable in sorted(grants):
        if view not in plan.dropped or {(view, ""), (view, column)} & plan.lost:
            continue
        of_column = f" ({quoted(column)})" if column else ""
        to = quoted(role) if role else "public"
        statements.append(f"grant {privilege}{of_column} on {quoted(SERVED)}.{quoted(view)} to {to}"
                          f"{' with grant option' if is_grantable else ''}")
    return statements
