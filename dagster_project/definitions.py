"""Assembles everything Dagster sees; nothing else."""

import dagster as dg

from dagster_project.automation.jobs import JOBS
from dagster_project.automation.schedules import SCHEDULES
from dagster_project.automation.sensors import SENSORS
from dagster_project.changes import assets as changes
from dagster_project.customers import assets as customers
from dagster_project.customers.assets import DBT_RESOURCE
from dagster_project.feedback import assets as feedback
from dagster_project.ingest import assets as ingest
from dagster_project.publish import assets as publish
from dagster_project.quality.checks import gate
from dagster_project.resources import HomeResource
from dagster_project.scoring import assets as scoring
from dagster_project.segments import assets as segments


@dg.definitions
def defs() -> dg.Definitions:
    """The code location."""
    return dg.Definitions(
        # All that the rooms have, so that no asset can be forgotten here.
        assets=dg.load_assets_from_modules(
            [ingest, customers, scoring, segments, changes, feedback, publish]),
        asset_checks=[gate],
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={"home": HomeResource(), "dbt": DBT_RESOURCE},
        # One process writes: steps share the home's lock and nothing waits for a new process.
        executor=dg.in_process_executor,
    )
