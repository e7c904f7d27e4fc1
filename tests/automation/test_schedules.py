"""The nightly tick asks for the business date that ended last, once."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from dagster_project.automation.nights import CALENDAR
from dagster_project.automation.schedules import nightly_schedule
from dagster_project.definitions import defs


def tick(moment: datetime) -> dg.RunRequest | str:
    """The one run request of a tick, or the words why there is none."""
    context = dg.build_schedule_context(scheduled_execution_time=moment,
                                        repository_def=defs().get_repository_def())
    data = nightly_schedule.evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else str(data.skip_message)


def test_default_calendar() -> None:
    assert (CALENDAR.time_zone, nightly_schedule.cron_schedule) == ("Asia/Shanghai", "30 4 * * *")
    assert nightly_schedule.default_status == dg.DefaultScheduleStatus.RUNNING


@pytest.mark.parametrize(("moment", "night"), [
    # 04:30 of 23 November in Shanghai, when it is still the 22nd in UTC.
    (datetime(2026, 11, 22, 20, 30, tzinfo=UTC), "2026-11-22"),
    # One minute before and at midnight there.
    (datetime(2026, 11, 22, 15, 59, tzinfo=UTC), "2026-11-21"),
    (datetime(2026, 11, 22, 16, 0, tzinfo=UTC), "2026-11-22"),
])
def test_tick_asks_for_the_night_that_ended_last(moment: datetime, night: str) -> None:
    request = tick(moment)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == night
    # The same night is requested once, whatever the daemon does.
    assert request.run_key == night


def test_the_first_of_a_month_is_a_night_like_others_to_the_schedule() -> None:
    """Whether it fits a reference is decided by what was published, not by who asks when."""
    request = tick(datetime(2026, 12, 1, 20, 30, tzinfo=UTC))
    assert isinstance(request, dg.RunRequest)
    assert (request.partition_key, request.run_config) == ("2026-12-01", {})
    jobs = [schedule.job_name for schedule in defs().get_repository_def().schedule_defs]
    assert jobs == ["nightly"]


def test_no_night_before_the_first() -> None:
    first = CALENDAR.first_night
    assert "first night" in str(tick(datetime(first.year, first.month, first.day, tzinfo=UTC)))
