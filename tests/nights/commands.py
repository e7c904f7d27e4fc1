"""`crm-value` as processes of their own, forked from one that has the libraries loaded.

Importing them anew for each of a hundred commands would take as long as the commands do. The
project's own modules are not loaded beforehand: what they draw from the home is the command's.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from nights import forked_dbt

PATIENCE_SECONDS = 540
LIBRARIES = ["dagster", "dagster_dbt", "duckdb", "duckdb_engine", "great_expectations", "pandas",
             "psycopg", "pyarrow.fs", "pyarrow.parquet", "pydantic", "rich", "ruamel.yaml",
             "scipy.optimize", "scipy.sparse.csgraph", "sqlalchemy", "typer",
             *forked_dbt.LIBRARIES]

# Variable of a command: number of a process in whose network it runs.
NETWORK_OF = "TRIAL_NETWORK_OF"

# They look for their settings while they are imported; a test's command sends nothing home.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(LIBRARIES)


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that it said."""
        return self.out + self.err

    def expect(self, code: int) -> Ended:
        """This, if the exit code is `code`; AssertionError with what it said if not."""
        assert self.code == code, f"exit code {self.code}, not {code}:\n{self.said}"
        return self


@dataclass(frozen=True)
class Command:
    """A command that was started; what it says goes to two files of `folder`."""

    process: BaseProcess
    folder: tempfile.TemporaryDirectory[str]

    @property
    def pid(self) -> int:
        """Number of its process."""
        assert self.process.pid is not None
        return self.process.pid

    def end(self) -> Ended:
        """Wait for its end."""
        self.process.join(PATIENCE_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"no end after {PATIENCE_SECONDS} s")
        out, err = ((Path(self.folder.name) / name).read_text(encoding="utf-8")
                    for name in ("out", "err"))
        self.folder.cleanup()
        return Ended(self.process.exitcode, out, err)


def start(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> Command:
    """Start `crm-value arguments` in a folder."""
    said = tempfile.TemporaryDirectory(prefix="crm-value-")
    process = _PROCESSES.Process(target=_run, args=(list(arguments), dict(environment),
                                                    str(folder), said.name))
    process.start()
    return Command(process, said)


def _run(arguments: list[str], environment: dict[str, str], folder: str, said: str) -> None:
    """What the installed program does, in a process that has just been forked."""
    # What was imported before stays; to look through it for garbage would copy all of it.
    gc.freeze()
    os.environ.clear()
    os.environ.update(environment)
    if NETWORK_OF in environment:
        _enter_network(environment[NETWORK_OF])
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{said}/{name}", os.O_WRONLY | os.O_CREAT), number)
    sys.argv = ["crm-value", *arguments]
    forked_dbt.stand_by()
    _keep_engines_of_history()

    from dagster_project.command_line import main

    main()


def _enter_network(process: str) -> None:
    """Move this process, and those that it starts, to the network of another one (Linux)."""
    system = ctypes.CDLL(None, use_errno=True)
    with Path(f"/proc/{process}/ns/net").open("rb") as network:
        if system.setns(network.fileno(), 0):
            raise OSError(ctypes.get_errno(), "no other network can be entered")


def _keep_engines_of_history() -> None:
    """Let Dagster's history use one engine a file, and leave it to the system when it is on disk.

    It makes an engine, with empty caches, and opens the file for each statement of each of a
    night's 1,200 events: a fifth of the processor time of a small night. What it writes stays
    the same; no test takes the power away.
    """
    import sqlalchemy as sa
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage

    make, made = sa.create_engine, {}

    def kept(url: str, **options: object) -> sa.Engine:
        if url not in made:
            made[url] = make(url, **{**options, "poolclass": sa.QueuePool})
            # It is told to close its connections after each statement.
            made[url].dispose = lambda *_, **__: None
            sa.event.listen(made[url], "connect",
                            lambda connection, _: connection.execute("pragma synchronous = off"))
        return made[url]

    for storage in (sqlite_event_log, sqlite_run_storage):
        storage.create_engine = kept
