"""The published inverse leads back to the score it stands beside."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.scoring.exact import shown
from dagster_project.scoring.indicators import indicator_scores
from dagster_project.scoring.score_curves import (
    SHOWN_SCORES,
    Reached,
    Scale,
    reached,
    scale_of,
    score_curves,
)

# Scores are rounded to four decimals.
ROUNDING = 0.00005 + 1e-9
MORE = {"kind": "count", "of": "orders", "window_days": 365,
        "score": {"method": "percentile", "better": "more"}}
LESS = {"kind": "days_since", "of": "orders", "score": {"method": "percentile", "better": "less"}}
POINTS = {"kind": "count", "of": "orders",
          "score": {"method": "threshold", "points": [[0, 100], [1, 40], [3, 0]]}}
FLAT = {"kind": "count", "of": "orders",
        "score": {"method": "threshold", "points": [[1, 20], [2, 50], [5, 50], [9, 90]]}}
CSAT = {"kind": "mean_answer", "of": "surveys", "instrument": "csat",
        "score": {"method": "survey", "k": 3}}


def leads_back(found: Reached, score: float, score_of) -> None:
    """What is said of a score is true of the scores that customers get."""
    if found.relation == "any":
        assert min(score_of([-1e9, 1e9])) >= score - ROUNDING
    elif found.relation == "never":
        assert max(score_of([-1e9, 1e9])) < score
    else:
        up, low = np.nextafter(found.fact, math.inf), np.nextafter(found.fact, -math.inf)
        good, bad = {
            "at_least": (found.fact, low), "more_than": (up, found.fact),
            "at_most": (found.fact, up), "less_than": (low, found.fact),
        }[found.relation]
        reached_score, missed_score = score_of([good, bad])
        assert reached_score >= score - ROUNDING
        assert missed_score <= score + ROUNDING


@settings(max_examples=15, deadline=None)
@given(facts=st.lists(st.one_of(st.integers(0, 6), st.floats(0, 1e5, width=32)), min_size=1,
                      max_size=40))
def test_a_percentile_leads_back(configure, customers, fitted, facts):
    configuration = configure({"orders": MORE, "silence": LESS})
    values = [float(fact) for fact in facts]
    reference = fitted(customers(configuration, orders__value=values, silence__value=values),
                       configuration)
    for name in ("orders", "silence"):
        scale = scale_of(configuration.indicators[name], reference.profile("all").curves[name])

        def score_of(probes, name=name):
            features = customers(configuration, **{f"{name}__value": [float(x) for x in probes]})
            own = reference.profile("all")
            return shown(indicator_scores(features, own, configuration)[name]).tolist()

        for score in (0, 35, 70, 100):
            leads_back(reached(scale, score), score, score_of)


@pytest.mark.parametrize("indicator", [POINTS, FLAT])
def test_points_lead_back(configure, customers, fitted, indicator):
    configuration = configure({"orders": indicator})
    reference = fitted(customers(configuration, orders__value=[1.0]), configuration)
    scale = scale_of(configuration.indicators["orders"], None)

    def score_of(probes):
        features = customers(configuration, orders__value=[float(x) for x in probes])
        own = reference.profile("all")
        return shown(indicator_scores(features, own, configuration)["orders"]).tolist()

    for score in SHOWN_SCORES:
        leads_back(reached(scale, score), score, score_of)


def test_inverse_by_hand():
    """Two customers, 10 and 20: mid-ranks 25 and 75."""
    more = Scale(np.array([10.0, 20.0]), np.array([25.0, 75.0]), 0, 100)
    assert reached(more, 0).relation == "any"
    assert reached(more, 25) == Reached("at_least", 10.0)
    assert reached(more, 5) == Reached("at_least", 10.0)
    assert reached(more, 50) == Reached("at_least", 15.0)
    assert reached(more, 80) == Reached("more_than", 20.0)
    less = Scale(np.array([10.0, 20.0]), np.array([75.0, 25.0]), 100, 0)
    assert reached(less, 50) == Reached("at_most", 15.0)
    assert reached(less, 80) == Reached("less_than", 10.0)
    assert reached(less, 25) == Reached("at_most", 20.0)


def test_points_that_stop_short_are_never_reached():
    scale = Scale(np.array([0.0, 4.0]), np.array([30.0, 80.0]), 30, 80)
    assert [reached(scale, score).relation for score in (30, 31, 80, 81)] == [
        "any", "at_least", "at_least", "never"]


def test_table_has_every_fifth_point_of_what_has_a_scale(configure, customers, fitted):
    configuration = configure({"orders": MORE, "silence": LESS, "points": POINTS, "csat": CSAT})
    reference = fitted(customers(configuration, orders__value=[10.0, 20.0]), configuration)
    frame = score_curves(reference, configuration)
    # Nobody was silent, and answers are their own scores.
    assert set(frame["indicator"]) == {"orders", "points"}
    orders = frame[frame["indicator"] == "orders"].set_index("score")
    assert orders.index.tolist() == list(SHOWN_SCORES)
    assert orders.loc[50, ["relation", "fact", "window_days"]].tolist() == ["at_least", 15.0, 365]
