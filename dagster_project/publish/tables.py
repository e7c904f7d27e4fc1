"""The tables of the publication, `warehouse/crm.duckdb`: read by BI tools as `crm.<table>`.

This is the contract with readers. A change stands in CHANGELOG.md as old -> new.
Indicator and composite columns of `customer_scores` follow the home's crm.yaml:
`<indicator>__value`, `<indicator>__score`, of survey indicators `<indicator>__n`, `<composite>`,
`<composite>__coverage`, `<composite>__<part>__weight`, `<composite>__<part>__contribution`.
`score_contributions` is a view over `customer_scores`, `quadrant_migrations` one over
`label_migrations`. The tables of labels over time are declared in `label_tables.py`.
"""

from __future__ import annotations

from dagster_project.engine.table import Column, Table
from dagster_project.ingest.tables import REJECTED_ROWS_SHOWN
from dagster_project.publish.account_tables import ACCOUNT_SCORES
from dagster_project.publish.change_tables import SCORE_CHANGES
from dagster_project.publish.feedback_tables import CAMPAIGNS, FEEDBACK_TABLES
from dagster_project.publish.label_tables import (
    HELD_COLUMNS,
    LABEL_HISTORY,
    LABEL_MIGRATIONS,
    LABEL_STABILITY,
)
from dagster_project.publish.lifetime_tables import LIFETIME_TABLES
from dagster_project.publish.population_tables import (
    POPULATION_FIGURE_HISTORY,
    POPULATION_FIGURES,
)
from dagster_project.publish.reference_tables import REFERENCE_TABLES
from dagster_project.publish.segment_tables import SEGMENT_TABLES

KEY = "UUID"
SUM = "DECIMAL(38,4)"
SHOWN = "DECIMAL(5,2)"

CUSTOMERS = Table(
    "customers",
    "One customer as of the publication's date.",
    (
        Column("customer_key", KEY, "Our id of one person or company.", True),
        Column("profile", "VARCHAR", "Which weights, curves and cuts apply.", True),
        Column("customer_type", "VARCHAR", "Type as the customer export states it."),
        Column("account_id", "VARCHAR", "Account the customer belongs to."),
        Column("region", "VARCHAR", "Region."),
        Column("city", "VARCHAR", "City."),
        Column("gender", "VARCHAR", "Gender as stated."),
        Column("birth_year", "INTEGER", "Year of birth."),
        Column("signed_up_date", "DATE", "Business date of registration."),
        Column("identities_n", "INTEGER", "Ids that were merged into this customer.", True),
        Column("first_purchase_date", "DATE", "Business date of the first purchase."),
        Column("last_purchase_date", "DATE", "Business date of the last purchase."),
        Column("purchases_n", "INTEGER", "Orders that count as purchases, all time.", True),
        Column("orders_n", "INTEGER", "Orders counted, zero-amount and returned ones too.", True),
        Column("net_revenue_amount", SUM,
               "Sales less cancellations and refunds, all time, base currency.", True),
        Column("refund_amount", SUM, "Refunded, all time, base currency, as a column or a refunds "
                                     "export states it, without shipping and tax paid back with "
                                     "it; negative rows are negative sales.", True),
        Column("median_gap_days", "DECIMAL(9,1)", "Median days between purchase days."),
        Column("refunded_orders_n", "INTEGER",
               "Orders refunded or returned in full, all time.", True),
        Column("interactions_n", "BIGINT", "Interactions, all time.", True),
        Column("last_interaction_date", "DATE", "Business date of the last interaction."),
        Column("survey_answers_n", "INTEGER", "Survey answers, all time.", True),
    ),
    ("customer_key",),
)

CUSTOMER_SCORES = Table(
    "customer_scores",
    "One customer's scores and labels as of the publication's date.",
    (
        Column("customer_key", KEY, "Our id of one person or company.", True),
        Column("as_of_date", "DATE", "Business date D of the scores.", True),
        Column("profile", "VARCHAR", "Which weights, curves and cuts apply.", True),
        Column("tier", "VARCHAR", "high, medium, low or insufficient_data, by crm_value.", True),
        Column("quadrant", "VARCHAR", "Cell of the value x loyalty matrix.", True),
        Column("lifecycle_stage", "VARCHAR",
               "prospect, first_purchase, repeat, loyal, lapsing or lost.", True),
        *HELD_COLUMNS,
    ),
    ("customer_key",),
    has_configured_columns=True,
)

