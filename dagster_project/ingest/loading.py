"""One look at the landing folder: which files are loaded, repeated, refused or waiting.

Decides what is done with each file; reading and appending is the engine's work.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path

from dagster_project.engine.interface import Engine, LoadRequest, LoadResult
from dagster_project.ingest.databases import UrlOf
from dagster_project.ingest.landing import (
    FileRefused,
    FoundFile,
    LandingFile,
    content_hash,
    file_version,
    find_files,
    unclaimed_files,
    without_growing_files,
)
from dagster_project.ingest.queried_loads import find_queried_loads
from dagster_project.ingest.recognition import Sight, questions_in_words, recognise
from dagster_project.ingest.sources import Source, Sources

# Of columns that nothing reads; all of them are in load_ledger.
SHOWN_COLUMNS = 6


@dataclass(frozen=True)
class LoadedFile:
    """One file that was loaded, and what became of its rows.

    Attributes:
        recognised: how it was known.
        phone_region: country by which its telephone numbers without one were read.
    """

    name: str
    source: str
    kind: str
    result: LoadResult
    recognised: str = ""
    phone_region: str | None = None


@dataclass
class IngestReport:
    """What one look at the landing folder did.

    Attributes:
        loaded: files loaded, in the order of their loads.
        repeated: name of a file whose content is loaded -> the file of this look that brought
            it; None: one of an earlier look, under another name.
        refused: name -> why the file cannot be read as a whole, and what to do.
        waiting: names of files that are still being written.
        unclaimed: names of files that no source claims and no preset knows.
        known_n: files that were seen on an earlier night.
        recognised: name -> how the file was known, of those that were to be loaded.
    """

    loaded: list[LoadedFile] = field(default_factory=list)
    repeated: dict[str, str | None] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    unclaimed: list[str] = field(default_factory=list)
    known_n: int = 0
    recognised: dict[str, str] = field(default_factory=dict)


class HashMemory:
    """Content hashes of files whose name, size and time have not moved since they were read.

    Saves reading gigabytes each night. Losing it costs time only.
    """

    def __init__(self, path: Path) -> None:
        """`path` is a JSON file; it need not exist."""
        self._path = path
        try:
            known = json.loads(path.read_text())
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, list[object]] = known if isinstance(known, dict) else {}
        self._seen: dict[str, list[object]] = {}

    def hash_of(self, file: FoundFile) -> str:
        """SHA-256 of the file's bytes."""
        known = self._seen.get(file.name, self._known.get(file.name))
        if known is None or known[:2] != [file.size, file.modified_ns]:
            known = [file.size, file.modified_ns, content_hash(file.path)]
        self._seen[file.name] = known
        return str(known[2])

    def keep(self) -> None:
        """Write down the files of this look."""
        unfinished = self._path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(self._seen))
        unfinished.replace(self._path)


def ingest_landing(
    engine: Engine,
    landing: Path,
    sources: Sources,
    memory: HashMemory,
    *,
    run_id: str,
    now: datetime,
    queries: Path | None = None,
    url_of: UrlOf = lambda name: None,
    report_progress: Callable[[str, float], None] = lambda text, share: None,
) -> IngestReport:
    """Load every new file of the landing folder, in the order of version, then name.

    Then the joins of its files, and what is new in databases.

    Args:
        engine: where rows are kept.
        landing: the folder.
        sources: sources.yaml.
        memory: content hashes of files seen before.
        run_id: run metadata.
        now: UTC time of the load, run metadata.
        queries: folder of sources.yaml, where the SQL files of joins are.
        url_of: value of the environment variable that names a database.
        report_progress: called with words and the share of bytes that is done.
    """
    report = IngestReport()
    delivered = _delivered(engine)
    queried = find_queried_loads(engine, landing, queries, sources.sources, memory.hash_of,
                                 delivered, run_id=run_id, now=now)
    claimed = find_files(landing, sources.sources)
    others = unclaimed_files(landing, [*claimed, *queried.files])
    new = [file for file in [*claimed, *others]
           if not _is_known(file, sources, memory, delivered)]
    report.known_n = len(claimed) + len(others) - len(new)
    new, waiting = without_growing_files(new)
    report.waiting = sorted({*waiting, *queried.waiting})
    # One and the same: a database is read no further when one of its chunks is refused.
    report.refused = queried.refused
    requests = _requests(_recognised(engine, new, sources, report), memory, report, run_id, now)
    with (
        engine.scratch_folder() as folder,
        closing(queried.requests(url_of, folder, run_id=run_id, now=now)) as further,
    ):
        taken: deque[LoadRequest] = deque()
        told = _taken(chain(_told(requests, report_progress),
                            _told_by_name(further, report_progress)), taken)
        for outcome in engine.append_loads(told):
            _note(report, taken.popleft(), outcome)
    report.known_n += queried.known_n
    memory.keep()
    return report


