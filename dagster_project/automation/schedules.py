"""The nightly schedule."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from dagster_project.automation.jobs import NIGHTLY
from dagster_project.automation.nights import CALENDAR


@dg.schedule(
    name="nightly_schedule", job=NIGHTLY, cron_schedule=CALENDAR.schedule.cron,
    execution_timezone=CALENDAR.time_zone,
    default_status=(dg.DefaultScheduleStatus.RUNNING if CALENDAR.schedule.is_on
                    else dg.DefaultScheduleStatus.STOPPED),
    description="Every night: the business date that ended last.",
)
def nightly_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request the night of yesterday, once, whatever the daemon does."""
    # By the time the tick was meant for: a daemon that catches up runs each night it missed.
    local = context.scheduled_execution_time.astimezone(ZoneInfo(CALENDAR.time_zone))
    night = local.date() - timedelta(days=1)
    if night < CALENDAR.first_night:
        return dg.SkipReason("the first night of this home has not ended yet")
    return dg.RunRequest(run_key=night.isoformat(), partition_key=night.isoformat())


SCHEDULES = [nightly_schedule]
