"""What Dagster's own storage of a home may forget, and the runs that it believes are going on."""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg
from dagster import DagsterRunStatus as Status

from dagster_project.settings import Home

# A first pruning of years must not hold up the night that does it.
RUNS_A_NIGHT = 100
FINISHED = [Status.SUCCESS, Status.FAILURE, Status.CANCELED]
UNFINISHED = [Status.STARTED, Status.STARTING, Status.CANCELING]


@dataclass(frozen=True)
class Pruned:
    """What was deleted."""

    runs_n: int
    folders_n: int


def prune_history(instance: dg.DagsterInstance, home: Home, now: datetime) -> Pruned:
    """Delete finished runs older than `run_history_days` with their events and logs.

    The run of the newest materialisation of each asset stays, so that the asset keeps its state.
    What was published, refused and loaded stands in our own files and loses nothing.

    Args:
        instance: Dagster's, of this home.
        home: whose settings.
        now: with a zone.
    """
    before = now - timedelta(days=home.settings.run_history_days)
    keep = newest_runs(instance)
    old = instance.get_run_records(
        dg.RunsFilter(statuses=FINISHED, created_before=before), ascending=True,
        limit=RUNS_A_NIGHT + len(keep))
    gone = [record.dagster_run.run_id for record in old
            if record.dagster_run.run_id not in keep][:RUNS_A_NIGHT]
    for run_id in gone:
        instance.delete_run(run_id)
        _delete_files(home, run_id)
    return Pruned(len(gone), _delete_lost_folders(instance, home, before))


def newest_runs(instance: dg.DagsterInstance) -> set[str]:
    """Runs that hold the newest materialisation of some asset."""
    records = instance.get_asset_records(instance.all_asset_keys())
    return {record.asset_entry.last_run_id for record in records
            if record.asset_entry.last_run_id} | {
        record.asset_entry.last_materialization.run_id for record in records
        if record.asset_entry.last_materialization}


def unfinished_runs(instance: dg.DagsterInstance) -> list[str]:
    """Runs that Dagster believes are going on."""
    return [run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))]


def _delete_files(home: Home, run_id: str) -> None:
    """Logs of the steps, and the file in which the run's events were."""
    shutil.rmtree(home.dagster_home / "storage" / run_id, ignore_errors=True)
    for path in (home.dagster_home / "history" / "runs").glob(f"{run_id}.db*"):
        path.unlink(missing_ok=True)


def _delete_lost_folders(instance: dg.DagsterInstance, home: Home, before: datetime) -> int:
    """Folders of logs whose run is known no more."""
    storage = home.dagster_home / "storage"
    old = [folder for folder in storage.glob("*-*-*-*-*") if folder.is_dir()
           and folder.stat().st_mtime < before.timestamp()] if storage.is_dir() else []
    lost = [folder for folder in old if instance.get_run_by_id(folder.name) is None]
    for folder in lost:
        shutil.rmtree(folder, ignore_errors=True)
    return len(lost)
