"""BG/NBD and MBG/NBD: gradients, order, bounds of what they say, and figures worked out apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from scipy.special import beta, hyp2f1

from dagster_project.scoring.lifetime import purchase_model
from dagster_project.scoring.lifetime.purchase_model import (
    PurchaseModel,
    PurchaseModelName,
    PurchaseSummaries,
    SummaryFault,
    fit_purchase_model,
    log_likelihood,
)

NAMES: tuple[PurchaseModelName, ...] = ("mbg_nbd", "bg_nbd")
PARAMETERS = st.tuples(st.floats(0.05, 20), st.floats(0.5, 2_000), st.floats(0.05, 20),
                       st.floats(0.05, 50))


def simulated(
    buyers: int, seed: int, parameters: tuple[float, float, float, float] = (0.8, 60.0, 0.9, 2.5)
) -> PurchaseSummaries:
    """Buyers who leave after a purchase, the first among them, as MBG/NBD has it; in days."""
    r, alpha, a, b = parameters
    random = np.random.default_rng(seed)
    age = random.integers(30, 400, buyers).astype(float)
    rate, chance = random.gamma(r, 1 / alpha, buyers), random.beta(a, b, buyers)
    repeats, last = np.zeros(buyers), np.zeros(buyers)
    for row in range(buyers):
        now = 0.0
        while random.random() > chance[row]:
            now += max(random.exponential(1 / rate[row]), 1e-6)
            if now > age[row]:
                break
            repeats[row] += 1
            last[row] = now
    return PurchaseSummaries.of(repeats, last, age)


@st.composite
def summaries(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, t_x, T of a few customers, in days: no more purchase days than days."""
    rows = draw(st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 3_000),
                                   st.integers(0, 3_000)), min_size=1, max_size=20))
    x = np.array([row[0] for row in rows], float)
    t_x = np.where(x > 0, np.maximum(x, [row[1] for row in rows]), 0.0)
    return x, t_x, t_x + [row[2] for row in rows]


