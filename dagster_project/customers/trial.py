"""What tonight would do with the landing folder, without a night: `crm-value check`.

The files are really loaded and the models really run, but into a copy of raw that is thrown away.
What the gate would say of them stands in `forecast.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from dagster_project.customers.forecast import (
    NO_RATE,
    currency_advice,
    held_forecast,
    rejected_forecast,
)
from dagster_project.customers.night import NO_REFERENCES, choose_inputs
from dagster_project.customers.preparation import build_apart
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.quarantine import rejected_rows
from dagster_project.engine.scratch import scratch_folder
from dagster_project.engine.stores import literal
from dagster_project.ingest.expected import missed_words
from dagster_project.ingest.loading import HashMemory, ingest_landing, words_of
from dagster_project.ingest.quarantine import LEFT_OUT, held_words, rejected_words
from dagster_project.quality.arrivals import due_tonight
from dagster_project.settings import Home, read_variable

# The models that say what is held, and of how many rows.
ASKED_MODELS = ("held_rows", "int_reconciled_orders", "int_reconciled_refunds")


@dataclass(frozen=True)
class Trial:
    """What would happen, a line each.

    Attributes:
        files: of each file that is new.
        rejected: rejected rows that no publication knows yet, with row numbers and what to do.
        held: orders and refunds that would be held, with what to do.
        refused_n: files that cannot be read as a whole.
        stops: what the gate would refuse the night for, with what to do.
    """

    files: tuple[str, ...]
    rejected: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    refused_n: int = 0
    stops: tuple[str, ...] = ()


def try_landing(home: Home, night: date, tell: Callable[[str, float | None], None]) -> Trial:
    """Load the landing folder into a copy of raw and count.

    Args:
        home: whose landing folder.
        night: business date up to which orders count.
        tell: called with words and the share that is done.
    """
    with scratch_folder(home.state / "scratch") as folder:
        if home.stores.raw.exists():
            shutil.copyfile(home.stores.raw, folder / home.stores.raw.name)
        stores = replace(home.stores, state=folder, warehouse=folder)
        engine = EmbeddedEngine(stores, home.secret, is_trial=True)
        report = ingest_landing(
            engine, home.landing, home.sources, HashMemory(folder / "hashes.json"),
            run_id="check", now=datetime.now(UTC).replace(tzinfo=None),
            queries=home.config, url_of=read_variable, report_progress=tell)
        files, refused_n = tuple(words_of(report)), len(report.refused)
        due = due_tonight(home, stores, night, engine.last_load_seq(), _published_dates(home))
        missed, remarked = (missed_words([one for one in due if one.severity == severity])
                            for severity in ("error", "warning"))
        files += (*remarked, *home.sources.other_id_remarks())
        if engine.last_load_seq() == 0:
            return Trial(files, refused_n=refused_n, stops=tuple(missed))
        rejected, stops = _rejected(home, engine)
        tell("finding orders that would be held", None)
        _run_models(home, engine, folder, night)
        held, further = _held(home, engine)
        return Trial(files, rejected, held, refused_n, (*missed, *stops, *further))


def _rejected(home: Home, engine: EmbeddedEngine) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Rejected rows of the loads that the gate looks at tonight, and what it would say."""
    known = 0
    if home.stores.publication.exists():
        with home.stores.open(home.stores.publication, read_only=True) as connection:
            row = connection.execute("select max(known_load_seq) from publication").fetchone()
            known = row[0] if row else 0
    loads = engine.read_current(
        "raw", "select source, rows_read_n from load_ledger where load_seq > ?", [known])
    rejected = rejected_rows(engine.stores)
    rejected = rejected[rejected["load_seq"] > known]
    own = {source.name: source.maximum_rejected_share for source in home.sources.sources
           if source.maximum_rejected_share is not None}
    shown = rejected[(rejected["reason"] != LEFT_OUT) & rejected["repaired_load_seq"].isna()]
    return (tuple(rejected_words(shown)),
            tuple(rejected_forecast(loads, rejected, home.settings.gate, own)))


def _published_dates(home: Home) -> list[date]:
    """As-of dates of all publications."""
    if not home.stores.publication.exists():
        return []
    with home.stores.open(home.stores.publication, read_only=True) as connection:
        return [day for (day,) in connection.execute(
            "select distinct as_of_date from publication").fetchall()]


def _run_models(home: Home, engine: EmbeddedEngine, folder: Path, night: date) -> None:
    """Make the models that say what is held, as known by now."""
    inputs = choose_inputs(
        night, engine.last_load_seq(), home.configuration.hash,
        NO_REFERENCES, 0, fit_reference=True)
    build_apart(home, engine, home.configuration, inputs, raw=engine, models=ASKED_MODELS,
                folder=folder)


def _held(home: Home, engine: EmbeddedEngine) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Orders and refunds that would be held, and what the gate would say."""
    held = engine.read_current(
        "build", "select source, order_id, reason, currency from marts.held_rows "
                 "order by source, reason, order_id")
    parts = engine.read_current(
        "build",
        "select source, state, cast(sum(lines_n) as bigint) as rows_n "
        "from intermediate.int_reconciled_orders where state not in ('loaded', 'superseded') "
        "group by source, state union all "
        "select source, state, cast(sum(rows_n) as bigint) as rows_n "
        "from intermediate.int_reconciled_refunds where state not in ('loaded', 'superseded') "
        "group by source, state")
    words, stops = tuple(held_words(held)), tuple(held_forecast(parts, home.settings.gate))
    advice = advice_on_currency(home, engine)
    if advice is None:
        return words, stops
    return (words, (*stops, advice)) if stops else ((*words, advice), stops)


def advice_on_currency(home: Home, engine: EmbeddedEngine) -> str | None:
    """See `currency_advice`, of the orders that the build holds."""
    orders = engine.read_current(
        "build", f"select currency, held_reason is not distinct from {literal(NO_RATE)} "
                 f"as is_unrated, count(*) as orders_n from marts.order_facts "
                 f"group by all order by all")
    return currency_advice(orders, home.configuration.business.base_currency)