CUSTOMER_SCORE_HISTORY = Table(
    "customer_score_history",
    "One customer's scores as of one date, in one revision: 35 days, then month ends.",
    (
        Column("customer_key", KEY, "Key under which the scores were published.", True),
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("revision", "SMALLINT", "1, then one more for each restatement of D.", True),
        Column("publication_id", "INTEGER", "Publication that brought the row.", True),
        Column("crm_value", SHOWN, "CRM value, 0-100."),
        Column("satisfaction_score", SHOWN, "Satisfaction degree, 0-100."),
        Column("loyalty_degree_score", SHOWN, "Loyalty degree, 0-100."),
        Column("engagement_score", SHOWN, "Engagement degree, 0-100."),
        Column("advocacy_score", SHOWN, "Advocacy degree, 0-100."),
        Column("matrix_value_score", SHOWN, "Value axis of the matrix, 0-100."),
        Column("matrix_loyalty_score", SHOWN, "Loyalty axis of the matrix, 0-100."),
        Column("tier", "VARCHAR", "Tier of that date.", True),
        Column("quadrant", "VARCHAR", "Quadrant of that date.", True),
        Column("lifecycle_stage", "VARCHAR", "Stage of that date.", True),
        Column("profile", "VARCHAR", "Profile by which it was scored; NULL in rows of before "
                                     "this was kept, where the home has more than one."),
        Column("purchases_n", "INTEGER", "Orders that count as purchases, all time; NULL in rows "
                                         "of before this was kept."),
        *HELD_COLUMNS,
        Column("p_alive", "DECIMAL(7,6)", "Chance that the customer still was one, 0-1, as in "
               "customer_lifetime_values; NULL there, of no buyer, or of before this was kept."),
    ),
    ("customer_key", "as_of_date", "revision"),
)

SEGMENT_KPIS = Table(
    "segment_kpis",
    "One segment of one kind as of the publication's date; the segments of a kind partition the "
    "customers.",
    (
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("segment_kind", "VARCHAR", "all, quadrant, tier or lifecycle_stage.", True),
        Column("segment", "VARCHAR", "Name of the segment.", True),
        Column("customers_n", "BIGINT", "Customers in it.", True),
        Column("customers_share", "DECIMAL(9,6)", "Share of all customers, 0-1.", True),
        Column("net_revenue_amount", SUM, "Their net revenue, all time, base currency.", True),
        Column("mean_crm_value", SHOWN, "Mean CRM value of those who have one."),
        Column("mean_satisfaction_score", SHOWN, "Mean satisfaction degree."),
        Column("mean_loyalty_degree_score", SHOWN, "Mean loyalty degree."),
        Column("mean_engagement_score", SHOWN, "Mean engagement degree."),
        Column("mean_advocacy_score", SHOWN, "Mean advocacy degree."),
    ),
    ("segment_kind", "segment"),
)

CUSTOMER_IDS = Table(
    "customer_ids",
    "One non-personal id of a customer, in an export or listed by a customer record: the way back "
    "to the shop and its other systems.",
    (
        Column("customer_key", KEY, "Our id of one person or company.", True),
        Column("id_space", "VARCHAR", "Id space of the sources that share the id, or of the "
               "column that lists it (other_ids).", True),
        Column("source_customer_id", "VARCHAR", "The id as the exports write it.", True),
    ),
    ("id_space", "source_customer_id"),
)

CONTACTS_NOT_MERGED = Table(
    "contacts_not_merged",
    "One identity that joins nobody, because it has too many neighbours of one kind: a contact "
    "of many customers, an id that many customer records list, or a customer id with many "
    "contacts, or with many ids of one id space.",
    (
        Column("identity_id", KEY, "Its token; crm-value explain says what it is joined to, "
               "ignored_contacts of crm.yaml takes it.", True),
        Column("identity_kind", "VARCHAR", "account, email or phone.", True),
        Column("neighbours_kind", "VARCHAR", "Of what there are too many: account, email or "
               "phone.", True),
        Column("neighbours_n", "INTEGER", "How many.", True),
    ),
    ("identity_id", "neighbours_kind"),
)

