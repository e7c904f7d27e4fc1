"""The embedded engine: DuckDB on one machine, dbt as a subprocess. Keeps `interface.Engine`."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from dagster_project.engine.interface import LoadRequest, LoadResult
from dagster_project.engine.joins import run_join
from dagster_project.engine.loading import append_file, clock_query, next_load_seq, prepare_stores
from dagster_project.engine.questions import read_frame, read_rows
from dagster_project.engine.reading import first_rows, look
from dagster_project.engine.scratch import scratch_folder
from dagster_project.engine.stores import Stores, identifier, make_tables
from dagster_project.engine.table import Table
from dagster_project.engine.whole_stores import require_both_or_none, rows_n
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.reading_rules import Look, ReadRules
from dagster_project.refusals import NotFinished, WrongInput

AREAS = ("raw", "vault", "build", "publication", "status")


class EmbeddedEngine:
    """DuckDB files of one home."""

    def __init__(self, stores: Stores, secret: bytes, *, is_trial: bool = False) -> None:
        """Makes the durable stores where they are missing.

        Args:
            stores: paths and limits.
            secret: key of the home's identity tokens.
            is_trial: raw is a copy to be tried upon, and its vault begins empty.

        Raises:
            WrongSecret: the home was made with another secret.
            StoresApart: raw or vault is missing, and the other is there.
        """
        self.stores = stores
        self._secret = secret
        stores.state.mkdir(parents=True, exist_ok=True)
        stores.warehouse.mkdir(parents=True, exist_ok=True)
        if not is_trial:
            require_both_or_none(stores)
        with stores.open(None, raw=(stores.raw, "READ_WRITE"),
                         vault=(stores.vault, "READ_WRITE")) as connection:
            prepare_stores(connection, _proof(secret))
        require_secret(stores, secret)

    def path_of(self, area: str) -> Path:
        """File of one of AREAS."""
        if area not in AREAS:
            raise KeyError(f"{area} is no area; areas are {', '.join(AREAS)}")
        path: Path = getattr(self.stores, area)
        return path

    def first_rows(self, path: Path, name: str, encodings: Sequence[str]) -> Iterator[Look]:
        """See `interface.Engine`."""
        return first_rows(path, name, encodings)

    def look(self, path: Path, name: str, rules: ReadRules) -> Look:
        """See `interface.Engine`."""
        return look(path, name, rules)

    def append_loads(
        self, requests: Iterable[LoadRequest]
    ) -> Iterator[LoadResult | FileRefused]:
        """See `interface.Engine`. The scratch store is deleted: it holds text in clear."""
        with (
            self.scratch_folder() as folder,
            self.stores.open_scratch(folder, raw=(self.stores.raw, "READ_WRITE"),
                                     vault=(self.stores.vault, "READ_WRITE")) as scratch,
        ):
            for request in requests:
                repeated = _record_repeated_file(scratch, request)
                if repeated is not None:
                    yield repeated
                    continue
                try:
                    if request.join:
                        request = run_join(self.stores, request, folder)
                    yield append_file(scratch, request, self._secret)
                except FileRefused as refusal:
                    yield refusal

    def scratch_folder(self) -> AbstractContextManager[Path]:
        """See `interface.Engine`."""
        return scratch_folder(self.stores.state / "scratch")

    def read_current(self, area: str, query: str,
                     parameters: Sequence[Any] = ()) -> pd.DataFrame:
        """See `interface.Engine`."""
        return read_frame(self.stores, self.path_of(area), query, parameters)

    def last_load_seq(self) -> int:
        """K: the last number that the clock of loads has given out; 0 before the first load."""
        frame = self.read_current(
            "raw", f"select coalesce(max(seq), 0) as k from ({clock_query()}) as clock")
        return int(frame["k"].iloc[0])

    def has(self, area: str) -> bool:
        """Whether the area's file exists."""
        return self.path_of(area).exists()

    def replace_cells(self, area: str, schema: str,
                      frames: Mapping[Table, pd.DataFrame]) -> None:
        """See `interface.Engine`."""
        with self.stores.open(self.path_of(area)) as connection:
            connection.execute("begin transaction")
            connection.execute(f"create schema if not exists {schema}")
            for table, frame in frames.items():
                connection.register("frame_in", frame)
                columns = ", ".join(f"cast({identifier(column.name)} as {column.type}) "
                                    f"as {identifier(column.name)}" for column in table.columns)
                connection.execute(f"drop table if exists {schema}.{table.name}")
                make_tables(connection, schema, (table,))
                connection.execute(
                    f"insert into {schema}.{table.name} select {columns} from frame_in")
                connection.unregister("frame_in")
            connection.execute("commit")

    def run_models(self, arguments: Sequence[str], environment: Mapping[str, str],
                   project: Path) -> Iterator[str]:
        """Run dbt as a subprocess outside Dagster; yields its lines.

        Raises:
            ModelsFailed: dbt ended with an error.
        """
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dbt.cli.main", *arguments, "--project-dir", str(project),
             "--profiles-dir", str(project)],
            env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            yield line.rstrip()
        if process.wait() != 0:
            raise ModelsFailed("dbt failed:\n" + "\n".join(lines[-30:]))

    def frames_of(self, query: str, batch_rows: int) -> Iterator[pd.DataFrame]:
        """See `interface.Engine`."""
        # Not read-only: the same file may be written by `write_frame` meanwhile, and one process
        # opens a file in one way only.
        with self.stores.open(self.stores.build) as connection:
            reader = connection.sql(query).to_arrow_reader(batch_rows)
            assert reader is not None
            pending: list[pa.RecordBatch] = []
            rows = 0
            for batch in reader:
                pending.append(batch)
                rows += batch.num_rows
                if rows >= batch_rows:
                    yield pa.Table.from_batches(pending).to_pandas()
                    pending, rows = [], 0
            if pending:
                yield pa.Table.from_batches(pending).to_pandas()

    def write_frame(self, table: str, columns: Mapping[str, str],
                    frames: Iterable[pd.DataFrame]) -> int:
        """See `interface.Engine`. Written beside the old table, then renamed."""
        schema, name = table.split(".")
        declared = ", ".join(f"{identifier(column)} {kind}" for column, kind in columns.items())
        selected = ", ".join(f"cast({identifier(column)} as {kind})"
                             for column, kind in columns.items())
        rows = 0
        new = identifier(name + "__new")
        with self.stores.open(self.stores.build) as connection:
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"drop table if exists {schema}.{new}")
            connection.execute(f"create table {schema}.{new} ({declared})")
            for frame in frames:
                connection.register("frame_in", frame)
                connection.execute(f"insert into {schema}.{new} select {selected} from frame_in")
                connection.unregister("frame_in")
                rows += len(frame)
            connection.execute("begin transaction")
            connection.execute(f"drop table if exists {schema}.{identifier(name)}")
            connection.execute(f"alter table {schema}.{new} rename to {identifier(name)}")
            connection.execute("commit")
        return rows


