"""Whole-number arithmetic of scores: ten-thousandths of a point, millionths of a weight.

Here belong the units and the two roundings, nothing about customers. Scores are int64 arrays in
ten-thousandths; NOT_MEASURED stands where there is no score, so that no float NaN and no second
mask has to be carried along.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Whole: TypeAlias = npt.NDArray[np.int64]
Real: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

POINT = 10_000
FULL_SCORE = 100 * POINT
MILLION = 1_000_000
NOT_MEASURED = -1


def quotient_half_up(numerator: Whole | int, denominator: Whole | int) -> Whole:
    """`numerator / denominator`, rounded half up.

    Args:
        numerator: not negative, under 2**50.
        denominator: positive, under 2**50.

    Returns:
        Whole numbers. The division runs in float64, which is faster and still exact: two
        quotients of such numbers lie further apart than float64 can blur.
    """
    doubled = 2 * np.asarray(numerator) + np.asarray(denominator)
    whole: Whole = np.floor(doubled / (2 * np.asarray(denominator))).astype(np.int64)
    return whole


def whole_half_up(values: Real) -> Whole:
    """Numbers that are not negative, rounded half up."""
    return np.floor(values + 0.5).astype(np.int64)


def scaled(value: Decimal, unit: int) -> int:
    """A configured decimal in whole units; its decimals are limited when it is loaded.

    Raises:
        ValueError: the decimal has more digits than the unit.
    """
    whole = value * unit
    if whole != int(whole):
        raise ValueError(f"{value} has more decimals than 1/{unit}")
    return int(whole)


def shown(units: Whole, unit: int = POINT) -> Real:
    """Scores in points (or shares of `unit`) as float64, NaN where not measured."""
    values: Real = units / unit
    np.putmask(values, units == NOT_MEASURED, np.nan)
    return values


def to_hundredths(units: Whole) -> Whole:
    """Scores in ten-thousandths rounded half up to the two decimals that people see.

    Returns:
        Hundredths of a point; NOT_MEASURED stays.
    """
    return np.where(units == NOT_MEASURED, NOT_MEASURED, (units + 50) // 100)
