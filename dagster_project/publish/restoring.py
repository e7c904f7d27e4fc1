"""`crm-value restore`: may this file come back, and what it means for the next night.

Moving files is `engine/restoring.py`. The one who calls holds the home's lock.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from dagster_project.engine.embedded import require_secret
from dagster_project.engine.failures import ResourceLimit
from dagster_project.engine.questions import read_rows
from dagster_project.engine.restoring import (
    Backup,
    is_held,
    ledger_contents,
    publication_files,
    put_publication,
    put_stores,
    read_backup,
    tidy_publications,
)
from dagster_project.engine.status import write_status
from dagster_project.engine.stores import EngineError, Stores, StoreUnreadable
from dagster_project.publish.approved import require_approved
from dagster_project.quality.approval import NotApproved
from dagster_project.refusals import WrongInput

_LINE_QUERY = ("select publication_id, as_of_date, known_load_seq, is_current from publication "
               "order by publication_id")


class NotRestorable(WrongInput):
    """What was asked for cannot be put back: why, and what can."""


def restore_publication(stores: Stores, publication_id: int, *, secret: bytes,
                        now: datetime) -> list[str]:
    """Make an earlier publication the current file; what was done, in words.

    Args:
        stores: of the home.
        publication_id: a kept or a withdrawn one.
        secret: of the home, with which approvals are signed.
        now: UTC; for the name of a file that cannot be read, and the record.

    Raises:
        NotRestorable: it is not kept, is damaged, or is not what was approved.
        ResourceLimit: the disk is full; nothing has changed then.
    """
    current = _line(stores, stores.publication)
    if current and int(current[-1]["publication_id"]) == publication_id:
        tidy_publications(stores, _numbers(current))
        raise NotRestorable(f"publication {publication_id} is the current file already")
    source = _source(stores, publication_id)
    line = _line(stores, source)
    if not line or int(line[-1]["publication_id"]) != publication_id:
        raise NotRestorable(f"{source} is damaged or is not publication {publication_id}; "
                            f"{_choices(stores)}")
    proof = _verify(stores, source, publication_id, secret)
    held = is_held(stores, stores.publication)
    if held:
        raise NotRestorable(f"a program has the warehouse open for writing, and would write into "
                            f"what is restored; close it first. {held}")
    aside = (f"publication-{int(current[-1]['publication_id']):06d}.duckdb" if current
             else f"crm-{now:%Y%m%dT%H%M%SZ}.duckdb")
    put_publication(stores, source, _numbers(line), aside,
                    verify=lambda copy: _verify(stores, copy, publication_id, secret))
    lines = [f"Publication {publication_id} of {line[-1]['as_of_date']} is current again; {proof}"]
    if current:
        later = [row for row in current if row["publication_id"] > publication_id]
        if later:
            dates = [row["as_of_date"] for row in later]
            lines += [f"Set aside in {stores.withdrawn}: {len(later)} later publications "
                      f"({', '.join(str(row['publication_id']) for row in later)}); their numbers "
                      f"are not used again",
                      f"The next night goes on from it. Dates published since: crm-value run "
                      f"--from {min(dates)} --to {max(dates)}"]
        else:
            lines.append(f"What stood there is set aside in {stores.withdrawn}")
    else:
        lines.append(f"The file that stood there could not be read; it is "
                     f"{stores.withdrawn / aside}")
    lines += _recorded(stores, publication_id, line[-1], "\n".join(lines), now)
    return lines


def restore_stores(stores: Stores, folder: Path, *, secret: bytes, now: datetime) -> list[str]:
    """Put raw and vault of a backup into the home; what was done, in words.

    Both come from one backup: rows of raw without their identities in the vault are lost
    customers. The loads of the backup must be those that the home remembers, and reach as far as
    the current publication knows: what is said about a K never changes afterwards.

    Args:
        stores: of the home.
        folder: a backup: raw.duckdb and vault.duckdb, or a folder state/ that has them.
        secret: of the home.
        now: UTC; names the folder of what is set aside.

    Raises:
        NotRestorable: something is missing, or of another home, or too old.
        WrongSecret: the backup was made with another secret.
        StoreUnreadable: a file of the backup is damaged.
        ResourceLimit: the disk is full; nothing has changed then.
    """
    folder = folder / "state" if (folder / "state" / stores.raw.name).exists() else folder
    for path in (stores.raw, stores.vault):
        for name in (path.name, f"{path.name}.wal"):
            there = (folder / name).exists()
            if there == name.endswith(".wal"):
                raise NotRestorable(
                    f"{folder / name} lies there: the backup was taken while a run wrote; take one "
                    f"that was not" if there else f"{folder / name} does not exist; a backup has "
                    f"raw.duckdb and vault.duckdb of one moment")
    if folder.resolve() == stores.state.resolve():
        raise NotRestorable(f"{folder} is the home itself; name the folder of a backup")
    backup = read_backup(stores, folder)
    require_secret(backup.stores, secret)
    _require_same_loads(stores, backup)
    for path in (stores.raw, stores.vault):
        held = is_held(stores, path)
        if held:
            raise NotRestorable(f"another program has the home's files open; close it first. "
                                f"{held}")
    moved = put_stores(stores, backup, now)
    lines = [f"raw and vault are those of {folder}, up to load {backup.last_load_seq}; every load "
             f"was counted and compared with the ledger"]
    if moved:
        lines.append(f"What stood there: {', '.join(str(path) for path in moved)}")
    lines.append("Files of landing/ that came later are loaded again by the next night; "
                 "crm-value rebuild proves that the publication can be made again")
    return lines


def _source(stores: Stores, publication_id: int) -> Path:
    for number, path in publication_files(stores):
        if number == publication_id:
            return path
    raise NotRestorable(f"publication {publication_id} is not kept; {_choices(stores)}")


def _choices(stores: Stores) -> str:
    numbers = sorted({number for number, _ in publication_files(stores)})
    if not numbers:
        return ("none is kept yet: restore the folder warehouse/ from a backup, or make the file "
                "anew by running its nights")
    return f"there are {', '.join(map(str, numbers))} (warehouse/kept and warehouse/withdrawn)"


def _line(stores: Stores, path: Path) -> list[dict[str, Any]]:
    """Publications that a file knows, by number; none where it cannot be read."""
    if not path.exists():
        return []
    try:
        return read_rows(stores, path, _LINE_QUERY)
    except (StoreUnreadable, EngineError):
        return []


def _numbers(line: list[dict[str, Any]]) -> set[int]:
    return {int(row["publication_id"]) for row in line}


def _verify(stores: Stores, file: Path, publication_id: int, secret: bytes) -> str:
    """How the file was verified, in words; refuses it with what could be restored instead."""
    try:
        return require_approved(stores, file, publication_id, secret)
    except NotApproved as error:
        raise NotRestorable(f"{error}; {_choices(stores)}") from error


def _require_same_loads(stores: Stores, backup: Backup) -> None:
    folder = backup.stores.state
    if backup.miscounted:
        raise NotRestorable(f"{folder}: load {backup.miscounted[0]} has not the rows that its "
                            f"ledger states; take another backup")
    for path in (stores.raw, stores.status):
        try:
            known = ledger_contents(stores, path) if path.exists() else {}
        except (StoreUnreadable, EngineError):
            continue
        for seq in sorted(known.keys() & backup.contents.keys()):
            if known[seq] != backup.contents[seq]:
                raise NotRestorable(
                    f"{folder} is not of this home: load {seq} is another file there than in "
                    f"{path}")
    line = _line(stores, stores.publication)
    needed = max((int(row["known_load_seq"]) for row in line), default=0)
    if backup.last_load_seq < needed:
        fitting = [int(row["publication_id"]) for row in line
                   if int(row["known_load_seq"]) <= backup.last_load_seq]
        first = (f"restore a publication first that knows no more: crm-value restore "
                 f"{max(fitting)}" if fitting else "no publication knows so little")
        raise NotRestorable(
            f"{folder} ends with load {backup.last_load_seq}, and the current publication knows "
            f"load {needed}: what was published could not be made again. Take a newer backup, or "
            f"{first}")


def _recorded(stores: Stores, publication_id: int, row: dict[str, Any], message: str,
              now: datetime) -> list[str]:
    """Write the restore into the status, which BI shows; words where that failed."""
    try:
        write_status(stores, {
            "run_id": f"restore-{now:%Y%m%dT%H%M%SZ}", "job_name": "restore",
            "as_of_date": row["as_of_date"], "outcome": "restored", "candidate_id": None,
            "publication_id": publication_id, "message": message, "started_at": now,
            "ended_at": now}, None, None)
    except (StoreUnreadable, ResourceLimit, EngineError, OSError) as error:
        # The restore stands; the next run writes the status anew.
        return [f"The status could not be written: {str(error).splitlines()[0]}"]
    return []
