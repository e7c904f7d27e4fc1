"""Tests 20 and 21: damaged files and spent resources end in a named error, never in wrong data."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dagster_project.command_line import app
from dagster_project.engine.audit_connection import fingerprints_of
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.failures import ResourceLimit, StoreUnreadable, damage_of
from dagster_project.engine.publication import switch
from dagster_project.engine.status import write_status
from dagster_project.engine.stores import Limits, Stores
from dagster_project.engine.whole_stores import (
    StoresApart,
    begin_build,
    require_known_loads,
    wal_of,
)
from dagster_project.settings import make_home
from faults.machine import disk, fill
from faults.stores_content import rows_of
from tests.conftest import INJECTED
from tests.ingest.conftest import Landing
from tests.publish.staging import Customer, Warehouse

SEEDS = range(60)
SECRET = b"a secret of the tests"
FIRST = date(2026, 4, 1)
RUN = {"run_id": "r1", "job_name": "nightly", "outcome": "failed", "message": "",
       "started_at": datetime(2026, 4, 1)}
HOLD = """
import sys
import duckdb
connection = duckdb.connect(sys.argv[1])
sys.stdout.write("held\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def damage(content: bytes, seed: int) -> bytes:
    """A file with one bit turned in its head or anywhere, a block of noughts, or a lost tail."""
    chance, found = random.Random(seed), bytearray(content)
    kind = seed % 4
    if kind == 3:
        return bytes(found[:chance.randrange(len(found))])
    if kind == 2:
        place = chance.randrange(len(found))
        found[place:place + 4096] = bytes(len(found[place:place + 4096]))
        return bytes(found)
    place = chance.randrange(len(found) if kind else min(len(found), 16384))
    found[place] ^= 1 << chance.randrange(8)
    return bytes(found)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    """A home with a few thousand rows in raw."""
    landing = Landing(tmp_path_factory.mktemp("loaded"), {
        "shop": {"kind": "orders", "files": ["orders/*"], "version": "file_name"}})
    rows = "".join(f"{n},1,C{n % 97},2026-01-05 10:00:00,1,{n}.25,CNY\n" for n in range(3000))
    landing.put("orders/orders_2026-01-06.csv",
                "order_id,line_id,customer_id,ordered_at,quantity,unit_price,currency\n" + rows)
    report = landing.load()
    assert not report.refused
    return landing


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse of two nights."""
    warehouse = Warehouse(tmp_path_factory.mktemp("published"))
    for night in range(2):
        warehouse.night(FIRST + timedelta(days=night),
                        {n: Customer(float(n % 100)) for n in range(1, 60)})
    return warehouse


@pytest.mark.parametrize("name", ["raw", "vault", "build", "publication", "candidate"])
def test_a_damaged_file_gives_its_rows_or_is_named(
        loaded: Landing, published: Warehouse, tmp_path: Path, name: str,
        record_property: Any) -> None:
    """Whatever a reader gets of a damaged file is right; and most damages are met."""
    source = {"raw": loaded.stores.raw, "vault": loaded.stores.vault,
              "build": published.stores.build, "publication": published.stores.publication,
              "candidate": published.stores.candidate("candidate")}[name]
    home = Stores(tmp_path / "state", tmp_path / "warehouse", Limits("1GB", 1, tmp_path / "spill"))
    home.state.mkdir()
    target = home.state / source.name
    content, told = source.read_bytes(), 0
    with home.open(source, read_only=True) as connection:
        tables = [f"{schema}.{table}" for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() order by all").fetchall()]
        queries = [f"select sum(hash(t)) from {table} as t" for table in tables]
        right = [connection.execute(query).fetchall() for query in queries]
    for seed in SEEDS:
        for left in (target, wal_of(target)):
            left.unlink(missing_ok=True)
        target.write_bytes(damage(content, seed))
        try:
            with home.open(target, read_only=True) as connection:
                found = [connection.execute(query).fetchall() for query in queries]
        except StoreUnreadable as error:
            assert_named(error, target)
            told += 1
        else:
            assert found == right, f"seed {seed}: wrong rows without a word"
    record_property(INJECTED, len(SEEDS))
    assert told > len(SEEDS) / 4, "hardly a damage was met"


def test_a_damaged_candidate_or_publication_is_not_taken_for_judged(
        published: Warehouse, tmp_path: Path, record_property: Any) -> None:
    """What the gate's fingerprints read is what was written, or nothing."""
    content, target = published.stores.publication.read_bytes(), tmp_path / "crm.duckdb"
    right = fingerprints_of(published.stores.publication)
    for seed in SEEDS:
        target.write_bytes(damage(content, seed))
        try:
            found = fingerprints_of(target)
        except Exception as error:  # noqa: BLE001
            assert_named(error, target)
        else:
            assert found == right, f"seed {seed}"
    record_property(INJECTED, len(SEEDS))


def assert_named(error: Exception, file: Path) -> None:
    """The error says which file cannot be read."""
    assert str(file) in str(error), error


def test_what_to_do_about_a_damaged_raw_or_vault_is_said(loaded: Landing, tmp_path: Path) -> None:
    home = shutil.copytree(loaded.folder, tmp_path / "home")
    stores = Stores(home / "state", home / "warehouse", loaded.stores.limits)
    for file in (stores.raw, stores.vault):
        whole = file.read_bytes()
        file.write_bytes(b"\0" * 8192 + whole[8192:])
        with pytest.raises(StoreUnreadable) as caught:
            EmbeddedEngine(stores, SECRET)
        assert str(file) in str(caught.value)
        assert "backup" in str(caught.value)
        file.write_bytes(whole)
    EmbeddedEngine(stores, SECRET)


def test_a_lost_tail_of_a_write_ahead_file_loses_no_row_for_good(
        loaded: Landing, tmp_path: Path, record_property: Any) -> None:
    """Rows whose commit is lost are not in the ledger either, and the same file brings them."""
    chance = random.Random(20260401)
    base = shutil.copytree(loaded.folder, tmp_path / "base")
    # A process that loads and is killed before the store is closed leaves them in that file.
    subprocess.run([sys.executable, "-c", LOAD_AND_DIE, str(base)], check=False,
                   cwd=Path(__file__).resolve().parents[2])
    tail = wal_of(base / "state" / "raw.duckdb")
    assert tail.exists()
    content = tail.read_bytes()
    right = None
    for cut in [0, *(chance.randrange(len(content)) for _ in range(12))]:
        home = shutil.copytree(base, tmp_path / "home")
        wal_of(home / "state" / "raw.duckdb").write_bytes(content[:len(content) - cut])
        landing = Landing(home, {"shop": {"kind": "orders", "files": ["orders/*"],
                                          "version": "file_name"}})
        landing.load()
        found = rows_of(landing.stores.raw)
        right = right or found
        assert found == right, f"{cut} bytes lost"
        shutil.rmtree(home)
    record_property(INJECTED, 12)


LOAD_AND_DIE = """
import os, signal, sys
from pathlib import Path
import dagster_project.ingest.landing as landing_folder
landing_folder.SECOND_LOOK_SECONDS = 0.0
from tests.ingest.conftest import Landing
landing = Landing(Path(sys.argv[1]), {"shop": {"kind": "orders", "files": ["orders/*"],
                                               "version": "file_name"}})
landing.put("orders/orders_2026-01-07.csv",
            "order_id,line_id,customer_id,ordered_at,quantity,unit_price,currency\\n" + "".join(
                f"N{n},1,C{n},2026-01-06 10:00:00,1,{n},CNY\\n" for n in range(50)))
import dagster_project.engine.loading as loading
written = loading._write_ledger
def write(scratch, request, result):
    written(scratch, request, result)
    scratch.execute("commit")
    os.kill(os.getpid(), signal.SIGKILL)
loading._write_ledger = write
landing.load()
"""


def test_a_build_that_cannot_be_opened_is_set_aside_and_begun_anew(published: Warehouse,
                                                                   tmp_path: Path) -> None:
    stores = Stores(tmp_path / "state", tmp_path / "warehouse", published.stores.limits)
    stores.state.mkdir()
    damaged = b"\1" * 20_000
    stores.build.write_bytes(damaged)
    aside = begin_build(stores)
    assert aside is not None
    assert aside.read_bytes() == damaged
    assert aside.name.startswith("build.damaged-")
    assert not stores.build.exists()
    # One that can be opened is begun anew, too, with what a killed process left beside it.
    shutil.copy(published.stores.build, stores.build)
    assert begin_build(stores) is None
    assert [path.name for path in stores.state.iterdir()] == [aside.name]


def written_later(content: bytes) -> bytes:
    """The file with a later storage version in its first block, whose checksum is right."""
    head = bytearray(content[:4096])
    head[13] = 0x10
    checksum = 5381
    for (number,) in struct.iter_unpack("<Q", head[8:]):
        checksum ^= number * 0xBF58476D1CE4E5B9 % 2**64
    return struct.pack("<Q", checksum) + bytes(head[8:]) + content[4096:]


def test_a_build_of_a_newer_engine_is_set_aside_too(published: Warehouse, tmp_path: Path) -> None:
    home = shutil.copytree(published.stores.state.parent, tmp_path / "home")
    stores = Warehouse(home).stores
    of_later = written_later(stores.build.read_bytes())
    stores.build.write_bytes(of_later)
    with pytest.raises(StoreUnreadable, match="storage version number"), stores.open(stores.build):
        pass
    aside = begin_build(stores)
    assert aside is not None
    assert aside.read_bytes() == of_later
    assert not stores.build.exists()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A build that a notebook has open, and the notebook's process."""
    file = tmp_path / "state" / "build.duckdb"
    file.parent.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(file)], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield file, process.pid
        process.communicate("")


