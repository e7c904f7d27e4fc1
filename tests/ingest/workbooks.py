"""Writes small .xlsx workbooks as spreadsheet programs do, cell types and styles included."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


@dataclass(frozen=True)
class Day:
    """A cell with a date format: days since 1899-12-30, with a fraction for the time."""

    serial: float


@dataclass(frozen=True)
class Formula:
    """A formula, with the value saved with it; None: none was saved."""

    text: str
    saved: float | None = None


Cell = str | float | bool | Day | Formula | None


class _Package(zipfile.ZipFile):
    """A zip file of its content alone: what was written when does not stand in it."""

    def put(self, name: str, text: str) -> None:
        """Add one file."""
        self.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)


def workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]], hidden: Sequence[str] = ()) -> bytes:
    """The bytes of a workbook; None is a cell that is not there."""
    buffer = io.BytesIO()
    with _Package(buffer, "w") as archive:
        parts = "".join(f'<Override PartName="/xl/worksheets/sheet{n}.xml" '
                        f'ContentType="{SHEET_TYPE}.worksheet+xml"/>'
                        for n in range(1, len(sheets) + 1))
        archive.put("[Content_Types].xml", (
            f'<Types xmlns="{PACKAGE}/content-types">'
            '<Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{SHEET_TYPE}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{SHEET_TYPE}.styles+xml"/>'
            f"{parts}</Types>"))
        archive.put("_rels/.rels", (
            f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
            f'Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'))
        listed = "".join(
            f'<sheet name="{escape(name)}" sheetId="{n}" r:id="s{n}"'
            f'{" state=" + chr(34) + "hidden" + chr(34) if name in hidden else ""}/>'
            for n, name in enumerate(sheets, start=1))
        archive.put("xl/workbook.xml", (
            f'<workbook {NAMESPACE} xmlns:r="{RELATIONS}"><sheets>{listed}</sheets></workbook>'))
        related = "".join(f'<Relationship Id="s{n}" Type="{RELATIONS}/worksheet" '
                          f'Target="worksheets/sheet{n}.xml"/>'
                          for n in range(1, len(sheets) + 1))
        archive.put("xl/_rels/workbook.xml.rels", (
            f'<Relationships xmlns="{PACKAGE}/relationships">{related}'
            f'<Relationship Id="y" Type="{RELATIONS}/styles" Target="styles.xml"/>'
            f"</Relationships>"))
        archive.put("xl/styles.xml", (
            f'<styleSheet {NAMESPACE}><cellXfs count="2"><xf numFmtId="0"/>'
            f'<xf numFmtId="22"/></cellXfs></styleSheet>'))
        for n, rows in enumerate(sheets.values(), start=1):
            archive.put(f"xl/worksheets/sheet{n}.xml", _sheet(rows))
    return buffer.getvalue()


def _sheet(rows: Sequence[Sequence[Cell]]) -> str:
    lines = "".join(
        f'<row r="{r}">' + "".join(_cell(f"{_letters(c)}{r}", value)
                                   for c, value in enumerate(row) if value is not None) + "</row>"
        for r, row in enumerate(rows, start=1))
    return f"<worksheet {NAMESPACE}><sheetData>{lines}</sheetData></worksheet>"


def _letters(column: int) -> str:
    return (_letters(column // 26 - 1) if column >= 26 else "") + chr(ord("A") + column % 26)


def _cell(place: str, value: Cell) -> str:
    if isinstance(value, str):
        return (f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t>'
                f"</is></c>")
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, Day):
        return f'<c r="{place}" s="1"><v>{value.serial!r}</v></c>'
    if isinstance(value, Formula):
        saved = "" if value.saved is None else f"<v>{value.saved!r}</v>"
        return f'<c r="{place}"><f>{escape(value.text)}</f>{saved}</c>'
    return f'<c r="{place}"><v>{value!r}</v></c>'
