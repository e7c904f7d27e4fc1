"""The published table of accounts: companies, scored by their people."""

from __future__ import annotations

from dagster_project.engine.table import Column, Table

SCORE = "DECIMAL(7,4)"

ACCOUNT_SCORES = Table(
    "account_scores",
    "One account of the customer export, with the scores of its people rolled up by the rule "
    "accounts of crm.yaml.",
    (
        Column("account_id", "VARCHAR", "The account, as the customer export writes it.", True),
        Column("as_of_date", "DATE", "Business date D of the scores.", True),
        Column("profile", "VARCHAR", "Profile with the most weight among its people; its cuts "
               "make the labels.", True),
        Column("customers_n", "INTEGER", "Customers that belong to it.", True),
        Column("scored_customers_n", "INTEGER", "Those of them that have a CRM value.", True),
        Column("net_revenue_amount", "DECIMAL(38,4)",
               "Their net revenue, all time, base currency.", True),
        Column("coverage_share", "DECIMAL(7,6)", "Share of the weight whose customers have a CRM "
               "value, 0-1; under min_coverage there are no scores.", True),
        Column("crm_value", SCORE, "CRM value, 0-100."),
        Column("satisfaction_score", SCORE, "Satisfaction degree, 0-100."),
        Column("loyalty_degree_score", SCORE, "Loyalty degree, 0-100."),
        Column("engagement_score", SCORE, "Engagement degree, 0-100."),
        Column("advocacy_score", SCORE, "Advocacy degree, 0-100."),
        Column("matrix_value_score", SCORE, "Value axis of the matrix, 0-100."),
        Column("matrix_loyalty_score", SCORE, "Loyalty axis of the matrix, 0-100."),
        Column("tier", "VARCHAR", "high, medium, low or insufficient_data, by crm_value.", True),
        Column("quadrant", "VARCHAR", "Cell of the value x loyalty matrix.", True),
    ),
    ("account_id",),
)
