"""What campaigns brought: response, repurchase, revenue and satisfaction of treated and control.

Here belong the rows of `campaign_results`: which customers a figure is of, and what is shown of
it. The estimates stand in `uplift.py`, the queries in `campaign_queries.py`. Pure pandas.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd

from dagster_project.configuration import PopulationFigures
from dagster_project.feedback.uplift import (
    Counts,
    Group,
    Uplift,
    uplift_of_means,
    uplift_of_shares,
)
from dagster_project.scoring.population import DECIMALS

SHARES, MEANS = ("response", "repurchase"), ("revenue", "satisfaction")
FIGURES = (*SHARES, *MEANS)
CAMPAIGN = ["source", "campaign_id"]
ALL = "all"
# The quadrant of customers of whom none is known before the treatment.
NOT_KEPT = "not_kept"
VALUES = ["treated_value", "control_value", "uplift", "standard_error", "low", "high"]
COLUMNS = [*CAMPAIGN, "quadrant", "figure", "status", "is_window_over", "treated_n", "control_n",
           "not_compared_n", *VALUES]
_STRATUM = [*CAMPAIGN, "quadrant"]
_COMPARISON = [*CAMPAIGN, "part"]
_GROUPS = ("treated", "control")


def campaign_results(members: pd.DataFrame, outcomes: pd.DataFrame,
                     rules: PopulationFigures) -> pd.DataFrame:
    """Every figure of every campaign, by quadrant before the treatment and in all.

    Args:
        members: one row a campaign, quadrant and group: source, campaign_id, quadrant,
            group_name (treated or control), members_n, open_windows_n.
        outcomes: how many had which value: source, campaign_id, quadrant, group_name, figure,
            value (float; 0 or 1 for shares), n.
        rules: from how many customers of the smaller group on a figure is shown.

    Returns:
        COLUMNS, sorted by source, campaign_id, quadrant and figure; values as text with six
        decimals, None where there is none.
    """
    if members.empty:
        return pd.DataFrame(columns=COLUMNS)
    strata = _wide(members.set_index([*_STRATUM, "group_name"])["members_n"], "members_n")
    open_n = members.groupby(_STRATUM)["open_windows_n"].sum().rename("open_n")
    strata = strata.join(open_n).reset_index().sort_values(_STRATUM, ignore_index=True)
    # Each quadrant is a comparison of its own, and all of them together are one.
    parts = pd.concat([strata.assign(part=strata["quadrant"]), strata.assign(part=ALL)],
                      ignore_index=True)
    groups = parts.groupby(_COMPARISON, sort=True)
    shown = [_figure(parts, groups, outcomes[outcomes["figure"] == figure], figure, rules)
             for figure in FIGURES]
    found = pd.concat(shown, ignore_index=True).rename(columns={"part": "quadrant"})
    return found[COLUMNS].sort_values([*_STRATUM, "figure"], ignore_index=True)


def _figure(parts: pd.DataFrame, groups: pd.api.typing.DataFrameGroupBy, outcomes: pd.DataFrame,
            figure: str, rules: PopulationFigures) -> pd.DataFrame:
    """One figure of every comparison."""
    treated, control = (_group(parts, outcomes, name) for name in _GROUPS)
    comparison = groups.ngroup().to_numpy(dtype=np.int64)
    estimate = uplift_of_shares if figure in SHARES else uplift_of_means
    uplift = estimate(treated, control, comparison, groups.ngroups)
    totals = groups[["treated_members_n", "control_members_n", "open_n"]].sum().reset_index()
    columns = _columns(uplift)
    # Without a second group the first still has a value, and nobody was left out of a comparison.
    for name, other, group in (("treated", "control", treated), ("control", "treated", control)):
        is_alone = totals[f"{other}_members_n"].to_numpy() == 0
        n, mean = _of_all(group, comparison, groups.ngroups)
        columns[f"{name}_n"] = np.where(is_alone, n, columns[f"{name}_n"])
        columns[f"{name}_value"] = np.where(is_alone, mean, columns[f"{name}_value"])
        columns["not_compared_n"] = np.where(is_alone, 0, columns["not_compared_n"])
    found = totals.assign(figure=figure, is_window_over=totals["open_n"] == 0, **columns)
    return _as_shown(found, rules)


def _columns(uplift: Uplift) -> dict[str, np.ndarray]:
    found = {field.name: getattr(uplift, field.name) for field in fields(uplift)}
    found["treated_value"], found["control_value"] = found.pop("treated"), found.pop("control")
    return found | {"uplift": uplift.difference}


def _group(parts: pd.DataFrame, outcomes: pd.DataFrame, name: str) -> Group:
    """What the figure was in one group of each stratum."""
    # Sorted, so that sums are the same in whatever order the rows came.
    of_group = outcomes[outcomes["group_name"] == name].sort_values([*_STRATUM, "value"])
    sums = (of_group.assign(total=of_group["value"] * of_group["n"])
            .groupby(_STRATUM)[["n", "total"]].sum())
    mean = (sums["total"] / sums["n"]).rename("mean")
    distance = of_group.join(mean, on=_STRATUM)
    squares = (distance.assign(squares=distance["n"] * (distance["value"] - distance["mean"])**2)
               .groupby(_STRATUM)["squares"].sum())
    known = parts[_STRATUM].join(pd.concat([sums["n"], mean, squares], axis=1), on=_STRATUM)
    known = known.fillna({"n": 0, "mean": 0.0, "squares": 0.0})
    return Group(known["n"].to_numpy(dtype=np.int64), known["mean"].to_numpy(dtype=float),
                 known["squares"].to_numpy(dtype=float))


def _of_all(group: Group, comparison: Counts, comparisons: int) -> tuple[Counts, np.ndarray]:
    """Customers of one group in all strata of a comparison, and their mean."""
    n = np.bincount(comparison, group.n, minlength=comparisons)
    total = np.bincount(comparison, group.n * group.mean, minlength=comparisons)
    with np.errstate(invalid="ignore"):
        return n.astype(np.int64), total / n


def _wide(counts: pd.Series, name: str) -> pd.DataFrame:
    """A column a group, 0 where it has nobody."""
    wide = counts.unstack("group_name").reindex(columns=list(_GROUPS)).fillna(0).astype(np.int64)
    return wide.rename(columns={group: f"{group}_{name}" for group in _GROUPS})


def _as_shown(found: pd.DataFrame, rules: PopulationFigures) -> pd.DataFrame:
    """Status of each row, and its values as text where they are shown."""
    has_treated = (found["treated_members_n"] > 0).to_numpy()
    has_control = (found["control_members_n"] > 0).to_numpy()
    smaller = np.select([~has_control, ~has_treated],
                        [found["treated_n"], found["control_n"]],
                        np.minimum(found["treated_n"], found["control_n"]))
    status = np.select(
        [~has_control, ~has_treated, smaller < rules.minimum_n, smaller < rules.few_n],
        ["no_control_group", "no_treated_group", "suppressed", "few"], "ok")
    shown = {
        name: pd.Series([None if n < rules.minimum_n or np.isnan(number)
                         else f"{number:.{DECIMALS}f}"
                         for n, number in zip(smaller, found[name], strict=True)], dtype=object)
        for name in VALUES
    }
    return found.assign(status=status, **shown)
