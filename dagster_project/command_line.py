"""`crm-value`: a thin face over the Dagster jobs of one home.

Exit codes: 0 done; 1 the gate said no, nothing was published; 2 the configuration, a date, a path
or an argument is wrong; 3 the run could not be finished, and says what was published.
"""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from dagster_project.configuration import ConfigurationError
from dagster_project.settings import (
    Home,
    HomeMissing,
    Place,
    SecretMissing,
    enter,
    home_from_environment,
    make_home,
)

REFUSED, WRONG_INPUT, NOT_FINISHED = 1, 2, 3
STDERR = 2  # file descriptor
QUIET_SECONDS = 2.0

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="From raw exports to explained, gated customer scores, every night.",
)
# Files and pipes have no width of their own; the tables need this much.
PLAIN_WIDTH = 132
LAW_PARTS = ("read", "repeated", "rejected", "loaded", "superseded", "current", "counted",
             "unattributed", "excluded", "held", "after_date")
out = Console(soft_wrap=True, highlight=False,
              width=None if sys.stdout.isatty() else PLAIN_WIDTH)
err = Console(stderr=True, soft_wrap=True, highlight=False)

Night = Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Business date.")]


@app.callback()
def choose_home(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(
        "--home", help="The home; else the variable CRM_HOME, else ./home.")] = None,
) -> None:
    """Remember which home the command is for."""
    context.obj = Home(home) if home else home_from_environment()


def _fail(words: str, code: int) -> typer.Exit:
    err.print(words, markup=False)
    return typer.Exit(code)


def _ready_home(context: typer.Context) -> Home:
    """The home, with everything in it checked; exits with 2 if something is wrong."""
    home: Home = context.obj
    try:
        home.require()
    except (HomeMissing, SecretMissing, ConfigurationError) as error:
        raise _fail(str(error), WRONG_INPUT) from None
    enter(home)
    _require_secret(home)
    return home


def _require_secret(home: Home) -> None:
    """Exit with 2 if the home was made with another secret, before anything is started."""
    if not home.stores.vault.exists():
        return
    from dagster_project.engine.embedded import WrongSecret, require_secret
    from dagster_project.engine.stores import StoreUnreadable

    try:
        require_secret(home.stores, home.secret)
    except WrongSecret as error:
        raise _fail(str(error), WRONG_INPUT) from None
    except StoreUnreadable:
        # A run has the vault; whoever goes on to write proves the secret then.
        pass


def _date(text: str, option: str) -> date:
    try:
        # Not fromisoformat, which takes other ways of writing it, too.
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise _fail(f"{option} {text}: is no date; write YYYY-MM-DD, for example 2026-11-20",
                    WRONG_INPUT) from None


