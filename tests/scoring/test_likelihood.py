"""The search for a maximum: it needs no sample, and a sample of customers is spread over all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.scoring.exact import Real
from dagster_project.scoring.lifetime.likelihood import (
    Likelihood,
    maximise,
    narrow,
    spread_sample,
)

BOUNDS = ((1e-3, 1e3), (1e-3, 1e3))
STARTS = ((1.0, 1.0), (5.0, 0.1))


def hill(top: tuple[float, float]) -> Likelihood:
    """A likelihood with one maximum that is no parabola, its two directions entangled."""
    at, mixed = np.log(top), np.array([[1.0, 0.5], [0.5, -1.0]])

    def mean(logarithms: Real) -> tuple[float, Real]:
        away = mixed @ (logarithms - at)
        return float(-np.log(np.cosh(away)).sum()), -mixed.T @ np.tanh(away)

    return mean


def slope(logarithms: Real) -> tuple[float, Real]:
    """Rises without an end."""
    return float(logarithms.sum()), np.ones(2)


def nonsense(logarithms: Real) -> tuple[float, Real]:
    """No number anywhere."""
    return float("nan"), np.full(2, float("nan"))


@pytest.mark.parametrize("sampled", [None, hill((2.1, 0.28)), hill((40.0, 9.0)), slope, nonsense],
                         ids=["none", "near", "far", "rising", "nonsense"])
def test_the_maximum_does_not_depend_on_the_sample(sampled: Likelihood | None) -> None:
    found = maximise(hill((2.0, 0.3)), STARTS, BOUNDS, sampled)
    assert found.is_converged
    assert found.parameters == (2.0, 0.3)


@pytest.mark.parametrize("likelihood", [slope, nonsense])
def test_what_has_no_maximum_is_no_success(likelihood: Likelihood) -> None:
    assert not maximise(likelihood, STARTS, BOUNDS, hill((2.0, 0.3))).is_converged


@given(customers=st.lists(st.integers(1, 50), min_size=1, max_size=60), size=st.integers(1, 300))
@settings(max_examples=100, deadline=None)
def test_a_sample_has_its_share_of_every_summary(customers: list[int], size: int) -> None:
    counts = np.array(customers, np.int64)
    positions, taken = spread_sample(counts, size)
    assert taken.sum() == size and (np.diff(positions) > 0).all()
    of_all = np.zeros(len(counts))
    of_all[positions] = taken
    # Up to every summary the sample has its part, to one customer.
    expected = np.cumsum(counts) / counts.sum() * size
    assert np.abs(np.cumsum(of_all) - expected).max() <= 1


@given(numbers=st.lists(st.one_of(st.integers(0, 70_000).map(float), st.floats(-5, 70_000)),
                        max_size=30))
@settings(max_examples=200, deadline=None)
def test_narrow_numbers_are_the_same_numbers(numbers: list[float]) -> None:
    column = np.array(numbers, np.float64)
    assert (narrow(column) == column).all()
    assert np.lexsort((narrow(column),)).tolist() == np.lexsort((column,)).tolist()
