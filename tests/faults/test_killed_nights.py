"""Tests 1, 2 and 3 with whole nights: killed at each place, the next run needs no hand work."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from faults.nights_killed import PLACES, dbt_is_gone, kill_at, leftovers
from nights.conftest import SECOND, Teller
from nights.homes import TrialHome, contents, sha256
from tests.conftest import INJECTED


def kill_the_night(home: TrialHome) -> list[str]:
    """Kill the night of the 18th at each place in turn; the places at which kills struck."""
    before = sha256(home.publication)
    home.deliver(date.fromisoformat(SECOND))
    struck = []
    for place in PLACES:
        if kill_at(home, place, "run", "--date", SECOND):
            struck.append(place)
        assert dbt_is_gone(home), f"killed when {place}: dbt goes on without its run"
        published = home.query("select max(publication_id) as n from crm.publication")[0]["n"]
        assert published == 2 or sha256(home.publication) == before, place
    return struck


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.xdist_group("killed_nights")
def test_a_night_killed_everywhere_ends_as_an_undisturbed_one(
        home_after: Teller, chronicle: Teller, record_property: Any) -> None:
    home = home_after("first")
    struck = kill_the_night(home)
    record_property(INJECTED, len(struck))
    assert len(struck) >= len(PLACES) - 1
    home.crm("run", "--date", SECOND).expect(0)

    undisturbed = contents(chronicle("second").publication)
    found = contents(home.publication)
    # Numbers of runs and times of staging differ from run to run.
    assert {name for name in found if found[name] != undisturbed[name]} <= {"publication"}
    assert leftovers(home) == []
    runs = home.query("select outcome, message from crm.pipeline_runs "
                      f"where as_of_date = date '{SECOND}' order by started_at", home.status)
    lost = [run for run in runs if "its process was lost" in run["message"]]
    assert len(lost) >= len(struck) - 2
    assert runs[-1]["outcome"] in ("published", "made_again")