@contextmanager
def _progress() -> Iterator[Callable[[str, float | None], None]]:
    """Something to call with words and, where known, the share that is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        last = {"told": time.monotonic()}

        def tell(words: str, share: float | None = None) -> None:
            bar.update(task, description=words, total=None if share is None else 1.0,
                       completed=share or 0)
            if not err.is_terminal and time.monotonic() - last["told"] > QUIET_SECONDS:
                err.print(words, markup=False)
                last["told"] = time.monotonic()

        yield tell


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new home.")],
    sample: Annotated[bool, typer.Option(
        "--sample", help="The home will hold made-up data (fixed key).")] = False,
    currency: Annotated[str, typer.Option(
        metavar="CODE", help="Base currency, for example USD; else CNY.")] = "",
    time_zone: Annotated[str, typer.Option(
        metavar="ZONE", help="Zone of the business, for example America/New_York; else "
                             "Asia/Shanghai.")] = "",
    phone_region: Annotated[str, typer.Option(
        metavar="CODE", help="Country of telephone numbers that state none, for example US; else "
                             "CN in Asia/Shanghai, none elsewhere.")] = "",
) -> None:
    """Make a home: config, landing, state and warehouse."""
    stated = {"currency": currency, "time_zone": time_zone, "phone_region": phone_region}
    given = {name: value for name, value in stated.items() if value}
    try:
        home = make_home(folder, is_sample=sample, place=Place(**given) if given else None)
    except ValidationError as error:
        raise _fail("\n".join(
            f"--{str(fault['loc'][0]).replace('_', '-')}: "
            f"{fault['msg'].removeprefix('Value error, ')}" for fault in error.errors()),
            WRONG_INPUT) from None
    except ConfigurationError as error:
        raise _fail(str(error), WRONG_INPUT) from None
    business = home.configuration.business
    out.print(f"Home {home.folder}: base currency {business.base_currency}, business time zone "
              f"{business.time_zone}", markup=False)
    out.print("  config/     what your business decides; start with crm.yaml and sources.yaml\n"
              "  landing/    drop exports here: those of known shops and survey tools as they are, "
              "others as\n              orders*, interactions*, surveys*, customers*\n"
              "  warehouse/  crm.duckdb for your BI tool, after the first night", markup=False)
    if not sample:
        out.print("Its secret, at least 32 characters, must always be the same; make it once and "
                  "keep it:\n  export CRM_HOME_SECRET=$(python3 -c 'import secrets; "
                  "print(secrets.token_hex(32))')", markup=False)
    out.print(f"Then, when landing/ has files: crm-value --home {home.folder} check",
              markup=False)


@app.command()
def sample(
    context: typer.Context,
    customers: Annotated[int, typer.Option(min=1, help="Customers.")] = 2000,
    days: Annotated[int, typer.Option(min=1, help="Business dates.")] = 365,
    end: Annotated[str, typer.Option(metavar="YYYY-MM-DD",
                                     help="Last business date; default: yesterday.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal files.")] = 1,
    campaign: Annotated[bool, typer.Option(
        "--campaign", help="With a campaign, a control group and a known effect.")] = False,
) -> None:
    """Write made-up exports with a known dose of dirt into the home's landing folder."""
    from dagster_project.sample import write_sample

    home = _ready_home(context)
    if not home.settings.sample_data:
        raise _fail(f"{home.folder} holds real data (sample_data: false in config/home.yaml); "
                    f"make a home for samples with: crm-value init --sample DIR", WRONG_INPUT)
    last = _date(end, "--end") if end else _yesterday(home)
    business = home.configuration.business
    with _progress() as tell:
        try:
            manifest = write_sample(
                home.landing, home.sample_manifest, customers=customers, days=days, end=last,
                seed=seed, time_zone=business.time_zone, base_currency=business.base_currency,
                has_campaign=campaign, report_progress=tell)
        except ValueError as error:
            raise _fail(str(error), WRONG_INPUT) from None
    rows = ", ".join(f"{kind} {totals.rows_read:,}" for kind, totals in manifest.totals.items())
    out.print(f"{len(manifest.files)} files in {home.landing} ({rows} rows); what they hold: "
              f"{home.sample_manifest}", markup=False)


def _yesterday(home: Home) -> date:
    """The business date that ended last."""
    from dagster_project.automation.nights import NIGHTS

    key = NIGHTS.get_last_partition_key()
    if key is None:
        raise _fail(f"first_night in {home.config / 'home.yaml'} lies in the future", WRONG_INPUT)
    return date.fromisoformat(key)


@app.command()
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
    home = _ready_home(context)
    if bool(first) != bool(last) or (night and first):
        raise _fail("give either --date, or both --from and --to", WRONG_INPUT)
    if known_at and first:
        raise _fail("--known-at replays one night: give --date", WRONG_INPUT)
    begin = _date(first or night, "--from" if first else "--date") if first or night \
        else _yesterday(home)
    until = _date(last, "--to") if last else begin
    if until < begin:
        raise _fail(f"--to {until} lies before --from {begin}", WRONG_INPUT)
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


def _require_nights(nights: list[date]) -> None:
    from dagster_project.automation.runs import NightNotThere, require_night_exists

    try:
        for night in (nights[0], nights[-1]):
            require_night_exists(night)
    except NightNotThere as error:
        raise _fail(str(error), WRONG_INPUT) from None


def _require_publication(home: Home, publication_id: int, night: date) -> None:
    """Exit with 2 unless the publication was one of this night and can be made again."""
    import pandas as pd

    from dagster_project.customers.night import UnknownPublication, replay_inputs
    from dagster_project.publish.publications import all_publications

    if not home.stores.publication.exists():
        raise _fail("nothing was published yet; run a night first: crm-value run", WRONG_INPUT)
    publications = pd.DataFrame(all_publications(home.stores)).sort_values("publication_id")
    try:
        replay_inputs(publications, publication_id, night)
    except UnknownPublication as error:
        raise _fail(str(error), WRONG_INPUT) from None


