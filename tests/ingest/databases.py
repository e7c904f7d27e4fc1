"""Shops whose orders lie in a real database: SQLite files, and a PostgreSQL server of our own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dagster_project.ingest.databases import DRIVERS
from dagster_project.ingest.loading import HashMemory, IngestReport, ingest_landing
from tests.ingest.conftest import NOW, Landing

URL_NAME = "SHOP_DATABASE_URL"
LINES = """
create table lines (
    order_id text, line_id integer, customer_id text, ordered_at {time}, price {number},
    updated_at {time}, seq integer
)
"""
TYPES = {"sqlite": {"time": "text", "number": "text"},
         "postgresql": {"time": "timestamp with time zone", "number": "numeric(12, 2)"}}
QUERY = """
select order_id, line_id, customer_id, ordered_at, price as unit_price, 'CNY' as currency,
    updated_at, seq
from lines
"""


class Shop:
    """One database with a table `lines`, and a home that reads it."""

    def __init__(self, url: str, folder: Path, **source: Any) -> None:
        self.url = url
        parsed = sa.make_url(url)
        self.backend = parsed.get_backend_name()
        self._engine = sa.create_engine(parsed.set(drivername=DRIVERS[self.backend]))
        self.execute("drop table if exists lines")
        self.execute(LINES.format(**TYPES[self.backend]))
        self.folder = folder
        self.declare(**source)

    def declare(self, *, kind: str = "orders", version: Any = None, columns: Any = None,
                **database: Any) -> None:
        """Say anew how the home reads the database; its stores stay."""
        declared = {"url": URL_NAME, "query": QUERY, "cursor": "updated_at",
                    "document": "order_id"} | database
        self.home = Landing(self.folder, {"shop": {
            "kind": kind, "version": version or {"rule": "column"}, "database": declared,
            **({"columns": columns} if columns else {})}})

    def execute(self, sql: str) -> None:
        """Something of the shop's own."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(sql)

    def add(self, *rows: Sequence[Any]) -> None:
        """Rows (order_id, line_id, price, updated_at, seq)."""
        with self._engine.begin() as connection:
            connection.execute(sa.text(
                "insert into lines (order_id, line_id, customer_id, ordered_at, price, "
                "updated_at, seq) values (:o, :l, 'c1', '2026-01-01 00:00:00', :p, :u, :s)"),
                [dict(zip("olpus", row, strict=True)) for row in rows])

    def load(self, url: str | None = None) -> IngestReport:
        """One night's look."""
        return ingest_landing(
            self.home.engine, self.home.landing, self.home.sources,
            HashMemory(self.home.stores.state / "hashes.json"), run_id="test", now=NOW,
            url_of={URL_NAME: url or self.url}.get)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query on raw."""
        return self.home.rows(query)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """The same shop in both databases: orders by lines, cursor updated_at."""
    url = (f"sqlite:///{tmp_path}/shop.db" if request.param == "sqlite"
           else request.getfixturevalue("postgresql_url"))
    made = Shop(url, tmp_path / "home")
    yield made
    made.close()
