"""How far the population has moved from that of the reference, indicator by indicator.

Here belong the bins in which both are counted, the population stability index (PSI) over them, and
since when each indicator is observed, which is what most often moves it. When a new reference is
fitted stands in `customers/night.py`; how many customers have which label, in `label_shares.py`.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from dagster_project.configuration import Configuration, Indicator
from dagster_project.scoring.exact import MILLION, Real, Whole
from dagster_project.scoring.indicators import facts
from dagster_project.scoring.reference import Bins, Reference

DECILES = 10
PSI_DECIMALS = 6
# Rule of thumb of credit scoring (N. Siddiqi, Credit Risk Scorecards, Wiley 2006).
SHIFTED, DRIFTED = 0.1, 0.25
# Two random draws of so many customers from one population differ by a PSI of about 0.07 over a
# dozen bins: (bins - 1) x (1/n + 1/m). Fewer would raise alarms by chance.
ENOUGH_CUSTOMERS = 300


@dataclass(frozen=True)
class FirstDates:
    """Business date of the first row of each kind of fact up to D; None where there is none.

    Attributes:
        orders, costs, interactions: an order, an order with its cost, an interaction.
        answers: by instrument.
    """

    orders: datetime.date | None = None
    costs: datetime.date | None = None
    interactions: datetime.date | None = None
    answers: Mapping[str, datetime.date] = field(default_factory=dict)

    def of(self, indicator: Indicator) -> datetime.date | None:
        """Since when an indicator is observed; None for attributes, which have no date."""
        if indicator.kind == "mean_answer":
            return self.answers.get(indicator.instrument or "")
        if indicator.of == "interactions":
            return self.interactions
        if indicator.of == "orders":
            return self.costs if indicator.column == "margin" else self.orders
        return None


def fit_bins(values: Real, customers: Whole, not_measured: int) -> Bins:
    """The bins of a population: its deciles, nothing apart from something, ties kept whole.

    Args:
        values: distinct facts, rising.
        customers: how many have each.
        not_measured: how many have none.

    Returns:
        At most 23 bins. A fact that fills more than a decile has a bin of its own; where it is
        the least or the greatest, there is an empty bin beyond it.
    """
    total = int(customers.sum())
    if not total:
        return Bins(np.zeros(1), np.array([not_measured, 0], np.int64))
    ranks = [total * decile // DECILES for decile in range(1, DECILES)]
    at = np.searchsorted(np.cumsum(customers), ranks, side="right")
    heavy = np.flatnonzero(customers * DECILES > total)
    first_positive = np.searchsorted(values, 0, side="right")
    starts = np.unique(np.r_[0, at, heavy, heavy + 1, first_positive])
    starts = starts[starts < len(values)]
    lower, counted = values[starts], np.add.reduceat(customers, starts)
    if 0 in heavy:
        lower, counted = np.r_[np.nextafter(values[0], -np.inf), lower], np.r_[0, counted]
    if len(values) - 1 in heavy:
        lower, counted = np.r_[lower, np.nextafter(values[-1], np.inf)], np.r_[counted, 0]
    return Bins(lower, np.r_[not_measured, counted])


def customers_in(bins: Bins, values: Real) -> Whole:
    """How many facts lie in each bin, those not measured (NaN) first."""
    measured = values[~np.isnan(values)]
    positions = np.maximum(np.searchsorted(bins.lower, measured, side="right"), 1)
    counts = np.bincount(positions, minlength=len(bins.customers))
    counts[0] = len(values) - len(measured)
    return counts.astype(np.int64)


def psi(expected: Whole, actual: Whole) -> float:
    """Population stability index of two populations counted in the same bins.

    Args:
        expected: customers in each bin, of the reference.
        actual: customers in each bin, of tonight.

    Returns:
        Sum of (a - e) ln(a / e) over the shares of both, six decimals; NaN where one is empty.
        Half a customer is added to every bin, so that an empty one has a logarithm.
    """
    if not expected.sum() or not actual.sum():
        return float("nan")
    shares_e = (expected + 0.5) / (expected.sum() + 0.5 * len(expected))
    shares_a = (actual + 0.5) / (actual.sum() + 0.5 * len(actual))
    terms = (shares_a - shares_e) * np.log(shares_a / shares_e)
    return round(math.fsum(terms.tolist()), PSI_DECIMALS)


def status_of(index: float, reference_n: int, customers_n: int) -> str:
    """What an index means: stable, shifted, drifted, too_few or not_available."""
    if math.isnan(index):
        return "not_available"
    if min(reference_n, customers_n) < ENOUGH_CUSTOMERS:
        return "too_few"
    return "stable" if index < SHIFTED else "shifted" if index < DRIFTED else "drifted"


def filled_share(
    indicator: Indicator, observed_from: datetime.date | None, as_of_date: datetime.date
) -> float:
    """Share of the window, 0-1, on which the indicator was observed; NaN without a window."""
    window = indicator.window_days
    if window is None:
        return float("nan")
    if observed_from is None:
        return 0.0
    observed = min(window, max(0, (as_of_date - observed_from).days + 1))
    return (2 * observed * MILLION + window) // (2 * window) / MILLION


def reference_drift(
    population: Iterable[pd.DataFrame],
    reference: Reference,
    configuration: Configuration,
    first_dates: FirstDates,
    as_of_date: datetime.date,
) -> pd.DataFrame:
    """Table `reference_drift`: one row a profile and indicator.

    Args:
        population: batches of the population of tonight, with profile and the indicator values.
        reference: the reference of the night; one without bins gives `not_available`.
        configuration: the indicators.
        first_dates: up to D.
        as_of_date: D.
    """
    counted: dict[tuple[str, str], Whole] = {}
    for batch in population:
        for profile, rows in batch.groupby("profile", sort=True):
            for name in configuration.indicators:
                values = facts(rows, f"{name}__value")
                bins = reference.profile(str(profile)).bins.get(name, _NO_BINS)
                key = str(profile), name
                counts = customers_in(bins, values)
                counted[key] = counted[key] + counts if key in counted else counts
    frame = pd.DataFrame([
        {"as_of_date": as_of_date, "profile": profile, "indicator": name,
         **_compared(reference.profile(profile).bins.get(name), counted.get((profile, name))),
         "observed_from": (since := first_dates.of(configuration.indicators[name])),
         "window_filled_share": filled_share(
             configuration.indicator(profile, name), since, as_of_date)}
        for profile in configuration.profile_names
        for name in configuration.indicators
    ])
    # A type, also where no indicator has a date.
    return frame.astype({"observed_from": "datetime64[s]"})


_NO_BINS = Bins(np.zeros(1), np.zeros(2, np.int64))


def _compared(bins: Bins | None, counts: Whole | None) -> dict[str, object]:
    actual = np.zeros(2, np.int64) if counts is None else counts
    own = bins or _NO_BINS
    expected_n, actual_n = int(own.customers.sum()), int(actual.sum())
    index = float("nan") if counts is None else psi(own.customers, actual)
    return {
        "status": status_of(index, expected_n, actual_n), "psi": index,
        "bins_n": len(own.customers) if expected_n else None,
        "reference_customers_n": expected_n if bins else None,
        "customers_n": actual_n, "measured_n": actual_n - int(actual[0]),
    }
