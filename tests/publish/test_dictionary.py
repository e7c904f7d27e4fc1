"""The documents say what the declarations say, and the declared view is the real one."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dagster_project.configuration import load_configuration
from dagster_project.engine.publication import _contributions_query
from dagster_project.engine.status import STATUS_TABLES
from dagster_project.engine.table import Column, Table
from dagster_project.publish import dictionary
from dagster_project.publish.tables import CURRENT_TABLES, HISTORY_TABLES, RUN_TABLES
from dagster_project.scoring.score import published_columns, score_columns

CONFIGURATION = load_configuration(dictionary.ROOT / "config" / "crm.yaml")
DOCUMENTS = dictionary.documents()


def rows_of(document: str, heading: str) -> list[list[str]]:
    """Cells of the grid rows below one heading, up to the next heading of the same depth."""
    depth = heading.split(" ")[0]
    body = document.split(f"\n{heading}\n", 1)[1].split(f"\n{depth} ", 1)[0]
    lines = [line for line in body.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_document_is_what_the_declarations_say(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == DOCUMENTS[path], (
        f"{path.name} is out of date; run: {dictionary.COMMAND}")


def test_a_moved_declaration_moves_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = Table("new_table", "One new thing.",
                  (Column("new_at", "TIMESTAMP", "When it was new.", True, True),), ("new_at",))
    monkeypatch.setattr(dictionary, "HISTORY_TABLES", (*HISTORY_TABLES, moved))
    text = dictionary.tables_document(CONFIGURATION)
    assert text != DOCUMENTS[dictionary.ROOT / "docs" / "tables.md"]
    assert rows_of(text, "### new_table") == [
        ["`new_at`", "TIMESTAMP", "yes", "UTC", "When it was new. *run*"]]


@pytest.mark.parametrize("table", [*CURRENT_TABLES, *HISTORY_TABLES, *RUN_TABLES, *STATUS_TABLES],
                         ids=lambda table: table.name)
def test_every_column_of_every_table_is_there(table: Table) -> None:
    rows = rows_of(DOCUMENTS[dictionary.ROOT / "docs" / "tables.md"], f"### {table.name}")
    shown = {row[0].strip("`"): (row[1], row[2] == "yes") for row in rows}
    for column in table.columns:
        assert shown[column.name] == (column.type, column.is_required)


def test_every_configured_column_is_there() -> None:
    rows = rows_of(DOCUMENTS[dictionary.ROOT / "docs" / "tables.md"], "### customer_scores")
    assert sorted(row[0].strip("`") for row in rows) == sorted(
        column.name for column in published_columns(CONFIGURATION))


def test_contributions_are_declared_as_the_view_makes_them() -> None:
    parts = {name: tuple(composite.parts) for name, composite in CONFIGURATION.composites.items()}
    columns = ", ".join(f"{column.name} {column.sql_type}"
                        for column in score_columns(CONFIGURATION))
    with duckdb.connect() as connection:
        connection.execute(f"create table customer_scores ({columns})")
        found = connection.execute(f"describe {_contributions_query(parts)}").fetchall()
    assert [(name, kind) for name, kind, *_ in found] == [
        (column.name, column.type) for column in dictionary.SCORE_CONTRIBUTIONS.columns]


@pytest.mark.parametrize(("name", "unit"), [
    ("staged_at", "UTC"), ("as_of_date", "business date"), ("customers_n", "count"),
    ("csat_answer__n", "answers by weight"), ("net_revenue_amount", "base currency"),
    ("crm_value__retention__contribution", "points"), ("satisfaction_score", "points 0-100"),
    ("customers_share", "share 0-1"), ("tier", ""),
])
def test_unit_follows_the_suffix(name: str, unit: str) -> None:
    assert dictionary.unit_of(name) == unit
