"""One writer a home: a second run waits for the first and says for whom, or gives up in words."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import date

import pytest

from nights.commands import PATIENCE_SECONDS
from nights.conftest import SECOND, Teller
from nights.homes import TrialHome, contents, environment, sha256

HOLD = """
import sys
from pathlib import Path
from dagster_project.engine.writer_lock import writer_lock
with writer_lock(Path(sys.argv[1]), purpose="a run of the test", wait_seconds=0, tell=str):
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


def _holder_of(home: TrialHome) -> int:
    """Process that holds the home, once one does."""
    lock = home.folder / "state" / "writer.lock"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        text = lock.read_text() if lock.exists() else ""
        if text:
            return int(json.loads(text)["pid"])
        time.sleep(0.05)
    raise AssertionError(f"no run took {lock}")


@pytest.mark.slow
def test_two_runs_at_once_both_end_published(home_after: Teller) -> None:
    home = home_after("first")
    home.deliver(date.fromisoformat(SECOND))
    runs = [home.start("run", "--date", SECOND) for _ in range(2)]
    holder = _holder_of(home)
    both = [run.end().expect(0) for run in runs]

    first, second = both if runs[0].pid == holder else both[::-1]
    assert f"waiting for process {holder} (nightly {SECOND} run " in second.err
    assert "waiting for process" not in first.err
    # The second makes the same publication from the same inputs, which changes nothing.
    assert f"{SECOND}: published, publication 2" in first.out
    runs_of_night = home.query(
        "select outcome, publication_id from crm.pipeline_runs "
        f"where as_of_date = date '{SECOND}' order by started_at", home.status)
    assert runs_of_night == [{"outcome": "published", "publication_id": 2},
                             {"outcome": "made_again", "publication_id": 2}]
    assert home.query("select count(*) as n from crm.publication")[0]["n"] == 2
    assert contents(home.publication)["customer_scores"]["rows_n"] > 0


@pytest.mark.parametrize("seconds", [0, 2])
def test_a_run_gives_up_and_names_who_holds_the_home(home_after: Teller, seconds: int) -> None:
    home = home_after("first")
    home.edit("home.yaml", "lock_wait_seconds: 3600", f"lock_wait_seconds: {seconds}")
    before = sha256(home.publication), sha256(home.status)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.folder / "state" / "writer.lock")],
        env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        said = home.crm("run", "--date", SECOND).expect(3).err
        other.communicate("")

    assert f"the home is held by process {other.pid} (a run of the test), since " in said
    assert f"waited {seconds} seconds (lock_wait_seconds in config/home.yaml)" in said
    assert (sha256(home.publication), sha256(home.status)) == before
