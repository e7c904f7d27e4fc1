"""Which customers make a segment, and the queries that count them.

Here belong the kinds of segment and what is counted of each. What the counts mean, and which are
too few to be shown, stands in `population.py`.
"""

from __future__ import annotations

# Kind of segment -> what names a customer's segment. Labels are the plain ones of the night.
SEGMENT_KINDS = {
    "all": "'all'",
    "quadrant": "scores.quadrant",
    "tier": "scores.tier",
    "lifecycle_stage": "scores.lifecycle_stage",
    "region": "coalesce(features.region, 'unknown')",
    "customer_type": "coalesce(features.customer_type, 'unknown')",
}


def _of_each_segment(measures: str, joined: str = "", groups: str = "") -> str:
    """A query of measures by segment, over every kind; sums are of counts and decimals."""
    selects = [
        f"select '{kind}' as segment_kind, {segment} as segment{groups}, {measures} "
        f"from night.customer_scores as scores "
        f"inner join marts.customer_features as features "
        f"on scores.customer_key = features.customer_key {joined} group by all"
        for kind, segment in SEGMENT_KINDS.items()
    ]
    return " union all ".join(selects)


def totals_query() -> str:
    """Customers and money by segment, as `population_figures` takes them; money as text."""
    bought, before = "features.window_purchases_n", "features.previous_window_purchases_n"
    counts = {
        "customers_n": "true", "buyers_n": f"{bought} > 0", "repeat_buyers_n": f"{bought} > 1",
        "previous_buyers_n": f"{before} > 0", "kept_buyers_n": f"{before} > 0 and {bought} > 0",
        "revenue_n": "features.window_net_revenue_amount is not null",
        "margin_n": "features.window_margin_amount is not null",
    }
    measures = [f"count(case when {condition} then 1 end) as {name}"
                for name, condition in counts.items()]
    measures += [f"cast(sum(features.window_{name}_amount) as varchar) as {name}"
                 for name in ("net_revenue", "margin")]
    return _of_each_segment(", ".join(measures))


def answers_query() -> str:
    """Customers by segment and by their newest answer to each instrument."""
    answer = "".join(f", answers.{name}" for name in (
        "instrument", "score", "scale_min", "scale_max", "direction"))
    return _of_each_segment(
        "count(*) as answers_n", groups=answer,
        joined="inner join marts.newest_answers as answers "
               "on scores.customer_key = answers.customer_key")
