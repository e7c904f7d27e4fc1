"""What is told of a change is what happened: each cause alone, night after night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from dagster_project.publish.change_tables import CAUSES
from nights.conftest import SECOND, Teller
from nights.homes import TrialHome

SUM = " + ".join(f"{cause}_change" for cause in CAUSES)


@contextmanager
def _both(home: TrialHome) -> Iterator[duckdb.DuckDBPyConnection]:
    """The second publication as `crm`, the first as `before`."""
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"attach '{home.publication}' as crm (read_only)")
        connection.execute(f"attach '{home.kept(1)}' as before (read_only)")
        yield connection


def _changes(home: TrialHome, publication_id: int) -> list[dict[str, Any]]:
    return home.query(f"select * from crm.score_changes where publication_id = {publication_id}")


def _causes(changes: Sequence[dict[str, Any]]) -> set[str]:
    """The causes that have a part in some change."""
    return {cause for cause in CAUSES for change in changes if change[f"{cause}_change"]}


def _busy(home: TrialHome, since: str) -> set[object]:
    """Customers with a purchase or an interaction of a date or later."""
    return {row["customer_key"] for row in home.query(
        "select customer_key from crm.customers "
        f"where last_purchase_date >= date '{since}' or last_interaction_date >= date '{since}'")}


def test_the_first_night_changes_nobody(chronicle: Teller) -> None:
    assert _changes(chronicle("first"), 1) == []


def test_the_next_night_is_time_and_behaviour(chronicle: Teller) -> None:
    """Whose last event is older than the night before has no behaviour in it."""
    home = chronicle("second")
    changes = [change for change in _changes(home, 2) if change["split_status"] == "split"]
    assert {change["compared_publication_id"] for change in changes} == {1}
    assert {"time", "behaviour"} <= _causes(changes)
    assert not _causes(changes) & {"reference", "configuration", "method"}
    busy = _busy(home, SECOND)
    by_behaviour = {change["customer_key"] for change in changes if change["behaviour_change"]}
    assert by_behaviour
    assert by_behaviour <= busy
    fades = [change["time_change"] for change in changes
             if change["time_change"] and not change["correction_change"]
             and not change["identity_change"]]
    assert fades
    assert all(change < 0 for change in fades)


def test_parts_add_up_to_published_values(chronicle: Teller) -> None:
    """Exactly, to the four decimals of both files."""
    home = chronicle("second")
    with _both(home) as connection:
        [(rows_n, right_n)] = connection.execute(
            f"select count(*), count(case when {SUM} = new.crm_value - old.crm_value then 1 end) "
            f"from crm.score_changes as changes "
            f"inner join crm.customer_scores as new on changes.customer_key = new.customer_key "
            f"inner join before.customer_scores as old "
            f"on changes.compared_customer_key = old.customer_key "
            f"where changes.split_status = 'split'").fetchall()
    assert rows_n == right_n > 20


def test_everyone_who_differs_is_named_and_nobody_else(chronicle: Teller) -> None:
    """Old and new tables side by side, from the two files."""
    home = chronicle("second")
    with _both(home) as connection:
        columns = "customer_key, crm_value, tier, quadrant, lifecycle_stage"
        differing = connection.execute(
            f"select distinct customer_key from "
            f"((from (select {columns} from crm.customer_scores) except "
            f"from (select {columns} from before.customer_scores)) union all "
            f"(from (select {columns} from before.customer_scores) except "
            f"from (select {columns} from crm.customer_scores)))").fetchall()
    assert {key for (key,) in differing} == {
        change["customer_key"] for change in _changes(home, 2)}


def test_a_late_order_is_a_correction(chronicle: Teller) -> None:
    """The same date once more with one order more: nothing else can have changed."""
    home = chronicle("late")
    assert _changes(home, 3) == []  # the 17th, while the tables of the 18th are current
    changes = _changes(home, 4)
    assert {(change["compared_publication_id"], change["change_kind"])
            for change in changes} == {(2, "changed")}
    [change] = changes
    assert _causes(changes) == {"correction"}
    assert change["correction_change"] == change["crm_value_change"] > 0


def test_a_new_reference_is_told_apart(chronicle: Teller) -> None:
    """The 18th by a reference of its own: up to it, the parts are those of the 18th without."""
    with_new = {change["customer_key"]: change for change in _changes(
        chronicle("recalibrated"), 2) if change["split_status"] == "split"}
    plain = {change["customer_key"]: change for change in _changes(chronicle("second"), 2)
             if change["split_status"] == "split"}
    assert "reference" in _causes(list(with_new.values()))
    assert not _causes(list(with_new.values())) & {"configuration", "method"}
    for key in with_new.keys() & plain.keys():
        for cause in ("correction", "identity", "time", "behaviour"):
            assert with_new[key][f"{cause}_change"] == plain[key][f"{cause}_change"], (key, cause)


@pytest.mark.slow
def test_a_new_weight_is_the_configuration(home_after: Teller) -> None:
    home = home_after("second")
    home.edit("crm.yaml", "purchase_amount: 0.4\n", "purchase_amount: 0.3\n")
    home.edit("crm.yaml", "interaction_frequency: 0.2\n", "interaction_frequency: 0.3\n")

    home.night(SECOND)

    changes = [change for change in _changes(home, 3) if change["split_status"] == "split"]
    assert _causes(changes) == {"configuration"}
    assert len(changes) > 20


@pytest.mark.slow
def test_facts_of_another_configuration_are_built_once_more(
        home_after: Teller, chronicle: Teller) -> None:
    """A half-life changes the facts: what happened since is told by the half-life of before.

    And a publication of another method is made again by this one, which finds no difference.
    """
    plain = {change["customer_key"]: change for change in _changes(chronicle("second"), 2)}
    home = home_after("first")
    home.deliver(date.fromisoformat(SECOND))
    home.edit("crm.yaml", "half_life_days: 90", "half_life_days: 30")
    _publish_by_method(home, "0")

    home.night(SECOND)

    changes = {change["customer_key"]: change for change in _changes(home, 2)}
    assert "configuration" in _causes(list(changes.values()))
    assert {change["method_change"] for change in changes.values()} <= {None, Decimal(0)}
    for key, change in changes.items():
        if key in plain and change["split_status"] == plain[key]["split_status"] == "split":
            for cause in ("correction", "identity", "time", "behaviour"):
                assert change[f"{cause}_change"] == plain[key][f"{cause}_change"], (key, cause)


@pytest.mark.slow
def test_a_night_after_a_restore_tells_its_changes_under_its_own_number(
        home_after: Teller) -> None:
    """The number of what was withdrawn is left out, and a replay finds the same changes."""
    home = home_after("second")
    told = {change["customer_key"]: change["crm_value_change"] for change in _changes(home, 2)}
    home.crm("restore", "1").expect(0)

    home.night(SECOND)

    changes = _changes(home, 3)
    assert told == {change["customer_key"]: change["crm_value_change"] for change in changes}
    assert {change["compared_publication_id"] for change in changes} == {1}
    home.crm("rebuild").expect(0)
    assert f"and so is score_changes (rows: {len(changes)})" in home.last_run()["message"]


def _publish_by_method(home: TrialHome, version: str) -> None:
    """Say of what is published that another version of the arithmetic made it."""
    home.publication.chmod(0o644)
    with duckdb.connect(str(home.publication)) as connection:
        connection.execute(f"update publication set method_version = '{version}'")
