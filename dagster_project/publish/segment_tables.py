"""Published tables of profitability and segments: part of the contract in `tables.py`."""

from __future__ import annotations

from dagster_project.engine.table import Column, Table

KEY = "UUID"
SUM = "DECIMAL(38,4)"

CUSTOMER_PROFITABILITY = Table(
    "customer_profitability",
    "What one customer leaves after all that it costs, in the window of profitability (crm.yaml). "
    "net_revenue = gross_sales - discount - refund - returned - cancelled; contribution = "
    "net_revenue - uncosted_revenue - product_cost - shipping - cost_to_serve.",
    (
        Column("customer_key", KEY, "Our id of one person or company.", True),
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("gross_sales_amount", SUM, "Quantity x price of what was sold.", True),
        Column("discount_amount", SUM, "Discounts on it.", True),
        Column("refund_amount", SUM, "Refunded, as a column or a refunds export states it, "
               "without shipping and tax that were paid back with it.", True),
        Column("returned_amount", SUM, "Taken back by negative rows.", True),
        Column("cancelled_amount", SUM, "Taken back by cancellations.", True),
        Column("net_revenue_amount", SUM, "What is left of the sales.", True),
        Column("uncosted_revenue_amount", SUM,
               "Net revenue of orders whose product cost is not known; not in the contribution.",
               True),
        Column("product_cost_amount", SUM, "Product cost of the other orders.", True),
        Column("shipping_amount", SUM, "Shipping paid by the shop for the other orders.", True),
        Column("cost_to_serve_amount", SUM,
               "Cost of interactions: their own, else the configured one of their type.", True),
        Column("contribution_amount", SUM,
               "What the customer leaves; NULL where contribution_status is cost_unknown."),
        Column("contribution_status", "VARCHAR",
               "known; partly_known: costs are known of enough of the money; cost_unknown: of too "
               "little; no_activity: no order event and no cost in the window.", True),
        Column("costed_share", "DECIMAL(9,6)",
               "Share of the money sold, returned and cancelled whose product cost is known, 0-1; "
               "NULL: no money moved."),
        Column("contribution_rank", "BIGINT",
               "1: the largest contribution among customers with activity and a contribution; "
               "ties share the smallest rank."),
        Column("contribution_decile", "INTEGER", "1: the most profitable tenth, by the rank."),
        Column("contribution_share", "DOUBLE",
               "Share of the contributions of all ranked customers; NULL unless they add up to "
               "more than 0."),
        Column("cumulative_customers_share", "DOUBLE",
               "Share of the ranked customers with at least this contribution, 0-1."),
        Column("cumulative_contribution_share", "DOUBLE",
               "What those contribute together, as a share of all; above 1 where others cost more "
               "than they bring."),
        Column("profitability_quadrant", "VARCHAR",
               "Cell of the profitability x loyalty matrix, or insufficient_data.", True),
    ),
    ("customer_key",),
)

CONTRIBUTION_CURVE = Table(
    "contribution_curve",
    "What the most profitable percents of the ranked customers contribute together; with fewer "
    "than a hundred of them one row a customer.",
    (
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("percent_of_customers", "INTEGER", "1 to 100, rounded up to whole customers.",
               True),
        Column("customers_n", "BIGINT", "Customers in them.", True),
        Column("contribution_amount", SUM, "What they contribute together.", True),
        Column("contribution_share", "DOUBLE",
               "The same as a share of all contributions; NULL unless these add up to more than "
               "0."),
    ),
    ("percent_of_customers",),
)

CUSTOMER_SEGMENTS = Table(
    "customer_segments",
    "The segments of one customer: behavioural (RFM), demographic, geographic, by product.",
    (
        Column("customer_key", KEY, "Our id of one person or company.", True),
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("rfm_recency_score", "TINYINT", "1-5, 5: bought of late; NULL: never bought."),
        Column("rfm_frequency_score", "TINYINT", "1-5, 5: bought often; NULL: never bought."),
        Column("rfm_monetary_score", "TINYINT",
               "1-5, 5: bought for much; NULL: never bought, or not measured."),
        Column("rfm_cell", "VARCHAR", "The three scores, such as 543."),
        Column("rfm_segment", "VARCHAR",
               "Segment of the cell (rfm_cells); prospect: never bought; insufficient_data: no "
               "cell.", True),
        Column("age_band", "VARCHAR",
               "By the age reached in the year of D, such as 25_34; NULL: not known."),
        Column("gender", "VARCHAR", "Gender as stated."),
        Column("region", "VARCHAR", "Region."),
        Column("city", "VARCHAR", "City."),
        Column("customer_type", "VARCHAR", "Type as the customer export states it."),
        Column("top_category", "VARCHAR",
               "Product category with the most net revenue in the window of segments, of equal "
               "ones the first by name; NULL: none is known."),
        Column("top_category_amount", SUM, "Net revenue of that category."),
        Column("purchases_n", "INTEGER", "Purchases in the window of segments.", True),
        Column("net_revenue_amount", SUM, "Net revenue in the window of segments.", True),
    ),
    ("customer_key",),
)

CUSTOMER_ATTRIBUTES = Table(
    "customer_attributes",
    "One further column of the customer export that crm.yaml asks for, of one customer as of D.",
    (
        Column("customer_key", KEY, "Our id of one person or company.", True),
        Column("attribute", "VARCHAR", "Name of the column.", True),
        Column("value", "VARCHAR", "What it says.", True),
    ),
    ("customer_key", "attribute"),
)

RFM_CELLS = Table(
    "rfm_cells",
    "One of the 125 cells of recency, frequency and monetary scores with its segment.",
    (
        Column("rfm_cell", "VARCHAR", "The three scores, such as 543.", True),
        Column("rfm_recency_score", "TINYINT", "1-5.", True),
        Column("rfm_frequency_score", "TINYINT", "1-5.", True),
        Column("rfm_monetary_score", "TINYINT", "1-5.", True),
        Column("rfm_segment", "VARCHAR", "Segment, as in customer_segments.", True),
        Column("name_en", "VARCHAR", "English name.", True),
        Column("name_zh", "VARCHAR", "Chinese name.", True),
    ),
    ("rfm_cell",),
)

# Joined from models and labels when the candidate is staged.
SEGMENT_TABLES = (CUSTOMER_PROFITABILITY, CONTRIBUTION_CURVE, CUSTOMER_SEGMENTS,
                  CUSTOMER_ATTRIBUTES, RFM_CELLS)
