"""Invariants over a history of a million customers end.

The engine (2.0.0) waited for ever on a query that asked one common table expression by `exists`
and by `not in`, once the table had more rows than a few threads take at a time; smaller tables
never showed it. All checks are tried at that size by test_large_night.py, which takes longer.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path

import duckdb
import pytest

from dagster_project.settings import EXPECTATIONS

CUSTOMERS = 1_000_000
PATIENCE_SECONDS = 60.0
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@pytest.fixture(scope="module")
def history() -> duckdb.DuckDBPyConnection:
    """Two nights of as many customers, who are others each night."""
    connection = duckdb.connect()
    connection.execute("set threads = 2")
    for schema in ("crm", "night"):
        connection.execute(f"create schema {schema}")
    connection.execute(
        "create table crm.publication as select * from (values "
        "(1, date '2026-11-19'), (2, date '2026-11-20')) as dates(publication_id, as_of_date)")
    connection.execute(
        f"""
        create table crm.customer_score_history as
        select cast(md5_number(cast(i + {CUSTOMERS} * publication_id as varchar)) as uuid)
                as customer_key,
            publication_id, as_of_date, 'high' as tier, 'high' as tier_held,
            'q' as quadrant, 'q' as quadrant_held, 'loyal' as lifecycle_stage,
            'loyal' as lifecycle_stage_held
        from crm.publication, range({CUSTOMERS}) as numbers(i)
        """)
    for name in ("publication", "customer_score_history"):
        connection.execute(f"create view night.{name} as select * from crm.{name} "
                           f"where publication_id = 2")
    return connection


@pytest.mark.parametrize("path", [
    EXPECTATIONS / "invariants" / "history_begins_with_plain_labels.sql"], ids=lambda p: p.stem)
def test_an_invariant_ends_at_the_size_of_a_large_home(
        history: duckdb.DuckDBPyConnection, path: Path) -> None:
    query = COMMENT.sub("", path.read_text(encoding="utf-8"))
    watch = threading.Timer(PATIENCE_SECONDS, history.interrupt)
    watch.start()
    try:
        found = history.execute(f"select count(*) from ({query}) as offending").fetchone()
    finally:
        watch.cancel()
    assert found == (0,)
