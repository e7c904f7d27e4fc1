"""Rejected rows in the stores: which are still rejected, their clear text, a try of repaired ones.

What people read and write of them is `ingest/quarantine.py`; how a repaired row is loaded stands
in `repairs.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.engine.checked_files import read_and_check
from dagster_project.engine.interface import LoadRequest
from dagster_project.engine.scratch import scratch_folder
from dagster_project.engine.stores import Stores, identifier
from dagster_project.ingest.tables import REJECTED_ROWS, REJECTED_ROWS_SHOWN


@dataclass(frozen=True)
class Choice:
    """Which rejected rows are meant; None: whatever it is."""

    source: str | None = None
    reason: str | None = None

    @property
    def words(self) -> str:
        """For the record of who read what."""
        parts = [f"{name} {value}" for name, value in (("source", self.source),
                                                        ("reason", self.reason)) if value]
        return ", ".join(parts) or "all"


def shown_rejected_rows(raw: str, known_load_seq: int | None = None) -> str:
    """The query of the rejected rows as people see them (REJECTED_ROWS_SHOWN).

    Args:
        raw: name under which raw is attached.
        known_load_seq: last load that is known (K); None: all.
    """
    columns = ", ".join(f"rejected.{identifier(name)}" for name in REJECTED_ROWS.column_names)
    (repaired,) = REJECTED_ROWS_SHOWN.column_names[len(REJECTED_ROWS.column_names):]
    known = "" if known_load_seq is None else f"and {{}}.load_seq <= {int(known_load_seq)}"
    return (
        f"select {columns}, repaired.load_seq as {identifier(repaired)} "
        f"from {raw}.rejected_rows as rejected "
        f"left join {raw}.repaired_rows as repaired "
        f"on rejected.load_seq = repaired.rejected_load_seq "
        f"and rejected.row_no = repaired.rejected_row_no {known.format('repaired')} "
        f"where true {known.format('rejected')}"
    )


def rejected_rows(stores: Stores) -> pd.DataFrame:
    """Every rejected row as people see it, in the order of load and row."""
    with stores.open(None, raw=(stores.raw, "READ_ONLY")) as connection:
        return connection.execute(
            f"{shown_rejected_rows('raw')} order by load_seq, row_no").df()


def loads(stores: Stores) -> pd.DataFrame:
    """Source, kind, file and version of every load, by load_seq."""
    with stores.open(None, raw=(stores.raw, "READ_ONLY")) as connection:
        return connection.execute(
            "select load_seq, source, kind, file_name, content_hash, version_rule, "
            "file_version_at from raw.load_ledger order by load_seq").df().set_index("load_seq")


def held_rows(stores: Stores) -> pd.DataFrame:
    """The orders that the last run found waiting for something; empty before the first."""
    columns = ["source", "order_id", "reason", "currency"]
    if not stores.status.exists():
        return pd.DataFrame(columns=columns)
    with stores.open(stores.status, read_only=True) as connection:
        return connection.execute(f"select {', '.join(columns)} from held_rows "
                                  f"order by source, reason, order_id").df()


def read_rejected_text(stores: Stores, choice: Choice, *, load_seq: int, who: str, what: str,
                       read_at: datetime) -> pd.DataFrame:
    """The rows of one load that are still rejected, in clear; the reading is recorded first.

    Args:
        choice: rows of which source and reason; rows that a rule leaves out only when asked for.
        load_seq: the load that rejected them.
        who, what, read_at: for the record in the vault.

    Returns:
        The columns of `rejected_rows` and row_text, by row.
    """
    conditions = ["load_seq = ?", "repaired_load_seq is null"]
    parameters: list[object] = [load_seq]
    if choice.reason is None:
        conditions.append("reason <> 'left_out'")
    for name, value in (("source", choice.source), ("reason", choice.reason)):
        if value is not None:
            conditions.append(f"{name} = ?")
            parameters.append(value)
    with stores.open(None, raw=(stores.raw, "READ_ONLY"),
                     vault=(stores.vault, "READ_WRITE")) as connection:
        rows = connection.execute(
            f"select shown.*, texts.row_text from ({shown_rejected_rows('raw')}) as shown "
            f"inner join vault.rejected_text as texts using (load_seq, row_no) "
            f"where {' and '.join(conditions)} order by row_no", parameters).df()
        connection.execute("insert into vault.vault_reads values (?, ?, ?, ?)",
                           [read_at, who, what, len(rows)])
        return rows


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    """Write rows of texts as the file of a delivery; the hash of their content.

    Args:
        columns: their names; each row has a text or None for each.
    """
    table = pa.table({name: pa.array([row[position] for row in rows], pa.string())
                      for position, name in enumerate(columns)})
    pq.write_table(table, path)
    content = hashlib.sha256()
    for row in [columns, *rows]:
        content.update(repr(tuple(row)).encode())
    return content.hexdigest()


def faults_of(stores: Stores, request: LoadRequest) -> dict[int, tuple[str, str]]:
    """Judge the rows of a delivery without loading them.

    Returns:
        row_no -> (reason, column) of the rows that would be rejected.
    """
    with (
        scratch_folder(stores.state / "scratch") as folder,
        stores.open_scratch(folder, raw=(stores.raw, "READ_WRITE")) as scratch,
    ):
        read_and_check(scratch, request, "")
        rows = scratch.execute(
            "select checked.row_no, faults.reason, faults.column_name from checked "
            "inner join faults using (fault_no) order by checked.row_no").fetchall()
        unreadable = scratch.execute("select row_no, reason, '' from unreadable").fetchall()
    return {int(row_no): (reason, column) for row_no, reason, column in [*rows, *unreadable]}
