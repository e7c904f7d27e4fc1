"""What holds for the project as a whole: who may import what, what stands before a publication."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_project.automation.jobs import JOBS
from dagster_project.automation.messages import failure_message
from dagster_project.automation.nights import CALENDAR, NIGHTS
from dagster_project.automation.runs import STEP_WORDS
from dagster_project.automation.schedules import nightly_schedule
from dagster_project.automation.sensors import failure_sensor
from dagster_project.automation.steps import told_in_words
from dagster_project.definitions import defs
from dagster_project.publish.assets import CANDIDATE, PUBLISHED_TABLES
from dagster_project.quality.gate import load_declarations
from dagster_project.settings import EXPECTATIONS, Home, calendar_of

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "dagster_project"
MODULES = sorted(PACKAGE.rglob("*.py"))

DAGSTER_FILES = ("definitions.py", "assets.py", "checks.py", "resources.py")
ENGINE_PACKAGES = {"duckdb", "duckdb_engine", "_duckdb", "psycopg"}
# Module that touches the environment beside settings.py -> why it must.
ENVIRONMENT_EXCEPTIONS = {
    "engine/embedded.py": "hands the whole environment on to dbt",
    "customers/dbt_project.py": "hands the whole environment on to dbt",
    "engine/bound_models.py": "runs in dbt, whose profile must not differ from night to night",
    "quality/expectations_runner.py": "the library reads it while it is imported",
}


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _imported(path: Path) -> Iterator[str]:
    """Top-level packages that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _touches_environment(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "putenv"):
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            return any(alias.name in ("environ", "getenv", "putenv") for alias in node.names)
    return False


def test_modules_are_found() -> None:
    assert len(MODULES) > 60


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_dagster_is_imported_only_where_it_is_assembled(path: Path) -> None:
    is_allowed = path.name in DAGSTER_FILES or path.parent.name == "automation"
    found = [name for name in _imported(path) if name.startswith("dagster")
             and name != "dagster_project"]
    assert is_allowed or not found, f"{_name(path)} imports {', '.join(found)}"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_the_engine_is_imported_only_in_its_room(path: Path) -> None:
    found = ENGINE_PACKAGES.intersection(_imported(path))
    assert _name(path).startswith("engine/") or not found, f"{_name(path)} imports {found}"


def test_the_environment_is_touched_only_by_settings() -> None:
    found = {_name(path) for path in MODULES if _touches_environment(path)}
    assert found == {"settings.py", *ENVIRONMENT_EXCEPTIONS}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    """The code location, as Dagster loads it."""
    return defs()


def test_definitions_can_be_loaded(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


@pytest.mark.parametrize("name", [table.name for table in PUBLISHED_TABLES])
def test_every_published_table_stands_behind_the_candidate(definitions: dg.Definitions,
                                                           name: str) -> None:
    node = definitions.resolve_asset_graph().get(dg.AssetKey(["crm", name]))
    assert node.parent_keys == {CANDIDATE}


def test_nothing_is_published_that_is_not_declared(definitions: dg.Definitions) -> None:
    keys = {key.path[-1] for key in definitions.resolve_asset_graph().get_all_asset_keys()
            if key.path[0] == "crm"}
    assert keys == {table.name for table in PUBLISHED_TABLES}


def test_every_declared_check_blocks_the_candidate(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = {key.name: graph.get(key) for key in graph.asset_check_keys
              if key.asset_key == CANDIDATE}
    assert set(checks) == {check.name for check in load_declarations(EXPECTATIONS).checks}
    assert len(checks) > 80
    assert [name for name, node in checks.items() if not node.blocking] == []


@pytest.mark.parametrize("job_name", [job.name for job in JOBS])
def test_every_job_that_publishes_passes_the_gate_first(definitions: dg.Definitions,
                                                        job_name: str) -> None:
    steps = [node.name for node in
             definitions.resolve_job_def(job_name).nodes_in_topological_order]
    assert steps.index("gate") < steps.index("publish_candidate")


def test_every_step_tells_its_refusals_in_words(definitions: dg.Definitions) -> None:
    steps: list[Any] = list(definitions.resolve_job_def("nightly").all_node_defs)
    assert {step.name for step in steps} == STEP_WORDS.keys()
    told = told_in_words(lambda: None).__code__.co_filename
    assert [step.name for step in steps
            if step.compute_fn.decorated_fn.__code__.co_filename != told] == []


def test_models_of_the_night_have_its_partition_and_facts_have_none(
        definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    of_night = {key.path[0]: graph.get(key).partitions_def for key in graph.get_all_asset_keys()
                if key.path[0] in ("night", "scoring", "publish", "crm")}
    assert set(of_night.values()) == {NIGHTS}
    for key in (["marts", "customer_features"], ["marts", "reconciliation"]):
        assert graph.get(dg.AssetKey(key)).partitions_def == NIGHTS
    for key in (["marts", "order_facts"], ["raw", "raw_order_lines"], ["raw", "load_ledger"]):
        assert graph.get(dg.AssetKey(key)).partitions_def is None


def test_every_asset_that_is_named_is_made(definitions: dg.Definitions) -> None:
    """A dependency that nobody makes would be taken for an asset of somebody else's."""
    graph = definitions.resolve_asset_graph()
    assert [key for key in graph.get_all_asset_keys() if not graph.get(key).is_materializable] == []


def test_a_range_of_nights_is_one_run_each(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    policies = {graph.get(key).backfill_policy for key in graph.get_all_asset_keys()
                if graph.get(key).partitions_def is not None}
    assert policies == {dg.BackfillPolicy.multi_run(1)}


def test_the_night_runs_at_0430_in_the_business_time_zone(tmp_path: Path) -> None:
    calendar = calendar_of(Home(tmp_path / "no home yet"))
    assert (calendar.schedule.cron, calendar.time_zone) == ("30 4 * * *", "Asia/Shanghai")
    assert calendar.schedule.is_on


def test_the_schedule_is_the_homes_and_runs(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def(nightly_schedule.name)
    assert schedule.cron_schedule == CALENDAR.schedule.cron
    assert schedule.execution_timezone == CALENDAR.time_zone
    assert schedule.job_name == "nightly"
    expected = (dg.DefaultScheduleStatus.RUNNING if CALENDAR.schedule.is_on
                else dg.DefaultScheduleStatus.STOPPED)
    assert schedule.default_status == expected


def test_failed_runs_are_told_of() -> None:
    assert failure_sensor.default_status == dg.DefaultSensorStatus.RUNNING


def test_the_failure_message_says_what_why_what_stands_and_where() -> None:
    message = failure_message("nightly", "2026-11-20", "run-1", ["first cause", "second cause"],
                              "nothing was published, the last publication stands")
    assert message.splitlines() == [
        "nightly of 2026-11-20 failed; nothing was published, the last publication stands.",
        "first cause", "second cause",
        "Run run-1; all checks and rejected rows are in warehouse/status.duckdb."]


def test_the_failure_message_of_a_lost_run_says_what_to_do() -> None:
    message = failure_message("replay", None, "run-2", [], "nothing was published")
    assert message.startswith("replay failed; nothing was published")
    assert "its process was lost. Start the night again" in message
