"""When customers buy and when they stay away: BG/NBD and its modified form, MBG/NBD.

A customer buys at a rate of their own (gamma distributed: r, alpha) and leaves with a chance of
their own (beta distributed: a, b) after a purchase: after each repeat purchase in BG/NBD (Fader,
Hardie, Lee 2005), after the first purchase too in MBG/NBD (Batislam, Denizel, Filiztekin 2007;
Hoppe, Wagner 2007). So BG/NBD holds whoever bought once for alive with certainty, and MBG/NBD
does not. Here stand likelihood, fit and what follows for a customer; money is in
`margin_model.py`.

With m = 1 for MBG/NBD and 0 for BG/NBD, s = r + x and c = b + x + m the two have one form:

    L = G(s)/G(r) alpha^r B(a,c)/B(a,b) [ (alpha+T)^-s + a/(c-1) (alpha+t_x)^-s ]

where the second term, of those who left, is missing for x = 0 in BG/NBD. Given that a customer is
alive, the chance to leave is Beta(a, c) and the rate Gamma(s, alpha+T).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.special import betaln, expit, gammaln, psi

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

PurchaseModelName: TypeAlias = Literal["mbg_nbd", "bg_nbd"]
PARAMETERS = ("r", "alpha", "a", "b")

# Of r, alpha (unit of time), a, b.
BOUNDS = ((1e-4, 1e4), (1e-4, 1e6), (1e-4, 1e4), (1e-4, 1e5))
PRIOR_SPREAD = 1.5
_STARTS = ((1.0, 1.0, 1.0, 1.0), (0.3, 0.3, 0.5, 2.0), (2.0, 4.0, 0.2, 4.0))
# Gauss-Jacobi points of an integral over the chance to leave.
_POINTS = 48
_LEAST_CHANCE = 1e-200


class SummaryFault(ValueError):
    """Summaries of purchases that cannot be."""


@dataclass(frozen=True)
class PurchaseSummaries:
    """Unique summaries of purchases and how many customers share each; sorted.

    Attributes:
        repeats: x, days with a purchase after the first such day.
        recency: t_x, time from the first to the last purchase day.
        age: T, time from the first purchase day to the date of the night, same unit.
        customers: how many have just these.
    """

    repeats: Real
    recency: Real
    age: Real
    customers: Whole

    @classmethod
    def of(
        cls, repeats: Real, recency: Real, age: Real, customers: Whole | None = None
    ) -> PurchaseSummaries:
        """Collapses summaries of customers, in any order.

        Raises:
            SummaryFault: not 0 <= recency <= age, or a repeat purchase without recency.
        """
        weights = np.ones(len(repeats), np.int64) if customers is None else customers
        is_possible = (recency >= 0) & (recency <= age) & (repeats >= 0) & np.isfinite(age)
        is_possible &= (repeats > 0) == (recency > 0)
        if not is_possible.all():
            row = int(np.flatnonzero(~is_possible)[0])
            raise SummaryFault(
                f"{int((~is_possible).sum())} purchase summaries cannot be, such as x = "
                f"{repeats[row]}, t_x = {recency[row]}, T = {age[row]}: 0 <= t_x <= T must hold, "
                f"and t_x > 0 exactly where x > 0")
        order = np.lexsort((narrow(age), narrow(recency), narrow(repeats)))
        columns = [np.asarray(column, np.float64)[order] for column in (repeats, recency, age)]
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
        starts = np.flatnonzero(is_first)
        counts = np.add.reduceat(weights[order], starts) if len(starts) else weights[:0]
        x, t_x, t = (column[starts] for column in columns)
        return cls(x, t_x, t, counts)

    @classmethod
    def merged(cls, parts: Sequence[PurchaseSummaries]) -> PurchaseSummaries:
        """Summaries of several batches or profiles as one."""
        if not parts:
            return cls(*(np.empty(0),) * 3, np.empty(0, np.int64))
        return cls.of(*(np.concatenate([getattr(part, name) for part in parts])
                        for name in ("repeats", "recency", "age", "customers")))

    def sample(self, customers: int) -> PurchaseSummaries:
        """So many of the customers, at equal distances in the order of the summaries."""
        positions, counts = spread_sample(self.customers, customers)
        return PurchaseSummaries(self.repeats[positions], self.recency[positions],
                                 self.age[positions], counts)

    @cached_property
    def total(self) -> int:
        """Customers in all."""
        return int(self.customers.sum())

    @cached_property
    def by_repeats(self) -> tuple[Real, Whole]:
        """Unique numbers of repeats, and where each summary's stands among them."""
        values, where = np.unique(self.repeats, return_inverse=True)
        return values, where


