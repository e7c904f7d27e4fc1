"""`crm-value`: a thin face over the Dagster jobs of one home.

Exit codes: 0 done; 1 the gate said no, nothing was published; 2 the configuration, a date, a path
or an argument is wrong; 3 the run could not be finished, and says what was published.
"""

from __future__ import annotations

import os
import sys

import typer

from dagster_project.command_line import campaigns, exports, homes, nights, warehouse
from dagster_project.command_line.terminal import Commands, choose_home

STDERR = 2  # file descriptor

app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="From raw exports to explained, gated customer scores, every night.",
)
app.callback()(choose_home)
# In the order in which people need them.
for command in (homes.init, homes.sample, nights.run, nights.recalibrate, nights.rebuild,
                exports.check, exports.rejected, exports.repair, warehouse.explain,
                warehouse.preview, warehouse.diff, warehouse.restore, homes.doctor,
                warehouse.publish, warehouse.postgres_roles, campaigns.holdout, nights.approve):
    app.command()(command)


def main() -> None:
    """Entry point of `crm-value`."""
    code = 0
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    # The engine's binding reports leaks of its own, over dozens of lines, when the interpreter
    # ends; nothing of ours is said after this line.
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDERR)
    sys.exit(code)
