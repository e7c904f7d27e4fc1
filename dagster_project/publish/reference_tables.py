"""Published tables that say how the night's reference stands to the customers of tonight.

Made by `scoring/assets.py` in schema `night` of the build. The reference itself is table
`scoring_reference` in `tables.py`.
"""

from __future__ import annotations

from dagster_project.engine.table import Column, Table

SHARE = "DECIMAL(7,6)"

REFERENCE_DRIFT = Table(
    "reference_drift",
    "One indicator in one profile: how far tonight's population has moved from the one that the "
    "reference was fitted on, and since when the indicator is observed.",
    (
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("profile", "VARCHAR", "Customers who are ranked among themselves.", True),
        Column("indicator", "VARCHAR", "Indicator of crm.yaml.", True),
        Column("status", "VARCHAR",
               "stable (psi under 0.1), shifted (under 0.25), drifted, too_few (under 300 "
               "customers then or now), or not_available.", True),
        Column("psi", "DECIMAL(9,6)", "Population stability index, 0 when nothing moved; NULL "
               "where the reference keeps no bins or has nobody to compare with."),
        Column("bins_n", "INTEGER", "Bins it is taken over, that of customers not measured "
               "among them."),
        Column("reference_customers_n", "BIGINT", "Population the reference was fitted on."),
        Column("customers_n", "BIGINT", "Population of tonight.", True),
        Column("measured_n", "BIGINT", "Those of it who have the indicator measured.", True),
        Column("observed_from", "DATE", "Business date of the first row that could count; NULL: "
               "none yet, or an attribute, which has no date."),
        Column("window_filled_share", SHARE, "Share of the window on which the indicator was "
               "observed, 0-1; NULL without a window."),
    ),
    ("profile", "indicator"),
)

LABEL_SHARES = Table(
    "label_shares",
    "One tier, quadrant or lifecycle stage in one profile: its share of the population tonight, "
    "and when the reference was fitted.",
    (
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("profile", "VARCHAR", "Customers who are cut among themselves.", True),
        Column("label_kind", "VARCHAR", "tier, quadrant or lifecycle_stage.", True),
        Column("label", "VARCHAR", "As in customer_scores.", True),
        Column("reference_customers_n", "BIGINT", "Customers who had it when the reference was "
               "fitted; NULL: not known."),
        Column("reference_share", SHARE, "Share they were, 0-1."),
        Column("customers_n", "BIGINT", "Customers of tonight's population who have it.", True),
        Column("customers_share", SHARE, "Share they are, 0-1; NULL of nobody."),
    ),
    ("profile", "label_kind", "label"),
)

SCORE_CURVES = Table(
    "score_curves",
    "One score (0, 5, ... 100) of one indicator in one profile: the facts that have at least that "
    "score. Indicators that nobody had measured when the reference was fitted and those of surveys "
    "have none.",
    (
        Column("profile", "VARCHAR", "Customers who are ranked among themselves.", True),
        Column("indicator", "VARCHAR", "Indicator of crm.yaml.", True),
        Column("score", "SMALLINT", "Points, 0-100.", True),
        Column("relation", "VARCHAR", "Facts at_least, more_than, at_most or less_than `fact` have "
               "at least the score; any fact has it; never.", True),
        Column("fact", "DOUBLE", "In the unit of the indicator; NULL of any and never."),
        Column("unit_en", "VARCHAR", "Unit, English; the currency of amounts."),
        Column("unit_zh", "VARCHAR", "Unit, Chinese."),
        Column("window_days", "INTEGER", "Days that count; NULL: all time, or not a matter of "
               "days."),
    ),
    ("profile", "indicator", "score"),
)

REFERENCE_TABLES = (REFERENCE_DRIFT, LABEL_SHARES, SCORE_CURVES)
