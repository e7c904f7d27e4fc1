"""Drift: bins that are fixed with a reference, PSI over them, since when something is observed."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.scoring.drift import (
    ENOUGH_CUSTOMERS,
    FirstDates,
    customers_in,
    filled_share,
    fit_bins,
    psi,
    reference_drift,
)
from dagster_project.scoring.reference import ProfileReference, Reference

D = datetime.date(2026, 11, 20)
COUNT = {"kind": "count", "of": "orders", "window_days": 365, "score": {"method": "percentile"}}
MARGIN = {"kind": "sum", "of": "orders", "column": "margin", "score": {"method": "percentile"}}
VISITS = {"kind": "count", "of": "interactions", "window_days": 30,
          "score": {"method": "threshold", "points": [[0, 0], [9, 100]]}}
CSAT = {"kind": "mean_answer", "of": "surveys", "instrument": "csat", "window_days": 365,
        "score": {"method": "survey", "k": 3}}
TENURE = {"kind": "attribute", "of": "customers", "column": "tenure",
          "score": {"method": "percentile"}}

FACTS = st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.0, 1.0, 2.5]),
                           st.floats(-50, 1e6, width=32)), min_size=1, max_size=60)


def bins_of(facts):
    """Bins of a population given as facts, None not measured."""
    values, customers = np.unique([fact + 0.0 for fact in facts if fact is not None],
                                  return_counts=True)
    return fit_bins(values, customers.astype(np.int64), facts.count(None))


def by_hand(expected, actual, lower):
    """PSI of two lists of facts, counted one by one."""
    def shares(facts):
        counts = [0] * (len(lower) + 1)
        for fact in facts:
            counts[0 if fact is None else max(1, sum(fact >= low for low in lower))] += 1
        return [(count + 0.5) / (len(facts) + 0.5 * len(counts)) for count in counts]

    return sum((a - e) * math.log(a / e)
               for e, a in zip(shares(expected), shares(actual), strict=True))


@settings(max_examples=100, deadline=None)
@given(then=FACTS, now=FACTS)
def test_psi_is_that_of_an_independent_computation(then, now):
    bins = bins_of(then)
    found = psi(bins.customers, customers_in(bins, np.array(now, float)))
    assert found == pytest.approx(by_hand(then, now, bins.lower.tolist()), abs=1e-6)
    assert found >= 0


@settings(max_examples=100, deadline=None)
@given(facts=FACTS)
def test_bins_hold_their_own_population(facts):
    bins = bins_of(facts)
    assert bins.customers.tolist() == customers_in(bins, np.array(facts, float)).tolist()
    assert bins.customers.sum() == len(facts)
    assert len(bins.lower) <= 23
    assert (np.diff(bins.lower) > 0).all()
    assert psi(bins.customers, bins.customers) == 0


@settings(max_examples=60, deadline=None)
@given(facts=FACTS)
def test_what_many_share_is_not_blurred_with_what_lies_beside_it(facts):
    """A fact of more than a decile has its bin; other bins hold two deciles at most."""
    measured = np.array([fact for fact in facts if fact is not None])
    position = np.searchsorted(bins_of(facts).lower, measured, side="right")
    for one in np.unique(position):
        members = measured[position == one]
        assert len(np.unique(members)) == 1 or len(members) <= 2 * len(measured) / 10 + 2
        assert (members > 0).all() or (members <= 0).all()
        for fact in np.unique(members):
            assert (members == fact).sum() <= len(measured) / 10 or (members == fact).all()


def test_psi_by_hand():
    """99 and 1 customers become 49 and 51; half a customer is added to each bin."""
    shares = [(99.5 / 101, 49.5 / 101), (1.5 / 101, 51.5 / 101)]
    expected = sum((a - e) * math.log(a / e) for e, a in shares)
    assert psi(np.array([99, 1]), np.array([49, 51])) == round(expected, 6) == 2.096189


def test_random_draws_of_enough_customers_raise_no_alarm():
    """Two draws from one population differ by about (bins - 1)(1/n + 1/m) on the average."""
    random = np.random.default_rng(1)
    found = []
    for _ in range(200):
        bins = bins_of(random.exponential(100, ENOUGH_CUSTOMERS).tolist())
        found.append(psi(bins.customers,
                         customers_in(bins, random.exponential(100, ENOUGH_CUSTOMERS))))
    bins_n = 10
    assert np.mean(found) == pytest.approx((bins_n - 1) * 2 / ENOUGH_CUSTOMERS, rel=0.15)
    assert max(found) < 0.25


@pytest.fixture(scope="module")
def configuration(configure):
    """One indicator of each source."""
    return configure({"orders": COUNT, "margin": MARGIN, "visits": VISITS, "csat": CSAT,
                      "tenure": TENURE})


@pytest.fixture(scope="module")
def drawn(configuration, customers):
    """Draws a population whose orders grow by a factor."""
    def draw(rows, factor, seed=1):
        random = np.random.default_rng(seed)
        orders = np.where(random.random(rows) < 0.4, 0, random.poisson(5, rows) * factor)
        answered = random.random(rows) < 0.2
        return customers(
            configuration, orders__value=orders.astype(float).tolist(),
            visits__value=random.poisson(2, rows).astype(float).tolist(),
            csat__value=np.where(answered, random.integers(1, 5, rows) * 25.0, np.nan).tolist(),
            csat__n=np.where(answered, 1.0, np.nan).tolist())

    return draw


def drift(batches, reference, configuration):
    """status and psi by indicator."""
    frame = reference_drift(batches, reference, configuration, FirstDates(), D)
    return frame.set_index("indicator")


def test_the_night_of_the_fit_has_no_drift(configuration, drawn, fitted):
    population = drawn(600, 1)
    frame = drift([population], fitted(population, configuration), configuration)
    assert frame["psi"].tolist() == [0.0] * 5
    assert set(frame["status"]) == {"stable"}
    assert frame["customers_n"].tolist() == frame["reference_customers_n"].tolist() == [600] * 5
    assert frame.loc["csat", "measured_n"] == population["csat__value"].notna().sum()
    assert frame.loc["tenure", "measured_n"] == 0


def test_what_moved_is_told_from_what_did_not(configuration, drawn, fitted):
    frame = drift([drawn(600, 3, seed=2)], fitted(drawn(600, 1), configuration), configuration)
    assert frame["status"].to_dict() == {
        "orders": "drifted", "margin": "stable", "visits": "stable", "csat": "stable",
        "tenure": "stable"}


def test_what_nobody_had_when_the_reference_was_fitted_has_moved(configuration, drawn, fitted):
    reference = fitted(drawn(600, 1), configuration)
    now = drawn(600, 1).assign(tenure__value=3.0)
    assert drift([now], reference, configuration).loc["tenure", "status"] == "drifted"


def test_order_and_batches_do_not_change_the_drift(configuration, drawn, fitted):
    reference = fitted(drawn(400, 1), configuration)
    now = drawn(500, 2, seed=3)
    whole = drift([now], reference, configuration)
    mixed = now.sample(frac=1, random_state=4)
    parts = [mixed.iloc[start:start + 170] for start in range(0, len(mixed), 170)]
    pd.testing.assert_frame_equal(drift(parts, reference, configuration), whole)


def test_few_customers_are_called_few(configuration, drawn, fitted):
    reference = fitted(drawn(ENOUGH_CUSTOMERS, 1), configuration)
    few = drift([drawn(ENOUGH_CUSTOMERS - 1, 3)], reference, configuration)
    assert set(few["status"]) == {"too_few"}
    assert few.loc["orders", "psi"] > 0.25
    assert set(drift([], reference, configuration)["status"]) == {"not_available"}


def test_a_reference_from_before_there_were_bins_is_not_compared(configuration, drawn, fitted):
    """Homes that have one keep publishing until the next is fitted."""
    frame = fitted(drawn(400, 1), configuration).to_frame()
    old = Reference.from_frame(frame[~frame["item_kind"].isin(["bin", "label"])],
                               reference_id="r0", valid_from=D)
    found = drift([drawn(400, 1)], old, configuration)
    assert set(found["status"]) == {"not_available"}
    assert found["psi"].isna().all() and found["reference_customers_n"].isna().all()
    assert set(found["customers_n"]) == {400}


def test_each_profile_is_compared_with_its_own_population(configure, customers, fitted):
    configuration = configure(
        {"orders": COUNT},
        profiles=[{"name": "b2b", "customer_types": ["company"]}, {"name": "all"}])
    then = customers(configuration, profile=["b2b"] * 400 + ["all"] * 400,
                     orders__value=[100.0] * 400 + [1.0] * 400)
    now = then.assign(orders__value=100.0)
    found = reference_drift([now], fitted(then, configuration), configuration, FirstDates(), D)
    assert dict(zip(found["profile"], found["status"], strict=True)) == {
        "b2b": "stable", "all": "drifted"}


@pytest.mark.parametrize(("name", "since", "share"), [
    ("orders", datetime.date(2026, 11, 20), 1 / 365),
    ("margin", datetime.date(2026, 1, 5), None),
    ("visits", datetime.date(2026, 10, 1), 1.0),
    ("csat", None, 0.0),
    ("tenure", None, None),
])
def test_since_when_an_indicator_is_observed(configuration, name, since, share):
    first = FirstDates(orders=D, costs=datetime.date(2026, 1, 5),
                       interactions=datetime.date(2026, 10, 1),
                       answers={"nps": datetime.date(2026, 2, 2)})
    indicator = configuration.indicators[name]
    assert first.of(indicator) == since
    found = filled_share(indicator, since, D)
    assert math.isnan(found) if share is None else found == pytest.approx(share, abs=5e-7)


def test_a_window_that_begins_today_is_filled_by_one_day(configuration):
    frame = reference_drift([], Reference("r", D, {"all": ProfileReference()}), configuration,
                            FirstDates(orders=D), D).set_index("indicator")
    assert frame.loc["orders", "window_filled_share"] == 0.00274
    assert frame.loc["orders", "observed_from"] == pd.Timestamp(D)
    assert pd.isna(frame.loc["csat", "observed_from"])
