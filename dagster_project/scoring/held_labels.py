"""Held labels: labels that change only when a composite passes its cut by a margin.

Here stands one step of the fold, from the held labels of the night before and the scores of
tonight to the held labels of tonight, and how labels that came back are found. Pure: one array
element is one customer. Which night comes before which, and where the labels are kept, stands in
`engine/held_labels.py`; plain labels in `labels.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dagster_project.configuration import STAGES, TIERS, Configuration
from dagster_project.scoring.exact import FULL_SCORE, NOT_MEASURED, POINT, Mask, Whole, scaled
from dagster_project.scoring.labels import QUADRANT_NAMES, TIER_NAMES
from dagster_project.scoring.reference import Reference

# The label kinds of a customer, as their columns are called, with the words in their order.
LABEL_NAMES = {"tier": TIER_NAMES, "quadrant": QUADRANT_NAMES, "lifecycle_stage": STAGES}
# A composite is shown with two decimals, so this is the least that is above nothing.
LEAST_SHOWN = POINT // 100
# Position of a profile that is not known, and of a customer who was not there.
NO_PROFILE = -1

_INSUFFICIENT_TIER = TIER_NAMES.index("insufficient_data")
_INSUFFICIENT_QUADRANT = QUADRANT_NAMES.index("insufficient_data")
_TOP_LEVEL = len(TIERS) - 1
_LOYAL, _REPEAT, _FIRST = (STAGES.index(name) for name in ("loyal", "repeat", "first_purchase"))


@dataclass(frozen=True)
class Labels:
    """One label of each kind: positions in the words of LABEL_NAMES."""

    tier: Whole
    quadrant: Whole
    lifecycle_stage: Whole


@dataclass(frozen=True)
class Night:
    """What the fold reads of one night.

    Attributes:
        profile: position among the profiles of the configuration, or NO_PROFILE.
        crm_value, matrix_value_score, matrix_loyalty_score, loyalty_degree_score:
            ten-thousandths of a point, rounded to the two decimals that people see;
            NOT_MEASURED where there is none.
        purchases_n: purchases of all time; -1 where it is not known.
        labels: the plain ones of tonight, the held ones of the night before.
    """

    profile: Whole
    crm_value: Whole
    matrix_value_score: Whole
    matrix_loyalty_score: Whole
    loyalty_degree_score: Whole
    purchases_n: Whole
    labels: Labels


@dataclass(frozen=True)
class Band:
    """Around one cut: at or above `up` a label rises, under `down` it falls, between it stays."""

    up: Whole
    down: Whole

    def level(self, was_reached: Mask, units: Whole, profile: Whole) -> Mask:
        """Whether the cut counts as reached."""
        return np.where(was_reached, units >= self.down[profile], units >= self.up[profile])


@dataclass(frozen=True)
class HoldingCuts:
    """The bands of all profiles of a configuration; each holds one number a profile."""

    high: Band
    medium: Band
    value: Band
    loyalty: Band
    loyal: Band
    loyal_purchases: int

    @classmethod
    def of(cls, configuration: Configuration, reference: Reference) -> HoldingCuts:
        """The bands of a configuration with the cuts of a reference.

        Raises:
            ReferenceMismatch: a cut is a quantile that the reference does not have.
        """
        margin = scaled(configuration.held_labels.margin, POINT)
        names = configuration.profile_names
        tiers = {name: configuration.tier_cuts(name) for name in names}
        matrix = {name: configuration.matrix_cuts(name) for name in names}
        loyal = scaled(configuration.lifecycle.loyal_score, POINT)
        return cls(
            high=band([reference.cut_units(name, "crm_value", tiers[name].high)
                       for name in names], margin),
            medium=band([reference.cut_units(name, "crm_value", tiers[name].medium)
                         for name in names], margin),
            value=band([reference.cut_units(name, "matrix_value_score", matrix[name].value)
                        for name in names], margin),
            loyalty=band([reference.cut_units(name, "matrix_loyalty_score", matrix[name].loyalty)
                          for name in names], margin),
            loyal=band([loyal] * len(names), margin),
            loyal_purchases=configuration.lifecycle.loyal_purchases,
        )


def band(cuts: Sequence[int], margin: int) -> Band:
    """The bands around cuts, one a profile; all in ten-thousandths of a point.

    A cut within the margin of 0 or 100 keeps both of its sides in reach: the full score always
    reaches it, and nothing never does.
    """
    at = np.asarray(cuts, np.int64)
    return Band(up=np.minimum(at + margin, FULL_SCORE),
                down=np.minimum(np.maximum(at - margin, LEAST_SHOWN), at))


def hold(tonight: Night, before: Night, cuts: HoldingCuts) -> Labels:
    """One step of the fold.

    Args:
        tonight: with its plain labels.
        before: the same customers in the night before, with their held labels; NO_PROFILE for
            those who were not there. Both nights are of one configuration and reference.
        cuts: of that configuration and reference.

    Returns:
        The held labels of tonight. Plain ones for those who were not there or of another
        profile, and where one of the two nights lacks the composite.
    """
    is_known = (tonight.profile == before.profile) & (tonight.profile != NO_PROFILE)
    return Labels(
        np.where(is_known, _tier(tonight, before, cuts), tonight.labels.tier),
        np.where(is_known, _quadrant(tonight, before, cuts), tonight.labels.quadrant),
        np.where(is_known, _stage(tonight, before, cuts), tonight.labels.lifecycle_stage),
    )


def _tier(tonight: Night, before: Night, cuts: HoldingCuts) -> Whole:
    plain, was = tonight.labels.tier, before.labels.tier
    level = _TOP_LEVEL - was
    value, profile = tonight.crm_value, tonight.profile
    at_least = (cuts.medium.up[profile] <= value).astype(np.int64) + (
        cuts.high.up[profile] <= value)
    at_most = (cuts.medium.down[profile] <= value).astype(np.int64) + (
        cuts.high.down[profile] <= value)
    held = _TOP_LEVEL - np.minimum(np.maximum(level, at_least), at_most)
    is_plain = (plain == _INSUFFICIENT_TIER) | (was == _INSUFFICIENT_TIER)
    return np.where(is_plain, plain, held)


def _quadrant(tonight: Night, before: Night, cuts: HoldingCuts) -> Whole:
    plain, was = tonight.labels.quadrant, before.labels.quadrant
    is_valued = cuts.value.level(was < 2, tonight.matrix_value_score, tonight.profile)
    is_loyal = cuts.loyalty.level(was % 2 == 0, tonight.matrix_loyalty_score, tonight.profile)
    held = 2 * ~is_valued + ~is_loyal
    is_plain = (plain == _INSUFFICIENT_QUADRANT) | (was == _INSUFFICIENT_QUADRANT)
    return np.where(is_plain, plain, held)


def _stage(tonight: Night, before: Night, cuts: HoldingCuts) -> Whole:
    """Only whether a growing customer is loyal is held: the rest follows counts and days."""
    plain, was = tonight.labels.lifecycle_stage, before.labels.lifecycle_stage
    is_loyal = cuts.loyal.level(was == _LOYAL, tonight.loyalty_degree_score, tonight.profile)
    held = np.where(is_loyal, _LOYAL, np.where(tonight.purchases_n >= 2, _REPEAT, _FIRST))
    is_held = _is_decided_by_score(tonight, cuts) & _is_decided_by_score(before, cuts)
    return np.where(is_held, held, plain)


def _is_decided_by_score(night: Night, cuts: HoldingCuts) -> Mask:
    """The customer buys, often enough to be loyal, and has a loyalty degree."""
    is_growing: Mask = np.isin(night.labels.lifecycle_stage, (_LOYAL, _REPEAT, _FIRST))
    return (is_growing & (night.purchases_n >= cuts.loyal_purchases)
            & (night.loyalty_degree_score != NOT_MEASURED))


def flipped_back(labels: Sequence[Whole]) -> Mask:
    """Who left a label and came back to it within some nights.

    Args:
        labels: for each night, oldest first, the positions of one kind of label; negative where
            the customer was not there. Such nights are passed over.
    """
    latest = np.full_like(labels[0], -1)
    seen = np.zeros_like(labels[0])
    has_flipped: Mask = np.zeros(len(latest), bool)
    for label in labels:
        is_there = label >= 0
        position = np.maximum(label, 0)
        has_flipped |= is_there & (label != latest) & ((seen >> position) & 1).astype(bool)
        seen = np.where(is_there, seen | (1 << position), seen)
        latest = np.where(is_there, label, latest)
    return has_flipped
