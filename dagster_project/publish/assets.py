"""The candidate and the published tables as assets."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pandas as pd

from dagster_project.automation.nights import NIGHTS, ONE_NIGHT_A_RUN, OWNERS
from dagster_project.automation.steps import told_in_words
from dagster_project.configuration import Configuration
from dagster_project.customers.model_tests import MODEL_TESTS, require_tested
from dagster_project.customers.night import NightInputs
from dagster_project.customers.tables import KEY_CHANGES
from dagster_project.engine.audit_connection import ENGINE_VERSION, fingerprints_of
from dagster_project.engine.publication import (
    CandidateContent,
    drop_old_approvals,
    drop_old_candidates,
    keep_approval,
    published_run,
    record_results,
    stage_publication,
    switch,
)
from dagster_project.engine.questions import read_rows
from dagster_project.ingest.assets import column_schema
from dagster_project.publish.change_tables import SCORE_CHANGES
from dagster_project.publish.feedback_tables import FEEDBACK_TABLES
from dagster_project.publish.replay import compare_replay, replayed_on
from dagster_project.publish.serving import Serving
from dagster_project.publish.tables import (
    CONTACTS_NOT_MERGED,
    COPIED_TABLES,
    CURRENT_TABLES,
    HISTORY_TABLES,
    RUN_TABLES,
)
from dagster_project.quality.approval import APPROVAL_FILE, read_approval, verify_approval
from dagster_project.quality.gate import load_declarations
from dagster_project.resources import HomeResource, RunSession, require_inputs
from dagster_project.scoring.score import score_columns
from dagster_project.settings import EXPECTATIONS

CANDIDATE = dg.AssetKey(["publish", "candidate"])
SCORES = [dg.AssetKey(["scoring", name])
          for name in (
              "degree_scores", "crm_values", "quadrant_labels",
              *(table.name for table in COPIED_TABLES
                if table not in (CONTACTS_NOT_MERGED, *FEEDBACK_TABLES)),
          )]
FACTS = [dg.AssetKey(["marts", name])
         for name in ("customer_features", "customer_identities", "reconciliation", "held_rows",
                      "customer_profitability", "contribution_curve", "customer_segment_facts",
                      "customer_attributes", "campaigns")]
FEEDBACK = [dg.AssetKey(["feedback", table.name]) for table in FEEDBACK_TABLES]
SEGMENTS = [dg.AssetKey(["segments", "segment_labels"])]
CHANGES = [dg.AssetKey(["changes", SCORE_CHANGES.name])]
# Its replays are kept for the one who asked; a night that is only repeated leaves none.
REPLAY_JOB = "replay"
PUBLISHED_TABLES = CURRENT_TABLES + HISTORY_TABLES + RUN_TABLES


@dg.asset(
    key=CANDIDATE, group_name="publish", owners=OWNERS, kinds={"duckdb"},
    deps=[*SCORES, *FACTS, *SEGMENTS, *CHANGES, *FEEDBACK], partitions_def=NIGHTS,
    backfill_policy=ONE_NIGHT_A_RUN,
)
@told_in_words
def candidate(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """The file that is to be published, beside the last publication. Not published yet."""
    session = home.session
    inputs = require_inputs(session)
    require_tested(session.build_table(MODEL_TESTS))
    configuration = session.configuration_of(inputs.config_hash)
    content = CandidateContent(
        night=inputs.to_frame().iloc[0].to_dict() | {
            "as_of_date": inputs.as_of_date,
            "replay_of_publication_id": inputs.replay_of_publication_id},
        business={"base_currency": configuration.business.base_currency,
                  "time_zone": configuration.business.time_zone},
        canonical_text=configuration.canonical_text(),
        strategies=strategies(configuration),
        parts={name: tuple(composite.parts)
               for name, composite in configuration.composites.items()},
        key_changes=_key_changes(session),
        score_meanings={column.name: column.meaning for column in score_columns(configuration)},
        run_id=session.run_id, staged_at=_utc_now(),
        daily_history_nights=session.home.settings.daily_history_nights,
        replayed=_replayed(session, inputs),
        replayed_on=replayed_on(session.home.stores, inputs),
    )
    path = stage_publication(session.home.stores, content)
    drop_old_candidates(session.home.stores)
    session.candidate_id = inputs.candidate_id
    return dg.MaterializeResult(metadata={
        "candidate_id": inputs.candidate_id, "bytes": path.stat().st_size,
        "is_published": False,
    })


def _replayed(session: RunSession, inputs: NightInputs) -> tuple[int, int] | None:
    """Number and revision of the publication that this night makes again."""
    number = inputs.replay_of_publication_id
    if number is None:
        return None
    frame = session.engine.read_current(
        "publication", "select revision from crm.publication where publication_id = ?", [number])
    return number, int(frame["revision"].iloc[0])


def strategies(configuration: Configuration) -> pd.DataFrame:
    """Table `strategies`: the cells of the matrix as the configuration words them."""
    return pd.DataFrame([
        {
            "quadrant": cell.quadrant, "position": position,
            "name_en": cell.name.en, "name_zh": cell.name.zh,
            "traits_en": cell.traits.en, "traits_zh": cell.traits.zh,
            "strategy_en": cell.strategy.en, "strategy_zh": cell.strategy.zh,
        }
        for position, cell in enumerate(configuration.matrix.cells, start=1)
    ])


def _key_changes(session: RunSession) -> pd.DataFrame:
    """Changed keys since the publication whose tables are current."""
    return session.engine.read_current(
        "build", f"select cast(old_customer_key as varchar) as old_customer_key, "
                 f"cast(new_customer_key as varchar) as new_customer_key, reason "
                 f"from night.{KEY_CHANGES.name} order by old_customer_key, new_customer_key")


@dg.multi_asset(
    name="publish_candidate",
    specs=[
        dg.AssetSpec(
            ["crm", table.name], group_name="publish", owners=OWNERS, kinds={"duckdb"},
            description=table.grain, deps=[CANDIDATE], partitions_def=NIGHTS,
            metadata={"dagster/column_schema": column_schema(table),
                      "dagster/table_name": f"crm.{table.name}"},
        )
        for table in PUBLISHED_TABLES
    ],
    backfill_policy=ONE_NIGHT_A_RUN,
)
@told_in_words
def publish_candidate(context: dg.AssetExecutionContext,
                      home: HomeResource) -> Iterator[dg.MaterializeResult]:
    """Verify the approval of exactly this file, then make it the publication."""
    session = home.session
    inputs = require_inputs(session)
    stores = session.home.stores
    path = stores.candidate(inputs.candidate_id)
    verify(session, inputs, path)
    publication_id = _publication_id(session, inputs)
    record_results(stores, path, _results(session, path.parent, inputs), {
        **session.record("", "published", _utc_now()), "candidate_id": inputs.candidate_id,
        "publication_id": publication_id})
    serving = Serving(session.home, context.log.info)
    if inputs.replay_of_publication_id:
        verify(session, inputs, path)
        session.replay_words = compare_replay(stores, path, inputs,
                                              keep=session.job_name == REPLAY_JOB)
        context.log.info(session.replay_words)
        # A run that was lost between rename and commit left the database a publication behind.
        serving.catch_up(stores.publication)
        session.publication_id = publication_id
    else:
        _require_successor(session, inputs)
        # What was written since the approval, or in copying, must not have touched what was
        # approved: the copy that readers will have is judged, not the file it was made of.
        keep_approval(stores, path.with_name(APPROVAL_FILE), publication_id)
        try:
            switch(stores, path, keep=session.home.settings.keep_publications,
                   verify=lambda copy: verify(session, inputs, copy),
                   together_with=serving.switching(path))
        except BaseException:
            # The file may be renamed already when a database does not follow.
            if published_run(stores, session.run_id):
                session.publication_id = publication_id
            raise
        session.publication_id = publication_id
        drop_old_approvals(stores, publication_id)
    with stores.open(path, read_only=True) as connection:
        for table in PUBLISHED_TABLES:
            row = connection.execute(f"select count(*) from {table.name}").fetchone()
            yield dg.MaterializeResult(
                asset_key=["crm", table.name],
                metadata={"dagster/row_count": int(row[0]) if row else 0,
                          "publication_id": publication_id,
                          "dagster/uri": f"warehouse/{stores.publication.name}",
                          **serving.metadata},
            )


def _results(session: RunSession, folder: Path, inputs: NightInputs) -> pd.DataFrame:
    """Rows of quality_results; from the approval where the gate ran in an earlier run."""
    if session.results is not None:
        return session.results
    approval = read_approval(folder)
    return pd.DataFrame([
        {"candidate_id": inputs.candidate_id, "check_name": name, "table_name": "",
         "outcome": result["outcome"], "severity": result["severity"],
         "failing_n": result.get("failing_n"), "message": "", "why": "",
         "waived_reason": approval.waivers.get(name)}
        for name, result in approval.results.items()
    ])


def _require_successor(session: RunSession, inputs: NightInputs) -> None:
    """Raise unless the candidate was made on top of what is published now."""
    if not session.engine.has("publication"):
        return
    frame = session.engine.read_current(
        "publication", "select max(publication_id) as last from crm.publication")
    last = int(frame["last"].iloc[0])
    if last != inputs.previous_publication_id:
        raise dg.Failure(
            description=f"the candidate was made on publication {inputs.previous_publication_id}, "
                        f"but publication {last} is there now; run the night of "
                        f"{inputs.as_of_date} from its start", allow_retries=False)


def verify(session: RunSession, inputs: NightInputs, file: Path) -> None:
    """Raise unless the candidate has a complete, passing approval for exactly what `file` holds."""
    declarations = load_declarations(EXPECTATIONS)
    fingerprints = fingerprints_of(
        file, without=frozenset(table.name for table in RUN_TABLES))
    verify_approval(
        read_approval(session.home.stores.candidate(inputs.candidate_id).parent),
        secret=session.home.secret, suite=declarations.suite_hash,
        checks=[check.name for check in declarations.checks],
        candidate_id=inputs.candidate_id, fingerprints=fingerprints,
        engine_version=ENGINE_VERSION)


def _publication_id(session: RunSession, inputs: NightInputs) -> int:
    path = session.home.stores.candidate(inputs.candidate_id)
    [found] = read_rows(session.home.stores, path,
                        "select max(publication_id) as id from publication "
                        "where candidate_id = ?", [inputs.candidate_id])
    return int(found["id"])


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
