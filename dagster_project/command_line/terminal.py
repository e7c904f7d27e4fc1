"""What all commands share: how they speak, the home they are for, dates, progress, exit codes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dagster_project.refusals import NotFinished, WrongInput
from dagster_project.settings import Home, enter, home_from_environment

REFUSED, WRONG_INPUT, NOT_FINISHED = 1, 2, 3
QUIET_SECONDS = 2.0
# Files and pipes have no width of their own; the tables need this much.
PLAIN_WIDTH = 132
out = Console(soft_wrap=True, highlight=False,
              width=None if sys.stdout.isatty() else PLAIN_WIDTH)
err = Console(stderr=True, soft_wrap=True, highlight=False)

Night = Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Business date.")]


class Commands(typer.core.TyperGroup):
    """Says what is wrong in words, whatever the command, and ends with the code it stands for."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except WrongInput as error:
            raise fail(str(error), WRONG_INPUT) from None
        except NotFinished as error:
            raise fail(str(error), NOT_FINISHED) from None


def choose_home(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(
        "--home", help="The home; else the variable CRM_HOME, else ./home.")] = None,
) -> None:
    """Remember which home the command is for."""
    context.obj = Home(home) if home else home_from_environment()


def say(lines: Iterable[str]) -> None:
    """The answer of a command."""
    for line in lines:
        out.print(line, markup=False)


def tell(words: str) -> None:
    """What goes on meanwhile, or why not; apart from the answer."""
    err.print(words, markup=False)


def fail(words: str, code: int) -> typer.Exit:
    """Say why the command ends; the exception to raise."""
    tell(words)
    return typer.Exit(code)


def ready_home(context: typer.Context) -> Home:
    """The home, with everything in it checked.

    Raises:
        WrongInput: something in it, or its secret, is wrong.
    """
    home: Home = context.obj
    home.require()
    enter(home)
    _require_secret(home)
    return home


def _require_secret(home: Home) -> None:
    """Refuse a home that was made with another secret before anything is started."""
    if not home.stores.vault.exists():
        return
    from dagster_project.engine.embedded import require_secret
    from dagster_project.engine.stores import StoreUnreadable

    try:
        require_secret(home.stores, home.secret)
    except StoreUnreadable:
        # A run has the vault; whoever goes on to write proves the secret then.
        pass


@contextmanager
def writing(home: Home, command: str) -> Iterator[None]:
    """Hold the home's lock, which a run holds, too.

    Raises:
        NotFinished: another one holds it for too long.
    """
    from dagster_project.engine.writer_lock import writer_lock

    with writer_lock(home.lock_file, purpose=f"crm-value {command}",
                     wait_seconds=home.settings.lock_wait_seconds, tell=tell):
        yield


def date_of(text: str, option: str) -> date:
    """The date that an option states."""
    try:
        # Not fromisoformat, which takes other ways of writing it, too.
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise WrongInput(f"{option} {text}: is no date; write YYYY-MM-DD, for example "
                         f"2026-11-20") from None


def yesterday(home: Home) -> date:
    """The business date that ended last."""
    from dagster_project.automation.nights import NIGHTS

    key = NIGHTS.get_last_partition_key()
    if key is None:
        raise WrongInput(f"first_night in {home.config / 'home.yaml'} lies in the future")
    return date.fromisoformat(key)


def utc_now() -> datetime:
    """UTC, without a zone, as it is stored."""
    return datetime.now(UTC).replace(tzinfo=None)


@contextmanager
def progress() -> Iterator[Callable[[str, float | None], None]]:
    """Something to call with words and, where known, the share that is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        last = {"told": time.monotonic()}

        def show(words: str, share: float | None = None) -> None:
            bar.update(task, description=words, total=None if share is None else 1.0,
                       completed=share or 0)
            if not err.is_terminal and time.monotonic() - last["told"] > QUIET_SECONDS:
                tell(words)
                last["told"] = time.monotonic()

        yield show
