"""From composites to labels: tier, quadrant, lifecycle stage.

Labels are cut on the two decimals that people see; intervals are half-open, [low, high). Every
customer has one of each. Labels that look at earlier nights are no business of this module.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dagster_project.configuration import (
    LEVELS,
    STAGES,
    TIERS,
    Configuration,
    quadrant_name,
)
from dagster_project.scoring.exact import (
    NOT_MEASURED,
    POINT,
    Mask,
    Real,
    Whole,
    scaled,
    to_hundredths,
)
from dagster_project.scoring.indicators import facts
from dagster_project.scoring.reference import Reference

INSUFFICIENT = "insufficient_data"
TIER_NAMES = (*TIERS, INSUFFICIENT)
QUADRANT_NAMES = (
    *(quadrant_name(value, loyalty) for value in LEVELS for loyalty in LEVELS), INSUFFICIENT,
)
# Column of the label -> all that it can be.
LABELS = {"tier": TIER_NAMES, "quadrant": QUADRANT_NAMES, "lifecycle_stage": STAGES}


def _reaches(units: Whole, cut_units: int) -> Mask:
    return to_hundredths(units) * 100 >= cut_units


def label_positions(
    features: pd.DataFrame, composites: Mapping[str, Whole], reference: Reference,
    configuration: Configuration, profile: str,
) -> dict[str, Whole]:
    """Every kind of LABELS: positions among its words.

    Args:
        features: a batch of customers of one profile.
        composites: by name, ten-thousandths of a point.
        reference: cuts and gap.
        configuration: cuts and bounds.
        profile: that of the batch.
    """
    return {
        "tier": tiers(composites["crm_value"], reference, configuration, profile),
        "quadrant": quadrants(composites["matrix_value_score"],
                              composites["matrix_loyalty_score"], reference, configuration,
                              profile),
        "lifecycle_stage": stages(features, composites["loyalty_degree_score"],
                                  reference.profile(profile).gap_days, configuration),
    }


def tiers(
    crm_value: Whole, reference: Reference, configuration: Configuration, profile: str
) -> Whole:
    """Positions in TIER_NAMES, by the CRM value in ten-thousandths."""
    cuts = configuration.tier_cuts(profile)
    high = reference.cut_units(profile, "crm_value", cuts.high)
    medium = reference.cut_units(profile, "crm_value", cuts.medium)
    return np.select(
        [crm_value == NOT_MEASURED, _reaches(crm_value, high), _reaches(crm_value, medium)],
        [3, 0, 1], default=2,
    )


def quadrants(
    value: Whole,
    loyalty: Whole,
    reference: Reference,
    configuration: Configuration,
    profile: str,
) -> Whole:
    """Positions in QUADRANT_NAMES, by the two axes of the matrix in ten-thousandths."""
    cuts = configuration.matrix_cuts(profile)
    value_cut = reference.cut_units(profile, "matrix_value_score", cuts.value)
    loyalty_cut = reference.cut_units(profile, "matrix_loyalty_score", cuts.loyalty)
    cell = 2 * ~_reaches(value, value_cut) + ~_reaches(loyalty, loyalty_cut)
    is_missing = (value == NOT_MEASURED) | (loyalty == NOT_MEASURED)
    return np.where(is_missing, 4, cell)


def stages(
    features: pd.DataFrame,
    loyalty_degree: Whole,
    population_gap_days: float,
    configuration: Configuration,
) -> Whole:
    """Positions in STAGES.

    Args:
        features: purchases_n, median_gap_days, days_since_last_purchase of a batch; where a
            refunded purchase counts, refunded_orders_n and days_since_last_refunded_order, too.
        loyalty_degree: ten-thousandths of a point.
        population_gap_days: stands in for the gap of those without one of their own (a single
            day of purchases); NaN: then the least number of days alone decides.
        configuration: the bounds.

    Returns:
        lost and lapsing come before the stages of growth, a prospect before all.
    """
    bounds = configuration.lifecycle
    purchases, silent_days = facts(features, "purchases_n"), facts(
        features, "days_since_last_purchase")
    if bounds.refunded_purchase_counts:
        is_all_refunded = ~(purchases > 0) & (facts(features, "refunded_orders_n") > 0)
        purchases = np.where(is_all_refunded, 1, purchases)
        silent_days = np.where(
            is_all_refunded, facts(features, "days_since_last_refunded_order"), silent_days)
    allowed = _allowed_silence(
        facts(features, "median_gap_days"), population_gap_days,
        float(bounds.lapsing_gap_factor),
    )
    is_lapsing = (silent_days > allowed) & (silent_days >= bounds.lapsing_minimum_days)
    is_loyal = (purchases >= bounds.loyal_purchases) & _reaches(
        loyalty_degree, scaled(bounds.loyal_score, POINT)
    )
    names = ("prospect", "lost", "lapsing", "loyal", "repeat")
    return np.select(
        [~(purchases > 0), silent_days > bounds.lost_days, is_lapsing, is_loyal, purchases >= 2],
        [STAGES.index(name) for name in names],
        default=STAGES.index("first_purchase"),
    )


def _allowed_silence(own_gaps: Real, population_gap_days: float, factor: float) -> Real:
    gaps = np.where(np.isnan(own_gaps), population_gap_days, own_gaps)
    return np.where(np.isnan(gaps), 0.0, factor * gaps)
