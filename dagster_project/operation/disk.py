"""Disk that a night needs, and what of a home's own leftovers may go. Pure files."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_project.refusals import NotFinished
from dagster_project.settings import Home

# What a night writes, measured on nights of made-up shops: staging copies the publication and
# writes its tables anew (up to twice its size), publishing copies that once more.
PUBLICATION_TIMES = 4
# Tables of the build are dropped and made, and their space is used again.
BUILD_TIMES = 1
# Rows in raw and vault, and scratch beside them while a file is read: 1.4 times 31 MB of made-up
# exports at the highest, 1.0 times afterwards.
LANDING_TIMES = 2
# The same of exports that gzip makes a fifth of, and Parquet a third.
COMPRESSED_TIMES = 7
COMPRESSED = (".gz", ".zip", ".xlsx", ".parquet")
# dbt's files, the run's history, the status.
EVERY_NIGHT_BYTES = 100_000_000
# What a killed process left in the engine's spill folder; a living one is younger.
ABANDONED_SECONDS = 2 * 86_400


class DiskTooSmall(NotFinished):
    """A night would fill the disk: how much is free, needed, and what to do."""


@dataclass(frozen=True)
class Need:
    """Bytes that a night may write, and for what."""

    publication: int
    build: int
    landing: int

    @property
    def total(self) -> int:
        """Free disk that is needed."""
        return self.publication + self.build + self.landing + EVERY_NIGHT_BYTES

    @property
    def words(self) -> str:
        """The parts, for people."""
        return (f"{megabytes(self.publication)} to stage and publish, {megabytes(self.build)} to "
                f"build, {megabytes(self.landing)} for new files of landing/, "
                f"{megabytes(EVERY_NIGHT_BYTES)} for logs")


def need_of_night(home: Home, *, loads: bool = True) -> Need:
    """What the next night may write: an estimate that is meant to be a little too large.

    Args:
        home: its folders may be missing.
        loads: whether new files of landing/ are loaded; a replay loads none.
    """
    stores = home.stores
    new = dict(_new_files(home)) if loads else {}
    # Where there is no such file yet, all that there is passes through it.
    everything = _size(stores.raw) + sum(new.values())
    publication, build = _size(stores.publication), _size(stores.build)
    return Need(
        publication=PUBLICATION_TIMES * publication if publication else everything,
        build=BUILD_TIMES * build if build else everything,
        landing=sum(_times(path) * size for path, size in new.items()))


def free_bytes(path: Path) -> int:
    """Free disk where a folder lies."""
    return shutil.disk_usage(path).free


def require_disk(home: Home, *, loads: bool = True) -> None:
    """Raise unless there is room for the next night; `loads` as for `need_of_night`.

    Raises:
        DiskTooSmall: with the figures.
    """
    need = need_of_night(home, loads=loads)
    for folder in (home.state, home.warehouse):
        free = free_bytes(folder)
        if free < need.total:
            raise DiskTooSmall(
                f"{megabytes(free)} are free where {folder} lies, and a night may need "
                f"{megabytes(need.total)} ({need.words}). Nothing was started. Make room: fewer "
                f"keep_publications or run_history_days in config/home.yaml, old files of "
                f"warehouse/replays and warehouse/withdrawn, exports of landing/ that were loaded")


def megabytes(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def delete_leftovers(home: Home) -> int:
    """Delete replays beyond `keep_publications` and what killed processes left; how many files.

    The caller holds the home's lock. Replays can be made again.
    """
    replays = sorted(home.stores.replays.glob("publication-*.duckdb"),
                     key=lambda path: path.stat().st_mtime_ns)
    gone = replays[:-home.settings.keep_publications]
    spill = home.limits.spill_folder
    if spill.is_dir():
        gone += [path for path in spill.iterdir() if path.is_file()
                 and time.time() - path.stat().st_mtime > ABANDONED_SECONDS]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _new_files(home: Home) -> Iterator[tuple[Path, int]]:
    """Files of landing/ that were not there as they are at the last look, and their sizes."""
    try:
        known = json.loads(home.hash_memory.read_text())
    except (OSError, ValueError):
        known = {}
    # Uploads come and go, whole folders too; what is gone needs no room.
    for folder, _, names in os.walk(home.landing):
        for path in (Path(folder) / name for name in names):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            seen: Sequence[object] = known.get(path.relative_to(home.landing).as_posix(), ())
            if list(seen[:2]) != [stat.st_size, stat.st_mtime_ns]:
                yield path, stat.st_size


def _times(path: Path) -> int:
    return COMPRESSED_TIMES if path.suffix.lower() in COMPRESSED else LANDING_TIMES


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
