"""Small warehouse files, databases that serve them, and readers in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from dagster_project.engine.postgres_warehouse import PostgresWarehouse
from dagster_project.engine.serving import ServingBounds
from dagster_project.engine.stores import Limits, Stores

CUSTOMERS_N = 200
FIRST_DATE = date(2026, 1, 1)
PATIENT = ServingBounds(lock_timeout_seconds=0.5, switch_wait_seconds=60, keep_publications=2)


def make_file(path: Path, number: int, *, score_type: str = "decimal(5, 2)",
              extra: Sequence[str] = (), has_kpis: bool = True) -> Path:
    """A warehouse file all of whose tables say which publication they are of.

    Args:
        path: where.
        number: of the publication.
        score_type: of customer_scores.crm_value.
        extra: further statements.
        has_kpis: with table segment_kpis.
    """
    path.unlink(missing_ok=True)
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"attach '{path}' as candidate (storage_version 'v1.0.0')")
        connection.execute("use candidate.main")
        connection.execute(
            f"create table publication as select {number}::integer as publication_id, "
            f"?::date as as_of_date, 'candidate-{number}' as candidate_id, true as is_current, "
            f"'2026-01-01 10:00:00.25'::timestamp as staged_at",
            [FIRST_DATE + timedelta(days=number)])
        connection.execute(
            f"create table customer_scores as select {number}::integer as publication_id, "
            f"md5(n::varchar)::uuid as customer_key, "
            f"(n % 100)::{score_type} as crm_value, '价值 100%' as tier "
            f"from range({CUSTOMERS_N}) as r(n)")
        connection.execute("comment on table customer_scores is 'One customer''s scores; 100 %.'")
        connection.execute("comment on column customer_scores.crm_value is 'CRM value, 0-100.'")
        if has_kpis:
            connection.execute(
                "create table segment_kpis as select max(publication_id) as publication_id, "
                "count(*) as customers_n, sum(crm_value)::decimal(38, 4) as total "
                "from customer_scores")
        connection.execute("create view high_scores as select customer_key, crm_value "
                           "from customer_scores where crm_value >= 90")
        for statement in extra:
            connection.execute(statement)
        connection.execute("use memory.main")
        connection.execute("detach candidate")
    return path


@dataclass
class Served:
    """One database, and the warehouse files that are shown in it."""

    url: str
    folder: Path
    bounds: ServingBounds = PATIENT
    told: list[str] = field(default_factory=list)

    @property
    def stores(self) -> Stores:
        """Files are opened as a home's are."""
        return Stores(self.folder, self.folder, Limits("500MB", 1, self.folder / "spill"))

    @property
    def warehouse(self) -> PostgresWarehouse:
        """A publisher that knows nothing of those before it."""
        return PostgresWarehouse(self.url, self.stores, home_token="test", bounds=self.bounds,
                                 tell=self.told.append)

    def file(self, number: int, **differently: Any) -> Path:
        """The file of a publication, made now."""
        return make_file(self.folder / f"publication-{number}.duckdb", number, **differently)

    def show(self, number: int, **differently: Any) -> Path:
        """Make a publication and show it."""
        file = self.file(number, **differently)
        with self.switching(file):
            pass
        return file

    def switching(self, file: Path) -> AbstractContextManager[None]:
        """See ServingDatabase."""
        return self.warehouse.switching(file)

    def connect(self, user: str | None = None, **arguments: Any) -> sa.Connection:
        """A connection of somebody's own, closed by who asked for it."""
        url = sa.make_url(self.url).set(drivername="postgresql+psycopg")
        if user:
            url = url.set(username=user)
        return sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments).connect()

    def execute(self, *statements: str, user: str | None = None) -> None:
        """Run statements in one transaction."""
        with self.connect(user) as connection, connection.begin():
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))

    def rows(self, query: str, user: str | None = None) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self.connect(user) as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def shown(self) -> set[int]:
        """The publications that the tables of the schema say they are of."""
        return {number for table in ("publication", "customer_scores", "segment_kpis")
                for (number,) in self.rows(f"select distinct publication_id from crm.{table}")}

    def loaded(self) -> list[str]:
        """Schemas of loaded publications."""
        return [name for (name,) in self.rows(
            "select nspname from pg_namespace where nspname ~ '^crm__[0-9]' order by 1")]


# A BI tool in a process of its own: what it sees goes to stdout, a line a look, until it is told
# to stop.
_LOOKING = """
import pathlib, sys, time
place, stop = sys.argv[1:]

def look(ask):
    numbers = ask("select (select max(publication_id) from {0}publication), "
                  "(select min(publication_id) from {0}customer_scores), "
                  "(select max(publication_id) from {0}customer_scores)")
    kpis, customers_n = ask("select publication_id, customers_n from {0}segment_kpis")
    rows_n, total = ask("select count(*), sum(crm_value) from {0}customer_scores")
    (expected,) = ask("select total from {0}segment_kpis")
    return [*numbers, kpis, customers_n, rows_n, int(total == expected)]

def say(began, seen):
    print(*seen, f"{{time.monotonic() - began:.3f}}", flush=True)

def until_told():
    # The last look comes after the word, so that it must see the last publication.
    while not pathlib.Path(stop).exists():
        yield
    yield
"""
# One connection for all looks, one transaction a look.
POSTGRES_READER = _LOOKING.format("crm.") + """
import psycopg
with psycopg.connect(place) as connection:
    for _ in until_told():
        began = time.monotonic()
        seen = look(lambda query: connection.execute(query).fetchone())
        connection.commit()
        say(began, seen)
"""
# A connection a look: the file is replaced, and one that is open stays with what it has opened.
DUCKDB_READER = _LOOKING.format("") + """
import duckdb
for _ in until_told():
    began = time.monotonic()
    with duckdb.connect(place, read_only=True) as connection:
        seen = look(lambda query: connection.execute(query).fetchone())
    say(began, seen)
"""


@dataclass(frozen=True)
class Look:
    """What a reader saw at one look."""

    numbers: tuple[int, ...]
    counts: tuple[int, ...]
    is_sum_right: bool
    seconds: float


class Readers:
    """Readers that look again and again; `ended` gives what each of them saw."""

    def __init__(self, program: str, place: str, folder: Path, readers_n: int = 4) -> None:
        """Starts them."""
        self._stop = folder / "stop"
        self._logs = [folder / f"reader-{number}" for number in range(readers_n)]
        self._processes = [
            subprocess.Popen([sys.executable, "-c", program, place, str(self._stop)],
                             stdout=log.open("w"), stderr=subprocess.PIPE, text=True)
            for log in self._logs]

    def have_looked(self) -> bool:
        """Whether each has seen something."""
        return all(log.stat().st_size for log in self._logs)

    def ended(self) -> list[list[Look]]:
        """Tell them to stop; the looks of each. AssertionError if one ended otherwise."""
        self._stop.touch()
        for process in self._processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
        return [[_look(line) for line in log.read_text().splitlines()] for log in self._logs]


def _look(line: str) -> Look:
    first, low, high, kpis, counted, rows, is_right, seconds = line.split()
    return Look((int(first), int(low), int(high), int(kpis)), (int(counted), int(rows)),
                is_right == "1", float(seconds))
