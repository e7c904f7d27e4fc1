"""A check that never ends is a check without an answer: the gate says no, and goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from dagster_project.quality.gate import Bounds
from tests.quality.conftest import Night

SECONDS = 2.0
WORDS = ("the engine did not answer within 2 seconds "
         "(gate: maximum_check_seconds in config/home.yaml)")
# Years of work, in pieces of milliseconds.
ENDLESS = """select a.i as customer_key
    from range(10000000000) as a(i), range(10000000000) as b(i)
    where hash(a.i, b.i) = 0 and hash(b.i, a.i) = 0"""
# Counted at once; a day to read.
SLOW_COLUMN = """select i, len(list_filter(range(3000), lambda x: hash(x, i) = 0)) as hashes_n
    from range(1000000000) as numbers(i)"""
# One piece of some fifteen seconds, within which the engine looks for no interrupt.
DEAF = "select levenshtein(repeat('ab', 60000), repeat('ba', 60000)) as distance"


def _declare(folder: Path, *, invariants: dict[str, str], columns: dict[str, str]) -> Path:
    """A folder of expectations: queries by name, and a suite on a column of a table, each."""
    for kind in ("invariants", "suites"):
        (folder / kind).mkdir(parents=True)
    for name, query in invariants.items():
        (folder / "invariants" / f"{name}.sql").write_text(
            "/*\ntable: crm.customers\nseverity: warning\nsays: rows\nwhy: A reason.\n"
            f"action: Do something.\n*/\n{query}\n")
    for table, column in columns.items():
        (folder / "suites" / f"{table}.yaml").write_text(
            f"table: crm.{table}\nexpectations:\n  - name: {table}_filled\n"
            "    type: expect_column_values_to_not_be_null\n"
            f"    kwargs: {{column: {column}}}\n    severity: warning\n"
            "    why: A reason.\n    action: Do something.\n")
    return folder


def test_checks_that_never_end_are_no_answer(night: Night, tmp_path: Path) -> None:
    """Named with the bound and its setting; the others are evaluated; nothing is approved."""
    night.in_candidate(f"create view crm.uncounted as {ENDLESS}",
                       f"create view crm.unread as {SLOW_COLUMN}")
    expectations = _declare(
        tmp_path / "expectations",
        invariants={"a_sound_one": "select customer_key from crm.customers where false",
                    "an_endless_one": ENDLESS,
                    "one_more": "select 1 as one where false"},
        columns={"customers": "customer_key", "uncounted": "customer_key", "unread": "hashes_n",
                 "publication": "publication_id"})
    started = time.monotonic()
    report = night.gate(expectations=expectations, bounds=Bounds(check_seconds=SECONDS),
                        threads=1)
    assert time.monotonic() - started < 60
    silent = {r.check_name: r for r in report.results if r.outcome == "not_evaluated"}
    assert set(silent) == {"an_endless_one", "uncounted_filled", "unread_filled"}
    assert {r.outcome for r in report.results if r.check_name not in silent} == {"passed"}
    for name, result in silent.items():
        assert result.stops and WORDS in result.message
        assert any(f"NOT CHECKED {name}: " in line and WORDS in line
                   for line in report.words.splitlines())
    assert not report.is_approved
    assert report.approval.expectations_evaluated == report.approval.expectations_declared - 3


DEAF_AUDIT = """
import sys
from pathlib import Path
from dagster_project.engine.audit_connection import open_audit
from dagster_project.quality.invariants import load_invariants, run_invariant

candidate, raw, expectations = map(Path, sys.argv[1:])
with open_audit(candidate, raw, after_load_seq=1, known_load_seq=5, check_seconds=1) as audit:
    for invariant in load_invariants(expectations / "invariants"):
        result = run_invariant(audit, invariant, "c0ffee")
        print(result.check_name, result.outcome, flush=True)
print("closed", flush=True)
"""


def test_a_check_that_heeds_no_interrupt_is_left_behind(night: Night, tmp_path: Path) -> None:
    """The audit goes on beside it, closes, and the process ends."""
    expectations = _declare(tmp_path / "expectations", columns={},
                            invariants={"a_deaf_one": DEAF, "one_more": "select 1 where false"})
    found = subprocess.run(
        [sys.executable, "-c", DEAF_AUDIT, str(night.candidate), str(night.raw),
         str(expectations)], capture_output=True, text=True, timeout=120, check=False)
    assert found.stdout.splitlines() == ["a_deaf_one not_evaluated", "one_more passed", "closed"]
    assert found.returncode == 0, found.stderr
    assert [path.name for path in night.candidate.parent.iterdir()] == ["crm.duckdb"]
