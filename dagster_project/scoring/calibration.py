"""Fitting a reference: exact curves, means, gap and cuts of a population.

Everything here counts and cumulates whole numbers, so that neither the order of rows nor the
batches they come in can change a reference. Applying one stands in `score.py`.
"""

from __future__ import annotations

import datetime
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeAlias

import numpy as np
import pandas as pd

from dagster_project.configuration import Configuration, Indicator
from dagster_project.scoring.composites import compose_all
from dagster_project.scoring.drift import fit_bins
from dagster_project.scoring.exact import NOT_MEASURED, POINT, Real, Whole, to_hundredths
from dagster_project.scoring.indicators import answers, facts, feature_columns, indicator_scores
from dagster_project.scoring.label_shares import count_labels
from dagster_project.scoring.reference import (
    Bins,
    Curve,
    Prior,
    ProfileReference,
    Reference,
    quantile_cuts,
)

Features: TypeAlias = pd.DataFrame | Iterable[pd.DataFrame]

# A curve keeps every value up to so many; beyond, the first and last of each thousandth of rank.
MAX_KNOTS = 2_000
_BANDS = MAX_KNOTS // 2

_log = logging.getLogger(__name__)


def _no_values() -> Real:
    return np.empty(0, np.float64)


def _no_counts() -> Whole:
    return np.empty(0, np.int64)


@dataclass
class _Counts:
    """How often each value occurs: values ascending."""

    values: Real = field(default_factory=_no_values)
    counts: Whole = field(default_factory=_no_counts)

    def add(self, values: Real, counts: Whole | None = None) -> None:
        weights = np.ones(len(values), np.int64) if counts is None else counts
        # A batch is made small before it meets what is there already.
        new, found = np.unique(values, return_inverse=True)
        tallied = np.zeros(len(new), np.int64)
        np.add.at(tallied, found, weights)
        merged, where = np.unique(np.concatenate([self.values, new]), return_inverse=True)
        total = np.zeros(len(merged), np.int64)
        np.add.at(total, where, np.concatenate([self.counts, tallied]))
        self.values, self.counts = merged, total


@dataclass
class _Answers:
    """Sum of weighted answers: weights in millionths, answers in ten-thousandths."""

    weighted: int = 0
    weights: int = 0

    def add(self, means: Whole, weights: Whole) -> None:
        # In two halves, since the sum of whole products may pass int64.
        high, low = np.divmod(np.where(weights > 0, means, 0), 1_000)
        self.weighted += int((weights * high).sum()) * 1_000 + int((weights * low).sum())
        self.weights += int(weights.sum())


@dataclass
class _Tally:
    """What is counted of one profile before anything is fitted."""

    customers: int = 0
    facts: dict[str, _Counts] = field(default_factory=dict)
    answers: dict[str, _Answers] = field(default_factory=dict)
    gaps: _Counts = field(default_factory=_Counts)

    def add(self, features: pd.DataFrame, configuration: Configuration) -> None:
        self.customers += len(features)
        for name, indicator in configuration.indicators.items():
            values = facts(features, f"{name}__value")
            self.facts.setdefault(name, _Counts()).add(values[~np.isnan(values)])
            if indicator.score.method == "survey":
                self.answers.setdefault(name, _Answers()).add(*answers(features, name))
        gaps = facts(features, "median_gap_days")
        self.gaps.add(gaps[~np.isnan(gaps)])

    def merge(self, other: _Tally) -> None:
        self.customers += other.customers
        for name, counts in other.facts.items():
            self.facts.setdefault(name, _Counts()).add(counts.values, counts.counts)
        for name, given in other.answers.items():
            mine = self.answers.setdefault(name, _Answers())
            mine.weighted += given.weighted
            mine.weights += given.weights
        self.gaps.add(other.gaps.values, other.gaps.counts)


