"""Loads whose rows a query gives: joins of files and databases, after the files of a night.

Decides which of them are due and in what order, and stops a database at the first chunk that
cannot be loaded. Finding and reading stand in `joins.py` and `databases.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dagster_project.engine.interface import Engine, LoadRequest
from dagster_project.ingest.databases import (
    UrlOf,
    chunk_requests,
    query_hash,
    reached_cursors,
)
from dagster_project.ingest.joins import find_joins
from dagster_project.ingest.landing import FileRefused, LandingFile, without_growing_files
from dagster_project.ingest.sources import Source

Delivered = Container[tuple[str, str, str]]


@dataclass
class QueriedLoads:
    """What one look finds beside the files that are loaded one by one.

    Attributes:
        refused: name -> why it cannot be read; whoever loads puts in what it had to refuse.
        waiting: names of files of joins that are still being written.
        files: the files of all joins.
        known_n: joins and chunks that were loaded on an earlier night.
    """

    sources: Sequence[Source]
    delivered: Delivered
    joins: list[LoadRequest]
    cursors: dict[tuple[str, str], str]
    refused: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    files: list[LandingFile] = field(default_factory=list)
    known_n: int = 0

    def requests(self, url_of: UrlOf, folder: Path, *, run_id: str,
                 now: datetime) -> Generator[LoadRequest, None, None]:
        """Joins, then chunks of databases, each made when it is asked for.

        Args:
            url_of: value of an environment variable; None if it is not set.
            folder: private folder for chunks.
            run_id: run metadata.
            now: UTC time of the loads, run metadata.
        """
        yield from (request for request in self.joins if not self._is_known(request))
        for source in self.sources:
            if source.database is None:
                continue
            reached = self.cursors.get((source.name, query_hash(source.database)))
            chunks = chunk_requests(source, url_of, reached, folder, run_id=run_id, now=now)
            try:
                for request in chunks:
                    if self._is_known(request):
                        continue
                    yield request
                    if request.name in self.refused:
                        # Its rows would be passed over for good.
                        break
            except FileRefused as refusal:
                self.refused[f"database:{source.name}"] = str(refusal)
            finally:
                chunks.close()

    def _is_known(self, request: LoadRequest) -> bool:
        is_known = (request.source.name, request.name, request.content_hash) in self.delivered
        self.known_n += is_known
        return is_known


def find_queried_loads(engine: Engine, landing: Path, queries: Path | None,
                       sources: Sequence[Source], hash_of: Callable[[LandingFile], str],
                       delivered: Delivered, *, run_id: str, now: datetime) -> QueriedLoads:
    """Look once at what the joins and databases of `sources` have.

    Args:
        engine: knows how far each database was read.
        landing: where the files of joins lie.
        queries: folder of sources.yaml.
        sources: all sources.
        hash_of: SHA-256 of a file's bytes.
        delivered: (source, name, content hash) of everything that was loaded before.
        run_id: run metadata.
        now: UTC time of the loads, run metadata.
    """
    found = find_joins(landing, queries, sources, hash_of, run_id=run_id, now=now)
    new = [request for request in found.requests
           if (request.source.name, request.name, request.content_hash) not in delivered]
    wanted = {file.name for request in new if request.join for file in request.join.files}
    _, waiting = without_growing_files([file for file in found.files if file.name in wanted])
    growing = set(waiting)
    joins = [request for request in found.requests if request.join
             and growing.isdisjoint(file.name for file in request.join.files)]
    return QueriedLoads(sources, delivered, joins, reached_cursors(engine), found.refused,
                        waiting, found.files)
