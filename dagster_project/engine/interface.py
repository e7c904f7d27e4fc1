"""The verbs through which the rest of the project reaches the engine, and what they promise.

An engine that keeps these promises can take the place of the embedded one. Paths and SQL
dialects stay behind it. The two verbs of the file that is published, `stage_publication` and
`switch`, stand in `publication.py`: they know the home's files, not the engine's tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from dagster_project.engine.table import Table
from dagster_project.ingest.canonical import ExportKind
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.sources import Source


@dataclass(frozen=True)
class LoadRequest:
    """One file to load.

    Attributes:
        path: the file; `name` is its path below landing/.
        file_format: csv, tsv, jsonl or parquet, plain or gzip.
        content_hash: SHA-256 of the bytes.
        file_version_at: UTC version of the whole file, if its name carries one.
        run_id, loaded_at: run metadata.
    """

    path: Path
    name: str
    source: Source
    kind: ExportKind
    file_format: str
    content_hash: str
    file_version_at: datetime | None
    run_id: str
    loaded_at: datetime


@dataclass(frozen=True)
class LoadResult:
    """What a load did. read = loaded + repeated + rejected."""

    load_seq: int
    rows_read_n: int
    rows_loaded_n: int
    rows_repeated_n: int
    rows_rejected_n: int
    ignored_columns: tuple[str, ...] = ()
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)
    is_repeated_file: bool = False


class Engine(Protocol):
    """Where rows live and set-wise work runs.

    Areas are named stores: `raw`, `vault`, `build`, `publication`, `status`.
    """

    def append_loads(
        self, requests: Iterable[LoadRequest]
    ) -> Iterator[LoadResult | FileRefused]:
        """Append files to raw, one after the other: each whole or not at all.

        A file's ledger row is its commit. Yields, for each request, what the load did, or why
        the file cannot be read.
        """

    def read_current(self, area: str, query: str, parameters: Sequence[Any] = ()) -> pd.DataFrame:
        """A small result as a frame: text, numbers, dates. Never money."""

    def replace_cells(self, area: str, table: Table, schema: str, frame: pd.DataFrame) -> None:
        """Replace the whole content of a small table in one transaction."""

    def run_models(self, arguments: Sequence[str], environment: Mapping[str, str],
                   project: Path) -> Iterator[str]:
        """Build facts and features for the night in `night_inputs`; yields lines of progress."""

    def frames_of(self, query: str, batch_rows: int) -> Iterator[pd.DataFrame]:
        """The rows of a query on the build, in batches, keys as text, amounts as float facts."""

    def write_frame(self, table: str, columns: Mapping[str, str],
                    frames: Iterable[pd.DataFrame]) -> int:
        """Write batches as one table of the build; replaces it; returns the rows written."""
