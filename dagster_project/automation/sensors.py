"""The sensor that tells of failed runs."""

import dagster as dg

from dagster_project.automation.jobs import JOBS
from dagster_project.automation.messages import failure_message
from dagster_project.resources import PARTITION_TAG, failure_texts


@dg.run_failure_sensor(
    name="failure_sensor", monitored_jobs=JOBS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes why a run failed into the daemon's log; hang your own alert on it.",
)
def failure_sensor(context: dg.RunFailureSensorContext) -> None:
    """Tell of one failed run."""
    run = context.dagster_run
    context.log.error(failure_message(
        run.job_name, run.tags.get(PARTITION_TAG), run.run_id,
        failure_texts(context.instance, run.run_id)))


SENSORS = [failure_sensor]