CUSTOMER_KEY_CHANGES = Table(
    "customer_key_changes",
    "One change of a customer's key by a merge or an unmerge.",
    (
        Column("old_customer_key", KEY, "Key before.", True),
        Column("new_customer_key", KEY, "Key since.", True),
        Column("as_of_date", "DATE", "Business date D of the publication that changed it.", True),
        Column("publication_id", "INTEGER", "That publication.", True),
        Column("reason", "VARCHAR", "merge or unmerge.", True),
    ),
    ("old_customer_key", "new_customer_key", "publication_id"),
)

STRATEGIES = Table(
    "strategies",
    "One cell of the value x loyalty matrix with its traits and strategy.",
    (
        Column("quadrant", "VARCHAR", "Cell, as in customer_scores.quadrant.", True),
        Column("position", "INTEGER", "Order for display.", True),
        Column("name_en", "VARCHAR", "English name.", True),
        Column("name_zh", "VARCHAR", "Chinese name.", True),
        Column("traits_en", "VARCHAR", "Traits, English.", True),
        Column("traits_zh", "VARCHAR", "Traits, Chinese.", True),
        Column("strategy_en", "VARCHAR", "What to do, English.", True),
        Column("strategy_zh", "VARCHAR", "What to do, Chinese.", True),
    ),
    ("quadrant",),
)

SCORING_REFERENCE = Table(
    "scoring_reference",
    "One point of one item of a reference: curves, cuts, priors, gap, lifetime models, and the "
    "population it was fitted on by bins and labels. x and y are exact.",
    (
        Column("reference_id", "VARCHAR", "Reference.", True),
        Column("valid_from", "DATE", "First D that uses it; it was fitted as of that date.", True),
        Column("known_load_seq", "INTEGER", "K it was fitted with.", True),
        Column("config_hash", "VARCHAR", "Configuration it was fitted for.", True),
        Column("profile", "VARCHAR", "Profile it was fitted for.", True),
        Column("item_kind", "VARCHAR", "curve, cut, prior, gap, lifetime, bin or label.", True),
        Column("item", "VARCHAR", "Indicator, composite or instrument; parameter of a "
               "lifetime model, or why the profile has none of its own; kind:label.", True),
        Column("position", "INTEGER", "Order of the points of one item; bin 0 has those not "
               "measured.", True),
        Column("x", "DOUBLE", "Value of the indicator; quantile of a cut; k of a prior; what a "
               "lifetime model would have needed; least value of a bin.", False),
        Column("y", "DOUBLE", "Score of that value; cut point; mean of a prior; days; parameter, "
               "or what was found; customers in a bin or with a label.", False),
    ),
    ("reference_id", "profile", "item_kind", "item", "position"),
)

CONFIGURATIONS = Table(
    "configurations",
    "One configuration of measures that a publication used.",
    (
        Column("config_hash", "VARCHAR", "Hash of the canonical text.", True),
        Column("first_publication_id", "INTEGER", "First publication that used it.", True),
        Column("canonical_text", "VARCHAR", "What of crm.yaml touches measures, as JSON.", True),
    ),
    ("config_hash",),
)

PUBLICATION = Table(
    "publication",
    "One publication, with its six inputs. The current tables are those of the row that is "
    "current.",
    (
        Column("publication_id", "INTEGER", "Counts up; the number of one that was withdrawn is "
               "never used again.", True),
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("revision", "SMALLINT", "1, then one more for each restatement of D.", True),
        Column("is_current", "BOOLEAN", "The current tables are of this publication.", True),
        Column("candidate_id", "VARCHAR", "Hash of the six inputs.", True),
        Column("known_load_seq", "INTEGER", "K: the last load that counted.", True),
        Column("config_hash", "VARCHAR", "Configuration.", True),
        Column("reference_id", "VARCHAR", "Reference.", True),
        Column("method_version", "VARCHAR", "Version of the project's own arithmetic.", True),
        Column("previous_publication_id", "INTEGER", "0 before the first.", True),
        Column("is_backcast", "BOOLEAN", "D lies before the reference was valid.", True),
        Column("base_currency", "VARCHAR", "Currency of all amounts.", True),
        Column("time_zone", "VARCHAR", "Zone of all business dates.", True),
        Column("run_id", "VARCHAR", "Dagster run.", True, True),
        Column("staged_at", "TIMESTAMP", "UTC time at which the file was made.", True, True),
    ),
    ("publication_id",),
)

