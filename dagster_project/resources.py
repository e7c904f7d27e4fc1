"""The home as a Dagster resource: one writer for a whole run, and its record afterwards."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg
import pandas as pd
from pydantic import PrivateAttr

from dagster_project.automation.jobs import LOADING_NOTHING
from dagster_project.automation.lost_runs import tell_lost_runs, words_of
from dagster_project.automation.retention import prune_history
from dagster_project.automation.run_records import keep_record, write_record
from dagster_project.configuration import Configuration
from dagster_project.customers.night import NightInputs, require_night
from dagster_project.customers.tables import NIGHT_INPUTS
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.failures import ResourceLimit, StoreUnreadable
from dagster_project.engine.run_marks import RunMark, mark_run
from dagster_project.engine.table import Table
from dagster_project.engine.whole_stores import require_known_loads
from dagster_project.engine.writer_lock import writer_lock
from dagster_project.ingest.last_look import refused_at_last_look
from dagster_project.operation.disk import delete_leftovers, require_disk
from dagster_project.publish.serving import require_serving
from dagster_project.settings import Home, enter, home_from_environment

PARTITION_TAG = "dagster/partition"
NO_RETRIES = {"dagster/max_retries": "0"}


@dataclass
class RunSession:
    """What the steps of one run share, and what of it becomes the run's record.

    Attributes:
        refused_files: name -> reason of files of this run that cannot be read as a whole; None
            while the run has not looked into the landing folder.
        inputs: of the night in the build, once they were checked; the run's lock keeps the build
            from changing until this run prepares a night itself.
    """

    home: Home
    engine: EmbeddedEngine
    run_id: str
    job_name: str
    as_of_date: date | None
    started_at: datetime
    refused_files: dict[str, str] | None = None
    inputs: NightInputs | None = None
    candidate_id: str | None = None
    publication_id: int | None = None
    results: pd.DataFrame | None = None
    is_refused: bool = False
    replay_words: str = ""

    def record(self, message: str, outcome: str, ended_at: datetime | None) -> dict[str, object]:
        """The row of pipeline_runs."""
        return {
            "run_id": self.run_id, "job_name": self.job_name, "as_of_date": self.as_of_date,
            "outcome": outcome, "candidate_id": self.candidate_id,
            "publication_id": self.publication_id, "message": message,
            "started_at": self.started_at, "ended_at": ended_at,
        }

    def refused_of_night(self, inputs: NightInputs) -> dict[str, str]:
        """Refused files that the gate must know of: of this run's look, else of the last one.

        A replay of what was known then has nothing to do with what lies in the folder now.
        """
        if self.refused_files is not None:
            return self.refused_files
        if inputs.replay_of_publication_id:
            return {}
        return refused_at_last_look(self.home.refused_files)

    def build_table(self, table: Table) -> pd.DataFrame | None:
        """A small table of schema `night` of the build; None if the build has none."""
        if not self.engine.has("build"):
            return None
        found = self.engine.read_current(
            "build", "select count(*) as n from duckdb_tables() where schema_name = 'night' "
                     "and table_name = ?", [table.name])
        if not found["n"].iloc[0]:
            return None
        return self.engine.read_current("build", f"select * from night.{table.name}")

    def configuration_of(self, config_hash: str) -> Configuration:
        """The configuration of the night: the home's, or for a replay the one published then."""
        own = self.home.configuration
        if config_hash == own.hash:
            return own
        texts = self.engine.read_current(
            "publication", "select canonical_text from crm.configurations where config_hash = ?",
            [config_hash])
        return Configuration.from_canonical(texts["canonical_text"].iloc[0]).with_texts_of(own)


class HomeResource(dg.ConfigurableResource):
    """The home that CRM_HOME names. Its lock is held from the first step to the last."""

    _session: RunSession | None = PrivateAttr(default=None)

    @property
    def session(self) -> RunSession:
        """The run's session; only inside a run."""
        assert self._session is not None, "the home is open only inside a run"
        return self._session

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["HomeResource"]:
        """Lock the home, open a session, and write the status whatever comes of it."""
        def tell(words: str) -> None:
            if context.log:
                context.log.info(words)
            sys.stderr.write(words + "\n")

        with ExitStack() as held:
            try:
                self._session = _begin(context, held, tell)
            except Exception:
                _forbid_retries(context)
                raise
            home = self._session.home
            try:
                yield self
            finally:
                write_record(context, self._session)
                is_published = self._session.publication_id is not None
                self._session = None
                if is_published and context.instance:
                    _forget(context.instance, home, tell)


