"""An approval lets exactly one file through, and only a complete, passing one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dagster_project.engine.audit_connection import fingerprints_of
from dagster_project.quality.approval import (
    APPROVAL_FILE,
    Approval,
    NotApproved,
    make_approval,
    read_approval,
    verify_approval,
    write_approval,
)
from dagster_project.quality.gate import RUN_TABLE_NAMES
from dagster_project.quality.result import Check, CheckResult, failed, not_evaluated, passed
from tests.quality.conftest import CANDIDATE_ID, SECRET, Night

CHECK = Check("the_check", "crm.customers", "error", "A reason.", "Do something.")
WARNING = replace(CHECK, name="the_warning", severity="warning")
FINGERPRINTS = {"customers": {"rows_n": 1, "hash_sum": "7", "columns": "c"}}


def _approval(*results: CheckResult, **changes: Any) -> Approval:
    arguments: dict[str, Any] = {"candidate_id": CANDIDATE_ID, "suite": "suite",
                                 "results": results, "fingerprints": FINGERPRINTS,
                                 "engine_version": "engine 1", "secret": SECRET}
    return make_approval(**{**arguments, **changes})


def _verify(approval: Approval, **changes: Any) -> None:
    arguments: dict[str, Any] = {"secret": SECRET, "suite": "suite", "candidate_id": CANDIDATE_ID,
                                 "checks": list(approval.results),
                                 "fingerprints": FINGERPRINTS, "engine_version": "engine 1"}
    verify_approval(approval, **{**arguments, **changes})


PASSED = passed(CHECK, CANDIDATE_ID)


def test_passing_approval_is_let_through(tmp_path: Path) -> None:
    """Written and read again it is the same."""
    write_approval(tmp_path, _approval(PASSED))
    approval = read_approval(tmp_path)
    assert approval.is_approved
    _verify(approval)


def test_warning_and_waiver_do_not_stop() -> None:
    """A warning is shown; a waiver is a person's word."""
    results = (failed(WARNING, CANDIDATE_ID, 3, "three"),
               failed(CHECK, CANDIDATE_ID, 3, "three").waived("known (Mei)"))
    approval = _approval(*results)
    _verify(approval)
    assert approval.waivers == {"the_check": "known (Mei)"}


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ((PASSED, failed(WARNING, CANDIDATE_ID, 1, "m"), replace(
            failed(CHECK, CANDIDATE_ID, 1, "m"), check_name="bad")), "the gate says no: bad"),
        ((PASSED, not_evaluated(WARNING, CANDIDATE_ID, "m")),
         r"only 1 of 2 expectations were evaluated \(not: the_warning\)"),
        ((), "no expectation was evaluated"),
        ((replace(PASSED, declared_n=0, evaluated_n=0),), "no expectation was evaluated"),
        ((replace(PASSED, declared_n=2),), "only 1 of 2 expectations"),
    ],
)
def test_failing_and_incomplete_are_refused(results: tuple[CheckResult, ...], words: str) -> None:
    """What did not run means no, just as what failed."""
    approval = _approval(*results)
    assert not approval.is_approved
    with pytest.raises(NotApproved, match=words):
        _verify(approval)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"candidate_id": "another"}, f"the approval beside it is that of {CANDIDATE_ID}"),
        ({"suite": "another"}, "expectations have changed"),
        ({"secret": b"another"}, "changed by hand or signed elsewhere"),
        ({"checks": ["the_check", "a_new_check"]}, "the checks a_new_check are not both declared"),
        ({"checks": []}, "the checks the_check are not both declared"),
        ({"engine_version": "engine 2"}, "fingerprints do not carry over"),
        ({"fingerprints": {}}, "tables customers are not those"),
        ({"fingerprints": {**FINGERPRINTS, "extra": FINGERPRINTS["customers"]}},
         "tables extra are not those"),
    ],
)
def test_other_circumstances_are_refused(changes: dict[str, Any], words: str) -> None:
    """An approval holds for one candidate, file, suite, engine and home."""
    with pytest.raises(NotApproved, match=words):
        _verify(_approval(PASSED), **changes)


@pytest.mark.parametrize("key", ["candidate_id", "suite_hash", "expectations_evaluated",
                                 "fingerprints", "results", "is_approved", "waivers"])
