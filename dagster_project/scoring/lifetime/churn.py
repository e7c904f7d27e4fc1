"""Which customers of high value are likely to leave, why, and what would be lost with them.

Input are rows of `customer_lifetime_values` joined with the quadrant, output `churn_warnings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd

from dagster_project.configuration import Configuration, quadrant_name
from dagster_project.scoring.exact import Real
from dagster_project.scoring.lifetime.values import AMOUNT_DECIMALS

LOW_LOYALTY = quadrant_name("high", "low")
HIGH_VALUE = (quadrant_name("high", "high"), LOW_LOYALTY)


def churn_warnings(batches: Iterable[pd.DataFrame], configuration: Configuration) -> pd.DataFrame:
    """The customers to look after first.

    A customer of high value is named when loyalty is low, or when the chance to be alive lies
    below the bound. Expected loss is (1 - p_alive) x margin_if_alive_amount: what a living
    customer would bring, by the chance that this one has left. They are ranked by it; those
    without one come after, by what they have brought so far; ties go by key.

    Args:
        batches: customers of high value, in any order: customer_key, as_of_date, quadrant,
            p_alive, margin_if_alive_amount, historic_margin_amount (text),
            days_since_last_purchase, typical_gap_days, days_overdue.
        configuration: the bound, and how many are named.

    Returns:
        The columns of `churn_warnings` in the order of rank, at most so many as configured.
        `attrs["customers_n"]` says how many fulfil the conditions.
    """
    rule = configuration.churn_warnings
    kept: list[pd.DataFrame] = []
    found = 0
    for batch in batches:
        p_alive = batch["p_alive"].to_numpy(np.float64)
        is_named = ((batch["quadrant"] == LOW_LOYALTY).to_numpy(bool)
                    | (p_alive < float(rule.p_alive_below)))
        found += int(is_named.sum())
        kept = [_first(pd.concat([*kept, batch[is_named]]), rule.maximum_customers)]
    named = kept[0] if kept else pd.DataFrame()
    rows = [_warning(rank, row, configuration)
            for rank, row in enumerate(_records(named), start=1)]
    # Python's own values, so that a column without any number is no other kind of column.
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    frame.attrs["customers_n"] = found
    return frame


COLUMNS = ("rank", "customer_key", "as_of_date", "quadrant", "reasons", "expected_loss_amount",
           "p_alive", "margin_if_alive_amount", "historic_margin_amount",
           "days_since_last_purchase", "typical_gap_days", "days_overdue", "words_en", "words_zh")


def _losses(rows: pd.DataFrame) -> Real:
    losses: Real = ((1 - rows["p_alive"].to_numpy(np.float64))
                    * rows["margin_if_alive_amount"].to_numpy(np.float64)).round(AMOUNT_DECIMALS)
    return losses


def _first(rows: pd.DataFrame, customers: int) -> pd.DataFrame:
    """The rows of the greatest expected loss, greatest first."""
    losses = _losses(rows)
    historic = pd.to_numeric(rows["historic_margin_amount"]).to_numpy(np.float64)
    order = np.lexsort((
        rows["customer_key"].to_numpy(str), -np.nan_to_num(historic, nan=-np.inf),
        -np.nan_to_num(losses, nan=-np.inf)))
    return rows.iloc[order[:customers]]


def _records(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    if rows.empty:
        return
    losses = _losses(rows).tolist()
    for record, loss in zip(rows.to_dict("records"), losses, strict=True):
        yield {**{str(name): None if pd.isna(value) else value for name, value in record.items()},
               "expected_loss_amount": None if np.isnan(loss) else loss}


def _warning(
    rank: int, row: Mapping[str, Any], configuration: Configuration
) -> dict[str, Any]:
    bound = float(configuration.churn_warnings.p_alive_below)
    facts: list[tuple[str, str, str]] = []
    if row["quadrant"] == LOW_LOYALTY:
        facts.append(("low_loyalty", "high value, low loyalty", "高价值低忠诚"))
    if row["p_alive"] is not None and row["p_alive"] < bound:
        chance, limit = _percent(row["p_alive"]), _percent(bound)
        facts.append(("p_alive_low",
                      f"still a customer with a chance of {chance} (below {limit})",
                      f"仍为客户的概率 {chance}(低于 {limit})"))
    if row["days_overdue"]:
        overdue, gap = int(row["days_overdue"]), f"{float(row['typical_gap_days']):g}"
        facts.append(("overdue",
                      f"{overdue} days overdue: a purchase about every {gap} days was usual",
                      f"逾期 {overdue} 天:通常约每 {gap} 天购买一次"))
    return {
        **{name: row[name] for name in COLUMNS if name in row}, "rank": rank,
        "reasons": ", ".join(key for key, _, _ in facts),
        "words_en": "; ".join(words for _, words, _ in facts),
        "words_zh": ";".join(words for _, _, words in facts),
    }


def _percent(share: float) -> str:
    percent = (Decimal(repr(share)) * 100).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
    return f"{percent.normalize():f} %"
