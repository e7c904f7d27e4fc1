"""Tests 5, 6 and 7: what was not judged, or was judged elsewhere, is not published by any way."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dagster_project.customers.dbt_project import manifest_path
from dagster_project.customers.model_tests import (
    ModelsNotTested,
    model_tests,
    require_tested,
)
from nights.conftest import SECOND, Teller
from nights.homes import PROJECT, TrialHome, ended, environment, sha256
from tests.conftest import INJECTED


def _results(folder: Path, statuses: dict[str, str]) -> Path:
    (folder / "run_results.json").write_text(json.dumps({"results": [
        {"unique_id": name, "status": status} for name, status in statuses.items()]}))
    return folder


@pytest.fixture(scope="module")
def declared() -> dict[str, str]:
    """Every test of the models, passed."""
    nodes = json.loads(manifest_path().read_text())["nodes"]
    return {name: "pass" for name, node in nodes.items() if node["resource_type"] == "test"}


def test_tests_of_the_models_that_all_passed_are_evidence(declared: dict[str, str],
                                                          tmp_path: Path) -> None:
    tests = model_tests(manifest_path(), _results(tmp_path, declared))
    assert len(tests) == len(declared) > 30
    require_tested(tests)
    warned = {**declared, next(iter(declared)): "warn"}
    require_tested(model_tests(manifest_path(), _results(tmp_path, warned)))


def test_models_built_without_their_tests_are_no_evidence(declared: dict[str, str],
                                                          tmp_path: Path) -> None:
    """What `dbt run` leaves: every model a success, and not one test."""
    results = _results(tmp_path, {"model.crm.order_facts": "success"})
    with pytest.raises(ModelsNotTested, match=rf"{len(declared)} of {len(declared)} tests of the "
                                              r"models did not pass: .* \(not_run\)"):
        require_tested(model_tests(manifest_path(), results))
    (tmp_path / "run_results.json").unlink()
    with pytest.raises(ModelsNotTested, match="not_run"):
        require_tested(model_tests(manifest_path(), tmp_path))
    for nothing in (None, pd.DataFrame(columns=["test_name", "outcome"])):
        with pytest.raises(ModelsNotTested, match="no test of the models was run"):
            require_tested(nothing)


@pytest.mark.parametrize("status", ["fail", "error", "skipped", "runtime error", None])
def test_one_test_that_did_not_pass_is_named(declared: dict[str, str], tmp_path: Path,
                                             status: str | None) -> None:
    name = "test.crm.law_of_rows_and_money"
    statuses = {**declared, name: status or ""}
    if status is None:
        del statuses[name]
    with pytest.raises(ModelsNotTested) as caught:
        require_tested(model_tests(manifest_path(), _results(tmp_path, statuses)))
    assert f"law_of_rows_and_money ({status or 'not_run'})" in str(caught.value)


# Stages and publishes as the web page does it with all checks switched off.
WITHOUT_CHECKS = """
import sys
import dagster as dg
from dagster_project.definitions import defs
whole = defs()
job = dg.define_asset_job(
    "without_checks", selection=dg.AssetSelection.groups("publish").without_checks())
together = dg.Definitions.merge(whole, dg.Definitions(jobs=[job]))
result = together.resolve_job_def("without_checks").execute_in_process(
    partition_key=sys.argv[1], instance=dg.DagsterInstance.get(), raise_on_error=False)
steps = sorted(event.step_key for event in result.all_events if event.is_step_success)
sys.stdout.write(f"succeeded: {steps}\\n")
sys.exit(not result.success)
"""


def _without_checks(home: TrialHome) -> Any:
    return ended(subprocess.Popen(
        [sys.executable, "-c", WITHOUT_CHECKS, SECOND], cwd=PROJECT, text=True,
        env=environment(CRM_HOME=str(home.folder),
                        DAGSTER_HOME=str(home.folder / "state" / "dagster")),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE))


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.xdist_group("unverified")
def test_a_candidate_that_was_never_judged_is_refused_by_name(
        home_after: Teller, record_property: Any) -> None:
    """Staged anew with all checks switched off: the approval of before is gone with its file."""
    home = home_after("refused")
    said = _without_checks(home)
    assert said.code != 0
    assert "publish__candidate" in said.out
    assert "publish_candidate" not in said.out.split("publish__candidate")[1]
    assert "the gate has not judged this candidate" in said.said
    assert sha256(home.publication) == home.noted("yesterday")
    record_property(INJECTED, 1)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.xdist_group("unverified")
def test_an_approval_that_was_copied_or_edited_is_refused_where_it_counts(
        home_after: Teller, record_property: Any) -> None:
    home = home_after("refused")
    [approval] = home.folder.glob(f"state/candidates/{_refused(home)}/approval.json")
    judged = json.loads(approval.read_text())
    others = [path for path in home.folder.glob("state/candidates/*/approval.json")
              if path != approval]
    forged = {**judged, "is_approved": True, "results": {
        name: {**found, "outcome": "passed"} for name, found in judged["results"].items()}}
    assert others, "the candidate of the night before is kept, with its approval"
    attempts = {"changed by hand": json.dumps(forged), "incomplete or foreign": "{}",
                "is that of": others[0].read_text()}
    for words, content in attempts.items():
        approval.write_text(content)
        said = home.dagster_materialize("key:crm/*", SECOND)
        assert said.code != 0
        assert words in said.said
        assert sha256(home.publication) == home.noted("yesterday")
    record_property(INJECTED, len(attempts))


def _refused(home: TrialHome) -> str:
    return str(home.query("select candidate_id from crm.pipeline_runs where outcome = 'refused'",
                          home.status)[0]["candidate_id"])


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.xdist_group("unverified")
def test_a_range_of_nights_ends_at_the_one_that_is_refused(
        home_after: Teller, record_property: Any) -> None:
    """No later night is built upon one that nobody approved."""
    home = home_after("refused")
    home.deliver(date(2026, 11, 20))
    said = home.crm("run", "--from", SECOND, "--to", "2026-11-20").expect(1)
    assert "no_personal_text" in said.err
    assert sha256(home.publication) == home.noted("yesterday")
    assert [row["as_of_date"] for row in home.query(
        "select distinct as_of_date from crm.pipeline_runs where outcome <> 'published'",
        home.status)] == [date.fromisoformat(SECOND)]
    record_property(INJECTED, 1)
