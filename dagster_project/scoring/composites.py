"""From scores to composites: weights, coverage and contributions that add up exactly.

Input and output are whole numbers (see `exact.py`). Which parts a composite has stands in
crm.yaml; labels are cut in `labels.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dagster_project.configuration import Configuration
from dagster_project.scoring.exact import MILLION, NOT_MEASURED, Whole, quotient_half_up, scaled


@dataclass(frozen=True)
class Composed:
    """One composite of a batch; arrays have one entry for each customer.

    Attributes:
        units: the composite in ten-thousandths of a point; NOT_MEASURED under the coverage.
        coverage: share of weight backed by data, millionths.
        weights: by part: weight after missing parts are left out, millionths.
        contributions: by part: ten-thousandths of a point; they add up to `units` exactly.
    """

    units: Whole
    coverage: Whole
    weights: Mapping[str, Whole]
    contributions: Mapping[str, Whole]


def compose_all(
    scores: Mapping[str, Whole], configuration: Configuration, profile: str
) -> dict[str, Composed]:
    """All composites of a profile.

    Args:
        scores: by indicator, ten-thousandths of a point.
        configuration: composites, their parts and the least coverage.
        profile: whose weights apply.

    Returns:
        By composite, in the order of the configuration.
    """
    known = dict(scores)
    composed: dict[str, Composed] = {}
    bound = scaled(configuration.min_coverage, MILLION)
    for name in configuration.composites_in_order():
        weights = {
            part: scaled(weight, MILLION)
            for part, weight in configuration.weights(profile, name).items()
        }
        coverages = {part: composed[part].coverage for part in weights if part in composed}
        composed[name] = compose(weights, known, coverages, bound)
        known[name] = composed[name].units
    return {name: composed[name] for name in configuration.composites}


def compose(
    weights: Mapping[str, int],
    scores: Mapping[str, Whole],
    coverages: Mapping[str, Whole],
    min_coverage: int,
) -> Composed:
    """One composite.

    Args:
        weights: by part, millionths, adding up to a million.
        scores: by part, ten-thousandths of a point.
        coverages: by part that is itself a composite, millionths; others count whole.
        min_coverage: millionths; below it there is no composite.

    Returns:
        The composite. Running sums are rounded, not single contributions: what is rounded away
        from one part falls to the next, so that the contributions add up to the rounded weighted
        mean and four full scores give 100, never 100.0002.
    """
    has = {part: scores[part] != NOT_MEASURED for part in weights}
    total = sum((weight * has[part] for part, weight in weights.items()),
                start=np.zeros(1, np.int64))
    covered = sum(
        (weight * np.where(has[part], coverages[part], 0) if part in coverages
         else weight * MILLION * has[part]
         for part, weight in weights.items()),
        start=np.zeros(1, np.int64),
    )
    coverage = quotient_half_up(covered, MILLION)
    is_scored = (coverage >= min_coverage) & (total > 0)
    divisor = np.where(total > 0, total, 1)
    effective, contributions = {}, {}
    running = np.zeros(len(total), np.int64)
    before = np.zeros(len(total), np.int64)
    for part, weight in weights.items():
        counts = has[part] & is_scored
        running = running + weight * np.where(counts, scores[part], 0)
        upto = quotient_half_up(running, divisor)
        effective[part] = np.where(
            counts, quotient_half_up(weight * MILLION, divisor), NOT_MEASURED)
        contributions[part] = np.where(counts, upto - before, NOT_MEASURED)
        before = upto
    return Composed(np.where(is_scored, before, NOT_MEASURED), coverage, effective, contributions)
