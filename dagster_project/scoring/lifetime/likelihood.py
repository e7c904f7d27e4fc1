"""Maximum likelihood with positive parameters: several starts, bounds, and a proof of success.

Here belongs the search alone. The likelihoods stand with their models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from dagster_project.scoring.exact import Real, Whole

# Mean log-likelihood of one customer and its gradient, both by the parameters' logarithms.
Likelihood: TypeAlias = Callable[[Real], tuple[float, Real]]

SIGNIFICANT_DIGITS = 6
# Of the mean log-likelihood, by the logarithm of a parameter.
GRADIENT_BOUND = 1e-6
_HESSIAN_STEP = 1e-4
_POLISHING_STEPS = 40
# A step that leaves so much of the slope was taken by a curvature of too far away.
_STALE = 0.05
# Below it a slope is all but rounding, which no curvature is worth.
_FLAT = 1e-12
_EDGE = 1e-3
# So many customers show where to begin; of fewer than so many summaries all are looked at.
SAMPLE_CUSTOMERS = 20_000
LARGE_SUMMARIES = 60_000


@dataclass(frozen=True)
class Maximum:
    """What a search found.

    Attributes:
        parameters: at the maximum, six significant digits.
        log_likelihood: mean of one customer there.
        gradient: greatest slope by the logarithm of a parameter.
        is_converged: finite, flat, inside the bounds and a maximum in every direction.
    """

    parameters: tuple[float, ...]
    log_likelihood: float
    gradient: float
    is_converged: bool


def maximise(
    likelihood: Likelihood, starts: Sequence[Sequence[float]],
    bounds: Sequence[tuple[float, float]], sampled: Likelihood | None = None,
) -> Maximum:
    """The parameters under which the data are most likely.

    Args:
        likelihood: mean log-likelihood and gradient at logarithms of parameters.
        starts: parameters to begin at; the best end wins, so that one bad start costs nothing.
        bounds: least and greatest value of each parameter. An end at a bound is no success: the
            data would like a parameter that the model cannot have.
        sampled: the likelihood of a part of the customers, which is cheaper. The starts are
            searched there, and the best end leads to the maximum of all. Where it does not, all
            is done with all.

    Returns:
        The best end of all starts, brought by Newton steps so near to the maximum that the
        digits that are kept depend neither on the start nor on the sample.
    """
    limits = np.log(np.asarray(bounds, dtype=np.float64))
    if sampled is not None:
        found = _maximum(likelihood, _best_end(sampled, starts, limits), limits)
        if found.is_converged:
            return found
    return _maximum(likelihood, _best_end(likelihood, starts, limits), limits)


def _best_end(
    likelihood: Likelihood, starts: Sequence[Sequence[float]], limits: Real
) -> Real:
    """Logarithms of the parameters at the best end of all starts."""
    def downhill(logarithms: Real) -> tuple[float, Real]:
        value, gradient = likelihood(logarithms)
        return -value, -gradient

    ends = [
        minimize(downhill, np.log(np.asarray(start, np.float64)), jac=True, method="L-BFGS-B",
                 bounds=limits, options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-8})
        for start in starts
    ]
    best = min(ends, key=lambda end: math.inf if math.isnan(end.fun) else float(end.fun))
    point: Real = best.x
    return point


def _maximum(likelihood: Likelihood, start: Real, limits: Real) -> Maximum:
    """Where Newton steps lead to, and whether that is a maximum inside the bounds."""
    point, value, gradient, is_maximum = _polished(likelihood, start, limits)
    parameters = tuple(significant(number) for number in np.exp(point).tolist())
    slope = _steepest(gradient)
    is_inside = bool(((point > limits[:, 0] + _EDGE) & (point < limits[:, 1] - _EDGE)).all())
    return Maximum(
        parameters, value, slope,
        math.isfinite(value) and slope <= GRADIENT_BOUND and is_inside and is_maximum)


def spread_sample(customers: Whole, size: int) -> tuple[Whole, Whole]:
    """Customers at equal distances in the order of their summaries: the same ones every time.

    Args:
        customers: how many share each summary, summaries sorted.
        size: customers to take.

    Returns:
        Positions of the summaries they have, and how many of them have each.
    """
    upto = np.cumsum(customers)
    picked = (2 * np.arange(size, dtype=np.int64) + 1) * int(upto[-1]) // (2 * size)
    positions, counts = np.unique(np.searchsorted(upto, picked, side="right"), return_counts=True)
    return positions, counts


def narrow(column: Real) -> npt.NDArray[Any]:
    """The same numbers as 16-bit integers where they are such, which sort many times faster."""
    is_narrow = len(column) and column.min() >= 0 and column.max() < 2**16
    short = column.astype(np.uint16) if is_narrow else column
    return short if is_narrow and bool((short == column).all()) else column


def significant(number: float, digits: int = SIGNIFICANT_DIGITS) -> float:
    """A number at so many significant digits: what is kept and published is what is used."""
    return float(f"{number:.{digits - 1}e}")


def _polished(
    likelihood: Likelihood, start: Real, limits: Real
) -> tuple[Real, float, Real, bool]:
    """Newton steps while they flatten the slope; point, value, slope, whether it is a maximum.

    A curvature costs as much as many steps, so it is taken anew only when it is of too far away.
    """
    point, (value, gradient) = start, likelihood(start)
    curvature, is_fresh, is_maximum = None, False, False
    for _ in range(_POLISHING_STEPS):
        if curvature is None:
            curvature, is_fresh = _hessian(likelihood, point), True
            is_maximum = bool(np.isfinite(curvature).all()
                              and np.linalg.eigvalsh(curvature).max() < 0)
            if not is_maximum:
                break
        moved = np.clip(point - np.linalg.solve(curvature, gradient), limits[:, 0], limits[:, 1])
        new_value, slope = likelihood(moved)
        left = _steepest(slope) / max(_steepest(gradient), 1e-300)
        if left < 1:
            point, value, gradient = moved, new_value, slope
        elif is_fresh or _steepest(gradient) <= _FLAT:
            break
        is_fresh = False
        if left > _STALE and _steepest(gradient) > _FLAT:
            curvature = None
    return point, value, gradient, is_maximum


def _steepest(gradient: Real) -> float:
    """The greatest slope; infinite where one is no number."""
    return float(np.abs(gradient).max()) if np.isfinite(gradient).all() else math.inf


def _hessian(likelihood: Likelihood, point: Real) -> Real:
    """Second derivatives from differences of the gradient, symmetric."""
    columns = []
    for direction in np.eye(len(point)) * _HESSIAN_STEP:
        _, after = likelihood(point + direction)
        _, before = likelihood(point - direction)
        columns.append((after - before) / (2 * _HESSIAN_STEP))
    matrix: Real = np.array(columns)
    return (matrix + matrix.T) / 2
