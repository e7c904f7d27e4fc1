"""The nightly schedule."""

import dagster as dg

from dagster_project.automation.jobs import NIGHTLY
from dagster_project.automation.nights import CALENDAR, NIGHTS


@dg.schedule(
    name="nightly_schedule", job=NIGHTLY, cron_schedule=CALENDAR.schedule.cron,
    execution_timezone=CALENDAR.time_zone,
    default_status=(dg.DefaultScheduleStatus.RUNNING if CALENDAR.schedule.is_on
                    else dg.DefaultScheduleStatus.STOPPED),
    description="Every night: the business date that ended last.",
)
def nightly_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request the night of yesterday, once, whatever the daemon does."""
    night = NIGHTS.get_last_partition_key(current_time=context.scheduled_execution_time)
    if night is None:
        return dg.SkipReason("the first night of this home has not ended yet")
    return dg.RunRequest(run_key=night, partition_key=night)


SCHEDULES = [nightly_schedule]
