"""Dagster's storage, replays and leftovers stay bounded, and what is needed stays."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from dagster_project.automation.jobs import JOBS, LOADING_NOTHING
from dagster_project.automation.retention import (
    newest_runs,
    prune_history,
    unfinished_runs,
)
from dagster_project.command_line import app
from dagster_project.definitions import defs
from dagster_project.operation import disk
from dagster_project.operation.disk import (
    DiskTooSmall,
    delete_leftovers,
    need_of_night,
    require_disk,
)
from dagster_project.settings import Home, make_home
from dagster_project.yaml_file import ConfigurationError

RUNS_A_ROUND = 4


@dg.asset
def often() -> None:
    """Made by every run."""


@dg.asset
def once() -> None:
    """Made by the first run alone."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return make_home(tmp_path / "home", is_sample=True)


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage of the home, on disk."""
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        yield instance


def run(instance: dg.DagsterInstance, *assets: dg.AssetsDefinition) -> str:
    """One run with its logs."""
    result = dg.materialize(list(assets), instance=instance)
    logs = Path(instance.storage_directory()) / result.run_id / "compute_logs"
    logs.mkdir(parents=True, exist_ok=True)
    (logs / "step.err").write_text("many lines")
    return result.run_id


def size(folder: Path) -> int:
    """Bytes of all files of a folder, journals of the moment left out."""
    return sum(path.stat().st_size for path in folder.rglob("*")
               if path.is_file() and not path.name.endswith(("-wal", "-shm")))


def runs_of(instance: dg.DagsterInstance) -> set[str]:
    """All runs that Dagster knows."""
    return {run.run_id for run in instance.get_runs()}


def test_old_runs_go_and_the_newest_of_each_asset_stay(home: Home,
                                                       instance: dg.DagsterInstance) -> None:
    first = run(instance, often, once)
    others = [run(instance, often) for _ in range(3)]
    now = datetime.now(UTC)
    assert prune_history(instance, home, now + timedelta(days=89)).runs_n == 0
    assert prune_history(instance, home, now + timedelta(days=91)).runs_n == 2
    assert runs_of(instance) == {first, others[-1]} == newest_runs(instance)
    event = instance.get_latest_materialization_event(once.key)
    assert event is not None and event.run_id == first
    storage = home.dagster_home / "storage"
    assert {path.name for path in storage.iterdir()} >= {first, others[-1]}
    assert not (storage / others[0]).exists()
    files = {path.name.split(".db")[0] for path in
             (home.dagster_home / "history" / "runs").glob("*-*-*-*-*.db")}
    assert files == {first, others[-1]}


def test_a_home_of_many_nights_stays_bounded(home: Home, instance: dg.DagsterInstance) -> None:
    """Rounds of runs with a pruning after each: the third and later ones add nothing."""
    sizes = []
    for round_ in range(1, 5):
        for _ in range(RUNS_A_ROUND):
            run(instance, often)
        # All that was run so far is older than is kept.
        prune_history(instance, home, datetime.now(UTC) + timedelta(days=91 * round_))
        sizes.append(size(home.dagster_home))
    assert len(runs_of(instance)) == 1
    assert sizes[-1] <= sizes[1] * 1.1


def test_logs_of_runs_that_nobody_knows_go_once_they_are_old(
        home: Home, instance: dg.DagsterInstance) -> None:
    lost = home.dagster_home / "storage" / "0ce882af-68f1-415d-94e7-332901143303"
    lost.mkdir(parents=True)
    assert prune_history(instance, home, datetime.now(UTC)).folders_n == 0
    assert prune_history(instance, home, datetime.now(UTC) + timedelta(days=91)).folders_n == 1
    assert not lost.exists()


def test_runs_that_go_on_are_never_deleted(home: Home, instance: dg.DagsterInstance) -> None:
    run(instance, often)
    going = instance.create_run_for_job(
        dg.define_asset_job("job", "*").resolve(
            asset_graph=dg.Definitions(assets=[often]).resolve_asset_graph()),
        status=dg.DagsterRunStatus.STARTED)
    prune_history(instance, home, datetime.now(UTC) + timedelta(days=1000))
    assert going.run_id in runs_of(instance)
    assert unfinished_runs(instance) == [going.run_id]


def test_replays_beyond_those_kept_and_old_spill_go(home: Home) -> None:
    home.stores.replays.mkdir(parents=True)
    for number in range(1, 11):
        path = home.stores.replays / f"publication-{number:06d}.duckdb"
        path.touch()
        os.utime(path, (number, number))
    spill = home.limits.spill_folder
    spill.mkdir(parents=True)
    (spill / "young.tmp").touch()
    old = spill / "old.tmp"
    old.touch()
    os.utime(old, (time.time() - 3 * 86_400,) * 2)
    assert delete_leftovers(home) == 4
    assert sorted(path.stem for path in home.stores.replays.iterdir()) == [
        f"publication-{number:06d}" for number in range(4, 11)]
    assert [path.name for path in spill.iterdir()] == ["young.tmp"]


def test_history_cannot_be_cut_below_a_week(home: Home) -> None:
    path = home.config / "home.yaml"
    path.write_text(path.read_text().replace("run_history_days: 90", "run_history_days: 6"))
    with pytest.raises(ConfigurationError, match="run_history_days: is 6; "):
        _ = Home(home.folder).settings


def sized(path: Path, size: int) -> Path:
    """A file of a size, none of which is written."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


