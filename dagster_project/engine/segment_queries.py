"""The tables of segments and profitability: money of the models beside the labels of Python.

Money never goes through frames, so the two meet here, when a candidate is staged.
"""

from __future__ import annotations

from collections.abc import Mapping

from dagster_project.engine.table import Table
from dagster_project.publish.segment_tables import (
    CONTRIBUTION_CURVE,
    CUSTOMER_ATTRIBUTES,
    CUSTOMER_PROFITABILITY,
    CUSTOMER_SEGMENTS,
    RFM_CELLS,
)

SOURCES: Mapping[Table, str] = {
    CUSTOMER_PROFITABILITY: """
        select profitability.*, labels.profitability_quadrant
        from build.marts.customer_profitability as profitability
        inner join build.night.segment_labels as labels
            on profitability.customer_key = labels.customer_key
    """,
    CONTRIBUTION_CURVE: "select * from build.marts.contribution_curve",
    CUSTOMER_SEGMENTS: """
        select labels.*, features.as_of_date, features.gender, features.region, features.city,
            features.customer_type, facts.top_category, facts.top_category_amount,
            facts.segment_purchases_n as purchases_n,
            facts.segment_net_revenue_amount as net_revenue_amount
        from build.night.segment_labels as labels
        inner join build.marts.customer_features as features
            on labels.customer_key = features.customer_key
        inner join build.marts.customer_segment_facts as facts
            on labels.customer_key = facts.customer_key
    """,
    CUSTOMER_ATTRIBUTES: "select * from build.marts.customer_attributes",
    RFM_CELLS: "select * from build.night.rfm_cells",
}


def segment_queries() -> dict[str, str]:
    """Name of a table -> the query of its rows, with declared types, in the order of its key."""
    return {
        table.name: "select {} from ({}) as source order by {}".format(
            ", ".join(f"cast({column.name} as {column.type}) as {column.name}"
                      for column in table.columns),
            source, ", ".join(table.key))
        for table, source in SOURCES.items()
    }
