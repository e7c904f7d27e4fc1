"""Test 3: staging and publishing killed at any point leave one whole publication, old or new."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dagster_project.engine.audit_connection import fingerprints_of
from dagster_project.engine.publication import record_results, switch
from dagster_project.publish.tables import RUN_TABLES
from faults.killing import chosen, counted, in_child, killed, longer, play
from tests.conftest import INJECTED, SEEN
from tests.publish.staging import Customer, Warehouse, default_configuration

RUN_TABLE_NAMES = frozenset(table.name for table in RUN_TABLES)
FIRST = date(2026, 4, 1)
NIGHTS_BEFORE = 2
RUN = {"run_id": "r", "job_name": "nightly", "as_of_date": FIRST, "outcome": "published",
       "candidate_id": "candidate", "publication_id": NIGHTS_BEFORE + 1, "message": "",
       "started_at": pd.Timestamp("2026-04-04 04:30:00"), "ended_at": None}
RESULTS = pd.DataFrame([{
    "candidate_id": "candidate", "check_name": "one", "table_name": "customers",
    "outcome": "passed", "severity": "error", "failing_n": 0, "message": "", "why": "",
    "waived_reason": None}])


def _customers(night: int) -> dict[int, Customer]:
    return {number: Customer(10.0 * number + night, 20.0 * number, 15.0 * number)
            for number in range(1, 6)}


def _prepare(folder: Path) -> None:
    """Two nights published, the build of the third made."""
    warehouse = Warehouse(folder)
    for night in range(NIGHTS_BEFORE):
        warehouse.night(FIRST + timedelta(days=night), _customers(night))
    _stage(folder, with_build=True)


def _stage(folder: Path, *, with_build: bool = False) -> None:
    warehouse = Warehouse(folder)
    if not with_build:
        # What is staged from stands there.
        warehouse._build = lambda *_: None  # type: ignore[method-assign]
    warehouse.stage(FIRST + timedelta(days=NIGHTS_BEFORE), _customers(NIGHTS_BEFORE),
                    previous_publication_id=NIGHTS_BEFORE)


def _publish(folder: Path) -> None:
    """Write the records of the run, then switch."""
    stores = Warehouse(folder).stores
    candidate = stores.candidate("candidate")
    approved = _content(candidate)
    record_results(stores, candidate, RESULTS, RUN)

    def verify(copy: Path) -> None:
        assert _content(copy) == approved

    switch(stores, candidate, keep=1, verify=verify)
    # What comes next, so that a kill can strike behind the rename, too.
    candidate.unlink()


def _content(file: Path) -> dict[str, Any]:
    return fingerprints_of(file, without=RUN_TABLE_NAMES)


PUBLISHED = Path("warehouse") / "crm.duckdb"
CANDIDATE = Path("state") / "candidates" / "candidate" / "crm.duckdb"


def kill_staging(folder: Path, share: float) -> tuple[int, int]:
    """Kill staging at a share of its points; (points, kills)."""
    before = folder / "before"
    # Once for all children.
    default_configuration()
    in_child(_prepare, before)
    undisturbed = shutil.copytree(before, folder / "undisturbed")
    points = counted(_stage, undisturbed)
    right = in_child(_content, undisturbed / CANDIDATE)
    old_bytes = (before / PUBLISHED).read_bytes()
    home = shutil.copytree(before, folder / "killed")
    places = chosen(points, share)
    for place in places:
        # One home for all: what each kill left is what the next run finds.
        killed(_stage, place, home)
        assert (home / PUBLISHED).read_bytes() == old_bytes, f"point {place} of {points}"
    in_child(_stage, home)
    assert in_child(_content, home / CANDIDATE) == right
    return points, len(places)


def kill_switching(folder: Path, share: float) -> tuple[int, int, int]:
    """Kill publishing at a share of its points; (points, kills before and after the rename)."""
    before = folder / "before"
    # Once for all children.
    default_configuration()
    in_child(_prepare, before)
    undisturbed = shutil.copytree(before, folder / "undisturbed")
    points = counted(_publish, undisturbed)
    old = in_child(_content, before / PUBLISHED)
    new = in_child(_content, undisturbed / PUBLISHED)
    assert old != new
    outcomes = [0, 0]
    for place in chosen(points, share):
        home = shutil.copytree(before, folder / "killed")
        killed(_publish, place, home)
        left = in_child(_content, home / PUBLISHED)
        assert left in (old, new), f"killed at point {place} of {points}: a mixture"
        assert left == new or (home / PUBLISHED).read_bytes() == (
            before / PUBLISHED).read_bytes()
        assert (home / PUBLISHED).stat().st_mode & 0o222 == 0, "readers could write"
        outcomes[left == new] += 1
        if left == old:
            # The next run needs no hand work.
            in_child(_publish, home)
        assert in_child(_content, home / PUBLISHED) == new, f"after point {place}"
        assert list((home / "warehouse").glob("*.wal")) == []
        assert in_child(_numbers_of_kept, home) == [NIGHTS_BEFORE]
        shutil.rmtree(home)
    return points, outcomes[0], outcomes[1]


def _numbers_of_kept(folder: Path) -> list[int]:
    kept = sorted((folder / "warehouse" / "kept").glob("*.duckdb"))
    return [int(max(row[0] for row in Warehouse(folder).query(
        "select publication_id from publication", file))) for file in kept]


@pytest.mark.parametrize("share", [
    0.02, *longer(0.12)])
def test_staging_killed_at_any_point_leaves_yesterday_and_goes_on(
        tmp_path: Path, share: float, record_property: Any) -> None:
    points, kills = play(kill_staging, tmp_path, share)
    record_property(INJECTED, kills)
    record_property(SEEN, f"staging killed at {kills} of its {points} points: yesterday stayed "
                          f"each time")
    assert points > 100, "staging does more than that"


@pytest.mark.parametrize("share", [
    0.02, *longer(0.4)])
def test_a_publication_killed_at_any_point_is_old_or_new_and_whole(
        tmp_path: Path, share: float, record_property: Any) -> None:
    points, before, after = play(kill_switching, tmp_path, share)
    record_property(INJECTED, before + after)
    record_property(SEEN, f"a switch killed at {before + after} of its {points} points: {before} "
                          f"times the old publication stood, {after} times the new one, whole")
    assert points > 15, "a switch does more than that"
    assert min(before, after) > 0, "kills must strike before and after the rename"


def leave_an_incoming_file(folder: Path) -> list[int]:
    """As an ordinary user: a kill between making the copy read-only and the rename, and again."""
    in_child(_prepare, folder)

    def as_somebody() -> list[int]:
        os.chdir(folder)
        if os.geteuid() == 0:
            # A superuser may write everywhere and would see nothing.
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, 65534, 65534)
            os.setegid(65534)
            os.seteuid(65534)
        left = folder / "warehouse" / ".incoming.duckdb"
        left.write_bytes(b"half a file")
        left.chmod(0o444)
        _publish(folder)
        return [row[0] for row in Warehouse(folder).query(
            "select max(publication_id) from publication")]
    found: list[int] = in_child(as_somebody)
    return found


def test_a_read_only_copy_that_a_kill_left_is_no_obstacle(record_property: Any) -> None:
    record_property(INJECTED, 1)
    # Not below tmp_path, into which nobody else may look.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        assert play(leave_an_incoming_file, Path(folder) / "home") == [NIGHTS_BEFORE + 1]


def test_a_copy_that_is_not_what_was_approved_is_not_renamed(tmp_path: Path) -> None:
    """The disk may write something else than it was given."""
    warehouse = Warehouse(tmp_path)
    _prepare(tmp_path)
    before = warehouse.stores.publication.read_bytes()
    candidate = warehouse.stores.candidate("candidate")

    def refuse(copy: Path) -> None:
        assert copy != candidate
        raise ValueError("not what was approved")

    with pytest.raises(ValueError, match="not what was approved"):
        switch(warehouse.stores, candidate, keep=7, verify=refuse)
    assert warehouse.stores.publication.read_bytes() == before
    assert not list(warehouse.stores.warehouse.glob(".incoming*"))
