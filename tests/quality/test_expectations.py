"""The validator on the engine: each allowed type, passing, failing, empty, missing; fail closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from duckdb_engine import ConnectionWrapper

from dagster_project.engine.audit_connection import AuditConnection
from dagster_project.quality import expectations_runner
from dagster_project.quality.result import Check, CheckResult
from dagster_project.quality.suites import ALLOWED_TYPES, Expectation, Suite

CASES: dict[str, tuple[dict[str, Any], str, int | None]] = {
    # type: arguments, the row that breaks it, rows at fault
    "expect_table_row_count_to_be_between": ({"max_value": 3}, "(4, 'a', 4.0)", None),
    "expect_table_columns_to_match_set": (
        {"column_set": ["id", "word", "x"], "exact_match": True}, "", None),
    "expect_column_values_to_not_be_null": ({"column": "word"}, "(4, NULL, 4.0)", 1),
    "expect_column_values_to_be_unique": ({"column": "id"}, "(3, 'a', 4.0)", 2),
    "expect_column_values_to_be_in_set": (
        {"column": "word", "value_set": ["a", "b"]}, "(4, 'jo@example.org', 4.0)", 1),
    "expect_column_values_to_be_between": (
        {"column": "x", "min_value": 0, "max_value": 100}, "(4, 'a', 'nan'::double)", 1),
    "expect_column_mean_to_be_between": (
        {"column": "x", "min_value": 0, "max_value": 5}, "(4, 'a', 500.0)", None),
    "expect_compound_columns_to_be_unique": (
        {"column_list": ["id", "word"]}, "(3, 'b', 4.0)", 2),
}


def _expectation(type_: str, kwargs: dict[str, Any], **changes: Any) -> Expectation:
    check = Check("the_check", "crm.things", "error", "A reason.", "Do something.")
    return Expectation(check, type_, kwargs, **changes)


def _audit(*rows: str) -> AuditConnection:
    connection = duckdb.connect(":memory:")
    connection.execute("create schema crm")
    connection.execute("create table crm.things (id integer, word varchar, x double)")
    for row in rows:
        connection.execute(f"insert into crm.things values {row}")
    return AuditConnection(connection)


def _run(audit: AuditConnection, *expectations: Expectation,
         may_be_empty: bool = False) -> list[CheckResult]:
    suite = Suite("crm.things", may_be_empty, expectations)
    return expectations_runner.run_suites(audit, [suite], "candidate")


GOOD = ("(1, 'a', 1.0)", "(2, 'b', 2.0)", "(3, 'b', 3.0)")


def test_every_allowed_type_has_a_case() -> None:
    """The list is closed because each type on it is proven here."""
    assert CASES.keys() == ALLOWED_TYPES.keys()


def test_good_rows_pass_every_type() -> None:
    """One table, every type, no false alarm."""
    results = _run(_audit(*GOOD), *(_expectation(t, case[0]) for t, case in CASES.items()))
    assert [r.outcome for r in results] == ["passed"] * len(CASES)
    assert [r.evaluated_n for r in results] == [1] * len(CASES)


@pytest.mark.parametrize("type_", sorted(CASES))
def test_one_bad_row_fails(type_: str) -> None:
    """Verdict and count are right, and no text of the row is shown."""
    kwargs, row, failing_n = CASES[type_]
    audit = _audit(*GOOD, *([row] if row else []))
    if not row:
        audit._connection.execute("alter table crm.things rename column word to verb")
    (result,) = _run(audit, _expectation(type_, kwargs))
    assert (result.outcome, result.failing_n) == ("failed", failing_n)
    assert "example.org" not in result.message
    assert "Do something." in result.message


@pytest.mark.parametrize("type_", sorted(set(CASES) - {"expect_table_row_count_to_be_between",
                                                       "expect_table_columns_to_match_set"}))
def test_empty_table_is_no_answer(type_: str) -> None:
    """Of no rows everything is true: the validator passes, we do not."""
    (result,) = _run(_audit(), _expectation(type_, CASES[type_][0]))
    assert result.outcome == "not_evaluated" and result.stops
    assert result.evaluated_n == 0


def test_empty_table_fails_its_row_count() -> None:
    """The row count is what catches an empty table."""
    (result,) = _run(_audit(), _expectation("expect_table_row_count_to_be_between",
                                            {"min_value": 1}))
    assert result.outcome == "failed"
    assert "gives 0, expected at least 1" in result.message


def test_empty_table_may_be_allowed() -> None:
    """A source that brought nothing tonight is no fault."""
    (result,) = _run(_audit(), _expectation("expect_column_values_to_be_unique", {"column": "id"}),
                     may_be_empty=True)
    assert result.outcome == "passed"


def test_missing_column_and_table_are_no_answer() -> None:
    """What cannot be looked at is not fine, and the other expectations still answer."""
    results = _run(_audit(*GOOD),
                   _expectation("expect_column_values_to_be_unique", {"column": "ident"}),
                   _expectation("expect_column_values_to_be_unique", {"column": "id"}))
    assert [r.outcome for r in results] == ["not_evaluated", "passed"]
    assert "column ident is missing" in results[0].message
    audit = _audit(*GOOD)
    audit._connection.execute("drop table crm.things")
    (result,) = _run(audit, _expectation("expect_column_values_to_be_unique", {"column": "id"}))
    assert result.outcome == "not_evaluated" and "no such table" in result.message


def test_raising_expectation_is_no_answer() -> None:
    """An error of the engine is not a verdict on the data, and quotes no value."""
    (result,) = _run(_audit(*GOOD, "(4, 'jo@example.org', 4.0)"),
                     _expectation("expect_column_values_to_be_between",
                                  {"column": "word", "min_value": 0, "max_value": 1}))
    assert result.outcome == "not_evaluated" and result.stops
    assert "could not be checked" in result.message
    assert "example.org" not in result.message


def test_dropped_expectation_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An expectation the validator leaves out is noticed."""
    monkeypatch.setattr(expectations_runner, "_ask", lambda *_: {})
    (result,) = _run(_audit(*GOOD), _expectation("expect_column_values_to_be_unique",
                                                 {"column": "id"}))
    assert result.outcome == "not_evaluated" and "dropped" in result.message
    assert (result.declared_n, result.evaluated_n) == (1, 0)


