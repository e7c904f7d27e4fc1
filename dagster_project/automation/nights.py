"""The calendar of nights: daily partitions in the business time zone."""

import dagster as dg

from dagster_project.settings import calendar_of, home_from_environment

CALENDAR = calendar_of(home_from_environment())
NIGHTS = dg.DailyPartitionsDefinition(
    start_date=CALENDAR.first_night.isoformat(), timezone=CALENDAR.time_zone
)
# A range runs night after night: the build holds one night at a time.
ONE_NIGHT_A_RUN = dg.BackfillPolicy.multi_run(1)
OWNERS = ["team:customer-data"]
