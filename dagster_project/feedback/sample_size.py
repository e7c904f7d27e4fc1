"""How many customers must be kept apart to see a wished effect on a share.

The normal approximation without correction for continuity (Fleiss, Levin, Paik 2003, Statistical
Methods for Rates and Proportions, chapter 4), for groups of unequal size: the effect is seen with
the power

    Phi((effect - z sqrt(p (1-p) (1/n_t + 1/n_c))) / sqrt(p_t (1-p_t)/n_t + p_c (1-p_c)/n_c))

with p_c the base rate, p_t = p_c + effect, p their mean over both groups, and z = 1.96: a two-sided
test at 5 %. Pure arithmetic.
"""

from __future__ import annotations

import math

from scipy import stats

from dagster_project.scoring.population import Z

_STEPS = 60


def power(base_rate: float, effect: float, treated_n: int, control_n: int) -> float:
    """Chance, 0-1, that an effect is told from none.

    Args:
        base_rate: share without treatment, 0-1.
        effect: by how much the treatment raises it, above 0; base_rate + effect is at most 1.
        treated_n, control_n: customers of each group; 0 in one: nothing can be told.
    """
    if not treated_n or not control_n:
        return 0.0
    raised = base_rate + effect
    pooled = (treated_n * raised + control_n * base_rate) / (treated_n + control_n)
    if_none = math.sqrt(pooled * (1 - pooled) * (1 / treated_n + 1 / control_n))
    if_there = math.sqrt(raised * (1 - raised) / treated_n
                         + base_rate * (1 - base_rate) / control_n)
    distance = effect - Z * if_none
    if not if_there:
        return 1.0 if distance > 0 else 0.0
    return float(stats.norm.cdf(distance / if_there))


def detectable_effect(base_rate: float, wished_power: float, treated_n: int,
                      control_n: int) -> float | None:
    """The smallest effect that these groups show with the wished power; None: not even to 1."""
    low, high = 0.0, 1 - base_rate
    if power(base_rate, high, treated_n, control_n) < wished_power:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if power(base_rate, middle, treated_n, control_n) < wished_power:
            low = middle
        else:
            high = middle
    return high
