"""Nights on the days when clocks are moved: one publication of each date, whatever ticks twice.

The calendar of a home is read when the project is loaded, so each zone has a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from dagster_project.engine.deliveries import _business_date
from dagster_project.settings import Place, make_home
from nights.homes import PROJECT, TrialHome, environment

# Zone -> the days on which its clocks go forward and back.
DAYS = {
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Australia/Lord_Howe": (date(2026, 10, 4), date(2026, 4, 5)),   # by half an hour
}
# Every tick that the daemon makes around the two days, then each once more, as one that restarts.
TICKS = """
import json, sys
from datetime import datetime, timedelta, UTC
import dagster as dg
from dagster._utils.schedules import schedule_execution_time_iterator
from dagster_project.automation.nights import NIGHTS
from dagster_project.automation.schedules import nightly_schedule
found = []
for text in sys.argv[1:]:
    start = datetime.fromisoformat(text)
    ticks = schedule_execution_time_iterator(
        start.timestamp(), nightly_schedule.cron_schedule, nightly_schedule.execution_timezone)
    for moment in [next(ticks) for _ in range(4)] * 2:
        request = nightly_schedule(dg.build_schedule_context(scheduled_execution_time=moment))
        window = NIGHTS.time_window_for_partition_key(request.partition_key)
        found.append([moment.isoformat(), request.run_key, request.partition_key,
                      (window.end.timestamp() - window.start.timestamp()) / 3600])
sys.stdout.write(json.dumps(found))
"""


@pytest.mark.parametrize("zone", DAYS)
def test_each_date_is_asked_for_once_on_both_days(tmp_path: Path, zone: str) -> None:
    """02:15 does not exist on the one day and comes twice on the other."""
    home = TrialHome(tmp_path / "home")
    make_home(home.folder, is_sample=True, place=Place(time_zone=zone))
    home.edit("home.yaml", 'time: "04:30"', 'time: "02:15"')
    starts = [datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)) - timedelta(days=2)
              for day in DAYS[zone]]
    said = subprocess.run(
        [sys.executable, "-c", TICKS, *(start.astimezone(UTC).isoformat() for start in starts)],
        env=environment(CRM_HOME=str(home.folder)), cwd=PROJECT, text=True, check=True,
        capture_output=True)
    found = json.loads(said.stdout)
    for day, ticks in zip(DAYS[zone], (found[:8], found[8:]), strict=True):
        # Both rounds ask for the same four dates, each under its own key.
        dates = [partition for _, _, partition, _ in ticks]
        assert dates == 2 * [str(day + timedelta(days=n)) for n in range(-2, 2)]
        assert all(key == partition for _, key, partition, _ in ticks)
        moved = abs(next(hours for _, _, partition, hours in ticks if partition == str(day)) - 24)
        assert moved == (0.5 if zone == "Australia/Lord_Howe" else 1)
        assert {hours for _, _, partition, hours in ticks if partition != str(day)} == {24}


@pytest.mark.parametrize("zone", DAYS)
def test_every_moment_of_the_year_is_of_one_date_that_begins_at_midnight(zone: str) -> None:
    """The hours of a date add up to 23, 24 or 25 (23.5 and 24.5 where it is half an hour)."""
    place = ZoneInfo(zone)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        counted = dict(connection.execute(
            f"select {_business_date('moment', zone)} as business_date, count(*) / 2 from ("
            "select unnest(generate_series(timestamp '2025-12-31', timestamp '2027-01-02', "
            "interval '30 minutes')) as moment) group by business_date").fetchall())
    for day in (date(2026, 1, 1) + timedelta(days=n) for n in range(365)):
        begin, end = (datetime(one.year, one.month, one.day, tzinfo=place).astimezone(UTC)
                      for one in (day, day + timedelta(days=1)))
        assert counted[day] == (end - begin).total_seconds() / 3600
    assert {counted[day] for day in DAYS[zone]} == (
        {23.5, 24.5} if zone == "Australia/Lord_Howe" else {23, 25})