def _run(home: Home, job: str, night: date, config: dict[str, Any] | None = None) -> None:
    """Run one job; exits with 1 or 3 unless it published."""
    from dagster_project.engine.serving import ServingFailed
    from dagster_project.publish.serving import require_serving

    try:
        require_serving(home)
    except (ConfigurationError, ServingFailed) as error:
        raise _fail(str(error), WRONG_INPUT) from None
    from dagster_project.automation.messages import what_stands
    from dagster_project.automation.runs import run_job

    with _progress() as tell:
        outcome = run_job(job, night, config, lambda words: tell(f"{night}: {words}", None))
    if outcome.is_success:
        out.print(f"{night}: {_last_words(home, outcome.run_id)} (run {outcome.run_id})",
                  markup=False)
        return
    run = _record_of(home, outcome.run_id)
    # A run that never got the home's lock stands in Dagster's history alone.
    also = f", also in {home.stores.status}" if run.is_recorded else ""
    err.print(f"{night}: {job} failed; {what_stands(home.stores, outcome.run_id)}. "
              f"Run {outcome.run_id}{also}", markup=False)
    if run.outcome == "refused":
        # The checks and what to do come last: they are what is to be read first.
        err.print(f"Only if an alarm is false: crm-value --home {home.folder} approve --candidate "
                  f"{run.candidate_id} --waive CHECK --reason WHY [--who NAME]", markup=False)
    raise _fail("\n".join(outcome.causes) or "the run ended without a word",
                REFUSED if run.outcome == "refused" else NOT_FINISHED)


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
    with home.stores.open(home.stores.status, read_only=True) as connection:
        row = connection.execute(
            "select outcome, candidate_id, publication_id, message from pipeline_runs "
            "where run_id = ?",
            [run_id]).fetchone()
    return _RunRecord(row[0], row[1], row[2], row[3], is_recorded=True) if row else _RunRecord()


def _last_words(home: Home, run_id: str) -> str:
    run = _record_of(home, run_id)
    if run.outcome == "published":
        return f"published, publication {run.publication_id}"
    return run.message or run.outcome


def _show_publication(home: Home) -> None:
    """The quadrant table, the law's counts and where the warehouse is."""
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
    out.print(f"Warehouse: {home.stores.publication} (tables crm.*)", markup=False)


@app.command()
def recalibrate(context: typer.Context, night: Night) -> None:
    """Fit a new reference as of a night, and publish that night by it."""
    home = _ready_home(context)
    one = _date(night, "--date")
    _require_nights([one])
    _run(home, "recalibrate", one, {"prepare_night": {"fit_reference": True}})
    _show_publication(home)


@app.command()
def rebuild(context: typer.Context) -> None:
    """Make the current tables again from raw; say whether they are equal."""
    home = _ready_home(context)
    if not home.stores.publication.exists():
        raise _fail("nothing was published yet; run a night first: crm-value run", WRONG_INPUT)
    with home.stores.open(home.stores.publication, read_only=True) as connection:
        row = connection.execute("select publication_id, as_of_date from crm.publication "
                                 "where is_current").fetchone()
    assert row is not None
    _run(home, "replay", row[1], {"prepare_night": {"known_at_publication": row[0]}})


@app.command()
def check(context: typer.Context) -> None:
    """Say what of landing/ would be loaded, rejected or held, and whether that stops a night."""
    from dagster_project.customers.trial import try_landing

    home = _ready_home(context)
    with _progress() as tell:
        trial = try_landing(home, _yesterday(home), tell)
    for line in (*trial.files, *trial.rejected, *trial.held, *trial.stops):
        out.print(line, markup=False)
    if not trial.files:
        out.print(f"{home.landing} holds nothing new", markup=False)
    if trial.refused_n:
        out.print("Files that cannot be read stop the night: mend or remove them.", markup=False)
    if trial.refused_n or trial.stops:
        raise typer.Exit(REFUSED)
    if trial.files or trial.held:
        out.print(f"The gate would not stop a night for any of this. Next: crm-value --home "
                  f"{home.folder} run", markup=False)


