"""Business time and knowledge: the same six inputs give the same tables, new knowledge a revision.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from dagster_project.engine.audit_connection import fingerprints_of
from dagster_project.publish.tables import CURRENT_TABLES
from nights.conftest import FIRST, LATE_AMOUNT, SECOND, Teller, deliver_late_order
from nights.homes import TrialHome, contents

LAST = "2026-11-20"
CURRENT_N = len(CURRENT_TABLES)


def _current(file: Path) -> dict[str, object]:
    found = fingerprints_of(file)
    return {table.name: found[table.name] for table in CURRENT_TABLES}


def _publications(home: TrialHome) -> list[tuple[int, date, int, bool]]:
    rows = home.query("select publication_id, as_of_date, revision, is_current "
                      "from crm.publication order by publication_id")
    return [(row["publication_id"], row["as_of_date"], row["revision"], row["is_current"])
            for row in rows]


@pytest.mark.slow
def test_a_second_identical_run_changes_no_published_row(home_after: Teller) -> None:
    """The 18th is current; of the 17th, restated beside it, history alone is left."""
    home = home_after("late")
    before, publications = contents(home.publication), _publications(home)
    customers = home.query("select count(*) as n from crm.customer_score_history "
                           "where publication_id = 3")[0]["n"]

    said = home.crm("run", "--from", FIRST, "--to", SECOND).expect(0).said

    assert contents(home.publication) == before
    assert _publications(home) == publications
    assert (f"{FIRST}: publication 3 was made again: its {customers} rows of "
            f"customer_score_history are equal") in said
    assert (f"{SECOND}: publication 4 was made again: {CURRENT_N} current tables are equal, "
            f"and so is score_changes (rows: 1)") in said
    assert not (home.folder / "warehouse" / "replays").exists()


def test_late_rows_make_a_revision_and_leave_the_first_readable(chronicle: Teller) -> None:
    before, after = chronicle("second"), chronicle("late")
    assert _publications(before)[-1] == (2, date(2026, 11, 18), 1, True)
    assert _publications(after)[-1] == (4, date(2026, 11, 18), 2, True)

    history = ("select * exclude (revision, publication_id) from crm.customer_score_history "
               "where as_of_date = date '2026-11-18' and revision = {} order by customer_key")
    assert after.query(history.format(1)) == before.query(history.format(1))
    assert after.query(history.format(2)) != after.query(history.format(1))
    assert contents(after.kept(2)) == contents(before.publication)

    revenue = "select sum(net_revenue_amount) as total from crm.customers"
    assert (after.query(revenue)[0]["total"]
            == before.query(revenue)[0]["total"] + LATE_AMOUNT)


def test_an_older_night_changes_history_alone(chronicle: Teller) -> None:
    """The 17th is restated while the tables of the 18th are the current ones."""
    before, after = chronicle("second"), chronicle("late")
    assert _publications(after)[2] == (3, date(2026, 11, 17), 2, False)
    assert _current(after.kept(3)) == _current(before.publication)
    rows = after.query("select revision, count(*) as n, sum(crm_value) as total "
                       "from crm.customer_score_history where as_of_date = date '2026-11-17' "
                       "group by revision order by revision")
    assert [row["revision"] for row in rows] == [1, 2]
    assert rows[0]["n"] > 0
    assert rows[0]["total"] != rows[1]["total"]


@pytest.mark.slow
def test_a_replay_equals_what_was_published_then(home_after: Teller) -> None:
    home = home_after("all")
    before = contents(home.publication)

    said = home.crm("run", "--date", SECOND, "--known-at", "2").expect(0).out

    replayed = home.folder / "warehouse" / "replays" / "publication-000002.duckdb"
    assert _current(replayed) == _current(home.kept(2))
    assert contents(home.publication) == before
    assert (f"publication 2 was made again, as {replayed}: "
            f"{CURRENT_N} current tables are equal") in said


def test_a_replay_of_what_was_never_published_is_a_wrong_argument(chronicle: Teller) -> None:
    home = chronicle("second")
    said = home.crm("run", "--date", SECOND, "--known-at", "99").expect(2).said
    assert "there is no publication 99" in said


@pytest.mark.slow
def test_a_rebuild_makes_the_last_publication_again(home_after: Teller) -> None:
    home = home_after("all")
    before = contents(home.publication)

    said = home.crm("rebuild").expect(0).out

    assert f"{LAST}: publication 6 was made again: {CURRENT_N} current tables are equal" in said
    assert contents(home.publication) == before


def test_night_by_night_equals_one_look_at_everything(home_after: Teller,
                                                      chronicle: Teller) -> None:
    night_by_night = chronicle("all")
    # The same reference: it was fitted in the first night, from what was known then.
    at_once = home_after("first")
    deliver_late_order(at_once)
    at_once.deliver(date.fromisoformat(LAST))
    at_once.night(LAST)

    # Held labels are a record of the nights that were published; all else is a function of the
    # data.
    held = "exclude (tier_held, quadrant_held, lifecycle_stage_held)"
    for table in ("customer_scores", "customers", "segment_kpis", "customer_ids",
                  "customer_lifetime_values", "customer_profitability", "customer_segments",
                  "account_scores", "population_figures"):
        query = (f"select * {held if table == 'customer_scores' else ''} from crm.{table} "
                 f"order by all")
        assert at_once.query(query) == night_by_night.query(query), table
    assert night_by_night.query("select distinct reference_id from crm.scoring_reference") \
        == at_once.query("select distinct reference_id from crm.scoring_reference")
    assert _publications(at_once)[-1][1] == date.fromisoformat(LAST)
    assert at_once.query("select count(*) as n from crm.customer_scores")[0]["n"] > 50
