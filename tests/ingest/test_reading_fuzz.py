"""A small share of the fuzzing campaign, with every run of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ingest.fuzz_reading import fuzz


def test_damaged_files_are_loaded_or_refused_and_no_row_vanishes(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)
    tally = fuzz(100, 20261122, tmp_path)
    assert tally.outcomes["loaded"] > 20
    assert tally.outcomes["refused"] > 20
    assert tally.rows["loaded"] > 20
    assert tally.rows["rejected"] > 0
