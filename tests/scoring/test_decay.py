"""Decay weights: whole numbers, halved after each half-life, the same on every machine."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dagster_project.scoring.decay import decay_weights


def test_weights_by_hand():
    """1,000,000 x 2^(-age / 2): 707,106.78 after one day, half after two."""
    frame = decay_weights([2], 4)
    assert frame["weight_millionths"].tolist() == [1_000_000, 707_107, 500_000, 353_553, 250_000]
    assert frame["age_days"].tolist() == [0, 1, 2, 3, 4]


def test_rounding_is_half_up():
    """1,000,000 / 2^7 is 7,812.5."""
    assert decay_weights([1], 7)["weight_millionths"].iloc[-1] == 7_813


@pytest.mark.parametrize("half_life", [1, 7, 90, 180, 365])
def test_weights_are_the_nearest_whole_numbers(half_life):
    """Checked without any power function: w is nearest when (w ± 1/2)^h encloses 10^6h / 2^age."""
    weights = decay_weights([half_life], 400)["weight_millionths"].tolist()
    assert weights == sorted(weights, reverse=True)
    for age in range(0, 401, 37):
        wanted = Fraction(10 ** (6 * half_life), 2**age)
        low, high = Fraction(2 * weights[age] - 1, 2), Fraction(2 * weights[age] + 1, 2)
        assert low**half_life <= wanted < high**half_life


def test_half_lives_are_sorted_and_unique():
    """One row for each pair of half-life and age."""
    frame = decay_weights([90, 30, 90], 2)
    assert frame["half_life_days"].tolist() == [30, 30, 30, 90, 90, 90]
    assert not frame.duplicated(["half_life_days", "age_days"]).any()


def test_home_without_decay_has_no_weights():
    """The table is empty, with its columns."""
    frame = decay_weights([], 100)
    assert len(frame) == 0
    assert frame.columns.tolist() == ["half_life_days", "age_days", "weight_millionths"]


def test_impossible_half_life_is_refused():
    """A half-life of no days would divide by zero."""
    with pytest.raises(ValueError, match="half-lives"):
        decay_weights([0], 10)
