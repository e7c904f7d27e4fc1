"""Real shares of labels: those of the population, when the reference was fitted and tonight."""

from __future__ import annotations

import datetime

import pandas as pd
import pytest

from dagster_project.scoring.label_shares import count_labels, label_shares
from dagster_project.scoring.labels import LABELS
from dagster_project.scoring.reference import Reference
from dagster_project.scoring.score import score_batch

D = datetime.date(2026, 11, 20)


def counted(scored):
    """Customers by profile, label_kind and label, as the scores have them."""
    return {("all", kind, label): int(count) for kind in LABELS
            for label, count in scored[kind].value_counts().items()}


def test_a_reference_counts_the_labels_that_its_population_gets(
    default_configuration, many, fitted
):
    features = many(500, seed=3)
    reference = fitted(features, default_configuration)
    population = features[features["is_in_population"]]
    scored = score_batch(population, reference, default_configuration)
    labels = reference.profile("all").labels
    assert {key: count for key, count in labels.items() if count} == {
        (kind, label): count for (_, kind, label), count in counted(scored).items()}
    # The cut of the top fifth takes a fifth of those who have a CRM value.
    with_value = sum(count for (kind, label), count in labels.items()
                     if kind == "tier" and label != "insufficient_data")
    assert labels["tier", "high"] / with_value == pytest.approx(0.2, abs=0.01)


def test_shares_then_and_now(default_configuration, many, fitted):
    """Tonight everybody is without a score: what was 20 % high is nobody."""
    reference = fitted(many(200, seed=4), default_configuration)
    then = reference.profile("all").labels
    now = {("all", kind, labels[-1]): 7 for kind, labels in LABELS.items()}
    frame = label_shares(now, reference, default_configuration, D)
    rows = frame.set_index(["label_kind", "label"])
    assert len(rows) == 4 + 5 + 6
    assert rows.loc[("tier", "high"), "customers_share"] == 0
    population_n = sum(then["tier", label] for label in LABELS["tier"])
    assert rows.loc[("tier", "high"), "reference_share"] == pytest.approx(
        then["tier", "high"] / population_n, abs=5e-7)
    assert rows.loc[("tier", "insufficient_data"), "customers_share"] == 1
    sums = frame.groupby("label_kind")[["customers_share", "reference_share"]].sum()
    assert sums.to_numpy().ravel().tolist() == pytest.approx([1.0] * 6)


def test_labels_are_counted_alike_in_parts(default_configuration, many, fitted):
    features = many(300, seed=5).query("is_in_population")
    reference = fitted(features, default_configuration)
    whole = count_labels(features, reference, default_configuration, "all")
    parts = [count_labels(part, reference, default_configuration, "all")
             for part in (features.iloc[100:], features.iloc[:100])]
    assert {key: parts[0][key] + parts[1][key] for key in whole} == whole
    assert reference.profile("all").labels == whole


def test_an_old_reference_leaves_its_columns_empty(default_configuration, many, fitted):
    frame = fitted(many(50, seed=6), default_configuration).to_frame()
    old = Reference.from_frame(frame[frame["item_kind"] != "label"], reference_id="r0",
                               valid_from=D)
    shares = label_shares({}, old, default_configuration, D)
    assert shares["reference_customers_n"].isna().all() and shares["reference_share"].isna().all()
    assert (shares["customers_n"] == 0).all() and pd.isna(shares["customers_share"]).all()
