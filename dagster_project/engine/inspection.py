"""What the engine says of itself and of the files of a home, for `crm-value doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.engine.stores import Stores, StoreUnreadable, literal


@dataclass(frozen=True)
class StoreState:
    """One file of a home.

    Attributes:
        storage: version of the file's format, as the engine names it.
        fault: why it cannot be opened; None: it can.
    """

    path: Path
    storage: str = ""
    fault: str | None = None


def engine_version() -> str:
    """Version of the engine."""
    return str(duckdb.__version__)


def state_of(stores: Stores, path: Path) -> StoreState:
    """Open a file read-only and look at its catalog."""
    try:
        with stores.open(None, store=(path, "READ_ONLY")) as connection:
            row = connection.execute("select tags['storage_version'] from duckdb_databases() "
                                     "where database_name = 'store'").fetchone()
            connection.execute("select count(*) from duckdb_columns() "
                               "where database_name = 'store'").fetchone()
    except (StoreUnreadable, duckdb.Error) as error:
        return StoreState(path, fault=str(error).splitlines()[0])
    return StoreState(path, str(row[0]) if row and row[0] else "")


def hour_there(stores: Stores, zone: str, moment: datetime) -> datetime:
    """A moment (UTC) as the engine's own time-zone data tells it in a zone."""
    with stores.open(None) as connection:
        row = connection.execute(
            f"select timezone({literal(zone)}, timezone('UTC', cast(? as timestamp)))",
            [moment.replace(tzinfo=None)]).fetchone()
    assert row is not None, "a select without a table returns one row"
    there: datetime = row[0]
    return there
