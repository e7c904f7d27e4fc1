"""One writer a home: a lock of the operating system, held for a whole run.

The lock goes with the process that holds it, however that ends. What stands in the file is only
who holds it, for those who wait.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dagster_project.refusals import NotFinished

LOOK_AGAIN_SECONDS = 0.5
TELL_AGAIN_SECONDS = 30.0


class HomeBusy(NotFinished):
    """Another run holds the home and did not end in time: who."""


@contextmanager
def writer_lock(path: Path, *, purpose: str, wait_seconds: float,
                tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of `path` for the length of the block.

    Args:
        path: the lock file; made if missing, never deleted.
        purpose: what this run does, for those who wait.
        wait_seconds: how long to wait for another holder.
        tell: called with who is waited for, at once and every half minute.

    Raises:
        HomeBusy: the other holder did not let go in time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _acquire(file.fileno(), path, wait_seconds, tell)
        file.seek(0)
        file.truncate()
        json.dump({"pid": os.getpid(), "purpose": purpose,
                   "since": datetime.now(UTC).isoformat(timespec="seconds")}, file)
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()
            file.flush()
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _acquire(descriptor: int, path: Path, wait_seconds: float,
             tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + wait_seconds
    told_at = -TELL_AGAIN_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            now = time.monotonic()
            if now >= deadline:
                raise HomeBusy(
                    f"the home is held by {holder(path)}; waited {wait_seconds:.0f} seconds "
                    f"(lock_wait_seconds in config/home.yaml). Wait for that run, or end that "
                    f"process if it hangs."
                ) from None
            if now - told_at >= TELL_AGAIN_SECONDS:
                tell(f"waiting for {holder(path)}")
                told_at = now
            time.sleep(LOOK_AGAIN_SECONDS)


def holder_now(path: Path) -> str | None:
    """Who holds the lock at this moment, in words; None: nobody does."""
    if not path.exists():
        return None
    with path.open("a+") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return holder(path)
        fcntl.flock(file.fileno(), fcntl.LOCK_UN)
    return None


def holder(path: Path) -> str:
    """Who holds the lock, in words."""
    try:
        held = json.loads(path.read_text())
        age = datetime.now(UTC) - datetime.fromisoformat(held["since"])
        return (f"process {held['pid']} ({held['purpose']}), "
                f"since {held['since']}, {int(age.total_seconds())} seconds")
    except (OSError, ValueError, KeyError):
        return "another process"
