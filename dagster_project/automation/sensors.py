"""The sensors that fail lost runs and tell of failed ones."""

import dagster as dg

from dagster_project.automation.jobs import JOBS
from dagster_project.automation.lost_runs import fail_lost_runs
from dagster_project.automation.messages import failure_message, what_stands
from dagster_project.automation.run_records import failure_texts
from dagster_project.resources import PARTITION_TAG
from dagster_project.settings import home_from_environment


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
        failure_texts(context.instance, run.run_id),
        what_stands(home_from_environment().stores, run.run_id)))


@dg.sensor(
    name="lost_runs_sensor", minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails runs whose process is gone, so that no night waits for them.",
)
def lost_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Fail the runs that a crash of everything left behind; asks for no run."""
    failed = fail_lost_runs(home_from_environment(), context.instance)
    return dg.SkipReason(f"failed lost runs: {', '.join(failed)}" if failed
                         else "no run was lost")


SENSORS = [failure_sensor, lost_runs_sensor]
