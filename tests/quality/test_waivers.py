"""A false alarm can be waived: one check, one candidate, with a reason and a name."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from dagster_project.quality.approval import verify_approval
from dagster_project.quality.waivers import WAIVERS_FILE, WaiverError, add_waiver, read_waivers
from tests.quality.conftest import CANDIDATE_ID, SECRET, Night


def _checks(night: Night) -> dict[str, set[str]]:
    """All checks, as if each had failed."""
    names = {check.name for check in night.declarations.checks}
    return {"known": names, "failing": names}


def test_waived_check_is_published_with_its_reason(night: Night) -> None:
    """The gate says yes, and the results say who let it through and why."""
    night.refused_files = (("orders/old.csv", "no column order_id"),)
    add_waiver(night.candidate.parent, "no_file_refused", "a copy of  yesterday's file", "Mei",
               **_checks(night))
    report = night.gate()
    assert report.is_approved
    row = next(row for row in report.rows() if row["check_name"] == "no_file_refused")
    assert (row["outcome"], row["failing_n"]) == ("waived", 1)
    assert row["waived_reason"] == "a copy of yesterday's file (Mei)"
    assert "waived no_file_refused" in report.words
    verify_approval(report.approval, secret=SECRET, suite=night.declarations.suite_hash,
                    checks=[check.name for check in night.declarations.checks],
                    candidate_id=CANDIDATE_ID, fingerprints=report.approval.fingerprints,
                    engine_version=report.approval.engine_version)


def test_what_gave_no_answer_cannot_be_waived(night: Night) -> None:
    """A person can judge a finding; nobody can judge what was not looked at."""
    night.in_candidate("drop view crm.score_contributions")
    add_waiver(night.candidate.parent, "contributions_are_shown_as_scored", "fine", "Mei",
               **_checks(night))
    report = night.gate()
    assert not report.is_approved
    assert [r.check_name for r in report.results if r.outcome == "not_evaluated"] == [
        "contributions_are_shown_as_scored"]


def test_unknown_check_is_refused(night: Night) -> None:
    """A misspelt waiver would waive nothing and look as if it did."""
    with pytest.raises(WaiverError, match='Did you mean "no_file_refused"'):
        add_waiver(night.candidate.parent, "no_files_refused", "fine", "Mei", **_checks(night))
    assert not (night.candidate.parent / WAIVERS_FILE).exists()


def test_a_check_that_does_not_fail_cannot_be_waived(night: Night) -> None:
    """Whoever waives the wrong one is told which are meant."""
    checks = {**_checks(night), "failing": {"rejected_share_within_bound"}}
    with pytest.raises(WaiverError, match="does not fail .* Those that fail: rejected_share_with"):
        add_waiver(night.candidate.parent, "no_file_refused", "fine", "Mei", **checks)
    assert not (night.candidate.parent / WAIVERS_FILE).exists()


@pytest.mark.parametrize(("reason", "who"), [(" ", "Mei"), ("fine", "")])
def test_reason_and_name_are_required(night: Night, reason: str, who: str) -> None:
    """Both are published."""
    with pytest.raises(WaiverError, match="needs a reason and a name"):
        add_waiver(night.candidate.parent, "no_file_refused", reason, who, **_checks(night))


def test_waiver_of_another_candidate_is_refused(make_night: Callable[..., Night]) -> None:
    """Tomorrow's candidate is judged anew."""
    first, second = make_night(), make_night("another")
    add_waiver(first.candidate.parent, "no_file_refused", "fine", "Mei", **_checks(first))
    shutil.copy(first.candidate.parent / WAIVERS_FILE, second.candidate.parent / WAIVERS_FILE)
    with pytest.raises(WaiverError, match="for one candidate only"):
        second.gate(candidate_id="another")


def test_waivers_add_up(night: Night) -> None:
    """A second waiver keeps the first; the same check again replaces its reason."""
    folder = night.candidate.parent
    for name, reason in (("no_file_refused", "a"), ("ledger_adds_up", "b"),
                         ("no_file_refused", "c")):
        add_waiver(folder, name, reason, "Mei", **_checks(night))
    assert {n: w.reason for n, w in read_waivers(folder).items()} == {
        "no_file_refused": "c", "ledger_adds_up": "b"}


def test_unreadable_waivers_stop(night: Night) -> None:
    """A broken file is not an empty one."""
    (night.candidate.parent / WAIVERS_FILE).write_text("[{}]")
    with pytest.raises(WaiverError, match="not readable"):
        night.gate()


def test_unknown_candidate_is_refused(night: Night) -> None:
    """A waiver needs something to be waived for."""
    with pytest.raises(WaiverError, match="does not exist"):
        add_waiver(night.candidate.parent / "x", "no_file_refused", "a", "Mei",
                   **_checks(night))
