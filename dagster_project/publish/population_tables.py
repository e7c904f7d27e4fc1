"""The published tables of population figures: of tonight, and by date.

What a figure is and how its interval is made stands in `scoring/population.py` and, for readers,
in docs/measures.md.
"""

from __future__ import annotations

from dagster_project.engine.table import Column, Table

SEGMENT_COLUMNS = (
    Column("segment_kind", "VARCHAR",
           "all, quadrant, tier, lifecycle_stage, region or customer_type.", True),
    Column("segment", "VARCHAR", "Name of the segment; unknown: the customer records do not say.",
           True),
)
# Six decimals hold money to its last digit and shares to a millionth.
FIGURE_COLUMNS = (
    Column("figure", "VARCHAR",
           "nps (points, -100 to 100), ces_mean (points, 0-100), csat_top_box, ces_easy, "
           "repeat_purchase_rate, retention (shares, 0-1), customers (count), net_revenue, margin "
           "(base currency); over the configured window.", True),
    Column("value", "DECIMAL(38,6)", "The figure; NULL: suppressed."),
    Column("standard_error", "DECIMAL(38,6)",
           "Standard error of an estimate, in its unit; NULL for totals."),
    Column("low", "DECIMAL(38,6)", "Lower end of the 95 % interval; NULL for totals."),
    Column("high", "DECIMAL(38,6)", "Upper end of the 95 % interval; NULL for totals."),
    Column("n", "BIGINT", "Customers that the figure is of.", True),
    Column("status", "VARCHAR",
           "ok, few (read with care) or suppressed (too few to be shown).", True),
)

POPULATION_FIGURES = Table(
    "population_figures",
    "One figure of one segment of one kind as of the publication's date; the segments of a kind "
    "partition the customers.",
    (
        Column("as_of_date", "DATE", "Business date D.", True),
        *SEGMENT_COLUMNS,
        *FIGURE_COLUMNS,
    ),
    ("segment_kind", "segment", "figure"),
)

POPULATION_FIGURE_HISTORY = Table(
    "population_figure_history",
    "One figure of one segment as of one date, in one revision: 35 days, then month ends.",
    (
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("revision", "SMALLINT", "1, then one more for each restatement of D.", True),
        Column("publication_id", "INTEGER", "Publication that brought the row.", True),
        *SEGMENT_COLUMNS,
        *FIGURE_COLUMNS,
    ),
    ("as_of_date", "revision", "segment_kind", "segment", "figure"),
)