def fit_reference(
    features: Features,
    configuration: Configuration,
    *,
    reference_id: str,
    valid_from: datetime.date,
) -> Reference:
    """Fits a reference on the customers of `features` that are in the population.

    Args:
        features: `customer_features`, whole or in batches; batches are read several times, a
            generator is therefore kept in memory (only the columns and rows that count).
        configuration: what is fitted.
        reference_id: name of the new reference.
        valid_from: first as-of date that shall use it.

    Returns:
        The reference. What a profile has nobody for (a curve, a mean, a cut, the gap) is taken
        from all customers and logged; a quantile cut that nobody at all has a composite for is
        100 x quantile, as if scores were spread evenly.

    Raises:
        FeatureFault: a column is missing or holds impossible facts.
    """
    batches = _readable_again(features, configuration)
    tallies = {name: _Tally() for name in configuration.profile_names}
    for profile, rows in _populations(batches, configuration):
        tallies[profile].add(rows, configuration)
    everyone = _Tally()
    for tally in tallies.values():
        everyone.merge(tally)
    if not everyone.customers:
        _log.warning(
            "nobody is in the population: no customer has an event of %s in the last %d days, so "
            "percentiles have no curve and give no score; see population_events and "
            "population_days of crm.yaml", ", ".join(configuration.population_events),
            configuration.population_days)
    profiles = {
        name: _without_cuts(name, tally, everyone, configuration)
        for name, tally in tallies.items()
    }
    shares = _score_counts(batches, profiles, configuration)
    cut = Reference(reference_id, valid_from, {
        name: replace(reference, cuts=_cuts(name, shares, configuration))
        for name, reference in profiles.items()
    })
    labels = _label_counts(batches, cut, configuration)
    return replace(cut, profiles={
        name: replace(reference, labels=labels[name], bins=_bins(tallies[name], configuration))
        for name, reference in cut.profiles.items()
    })


def refit_cuts(reference: Reference, features: Iterable[pd.DataFrame],
               configuration: Configuration) -> Reference:
    """The reference with the quantile cuts that a configuration of other weights would have.

    Args:
        reference: whose curves and means stay.
        features: batches of `customer_features`, as `fit_reference` takes them.
        configuration: other weights or cuts over the same indicators.
    """
    profiles = reference.profiles
    shares = _score_counts(features, profiles, configuration)
    return replace(reference, profiles={
        name: replace(own, cuts=_cuts(name, shares, configuration))
        for name, own in profiles.items()
    })


def _readable_again(features: Features, configuration: Configuration) -> Iterable[pd.DataFrame]:
    if isinstance(features, pd.DataFrame):
        return [features]
    if not isinstance(features, Iterator):
        return features
    columns = ["profile", "is_in_population", "median_gap_days", "purchases_n",
               "days_since_last_purchase", *feature_columns(configuration)]
    return [batch.loc[batch["is_in_population"].to_numpy(bool),
                      [column for column in columns if column in batch.columns]]
            for batch in features]


def _populations(
    batches: Iterable[pd.DataFrame], configuration: Configuration
) -> Iterator[tuple[str, pd.DataFrame]]:
    """(profile, rows of it that are in the population) of every batch."""
    for batch in batches:
        rows = batch[batch["is_in_population"].to_numpy(bool)]
        for profile, of_profile in rows.groupby("profile", sort=True):
            configuration.profile(str(profile))
            yield str(profile), of_profile


def _without_cuts(
    name: str, tally: _Tally, everyone: _Tally, configuration: Configuration
) -> ProfileReference:
    curves, priors, borrowed = {}, {}, []
    for item, indicator in configuration.indicators.items():
        if indicator.score.method == "percentile":
            curves[item] = _curve(tally.facts.get(item, _Counts()), indicator)
            if not len(curves[item].x):
                curves[item] = _curve(everyone.facts.get(item, _Counts()), indicator)
                borrowed += [item] if len(curves[item].x) else []
        elif indicator.score.method == "survey":
            priors[item] = _prior(tally.answers.get(item, _Answers()), indicator)
            if np.isnan(priors[item].mean):
                priors[item] = _prior(everyone.answers.get(item, _Answers()), indicator)
                borrowed += [item] if not np.isnan(priors[item].mean) else []
    gap = _median(tally.gaps)
    if np.isnan(gap):
        gap = _median(everyone.gaps)
    if borrowed:
        _log.warning(
            "profile %s: nobody was measured for %s; the curves and means of all customers "
            "stand in", name, ", ".join(borrowed))
    return ProfileReference(curves=curves, priors=priors, gap_days=gap)


def _bins(tally: _Tally, configuration: Configuration) -> dict[str, Bins]:
    """How this profile's own population is spread; nothing is borrowed from others."""
    bins = {}
    for name in configuration.indicators:
        tallied = tally.facts.get(name, _Counts())
        not_measured = tally.customers - int(tallied.counts.sum())
        bins[name] = fit_bins(tallied.values, tallied.counts, not_measured)
    return bins


def _label_counts(
    batches: Iterable[pd.DataFrame], reference: Reference, configuration: Configuration
) -> dict[str, dict[tuple[str, str], int]]:
    """By profile: customers of the population with each label."""
    counted: dict[str, Counter[tuple[str, str]]] = {
        name: Counter() for name in reference.profiles}
    for profile, rows in _populations(batches, configuration):
        counted[profile].update(count_labels(rows, reference, configuration, profile))
    return {name: dict(counts) for name, counts in counted.items()}


