"""How much the labels hang on each weight: every weight a tenth more and a tenth less.

Pure. The facts and their curves stay; composites, quantile cuts and labels are made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import pandas as pd

from dagster_project.configuration import (
    WEIGHT_DECIMALS,
    Composite,
    Configuration,
    ProfileParts,
)
from dagster_project.scoring.calibration import refit_cuts
from dagster_project.scoring.labels import INSUFFICIENT
from dagster_project.scoring.reference import Reference
from dagster_project.scoring.score import score_batch

# A weight that moves by a tenth moves the coverage of its composite by less than this leaves.
COVERAGE_KEPT = Decimal("0.85")
NUDGES = (Decimal("1.1"), Decimal("0.9"))
_STEP = Decimal(1).scaleb(-WEIGHT_DECIMALS)
# Label -> the composites it is cut on.
CUT_COMPOSITES = {
    "tier": ("crm_value",),
    "quadrant": ("matrix_value_score", "matrix_loyalty_score"),
}


@dataclass(frozen=True)
class Sensitivity:
    """What one weight does to one label.

    Attributes:
        composite, part: whose weight; weight: as configured (profile `all`).
        label: tier or quadrant.
        more_n, less_n: customers whose label changes with a tenth more, and a tenth less.
        customers_n: customers looked at.
    """

    composite: str
    part: str
    weight: Decimal
    label: str
    more_n: int
    less_n: int
    customers_n: int

    @property
    def share(self) -> float:
        """The larger of both changes as a share of the customers."""
        return max(self.more_n, self.less_n) / self.customers_n if self.customers_n else 0.0


def sensitivities(features: Sequence[pd.DataFrame], reference: Reference,
                  configuration: Configuration) -> list[Sensitivity]:
    """Every weight that a tier or a quadrant hangs on, the strongest first.

    Args:
        features: batches of `customer_features`; read many times.
        reference: of this configuration.
        configuration: the weights.
    """
    plain = _labels(features, reference, configuration)
    found = []
    for composite, part in _weights_behind_labels(configuration):
        changed = [_changed(plain, features, reference, configuration, composite, part, factor)
                   for factor in NUDGES]
        for label, cut_on in CUT_COMPOSITES.items():
            if composite not in _reached(configuration, cut_on):
                continue
            found.append(Sensitivity(
                composite, part, configuration.composites[composite].parts[part], label,
                changed[0][label], changed[1][label], len(plain)))
    return sorted(found, key=lambda one: (-one.share, one.label, one.composite, one.part))


def nudged(configuration: Configuration, composite: str, part: str,
           factor: Decimal) -> Configuration:
    """The configuration with one weight times a factor and the others of its composite scaled.

    In every profile that weighs the part. A part that stands alone keeps its weight of 1. The
    least coverage is lowered, too: who is measured enough for a label stays so.
    """
    base = configuration.composites[composite]
    least = (configuration.min_coverage * COVERAGE_KEPT).quantize(_STEP, ROUND_HALF_EVEN)
    profiles = tuple(
        profile if (own := profile.composites.get(composite)) is None
        else profile.model_copy(update={"composites": {
            **profile.composites,
            composite: ProfileParts(parts=_nudged_weights(own.parts, part, factor))}})
        for profile in configuration.profiles)
    return configuration.model_copy(update={
        "profiles": profiles, "min_coverage": least,
        "composites": {**configuration.composites, composite: Composite(
            parts=_nudged_weights(base.parts, part, factor), label=base.label)},
    })


def _nudged_weights(weights: Mapping[str, Decimal], part: str,
                    factor: Decimal) -> dict[str, Decimal]:
    if part not in weights or len(weights) == 1:
        return dict(weights)
    whole = int(1 / _STEP)
    steps = {name: int(weight / _STEP) for name, weight in weights.items()}
    others = [name for name in weights if name != part]
    # Each of the others keeps a step, since a weight of nothing is none.
    new = max(1, min(round(steps[part] * factor), whole - len(others)))
    spare = whole - new - len(others)
    given = [steps[name] - 1 for name in others]
    if not any(given):
        given = [1] * len(others)
    # By running sums, so that what is rounded off one falls to the next.
    upto = [spare * sum(given[:count]) // sum(given) for count in range(len(others) + 1)]
    scaled = {name: 1 + upto[position + 1] - upto[position]
              for position, name in enumerate(others)}
    return {name: (new if name == part else scaled[name]) * _STEP for name in weights}


def _weights_behind_labels(configuration: Configuration) -> Iterator[tuple[str, str]]:
    behind = _reached(configuration, [name for names in CUT_COMPOSITES.values() for name in names])
    for composite in configuration.composites:
        parts = configuration.composites[composite].parts
        if composite in behind and len(parts) > 1:
            yield from ((composite, part) for part in parts)


def _reached(configuration: Configuration, names: Sequence[str]) -> set[str]:
    """The composites and all that they are made of."""
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in configuration.composites and name not in reached:
            reached.add(name)
            waiting.extend(configuration.composites[name].parts)
    return reached


def _labels(features: Sequence[pd.DataFrame], reference: Reference,
            configuration: Configuration) -> pd.DataFrame:
    scored = [score_batch(batch, reference, configuration)[list(CUT_COMPOSITES)]
              for batch in features]
    if not scored:
        return pd.DataFrame(columns=list(CUT_COMPOSITES))
    return pd.concat(scored, ignore_index=True)


def _changed(plain: pd.DataFrame, features: Sequence[pd.DataFrame], reference: Reference,
             configuration: Configuration, composite: str, part: str,
             factor: Decimal) -> dict[str, int]:
    other = nudged(configuration, composite, part, factor)
    labels = _labels(features, refit_cuts(reference, features, other), other)
    return {
        label: int(((labels[label] != plain[label]) & (plain[label] != INSUFFICIENT)).sum())
        for label in CUT_COMPOSITES
    }
