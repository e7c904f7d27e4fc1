"""Tests 23 and 27: backfills twice and out of order, and other threads, end in the same rows."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from dagster_project.engine.audit_connection import fingerprints_of
from dagster_project.publish.label_tables import HELD_COLUMNS
from dagster_project.publish.tables import CURRENT_TABLES
from nights.conftest import SECOND, Teller
from nights.homes import TrialHome, contents, sha256
from tests.conftest import INJECTED

NIGHTS = (SECOND, "2026-11-19", "2026-11-20")
SCORES_OF_A_NIGHT = (
    "select cast(as_of_date as varchar) as as_of_date, count(*) as n, "
    "cast(sum(hash(customer_key, crm_value, tier, quadrant, lifecycle_stage)) as varchar) as rows "
    "from crm.customer_score_history where (as_of_date, revision) in "
    "(select (as_of_date, max(revision)) from crm.publication group by as_of_date) "
    "group by all order by 1")


def _current(home: TrialHome) -> dict[str, Any]:
    """What the current tables hold; held labels go on from what was published before them."""
    found = fingerprints_of(home.publication,
                            without_columns=tuple(column.name for column in HELD_COLUMNS))
    return {table.name: found[table.name] for table in CURRENT_TABLES
            if not table.name.startswith("label_")}


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.xdist_group("same_again")
def test_a_backfill_out_of_order_and_twice_ends_as_a_clean_one(
        home_after: Teller, tmp_path_factory: pytest.TempPathFactory,
        record_property: Any) -> None:
    """The clean one with one thread, the other with four, which changes no row either."""
    clean = home_after("first")
    clean.deliver(date.fromisoformat(NIGHTS[-1]))
    mixed = clean.copy(tmp_path_factory.mktemp("mixed") / "home")
    clean.edit("home.yaml", "threads: 2", "threads: 1")
    mixed.edit("home.yaml", "threads: 2", "threads: 4")
    clean.crm("run", "--from", NIGHTS[0], "--to", NIGHTS[-1]).expect(0)
    for night in (NIGHTS[2], NIGHTS[0], NIGHTS[1]):
        mixed.night(night)
    record_property(INJECTED, len(NIGHTS))
    assert _current(mixed) == _current(clean)
    assert mixed.query(SCORES_OF_A_NIGHT) == clean.query(SCORES_OF_A_NIGHT)

    before = sha256(mixed.publication)
    mixed.crm("run", "--from", NIGHTS[0], "--to", NIGHTS[-1]).expect(0)
    assert sha256(mixed.publication) == before
    outcomes = mixed.query("select outcome from crm.pipeline_runs order by started_at desc "
                           f"limit {len(NIGHTS)}", mixed.status)
    assert outcomes == [{"outcome": "made_again"}] * len(NIGHTS)


@pytest.mark.faults
@pytest.mark.xdist_group("same_again")
def test_the_number_of_threads_changes_no_row(
        home_after: Teller, chronicle: Teller, record_property: Any) -> None:
    """Nor a held label, which backfills leave aside. The chronicle is told with two."""
    home = home_after("first")
    home.edit("home.yaml", "threads: 2", "threads: 4")
    home.deliver(date.fromisoformat(SECOND))
    home.night(SECOND)
    record_property(INJECTED, 1)
    right, found = contents(chronicle("second").publication), contents(home.publication)
    assert found.keys() == right.keys()
    # The time of staging and the run's number are no content.
    assert {name for name in found if found[name] != right[name]} <= {"publication"}
