"""The inverse of scoring: which fact has which score, for people to read.

Scores of surveys are the answers themselves, drawn towards the mean of all by how few they are;
they have no inverse. How a fact is scored stands in `indicators.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dagster_project.configuration import Configuration, Indicator
from dagster_project.scoring.exact import Real
from dagster_project.scoring.reference import Curve, Reference

SHOWN_SCORES = tuple(range(0, 101, 5))
# On a scale turned round, each relation becomes its mirror image.
_MIRRORED = {"at_least": "at_most", "more_than": "less_than", "any": "any", "never": "never"}


@dataclass(frozen=True)
class Scale:
    """Facts and their scores: straight lines between knots.

    Attributes:
        x: facts, rising.
        y: scores, rising or falling throughout.
        left, right: score of every fact below the first, and above the last.
    """

    x: Real
    y: Real
    left: float
    right: float

    @property
    def is_falling(self) -> bool:
        """Less of the fact scores more."""
        return self.left > self.right


@dataclass(frozen=True)
class Reached:
    """Which facts have at least a score.

    Attributes:
        relation: at_least, more_than, at_most or less_than `fact`; any; never.
        fact: in the unit of the indicator; NaN for any and never.
    """

    relation: str
    fact: float = float("nan")


def scale_of(indicator: Indicator, curve: Curve | None) -> Scale | None:
    """The scale by which an indicator is scored; None for surveys and where nobody was measured.

    Args:
        indicator: as configured.
        curve: of the reference, for method percentile.
    """
    if indicator.score.method == "threshold":
        points = indicator.score.points or ()
        y = np.array([float(score) for _, score in points])
        return Scale(np.array([float(fact) for fact, _ in points]), y, y[0], y[-1])
    if indicator.score.method == "survey" or curve is None or not len(curve.x):
        return None
    if indicator.score.better == "less":
        return Scale(curve.x, 100 - curve.y, 100, 0)
    return Scale(curve.x, curve.y, 0, 100)


def reached(scale: Scale, score: float) -> Reached:
    """The facts that have at least `score` (0-100)."""
    if scale.is_falling:
        turned = Scale(-scale.x[::-1], scale.y[::-1], scale.right, scale.left)
        found = reached(turned, score)
        # + 0.0, since turning makes -0.0 of 0.
        return Reached(_MIRRORED[found.relation], -found.fact + 0.0)
    x, y = scale.x, scale.y
    if scale.left >= score:
        return Reached("any")
    position = int(np.searchsorted(y, score, side="left"))
    if position == len(y):
        return Reached("more_than", float(x[-1])) if scale.right >= score else Reached("never")
    if position == 0 or y[position] == score:
        return Reached("at_least", float(x[position]))
    before = position - 1
    share = (score - y[before]) / (y[position] - y[before])
    return Reached("at_least", float(x[before] + share * (x[position] - x[before])))


def score_curves(reference: Reference, configuration: Configuration) -> pd.DataFrame:
    """Table `score_curves`: one row a profile, indicator and every fifth point."""
    rows = []
    for profile in configuration.profile_names:
        for name in configuration.indicators:
            indicator = configuration.indicator(profile, name)
            scale = scale_of(indicator, reference.profile(profile).curves.get(name))
            if scale is None:
                continue
            units = _units(indicator, configuration)
            rows += [
                {"profile": profile, "indicator": name, "score": score,
                 "relation": (found := reached(scale, score)).relation, "fact": found.fact,
                 **units, "window_days": indicator.window_days}
                for score in SHOWN_SCORES
            ]
    return pd.DataFrame(rows, columns=["profile", "indicator", "score", "relation", "fact",
                                       "unit_en", "unit_zh", "window_days"])


def _units(indicator: Indicator, configuration: Configuration) -> dict[str, str | None]:
    if indicator.is_money:
        currency = configuration.business.base_currency
        return {"unit_en": currency, "unit_zh": currency}
    unit = indicator.unit
    return {"unit_en": unit.en if unit else None, "unit_zh": unit.zh if unit else None}
