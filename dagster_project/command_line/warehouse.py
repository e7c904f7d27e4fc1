"""Commands about what was published: explain, compare, try another configuration, put back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.command_line.terminal import (
    date_of,
    out,
    progress,
    ready_home,
    say,
    tell,
    utc_now,
    writing,
)
from dagster_project.refusals import WrongInput


def explain(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(
        help="Our customer_key, the id as the shop writes it, an e-mail address, a telephone "
             "number, or an order number.")],
    night: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD",
                                       help="As of which date; default: the current one.")] = "",
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
) -> None:
    """Say in words why a customer has these scores, or why they are not there."""
    from dagster_project.publish.explanation import explain_customer

    home = ready_home(context)
    if language not in ("en", "zh"):
        raise WrongInput(f"--language {language}: allowed are en and zh")
    say(explain_customer(home, customer, date_of(night, "--date") if night else None, language))


def preview(
    context: typer.Context,
    config: Annotated[Path, typer.Option(
        "--config", metavar="FILE", help="Another crm.yaml.")],
) -> None:
    """Say what another crm.yaml would change, and how much hangs on each weight."""
    from dagster_project.configuration import load_configuration
    from dagster_project.publish.preview import preview as preview_of
    from dagster_project.publish.preview import preview_lines

    home = ready_home(context)
    if not config.is_file():
        raise WrongInput(f"--config {config}: there is no such file; copy "
                         f"{home.config / 'crm.yaml'} and change it")
    configuration = load_configuration(config)
    with writing(home, "preview"), progress() as show:
        seen = preview_of(home, configuration, show)
    say(preview_lines(seen))


def diff(
    context: typer.Context,
    before: Annotated[int, typer.Argument(metavar="PUBLICATION", help="Number of the earlier.")],
    after: Annotated[int, typer.Argument(metavar="PUBLICATION", help="Number of the later.")],
    table: Annotated[list[str] | None, typer.Option(
        help="This table only; may be given several times.")] = None,
) -> None:
    """Say what changed between two publications that are kept, and why."""
    from dagster_project.publish.difference import compare_publications, difference_lines

    home = ready_home(context)
    say(difference_lines(compare_publications(home.stores, before, after, tuple(table or ()))))


def restore(
    context: typer.Context,
    publication: Annotated[int | None, typer.Argument(
        metavar="PUBLICATION", help="Number of a kept publication.")] = None,
    backup: Annotated[Path | None, typer.Option(
        metavar="DIR", help="Put raw.duckdb and vault.duckdb of this backup back.")] = None,
) -> None:
    """Make a kept publication the current file again, or put raw and vault of a backup back."""
    from dagster_project.publish.restoring import restore_publication, restore_stores
    from dagster_project.publish.serving import require_serving, show_restored

    home = ready_home(context)
    if (publication is None) == (backup is None):
        raise WrongInput("give either the number of a publication, or --backup DIR")
    if publication is not None:
        require_serving(home)
    with writing(home, "restore"):
        if publication is not None:
            say(restore_publication(home.stores, publication, secret=home.secret, now=utc_now()))
            say(show_restored(home, tell))
        elif backup is not None:
            say(restore_stores(home.stores, backup, secret=home.secret, now=utc_now()))


def publish(
    context: typer.Context,
    publication: Annotated[int | None, typer.Option(
        metavar="NUMBER", min=1, help="An earlier publication that is kept; default: the one in "
                                      "the warehouse file.")] = None,
) -> None:
    """Show a publication in PostgreSQL, whose URL is in CRM_POSTGRES_URL; the file stays."""
    from dagster_project.publish.serving import show_publication

    home = ready_home(context)
    with writing(home, "publish"):
        words = show_publication(home, publication, tell)
    say([words])


def postgres_roles() -> None:
    """Print the SQL that makes the roles of a PostgreSQL database: one publishes, one reads."""
    from dagster_project.publish.serving import ROLES

    out.print(ROLES.read_text(encoding="utf-8"), markup=False, end="")
