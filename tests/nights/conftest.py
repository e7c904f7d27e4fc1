"""One chronicle of nights, told once for all workers; each test goes on from a copy of a chapter.

A home holds no absolute path in its configuration, so a copied folder is a home.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from nights.homes import ORDER_HEADER, TrialHome, make_sample_home

Teller = Callable[[str], TrialHome]

FIRST, SECOND = "2026-11-17", "2026-11-18"
LATE_ORDER = "LATE-1"
LATE_AMOUNT = 480


def deliver_late_order(home: TrialHome) -> None:
    """An order of the 15th that is delivered with the files of the 19th."""
    home.drop("orders/orders_late_2026-11-19.csv", ORDER_HEADER,
              [[LATE_ORDER, "1", "C1000000007", "2026-11-15 10:00:00", "completed", 2,
                LATE_AMOUNT // 2, "CNY"]])


def _first(home: TrialHome) -> None:
    home.deliver(date.fromisoformat(FIRST))
    home.night(FIRST)


def _second(home: TrialHome) -> None:
    home.deliver(date.fromisoformat(SECOND))
    home.night(SECOND)


def _late(home: TrialHome) -> None:
    deliver_late_order(home)
    home.night(SECOND)


def _older(home: TrialHome) -> None:
    home.night(FIRST)


def _all(home: TrialHome) -> None:
    home.deliver(date(2026, 11, 20))
    home.crm("run", "--from", "2026-11-19", "--to", "2026-11-20").expect(0)


# Chapter -> what happens in it, on top of the chapter before.
CHAPTERS: dict[str, Callable[[TrialHome], None]] = {
    "delivered": lambda home: None,
    "first": _first,       # publication 1: the 17th, which fits the reference
    "second": _second,     # publication 2: the 18th
    "late": _late,         # publication 3: the 18th again, a late order known
    "older": _older,       # publication 4: the 17th again, older than what is current
    "all": _all,           # publications 5 and 6: the 19th and the 20th
}


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
            names = list(CHAPTERS)
            position = names.index(chapter)
            home = (make_sample_home(folder) if position == 0
                    else _told(shared, names[position - 1]).copy(folder))
            CHAPTERS[chapter](home)
            mark.touch()
    return TrialHome(folder)


@pytest.fixture
def home_after(chronicle: Teller, tmp_path: Path) -> Teller:
    """Chapter -> a copy of the home at its end, this test's own."""
    return lambda chapter: chronicle(chapter).copy(tmp_path / chapter)