def _begin(context: dg.InitResourceContext, held: ExitStack,
           tell: Callable[[str], None]) -> RunSession:
    """Take the home for this run, as long as `held` is open."""
    home = home_from_environment()
    home.require()
    enter(home)
    run = context.run
    run_id, job_name = (run.run_id, run.job_name) if run else ("none", "none")
    partition = run.tags.get(PARTITION_TAG) if run else None
    as_of_date = date.fromisoformat(partition) if partition else None
    mark = RunMark(run_id, job_name, as_of_date, os.getpid(), _utc_now())
    held.enter_context(mark_run(home.run_marks, mark))
    held.enter_context(
        writer_lock(home.lock_file, purpose=f"{job_name} {partition or ''} run {run_id}",
                    wait_seconds=home.settings.lock_wait_seconds, tell=tell))
    _tell_lost_runs(context, home, tell)
    try:
        # What cannot be published to is told of now, not when the night is done.
        require_serving(home)
        require_disk(home, loads=job_name not in LOADING_NOTHING)
        engine = EmbeddedEngine(home.stores, home.secret)
        require_known_loads(home.stores, engine.last_load_seq())
    except Exception as error:
        # Also a run that cannot begin is told of.
        keep_record(context, home, mark.row("failed", str(error), _utc_now()))
        raise
    return RunSession(home, engine, run_id, job_name, as_of_date, _utc_now())


def _forbid_retries(context: dg.InitResourceContext) -> None:
    """Keep Dagster from trying a run again that was refused before its first step.

    To Dagster that is no failed step, and so the same as a lost process, which is tried again.
    """
    if context.instance and context.run:
        context.instance.add_run_tags(context.run.run_id, NO_RETRIES)


def _forget(instance: dg.DagsterInstance, home: Home, tell: Callable[[str], None]) -> None:
    """Delete what need not be kept; a night is published, whatever comes of this."""
    try:
        pruned = prune_history(instance, home, datetime.now(UTC))
        files_n = delete_leftovers(home) + pruned.folders_n
    # Of Dagster's storage, which is not ours: any error means that it is tried again tomorrow.
    except Exception as error:  # noqa: BLE001
        tell(f"old runs could not be deleted: {str(error).splitlines()[0]}")
        return
    if pruned.runs_n or files_n:
        tell(f"forgot {pruned.runs_n} runs older than {home.settings.run_history_days} days "
             f"(run_history_days), deleted {files_n} leftover files")


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _tell_lost_runs(context: dg.InitResourceContext, home: Home,
                    tell: Callable[[str], None]) -> None:
    """Before this run begins; where it cannot be told, the next run tells it."""
    try:
        for words in words_of(tell_lost_runs(home, context.instance)):
            tell(words)
    except (StoreUnreadable, ResourceLimit, OSError) as error:
        tell(f"lost runs could not be told: {error}")


def require_inputs(session: RunSession) -> NightInputs:
    """The night the build holds, checked against the run's own D and configuration."""
    if session.inputs is None:
        session.inputs = _checked_inputs(session)
    return session.inputs


def _checked_inputs(session: RunSession) -> NightInputs:
    frame = session.build_table(NIGHT_INPUTS)
    assert session.as_of_date is not None, "as-of assets run with a partition"
    require_night(frame, session.as_of_date, session.home.configuration.hash)
    assert frame is not None
    row = frame.iloc[0]
    replayed = row["replay_of_publication_id"]
    return NightInputs(
        as_of_date=session.as_of_date, known_load_seq=int(row["known_load_seq"]),
        config_hash=str(row["config_hash"]), reference_id=str(row["reference_id"]),
        method_version=str(row["method_version"]),
        previous_publication_id=int(row["previous_publication_id"]),
        is_backcast=bool(row["is_backcast"]), is_new_reference=bool(row["is_new_reference"]),
        replay_of_publication_id=None if pd.isna(replayed) else int(replayed),
    )
