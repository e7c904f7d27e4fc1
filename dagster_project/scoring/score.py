"""Scoring a batch of customers: indicators, composites, labels, one wide row a customer.

This is the door through which the rest of the project scores. The arithmetic stands in
`indicators.py`, `composites.py` and `labels.py`, fitting in `calibration.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from dagster_project.configuration import Configuration
from dagster_project.publish.label_tables import HELD_COLUMNS
from dagster_project.scoring.composites import Composed, compose_all
from dagster_project.scoring.exact import MILLION, Real, Whole, shown
from dagster_project.scoring.indicators import FeatureFault, facts, indicator_scores
from dagster_project.scoring.labels import LABELS, label_positions
from dagster_project.scoring.reference import Reference

ColumnKind: TypeAlias = Literal["key", "composite", "coverage", "label", "value", "score",
                                "answers", "weight", "contribution"]

SCORE_TYPE = "DECIMAL(7,4)"
SHARE_TYPE = "DECIMAL(7,6)"


class ScoreColumn(NamedTuple):
    """One column of the scores.

    Attributes:
        name: as in `customer_scores`.
        kind: what it holds.
        sql_type: type that holds it without loss.
        meaning: one sentence for a reader who knows the business.
    """

    name: str
    kind: ColumnKind
    sql_type: str
    meaning: str


def score_columns(configuration: Configuration) -> list[ScoreColumn]:
    """The columns that `score_batch` returns, in order."""
    return [*_key_columns(), *_composite_columns(configuration), *_label_columns(),
            *_indicator_columns(configuration), *_part_columns(configuration)]


def published_columns(configuration: Configuration) -> list[ScoreColumn]:
    """The columns of the published `customer_scores`, in order: held labels come last."""
    return [*score_columns(configuration),
            *(ScoreColumn(column.name, "label", column.type, column.meaning)
              for column in HELD_COLUMNS)]


def score_batch(
    features: pd.DataFrame, reference: Reference, configuration: Configuration
) -> pd.DataFrame:
    """Scores a batch of `customer_features`.

    Args:
        features: one row a customer, with customer_key, as_of_date, profile, purchases_n,
            median_gap_days, days_since_last_purchase and the indicator columns.
        reference: curves, means and cuts of all profiles in the batch.
        configuration: what is scored.

    Returns:
        One row for each input row, in the same order, with the columns of `score_columns`.
        Scores and contributions are points with four decimals, NaN where not measured.

    Raises:
        ReferenceMismatch: the reference was fitted for another configuration.
        FeatureFault: a column is missing or holds impossible facts.
    """
    reference.check(configuration)
    for column in ("customer_key", "as_of_date", "profile"):
        if column not in features.columns:
            raise FeatureFault(f"customer_features has no column {column}")
    profiles = features["profile"].unique().tolist()
    unknown = sorted(set(map(str, profiles)) - set(configuration.profile_names))
    if unknown:
        raise FeatureFault(f"customer_features.profile holds {', '.join(unknown)}; crm.yaml knows "
                           f"{', '.join(configuration.profile_names)}")
    if len(profiles) <= 1:
        profile = profiles[0] if profiles else configuration.profile_names[-1]
        return _score_profile(features, reference, configuration, profile)
    positions = np.arange(len(features))
    masks = [(features["profile"] == profile).to_numpy(bool) for profile in profiles]
    parts = [_score_profile(features[mask], reference, configuration, profile)
             for profile, mask in zip(profiles, masks, strict=True)]
    order = np.argsort(np.concatenate([positions[mask] for mask in masks]))
    return pd.concat(parts, ignore_index=True).iloc[order].set_axis(features.index)


def _score_profile(
    features: pd.DataFrame, reference: Reference, configuration: Configuration, profile: str
) -> pd.DataFrame:
    own = reference.profile(profile)
    scores = indicator_scores(features, own, configuration)
    composed = compose_all(scores, configuration, profile)
    units = {name: composite.units for name, composite in composed.items()}
    columns: dict[str, object] = {
        name: features[name] for name in ("customer_key", "as_of_date", "profile")
    }
    for name, composite in composed.items():
        columns[name] = shown(composite.units)
        columns[f"{name}__coverage"] = composite.coverage / MILLION
    for kind, positions in label_positions(
            features, units, reference, configuration, profile).items():
        columns[kind] = _words(positions, LABELS[kind])
    columns.update(_indicator_values(features, scores, configuration))
    columns.update(_part_values(composed, configuration, len(features)))
    return pd.DataFrame(columns, index=features.index, copy=False)


def _words(positions: Whole, names: tuple[str, ...]) -> pd.api.extensions.ExtensionArray:
    """Strings by position, without a Python object for each row."""
    chosen = pa.DictionaryArray.from_arrays(pa.array(positions, pa.int32()), pa.array(names))
    return pd.array(chosen.cast(pa.large_string()), dtype="str")


def _indicator_values(
    features: pd.DataFrame, scores: dict[str, Whole], configuration: Configuration
) -> Iterator[tuple[str, Real]]:
    for name, indicator in configuration.indicators.items():
        yield f"{name}__value", facts(features, f"{name}__value")
        yield f"{name}__score", shown(scores[name])
        if indicator.kind == "mean_answer":
            yield f"{name}__n", facts(features, f"{name}__n")


def _part_values(
    composed: dict[str, Composed], configuration: Configuration, rows: int
) -> Iterator[tuple[str, Real]]:
    for name, composite in composed.items():
        for part in configuration.composites[name].parts:
            if part in composite.weights:
                yield f"{name}__{part}__weight", shown(composite.weights[part], MILLION)
                yield f"{name}__{part}__contribution", shown(composite.contributions[part])
            else:
                # The profile leaves the part out.
                yield f"{name}__{part}__weight", np.full(rows, np.nan)
                yield f"{name}__{part}__contribution", np.full(rows, np.nan)


def _key_columns() -> Iterator[ScoreColumn]:
    yield ScoreColumn("customer_key", "key", "UUID", "Our id of one person or company.")
    yield ScoreColumn("as_of_date", "key", "DATE", "Business date D of the scores.")
    yield ScoreColumn("profile", "key", "VARCHAR", "Which weights, curves and cuts apply.")


def _composite_columns(configuration: Configuration) -> Iterator[ScoreColumn]:
    for name in configuration.composites:
        label = configuration.label(name)
        yield ScoreColumn(name, "composite", SCORE_TYPE,
                          f"{_sentence(label)}, 0-100; NULL when too little is measured.")
        yield ScoreColumn(f"{name}__coverage", "coverage", SHARE_TYPE,
                          f"Share of the weight of {label} that is backed by data, 0-1.")


def _label_columns() -> Iterator[ScoreColumn]:
    yield ScoreColumn("tier", "label", "VARCHAR",
                      "high, medium, low or insufficient_data, by crm_value.")
    yield ScoreColumn("quadrant", "label", "VARCHAR", "Cell of the value x loyalty matrix.")
    yield ScoreColumn("lifecycle_stage", "label", "VARCHAR",
                      "prospect, first_purchase, repeat, loyal, lapsing or lost.")


def _indicator_columns(configuration: Configuration) -> Iterator[ScoreColumn]:
    currency = configuration.business.base_currency
    for name, indicator in configuration.indicators.items():
        label = configuration.label(name)
        unit = currency if indicator.is_money else indicator.unit.en if indicator.unit else ""
        window = _window_words(configuration, name)
        yield ScoreColumn(f"{name}__value", "value", "DOUBLE",
                          f"{_sentence(label)}{window}{f' ({unit})' if unit else ''}; NULL when "
                          "not measured.")
        yield ScoreColumn(f"{name}__score", "score", SCORE_TYPE,
                          f"{_sentence(label)} as a score, 0-100.")
        if indicator.kind == "mean_answer":
            yield ScoreColumn(f"{name}__n", "answers", "DOUBLE",
                              f"Answers behind {label}, older ones counting less.")


def _part_columns(configuration: Configuration) -> Iterator[ScoreColumn]:
    for name, composite in configuration.composites.items():
        for part in composite.parts:
            words = f"{configuration.label(part)} in {configuration.label(name)}"
            yield ScoreColumn(f"{name}__{part}__weight", "weight", SHARE_TYPE,
                              f"Weight of {words} after parts without data are left out, 0-1.")
            yield ScoreColumn(f"{name}__{part}__contribution", "contribution", SCORE_TYPE,
                              f"Points that {words} contributes.")


def _window_words(configuration: Configuration, name: str) -> str:
    """` in 365 days`, and in which profiles it is another."""
    days = configuration.indicators[name].window_days
    others = ", ".join(
        f"{indicator.window_days} in profile {profile}"
        for profile, of_name, indicator in configuration.indicator_variants()
        if of_name == name and indicator.window_days != days)
    if not days:
        return f" of all time ({others} days)" if others else ""
    return f" in {days} days" + (f" ({others})" if others else "")


def _sentence(label: str) -> str:
    return label[:1].upper() + label[1:]
