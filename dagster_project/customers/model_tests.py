"""What came of the models' own tests: evidence without which no candidate is staged.

A test that did not run says nothing, and dbt succeeds without a word where its tests were left
out. So each declared test has a row, and one that is missing from dbt's results is `not_run`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from dagster_project.engine.failures import limit_in_words
from dagster_project.engine.table import Column, Table
from dagster_project.refusals import NotFinished

MODEL_TESTS = Table(
    "model_tests",
    "One test of the dbt models, and what came of it when the models were built.",
    (
        Column("test_name", "VARCHAR", "Test, as dbt names it.", True),
        Column("outcome", "VARCHAR", "pass, warn, fail, error or skipped as dbt says; not_run.",
               True),
    ),
    ("test_name",),
)
# A warning is a test that ran, and is meant not to stop.
GOOD = frozenset({"pass", "warn"})
NAMED = 5


class ModelsNotTested(NotFinished):
    """Tests of the models did not run or did not pass: which, and what to do."""


def model_tests(manifest: Path, target: Path) -> pd.DataFrame:
    """Rows of MODEL_TESTS of the dbt run that has just ended.

    Args:
        manifest: dbt's manifest.json, which declares the tests.
        target: folder of the run's run_results.json.
    """
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    found = {result["unique_id"]: str(result["status"]) for result in _results(target)}
    rows = [(node["name"], found.get(name, "not_run")) for name, node in sorted(nodes.items())
            if node["resource_type"] == "test"]
    return pd.DataFrame(rows, columns=list(MODEL_TESTS.column_names))


def require_tested(tests: pd.DataFrame | None) -> None:
    """Raise unless every test of the models ran and passed.

    Args:
        tests: rows of MODEL_TESTS in the build; None: it has none.

    Raises:
        ModelsNotTested: which tests are missing.
    """
    if tests is None or tests.empty:
        raise ModelsNotTested("no test of the models was run over this build; run the night from "
                              "its start: crm-value run")
    bad = tests[~tests["outcome"].isin(GOOD)]
    if len(bad):
        shown = ", ".join(f"{name} ({outcome})" for name, outcome in
                          bad.head(NAMED).itertuples(index=False, name=None))
        more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        raise ModelsNotTested(f"{len(bad)} of {len(tests)} tests of the models did not pass: "
                              f"{shown}{more}. Run the night from its start: crm-value run")


def failure_of_models(target: Path, error: str, memory: str, folders: Iterable[Path]) -> str:
    """Why dbt failed, in words: the model or test, what the engine said, what to do.

    Args:
        target: folder of the run's run_results.json.
        error: what dbt's caller said.
        memory: limit that the engine had.
        folders: where it wrote.
    """
    lines = []
    for result in _results(target):
        if result["status"] in ("error", "fail", "runtime error"):
            name = str(result["unique_id"]).split(".")[2]
            message = " ".join(str(result.get("message") or "").split())
            lines.append(f"{name}: {result['status']}: {message}")
    limit = limit_in_words("\n".join([*lines, error]), memory, folders)
    if limit is not None:
        lines.append(str(limit))
    if not lines:
        lines = error.strip().splitlines()[-NAMED:] + [
            "dbt ended without a result: it was killed, or could not begin. Run the night again; "
            f"dbt's own log is {target / 'dbt.log'}."]
    return "The models could not be built.\n" + "\n".join(lines)


def _results(target: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads((target / "run_results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return list(found.get("results", []))
