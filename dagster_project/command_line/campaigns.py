"""Commands about campaigns: draw who is left alone, so that an effect can be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.command_line.terminal import date_of, ready_home, say


def holdout(
    context: typer.Context,
    campaign: Annotated[str, typer.Option(help="Name of the campaign, as results will have it.")],
    write: Annotated[Path, typer.Option(
        "--write", metavar="FILE", help="Both groups as an export of campaigns, for landing/.")],
    quadrant: Annotated[list[str] | None, typer.Option(
        help="Customers of this quadrant; may be given several times; else all.")] = None,
    effect: Annotated[float | None, typer.Option(
        help="By how much the share that buys again should rise, 0.05 for five points.")] = None,
    power: Annotated[float, typer.Option(help="Chance with which it is to be seen.")] = 0.8,
    share: Annotated[float | None, typer.Option(
        help="Share that is kept apart; else the smallest that shows the effect.")] = None,
    treated_on: Annotated[str, typer.Option(
        "--treated-on", metavar="YYYY-MM-DD",
        help="Date of the treatment; default: the day after the publication's.")] = "",
    source: Annotated[str, typer.Option(
        help="Source of campaigns that will read the file, where several have ids of their own."),
        ] = "",
) -> None:
    """Draw the control group of a campaign, quadrant by quadrant, and write both groups."""
    from dagster_project.feedback.holdout import (
        DEFAULT_EFFECT,
        Wish,
        draw_holdout,
        holdout_lines,
        write_holdout,
    )

    home = ready_home(context)
    if effect is None and share is None:
        effect = DEFAULT_EFFECT
    wish = Wish(campaign, tuple(quadrant or ()), effect, power, share,
                date_of(treated_on, "--treated-on") if treated_on else None, source)
    drawn = draw_holdout(home, wish)
    rows = write_holdout(drawn, write)
    say(holdout_lines(drawn))
    say([f"{write}: {rows:,} rows. Treat the treated and nobody else, then drop the file into "
         f"{home.landing}"])
