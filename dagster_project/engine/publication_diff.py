"""What differs between the current tables of two publication files: keys and columns, in SQL.

Counting only; words are in `publish/difference.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.engine.stores import Stores, identifier, literal
from dagster_project.engine.table import Table

# The date a row is of moves with every night; it is told once, as one of the six inputs.
AS_OF = "as_of_date"
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class ChangedRow:
    """One row that is in both: its key, and columns with the value before and after."""

    key: dict[str, Any]
    values: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class TableDifference:
    """What differs in one table.

    Attributes:
        before_n, after_n: rows.
        added_n, removed_n, changed_n: rows by key; changed: in both, with another value.
        columns: changed column -> rows in which it changed, most first.
        added, removed: keys of some rows.
        changed: some changed rows.
        new_columns, gone_columns: only in one of the two; not compared.
    """

    table: str
    before_n: int
    after_n: int
    added_n: int
    removed_n: int
    changed_n: int
    columns: dict[str, int]
    added: tuple[dict[str, Any], ...] = ()
    removed: tuple[dict[str, Any], ...] = ()
    changed: tuple[ChangedRow, ...] = ()
    new_columns: tuple[str, ...] = ()
    gone_columns: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Nothing differs."""
        return not (self.added_n or self.removed_n or self.changed_n or self.new_columns
                    or self.gone_columns)


@dataclass(frozen=True)
class LoadsBetween:
    """Loads of one source that only the later of two publications knew."""

    source: str
    loads_n: int
    rows_read_n: int
    rows_loaded_n: int


def compare_tables(stores: Stores, before: Path, after: Path, tables: Sequence[Table], *,
                   examples: int) -> list[TableDifference]:
    """Compare tables of two files by their declared keys.

    Args:
        stores: of the home, for the engine's limits.
        before, after: publication files; opened read-only.
        tables: those to compare; one that neither file has is left out.
        examples: rows of each kind that are returned at most.

    Raises:
        StoreUnreadable: a file cannot be opened.
    """
    with stores.open(None, before=(before, "READ_ONLY"),
                     after=(after, "READ_ONLY")) as connection:
        found = []
        for table in tables:
            columns = {side: _columns(connection, side, table.name) for side in (BEFORE, AFTER)}
            if any(columns.values()):
                found.append(_compare(connection, table, columns, examples))
        return found


def loads_between(stores: Stores, earlier_load_seq: int,
                  later_load_seq: int) -> list[LoadsBetween]:
    """Loads after the one K up to the other, by source."""
    if not stores.raw.exists():
        return []
    with stores.open(stores.raw, read_only=True) as connection:
        return [LoadsBetween(*row) for row in connection.execute(
            "select source, count(*), cast(sum(rows_read_n) as bigint), "
            "cast(sum(rows_loaded_n) as bigint) from load_ledger "
            "where load_seq > ? and load_seq <= ? group by source order by source",
            [earlier_load_seq, later_load_seq]).fetchall()]


def _columns(connection: duckdb.DuckDBPyConnection, side: str, table: str) -> list[str]:
    return [name for (name,) in connection.execute(
        "select column_name from duckdb_columns() where database_name = ? "
        "and schema_name = 'main' and table_name = ? order by column_index",
        [side, table]).fetchall()]


