"""Results of campaigns and the judgement of the score as assets."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from dagster_project.automation.nights import NIGHTS, ONE_NIGHT_A_RUN, OWNERS
from dagster_project.automation.steps import told_in_words
from dagster_project.customers.night import NightInputs
from dagster_project.engine.earlier_nights import (
    Earlier,
    find_quadrants_before,
    find_scores_of_then,
)
from dagster_project.engine.table import Table
from dagster_project.feedback.backtest import score_backtest
from dagster_project.feedback.backtest_queries import followed_query
from dagster_project.feedback.campaign_queries import members_query, outcomes_query
from dagster_project.feedback.campaigns import NOT_KEPT, campaign_results
from dagster_project.ingest.assets import column_schema
from dagster_project.publish.feedback_tables import CAMPAIGN_RESULTS, SCORE_BACKTEST
from dagster_project.publish.publications import file_until
from dagster_project.resources import HomeResource, RunSession, require_inputs

MEMBERS = dg.AssetKey(["marts", "campaign_members"])
MARGINS = dg.AssetKey(["intermediate", "int_order_margins"])
FEATURES = dg.AssetKey(["marts", "customer_features"])


@dg.multi_asset(
    name="take_feedback",
    specs=[
        dg.AssetSpec(
            ["feedback", table.name], group_name="feedback", owners=OWNERS, kinds={"pandas"},
            description=table.grain, deps=deps, partitions_def=NIGHTS, code_version="1",
            metadata={"dagster/table_name": f"night.{table.name}",
                      "dagster/column_schema": column_schema(table)},
        )
        for table, deps in ((CAMPAIGN_RESULTS, [MEMBERS]), (SCORE_BACKTEST, [MARGINS, FEATURES]))
    ],
    backfill_policy=ONE_NIGHT_A_RUN,
)
@told_in_words
def take_feedback(context: dg.AssetExecutionContext,
                  home: HomeResource) -> Iterator[dg.MaterializeResult]:
    """Compare the groups of campaigns, and the scores of then with what happened since."""
    session = home.session
    inputs = require_inputs(session)
    configuration = session.configuration_of(inputs.config_hash)
    rules = configuration.population_figures
    earlier = _earlier(session, inputs)
    stores, engine = session.home.stores, session.engine

    find_quadrants_before(stores, earlier)
    members = engine.read_current("build", members_query())
    results = campaign_results(members, engine.read_current("build", outcomes_query()), rules)
    _write(session, CAMPAIGN_RESULTS, results, inputs)
    unknown = int(members[members["quadrant"] == NOT_KEPT]["members_n"].sum())
    context.log.info(f"{members[['source', 'campaign_id']].drop_duplicates().shape[0]} campaigns "
                     f"compared; of {unknown} customers no quadrant before the treatment is kept")
    yield dg.MaterializeResult(
        asset_key=["feedback", CAMPAIGN_RESULTS.name],
        metadata={"dagster/row_count": len(results), "is_published": False,
                  "customers": int(members["members_n"].sum()),
                  "customers_without_a_quadrant_before": unknown})

    scored_date = find_scores_of_then(stores, earlier, configuration.score_backtest.days)
    followed = engine.read_current("build", followed_query(), [scored_date])
    judged = score_backtest(followed, scored_date, rules)
    _write(session, SCORE_BACKTEST, judged, inputs)
    yield dg.MaterializeResult(
        asset_key=["feedback", SCORE_BACKTEST.name],
        metadata={"dagster/row_count": len(judged), "is_published": False,
                  "scored_date": str(scored_date or "no_history")})


def _earlier(session: RunSession, inputs: NightInputs) -> Earlier:
    """What is known of the nights before, as the previous publication knew it."""
    return Earlier(
        file_until(session.home.stores, inputs.previous_publication_id, inputs.as_of_date),
        inputs.previous_publication_id, inputs.as_of_date)


def _write(session: RunSession, table: Table, rows: pd.DataFrame, inputs: NightInputs) -> None:
    session.engine.replace_cells("build", "night", {
        table: rows.assign(as_of_date=inputs.as_of_date)})
