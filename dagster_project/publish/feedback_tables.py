"""The published tables of feedback: campaigns, what they brought, and the score judged afterwards.

How the figures are made stands in `feedback/` and, for readers, in docs/measures.md.
"""

from __future__ import annotations

from dagster_project.engine.table import Column, Table

AMOUNT = "DECIMAL(38,4)"
FIGURE = "DECIMAL(38,6)"

_CAMPAIGN = (
    Column("source", "VARCHAR", "Configured source.", True),
    Column("campaign_id", "VARCHAR", "Campaign, as the export names it.", True),
    Column("as_of_date", "DATE", "Business date D.", True),
)

CAMPAIGNS = Table(
    "campaigns",
    "One campaign with its groups, and every row of it by what became of it: rows_n = treated_n + "
    "control_n + repeated + both_groups + unknown_customer + excluded + after_date.",
    (
        *_CAMPAIGN,
        Column("status", "VARCHAR", "ok, window_open (not everybody's days are over), "
               "no_control_group, no_treated_group or nobody.", True),
        Column("first_treated_date", "DATE", "First treatment or draw."),
        Column("window_end_date", "DATE", "Last day of the last window."),
        Column("treated_n", "BIGINT", "Customers in the treated group.", True),
        Column("control_n", "BIGINT", "Customers in the control group.", True),
        Column("treated_net_revenue_amount", AMOUNT, "Net revenue of the treated in their "
               "windows, base currency; NULL: nobody."),
        Column("control_net_revenue_amount", AMOUNT, "Likewise of the control group."),
        Column("open_windows_n", "BIGINT", "Customers whose window is not over on D.", True),
        Column("treated_elsewhere_n", "BIGINT", "Customers whom another campaign treated in a "
               "window that overlaps; they are counted.", True),
        Column("rows_n", "BIGINT", "Current rows of the campaign.", True),
        Column("repeated_rows_n", "BIGINT", "Further rows of one customer in one group, under "
               "other ids; the first treatment counts.", True),
        Column("both_groups_rows_n", "BIGINT", "Rows of customers who are in both groups under "
               "several ids; they are in neither.", True),
        Column("unknown_customer_rows_n", "BIGINT", "Rows of ids that nothing else names.", True),
        Column("excluded_rows_n", "BIGINT", "Rows of customers left out by a rule.", True),
        Column("after_date_rows_n", "BIGINT", "Rows treated after D.", True),
    ),
    ("source", "campaign_id"),
)

CAMPAIGN_RESULTS = Table(
    "campaign_results",
    "One figure of one campaign in one quadrant of before the treatment, or in all: treated "
    "against control.",
    (
        *_CAMPAIGN,
        Column("quadrant", "VARCHAR", "Held quadrant of the newest published D before the "
               "treatment; not_kept: none is known; all: quadrants weighed as the treated are.",
               True),
        Column("figure", "VARCHAR", "response, repurchase (shares, 0-1), revenue (base currency "
               "a customer) or satisfaction (CSAT, 0-100), in the window.", True),
        Column("status", "VARCHAR", "ok, few (read with care), suppressed (too few to be shown), "
               "no_control_group or no_treated_group.", True),
        Column("is_window_over", "BOOLEAN", "Everybody's window is over; false: the figures are "
               "not final.", True),
        Column("treated_n", "BIGINT", "Treated customers that the figure is of.", True),
        Column("control_n", "BIGINT", "Customers of the control group that it is of.", True),
        Column("not_compared_n", "BIGINT", "In `all`: customers left out because their quadrant "
               "has too few of the other group.", True),
        Column("treated_value", FIGURE, "Rate or mean of the treated; NULL: suppressed."),
        Column("control_value", FIGURE, "Rate or mean of the control group; in `all` weighed as "
               "the treated are."),
        Column("uplift", FIGURE, "treated_value - control_value."),
        Column("standard_error", FIGURE, "Standard error of the uplift."),
        Column("low", FIGURE, "Lower end of its 95 % interval."),
        Column("high", FIGURE, "Upper end of its 95 % interval."),
    ),
    ("source", "campaign_id", "quadrant", "figure"),
)

SCORE_BACKTEST = Table(
    "score_backtest",
    "One figure of what customers did since they were scored, in all or in one part of them: "
    "whether tier, CRM value and chance to be alive of then foretold it.",
    (
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("scored_date", "DATE", "Date of the scores that are judged; NULL: no_history."),
        Column("part_kind", "VARCHAR", "all; crm_value_decile (1 the highest tenth of each "
               "profile), tier or p_alive (chance to be alive, by tenths) of then.", True),
        Column("part", "VARCHAR", "Name of the part.", True),
        Column("figure", "VARCHAR", "customers_scored, customers_followed (counts), "
               "rank_correlation_margin, rank_correlation_retention (with CRM value, -1 to 1), "
               "mean_margin (base currency a customer) or retention (share with a purchase), "
               "since then.", True),
        Column("status", "VARCHAR", "ok, few, suppressed, constant (all are alike), no_margin (no "
               "cost is known), not_kept (history has no chance to be alive of then) or "
               "no_history (no scores old enough are kept).", True),
        Column("n", "BIGINT", "Customers that the figure is of.", True),
        Column("foretold", FIGURE, "Mean of what the part is by: CRM value of then, or chance to "
               "be alive."),
        Column("value", FIGURE, "The figure; NULL: see status."),
        Column("low", FIGURE, "Lower end of its 95 % interval."),
        Column("high", FIGURE, "Upper end of its 95 % interval."),
        Column("lift", FIGURE, "value / value of all; NULL where that is not above zero."),
    ),
    ("part_kind", "part", "figure"),
)

FEEDBACK_TABLES = (CAMPAIGN_RESULTS, SCORE_BACKTEST)
# Made from what the previous publication keeps of earlier nights.
FROM_HISTORY = frozenset(table.name for table in FEEDBACK_TABLES)
