"""`warehouse/status.duckdb`: runs, loads, checks, rejected and held rows, after every run.

Made anew beside the old one and renamed, also after a night that was refused: BI must see that
last night failed, and why. It is written after the gate, so what looks like an e-mail address or
a telephone number is masked here, in whatever column it stands.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from dagster_project.engine.personal_text import mask_personal_text
from dagster_project.engine.publication import STORAGE_VERSION
from dagster_project.engine.quarantine import shown_rejected_rows
from dagster_project.engine.stores import Stores, StoreUnreadable, identifier, literal, make_tables
from dagster_project.engine.table import Column, Table
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
    """
    target = stores.warehouse / ".incoming-status.duckdb"
    target.unlink(missing_ok=True)
    with stores.open(None) as connection:
        connection.execute(f"attach {literal(str(target))} as status "
                           f"(storage_version '{STORAGE_VERSION}')")
        make_tables(connection, "status.main", STATUS_TABLES)
        _attach(connection, stores.status, "old")
        _attach(connection, stores.raw, "raw")
        try:
            _attach(connection, stores.build, "build")
        except StoreUnreadable:
            # The build is disposable, and a status must come out of every run.
            pass
        for table in (LOAD_LEDGER, LOAD_INPUTS, REPEATED_FILES):
            _copy(connection, table, "raw.main")
        if stores.raw.exists():
            connection.execute(f"insert into status.main.{REJECTED_ROWS_SHOWN.name} "
                               f"{shown_rejected_rows('raw.main')}")
        _copy(connection, HELD_ROWS, "build.marts")
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


def _attach(connection: Any, path: Any, alias: str) -> None:
    """Attach what is there; the tables of a store that is missing stay empty."""
    if not path.exists():
        return
    try:
        connection.execute(f"attach {literal(str(path))} as {alias} (read_only)")
    except Exception as error:
        raise StoreUnreadable(f"{path} cannot be opened: {str(error).splitlines()[0]}") from error


def _copy(connection: Any, table: Table, origin: str, rest: str = "") -> None:
    database, schema = origin.split(".")
    found = connection.execute(
        "select count(*) from duckdb_columns() "
        "where database_name = ? and schema_name = ? and table_name = ?",
        [database, schema, table.name],
    ).fetchone()
    if found and found[0]:
        columns = ", ".join(identifier(column.name) for column in table.columns)
        connection.execute(f"insert into status.main.{table.name} ({columns}) "
                           f"select {columns} from {origin}.{table.name} {rest}")
