"""The gate as asset checks: one step that shows every result, then stops the run in words."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from dagster_project.automation.nights import NIGHTS
from dagster_project.automation.steps import told_in_words
from dagster_project.customers.night import NightInputs
from dagster_project.customers.trial import advice_on_currency
from dagster_project.ingest.expected import DueDelivery
from dagster_project.publish.assets import CANDIDATE
from dagster_project.quality.arrivals import due_tonight
from dagster_project.quality.gate import (
    Bounds,
    GateReport,
    audit_candidate,
    load_declarations,
)
from dagster_project.quality.result import CheckResult
from dagster_project.resources import HomeResource, RunSession, require_inputs
from dagster_project.settings import EXPECTATIONS

CHECKS = load_declarations(EXPECTATIONS).checks


@dg.multi_asset_check(
    name="gate",
    specs=[
        dg.AssetCheckSpec(
            check.name, asset=CANDIDATE, blocking=True, description=check.why,
            metadata={"table": check.table_name, "severity": check.severity,
                      "what_to_do": check.action},
            partitions_def=NIGHTS,
        )
        for check in CHECKS
    ],
)
@told_in_words
def gate(context: dg.AssetCheckExecutionContext,
         home: HomeResource) -> Iterator[dg.AssetCheckResult]:
    """Audit the candidate file; approve it, or say what is wrong."""
    session = home.session
    report = audit(session)
    for result in report.results:
        yield dg.AssetCheckResult(
            check_name=result.check_name, asset_key=CANDIDATE,
            passed=not result.stops,
            severity=(dg.AssetCheckSeverity.ERROR if result.severity == "error"
                      else dg.AssetCheckSeverity.WARN),
            description=result.message or "passed",
            metadata=_metadata(result),
        )
    if not report.is_approved:
        # A home in another currency than its orders is a cause that no check names.
        advice = advice_on_currency(session.home, session.engine)
        raise dg.Failure(description="\n".join([*([advice] if advice else []), report.words]),
                         allow_retries=False)


def audit(session: RunSession) -> GateReport:
    """Judge the candidate of the night that the build holds; its results go into the record."""
    inputs = require_inputs(session)
    stores, settings = session.home.stores, session.home.settings
    report = audit_candidate(
        stores.candidate(inputs.candidate_id), stores.raw,
        candidate_id=inputs.candidate_id, expectations=EXPECTATIONS,
        after_load_seq=_previous_load_seq(session), known_load_seq=inputs.known_load_seq,
        secret=session.home.secret,
        bounds=Bounds(
            rejected_share=settings.gate.maximum_rejected_share,
            rejected_share_of=tuple(
                (source.name, source.maximum_rejected_share)
                for source in session.home.sources.sources
                if source.maximum_rejected_share is not None
            ),
            rejected_rows_tolerated=settings.gate.rejected_rows_tolerated,
            held_share=settings.gate.maximum_held_share,
            kept_share=settings.gate.minimum_kept_share,
            population_drift=settings.gate.maximum_population_drift,
            permitted_texts=settings.gate.permitted_columns,
            check_seconds=settings.gate.maximum_check_seconds,
        ),
        refused_files=tuple(session.refused_of_night(inputs).items()),
        due_deliveries=_due_deliveries(session, inputs),
        is_replay=inputs.replay_of_publication_id is not None,
        memory_limit=stores.limits.memory, threads=stores.limits.threads,
    )
    session.candidate_id = inputs.candidate_id
    session.results = pd.DataFrame(report.rows())
    session.is_refused = not report.is_approved
    return report


def _due_deliveries(session: RunSession, inputs: NightInputs) -> list[DueDelivery]:
    """What the night asks for; nothing of a replay, whose deliveries were judged in its night."""
    if inputs.replay_of_publication_id is not None:
        return []
    published = []
    if session.engine.has("publication"):
        frame = session.engine.read_current(
            "publication", "select distinct as_of_date from crm.publication")
        published = list(pd.to_datetime(frame["as_of_date"]).dt.date)
    return due_tonight(session.home, session.home.stores, inputs.as_of_date,
                       inputs.known_load_seq, published)


def _previous_load_seq(session: RunSession) -> int:
    """The last load that an earlier publication knew."""
    if not session.engine.has("publication"):
        return 0
    frame = session.engine.read_current(
        "publication", "select max(known_load_seq) as k from crm.publication")
    return int(frame["k"].iloc[0])


def _metadata(result: CheckResult) -> dict[str, str | int]:
    metadata: dict[str, str | int] = {"outcome": result.outcome}
    if result.failing_n is not None:
        metadata["rows_at_fault"] = result.failing_n
    if result.waived_reason:
        metadata["waived"] = result.waived_reason
    return metadata
