"""dbt as a process of its own, forked from one that has imported it (Linux).

Importing dbt takes as long as it needs for the models of a small home. What it is told, what it
writes, and that it ends with the run that started it is all as in production, where the
installed program is started; nights that are killed while dbt may live start that.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

LIBRARIES = ["dbt.cli.main", "dbt.adapters.duckdb", "dbt.graph.selector"]
# A command with this variable starts the installed program instead.
INSTALLED_DBT = "TRIAL_INSTALLED_DBT"
ADOPTS_ORPHANS = 36
MESSAGE_BYTES = 1_000_000


class ForkedDbt:
    """What dagster-dbt wants of `subprocess.Popen`; the process is a child of this one."""

    def __init__(self, template: socket.socket, arguments: Sequence[str],
                 environment: Mapping[str, str], folder: Path) -> None:
        """Have dbt forked from a process that stands by."""
        self.args = list(arguments)
        self.returncode: int | None = None
        reading, writing = os.pipe()
        message = json.dumps([self.args, dict(environment), str(folder)]).encode()
        socket.send_fds(template, [message], [writing])
        os.close(writing)
        self.stdout = os.fdopen(reading, "rb")
        self.pid = int(template.recv(MESSAGE_BYTES))

    def wait(self, timeout: float | None = None) -> int:
        """Exit code, once it has ended."""
        if self.returncode is None:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """As `subprocess.Popen` does."""
        if self.returncode is None:
            os.kill(self.pid, number)


def stand_by() -> None:
    """Let dagster-dbt have dbt forked from a process that forks off here and now.

    To be called before threads are started or stores are opened.
    """
    if sys.platform != "linux" or INSTALLED_DBT in os.environ:
        return
    system = ctypes.CDLL(None, use_errno=True)
    # Whose parent ends is given to this process, which is how dbt becomes its child.
    if system.prctl(ADOPTS_ORPHANS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot adopt processes")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = os.getpid()
    if os.fork() == 0:
        ours.close()
        # What each dbt would find anew: the files of all modules.
        inspect.getmodule(sys._getframe())
        _fork_on_demand(theirs, command)
        os._exit(0)
    theirs.close()

    from dagster_dbt.core import dbt_cli_invocation

    def popen(args: Sequence[str], env: Mapping[str, str], cwd: Path, **_: object) -> ForkedDbt:
        return ForkedDbt(ours, args, env, cwd)

    invocation: Any = dbt_cli_invocation
    invocation.subprocess = SimpleNamespace(
        Popen=popen, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT,
        TimeoutExpired=subprocess.TimeoutExpired)


def _fork_on_demand(template: socket.socket, command: int) -> None:
    """One dbt for each message, until the command has ended."""
    while True:
        message, files, _, _ = socket.recv_fds(template, MESSAGE_BYTES, 1)
        if not message:
            return
        between = os.fork()
        if between == 0:
            dbt = os.fork()
            if dbt == 0:
                template.close()
                _run_dbt(message, files[0], command)
            template.send(str(dbt).encode())
            os._exit(0)
        os.close(files[0])
        os.waitpid(between, 0)


def _run_dbt(message: bytes, said: int, command: int) -> None:
    """What the installed program does, as a child of the command."""
    arguments, environment, folder = json.loads(message)
    while os.getppid() != command:
        if os.getppid() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.001)
    for number in (1, 2):
        os.dup2(said, number)
    os.close(said)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = arguments
    # It ends in seconds.
    gc.disable()
    code: object = 1
    try:
        from dbt.cli.main import cli

        _leave_out_the_log()
        cli()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        # It closes the build.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def _leave_out_the_log() -> None:
    """dbt's 2,900 lines a night on disk are for people, and no test looks at them."""
    from dbt_common.events.base_types import BaseEvent, EventLevel
    from dbt_common.events.event_manager import EventManager

    os.environ["DBT_LOG_LEVEL_FILE"] = "none"
    fire = EventManager.fire_event

    def fire_heard(manager: EventManager, e: BaseEvent, level: EventLevel | None = None,
                   **options: Any) -> None:
        if (level or e.level_tag()) != EventLevel.DEBUG:
            fire(manager, e, level, **options)

    EventManager.fire_event = fire_heard  # type: ignore[method-assign]