def test_pattern_makes_one_evaluation_a_column() -> None:
    """One declaration covers the columns of the configuration and counts each."""
    audit = _audit()
    audit._connection.execute(
        "create or replace table crm.things as "
        "select 1 as a, 0.5 as a__coverage, 20 as b, 0.5 as b__coverage, 700 as c")
    each = _expectation("expect_column_values_to_be_between",
                        {"column": "{stem}", "max_value": 10}, for_each_column="*__coverage")
    (result,) = _run(audit, each)
    assert (result.outcome, result.failing_n) == ("failed", 1)
    assert (result.declared_n, result.evaluated_n) == (2, 2)
    assert "b in 1 row" in result.message
    (result,) = _run(audit, _expectation("expect_column_values_to_be_between",
                                         {"column": "{column}", "max_value": 10},
                                         for_each_column="*__score"))
    assert result.outcome == "not_evaluated" and "no column fits *__score" in result.message


def test_statement_per_cursor_is_still_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails the validator reads results in time: drop `_StatementPerCursor`."""
    audit = _audit(*GOOD)
    monkeypatch.setattr(audit, "_creator", lambda: ConnectionWrapper(audit._connection.cursor()))
    (result,) = _run(audit, _expectation("expect_table_row_count_to_be_between", {"min_value": 1}))
    assert result.outcome == "not_evaluated"
    assert "list index out of range" in result.message


def test_files_are_free_after_a_run(tmp_path: Path) -> None:
    """No connection of the validator outlives the run: a writer can open the file."""
    path = tmp_path / "things.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table things as select 1 as id, 'a' as word, 1.0 as x")
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"attach '{path}' as file (read_only)")
        connection.execute("create schema crm")
        connection.execute("create view crm.things as from file.things")
        (result,) = _run(AuditConnection(connection),
                         _expectation("expect_column_values_to_be_unique", {"column": "id"}))
    assert result.outcome == "passed"
    with duckdb.connect(str(path)) as connection:
        connection.execute("insert into things values (2, 'b', 2.0)")
