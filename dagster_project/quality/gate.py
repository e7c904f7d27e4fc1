"""The gate: audits exactly the file that is to be published, and says yes or no in words.

Declarations are in expectations/; how each kind is run is in expectations_runner.py and
invariants.py. What did not run, is empty or raised means no.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dagster_project.engine.audit_connection import CHECK_SECONDS, open_audit
from dagster_project.engine.table import Column, Table
from dagster_project.ingest.expected import DueDelivery
from dagster_project.publish.tables import RUN_TABLES
from dagster_project.quality.approval import (
    APPROVAL_FILE,
    Approval,
    make_approval,
    suite_hash,
    write_approval,
)
from dagster_project.quality.expectations_runner import run_suites
from dagster_project.quality.invariants import Invariant, load_invariants, run_invariant
from dagster_project.quality.result import Check, CheckResult, DeclarationError
from dagster_project.quality.suites import Suite, load_suites
from dagster_project.quality.waivers import apply_waivers, read_waivers
from dagster_project.quality.words import failure_words

RUN_TABLE_NAMES = frozenset(table.name for table in RUN_TABLES)
_KNOWN_FILES = frozenset({".yaml", ".sql", ".md"})

AUDIT_BOUNDS = Table(
    "bounds",
    "One row: the bounds of this audit.",
    (
        Column("rejected_share", "DECIMAL(9,6)", "Largest share of rejected rows a source.", True),
        Column("rejected_rows_tolerated", "INTEGER",
               "Rejected rows of a source that never stop a night.", True),
        Column("held_share", "DECIMAL(9,6)", "Largest share of held rows a source.", True),
        Column("kept_share", "DECIMAL(9,6)",
               "Smallest share of the previous publication's customers.", True),
        Column("population_drift", "DECIMAL(9,6)",
               "Largest population stability index of an indicator.", True),
    ),
)
AUDIT_SOURCE_BOUNDS = Table(
    "source_bounds",
    "One source with a bound of its own.",
    (
        Column("source", "VARCHAR", "Source of sources.yaml.", True),
        Column("rejected_share", "DECIMAL(9,6)", "Largest share of rejected rows.", True),
    ),
)
AUDIT_EXPECTED = Table(
    "expected",
    "One row: what the candidate must be.",
    (
        Column("candidate_id", "VARCHAR", "The candidate that is judged.", True),
        Column("known_load_seq", "INTEGER", "Last load of the night (K).", True),
        Column("is_replay", "BOOLEAN", "An earlier publication is made again, on its own.", True),
    ),
)
REFUSED_FILES = Table(
    "refused_files",
    "One file that was refused whole.",
    (
        Column("file_name", "VARCHAR", "Path of the file below landing/.", True),
        Column("reason", "VARCHAR", "Why, and what to do.", True),
    ),
)
DUE_DELIVERIES = Table(
    "due_deliveries",
    "One delivery that the night asks for, beside what came.",
    (
        Column("source", "VARCHAR", "Source of sources.yaml.", True),
        Column("due_date", "DATE", "Date of the delivery.", True),
        Column("severity", "VARCHAR", "error or warning, as the source states it.", True),
        Column("expected_files_n", "INTEGER", "Files that are expected at least.", True),
        Column("expected_rows_n", "BIGINT", "Rows that are expected at least; 0: not asked.",
               True),
        Column("files_n", "INTEGER", "Files that came.", True),
        Column("rows_n", "BIGINT", "Rows that came.", True),
        Column("expected", "VARCHAR", "What is expected, in words.", True),
        Column("came", "VARCHAR", "What came, in words.", True),
        Column("missing_since", "DATE", "First due date without a delivery; NULL: some came."),
        Column("last_came", "DATE", "Date of the last delivery; NULL: there was none."),
    ),
)
PERMITTED_TEXTS = Table(
    "permitted_texts",
    "One text column whose numbers only look like telephone numbers.",
    (
        Column("table_name", "VARCHAR", "Table of the publication.", True),
        Column("column_name", "VARCHAR", "Column of it.", True),
    ),
)


@dataclass(frozen=True)
class Bounds:
    """Bounds that a home may set.

    Attributes:
        rejected_share: largest share of a source's rows of the night that may be rejected, 0-1.
        rejected_share_of: (source, share) of sources that state their own.
        rejected_rows_tolerated: rejected rows of a source that never stop a night.
        held_share: largest share of a source's current rows that may be held, 0-1.
        kept_share: customers must be at least this share of the previous publication's, 0-1.
        population_drift: from which population stability index on an indicator is warned of.
        permitted_texts: (table, column) whose numbers only look like telephone numbers, for
            example eleven-digit customer numbers. E-mail addresses are never permitted.
        check_seconds: how long one invariant, or all expectations of one table, may take.
    """

    rejected_share: float = 0.05
    rejected_share_of: tuple[tuple[str, float], ...] = ()
    rejected_rows_tolerated: int = 5
    held_share: float = 0.2
    kept_share: float = 0.5
    population_drift: float = 0.25
    permitted_texts: tuple[tuple[str, str], ...] = ()
    check_seconds: float = CHECK_SECONDS


@dataclass(frozen=True)
class Declarations:
    """Everything that expectations/ declares, and its hash."""

    suites: tuple[Suite, ...]
    invariants: tuple[Invariant, ...]
    suite_hash: str

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check, in the order in which results come."""
        return (*(e.check for suite in self.suites for e in suite.expectations),
                *(invariant.check for invariant in self.invariants))


