"""What becomes of a run in the status, and what its failures say to people."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from dagster_project.engine.failures import ResourceLimit, StoreUnreadable
from dagster_project.engine.status import write_status
from dagster_project.settings import Home

if TYPE_CHECKING:
    from dagster_project.resources import RunSession

# A run that cannot have the home fails before any step does.
FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RESOURCE_INIT_FAILURE}

# An exception of ours is words for people; where its class stands is not.
OUR_ERROR = re.compile(r"^dagster_project(\.\w+)+: ")


def write_record(context: dg.InitResourceContext, session: RunSession) -> None:
    """Write the status of a run that had the home, whatever came of it."""
    failures = failure_texts(context.instance, session.run_id) if context.instance else []
    if session.publication_id is not None and not failures:
        outcome = "made_again" if session.replay_words else "published"
        message = session.replay_words
    elif session.is_refused:
        outcome, message = "refused", "\n".join(failures)
    else:
        outcome = "failed" if failures else "ended without publishing"
        message = "\n".join(failures)
    ended_at = datetime.now(UTC).replace(tzinfo=None)
    keep_record(context, session.home, session.record(message, outcome, ended_at),
                session.results, session.refused_files)


def keep_record(context: dg.InitResourceContext, home: Home, record: dict[str, object],
                results: pd.DataFrame | None = None,
                refused_files: dict[str, str] | None = None) -> None:
    """Write the status; where that cannot be done, what was published stands all the same."""
    try:
        write_status(home.stores, record, results, refused_files,
                     home.settings.gate.permitted_columns)
    except (StoreUnreadable, ResourceLimit, OSError) as error:
        words = f"{home.stores.status} could not be replaced: {error}"
        if context.log:
            context.log.error(words)
        sys.stderr.write(words + "\n")


def failure_texts(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """What the failed steps of a run said, in words; also what kept it from its first step."""
    texts = []
    for entry in instance.all_logs(run_id, of_type=FAILURES):
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            failure, error = data.user_failure_data, data.error
        else:
            failure, error = None, event.engine_event_data.error
        if failure is not None and failure.description:
            texts.append(failure.description)
        elif error is not None:
            texts.append(_words_of_error(error))
    return texts


def _words_of_error(error: Any) -> str:
    """What an error says to people: ours, whatever it came from and is wrapped in."""
    chain = [error]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    ours = next((one for one in chain if OUR_ERROR.match(one.message.strip())), None)
    # Without one of ours: what a step raised, and not what it was wrapped in.
    chosen = ours or error.cause or error
    return OUR_ERROR.sub("", chosen.message.strip())