@pytest.mark.parametrize("name", NAMES)
@given(parameters=PARAMETERS, customers=summaries())
@settings(max_examples=60, deadline=None)
def test_the_gradient_is_that_of_the_likelihood(
    name: PurchaseModelName, parameters: tuple[float, ...],
    customers: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    likelihood = log_likelihood(name, PurchaseSummaries.of(*customers))
    point = np.log(parameters)
    _, gradient = likelihood(point)
    differences = approx_fprime(point, lambda logs: likelihood(logs)[0], 1e-6)
    scale = 1 + np.abs(likelihood(point)[0])
    assert np.allclose(gradient, differences, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("name", NAMES)
def test_order_and_batches_do_not_matter(name: PurchaseModelName) -> None:
    found = simulated(600, 3)
    rows = np.repeat(np.arange(len(found.age)), found.customers)
    shuffled = np.random.default_rng(5).permutation(rows)
    whole = PurchaseSummaries.of(found.repeats[shuffled], found.recency[shuffled],
                                 found.age[shuffled])
    parts = PurchaseSummaries.merged([
        PurchaseSummaries.of(found.repeats[part], found.recency[part], found.age[part])
        for part in np.array_split(shuffled[::-1], 7)])
    assert fit_purchase_model(name, whole) == fit_purchase_model(name, parts)


def test_true_parameters_are_found_again_in_any_unit_of_time() -> None:
    true = (0.8, 60.0, 0.9, 2.5)
    found = simulated(20_000, 11, true)
    days = fit_purchase_model("mbg_nbd", found)
    assert days.is_converged
    # Twice the gain in likelihood is chi-squared with four degrees of freedom: under 18.5 in all
    # but one of a thousand samples.
    likely, _ = log_likelihood("mbg_nbd", found)(np.log(true))
    assert 0 <= 2 * found.total * (days.log_likelihood - likely) < 18.5
    weeks = fit_purchase_model("mbg_nbd", PurchaseSummaries.of(
        found.repeats, found.recency / 7, found.age / 7, found.customers))
    scaled = np.array(weeks.parameters) * [1, 7, 1, 1]
    assert np.allclose(scaled, days.parameters, rtol=1e-4)


def test_equal_customers_have_no_best_parameters() -> None:
    """Nobody differs, so nothing says how rates or chances are spread: no success is claimed."""
    same = PurchaseSummaries.of(np.full(500, 3.0), np.full(500, 90.0), np.full(500, 120.0))
    assert not fit_purchase_model("mbg_nbd", same).is_converged


def test_a_prior_hardly_moves_what_the_data_say() -> None:
    found = simulated(5_000, 11)
    free, held = (fit_purchase_model("mbg_nbd", found, has_prior=has) for has in (False, True))
    assert free.is_converged and held.is_converged and held != free
    likely, _ = log_likelihood("mbg_nbd", found)(np.log(held.parameters))
    assert 0 <= found.total * (free.log_likelihood - likely) < 0.1


@pytest.mark.parametrize("name", NAMES)
@given(parameters=PARAMETERS, customers=summaries())
@settings(max_examples=60, deadline=None)
def test_every_customer_has_a_valid_answer(
    name: PurchaseModelName, parameters: tuple[float, float, float, float],
    customers: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    model = PurchaseModel(name, *parameters)
    x, t_x, age = customers
    p_alive = model.p_alive(x, t_x, age)
    assert ((p_alive >= 0) & (p_alive <= 1)).all()
    bought = model.purchases_if_alive(x, age, np.array([1.0, 30.0, 365.0, 3_650.0]))
    assert np.isfinite(bought).all() and (bought >= 0).all()
    assert (np.diff(bought, axis=1) >= 0).all()
    # Nobody buys more than the mean of a customer who never leaves.
    never_left = (model.r + x)[:, None] / (model.alpha + age)[:, None] * [1, 30, 365, 3_650]
    assert (bought <= never_left * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", NAMES)
def test_extremes_give_numbers(name: PurchaseModelName) -> None:
    """Parameters at the bounds of the search, over a grid of all that customers can be."""
    x, silence, idle = (np.array(column, float) for column in zip(*itertools.product(
        (0, 1, 50, 5_000), (0, 1, 10_000), (0, 1, 30_000)), strict=True))
    t_x = np.where(x > 0, x + silence, 0.0)
    for parameters in itertools.product((1e-4, 1e4), (1e-4, 1e6), (1e-4, 1.0, 1e4), (1e-4, 1e5)):
        model = PurchaseModel(name, *parameters)
        p_alive = model.p_alive(x, t_x, t_x + idle)
        bought = model.purchases_if_alive(x, t_x + idle, np.array([30.0, 3_650.0]))
        assert ((p_alive >= 0) & (p_alive <= 1)).all()
        assert np.isfinite(bought).all() and (bought >= 0).all()


@pytest.mark.parametrize("name", NAMES)
@given(parameters=PARAMETERS, x=st.integers(1, 200), age=st.integers(200, 2_000))
@settings(max_examples=60, deadline=None)
def test_a_later_last_purchase_never_lowers_the_chance_to_be_alive(
    name: PurchaseModelName, parameters: tuple[float, float, float, float], x: int, age: int,
) -> None:
    last = np.linspace(1, age, 50)
    p_alive = PurchaseModel(name, *parameters).p_alive(
        np.full(50, float(x)), last, np.full(50, float(age)))
    assert (np.diff(p_alive) >= -1e-12).all()


def test_only_the_modified_model_doubts_who_bought_once() -> None:
    once = np.zeros(2), np.zeros(2), np.array([10.0, 700.0])
    assert (PurchaseModel("bg_nbd", 0.5, 40, 0.8, 2).p_alive(*once) == 1).all()
    fresh, old = PurchaseModel("mbg_nbd", 0.5, 40, 0.8, 2).p_alive(*once)
    assert old < fresh < 1


@pytest.mark.parametrize("a", [0.4, 0.9999, 1.7, 3.2])
def test_expected_purchases_are_those_of_the_closed_form(a: float) -> None:
    """The hypergeometric form of Fader, Hardie and Lee (2005), where it keeps its digits."""
    r, alpha, b, age, horizon = 0.243, 30.9, 2.426, 272.0, 273.0
    for x in (0.0, 2.0, 7.0):
        tail = hyp2f1(r + x, b + x, a + b + x - 1, horizon / (alpha + age + horizon))
        closed = (a + b + x - 1) / (a - 1) * (
            1 - ((alpha + age) / (alpha + age + horizon)) ** (r + x) * tail)
        found = PurchaseModel("bg_nbd", r, alpha, a, b).purchases_if_alive(
            np.array([x]), np.array([age]), np.array([horizon]))[0, 0]
        assert found == pytest.approx(closed, rel=1e-6)


def test_the_modified_likelihood_is_that_of_its_story() -> None:
    """One customer, one repeat purchase: alive, or gone after it; averaged by the definition."""
    r, alpha, a, b, t_x, age = 0.7, 12.0, 0.9, 2.0, 5.0, 20.0
    stayed = beta(a, b + 2) / beta(a, b) * r * alpha**r * (alpha + age) ** -(r + 1)
    left = beta(a + 1, b + 1) / beta(a, b) * r * alpha**r * (alpha + t_x) ** -(r + 1)
    found, _ = log_likelihood("mbg_nbd", PurchaseSummaries.of(
        np.array([1.0]), np.array([t_x]), np.array([age])))(np.log([r, alpha, a, b]))
    assert found == pytest.approx(np.log(stayed + left))
    p_alive = PurchaseModel("mbg_nbd", r, alpha, a, b).p_alive(
        np.array([1.0]), np.array([t_x]), np.array([age]))
    assert p_alive[0] == pytest.approx(stayed / (stayed + left))


@pytest.mark.parametrize(("x", "t_x", "age"), [(1, 0, 5), (0, 1, 5), (1, 6, 5), (1, 2, np.nan)])
def test_impossible_summaries_are_refused(x: float, t_x: float, age: float) -> None:
    with pytest.raises(SummaryFault, match="cannot be"):
        PurchaseSummaries.of(*(np.array([float(value)]) for value in (x, t_x, age)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("has_prior", [False, True])
def test_a_sample_shows_where_to_begin_and_changes_nothing(
    name: PurchaseModelName, has_prior: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = simulated(10_000, 6)
    fit = fit_purchase_model(name, found, has_prior=has_prior)
    monkeypatch.setattr(purchase_model, "LARGE_SUMMARIES", 1_000)
    monkeypatch.setattr(purchase_model, "SAMPLE_CUSTOMERS", 2_000)
    sampled = fit_purchase_model(name, found, has_prior=has_prior)
    assert sampled.is_converged
    assert sampled.parameters == fit.parameters