def test_a_notebook_that_holds_a_store_is_named(holder: tuple[Path, int], tmp_path: Path) -> None:
    file, process = holder
    stores = Stores(tmp_path / "state", tmp_path / "warehouse",
                    Limits("1GB", 1, tmp_path / "spill"))
    with pytest.raises(StoreUnreadable) as caught:
        begin_build(stores)
    assert f"{file} is held by another program" in str(caught.value)
    assert f"PID {process}" in str(caught.value)
    assert file.exists(), "a file that is in use is not set aside"


def test_a_home_without_its_vault_or_with_an_older_raw_loads_nothing(
        loaded: Landing, published: Warehouse, tmp_path: Path) -> None:
    """An empty vault made in place of the lost one would lead no customer back to the shop."""
    home = shutil.copytree(loaded.folder, tmp_path / "home")
    stores = Stores(home / "state", home / "warehouse", loaded.stores.limits)
    for missing, there in ((stores.vault, stores.raw), (stores.raw, stores.vault)):
        aside = missing.rename(tmp_path / missing.name)
        with pytest.raises(StoresApart, match=f"{missing} is missing, and {there} is there"):
            EmbeddedEngine(stores, SECRET)
        assert not missing.exists()
        aside.rename(missing)
    shutil.copytree(published.stores.warehouse, stores.warehouse, dirs_exist_ok=True)
    require_known_loads(stores, published.known_load_seq)
    with pytest.raises(StoresApart, match="knows loads up to number 0, and publication 1 in"):
        require_known_loads(stores, published.known_load_seq - 1)


