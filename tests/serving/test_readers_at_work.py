"""Readers in processes of their own while one publication after the other is switched in."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.engine.publication import switch
from dagster_project.engine.stores import Limits, Stores
from tests.conftest import SEEN
from tests.serving.warehouses import (
    CUSTOMERS_N,
    DUCKDB_READER,
    PATIENT,
    POSTGRES_READER,
    Readers,
    Served,
    make_file,
)

Recorder = Callable[[str, object], None]

# Fifty of them show what eight do not: readers in every phase of a switch.
COUNTS = [8, pytest.param(50, marks=pytest.mark.slow)]


def _publish(readers: Readers, publish: Callable[[int], object], last: int) -> float:
    """Publications 2 to `last` while all readers look; the seconds that they took."""
    while not readers.have_looked():
        time.sleep(0.05)
    began = time.monotonic()
    for number in range(2, last + 1):
        publish(number)
    return time.monotonic() - began


def _require_whole(name: str, readers: Readers, last: int, seconds: float) -> str:
    """No reader failed, none saw a mix, none saw an older one after a newer; what was seen."""
    seen = readers.ended()
    looks = [look for reader in seen for look in reader]
    assert [look for look in looks if len(set(look.numbers)) > 1] == []
    assert [look for look in looks if look.counts != (CUSTOMERS_N, CUSTOMERS_N)] == []
    assert [look for look in looks if not look.is_sum_right] == []
    for reader in seen:
        numbers = [look.numbers[0] for look in reader]
        assert numbers == sorted(numbers)
        assert numbers[-1] == last
    publications = {look.numbers[0] for look in looks}
    longest = max(look.seconds for look in looks)
    # All but the first were published while they looked.
    assert len(publications) > 1
    return (f"{name}: {last} publications in {seconds:.1f} s, {len(seen)} readers, {len(looks)} "
            f"looks at {len(publications)} of them, 0 errors, 0 mixed, numbers only grew, longest "
            f"look {longest:.2f} s")


@pytest.mark.parametrize("last", COUNTS)
def test_readers_of_postgresql_see_whole_publications_one_after_the_other(
        served: Served, last: int, record_property: Recorder) -> None:
    served.show(1)
    readers = Readers(POSTGRES_READER, served.url, served.folder)
    seconds = _publish(readers, served.show, last)
    record_property(SEEN, _require_whole("postgresql", readers, last, seconds))
    assert len(served.loaded()) <= 1 + PATIENT.keep_publications


@pytest.mark.parametrize("last", COUNTS)
def test_readers_of_the_file_see_whole_publications_one_after_the_other(
        tmp_path: Path, last: int, record_property: Recorder) -> None:
    stores = Stores(tmp_path / "state", tmp_path / "warehouse",
                    Limits("500MB", 1, tmp_path / "spill"))

    def publish(number: int) -> None:
        switch(stores, make_file(tmp_path / "candidate.duckdb", number), keep=3)

    publish(1)
    readers = Readers(DUCKDB_READER, str(stores.publication), tmp_path)
    seconds = _publish(readers, publish, last)
    record_property(SEEN, _require_whole("duckdb", readers, last, seconds))
    assert not list(stores.warehouse.glob("*.wal"))
