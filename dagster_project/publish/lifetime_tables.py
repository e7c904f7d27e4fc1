"""Published tables of what is expected of customers: lifetime values and churn warnings."""

from __future__ import annotations

from dagster_project.engine.table import Column, Table

KEY = "UUID"
AMOUNT = "DECIMAL(38,4)"
SHARE = "DECIMAL(7,6)"
GAP = "DECIMAL(9,1)"

CUSTOMER_LIFETIME_VALUES = Table(
    "customer_lifetime_values",
    "One customer with at least one purchase: what is expected from the publication's date on.",
    (
        Column("customer_key", KEY, "Our id of one person or company.", True),
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("profile", "VARCHAR", "Whose models apply.", True),
        Column("method", "VARCHAR", "mbg_nbd or bg_nbd: the model of purchases; historic: none "
               "could be fitted, and only the past is known.", True),
        Column("purchase_days_n", "INTEGER", "Days with a purchase, all time.", True),
        Column("recency_days", "INTEGER", "Days from the first to the last purchase.", True),
        Column("age_days", "INTEGER", "Days from the first purchase to D.", True),
        Column("p_alive", SHARE, "Chance that the customer still is one, 0-1; NULL without a "
               "model, and in bg_nbd after a single purchase."),
        Column("expected_purchases", "DECIMAL(18,6)",
               "Purchase days expected within the horizon, by the chance to be alive."),
        Column("expected_margin_per_purchase_amount", AMOUNT,
               "Margin expected of the next purchase, never below zero."),
        Column("margin_own_weight", SHARE, "Share of the customer's own mean margin in it; the "
               "rest is the mean of all."),
        Column("margin_if_alive_amount", AMOUNT,
               "Discounted margin within the horizon of a customer who is alive."),
        Column("expected_margin_amount", AMOUNT, "Discounted margin expected within the horizon: "
               "p_alive x margin_if_alive_amount."),
        Column("historic_margin_amount", AMOUNT, "Margin up to D of all orders whose margin is "
               "known; NULL where none is."),
        Column("margin_purchase_days_n", "INTEGER", "Purchase days whose margin is known.", True),
        Column("typical_gap_days", GAP, "Median days between purchase days: the customer's own, "
               "else the median of all."),
        Column("typical_gap_source", "VARCHAR", "own or population."),
        Column("expected_next_purchase_date", "DATE", "Last purchase and typical gap."),
        Column("days_overdue", "INTEGER", "Days by which D is past that date; 0: not yet."),
        Column("reasons", "VARCHAR", "Keys of what is missing or stands in, and why; NULL: "
               "nothing does. See docs/measures.md."),
    ),
    ("customer_key",),
)

CHURN_WARNINGS = Table(
    "churn_warnings",
    "One customer of high value who is likely to leave, the greatest expected loss first; at most "
    "so many as the configuration names.",
    (
        Column("rank", "INTEGER", "1: the greatest expected loss.", True),
        Column("customer_key", KEY, "Our id of one person or company.", True),
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("quadrant", "VARCHAR", "Cell of the value x loyalty matrix.", True),
        Column("reasons", "VARCHAR", "low_loyalty, p_alive_low, overdue: those that hold.", True),
        Column("expected_loss_amount", AMOUNT, "(1 - p_alive) x margin_if_alive_amount; NULL "
               "without a model."),
        Column("p_alive", SHARE, "Chance that the customer still is one, 0-1."),
        Column("margin_if_alive_amount", AMOUNT,
               "Discounted margin within the horizon of a customer who is alive."),
        Column("historic_margin_amount", AMOUNT, "Margin up to D of orders of known margin."),
        Column("days_since_last_purchase", "INTEGER", "Days from the last purchase to D.", True),
        Column("typical_gap_days", GAP, "Median days between purchase days."),
        Column("days_overdue", "INTEGER", "Days past the expected next purchase; 0: not yet."),
        Column("words_en", "VARCHAR", "The reasons in English.", True),
        Column("words_zh", "VARCHAR", "The reasons in Chinese.", True),
    ),
    ("rank",),
)
LIFETIME_TABLES = (CUSTOMER_LIFETIME_VALUES, CHURN_WARNINGS)
