"""Weights of events by age, as whole numbers, so that their sums are exact in every engine."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pandas as pd

from dagster_project.scoring.exact import MILLION


def decay_weights(half_lives: Iterable[int], max_age_days: int) -> pd.DataFrame:
    """Weight of an event of each age, for each half-life.

    Args:
        half_lives: days in which a weight halves, each at least 1.
        max_age_days: oldest age in days; the youngest is 0.

    Returns:
        Columns half_life_days, age_days, weight_millionths (1,000,000 x 2^(-age / half-life),
        rounded half up), sorted.

    Raises:
        ValueError: a half-life under 1 or a negative age.
    """
    lives = sorted(set(half_lives))
    if max_age_days < 0 or (lives and lives[0] < 1):
        raise ValueError("half-lives must be at least 1 day and max_age_days at least 0")
    weights = [weight for life in lives for weight in _weights(life, max_age_days)]
    return pd.DataFrame({
        "half_life_days": pd.Series([life for life in lives for _ in range(max_age_days + 1)],
                                    dtype="int32"),
        "age_days": pd.Series([age for _ in lives for age in range(max_age_days + 1)],
                              dtype="int32"),
        "weight_millionths": pd.Series(weights, dtype="int64"),
    })


def _weights(half_life: int, max_age_days: int) -> list[int]:
    # Powers of float64 may differ in the last bit between platforms; decimals do not. A weight
    # depends on the age within one half-life and on how often it was halved since.
    with localcontext() as context:
        context.prec = 40
        within = [
            MILLION * Decimal(2) ** (Decimal(-age) / half_life)
            for age in range(min(half_life, max_age_days + 1))
        ]
        return [
            int((within[age % half_life] / 2 ** (age // half_life))
                .quantize(Decimal(1), rounding=ROUND_HALF_UP))
            for age in range(max_age_days + 1)
        ]
