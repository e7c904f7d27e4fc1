"""One look at the landing folder: which files are loaded, repeated, refused or waiting.

Decides what is done with each file; reading and appending is the engine's work.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dagster_project.engine.interface import Engine, LoadRequest, LoadResult
from dagster_project.ingest.canonical import KINDS
from dagster_project.ingest.landing import (
    FileRefused,
    LandingFile,
    content_hash,
    file_format,
    file_version,
    find_files,
    unclaimed_files,
    without_growing_files,
)
from dagster_project.ingest.sources import Sources


@dataclass(frozen=True)
class LoadedFile:
    """One file that was loaded, and what became of its rows."""

    name: str
    source: str
    kind: str
    result: LoadResult


@dataclass
class IngestReport:
    """What one look at the landing folder did.

    Attributes:
        loaded: files loaded, in the order of their loads.
        repeated: names of files whose content was loaded before under another name.
        refused: name -> why the file cannot be read as a whole, and what to do.
        waiting: names of files that are still being written.
        unclaimed: names of files that no source claims.
        known_n: files that were seen on an earlier night.
    """

    loaded: list[LoadedFile] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    unclaimed: list[str] = field(default_factory=list)
    known_n: int = 0


class HashMemory:
    """Content hashes of files whose name, size and time have not moved since they were read.

    Saves reading gigabytes each night. Losing it costs time only.
    """

    def __init__(self, path: Path) -> None:
        """`path` is a JSON file; it need not exist."""
        self._path = path
        try:
            self._known: dict[str, list[object]] = json.loads(path.read_text())
        except (OSError, ValueError):
            self._known = {}
        self._seen: dict[str, list[object]] = {}

    def hash_of(self, file: LandingFile) -> str:
        """SHA-256 of the file's bytes."""
        known = self._known.get(file.name)
        if known is None or known[:2] != [file.size, file.modified_ns]:
            known = [file.size, file.modified_ns, content_hash(file.path)]
        self._seen[file.name] = known
        return str(known[2])

    def keep(self) -> None:
        """Write down the files of this look."""
        self._path.write_text(json.dumps(self._seen))


def ingest_landing(
    engine: Engine,
    landing: Path,
    sources: Sources,
    memory: HashMemory,
    *,
    run_id: str,
    now: datetime,
    report_progress: Callable[[str, float], None] = lambda text, share: None,
) -> IngestReport:
    """Load every new file of the landing folder, in the order of version, then name.

    Args:
        engine: where rows are kept.
        landing: the folder.
        sources: sources.yaml.
        memory: content hashes of files seen before.
        run_id: run metadata.
        now: UTC time of the load, run metadata.
        report_progress: called with words and the share of bytes that is done.
    """
    report = IngestReport()
    files = find_files(landing, sources.sources)
    report.unclaimed = unclaimed_files(landing, files)
    known = engine.read_current(
        "raw",
        "select source, file_name, content_hash from load_ledger union all "
        "select repeated_files.source, repeated_files.file_name, load_ledger.content_hash "
        "from repeated_files inner join load_ledger using (load_seq)",
    )
    delivered = set(known.itertuples(index=False, name=None))
    new = []
    for file in files:
        if (file.source.name, file.name, memory.hash_of(file)) in delivered:
            report.known_n += 1
        else:
            new.append(file)
    new, report.waiting = without_growing_files(new)
    requests = _requests(new, memory, report, run_id, now)
    for request, outcome in zip(
        requests, engine.append_loads(_told(requests, report_progress)), strict=True
    ):
        if isinstance(outcome, FileRefused):
            report.refused[request.name] = str(outcome)
        elif outcome.is_repeated_file:
            report.repeated.append(request.name)
        else:
            report.loaded.append(LoadedFile(request.name, request.source.name,
                                            request.kind.name, outcome))
    memory.keep()
    return report


def _told(requests: Sequence[LoadRequest],
          report_progress: Callable[[str, float], None]) -> Iterator[LoadRequest]:
    """The requests, each told of before it is taken."""
    sizes = [request.path.stat().st_size for request in requests]
    total, done = sum(sizes) or 1, 0
    for request, size in zip(requests, sizes, strict=True):
        report_progress(f"reading landing/{request.name}", done / total)
        yield request
        done += size


def _requests(files: Sequence[LandingFile], memory: HashMemory, report: IngestReport, run_id: str,
              now: datetime) -> list[LoadRequest]:
    requests = []
    for file in files:
        try:
            requests.append(LoadRequest(
                path=file.path, name=file.name, source=file.source,
                kind=KINDS[file.source.kind], file_format=file_format(file),
                content_hash=memory.hash_of(file), file_version_at=file_version(file),
                run_id=run_id, loaded_at=now,
            ))
        except FileRefused as error:
            report.refused[file.name] = str(error)
    return sorted(requests, key=lambda request: (request.file_version_at or datetime.min,
                                                 request.name))


def words_of(report: IngestReport) -> list[str]:
    """What an ingest did, a line a file."""
    lines = []
    for file in report.loaded:
        result = file.result
        line = (f"landing/{file.name}: {result.rows_read_n} rows read, "
                f"{result.rows_loaded_n} loaded, {result.rows_repeated_n} repeated, "
                f"{result.rows_rejected_n} rejected")
        if result.rejected_by_reason:
            line += " (" + ", ".join(f"{reason} {count}" for reason, count
                                     in result.rejected_by_reason.items()) + ")"
        if result.ignored_columns:
            line += f"; columns nothing reads: {', '.join(result.ignored_columns)}"
        lines.append(line)
    lines += [f"landing/{name}: loaded before under another name, all rows repeated"
              for name in report.repeated]
    lines += list(report.refused.values())
    lines += [f"landing/{name}: still being written, waits for the next night"
              for name in report.waiting]
    lines += [f"landing/{name}: no source in sources.yaml claims it" for name in report.unclaimed]
    if report.known_n:
        lines.append(f"{report.known_n} files were loaded on earlier nights")
    return lines