@dataclass(frozen=True)
class GateReport:
    """What the gate found.

    Attributes:
        results: one for each declared check.
        approval: as written beside the candidate.
        words: the lines people see; empty when everything passed.
    """

    results: tuple[CheckResult, ...]
    approval: Approval
    words: str

    @property
    def is_approved(self) -> bool:
        """Whether the candidate may be published."""
        return self.approval.is_approved

    def rows(self) -> list[dict[str, Any]]:
        """Rows of quality_results."""
        return [result.row() for result in self.results]


def load_declarations(expectations: Path) -> Declarations:
    """Read and check every declaration.

    Args:
        expectations: the folder with suites/ and invariants/.

    Raises:
        DeclarationError: a file, key, type or name cannot be meant; two checks share a name.
    """
    if not expectations.is_dir():
        raise DeclarationError(f"{expectations} does not exist; without expectations nothing is "
                               "published")
    for path in sorted(expectations.rglob("*")):
        if path.is_file() and path.suffix not in _KNOWN_FILES:
            raise DeclarationError(f"{path}: nobody reads this file; suites end in .yaml, "
                                   "invariants in .sql")
    return _declarations(expectations, suite_hash(expectations))


# A night asks four times; to read them takes 0.15 s, to see that they are the same 0.003 s.
@lru_cache(maxsize=4)
def _declarations(expectations: Path, content: str) -> Declarations:
    declarations = Declarations(load_suites(expectations / "suites"),
                                load_invariants(expectations / "invariants"), content)
    names = Counter(check.name for check in declarations.checks)
    repeated = sorted(name for name, count in names.items() if count > 1)
    if repeated:
        raise DeclarationError(f"{expectations}: more than one check is called "
                               f"{', '.join(repeated)}; a name stands for one check")
    return declarations


def audit_candidate(
    candidate: Path,
    raw: Path,
    *,
    candidate_id: str,
    expectations: Path,
    after_load_seq: int,
    known_load_seq: int,
    secret: bytes,
    bounds: Bounds = Bounds(),
    refused_files: Sequence[tuple[str, str]] = (),
    due_deliveries: Sequence[DueDelivery] = (),
    is_replay: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> GateReport:
    """Judge one candidate and write its approval beside it.

    Args:
        candidate: the file to be published, in a folder named by its candidate_id.
        raw: the raw file.
        candidate_id: hash of the six inputs of the night.
        expectations: the folder with suites/ and invariants/.
        after_load_seq: last load that the previous publication knew; 0 before the first.
        known_load_seq: last load of the night (K).
        secret: of the home; signs the approval.
        bounds: of the home.
        refused_files: (name, reason) of files of this night that were refused whole.
        due_deliveries: that the night asks for.
        is_replay: the candidate is an earlier publication made again; its file holds no other.
        memory_limit: of the engine, for example "2GB"; None: its default.
        threads: of the engine; None: its default.

    Returns:
        The report; the candidate may be published only if `is_approved`.

    Raises:
        DeclarationError: expectations/ cannot be meant as it stands.
        WaiverError: waivers.json is not usable.
        FileNotFoundError: candidate or raw is missing.
        NoAnswerInTime: the tables could not be summed within the bound of a check.
    """
    # An approval of an earlier look must not outlive a look that breaks off.
    (candidate.parent / APPROVAL_FILE).unlink(missing_ok=True)
    declarations = load_declarations(expectations)
    waivers = read_waivers(candidate.parent)
    with open_audit(
        candidate, raw, after_load_seq=after_load_seq, known_load_seq=known_load_seq,
        facts=audit_facts(candidate_id, known_load_seq, bounds, refused_files,
                          due_deliveries=due_deliveries, is_replay=is_replay),
        memory_limit=memory_limit, threads=threads, check_seconds=bounds.check_seconds,
    ) as audit:
        fingerprints = audit.fingerprints(without=RUN_TABLE_NAMES)
        found = run_suites(audit, declarations.suites, candidate_id)
        found += [run_invariant(audit, invariant, candidate_id)
                  for invariant in declarations.invariants]
        engine_version = audit.engine_version
    results = apply_waivers(found, waivers)
    approval = make_approval(candidate_id, declarations.suite_hash, results, fingerprints,
                             engine_version, secret)
    write_approval(candidate.parent, approval)
    return GateReport(tuple(results), approval, failure_words(results))


def audit_facts(
    candidate_id: str, known_load_seq: int, bounds: Bounds,
    refused_files: Sequence[tuple[str, str]], *,
    due_deliveries: Sequence[DueDelivery] = (), is_replay: bool = False,
) -> list[tuple[Table, Sequence[tuple[Any, ...]]]]:
    """The small tables of `night` that the invariants compare with."""
    return [
        (AUDIT_BOUNDS, [(bounds.rejected_share, bounds.rejected_rows_tolerated,
                         bounds.held_share, bounds.kept_share, bounds.population_drift)]),
        (AUDIT_SOURCE_BOUNDS, list(bounds.rejected_share_of)),
        (AUDIT_EXPECTED, [(candidate_id, known_load_seq, is_replay)]),
        (REFUSED_FILES, list(refused_files)),
        (DUE_DELIVERIES, [astuple(one) for one in due_deliveries]),
        (PERMITTED_TEXTS, list(bounds.permitted_texts)),
    ]
