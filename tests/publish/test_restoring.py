"""What may be put back, what is refused, and that nothing is lost by it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.engine.audit_connection import ENGINE_VERSION, fingerprints_of
from dagster_project.engine.embedded import EmbeddedEngine, WrongSecret
from dagster_project.engine.failures import ResourceLimit
from dagster_project.engine.publication import drop_old_approvals, keep_approval
from dagster_project.engine.questions import read_rows
from dagster_project.engine.restoring import highest_number, put_publication
from dagster_project.engine.stores import Limits, Stores, StoreUnreadable
from dagster_project.engine.whole_stores import begin_build
from dagster_project.publish.restoring import (
    NotRestorable,
    restore_publication,
    restore_stores,
)
from dagster_project.publish.tables import PUBLICATION, RUN_TABLES
from dagster_project.quality.approval import make_approval, write_approval
from dagster_project.quality.result import Check, passed

SECRET = b"the secret of a home of trials, long enough"
NOW = datetime(2026, 11, 21, 9, 30)
CHECK = Check("a_check", "crm.things", "error", "Why.", "What to do.")
LOADS_A_NIGHT = 2


def publish(stores: Stores, number: int) -> None:
    """A publication on top of the last, which is kept; it knows two loads more."""
    stores.kept.mkdir(parents=True, exist_ok=True)
    if stores.publication.exists():
        stores.publication.rename(stores.kept_publication(_newest(stores)))
    with duckdb.connect(str(stores.publication)) as connection:
        connection.execute(PUBLICATION.ddl("main"))
        connection.execute("create table things as select ? as number", [number])
        for one in range(1, number + 1):
            connection.execute(
                "insert into publication values (?, ?, 1, ?, 'c', ?, 'h', 'r', '1', ?, false, "
                "'CNY', 'Asia/Shanghai', 'run', now())",
                [one, date(2026, 11, 16) + timedelta(days=one), one == number,
                 LOADS_A_NIGHT * one, one - 1])
    folder = stores.state / f"candidate-{number}"
    folder.mkdir(parents=True)
    found = fingerprints_of(stores.publication, without={table.name for table in RUN_TABLES})
    approval = write_approval(folder, make_approval(
        "c", "s", [passed(CHECK, "c")], found, ENGINE_VERSION, SECRET))
    keep_approval(stores, approval, number)
    drop_old_approvals(stores, number)


def _newest(stores: Stores) -> int:
    [row] = read_rows(stores, stores.publication, "select max(publication_id) as n "
                                                  "from publication")
    return int(row["n"])


def load(stores: Stores, seq: int, content: str) -> None:
    """One load of one interaction."""
    with duckdb.connect(str(stores.raw)) as raw:
        raw.execute(
            "insert into load_ledger (load_seq, source, kind, file_name, content_hash, "
            "version_rule, declaration_hash, rows_read_n, rows_loaded_n, rows_repeated_n, "
            "rows_rejected_n, run_id, loaded_at) values (?, 'web', 'interactions', 'f', ?, "
            "'arrival', 'd', 1, 1, 0, 0, 'r', now())", [seq, content])
        raw.execute("insert into raw_interactions (load_seq, row_no, source, row_hash, "
                    "interaction_id, occurred_at, type) "
                    "values (?, 1, 'web', uuid(), 'i', now(), 'visit')", [seq])


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """A home with three publications, of which two are kept, and six loads."""
    stores = Stores(tmp_path / "state", tmp_path / "warehouse",
                    Limits("1GB", 1, tmp_path / "spill"))
    EmbeddedEngine(stores, SECRET)
    for number in (1, 2, 3):
        publish(stores, number)
        for seq in (LOADS_A_NIGHT * number - 1, LOADS_A_NIGHT * number):
            load(stores, seq, f"h{seq}")
    return stores


def numbers_in(folder: Path) -> list[str]:
    """Names of the publications of a folder, shortened."""
    return sorted(path.name.removeprefix("publication-").removesuffix(".duckdb")
                  for path in folder.glob("*.duckdb"))


def restore(stores: Stores, number: int) -> str:
    """What restoring a publication says."""
    return "\n".join(restore_publication(stores, number, secret=SECRET, now=NOW))


def test_an_earlier_publication_comes_back_and_later_ones_are_set_aside(stores: Stores) -> None:
    before = stores.kept_publication(1).read_bytes()
    said = restore(stores, 1)
    assert "Publication 1 of 2026-11-17 is current again; it is what was approved" in said
    assert "2 later publications (2, 3)" in said
    assert "crm-value run --from 2026-11-18 --to 2026-11-19" in said
    assert stores.publication.read_bytes() == before
    assert numbers_in(stores.kept) == ["000001"]
    assert numbers_in(stores.withdrawn) == ["000002", "000003"]
    [record] = read_rows(stores, stores.status, "select outcome, publication_id "
                                                "from pipeline_runs")
    assert record == {"outcome": "restored", "publication_id": 1}


def test_numbers_of_withdrawn_publications_are_not_used_again(stores: Stores) -> None:
    restore(stores, 1)
    assert highest_number(stores) == 3
    # Whoever deletes them to gain space loses no number.
    with duckdb.connect(str(stores.status)) as status:
        status.execute("insert into pipeline_runs (run_id, job_name, outcome, publication_id, "
                       "message, started_at) values ('r', 'nightly', 'published', 3, '', now())")
    shutil.rmtree(stores.withdrawn)
    assert highest_number(stores) == 3


def test_a_restore_can_be_undone(stores: Stores) -> None:
    restore(stores, 1)
    restore(stores, 3)
    assert _newest(stores) == 3
    assert numbers_in(stores.kept) == ["000001", "000002", "000003"]
    # The copy that was current in between is one more of publication 1.
    assert numbers_in(stores.withdrawn) in ([], ["000001"])


def test_a_damaged_current_file_is_set_aside_and_kept(stores: Stores) -> None:
    damaged = b"no database" * 1000
    stores.publication.unlink()
    stores.publication.write_bytes(damaged)
    stores.publication.with_name("crm.duckdb.wal").write_bytes(b"left behind")
    said = restore(stores, 2)
    aside = stores.withdrawn / "crm-20261121T093000Z.duckdb"
    assert f"could not be read; it is {aside}" in said
    assert aside.read_bytes() == damaged
    assert aside.with_name(aside.name + ".wal").exists()
    assert not stores.publication.with_name("crm.duckdb.wal").exists()
    assert _newest(stores) == 2


def test_a_missing_current_file_is_restored(stores: Stores) -> None:
    stores.publication.unlink()
    restore(stores, 2)
    assert _newest(stores) == 2


@pytest.mark.parametrize("damage", ["changed", "truncated", "flipped"])
def test_a_kept_file_that_is_not_what_was_approved_is_refused(stores: Stores,
                                                              damage: str) -> None:
    kept, now = stores.kept_publication(1), stores.publication.read_bytes()
    if damage == "changed":
        with duckdb.connect(str(kept)) as connection:
            connection.execute("update things set number = 99")
    else:
        content = bytearray(kept.read_bytes())
        if damage == "flipped":
            # The headers stay: the file can be opened, or nearly.
            content[3 * 4096:] = bytes(len(content) - 3 * 4096)
        kept.write_bytes(content[:len(content) // 2] if damage == "truncated" else content)
    with pytest.raises(NotRestorable, match="publication-000001"):
        restore(stores, 1)
    assert stores.publication.read_bytes() == now
    assert not stores.withdrawn.exists()


def test_a_changed_approval_is_refused(stores: Stores) -> None:
    path = stores.approval(1)
    path.write_text(path.read_text().replace('"rows_n": 1', '"rows_n": 2', 1))
    with pytest.raises(NotRestorable, match="changed by hand or signed elsewhere"):
        restore(stores, 1)


def test_without_an_approval_the_file_is_read_to_its_end(stores: Stores) -> None:
    stores.approval(1).unlink()
    assert "no approval of it is kept" in restore(stores, 1)


@pytest.mark.parametrize(("number", "words"), [
    (3, "publication 3 is the current file already"),
    (7, r"publication 7 is not kept; there are 1, 2 \(warehouse/kept"),
])
def test_what_cannot_be_restored_is_named(stores: Stores, number: int, words: str) -> None:
    with pytest.raises(NotRestorable, match=words):
        restore(stores, number)


def test_a_copy_that_a_kill_left_is_replaced_and_not_written_into(stores: Stores) -> None:
    """It may be read-only, and somebody may read it."""
    left = stores.warehouse / ".incoming.duckdb"
    left.write_bytes(b"half a file")
    reader = stores.warehouse / "reader"
    os.link(left, reader)
    restore(stores, 1)
    assert reader.read_bytes() == b"half a file"
    assert not left.exists()
    assert stores.publication.stat().st_mode & 0o222 == 0


def test_a_copy_that_is_not_what_was_approved_is_not_renamed(stores: Stores) -> None:
    """The disk may write something else than it was given."""
    before, source = stores.publication.read_bytes(), stores.kept_publication(1)

    def refuse(copy: Path) -> None:
        assert copy != source
        raise ValueError("not what was approved")

    with pytest.raises(ValueError, match="not what was approved"):
        put_publication(stores, source, {1}, "publication-000003.duckdb", refuse)
    assert stores.publication.read_bytes() == before
    assert not list(stores.warehouse.glob(".incoming*"))
    assert not stores.withdrawn.exists()


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """From now on there is no room for a copy with this name; half of it is written."""
    copy = shutil.copyfile

    def copyfile(source: Path, target: Path) -> object:
        if Path(target).name != at:
            return copy(source, target)
        Path(target).write_bytes(Path(source).read_bytes()[:4096])
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copyfile", copyfile)


def test_a_full_disk_is_said_and_changes_nothing(stores: Stores,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    before = stores.publication.read_bytes()
    fill_the_disk(monkeypatch, ".incoming.duckdb")
    with pytest.raises(ResourceLimit, match="the disk is full"):
        restore(stores, 1)
    assert stores.publication.read_bytes() == before
    assert not list(stores.warehouse.glob(".incoming*"))


def test_what_was_restored_is_said_where_the_status_cannot_be_written(stores: Stores) -> None:
    (stores.status / "in the way").mkdir(parents=True)
    said = restore(stores, 1)
    assert "Publication 1 of 2026-11-17 is current again" in said
    assert "The status could not be written" in said
    assert _newest(stores) == 1


def test_approvals_go_with_the_files_they_are_of(stores: Stores) -> None:
    stores.kept_publication(1).unlink()
    publish(stores, 4)
    names = sorted(path.stem for path in stores.approval(1).parent.iterdir())
    assert names == ["publication-000002", "publication-000003", "publication-000004"]


@pytest.fixture
def backup(stores: Stores, tmp_path: Path) -> Callable[[], Path]:
    """Makes a backup of raw and vault as they are."""

    def make() -> Path:
        folder = tmp_path / "backup"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path in (stores.raw, stores.vault):
            shutil.copy(path, folder)
        return folder

    return make


def restore_from(stores: Stores, folder: Path, secret: bytes = SECRET) -> str:
    """What restoring raw and vault says."""
    return "\n".join(restore_stores(stores, folder, secret=secret, now=NOW))


def test_damaged_stores_come_back_from_a_backup(stores: Stores,
                                                backup: Callable[[], Path]) -> None:
    folder = backup()
    stores.raw.write_bytes(b"damaged" * 999)
    stores.vault.unlink()
    assert "up to load 6; every load was counted" in restore_from(stores, folder)
    assert EmbeddedEngine(stores, SECRET).last_load_seq() == 6
    assert stores.vault.stat().st_mode & 0o077 == 0
    aside = stores.state / "set_aside" / "20261121T093000Z"
    assert [path.name for path in aside.iterdir()] == ["raw.duckdb"]


def test_a_full_disk_leaves_no_identifiers_in_clear_behind(
        stores: Stores, backup: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, before = backup(), stores.vault.read_bytes()
    fill_the_disk(monkeypatch, ".incoming-raw.duckdb")
    with pytest.raises(ResourceLimit, match="the disk is full"):
        restore_from(stores, folder)
    assert stores.vault.read_bytes() == before
    assert not list(stores.state.glob(".incoming*"))


@pytest.mark.parametrize("later", [
    lambda stores, folder: begin_build(stores),
    lambda stores, folder: restore(stores, 1),
    restore_from,
], ids=["a night", "a publication restored", "a backup restored"])
def test_copies_of_the_vault_that_a_kill_left_are_deleted(
        stores: Stores, backup: Callable[[], Path],
        later: Callable[[Stores, Path], object]) -> None:
    folder = backup()
    for name in (".incoming-vault.duckdb", ".incoming-raw.duckdb"):
        (stores.state / name).write_bytes(b"customer@example.org")
    later(stores, folder)
    assert not list(stores.state.glob(".incoming*"))


def test_a_backup_that_knows_less_than_the_publication_is_refused(
        stores: Stores, backup: Callable[[], Path]) -> None:
    """After the publication that knows so little is current again, it can come."""
    with duckdb.connect(str(stores.raw)) as raw:
        for table in ("load_ledger", "raw_interactions"):
            raw.execute(f"delete from {table} where load_seq > 4")
    folder = backup()
    with pytest.raises(NotRestorable, match=r"ends with load 4.*knows load 6.*restore 2"):
        restore_from(stores, folder)
    restore(stores, 2)
    assert "up to load 4" in restore_from(stores, folder)


@pytest.mark.parametrize(("statement", "words"), [
    ("update load_ledger set content_hash = 'x' where load_seq = 2",
     "is not of this home: load 2 is another file"),
    ("delete from raw_interactions where load_seq = 3", "load 3 has not the rows"),
])
def test_a_backup_of_other_loads_is_refused(stores: Stores, backup: Callable[[], Path],
                                            statement: str, words: str) -> None:
    folder, before = backup(), stores.raw.read_bytes()
    with duckdb.connect(str(folder / "raw.duckdb")) as raw:
        raw.execute(statement)
    with pytest.raises(NotRestorable, match=words):
        restore_from(stores, folder)
    assert stores.raw.read_bytes() == before


def test_a_backup_must_be_whole_readable_and_of_this_secret(
        stores: Stores, backup: Callable[[], Path]) -> None:
    folder = backup()
    with pytest.raises(WrongSecret):
        restore_from(stores, folder, b"another secret of a home, also long enough")
    (folder / "raw.duckdb.wal").touch()
    with pytest.raises(NotRestorable, match="taken while a run wrote"):
        restore_from(stores, folder)
    (folder / "raw.duckdb.wal").unlink()
    (folder / "raw.duckdb").write_bytes(b"damaged" * 999)
    with pytest.raises(StoreUnreadable):
        restore_from(stores, folder)
    (folder / "vault.duckdb").unlink()
    with pytest.raises(NotRestorable, match=r"vault\.duckdb does not exist"):
        restore_from(stores, folder)
