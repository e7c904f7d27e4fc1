"""What people are told when a run fails."""

from __future__ import annotations

from collections.abc import Sequence

from dagster_project.engine.failures import ResourceLimit, StoreUnreadable
from dagster_project.engine.publication import published_run
from dagster_project.engine.stores import Stores


def failure_message(job_name: str, night: str | None, run_id: str,
                    causes: Sequence[str], stands: str) -> str:
    """The message of a failed run: what failed, why, what stands now, where to look.

    Args:
        job_name: job.
        night: business date, if the run had one.
        run_id: Dagster run.
        causes: what the failed steps said; empty when the run was lost.
        stands: see `what_stands`.
    """
    of_night = f" of {night}" if night else ""
    reasons = "\n".join(causes) or (
        "The run ended without a word: its process was lost. Start the night again; nothing "
        "needs to be cleaned up."
    )
    return (
        f"{job_name}{of_night} failed; {stands}.\n"
        f"{reasons}\n"
        f"Run {run_id}; all checks and rejected rows are in warehouse/status.duckdb."
    )


def what_stands(stores: Stores, run_id: str) -> str:
    """What readers have after a run that failed: a failure may come after the rename."""
    try:
        row = published_run(stores, run_id)
    except (StoreUnreadable, ResourceLimit) as error:
        return f"whether it published something is not known: {error}"
    if row is None:
        return "nothing was published, the last publication stands"
    return f"it had published publication {row['publication_id']}, which stands"
