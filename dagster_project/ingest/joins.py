"""Which joins of sources.yaml are due: the files of their inputs, their content, their version.

Looks at names and bytes only. The query is run by the engine (`engine/joins.py`).

A join is one delivery of all its inputs' files together: it is loaded again, whole, when its
query or any of the files is another; rows that say the same as before are then repeats. Under
`version: file_name` its version is the newest date that one of the files carries in its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dagster_project.engine.interface import Join, JoinedFile, LoadRequest
from dagster_project.ingest.landing import FileRefused, LandingFile, file_version, find_files
from dagster_project.ingest.sources import Source


@dataclass
class JoinsFound:
    """What a look at the landing folder says of the joins.

    Attributes:
        requests: joins whose inputs are there; not judged whether they were loaded before.
        files: the files of all inputs, each once.
        refused: name of the join -> why it cannot be run, and what to do.
    """

    requests: list[LoadRequest] = field(default_factory=list)
    files: list[LandingFile] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def find_joins(landing: Path, queries: Path | None, sources: Sequence[Source],
               hash_of: Callable[[LandingFile], str], *, run_id: str,
               now: datetime) -> JoinsFound:
    """The joins of `sources`, each as the request of one load.

    Args:
        landing: where the files of the inputs lie.
        queries: folder of sources.yaml, below which `query:` names SQL files.
        sources: all sources; those without a query are passed over.
        hash_of: SHA-256 of a file's bytes.
        run_id: run metadata.
        now: UTC time of the load, run metadata.
    """
    found = JoinsFound()
    known: dict[str, LandingFile] = {}
    for source in sources:
        if source.query is None:
            continue
        files = _files_of(landing, source)
        known.update({file.name: file for _, file in files})
        if not files:
            continue
        try:
            found.requests.append(
                _request(source, files, _query(queries, source), hash_of, run_id, now))
        except FileRefused as refusal:
            found.refused[f"query:{source.name}"] = str(refusal)
    found.files = [known[name] for name in sorted(known)]
    return found


def _files_of(landing: Path, source: Source) -> list[tuple[str, LandingFile]]:
    """(input, file), by the names of both."""
    return [(name, file) for name, declared in sorted(source.inputs.items())
            for file in find_files(
                landing, [source.model_copy(update={"files": declared.files})])]


def _query(queries: Path | None, source: Source) -> str:
    assert source.query is not None
    try:
        return ((queries or Path()) / source.query).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise FileRefused(f"query:{source.name}: {source.query} beside sources.yaml cannot be "
                          f"read ({reason})") from error


def _request(source: Source, files: Sequence[tuple[str, LandingFile]], query: str,
             hash_of: Callable[[LandingFile], str], run_id: str, now: datetime) -> LoadRequest:
    there = {name for name, _ in files}
    for name, declared in source.inputs.items():
        if name not in there and not declared.optional:
            raise FileRefused(
                f"query:{source.name}: input {name} has no file below landing/ "
                f"({', '.join(declared.files)}); deliver it, or state optional: true in "
                f"sources.yaml, sources.{source.name}.inputs.{name}")
    joined = tuple(JoinedFile(name, file.path, file.name, hash_of(file)) for name, file in files)
    version = _version(source, files)
    content = json.dumps([
        query, {name: declared.model_dump(mode="json")
                for name, declared in sorted(source.inputs.items())},
        [(file.input, file.name, file.content_hash) for file in joined],
    ])
    return LoadRequest(
        path=files[0][1].path,
        name=f"query:{source.name}" + (f"/{version:%Y-%m-%d}" if version else ""),
        source=source, kind=source.export_kind,
        content_hash=hashlib.sha256(content.encode()).hexdigest(), file_version_at=version,
        run_id=run_id, loaded_at=now, join=Join(query, source.query or "", joined),
    )


def _version(source: Source, files: Sequence[tuple[str, LandingFile]]) -> datetime | None:
    """The newest version among the files; a file whose name has no date does not count."""
    if source.version.rule != "file_name":
        return None
    versions = []
    reason = ""
    for _, file in files:
        try:
            versions.append(file_version(file))
        except FileRefused as refusal:
            reason = str(refusal)
    dated = [version for version in versions if version is not None]
    if not dated:
        raise FileRefused(f"query:{source.name}: none of its files carries a date; {reason}")
    return max(dated)
