"""What the stores of a home hold, in a form that can be compared. No expectation stands here."""

from __future__ import annotations

from pathlib import Path

import duckdb


def rows_of(file: Path, without: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """table -> number of rows and sum of their hashes, as texts.

    Args:
        file: a store.
        without: columns left out.
    """
    with duckdb.connect(str(file), read_only=True) as connection:
        found = {}
        for (name,) in connection.execute(
                "select table_name from duckdb_tables() where schema_name = 'main' "
                "order by 1").fetchall():
            columns = [f'"{column}"' for (column,) in connection.execute(
                "select column_name from duckdb_columns() where table_name = ? "
                "order by column_index", [name]).fetchall() if column not in without]
            row = connection.execute(
                f"select count(*), cast(coalesce(sum(hash({', '.join(columns)})), 0) as varchar) "
                f"from {name}").fetchone()
            assert row is not None
            found[name] = [str(cell) for cell in row]
        return found
