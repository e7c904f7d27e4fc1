"""Differences between a treated and a control group, within strata, with 95 % intervals.

Here belong the estimates; which customers are compared, and which figures are shown, stands in
`campaigns.py`. Strata are customers who were alike before the treatment. A comparison over several
of them is the mean of their differences, weighed by their treated customers: groups that were
drawn with other shares in other strata would else be compared across them (Simpson's paradox).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from dagster_project.scoring.population import CONFIDENCE, share

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """What is known of one group in each stratum; arrays of one length.

    Attributes:
        n: customers.
        mean: mean of the figure, of shares 0-1; anything where n is 0.
        squares: sum of the squared distances from the mean.
    """

    n: Counts
    mean: Numbers
    squares: Numbers


@dataclass(frozen=True)
class Uplift:
    """Treated against control, one element a comparison; NaN where nothing can be compared.

    Attributes:
        treated_n, control_n: customers in strata that have enough of both groups.
        not_compared_n: customers in the other strata.
        treated, control: means of the figure, both weighed by the treated of each stratum.
        standard_error: of the difference treated - control.
        low, high: ends of its 95 % interval, which holds it.
    """

    treated_n: Counts
    control_n: Counts
    not_compared_n: Counts
    treated: Numbers
    control: Numbers
    standard_error: Numbers
    low: Numbers
    high: Numbers

    @property
    def difference(self) -> Numbers:
        """treated - control."""
        return self.treated - self.control


def uplift_of_shares(treated: Group, control: Group, comparison: Counts,
                     comparisons: int) -> Uplift:
    """Difference of shares with Newcombe's hybrid score interval.

    Method 10 of Newcombe 1998, Statistics in Medicine 17:873. Over strata the squares of its arms
    add up by the squares of their weights (Yan, Su 2010, Statistics in Biopharmaceutical Research
    2:329).

    Args:
        treated, control: each stratum, shape (strata,).
        comparison: number of the comparison that the stratum belongs to, shape (strata,).
        comparisons: how many there are.
    """
    weighed = _Weighed(treated, control, comparison, comparisons, least=1)
    arms = [share(np.rint(group.mean * group.n), group.n) for group in (treated, control)]
    below = weighed.square_sum((arms[0].value - arms[0].low) ** 2
                               + (arms[1].high - arms[1].value) ** 2)
    above = weighed.square_sum((arms[0].high - arms[0].value) ** 2
                               + (arms[1].value - arms[1].low) ** 2)
    variance = weighed.square_sum(arms[0].standard_error**2 + arms[1].standard_error**2)
    return weighed.uplift(np.sqrt(variance), np.sqrt(below), np.sqrt(above))


def uplift_of_means(treated: Group, control: Group, comparison: Counts,
                    comparisons: int) -> Uplift:
    """Difference of means with Welch's interval (Welch 1947, Biometrika 34:28).

    Each group has a variance of its own; the degrees of freedom are Satterthwaite's, over both
    groups of all strata.

    Args:
        treated, control: each stratum, shape (strata,); it needs two customers of both.
        comparison: number of the comparison that the stratum belongs to, shape (strata,).
        comparisons: how many there are.
    """
    weighed = _Weighed(treated, control, comparison, comparisons, least=2)
    variance, spread = np.zeros(comparisons), np.zeros(comparisons)
    with np.errstate(invalid="ignore", divide="ignore"):
        for group in (treated, control):
            of_mean = group.squares / (group.n - 1) / group.n
            variance += weighed.square_sum(of_mean)
            spread += weighed.fourth_power_sum(of_mean**2 / (group.n - 1))
        freedom = variance**2 / spread
        # All alike in both groups: the difference is known without doubt.
        half = np.where(variance > 0,
                        stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(variance), 0.0)
    return weighed.uplift(np.sqrt(variance), half, half)


class _Weighed:
    """Sums over the strata of each comparison that can be used, by weight."""

    def __init__(self, treated: Group, control: Group, comparison: Counts, comparisons: int, *,
                 least: int) -> None:
        self._comparison, self._comparisons = comparison, comparisons
        self._treated, self._control = treated, control
        self._is_used = (treated.n >= least) & (control.n >= least)
        self._treated_n = self._sum(treated.n)
        self._weight = np.where(
            self._is_used, treated.n / np.maximum(self._treated_n[comparison], 1), 0.0)

    def _sum(self, values: npt.NDArray[np.generic]) -> Numbers:
        used = np.where(self._is_used, values, 0).astype(float)
        return np.bincount(self._comparison, used, minlength=self._comparisons).astype(float)

    def square_sum(self, values: Numbers) -> Numbers:
        """Sum of weight^2 x value."""
        return self._sum(self._weight**2 * values)

    def fourth_power_sum(self, values: Numbers) -> Numbers:
        """Sum of weight^4 x value."""
        return self._sum(self._weight**4 * values)

    def uplift(self, error: Numbers, below: Numbers, above: Numbers) -> Uplift:
        """The comparison, its interval given by the lengths of its arms."""
        control_n = self._sum(self._control.n)
        everybody = np.bincount(self._comparison, self._treated.n + self._control.n,
                                minlength=self._comparisons)
        nothing = np.where(self._treated_n > 0, 0.0, np.nan)
        treated = self._sum(self._weight * self._treated.mean) + nothing
        control = self._sum(self._weight * self._control.mean) + nothing
        difference = treated - control
        return Uplift(
            self._treated_n.astype(np.int64), control_n.astype(np.int64),
            (everybody - self._treated_n - control_n).astype(np.int64),
            treated, control, error + nothing, difference - below, difference + above)
