"""Private folders in which text lies in clear while it is read, and their end.

A folder is deleted when its block ends. What a killed process left behind is deleted by the next
one: the lock of the operating system on the file beside a folder goes with the process that held
it. The file is made before its folder and deleted after it, so that no folder is without one,
however far its making or its deletion came.
"""

from __future__ import annotations

import fcntl
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_SUFFIX = ".lock"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder below `parent`, for this block alone.

    Args:
        parent: folder of scratch folders; made if missing.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _delete_abandoned(parent)
    folder = parent / uuid.uuid4().hex
    lock_file = _lock_file(folder)
    with lock_file.open("w") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock_file.unlink(missing_ok=True)


def _lock_file(folder: Path) -> Path:
    return folder.with_name(folder.name + LOCK_SUFFIX)


def _delete_abandoned(parent: Path) -> None:
    for path in parent.glob(f"*{LOCK_SUFFIX}"):
        try:
            with path.open("r+") as lock:
                fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink(missing_ok=True)
        except OSError:
            continue
