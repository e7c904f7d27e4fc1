"""Whether the stores of a home belong together, and what is done with one that is damaged.

Raw and vault are the only copies of what was loaded and are never touched here. The build and
the status can be made again: a damaged one is set aside, kept under a name that says so.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from dagster_project.engine.failures import StoreHeld, StoreUnreadable
from dagster_project.engine.incoming import delete_stale_copies
from dagster_project.engine.questions import read_rows
from dagster_project.engine.stores import Stores
from dagster_project.refusals import NotFinished


class StoresApart(NotFinished):
    """Files of a home that are not of one time: which, and what to do."""


def require_both_or_none(stores: Stores) -> None:
    """Raise if one of raw and vault is missing while the other holds something.

    An empty one made in its place would give later loads numbers that were given before, or
    publish customers whose ids lead nowhere.

    Raises:
        StoresApart: one of them is missing.
        StoreUnreadable: the other cannot be opened.
    """
    for there, missing, table in ((stores.raw, stores.vault, "load_ledger"),
                                  (stores.vault, stores.raw, "identities")):
        if missing.exists() or not there.exists():
            continue
        if rows_n(stores, there, table):
            raise StoresApart(
                f"{missing} is missing, and {there} is there: put a backup of both, of the same "
                f"time, back with crm-value restore --backup DIR")


def require_known_loads(stores: Stores, last_load_seq: int) -> None:
    """Raise if something was published of loads that raw does not know.

    Args:
        stores: of the home.
        last_load_seq: last number that raw has given out.

    Raises:
        StoresApart: raw is older than the warehouse.
        StoreUnreadable: the warehouse cannot be opened.
    """
    if not stores.publication.exists():
        return
    newest = read_rows(stores, stores.publication,
                       "select publication_id, known_load_seq from publication "
                       "order by known_load_seq desc, publication_id limit 1")
    for publication in newest:
        known = publication["known_load_seq"]
        if known <= last_load_seq:
            continue
        raise StoresApart(
            f"{stores.raw} knows loads up to number {last_load_seq}, and publication "
            f"{publication['publication_id']} in {stores.publication} was made of loads up to "
            f"{known}: raw is older than the warehouse, and what is loaded now would take numbers "
            f"that were given before. Put a backup of raw and vault back that is as new as the "
            f"warehouse (crm-value restore --backup DIR), or a publication that is as old "
            f"(crm-value restore PUBLICATION)")


def begin_build(stores: Stores) -> Path | None:
    """Begin the build anew: each night makes it from raw and the publication.

    Nothing of an earlier night, of a run that was killed, or of a process that outlived its run
    is left to build upon.

    Returns:
        Where a build that could not be opened was set aside; None: it could, and is gone.

    Raises:
        StoreHeld: another program has it open.
    """
    aside = None
    if stores.build.exists():
        try:
            with stores.open(stores.build, read_only=True):
                pass
        except StoreHeld:
            raise
        except StoreUnreadable:
            # Damaged, or written by a newer engine: either way it is made again.
            aside = set_aside(stores.build)
    for leftover in (stores.build, wal_of(stores.build)):
        leftover.unlink(missing_ok=True)
    delete_stale_copies(stores)
    return aside


def set_aside(file: Path) -> Path:
    """Give a file, and what was not yet written into it, a name that says it cannot be read."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    target = file.with_name(f"{file.stem}.damaged-{stamp}{file.suffix}")
    if wal_of(file).exists():
        os.replace(wal_of(file), wal_of(target))
    os.replace(file, target)
    return target


def wal_of(file: Path) -> Path:
    """Where the engine keeps what it has not yet written into a file."""
    return file.with_name(file.name + ".wal")


def rows_n(stores: Stores, file: Path, table: str) -> int:
    """Rows of a table of a store; 0 where the store does not have it."""
    if not read_rows(stores, file, "select 1 as found from duckdb_tables() where table_name = ?",
                     [table]):
        return 0
    return int(read_rows(stores, file, f"select count(*) as n from {table}")[0]["n"])
