"""The raw tables: append-only, every row with the number of the load that brought it.

Nothing in them is ever updated. "As known at K" is the filter `load_seq <= K`.
All times are UTC; business dates are derived in dbt from the home's time zone.
"""

from __future__ import annotations

from dagster_project.engine.table import Column, Table

ID = "VARCHAR"
MONEY = "DECIMAL(18,4)"
TOKEN = "UUID"
# Ids that one record lists, each with its space: how many there are differs by source.
LISTED_IDS = "STRUCT(id_space VARCHAR, identity_id UUID)[]"
EMAIL = Column("email_identity_id", TOKEN, "Token of the e-mail address.")
PHONE = Column("phone_identity_id", TOKEN, "Token of the phone number.")


def _raw(name: str, grain: str, key: tuple[str, ...], *columns: Column) -> Table:
    """A raw table: the columns every raw row has, then its own."""
    lead = (
        Column("load_seq", "INTEGER", "Load that brought the row (load_ledger).", True),
        Column("row_no", "BIGINT", "Number of the row in its file, 1 for the first row of data.",
               True),
        Column("source", ID, "Configured source (sources.yaml).", True),
        Column("version_at", "TIMESTAMP",
               "UTC version of the record: the newest version of a document is current. "
               "NULL where the source declares arrival.", False),
        Column("row_hash", TOKEN, "Hash of the row's content; breaks ties of equal versions.",
               True),
    )
    return Table(name, grain, lead + columns, key)


RAW_ORDER_LINES = _raw(
    "raw_order_lines",
    "One line of one version of an order.",
    ("source", "order_id", "line_key", "load_seq", "row_no"),
    Column("order_id", ID, "Order number of the shop.", True),
    Column("line_key", ID, "Line id, or content hash and occurrence where there is none.", True),
    Column("identity_id", TOKEN, "Token of the buyer: of the id, else the e-mail address, else "
                                 "the phone number; NULL: unattributed."),
    EMAIL,
    PHONE,
    Column("ordered_at", "TIMESTAMP", "UTC time of the order.", True),
    Column("status", ID,
           "completed, cancelled, refunded or open; NULL: as the order's other lines.", False),
    Column("quantity", MONEY, "Units bought; negative: returned.", True),
    Column("unit_price", MONEY, "Price of one unit, original currency.", True),
    Column("discount", MONEY, "Discount on the line, positive, original currency.", True),
    Column("refund", MONEY, "Refunded on the line, positive, original currency.", True),
    Column("refunded_at", "TIMESTAMP", "UTC time of the refund, where stated."),
    Column("cancelled_at", "TIMESTAMP", "UTC time of the cancellation, where stated."),
    Column("shipping", MONEY, "Shipping paid by the shop for the line; NULL: not stated."),
    Column("tax", MONEY, "Tax on the line, not part of revenue; NULL: not stated."),
    Column("cost", MONEY, "Product cost of the line; NULL: not stated."),
    Column("currency", ID, "ISO 4217 code.", True),
    Column("product_id", ID, "Product."),
    Column("product_category", ID, "Product category."),
    Column("channel", ID, "Sales channel."),
    Column("tags", ID, "Words the shop gave the order, apart by commas or semicolons."),
    Column("shipping_charged", MONEY, "Shipping the buyer paid, no part of revenue; NULL: not "
           "stated."),
)

RAW_REFUNDS = _raw(
    "raw_refunds",
    "One version of one refund that an export of its own states.",
    ("source", "refund_id", "load_seq", "row_no"),
    Column("refund_id", ID, "Id, or content hash and occurrence where there is none.", True),
    Column("order_id", ID, "Order number of the shop.", True),
    Column("order_source", ID, "Source of the order; NULL: the one that has the order.", False),
    Column("refunded_at", "TIMESTAMP", "UTC time of the refund.", True),
    Column("refund", MONEY, "Refunded, positive, original currency.", True),
    Column("currency", ID, "ISO 4217 code.", True),
)

