"""Labels: half-open cuts on two decimals, quadrants, and the order of lifecycle stages."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from dagster_project.scoring.reference import ProfileReference, Reference
from dagster_project.scoring.score import score_batch

AS_IS = {"method": "threshold", "points": [[0, 0], [100, 100]]}
NUMBER = {"kind": "attribute", "of": "customers", "column": "number", "score": AS_IS}


@pytest.fixture(scope="module")
def scored_by(configure, customers):
    """Scores customers whose CRM value, axes and loyalty degree are given as they are."""
    configuration = configure(
        {"crm": NUMBER, "value": NUMBER, "loyalty": NUMBER, "degree": NUMBER},
        {"crm_value": {"crm": 1}, "matrix_value_score": {"value": 1},
         "matrix_loyalty_score": {"loyalty": 1}, "loyalty_degree_score": {"degree": 1}},
    )

    def score(gap_days=20.0, **columns):
        reference = Reference("r1", datetime.date(2026, 1, 1),
                              {"all": ProfileReference(gap_days=gap_days)})
        return score_batch(customers(configuration, **columns), reference, configuration)

    return score


def test_tiers_are_cut_on_the_two_decimals_people_see(scored_by):
    """79.995 is shown as 80.00 and is high; 79.9949 is shown as 79.99 and is not."""
    scored = scored_by(crm__value=[100.0, 80.0, 79.995, 79.9949, 50.0, 49.9949, 0.0, np.nan])
    assert scored["tier"].tolist() == [
        "high", "high", "high", "medium", "medium", "low", "low", "insufficient_data"]


def test_quadrants_need_both_axes(scored_by):
    """Every combination of sides has its cell, a missing axis has none."""
    scored = scored_by(value__value=[50.0, 50.0, 49.0, 49.0, np.nan, 90.0],
                       loyalty__value=[50.0, 49.0, 50.0, 49.0, 90.0, np.nan])
    assert scored["quadrant"].tolist() == [
        "high_value_high_loyalty", "high_value_low_loyalty", "low_value_high_loyalty",
        "low_value_low_loyalty", "insufficient_data", "insufficient_data"]


@pytest.mark.parametrize(("purchases", "silent", "gap", "degree", "stage"), [
    (0, np.nan, np.nan, 90.0, "prospect"),
    (1, 10.0, np.nan, 90.0, "first_purchase"),
    (1, 40.0, np.nan, 90.0, "first_purchase"),      # twice the 20 days of others, not over it
    (1, 41.0, np.nan, 90.0, "lapsing"),
    (2, 29.0, 3.0, 90.0, "repeat"),                 # over twice the gap, but under 30 days
    (2, 30.0, 3.0, 90.0, "lapsing"),
    (2, 100.0, 50.0, 90.0, "repeat"),
    (2, 101.0, 50.0, 90.0, "lapsing"),
    (2, 30.0, 14.5, 90.0, "lapsing"),
    (3, 10.0, 20.0, 60.0, "loyal"),
    (3, 10.0, 20.0, 59.995, "loyal"),               # shown as 60.00
    (3, 10.0, 20.0, 59.99, "repeat"),
    (3, 10.0, 20.0, np.nan, "repeat"),
    (2, 10.0, 20.0, 100.0, "repeat"),
    (9, 365.0, 200.0, 100.0, "loyal"),
    (9, 366.0, 200.0, 100.0, "lost"),
    (1, 366.0, np.nan, 0.0, "lost"),
])
def test_stage(scored_by, purchases, silent, gap, degree, stage):
    """Prospect first, then silence, then growth."""
    scored = scored_by(purchases_n=[purchases], days_since_last_purchase=[silent],
                       median_gap_days=[gap], degree__value=[degree])
    assert scored["lifecycle_stage"].tolist() == [stage]


@pytest.mark.parametrize(("counts", "stages"), [
    (False, ["prospect", "prospect", "prospect", "prospect", "repeat"]),
    (True, ["prospect", "first_purchase", "lapsing", "lost", "repeat"]),
])
def test_a_first_order_refunded_in_full_is_a_purchase_by_choice(
    configure, customers, counts, stages
):
    """Nothing, refunded lately, some time ago, long ago, and beside purchases that stand."""
    configuration = configure({"crm": NUMBER}, lifecycle={
        "loyal_purchases": 3, "loyal_score": 60, "lapsing_gap_factor": 2,
        "lapsing_minimum_days": 30, "lost_days": 365, "refunded_purchase_counts": counts})
    features = customers(
        configuration, purchases_n=[0, 0, 0, 0, 2], refunded_orders_n=[0, 2, 1, 1, 1],
        days_since_last_purchase=[np.nan] * 4 + [10.0],
        days_since_last_refunded_order=[np.nan, 9.0, 90.0, 400.0, 400.0])
    reference = Reference("r1", datetime.date(2026, 1, 1),
                          {"all": ProfileReference(gap_days=20.0)})
    scored = score_batch(features, reference, configuration)
    assert scored["lifecycle_stage"].tolist() == stages


def test_without_any_known_gap_the_least_number_of_days_decides(scored_by):
    """A young home has no second purchase yet."""
    scored = scored_by(gap_days=float("nan"), days_since_last_purchase=[29.0, 30.0])
    assert scored["lifecycle_stage"].tolist() == ["first_purchase", "lapsing"]
