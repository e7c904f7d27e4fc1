"""Maximum likelihood with positive parameters: several starts, bounds, and a proof of success.

Here belongs the search alone. The likelihoods stand with their models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.optimize import minimize

from dagster_project.scoring.exact import Real

# Mean log-likelihood of one customer and its gradient, both by the parameters' logarithms.
Likelihood: TypeAlias = Callable[[Real], tuple[float, Real]]

SIGNIFICANT_DIGITS = 6
# Of the mean log-likelihood, by the logarithm of a parameter.
GRADIENT_BOUND = 1e-6
_HESSIAN_STEP = 1e-4
_POLISHING_STEPS = 8
_EDGE = 1e-3


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
    bounds: Sequence[tuple[float, float]],
) -> Maximum:
    """The parameters under which the data are most likely.

    Args:
        likelihood: mean log-likelihood and gradient at logarithms of parameters.
        starts: parameters to begin at; the best end wins, so that one bad start costs nothing.
        bounds: least and greatest value of each parameter. An end at a bound is no success: the
            data would like a parameter that the model cannot have.

    Returns:
        The best end of all starts, brought by Newton steps so near to the maximum that the
        digits that are kept do not depend on the start.
    """
    limits = np.log(np.asarray(bounds, dtype=np.float64))

    def downhill(logarithms: Real) -> tuple[float, Real]:
        value, gradient = likelihood(logarithms)
        return -value, -gradient

    ends = [
        minimize(downhill, np.log(np.asarray(start, np.float64)), jac=True, method="L-BFGS-B",
                 bounds=limits, options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-8})
        for start in starts
    ]
    best = min(ends, key=lambda end: math.inf if math.isnan(end.fun) else float(end.fun))
    point, gradient, is_maximum = _polished(likelihood, best.x, limits)
    value, _ = likelihood(point)
    parameters = tuple(significant(number) for number in np.exp(point).tolist())
    slope = float(np.abs(gradient).max())
    is_inside = bool(((point > limits[:, 0] + _EDGE) & (point < limits[:, 1] - _EDGE)).all())
    return Maximum(
        parameters, value, slope,
        math.isfinite(value) and slope <= GRADIENT_BOUND and is_inside and is_maximum)


def significant(number: float, digits: int = SIGNIFICANT_DIGITS) -> float:
    """A number at so many significant digits: what is kept and published is what is used."""
    return float(f"{number:.{digits - 1}e}")


def _polished(likelihood: Likelihood, start: Real, limits: Real) -> tuple[Real, Real, bool]:
    """Newton steps while they flatten the slope; the point, its slope, whether it is a maximum."""
    point, (_, gradient) = start, likelihood(start)
    is_maximum = False
    for _ in range(_POLISHING_STEPS):
        curvature = _hessian(likelihood, point)
        if not np.isfinite(curvature).all():
            break
        is_maximum = bool(np.linalg.eigvalsh(curvature).max() < 0)
        if not is_maximum:
            break
        moved = np.clip(point - np.linalg.solve(curvature, gradient), limits[:, 0], limits[:, 1])
        _, slope = likelihood(moved)
        if not np.isfinite(slope).all() or np.abs(slope).max() >= np.abs(gradient).max():
            break
        point, gradient = moved, slope
    return point, gradient, is_maximum


def _hessian(likelihood: Likelihood, point: Real) -> Real:
    """Second derivatives from differences of the gradient, symmetric."""
    columns = []
    for direction in np.eye(len(point)) * _HESSIAN_STEP:
        _, after = likelihood(point + direction)
        _, before = likelihood(point - direction)
        columns.append((after - before) / (2 * _HESSIAN_STEP))
    matrix: Real = np.array(columns)
    return (matrix + matrix.T) / 2
