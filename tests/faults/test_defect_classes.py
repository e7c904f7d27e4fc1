"""Test 8: twenty classes of defects, one a night, each stopped by a named check of the gate."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dagster_project.engine.audit_connection import fingerprints_of
from dagster_project.quality.approval import NotApproved, read_approval, verify_approval
from dagster_project.quality.gate import RUN_TABLE_NAMES
from nights.homes import END, TrialHome
from tests.conftest import INJECTED
from tests.quality.conftest import CANDIDATE_ID, SECRET, Night
from tests.quality.test_defects import CANDIDATE_DEFECTS, RAW_DEFECTS

# What went wrong -> the check that stops it; how each is seeded stands beside the checks.
CLASSES = {
    "a customer twice": "customers_key_unique",
    "a join that fans out": "ids_lead_to_one_customer",
    "a sign turned": "customers_refund_not_negative",
    "money of another currency added": "segments_add_up_to_all_revenue",
    "money out of nowhere": "revenue_within_orders",
    "a day shifted": "current_tables_are_of_one_date",
    "dates in the wrong order": "customers_dates_in_order",
    "a burst of NULLs": "scores_tier_filled",
    "a table cut short": "customers_not_fewer_than_expected",
    "an empty table": "scores_present",
    "a column renamed": "customers_columns",
    "a word misspelt": "scores_tier_known",
    "scores on another scale": "contributions_add_up",
    "not a number": "scores_composites_in_range",
    "labels of other customers": "quadrants_partition_customers",
    "an id that leads nowhere": "ids_lead_to_customers",
    "a person in a text": "no_personal_text",
    "a candidate of other inputs": "publication_is_this_candidate",
    "a publication that is missing": "publication_follows_a_known_one",
    "a row lost on the way": "rows_read_are_accounted_for",
    "a row lost in raw": "ledger_counts_the_raw_rows",
    "a row loaded twice": "order_lines_once_per_line",
    "a source that nobody reconciled": "loaded_sources_are_reconciled",
    "history that says something else": "history_repeats_the_current_scores",
}


@pytest.mark.faults
@pytest.mark.parametrize("defect", CLASSES)
def test_a_defect_is_stopped_by_its_named_check_and_cannot_be_published(
        defect: str, night: Night, record_property: Any) -> None:
    name = CLASSES[defect]
    night.in_candidate(*CANDIDATE_DEFECTS.get(name, ()))
    night.in_raw(*RAW_DEFECTS.get(name, ()))
    record_property(INJECTED, 1)
    report = night.gate()
    assert not report.is_approved
    assert name in [result.check_name for result in report.results if result.stops]
    assert name in report.words
    with pytest.raises(NotApproved):
        verify_approval(
            read_approval(night.candidate.parent), secret=SECRET,
            suite=night.declarations.suite_hash,
            checks=[check.name for check in night.declarations.checks],
            candidate_id=CANDIDATE_ID, engine_version=report.approval.engine_version,
            fingerprints=fingerprints_of(night.candidate, without=RUN_TABLE_NAMES))


CLEAN_NIGHTS = 60
CLEAN_CUSTOMERS = 60
NIGHTS_A_COMMAND = 20


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.xdist_group("clean_nights")
def test_sixty_clean_nights_raise_no_alarm(tmp_path: Path) -> None:
    """Night after night over a sample with its usual dose of dirt; every one is published."""
    home = TrialHome(tmp_path / "home")
    run_clean_nights(home, CLEAN_NIGHTS)
    outcomes = home.query("select outcome, count(*) as n from crm.pipeline_runs "
                          "group by all", home.status)
    assert outcomes == [{"outcome": "published", "n": CLEAN_NIGHTS}]
    # The results of the last night stand beside it: nothing stopped, nothing was left out.
    found = home.query("select outcome, count(*) as n from crm.quality_results "
                       "where severity = 'error' group by all")
    assert [row["outcome"] for row in found] == ["passed"]


def run_clean_nights(home: TrialHome, nights: int) -> None:
    """A home whose nights have each their deliveries, run in one range."""
    home.crm("init", str(home.folder), "--sample").expect(0)
    home.crm("sample", "--customers", str(CLEAN_CUSTOMERS), "--days", str(nights + 7),
             "--end", END.isoformat()).expect(0)
    # A share of few rows says nothing; so few customers buy in bursts.
    home.edit("home.yaml", "maximum_rejected_share: 0.05", "maximum_rejected_share: 0.5")
    home.edit("home.yaml", "maximum_held_share: 0.05", "maximum_held_share: 0.5")
    home.edit("home.yaml", "threads: auto", "threads: 1")
    first = END - timedelta(days=nights - 1)
    while first <= END:
        last = min(END, first + timedelta(days=NIGHTS_A_COMMAND - 1))
        home.crm("run", "--from", first.isoformat(), "--to", last.isoformat()).expect(0)
        first = last + timedelta(days=1)
