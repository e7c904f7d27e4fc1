"""Private folders in which text lies in clear while it is read, and their end.

A folder is deleted when its block ends. What a killed process left behind is deleted by the next
one: the lock of the operating system on a folder goes with the process that held it.
"""

from __future__ import annotations

import fcntl
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_NAME = "held.lock"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder below `parent`, for this block alone.

    Args:
        parent: folder of scratch folders; made if missing.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _delete_abandoned(parent)
    folder = parent / uuid.uuid4().hex
    folder.mkdir(mode=0o700)
    try:
        with (folder / LOCK_NAME).open("w") as lock:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _delete_abandoned(parent: Path) -> None:
    # A folder without the file is younger than its lock, or of another kind.
    for path in parent.glob(f"*/{LOCK_NAME}"):
        try:
            with path.open("r+") as lock:
                fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                if lock.seek(0) == 0 and path.exists():
                    shutil.rmtree(path.parent, ignore_errors=True)
        except OSError:
            continue
