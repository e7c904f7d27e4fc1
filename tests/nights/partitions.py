"""Every customer of a publication has one label of each kind, and the parts add up to the whole.

The words are written out here, so that a label nobody knows is found.
"""

from __future__ import annotations

from collections import Counter

from nights.homes import TrialHome

INSUFFICIENT = "insufficient_data"
STAGES = {"prospect", "first_purchase", "repeat", "loyal", "lapsing", "lost"}
QUADRANTS = {
    "high_value_high_loyalty", "high_value_low_loyalty", "low_value_high_loyalty",
    "low_value_low_loyalty", INSUFFICIENT,
}
LABELS = {
    "tier": {"high", "medium", "low", INSUFFICIENT},
    "quadrant": QUADRANTS,
    "lifecycle_stage": STAGES,
}
# What a label is cut from: without it the data are insufficient, and only then.
COMPOSITES = {"tier": ("crm_value",), "quadrant": ("matrix_value_score", "matrix_loyalty_score")}


def partition(home: TrialHome, column: str, table: str = "customer_scores") -> Counter[str]:
    """Customers by label; every customer of the publication is in exactly one part."""
    rows = home.query(f"select customer_key, {column} as label from crm.{table}")
    customers = {row["customer_key"] for row in home.query(
        "select customer_key from crm.customers")}
    assert len(rows) == len(customers) and {row["customer_key"] for row in rows} == customers
    counts = Counter(row["label"] for row in rows)
    assert sum(counts.values()) == len(customers) > 0
    return counts


def require_partitions(home: TrialHome) -> dict[str, Counter[str]]:
    """Labels, held labels, and what is published of their parts; the parts of each column."""
    parts: dict[str, Counter[str]] = {}
    for kind, words in LABELS.items():
        for column in (kind, f"{kind}_held"):
            parts[column] = partition(home, column)
            assert set(parts[column]) <= words, column
        _require_kpis(home, kind, parts[kind])
        _require_open_spans(home, kind)
    for kind, composites in COMPOSITES.items():
        missing = " or ".join(f"{name} is null" for name in composites)
        assert home.query(f"select customer_key from crm.customer_scores "
                          f"where ({kind} = '{INSUFFICIENT}') <> ({missing}) "
                          f"or ({kind}_held = '{INSUFFICIENT}') <> ({missing})") == []
    parts["profitability_quadrant"] = partition(home, "profitability_quadrant",
                                                "customer_profitability")
    parts["rfm_segment"] = partition(home, "rfm_segment", "customer_segments")
    return parts


def _require_kpis(home: TrialHome, kind: str, counts: Counter[str]) -> None:
    rows = home.query("select segment, customers_n, net_revenue_amount from crm.segment_kpis "
                      f"where segment_kind = '{kind}'")
    assert {row["segment"]: row["customers_n"] for row in rows if row["customers_n"]} == counts
    [whole] = home.query("select sum(net_revenue_amount) as amount from crm.customers")
    assert sum(row["net_revenue_amount"] or 0 for row in rows) == whole["amount"]


def _require_open_spans(home: TrialHome, kind: str) -> None:
    """The newest span of every customer has the held label of tonight."""
    assert home.query(
        f"select customer_key from (select customer_key, label from crm.label_history "
        f"where label_kind = '{kind}' and to_date is null) as spans "
        f"full outer join crm.customer_scores using (customer_key) "
        f"where label is distinct from {kind}_held") == []