def _compare(connection: duckdb.DuckDBPyConnection, table: Table,
             columns: dict[str, list[str]], examples: int) -> TableDifference:
    counts = {side: _count(connection, f"{side}.{identifier(table.name)}") if names else 0
              for side, names in columns.items()}
    if not all(columns.values()):
        # A table that only one of the two has: all of its rows came or went.
        return TableDifference(table.name, counts[BEFORE], counts[AFTER], counts[AFTER],
                               counts[BEFORE], 0, {})
    metadata = {column.name for column in table.columns if column.is_run_metadata}
    key = [name for name in table.key if name != AS_OF]
    compared = [name for name in columns[AFTER] if name in set(columns[BEFORE])
                and name not in {*key, *metadata, AS_OF}]
    _join(connection, table.name, key, compared)
    sums = "".join(f", coalesce(sum({identifier('changed:' + name)}), 0)" for name in compared)
    row = connection.execute(
        f"select count(case when side = 'added' then 1 end), "
        f"count(case when side = 'removed' then 1 end), "
        f"count(case when side = 'changed' then 1 end){sums} from joined").fetchone()
    assert row is not None, "an aggregate returns one row"
    added_n, removed_n, changed_n, *by_column = (int(value) for value in row)
    moved = {name: n for name, n in zip(compared, by_column, strict=True) if n}
    return TableDifference(
        table.name, counts[BEFORE], counts[AFTER], added_n, removed_n, changed_n,
        dict(sorted(moved.items(), key=lambda item: (-item[1], item[0]))),
        added=_keys(connection, key, "added", examples),
        removed=_keys(connection, key, "removed", examples),
        changed=_changed(connection, key, list(moved), examples),
        new_columns=tuple(name for name in columns[AFTER] if name not in columns[BEFORE]),
        gone_columns=tuple(name for name in columns[BEFORE] if name not in columns[AFTER]))


def _join(connection: duckdb.DuckDBPyConnection, table: str, key: Sequence[str],
          compared: Sequence[str]) -> None:
    """Make `joined`: each key with the side it is on, the values, and what changed."""
    keys = "".join(f", coalesce(new.{identifier(name)}, old.{identifier(name)}) "
                   f"as {identifier('key:' + name)}" for name in key)
    values = "".join(
        f", old.{identifier(name)} as {identifier('old:' + name)}"
        f", new.{identifier(name)} as {identifier('new:' + name)}"
        f", cast(is_old and is_new and old.{identifier(name)} is distinct from "
        f"new.{identifier(name)} as integer) as {identifier('changed:' + name)}"
        for name in compared)
    any_changed = " or ".join(f"old.{identifier(name)} is distinct from new.{identifier(name)}"
                              for name in compared) or "false"
    matched = " and ".join(f"old.{identifier(name)} is not distinct from new.{identifier(name)}"
                           for name in key) or "true"
    # A view would be joined again for each of the questions that follow.
    connection.execute(f"""
        create or replace temp table joined as
        select
            case
                when is_old is null then 'added'
                when is_new is null then 'removed'
                when {any_changed} then 'changed'
                else 'equal'
            end as side
            {keys}
            {values}
        from (select *, true as is_old from before.{identifier(table)}) as old
        full outer join (select *, true as is_new from after.{identifier(table)}) as new
            on {matched}
        where is_old is null or is_new is null or {any_changed}
    """)


def _keys(connection: duckdb.DuckDBPyConnection, key: Sequence[str], side: str,
          limit: int) -> tuple[dict[str, Any], ...]:
    if not key:
        return ()
    names = ", ".join(identifier("key:" + name) for name in key)
    rows = connection.execute(f"select {names} from joined where side = {literal(side)} "
                              f"order by all limit {int(limit)}").fetchall()
    return tuple(dict(zip(key, row, strict=True)) for row in rows)


def _changed(connection: duckdb.DuckDBPyConnection, key: Sequence[str], moved: Sequence[str],
             limit: int) -> tuple[ChangedRow, ...]:
    if not moved:
        return ()
    names = [identifier("key:" + name) for name in key]
    for name in moved:
        names += [identifier(f"{part}:{name}") for part in ("old", "new", "changed")]
    rows = connection.execute(f"select {', '.join(names)} from joined where side = 'changed' "
                              f"order by all limit {int(limit)}").fetchall()
    found = []
    for row in rows:
        values = row[len(key):]
        found.append(ChangedRow(
            dict(zip(key, row, strict=False)),
            {name: (values[3 * n], values[3 * n + 1]) for n, name in enumerate(moved)
             if values[3 * n + 2]}))
    return tuple(found)


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()
    assert row is not None, "an aggregate returns one row"
    return int(row[0])