RECONCILIATION = Table(
    "reconciliation",
    "The law of rows and money for one source, and for orders and refunds one currency: "
    "read = loaded + repeated + rejected; loaded = current + superseded; "
    "current = counted + unattributed + excluded + held + after_date.",
    (
        Column("source", "VARCHAR", "Configured source.", True),
        Column("kind", "VARCHAR", "Kind of export.", True),
        Column("measure", "VARCHAR", "rows, or amount (orders: quantity x price - discount; "
                                     "refunds: the refund).", True),
        Column("currency", "VARCHAR", "Original currency of an amount; empty for rows.", True),
        Column("read", SUM, "In the files; NULL for amounts.", False),
        Column("repeated", SUM, "Known already; NULL for amounts.", False),
        Column("rejected", SUM, "Refused with a reason; NULL for amounts.", False),
        Column("loaded", SUM, "Appended to raw.", True),
        Column("superseded", SUM, "Replaced by a newer version.", True),
        Column("current", SUM, "Newest version.", True),
        Column("counted", SUM, "Of a customer, on or before D.", True),
        Column("unattributed", SUM, "Without a customer, on or before D.", True),
        Column("excluded", SUM, "Left out by a named rule.", True),
        Column("held", SUM, "Waiting for something missing, by a named reason.", True),
        Column("after_date", SUM, "Later than D.", True),
    ),
    ("source", "measure", "currency"),
)

QUALITY_RESULTS = Table(
    "quality_results",
    "One check of the gate on one candidate.",
    (
        Column("candidate_id", "VARCHAR", "Candidate that was audited.", True),
        Column("check_name", "VARCHAR", "Name of the check.", True),
        Column("table_name", "VARCHAR", "Table it reads.", True),
        Column("outcome", "VARCHAR", "passed, failed, not_evaluated or waived.", True),
        Column("severity", "VARCHAR", "error stops the publication, warning does not.", True),
        Column("failing_n", "BIGINT", "Rows at fault."),
        Column("message", "VARCHAR", "What, how many, a masked example, what to do.", True),
        Column("why", "VARCHAR", "Why the check exists.", True),
        Column("waived_reason", "VARCHAR", "Reason of a waiver, with the name of who gave it."),
    ),
    ("candidate_id", "check_name"),
)

PIPELINE_RUNS = Table(
    "pipeline_runs",
    "One run of the pipeline, failed ones too (live in status.duckdb).",
    (
        Column("run_id", "VARCHAR", "Dagster run.", True, True),
        Column("job_name", "VARCHAR", "Job.", True, True),
        Column("as_of_date", "DATE", "Business date D.", False, True),
        Column("outcome", "VARCHAR", "published, made_again, restored, refused or failed.", True,
               True),
        Column("candidate_id", "VARCHAR", "Candidate.", False, True),
        Column("publication_id", "INTEGER", "Publication it made.", False, True),
        Column("message", "VARCHAR", "Why it failed and what to do, or what came of making a "
               "publication again; empty when published.", True, True),
        Column("started_at", "TIMESTAMP", "UTC start.", True, True),
        Column("ended_at", "TIMESTAMP", "UTC end.", False, True),
    ),
    ("run_id",),
)

# Made by earlier stages in schema `night` of the build under the same name, and published as they
# stand there, in the order of their keys.
COPIED_TABLES = (
    CONTACTS_NOT_MERGED,
    ACCOUNT_SCORES,
    POPULATION_FIGURES,
    *LIFETIME_TABLES,
    *REFERENCE_TABLES,
    *FEEDBACK_TABLES,
)
# Replaced by every publication whose D is not older than the current one.
CURRENT_TABLES = (CUSTOMERS, CUSTOMER_SCORES, SEGMENT_KPIS, *SEGMENT_TABLES, CUSTOMER_IDS,
                  *COPIED_TABLES, CAMPAIGNS, STRATEGIES, RECONCILIATION, REJECTED_ROWS_SHOWN)
# Grown by every publication.
HISTORY_TABLES = (CUSTOMER_SCORE_HISTORY, SCORE_CHANGES, LABEL_HISTORY, LABEL_MIGRATIONS,
                  LABEL_STABILITY, POPULATION_FIGURE_HISTORY, CUSTOMER_KEY_CHANGES,
                  SCORING_REFERENCE, CONFIGURATIONS, PUBLICATION)
# Records of runs: they differ between two runs over the same six inputs.
RUN_TABLES = (QUALITY_RESULTS, PIPELINE_RUNS)
