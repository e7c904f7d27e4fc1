"""Test 4: daemon, code server and run killed together; after a restart nothing stays queued."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from nights.conftest import SECOND, Teller
from nights.homes import PROGRAMS, PROJECT, TrialHome, ended, environment
from tests.conftest import INJECTED

PATIENCE_SECONDS = 900.0


def _environment(home: TrialHome) -> dict[str, str]:
    return environment(CRM_HOME=str(home.folder),
                       DAGSTER_HOME=str(home.folder / "state" / "dagster"))


@contextmanager
def _daemon(home: TrialHome) -> Iterator[subprocess.Popen[bytes]]:
    with (home.folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [str(PROGRAMS / "dagster-daemon"), "run", "-w", "workspace.yaml"], cwd=PROJECT,
            env=_environment(home), stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            _kill_everything(home)
            process.wait()


def _processes(home: TrialHome) -> list[int]:
    """Every process that serves this home: daemon, code server, run, dbt."""
    wanted = f"DAGSTER_HOME={home.folder / 'state' / 'dagster'}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def _kill_everything(home: TrialHome) -> int:
    processes = _processes(home)
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(processes)


def _launch(home: TrialHome, night: str) -> None:
    ended(subprocess.Popen(
        [str(PROGRAMS / "dagster"), "job", "launch", "-w", "workspace.yaml", "-j", "nightly",
         "--tags", f'{{"dagster/partition": "{night}"}}'], cwd=PROJECT, text=True,
        env=_environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE)).expect(0)


def _runs(home: TrialHome) -> list[dg.DagsterRun]:
    """Runs of the home's history, oldest first."""
    with dg.DagsterInstance.from_config(str(home.folder / "state" / "dagster")) as instance:
        return list(instance.get_runs())[::-1]


def _wait_for(happens: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(0.5)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.xdist_group("crash_of_everything")
def test_a_crash_of_everything_queues_no_later_night(
        home_after: Teller, record_property: Any) -> None:
    home = home_after("first")
    # As old as it will be: the schedule of this home asks for nothing of its own.
    home.edit("home.yaml", "is_on: true", "is_on: false")
    home.deliver(date.fromisoformat(SECOND))
    with _daemon(home):
        _launch(home, SECOND)
        _wait_for(lambda: any(home.folder.glob("state/runs/*.json")), "the run begins")
        assert _kill_everything(home) >= 3
        [lost] = [run for run in _runs(home) if run.job_name == "nightly"
                  and run.status is dg.DagsterRunStatus.STARTED]
    record_property(INJECTED, 1)

    earlier = {run.run_id for run in _runs(home)}
    _launch(home, SECOND)
    with _daemon(home):
        _wait_for(lambda: any(run.run_id == lost.run_id and
                              run.status is dg.DagsterRunStatus.FAILURE for run in _runs(home)),
                  "the lost run is failed")
        _wait_for(lambda: any(run.run_id not in earlier and
                              run.status is dg.DagsterRunStatus.SUCCESS for run in _runs(home)),
                  "tonight's run ends")
    published = home.query("select max(publication_id) as n from crm.publication")
    assert published == [{"n": 2}]
    [told] = home.query("select outcome, message from crm.pipeline_runs "
                        f"where run_id = '{lost.run_id}'", home.status)
    assert told["outcome"] == "failed"
    assert "its process was lost" in told["message"]
