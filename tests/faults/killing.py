"""Killing a process at every statement of the engine and every change of a file, one by one.

The points are met from outside: in a forked process each statement and each file operation below
a folder is counted, and at the chosen one the process kills itself as `kill -9` would. So a step
has as many points as it does things, and the code under test has no failpoints.

No expectation stands in this module.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

# Less than the longest timeout of a test that plays a scenario.
PATIENCE_SECONDS = 1700
FILE_EVENTS = {"os.rename", "os.link", "os.remove", "os.chmod", "os.mkdir", "os.rmdir",
               "shutil.copyfile", "shutil.rmtree"}
LIBRARIES = ["duckdb", "numpy", "pandas", "pyarrow", "pyarrow.parquet", "pydantic",
             "ruamel.yaml", "phonenumbers"]
_PROCESSES = multiprocessing.get_context("forkserver")


class Points:
    """Counts what a process does; kills it at one of them.

    Attributes:
        seen: points so far.
    """

    def __init__(self, folder: Path, kill_at: int | None) -> None:
        """`folder`: file operations elsewhere are no points; `kill_at`: from 1, None: never."""
        self._folder = str(folder)
        self._kill_at = kill_at
        self.seen = 0
        sys.addaudithook(self._on_event)
        executes = duckdb.DuckDBPyConnection.execute

        def execute(connection: Any, *arguments: Any, **named: Any) -> Any:
            self._pass()
            return executes(connection, *arguments, **named)

        duckdb.DuckDBPyConnection.execute = execute

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in FILE_EVENTS and str(arguments[0]).startswith(self._folder):
            self._pass()

    def _pass(self) -> None:
        self.seen += 1
        if self.seen == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(task: Callable[..., Any], *arguments: Any) -> Any:
    """What `task` returns in a forked process, as JSON; signal.SIGKILL if it was killed.

    Raises:
        AssertionError: it raised.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w") as answer:
                json.dump(task(*arguments), answer)
            code = 0
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, f"ended by signal {os.WTERMSIG(status)}"
        return signal.SIGKILL
    assert os.WEXITSTATUS(status) == 0, f"{task.__name__}{arguments[1:]} raised, see above"
    return json.loads(text)


def counted(task: Callable[..., Any], folder: Path, *arguments: Any) -> int:
    """Number of points of `task(folder, *arguments)`, run in a forked process."""
    def run() -> int:
        points = Points(folder, None)
        task(folder, *arguments)
        return points.seen
    return int(in_child(run))


def killed(task: Callable[..., Any], at: int, folder: Path, *arguments: Any) -> None:
    """Kill `task(folder, *arguments)` at a point, from 1."""
    def run() -> None:
        Points(folder, at)
        task(folder, *arguments)
    assert in_child(run) is signal.SIGKILL, f"point {at} was not reached"


def play(scenario: Callable[..., Any], *arguments: Any) -> Any:
    """What a scenario returns in a process of its own, from which it can fork cheaply.

    The process has opened no store: an engine that runs cannot be forked.
    """
    _PROCESSES.set_forkserver_preload(LIBRARIES)
    ours, theirs = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=_play, args=(theirs, scenario, arguments))
    process.start()
    theirs.close()
    try:
        has_ended = ours.poll(PATIENCE_SECONDS)
        is_good, answer = ours.recv() if has_ended else (False, "no end in time")
    except EOFError:
        is_good, answer = False, "the scenario's process died"
    finally:
        process.kill() if process.is_alive() and not ours.poll(1) else None
        process.join()
    assert is_good, answer
    return answer


def _play(pipe: Any, scenario: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        answer = (True, scenario(*arguments))
    except BaseException:  # noqa: BLE001
        answer = (False, traceback.format_exc())
    pipe.send(answer)
    pipe.close()


def longer(share: float) -> list[Any]:
    """Parameters of a test that kills at a share of its points: with all faults, and at all."""
    patience = pytest.mark.timeout(PATIENCE_SECONDS + 100)
    return [pytest.param(share, marks=[pytest.mark.faults, patience]),
            pytest.param(1.0, marks=[pytest.mark.slow, patience])]


def chosen(points: int, share: float) -> list[int]:
    """A share of the points 1..points, evenly spread, the first and the last among them."""
    wanted = max(2, round(points * share))
    return sorted({1 + round(number * (points - 1) / (wanted - 1)) for number in range(wanted)})
