"""One chronicle of nights, told once for all workers; each test goes on from a copy of a chapter.

A home holds no absolute path in its configuration, so a copied folder is a home.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from nights.homes import ORDER_HEADER, Reader, TrialHome, make_sample_home, sha256

Teller = Callable[[str], TrialHome]

FIRST, SECOND = "2026-11-17", "2026-11-18"
LATE_ORDER = "LATE-1"
LATE_AMOUNT = 480
# An e-mail address in a column of cities.
MISPLACED = "li.wei@example.com"
SEEN = "select count(*), sum(crm_value) from crm.customer_scores"
NEWEST = "select max(publication_id), count(*) from publication"


def deliver_late_order(home: TrialHome) -> None:
    """An order of the 15th that is delivered with the files of the 19th."""
    home.drop("orders/orders_late_2026-11-19.csv", ORDER_HEADER,
              [[LATE_ORDER, "1", "C1000000007", "2026-11-15 10:00:00", "completed", 2,
                LATE_AMOUNT // 2, "CNY"]])


def _first(home: TrialHome) -> None:
    home.deliver(date.fromisoformat(FIRST))
    home.installed_crm("run", "--date", FIRST).expect(0)


def _second(home: TrialHome) -> None:
    home.deliver(date.fromisoformat(SECOND))
    home.night(SECOND)


def _late(home: TrialHome) -> None:
    deliver_late_order(home)
    home.crm("run", "--from", FIRST, "--to", SECOND).expect(0)


def _all(home: TrialHome) -> None:
    home.deliver(date(2026, 11, 20))
    home.crm("run", "--from", "2026-11-19", "--to", "2026-11-20").expect(0)


def _refused(home: TrialHome) -> None:
    """Two things are wrong with the files of the 18th."""
    home.edit("home.yaml", "maximum_rejected_share: 0.5", "maximum_rejected_share: 0.05")
    home.drop("customers/customers_2026-11-18.csv", ("customer_id", "valid_from", "city"),
              [["C1000000001", SECOND, MISPLACED], ["C1000000002", SECOND, MISPLACED],
               *([f"C100000000{n}", SECOND, "Wuhan"] for n in range(3, 10))])
    home.drop("interactions/interactions_2026-11-18.csv",
              ("interaction_id", "customer_id", "occurred_at", "type"),
              [[f"I-{n}", "C1000000001", "2026-11-18 10:00:00" if n > 5 else "whenever", "visit"]
               for n in range(10)])
    home.note("yesterday", sha256(home.publication))
    said = home.crm("run", "--date", SECOND)
    home.note("refused", [said.code, said.out, said.err])


def _recalibrated(home: TrialHome) -> None:
    """A reader keeps its connection open while the 18th is published by a new reference."""
    home.deliver(date.fromisoformat(SECOND))
    with Reader(Path(sys.executable), home.publication) as reader:
        seen = {"before": reader.ask(SEEN)}
        run = home.start("recalibrate", "--date", SECOND)
        seen["meanwhile"] = reader.ask(SEEN)
        run.end().expect(0)
        seen["after"] = reader.ask(SEEN)
        seen["newest"] = reader.ask(NEWEST)
    home.note("seen", seen)


# Chapter -> the chapter before it, and what happens in it.
CHAPTERS: dict[str, tuple[str, Callable[[TrialHome], None]]] = {
    "first": ("", _first),              # publication 1: the 17th, which fits the reference
    "second": ("first", _second),       # publication 2: the 18th
    "late": ("second", _late),          # 3 and 4: the 17th and the 18th, a late order known
    "all": ("late", _all),              # 5 and 6: the 19th and the 20th, all files known
    "refused": ("first", _refused),     # no publication: the gate says no
    "recalibrated": ("first", _recalibrated),   # publication 2: the 18th, a reference of its own
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the chronicle to one worker: two would wait for each other at every chapter."""
    for item in items:
        uses_it = {"chronicle", "home_after"} & set(getattr(item, "fixturenames", ()))
        if uses_it and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("chronicle"))


@pytest.fixture(scope="session")
def chronicle(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Teller:
    """Chapter -> the home at its end; read it, and change only copies."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "chronicle"
    shared.mkdir(exist_ok=True)

    return lambda chapter: _told(shared, chapter)


def _told(shared: Path, chapter: str) -> TrialHome:
    folder, mark = shared / chapter, shared / f"{chapter}.told"
    with (shared / f"{chapter}.lock").open("w") as lock:
        # The worker that comes first tells the chapter, the others wait for it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            assert not folder.exists(), f"chapter {chapter} of the chronicle failed before"
            before, happens = CHAPTERS[chapter]
            home = (_told(shared, before).copy(folder) if before
                    else make_sample_home(folder))
            happens(home)
            mark.touch()
    return TrialHome(folder)


@pytest.fixture
def home_after(chronicle: Teller, tmp_path: Path) -> Teller:
    """Chapter -> a copy of the home at its end, this test's own."""
    return lambda chapter: chronicle(chapter).copy(tmp_path / chapter)