GB = 10**9


def test_need_follows_the_publication_the_build_and_new_files(home: Home) -> None:
    assert need_of_night(home).total == disk.EVERY_NIGHT_BYTES
    sized(home.stores.raw, 10 * GB)
    sized(home.stores.publication, GB // 2)
    sized(home.stores.build, 3 * GB)
    new = sized(home.landing / "orders.csv", 1000)
    sized(home.landing / "orders.CSV.GZ", 1000)
    need = need_of_night(home)
    # Raw stays as it is: it is read.
    assert (need.publication, need.build) == (2 * GB, 3 * GB)
    assert need.landing == 1000 * (disk.LANDING_TIMES + disk.COMPRESSED_TIMES)
    # A file that was loaded is not loaded again.
    stat = new.stat()
    home.hash_memory.write_text(json.dumps(
        {"orders.csv": [stat.st_size, stat.st_mtime_ns, "hash"]}))
    assert need_of_night(home).landing == 1000 * disk.COMPRESSED_TIMES
    assert need_of_night(home, loads=False).landing == 0


def test_what_is_not_there_yet_needs_room_for_all_that_is_known(home: Home) -> None:
    sized(home.landing / "orders.parquet", 2 * GB)
    first = need_of_night(home)
    assert (first.publication, first.build) == (2 * GB, 2 * GB)
    sized(home.stores.raw, 10 * GB)
    sized(home.stores.publication, GB // 2)
    # Somebody has deleted the build.
    need = need_of_night(home)
    assert (need.publication, need.build) == (2 * GB, 12 * GB)
    assert need_of_night(home, loads=False).build == 10 * GB


def test_files_that_vanish_while_they_are_looked_at_need_no_room(home: Home) -> None:
    (home.landing / "gone.csv").symlink_to(home.landing / "nowhere.csv")
    assert need_of_night(home).landing == 0


def test_jobs_that_load_nothing_are_those_without_ingest() -> None:
    graph = defs().resolve_asset_graph()
    ingest = dg.AssetSelection.groups("ingest").resolve(graph)
    assert {job.name for job in JOBS if not job.selection.resolve(graph) & ingest} == \
        LOADING_NOTHING


def test_too_small_a_disk_is_refused_with_the_figures(
        home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.stores.publication.write_bytes(bytes(10_000_000))
    require_disk(home)
    monkeypatch.setattr(disk, "free_bytes", lambda path: 139_000_000)
    with pytest.raises(DiskTooSmall, match=r"139 MB are free .* may need 140 MB \(40 MB to stage"):
        require_disk(home)


def test_a_night_on_a_full_disk_is_refused_in_words_before_anything_is_written(
        home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster's history would be the first that finds no room."""
    for name in ("CRM_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(disk, "free_bytes", lambda path: 1_000_000)
    said = CliRunner().invoke(app, ["--home", str(home.folder), "run"])
    assert said.exit_code == 3
    assert "Nothing was started. Make room" in " ".join(said.output.split())
    assert not (home.dagster_home / "history").exists()
