"""Test 30: thirty nights with random faults; the law and "old or new, whole" hold every night.

They run without a network, on a disk of their own.
"""

from __future__ import annotations

import random
import shutil
import string
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.engine.writer_lock import writer_lock
from faults.machine import NoNetwork, disk, fill
from faults.nights_killed import PLACES, dbt_is_gone, kill_at, leftovers
from nights.commands import NETWORK_OF
from nights.homes import END, ORDER_HEADER, TrialHome, sha256
from tests.conftest import INJECTED

NIGHTS = 30
CUSTOMERS = 60
# Some times what thirty nights keep.
DISK_MEGABYTES = 1000
SEED = 20261120
LARGEST_SHARE_OF_COMPACTED = 2.5


def _kill(home: TrialHome, night: date, chance: random.Random) -> None:
    kill_at(home, chance.choice(list(PLACES)), "run", "--date", night.isoformat())
    assert dbt_is_gone(home)


def _deliver_again(home: TrialHome, night: date, chance: random.Random) -> None:
    file = chance.choice(sorted(path for path in home.landing.rglob("*.csv")
                                if path.name.startswith(("orders_2", "interactions_2"))))
    # Letters: digits in a name may be a date.
    mark = "".join(chance.choices(string.ascii_lowercase, k=8))
    shutil.copy(file, file.with_name(f"again_{mark}_{file.name}"))


def _deliver_late(home: TrialHome, night: date, chance: random.Random) -> None:
    home.drop(f"orders/orders_late_{night}.csv", ORDER_HEADER, [
        [f"LATE-{night}", "1", "C1000000007", f"{night - timedelta(days=3)} 10:00:00",
         "completed", 1, chance.randrange(10, 900), "CNY"]])


def _damage_the_build(home: TrialHome, night: date, chance: random.Random) -> None:
    build = home.folder / "state" / "build.duckdb"
    if build.exists():
        build.write_bytes(chance.randbytes(50_000))


def _leave_half_a_copy(home: TrialHome, night: date, chance: random.Random) -> None:
    for name in (".incoming.duckdb", ".incoming-status.duckdb"):
        left = home.folder / "warehouse" / name
        left.write_bytes(chance.randbytes(10_000))
        left.chmod(0o444)


def _hold_the_lock(home: TrialHome, night: date, chance: random.Random) -> None:
    held = threading.Event()

    def hold() -> None:
        with writer_lock(home.folder / "state" / "writer.lock", purpose="a fault",
                         wait_seconds=0, tell=lambda words: None):
            held.set()
            threading.Event().wait(3)

    threading.Thread(target=hold, daemon=True).start()
    held.wait()


def _deliver_what_nobody_can_read(home: TrialHome, night: date, chance: random.Random) -> None:
    before = sha256(home.publication) if home.publication.exists() else None
    file = home.landing / "orders" / f"orders_broken_{night}.csv"
    file.write_bytes(b"PK\x03\x04" + chance.randbytes(3000))
    home.crm("run", "--date", night.isoformat()).expect(1)
    assert before == (sha256(home.publication) if home.publication.exists() else None)
    file.unlink()


def _fill_the_disk(home: TrialHome, night: date, chance: random.Random) -> None:
    before = sha256(home.publication) if home.publication.exists() else None
    ballast = fill(home.folder.parent, chance.randrange(100_000, 5_000_000))
    said = home.crm("run", "--date", night.isoformat()).expect(3)
    assert "Nothing was started. Make room" in " ".join(said.said.split())
    assert before == (sha256(home.publication) if home.publication.exists() else None)
    ballast.unlink()


FAULTS: tuple[Callable[[TrialHome, date, random.Random], None], ...] = (
    _kill, _deliver_again, _deliver_late, _damage_the_build, _leave_half_a_copy, _hold_the_lock,
    _deliver_what_nobody_can_read, _fill_the_disk)


def soak(home: TrialHome, nights: int) -> list[str]:
    """Run nights of which most meet a fault; the faults, night by night."""
    chance = random.Random(SEED)
    home.crm("init", str(home.folder), "--sample").expect(0)
    home.crm("sample", "--customers", str(CUSTOMERS), "--days", str(nights + 7),
             "--end", END.isoformat()).expect(0)
    home.landing.rename(home.deliveries)
    home.landing.mkdir()
    for bound in ("maximum_rejected_share: 0.05", "maximum_held_share: 0.05"):
        home.edit("home.yaml", bound, bound.replace("0.05", "0.5"))
    home.edit("home.yaml", "threads: auto", "threads: 1")
    injected = []
    for number in range(nights):
        night = END - timedelta(days=nights - 1 - number)
        home.deliver(night)
        fault = chance.choice(FAULTS)
        injected.append(fault.__name__.strip("_"))
        fault(home, night, chance)
        home.crm("run", "--date", night.isoformat()).expect(0)
        _must_hold(home, night, number + 1)
    return injected


def _must_hold(home: TrialHome, night: date, number: int) -> None:
    """One whole publication of this night, every row accounted for, nothing left behind."""
    [current] = home.query("select as_of_date, publication_id from crm.publication "
                           "where is_current")
    assert current == {"as_of_date": night, "publication_id": number}
    for name in ("customers", "customer_scores"):
        [dates] = home.query(f"select count(*) as n from crm.{name}")
        assert dates["n"] > 0
    for source, law in home.law().items():
        assert law["read"] == law["loaded"] + law["repeated"] + law["rejected"], source
        assert law["loaded"] == law["current"] + law["superseded"], source
        assert law["current"] == (law["counted"] + law["unattributed"] + law["excluded"]
                                  + law["held"] + law["after_date"]), source
    assert leftovers(home) == []


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.xdist_group("soak")
def test_thirty_nights_with_random_faults(tmp_path: Path, record_property: Any) -> None:
    with disk(tmp_path / "disk", DISK_MEGABYTES) as folder, NoNetwork() as network:
        home = TrialHome(folder / "home", {NETWORK_OF: str(network.process)})
        asked = home.start("--help")
        assert network.has(asked.process)
        asked.end().expect(0)
        injected = soak(home, NIGHTS)
        record_property(INJECTED, len(injected))
        assert len(set(injected)) == len(FAULTS)
        _raw_makes_the_same_again(home, tmp_path)
        assert network.attempts_n() == 0


def _raw_makes_the_same_again(home: TrialHome, folder: Path) -> None:
    """Also what is kept is no larger than it must be."""
    said = home.crm("rebuild").expect(0)
    assert "current tables are equal" in said.out
    compacted = folder / "compacted.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{home.publication}' as published (read_only)")
        connection.execute(f"attach '{compacted}' as compacted (storage_version 'v1.0.0')")
        connection.execute("copy from database published to compacted")
    share = home.publication.stat().st_size / compacted.stat().st_size
    assert share <= LARGEST_SHARE_OF_COMPACTED
    assert len(list((home.folder / "warehouse" / "kept").iterdir())) <= 7