def require_secret(stores: Stores, secret: bytes) -> None:
    """Raise unless the home was made with this secret; opens the vault read-only.

    Raises:
        WrongSecret: it was made with another.
        StoreUnreadable: a run has the vault open.
    """
    if not any(rows_n(stores, stores.vault, table) for table in ("home_key", "identities")):
        # A run was killed while it made the vault; the next one makes it with its own secret.
        return
    [row] = read_rows(stores, stores.vault, "select max(proof) as proof from home_key")
    kept = row["proof"]
    if kept is None or not hmac.compare_digest(kept, _proof(secret)):
        raise WrongSecret(
            "CRM_HOME_SECRET is not the secret this home was made with: every customer would get "
            "another identity. Set the first secret again; if it is lost, make a new home and "
            "load the exports there."
        )


def _proof(secret: bytes) -> str:
    return hmac.new(secret, b"home key", hashlib.sha256).hexdigest()


class WrongSecret(WrongInput):
    """The home was made with another secret."""


class ModelsFailed(NotFinished):
    """dbt ended with an error; the text has its last lines."""


def _record_repeated_file(scratch: Any, request: LoadRequest) -> LoadResult | None:
    """A file whose content this source loaded before in this version: note it, load nothing.

    The same bytes under a later date are a newer version: what was A, then B, may be A again.
    A chunk of a database is no delivery of its own; its rows are told apart one by one.
    """
    if request.cursor is not None:
        return None
    row = scratch.execute(
        "select load_seq, rows_read_n from raw.load_ledger where source = ? and content_hash = ? "
        "and file_version_at is not distinct from ?",
        [request.source.name, request.content_hash, request.file_version_at],
    ).fetchone()
    if row is None:
        return None
    load_seq, rows_n = row
    # A delivery moves the clock of knowledge even if it brings nothing new: what is said about
    # a K must never change afterwards.
    scratch.execute(
        "insert into raw.repeated_files values (?, ?, ?, ?, ?, ?)",
        [request.source.name, request.name, load_seq, next_load_seq(scratch), rows_n,
         request.loaded_at],
    )
    return LoadResult(load_seq, rows_n, 0, rows_n, 0, is_repeated_file=True)
