"""What the models say of each customer: chance to be alive, purchases and margin, rhythm.

Input are batches of `customer_purchase_summaries`, output the rows of `customer_lifetime_values`.
The models themselves stand in `purchase_model.py` and `margin_model.py`.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.configuration import Configuration, LifetimeValue
from dagster_project.scoring.exact import Mask, Real
from dagster_project.scoring.lifetime.reference import LifetimeReference, margins_of
from dagster_project.scoring.reference import ProfileReference, Reference

HISTORIC = "historic"
MONTH_DAYS = 365 / 12
SHARE_DECIMALS = 6
AMOUNT_DECIMALS = 4

# Keys in column reasons, in this order.
REASONS = (
    "no_purchase_model",          # only the past is known; the reference says why
    "purchase_model_of_all",      # the profile had too little data for one of its own
    "p_alive_unknown",            # bg_nbd says 1 to all who bought once
    "no_margin_model",            # purchases are expected, their margin is not
    "margin_model_of_all",        # the profile had too little data for one of its own
    "margin_of_population",       # nothing is known of this customer's margins
    "loss_counts_as_zero",        # own mean margin below zero
    "no_typical_gap",             # nobody bought twice
)


def month_ends(horizon_days: int) -> Real:
    """Days from now at which the months of a horizon end; the last may be shorter."""
    months = math.ceil(horizon_days / MONTH_DAYS - 1e-9)
    return np.minimum(np.arange(1, months + 1) * MONTH_DAYS, float(horizon_days))


def discounts(ends: Real, annual_rate: float) -> Real:
    """What one unit of money at the end of each month is worth today."""
    factors: Real = (1 + annual_rate) ** (-ends / 365)
    return factors


def discounted_purchases(by_end: Real, factors: Real) -> Real:
    """Expected purchases, each discounted from the end of its month.

    Args:
        by_end: one row a customer: expected purchases until the end of each month.
        factors: of each month.
    """
    total: Real = (np.diff(by_end, axis=1, prepend=0.0).clip(min=0) * factors).sum(axis=1)
    return total


def lifetime_values(
    summaries: pd.DataFrame, reference: Reference, configuration: Configuration,
    as_of_date: datetime.date,
) -> pd.DataFrame:
    """The lifetime values of a batch of customers.

    Args:
        summaries: one row a customer with a purchase: customer_key, profile, purchase_days_n,
            recency_days, age_days, median_gap_days, margin_purchase_days_n,
            purchase_margin_amount, and historic_margin_amount as text, which is handed on.
        reference: models and gaps of all profiles in the batch.
        configuration: horizon and discount rate.
        as_of_date: D.

    Returns:
        The columns of `customer_lifetime_values`, one row for each row, in the same order.
        Numbers that nothing is known of are NaN, and reasons says why.
    """
    parts = [
        _of_profile(rows, reference.profile(str(profile)), configuration.lifetime_value,
                    as_of_date)
        for profile, rows in summaries.groupby("profile", sort=True)
    ]
    return pd.concat(parts).loc[summaries.index] if parts else summaries.iloc[:0]


def _of_profile(
    rows: pd.DataFrame, own: ProfileReference, rule: LifetimeValue, as_of_date: datetime.date
) -> pd.DataFrame:
    models = own.lifetime
    days, recency, age = (rows[name].to_numpy(np.float64)
                          for name in ("purchase_days_n", "recency_days", "age_days"))
    margin_days, mean_margin = margins_of(rows)
    gap, next_days = _rhythm(rows["median_gap_days"].to_numpy(np.float64), own.gap_days)
    until_next = next_days - (age - recency)
    columns = {
        "customer_key": rows["customer_key"],
        "as_of_date": as_of_date,
        "profile": rows["profile"],
        "method": models.purchases.name if models.purchases else HISTORIC,
        "purchase_days_n": days.astype(np.int64),
        "recency_days": recency.astype(np.int64),
        "age_days": age.astype(np.int64),
        **_expected(days - 1, recency, age, margin_days, mean_margin, models, rule),
        "historic_margin_amount": rows["historic_margin_amount"],
        "margin_purchase_days_n": margin_days.astype(np.int64),
        "typical_gap_days": gap,
        "typical_gap_source": _gap_sources(rows["median_gap_days"].isna().to_numpy(), gap),
        "expected_next_purchase_date": _dates(as_of_date, until_next),
        "days_overdue": np.where(np.isnan(gap), np.nan, np.maximum(-until_next, 0)),
        "reasons": _reasons([
            _all_or_none(models.purchases is None, rows),
            _all_or_none(bool(models.purchases and models.purchase_shortfall), rows),
            (days == 1) & (models.purchases is not None and models.purchases.name == "bg_nbd"),
            _all_or_none(bool(models.purchases and models.margins is None), rows),
            _all_or_none(bool(models.purchases and models.margins and models.margin_shortfall),
                         rows),
            (margin_days == 0) & bool(models.purchases and models.margins),
            (mean_margin < 0) & bool(models.purchases and models.margins),
            np.isnan(gap),
        ]),
    }
    return pd.DataFrame(columns, index=rows.index)


def _expected(
    repeats: Real, recency: Real, age: Real, margin_days: Real, mean_margin: Real,
    models: LifetimeReference, rule: LifetimeValue,
) -> dict[str, Real]:
    """Everything that needs a model; NaN where there is none."""
    unknown = np.full(len(repeats), np.nan)
    p_alive = shown_p_alive = purchases = discounted = margin = weight = unknown
    if models.purchases is not None:
        ends = month_ends(rule.horizon_days)
        p_alive = shown_p_alive = models.purchases.p_alive(repeats, recency, age)
        if models.purchases.name == "bg_nbd":
            shown_p_alive = np.where(repeats > 0, p_alive, np.nan)
        by_end = models.purchases.purchases_if_alive(repeats, age, ends)
        purchases = by_end[:, -1] * p_alive
        discounted = discounted_purchases(
            by_end, discounts(ends, float(rule.annual_discount_rate)))
        if models.margins is not None:
            known = np.where(margin_days > 0, mean_margin, 0.0)
            margin = models.margins.margin_per_purchase(margin_days, known)
            weight = models.margins.own_weight(margin_days)
    return {
        "p_alive": shown_p_alive.round(SHARE_DECIMALS),
        "expected_purchases": purchases.round(SHARE_DECIMALS),
        "expected_margin_per_purchase_amount": margin.round(AMOUNT_DECIMALS),
        "margin_own_weight": weight.round(SHARE_DECIMALS),
        "margin_if_alive_amount": (discounted * margin).round(AMOUNT_DECIMALS),
        "expected_margin_amount": (p_alive * discounted * margin).round(AMOUNT_DECIMALS),
    }


def _rhythm(own_gaps: Real, population_gap: float) -> tuple[Real, Real]:
    """Typical gap of each customer, one decimal, and the same in whole days (half up)."""
    gap = np.where(np.isnan(own_gaps), population_gap, own_gaps)
    gap = np.floor(gap * 10 + 0.5) / 10
    return gap, np.floor(gap + 0.5)


def _gap_sources(is_not_own: Mask, gap: Real) -> npt.NDArray[np.object_]:
    sources = np.full(len(gap), "own", dtype=object)
    sources[is_not_own] = "population"
    sources[np.isnan(gap)] = None
    return sources


def _dates(as_of_date: datetime.date, days: Real) -> npt.NDArray[np.datetime64]:
    """Dates so many days from D; NaT where there is no number."""
    known = ~np.isnan(days)
    dates = np.full(len(days), np.datetime64("NaT", "s"))
    dates[known] = (np.datetime64(as_of_date)
                    + days[known].astype(np.int64).astype("timedelta64[D]"))
    return dates


def _all_or_none(is_so: bool, rows: pd.DataFrame) -> Mask:
    return np.full(len(rows), is_so)


def _reasons(flags: Sequence[Mask]) -> npt.NDArray[np.object_]:
    """Keys of the reasons that hold, joined; None without any."""
    code = np.zeros(len(flags[0]), np.int64)
    for position, flag in enumerate(flags):
        code |= flag.astype(np.int64) << position
    texts = {
        value: ", ".join(name for position, name in enumerate(REASONS) if value >> position & 1)
        or None
        for value in np.unique(code).tolist()
    }
    reasons = np.full(len(code), None, dtype=object)
    for value, text in texts.items():
        reasons[code == value] = text
    return reasons
