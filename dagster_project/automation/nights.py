"""The calendar of nights: daily partitions in the business time zone."""

import warnings

import dagster as dg

from dagster_project.settings import calendar_of, home_from_environment

# Backfill policies and partitioned checks are new in Dagster and say so at every import; both are
# held by tests, and dagster is bounded to one minor release.
for category in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=category)

CALENDAR = calendar_of(home_from_environment())
NIGHTS = dg.DailyPartitionsDefinition(
    start_date=CALENDAR.first_night.isoformat(), timezone=CALENDAR.time_zone
)
# A range runs night after night: the build holds one night at a time.
ONE_NIGHT_A_RUN = dg.BackfillPolicy.multi_run(1)
OWNERS = ["team:customer-data"]
