"""Tests 1 and 9: ingest killed at any point, and delivered again, loads each row exactly once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from dagster_project.engine.embedded import WrongSecret, require_secret
from dagster_project.ingest.presets import shipped_presets
from faults.killing import chosen, counted, in_child, killed, longer, play
from faults.stores_content import rows_of
from tests.conftest import INJECTED, SEEN
from tests.ingest.conftest import SECRET, Landing, stores_of

SOURCES: dict[str, Any] = {
    "shop": {"kind": "orders", "files": ["orders/*"], "version": "file_name"},
    "crm": {"kind": "customers", "files": ["customers/*"], "version": "file_name"},
}
ORDERS = "order_id,line_id,customer_id,ordered_at,quantity,unit_price,currency\n"
CUSTOMERS = "customer_id,valid_from,name,email,phone\n"
KEPT, NEW = "2026-01-05", "2026-01-06"
# Two rows of every twenty cannot be read; one is delivered twice.
ROWS = {
    "orders": "".join(
        f"{{day}}-{n},1,C{n % 7},{{day}} 10:00:00,1,{'x' if n % 10 == 9 else n},CNY\n"
        for n in range(20)) + "{day}-0,1,C0,{day} 10:00:00,1,0,CNY\n",
    "customers": "".join(f"C{n},{{day}},Mei {n},mei{n}@example.com,\n" for n in range(7)),
}


def _deliver(folder: Path, day: str) -> None:
    landing = Landing(folder, SOURCES)
    for kind, header in (("orders", ORDERS), ("customers", CUSTOMERS)):
        landing.put(f"{kind}/{kind}_{day}.csv", header + ROWS[kind].replace("{day}", day))


def _load(folder: Path) -> None:
    import dagster_project.ingest.landing as landing_folder

    landing_folder.SECOND_LOOK_SECONDS = 0.0
    report = Landing(folder, SOURCES).load()
    assert not report.refused, report.refused


def _first_night(folder: Path) -> None:
    _deliver(folder, KEPT)
    _load(folder)
    _deliver(folder, NEW)
    # The same file once more under another name.
    landing = folder / "landing" / "orders"
    shutil.copy(landing / f"orders_{NEW}.csv", landing / f"orders_again_{NEW}.csv")


def _content(folder: Path) -> dict[str, Any]:
    state = folder / "state"
    assert list((state / "scratch").iterdir()) == [], "text in clear was left behind"
    return {"raw": rows_of(state / "raw.duckdb"),
            "vault": rows_of(state / "vault.duckdb"),
            "law": Landing(folder, SOURCES).rows(
                "select rows_read_n - rows_loaded_n - rows_repeated_n - rows_rejected_n as broken, "
                "count(*) as n from load_ledger group by all")}


def kill_ingest(folder: Path, share: float) -> tuple[int, int]:
    """Kill the second night's ingest at a share of its points; (points, kills)."""
    before = folder / "before"
    # Once for all children, who would each take longer for it than for the load.
    shipped_presets()
    in_child(_first_night, before)
    undisturbed = shutil.copytree(before, folder / "undisturbed")
    points = counted(_load, undisturbed)
    expected = in_child(_content, undisturbed)
    assert expected["law"] == [[0, 4]]
    places = chosen(points, share)
    for place in places:
        home = shutil.copytree(before, folder / "killed")
        killed(_load, place, home)
        in_child(_load, home)
        found = in_child(_content, home)
        assert found == expected, f"killed at point {place} of {points}"
        shutil.rmtree(home)
    return points, len(places)


@pytest.mark.parametrize("share", [
    0.05, *longer(0.3)])
def test_ingest_killed_at_any_point_loads_each_row_once(
        tmp_path: Path, share: float, record_property: Any) -> None:
    points, kills = play(kill_ingest, tmp_path, share)
    record_property(INJECTED, kills)
    record_property(SEEN, f"ingest killed at {kills} of its {points} points: 0 rows lost, 0 twice")
    assert points > 100, "an ingest does more than that"


