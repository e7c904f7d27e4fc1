"""A check of the gate and what came of it. How checks are run stays out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

Severity = Literal["error", "warning"]
Outcome = Literal["passed", "failed", "not_evaluated", "waived"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning")


class DeclarationError(ValueError):
    """A file in expectations/ says something that cannot be meant: names file and key."""


@dataclass(frozen=True)
class Check:
    """One declared check.

    Attributes:
        name: unique over suites and invariants; snake case.
        relation: `crm.<table>` or `night.<table>` that the check judges.
        severity: an error stops the publication, a warning does not.
        why: why the check exists.
        action: what to do when it fails.
    """

    name: str
    relation: str
    severity: Severity
    why: str
    action: str

    @property
    def table_name(self) -> str:
        """Table without its schema."""
        return self.relation.split(".")[1]


@dataclass(frozen=True)
class CheckResult:
    """What came of one check; the columns of quality_results and two counts.

    Attributes:
        failing_n: rows at fault; None where rows are not counted (a mean, a missing table).
        message: what, how many, a masked example, what to do; empty when passed.
        declared_n: evaluations the check stands for: 1, or one for each column or composite.
        evaluated_n: evaluations that took place.
    """

    candidate_id: str
    check_name: str
    table_name: str
    outcome: Outcome
    severity: Severity
    failing_n: int | None
    message: str
    why: str
    waived_reason: str | None = None
    declared_n: int = 1
    evaluated_n: int = 1

    @property
    def stops(self) -> bool:
        """Whether this result keeps the candidate from being published.

        What was not evaluated stops whatever its severity: nobody knows what it would say.
        """
        if self.outcome == "not_evaluated":
            return True
        return self.outcome == "failed" and self.severity == "error"

    def waived(self, reason: str) -> CheckResult:
        """The result with a waiver applied."""
        return replace(self, outcome="waived", waived_reason=reason)

    def row(self) -> dict[str, Any]:
        """The row of quality_results."""
        return {
            "candidate_id": self.candidate_id,
            "check_name": self.check_name,
            "table_name": self.table_name,
            "outcome": self.outcome,
            "severity": self.severity,
            "failing_n": self.failing_n,
            "message": self.message,
            "why": self.why,
            "waived_reason": self.waived_reason,
        }


def passed(check: Check, candidate_id: str, evaluated_n: int = 1) -> CheckResult:
    """The check found nothing."""
    return CheckResult(candidate_id, check.name, check.table_name, "passed", check.severity, 0, "",
                       check.why, None, evaluated_n, evaluated_n)


def failed(check: Check, candidate_id: str, failing_n: int | None, message: str,
           evaluated_n: int = 1) -> CheckResult:
    """The check found something."""
    return CheckResult(candidate_id, check.name, check.table_name, "failed", check.severity,
                       failing_n, message, check.why, None, evaluated_n, evaluated_n)


def not_evaluated(check: Check, candidate_id: str, message: str, declared_n: int = 1,
                  evaluated_n: int = 0) -> CheckResult:
    """The check gave no answer."""
    return CheckResult(candidate_id, check.name, check.table_name, "not_evaluated", check.severity,
                       None, message, check.why, None, declared_n, evaluated_n)
