"""Declarations are refused when they cannot be meant: the validator would drop them and pass."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dagster_project.publish import tables
from dagster_project.quality.approval import suite_hash
from dagster_project.quality.gate import Declarations, load_declarations
from dagster_project.quality.result import DeclarationError
from tests.quality.conftest import EXPECTATIONS

SUITE = """table: crm.customers
expectations:
  - name: customers_present
    type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1}
    severity: error
    why: An outage.
    action: Look at the loads.
"""
INVARIANT = """/*
table: crm.customers
severity: error
says: customers are wrong
why: A reason.
action: Do something.
*/
select customer_key from crm.customers where customer_key is null
"""


@pytest.fixture
def expectations(tmp_path: Path) -> Path:
    """A small folder of declarations."""
    folder = tmp_path / "expectations"
    (folder / "suites").mkdir(parents=True)
    (folder / "invariants").mkdir()
    (folder / "suites" / "customers.yaml").write_text(SUITE)
    (folder / "invariants" / "customers_right.sql").write_text(INVARIANT)
    return folder


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("row_count_to_be_between", "row_count_to_be_beetween",
         'Did you mean "expect_table_row_count_to_be_between"'),
        ("min_value: 1", "min_valeu: 1", 'unknown key "min_valeu". Did you mean "min_value"'),
        ("{min_value: 1}", "{}", "cannot fail"),
        ("severity: error", "severity: eror", 'Did you mean "error"'),
        ("severity: error", "severty: error", 'unknown key "severty". Did you mean "severity"'),
        ("why: An outage.", "why: ''", "why must say something"),
        ("    why: An outage.\n", "", "why is missing"),
        ("table: crm.customers", "table: customers", "crm.<table> or night.<table>"),
        ("table: crm.customers", "table: crm.customer_scores", "customer_scores.yaml"),
        ("table: crm.customers", "table: crm.customers\nmay_be_emtpy: true",
         'Did you mean "may_be_empty"'),
        ("severity: error", "severity: error\n    severity: warning", "not readable as YAML"),
        ("name: customers_present", "name: Customers present", "lower-case words"),
        ("kwargs: {min_value: 1}", "kwargs: {min_value: 1}\n    for_each_column: score",
         "for_each_column must look like"),
    ],
)
def test_misspelt_suite_is_refused(expectations: Path, old: str, new: str, words: str) -> None:
    """File, key and the likely word are named."""
    path = expectations / "suites" / "customers.yaml"
    path.write_text(SUITE.replace(old, new))
    with pytest.raises(DeclarationError, match=r"customers\.yaml") as caught:
        load_declarations(expectations)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("select 1", "must begin with"),
        (INVARIANT.replace("says:", "say:"), 'unknown key "say". Did you mean "says"'),
        (INVARIANT.replace("severity: error\n", ""), "severity is missing"),
        (INVARIANT.replace("why: A reason.", "for_each: customer\nwhy: A reason."), "composite"),
        (INVARIANT.replace("table: crm.customers", "table: build.customers"), "crm.<table>"),
    ],
)
def test_unusable_invariant_is_refused(expectations: Path, text: str, words: str) -> None:
    """An invariant that cannot be read is no invariant."""
    (expectations / "invariants" / "customers_right.sql").write_text(text)
    with pytest.raises(DeclarationError, match=r"customers_right\.sql") as caught:
        load_declarations(expectations)
    assert words in str(caught.value)


@pytest.mark.parametrize("gone", ["suites/customers.yaml", "invariants/customers_right.sql"])
def test_nothing_declared_is_refused(expectations: Path, gone: str) -> None:
    """Without a declaration everything would pass."""
    (expectations / gone).unlink()
    with pytest.raises(DeclarationError, match="nothing is checked"):
        load_declarations(expectations)


def test_empty_suite_is_refused(expectations: Path) -> None:
    """A suite without expectations passes everything."""
    (expectations / "suites" / "customers.yaml").write_text(
        "table: crm.customers\nexpectations: []\n")
    with pytest.raises(DeclarationError, match="expectations is empty"):
        load_declarations(expectations)


def test_file_nobody_reads_is_refused(expectations: Path) -> None:
    """A suite called .yml would silently be left out."""
    (expectations / "suites" / "publication.yml").write_text(SUITE)
    with pytest.raises(DeclarationError, match="nobody reads this file"):
        load_declarations(expectations)


def test_name_used_twice_is_refused(expectations: Path) -> None:
    """Results are found by name."""
    (expectations / "invariants" / "customers_present.sql").write_text(INVARIANT)
    with pytest.raises(DeclarationError, match="more than one check is called customers_present"):
        load_declarations(expectations)


def test_suite_hash_follows_names_and_contents(expectations: Path, tmp_path: Path) -> None:
    """Any change of a declaration is another suite; the same files elsewhere are the same."""
    first = suite_hash(expectations)
    copy = tmp_path / "copy"
    shutil.copytree(expectations, copy)
    assert suite_hash(copy) == first
    (copy / "suites" / "customers.yaml").write_text(SUITE.replace("1}", "0}"))
    assert suite_hash(copy) != first
    (expectations / "invariants" / "customers_right.sql").rename(
        expectations / "invariants" / "customers_left.sql")
    assert suite_hash(expectations) != first


def test_column_sets_follow_the_declared_tables(declarations: Declarations) -> None:
    """The contract with readers is declared once; the suites repeat it and may not drift."""
    declared = {table.name: set(table.column_names)
                for table in (*tables.CURRENT_TABLES, *tables.HISTORY_TABLES,
                              *tables.RUN_TABLES)}
    seen = set()
    for suite in declarations.suites:
        for expectation in suite.expectations:
            if expectation.type == "expect_table_columns_to_match_set":
                table = expectation.check.table_name
                assert set(expectation.kwargs["column_set"]) == declared[table]
                seen.add(table)
    assert seen == {
        "account_scores",
        "campaign_results",
        "campaigns",
        "churn_warnings",
        "contribution_curve",
        "customer_lifetime_values",
        "customer_profitability",
        "customer_score_history",
        "customer_segments",
        "customers",
        "label_history",
        "label_migrations",
        "label_stability",
        "label_shares",
        "population_figures",
        "publication",
        "reference_drift",
        "score_changes",
        "score_backtest",
        "score_curves",
        "segment_kpis",
    }


def test_project_declares_its_own_folder(declarations: Declarations) -> None:
    """The declarations under test are those of the project."""
    assert declarations.suite_hash == suite_hash(EXPECTATIONS)
    assert len(declarations.checks) > 90
