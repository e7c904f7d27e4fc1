"""The canonical columns of each kind of export: what ingest reads, of what type, with which bounds.

This is the whole contract with those who write files. How a file is read stands in the engine;
which files there are, and how they are versioned, in `sources.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from dagster_project.engine.table import Table
from dagster_project.ingest.tables import (
    RAW_CAMPAIGNS,
    RAW_CUSTOMERS,
    RAW_FX_RATES,
    RAW_INTERACTIONS,
    RAW_ORDER_LINES,
    RAW_REFUNDS,
    RAW_SURVEY_ANSWERS,
)

Type = Literal["text", "identity", "time", "date", "number", "integer", "choice", "currency"]

# Amounts keep four decimals; the bounds keep quantity x price x rate inside DECIMAL(18,4).
MONEY = "DECIMAL(18,4)"


@dataclass(frozen=True)
class CanonicalColumn:
    """One column that an export may have.

    Attributes:
        name: header in the file.
        type: how the text is read. `identity` becomes a token and goes to the vault.
        is_required: a row without it is rejected.
        default: value where the column or the cell is empty; None: stays NULL.
        choices: allowed words of a `choice`, lower case.
        sql_type: type of a `number`.
        minimum, maximum: bounds of a number, inclusive.
        id_space: space of an `identity`; None: the id space of the source.
        raw_name: column of the raw table; None: not kept in raw as it is.
        is_event_time: must not lie after the version of the file that carries it.
        is_hashed_if_filled: leaves the hash of a row alone where it is empty. So is a column
            that came when stores existed: their rows are known again. It stands last.
    """

    name: str
    type: Type = "text"
    is_required: bool = False
    default: str | None = None
    choices: tuple[str, ...] = ()
    sql_type: str = MONEY
    minimum: float | None = None
    maximum: float | None = None
    id_space: str | None = None
    raw_name: str | None = None
    is_event_time: bool = False
    is_hashed_if_filled: bool = False


@dataclass(frozen=True)
class ExportKind:
    """One kind of export.

    Attributes:
        name: as written in sources.yaml.
        table: raw table its rows go to.
        columns: canonical columns.
        document: columns that name the document, the unit of replacement.
        row_id: column that tells rows of one document apart; None: the document is one row.
        generated_id: raw column that gets content hash and occurrence where ids are missing.
    """

    name: str
    table: Table
    columns: tuple[CanonicalColumn, ...]
    document: tuple[str, ...]
    row_id: str | None = None
    generated_id: str | None = None

    def column(self, name: str) -> CanonicalColumn:
        """The canonical column `name`; KeyError if there is none."""
        return next(column for column in self.columns if column.name == name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """All canonical column names, in order."""
        return tuple(column.name for column in self.columns)

    def with_other_ids(self, other_ids: Mapping[str, str]) -> ExportKind:
        """The kind with further columns of ids.

        Args:
            other_ids: column -> id space; rows are hashed alike in whatever order they stand here.
        """
        further = tuple(CanonicalColumn(name, "identity", id_space=space)
                        for name, space in sorted(other_ids.items()))
        return replace(self, columns=self.columns + further)


C = CanonicalColumn

EMAIL = C("email", "identity", id_space="email", raw_name="email_identity_id")
PHONE = C("phone", "identity", id_space="phone", raw_name="phone_identity_id")

ORDERS = ExportKind(
    name="orders",
    table=RAW_ORDER_LINES,
    columns=(
        C("order_id", is_required=True, raw_name="order_id"),
        C("line_id"),
        C("customer_id", "identity", raw_name="identity_id"),
        EMAIL,
        PHONE,
        C("ordered_at", "time", is_required=True, raw_name="ordered_at", is_event_time=True),
        C("status", "choice", raw_name="status",
          choices=("completed", "cancelled", "refunded", "open")),
        C("quantity", "number", default="1", raw_name="quantity", minimum=-1e9, maximum=1e9),
        C("unit_price", "number", is_required=True, raw_name="unit_price",
          minimum=-1e12, maximum=1e12),
        C("discount", "number", default="0", raw_name="discount", minimum=0, maximum=1e12),
        C("refund", "number", default="0", raw_name="refund", minimum=0, maximum=1e12),
        C("refunded_at", "time", raw_name="refunded_at", is_event_time=True),
        C("cancelled_at", "time", raw_name="cancelled_at", is_event_time=True),
        C("updated_at", "time"),
        C("shipping", "number", raw_name="shipping", minimum=-1e12, maximum=1e12),
        C("tax", "number", raw_name="tax", minimum=-1e12, maximum=1e12),
        C("cost", "number", raw_name="cost", minimum=-1e12, maximum=1e12),
        C("currency", "currency", is_required=True, raw_name="currency"),
        C("product_id", raw_name="product_id"),
        C("product_category", raw_name="product_category"),
        C("channel", raw_name="channel"),
        C("tags", raw_name="tags"),
        C("shipping_charged", "number", raw_name="shipping_charged", minimum=-1e12, maximum=1e12,
          is_hashed_if_filled=True),
    ),
    document=("order_id",),
    row_id="line_id",
    generated_id="line_key",
)

REFUNDS = ExportKind(
    name="refunds",
    table=RAW_REFUNDS,
    columns=(
        C("refund_id"),
        C("order_id", is_required=True, raw_name="order_id"),
        C("order_source", raw_name="order_source"),
        C("refunded_at", "time", is_required=True, raw_name="refunded_at", is_event_time=True),
        C("refund", "number", is_required=True, raw_name="refund", minimum=0, maximum=1e12),
        C("currency", "currency", is_required=True, raw_name="currency"),
        C("updated_at", "time"),
    ),
    document=("refund_id",),
    generated_id="refund_id",
)

INTERACTIONS = ExportKind(
    name="interactions",
    table=RAW_INTERACTIONS,
    columns=(
        C("interaction_id"),
        C("customer_id", "identity", raw_name="identity_id"),
        EMAIL,
        PHONE,
        C("occurred_at", "time", is_required=True, raw_name="occurred_at", is_event_time=True),
        C("type", default="interaction", raw_name="type"),
        C("channel", raw_name="channel"),
        C("duration_seconds", "integer", raw_name="duration_seconds", minimum=0, maximum=1e8),
        C("completion", "number", raw_name="completion", sql_type="DECIMAL(9,6)",
          minimum=0, maximum=1),
        C("cost", "number", raw_name="cost", minimum=-1e12, maximum=1e12),
        C("updated_at", "time"),
    ),
    document=("interaction_id",),
    generated_id="interaction_id",
)

SURVEYS = ExportKind(
    name="surveys",
    table=RAW_SURVEY_ANSWERS,
    columns=(
        C("response_id", is_required=True, raw_name="response_id"),
        C("customer_id", "identity", raw_name="identity_id"),
        EMAIL,
        PHONE,
        C("responded_at", "time", is_required=True, raw_name="responded_at", is_event_time=True),
        C("instrument", "choice", is_required=True, raw_name="instrument",
          choices=("csat", "nps", "ces")),
        C("score", "number", is_required=True, raw_name="score", sql_type="DECIMAL(9,4)"),
        C("scale_min", "number", raw_name="scale_min", sql_type="DECIMAL(9,4)"),
        C("scale_max", "number", raw_name="scale_max", sql_type="DECIMAL(9,4)"),
        C("direction", "choice", default="higher_is_better", raw_name="direction",
          choices=("higher_is_better", "lower_is_better")),
        C("completeness", "choice", default="complete", raw_name="completeness",
          choices=("complete", "partial")),
        C("comment"),
        C("updated_at", "time"),
    ),
    document=("response_id", "instrument"),
)

# Scale of an instrument whose row states none.
DEFAULT_SCALES = {"csat": (1, 5), "nps": (0, 10), "ces": (1, 7)}

CUSTOMERS = ExportKind(
    name="customers",
    table=RAW_CUSTOMERS,
    columns=(
        C("customer_id", "identity", is_required=True, raw_name="identity_id"),
        C("valid_from", "date", raw_name="valid_from"),
        C("name"),
        EMAIL,
        PHONE,
        C("customer_type", raw_name="customer_type"),
        C("account_id", raw_name="account_id"),
        C("region", raw_name="region"),
        C("city", raw_name="city"),
        C("gender", raw_name="gender"),
        C("birth_year", "integer", raw_name="birth_year", minimum=1880, maximum=2100),
        C("signed_up_at", "time", raw_name="signed_up_at"),
        C("updated_at", "time"),
    ),
    document=("customer_id", "valid_from"),
)

FX_RATES = ExportKind(
    name="fx_rates",
    table=RAW_FX_RATES,
    columns=(
        C("date", "date", is_required=True, raw_name="rate_date"),
        C("currency", "currency", is_required=True, raw_name="currency"),
        C("rate", "number", is_required=True, raw_name="rate", sql_type="DECIMAL(18,8)",
          minimum=1e-8, maximum=1e5),
        C("updated_at", "time"),
    ),
    document=("date", "currency"),
)

CAMPAIGNS = ExportKind(
    name="campaigns",
    table=RAW_CAMPAIGNS,
    columns=(
        C("campaign_id", is_required=True, raw_name="campaign_id"),
        C("customer_id", "identity", is_required=True, raw_name="identity_id"),
        C("group", "choice", is_required=True, raw_name="group_name",
          choices=("treated", "control")),
        C("treated_at", "time", is_required=True, raw_name="treated_at", is_event_time=True),
        C("updated_at", "time"),
    ),
    document=("campaign_id", "customer_id"),
)

KINDS = {kind.name: kind for kind in (ORDERS, REFUNDS, INTERACTIONS, SURVEYS, CUSTOMERS, FX_RATES,
                                       CAMPAIGNS)}

# Reasons a row is rejected for, with what to do. A reason depends on the row and the
# declaration of its source alone, never on other data.
REJECTION_REASONS = {
    "missing_columns": "The row has fewer fields than the header; repair the row.",
    "too_many_columns": "The row has more fields than the header; quote fields that hold the "
                        "delimiter.",
    "unreadable": "The row cannot be read (quotes, encoding or JSON); repair the row.",
    "missing_value": "A required value is empty; fill it in.",
    "not_a_number": "Write a plain number with a decimal point.",
    "not_a_time": "Write YYYY-MM-DD HH:MM:SS, with an offset if it is not the source's zone. "
                  "Where all rows have one form, state it with format: under columns in "
                  "sources.yaml.",
    "not_a_date": "Write YYYY-MM-DD. Where all rows have one form, state it with format: under "
                  "columns in sources.yaml.",
    "not_a_currency": "Write a three-letter ISO 4217 code in capitals.",
    "unknown_word": "Use one of the allowed words of the column.",
    "out_of_range": "The number is outside the bounds of the column.",
    "off_scale": "The answer lies outside its scale; correct the answer or state the scale.",
    "left_out": "A rule of the source's mapping leaves the row out (left_out, or an answer nobody "
                "gave); nothing to do.",
    "conflicting_values": "Rows of one document state different values of a column that counts "
                          "once; correct them, or take once_per out of the mapping.",
    "after_file_version": "The event is later than the version of its file; correct the date or "
                          "the file's name.",
}
# Where a column's cure is another than that of its reason.
ADVICE_ON_COLUMNS = {
    ("not_a_number", "score"): "Export numeric values, or state words: under answers in "
                               "sources.yaml.",
}

# Words of answers on scales. A rejected answer of these words alone tells nothing of anybody, and
# what it says must be seen to be stated under words:.
ANSWER_WORDS = (
    "a", "agree", "all", "and", "at", "average", "bad", "difficult", "disagree", "dissatisfied",
    "easy", "excellent", "extremely", "fair", "good", "happy", "hard", "likely", "little",
    "moderately", "neither", "neutral", "no", "nor", "not", "ok", "okay", "or", "poor", "quite",
    "rather", "satisfied", "slightly", "somewhat", "strongly", "terrible", "undecided", "unhappy",
    "unlikely", "unsatisfied", "unsure", "very", "yes")


def advice_on(reason: str, column: str) -> str:
    """What to do about a value that is rejected; empty for reasons of other declarations."""
    return ADVICE_ON_COLUMNS.get((reason, column)) or REJECTION_REASONS.get(reason, "")
