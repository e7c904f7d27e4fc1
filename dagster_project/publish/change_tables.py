"""The published table of what changed since the previous publication.

How a difference is split says `docs/measures.md`; it is made by `changes/`.
"""

from __future__ import annotations

from dagster_project.engine.table import Column, Table

SCORE = "DECIMAL(7,4)"

# In the order in which the difference of two CRM values is split.
CAUSES = {
    "correction": "new knowledge about dates up to the earlier one",
    "identity": "merges and unmerges",
    "time": "the later date alone: events grow older and leave their windows",
    "behaviour": "events after the earlier date",
    "reference": "a new reference of the same configuration",
    "configuration": "another crm.yaml, with the reference fitted for it",
    "method": "another version of the project's own arithmetic",
}
CHANGE_KINDS = ("changed", "became_sufficient", "became_insufficient", "appeared", "vanished",
                "merged")
SPLIT_STATUSES = ("split", "no_value", "no_value_midway", "not_comparable")

SCORE_DIFFERENCES = Table(
    "score_changes",
    "One customer whose CRM value, tier, quadrant or lifecycle stage differs from the current "
    "tables before, and why.",
    (
        Column("customer_key", "UUID", "Key since; of who vanished or merged, the key before.",
               True),
        Column("as_of_date", "DATE", "Its business date D.", True),
        Column("compared_customer_key", "UUID", "Customer of the publication before that is "
               "compared with; NULL: appeared."),
        Column("compared_publication_id", "INTEGER", "Publication whose tables were current "
               "before.", True),
        Column("compared_date", "DATE", "Its business date.", True),
        Column("change_kind", "VARCHAR", "changed; became_sufficient or became_insufficient "
               "(there was, or is, no CRM value); appeared, vanished, or merged into another "
               "customer.", True),
        Column("split_status", "VARCHAR", "split; or why there are no parts: no_value (before or "
               "since), no_value_midway (one of the scorings between gives none), "
               "not_comparable (this version cannot score by the reference of before).", True),
        Column("old_crm_value", SCORE, "CRM value before."),
        Column("new_crm_value", SCORE, "CRM value since."),
        Column("crm_value_change", SCORE, "New less old, points; the sum of the seven parts."),
        *(Column(f"{cause}_change", SCORE, f"Part of it by {words}, points.")
          for cause, words in CAUSES.items()),
        Column("old_tier", "VARCHAR", "Tier before."),
        Column("new_tier", "VARCHAR", "Tier since."),
        Column("old_quadrant", "VARCHAR", "Quadrant before."),
        Column("new_quadrant", "VARCHAR", "Quadrant since."),
        Column("old_lifecycle_stage", "VARCHAR", "Stage before."),
        Column("new_lifecycle_stage", "VARCHAR", "Stage since."),
    ),
    ("customer_key",),
)

# Which publication shows them is known once it is staged.
_KEY, *_DIFFERENCE = SCORE_DIFFERENCES.columns
SCORE_CHANGES = Table(
    SCORE_DIFFERENCES.name,
    f"{SCORE_DIFFERENCES.grain.removesuffix('.')}; kept as long as daily history.",
    (
        _KEY,
        Column("publication_id", "INTEGER", "Publication that shows the change.", True),
        *_DIFFERENCE,
    ),
    ("customer_key", "publication_id"),
)
