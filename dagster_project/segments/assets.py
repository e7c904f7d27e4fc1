"""Segment labels of each customer, as an asset."""

import dagster as dg

from dagster_project.automation.nights import NIGHTS, ONE_NIGHT_A_RUN, OWNERS
from dagster_project.automation.steps import told_in_words
from dagster_project.configuration import Configuration
from dagster_project.ingest.assets import column_schema
from dagster_project.publish.segment_tables import RFM_CELLS
from dagster_project.resources import HomeResource, require_inputs
from dagster_project.scoring.assets import REFERENCE
from dagster_project.scoring.night_data import BATCH_ROWS, load_reference
from dagster_project.segments.labels import (
    LABEL_COLUMNS,
    rfm_cells,
    rfm_indicators,
    segment_labels,
)

SEGMENT_LABELS = dg.AssetKey(["segments", "segment_labels"])
FACTS = [dg.AssetKey(["marts", name])
         for name in ("customer_features", "customer_segment_facts", "customer_profitability")]
SCORES = [dg.AssetKey(["scoring", name])
          for name in ("degree_scores", "crm_values", "quadrant_labels")]


def segment_facts_query(configuration: Configuration) -> str:
    """What labels are made of: facts as floats, scores as whole ten-thousandths of a point."""
    scores = "".join(f', cast(scores."{name}__score" * 10000 as bigint) as "{name}__units"'
                     for name in rfm_indicators(configuration))
    return f"""
        select cast(features.customer_key as varchar) as customer_key, features.as_of_date,
            features.profile, features.purchases_n,
            cast(features.birth_year as double) as birth_year,
            cast(features.days_since_last_purchase as double) as days_since_last_purchase,
            cast(facts.segment_purchases_n as double) as segment_purchases_n,
            cast(facts.segment_net_revenue_amount as double) as segment_net_revenue,
            case
                when profitability.contribution_amount
                    > {configuration.profitability.profitable_above:f} then 1
                when profitability.contribution_amount is not null then 0
            end as is_profitable,
            cast(scores.matrix_loyalty_score * 10000 as bigint) as matrix_loyalty_units{scores}
        from marts.customer_features as features
        inner join marts.customer_segment_facts as facts
            on features.customer_key = facts.customer_key
        inner join marts.customer_profitability as profitability
            on features.customer_key = profitability.customer_key
        inner join night.customer_scores as scores
            on features.customer_key = scores.customer_key
        order by features.customer_key
    """


@dg.asset(
    key=SEGMENT_LABELS, group_name="segments", owners=OWNERS, kinds={"pandas"},
    deps=[REFERENCE, *SCORES, *FACTS], partitions_def=NIGHTS, backfill_policy=ONE_NIGHT_A_RUN,
    code_version="1", metadata={"dagster/table_name": "night.segment_labels"},
)
@told_in_words
def customer_segment_labels(context: dg.AssetExecutionContext,
                            home: HomeResource) -> dg.MaterializeResult:
    """RFM scores and segment, age band and profitability quadrant. One row: one customer."""
    session = home.session
    inputs = require_inputs(session)
    configuration = session.configuration_of(inputs.config_hash)
    reference = load_reference(session.engine, inputs, "build")
    session.engine.replace_cells("build", "night", {RFM_CELLS: rfm_cells(configuration)})
    labels = (segment_labels(batch, reference, configuration)
              for batch in session.engine.frames_of(segment_facts_query(configuration),
                                                    BATCH_ROWS))
    rows = session.engine.write_frame("night.segment_labels", LABEL_COLUMNS, labels)
    context.log.info(f"labelled {rows} customers")
    return dg.MaterializeResult(metadata={
        "dagster/row_count": rows, "is_published": False,
        "dagster/column_schema": dg.TableSchema([
            dg.TableColumn(name, kind) for name, kind in LABEL_COLUMNS.items()]),
        f"schema_of_{RFM_CELLS.name}": column_schema(RFM_CELLS),
    })
