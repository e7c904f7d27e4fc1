"""Reads one file through the doors of the reading room, without a home around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from dagster_project.engine.reading import look, read_lines
from dagster_project.ingest.reading_rules import Look, ReadRules


class Contents(NamedTuple):
    """What was read of a file: rows of data in file order, rejected rows by their numbers."""

    look: Look
    rows: list[tuple[str | None, ...]]
    unreadable: list[tuple[int, str, str]]

    @property
    def records(self) -> list[dict[str, str | None]]:
        """The rows with the names of their columns."""
        return [dict(zip(self.look.columns, row, strict=True)) for row in self.rows]


def contents_of(path: Path, **rules: Any) -> Contents:
    """Read the whole file by `rules` (those of ReadRules)."""
    read_rules = ReadRules.model_validate(rules)
    folder = path.parent / "scratch"
    folder.mkdir(exist_ok=True)
    with duckdb.connect(str(folder / f"{path.name}.duckdb")) as scratch:
        scratch.execute("set threads = 2")
        scratch.execute("set memory_limit = '1GB'")
        seen = read_lines(scratch, path, path.name, look(path, path.name, read_rules), read_rules)
        rows = scratch.execute("select * from lines order by rowid").fetchall()
        bad = scratch.execute("select row_no, reason, row_text from unreadable "
                              "order by row_no").fetchall()
    left = [file.name for file in folder.rglob("*") if file.suffix != ".duckdb"]
    assert not left, f"copies in clear are left behind: {left}"
    return Contents(seen, rows, bad)
