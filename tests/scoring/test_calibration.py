"""Fitting: exact curves, means, gaps and cuts, whatever the order of rows and batches."""

from __future__ import annotations

import logging
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.scoring.calibration import MAX_KNOTS, cut_at
from dagster_project.scoring.indicators import FeatureFault
from dagster_project.scoring.reference import Reference
from dagster_project.scoring.score import score_batch

COUNT = {"kind": "count", "of": "orders", "score": {"method": "percentile"}}
AS_IS = {"kind": "attribute", "of": "customers", "column": "number",
         "score": {"method": "threshold", "points": [[0, 0], [100, 100]]}}
CSAT = {"kind": "mean_answer", "of": "surveys", "instrument": "csat",
        "score": {"method": "survey", "k": 3}}


class Batches:
    """Batches that can be read more than once."""

    def __init__(self, frame, size):
        self.frame, self.size = frame, size

    def __iter__(self):
        for start in range(0, len(self.frame), self.size):
            yield self.frame.iloc[start:start + self.size]


def test_order_and_batches_do_not_change_a_reference(default_configuration, many, fitted):
    """The same population gives the same numbers to the last bit, also from a generator."""
    features = many(1_000, seed=7)
    whole = fitted(features, default_configuration).to_frame()
    shuffled = features.sample(frac=1, random_state=3)
    for batches in (shuffled, Batches(shuffled, 130), iter(Batches(shuffled, 77))):
        frame = fitted(batches, default_configuration).to_frame()
        pd.testing.assert_frame_equal(frame, whole, check_exact=True)


def test_reference_survives_its_table(default_configuration, many, fitted):
    """A rebuild reads references back from the publication, rows in any order."""
    reference = fitted(many(300, seed=8), default_configuration)
    frame = reference.to_frame()
    again = Reference.from_frame(frame.sample(frac=1, random_state=5), reference_id="r1",
                                 valid_from=reference.valid_from)
    pd.testing.assert_frame_equal(again.to_frame(), frame, check_exact=True)
    batch = many(100, seed=9)
    pd.testing.assert_frame_equal(score_batch(batch, again, default_configuration),
                                  score_batch(batch, reference, default_configuration))
    assert not frame.duplicated(["profile", "item_kind", "item", "position"]).any()


def test_curve_that_nobody_was_measured_for_survives_its_table(configure, customers, fitted):
    """Never measured and unknown are different: only the second asks for a new reference."""
    configuration = configure({"orders": COUNT, "csat": CSAT})
    frame = fitted(customers(configuration), configuration).to_frame()
    again = Reference.from_frame(frame, reference_id="r1", valid_from=None)
    again.check(configuration)
    assert len(again.profile("all").curves["orders"].x) == 0
    assert np.isnan(again.profile("all").priors["csat"].mean)


def test_only_the_population_is_fitted_on(configure, customers, fitted):
    """Silent customers of long ago are scored, but are no ruler."""
    configuration = configure({"orders": COUNT})
    features = customers(configuration, orders__value=[1.0, 2.0, 9.0],
                         is_in_population=[True, True, False])
    curve = fitted(features, configuration).profile("all").curves["orders"]
    assert curve.x.tolist() == [1.0, 2.0]
    assert curve.y.tolist() == [25.0, 75.0]


def test_thinned_curve_is_off_by_less_than_a_tenth(configure, customers, fitted):
    """50,000 distinct facts with a step in the middle that a coarser ruler would smear."""
    configuration = configure({"orders": COUNT})
    facts = np.r_[np.arange(1, 30_001) / 30_001, np.ones(40_000), 1 + np.arange(1, 20_001)]
    features = customers(configuration, orders__value=facts.tolist())
    reference = fitted(features, configuration)
    assert len(reference.profile("all").curves["orders"].x) <= MAX_KNOTS
    exact = (pd.Series(facts).rank(method="average") - 0.5) / len(facts) * 100
    scores = score_batch(features, reference, configuration)["orders__score"]
    assert (scores - exact).abs().max() < 0.1


def test_median_gap_of_the_population(configure, customers, fitted):
    """Even numbers of customers take the middle of two; those without a gap do not count."""
    configuration = configure({"orders": COUNT})
    odd = customers(configuration, median_gap_days=[30.0, 10.0, 12.5, np.nan])
    even = customers(configuration, median_gap_days=[30.0, 10.0, 12.5, 20.0])
    assert fitted(odd, configuration).profile("all").gap_days == 12.5
    assert fitted(even, configuration).profile("all").gap_days == 16.25