def log_likelihood(name: PurchaseModelName, summaries: PurchaseSummaries) -> Likelihood:
    """The mean log-likelihood of a customer, with its gradient, by logarithms of r, alpha, a, b."""
    modified = 1.0 if name == "mbg_nbd" else 0.0
    x, where = summaries.by_repeats
    # Summaries are sorted by their repeats: those of one number stand together.
    firsts = np.searchsorted(where, np.arange(len(x)))
    shares = summaries.customers / summaries.total
    share_of_x = np.add.reduceat(shares, firsts)
    # Times repeat (whole days): each is looked up, and what depends on ages alone is added first.
    ages, age_of = np.unique(summaries.age, return_inverse=True)
    recencies, recency_of = np.unique(summaries.recency, return_inverse=True)
    share_of_age = np.bincount(age_of, shares, minlength=len(ages))
    repeats_of_age = np.bincount(age_of, shares * summaries.repeats, minlength=len(ages))
    # In BG/NBD nobody without a repeat purchase can have left.
    may_have_left = (x > 0) | (modified > 0)

    def mean(logarithms: Real) -> tuple[float, Real]:
        r, alpha, a, b = np.exp(logarithms).tolist()
        s, c = r + x, b + x + modified
        rate, last_rate = alpha + ages, alpha + recencies
        log_rate = np.log(rate)
        # c - 1 is not above 0 only for x = 0 in BG/NBD, where the term is left out.
        before = np.where(c > 1, c - 1, 1.0)
        # How far the silence since the last purchase reaches, and the odds of having left by it.
        reach = log_rate[age_of] - np.log(last_rate)[recency_of]
        odds = np.where(may_have_left, np.log(a) - np.log(before), -np.inf)[where] + (
            s[where] * reach)
        small = np.exp(-np.abs(odds))
        beside_one = 1 + small
        own = gammaln(s) - gammaln(r) + betaln(a, c) - betaln(a, b)
        weight_of_age = r * share_of_age + repeats_of_age
        value = (share_of_x * own).sum() + r * np.log(alpha) - (weight_of_age * log_rate).sum() + (
            shares * (np.maximum(odds, 0) + np.log(beside_one))).sum()
        gone = shares * np.where(odds >= 0, 1.0, small) / beside_one
        gone_of_x = np.add.reduceat(gone, firsts)
        pull = (1 / last_rate)[recency_of] - (1 / rate)[age_of]
        by_r = ((share_of_x * (psi(s) - psi(r))).sum() + np.log(alpha)
                - (share_of_age * log_rate).sum() + (gone * reach).sum())
        by_alpha = r / alpha - (weight_of_age / rate).sum() - (
            s * np.add.reduceat(gone * pull, firsts)).sum()
        by_a = (share_of_x * (psi(a + b) - psi(a + c))).sum() + gone_of_x.sum() / a
        by_b = (share_of_x * (psi(c) - psi(a + c) - psi(b) + psi(a + b))
                - gone_of_x / before).sum()
        return float(value), np.array([by_r * r, by_alpha * alpha, by_a * a, by_b * b])

    return mean


def fit_purchase_model(
    name: PurchaseModelName, summaries: PurchaseSummaries, *, has_prior: bool = False
) -> Maximum:
    """Fits r, alpha, a, b; the order of customers and batches does not matter.

    Args:
        name: which model.
        summaries: of all customers.
        has_prior: hold each parameter weakly: its logarithm is normal about 0 with PRIOR_SPREAD,
            alpha in mean ages. It weighs as much as about one customer, and matters only where
            the data leave a parameter open: where nobody seems to leave, a would run to 0.

    Returns:
        The maximum; its log-likelihood has the prior in it where there is one.
    """
    # Time is measured in mean ages meanwhile, so that starts and bounds fit any unit.
    ages = (summaries.age * summaries.customers).sum() / summaries.total
    unit = significant(max(float(ages), 1e-9), 2)
    scaled = PurchaseSummaries(summaries.repeats, summaries.recency / unit, summaries.age / unit,
                               summaries.customers)

    def likelihood(of: PurchaseSummaries) -> Likelihood:
        plain = log_likelihood(name, of)
        return _held_weakly(plain, summaries.total) if has_prior else plain

    is_large = len(scaled.age) > LARGE_SUMMARIES
    found = maximise(likelihood(scaled), _STARTS, BOUNDS,
                     likelihood(scaled.sample(SAMPLE_CUSTOMERS)) if is_large else None)
    r, alpha, a, b = found.parameters
    repeats = (summaries.repeats * summaries.customers).sum() / summaries.total
    return Maximum((r, significant(alpha * unit), a, b),
                   found.log_likelihood - float(repeats) * float(np.log(unit)),
                   found.gradient, found.is_converged)


