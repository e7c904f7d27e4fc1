"""Running a job from the command line: the same jobs, in the same history as the UI's."""

import contextlib
import io
import logging
import textwrap
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from dagster_project.automation.jobs import JOBS
from dagster_project.automation.nights import NIGHTS
from dagster_project.automation.retention import unfinished_runs
from dagster_project.automation.run_records import failure_texts
from dagster_project.refusals import WrongInput

LOOK_SECONDS = 0.5
TOLD_CHARACTERS = 120
# Step -> what it does, for people; the others are told by their names.
STEP_WORDS = {
    "load_landing": "loading exports", "prepare_night": "choosing the night's inputs",
    "scoring__scoring_reference": "finding the reference",
    "build_customers": "building customer tables", "score_customers": "scoring customers",
    "scoring__population_figures": "figures of segments",
    "scoring__account_scores": "scoring accounts",
    "expect_from_customers": "lifetime values and churn warnings",
    "segments__segment_labels": "segments and profitability",
    "changes__score_changes": "splitting what changed",
    "compare_with_reference": "comparing with the reference",
    "take_feedback": "results of campaigns and the score judged",
    "publish__candidate": "staging the candidate", "gate": "auditing the candidate",
    "publish_candidate": "publishing",
}


class NightNotThere(WrongInput, ValueError):
    """A date is no night of this home: what is allowed."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    run_id: str
    is_success: bool
    causes: tuple[str, ...]


def runs_going_on() -> list[str]:
    """Runs that Dagster believes are going on, in the home that was entered."""
    with dg.DagsterInstance.get() as instance:
        return unfinished_runs(instance)


def require_night_exists(night: date) -> None:
    """Raise unless the date is a night of this home that has ended."""
    if NIGHTS.has_partition_key(night.isoformat()):
        return
    first, last = NIGHTS.get_first_partition_key(), NIGHTS.get_last_partition_key()
    raise NightNotThere(
        f"{night} is no night of this home: nights run from {first} (first_night in "
        f"config/home.yaml) to {last} (yesterday in the business time zone)"
    )


def run_job(job_name: str, night: date, config: dict[str, Any] | None,
            tell: Callable[[str], None]) -> RunOutcome:
    """Run one job for one night in this process.

    Args:
        job_name: one of JOBS.
        night: business date D.
        config: configuration of ops, for example {"prepare_night": {...}}.
        tell: called with each step that starts and each line that a step tells.
    """
    from dagster_project.definitions import defs

    instance = dg.DagsterInstance.get()
    job = defs().resolve_job_def(job_name)
    run_id = str(uuid.uuid4())
    run_config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if config:
        run_config["ops"] = {name: {"config": values} for name, values in config.items()}
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(instance, run_id, tell, ended), daemon=True)
    watcher.start()
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    try:
        # dbt's own lines stand in its log and in the run's history.
        with contextlib.redirect_stdout(io.StringIO()):
            result = job.execute_in_process(
                partition_key=night.isoformat(), instance=instance, run_config=run_config,
                run_id=run_id, raise_on_error=False)
    finally:
        ended.set()
        watcher.join()
    return RunOutcome(run_id, result.success, tuple(failure_texts(instance, run_id)))


def _watch(instance: dg.DagsterInstance, run_id: str, tell: Callable[[str], None],
           ended: threading.Event) -> None:
    """Tell what the run's own history says, as it comes."""
    cursor = None
    while True:
        is_last_look = ended.wait(LOOK_SECONDS)
        records = instance.get_records_for_run(run_id, cursor=cursor)
        cursor = records.cursor
        for record in records.records:
            entry = record.event_log_entry
            event = entry.dagster_event
            if event is not None and event.event_type == dg.DagsterEventType.STEP_START:
                tell(STEP_WORDS.get(event.step_key or "", f"step {event.step_key}"))
            elif _is_worth_telling(entry):
                tell(textwrap.shorten(entry.user_message.strip().splitlines()[0],
                                      TOLD_CHARACTERS, placeholder=" ..."))
        if is_last_look and not records.has_more:
            return


def _is_worth_telling(entry: dg.EventLogEntry) -> bool:
    """A line that our own steps tell; what dbt and Dagster add stands in the run's history."""
    return (entry.dagster_event is None and int(entry.level) == logging.INFO
            and entry.step_key != "build_customers" and bool(entry.user_message.strip()))


JOB_NAMES = tuple(job.name for job in JOBS)
