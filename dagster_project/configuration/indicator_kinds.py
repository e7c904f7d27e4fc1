"""The closed catalogue of kinds of indicators: what each measures, and the keys it takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KindRule:
    """What belongs to a kind of indicator."""

    of: tuple[str, ...]
    absent: tuple[str, ...]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_ZERO_FIRST = ("zero", "missing", "zero_if_contact")
KIND_RULES: dict[str, KindRule] = {
    "sum": KindRule(("orders", "interactions"), _ZERO_FIRST, ("column",),
                     ("window_days", "types", "channels")),
    "count": KindRule(("orders", "interactions"), _ZERO_FIRST, (),
                       ("window_days", "types", "channels", "skip_first")),
    "decayed_count": KindRule(("orders", "interactions"), _ZERO_FIRST, ("half_life_days",),
                               ("window_days", "types", "channels")),
    "days_since": KindRule(("orders", "interactions"), ("missing",), (),
                            ("types", "channels")),
    "active_share": KindRule(("orders",), ("missing",), ("period_days",),
                              ("minimum_age_days",)),
    "mean_answer": KindRule(("surveys",), ("missing",), ("instrument",),
                             ("window_days", "half_life_days")),
    "attribute": KindRule(("customers",), ("missing", "zero"), ("column",)),
}
OPTIONS = ("column", "types", "channels", "instrument", "window_days", "half_life_days",
            "skip_first", "period_days", "minimum_age_days")
COLUMNS = {
    "orders": ("net_revenue", "margin", "quantity"),
    "interactions": ("duration_seconds", "completion", "cost"),
}
SCORE_OPTIONS = {"percentile": ("better",), "threshold": ("points",), "survey": ("k",)}