@app.command()
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

    home = _ready_home(context)
    choice = Choice(source or None, reason or None)
    with _quarantine(home, "rejected" if write else ""):
        if write is None:
            lines = quarantine_words(home.stores, choice)
        else:
            written = write_rejected(home.stores, home.sources, choice, write,
                                     landing=home.landing, who=getpass.getuser(), now=_utc_now())
            lines = [f"{path}: {rows_n} rows" for path, rows_n in written]
            lines.append("Mend the cells and leave the columns that begin with _ as they are; then "
                         "crm-value repair FILE. Delete the files afterwards: they hold text in "
                         "clear.")
    for line in lines or ["no row is rejected or held"]:
        out.print(line, markup=False)


@app.command()
def repair(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(
        help="A file of crm-value rejected --write, mended.")],
) -> None:
    """Take repaired rows back in; the next night counts them."""
    from dagster_project.engine.embedded import EmbeddedEngine
    from dagster_project.engine.whole_stores import require_known_loads
    from dagster_project.ingest.quarantine import repair_words, take_back

    home = _ready_home(context)
    with _quarantine(home, "repair"):
        engine = EmbeddedEngine(home.stores, home.secret)
        require_known_loads(home.stores, engine.last_load_seq())
        taken = take_back(engine, home.stores, home.sources, file, now=_utc_now())
    for line in repair_words(taken, file):
        out.print(line, markup=False)
    if any(part.result is not None for part in taken):
        out.print("The next night counts them: crm-value run", markup=False)
    if any(part.still_rejected for part in taken):
        raise typer.Exit(REFUSED)


@contextmanager
def _quarantine(home: Home, purpose: str) -> Iterator[None]:
    """Hold the home's lock where something is written; exit in words if it cannot be done."""
    from dagster_project.engine.embedded import WrongSecret
    from dagster_project.engine.stores import StoreUnreadable
    from dagster_project.engine.whole_stores import StoresApart
    from dagster_project.engine.writer_lock import HomeBusy, writer_lock
    from dagster_project.ingest.quarantine import QuarantineError

    held = writer_lock(
        home.lock_file, purpose=f"crm-value {purpose}",
        wait_seconds=home.settings.lock_wait_seconds,
        tell=lambda words: err.print(words, markup=False),
    ) if purpose else nullcontext()
    try:
        with held:
            yield
    except (QuarantineError, WrongSecret) as error:
        raise _fail(str(error), WRONG_INPUT) from None
    except (HomeBusy, StoreUnreadable, StoresApart) as error:
        raise _fail(str(error), NOT_FINISHED) from None


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@app.command()
def explain(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(
        help="Our customer_key, or the id as the shop writes it.")],
    night: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD",
                                       help="As of which date; default: the current one.")] = "",
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
) -> None:
    """Say in words why a customer has these scores, or why they are not there."""
    from dagster_project.publish.explanation import Unexplainable, explain_customer

    home = _ready_home(context)
    if language not in ("en", "zh"):
        raise _fail(f"--language {language}: allowed are en and zh", WRONG_INPUT)
    try:
        lines = explain_customer(home, customer, _date(night, "--date") if night else None,
                                 language)
    except Unexplainable as error:
        raise _fail(str(error), WRONG_INPUT) from None
    for line in lines:
        out.print(line, markup=False)


@app.command()
def preview(
    context: typer.Context,
    config: Annotated[Path, typer.Option(
        "--config", metavar="FILE", help="Another crm.yaml.")],
) -> None:
    """Say what another crm.yaml would change, and how much hangs on each weight."""
    from dagster_project.configuration import load_configuration
    from dagster_project.engine.embedded import ModelsFailed
    from dagster_project.engine.stores import StoreUnreadable
    from dagster_project.engine.writer_lock import HomeBusy, writer_lock
    from dagster_project.publish.preview import NothingPublished, preview_lines
    from dagster_project.publish.preview import preview as preview_of

    home = _ready_home(context)
    if not config.is_file():
        raise _fail(f"--config {config}: there is no such file; copy "
                    f"{home.config / 'crm.yaml'} and change it", WRONG_INPUT)
    try:
        configuration = load_configuration(config)
        with (
            writer_lock(home.lock_file, purpose="crm-value preview",
                        wait_seconds=home.settings.lock_wait_seconds,
                        tell=lambda words: err.print(words, markup=False)),
            _progress() as tell,
        ):
            seen = preview_of(home, configuration, tell)
    except (ConfigurationError, NothingPublished) as error:
        raise _fail(str(error), WRONG_INPUT) from None
    except (HomeBusy, StoreUnreadable, ModelsFailed) as error:
        raise _fail(str(error), NOT_FINISHED) from None
    for line in preview_lines(seen):
        out.print(line, markup=False)


