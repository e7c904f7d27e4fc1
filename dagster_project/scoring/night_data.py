"""What scoring reads of a night: features and purchase summaries of the build, its reference.

Queries only; what is made of the rows stands in the modules of the measures.
"""

from __future__ import annotations

from datetime import date

import pandas as pd

from dagster_project.configuration import Configuration
from dagster_project.customers.night import NightInputs
from dagster_project.engine.interface import Engine
from dagster_project.scoring.drift import FirstDates
from dagster_project.scoring.indicators import feature_columns
from dagster_project.scoring.reference import Reference

# Rows of a batch: a million customers in four.
BATCH_ROWS = 250_000
# Exact amounts pass through frames as text.
SUMMARIES_QUERY = """
    select cast(customer_key as varchar) as customer_key, profile, purchase_days_n, recency_days,
        age_days, cast(median_gap_days as double) as median_gap_days, margin_purchase_days_n,
        cast(purchase_margin_amount as double) as purchase_margin_amount,
        cast(historic_margin_amount as varchar) as historic_margin_amount
    from marts.customer_purchase_summaries
    order by customer_purchase_summaries.customer_key
"""


def features_query(configuration: Configuration, keys: str = "") -> str:
    """The columns that scoring reads, keys as text, figures as float facts.

    Args:
        configuration: says which indicators there are.
        keys: a condition on customer_key, empty for all customers.
    """
    indicators = "".join(f', "{name}"' for name in feature_columns(configuration))
    where = f"where {keys}" if keys else ""
    return (
        "select cast(customer_key as varchar) as customer_key, as_of_date, profile, purchases_n, "
        "cast(median_gap_days as double) as median_gap_days, "
        "cast(days_since_last_purchase as double) as days_since_last_purchase, "
        "refunded_orders_n, cast(days_since_last_refunded_order as double) as "
        "days_since_last_refunded_order, "
        f"is_in_population{indicators} from marts.customer_features {where} "
        "order by customer_features.customer_key"
    )


def load_reference(engine: Engine, inputs: NightInputs, area: str) -> Reference:
    """The night's reference from the publication, or as it stands in the build."""
    table = "crm.scoring_reference" if area == "publication" else "night.scoring_reference"
    frame = engine.read_current(
        area, f"select * from {table} where reference_id = ?", [inputs.reference_id])
    valid_from = pd.Timestamp(frame["valid_from"].iloc[0]).date()
    return Reference.from_frame(
        frame[["profile", "item_kind", "item", "position", "x", "y"]],
        reference_id=inputs.reference_id, valid_from=valid_from)


def first_dates(engine: Engine, as_of_date: date) -> FirstDates:
    """Since when each kind of fact is observed, as of D."""
    def known(value: object) -> date | None:
        day = pd.Timestamp(value)
        return None if pd.isna(day) or day.date() > as_of_date else day.date()

    [row] = engine.read_current(
        "build", "select first_orders_date, first_cost_date, first_interactions_date "
                 "from intermediate.int_first_dates").itertuples(index=False)
    answers = engine.read_current(
        "build", "select instrument, min(responded_date) as first_date from marts.survey_answers "
                 "where responded_date <= ? group by instrument", [as_of_date])
    return FirstDates(
        known(row.first_orders_date), known(row.first_cost_date),
        known(row.first_interactions_date),
        {str(each.instrument): pd.Timestamp(each.first_date).date()
         for each in answers.itertuples(index=False)})
