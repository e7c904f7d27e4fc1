"""Two nights side by side: who is compared with whom, and parts that are the whole, exactly."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.customers.identities import key_changes
from dagster_project.engine.score_changes import KEY_OF_STEP, ScoreComparison
from dagster_project.engine.stores import Limits, Stores
from dagster_project.publish.change_tables import CAUSES

Scores = Mapping[str, Decimal | None]
Map = Mapping[str, str]
NOBODY: Map = MappingProxyType({})
DAYS = (date(2026, 3, 1), date(2026, 3, 2))
VALUE = st.decimals(min_value=0, max_value=100, places=4)


def _key(name: str) -> str:
    return f"00000000-0000-4000-8000-{ord(name):012d}"


def _table(connection: duckdb.DuckDBPyConnection, table: str, scores: Scores,
           tiers: Map) -> None:
    connection.execute(f"create table {table} (customer_key uuid, crm_value decimal(7, 4), "
                       f"tier varchar, quadrant varchar, lifecycle_stage varchar)")
    for name, value in scores.items():
        connection.execute(f"insert into {table} values (?, ?, ?, 'q', 's')",
                           [_key(name), value, tiers.get(name, "low")])


def _frame(customer_map: Map) -> pd.DataFrame:
    return pd.DataFrame([(_key(identity), _key(key)) for identity, key in customer_map.items()],
                        columns=["identity_id", "customer_key"], dtype=str)


def _compared(
        old: Scores, new: Scores, *, maps: tuple[Map, Map] = (NOBODY, NOBODY),
        tiers: Map = NOBODY, touched: Sequence[str] | None = (),
        scored: Mapping[str, Scores] = MappingProxyType({}), unnamed: Sequence[str] = (),
        is_comparable: bool = True, is_configured_anew: bool = False,
) -> dict[str, dict[str, Any]]:
    """Rows of score_changes by the letter of the customer; `unnamed`: tonight by nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stores = Stores(folder, folder, Limits("1GB", 1, folder / "spill"))
        with duckdb.connect(str(stores.build)) as connection:
            connection.execute("create schema night; create schema marts")
            _table(connection, "night.customer_scores", new, tiers)
            connection.execute("create table marts.customer_identities (identity_id uuid)")
            for identity in {*old, *new, *maps[0], *maps[1]} - {*unnamed}:
                connection.execute("insert into marts.customer_identities values (?)",
                                   [_key(identity)])
        previous = folder / "previous.duckdb"
        with duckdb.connect(str(previous)) as connection:
            _table(connection, "customer_scores", old, {})
        comparison = ScoreComparison(stores, folder / "changes.duckdb")
        frames = (_frame(maps[0]), _frame(maps[1]))
        comparison.compare(previous, key_changes(*frames), frames)
        comparison.choose_rebuilt(None if touched is None else pd.DataFrame(
            {"identity_id": [_key(one) for one in touched]}, dtype=str))
        for step, scores in scored.items():
            comparison.add_scores(step, pd.DataFrame({
                "customer_key": [_key(one) for one in scores],
                "crm_value": [None if value is None else float(value)
                              for value in scores.values()]}))
        comparison.write(scored, compared_id=4, days=DAYS, is_comparable=is_comparable,
                         is_configured_anew=is_configured_anew)
        with duckdb.connect(str(stores.build)) as connection:
            result = connection.execute("select * from night.score_changes")
            names = [column[0] for column in result.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return {chr(int(str(row["customer_key"])[-12:])): row for row in rows}


def _parts(change: Mapping[str, Any]) -> dict[str, Decimal]:
    """The parts that are not 0."""
    return {cause: change[f"{cause}_change"] for cause in CAUSES if change[f"{cause}_change"]}


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_parts_are_differences_of_scorings_and_add_up(data: st.DataObject) -> None:
    """Whatever the scorings between gave, and whichever of them were made."""
    old, new = data.draw(VALUE), data.draw(VALUE)
    steps = data.draw(st.sets(st.sampled_from(list(KEY_OF_STEP))))
    given_by = {step: data.draw(VALUE) for step in KEY_OF_STEP if step in steps}
    is_touched = data.draw(st.booleans())
    is_configured_anew = data.draw(st.booleans())

    rows = _compared({"a": old}, {"a": new}, tiers={"a": "high"},
                     touched=("a",) if is_touched else (),
                     scored={step: {"a": value} for step, value in given_by.items()},
                     is_configured_anew=is_configured_anew)

    change = rows["a"]
    assert sum(change[f"{cause}_change"] for cause in CAUSES) == new - old
    start, tonight = given_by.get("start", old), given_by.get("behaviour", new)
    assert change["method_change"] == start - old
    if is_configured_anew:
        assert (change["reference_change"], change["configuration_change"]) == (0, new - tonight)
    else:
        assert (change["reference_change"], change["configuration_change"]) == (new - tonight, 0)
    if not is_touched:
        assert change["time_change"] == tonight - start
        assert change["correction_change"] == change["identity_change"] == 0
        return
    at = [start]
    for step in ("correction", "identity", "time"):
        at.append(given_by.get(step, at[-1]))
    at.append(tonight)
    for cause, (before, after) in zip(("correction", "identity", "time", "behaviour"),
                                      itertools.pairwise(at), strict=True):
        assert change[f"{cause}_change"] == after - before


def test_who_is_as_before_has_no_row() -> None:
    rows = _compared({"a": Decimal(50), "b": None}, {"a": Decimal(50), "b": None})
    assert rows == {}


def test_a_label_alone_makes_a_row() -> None:
    rows = _compared({"a": Decimal(50), "b": None}, {"a": Decimal(50), "b": None},
                     tiers={"a": "high", "b": "high"})
    assert (rows["a"]["old_tier"], rows["a"]["new_tier"]) == ("low", "high")
    assert (rows["a"]["split_status"], rows["a"]["crm_value_change"]) == ("split", 0)
    assert (rows["b"]["change_kind"], rows["b"]["split_status"]) == ("changed", "no_value")


@pytest.mark.parametrize(("old", "new", "kind"), [
    ({}, {"a": Decimal(1)}, "appeared"),
    ({"a": Decimal(1)}, {}, "vanished"),
    ({"a": None}, {"a": Decimal(1)}, "became_sufficient"),
    ({"a": Decimal(1)}, {"a": None}, "became_insufficient"),
])
def test_where_a_value_is_missing_there_are_no_parts(old: Scores, new: Scores,
                                                     kind: str) -> None:
    change = _compared(old, new)["a"]
    assert (change["change_kind"], change["split_status"]) == (kind, "no_value")
    assert {change[f"{cause}_change"] for cause in CAUSES} == {None}
    assert change["crm_value_change"] is None
    assert (change["old_crm_value"], change["new_crm_value"]) == (old.get("a"), new.get("a"))
    assert (change["compared_customer_key"] is None) == (kind == "appeared")


def test_no_value_between_is_said_and_nothing_invented() -> None:
    change = _compared({"a": Decimal(10)}, {"a": Decimal(20)}, touched=("a",),
                       scored={"correction": {"a": None}})["a"]
    assert (change["split_status"], change["crm_value_change"]) == ("no_value_midway", 10)
    assert {change[f"{cause}_change"] for cause in CAUSES} == {None}
    # Of whom the step knows nothing, because all was taken from the customer, likewise.
    gone = _compared({"a": Decimal(10)}, {"a": Decimal(20)}, touched=("a",),
                     scored={"correction": {}})["a"]
    assert gone["split_status"] == "no_value_midway"


def test_an_older_reference_that_cannot_score_leaves_no_parts() -> None:
    change = _compared({"a": Decimal(10)}, {"a": Decimal(20)}, is_comparable=False)["a"]
    assert (change["split_status"], change["crm_value_change"]) == ("not_comparable", 10)
    assert {change[f"{cause}_change"] for cause in CAUSES} == {None}


def test_a_merge_goes_on_under_the_key_that_stays() -> None:
    """b joins a: a has an identity part, b is merged."""
    rows = _compared({"a": Decimal(10), "b": Decimal(30)}, {"a": Decimal(36)},
                     maps=({}, {"a": "a", "b": "a"}),
                     scored={"identity": {"a": Decimal(35)}, "time": {"a": Decimal(34)}})
    assert _parts(rows["a"]) == {"identity": 25, "time": -1, "behaviour": 2}
    assert rows["b"]["change_kind"] == "merged"
    assert rows["b"]["compared_customer_key"] == rows["b"]["customer_key"]


def test_a_new_key_is_compared_with_the_better_of_those_it_stands_for() -> None:
    """b and c become a, which was no customer: c had more, b is merged."""
    rows = _compared({"b": Decimal(10), "c": Decimal(30)}, {"a": Decimal(40)},
                     maps=({}, {"a": "a", "b": "a", "c": "a"}),
                     scored={"correction": {"c": Decimal(31)}, "identity": {"a": Decimal(40)}})
    assert str(rows["a"]["compared_customer_key"]) == _key("c")
    assert _parts(rows["a"]) == {"correction": 1, "identity": 9}
    assert rows["b"]["change_kind"] == "merged"
    assert "c" not in rows


def test_who_leaves_is_compared_with_whom_it_left() -> None:
    """b was part of a; both are compared with the a of before."""
    rows = _compared({"a": Decimal(50)}, {"a": Decimal(30), "b": Decimal(20)},
                     maps=({"a": "a", "b": "a"}, {}),
                     scored={"identity": {"a": Decimal(30), "b": Decimal(20)}})
    assert {name: _parts(row) for name, row in rows.items()} == {
        "a": {"identity": -20}, "b": {"identity": -30}}
    assert {str(row["compared_customer_key"]) for row in rows.values()} == {_key("a")}


def test_what_nothing_names_any_more_is_a_correction() -> None:
    """b was part of a; a correction took the only row that named b, and the merge with it."""
    both = {"a": "a", "b": "a"}
    for maps in ((both, both), (both, NOBODY)):
        rows = _compared({"a": Decimal(50)}, {"a": Decimal(30)}, maps=maps, touched=("b",),
                         unnamed=("b",), scored={"correction": {"a": Decimal(32)},
                                                 "time": {"a": Decimal(31)}})
        assert _parts(rows["a"]) == {"correction": -18, "time": -1, "behaviour": -1}


def test_an_identity_of_no_map_that_nothing_names_is_a_customer_of_its_own() -> None:
    rows = _compared({"a": Decimal(50), "b": Decimal(9)}, {"a": Decimal(50), "b": Decimal(4)},
                     touched=("b",), unnamed=("b",), scored={"correction": {"b": Decimal(5)}})
    assert _parts(rows["b"]) == {"correction": -4, "behaviour": -1}


def test_everyone_is_rebuilt_where_nobody_is_singled_out() -> None:
    rows = _compared({"a": Decimal(10), "b": Decimal(10)}, {"a": Decimal(20), "b": Decimal(20)},
                     touched=None, scored={"correction": {"a": Decimal(12), "b": Decimal(13)}})
    assert [_parts(rows[name])["correction"] for name in "ab"] == [2, 3]