@app.command()
def diff(
    context: typer.Context,
    before: Annotated[int, typer.Argument(metavar="PUBLICATION", help="Number of the earlier.")],
    after: Annotated[int, typer.Argument(metavar="PUBLICATION", help="Number of the later.")],
    table: Annotated[list[str] | None, typer.Option(
        help="This table only; may be given several times.")] = None,
) -> None:
    """Say what changed between two publications that are kept, and why."""
    from dagster_project.engine.stores import StoreUnreadable
    from dagster_project.publish.difference import (
        NotComparable,
        compare_publications,
        difference_lines,
    )

    home = _ready_home(context)
    try:
        seen = compare_publications(home.stores, before, after, tuple(table or ()))
    except NotComparable as error:
        raise _fail(str(error), WRONG_INPUT) from None
    except StoreUnreadable as error:
        raise _fail(str(error), NOT_FINISHED) from None
    for line in difference_lines(seen):
        out.print(line, markup=False)


@app.command()
def restore(
    context: typer.Context,
    publication: Annotated[int | None, typer.Argument(
        metavar="PUBLICATION", help="Number of a kept publication.")] = None,
    backup: Annotated[Path | None, typer.Option(
        metavar="DIR", help="Put raw.duckdb and vault.duckdb of this backup back.")] = None,
) -> None:
    """Make a kept publication the current file again, or put raw and vault of a backup back."""
    from dagster_project.engine.embedded import WrongSecret
    from dagster_project.engine.serving import ServingFailed
    from dagster_project.engine.stores import StoreUnreadable
    from dagster_project.engine.writer_lock import HomeBusy, writer_lock
    from dagster_project.publish.restoring import (
        NotRestorable,
        restore_publication,
        restore_stores,
    )
    from dagster_project.publish.serving import require_serving, show_restored

    home = _ready_home(context)
    if (publication is None) == (backup is None):
        raise _fail("give either the number of a publication, or --backup DIR", WRONG_INPUT)

    def tell(words: str) -> None:
        err.print(words, markup=False)

    def say(lines: list[str]) -> None:
        for line in lines:
            out.print(line, markup=False)

    try:
        if publication is not None:
            require_serving(home)
    except (ConfigurationError, ServingFailed) as error:
        raise _fail(str(error), WRONG_INPUT) from None
    try:
        with writer_lock(home.lock_file, purpose="crm-value restore",
                         wait_seconds=home.settings.lock_wait_seconds, tell=tell):
            if backup is not None:
                say(restore_stores(home.stores, backup, secret=home.secret, now=_utc_now()))
            else:
                assert publication is not None, "one of the two is given"
                say(restore_publication(home.stores, publication, secret=home.secret,
                                        now=_utc_now()))
                say(show_restored(home, tell))
    except (NotRestorable, WrongSecret) as error:
        raise _fail(str(error), WRONG_INPUT) from None
    except (HomeBusy, StoreUnreadable, ServingFailed) as error:
        raise _fail(str(error), NOT_FINISHED) from None


@app.command()
def doctor(context: typer.Context) -> None:
    """Look at a home and its machine: one line each, ok or what to do. Changes nothing."""
    from dagster_project.automation.runs import runs_going_on
    from dagster_project.operation.doctor import examine

    home: Home = context.obj
    enter(home)
    is_ok = True
    for finding in examine(home, runs_going_on):
        out.print(finding.line, markup=False)
        is_ok &= finding.is_ok
    if not is_ok:
        raise typer.Exit(REFUSED)