RAW_INTERACTIONS = _raw(
    "raw_interactions",
    "One version of one interaction.",
    ("source", "interaction_id", "load_seq", "row_no"),
    Column("interaction_id", ID, "Id, or content hash and occurrence where there is none.", True),
    Column("identity_id", TOKEN, "Token of the customer: of the id, else the e-mail address, else "
                                 "the phone number; NULL: unattributed."),
    EMAIL,
    PHONE,
    Column("occurred_at", "TIMESTAMP", "UTC time of the interaction.", True),
    Column("type", ID, "Kind of interaction: visit, comment, complaint ...", True),
    Column("channel", ID, "Channel."),
    Column("duration_seconds", "BIGINT", "Seconds spent."),
    Column("completion", "DECIMAL(9,6)", "Share of the content consumed, 0-1."),
    Column("cost", MONEY, "Cost to serve of this interaction, base currency."),
)

RAW_SURVEY_ANSWERS = _raw(
    "raw_survey_answers",
    "One version of one answer to one instrument.",
    ("source", "response_id", "instrument", "load_seq", "row_no"),
    Column("response_id", ID, "Response id of the survey tool.", True),
    Column("instrument", ID, "csat, nps or ces.", True),
    Column("identity_id", TOKEN, "Token of the customer: of the id, else the e-mail address, else "
                                 "the phone number; NULL: unattributed."),
    EMAIL,
    PHONE,
    Column("responded_at", "TIMESTAMP", "UTC time of the answer.", True),
    Column("score", "DECIMAL(9,4)", "The answer on its own scale.", True),
    Column("scale_min", "DECIMAL(9,4)", "Lowest answer of the scale.", True),
    Column("scale_max", "DECIMAL(9,4)", "Highest answer of the scale.", True),
    Column("direction", ID, "higher_is_better or lower_is_better.", True),
    Column("completeness", ID, "partial: the response was begun and not finished; else complete.",
           True),
    Column("has_comment", "BOOLEAN", "The response carried a text (kept in the vault).", True),
)

RAW_CUSTOMERS = _raw(
    "raw_customers",
    "One version of one customer record.",
    ("source", "identity_id", "valid_from", "load_seq", "row_no"),
    Column("identity_id", TOKEN, "Token of the customer's id.", True),
    Column("valid_from", "DATE",
           "Business date from which the record holds; NULL: always known.", False),
    EMAIL,
    PHONE,
    Column("customer_type", ID, "For example person, company, staff, test."),
    Column("account_id", ID, "Account (company) the customer belongs to."),
    Column("region", ID, "Region."),
    Column("city", ID, "City."),
    Column("gender", ID, "Gender as stated."),
    Column("birth_year", "INTEGER", "Year of birth."),
    Column("signed_up_at", "TIMESTAMP", "UTC time of registration."),
    Column("attributes", "VARCHAR", "Further columns that the source keeps, as a JSON object."),
    Column("other_ids", LISTED_IDS, "Tokens of the ids that other systems have for the customer, "
                                    "as the record lists them; NULL: it lists none."),
)

RAW_FX_RATES = _raw(
    "raw_fx_rates",
    "One version of the rate of one currency on one date.",
    ("source", "rate_date", "currency", "load_seq", "row_no"),
    Column("rate_date", "DATE", "Business date.", True),
    Column("currency", ID, "ISO 4217 code.", True),
    Column("rate", "DECIMAL(18,8)", "Units of base currency for one unit of this currency.", True),
)

RAW_CAMPAIGNS = _raw(
    "raw_campaigns",
    "One customer in one group of one campaign.",
    ("source", "campaign_id", "identity_id", "load_seq", "row_no"),
    Column("campaign_id", ID, "Campaign.", True),
    Column("identity_id", TOKEN, "Token of the customer's id.", True),
    Column("group_name", ID, "treated or control.", True),
    Column("treated_at", "TIMESTAMP", "UTC time of the treatment, or of the draw.", True),
)