def _curve(tallied: _Counts, indicator: Indicator) -> Curve:
    """Mid-rank of every value, thinned to knots.

    The score of a value between the knots of one thousandth is off by less than 0.1 points.
    """
    values, counts = tallied.values, tallied.counts
    if indicator.is_fitted_above_zero and len(values):
        is_positive = values > 0
        values, counts = values[is_positive], counts[is_positive]
        if not len(values):
            # Measured, and nobody has any: whoever comes to have some is above all.
            return Curve(np.zeros(1), np.zeros(1))
    total = int(counts.sum())
    if not total:
        return Curve(_no_values(), _no_values())
    doubled_rank = 2 * np.cumsum(counts) - counts
    if len(values) > MAX_KNOTS:
        band = (doubled_rank * _BANDS) // (2 * total)
        is_first = np.r_[True, band[1:] != band[:-1]]
        is_knot = is_first | np.r_[is_first[1:], True]
        values, doubled_rank = values[is_knot], doubled_rank[is_knot]
    units = (2 * doubled_rank * 50 * POINT + total) // (2 * total)
    return Curve(values, units / POINT)


def _prior(tallied: _Answers, indicator: Indicator) -> Prior:
    k = float(indicator.score.k or 0)
    if not tallied.weights:
        return Prior(k, float("nan"))
    units = (2 * tallied.weighted + tallied.weights) // (2 * tallied.weights)
    return Prior(k, units / POINT)


def _median(tallied: _Counts) -> float:
    if not len(tallied.values):
        return float("nan")
    total = int(tallied.counts.sum())
    upto = np.cumsum(tallied.counts)
    low = tallied.values[np.searchsorted(upto, (total - 1) // 2, side="right")]
    high = tallied.values[np.searchsorted(upto, total // 2, side="right")]
    return float((low + high) / 2)


ScoreCounts: TypeAlias = dict[str, dict[str, Whole]]


def _score_counts(
    batches: Iterable[pd.DataFrame],
    profiles: Mapping[str, ProfileReference],
    configuration: Configuration,
) -> ScoreCounts:
    """By profile and composite that is cut: customers at each hundredth of a point."""
    counted: ScoreCounts = {
        name: {composite: np.zeros(100 * 100 + 1, np.int64)
               for composite, _ in quantile_cuts(configuration, name)}
        for name in profiles
    }
    for profile, rows in _populations(batches, configuration):
        scores = indicator_scores(rows, profiles[profile], configuration)
        composed = compose_all(scores, configuration, profile)
        for composite, counts in counted[profile].items():
            hundredths = to_hundredths(composed[composite].units)
            counts += np.bincount(hundredths[hundredths != NOT_MEASURED], minlength=len(counts))
    return counted


def _cuts(
    profile: str, counted: ScoreCounts, configuration: Configuration
) -> dict[str, tuple[tuple[float, float], ...]]:
    cuts: dict[str, tuple[tuple[float, float], ...]] = {}
    for composite, quantile in quantile_cuts(configuration, profile):
        counts = counted[profile][composite]
        if not counts.any():
            _log.warning("profile %s: nobody has %s; the cut is that of all customers", profile,
                         composite)
            counts = np.sum([own[composite] for own in counted.values() if composite in own],
                            axis=0)
        cut = (float(quantile), cut_at(counts, quantile) / 100)
        cuts[composite] = (*cuts.get(composite, ()), cut)
    return cuts


def cut_at(counts: Whole, quantile: Decimal) -> int:
    """The score from which on customers are above a quantile.

    Args:
        counts: customers at each hundredth of a point, 0 to 100.00.
        quantile: share of customers below the cut, 0-1.

    Returns:
        Hundredths of a point: the score of the customer with floor(quantile x n) others below or
        beside, so that 1 - quantile of all lie at or above it when no two tie. Where ties reach
        from there to the lowest score of all, the next higher score: a cut that leaves nobody
        below tells nothing (with 60 % single purchases, the median of repeat purchases is the
        least there is). Without any customer 100 x quantile.
    """
    total = int(counts.sum())
    if not total:
        return int(quantile * 10_000)
    rank = min(int(quantile * total), total - 1)
    upto = np.cumsum(counts)
    cut = int(np.searchsorted(upto, rank, side="right"))
    taken = np.flatnonzero(counts)
    if rank > 0 and cut == taken[0] and len(taken) > 1:
        return int(taken[1])
    return cut