def load_twice_at_once(folder: Path) -> dict[str, Any]:
    """Two processes load the same three copies of one export; what they ended with."""
    import os

    in_child(_first_night, folder)
    third = folder / "landing" / "orders" / f"orders_third_{NEW}.csv"
    shutil.copy(folder / "landing" / "orders" / f"orders_{NEW}.csv", third)
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                _load_when_free(folder)
            except BaseException:  # noqa: BLE001
                os._exit(1)
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

    def counts() -> dict[str, Any]:
        landing = Landing(folder, SOURCES)
        return {
            "codes": codes,
            "loads": landing.rows("select file_name from load_ledger order by load_seq"),
            "repeated": landing.rows("select file_name from repeated_files order by 1"),
            "lines": landing.rows(
                "select count(*), count(distinct order_id), cast(sum(unit_price) as double) "
                "from raw_order_lines where version_at > timestamp '2026-01-06 00:00:00'"),
        }
    found: dict[str, Any] = in_child(counts)
    return found


def _load_when_free(folder: Path) -> None:
    from dagster_project.engine.writer_lock import writer_lock

    with writer_lock(folder / "state" / "writer.lock", purpose="a load", wait_seconds=60,
                     tell=lambda words: None):
        _load(folder)


def test_one_export_under_three_names_and_twice_at_once_is_one_load(
        tmp_path: Path, record_property: Any) -> None:
    found = play(load_twice_at_once, tmp_path / "home")
    record_property(INJECTED, 3)
    assert found["codes"] == [0, 0]
    assert [name for (name,) in found["loads"]].count(f"orders/orders_{NEW}.csv") <= 1
    orders = [name for (name,) in found["loads"] if NEW in name and name.startswith("orders")]
    assert len(orders) == 1
    assert len(found["repeated"]) == 2
    assert found["lines"] == [[18, 18, float(sum(n for n in range(20) if n % 10 != 9))]]


@pytest.mark.parametrize("cut", [0, 1, 7, 23, 60])
def test_a_truncated_file_is_refused_unless_its_last_row_is_whole(tmp_path: Path,
                                                                  cut: int) -> None:
    """Test 10: half a file would pass for all of it; one that lacks a line end only is whole."""
    landing = Landing(tmp_path, SOURCES)
    whole = ORDERS + ROWS["orders"].replace("{day}", NEW)
    text = whole[:len(whole) - cut]
    landing.put(f"orders/orders_{NEW}.csv", text)
    report = landing.load()
    last = text.rstrip("\n").rsplit("\n", 1)[1]
    if last in whole.splitlines():
        [loaded] = report.loaded
        assert loaded.result.rows_read_n == whole.count("\n") - 1
        assert not report.refused
        return
    assert not report.loaded
    rows_n = text.count("\n")
    assert report.refused == {f"orders/orders_{NEW}.csv": (
        f"landing/orders/orders_{NEW}.csv: ends in the middle of row {rows_n}, it is probably "
        f"incomplete; deliver it again, whole")}
    assert landing.rows("select count(*) from raw_order_lines") == [(0,)]
    landing.put(f"orders/orders_{NEW}.csv", whole)
    [loaded] = landing.load().loaded
    assert loaded.result.rows_loaded_n == 18


def _make(folder: Path) -> None:
    Landing(folder, SOURCES)


def _prove(folder: Path) -> str:
    """What a command with a secret says before it starts anything."""
    vault = folder / "state" / "vault.duckdb"
    if vault.exists():
        require_secret(stores_of(folder), SECRET)
    return "ok"


def _refuse_another(folder: Path) -> bool:
    try:
        require_secret(stores_of(folder), b"another secret")
    except WrongSecret:
        return True
    return False


def kill_making(folder: Path) -> int:
    """Kill the making of a home's stores at a third of its points; kills."""
    shipped_presets()
    points = counted(_make, folder / "undisturbed")
    expected = in_child(_stores_made, folder / "undisturbed")
    places = chosen(points, 1 / 3)
    for place in places:
        home = folder / f"killed-{place}"
        killed(_make, place, home)
        assert in_child(_prove, home) == "ok", f"killed at point {place} of {points}"
        in_child(_make, home)
        assert in_child(_refuse_another, home), f"killed at point {place} of {points}"
        assert in_child(_stores_made, home) == expected, f"killed at point {place} of {points}"
    return len(places)


def test_a_first_run_killed_while_it_makes_its_stores_locks_nobody_out(
        tmp_path: Path, record_property: Any) -> None:
    """A vault without a proof of the secret would be taken for that of another home."""
    kills = play(kill_making, tmp_path)
    assert kills > 10
    record_property(INJECTED, kills)


def _stores_made(folder: Path) -> dict[str, Any]:
    return {name: rows_of(folder / "state" / f"{name}.duckdb") for name in ("raw", "vault")}
