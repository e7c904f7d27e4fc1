"""Which runs live: a file for each run, whose lock the run's process holds.

The lock of the operating system goes with its process, however that ends; a mark without a lock
is that of a run that was lost. Numbers of processes are used again and tell nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path


@dataclass(frozen=True)
class RunMark:
    """One run, as it said itself when it began.

    Attributes:
        process: number of its process.
        started_at: UTC time.
    """

    run_id: str
    job_name: str
    as_of_date: date | None
    process: int
    started_at: datetime

    def row(self, outcome: str, message: str, ended_at: datetime | None) -> dict[str, object]:
        """The row of pipeline_runs of a run that came to no candidate."""
        return {"run_id": self.run_id, "job_name": self.job_name, "as_of_date": self.as_of_date,
                "outcome": outcome, "candidate_id": None, "publication_id": None,
                "message": message, "started_at": self.started_at, "ended_at": ended_at}


@contextmanager
def mark_run(folder: Path, mark: RunMark) -> Iterator[None]:
    """Keep a mark in `folder` that this process holds until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(folder, mark.run_id)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w") as file:
        # Held before it can be seen: a mark without a holder is a lost run.
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        json.dump({"run_id": mark.run_id, "job_name": mark.job_name,
                   "as_of_date": mark.as_of_date.isoformat() if mark.as_of_date else None,
                   "process": mark.process, "started_at": mark.started_at.isoformat()}, file)
        file.flush()
        os.replace(unfinished, path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def marked_runs(folder: Path) -> set[str]:
    """Runs that have a mark, whether they live or were lost."""
    return {path.stem for path in folder.glob("*.json")}


def lost_runs(folder: Path) -> list[RunMark]:
    """Marks whose process is gone, oldest first."""
    found = [mark for path in folder.glob("*.json") if (mark := _lost(path)) is not None]
    return sorted(found, key=lambda mark: mark.started_at)


def forget_run(folder: Path, run_id: str) -> None:
    """Take a mark away; what became of the run has been told."""
    _path(folder, run_id).unlink(missing_ok=True)


def _lost(path: Path) -> RunMark | None:
    try:
        with path.open() as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink == 0:
                # Taken away by its run between our opening it and the end of its lock.
                return None
            text = file.read()
    except OSError:
        # Held by a run that lives, or just taken away by one.
        return None
    try:
        found = json.loads(text)
        as_of = found["as_of_date"]
        return RunMark(found["run_id"], found["job_name"],
                       date.fromisoformat(as_of) if as_of else None, int(found["process"]),
                       datetime.fromisoformat(found["started_at"]))
    except (ValueError, KeyError, TypeError):
        # The machine went down before the mark's content came to the disk.
        return RunMark(path.stem, "unknown", None, 0,
                       datetime.fromtimestamp(path.stat().st_mtime).astimezone().replace(
                           tzinfo=None))


def _path(folder: Path, run_id: str) -> Path:
    return folder / f"{run_id}.json"
