"""What the engine's errors mean for people: a damaged file, too little memory, a full disk.

The engine names a block or a limit of its own. What people need is the file, the setting, and
what to do. Errors that are none of these are left as they are.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dagster_project.refusals import NotFinished

DAMAGE_SIGNS = ("Corrupt database file", "checksum", "Could not read enough bytes",
                "not a valid DuckDB database file", "Failure while replaying WAL",
                "Serialization Error", "file is corrupt")
HELD_SIGNS = ("Could not set lock", "Conflicting lock")
DISK_SIGNS = ("No space left on device", "max_temp_directory_size")
MEMORY_SIGNS = ("Out of Memory", "OutOfMemory")

# Name of a store's file -> what to do when it is damaged.
ADVICE = {
    "raw.duckdb": "It is the only copy of what was loaded: put a backup of state/raw.duckdb and "
                  "state/vault.duckdb, both of the same time, back with crm-value restore "
                  "--backup DIR",
    "vault.duckdb": "It is the only copy of the identifiers in clear: put a backup of "
                    "state/vault.duckdb and state/raw.duckdb, both of the same time, back with "
                    "crm-value restore --backup DIR",
    "crm.duckdb": "Put an earlier publication back with crm-value restore PUBLICATION "
                  "(warehouse/kept/ has them by number), and run the nights since then again",
    "build.duckdb": "Run the night again: the next run sets this file aside and makes a new one",
    "status.duckdb": "The next run sets this file aside and makes a new one",
}
OTHER_ADVICE = "Delete it or put a backup in its place, and run the night again"


class StoreUnreadable(NotFinished):
    """A file of the home that cannot be opened: which, why, what to do."""


class StoreHeld(StoreUnreadable):
    """A file of the home that another program has open: which, what to do."""


class StoreDamaged(StoreUnreadable):
    """A file of the home whose bytes are not what was written."""

    def __init__(self, path: Path, text: str) -> None:
        """`text` is what the engine met in the file."""
        super().__init__(
            f"{path} is damaged: {text}. {ADVICE.get(path.name, OTHER_ADVICE)}.")
        self.path = path


class ResourceLimit(NotFinished):
    """Memory or disk do not suffice: which setting or folder, what is there, what to do."""


def first_line(error: Exception | str) -> str:
    """The engine's first line, which says what; the others quote statements and stacks."""
    return (str(error).splitlines() or [""])[0]


def is_damage(text: str) -> bool:
    """Whether an error of the engine speaks of a damaged file."""
    return any(sign in text for sign in DAMAGE_SIGNS)


def is_of_the_machine(error: Exception) -> bool:
    """Whether memory or disk ran short, so that no file that was being read is to blame."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(sign in str(error) for sign in DISK_SIGNS + MEMORY_SIGNS)


def unreadable(path: Path | None, error: Exception) -> StoreUnreadable:
    """What is wrong with a file that cannot be opened."""
    text = first_line(error)
    if any(sign in text for sign in HELD_SIGNS):
        return StoreHeld(
            f"{path} is held by another program: {text}. Close it there, or end that process if "
            f"it hangs, and start the run again.")
    if is_damage(str(error)) and path is not None:
        return StoreDamaged(path, text)
    return StoreUnreadable(
        f"{path} cannot be opened: {text}. If another program holds it, close it there; if the "
        f"file is damaged, restore it from a backup.")


def damage_of(path: Path) -> str | None:
    """What a reading of every block of a file meets; None: the file is whole, or is not there."""
    if not path.exists():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute("set threads = 1")
            for (name,) in connection.execute(
                    "select format('{}.{}', schema_name, table_name) from duckdb_tables() "
                    "where database_name = current_database()").fetchall():
                connection.execute(f"select sum(hash(t)) from {name} as t").fetchall()
    except duckdb.Error as error:
        return first_line(error) if is_damage(str(error)) else None
    return None


def in_words(error: duckdb.Error, files: Iterable[Path], memory: str,
             folders: Iterable[Path]) -> Exception | None:
    """The error that people are shown; None: the engine's own says it.

    Args:
        error: of the engine, met while `files` were open; they are closed by now.
        files: stores that were open.
        memory: limit that the engine had.
        folders: where it writes.
    """
    text = str(error)
    limit = limit_in_words(text, memory, folders)
    if limit is not None:
        return limit
    if not is_damage(text):
        return None
    for path in files:
        found = damage_of(path)
        if found is not None:
            return StoreDamaged(path, found)
    return None


def limit_in_words(text: str, memory: str, folders: Iterable[Path]) -> ResourceLimit | None:
    """What is short, where the text of an error says that memory or disk are; else None."""
    if any(sign in text for sign in DISK_SIGNS):
        return _disk_full(text, folders)
    if any(sign in text for sign in MEMORY_SIGNS):
        line = next(line for line in text.splitlines()
                    if any(sign in line for sign in MEMORY_SIGNS))
        return ResourceLimit(
            f"memory does not suffice: {line.strip()}. The engine may use {memory}: raise "
            f"memory_limit in config/home.yaml, or lower threads there; nothing was published, "
            f"and the night can be run again as it is.")
    return None


def _disk_full(text: str, folders: Iterable[Path]) -> ResourceLimit:
    line = next((line for line in text.splitlines() if any(sign in line for sign in DISK_SIGNS)),
                first_line(text))
    free = ", ".join(f"{folder} has {_free_mb(folder)} MB free" for folder in folders)
    return ResourceLimit(
        f"the disk is full: {line.strip()}. {free}. Make room (crm-value doctor says how much a "
        f"night may need; keep_publications in config/home.yaml, how many old publications are "
        f"kept); nothing was published, and it can be done again as it is.")


def _free_mb(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free // 1_000_000


@contextmanager
def damage_in_words(*files: Path) -> Iterator[None]:
    """Name the damaged one of `files` where the block meets damage; it must have closed them.

    Raises:
        StoreDamaged: which, and what to do.
    """
    try:
        yield
    except duckdb.Error as error:
        words = in_words(error, files, "its share", ()) if is_damage(str(error)) else None
        if words is None:
            raise
        raise words from error


@contextmanager
def full_disk_in_words(*folders: Path) -> Iterator[None]:
    """Say which folder is full where files are copied in the block.

    Raises:
        ResourceLimit: no space is left.
    """
    try:
        yield
    except OSError as error:
        if not is_of_the_machine(error):
            raise
        raise _disk_full(f"No space left on device: {error.filename or ''}", folders) from error
