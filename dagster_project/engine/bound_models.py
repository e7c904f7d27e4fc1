"""A plugin of dbt that ends dbt when the run that started it is gone.

A run that is killed leaves its dbt process behind, which would go on writing the build of the
next run. Named in dbt/profiles.yml; runs in dbt's own process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

LOOK_SECONDS = 0.1
# Variable of the environment: number of the process that started dbt.
STARTED_BY = "CRM_STARTED_BY"


class Plugin(BasePlugin):
    """Watches the process that started dbt."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Begin to watch, before the first connection is opened; nobody named: nobody watched.

        The configuration is empty: dbt keeps no parse of a profile that differs from run to run.
        """
        starter = int(os.environ.get(STARTED_BY) or 0)
        if not starter:
            return
        _end_if_gone(starter)
        threading.Thread(target=_watch, args=(starter,), daemon=True).start()


def _watch(starter: int) -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        _end_if_gone(starter)


def _end_if_gone(starter: int) -> None:
    """Whose parent has died is given another one."""
    if os.getppid() != starter:
        # Not sys.exit: a statement that runs would be waited for, and committed.
        os.kill(os.getpid(), signal.SIGKILL)
