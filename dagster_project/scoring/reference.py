"""A reference: the frozen curves, cuts, means, gap and models that facts are judged by.

Beside them it keeps what its population looked like, so that later nights can be compared with it.
Here stand its form and its way to and from the table `scoring_reference`. How it is fitted stands
in `calibration.py`, how it is applied in `indicators.py` and `labels.py`, how nights are compared
with it in `drift.py` and `label_shares.py`. For the models of lifetime value all of it stands in
`lifetime/`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
import pandas as pd

from dagster_project.configuration import Configuration, Cut
from dagster_project.scoring.exact import POINT, Real, Whole, scaled
from dagster_project.scoring.lifetime.reference import LifetimeReference

COLUMNS = ("profile", "item_kind", "item", "position", "x", "y")


class ReferenceMismatch(ValueError):
    """The reference was fitted for another configuration; a new one is needed."""


@dataclass(frozen=True)
class Curve:
    """Rank of a fact among the population: knots, rising in both.

    Attributes:
        x: facts, in the unit of the indicator; empty when nobody had the fact measured.
        y: mid-ranks, 0-100, four decimals.
    """

    x: Real
    y: Real

@dataclass(frozen=True)
class Prior:
    """What all answers to one instrument say.

    Attributes:
        k: answers that the mean counts for.
        mean: 0-100, four decimals; NaN when nobody answered.
    """

    k: float
    mean: float


@dataclass(frozen=True)
class Bins:
    """How the population of the reference is spread over one indicator.

    Attributes:
        lower: least fact of each bin, rising; a bin ends where the next begins, and the first has
            everything below it, too.
        customers: those not measured, then those of each bin; one more than `lower`.
    """

    lower: Real
    customers: Whole


@dataclass(frozen=True)
class ProfileReference:
    """The reference of one profile.

    Attributes:
        curves: by indicator, method percentile.
        priors: by indicator, method survey.
        cuts: by composite: (quantile, cut in points with two decimals), highest first.
        gap_days: median of the customers' median gaps between purchase days; NaN without any.
        lifetime: models of purchases and of margin per purchase.
        bins: by indicator. References fitted before there were bins have none.
        labels: by label_kind and label: customers of the population; none where bins are none.
    """

    curves: Mapping[str, Curve] = field(default_factory=dict)
    priors: Mapping[str, Prior] = field(default_factory=dict)
    cuts: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    gap_days: float = float("nan")
    lifetime: LifetimeReference = LifetimeReference()
    bins: Mapping[str, Bins] = field(default_factory=dict)
    labels: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """A reference of all profiles.

    Attributes:
        reference_id: name under which nights use it.
        valid_from: first as-of date that uses it.
        profiles: by profile name.
    """

    reference_id: str
    valid_from: datetime.date
    profiles: Mapping[str, ProfileReference]

    def profile(self, name: str) -> ProfileReference:
        """The reference of a profile.

        Raises:
            ReferenceMismatch: it was not fitted for this profile.
        """
        if name not in self.profiles:
            raise ReferenceMismatch(
                f"reference {self.reference_id} knows no profile {name!r} (it knows "
                f"{', '.join(sorted(self.profiles))}): run `crm-value recalibrate`"
            )
        return self.profiles[name]

    def with_lifetime(self, models: Mapping[str, LifetimeReference]) -> Reference:
        """The same reference with the lifetime models of every profile."""
        return replace(self, profiles={
            name: replace(own, lifetime=models[name]) for name, own in self.profiles.items()})

    def check(self, configuration: Configuration) -> None:
        """Makes sure that everything the configuration scores by is there.

        Raises:
            ReferenceMismatch: naming all that is missing.
        """
        missing = [
            f"{name}: {item}"
            for name in configuration.profile_names
            for item in _missing_items(self.profile(name), configuration, name)
        ]
        if missing:
            raise ReferenceMismatch(
                f"reference {self.reference_id} was fitted for another configuration; it lacks "
                f"{'; '.join(missing)}: run `crm-value recalibrate`"
            )

    def cut_units(self, profile: str, composite: str, cut: Cut) -> int:
        """A configured cut in ten-thousandths of a point.

        Raises:
            ReferenceMismatch: the cut is a quantile that was not fitted.
        """
        if cut.score is not None:
            return scaled(cut.score, POINT)
        for quantile, value in self.profile(profile).cuts.get(composite, ()):
            if cut.quantile is not None and quantile == float(cut.quantile):
                return round(value * 100) * 100
        raise ReferenceMismatch(
            f"reference {self.reference_id} has no cut of {composite} at quantile "
            f"{cut.quantile} (profile {profile}): run `crm-value recalibrate`"
        )

    def to_frame(self) -> pd.DataFrame:
        """All points, one row each, sorted.

        Returns:
            profile, item_kind (bin, curve, cut, gap, label, lifetime, prior), item, position
            (from 0), x, y (float64). A curve nobody was measured for is one row with NaN in x and
            y; a prior has k in x and the mean in y; a cut its quantile in x and its score in y; a
            gap its days in y; a bin its least fact in x and its customers in y, position 0 being
            those not measured; a label, as kind:label, its customers in y; a lifetime model its
            parameters in y, or why there is none of the profile's own, with what was found in y
            and what was needed in x.
        """
        rows = [row for name in sorted(self.profiles)
                for row in _rows(name, self.profiles[name])]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.astype({"profile": "str", "item_kind": "str", "item": "str",
                             "position": "int32", "x": "float64", "y": "float64"})

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, *, reference_id: str, valid_from: datetime.date
    ) -> Reference:
        """Rebuilds a reference from rows as `to_frame` gives them, in any order."""
        profiles = {}
        ordered = frame.sort_values(["profile", "item_kind", "item", "position"])
        for profile, rows in ordered.groupby("profile", sort=True):
            items = {
                kind: {
                    str(item): (points["x"].to_numpy("float64"), points["y"].to_numpy("float64"))
                    for item, points in of_kind.groupby("item", sort=True)
                }
                for kind, of_kind in rows.groupby("item_kind", sort=True)
            }
            profiles[str(profile)] = _profile_of(items)
        return cls(reference_id, valid_from, profiles)


Points = tuple[Real, Real]


def _rows(
    name: str, reference: ProfileReference
) -> Iterator[tuple[str, str, str, int, float, float]]:
    nan = float("nan")
    for item in sorted(reference.bins):
        bins = reference.bins[item]
        for position, (x, customers) in enumerate(
                zip([nan, *bins.lower.tolist()], bins.customers.tolist(), strict=True)):
            yield name, "bin", item, position, x, float(customers)
    for item in sorted(reference.curves):
        curve = reference.curves[item]
        if not len(curve.x):
            yield name, "curve", item, 0, nan, nan
        for position, (x, y) in enumerate(zip(curve.x.tolist(), curve.y.tolist(), strict=True)):
            yield name, "curve", item, position, x, y
    for item in sorted(reference.cuts):
        for position, (quantile, value) in enumerate(reference.cuts[item]):
            yield name, "cut", item, position, quantile, value
    yield name, "gap", "purchases", 0, nan, reference.gap_days
    for item, position, x, y in sorted(reference.lifetime.rows()):
        yield name, "lifetime", item, position, x, y
    for item in sorted(reference.priors):
        prior = reference.priors[item]
        yield name, "prior", item, 0, prior.k, prior.mean
    for (kind, label), customers in sorted(reference.labels.items()):
        yield name, "label", f"{kind}:{label}", 0, nan, float(customers)


def _profile_of(items: Mapping[str, Mapping[str, Points]]) -> ProfileReference:
    gaps = items.get("gap", {})
    return ProfileReference(
        curves={item: Curve(x[~np.isnan(x)], y[~np.isnan(y)])
                for item, (x, y) in items.get("curve", {}).items()},
        priors={item: Prior(float(x[0]), float(y[0]))
                for item, (x, y) in items.get("prior", {}).items()},
        cuts={item: tuple(zip(x.tolist(), y.tolist(), strict=True))
              for item, (x, y) in items.get("cut", {}).items()},
        gap_days=float(gaps["purchases"][1][0]) if gaps else float("nan"),
        lifetime=LifetimeReference.of_items(items.get("lifetime", {})),
        bins={item: Bins(x[1:], y.astype(np.int64))
              for item, (x, y) in items.get("bin", {}).items()},
        labels={_kind_and_label(item): int(y[0])
                for item, (_, y) in items.get("label", {}).items()},
    )


def _kind_and_label(item: str) -> tuple[str, str]:
    kind, _, label = item.partition(":")
    return kind, label


def quantile_cuts(
    configuration: Configuration, profile: str
) -> Iterator[tuple[str, Decimal]]:
    """(composite, quantile) of every cut of a profile that is a quantile, highest first."""
    tiers, matrix = configuration.tier_cuts(profile), configuration.matrix_cuts(profile)
    for composite, cut in (
        ("crm_value", tiers.high),
        ("crm_value", tiers.medium),
        ("matrix_value_score", matrix.value),
        ("matrix_loyalty_score", matrix.loyalty),
    ):
        if cut.quantile is not None:
            yield composite, cut.quantile


def _missing_items(
    reference: ProfileReference, configuration: Configuration, profile: str
) -> Iterator[str]:
    for name, indicator in configuration.indicators.items():
        if indicator.score.method == "percentile" and name not in reference.curves:
            yield f"curve of {name}"
        if indicator.score.method == "survey" and name not in reference.priors:
            yield f"mean of {name}"
    for composite, quantile in quantile_cuts(configuration, profile):
        fitted = [known for known, _ in reference.cuts.get(composite, ())]
        if float(quantile) not in fitted:
            yield f"cut of {composite} at quantile {quantile}"
