"""Which files of the landing folder are to be read, and which version each one is.

Looks at names, sizes and bytes only. Reading rows is the engine's work, deciding what a load
does is `loading.py`'s.
"""

from __future__ import annotations

import calendar
import hashlib
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from dagster_project.ingest.sources import Source

UNFINISHED_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".filepart", "~")
YOUNG_FILE_SECONDS = 60
SECOND_LOOK_SECONDS = 1.0


class FileRefused(Exception):
    """A file that cannot be read as a whole: what is wrong, and what to do."""


@dataclass(frozen=True)
class FoundFile:
    """One file below landing/; `name` is its POSIX path there."""

    path: Path
    name: str
    size: int
    modified_ns: int


@dataclass(frozen=True)
class LandingFile(FoundFile):
    """One file of one source."""

    source: Source


Found = TypeVar("Found", bound=FoundFile)


def find_files(landing: Path, sources: Sequence[Source]) -> list[LandingFile]:
    """All finished files that a source claims, in the order of their names.

    A file that two sources claim belongs to the first in sources.yaml. Hidden files and files
    with an unfinished suffix are passed over.
    """
    found: dict[str, LandingFile] = {}
    for source in sources:
        for pattern in source.files:
            for path in landing.glob(pattern):
                name = path.relative_to(landing).as_posix()
                if name in found or not path.is_file() or _is_unfinished(path):
                    continue
                stat = path.stat()
                found[name] = LandingFile(path, name, stat.st_size, stat.st_mtime_ns, source)
    return [found[name] for name in sorted(found)]


def unclaimed_files(landing: Path, claimed: Iterable[FoundFile]) -> list[FoundFile]:
    """Finished files below landing/ that are not among those claimed, by name."""
    names = {file.name for file in claimed}
    found = []
    for path in landing.rglob("*"):
        name = path.relative_to(landing).as_posix()
        if name not in names and path.is_file() and not _is_unfinished(path):
            stat = path.stat()
            found.append(FoundFile(path, name, stat.st_size, stat.st_mtime_ns))
    return sorted(found, key=lambda file: file.name)


def _is_unfinished(path: Path) -> bool:
    return path.name.startswith(".") or path.name.endswith(UNFINISHED_SUFFIXES)


def without_growing_files(files: Sequence[Found]) -> tuple[list[Found], list[str]]:
    """Files that are whole, and the names of those that are still being written.

    A file younger than a minute is looked at twice; one whose size or time moves waits for the
    next night.
    """
    young = [file for file in files
             if time.time() - file.modified_ns / 1e9 < YOUNG_FILE_SECONDS]
    if not young:
        return list(files), []
    time.sleep(SECOND_LOOK_SECONDS)
    growing = {file.name for file in young
               if not file.path.exists() or _has_moved(file)}
    return [file for file in files if file.name not in growing], sorted(growing)


def _has_moved(file: FoundFile) -> bool:
    now = file.path.stat()
    return (now.st_size, now.st_mtime_ns) != (file.size, file.modified_ns)


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_version(file: LandingFile) -> datetime | None:
    """UTC version of the whole file from its name; None where the source versions otherwise.

    A date means the end of that day in the source's zone, a month the end of its last day.

    Raises:
        FileRefused: the name carries no date by the source's pattern, or an impossible one.
    """
    if file.source.version.rule != "file_name":
        return None
    pattern = file.source.version.pattern
    match = re.search(pattern, file.path.name)
    if match is None:
        raise FileRefused(
            f"landing/{file.name}: the name carries no date by the pattern {pattern!r} of "
            f"sources.yaml, sources.{file.source.name}.version; rename the file, or state "
            f"version: arrival"
        )
    parts = match.groupdict()
    try:
        year, month = int(parts["year"]), int(parts["month"])
        day = int(parts.get("day") or calendar.monthrange(year, month)[1])
        last_moment = datetime.combine(
            date(year, month, day) + timedelta(days=1), datetime.min.time(),
            ZoneInfo(file.source.time_zone),
        ) - timedelta(microseconds=1)
    except ValueError as error:
        raise FileRefused(
            f"landing/{file.name}: {match.group(0)!r} in the name is no date ({error}); rename "
            f"the file"
        ) from error
    return last_moment.astimezone(UTC).replace(tzinfo=None)
