"""The approval of a candidate: what the gate found, signed, and the check before publishing.

An approval holds for one candidate file, one set of expectations and the result it states. It
is written whether or not the candidate passed. Running the checks is in gate.py.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.quality.result import CheckResult
from dagster_project.refusals import WrongInput

APPROVAL_FILE = "approval.json"
_KEYS = frozenset({
    "candidate_id", "suite_hash", "expectations_declared", "expectations_evaluated",
    "fingerprints", "results", "waivers", "is_approved", "engine_version", "signature",
})
_OUTCOMES = frozenset({"passed", "failed", "not_evaluated", "waived"})

Fingerprints = Mapping[str, Mapping[str, Any]]


class NotApproved(WrongInput):
    """A candidate may not be published; says why and what to do."""


@dataclass(frozen=True)
class Approval:
    """What the gate says about one candidate.

    Attributes:
        candidate_id: hash of the six inputs.
        suite_hash: hash of everything in expectations/.
        expectations_declared: evaluations that the declarations ask for.
        expectations_evaluated: evaluations that took place.
        fingerprints: what each table of the file holds.
        results: check name -> outcome, severity and number of rows at fault.
        waivers: check name -> reason, with the name of who gave it.
        is_approved: every check passed, was waived or is a warning.
        engine_version: row hashes hold for one version of the engine.
        signature: HMAC-SHA-256 of all the rest under the secret of the home.
    """

    candidate_id: str
    suite_hash: str
    expectations_declared: int
    expectations_evaluated: int
    fingerprints: Fingerprints
    results: Mapping[str, Mapping[str, Any]]
    waivers: Mapping[str, str]
    is_approved: bool
    engine_version: str
    signature: str

    def content(self) -> dict[str, Any]:
        """Everything but the signature."""
        content = dict(vars(self))
        del content["signature"]
        return content


def suite_hash(expectations: Path) -> str:
    """Hash of the names and bytes of every declaration, whatever the order of the disk.

    Args:
        expectations: the folder with suites/ and invariants/.
    """
    digest = hashlib.sha256()
    files = [path for path in expectations.rglob("*") if path.suffix in (".yaml", ".sql")]
    for path in sorted(files, key=lambda path: path.relative_to(expectations).as_posix()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(expectations).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def make_approval(
    candidate_id: str,
    suite: str,
    results: Sequence[CheckResult],
    fingerprints: Fingerprints,
    engine_version: str,
    secret: bytes,
) -> Approval:
    """Sum up the results of a candidate and sign them.

    Args:
        candidate_id: the candidate.
        suite: `suite_hash` of the declarations that were run.
        results: one for each declared check.
        fingerprints: of the file that was audited.
        engine_version: of the engine that made the fingerprints.
        secret: of the home.
    """
    declared = sum(result.declared_n for result in results)
    evaluated = sum(result.evaluated_n for result in results)
    content: dict[str, Any] = {
        "candidate_id": candidate_id,
        "suite_hash": suite,
        "expectations_declared": declared,
        "expectations_evaluated": evaluated,
        "fingerprints": {table: dict(found) for table, found in fingerprints.items()},
        "results": {result.check_name: {"outcome": result.outcome, "severity": result.severity,
                                        "failing_n": result.failing_n} for result in results},
        "waivers": {result.check_name: result.waived_reason for result in results
                    if result.outcome == "waived"},
        "is_approved": 0 < declared == evaluated and not any(r.stops for r in results),
        "engine_version": engine_version,
    }
    return Approval(**content, signature=_signature(content, secret))


def write_approval(candidate_dir: Path, approval: Approval) -> Path:
    """Write the approval beside its candidate, all or nothing."""
    path = candidate_dir / APPROVAL_FILE
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(
        json.dumps(vars(approval), ensure_ascii=False, indent=1, sort_keys=True) + "\n",
        encoding="utf-8",
    )
    unfinished.replace(path)
    return path


def read_approval(candidate_dir: Path, name: str = APPROVAL_FILE) -> Approval:
    """Read the approval beside a candidate, or the one that was kept of a publication.

    Raises:
        NotApproved: there is none, or it is not one.
    """
    path = candidate_dir / name
    if not path.is_file():
        raise NotApproved(f"{path} does not exist: the gate has not judged this candidate. "
                          "Run the gate.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NotApproved(f"{path} is not readable: {error}. Run the gate again.") from error
    keys = set(content) if isinstance(content, dict) else set()
    if keys != _KEYS:
        raise NotApproved(f"{path} is incomplete or foreign: keys {sorted(keys ^ _KEYS)} differ. "
                          "Run the gate again.")
    return Approval(**content)


def is_signed(approval: Approval, secret: bytes) -> bool:
    """Whether the home's secret signed exactly this content."""
    return hmac.compare_digest(approval.signature, _signature(approval.content(), secret))


