"""How much margin a purchase brings: the Gamma-Gamma model (Fader, Hardie 2013).

The margins of a customer's purchases are gamma distributed (shape p) about a mean of their own,
which is distributed over customers (q, v): a customer of few purchases is drawn towards the mean
of all, v p / (q - 1). It is finite for q above 1 only, so q is sought above 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, psi

from dagster_project.scoring.exact import Real, Whole
from dagster_project.scoring.lifetime.likelihood import (
    LARGE_SUMMARIES,
    SAMPLE_CUSTOMERS,
    Likelihood,
    Maximum,
    maximise,
    narrow,
    significant,
    spread_sample,
)

PARAMETERS = ("p", "q", "v")
# Of p, q - 1 and v (in mean margins).
BOUNDS = ((1e-3, 1e4), (1e-3, 1e4), (1e-6, 1e6))
_STARTS = ((1.0, 1.0, 1.0), (6.0, 3.0, 0.5), (2.0, 10.0, 5.0))


@dataclass(frozen=True)
class MarginSummaries:
    """Unique (purchases, mean margin) above 0 and how many customers share each; sorted.

    Attributes:
        purchases: n, purchase days of known margin.
        mean_margin: of one such day, currency.
        customers: how many have just these.
    """

    purchases: Real
    mean_margin: Real
    customers: Whole

    @classmethod
    def of(
        cls, purchases: Real, mean_margin: Real, customers: Whole | None = None
    ) -> MarginSummaries:
        """Collapses summaries of customers, in any order; those that lose money are left out."""
        weights = np.ones(len(purchases), np.int64) if customers is None else customers
        is_used = (purchases > 0) & (mean_margin > 0)
        n, mean, weights = purchases[is_used], mean_margin[is_used], weights[is_used]
        order = np.lexsort((mean, narrow(n)))
        n, mean = n[order], mean[order]
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = (n[1:] != n[:-1]) | (mean[1:] != mean[:-1])
        starts = np.flatnonzero(is_first)
        counts = np.add.reduceat(weights[order], starts) if len(starts) else weights[:0]
        return cls(n[starts].astype(np.float64), mean[starts].astype(np.float64), counts)

    @classmethod
    def merged(cls, parts: Sequence[MarginSummaries]) -> MarginSummaries:
        """Summaries of several batches or profiles as one."""
        if not parts:
            return cls(np.empty(0), np.empty(0), np.empty(0, np.int64))
        return cls.of(*(np.concatenate([getattr(part, name) for part in parts])
                        for name in ("purchases", "mean_margin", "customers")))

    def sample(self, customers: int) -> MarginSummaries:
        """So many of the customers, at equal distances in the order of the summaries."""
        positions, counts = spread_sample(self.customers, customers)
        return MarginSummaries(self.purchases[positions], self.mean_margin[positions], counts)

    @property
    def total(self) -> int:
        """Customers in all."""
        return int(self.customers.sum())

    @property
    def repeaters(self) -> int:
        """Customers with two purchases or more.

        They alone show how the margins of one customer differ; of the others the model has to
        guess it from the shape of all margins.
        """
        return int(self.customers[self.purchases > 1].sum())


def log_likelihood(summaries: MarginSummaries) -> Likelihood:
    """The mean log-likelihood with its gradient, by logarithms of p, q - 1 and v."""
    # Summaries are sorted by their purchases: those of one number stand together.
    n, firsts = np.unique(summaries.purchases, return_index=True)
    shares = summaries.customers / summaries.total
    share_of_n = np.add.reduceat(shares, firsts)
    totals = summaries.purchases * summaries.mean_margin
    log_total_of_n = np.add.reduceat(shares * np.log(totals), firsts)
    log_mean = (shares * np.log(summaries.mean_margin)).sum()

    def mean(logarithms: Real) -> tuple[float, Real]:
        p, above_one, v = np.exp(logarithms).tolist()
        q = 1 + above_one
        shape = p * n
        both = v + totals
        log_both_of_n = np.add.reduceat(shares * np.log(both), firsts)
        value = (
            (share_of_n * (gammaln(shape + q) - gammaln(shape) - gammaln(q))).sum()
            + q * np.log(v) + (shape * log_total_of_n).sum() - log_mean
            - ((shape + q) * log_both_of_n).sum())
        by_p = (n * (share_of_n * (psi(shape + q) - psi(shape)) + log_total_of_n
                     - log_both_of_n)).sum()
        by_q = (share_of_n * (psi(shape + q) - psi(q))).sum() + np.log(v) - log_both_of_n.sum()
        by_v = q / v - ((shape + q) * np.add.reduceat(shares / both, firsts)).sum()
        return float(value), np.array([by_p * p, by_q * above_one, by_v * v])

    return mean


def fit_margin_model(summaries: MarginSummaries) -> Maximum:
    """Fits p, q, v; the order of customers and batches does not matter."""
    mean = (summaries.mean_margin * summaries.customers).sum() / summaries.total
    unit = significant(float(mean), 2)
    scaled = MarginSummaries(summaries.purchases, summaries.mean_margin / unit,
                             summaries.customers)
    is_large = len(scaled.purchases) > LARGE_SUMMARIES
    found = maximise(log_likelihood(scaled), _STARTS, BOUNDS,
                     log_likelihood(scaled.sample(SAMPLE_CUSTOMERS)) if is_large else None)
    p, above_one, v = found.parameters
    return Maximum((p, significant(1 + above_one), significant(v * unit)),
                   found.log_likelihood - float(np.log(unit)), found.gradient,
                   found.is_converged)


@dataclass(frozen=True)
class MarginModel:
    """A fitted model; v in currency."""

    p: float
    q: float
    v: float

    def margin_per_purchase(self, purchases: Real, mean_margin: Real) -> Real:
        """Expected margin of the next purchase, never negative.

        Args:
            purchases: n, purchase days of known margin; 0: the mean of all customers.
            mean_margin: of one such day; below 0 it counts as 0, because nobody has to go on
                selling at a loss, and the model knows only margins above 0.
        """
        total = np.where(purchases > 0, purchases * np.maximum(mean_margin, 0.0), 0.0)
        margin: Real = self.p * (self.v + total) / (self.p * purchases + self.q - 1)
        return margin

    def own_weight(self, purchases: Real) -> Real:
        """Share of the customer's own mean in that expectation, 0-1; the rest is that of all."""
        weight: Real = self.p * purchases / (self.p * purchases + self.q - 1)
        return weight
