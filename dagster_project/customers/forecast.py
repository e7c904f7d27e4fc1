"""What the gate would say of tonight's rejected and held rows, before a night is run.

Pure, on counts that a trial of the night found. The bounds are those of `config/home.yaml`; the
checks whose answer is forecast stand in `expectations/invariants/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import pandas as pd

from dagster_project.settings import GateSettings

NO_RATE = "no_rate"


def rejected_forecast(loads: pd.DataFrame, rejected: pd.DataFrame, gate: GateSettings,
                      own_bounds: Mapping[str, float]) -> Iterator[str]:
    """Sources of which too many rows are rejected tonight; a line each.

    Args:
        loads: source, rows_read_n; a row for each load that no publication knows yet.
        rejected: source, reason, repaired_load_seq of the rows that those loads rejected.
        gate: bounds of the home.
        own_bounds: source -> its own maximum_rejected_share.
    """
    is_no_fault = (rejected["reason"] == "left_out") | rejected["repaired_load_seq"].notna()
    no_faults = rejected[is_no_fault].groupby("source").size()
    for source, rejected_n in rejected[~is_no_fault].groupby("source").size().items():
        read_n = int(loads.loc[loads["source"] == source, "rows_read_n"].sum())
        read_n -= int(no_faults.get(source, 0))
        bound = _exact(own_bounds.get(str(source), gate.maximum_rejected_share))
        if rejected_n > gate.rejected_rows_tolerated and rejected_n > bound * read_n:
            yield (f"{source}: {rejected_n} of {read_n} rows would be rejected, over the bound of "
                   f"{bound:.1%} (maximum_rejected_share): the gate would stop the night")


def held_forecast(parts: pd.DataFrame, gate: GateSettings) -> Iterator[str]:
    """Sources of which too many rows are held; a line each.

    Args:
        parts: source, state, rows_n: current rows of orders and refunds by what became of them.
        gate: bounds of the home.
    """
    bound = _exact(gate.maximum_held_share)
    for source, of_source in parts.groupby("source", sort=True):
        held_n = int(of_source.loc[of_source["state"] == "held", "rows_n"].sum())
        current_n = int(of_source["rows_n"].sum())
        if held_n > bound * current_n:
            yield (f"{source}: {held_n} of {current_n} rows would be held, over the bound of "
                   f"{bound:.1%} (maximum_held_share): the gate would stop the night")


def _exact(share: float) -> Decimal:
    """A bound as it is written: the gate compares decimals."""
    return Decimal(str(share))


def currency_advice(orders: pd.DataFrame, base_currency: str) -> str | None:
    """What to do where every order waits for a rate: the home's currency is probably another.

    Args:
        orders: currency, is_unrated, orders_n of all orders.
        base_currency: of the home.

    Returns:
        One line; None where some order has its amount.
    """
    if orders.empty or not orders["is_unrated"].all():
        return None
    by_currency = orders.groupby("currency")["orders_n"].sum().sort_values(
        ascending=False, kind="stable")
    first = by_currency.index[0]
    if len(by_currency) == 1:
        return (f"All {by_currency.iloc[0]} orders are in {first}, and the base currency is "
                f"{base_currency}: set base_currency: {first} in config/crm.yaml, or deliver "
                f"the rates of {first} in an fx_rates export.")
    counted = ", ".join(f"{currency} {n}" for currency, n in by_currency.items())
    return (f"No order is in the base currency {base_currency} (orders: {counted}), and none has "
            f"a rate: set base_currency: {first} in config/crm.yaml and deliver the rates of the "
            f"others in an fx_rates export, or deliver the rates of all.")
