"""Whether the scores of then foretold what customers did since: rows of `score_backtest`.

Here belong the figures and their intervals. Which date is judged, and what is read of it, stands
in `engine/earlier_nights.py` and `backtest_queries.py`. Pure pandas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dagster_project.configuration import PopulationFigures
from dagster_project.feedback.uplift import Numbers
from dagster_project.scoring.population import CONFIDENCE, DECIMALS, Z, share

ALL = "all"
PARTS_OF = {"crm_value_decile": "crm_value", "tier": "crm_value", "p_alive": "p_alive"}
VALUES = ["foretold", "value", "low", "high", "lift"]
COLUMNS = ["scored_date", "part_kind", "part", "figure", "status", "n", *VALUES]
TENTHS = 10


@dataclass(frozen=True)
class _Figure:
    """A figure of some customers; the interval is NaN for counts."""

    n: int
    value: float
    low: float = np.nan
    high: float = np.nan
    status: str = ""


def score_backtest(customers: pd.DataFrame, scored_date: date | None,
                   rules: PopulationFigures) -> pd.DataFrame:
    """Compare the scores of then with purchases and margin since.

    Args:
        customers: one row a customer scored then: is_followed (there is such a customer now),
            profile (by which it was scored), crm_value, p_alive (float, NaN: none), tier,
            purchases_then (NaN: not kept), purchases_since, margin_since (float, NaN: not known).
        scored_date: date of the scores; None: history has none that is old enough, and the rows
            say so.
        rules: from how many customers on a figure is shown.

    Returns:
        COLUMNS, sorted by part_kind, part and figure; values as text with six decimals.
    """
    if scored_date is None:
        nothing = [{"part_kind": ALL, "part": ALL, "figure": figure, "status": "no_history", "n": 0}
                   for figure in ("mean_margin", "rank_correlation_margin",
                                  "rank_correlation_retention", "retention")]
        return pd.DataFrame(nothing, columns=COLUMNS).astype({"n": int})
    followed = customers[customers["is_followed"]]
    # Sorted, so that sums are the same in whatever order the rows came.
    followed = followed.sort_values(["profile", "crm_value", "p_alive", "tier", "margin_since",
                                     "purchases_since", "purchases_then"], ignore_index=True)
    rows = [
        _row(ALL, ALL, "customers_scored", _Figure(len(customers), len(customers), status="ok")),
        _row(ALL, ALL, "customers_followed", _Figure(len(followed), len(followed), status="ok")),
        *_rank_correlations(followed, rules),
        *_parts(followed, rules),
    ]
    shown = pd.DataFrame(rows).assign(scored_date=scored_date)
    for name in VALUES:
        shown[name] = pd.Series([None if pd.isna(number) else f"{number:.{DECIMALS}f}"
                                 for number in shown[name]], dtype=object)
    return shown[COLUMNS].sort_values(["part_kind", "part", "figure"], ignore_index=True)


def decile(values: Numbers) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The tenth that each value is in, 1 the highest; equal values are in one, by their mid-rank.

    Args:
        values: shape (customers,), none missing.
    """
    above = len(values) - stats.rankdata(values) + 0.5
    return np.minimum(above * TENTHS // max(len(values), 1), TENTHS - 1).astype(np.int64) + 1


def rank_shares(values: pd.Series, profiles: pd.Series) -> Numbers:
    """Mid-rank of each value among those of its profile, 0-1; no two profiles are compared.

    Args:
        values: shape (customers,), none missing.
        profiles: of the same customers.
    """
    of_profile = values.groupby(profiles)
    return ((of_profile.rank() - 0.5) / of_profile.transform("size")).to_numpy(dtype=float)


def rank_correlation(first: Numbers, second: Numbers) -> tuple[float, float, float]:
    """Spearman's correlation with its 95 % interval.

    Fisher's transformation with the variance of Bonett, Wright (2000), Psychometrika 65:23.

    Args:
        first, second: shape (customers,), at least four; not all alike in either.
    """
    ranks = stats.rankdata(first), stats.rankdata(second)
    value = float(np.corrcoef(*ranks)[0, 1])
    # At -1 and 1 the transformation has no end.
    bound = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    half = Z * np.sqrt((1 + value**2 / 2) / (len(first) - 3))
    return value, float(np.tanh(bound - half)), float(np.tanh(bound + half))


def _rank_correlations(customers: pd.DataFrame,
                       rules: PopulationFigures) -> Iterator[dict[str, Any]]:
    for figure, since, asked in (
        ("rank_correlation_margin", "margin_since", customers[customers["margin_since"].notna()]),
        ("rank_correlation_retention", "has_bought", _buyers(customers)),
    ):
        scored = asked[asked["crm_value"].notna()]
        n = len(scored)
        if n < max(rules.minimum_n, 4) or (since == "margin_since"
                                           and not _knows_margin(customers)):
            yield _row(ALL, ALL, figure, _without(customers, since, n))
            continue
        pair = [rank_shares(scored[name], scored["profile"]) for name in ("crm_value", since)]
        if any(np.ptp(values) == 0 for values in pair):
            yield _row(ALL, ALL, figure, _Figure(n, np.nan, status="constant"))
        else:
            yield _row(ALL, ALL, figure,
                       _Figure(n, *rank_correlation(pair[0], pair[1]), _status(n, rules)))


def _parts(customers: pd.DataFrame, rules: PopulationFigures) -> Iterator[dict[str, Any]]:
    """Margin and retention of all and of each part; of parts by chance to be alive retention."""
    of_all = {"mean_margin": _mean_margin(customers, customers, rules),
              "retention": _retention(customers, rules)}
    for figure, found in of_all.items():
        yield _row(ALL, ALL, figure, found, foretold=customers["crm_value"].mean())
    scored = customers[customers["crm_value"].notna()]
    tenth = scored.groupby("profile")["crm_value"].transform(
        lambda values: decile(values.to_numpy(dtype=float)))
    tenths = scored.assign(part=[f"{one:02.0f}" for one in tenth])
    for kind, parted in (("crm_value_decile", tenths),
                         ("tier", customers.assign(part=customers["tier"]))):
        for part, members in parted.groupby("part"):
            foretold = members[PARTS_OF[kind]].mean()
            for figure, found in (("mean_margin", _mean_margin(members, customers, rules)),
                                  ("retention", _retention(members, rules))):
                yield _row(kind, str(part), figure, found, foretold, of_all[figure].value)
    alive = customers[customers["p_alive"].notna()]
    if alive.empty:
        yield _row("p_alive", ALL, "retention", _Figure(0, np.nan, status="not_kept"))
    by_chance = np.minimum(alive["p_alive"] * TENTHS // 1, TENTHS - 1).astype(int)
    for low, members in alive.groupby(by_chance):
        yield _row("p_alive", f"{low / TENTHS:.1f}-{(low + 1) / TENTHS:.1f}", "retention",
                   _retention(members, rules), members["p_alive"].mean(),
                   of_all["retention"].value)


def _buyers(customers: pd.DataFrame) -> pd.DataFrame:
    """Those who had bought by then, of whom alone it can be asked whether they came back."""
    had_bought = customers["purchases_then"].isna() | (customers["purchases_then"] > 0)
    return customers[had_bought].assign(
        has_bought=lambda buyers: (buyers["purchases_since"] > 0).astype(float))


def _retention(customers: pd.DataFrame, rules: PopulationFigures) -> _Figure:
    buyers = _buyers(customers)
    n = len(buyers)
    if n < rules.minimum_n:
        return _Figure(n, np.nan, status="suppressed")
    found = share([buyers["has_bought"].sum()], [n])
    return _Figure(n, found.value[0], found.low[0], found.high[0], _status(n, rules))


def _mean_margin(customers: pd.DataFrame, of_all: pd.DataFrame,
                 rules: PopulationFigures) -> _Figure:
    """Mean with Student's interval; who bought nothing since has a margin of 0."""
    margin = customers["margin_since"].dropna().to_numpy(dtype=float)
    n = len(margin)
    if n < rules.minimum_n or not _knows_margin(of_all):
        return _without(of_all, "margin_since", n)
    mean = float(margin.mean())
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * margin.std(ddof=1) / np.sqrt(n))
    return _Figure(n, mean, mean - half, mean + half, _status(n, rules))


def _knows_margin(customers: pd.DataFrame) -> bool:
    """Whether a margin is known of anybody who bought; else all known ones are those of nobody."""
    bought = customers["purchases_since"] > 0
    return not bought.any() or bool(customers.loc[bought, "margin_since"].notna().any())


def _without(customers: pd.DataFrame, since: str, n: int) -> _Figure:
    is_unknown = since == "margin_since" and not _knows_margin(customers)
    return _Figure(n, np.nan, status="no_margin" if is_unknown else "suppressed")


def _status(n: int, rules: PopulationFigures) -> str:
    return "few" if n < rules.few_n else "ok"


def _row(part_kind: str, part: str, figure: str, found: _Figure, foretold: float = np.nan,
         of_all: float = np.nan) -> dict[str, Any]:
    lift = found.value / of_all if of_all > 0 else np.nan
    return {"part_kind": part_kind, "part": part, "figure": figure, "status": found.status,
            "n": found.n, "foretold": np.nan if np.isnan(found.value) else foretold,
            "value": found.value, "low": found.low, "high": found.high, "lift": lift}
