"""Commands about what lies in landing/ and what of it was rejected."""

from __future__ import annotations

import getpass
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.command_line.terminal import (
    REFUSED,
    progress,
    ready_home,
    say,
    utc_now,
    writing,
    yesterday,
)


def check(context: typer.Context) -> None:
    """Say what of landing/ would be loaded, rejected or held, and whether that stops a night."""
    from dagster_project.customers.trial import try_landing

    home = ready_home(context)
    with progress() as show:
        trial = try_landing(home, yesterday(home), show)
    say([*trial.files, *trial.rejected, *trial.held, *trial.stops])
    if not trial.files:
        say([f"{home.landing} holds nothing new"])
    if trial.refused_n:
        say(["Files that cannot be read stop the night: mend or remove them."])
    if trial.refused_n or trial.stops:
        raise typer.Exit(REFUSED)
    if trial.files or trial.held:
        say([f"The gate would not stop a night for any of this. Next: crm-value --home "
             f"{home.folder} run"])


def rejected(
    context: typer.Context,
    source: Annotated[str, typer.Option(help="Rows of this source only.")] = "",
    reason: Annotated[str, typer.Option(help="Rows of this reason only.")] = "",
    write: Annotated[Path | None, typer.Option(
        metavar="DIR", help="Write the rejected rows, in clear, into this folder.")] = None,
) -> None:
    """List rejected and held rows with what to do; write the rejected ones out for repair."""
    from dagster_project.engine.quarantine import Choice
    from dagster_project.ingest.quarantine import quarantine_words, write_rejected

    home = ready_home(context)
    choice = Choice(source or None, reason or None)
    # That somebody read clear text is written down.
    with writing(home, "rejected") if write else nullcontext():
        if write is None:
            lines = quarantine_words(home.stores, choice)
        else:
            written = write_rejected(home.stores, home.sources, choice, write,
                                     landing=home.landing, who=getpass.getuser(), now=utc_now())
            lines = [f"{path}: {rows_n} rows" for path, rows_n in written]
            lines.append("Mend the cells and leave the columns that begin with _ as they are; then "
                         "crm-value repair FILE. Delete the files afterwards: they hold text in "
                         "clear.")
    say(lines or ["no row is rejected or held"])


def repair(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(
        help="A file of crm-value rejected --write, mended.")],
) -> None:
    """Take repaired rows back in; the next night counts them."""
    from dagster_project.engine.embedded import EmbeddedEngine
    from dagster_project.engine.whole_stores import require_known_loads
    from dagster_project.ingest.quarantine import repair_words, take_back

    home = ready_home(context)
    with writing(home, "repair"):
        engine = EmbeddedEngine(home.stores, home.secret)
        require_known_loads(home.stores, engine.last_load_seq())
        taken = take_back(engine, home.stores, home.sources, file, now=utc_now())
    say(repair_words(taken, file))
    if any(part.result is not None for part in taken):
        say(["The next night counts them: crm-value run"])
    if any(part.still_rejected for part in taken):
        raise typer.Exit(REFUSED)
