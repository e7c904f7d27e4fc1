"""Held labels: what a margin holds, what is taken at once, and who flipped back."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.configuration import STAGES
from dagster_project.scoring.held_labels import (
    LABEL_NAMES,
    NO_PROFILE,
    HoldingCuts,
    Labels,
    Night,
    band,
    flipped_back,
    hold,
)
from dagster_project.scoring.labels import QUADRANT_NAMES, TIER_NAMES
from dagster_project.scoring.reference import ProfileReference, Reference

POINT = 10_000
NUMBER = {"kind": "attribute", "of": "customers", "column": "number",
          "score": {"method": "threshold", "points": [[0, 0], [100, 100]]}}
# Two profiles: cuts of everyone at 80/50 and 50, of companies at 30/20 and 40.
CUTS = {"high": (30, 80), "medium": (20, 50), "value": (40, 50), "loyalty": (40, 50)}
LOYAL, LOYAL_PURCHASES, MARGIN = 60, 3, 2
COMPANY, EVERYONE = 0, 1


def cuts_with(margin: int) -> HoldingCuts:
    bands = {name: band([cut * POINT for cut in both], margin * POINT)
             for name, both in CUTS.items()}
    return HoldingCuts(**bands, loyal=band([LOYAL * POINT] * 2, margin * POINT),
                       loyal_purchases=LOYAL_PURCHASES)


HELD, NOT_HELD = cuts_with(MARGIN), cuts_with(0)


def night(scores: Sequence[float], *, profile: int | Sequence[int] = EVERYONE,
          purchases: int | Sequence[int] = 3) -> Night:
    """A night in which every composite of a customer has the same score; negative: none."""
    units = np.array([round(score * 100) * 100 if score >= 0 else -1 for score in scores])
    profiles = np.broadcast_to(np.asarray(profile), units.shape)
    bought = np.broadcast_to(np.asarray(purchases), units.shape)
    known = np.maximum(profiles, 0)
    reaches = {name: units >= np.array(both)[known] * POINT for name, both in CUTS.items()}
    tier = np.where(units < 0, 3, 2 - reaches["high"].astype(int) - reaches["medium"])
    quadrant = np.where(units < 0, 4, 2 * ~reaches["value"] + ~reaches["loyalty"])
    is_loyal = (units >= LOYAL * POINT) & (bought >= LOYAL_PURCHASES)
    stage = np.select([bought == 0, is_loyal, bought >= 2],
                      [STAGES.index(name) for name in ("prospect", "loyal", "repeat")],
                      STAGES.index("first_purchase"))
    return Night(profiles, units, units, units, units, bought,
                 Labels(tier, quadrant, stage))


def fold(nights: Sequence[Night], cuts: HoldingCuts = HELD) -> list[Labels]:
    """Held labels of a sequence of nights, begun plain."""
    held = [nights[0].labels]
    for before, tonight in zip(nights, nights[1:], strict=False):
        held.append(hold(tonight, replace(before, labels=held[-1]), cuts))
    return held


def words(labels: Sequence[Labels], kind: str, customer: int = 0) -> list[str]:
    return [LABEL_NAMES[kind][getattr(one, kind)[customer]] for one in labels]


def walk(*scores: float, **options: int) -> list[Labels]:
    return fold([night([score], **options) for score in scores])


def test_a_tier_changes_when_the_cut_is_passed_by_the_margin() -> None:
    """81.99 has not passed 80 by 2, 82 has; 78 is still high, 77.99 is not."""
    assert words(walk(79, 81.99, 82, 78, 77.99), "tier") == [
        "medium", "medium", "high", "high", "medium"]


def test_a_tier_may_pass_both_cuts_in_one_night() -> None:
    assert words(walk(40, 90, 10, 51.99, 52), "tier") == [
        "low", "high", "low", "low", "medium"]


def test_a_fall_into_the_band_of_the_lower_cut_stops_above_it() -> None:
    """From high to 49: under the upper cut by far, under the lower one by less than 2."""
    assert words(walk(90, 49, 47), "tier") == ["high", "medium", "low"]


def test_each_axis_of_the_matrix_is_held_on_its_own() -> None:
    first, second = night([51]), night([49])
    second = replace(second, matrix_loyalty_score=np.array([47 * POINT]))
    assert words(fold([first, second]), "quadrant") == [
        "high_value_high_loyalty", "high_value_low_loyalty"]


def test_loyal_is_held_and_counts_are_not() -> None:
    """61 makes nobody loyal who was not, and 59 keeps who was; a third purchase counts at once."""
    assert words(walk(59, 61, 62, 58, 57.99), "lifecycle_stage") == [
        "repeat", "repeat", "loyal", "loyal", "repeat"]
    scores = [61.0, 61.0, 61.0]
    third = fold([night([score], purchases=bought)
                  for score, bought in zip(scores, (2, 3, 2), strict=True)])
    assert words(third, "lifecycle_stage") == ["repeat", "loyal", "repeat"]


def test_a_margin_of_nothing_holds_nothing() -> None:
    nights = [night([score, score / 2]) for score in (10, 49, 50, 79.99, 80, 60, 59.99)]
    for held, one in zip(fold(nights, NOT_HELD), nights, strict=True):
        for kind in LABEL_NAMES:
            assert (getattr(held, kind) == getattr(one.labels, kind)).all()


@pytest.mark.parametrize(("before", "tonight"), [
    (night([79]), night([81], profile=COMPANY)),
    (night([79], profile=NO_PROFILE), night([81])),
    (night([-1]), night([81])),
    (night([81]), night([-1])),
])
def test_another_profile_first_sight_and_missing_scores_take_the_plain_label(
        before: Night, tonight: Night) -> None:
    held = hold(tonight, before, HELD)
    for kind in LABEL_NAMES:
        assert getattr(held, kind) == getattr(tonight.labels, kind)


@pytest.mark.parametrize("cut", [0.0, 0.005, 0.01, 1.0, 99.0, 100.0])
def test_a_cut_near_the_ends_keeps_both_sides_in_reach(cut: float) -> None:
    """The full score reaches every cut, and nothing falls under every cut above nothing."""
    own = band([round(cut * POINT)], MARGIN * POINT)
    profile = np.array([0])
    assert own.level(np.array([False]), np.array([100 * POINT]), profile).all()
    assert own.level(np.array([True]), np.array([0]), profile).all() == (cut == 0)


WALKERS, NIGHTS_N = 20, 60


def walks(seed: int) -> list[Night]:
    """Sixty nights of customers who wander about, are missing at times, buy and give back."""
    random = np.random.default_rng(seed)
    steps = random.integers(-300, 301, (NIGHTS_N, WALKERS))
    paths = np.clip(random.integers(1_000, 9_500, WALKERS) + steps.cumsum(axis=0), 0, 10_000)
    is_missing = random.random(paths.shape) < 0.05
    profiles = random.choice([EVERYONE, COMPANY, NO_PROFILE], paths.shape, p=[0.9, 0.05, 0.05])
    purchases = random.choice([0, 1, 2, 3, 4], paths.shape, p=[0.05, 0.05, 0.1, 0.5, 0.3])
    return [night(np.where(gone, -1.0, path / 100).tolist(), profile=profile, purchases=bought)
            for path, gone, profile, bought in zip(paths, is_missing, profiles, purchases,
                                                   strict=True)]


def series(labels: Sequence[Labels], kind: str) -> np.ndarray:
    """Nights x customers."""
    return np.stack([getattr(one, kind) for one in labels])


def distance(nights: Sequence[Night], cuts: Sequence[tuple[int, int]]) -> np.ndarray:
    """Points between the composites and the nearest of some cuts."""
    return np.stack([
        np.min([np.abs(one.crm_value / POINT - np.array(both)[np.maximum(one.profile, 0)])
                for both in cuts], axis=0) for one in nights])


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_random_walks_hold_labels_within_the_margin(seed: int) -> None:
    """A held label is plain or within the margin of its cut, and never changes more often."""
    nights = walks(seed)
    held, plain = fold(nights), [one.labels for one in nights]
    near = {"tier": [CUTS["high"], CUTS["medium"]], "quadrant": [CUTS["value"]],
            "lifecycle_stage": [(LOYAL, LOYAL)]}
    for kind, cuts in near.items():
        ours, theirs = series(held, kind), series(plain, kind)
        assert (distance(nights, cuts)[ours != theirs] <= MARGIN).all(), kind
        changes = [(one[1:] != one[:-1]).sum(axis=0) for one in (ours, theirs)]
        assert (changes[0] <= changes[1]).all(), kind
    for kind, position in (("tier", 3), ("quadrant", 4)):
        assert ((series(held, kind) == position) == (series(plain, kind) == position)).all()


def test_the_walks_pass_through_the_bands() -> None:
    """Without labels that are held the walks would show nothing."""
    nights = walks(1)
    for kind in LABEL_NAMES:
        assert (series(fold(nights), kind) != series([one.labels for one in nights], kind)).any()


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.permutations(range(WALKERS)))
def test_customers_are_folded_each_on_their_own(seed: int, order: list[int]) -> None:
    """The order of customers in a batch changes nobody's labels."""
    nights = walks(seed)

    def chosen(one: Night) -> Night:
        return Night(**{name: getattr(one, name)[order] for name in Night.__dataclass_fields__
                        if name != "labels"},
                     labels=Labels(**{kind: getattr(one.labels, kind)[order]
                                      for kind in LABEL_NAMES}))

    held, shuffled = fold(nights), fold([chosen(one) for one in nights])
    for kind in LABEL_NAMES:
        assert (series(shuffled, kind) == series(held, kind)[:, order]).all(), kind


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=9))
def test_flipping_back_is_leaving_a_label_and_returning(labels: list[int]) -> None:
    there = [label for label in labels if label >= 0]
    expected = any(there[a] == there[c] and there[b] != there[a]
                   for c in range(len(there)) for b in range(c) for a in range(b))
    assert flipped_back([np.array([label]) for label in labels]).tolist() == [expected]


def test_cuts_are_those_of_the_configuration_and_the_reference(configure) -> None:
    """Fixed scores from the configuration, quantiles from the reference, per profile."""
    configuration = configure(
        {"number": NUMBER}, held_labels={"margin": 1.5},
        tiers={"high": {"quantile": 0.8}, "medium": {"quantile": 0.5}},
        profiles=[{"name": "b2b", "customer_types": ["company"],
                   "cuts": {"tiers": {"high": {"score": 30}, "medium": {"score": 20}}}},
                  {"name": "all"}])
    reference = Reference("r1", datetime.date(2026, 1, 1), {
        "all": ProfileReference(cuts={"crm_value": ((0.8, 71.25), (0.5, 40.0))})})
    cuts = HoldingCuts.of(configuration, reference)
    assert cuts.high.up.tolist() == [315_000, 727_500]
    assert cuts.high.down.tolist() == [285_000, 697_500]
    assert cuts.medium.up.tolist() == [215_000, 415_000]
    assert cuts.loyal.down.tolist() == [585_000, 585_000]
    assert (TIER_NAMES[3], QUADRANT_NAMES[4]) == ("insufficient_data", "insufficient_data")