@app.command()
def publish(
    context: typer.Context,
    publication: Annotated[int | None, typer.Option(
        metavar="NUMBER", min=1, help="An earlier publication that is kept; default: the one in "
                                      "the warehouse file.")] = None,
) -> None:
    """Show a publication in PostgreSQL, whose URL is in CRM_POSTGRES_URL; the file stays."""
    from dagster_project.engine.serving import ServingFailed
    from dagster_project.engine.stores import StoreUnreadable
    from dagster_project.engine.writer_lock import HomeBusy, writer_lock
    from dagster_project.publish.serving import NotServed, show_publication
    from dagster_project.quality.approval import NotApproved

    home = _ready_home(context)

    def tell(words: str) -> None:
        err.print(words, markup=False)

    try:
        with writer_lock(home.lock_file, purpose="crm-value publish",
                         wait_seconds=home.settings.lock_wait_seconds, tell=tell):
            words = show_publication(home, publication, tell)
    except (ConfigurationError, NotServed, NotApproved) as error:
        raise _fail(str(error), WRONG_INPUT) from None
    except (HomeBusy, StoreUnreadable, ServingFailed) as error:
        raise _fail(str(error), NOT_FINISHED) from None
    out.print(words, markup=False)


@app.command("postgres-roles")
def postgres_roles() -> None:
    """Print the SQL that makes the roles of a PostgreSQL database: one publishes, one reads."""
    from dagster_project.publish.serving import ROLES

    out.print(ROLES.read_text(encoding="utf-8"), markup=False, end="")


@app.command()
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
    from dagster_project.engine.stores import StoreUnreadable
    from dagster_project.feedback.holdout import (
        DEFAULT_EFFECT,
        HoldoutError,
        Wish,
        draw_holdout,
        holdout_lines,
        write_holdout,
    )

    home = _ready_home(context)
    if effect is None and share is None:
        effect = DEFAULT_EFFECT
    wish = Wish(campaign, tuple(quadrant or ()), effect, power, share,
                _date(treated_on, "--treated-on") if treated_on else None, source)
    try:
        drawn = draw_holdout(home, wish)
        rows = write_holdout(drawn, write)
    except HoldoutError as error:
        raise _fail(str(error), WRONG_INPUT) from None
    except StoreUnreadable as error:
        raise _fail(str(error), NOT_FINISHED) from None
    for line in holdout_lines(drawn):
        out.print(line, markup=False)
    out.print(f"{write}: {rows:,} rows. Treat the treated and nobody else, then drop the file into "
              f"{home.landing}", markup=False)


@app.command()
def approve(
    context: typer.Context,
    candidate: Annotated[str, typer.Option(help="Candidate that was refused.")],
    waive: Annotated[str, typer.Option(help="Check whose alarm is false.")],
    reason: Annotated[str, typer.Option(help="Why; it is published.")],
    who: Annotated[str, typer.Option(help="Your name; it is published.")] = "",
) -> None:
    """Waive one failing check for one candidate, judge it again and publish it."""
    from dagster_project.quality.approval import NotApproved, failed_checks, read_approval
    from dagster_project.quality.gate import load_declarations
    from dagster_project.quality.waivers import WaiverError, add_waiver
    from dagster_project.settings import EXPECTATIONS

    home = _ready_home(context)
    file = home.stores.candidate(candidate)
    known = [entry.name for entry in load_declarations(EXPECTATIONS).checks]
    try:
        add_waiver(file.parent, waive, reason, who or getpass.getuser(), known=known,
                   failing=failed_checks(read_approval(file.parent)) if file.exists() else ())
    except (WaiverError, NotApproved) as error:
        raise _fail(str(error), WRONG_INPUT) from None
    with home.stores.open(file, read_only=True) as connection:
        row = connection.execute("select as_of_date from publication "
                                 "order by publication_id desc limit 1").fetchone()
    assert row is not None
    _run(home, "approve", row[0])
    _show_publication(home)


def _is_said_in_words(error: Exception) -> bool:
    from dagster_project.engine.failures import ResourceLimit, StoreUnreadable
    from dagster_project.engine.whole_stores import StoresApart

    return isinstance(error, (StoreUnreadable, ResourceLimit, StoresApart))


def main() -> None:
    """Entry point of `crm-value`."""
    code = 0
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except Exception as error:
        # Whatever the command, a file that cannot be read or a full disk is said in words.
        if not _is_said_in_words(error):
            raise
        err.print(str(error), markup=False)
        code = NOT_FINISHED
    sys.stdout.flush()
    sys.stderr.flush()
    # The engine's binding reports leaks of its own, over dozens of lines, when the interpreter
    # ends; nothing of ours is said after this line.
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDERR)
    sys.exit(code)


if __name__ == "__main__":
    main()
