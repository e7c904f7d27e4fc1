"""From a drawn control group to its results, over one night of a home that was published before."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from nights.conftest import FIRST, SECOND, Teller
from nights.homes import END, TrialHome

# Drawn from the first publication, treated on the day after it.
FILE = f"campaigns/campaigns_{SECOND}.csv"
HEADINGS = ("repeated_rows_n", "both_groups_rows_n", "unknown_customer_rows_n", "excluded_rows_n",
            "after_date_rows_n")


def test_a_drawn_campaign_comes_back_as_results(home_after: Teller) -> None:
    home = home_after("first")
    file = home.landing / FILE
    file.parent.mkdir()
    said = home.crm("holdout", "--campaign", "SPRING", "--share", "0.4", "--write", str(file))
    said.expect(0)
    rows = list(csv.DictReader(file.open(newline="", encoding="utf-8")))
    drawn = Counter(row["group"] for row in rows)
    quadrants = home.query(
        "select scores.quadrant_held as quadrant, count(*) as n from crm.customer_ids as ids "
        "inner join crm.customer_scores as scores on ids.customer_key = scores.customer_key "
        f"where ids.source_customer_id in ({', '.join(repr(row['customer_id']) for row in rows)}) "
        "group by scores.quadrant_held")
    # Two ids of one customer, as the next night finds out.
    [[left, right]] = home.manifest["shared_emails"]
    # Twice in one group under two ids, both groups, unknown, and not yet: each has its heading.
    more = [("TWICE", left, "treated", SECOND), ("TWICE", right, "treated", SECOND),
            ("BOTH", left, "treated", SECOND), ("BOTH", right, "control", SECOND),
            ("SPRING", "NOBODY", "treated", SECOND)]
    home.drop(f"campaigns/campaigns_{SECOND}_more.csv",
              ("campaign_id", "customer_id", "group", "treated_at"),
              [[*row[:3], f"{row[3]} 09:00:00"] for row in more])
    home.drop("campaigns/campaigns_2026-11-25.csv",
              ("campaign_id", "customer_id", "group", "treated_at"),
              [["SPRING", "LATER", "treated", "2026-11-25 09:00:00"]])
    home.deliver(date.fromisoformat(SECOND))
    home.night(SECOND)

    campaigns = {row["campaign_id"]: row for row in home.query("select * from crm.campaigns")}
    spring = campaigns["SPRING"]
    assert (spring["treated_n"], spring["control_n"]) == (drawn["treated"], drawn["control"])
    assert [spring[name] for name in HEADINGS] == [0, 0, 1, 0, 1]
    assert (campaigns["TWICE"]["treated_n"], campaigns["TWICE"]["repeated_rows_n"]) == (1, 1)
    assert (campaigns["TWICE"]["status"], campaigns["BOTH"]["status"]) == (
        "no_control_group", "nobody")
    assert campaigns["BOTH"]["both_groups_rows_n"] == 2
    assert spring["status"] == "window_open"

    results = home.query("select * from crm.campaign_results where campaign_id = 'SPRING' "
                         "and figure = 'response'")
    # Everybody is judged in the quadrant in which he was drawn.
    assert {row["quadrant"]: row["treated_n"] + row["control_n"] for row in results
            if row["quadrant"] != "all"} == {row["quadrant"]: row["n"] for row in quadrants}
    [whole] = [row for row in results if row["quadrant"] == "all"]
    assert whole["treated_n"] + whole["control_n"] + whole["not_compared_n"] == len(rows)
    assert whole["status"] in ("few", "ok")
    difference = whole["treated_value"] - whole["control_value"]
    assert abs(whole["uplift"] - difference) <= Decimal("0.000001")
    assert not whole["is_window_over"]
    reconciled = home.query("select * from crm.reconciliation where kind = 'campaigns'")[0]
    for state, heading in (("current", "rows_n"), ("unattributed", "unknown_customer_rows_n"),
                           ("after_date", "after_date_rows_n")):
        assert reconciled[state] == sum(row[heading] for row in campaigns.values())

    said = home.crm("rebuild").expect(0)
    assert "was made again" in said.out and "tables are equal" in said.out
    assert {row["status"] for row in home.query("select status from crm.score_backtest")} == {
        "no_history"}


def test_wrong_wishes_are_named(home_after: Teller) -> None:
    home = home_after("first")
    file = home.folder / "campaigns.csv"
    for arguments, words in (
        (("--campaign", "X", "--quadrant", "best"), "there are high_value_high_loyalty"),
        (("--campaign", "=X"), "spreadsheets"),
        # Eight days of a shop: nobody had bought a window ago.
        (("--campaign", "X", "--effect", "0.2"), "no rate to size a control group by"),
        (("--campaign", "X", "--share", "0.9"), "be at most 0.5"),
        (("--campaign", "X", "--power", "1"), "below 1"),
        (("--campaign", "X", "--share", "0.4", "--treated-on", FIRST), "state a later date"),
    ):
        said = home.crm("holdout", *arguments, "--write", str(file)).expect(2)
        assert words in said.err, said.err
    home.edit("sources.yaml", "  campaigns:\n    kind: campaigns\n",
              "  mail:\n    kind: campaigns\n    files: [mail/*]\n    version: arrival\n"
              "    id_space: mail\n\n  campaigns:\n    kind: campaigns\n")
    for arguments, words in (
        ((), "state with --source NAME which of them"),
        (("--source", "letters"), "there are mail, campaigns"),
        # Nobody has an id of that space.
        (("--source", "mail"), "there is nobody to draw"),
    ):
        said = home.crm("holdout", "--campaign", "X", "--share", "0.4", *arguments,
                        "--write", str(file)).expect(2)
        assert words in said.err, said.err
    assert not file.exists()
    home.crm("holdout", "--campaign", "X", "--share", "0.4", "--source", "campaigns",
             "--write", str(file)).expect(0)
    home.publication.unlink()
    said = home.crm("holdout", "--campaign", "X", "--write", str(file)).expect(2)
    assert "run a night first" in said.err


@pytest.mark.slow
def test_the_known_effect_of_a_sample_is_found(tmp_path: Path) -> None:
    """The sample's campaign makes three in ten buy once more, of whom some would have anyway."""
    home = TrialHome(tmp_path / "home")
    home.crm("init", str(home.folder), "--sample").expect(0)
    home.crm("sample", "--customers", "1500", "--days", "120", "--end", END.isoformat(),
             "--campaign").expect(0)
    home.night(END.isoformat())
    truth = home.manifest["campaign"]
    [campaign] = home.query("select * from crm.campaigns")
    assert campaign["campaign_id"] == truth["campaign_id"]
    assert campaign["status"] == "ok"
    assert campaign["treated_n"] + campaign["control_n"] + campaign["excluded_rows_n"] + campaign[
        "both_groups_rows_n"] + campaign["repeated_rows_n"] == (
            truth["treated_n"] + truth["control_n"])
    results = {row["figure"]: row for row in home.query(
        "select * from crm.campaign_results where quadrant = 'all'")}
    found = results["repurchase"]
    expected = truth["extra_purchase_chance"] * (1 - float(found["control_value"]))
    assert 0 < found["low"] <= expected <= found["high"]
    assert results["response"]["uplift"] > 0
    # Nothing was published before the treatment, so nobody's quadrant is known.
    assert {row["quadrant"] for row in home.query("select quadrant from crm.campaign_results")} == {
        "all", "not_kept"}
