"""What `crm-value diff` counts, and the inputs it names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.engine.publication_diff import compare_tables
from dagster_project.engine.stores import Limits, Stores
from dagster_project.engine.table import Column, Table
from dagster_project.publish.difference import (
    NotComparable,
    compare_publications,
    difference_lines,
)
from nights.homes import TrialHome

THINGS = Table("things", "One thing.", (
    Column("name", "VARCHAR", "Name.", True), Column("as_of_date", "DATE", "Date.", True),
    Column("size", "INTEGER", "Size."), Column("seen_at", "TIMESTAMP", "Run.", False, True),
), ("name", "as_of_date"))
Rows = Sequence[tuple[str | None, int | None]]


def stores_in(folder: Path) -> Stores:
    """Stores of a folder."""
    return Stores(folder, folder, Limits("1GB", 1, folder / "spill"))


def write(path: Path, rows: Rows, night: date, more: str = "") -> Path:
    """A file with the table of things."""
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute(THINGS.ddl("main").replace(" not null", ""))
        for name, size in rows:
            connection.execute("insert into things values (?, ?, ?, now())", [name, night, size])
        for statement in filter(None, more.split(";")):
            connection.execute(statement)
    return path


names = st.dictionaries(st.sampled_from([None, *"abcdef"]),
                        st.one_of(st.none(), st.integers(0, 2)), max_size=7)


@settings(max_examples=30, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=names, after=names)
def test_each_key_is_added_removed_changed_or_equal(
        tmp_path: Path, before: dict[str | None, int | None],
        after: dict[str | None, int | None]) -> None:
    """Also where a key or a value is NULL; the date and what a run writes do not count."""
    [seen] = compare_tables(
        stores_in(tmp_path),
        write(tmp_path / "a.duckdb", list(before.items()), date(2026, 11, 19)),
        write(tmp_path / "b.duckdb", list(after.items()), date(2026, 11, 20)), [THINGS],
        examples=2)
    changed = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    assert (seen.added_n, seen.removed_n, seen.changed_n) == (
        len(after.keys() - before.keys()), len(before.keys() - after.keys()), len(changed))
    assert seen.columns == ({"size": len(changed)} if changed else {})
    assert (seen.before_n, seen.after_n) == (len(before), len(after))
    for row in seen.changed:
        assert row.values == {"size": (before[row.key["name"]], after[row.key["name"]])}
    assert len(seen.changed) == min(2, len(changed))


def test_columns_of_one_side_are_named(tmp_path: Path) -> None:
    night = date(2026, 11, 20)
    [seen] = compare_tables(
        stores_in(tmp_path), write(tmp_path / "a.duckdb", [("a", 1)], night,
                                   "alter table things add column gone integer"),
        write(tmp_path / "b.duckdb", [("a", 1)], night,
              'alter table things add column "new ""; drop" integer'.replace(";", ",")),
        [THINGS], examples=1)
    assert (seen.new_columns, seen.gone_columns) == (('new ", drop',), ("gone",))
    assert not seen.is_equal and not seen.changed_n


def stores_of(home: TrialHome) -> Stores:
    """Stores of a home."""
    return Stores(home.folder / "state", home.folder / "warehouse",
                  Limits("1GB", 1, home.folder / "state" / "spill"))


def test_two_nights_differ_by_date_and_loads(home: TrialHome) -> None:
    seen = compare_publications(stores_of(home), 1, 2)
    lines = list(difference_lines(seen))
    assert lines[0] == ("Publication 1 (customers as of 2026-11-19, revision 1) and publication 2 "
                        "(as of 2026-11-20, revision 1)")
    assert lines[2].startswith("  as-of date: 2026-11-19 -> 2026-11-20 (+1 days)")
    scores = next(table for table in seen.tables if table.table == "customer_scores")
    counted = home.query(
        "select count(*) as n from crm.customer_scores as new inner join crm.old_scores as "
        "old using (customer_key) where old.crm_value is distinct from new.crm_value", _both(home))
    assert scores.columns.get("crm_value", 0) == counted[0]["n"]
    text = "\n".join(lines)
    assert "@" not in text and "configuration:" not in text


def _both(home: TrialHome) -> Path:
    """A file with the scores of both publications."""
    path = home.folder / "both.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        for alias, file in (("before", home.kept(1)), ("after", home.publication)):
            connection.execute(f"attach '{file}' as {alias} (read_only)")
        connection.execute("create table old_scores as from before.customer_scores")
        connection.execute("create table customer_scores as from after.customer_scores")
    return path


def test_a_setting_that_differs_is_named_with_both_values(home: TrialHome,
                                                          tmp_path: Path) -> None:
    """The same tables under another configuration, reference and method."""
    copy = home.copy(tmp_path / "home")
    copy.publication.chmod(0o644)
    with duckdb.connect(str(copy.publication)) as connection:
        row = connection.execute("select canonical_text from configurations limit 1").fetchone()
        assert row is not None
        content = json.loads(row[0])
        content["business"]["base_currency"] = "USD"
        connection.execute("insert into configurations values ('other', 2, ?)",
                           [json.dumps(content)])
        connection.execute("update publication set config_hash = 'other', method_version = '99' "
                           "where is_current")
    text = "\n".join(difference_lines(compare_publications(stores_of(copy), 1, 2,
                                                           ("strategies",))))
    assert 'business.base_currency: "CNY" -> "USD"' in text
    assert re.search(r"method: \d+ -> 99", text)
    assert text.endswith("Equal: strategies")


def test_what_cannot_be_compared_is_named(home: TrialHome) -> None:
    stores = stores_of(home)
    with pytest.raises(NotComparable, match="there is no publication 9; the latest is 2"):
        compare_publications(stores, 1, 9)
    with pytest.raises(NotComparable, match="did you mean 'customers'"):
        compare_publications(stores, 1, 2, ("customer",))