def _told_by_name(requests: Iterable[LoadRequest],
                  report_progress: Callable[[str, float], None]) -> Iterator[LoadRequest]:
    """Requests whose sizes nobody knows beforehand, after all files."""
    for request in requests:
        report_progress(f"reading {place_of(request.name)}", 1.0)
        yield request


def _delivered(engine: Engine) -> set[tuple[str, str, str]]:
    """(source, file name, content hash) of everything that was ever delivered."""
    known = engine.read_current(
        "raw",
        "select source, file_name, content_hash from load_ledger union all "
        "select repeated_files.source, repeated_files.file_name, load_ledger.content_hash "
        "from repeated_files inner join load_ledger using (load_seq)",
    )
    return set(known.itertuples(index=False, name=None))


def _is_known(file: FoundFile, sources: Sources, memory: HashMemory,
              delivered: set[tuple[str, str, str]]) -> bool:
    """Whether the file was delivered before, by the source that it has or may have had."""
    source = file.source if isinstance(file, LandingFile) else None
    names = [source.name] if source else []
    if source is None or not source.says_how:
        names += [preset.preset for preset in sources.presets]
    content = memory.hash_of(file)
    return any((name, file.name, content) in delivered for name in names)


def _recognised(engine: Engine, files: Sequence[FoundFile], sources: Sources,
                report: IngestReport) -> list[LandingFile]:
    """The files with the sources they belong to; notes those refused and those left alone."""
    found = []
    for file in files:
        claimed: Source | None = file.source if isinstance(file, LandingFile) else None
        try:
            known = recognise(_sight(engine, file), claimed, sources)
        except FileRefused as error:
            report.refused[file.name] = str(error)
            continue
        if known is None:
            report.unclaimed.append(file.name)
            continue
        report.recognised[file.name] = known.words
        found.append(LandingFile(file.path, file.name, file.size, file.modified_ns,
                                 known.source))
    return found


def _sight(engine: Engine, file: FoundFile) -> Sight:
    return Sight(file.name,
                 lambda encodings: engine.first_rows(file.path, file.name, encodings),
                 lambda rules: engine.look(file.path, file.name, rules))


def _taken(requests: Iterable[LoadRequest], taken: deque[LoadRequest]) -> Iterator[LoadRequest]:
    """The requests, each kept until its outcome is there."""
    for request in requests:
        taken.append(request)
        yield request


def _note(report: IngestReport, request: LoadRequest, outcome: LoadResult | FileRefused) -> None:
    is_file = request.cursor is None and request.join is None
    if isinstance(outcome, FileRefused):
        report.refused[request.name] = str(outcome).replace(
            f"landing/{request.name}", place_of(request.name))
    elif not outcome.is_repeated_file:
        report.loaded.append(LoadedFile(request.name, request.source.name, request.kind.name,
                                        outcome, report.recognised.get(request.name, ""),
                                        request.source.phone_region))
    elif is_file:
        report.repeated[request.name] = next(
            (loaded.name for loaded in report.loaded
             if loaded.result.load_seq == outcome.load_seq), None)
    else:
        report.known_n += 1


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
                kind=file.source.export_kind,
                content_hash=memory.hash_of(file), file_version_at=file_version(file),
                run_id=run_id, loaded_at=now,
            ))
        except FileRefused as error:
            report.refused[file.name] = str(error)
    return sorted(requests, key=lambda request: (request.file_version_at or datetime.min,
                                                 request.name))


