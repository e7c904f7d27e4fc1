"""What is shown of a campaign: hand-made figures, statuses, and who is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dagster_project.configuration import PopulationFigures
from dagster_project.feedback.campaigns import COLUMNS, FIGURES, campaign_results

RULES = PopulationFigures()
HIGH, LOW = "high_value_high_loyalty", "low_value_low_loyalty"
Cell = tuple[str, str, int, int]


def results(*cells: Cell, values: dict[str, list[float]] | None = None,
            open_windows_n: int = 0, campaign: str = "spring") -> pd.DataFrame:
    """Results of cells (quadrant, group, members, of them responding); `values` are revenues.

    Repurchase is asked of the first half of the members, satisfaction of nobody.
    """
    members, outcomes = [], []
    for quadrant, group, n, hits in cells:
        cell = {"source": "mail", "campaign_id": campaign, "quadrant": quadrant,
                "group_name": group}
        members.append(cell | {"members_n": n, "open_windows_n": open_windows_n})
        counted = {("response", 1.0): hits, ("response", 0.0): n - hits,
                   ("repurchase", 0.0): n // 2}
        for value in (values or {}).get(group, [0.0] * n):
            counted["revenue", value] = counted.get(("revenue", value), 0) + 1
        outcomes += [cell | {"figure": figure, "value": value, "n": count}
                     for (figure, value), count in counted.items() if count]
    return campaign_results(pd.DataFrame(members), pd.DataFrame(outcomes), RULES)


def row(found: pd.DataFrame, figure: str, quadrant: str = "all") -> dict[str, Any]:
    """One figure of one quadrant."""
    chosen = found[(found["figure"] == figure) & (found["quadrant"] == quadrant)]
    assert len(chosen) == 1
    return {str(name): value for name, value in chosen.iloc[0].items()}


def test_response_of_two_groups_by_hand() -> None:
    """56 of 70 and 48 of 80: the first example of Newcombe 1998."""
    found = row(results((HIGH, "treated", 70, 56), (HIGH, "control", 80, 48)), "response")
    assert (found["treated_value"], found["control_value"]) == ("0.800000", "0.600000")
    assert found["uplift"] == "0.200000"
    assert (float(found["low"]), float(found["high"])) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (found["status"], found["treated_n"], found["control_n"]) == ("ok", 70, 80)
    assert found["is_window_over"]


def test_revenue_by_hand() -> None:
    """Means 30 and 10, variances 100 x 10/9 and 0; t of 9 degrees of freedom is 2.262157."""
    spent = {"treated": [20.0, 40.0] * 5, "control": [10.0] * 12}
    found = row(results((HIGH, "treated", 10, 1), (HIGH, "control", 12, 1), values=spent),
                "revenue")
    assert (found["treated_value"], found["control_value"], found["uplift"]) == (
        "30.000000", "10.000000", "20.000000")
    half = 2.262157 * np.sqrt(1000 / 9 / 10)
    assert float(found["standard_error"]) == pytest.approx(np.sqrt(1000 / 9 / 10), abs=1e-6)
    assert float(found["low"]) == pytest.approx(20 - half, abs=1e-4)
    assert found["status"] == "few"


def test_without_a_control_group_there_is_a_value_and_no_uplift() -> None:
    found = results((HIGH, "treated", 40, 10), (LOW, "treated", 60, 10))
    whole = row(found, "response")
    assert (whole["status"], whole["treated_n"], whole["control_n"]) == ("no_control_group", 100, 0)
    assert whole["treated_value"] == "0.200000"
    assert not whole["not_compared_n"]
    assert [whole[name] for name in ("control_value", "uplift", "low", "high")] == [None] * 4


def test_without_a_treated_group_likewise() -> None:
    found = row(results((HIGH, "control", 40, 10)), "response")
    assert (found["status"], found["control_value"]) == ("no_treated_group", "0.250000")
    assert (found["treated_value"], found["uplift"]) == (None, None)


def test_too_few_of_the_smaller_group_are_not_shown() -> None:
    statuses = {n: row(results((HIGH, "treated", 500, 50), (HIGH, "control", n, 2)), "response")
                for n in (9, 10, 29, 30)}
    assert [found["status"] for found in statuses.values()] == ["suppressed", "few", "few", "ok"]
    assert [statuses[9][name] for name in ("treated_value", "control_value", "uplift")] == (
        [None] * 3)
    assert statuses[10]["uplift"] == "-0.100000"


def test_a_handful_without_a_control_group_is_not_shown_either() -> None:
    found = row(results((HIGH, "treated", 9, 3)), "response")
    assert (found["status"], found["treated_value"]) == ("no_control_group", None)


def test_nobody_answered_is_too_few_not_a_missing_group() -> None:
    found = row(results((HIGH, "treated", 50, 5), (HIGH, "control", 50, 5)), "satisfaction")
    assert (found["status"], found["treated_n"], found["control_n"]) == ("suppressed", 0, 0)


def test_all_compares_within_quadrants_and_counts_who_has_no_counterpart() -> None:
    found = results((HIGH, "treated", 20, 10), (HIGH, "control", 20, 4), (LOW, "treated", 180, 18),
                    (LOW, "control", 20, 1), ("not_kept", "treated", 7, 7))
    whole = row(found, "response")
    assert (whole["treated_n"], whole["control_n"], whole["not_compared_n"]) == (200, 40, 7)
    assert (whole["treated_value"], whole["control_value"]) == ("0.140000", "0.065000")
    assert row(found, "response", "not_kept")["status"] == "no_control_group"
    assert row(found, "response", HIGH)["uplift"] == "0.300000"


def test_repurchase_is_of_those_who_had_bought() -> None:
    found = row(results((HIGH, "treated", 80, 8), (HIGH, "control", 70, 7)), "repurchase")
    assert (found["treated_n"], found["control_n"]) == (40, 35)


def test_an_open_window_is_flagged_and_shown() -> None:
    found = row(results((HIGH, "treated", 40, 4), (HIGH, "control", 40, 4), open_windows_n=1),
                "response")
    assert not found["is_window_over"]
    assert found["uplift"] == "0.000000"


def test_campaigns_do_not_mix_and_rows_may_come_in_any_order() -> None:
    cells: list[Cell] = [(HIGH, "treated", 31, 7), (HIGH, "control", 33, 3),
                         (LOW, "treated", 40, 2), (LOW, "control", 45, 1)]
    rng = np.random.default_rng(3)
    spent = {"treated": [0.1, 0.7, 1e9], "control": [0.3, 2e9]}
    members, outcomes = [], []
    for source in ("a", "b"):
        for quadrant, group, n, hits in cells:
            cell = {"source": source, "campaign_id": "spring", "quadrant": quadrant,
                    "group_name": group}
            members.append(cell | {"members_n": n, "open_windows_n": 0})
            outcomes += [cell | {"figure": "response", "value": 1.0, "n": hits},
                         cell | {"figure": "response", "value": 0.0, "n": n - hits}]
            outcomes += [cell | {"figure": "revenue", "value": value, "n": n}
                         for value in spent[group]]
    asked, told = pd.DataFrame(members), pd.DataFrame(outcomes)
    found = campaign_results(asked, told, RULES)
    assert list(found.columns) == COLUMNS
    assert len(found) == 2 * 3 * len(FIGURES)
    again = campaign_results(asked.sample(frac=1, random_state=rng),
                             told.sample(frac=1, random_state=rng), RULES)
    pd.testing.assert_frame_equal(found, again)
    one, other = (found[found["source"] == source].drop(columns="source") for source in "ab")
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True))


def test_a_home_without_campaigns_has_no_rows() -> None:
    nothing = pd.DataFrame(columns=["source", "campaign_id", "quadrant", "group_name"])
    assert campaign_results(nothing, nothing, RULES).empty
