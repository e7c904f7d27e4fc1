"""How many customers have each label, when the reference was fitted and tonight.

Cuts are frozen with a reference, so the shares they give drift; here they are counted. What the
labels are stands in `labels.py`; how facts drift, in `drift.py`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import numpy as np
import pandas as pd

from dagster_project.configuration import Configuration
from dagster_project.scoring.composites import compose_all
from dagster_project.scoring.exact import MILLION
from dagster_project.scoring.indicators import indicator_scores
from dagster_project.scoring.labels import LABELS, label_positions
from dagster_project.scoring.reference import Reference


def count_labels(
    features: pd.DataFrame, reference: Reference, configuration: Configuration, profile: str
) -> dict[tuple[str, str], int]:
    """Customers by label_kind and label among those of `features`, all of one profile."""
    own = reference.profile(profile)
    composed = compose_all(indicator_scores(features, own, configuration), configuration, profile)
    units = {name: composite.units for name, composite in composed.items()}
    positions = label_positions(features, units, reference, configuration, profile)
    return {
        (kind, label): int(count)
        for kind, labels in LABELS.items()
        for label, count in zip(
            labels, np.bincount(positions[kind], minlength=len(labels)), strict=True)
    }


def label_shares(
    counted: Mapping[tuple[str, str, str], int],
    reference: Reference,
    configuration: Configuration,
    as_of_date: datetime.date,
) -> pd.DataFrame:
    """Table `label_shares`: one row a profile, label_kind and label.

    Args:
        counted: customers of the population of tonight by profile, label_kind and label.
        reference: the reference of the night; one without labels leaves its columns empty.
        configuration: the profiles.
        as_of_date: D.
    """
    rows = []
    for profile in configuration.profile_names:
        then = reference.profile(profile).labels
        for kind, labels in LABELS.items():
            now = {label: counted.get((profile, kind, label), 0) for label in labels}
            then_n = sum(then.get((kind, label), 0) for label in labels)
            for label in labels:
                known = then.get((kind, label))
                rows.append({
                    "as_of_date": as_of_date, "profile": profile, "label_kind": kind,
                    "label": label, "reference_customers_n": known,
                    "reference_share": _share(known or 0, then_n),
                    "customers_n": now[label],
                    "customers_share": _share(now[label], sum(now.values())),
                })
    return pd.DataFrame(rows)


def _share(part: int, whole: int) -> float | None:
    """Six decimals, half up; None of nobody."""
    return (2 * part * MILLION + whole) // (2 * whole) / MILLION if whole else None
