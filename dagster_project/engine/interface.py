"""The verbs through which the rest of the project reaches the engine, and what they promise.

An engine that keeps these promises can take the place of the embedded one. Paths and SQL
dialects stay behind it. The two verbs of the file that is published, `stage_publication` and
`switch`, stand in `publication.py`: they know the home's files, not the engine's tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from dagster_project.engine.table import Table
from dagster_project.ingest.canonical import ExportKind
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.reading_rules import Look, ReadRules
from dagster_project.ingest.sources import Source


@dataclass(frozen=True)
class Repair:
    """Which rejected rows a delivery brings repaired.

    Attributes:
        load_seq: the load that rejected them.
        row_nos: their numbers in it, one for each row of the delivery.
    """

    load_seq: int
    row_nos: tuple[int, ...]


@dataclass(frozen=True)
class ReadCursor:
    """How far a database is read once a load of its rows is committed, and with it this.

    Attributes:
        query_hash: the query to whose rows the cursor belongs.
        reached: value of the cursor, as `ingest.databases.cursor_text` writes it.
        is_advance: it was not as far before; a load that brings nothing and does not advance
            is not written down.
    """

    query_hash: str
    reached: str
    is_advance: bool


@dataclass(frozen=True)
class JoinedFile:
    """One file of one input of a join; `name` is its path below landing/.

    The engine counts its rows: those of data, and those of them that cannot be told apart into
    columns.
    """

    input: str
    path: Path
    name: str
    content_hash: str
    rows_read_n: int = 0
    rows_unreadable_n: int = 0


@dataclass(frozen=True)
class Join:
    """An SQL file over files of landing/: its text, its name for faults, all files of its inputs.

    How the files of an input are read says the source.
    """

    query: str
    query_name: str
    files: tuple[JoinedFile, ...]

    @property
    def query_hash(self) -> str:
        """Hash of the text."""
        return hashlib.sha256(self.query.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class LoadRequest:
    """One file to load.

    Attributes:
        path: the file; `name` is its path below landing/.
        content_hash: SHA-256 of the bytes.
        file_version_at: UTC version of the whole file, if its name carries one.
        run_id, loaded_at: run metadata.
        repair: the rejected rows that the delivery brings repaired; None: a file.
        cursor: the file is a chunk of a database, and this is where it ends; None: it is not.
        join: the rows are what a query makes of several files, and `path` is the query; None:
            they are those of the file.
    """

    path: Path
    name: str
    source: Source
    kind: ExportKind
    content_hash: str
    file_version_at: datetime | None
    run_id: str
    loaded_at: datetime
    repair: Repair | None = None
    cursor: ReadCursor | None = None
    join: Join | None = None


@dataclass(frozen=True)
class LoadResult:
    """What a load did. read = loaded + repeated + rejected.

    Attributes:
        unusable_contacts: column -> rows whose e-mail address or telephone number is none; they
            are loaded, and known by it to nobody.
        notes: what was found out from the file's own content, in words.
        answers_n: rows of data of a survey that has one for all questions of somebody; the other
            numbers are of the scores in them. None: a row is a record.
        unread_questions: questions of a survey that nothing reads: column -> what it asks.
    """

    load_seq: int
    rows_read_n: int
    rows_loaded_n: int
    rows_repeated_n: int
    rows_rejected_n: int
    ignored_columns: tuple[str, ...] = ()
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)
    is_repeated_file: bool = False
    unusable_contacts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unread_questions: Mapping[str, str] = field(default_factory=dict)
    answers_n: int | None = None


class Engine(Protocol):
    """Where rows live and set-wise work runs.

    Areas are named stores: `raw`, `vault`, `build`, `publication`, `status`.
    """

    def first_rows(self, path: Path, name: str, encodings: Sequence[str]) -> Iterator[Look]:
        """How a file begins, in every way in which its beginning can be read.

        Raises:
            FileRefused: what holds the rows is damaged.
        """

    def look(self, path: Path, name: str, rules: ReadRules) -> Look:
        """What a file is by stated rules, and its header.

        Raises:
            FileRefused: it cannot be read as the rules say.
        """

    def scratch_folder(self) -> AbstractContextManager[Path]:
        """A private folder of the home for text in clear; deleted when the block ends."""

    def append_loads(
        self, requests: Iterable[LoadRequest]
    ) -> Iterator[LoadResult | FileRefused]:
        """Append files to raw, one after the other: each whole or not at all.

        A file's ledger row is its commit. Yields, for each request, what the load did, or why
        the file cannot be read.
        """

    def read_current(self, area: str, query: str, parameters: Sequence[Any] = ()) -> pd.DataFrame:
        """A small result as a frame: text, numbers, dates. Never money."""

    def replace_cells(self, area: str, schema: str,
                      frames: Mapping[Table, pd.DataFrame]) -> None:
        """Replace the whole content of small tables: of all or, if that fails, of none."""

    def run_models(self, arguments: Sequence[str], environment: Mapping[str, str],
                   project: Path) -> Iterator[str]:
        """Build facts and features for the night in `night_inputs`; yields lines of progress."""

    def frames_of(self, query: str, batch_rows: int) -> Iterator[pd.DataFrame]:
        """The rows of a query on the build, in batches, keys as text, amounts as float facts."""

    def write_frame(self, table: str, columns: Mapping[str, str],
                    frames: Iterable[pd.DataFrame]) -> int:
        """Write batches as one table of the build; replaces it; returns the rows written."""
