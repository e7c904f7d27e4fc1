"""Gamma-Gamma: gradient, order, and margins that stay between one's own mean and that of all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from dagster_project.scoring.lifetime import margin_model
from dagster_project.scoring.lifetime.margin_model import (
    MarginModel,
    MarginSummaries,
    fit_margin_model,
    log_likelihood,
)

PARAMETERS = st.tuples(st.floats(0.1, 50), st.floats(1.05, 50), st.floats(0.01, 1e4))
MARGINS = st.lists(st.tuples(st.integers(1, 500), st.floats(0.01, 1e6)), min_size=1, max_size=20)


def summaries_of(rows: list[tuple[int, float]]) -> MarginSummaries:
    """Of (purchases, mean margin)."""
    return MarginSummaries.of(np.array([row[0] for row in rows], float),
                              np.array([row[1] for row in rows]))


def simulated(buyers: int, seed: int) -> MarginSummaries:
    """Buyers with p 4, q 3, v 20."""
    random = np.random.default_rng(seed)
    purchases = random.integers(1, 12, buyers).astype(float)
    own = random.gamma(3, 1 / 20, buyers)
    return MarginSummaries.of(purchases, random.gamma(4 * purchases, 1 / own) / purchases)


@given(parameters=PARAMETERS, rows=MARGINS)
@settings(max_examples=60, deadline=None)
def test_the_gradient_is_that_of_the_likelihood(
    parameters: tuple[float, float, float], rows: list[tuple[int, float]]
) -> None:
    likelihood = log_likelihood(summaries_of(rows))
    p, q, v = parameters
    point = np.log([p, q - 1, v])
    value, gradient = likelihood(point)
    differences = approx_fprime(point, lambda logs: likelihood(logs)[0], 1e-6)
    assert np.allclose(gradient, differences, rtol=1e-3, atol=1e-4 * (1 + abs(value)))


def test_true_parameters_are_found_again_in_any_order_and_currency() -> None:
    found = simulated(20_000, 2)
    fit = fit_margin_model(found)
    assert fit.is_converged
    assert np.allclose(fit.parameters, (4, 3, 20), rtol=0.1)
    order = np.random.default_rng(1).permutation(len(found.purchases))
    parts = [MarginSummaries.of(found.purchases[part], found.mean_margin[part])
             for part in np.array_split(order, 5)]
    assert fit_margin_model(MarginSummaries.merged(parts)) == fit
    dear = fit_margin_model(MarginSummaries.of(found.purchases, found.mean_margin * 1_000))
    assert np.allclose(dear.parameters, np.array(fit.parameters) * [1, 1, 1_000], rtol=1e-4)


@given(parameters=PARAMETERS, rows=MARGINS)
@settings(max_examples=100, deadline=None)
def test_an_expected_margin_lies_between_the_own_mean_and_that_of_all(
    parameters: tuple[float, float, float], rows: list[tuple[int, float]]
) -> None:
    p, q, v = parameters
    model = MarginModel(p, q, v)
    n, mean = (np.array(column, float) for column in zip(*rows, strict=True))
    of_all = v * p / (q - 1)
    found = model.margin_per_purchase(n, mean)
    assert (found >= np.minimum(mean, of_all) * (1 - 1e-9)).all()
    assert (found <= np.maximum(mean, of_all) * (1 + 1e-9)).all()
    weight = model.own_weight(n)
    assert np.allclose(found, weight * mean + (1 - weight) * of_all, rtol=1e-9)


def test_who_loses_money_counts_as_zero_and_who_is_unknown_as_all() -> None:
    model = MarginModel(6.25, 3.74, 15.44)
    loss, nothing, unknown = model.margin_per_purchase(
        np.array([4.0, 4.0, 0.0]), np.array([-80.0, 0.0, 0.0]))
    assert loss == nothing == pytest.approx(6.25 * 15.44 / (6.25 * 4 + 2.74))
    assert unknown == pytest.approx(6.25 * 15.44 / 2.74)


def test_losses_are_left_out_of_the_fit() -> None:
    rows = [(3, 12.5), (2, -4.0), (1, 0.0), (3, 12.5)]
    found = summaries_of(rows)
    assert (found.total, len(found.purchases)) == (2, 1)


def test_a_sample_shows_where_to_begin_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = simulated(20_000, 4)
    fit = fit_margin_model(found)
    monkeypatch.setattr(margin_model, "LARGE_SUMMARIES", 1_000)
    monkeypatch.setattr(margin_model, "SAMPLE_CUSTOMERS", 2_000)
    sampled = fit_margin_model(found)
    assert sampled.is_converged
    assert sampled.parameters == fit.parameters
