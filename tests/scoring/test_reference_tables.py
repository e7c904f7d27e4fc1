"""The tables about a reference can be stored, also where nothing about it is known."""

from __future__ import annotations

import datetime

import pytest

from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.stores import Limits, Stores
from dagster_project.publish.reference_tables import LABEL_SHARES, REFERENCE_DRIFT, SCORE_CURVES
from dagster_project.scoring.drift import FirstDates, reference_drift
from dagster_project.scoring.label_shares import label_shares
from dagster_project.scoring.reference import Reference
from dagster_project.scoring.score_curves import score_curves

D = datetime.date(2026, 11, 20)
KINDS = {"old": ["bin", "label"], "new": []}


@pytest.mark.parametrize("age", KINDS)
def test_the_tables_take_what_is_not_known(
    age, default_configuration, many, fitted, tmp_path
):
    """References of homes that were made before there were bins and counted labels."""
    frame = fitted(many(80, seed=2), default_configuration).to_frame()
    reference = Reference.from_frame(frame[~frame["item_kind"].isin(KINDS[age])],
                                     reference_id="r", valid_from=D)
    (tmp_path / "state").mkdir()
    engine = EmbeddedEngine(
        Stores(tmp_path / "state", tmp_path / "warehouse", Limits("1GB", 1, tmp_path / "spill")),
        b"secret")
    made = {
        REFERENCE_DRIFT: reference_drift([many(80, seed=2)], reference, default_configuration,
                                         FirstDates(interactions=D), D),
        LABEL_SHARES: label_shares({("all", "tier", "high"): 3}, reference,
                                   default_configuration, D),
        SCORE_CURVES: score_curves(reference, default_configuration),
    }
    engine.replace_cells("build", "night", made)
    for table, rows in made.items():
        stored = engine.read_current(
            "build", f"select * from night.{table.name} order by {', '.join(table.key)}")
        assert len(stored) == len(rows) > 0
        required = [column.name for column in table.columns if column.is_required]
        assert stored[required].notna().all(axis=None)
        if age == "old":
            unknown = [name for name in stored.columns if name in (
                "psi", "bins_n", "reference_customers_n", "reference_share")]
            assert stored[unknown].isna().all(axis=None)
