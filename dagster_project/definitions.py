"""Assembles everything Dagster sees; nothing else."""

import dagster as dg

from dagster_project.automation.jobs import JOBS
from dagster_project.automation.schedules import SCHEDULES
from dagster_project.automation.sensors import SENSORS
from dagster_project.customers.assets import DBT_RESOURCE, build_customers, prepare_night
from dagster_project.ingest.assets import load_landing
from dagster_project.publish.assets import candidate, publish_candidate
from dagster_project.quality.checks import gate
from dagster_project.resources import HomeResource
from dagster_project.scoring.assets import score_customers, scoring_reference


@dg.definitions
def defs() -> dg.Definitions:
    """The code location."""
    return dg.Definitions(
        assets=[load_landing, prepare_night, build_customers, scoring_reference,
                score_customers, candidate, publish_candidate],
        asset_checks=[gate],
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={"home": HomeResource(), "dbt": DBT_RESOURCE},
        # One process writes: steps share the home's lock and nothing waits for a new process.
        executor=dg.in_process_executor,
    )