def place_of(name: str) -> str:
    """Where a load's rows come from, for people: a file of landing/, a query, a database."""
    return name if name.startswith(("query:", "database:")) else f"landing/{name}"


def _counts(result: LoadResult) -> str:
    """What became of the rows; those that a rule leaves out are not said to be wrong."""
    read = f"{result.rows_read_n} rows read"
    if result.answers_n is not None:
        read = f"{result.answers_n} answers with {result.rows_read_n} scores read"
    reasons = dict(result.rejected_by_reason)
    left_out_n = reasons.pop("left_out", 0)
    words = (f"{read}, {result.rows_loaded_n} loaded, {result.rows_repeated_n} repeated, "
             f"{result.rows_rejected_n - left_out_n} rejected")
    if reasons:
        words += " (" + ", ".join(f"{reason} {count}" for reason, count in reasons.items()) + ")"
    return words + (f", {left_out_n} left out by rule" if left_out_n else "")


def _unusable_words(column: str, rows_n: int, region: str | None) -> str:
    """Rows with a contact that is none, and the cure where numbers may lack their country."""
    what = {"email": "an e-mail address", "phone": "a telephone number"}.get(column, f"a {column}")
    rows = "1 row has" if rows_n == 1 else f"{rows_n} rows have"
    words = f"{rows} {what} that cannot be read and identifies nobody"
    if column != "phone":
        return words
    read = (f"numbers without a country code are read as those of {region}; if they are of "
            f"another country, change" if region else
            "numbers without a country code need")
    return (f"{words} ({read} phone_region in config/sources.yaml; for a new home, crm-value init "
            f"--phone-region {'GB' if region == 'US' else 'US'})")


def _ignored_words(columns: Sequence[str]) -> str:
    if not columns:
        return ""
    more = len(columns) - SHOWN_COLUMNS
    shown = ", ".join(columns[:SHOWN_COLUMNS]) + (f" and {more} more" if more > 0 else "")
    counted = "1 column" if len(columns) == 1 else f"{len(columns)} columns"
    return f"; {counted} nothing reads: {shown}"


def words_of(report: IngestReport) -> list[str]:
    """What an ingest did, a line a file."""
    lines = []
    for file in report.loaded:
        result = file.result
        known = f"{file.recognised}; " if file.recognised else ""
        line = f"{place_of(file.name)}: {known}{_counts(result)}"
        line += "".join(f"; {note}" for note in result.notes)
        line += "".join(f"; {_unusable_words(column, rows_n, file.phone_region)}"
                        for column, rows_n in result.unusable_contacts.items())
        if result.unread_questions:
            line += f"; questions nothing reads: {questions_in_words(result.unread_questions)}"
        line += _ignored_words([name for name in result.ignored_columns
                                if name not in result.unread_questions])
        lines.append(line)
    lines += [f"landing/{name}: " + (
                  f"the same content as {place_of(first)} of this delivery, all rows repeated"
                  if first else "loaded before under another name, all rows repeated")
              for name, first in report.repeated.items()]
    lines += list(report.refused.values())
    lines += [f"landing/{name}: still being written, waits for the next night"
              for name in report.waiting]
    lines += [f"landing/{name}: no source in sources.yaml claims it, and no preset knows it"
              for name in report.unclaimed]
    if report.known_n:
        lines.append(f"{report.known_n} files were loaded on earlier nights")
    return lines
