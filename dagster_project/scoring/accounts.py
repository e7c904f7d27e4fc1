"""From people to accounts: the scores of a company from those of its people, by a stated rule.

Here belongs the arithmetic of the roll-up. Which customer belongs to which account says the
customer export; how people are scored stands in `score.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd

from dagster_project.configuration import REQUIRED_COMPOSITES, Configuration
from dagster_project.scoring.exact import MILLION, NOT_MEASURED, POINT, Whole, scaled, shown
from dagster_project.scoring.labels import QUADRANT_NAMES, TIER_NAMES, quadrants, tiers
from dagster_project.scoring.reference import Reference


@dataclass(frozen=True)
class _Account:
    """One account while it is worked out; units as in `exact.py`."""

    account_id: str
    profile: str
    customers_n: int
    scored_customers_n: int
    revenue: int
    coverage: int
    units: Mapping[str, int]


def account_members_query() -> str:
    """Everyone who belongs to an account; scores and revenue as whole ten-thousandths."""
    composites = ", ".join(f"cast(scores.{name} * {POINT} as bigint) as {name}"
                           for name in REQUIRED_COMPOSITES)
    return (
        "select features.account_id, scores.as_of_date, scores.profile, "
        f"cast(features.net_revenue_amount * {POINT} as bigint) as net_revenue, {composites} "
        "from night.customer_scores as scores "
        "inner join marts.customer_features as features "
        "on scores.customer_key = features.customer_key "
        "where features.account_id is not null order by features.account_id"
    )


def roll_up(members: pd.DataFrame, reference: Reference,
            configuration: Configuration) -> pd.DataFrame:
    """Table `account_scores` from the people of the accounts.

    Args:
        members: columns of `account_members_query`, one row a customer, in any order.
        reference: whose cuts make the labels.
        configuration: the rule, the least coverage, the order of profiles.

    Returns:
        One row an account, by account_id. A composite is the mean of the members that have it,
        weighed by net revenue of all time (`spend_weighted_mean`; refunded more than bought
        counts 0, and where nobody has spent all count alike), the plain `mean`, or the
        `highest`. Whole numbers are summed, so the order of rows does not matter.
    """
    accounts = [_account(str(account_id), rows, configuration)
                for account_id, rows in members.groupby("account_id", sort=True)]
    units = {name: np.array([account.units[name] for account in accounts], np.int64)
             for name in REQUIRED_COMPOSITES}
    profiles = [account.profile for account in accounts]
    frame = pd.DataFrame({
        "account_id": [account.account_id for account in accounts],
        "as_of_date": members["as_of_date"].iloc[0] if accounts else None,
        "profile": profiles,
        "customers_n": [account.customers_n for account in accounts],
        "scored_customers_n": [account.scored_customers_n for account in accounts],
        # Money never becomes a float.
        "net_revenue_amount": [Decimal(account.revenue).scaleb(-4) for account in accounts],
        "coverage_share": [account.coverage / MILLION for account in accounts],
        **{name: shown(values) for name, values in units.items()},
    })
    labels = _labels(units, profiles, reference, configuration)
    return frame.assign(tier=labels[0], quadrant=labels[1])


def _account(account_id: str, rows: pd.DataFrame, configuration: Configuration) -> _Account:
    revenue = [int(value) for value in rows["net_revenue"]]
    rule = configuration.accounts.rule
    weights = [max(value, 0) for value in revenue] if rule == "spend_weighted_mean" else []
    weights = weights if any(weights) else [1] * len(rows)
    scores = {name: _whole(rows[name]) for name in REQUIRED_COMPOSITES}
    has_value = [value is not None for value in scores["crm_value"]]
    covered = sum(weight for weight, has in zip(weights, has_value, strict=True) if has)
    coverage = _half_up(covered * MILLION, sum(weights))
    is_covered = coverage >= scaled(configuration.min_coverage, MILLION)
    units = {
        name: _combined(values, weights, rule) if is_covered else NOT_MEASURED
        for name, values in scores.items()
    }
    return _Account(account_id, _profile(rows["profile"], weights, configuration), len(rows),
                    sum(has_value), sum(revenue), coverage, units)


def _whole(values: pd.Series) -> list[int | None]:
    return [None if pd.isna(value) else int(value) for value in values]


def _combined(values: Sequence[int | None], weights: Sequence[int], rule: str) -> int:
    measured = [(value, weight) for value, weight in zip(values, weights, strict=True)
                if value is not None]
    if not measured:
        return NOT_MEASURED
    if rule == "highest":
        return max(value for value, _ in measured)
    if not any(weight for _, weight in measured):
        measured = [(value, 1) for value, _ in measured]
    return _half_up(sum(value * weight for value, weight in measured),
                    sum(weight for _, weight in measured))


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _profile(profiles: pd.Series, weights: Sequence[int], configuration: Configuration) -> str:
    """The profile with the most weight; of equal ones that which crm.yaml names first."""
    totals = dict.fromkeys(configuration.profile_names, 0)
    for profile, weight in zip(profiles, weights, strict=True):
        totals[str(profile)] += weight
    return max(totals, key=lambda name: totals[name])


def _labels(units: Mapping[str, Whole], profiles: Sequence[str], reference: Reference,
            configuration: Configuration) -> tuple[list[str], list[str]]:
    """Tier and quadrant of each account, by the cuts of its profile."""
    tier, quadrant = [""] * len(profiles), [""] * len(profiles)
    for profile, positions in _positions(profiles):
        own = {name: values[positions] for name, values in units.items()}
        for position, tier_no, quadrant_no in zip(
            positions,
            tiers(own["crm_value"], reference, configuration, profile),
            quadrants(own["matrix_value_score"], own["matrix_loyalty_score"], reference,
                      configuration, profile),
            strict=True,
        ):
            tier[position] = TIER_NAMES[tier_no]
            quadrant[position] = QUADRANT_NAMES[quadrant_no]
    return tier, quadrant


def _positions(profiles: Sequence[str]) -> Iterator[tuple[str, Whole]]:
    names = np.array(profiles, dtype=object)
    for profile in dict.fromkeys(profiles):
        yield profile, np.flatnonzero(names == profile)
