"""What Dagster tries again, and what a run must know that goes on where another one failed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from dagster._core.execution.plan.resume_retry import ReexecutionStrategy
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import get_reexecution_strategy

from dagster_project.automation.jobs import JOBS
from dagster_project.customers.night import NightInputs
from dagster_project.definitions import defs
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.ingest.assets import load_landing
from dagster_project.ingest.last_look import NoLook
from dagster_project.operation import disk
from dagster_project.resources import HomeResource, RunSession
from dagster_project.settings import Home, enter, make_home

NIGHT = NightInputs(
    as_of_date=date(2026, 11, 18), known_load_seq=1, config_hash="c", reference_id="r",
    method_version="1", previous_publication_id=0, is_backcast=False, is_new_reference=True,
    replay_of_publication_id=None)


@pytest.mark.parametrize("name", [job.name for job in JOBS])
def test_a_lost_run_of_every_job_is_tried_again_from_its_start(name: str, tmp_path: Path) -> None:
    """Only the steps that are missing would be tried again otherwise."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        job = defs().resolve_job_def(name)
        run = instance.create_run_for_job(job, tags=job.run_tags)
        assert get_reexecution_strategy(run, instance) is ReexecutionStrategy.ALL_STEPS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home without data, entered."""
    home = make_home(tmp_path / "home", is_sample=True)
    home.require()
    for name in ("CRM_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    enter(home)
    return home


def _session(home: Home) -> RunSession:
    return RunSession(home, EmbeddedEngine(home.stores, home.secret), "another", "nightly",
                      NIGHT.as_of_date, datetime.now(UTC))


def test_a_run_that_did_not_look_knows_what_the_last_look_refused(
        home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that looked wrote no status: it was killed before its end."""
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)
    orders = home.landing / "orders"
    orders.mkdir()
    (orders / "orders_of_an_unknown_day.csv").write_text(
        "order_id,customer_id,ordered_at,quantity,unit_price,currency\n"
        "O1,C1,2026-11-18 10:00:00,1,5,CNY\n")
    result = dg.materialize([load_landing], resources={"home": HomeResource()})
    assert result.success
    home.stores.status.unlink()
    refused = _session(home).refused_of_night(NIGHT)
    assert list(refused) == ["orders/orders_of_an_unknown_day.csv"]
    assert "carries no date" in refused["orders/orders_of_an_unknown_day.csv"]


@pytest.mark.parametrize("kept", [None, "", "[]", '{"a.csv": "no co'])
def test_nothing_passes_where_nothing_says_what_was_refused(home: Home, kept: str | None) -> None:
    if kept is not None:
        home.refused_files.write_text(kept)
    with pytest.raises(NoLook, match="run the night from its start"):
        _session(home).refused_of_night(NIGHT)


@dg.asset
def of_a_night(home: HomeResource) -> None:
    """Needs the home."""
    assert home.session.home.state.is_dir()


def _run(home: Home) -> tuple[dg.DagsterRun, list[str]]:
    """A run in the home's own history; what the status says of all runs."""
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        result = dg.materialize([of_a_night], resources={"home": HomeResource()},
                                instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(result.run_id)
    assert run is not None
    if not home.stores.status.exists():
        return run, []
    with duckdb.connect(str(home.stores.status), read_only=True) as connection:
        rows = connection.execute("select message from pipeline_runs").fetchall()
    return run, [message for (message,) in rows]


def test_a_run_that_cannot_begin_is_not_tried_again(
        home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(disk, "free_bytes", lambda path: 0)
        run, told = _run(home)
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert run.tags["dagster/will_retry"] == "false"
    assert "Nothing was started" in told[0]
    run, _ = _run(home)
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert "dagster/max_retries" not in run.tags


def test_a_run_that_cannot_publish_is_told_and_not_tried_again(
        home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRM_POSTGRES_URL", raising=False)
    settings = home.config / "home.yaml"
    settings.write_text(settings.read_text().replace("publish: duckdb", "publish: postgres"))
    run, told = _run(home)
    assert run.tags["dagster/will_retry"] == "false"
    assert "CRM_POSTGRES_URL is not set" in told[0]
