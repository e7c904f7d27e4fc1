"""Tests 4 and 16: runs that a crash of everything left behind, and who holds the home."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from dagster_project.automation import lost_runs
from dagster_project.automation.lost_runs import fail_lost_runs, tell_lost_runs
from dagster_project.customers.dbt_arguments import dbt_environment
from dagster_project.engine.run_marks import lost_runs as lost_marks
from dagster_project.engine.writer_lock import HomeBusy, holder, writer_lock
from dagster_project.settings import DBT_PROJECT, Home, make_home
from tests.conftest import INJECTED

PROJECT = Path(__file__).resolve().parents[2]
# A run that marks itself and waits; what is killed with it in the middle of its work.
RUN = """
import sys
from datetime import date, datetime
from pathlib import Path
from dagster_project.engine.run_marks import RunMark, mark_run
from dagster_project.engine.writer_lock import writer_lock
import os
state = Path(sys.argv[1])
mark = RunMark(sys.argv[2], "nightly", date(2026, 11, 18), os.getpid(),
               datetime(2026, 11, 19, 4, 30))
with mark_run(state / "runs", mark), writer_lock(
        state / "writer.lock", purpose=f"nightly 2026-11-18 run {sys.argv[2]}", wait_seconds=0,
        tell=str):
    sys.stdout.write("runs\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home without data."""
    home = make_home(tmp_path / "home", is_sample=True)
    home.require()
    return home


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster storage of its own."""
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield instance


def _start(home: Home, run_id: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", RUN, str(home.state), run_id], text=True,
                               cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"
    return process


def _started(instance: dg.DagsterInstance, run_id: str | None = None) -> str:
    run_id = run_id or str(uuid.uuid4())
    instance.add_run(dg.DagsterRun(job_name="nightly", run_id=run_id,
                                   status=dg.DagsterRunStatus.STARTED))
    return run_id


def _status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_killed_run_is_failed_told_and_forgotten_and_a_living_one_left(
        home: Home, instance: dg.DagsterInstance, record_property: Any) -> None:
    lost, living = (_started(instance) for _ in range(2))
    with _start(home, lost) as process:
        assert lost_marks(home.run_marks) == []
        process.send_signal(signal.SIGKILL)
        process.wait()
    record_property(INJECTED, 1)
    with _start(home, living) as process:
        [mark] = tell_lost_runs(home, instance)
        assert (mark.run_id, mark.process > 0) == (lost, True)
        assert _status(instance, lost) is dg.DagsterRunStatus.FAILURE
        assert _status(instance, living) is dg.DagsterRunStatus.STARTED
        assert tell_lost_runs(home, instance) == []
        process.communicate("")
    with duckdb.connect(str(home.stores.status), read_only=True) as connection:
        rows = connection.execute(
            "select run_id, job_name, outcome, message from pipeline_runs").fetchall()
    [(run_id, job, outcome, message)] = rows
    assert (run_id, job, outcome) == (lost, "nightly", "failed")
    assert "its process was lost" in message
    assert "Run the night again" in message
    assert list(home.run_marks.iterdir()) == []


def test_a_run_without_a_mark_is_lost_once_it_is_old(
        home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between its start and its first step, it could not mark itself."""
    run_id = _started(instance)
    waited: list[float] = []
    assert fail_lost_runs(home, instance, waited.append) == []
    assert waited == []
    monkeypatch.setattr(lost_runs, "UNMARKED_SECONDS", -1)
    assert fail_lost_runs(home, instance, waited.append) == [run_id]
    assert waited == [lost_runs.END_SECONDS]
    assert _status(instance, run_id) is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("end", [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE])
def test_a_run_that_is_just_ending_is_not_lost(
        home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch,
        end: dg.DagsterRunStatus) -> None:
    """Its mark is gone before the history says how it ended."""
    monkeypatch.setattr(lost_runs, "UNMARKED_SECONDS", -1)
    run_id = _started(instance)

    def ends(seconds: float) -> None:
        kind = {dg.DagsterRunStatus.SUCCESS: dg.DagsterEventType.RUN_SUCCESS,
                dg.DagsterRunStatus.FAILURE: dg.DagsterEventType.RUN_FAILURE}[end]
        run = instance.get_run_by_id(run_id)
        assert run is not None
        instance.report_dagster_event(
            dg.DagsterEvent(event_type_value=kind.value, job_name=run.job_name), run_id)

    assert fail_lost_runs(home, instance, ends) == []
    assert _status(instance, run_id) is end


def test_a_run_that_marks_itself_late_is_not_lost(
        home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_runs, "UNMARKED_SECONDS", -1)
    run_id = _started(instance)
    home.run_marks.mkdir()
    mark = home.run_marks / f"{run_id}.json"
    assert fail_lost_runs(home, instance, lambda _: mark.touch()) == []


def test_a_mark_that_was_cut_off_is_still_a_lost_run(
        home: Home, instance: dg.DagsterInstance) -> None:
    """The machine went down before the mark came to the disk."""
    run_id = _started(instance)
    home.run_marks.mkdir()
    (home.run_marks / f"{run_id}.json").write_text('{"run_id": "')
    assert fail_lost_runs(home, instance) == [run_id]
    assert [mark.run_id for mark in tell_lost_runs(home, instance)] == [run_id]


def test_the_lock_of_a_killed_holder_is_free_and_a_living_one_is_named(
        home: Home, record_property: Any) -> None:
    """Test 16: process, run and age of the one who holds the home; nothing is left to unlock."""
    run_id = str(uuid.uuid4())
    with _start(home, run_id) as process:
        began = time.monotonic()
        with pytest.raises(HomeBusy) as caught, writer_lock(
                home.lock_file, purpose="another", wait_seconds=1, tell=lambda words: None):
            raise AssertionError("two writers")
        assert 1 <= time.monotonic() - began < 30
        for words in (f"process {process.pid}", f"run {run_id}", "2026-11-18", " seconds",
                      "lock_wait_seconds in config/home.yaml"):
            assert words in str(caught.value)
        process.send_signal(signal.SIGKILL)
        process.wait()
    record_property(INJECTED, 2)
    with writer_lock(home.lock_file, purpose="the next", wait_seconds=0, tell=lambda words: None):
        assert "(the next)" in holder(home.lock_file)


# Starts dbt as a run does, through the project's own profile, and says which process it is.
STARTER = """
import os, subprocess, sys
process = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1]], env=os.environ | {"CRM_STARTED_BY": str(os.getpid())})
sys.stdout.write(f"{process.pid}\\n")
sys.stdout.flush()
process.wait()
"""
# What dbt does with the plugin that the profile names; then a statement that does not end.
WRITER = """
import yaml
from pathlib import Path
from dbt.adapters.duckdb.plugins import BasePlugin
profile = yaml.safe_load(Path("dbt/profiles.yml").read_text())
[named] = profile["crm"]["outputs"]["duckdb"]["plugins"]
import os
BasePlugin.create(named["module"], config=named.get("config"))
import duckdb, sys
connection = duckdb.connect(os.environ["CRM_BUILD_PATH"])
Path(os.environ["CRM_BUILD_PATH"] + ".writes").touch()
connection.execute("set threads = 1")
connection.execute("create table t as select sum(a.i * b.i) from range(100000000) a(i), "
                   "range(100000000) b(i)")
"""


# Whether a process of nobody's lives on is read from /proc.
@pytest.mark.faults
def test_dbt_does_not_outlive_the_run_that_started_it(tmp_path: Path,
                                                      record_property: Any) -> None:
    """Test 2: killed while a statement runs that takes for ever; nobody else ends its process."""
    import os

    build = tmp_path / "build.duckdb"
    environment = dbt_environment(build, tmp_path / "raw.duckdb", "1GB", 1, tmp_path, tmp_path)
    with subprocess.Popen([sys.executable, "-c", STARTER, WRITER], text=True, cwd=PROJECT,
                          env={**os.environ, **environment}, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        process = int(starter.stdout.readline())
        _wait_for(lambda: Path(f"{build}.writes").exists())
        assert _lives(process)
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    _wait_for(lambda: not _lives(process))
    record_property(INJECTED, 1)
    # What it left can be opened: nobody holds it, once its last thread has ended, too.
    _wait_for(lambda: _opens(build))
    with duckdb.connect(str(build)) as connection:
        assert connection.execute("select count(*) from duckdb_tables()").fetchone() == (0,)
    assert (DBT_PROJECT / "profiles.yml").is_file()


def _opens(build: Path) -> bool:
    try:
        duckdb.connect(str(build)).close()
    except duckdb.IOException:
        return False
    return True


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


def _wait_for(happens: Any, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
