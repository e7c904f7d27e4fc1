"""The scorings that lie between two nights, so that their difference can be split.

The old value, then: known by tonight (correction), merged as tonight (identity), as of tonight
without newer events (time), with them (behaviour); then by tonight's reference and configuration.
Each scoring is made by the reference and the configuration of before. What is compared, and how
the parts are written, stands in `engine/score_changes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from dagster_project.changes.previous import Previous, observed_before
from dagster_project.configuration import Configuration
from dagster_project.customers.identities import key_changes
from dagster_project.customers.merging import Tokens, merges_of
from dagster_project.customers.night import NightInputs
from dagster_project.customers.preparation import build_apart
from dagster_project.customers.tables import KEY_CHANGES
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.features_again import Variant, open_features_again
from dagster_project.engine.score_changes import ScoreComparison, Since, touched_identities
from dagster_project.engine.scratch import scratch_folder
from dagster_project.scoring.night_data import (
    BATCH_ROWS,
    features_query,
    first_dates,
    load_reference,
)
from dagster_project.scoring.reference import Reference, ReferenceMismatch
from dagster_project.scoring.score import score_batch
from dagster_project.settings import Home


@dataclass(frozen=True)
class Night:
    """A night and the configuration that it is scored by."""

    inputs: NightInputs
    configuration: Configuration


@dataclass(frozen=True)
class Split:
    """What came of it.

    Attributes:
        rows_n: customers who differ.
        rebuilt_n: identities whose customers were built once more.
        steps: the scorings between that were made.
        is_comparable: False: this version cannot score by the reference of before.
        changed_keys: merge or unmerge -> published customers whose key changed by it.
    """

    rows_n: int
    rebuilt_n: int
    steps: tuple[str, ...]
    is_comparable: bool
    changed_keys: Mapping[str, int]


def split_changes(home: Home, engine: EmbeddedEngine, previous: Previous,
                  then: Configuration, night: Night) -> Split:
    """Write `night.score_changes` and `night.key_changes` of the build.

    Args:
        home: with the scored night in its build.
        engine: of the home.
        previous: the night before.
        then: the configuration of the night before.
        night: tonight.

    Raises:
        NotCompiled: the statements of the night are not there any more.
        ModelsFailed: dbt could not build the night under the configuration of before.
    """
    tokens = Tokens(home.secret, home.sources)
    old_map = merges_of(engine, then, tokens, previous.as_of_date,
                        previous.known_load_seq).customer_map
    new_map = engine.read_current(
        "build", "select cast(identity_id as varchar) as identity_id, "
                 "cast(customer_key as varchar) as customer_key from night.customer_map")
    with scratch_folder(home.state / "scratch") as folder:
        comparison = ScoreComparison(home.stores, folder / "changes.duckdb")
        chain = _Chain(home, engine, previous, then, night, (old_map, new_map), folder, comparison)
        rebuilt_n, is_comparable = 0, True
        changes = key_changes(old_map, new_map)
        engine.replace_cells("build", "night", {KEY_CHANGES: changes})
        if comparison.compare(previous.file, changes, chain.maps):
            try:
                rebuilt_n = chain.score()
            except ReferenceMismatch:
                # What an older method fitted need not hold all that this one scores by.
                if not chain.is_other_method:
                    raise
                is_comparable = False
        rows_n = comparison.write(
            chain.steps, compared_id=previous.publication_id,
            days=(previous.as_of_date, night.inputs.as_of_date), is_comparable=is_comparable,
            is_configured_anew=chain.is_configured_anew)
        return Split(rows_n, rebuilt_n, tuple(chain.steps), is_comparable,
                     _changed_keys(home, previous, changes))


def _changed_keys(home: Home, previous: Previous, changes: pd.DataFrame) -> dict[str, int]:
    """How many customers that were published have another key, by reason."""
    if changes.empty:
        return {}
    with home.stores.open(previous.file, read_only=True) as connection:
        connection.register("changes_in", changes)
        return dict(connection.execute(
            "select reason, count(distinct old_customer_key) from changes_in "
            "where cast(old_customer_key as uuid) in (select customer_key from customers) "
            "group by reason").fetchall())


class _Chain:
    """The scorings of one night."""

    def __init__(self, home: Home, engine: EmbeddedEngine, previous: Previous,
                 then: Configuration, night: Night, maps: tuple[pd.DataFrame, pd.DataFrame],
                 folder: Path, comparison: ScoreComparison) -> None:
        self.maps = maps
        self.steps: list[str] = []
        self._home, self._engine, self._folder = home, engine, folder
        self._previous, self._then, self._night = previous, then, night
        self._comparison = comparison

    @property
    def is_configured_anew(self) -> bool:
        """Other measures in crm.yaml than before."""
        return self._then.measures_hash != self._night.configuration.measures_hash

    @property
    def is_other_method(self) -> bool:
        """Another version of the arithmetic than before."""
        return self._previous.method_version != self._night.inputs.method_version

    def score(self) -> int:
        """Make the scorings that this night needs; identities whose customers were rebuilt."""
        previous, inputs = self._previous, self._night.inputs
        reference = load_reference(
            self._engine, replace(inputs, reference_id=previous.reference_id), "publication")
        facts, manifest = self._engine, self._home.state / "dbt" / "manifest.json"
        if self.is_configured_anew and (
                _models_of(self._then) != _models_of(self._night.configuration)):
            facts, manifest = self._built_again(inputs, "tonight", self.maps[1])
        if self.is_configured_anew or previous.reference_id != inputs.reference_id:
            self._add("behaviour", _every_frame(facts, self._then), reference)
        if self.is_other_method:
            before, _ = self._built_again(replace(
                inputs, as_of_date=previous.as_of_date,
                known_load_seq=previous.known_load_seq), "before", None)
            self._add("start", _every_frame(before, self._then), reference)
        identities = self._comparison.choose_rebuilt(self._touched(facts))
        if len(identities):
            self._score_again(facts, manifest, identities, reference)
        return len(identities)

    def _score_again(self, facts: EmbeddedEngine, manifest: Path, identities: pd.DataFrame,
                     reference: Reference) -> None:
        """The customers of these identities as of the dates and maps between."""
        previous, inputs = self._previous, self._night.inputs
        old_map, new_map = self.maps
        day, until = inputs.as_of_date, previous.as_of_date
        variants: dict[str, Variant] = {}
        if inputs.known_load_seq != previous.known_load_seq:
            variants["correction"] = Variant(until, old_map, until)
        if self._comparison.changes_identity():
            variants["identity"] = Variant(until, new_map, until)
        if day != until:
            variants["time"] = Variant(day, new_map, until)
        query = features_query(self._then)
        with open_features_again(facts.stores, manifest, identities) as again:
            for step, variant in variants.items():
                self._add(step, again.frames(variant, query, BATCH_ROWS), reference)

    def _touched(self, facts: EmbeddedEngine) -> pd.DataFrame | None:
        """Identities with new facts; None: everybody, since an indicator is observed anew."""
        before, inputs, then = self._previous, self._night.inputs, self._then
        observed = observed_before(self._home.stores, before)
        now = first_dates(facts, inputs.as_of_date)
        kept = {(profile, name): now.of(then.indicator(profile, name))
                for profile, name in observed}
        if not observed or any(
                day != observed[key] for key, day in kept.items()
                if then.indicator(*key).kind != "mean_answer"):
            return None
        return touched_identities(self._home.stores, facts.stores.build, Since(
            before.known_load_seq, inputs.known_load_seq, before.as_of_date, inputs.as_of_date,
            _reads_records(then), then.business.fx_carry_days))

    def _add(self, step: str, frames: Iterable[pd.DataFrame], reference: Reference) -> None:
        scores = [score_batch(frame, reference, self._then)[["customer_key", "crm_value"]]
                  for frame in frames]
        if scores:
            self._comparison.add_scores(step, pd.concat(scores, ignore_index=True))
        self.steps.append(step)

    def _built_again(self, inputs: NightInputs, name: str, customer_map: pd.DataFrame | None,
                     ) -> tuple[EmbeddedEngine, Path]:
        """All customers of a night under the configuration of before, in a build of their own."""
        folder = self._folder / name
        folder.mkdir()
        engine = EmbeddedEngine(replace(self._home.stores, state=folder), self._home.secret)
        build_apart(
            self._home, engine, self._then,
            replace(inputs, config_hash=self._previous.config_hash,
                    reference_id=self._previous.reference_id),
            raw=self._engine, models=("customer_features", "touched", "order_events"),
            folder=folder, customer_map=customer_map)
        return engine, folder / "dbt" / "manifest.json"


def _models_of(configuration: Configuration) -> dict[str, Any]:
    """What the models are told; as published, so that 0.30 and 0.3 are one."""
    return Configuration.from_canonical(configuration.canonical_text()).dbt_vars()


def _every_frame(engine: EmbeddedEngine, configuration: Configuration) -> Iterable[pd.DataFrame]:
    return engine.frames_of(features_query(configuration), BATCH_ROWS)


def _reads_records(configuration: Configuration) -> bool:
    """Whether what customer exports say bears on scores."""
    return (len(configuration.profiles) > 1 or bool(configuration.exclude.customers.types)
            or any(indicator.kind == "attribute"
                   for indicator in configuration.indicators.values()))
