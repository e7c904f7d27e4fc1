"""From facts to scores: percentile, threshold and survey, over whole columns.

Input are the columns of `customer_features`; output are scores in ten-thousandths of a point.
What a fact is stands in the dbt models; weighing scores stands in `composites.py`.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd

from dagster_project.configuration import Configuration, Indicator
from dagster_project.scoring.exact import (
    FULL_SCORE,
    MILLION,
    NOT_MEASURED,
    POINT,
    Mask,
    Real,
    Whole,
    scaled,
    whole_half_up,
)
from dagster_project.scoring.reference import Curve, Prior, ProfileReference

# Answers x weight of one customer stay under this, so that sums of products fit into int64.
MAX_ANSWERS = 1_000_000


class FeatureFault(ValueError):
    """A column of `customer_features` is missing or holds what no fact can be."""


def feature_columns(configuration: Configuration) -> list[str]:
    """Names of the indicator columns that scoring reads from `customer_features`."""
    columns = []
    for name, indicator in configuration.indicators.items():
        columns.append(f"{name}__value")
        if indicator.kind == "mean_answer":
            columns.append(f"{name}__n")
    return columns


def facts(features: pd.DataFrame, column: str) -> Real:
    """A column as float64, NaN where not measured.

    Raises:
        FeatureFault: the column is missing or holds an infinite number.
    """
    if column not in features.columns:
        raise FeatureFault(f"customer_features has no column {column}: run dbt with this crm.yaml")
    # + 0.0 makes -0.0 and 0.0 one value, whichever came first.
    values: Real = features[column].to_numpy(dtype="float64", na_value=np.nan) + 0.0
    if np.isinf(values).any():
        raise FeatureFault(f"customer_features.{column} holds an infinite number")
    return values


def answers(features: pd.DataFrame, name: str) -> tuple[Whole, Whole]:
    """Mean answers and how many stand behind them, as whole numbers.

    Args:
        features: a batch.
        name: indicator of kind mean_answer.

    Returns:
        Mean in ten-thousandths of a point, NOT_MEASURED without answers; sum of weights in
        millionths, 0 without answers.

    Raises:
        FeatureFault: a mean outside 0-100 or an impossible number of answers.
    """
    means, counts = facts(features, f"{name}__value"), facts(features, f"{name}__n")
    is_answered = ~np.isnan(means) & (counts > 0)
    if ((means < 0) | (means > 100))[is_answered].any():
        raise FeatureFault(f"customer_features.{name}__value holds answers outside 0-100")
    if (counts[is_answered] > MAX_ANSWERS).any():
        raise FeatureFault(f"customer_features.{name}__n holds more than {MAX_ANSWERS:,} answers")
    weights = whole_half_up(np.where(is_answered, counts, 0.0) * MILLION)
    is_answered &= weights > 0
    units = whole_half_up(np.where(is_answered, means, 0.0) * POINT)
    return np.where(is_answered, units, NOT_MEASURED), np.where(is_answered, weights, 0)


def indicator_scores(
    features: pd.DataFrame, reference: ProfileReference, configuration: Configuration
) -> dict[str, Whole]:
    """Scores of all indicators.

    Args:
        features: a batch of customers of one profile.
        reference: the reference of that profile.
        configuration: what is scored, and how.

    Returns:
        By indicator: ten-thousandths of a point, NOT_MEASURED where the fact is.
    """
    scores: dict[str, Whole] = {}
    for name, indicator in configuration.indicators.items():
        if indicator.score.method == "survey":
            scores[name] = _shrunk(*answers(features, name), reference.priors[name])
            continue
        values = facts(features, f"{name}__value")
        if indicator.score.method == "percentile":
            scores[name] = _percentiles(values, indicator, reference.curves[name])
        else:
            scores[name] = _on_threshold(values, indicator)
    return scores


def _percentiles(values: Real, indicator: Indicator, curve: Curve) -> Whole:
    if not len(curve.x):
        # Nobody was measured when the reference was fitted: there is no scale yet.
        return np.full(len(values), NOT_MEASURED, dtype=np.int64)
    # Knots are whole ten-thousandths, so that rounding cannot turn round the order of two facts.
    # Below the first there is 0: where nothing means none, also for nothing and for less.
    knots = np.rint(curve.y * POINT)
    is_measured = ~np.isnan(values)
    units = _interpolated(values, is_measured, curve.x, knots, 0, FULL_SCORE)
    if indicator.score.better == "less":
        units = FULL_SCORE - units
    units[~is_measured] = NOT_MEASURED
    return units


def _on_threshold(values: Real, indicator: Indicator) -> Whole:
    points = indicator.score.points or ()
    x = np.array([float(fact) for fact, _ in points])
    y = np.array([float(scaled(score, POINT)) for _, score in points])
    is_measured = ~np.isnan(values)
    units = _interpolated(values, is_measured, x, y, y[0], y[-1])
    units[~is_measured] = NOT_MEASURED
    return units


def _interpolated(
    values: Real, is_measured: Mask, x: Real, y: Real, left: float, right: float
) -> Whole:
    filled = np.where(is_measured, values, x[0])
    return whole_half_up(np.interp(filled, x, y, left=left, right=right))


def _shrunk(means: Whole, weights: Whole, prior: Prior) -> Whole:
    """(n x mean + k x prior) / (n + k); the mean itself where the prior is unknown."""
    is_answered = means != NOT_MEASURED
    if np.isnan(prior.mean):
        return means
    k = scaled(Decimal(repr(prior.k)), MILLION)
    prior_units = round(prior.mean * POINT)
    total = np.where(is_answered, weights + k, 1)
    numerator = np.where(is_answered, weights * means + k * prior_units, 0)
    return np.where(is_answered, _wide_quotient(numerator, total), NOT_MEASURED)


def _wide_quotient(numerator: Whole, denominator: Whole) -> Whole:
    """Half-up quotient of numbers too large for float64."""
    return (2 * numerator + denominator) // (2 * denominator)
