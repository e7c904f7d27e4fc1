"""Currencies of the shop and their invented rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dagster_project.sample.arrow_columns import dates, decimals, words
from dagster_project.sample.deliveries import Ints, Span

# Rough worth in one common unit (yuan); a currency that is not listed is taken as 1.
WORTH = {"CNY": 1.0, "EUR": 7.8, "GBP": 9.1, "HKD": 0.91, "JPY": 0.048, "USD": 7.1}
FOREIGN = ("USD", "EUR", "GBP", "CNY")
RATE_SCALE = 6


@dataclass(frozen=True)
class Currencies:
    """The currencies of a sample.

    Attributes:
        base: currency of the home.
        foreign: two currencies in which some orders are paid.
        late: a third, only in orders whose rate comes a night late.
    """

    base: str
    foreign: tuple[str, str]
    late: str

    @property
    def of_orders(self) -> tuple[str, str, str]:
        """Base and foreign currencies, as orders number them."""
        return (self.base, *self.foreign)

    @property
    def rated(self) -> tuple[str, str, str]:
        """Currencies with a rate."""
        return (*self.foreign, self.late)


def currencies_of(base: str) -> Currencies:
    """Currencies of a shop that reckons in `base`."""
    first, second, late = [code for code in FOREIGN if code != base][:3]
    return Currencies(base, (first, second), late)


def worth(code: str) -> float:
    """Rough worth of one unit, in the common unit of WORTH."""
    return WORTH.get(code, 1.0)


def rates_table(
    rng: np.random.Generator, currencies: Currencies, span: Span, late_day: int | None
) -> tuple[pa.Table, Ints]:
    """A rate for each currency on every day: base units for one unit, a slow random walk.

    Args:
        rng: source of the walk.
        currencies: what is rated.
        span: the days.
        late_day: day whose rate of the late currency comes with the next day's delivery.

    Returns:
        The rows and the number of the delivery of each, ascending, shape (rows,).
    """
    codes = currencies.rated
    walk = np.cumsum(rng.normal(0.0, 0.003, (span.days, len(codes))), axis=0)
    # Drawn back to the middle, so that long spans stay believable.
    level = np.array([worth(code) / worth(currencies.base) for code in codes])
    units = np.rint(level * np.exp(0.1 * np.tanh(walk / 0.1)) * 10**RATE_SCALE).astype(np.int64)
    day = np.repeat(np.arange(span.days), len(codes))
    code = np.tile(np.arange(len(codes)), span.days)
    units = np.maximum(units.reshape(-1), 1)
    delivered_day = day.copy()
    if late_day is not None:
        delivered_day[(day == late_day) & (code == codes.index(currencies.late))] += 1
    delivery = span.delivery_of_day[delivered_day]
    order = np.argsort(delivery, kind="stable")
    table = pa.table({
        "date": dates(span.start_epoch_day + day[order]),
        "currency": words(code[order], codes),
        "rate": decimals(units[order], RATE_SCALE),
    })
    return table, delivery[order]