LOAD_LEDGER = Table(
    "load_ledger",
    "One load of one file: unique by source, content and version. The row is written last: it is "
    "the commit of the load.",
    (
        Column("load_seq", "INTEGER", "Number of the load; the clock of knowledge.", True),
        Column("source", ID, "Configured source.", True),
        Column("kind", ID, "orders, refunds, interactions, surveys, customers, fx_rates or "
                           "campaigns.", True),
        Column("file_name", ID, "Path of the file below landing/; database:<source>/<cursor>.."
                                "<cursor> or query:<source> where the rows are of no one file.",
               True),
        Column("content_hash", ID, "SHA-256 of the file's bytes, or of all that the rows come "
                                   "from.", True),
        Column("version_rule", ID, "arrival, column or file_name.", True),
        Column("file_version_at", "TIMESTAMP", "UTC version of the whole file, if it has one."),
        Column("declaration_hash", ID, "Hash of the source's declaration.", True),
        Column("ignored_columns", ID, "Columns of the file that nothing reads, comma-separated."),
        Column("rows_read_n", "BIGINT", "Rows of data in the file.", True),
        Column("rows_loaded_n", "BIGINT", "Rows appended to raw.", True),
        Column("rows_repeated_n", "BIGINT", "Rows known already.", True),
        Column("rows_rejected_n", "BIGINT", "Rows refused with a reason.", True),
        Column("query_hash", ID, "Hash of the query whose rows these are; NULL: of a file."),
        Column("cursor_to", ID,
               "Kind and value of the cursor up to which a database is read; the next night "
               "goes on from there."),
        Column("run_id", ID, "Dagster run.", True, True),
        Column("loaded_at", "TIMESTAMP", "UTC time of the load.", True, True),
    ),
    ("load_seq",),
)

LOAD_INPUTS = Table(
    "load_inputs",
    "One file of one input of a load whose rows a query made of several files.",
    (
        Column("load_seq", "INTEGER", "Load.", True),
        Column("input", ID, "Input of the query (sources.yaml).", True),
        Column("file_name", ID, "Path of the file below landing/.", True),
        Column("content_hash", ID, "SHA-256 of the file's bytes.", True),
        Column("rows_read_n", "BIGINT", "Rows of data in the file.", True),
        Column("rows_unreadable_n", "BIGINT",
               "Of these, rows that could not be told apart into columns and that the query did "
               "not see.", True),
    ),
    ("load_seq", "input", "file_name"),
)

REPEATED_FILES = Table(
    "repeated_files",
    "One delivery, under another name, of a file whose content was loaded before.",
    (
        Column("source", ID, "Configured source.", True),
        Column("file_name", ID, "Path of the file below landing/.", True),
        Column("load_seq", "INTEGER", "Load that brought the same content.", True),
        Column("delivery_seq", "INTEGER", "Number of the delivery on the clock of loads.", True),
        Column("rows_read_n", "BIGINT", "Rows in the file, all repeated.", True),
        Column("seen_at", "TIMESTAMP", "UTC time of the delivery.", True, True),
    ),
    ("source", "file_name", "load_seq"),
)

REJECTED_ROWS = Table(
    "rejected_rows",
    "One row of a file that was refused. Its clear text lies in the vault.",
    (
        Column("load_seq", "INTEGER", "Load.", True),
        Column("row_no", "BIGINT",
               "Record of the load; a row of the file may give several.", True),
        Column("file_row_no", "BIGINT", "Row in the file, 1 for the first row of data.", True),
        Column("source", ID, "Configured source.", True),
        Column("file_name", ID, "Path of the file below landing/.", True),
        Column("reason", ID, "Code of the reason, for example not_a_number.", True),
        Column("column_name", ID, "Column at fault, where there is one."),
        Column("masked_value", ID,
               "The value at fault, masked where it could be personal; of a row that is left "
               "out, the name of the rule."),
    ),
    ("load_seq", "row_no"),
)

REPAIRED_ROWS = Table(
    "repaired_rows",
    "One rejected row that was repaired and taken back by a later load.",
    (
        Column("load_seq", "INTEGER", "Load that took it back.", True),
        Column("rejected_load_seq", "INTEGER", "Load that rejected it.", True),
        Column("rejected_row_no", "BIGINT", "Its row_no there.", True),
    ),
    ("rejected_load_seq", "rejected_row_no"),
)

# Rejected rows as people see them: with what became of each.
REJECTED_ROWS_SHOWN = Table(
    REJECTED_ROWS.name,
    REJECTED_ROWS.grain,
    (
        *REJECTED_ROWS.columns,
        Column("repaired_load_seq", "INTEGER",
               "Load that took the repaired row back; NULL: still rejected."),
    ),
    REJECTED_ROWS.key,
)

RAW_TABLES = (
    RAW_ORDER_LINES,
    RAW_REFUNDS,
    RAW_INTERACTIONS,
    RAW_SURVEY_ANSWERS,
    RAW_CUSTOMERS,
    RAW_FX_RATES,
    RAW_CAMPAIGNS,
)
LEDGER_TABLES = (LOAD_LEDGER, LOAD_INPUTS, REPEATED_FILES, REJECTED_ROWS, REPAIRED_ROWS)
