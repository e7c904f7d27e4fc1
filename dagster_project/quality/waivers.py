"""Waivers: a person says that one failing check of one candidate is a false alarm.

They stand in `waivers.json` beside the candidate, hold for that candidate alone, and are
published with the results. A check that gave no answer cannot be waived: there is nothing to
judge.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_project.quality.result import CheckResult
from dagster_project.quality.words import did_you_mean, scrub
from dagster_project.refusals import WrongInput

WAIVERS_FILE = "waivers.json"


class WaiverError(WrongInput, ValueError):
    """A waiver cannot be given or read; says why and what to do."""


@dataclass(frozen=True)
class Waiver:
    """One check of one candidate, let through by a person."""

    candidate_id: str
    check_name: str
    reason: str
    who: str

    @property
    def words(self) -> str:
        """Reason and name, as published."""
        return f"{self.reason} ({self.who})"


def add_waiver(candidate_dir: Path, check_name: str, reason: str, who: str, *,
               known: Collection[str], failing: Collection[str]) -> Waiver:
    """Let one failing check of a candidate through, from the next run of the gate on.

    Args:
        candidate_dir: state/candidates/<candidate_id>.
        check_name: the check.
        reason: why the alarm is false.
        who: name of the person who says so.
        known: names of all declared checks.
        failing: names of those that fail for this candidate.

    Raises:
        WaiverError: no such candidate or check, a check that does not fail, no reason, no name.
    """
    if not candidate_dir.is_dir():
        raise WaiverError(f"{candidate_dir} does not exist; name a candidate that is kept there")
    if check_name not in known:
        raise WaiverError(f'no check is called "{check_name}".' + did_you_mean(check_name, known)
                          + f" Those that fail for this candidate: {', '.join(failing)}")
    if check_name not in failing:
        raise WaiverError(f"{check_name} does not fail for this candidate, so there is nothing to "
                          f"waive. Those that fail: {', '.join(failing) or 'none'}")
    if not reason.strip() or not who.strip():
        raise WaiverError(f"a waiver of {check_name} needs a reason and a name: both are published")
    waiver = Waiver(candidate_dir.name, check_name, scrub(" ".join(reason.split())),
                    " ".join(who.split()))
    waivers = {**read_waivers(candidate_dir), check_name: waiver}
    path = candidate_dir / WAIVERS_FILE
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(
        json.dumps([vars(waivers[name]) for name in sorted(waivers)], ensure_ascii=False,
                   indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)
    return waiver


def read_waivers(candidate_dir: Path) -> dict[str, Waiver]:
    """Waivers of a candidate by check name; empty when there is no file.

    Raises:
        WaiverError: the file is not one, or was copied from another candidate.
    """
    path = candidate_dir / WAIVERS_FILE
    if not path.is_file():
        return {}
    try:
        waivers = [Waiver(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise WaiverError(f"{path} is not readable: {error}. Delete it and waive again.") from error
    for waiver in waivers:
        if waiver.candidate_id != candidate_dir.name:
            raise WaiverError(f"{path} holds a waiver of candidate {waiver.candidate_id}; a waiver "
                              "is for one candidate only. Delete the file and waive again.")
    return {waiver.check_name: waiver for waiver in waivers}


def apply_waivers(results: Sequence[CheckResult],
                  waivers: Mapping[str, Waiver]) -> list[CheckResult]:
    """Turn waived failures into outcome `waived`; everything else stays as it is."""
    return [
        result.waived(waivers[result.check_name].words)
        if result.outcome == "failed" and result.check_name in waivers else result
        for result in results
    ]