def test_quantile_cuts_by_hand(configure, customers, fitted):
    """Ten customers at 5.25, 15.25 …: the top fifth begins at 85.25, half of all at 55.25."""
    configuration = configure(
        {"number": AS_IS}, tiers={"high": {"quantile": 0.8}, "medium": {"quantile": 0.5}})
    features = customers(configuration, number__value=[5.25 + 10 * n for n in range(10)])
    reference = fitted(features, configuration)
    assert reference.profile("all").cuts["crm_value"] == ((0.8, 85.25), (0.5, 55.25))
    tiers = score_batch(features, reference, configuration)["tier"]
    assert tiers.value_counts().to_dict() == {"high": 2, "medium": 3, "low": 5}
    near = customers(configuration, number__value=[85.25, 85.24, 55.25, 55.24])
    assert score_batch(near, reference, configuration)["tier"].tolist() == [
        "high", "medium", "medium", "low"]


def counts_of(*hundredths):
    return np.bincount(hundredths, minlength=10_001)


@pytest.mark.parametrize(("scores", "quantile", "cut"), [
    ([100, 200, 300], "0.5", 200),
    ([100, 200, 300], "0", 100),
    ([100, 200, 300], "1", 300),
    ([100, 200, 200, 200, 300], "0.5", 200),
    ([0, 0, 0, 500, 900], "0.5", 500),              # most have the least: the next begins it
    ([700, 700, 700], "0.5", 700),
    ([700], "0.8", 700),
    ([], "0.8", 8_000),
])
def test_cut_at(scores, quantile, cut):
    """Lower order statistics, and a cut that leaves somebody below where anybody differs."""
    assert cut_at(counts_of(*scores), Decimal(quantile)) == cut


def test_cuts_leave_out_customers_without_data(configure, customers, fitted):
    """A quantile of scores is one of those who have one."""
    configuration = configure(
        {"number": AS_IS}, tiers={"high": {"quantile": 0.5}, "medium": {"quantile": 0.25}})
    features = customers(configuration, number__value=[10.0, 20.0, 30.0, 40.0] + [np.nan] * 20)
    cuts = fitted(features, configuration).profile("all").cuts["crm_value"]
    assert cuts == ((0.5, 30.0), (0.25, 20.0))


def test_profile_without_customers_borrows_from_all_and_says_so(
    configure, customers, fitted, caplog
):
    """The first company a shop meets must be scored all the same."""
    configuration = configure(
        {"orders": COUNT, "csat": CSAT},
        tiers={"high": {"quantile": 0.8}, "medium": {"quantile": 0.5}},
        profiles=[{"name": "b2b", "customer_types": ["company"]}, {"name": "all"}],
    )
    features = customers(configuration, orders__value=[1.0, 2.0, 3.0], csat__value=[80.0] * 3,
                         csat__n=[1.0] * 3, median_gap_days=[9.0] * 3)
    with caplog.at_level(logging.WARNING):
        reference = fitted(features, configuration)
    own, everyone = reference.profile("b2b"), reference.profile("all")
    assert own.curves["orders"].x.tolist() == [1.0, 2.0, 3.0]
    assert own.priors == everyone.priors
    assert own.cuts == everyone.cuts
    assert own.gap_days == 9.0
    assert "profile b2b" in caplog.text and "orders" in caplog.text


def test_profiles_have_their_own_curves(configure, customers, fitted):
    """Companies order a hundred times more, and are ranked among companies."""
    configuration = configure(
        {"orders": COUNT},
        profiles=[{"name": "b2b", "customer_types": ["company"]}, {"name": "all"}])
    features = customers(configuration, profile=["all", "all", "b2b", "b2b"],
                         orders__value=[1.0, 2.0, 100.0, 200.0])
    scored = score_batch(features, fitted(features, configuration), configuration)
    assert scored["orders__score"].tolist() == [25.0, 75.0, 25.0, 75.0]


def test_mean_of_all_answers_is_exact_beyond_int64(configure, customers, fitted):
    """Weights x answers of a large home pass 2**63; a float sum would depend on the order."""
    configuration = configure({"csat": CSAT})
    features = customers(configuration, csat__value=[99.9999] * 60, csat__n=[900_000.0] * 60)
    assert fitted(features, configuration).profile("all").priors["csat"].mean == 99.9999


def test_unknown_column_is_named(configure, customers, fitted):
    """Features of another configuration cannot be fitted on."""
    configuration = configure({"orders": COUNT})
    with pytest.raises(FeatureFault, match="orders__value"):
        fitted(customers(configuration).drop(columns="orders__value"), configuration)


@settings(max_examples=40, deadline=None)
@given(facts=st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_mean_score_of_the_population_is_fifty(configure, customers, fitted, facts):
    """Mid-ranks are fair: whatever the ties, the population averages 50."""
    configuration = configure({"orders": COUNT})
    features = customers(configuration, orders__value=[float(fact) for fact in facts])
    scored = score_batch(features, fitted(features, configuration), configuration)
    assert scored["orders__score"].mean() == pytest.approx(50, abs=1e-4)
