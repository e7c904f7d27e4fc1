"""A small share of the fuzzing campaign, with every run of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ingest.fuzz_reading import damaged_file, fuzz


def test_damaged_files_are_loaded_or_refused_and_no_row_vanishes(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)
    tally = fuzz(60, 20261122, tmp_path)
    assert tally.outcomes["loaded"] > 20
    assert tally.outcomes["refused"] > 15
    assert tally.rows["loaded"] > 50
    assert tally.rows["rejected"] > 20


def test_a_file_is_the_same_again_and_no_two_are_equal():
    files = [damaged_file(7, number) for number in range(50)]
    assert files == [damaged_file(7, number) for number in range(50)]
    assert len({file.content for file in files}) > 45
