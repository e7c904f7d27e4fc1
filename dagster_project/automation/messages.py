"""What people are told when a run fails. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def failure_message(job_name: str, night: str | None, run_id: str,
                    causes: Sequence[str]) -> str:
    """The message of a failed run: what failed, why, what stands now, where to look.

    Args:
        job_name: job.
        night: business date, if the run had one.
        run_id: Dagster run.
        causes: what the failed steps said; empty when the run was lost.
    """
    of_night = f" of {night}" if night else ""
    reasons = "\n".join(causes) or (
        "The run ended without a word: its process was lost. Start the night again; nothing "
        "needs to be cleaned up."
    )
    return (
        f"{job_name}{of_night} failed; nothing was published, the last publication stands.\n"
        f"{reasons}\n"
        f"Run {run_id}; all checks and rejected rows are in warehouse/status.duckdb."
    )
