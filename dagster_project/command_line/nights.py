"""Commands that run a night: the usual one, by a new reference, again, or past a false alarm."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table as Grid

from dagster_project.command_line.terminal import (
    NOT_FINISHED,
    REFUSED,
    Night,
    date_of,
    fail,
    out,
    progress,
    ready_home,
    say,
    tell,
    yesterday,
)
from dagster_project.engine.questions import read_rows
from dagster_project.refusals import WrongInput
from dagster_project.settings import Home

LAW_PARTS = ("read", "repeated", "rejected", "loaded", "superseded", "current", "counted",
             "unattributed", "excluded", "held", "after_date")


def run(
    context: typer.Context,
    night: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD",
                                       help="Night to run; default: yesterday.")] = "",
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD",
                                       help="First of several nights.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD",
                                      help="Last of several nights.")] = "",
    known_at: Annotated[int | None, typer.Option(
        "--known-at", metavar="PUBLICATION", min=1,
        help="Replay with what was known at this publication, a number of table publication.",
    )] = None,
) -> None:
    """Run the night: load, build, score, audit, publish."""
    home = ready_home(context)
    if bool(first) != bool(last) or (night and first):
        raise WrongInput("give either --date, or both --from and --to")
    if known_at and first:
        raise WrongInput("--known-at replays one night: give --date")
    begin = date_of(first or night, "--from" if first else "--date") if first or night \
        else yesterday(home)
    until = date_of(last, "--to") if last else begin
    if until < begin:
        raise WrongInput(f"--to {until} lies before --from {begin}")
    nights = [begin + timedelta(days=day) for day in range((until - begin).days + 1)]
    _require_nights(nights)
    if known_at:
        _require_publication(home, known_at, begin)
    for one in nights:
        if known_at:
            _run(home, "replay", one, {"prepare_night": {"known_at_publication": known_at}})
        else:
            _run(home, "nightly", one)
    if not known_at:
        _show_publication(home)


def recalibrate(context: typer.Context, night: Night) -> None:
    """Fit a new reference as of a night, and publish that night by it."""
    home = ready_home(context)
    one = date_of(night, "--date")
    _require_nights([one])
    _run(home, "recalibrate", one, {"prepare_night": {"fit_reference": True}})
    _show_publication(home)


def rebuild(context: typer.Context) -> None:
    """Make the current tables again from raw; say whether they are equal."""
    home = ready_home(context)
    if not home.stores.publication.exists():
        raise WrongInput("nothing was published yet; run a night first: crm-value run")
    [current] = read_rows(home.stores, home.stores.publication,
                          "select publication_id, as_of_date from publication where is_current")
    _run(home, "replay", current["as_of_date"],
         {"prepare_night": {"known_at_publication": current["publication_id"]}})


def approve(
    context: typer.Context,
    candidate: Annotated[str, typer.Option(help="Candidate that was refused.")],
    waive: Annotated[str, typer.Option(help="Check whose alarm is false.")],
    reason: Annotated[str, typer.Option(help="Why; it is published.")],
    who: Annotated[str, typer.Option(help="Your name; it is published.")] = "",
) -> None:
    """Waive one failing check for one candidate, judge it again and publish it."""
    from dagster_project.quality.approval import failed_checks, read_approval
    from dagster_project.quality.gate import load_declarations
    from dagster_project.quality.waivers import add_waiver
    from dagster_project.settings import EXPECTATIONS

    home = ready_home(context)
    file = home.stores.candidate(candidate)
    known = [entry.name for entry in load_declarations(EXPECTATIONS).checks]
    add_waiver(file.parent, waive, reason, who or getpass.getuser(), known=known,
               failing=failed_checks(read_approval(file.parent)) if file.exists() else ())
    [newest] = read_rows(home.stores, file, "select as_of_date from publication "
                                            "order by publication_id desc limit 1")
    _run(home, "approve", newest["as_of_date"])
    _show_publication(home)


def _require_nights(nights: list[date]) -> None:
    from dagster_project.automation.runs import require_night_exists

    for night in (nights[0], nights[-1]):
        require_night_exists(night)


def _require_publication(home: Home, publication_id: int, night: date) -> None:
    """Refuse unless the publication was one of this night and can be made again."""
    import pandas as pd

    from dagster_project.customers.night import replay_inputs
    from dagster_project.publish.publications import all_publications

    if not home.stores.publication.exists():
        raise WrongInput("nothing was published yet; run a night first: crm-value run")
    publications = pd.DataFrame(all_publications(home.stores)).sort_values("publication_id")
    replay_inputs(publications, publication_id, night)


def _run(home: Home, job: str, night: date, config: dict[str, Any] | None = None) -> None:
    """Run one job; exits with 1 or 3 unless it published."""
    from dagster_project.automation.jobs import LOADING_NOTHING
    from dagster_project.operation.disk import require_disk
    from dagster_project.publish.serving import require_serving

    require_serving(home)
    # A disk that is full cannot take Dagster's history either, of which no words would come.
    require_disk(home, loads=job not in LOADING_NOTHING)
    from dagster_project.automation.messages import what_stands
    from dagster_project.automation.runs import run_job

    with progress() as show:
        outcome = run_job(job, night, config, lambda words: show(f"{night}: {words}", None))
    if outcome.is_success:
        say([f"{night}: {_last_words(home, outcome.run_id)} (run {outcome.run_id})"])
        return
    run = _record_of(home, outcome.run_id)
    # A run that never got the home's lock stands in Dagster's history alone.
    also = f", also in {home.stores.status}" if run.is_recorded else ""
    tell(f"{night}: {job} failed; {what_stands(home.stores, outcome.run_id)}. "
         f"Run {outcome.run_id}{also}")
    tell("\n".join(outcome.causes) or "the run ended without a word")
    if run.outcome != "refused":
        raise typer.Exit(NOT_FINISHED)
    raise fail(f"Only if an alarm is false: crm-value --home {home.folder} approve --candidate "
               f"{run.candidate_id} --waive CHECK --reason WHY [--who NAME]", REFUSED)


@dataclass(frozen=True)
class _RunRecord:
    """What the status says of one run."""

    outcome: str = "failed"
    candidate_id: str | None = None
    publication_id: int | None = None
    message: str = ""
    is_recorded: bool = False


def _record_of(home: Home, run_id: str) -> _RunRecord:
    if not home.stores.status.exists():
        return _RunRecord()
    found = read_rows(home.stores, home.stores.status,
                      "select outcome, candidate_id, publication_id, message from pipeline_runs "
                      "where run_id = ?", [run_id])
    return _RunRecord(**found[0], is_recorded=True) if found else _RunRecord()


def _last_words(home: Home, run_id: str) -> str:
    run = _record_of(home, run_id)
    if run.outcome == "published":
        return f"published, publication {run.publication_id}"
    return run.message or run.outcome


def _show_publication(home: Home) -> None:
    """The quadrant table, the law's counts, what is to be known, and where the warehouse is."""
    from dagster_project.publish.remarks import publication_remarks

    with home.stores.open(home.stores.publication, read_only=True) as connection:
        quadrants = connection.execute(
            "select segment, customers_n, customers_share, net_revenue_amount, mean_crm_value "
            "from crm.segment_kpis left join crm.strategies "
            "on segment_kpis.segment = strategies.quadrant "
            "where segment_kind = 'quadrant' order by coalesce(position, 99)").fetchall()
        law = connection.execute(
            f"select source, {', '.join(f'cast({name} as bigint)' for name in LAW_PARTS)} "
            f"from crm.reconciliation where measure = 'rows' order by source").fetchall()
        row = connection.execute(
            "select as_of_date, base_currency from crm.publication where is_current").fetchone()
        remarks = list(publication_remarks(connection))
    assert row is not None
    grid = Grid(title=f"Customers as of {row[0]}", title_justify="left")
    for name in ("quadrant", "customers", "share", f"net revenue {row[1]}", "mean CRM value"):
        grid.add_column(name, justify="left" if name == "quadrant" else "right")
    for segment, count, share, revenue, mean in quadrants:
        grid.add_row(segment, f"{count:,}", f"{share:.1%}", f"{revenue:,.2f}",
                     "" if mean is None else str(mean))
    out.print(grid)
    grid = Grid(title="Rows: read = loaded + repeated + rejected; loaded = current + superseded; "
                      "current = the last five", title_justify="left")
    grid.add_column("rows")
    for source, *_ in law:
        grid.add_column(source, justify="right")
    for position, name in enumerate(LAW_PARTS, start=1):
        grid.add_row(name, *(f"{row[position] or 0:,}" for row in law))
    out.print(grid)
    say(remarks)
    say([f"Warehouse: {home.stores.publication} (tables crm.*)"])
