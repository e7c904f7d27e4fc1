"""The estimates of uplift: against published examples, and by simulation with a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dagster_project.feedback.uplift import Group, Uplift, uplift_of_means, uplift_of_shares

DRAWS = 4_000
# Of the mean of so many draws by its own standard error: beyond it once in 15,000 seeds.
SURE = 4.0
# Points by which the coverage of so many draws may miss 95 %.
COVERAGE_POINTS = 1.5


def shares(hits: object, n: object) -> Group:
    """A group by how many of it did."""
    hit, size = np.asarray(hits, float), np.asarray(n, np.int64)
    return Group(size, hit / np.maximum(size, 1), np.zeros(len(size)))


def means(samples: np.ndarray) -> Group:
    """Groups of samples, shape (groups, customers)."""
    centre = samples.mean(axis=1)
    return Group(np.full(len(samples), samples.shape[1]), centre,
                 ((samples - centre[:, None]) ** 2).sum(axis=1))


def alone(n: int) -> np.ndarray:
    """Each stratum is a comparison of its own."""
    return np.arange(n)


@pytest.mark.parametrize(("treated", "control", "low", "high"), [
    # The examples of Newcombe 1998, table II, method 10.
    ((56, 70), (48, 80), 0.0524, 0.3339),
    ((9, 10), (3, 10), 0.1705, 0.8090),
    ((5, 56), (0, 29), -0.0381, 0.1926),
    ((0, 10), (0, 20), -0.1611, 0.2775),
    ((10, 10), (0, 10), 0.6075, 1.0),
])
def test_intervals_of_shares_are_those_of_the_source(
        treated: tuple[int, int], control: tuple[int, int], low: float, high: float) -> None:
    found = uplift_of_shares(shares([treated[0]], [treated[1]]),
                             shares([control[0]], [control[1]]), alone(1), 1)
    assert found.difference[0] == pytest.approx(treated[0] / treated[1] - control[0] / control[1])
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=5e-5)


def test_intervals_of_means_are_those_of_welchs_test() -> None:
    rng = np.random.default_rng(1)
    treated, control = rng.normal(5, 3, (1, 12)), rng.normal(4, 1, (1, 30))
    found = uplift_of_means(means(treated), means(control), alone(1), 1)
    known = stats.ttest_ind(treated[0], control[0], equal_var=False)
    interval = known.confidence_interval(0.95)
    assert (found.low[0], found.high[0]) == pytest.approx((interval.low, interval.high))
    assert found.difference[0] / found.standard_error[0] == pytest.approx(known.statistic)


def test_groups_that_are_all_alike_have_an_interval_without_width() -> None:
    found = uplift_of_means(means(np.full((1, 5), 2.0)), means(np.zeros((1, 5))), alone(1), 1)
    assert (found.low[0], found.difference[0], found.high[0]) == (2, 2, 2)


def test_strata_are_weighed_by_their_treated() -> None:
    """Half of the loyal and a tenth of the others are kept apart: pooled, nothing would help."""
    treated, control = shares([10, 18], [20, 180]), shares([4, 1], [20, 20])
    found = uplift_of_shares(treated, control, np.zeros(2, np.int64), 1)
    assert found.treated[0] == pytest.approx(28 / 200)
    assert found.control[0] == pytest.approx((20 * 0.2 + 180 * 0.05) / 200)
    assert found.difference[0] == pytest.approx(0.1 * 0.3 + 0.9 * 0.05)
    pooled = 28 / 200 - 5 / 40
    assert pooled < found.difference[0] / 4


def test_a_stratum_without_one_group_is_left_out_and_counted() -> None:
    treated, control = shares([3, 5, 0], [10, 10, 0]), shares([2, 0, 1], [10, 0, 7])
    found = uplift_of_shares(treated, control, np.zeros(3, np.int64), 1)
    assert (found.treated_n[0], found.control_n[0], found.not_compared_n[0]) == (10, 10, 17)
    assert found.difference[0] == pytest.approx(0.1)


def test_nothing_to_compare_is_no_number() -> None:
    found = uplift_of_means(means(np.ones((1, 1))), means(np.ones((1, 9))), alone(1), 1)
    assert np.isnan([found.difference[0], found.low[0], found.high[0]]).all()
    assert (found.treated_n[0], found.not_compared_n[0]) == (0, 10)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60),
                          st.integers(0, 60)), min_size=1, max_size=5))
def test_the_interval_holds_the_difference_and_stays_in_range(
        strata: list[tuple[int, int, int, int]]) -> None:
    hits_t, more_t, hits_c, more_c = (np.array(part) for part in zip(*strata, strict=True))
    treated, control = shares(hits_t, hits_t + more_t), shares(hits_c, hits_c + more_c)
    found = uplift_of_shares(treated, control, np.zeros(len(strata), np.int64), 1)
    if found.treated_n[0]:
        assert -1 - 1e-12 <= found.low[0] <= found.difference[0] <= found.high[0] <= 1 + 1e-12
    swapped = uplift_of_shares(control, treated, alone(len(strata)), len(strata))
    plain = uplift_of_shares(treated, control, alone(len(strata)), len(strata))
    np.testing.assert_allclose(plain.low, -swapped.high, atol=1e-12)


def _judge(found: Uplift, truth: float) -> None:
    """Unbiased, and the interval holds the truth 95 times in a hundred."""
    differences = found.difference
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    assert abs(differences.mean() - truth) < SURE * error
    covered = 100 * np.mean((found.low <= truth) & (truth <= found.high))
    assert abs(covered - 95) < COVERAGE_POINTS
    # What is called the standard error is how far the estimate strays.
    assert found.standard_error.mean() == pytest.approx(differences.std(ddof=1), rel=0.05)


@pytest.mark.parametrize("effect", [0.0, 0.05])
def test_uplift_of_shares_is_unbiased_and_covered(effect: float) -> None:
    rng = np.random.default_rng(7)
    treated = shares(rng.binomial(800, 0.12 + effect, DRAWS), [800] * DRAWS)
    control = shares(rng.binomial(200, 0.12, DRAWS), [200] * DRAWS)
    _judge(uplift_of_shares(treated, control, alone(DRAWS), DRAWS), effect)


@pytest.mark.parametrize("effect", [0.0, 0.06])
def test_uplift_over_quadrants_is_unbiased_and_covered_where_shares_differ(effect: float) -> None:
    """Pooled without strata the same draws would show an uplift of minus ten points."""
    rng = np.random.default_rng(11)
    base, treated_n, control_n = [0.4, 0.2, 0.05], [60, 200, 600], [140, 60, 60]
    sizes = [np.tile(n, DRAWS) for n in (treated_n, control_n)]
    chance = np.tile(base, DRAWS)
    treated = shares(rng.binomial(sizes[0], chance + effect), sizes[0])
    control = shares(rng.binomial(sizes[1], chance), sizes[1])
    _judge(uplift_of_shares(treated, control, np.repeat(alone(DRAWS), 3), DRAWS), effect)


@pytest.mark.parametrize("effect", [0.0, 15.0])
def test_uplift_of_revenue_is_unbiased_and_covered(effect: float) -> None:
    """Most spend nothing and some much, as in shops."""
    rng = np.random.default_rng(13)

    def spent(n: int) -> np.ndarray:
        return rng.gamma(1.5, 80, (DRAWS, n)) * (rng.random((DRAWS, n)) < 0.4)

    found = uplift_of_means(means(spent(300) + effect), means(spent(150)), alone(DRAWS), DRAWS)
    _judge(found, effect)