def _held_weakly(likelihood: Likelihood, customers: int) -> Likelihood:
    """With the prior; it weighs as much as about one of the customers."""
    def held(logarithms: Real) -> tuple[float, Real]:
        value, gradient = likelihood(logarithms)
        pull = logarithms / (PRIOR_SPREAD**2 * customers)
        return value - float((logarithms * pull).sum()) / 2, gradient - pull

    return held


@dataclass(frozen=True)
class PurchaseModel:
    """A fitted model; time in the unit of the summaries (days in the pipeline)."""

    name: PurchaseModelName
    r: float
    alpha: float
    a: float
    b: float

    def p_alive(self, repeats: Real, recency: Real, age: Real) -> Real:
        """The chance that a customer still is one, 0-1.

        In BG/NBD it is 1 for all who bought once, which says nothing about them.
        """
        modified = self.name == "mbg_nbd"
        before = self.b + repeats + modified - 1
        log_odds_left = (np.log(self.a) - np.log(np.where(before > 0, before, 1.0))
                         + (self.r + repeats) * (np.log(self.alpha + age)
                                                 - np.log(self.alpha + recency)))
        alive: Real = expit(-log_odds_left)
        return alive if modified else np.where(repeats > 0, alive, 1.0)

    def purchases_if_alive(self, repeats: Real, age: Real, horizons: Real) -> Real:
        """Expected purchases of customers who are alive, by the end of each horizon.

        For a chance p to leave, a living customer is expected to buy
        (1 - (1 + p t / (alpha+T))^-s) / p times within t. That is averaged over p by
        Gauss-Jacobi points: every term is positive, so the mean is never negative, rises with
        the horizon and needs no case apart for a = 1, where the closed form (a difference of
        hypergeometric functions divided by a - 1) loses its digits.

        Args:
            repeats, age: x and T of each customer.
            horizons: times from now, ascending, all above 0.

        Returns:
            One row a customer, one column a horizon.
        """
        purchases = np.empty((len(repeats), len(horizons)))
        modified = self.name == "mbg_nbd"
        values, where = np.unique(repeats, return_inverse=True)
        order = np.argsort(where, kind="stable")
        ends = np.cumsum(np.bincount(where, minlength=len(values)))
        for position, x in enumerate(values.tolist()):
            rows = order[ends[position - 1] if position else 0:ends[position]]
            chances, weights = _beta_points(self.a, self.b + x + modified)
            ages, which = np.unique(age[rows], return_inverse=True)
            reach = horizons[None, :] / (self.alpha + ages)[:, None]
            sums = np.zeros_like(reach)
            for chance, weight in zip(chances.tolist(), weights.tolist(), strict=True):
                sums -= np.expm1(-(self.r + x) * np.log1p(chance * reach)) * (weight / chance)
            purchases[rows] = sums[which]
        return purchases


def _beta_points(a: float, b: float) -> tuple[Real, Real]:
    """Points in (0, 1) and weights that average a smooth function over Beta(a, b).

    By Golub and Welsch (1969) from the recurrence of the Jacobi polynomials; weights add up to 1,
    so that no gamma function of large parameters is needed.
    """
    total = a + b
    k = np.arange(1, _POINTS)
    twice = 2 * k + total - 2
    middle = np.concatenate([[(a - b) / total],
                             (a - b) * (total - 2) / (twice * (twice + 2))])
    beside = 4 * k * (k + a - 1) * (k + b - 1) / (twice**2 * (twice + 1))
    # The factor (k + total - 2) / (twice - 1) of the recurrence is 1 for k = 1, also where both
    # are 0.
    beside[1:] *= (k[1:] + total - 2) / (twice[1:] - 1)
    points, vectors = eigh_tridiagonal(middle, np.sqrt(beside))
    chances = np.clip((1 + points) / 2, _LEAST_CHANCE, 1.0)
    return chances, vectors[0] ** 2
