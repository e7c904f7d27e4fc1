"""Whole-number arithmetic, checked against Python's unbounded integers."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dagster_project.scoring.exact import (
    NOT_MEASURED,
    quotient_half_up,
    scaled,
    shown,
    to_hundredths,
    whole_half_up,
)


@given(numerator=st.integers(0, 10**12), denominator=st.integers(1, 10**12))
@example(numerator=10**12 - 1, denominator=2)
@example(numerator=999_999_999_999, denominator=1_000_000)
@example(numerator=499_999_999_999, denominator=10**12)
def test_quotient_is_exact(numerator, denominator):
    """float64 may carry the division, never decide it."""
    wanted = (2 * numerator + denominator) // (2 * denominator)
    assert quotient_half_up(np.array([numerator]), np.array([denominator])).tolist() == [wanted]


def test_halves_go_up():
    """0.5, 1.5, 2.5 become 1, 2, 3: not to the even neighbour."""
    assert whole_half_up(np.array([0.5, 1.5, 2.5, 2.4999])).tolist() == [1, 2, 3, 2]
    assert quotient_half_up(np.array([1, 3, 5]), 2).tolist() == [1, 2, 3]


def test_two_decimals_are_rounded_half_up():
    """12.345 is shown as 12.35; what is not measured stays so."""
    units = np.array([123_450, 123_449, NOT_MEASURED])
    assert to_hundredths(units).tolist() == [1_235, 1_234, NOT_MEASURED]


def test_shown_has_four_decimals_and_nan():
    """The nearest float64 of four decimals, so that a DECIMAL column takes it as it is."""
    assert shown(np.array([840_000, 123_456])).tolist() == [84.0, 12.3456]
    assert np.isnan(shown(np.array([NOT_MEASURED]))).all()


def test_scaled_refuses_to_round():
    """A weight of seven decimals would silently be another weight."""
    assert scaled(Decimal("0.2"), 1_000_000) == 200_000
    with pytest.raises(ValueError, match="more decimals"):
        scaled(Decimal("0.1234567"), 1_000_000)