def test_an_older_raw_does_not_replace_the_ledger_that_the_status_knows(
        loaded: Landing, published: Warehouse, tmp_path: Path) -> None:
    """A backup is compared with that ledger before it is put back."""
    home = shutil.copytree(loaded.folder, tmp_path / "home")
    stores = Stores(home / "state", home / "warehouse", loaded.stores.limits)
    write_status(stores, RUN, None, None)
    whole = rows_of(stores.status)
    assert whole["load_ledger"][0] != "0"
    shutil.copytree(published.stores.warehouse, stores.warehouse, dirs_exist_ok=True)
    for store in (stores.raw, stores.vault):
        store.unlink()
    EmbeddedEngine(stores, SECRET)
    write_status(stores, {**RUN, "run_id": "r2"}, None, None)
    found = rows_of(stores.status)
    assert {name: found[name] for name in ("load_ledger", "load_inputs", "repeated_files")} == {
        name: whole[name] for name in ("load_ledger", "load_inputs", "repeated_files")}
    assert found["pipeline_runs"][0] == "2"
    # A raw that knows what was published is told as it is, whatever the status knew.
    stores.publication.unlink()
    write_status(stores, {**RUN, "run_id": "r3"}, None, None)
    assert rows_of(stores.status)["load_ledger"][0] == "0"