def test_edited_approval_is_refused(tmp_path: Path, key: str) -> None:
    """No field can be changed without the secret of the home."""
    write_approval(tmp_path, _approval(failed(CHECK, CANDIDATE_ID, 1, "m")))
    path = tmp_path / APPROVAL_FILE
    content = json.loads(path.read_text())
    edits = {"is_approved": True, "expectations_evaluated": 9, "candidate_id": "x",
             "suite_hash": "x", "waivers": {"the_check": "fine"}}
    content[key] = edits.get(key, {})
    path.write_text(json.dumps(content))
    with pytest.raises(NotApproved, match="changed by hand"):
        _verify(read_approval(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "does not exist"), ("{", "not readable"), ("{}", "incomplete"), ("[]", "incomplete")],
)
def test_missing_or_foreign_approval_is_refused(
    tmp_path: Path, text: str | None, words: str
) -> None:
    """A file that is not an approval is none."""
    if text is not None:
        (tmp_path / APPROVAL_FILE).write_text(text)
    with pytest.raises(NotApproved, match=words):
        read_approval(tmp_path)


def test_home_without_secret_signs_nothing() -> None:
    """An empty secret would make a signature anyone can make."""
    with pytest.raises(ValueError, match="no secret"):
        _approval(PASSED, secret=b"")


def _verify_file(night: Night, candidate_id: str = CANDIDATE_ID) -> None:
    approval = read_approval(night.candidate.parent)
    verify_approval(approval, secret=SECRET, suite=night.declarations.suite_hash,
                    checks=list(approval.results), candidate_id=candidate_id,
                    fingerprints=fingerprints_of(night.candidate, without=RUN_TABLE_NAMES),
                    engine_version=approval.engine_version)


@pytest.mark.parametrize(
    "change",
    [
        "update crm.customers set city = 'Suzhou' where city = 'Hangzhou'",
        "delete from crm.customer_ids where source_customer_id = 'C-1'",
        "insert into crm.customer_ids from crm.customer_ids",
        "alter table crm.customers rename column city to town",
        "create table crm.extra as select 1 as a",
        "drop table crm.strategies",
        "create or replace view crm.score_contributions as select 1 as a",
    ],
)
def test_changed_file_is_refused(make_night: Callable[..., Night], change: str) -> None:
    """What is published is what was judged, to the last row, twice-standing rows included."""
    night = make_night()
    fingerprints = fingerprints_of(night.candidate, without=RUN_TABLE_NAMES)
    write_approval(night.candidate.parent, _approval(
        PASSED, suite=night.declarations.suite_hash, fingerprints=fingerprints))
    _verify_file(night)
    night.in_candidate(change)
    with pytest.raises(NotApproved, match="are not those the gate judged"):
        _verify_file(night)


def test_approval_copied_beside_another_candidate_is_refused(
    make_night: Callable[..., Night]
) -> None:
    """An approval is not a licence for the folder it lies in."""
    judged, other = make_night(), make_night("another")
    fingerprints = fingerprints_of(judged.candidate, without=RUN_TABLE_NAMES)
    write_approval(judged.candidate.parent, _approval(
        PASSED, suite=judged.declarations.suite_hash, fingerprints=fingerprints))
    shutil.copy(judged.candidate.parent / APPROVAL_FILE, other.candidate.parent / APPROVAL_FILE)
    with pytest.raises(NotApproved, match="the approval beside it is that of"):
        _verify_file(other, "another")


def test_fingerprint_ignores_order_and_run_records(make_night: Callable[..., Night]) -> None:
    """The order of rows never matters; records of runs differ from run to run."""
    night = make_night()
    before = fingerprints_of(night.candidate, without=RUN_TABLE_NAMES)
    assert not RUN_TABLE_NAMES & before.keys()
    assert {"customers", "customer_scores", "publication", "score_contributions"} <= before.keys()
    night.in_candidate(
        "create temp table t as select * from crm.customers order by customer_key desc",
        "delete from crm.customers", "insert into crm.customers from t",
        "insert into crm.quality_results values "
        "('c', 'n', 't', 'passed', 'error', 0, '', '', NULL)",
    )
    assert fingerprints_of(night.candidate, without=RUN_TABLE_NAMES) == before
