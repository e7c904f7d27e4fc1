"""Every check of the gate ends on a night of a million customers.

The night is the clean one of these tests, each of its customers and delivered rows many times over.
Its sums no longer fit, so that checks fail; what is asked is that each answers in time, within
bounds on memory. Tables that the clean night leaves empty get rows by the types of their columns.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pytest

from dagster_project.engine.audit_connection import AuditConnection, open_audit
from dagster_project.engine.table import Table
from dagster_project.ingest.tables import RAW_TABLES, REJECTED_ROWS, REPAIRED_ROWS
from dagster_project.publish.tables import CURRENT_TABLES, HISTORY_TABLES
from dagster_project.quality.expectations_runner import run_suites
from dagster_project.quality.gate import Bounds, Declarations, audit_facts, load_declarations
from dagster_project.quality.invariants import Invariant, run_invariant
from dagster_project.quality.suites import Suite
from tests.quality.conftest import CANDIDATE_ID, CUSTOMERS_N, EXPECTATIONS

pytestmark = pytest.mark.slow

CUSTOMERS = 1_000_000
SECONDS = 60.0
MEMORY = "2GB"
DECLARED: Declarations = load_declarations(EXPECTATIONS)
# Of a row that does not stand for one customer alone, what makes it another row.
OWN = {"customer_ids": "source_customer_id", "churn_warnings": "rank"}
EXAMPLES = {"VARCHAR": "a", "BOOLEAN": "true", "DATE": "2026-03-31",
            "TIMESTAMP": "2026-04-01 04:30:00", "VARCHAR[]": "[]"}


def _grown(table: Table, columns: Sequence[tuple[str, str]], rows_n: int) -> str:
    """The rows of a table, each with keys of its own in each of the copies."""
    own = {OWN.get(table.name, ""), "row_no", "order_id", "interaction_id", "response_id"}

    def value(name: str, kind: str) -> str:
        if kind == "UUID":
            return f"md5_number({name}::varchar || '-' || copy)::uuid"
        if name not in own:
            return name
        return f"{name} || '-' || copy" if kind == "VARCHAR" else f"{name} + copy * {rows_n}"

    values = ", ".join(f"{value(name, kind)} as {name}" for name, kind in columns)
    return f"select {values} from {table.name}, range({CUSTOMERS // CUSTOMERS_N}) as copies(copy)"


def _example(name: str, kind: str) -> str:
    """A value of a type; a number is also that of a load of the night."""
    return (f"md5_number('{name}')::uuid" if kind == "UUID"
            else f"cast('{EXAMPLES.get(kind, '2')}' as {kind})")


def _grow(path: Path, tables: Sequence[Table]) -> None:
    """Put so many copies of the rows of each table in the place of its rows."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"set memory_limit = '{MEMORY}'")
        connection.execute("set preserve_insertion_order = false")
        for table in tables:
            columns = connection.execute(
                "select column_name, data_type from duckdb_columns() where table_name = ? "
                "order by column_index", [table.name]).fetchall()
            ((rows_n,),) = connection.execute(f"select count(*) from {table.name}").fetchall()
            if rows_n == 0:
                values = ", ".join(_example(*column) for column in columns)
                connection.execute(f"insert into {table.name} select {values}")
                rows_n = 1
            connection.execute(f"create table grown as {_grown(table, columns, rows_n)}")
            connection.execute(f"delete from {table.name}")
            connection.execute(f"insert into {table.name} by name from grown")
            connection.execute("drop table grown")


@pytest.fixture(scope="module")
def large_night(clean_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
                ) -> Iterator[AuditConnection]:
    """The audit of a million customers over two nights, with what they delivered."""
    folder = tmp_path_factory.mktemp("large")
    candidate, raw = (Path(shutil.copy(path, folder)) for path in clean_files)
    _grow(candidate, [table for table in (*CURRENT_TABLES, *HISTORY_TABLES)
                      if any(column.type == "UUID" for column in table.columns)])
    _grow(raw, (*RAW_TABLES, REJECTED_ROWS, REPAIRED_ROWS))
    with open_audit(candidate, raw, after_load_seq=1, known_load_seq=5,
                    facts=audit_facts(CANDIDATE_ID, 5, Bounds(), ()), memory_limit=MEMORY,
                    threads=2, check_seconds=SECONDS) as audit:
        assert audit.rows_n("crm.customers") == CUSTOMERS
        assert audit.rows_n("crm.customer_score_history") == 2 * CUSTOMERS
        yield audit
    shutil.rmtree(folder)


@pytest.mark.parametrize("invariant", DECLARED.invariants, ids=lambda one: one.check.name)
def test_an_invariant_answers(large_night: AuditConnection, invariant: Invariant) -> None:
    result = run_invariant(large_night, invariant, CANDIDATE_ID)
    assert result.outcome != "not_evaluated", result.message


@pytest.mark.parametrize("suite", DECLARED.suites, ids=lambda one: one.relation)
def test_a_suite_answers(large_night: AuditConnection, suite: Suite) -> None:
    results = run_suites(large_night, [suite], CANDIDATE_ID)
    assert [one.message for one in results if one.outcome == "not_evaluated"] == []
