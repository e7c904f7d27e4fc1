"""The tables Python writes into schema `night` of the build, read by dbt as sources.

They hold one night at a time. The facts and features that dbt makes of them are declared in
`dbt/models/**/*.yml`.
"""

from __future__ import annotations

from dagster_project.engine.table import Column, Table
from dagster_project.publish.tables import CONTACTS_NOT_MERGED

NIGHT_INPUTS = Table(
    "night_inputs",
    "One row: the six inputs of the night that the build holds.",
    (
        Column("candidate_id", "VARCHAR", "Hash of the six inputs.", True),
        Column("as_of_date", "DATE", "Business date D; everything later is left out.", True),
        Column("known_load_seq", "INTEGER", "K: the last load that counts.", True),
        Column("config_hash", "VARCHAR", "Hash of what in crm.yaml touches measures.", True),
        Column("reference_id", "VARCHAR", "Reference that turns facts into scores.", True),
        Column("method_version", "VARCHAR", "Version of the project's own arithmetic.", True),
        Column("previous_publication_id", "INTEGER", "0 before the first publication.", True),
        Column("is_backcast", "BOOLEAN", "D lies before the reference was valid.", True),
        Column("is_new_reference", "BOOLEAN", "This night fits the reference as of D."),
        Column("replay_of_publication_id", "INTEGER", "Publication that is replayed; NULL: none."),
    ),
    ("candidate_id",),
)

CUSTOMER_MAP = Table(
    "customer_map",
    "One identity that an edge known on D joins to others, or a listed id that a rule keeps from "
    "it, which stands alone under its own key; identities without an edge are absent and are "
    "their own customer.",
    (
        Column("identity_id", "UUID", "Token of an id, an e-mail address or a phone number.", True),
        Column("customer_key", "UUID", "Representative identity of the person or company.", True),
    ),
    ("identity_id",),
)

DECAY_WEIGHTS = Table(
    "decay_weights",
    "Weight of an event by its age, for each half-life in use: integers, so that sums are exact.",
    (
        Column("half_life_days", "INTEGER", "Days in which the weight halves.", True),
        Column("age_days", "INTEGER", "D minus the event's business date.", True),
        Column("weight_millionths", "BIGINT", "Weight x 1,000,000.", True),
    ),
    ("half_life_days", "age_days"),
)

IDENTITY_EDGES = Table(
    "identity_edges",
    "One reason to take two identities for one customer: a row that names both.",
    (
        Column("identity_id", "UUID", "Token of the identity of the row.", True),
        Column("identity_kind", "VARCHAR", "account, email or phone.", True),
        Column("contact_identity_id", "UUID", "Token of the e-mail address, the phone, or the id "
                                              "that a customer record lists.", True),
        Column("contact_space", "VARCHAR", "Its id space; email, phone.", True),
        Column("contact_is_identity", "BOOLEAN", "Rows belong to the contact itself.", True),
        Column("edge_date", "DATE", "Business date of the first record that shows it.", True),
        Column("source", "VARCHAR", "Configured source.", True),
        Column("reason", "VARCHAR", "same_email, same_phone or same_customer_record.", True),
        Column("cut_by", "VARCHAR", "Rule that keeps the edge from joining: shared_contact, "
                                    "ignored_contact or never_merge; NULL: it joins."),
    ),
    ("identity_id", "contact_identity_id", "source", "reason"),
)

EXCLUDED_IDENTITIES = Table(
    "excluded_identities",
    "One identity that crm.yaml leaves out by list.",
    (
        Column("identity_id", "UUID", "Token of one id of one id space.", True),
        Column("rule", "VARCHAR", "Name of the rule, as it appears in the law of rows.", True),
    ),
    ("identity_id",),
)

KEY_CHANGES = Table(
    "key_changes",
    "One customer_key some of whose identities stand under another since the tables that are "
    "current; made beside the changes of scores.",
    (
        Column("old_customer_key", "UUID", "Key before.", True),
        Column("new_customer_key", "UUID", "Key since.", True),
        Column("reason", "VARCHAR", "merge: the old key is gone; unmerge: a part left it.", True),
    ),
    ("old_customer_key", "new_customer_key"),
)

NIGHT_TABLES = (NIGHT_INPUTS, IDENTITY_EDGES, CUSTOMER_MAP, CONTACTS_NOT_MERGED, DECAY_WEIGHTS,
                EXCLUDED_IDENTITIES)
