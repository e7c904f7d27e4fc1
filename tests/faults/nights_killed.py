"""A night that is killed at each place that can be seen from outside. No expectation of its
figures stands in this module."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from nights.commands import PATIENCE_SECONDS, Command
from nights.forked_dbt import INSTALLED_DBT
from nights.homes import TrialHome

LOOK_SECONDS = 0.005
# What a process group that was killed needs to be gone.
GONE_SECONDS = 20.0


def _is_new(path: Path, began: float) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime >= began
    return False


def _in_candidate(name: str) -> Callable[[TrialHome, float], bool]:
    return lambda home, began: any(
        _is_new(path, began) for path in home.folder.glob(f"state/candidates/*/{name}"))


# Place -> whether a night that began at a time has come to it.
PLACES: dict[str, Callable[[TrialHome, float], bool]] = {
    "the run has begun": lambda home, began: any(home.folder.glob("state/runs/*.json")),
    "a load is written": lambda home, began: _is_new(
        home.folder / "state" / "raw.duckdb.wal", began),
    "the inputs are chosen": lambda home, began: _is_new(
        home.folder / "state" / "build.duckdb", began),
    "dbt runs": lambda home, began: bool(_dbt_processes(home)) and _is_new(
        home.folder / "state" / "build.duckdb.wal", began),
    "the models are built": lambda home, began: _is_new(
        home.folder / "state" / "dbt" / "run_results.json", began),
    "the candidate is staged": _in_candidate("crm.duckdb"),
    "the candidate is approved": _in_candidate("approval.json"),
    "the copy is made": lambda home, began: _is_new(
        home.folder / "warehouse" / ".incoming.duckdb", began),
    "it is published": lambda home, began: _is_new(home.publication, began),
}
# Where dbt may live, it must be a program of its own, to be found among all processes.
WITH_DBT = {"the inputs are chosen", "dbt runs", "the models are built"}


def kill_at(home: TrialHome, place: str, *arguments: str) -> bool:
    """Start a command and kill its process at a place; False if it ended before.

    Its dbt process is left to itself, as a kill leaves it.
    """
    began, has_come = time.time(), PLACES[place]
    command = home.start(*arguments, **(
        {INSTALLED_DBT: "1"} if place in WITH_DBT else {}))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if has_come(home, began):
            os.kill(command.pid, signal.SIGKILL)
            return _wait(command) == -signal.SIGKILL
        if not command.process.is_alive():
            _wait(command)
            return False
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"the night did not come to: {place}")


def _wait(command: Command) -> int | None:
    command.process.join(PATIENCE_SECONDS)
    command.folder.cleanup()
    return command.process.exitcode


def dbt_is_gone(home: TrialHome) -> bool:
    """Whether no dbt process of this home lives on, after some seconds."""
    deadline = time.monotonic() + GONE_SECONDS
    while time.monotonic() < deadline:
        if not _dbt_processes(home):
            return True
        time.sleep(0.1)
    return False


def _dbt_processes(home: TrialHome) -> list[int]:
    """Processes whose environment says that they build this home's build."""
    wanted = f"CRM_BUILD_PATH={home.folder / 'state' / 'build.duckdb'}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (b"dbt" in (process / "cmdline").read_bytes()
                    and wanted in (process / "environ").read_bytes().split(b"\0")):
                found.append(int(process.name))
    return found


def leftovers(home: TrialHome) -> list[str]:
    """Files of a run that nobody needs once a night has ended."""
    return sorted(
        path.relative_to(home.folder).as_posix()
        for pattern in ("state/runs/*", "state/scratch/*", "state/*.wal", "warehouse/*.wal",
                        "warehouse/.incoming*", "state/candidates/*/*.unfinished")
        for path in home.folder.glob(pattern))
