"""Workbooks (.xlsx, .xls) -> their sheets, first rows, and rows as delimited text.

The reading is done by `workbook_reader.py` in a process of its own, under limits of memory and
time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dagster_project.engine import workbook_reader
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.reading_rules import ReadRules

WORKBOOK_MAGICS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
MEMORY_BYTES = 1536 * 1024 * 1024
SECONDS = 600
# A sheet of a million rows of twenty columns comes to half of it.
MAXIMUM_UNPACKED_BYTES = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True)
class Workbook:
    """Visible sheets in their order, and the first rows of each."""

    sheets: tuple[str, ...]
    first_rows: dict[str, tuple[tuple[str, ...], ...]]


def look_at_workbook(path: Path, name: str, rows_n: int) -> Workbook:
    """What sheets there are and how they begin.

    Raises:
        FileRefused: it is no workbook, or cannot be read within the limits.
    """
    _check_size(path, name)
    found = json.loads(_run(name, "look", path, str(rows_n)))
    return Workbook(tuple(found["sheets"]),
                    {sheet: tuple(map(tuple, rows))
                     for sheet, rows in found["first_rows"].items()})


def choose_sheet(workbook: Workbook, name: str, rules: ReadRules) -> str:
    """The sheet that the rules name, or the only one.

    Raises:
        FileRefused: there is no such sheet, or several and none is named.
    """
    listed = ", ".join(workbook.sheets) or "none that is visible"
    if rules.sheet is not None:
        if rules.sheet not in workbook.sheets:
            raise FileRefused(f"landing/{name}: has no sheet {rules.sheet!r}; its sheets: {listed}")
        return rules.sheet
    if len(workbook.sheets) != 1:
        raise FileRefused(f"landing/{name}: has {len(workbook.sheets)} sheets ({listed}); state "
                          f"which one under read:, for example sheet: "
                          f"{workbook.sheets[0] if workbook.sheets else 'orders'}")
    return workbook.sheets[0]


def write_sheet(path: Path, name: str, sheet: str, first_row: int, columns_n: int,
                target: Path) -> None:
    """Rows of a sheet from `first_row` (0-based) on as UTF-8 CSV without a header.

    Raises:
        FileRefused: the workbook cannot be read within the limits.
    """
    _run(name, "rows", path, sheet, str(first_row), str(columns_n), str(target))


def _check_size(path: Path, name: str) -> None:
    with path.open("rb") as stream:
        head = stream.read(8)
    if not head.startswith(WORKBOOK_MAGICS):
        raise FileRefused(
            f"landing/{name}: is no Excel workbook, whatever its ending says; if it is text, "
            f"state what it is under read:, for example formats: [csv] or [tsv]"
        )
    if head.startswith(WORKBOOK_MAGICS[0]):
        try:
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
            raise FileRefused(f"landing/{name}: cannot be read as a workbook: {error}; deliver "
                              f"the file again, whole") from error
        if unpacked > MAXIMUM_UNPACKED_BYTES:
            raise FileRefused(f"landing/{name}: {path.stat().st_size:,} bytes unpack to "
                              f"{unpacked:,}, more than a workbook can need; deliver it as csv")


def _run(name: str, what: str, path: Path, *arguments: str) -> str:
    command = [sys.executable, "-P", workbook_reader.__file__, what, str(path), str(MEMORY_BYTES),
               str(SECONDS), *arguments]
    try:
        # Text of the file is handed over by file or as JSON, so stdout is UTF-8 either way.
        process = subprocess.run(command, capture_output=True, timeout=2 * SECONDS, check=False)
    except (subprocess.TimeoutExpired, ValueError, OSError) as error:
        raise FileRefused(f"landing/{name}: cannot be read as a workbook "
                          f"({type(error).__name__}); deliver it as csv") from error
    if process.returncode != 0:
        words = process.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = words[-1][:200] if process.returncode > 0 and words else (
            "its reader needs too much memory or time")
        raise FileRefused(f"landing/{name}: cannot be read as a workbook: {reason}; deliver it "
                          f"again, whole and without a password, or as csv")
    return process.stdout.decode()
