"""What tonight would do with the landing folder, without a night: `crm-value check`.

The files are really loaded and the models really run, but into a copy of raw that is thrown away.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from dagster_project.customers.dbt_arguments import dbt_arguments, dbt_environment
from dagster_project.customers.merging import Tokens, merges_of
from dagster_project.customers.night import choose_inputs
from dagster_project.customers.tables import (
    CUSTOMER_MAP,
    DECAY_WEIGHTS,
    EXCLUDED_IDENTITIES,
    IDENTITY_EDGES,
    NIGHT_INPUTS,
)
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.scratch import scratch_folder
from dagster_project.ingest.loading import (
    HashMemory,
    IngestReport,
    ingest_landing,
    words_of,
)
from dagster_project.settings import DBT_PROJECT, Home, read_variable


@dataclass(frozen=True)
class Trial:
    """What would happen.

    Attributes:
        lines: a line for each file that is new.
        held: kind and reason -> orders or refunds that would be held.
        refused_n: files that cannot be read as a whole.
        over_bound: a line for each source with so many rejected rows that the gate would say no.
    """

    lines: tuple[str, ...]
    held: dict[str, int] = field(default_factory=dict)
    refused_n: int = 0
    over_bound: tuple[str, ...] = ()


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
        engine = EmbeddedEngine(stores, home.secret)
        report = ingest_landing(
            engine, home.landing, home.sources, HashMemory(folder / "hashes.json"),
            run_id="check", now=datetime.now(UTC).replace(tzinfo=None),
            queries=home.config, url_of=read_variable, report_progress=tell)
        lines = tuple(words_of(report))
        if not report.loaded:
            return Trial(lines, {}, len(report.refused))
        tell("finding orders that would be held", None)
        return Trial(lines, _held(home, engine, folder, night), len(report.refused),
                     tuple(_over_bound(home, report)))


def _over_bound(home: Home, report: IngestReport) -> Iterator[str]:
    """Sources of which too many rows would be rejected, as the gate counts them tonight."""
    gate = home.settings.gate
    bounds = {source.name: source.maximum_rejected_share for source in home.sources.sources}
    for name in sorted({file.source for file in report.loaded}):
        results = [file.result for file in report.loaded if file.source == name]
        left_out = sum(result.rejected_by_reason.get("left_out", 0) for result in results)
        rejected = sum(result.rows_rejected_n for result in results) - left_out
        read = sum(result.rows_read_n for result in results) - left_out
        bound = bounds.get(name)
        bound = gate.maximum_rejected_share if bound is None else bound
        if rejected > gate.rejected_rows_tolerated and rejected > bound * read:
            yield (f"{name}: {rejected} of {read} rows would be rejected, over the bound of "
                   f"{bound:.1%} (maximum_rejected_share): the gate would stop the night")


def _held(home: Home, engine: EmbeddedEngine, folder: Path, night: date) -> dict[str, int]:
    inputs = choose_inputs(
        night, engine.last_load_seq(), home.configuration.hash,
        pd.DataFrame(columns=["reference_id", "valid_from", "known_load_seq", "config_hash"]),
        0, fit_reference=True)
    merges = merges_of(engine, home.configuration, Tokens(home.secret, home.sources), night,
                       inputs.known_load_seq)
    for table, frame in (
        (NIGHT_INPUTS, inputs.to_frame()), (IDENTITY_EDGES, merges.edges),
        (CUSTOMER_MAP, merges.customer_map),
        (DECAY_WEIGHTS, pd.DataFrame(columns=list(DECAY_WEIGHTS.column_names))),
        (EXCLUDED_IDENTITIES, pd.DataFrame(columns=list(EXCLUDED_IDENTITIES.column_names))),
    ):
        engine.replace_cells("build", table, "night", frame)
    stores = engine.stores
    arguments = dbt_arguments(home.configuration.dbt_vars())
    environment = dbt_environment(
        stores.build, stores.raw, stores.limits.memory, stores.limits.threads,
        stores.limits.spill_folder, folder / "dbt")
    configured = arguments[arguments.index("--vars"):]
    for _ in engine.run_models(["run", *configured, "--select", "+held_rows"], environment,
                               DBT_PROJECT):
        pass
    held = engine.read_current(
        "build", "select concat(kind, ', ', reason) as what, count(*) as n from marts.held_rows "
                 "group by kind, reason order by kind, reason")
    return {str(row.what): int(row.n) for row in held.itertuples(index=False)}
