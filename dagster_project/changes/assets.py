"""What changed since the previous publication, as an asset."""

import dagster as dg
import pandas as pd

from dagster_project.automation.nights import NIGHTS, ONE_NIGHT_A_RUN, OWNERS
from dagster_project.automation.steps import told_in_words
from dagster_project.changes.chain import Night, split_changes
from dagster_project.changes.previous import previous_night
from dagster_project.customers.tables import KEY_CHANGES
from dagster_project.ingest.assets import column_schema
from dagster_project.publish.change_tables import SCORE_DIFFERENCES
from dagster_project.publish.remarks import key_changes_in_words
from dagster_project.resources import HomeResource, require_inputs
from dagster_project.scoring.assets import FEATURES, REFERENCE, SCORE_ASSETS


@dg.asset(
    key=["changes", SCORE_DIFFERENCES.name], group_name="changes", owners=OWNERS, kinds={"pandas"},
    description=SCORE_DIFFERENCES.grain,
    deps=[FEATURES, REFERENCE, dg.AssetKey(["marts", "touched"]),
          dg.AssetKey(["marts", "customer_identities"]),
          *(dg.AssetKey(["scoring", name]) for name in SCORE_ASSETS)],
    partitions_def=NIGHTS, backfill_policy=ONE_NIGHT_A_RUN, code_version="1",
    metadata={"dagster/table_name": f"night.{SCORE_DIFFERENCES.name}",
              "dagster/column_schema": column_schema(SCORE_DIFFERENCES)},
)
@told_in_words
def score_changes(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Compare the scores with those that are published, and split each difference."""
    session = home.session
    inputs = require_inputs(session)
    previous = previous_night(session.home.stores, inputs)
    if previous is None:
        session.engine.replace_cells("build", "night", {
            table: pd.DataFrame(columns=list(table.column_names))
            for table in (SCORE_DIFFERENCES, KEY_CHANGES)})
        return dg.MaterializeResult(metadata={"dagster/row_count": 0, "is_published": False})
    split = split_changes(
        session.home, session.engine, previous, session.configuration_of(previous.config_hash),
        Night(inputs, session.configuration_of(inputs.config_hash)))
    if not split.is_comparable:
        context.log.warning(
            f"reference {previous.reference_id} of publication {previous.publication_id} lacks "
            f"what this version scores by, so that the changes since are not split")
    context.log.info(f"{split.rows_n} customers differ from publication "
                     f"{previous.publication_id} of {previous.as_of_date}")
    if split.changed_keys:
        context.log.info(key_changes_in_words(split.changed_keys))
    return dg.MaterializeResult(metadata={
        "dagster/row_count": split.rows_n, "keys_changed": sum(split.changed_keys.values()),
        "is_published": False,
        "compared_publication_id": previous.publication_id,
        "identities_built_again": split.rebuilt_n, "scorings_between": ", ".join(split.steps)})
