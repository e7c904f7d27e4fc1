"""The published tables of labels over time, and the columns of held labels.

What a held label is says `docs/measures.md`; how it is computed, `scoring/held_labels.py`.
"""

from __future__ import annotations

from dagster_project.engine.table import Column, Table

SHARE = "DECIMAL(9,6)"
_KIND = Column("label_kind", "VARCHAR", "tier, quadrant or lifecycle_stage.", True)
_IS_HELD = Column("is_held", "BOOLEAN", "true: of the held labels; false: of the plain ones.",
                  True)

HELD_COLUMNS = (
    Column("tier_held", "VARCHAR",
           "Tier that changes only when crm_value passes its cut by a margin.", True),
    Column("quadrant_held", "VARCHAR",
           "Quadrant that changes only when an axis passes its cut by a margin.", True),
    Column("lifecycle_stage_held", "VARCHAR",
           "Stage that becomes or stops being loyal only when loyalty_degree_score passes its "
           "bound by a margin.", True),
)

LABEL_HISTORY = Table(
    "label_history",
    "One span of time in which a customer had one held label.",
    (
        Column("customer_key", "UUID", "Key under which the labels were published.", True),
        _KIND,
        Column("label", "VARCHAR", "The held label.", True),
        Column("from_date", "DATE", "First published D with it.", True),
        Column("to_date", "DATE", "Last published D with it; NULL: the newest D has it."),
    ),
    ("customer_key", "label_kind", "from_date"),
)

LABEL_MIGRATIONS = Table(
    "label_migrations",
    "One way from label to label between one date and the published date before it; those who "
    "stay are counted too, so that the rows of a date add up to the customers of both.",
    (
        Column("as_of_date", "DATE", "Business date D.", True),
        Column("previous_date", "DATE", "The date before that history held; NULL: there was "
                                        "none."),
        _KIND,
        _IS_HELD,
        Column("from_label", "VARCHAR", "Label of the date before, or appeared.", True),
        Column("to_label", "VARCHAR", "Label of D, or vanished.", True),
        Column("customers_n", "BIGINT", "Customers who went this way.", True),
    ),
    ("as_of_date", "label_kind", "is_held", "from_label", "to_label"),
)

QUADRANT_MIGRATIONS = Table(
    "quadrant_migrations",
    "The ways between quadrants: `label_migrations` of that kind. A view.",
    tuple(
        {"from_label": Column("from_quadrant", "VARCHAR",
                              "Quadrant of the date before, or appeared.", True),
         "to_label": Column("to_quadrant", "VARCHAR", "Quadrant of D, or vanished.", True),
         }.get(column.name, column)
        for column in LABEL_MIGRATIONS.columns if column is not _KIND
    ),
    ("as_of_date", "is_held", "from_quadrant", "to_quadrant"),
)

LABEL_STABILITY = Table(
    "label_stability",
    "One kind of label on one date, held or plain: how many customers left a label and came back "
    "to it within seven days.",
    (
        Column("as_of_date", "DATE", "Business date D.", True),
        _KIND,
        _IS_HELD,
        Column("nights_n", "INTEGER", "Published dates from D - 7 to D that were looked at.", True),
        Column("customers_n", "BIGINT", "Customers of D.", True),
        Column("flipped_back_n", "BIGINT",
               "Those who in these nights left a label and came back to it.", True),
        Column("flipped_back_share", SHARE, "Their share, 0-1."),
    ),
    ("as_of_date", "label_kind", "is_held"),
)
