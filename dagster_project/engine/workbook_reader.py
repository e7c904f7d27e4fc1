"""Reads one workbook in a process of its own: `python workbook_reader.py look|rows ...`.

A workbook is a zip of XML or an old binary format, and its reader is native code: what a damaged
or hostile one does to memory and time must not reach the run. So this file is started as a script
under limits and imports nothing of the project. `spreadsheets.py` is the other side.

Cells become text as a person sees them, without a format's decoration: integers without `.0`,
numbers to the 15 digits that a spreadsheet keeps, dates as ISO, formulas as the value that was
saved with them.
"""

from __future__ import annotations

import csv
import json
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from python_calamine import CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum


def cell_text(value: Any) -> str:
    """One cell as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number_text(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return "" if value is None else str(value)


def _number_text(value: float) -> str:
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    short = Decimal(f"{value:.15g}")
    return format(short.normalize(), "f") if short.is_finite() and abs(
        short.adjusted()) < 40 else str(short)


def rows_of(sheet: CalamineSheet) -> Iterator[list[str]]:
    """The rows of a sheet from its first row and column on, as they are numbered on the screen."""
    start = sheet.start
    if start is None:
        return
    for _ in range(start[0]):
        yield []
    lead = [""] * start[1]
    for row in sheet.iter_rows():
        cells = lead + [cell_text(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        yield cells


def look(workbook: CalamineWorkbook, rows_n: int) -> dict[str, Any]:
    """Visible sheets of cells, each with its first rows."""
    names = [sheet.name for sheet in workbook.sheets_metadata
             if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible]
    first = {}
    for name in names:
        rows = rows_of(workbook.get_sheet_by_name(name))
        first[name] = [row for row, _ in zip(rows, range(rows_n), strict=False)]
    return {"sheets": names, "first_rows": first}


def write_rows(workbook: CalamineWorkbook, sheet: str, first: int, columns_n: int,
               target: str) -> None:
    """Rows from number `first` (0-based) on as CSV; blank ones are no rows, short ones filled."""
    with Path(target).open("w", encoding="utf-8", errors="replace", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for number, row in enumerate(rows_of(workbook.get_sheet_by_name(sheet))):
            if number >= first and row:
                writer.writerow(row + [""] * (columns_n - len(row)))


def main(arguments: list[str]) -> int:
    """Does as told; what goes wrong is said on stderr in one line."""
    what, path, memory_bytes, seconds, *rest = arguments
    for limit, value in ((resource.RLIMIT_AS, int(memory_bytes)),
                         (resource.RLIMIT_CPU, int(seconds)), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))
    try:
        workbook = CalamineWorkbook.from_path(path)
        if what == "look":
            json.dump(look(workbook, int(rest[0])), sys.stdout)
        else:
            write_rows(workbook, rest[0], int(rest[1]), int(rest[2]), rest[3])
    except MemoryError:
        sys.stderr.write("it needs too much memory")
        return 1
    # A panic of the native reader is no Exception.
    except BaseException as error:  # noqa: BLE001
        sys.stderr.write(f"{error}".splitlines()[0] if f"{error}" else type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
