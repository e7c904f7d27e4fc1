"""What chance decides everywhere in the same way: one of several words, a day, a time of day.

The shop's busy months, weekdays and hours are here; what happens then is not.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dagster_project.sample.deliveries import Ints, Span

SECONDS_A_DAY = 86_400

# Share of the events in each hour from 06:00 to 21:59. Nothing happens at night: every zone
# moves its clocks then, and a local time that does not exist could not be read back.
FIRST_HOUR = 6
HOURLY = np.array([1, 2, 3, 4, 5, 6, 7, 6, 5, 5, 5, 6, 7, 9, 10, 8], dtype=np.float64)
# Monday to Sunday.
WEEKDAY = np.array([0.90, 0.88, 0.92, 0.95, 1.05, 1.20, 1.15])
YEARLY_SWING = 0.30
PEAK_DAY_OF_YEAR = 325


@lru_cache(maxsize=4)
def _cumulated_weight(start_epoch_day: int, days: int) -> NDArray[np.float64]:
    """Weight of all days before each day, shape (days + 1,)."""
    epoch_days = start_epoch_day + np.arange(days)
    weekday = (epoch_days + 3) % 7
    # The year's length is enough of a calendar for a wave.
    phase = 2 * np.pi * ((epoch_days % 365.25) - PEAK_DAY_OF_YEAR) / 365.25
    weights = WEEKDAY[weekday] * (1 + YEARLY_SWING * np.cos(phase))
    return np.concatenate([[0.0], np.cumsum(weights)])


def choose(rng: np.random.Generator, shares: NDArray[np.float64], count: int) -> Ints:
    """Indices drawn with the given shares, shape (count,)."""
    bounds = np.cumsum(shares)[:-1] / shares.sum()
    return np.searchsorted(bounds, rng.random(count), side="right")


def draw_days(rng: np.random.Generator, first_day: Ints, last_day: Ints, span: Span) -> Ints:
    """One day between first and last, inclusive, for each element, busy days more often."""
    cumulated = _cumulated_weight(span.start_epoch_day, span.days)
    low, high = cumulated[first_day], cumulated[last_day + 1]
    drawn = low + rng.random(len(low)) * (high - low)
    days = np.searchsorted(cumulated, drawn, side="right") - 1
    # Rounding may put a draw on the very end of its interval.
    return np.clip(days, first_day, last_day)


def draw_times(rng: np.random.Generator, day: Ints, span: Span) -> Ints:
    """A local time on each day, in seconds since 1970-01-01 00:00 local."""
    hour = FIRST_HOUR + choose(rng, HOURLY, len(day))
    return (
        (span.start_epoch_day + day) * SECONDS_A_DAY
        + hour * 3600
        + rng.integers(0, 3600, len(day))
    )