def failed_checks(approval: Approval) -> tuple[str, ...]:
    """Names of the checks that said no, those that only warn left out."""
    return tuple(sorted(name for name, found in approval.results.items()
                        if found["outcome"] == "failed" and found["severity"] != "warning"))


def verify_approval(
    approval: Approval,
    *,
    secret: bytes,
    suite: str,
    checks: Collection[str],
    candidate_id: str,
    fingerprints: Fingerprints,
    engine_version: str,
) -> None:
    """Let only a complete, passing approval of exactly this candidate through.

    Args:
        approval: as read from beside the candidate.
        secret: of the home.
        suite: `suite_hash` of the declarations now.
        checks: names of all declared checks now; each needs a result, and no other has one.
        candidate_id: the candidate that is to be published.
        fingerprints: of the file now.
        engine_version: of the engine now.

    Raises:
        NotApproved: says what is wrong and what to do.
    """
    refused = f"candidate {candidate_id} is not published: "
    if not is_signed(approval, secret):
        raise NotApproved(refused + "its approval was changed by hand or signed elsewhere. "
                          "Run the gate again.")
    if approval.candidate_id != candidate_id:
        raise NotApproved(refused + f"the approval beside it is that of {approval.candidate_id}. "
                          "Run the gate on this candidate.")
    if approval.suite_hash != suite:
        raise NotApproved(refused + "the expectations have changed since it was judged. "
                          "Run the gate again.")
    _must_be_complete(approval, checks, refused)
    _must_pass(approval, refused)
    if approval.engine_version != engine_version:
        raise NotApproved(refused + f"it was judged with {approval.engine_version}, this is "
                          f"{engine_version}, and fingerprints do not carry over. "
                          "Run the gate again.")
    changed = sorted(table for table in {*approval.fingerprints, *fingerprints}
                     if approval.fingerprints.get(table) != fingerprints.get(table))
    if changed:
        raise NotApproved(refused + f"its tables {', '.join(changed)} are not those the gate "
                          "judged. Make the candidate anew.")


def _must_be_complete(approval: Approval, checks: Collection[str], refused: str) -> None:
    if approval.expectations_declared <= 0 or not approval.results or not approval.fingerprints:
        raise NotApproved(refused + "no expectation was evaluated. Restore expectations/ and run "
                          "the gate again.")
    without = sorted(set(checks) ^ approval.results.keys())
    if without:
        raise NotApproved(refused + f"the checks {', '.join(without)} are not both declared and "
                          "judged. Run the gate again.")
    if approval.expectations_declared != approval.expectations_evaluated:
        raise NotApproved(
            refused + f"only {approval.expectations_evaluated} of "
            f"{approval.expectations_declared} expectations were evaluated"
            f"{_names(approval, 'not_evaluated')}. See the messages of the gate.")


def _must_pass(approval: Approval, refused: str) -> None:
    stopping = [name for name, found in approval.results.items()
                if found.get("outcome") not in _OUTCOMES
                or found["outcome"] == "not_evaluated"
                or (found["outcome"] == "failed" and found.get("severity") != "warning")]
    if stopping or approval.is_approved is not True:
        raise NotApproved(refused + f"the gate says no: {', '.join(sorted(stopping)) or 'failed'}. "
                          "See the messages of the gate; a false alarm can be waived for this "
                          "candidate.")


def _names(approval: Approval, outcome: str) -> str:
    names = sorted(name for name, found in approval.results.items()
                   if found.get("outcome") == outcome)
    return f" (not: {', '.join(names)})" if names else ""


def _signature(content: Mapping[str, Any], secret: bytes) -> str:
    if not secret:
        raise ValueError("the home has no secret to sign approvals with")
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hmac.new(secret, b"approval\0" + text.encode(), hashlib.sha256).hexdigest()
