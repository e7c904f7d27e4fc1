"""Weights that move by a tenth: they stay weights, and the labels follow as worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dagster_project.configuration import Configuration
from dagster_project.scoring.reference import ProfileReference, Reference
from dagster_project.scoring.sensitivity import NUDGES, nudged, sensitivities

THRESHOLD = {"method": "threshold", "points": [[0, 0], [100, 100]]}


@pytest.fixture(scope="module")
def configuration(configure: Any) -> Configuration:
    """Two facts that are their own scores; they make the CRM value half and half."""
    indicators = {
        name: {"kind": "sum", "of": "orders", "column": column, "score": THRESHOLD}
        for name, column in (("amount", "net_revenue"), ("margin", "margin"))
    }
    made: Configuration = configure(
        indicators, {"crm_value": {"amount": 0.5, "margin": 0.5}}, min_coverage=0.5,
        tiers={"high": {"score": 80}, "medium": {"score": 50}})
    return made


def customers(*facts: tuple[float | None, float | None]) -> pd.DataFrame:
    return pd.DataFrame([
        {"customer_key": f"k{number}", "as_of_date": None, "profile": "all", "purchases_n": 1,
         "median_gap_days": None, "days_since_last_purchase": 1.0, "is_in_population": True,
         "amount__value": amount, "margin__value": margin}
        for number, (amount, margin) in enumerate(facts)
    ])


def reference_of(configuration: Configuration) -> Reference:
    return Reference("r", None, {"all": ProfileReference()})  # type: ignore[arg-type]


def test_a_customer_at_the_cut_hangs_on_both_weights(configuration: Configuration) -> None:
    """(100, 0) has 50, medium: with 0.55 for amount 55, with 0.45 it has 45, low. The customer
    whose margin is not measured is covered by half, which a tenth less must not end."""
    found = {
        (one.label, one.composite, one.part): (one.more_n, one.less_n, one.customers_n)
        for one in sensitivities([customers((100, 0), (90, 90), (60, None))],
                                 reference_of(configuration), configuration)
    }
    assert found == {
        ("tier", "crm_value", "amount"): (0, 1, 3),
        ("tier", "crm_value", "margin"): (1, 0, 3),
    }


def test_batches_are_one_population(configuration: Configuration) -> None:
    rows = customers((100, 0), (90, 90), (60, None), (0, 100))
    whole = sensitivities([rows], reference_of(configuration), configuration)
    assert sensitivities([rows.iloc[:1], rows.iloc[1:]], reference_of(configuration),
                         configuration) == whole


@settings(deadline=None, max_examples=200)
@example(cuts=[1, 2, 34094, 943182], position=3, factor=NUDGES[0])
@example(cuts=[1, 2, 3], position=3, factor=NUDGES[0])
@example(cuts=[1, 2, 3], position=3, factor=NUDGES[1])
@given(cuts=st.lists(st.integers(1, 999_999), min_size=1, max_size=5, unique=True),
       position=st.integers(0, 5), factor=st.sampled_from(NUDGES))
def test_nudged_weights_add_up_to_one(
    configuration: Configuration, cuts: list[int], position: int, factor: Decimal
) -> None:
    edges = [0, *sorted(cuts), 1_000_000]
    weights = {f"p{number}": Decimal(high - low).scaleb(-6)
               for number, (low, high) in enumerate(zip(edges, edges[1:], strict=False))}
    part = f"p{position % len(weights)}"
    composite = configuration.composites["crm_value"].model_copy(update={"parts": weights})
    given_configuration = configuration.model_copy(update={
        "composites": {**configuration.composites, "crm_value": composite}})
    moved = nudged(given_configuration, "crm_value", part, factor).composites["crm_value"].parts
    assert sum(moved.values()) == 1
    assert min(moved.values()) > 0
    assert (moved[part] - weights[part]) * (factor - 1) >= 0
