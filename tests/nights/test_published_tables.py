"""What is declared is what readers find: tables, columns, order, types, values that are filled."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dagster_project.engine.status import STATUS_TABLES
from dagster_project.engine.table import Table
from dagster_project.publish.assets import PUBLISHED_TABLES
from dagster_project.publish.tables import CUSTOMER_SCORES
from dagster_project.scoring.score import published_columns
from dagster_project.settings import Home
from nights.conftest import Teller
from nights.homes import PROJECT, TrialHome
from nights.partitions import require_partitions

TABLES = PUBLISHED_TABLES
VIEWS = {"score_contributions", "quadrant_migrations"}
Columns = list[tuple[str, str]]
# What the design promises readers; more may be declared, none of these may go.
DESIGNED = {
    "customers", "customer_scores", "customer_score_history", "label_history",
    "score_contributions", "segment_kpis", "quadrant_migrations", "churn_warnings",
    "customer_ids", "customer_key_changes", "strategies", "scoring_reference", "configurations",
    "quality_results", "rejected_rows", "pipeline_runs", "publication", "score_changes",
    "campaign_results", "score_backtest",
}
DICTIONARY = PROJECT / "docs" / "tables.md"


@pytest.fixture(scope="module")
def home(chronicle: Teller) -> TrialHome:
    """A home with two publications."""
    return chronicle("second")


def _declared(table: Table) -> Columns:
    """Columns as the engine makes them from the declaration."""
    with duckdb.connect(":memory:") as connection:
        connection.execute(table.ddl("main"))
        return connection.execute(
            "select column_name, data_type from duckdb_columns() where table_name = ? "
            "order by column_index", [table.name]).fetchall()


def _found(file: Path, name: str) -> Columns:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(
            "select column_name, data_type from duckdb_columns() "
            "where table_name = ? order by column_index", [name]).fetchall()


def _tables(file: Path, kind: str) -> set[str]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return {row[0] for row in connection.execute(
            "select table_name from information_schema.tables where table_type = ?",
            [kind]).fetchall()}


def test_the_publication_holds_the_declared_tables_and_no_others(home: TrialHome) -> None:
    assert _tables(home.publication, "BASE TABLE") == {table.name for table in TABLES}
    assert _tables(home.publication, "VIEW") == VIEWS


def test_every_designed_and_every_declared_table_is_published_and_documented(
    home: TrialHome,
) -> None:
    expected = DESIGNED | VIEWS | {table.name for table in TABLES}
    published = _tables(home.publication, "BASE TABLE") | _tables(home.publication, "VIEW")
    assert expected - published == set()
    headings = {line.removeprefix("### ") for line in
                DICTIONARY.read_text(encoding="utf-8").splitlines() if line.startswith("### ")}
    assert expected - headings == set()


def test_labels_partition_the_customers(home: TrialHome) -> None:
    parts = require_partitions(home)
    assert len(parts["tier"]) >= 3 and len(parts["quadrant"]) >= 3


def test_the_status_holds_the_declared_tables_and_no_others(home: TrialHome) -> None:
    assert _tables(home.status, "BASE TABLE") == {table.name for table in STATUS_TABLES}


@pytest.mark.parametrize("table", [table for table in TABLES
                                   if table is not CUSTOMER_SCORES], ids=lambda table: table.name)
def test_published_columns_are_the_declared_ones(home: TrialHome, table: Table) -> None:
    assert _found(home.publication, table.name) == _declared(table)


@pytest.mark.parametrize("table", STATUS_TABLES, ids=lambda table: table.name)
def test_columns_of_the_status_are_the_declared_ones(home: TrialHome, table: Table) -> None:
    assert _found(home.status, table.name) == _declared(table)


def test_score_columns_are_the_declared_and_the_configured_ones(home: TrialHome) -> None:
    found = dict(_found(home.publication, CUSTOMER_SCORES.name))
    configured = {column.name: column.sql_type
                  for column in published_columns(Home(home.folder).configuration)}
    assert found == configured
    assert dict(_declared(CUSTOMER_SCORES)).items() <= found.items()


def test_every_published_column_says_what_it_means(home: TrialHome) -> None:
    """BI tools show the comments of the file."""
    silent = home.query("select table_name, column_name from duckdb_columns() "
                        "where database_name = 'crm' and comment is null "
                        "and table_name <> 'score_contributions'")
    assert silent == []
    [row] = home.query("select comment from duckdb_columns() where database_name = 'crm' "
                       "and table_name = 'customers' and column_name = 'customer_key'")
    assert row == {"comment": "Our id of one person or company."}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_required_columns_are_filled_and_keys_unique(home: TrialHome, table: Table) -> None:
    for column in table.columns:
        if column.is_required:
            rows = home.query(f"select count(*) as n from crm.{table.name} "
                              f"where {column.name} is null")
            assert rows == [{"n": 0}], column.name
    if table.key:
        keys = ", ".join(table.key)
        assert home.query(f"select {keys} from crm.{table.name} group by {keys} "
                          "having count(*) > 1") == []


def test_population_figures_are_those_of_the_customers(home: TrialHome) -> None:
    """Counted here from indicators of the same window, by another path than the figures."""
    [figures] = home.query(
        "pivot (from crm.population_figures where segment_kind = 'all') on figure "
        "using max(value) as value, max(n) as n group by as_of_date")
    [whole] = home.query(
        "select count(*) as customers, sum(purchase_amount__value) as net_revenue, "
        "count(case when purchase_frequency__value > 0 then 1 end) as buyers, "
        "count(case when purchase_frequency__value > 1 then 1 end) as repeat_buyers, "
        "sum(profit_contribution__value) as margin, count(profit_contribution__value) as margins, "
        "count(recommend_answer__value) as nps, count(csat_answer__value) as csat "
        "from crm.customer_scores")
    assert figures["customers_value"] == figures["net_revenue_n"] == whole["customers"]
    assert float(figures["net_revenue_value"]) == pytest.approx(whole["net_revenue"])
    assert float(figures["margin_value"]) == pytest.approx(whole["margin"])
    assert figures["margin_n"] == whole["margins"]
    assert figures["repeat_purchase_rate_n"] == whole["buyers"]
    assert float(figures["repeat_purchase_rate_value"]) == pytest.approx(
        whole["repeat_buyers"] / whole["buyers"], abs=1e-6)
    assert (figures["nps_n"], figures["csat_top_box_n"]) == (whole["nps"], whole["csat"])


def test_figures_of_both_nights_stand_in_history(home: TrialHome) -> None:
    assert home.query(
        "select publication_id, count(*) > 50 as is_filled from crm.population_figure_history "
        "group by publication_id order by publication_id") == [
            {"publication_id": 1, "is_filled": True}, {"publication_id": 2, "is_filled": True}]
