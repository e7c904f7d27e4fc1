"""Putting files of a home back: an earlier publication, or raw and vault of a backup.

Nothing is deleted: what stood there is set aside under a name of its own. What may be restored is
decided in `publish/restoring.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.engine.failures import StoreHeld
from dagster_project.engine.incoming import (
    PRIVATE,
    READ_ONLY,
    copy_in,
    delete_stale_copies,
    incoming_publication,
    incoming_store,
    sync,
)
from dagster_project.engine.loading import clock_query
from dagster_project.engine.stores import Stores, StoreUnreadable
from dagster_project.ingest.tables import LOAD_LEDGER, RAW_TABLES, REPEATED_FILES

NUMBERED = re.compile(r"publication-(\d{6})(?:-\d+)?\.duckdb")


@dataclass(frozen=True)
class Backup:
    """Raw and vault of a backup, and what its ledger knows.

    Attributes:
        stores: of the folder.
        last_load_seq: K up to which it goes.
        contents: load -> source and content hash.
        miscounted: loads whose rows are not those of the ledger.
    """

    stores: Stores
    last_load_seq: int
    contents: dict[int, tuple[str, str]]
    miscounted: tuple[int, ...]


def number_in_name(path: Path) -> int | None:
    """Number of a kept or withdrawn publication, by the name of its file."""
    match = NUMBERED.fullmatch(path.name)
    return int(match.group(1)) if match else None


def publication_files(stores: Stores) -> list[tuple[int, Path]]:
    """Kept publications, then withdrawn ones, with their numbers."""
    found = []
    for folder in (stores.kept, stores.withdrawn):
        for path in sorted(folder.glob("publication-*.duckdb")):
            number = number_in_name(path)
            if number is not None:
                found.append((number, path))
    return found


def highest_number(stores: Stores) -> int:
    """Highest number that a publication of this home ever had, in all that still says so."""
    numbers = [number for number, _ in publication_files(stores)]
    if stores.status.exists():
        # The status is replaced after every run; a damaged one must not stop this one.
        with suppress(StoreUnreadable, duckdb.Error), \
                stores.open(stores.status, read_only=True) as connection:
            row = connection.execute(
                "select max(publication_id) from pipeline_runs").fetchone()
            numbers += [row[0]] if row and row[0] is not None else []
    return max(numbers, default=0)


def is_held(stores: Stores, path: Path) -> str | None:
    """Words of the engine if another program has the file open for writing; else None."""
    if not path.exists():
        return None
    try:
        with stores.open(path, read_only=True):
            return None
    except StoreUnreadable as error:
        return str(error) if isinstance(error, StoreHeld) else None


def put_publication(stores: Stores, source: Path, line: Collection[int], aside: str,
                    verify: Callable[[Path], object]) -> None:
    """Make `source` the publication, and set aside what is not of its line.

    Kept publications of its line are in `kept/` afterwards, all others in `withdrawn/`. Whenever
    this breaks off, readers see the one or the other publication whole, and doing it again ends
    it.

    Args:
        stores: of the home.
        source: a kept or withdrawn publication.
        line: numbers of the publications that it knows, its own among them.
        aside: name for the file that is the publication now.
        verify: raises unless the copy that readers will have is what was approved.

    Raises:
        ResourceLimit: the disk is full; nothing has changed then.
    """
    delete_stale_copies(stores)
    incoming = incoming_publication(stores)
    copy_in(source, incoming, mode=READ_ONLY, verify=verify)
    stores.withdrawn.mkdir(parents=True, exist_ok=True)
    stores.kept.mkdir(parents=True, exist_ok=True)
    if stores.publication.exists():
        # A second name, so that there is no moment without a publication.
        target = _free(stores.withdrawn / aside)
        os.link(stores.publication, target)
        leftover = stores.publication.with_name(stores.publication.name + ".wal")
        if leftover.exists():
            leftover.rename(target.with_name(target.name + ".wal"))
    os.replace(incoming, stores.publication)
    sync(stores.warehouse)
    tidy_publications(stores, line)


def tidy_publications(stores: Stores, line: Collection[int]) -> None:
    """Sort kept and withdrawn publications: those of the line of the current one are kept."""
    for number, path in publication_files(stores):
        folder = stores.kept if number in line else stores.withdrawn
        if path.parent != folder:
            folder.mkdir(parents=True, exist_ok=True)
            name = path.name if folder == stores.withdrawn \
                else stores.kept_publication(number).name
            if folder == stores.kept and (folder / name).exists():
                continue
            path.rename(_free(folder / name))


def read_backup(stores: Stores, folder: Path) -> Backup:
    """Raw and vault of a folder, opened and counted.

    Args:
        stores: of the home, for the engine's limits.
        folder: with raw.duckdb and vault.duckdb.

    Raises:
        StoreUnreadable: a file cannot be opened or read.
    """
    backup = replace(stores, state=folder)
    for path in (backup.vault, backup.raw):
        with backup.open(path, read_only=True) as connection:
            try:
                _read_all(connection)
            except duckdb.Error as error:
                raise StoreUnreadable(f"{path} cannot be read to its end: "
                                      f"{str(error).splitlines()[0]}") from error
    with backup.open(backup.raw, read_only=True) as connection:
        row = connection.execute(
            f"select coalesce(max(seq), 0) from ({clock_query()}) as clock").fetchone()
        counted = " union all ".join(f"select load_seq from {table.name}" for table in RAW_TABLES)
        miscounted = connection.execute(
            f"with counted as (select load_seq, count(*) as rows_n from ({counted}) as rows "
            f"group by load_seq) "
            f"select ledger.load_seq from {LOAD_LEDGER.name} as ledger left join counted "
            f"on ledger.load_seq = counted.load_seq "
            f"where ledger.rows_loaded_n <> coalesce(counted.rows_n, 0) order by 1").fetchall()
    assert row is not None, "an aggregate returns one row"
    return Backup(backup, int(row[0]), ledger_contents(backup, backup.raw),
                  tuple(seq for (seq,) in miscounted))


def ledger_contents(stores: Stores, path: Path) -> dict[int, tuple[str, str]]:
    """Load -> source and content hash, of the ledger in raw or in the status."""
    with stores.open(path, read_only=True) as connection:
        return {seq: (source, content) for seq, source, content in connection.execute(
            f"select load_seq, source, content_hash from {LOAD_LEDGER.name} union all "
            f"select delivery_seq, repeated.source, content_hash "
            f"from {REPEATED_FILES.name} as repeated inner join {LOAD_LEDGER.name} "
            f"using (load_seq)").fetchall()}


def put_stores(stores: Stores, backup: Backup, moment: datetime) -> list[Path]:
    """Put raw and vault of a backup into the home; where the present ones were set aside.

    Raises:
        ResourceLimit: the disk is full; nothing has changed then.
    """
    delete_stale_copies(stores)
    pairs = ((backup.stores.vault, stores.vault), (backup.stores.raw, stores.raw))
    try:
        for source, target in pairs:
            copy_in(source, incoming_store(target), mode=PRIVATE)
    except BaseException:
        # The first of the two may be there, in clear.
        delete_stale_copies(stores)
        raise
    aside = stores.state / "set_aside" / moment.strftime("%Y%m%dT%H%M%SZ")
    aside.mkdir(parents=True, exist_ok=True)
    moved = []
    for _, target in pairs:
        for path in (target, target.with_name(target.name + ".wal")):
            if path.exists():
                path.rename(aside / path.name)
                moved.append(aside / path.name)
        os.replace(incoming_store(target), target)
    sync(stores.state)
    return moved


def _free(path: Path) -> Path:
    """`path`, or the same with a number where that name is taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _read_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Read every value of every table, so that a damaged block is found."""
    for (table,) in connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'main'").fetchall():
        quoted = table.replace('"', '""')
        connection.execute(f'select sum(hash(t)) from "{quoted}" as t').fetchone()