def test_nothing_is_repaired_into_an_older_raw(
        published: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its load would take a number that was given before."""
    for name in ("CRM_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    home = make_home(tmp_path / "home", is_sample=True)
    shutil.copytree(published.stores.warehouse, home.warehouse, dirs_exist_ok=True)
    said = CliRunner().invoke(app, ["--home", str(home.folder), "repair", "mended.csv"])
    assert said.exit_code == 3
    assert "raw is older than the warehouse" in said.output


@pytest.mark.parametrize("name", ["status", "raw", "build"])
def test_a_status_comes_out_of_every_run(loaded: Landing, tmp_path: Path, name: str) -> None:
    """Also of one that finds the old status, raw or the build damaged."""
    home = shutil.copytree(loaded.folder, tmp_path / "home")
    stores = Stores(home / "state", home / "warehouse", loaded.stores.limits)
    write_status(stores, RUN, None, None)
    file: Path = getattr(stores, name)
    whole = rows_of(stores.status)
    file.write_bytes(b"\1" * 30_000)
    write_status(stores, {**RUN, "run_id": "r2", "message": "raw is damaged"}, None, None)
    found = rows_of(stores.status)
    assert damage_of(stores.status) is None
    # What the damaged store said is taken from the old status; runs of a damaged status are lost.
    assert found["load_ledger"] == whole["load_ledger"]
    assert found["pipeline_runs"][0] == ("1" if name == "status" else "2")
    aside = list(stores.warehouse.glob("status.damaged-*"))
    assert len(aside) == (name == "status")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    with disk(tmp_path / "disk", 96) as folder:
        yield folder


@pytest.mark.faults
def test_a_full_disk_is_named_in_ingest_and_the_load_succeeds_afterwards(
        small_disk: Path, record_property: Any) -> None:
    landing = Landing(small_disk / "home", {
        "shop": {"kind": "orders", "files": ["orders/*"], "version": "file_name"}})
    rows = "".join(f"{n * 7919 % 100003},1,C{n},2026-01-05 10:00:00,1,{n}.{n % 90 + 10},CNY\n"
                   for n in range(30_000))
    landing.put("orders/orders_2026-01-06.csv",
                "order_id,line_id,customer_id,ordered_at,quantity,unit_price,currency\n" + rows)
    ballast = fill(small_disk, 300_000)
    with pytest.raises(ResourceLimit, match=r"the disk is full: .*MB free.*keep_publications"):
        landing.load()
    ballast.unlink()
    report = Landing(small_disk / "home", {
        "shop": {"kind": "orders", "files": ["orders/*"], "version": "file_name"}}).load()
    assert [file.result.rows_read_n for file in report.loaded] == [30_000]
    record_property(INJECTED, 1)


@pytest.mark.faults
def test_a_full_disk_is_named_in_publishing_and_yesterday_stays(
        published: Warehouse, small_disk: Path, record_property: Any) -> None:
    shutil.copytree(published.folder, small_disk / "home")
    warehouse = Warehouse(small_disk / "home", published=2)
    stores, before = warehouse.stores, warehouse.stores.publication.read_bytes()
    customers = {n: Customer(float(n % 90)) for n in range(1, 60)}
    tomorrow = FIRST + timedelta(days=2)
    candidate = warehouse.stage(tomorrow, customers, previous_publication_id=2)

    # Staging: what it is made of is there, and no room for it.
    warehouse._build = lambda *_: None  # type: ignore[method-assign]
    shutil.rmtree(candidate.parent)
    ballast = fill(small_disk, 100_000)
    with pytest.raises(ResourceLimit, match="the disk is full"):
        warehouse.stage(tomorrow, customers, previous_publication_id=2)
    ballast.unlink()
    assert stores.publication.read_bytes() == before
    assert warehouse.stage(tomorrow, customers, previous_publication_id=2) == candidate

    # Switching: no room for the copy that readers will have.
    ballast = fill(small_disk, len(before) // 2)
    with pytest.raises(ResourceLimit, match="the disk is full"):
        switch(stores, candidate, keep=7)
    assert stores.publication.read_bytes() == before
    ballast.unlink()
    switch(stores, candidate, keep=7)
    assert warehouse.query("select max(publication_id) from publication") == [(3,)]
    record_property(INJECTED, 2)


def test_too_little_memory_is_named_in_ingest_and_blames_no_file(
        loaded: Landing, tmp_path: Path, record_property: Any) -> None:
    landing = Landing(tmp_path / "home", {
        "shop": {"kind": "orders", "files": ["orders/*"], "version": "file_name"}})
    shutil.copytree(loaded.landing, landing.landing, dirs_exist_ok=True)
    small = Limits("2MB", 1, tmp_path / "spill")
    landing.engine = EmbeddedEngine(landing.stores, SECRET)
    landing.engine.stores = Stores(landing.stores.state, landing.stores.warehouse, small)
    with pytest.raises(ResourceLimit, match="The engine may use 2MB: raise memory_limit"):
        landing.load()
    landing.engine = EmbeddedEngine(landing.stores, SECRET)
    assert [file.result.rows_loaded_n for file in landing.load().loaded] == [3000]
    record_property(INJECTED, 1)


def test_too_little_memory_is_named_in_staging(published: Warehouse, tmp_path: Path,
                                               record_property: Any) -> None:
    shutil.copytree(published.folder, tmp_path / "home")
    warehouse = Warehouse(tmp_path / "home", published=2)
    before = warehouse.stores.publication.read_bytes()
    customers = {n: Customer(float(n % 90)) for n in range(1, 60)}
    limits = Limits("1MB", 1, tmp_path / "spill")
    warehouse.__dict__["stores"] = Stores(warehouse.stores.state, warehouse.stores.warehouse,
                                          limits)
    with pytest.raises(ResourceLimit, match="The engine may use 1MB: raise memory_limit"):
        warehouse.stage(FIRST + timedelta(days=2), customers, previous_publication_id=2)
    assert warehouse.stores.publication.read_bytes() == before
    record_property(INJECTED, 1)


def test_words_for_a_shortage_inside_dbt(tmp_path: Path) -> None:
    from dagster_project.customers.model_tests import failure_of_models

    (tmp_path / "run_results.json").write_text(
        '{"results": [{"unique_id": "model.crm.order_facts", "status": "error", "message": '
        '"Runtime Error\\n  Out of Memory Error: could not allocate block"}]}')
    words = failure_of_models(tmp_path, "", "2GB", (tmp_path,))
    assert "order_facts: error: Runtime Error Out of Memory Error" in words
    assert "The engine may use 2GB: raise memory_limit in config/home.yaml" in words
