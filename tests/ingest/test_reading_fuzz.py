"""A small share of the fuzzing campaign, with every run of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ingest.conftest import Landing
from tests.ingest.fuzz_reading import SOURCES, Tally, damaged_file, deliver, fuzz


def test_damaged_files_are_loaded_or_refused_and_no_row_vanishes(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)
    tally = fuzz(60, 20261122, tmp_path)
    assert tally.outcomes["loaded"] > 20
    assert tally.outcomes["refused"] > 15
    assert tally.rows["loaded"] > 50
    assert tally.rows["rejected"] > 20


@pytest.mark.parametrize(("seed", "number"), [
    (71, 1735),  # Its only row has become part of the header.
])
def test_what_a_campaign_found_stays_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                            seed: int, number: int):
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)
    tally = Tally()
    deliver(Landing(tmp_path, SOURCES), [damaged_file(seed, number)], tally)
    assert tally.files_n == sum(tally.outcomes.values()) == 1


def test_a_file_is_the_same_again_and_no_two_are_equal():
    files = [damaged_file(7, number) for number in range(50)]
    assert files == [damaged_file(7, number) for number in range(50)]
    assert len({file.content for file in files}) > 45
