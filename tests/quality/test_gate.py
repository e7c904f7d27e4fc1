"""The gate as a whole: fails closed, keeps people out of its words, changes nothing."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from dagster_project.engine.personal_text import mask_personal_text
from dagster_project.engine.status import write_status
from dagster_project.engine.stores import Limits, Stores
from dagster_project.engine.table import Column, Table
from dagster_project.ingest.tables import REJECTED_ROWS
from dagster_project.publish.tables import QUALITY_RESULTS
from dagster_project.quality.approval import APPROVAL_FILE
from dagster_project.quality.gate import Bounds
from dagster_project.quality.invariants import load_invariants
from dagster_project.quality.result import DeclarationError
from tests.quality.conftest import EXPECTATIONS, Night

EMAIL = "canary.person@example.org"


def test_clean_night_is_approved(night: Night, network_attempts: list[object]) -> None:
    """Every declared check ran, its result is a row of quality_results, the files are untouched."""
    before = [hashlib.sha256(path.read_bytes()).hexdigest() for path in
              (night.candidate, night.raw)]
    report = night.gate()
    assert report.is_approved and report.words == ""
    assert [r.check_name for r in report.results] == [c.name for c in night.declarations.checks]
    assert report.approval.expectations_declared == report.approval.expectations_evaluated
    assert report.approval.expectations_declared > len(report.results)
    assert all(tuple(row) == QUALITY_RESULTS.column_names for row in report.rows())
    assert before == [hashlib.sha256(path.read_bytes()).hexdigest() for path in
                      (night.candidate, night.raw)]
    left = {path.name for path in night.candidate.parent.iterdir()}
    assert left == {"crm.duckdb", APPROVAL_FILE}
    assert network_attempts == []


@pytest.mark.parametrize("table", ["customer_scores", "publication"])
def test_missing_table_means_no(night: Night, table: str) -> None:
    """What is not there cannot be fine."""
    night.in_candidate(f"drop table crm.{table}")
    report = night.gate()
    assert not report.is_approved
    silent = [r for r in report.results if r.outcome == "not_evaluated"]
    assert silent and all(r.stops and r.failing_n is None for r in silent)
    assert "NOT CHECKED" in report.words
    assert report.approval.expectations_evaluated < report.approval.expectations_declared


@pytest.mark.parametrize(
    ("table", "check"),
    [("customers", "scores_and_customers_have_the_same_keys"),
     ("segment_kpis", "tiers_partition_customers"),
     ("reconciliation", "rows_read_are_accounted_for"),
     ("strategies", "quadrants_have_strategies"),
     ("customer_ids", "ids_lead_to_customers"),
     ("customer_score_history", "history_repeats_the_current_scores")],
)
def test_law_over_a_missing_table_is_no_answer(night: Night, table: str, check: str) -> None:
    """A law about a table that is not there does not hold."""
    night.in_candidate(f"drop table crm.{table}")
    result = night.check(check)
    assert result.outcome == "not_evaluated" and result.stops


def test_empty_publication_means_no(night: Night) -> None:
    """Tables without rows are an outage, not a quiet night."""
    night.in_candidate("delete from crm.customers", "delete from crm.customer_scores",
                       "delete from crm.segment_kpis", "delete from crm.customer_score_history")
    report = night.gate()
    assert not report.is_approved
    failing = {r.check_name for r in report.results if r.outcome == "failed"}
    assert {"customers_present", "scores_present", "segments_present"} <= failing


def test_broken_off_audit_leaves_no_approval(night: Night, tmp_path: Path) -> None:
    """An earlier yes does not outlive an audit that could not be finished."""
    (night.candidate.parent / APPROVAL_FILE).write_text("{}")
    broken = tmp_path / "expectations"
    shutil.copytree(EXPECTATIONS, broken)
    (broken / "suites" / "customers.yaml").write_text("table: crm.customers\n")
    with pytest.raises(DeclarationError):
        night.gate(expectations=broken)
    assert not (night.candidate.parent / APPROVAL_FILE).exists()


def test_missing_files_are_named(night: Night, tmp_path: Path) -> None:
    """The path is in the words, nothing is created in its place."""
    night.raw = tmp_path / "elsewhere.duckdb"
    with pytest.raises(FileNotFoundError, match=r"elsewhere\.duckdb does not exist"):
        night.gate()
    assert not night.raw.exists()


def test_broken_invariant_is_no_answer(night: Night, tmp_path: Path) -> None:
    """An error of the query is not zero rows."""
    (tmp_path / "broken.sql").write_text(
        "/*\ntable: crm.customers\nseverity: warning\nsays: rows\nwhy: A reason.\n"
        "action: Do something.\n*/\nselect nothing_here from crm.customers\n")
    (invariant,) = load_invariants(tmp_path)
    night.declarations = type(night.declarations)((), (invariant,), "")
    result = night.check("broken")
    assert result.outcome == "not_evaluated" and result.stops
    assert "could not be checked" in result.message


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        (f"update crm.customers set region = 'x {EMAIL}'", "region"),
        ("update crm.customers set city = '13812345678'", "city"),
        ("update crm.customers set account_id = 'tel +49 170 1234567'", "account_id"),
        ("update crm.customer_ids set source_customer_id = '138 1234 5678' "
         "where source_customer_id = 'C-1'", "source_customer_id"),
        (f"update crm.strategies set strategy_en = 'write to {EMAIL}'", "strategy_en"),
        (f"update crm.configurations set canonical_text = '{{\"a\": \"{EMAIL}\"}}'",
         "canonical_text"),
    ],
)
def test_planted_person_is_found_and_not_repeated(night: Night, statement: str,
                                                  where: str) -> None:
    """The canary stops the publication and is in no word of ours."""
    night.in_candidate(statement)
    result = night.check("no_personal_text")
    assert result.stops
    assert f"column_name = {where}" in result.message
    for secret in (EMAIL, "canary", "13812345678", "1234"):
        assert secret not in result.message


def test_planted_person_in_rejected_rows_is_found(night: Night) -> None:
    """Rejected rows are shown to people, masked or not at all."""
    night.in_raw(f"update {REJECTED_ROWS.name} set masked_value = '{EMAIL}'")
    assert night.check("no_personal_text").stops


@pytest.mark.parametrize("text", [
    "c***@e***.org", "C-100234", "2026-03-31", "3f2a1b7c-1234-4000-8000-123456789012",
    "20260331001", "9f8e7d6c5b4a13812345678f", "A/B @ home", "1700000000000", "1.5e+10",
])
def test_harmless_text_is_left_alone(night: Night, text: str) -> None:
    """Ids, dates, hashes and masked values are no persons."""
    night.in_candidate(f"update crm.customers set account_id = '{text}'")
    assert night.check("no_personal_text").outcome == "passed"


def test_numbers_may_be_permitted_and_addresses_not(night: Night) -> None:
    """A shop with eleven-digit customer numbers says so; an e-mail address stays one."""
    night.bounds = Bounds(permitted_texts=(("customer_ids", "source_customer_id"),))
    night.in_candidate("update crm.customer_ids set source_customer_id = '13812345678' "
                       "where source_customer_id = 'C-1'")
    assert night.check("no_personal_text").outcome == "passed"
    night.in_candidate(f"update crm.customer_ids set source_customer_id = '{EMAIL}' "
                       "where source_customer_id = '13812345678'")
    assert night.check("no_personal_text").stops


def test_no_value_of_a_row_leaves_the_gate(night: Night) -> None:
    """Words, results and approval hold counts and masked examples."""
    night.in_candidate(f"update crm.customer_scores set tier = '{EMAIL}'",
                       f"update crm.customer_score_history set quadrant = '{EMAIL}'")
    report = night.gate()
    written = (night.candidate.parent / APPROVAL_FILE).read_text()
    for text in (report.words, json.dumps(report.rows(), default=str), written):
        assert "canary" not in text and "example.org" not in text


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("rejected_share_within_bound", Bounds(rejected_share=0.04, rejected_rows_tolerated=0)),
        ("rejected_share_within_bound", Bounds(rejected_share_of=(("shop", 0.04),),
                                               rejected_rows_tolerated=0)),
        ("held_share_within_bound", Bounds(held_share=0.05)),
        ("customers_not_fewer_than_expected", Bounds(kept_share=1.01)),
    ],
)
def test_bounds_are_those_of_the_home(night: Night, name: str, bounds: Bounds) -> None:
    """The clean night passes the default bound and fails a tighter one."""
    assert night.check(name).outcome == "passed"
    night.bounds = bounds
    assert night.check(name).outcome == "failed"


def test_other_knowledge_is_seen(night: Night) -> None:
    """The file must be that of the six inputs the gate was called with."""
    night.known_load_seq = 4
    assert night.check("publication_is_this_candidate").stops


def reject(rows_n: int, source: str = "shop", file: str = "shop/2.csv", load_seq: int = 2,
           reason: str = "not_a_time") -> str:
    """SQL that adds rejected rows to the night; those of a clean night are one of 21."""
    return ("insert into rejected_rows (load_seq, row_no, file_row_no, source, file_name, reason, "
            f"column_name) select {load_seq}, 100 + i, 100 + i, '{source}', '{file}', '{reason}', "
            f"'ordered_at' from range({rows_n}) as numbers(i)")


def test_a_share_of_few_rows_says_nothing(night: Night) -> None:
    """Five bad rows of six stop no night, six of twenty do."""
    night.in_raw(reject(4))
    assert night.check("rejected_share_within_bound").outcome == "passed"
    night.in_raw("update rejected_rows set row_no = row_no + 50", reject(1))
    assert night.check("rejected_share_within_bound").stops


def test_the_bound_of_a_source_is_its_own(night: Night) -> None:
    """A help desk that writes one bad row in three is let through, a shop is not."""
    night.in_raw(reject(7, "web", "web/3.csv", 3), reject(7))
    night.bounds = Bounds(rejected_share_of=(("web", 0.8),))
    result = night.check("rejected_share_within_bound")
    assert (result.failing_n, "source = shop" in result.message) == (1, True)
    night.bounds = Bounds(rejected_share_of=(("web", 0.8), ("shop", 0.5)))
    assert night.check("rejected_share_within_bound").outcome == "passed"


def test_the_words_name_source_share_bound_worst_file_and_the_way_out(night: Night) -> None:
    night.in_raw(reject(2, file="shop/1.csv"), reject(9))
    message = night.check("rejected_share_within_bound").message
    for words in ("source = shop", "rejected_n = 12", "read_n = 21", "share = 0.57", "bound = 0.05",
                  "most_in_file = shop/2.csv", "crm-value rejected --write", "crm-value repair",
                  "maximum_rejected_share"):
        assert words in message, words


def test_rows_that_a_rule_leaves_out_are_no_bad_rows(night: Night) -> None:
    night.in_raw(reject(15, reason="left_out"))
    assert night.check("rejected_share_within_bound").outcome == "passed"
    # Nor do they thin out the others.
    night.in_raw("update rejected_rows set row_no = row_no + 50", reject(5))
    night.bounds = Bounds(rejected_share=0.3)
    assert night.check("rejected_share_within_bound").stops


def test_repaired_rows_stop_nothing(night: Night) -> None:
    """What was mended in time needs no waiver."""
    night.in_raw(reject(9))
    assert night.check("rejected_share_within_bound").stops
    night.in_raw("insert into repaired_rows select 4, load_seq, row_no from rejected_rows "
                 "where row_no >= 104")
    assert night.check("rejected_share_within_bound").outcome == "passed"


@pytest.mark.parametrize("text", [
    "written to anna@example.org on Monday", "tel +49 170 1234567", "13812345678 13912345678",
    "a.b@example.org", "orders/anna@example.org.csv", "(212) 555-1234",
])
def test_what_is_written_after_the_gate_is_masked(tmp_path: Path, text: str) -> None:
    """Nobody audits the status; so nothing in it may need an audit."""
    stores = Stores(tmp_path / "state", tmp_path / "warehouse",
                    Limits("1GB", 1, tmp_path / "spill"))
    stores.warehouse.mkdir()
    run = {"run_id": "r1", "job_name": "nightly", "outcome": "failed", "message": text,
           "started_at": datetime(2026, 4, 1)}
    write_status(stores, run, None, {text: f"refused: {text}"})
    values = texts_of(stores.status)
    assert len([value for value in values if "***" in value]) == 3
    assert [value for value in values if "@" in value or re.search("[0-9]", value)] == []


def test_the_patterns_find_what_the_mask_hides(night: Night) -> None:
    """Two shapes that are no persons stay as they are."""
    with duckdb.connect() as connection:
        connection.execute("create table t (a varchar)")
        harmless = ["c***@e***.org", "3f2a1b7c-1234-4000-8000-123456789012", "2026-03-31", "###"]
        connection.executemany("insert into t values (?)", [[text] for text in harmless])
        mask_personal_text(connection, "main", [Table("t", "", (Column("a", "VARCHAR", ""),))])
        assert [text for (text,) in connection.execute("from t").fetchall()] == harmless


def texts_of(path: Path) -> list[str]:
    """Every text of every table of a file, run ids left aside."""
    with duckdb.connect(str(path), read_only=True) as connection:
        columns = connection.execute(
            "select table_name, column_name from information_schema.columns "
            "where data_type = 'VARCHAR' and column_name <> 'run_id'").fetchall()
        return [value for table, column in columns for (value,) in connection.execute(
            f'select "{column}" from {table} where "{column}" is not null').fetchall()]
