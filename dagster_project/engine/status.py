"""`warehouse/status.duckdb`: runs, loads, checks, rejected and held rows, after every run.

Made anew beside the old one and renamed, also after a night that was refused: BI must see that
last night failed, and why. It is written after the gate, so what looks like an e-mail address or
a telephone number is masked here, in whatever column it stands.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dagster_project.engine.failures import (
    StoreDamaged,
    StoreUnreadable,
    damage_in_words,
    unreadable,
)
from dagster_project.engine.loading import clock_query
from dagster_project.engine.personal_text import mask_personal_text
from dagster_project.engine.publication import STORAGE_VERSION
from dagster_project.engine.quarantine import shown_rejected_rows
from dagster_project.engine.stores import Stores, identifier, literal, make_tables
from dagster_project.engine.table import Column, Table
from dagster_project.engine.whole_stores import (
    StoresApart,
    require_known_loads,
    set_aside,
    wal_of,
)
from dagster_project.ingest.tables import (
    LOAD_INPUTS,
    LOAD_LEDGER,
    REJECTED_ROWS_SHOWN,
    REPEATED_FILES,
)
from dagster_project.publish.tables import PIPELINE_RUNS, QUALITY_RESULTS

KEPT_RUNS = 400

REFUSED_FILES = Table(
    "refused_files",
    "One file that the last look into landing/ could not read as a whole.",
    (
        Column("file_name", "VARCHAR", "Path below landing/.", True),
        Column("reason", "VARCHAR", "Why, and what to do.", True),
    ),
    ("file_name",),
)
HELD_ROWS = Table(
    "held_rows",
    "One order, or one refund of a refunds export, that waits for something missing.",
    (
        Column("kind", "VARCHAR", "orders or refunds.", True),
        Column("source", "VARCHAR", "Configured source.", True),
        Column("order_id", "VARCHAR", "Order number of the shop.", True),
        Column("refund_id", "VARCHAR", "Number of the refund; NULL: the order is held.", False),
        Column("event_date", "DATE", "Business date of the order or of the refund.", True),
        Column("currency", "VARCHAR", "Original currency.", True),
        Column("reason", "VARCHAR", "What is missing.", True),
        Column("amount", "DECIMAL(38,4)", "Amount in the original currency.", False),
    ),
    ("source", "order_id", "refund_id"),
)
STATUS_TABLES = (PIPELINE_RUNS, QUALITY_RESULTS, LOAD_LEDGER, LOAD_INPUTS, REPEATED_FILES,
                 REJECTED_ROWS_SHOWN, REFUSED_FILES, HELD_ROWS)


def write_status(stores: Stores, run: Mapping[str, Any], results: pd.DataFrame | None,
                 refused: Mapping[str, str] | None,
                 permitted_texts: Collection[tuple[str, str]] = ()) -> None:
    """Replace the status file.

    Args:
        run: the row of pipeline_runs of this run.
        results: rows of quality_results of this run's gate; None: it did not get that far.
        refused: name -> reason of files that could not be read; None: this run did not look.
        permitted_texts: (table, column) whose numbers only look like telephone numbers.

    Raises:
        StoreUnreadable: another program holds the status for writing.
        ResourceLimit: memory or disk do not suffice.
    """
    damaged: set[Path] = set()
    while True:
        try:
            with damage_in_words(stores.status, stores.raw, stores.build):
                _write(stores, run, results, refused, permitted_texts, frozenset(damaged))
            return
        except StoreDamaged as error:
            # A status comes out of every run, also of one that found a store damaged.
            if error.path in damaged:
                raise
            damaged.add(error.path)
            if error.path == stores.status:
                set_aside(stores.status)


def _write(stores: Stores, run: Mapping[str, Any], results: pd.DataFrame | None,
           refused: Mapping[str, str] | None, permitted_texts: Collection[tuple[str, str]],
           damaged: Collection[Path]) -> None:
    """Make the status anew beside the old one, then rename it; `damaged` stores are not asked."""
    target = stores.warehouse / ".incoming-status.duckdb"
    for leftover in (target, wal_of(target)):
        leftover.unlink(missing_ok=True)
    with stores.open(None) as connection:
        connection.execute(f"attach {literal(str(target))} as status "
                           f"(storage_version '{STORAGE_VERSION}')")
        make_tables(connection, "status.main", STATUS_TABLES)
        _attach(connection, stores.status, "old")
        has_raw = stores.raw not in damaged and _attach_if_free(connection, stores.raw, "raw")
        has_raw = has_raw and _knows_what_was_published(stores, connection)
        if stores.build not in damaged:
            _attach_if_free(connection, stores.build, "build")
        for table in (LOAD_LEDGER, LOAD_INPUTS, REPEATED_FILES):
            _copy(connection, table, "raw.main" if has_raw else "old.main")
        if has_raw:
            connection.execute(f"insert into status.main.{REJECTED_ROWS_SHOWN.name} "
                               f"{shown_rejected_rows('raw.main')}")
        else:
            _copy(connection, REJECTED_ROWS_SHOWN, "old.main")
        # A night that broke off early has a build without them.
        if not _copy(connection, HELD_ROWS, "build.marts"):
            _copy(connection, HELD_ROWS, "old.main")
        _copy(connection, PIPELINE_RUNS, "old.main",
              f"where run_id <> {literal(run['run_id'])} "
              f"order by started_at desc limit {KEPT_RUNS}")
        names = ", ".join(run)
        connection.execute(f"insert into status.main.pipeline_runs ({names}) "
                           f"values ({', '.join('?' for _ in run)})", list(run.values()))
        if results is None:
            _copy(connection, QUALITY_RESULTS, "old.main")
        else:
            connection.register("results_in", results)
            columns = ", ".join(results.columns)
            connection.execute(f"insert into status.main.quality_results ({columns}) "
                               f"select {columns} from results_in")
        if refused is None:
            _copy(connection, REFUSED_FILES, "old.main")
        for name, reason in (refused or {}).items():
            connection.execute("insert into status.main.refused_files values (?, ?)",
                               [name, reason])
        # Names of files and words of failures are not ours alone: somebody may have named a file
        # after a person.
        mask_personal_text(connection, "status.main", STATUS_TABLES, permitted_texts)
        connection.execute("checkpoint status")
    os.replace(target, stores.status)


def _knows_what_was_published(stores: Stores, connection: Any) -> bool:
    """Whether the attached raw is as new as the warehouse.

    The ledger of an older one must not replace what the status knows: that is what a backup is
    compared with before it is put in its place.
    """
    (tables_n,) = connection.execute(
        "select count(*) from duckdb_tables() where database_name = 'raw' "
        "and table_name in (?, ?)", [LOAD_LEDGER.name, REPEATED_FILES.name]).fetchone()
    last = 0
    if tables_n == len((LOAD_LEDGER, REPEATED_FILES)):
        (last,) = connection.execute(
            f"select coalesce(max(seq), 0) from ({clock_query('raw.')})").fetchone()
    try:
        require_known_loads(stores, last)
    except StoresApart:
        return False
    except StoreUnreadable:
        # The warehouse cannot be asked; the run says so.
        pass
    return True


def _attach(connection: Any, path: Path, alias: str) -> None:
    """Attach what is there; the tables of a store that is missing stay empty."""
    if not path.exists():
        return
    try:
        connection.execute(f"attach {literal(str(path))} as {alias} (read_only)")
    except Exception as error:
        raise unreadable(path, error) from error


def _attach_if_free(connection: Any, path: Path, alias: str) -> bool:
    """Whether a store is there and no other program holds it."""
    try:
        _attach(connection, path, alias)
    except StoreDamaged:
        raise
    except StoreUnreadable:
        return False
    return path.exists()


def _copy(connection: Any, table: Table, origin: str, rest: str = "") -> bool:
    """Copy the rows of a table of a store; whether it has the table."""
    database, schema = origin.split(".")
    found = connection.execute(
        "select count(*) from duckdb_columns() "
        "where database_name = ? and schema_name = ? and table_name = ?",
        [database, schema, table.name],
    ).fetchone()
    has_table = bool(found and found[0])
    if has_table:
        columns = ", ".join(identifier(column.name) for column in table.columns)
        connection.execute(f"insert into status.main.{table.name} ({columns}) "
                           f"select {columns} from {origin}.{table.name} {rest}")
    return has_table
