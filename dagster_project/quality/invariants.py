"""Invariants: laws in SQL, one file each in expectations/invariants/, and their runner.

A file is a comment with what the law is and why, then one select of the rows that break it. No
row: the law holds. What a select may read is described in expectations/README.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dagster_project.engine.audit_connection import AuditConnection
from dagster_project.quality.result import (
    Check,
    CheckResult,
    DeclarationError,
    failed,
    not_evaluated,
    passed,
)
from dagster_project.quality.suites import check_of, read_mapping, refuse_unknown
from dagster_project.quality.words import error_words, example_of, finding, no_answer

_HEADER = re.compile(r"\A/\*(.*?)\*/\s*(.+?);?\s*\Z", re.S)
_REQUIRED_KEYS = frozenset({"table", "severity", "says", "why", "action"})
_KEYS = _REQUIRED_KEYS | {"shown", "for_each", "examples"}
_MOST_EXAMPLES = 20
_COVERAGE = "__coverage"


@dataclass(frozen=True)
class Invariant:
    """One law.

    Attributes:
        check: name (of the file), table, severity, why, action.
        says: what the rows are that the select returns; their number follows.
        query: the select.
        shown: columns of the example that need no mask: names of sources, files, segments.
        is_for_each_composite: the select is repeated for every composite of customer_scores;
            `{composite}` is its name, `{contributions}` the sum of its parts in ten-thousandths.
        examples: rows that the message shows at most.
    """

    check: Check
    says: str
    query: str
    shown: tuple[str, ...] = ()
    is_for_each_composite: bool = False
    examples: int = 1


def load_invariants(folder: Path) -> tuple[Invariant, ...]:
    """Read every invariant of a folder.

    Args:
        folder: expectations/invariants.

    Raises:
        DeclarationError: no header, an unknown key, no select, no file at all.
    """
    files = sorted(folder.glob("*.sql"))
    if not files:
        raise DeclarationError(f"{folder}: no invariant found; without one nothing is checked")
    return tuple(_invariant(path) for path in files)


def run_invariant(audit: AuditConnection, invariant: Invariant, candidate_id: str) -> CheckResult:
    """Evaluate one law on an open audit; whatever raises is `not_evaluated`."""
    check = invariant.check
    queries = [invariant.query]
    try:
        if invariant.is_for_each_composite:
            queries = _per_composite(invariant.query, list(audit.columns(check.relation)))
            if not queries:
                return not_evaluated(check, candidate_id, no_answer(
                    check, f"no composite found, no column ends in {_COVERAGE}"))
        joined = "\nunion all\n".join(f"select * from (\n{query}\n) as part" for query in queries)
        with audit.one_check():
            failing_n, rows = audit.offending(joined, invariant.examples)
    # Any error of the engine means the same: nobody knows.
    except Exception as error:  # noqa: BLE001
        return not_evaluated(check, candidate_id, no_answer(check, error_words(error)),
                             max(len(queries), 1))
    if not rows:
        return passed(check, candidate_id, len(queries))
    # The number stands behind, so that one is not said like several.
    what = f"{invariant.says}: {failing_n:,}"
    return failed(check, candidate_id, failing_n,
                  finding(check, what, "; ".join(example_of(row, invariant.shown)
                                                 for row in rows)), len(queries))


def _invariant(path: Path) -> Invariant:
    match = _HEADER.match(path.read_text(encoding="utf-8"))
    if match is None:
        raise DeclarationError(f"{path}: must begin with /* table: ..., severity: ..., says: ..., "
                               "why: ..., action: ... */ and go on with one select")
    where = str(path)
    header = read_mapping(match.group(1), where)
    refuse_unknown(header, _KEYS, where)
    missing = sorted(_REQUIRED_KEYS - header.keys())
    if missing:
        raise DeclarationError(f"{where}: {', '.join(missing)} is missing in the header")
    for_each = header.get("for_each")
    if for_each not in (None, "composite"):
        raise DeclarationError(f'{where}: for_each knows "composite" alone, not {for_each!r}')
    shown = header.get("shown", [])
    if not isinstance(shown, list):
        raise DeclarationError(f"{where}: shown must be a list of columns")
    examples = header.get("examples", 1)
    if not isinstance(examples, int) or not 1 <= examples <= _MOST_EXAMPLES:
        raise DeclarationError(f"{where}: examples must be a number from 1 to {_MOST_EXAMPLES}")
    check = check_of({**header, "name": path.stem}, str(header["table"]), where)
    return Invariant(check, " ".join(str(header["says"]).split()), match.group(2), tuple(shown),
                     for_each == "composite", examples)


def _per_composite(query: str, columns: list[str]) -> list[str]:
    composites = [column.removesuffix(_COVERAGE) for column in columns
                  if column.endswith(_COVERAGE)]
    queries = []
    for composite in composites:
        parts = [column for column in columns
                 if re.fullmatch(rf"{re.escape(composite)}__\w+__contribution", column)]
        # Integers: the sum of four-decimal DOUBLEs is not the four-decimal sum.
        total = " + ".join(f"coalesce(cast(round({part} * 10000) as bigint), 0)"
                           for part in parts) or "0"
        queries.append(query.replace("{composite}", composite).replace("{contributions}", total))
    return queries
