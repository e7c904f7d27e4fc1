"""Runs whose process was lost: they are failed in Dagster's history, and told in the status.

Nobody else does: where daemon, code server and run go down together, a run stays STARTED in the
history for ever, and with one run at a time every later night stays queued behind it.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import dagster as dg

from dagster_project.engine.publication import published_run
from dagster_project.engine.run_marks import RunMark, forget_run, lost_runs, marked_runs
from dagster_project.engine.status import write_status
from dagster_project.settings import Home

# A run marks itself in the second in which it starts; one that is older and has no mark, and
# none of a lost run either, was lost before it came to that.
UNMARKED_SECONDS = 120
# A run takes its mark away before Dagster writes down how it ended.
END_SECONDS = 10
UNFINISHED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
LOST = ("its process was lost: it was killed, or the machine went down. What was published "
        "stands whole; nothing needs to be cleaned up. Run the night again")


def fail_lost_runs(home: Home, instance: dg.DagsterInstance,
                   wait: Callable[[float], None] = time.sleep) -> list[str]:
    """Fail every unfinished run of the history whose process is gone; their ids."""
    gone = {mark.run_id for mark in lost_runs(home.run_marks)}
    unmarked = _old_unmarked_runs(home, instance)
    if unmarked:
        wait(END_SECONDS)
        unmarked &= _old_unmarked_runs(home, instance)
    failed = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        if run.run_id in gone | unmarked:
            instance.report_run_failed(run, message=f"the run failed: {LOST}.")
            failed.append(run.run_id)
    return failed


def _old_unmarked_runs(home: Home, instance: dg.DagsterInstance) -> set[str]:
    marked = marked_runs(home.run_marks)
    return {record.dagster_run.run_id
            for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))
            if record.dagster_run.run_id not in marked and _is_old(record)}


def _is_old(record: dg.RunRecord) -> bool:
    began = record.start_time or record.create_timestamp.timestamp()
    age = datetime.now(UTC) - datetime.fromtimestamp(began, UTC)
    return age > timedelta(seconds=UNMARKED_SECONDS)


def tell_lost_runs(home: Home, instance: dg.DagsterInstance | None) -> list[RunMark]:
    """Fail the lost runs, give each a row in the status, and forget them; for the one writer.

    A run that was lost after the rename has its row in the publication; the status gets that.
    """
    lost = lost_runs(home.run_marks)
    if instance is not None:
        fail_lost_runs(home, instance)
    for mark in lost:
        write_status(home.stores, _row(home, mark), None, None,
                     home.settings.gate.permitted_columns)
        forget_run(home.run_marks, mark.run_id)
    return lost


def _row(home: Home, mark: RunMark) -> dict[str, object]:
    """The row of pipeline_runs."""
    return published_run(home.stores, mark.run_id) or mark.row(
        "failed", f"{mark.job_name}: {LOST}.", None)


def words_of(lost: Iterable[RunMark]) -> list[str]:
    """What is told of lost runs, a line each."""
    return [f"{mark.job_name} {mark.as_of_date or ''} run {mark.run_id} (process "
            f"{mark.process}) did not end: {LOST}" for mark in lost]
