"""Writes small .xls workbooks: BIFF8 records in a compound file, as Excel 97 to 2003 saved them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

SECTOR_BYTES = 512
# Streams below this lie in a store of small sectors, which no workbook needs.
SMALLEST_STREAM_BYTES = 4096
END_OF_CHAIN, FREE, OF_THE_TABLE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
NOBODY = 0xFFFFFFFF
BOF, EOF, BOUNDSHEET, DIMENSIONS, LABEL, NUMBER = 0x0809, 0x000A, 0x0085, 0x0200, 0x0204, 0x0203
GLOBALS, SHEET = 0x0005, 0x0010
# A record holds 8,224 bytes, and a character takes two.
LONGEST_CELL = 4000


def old_workbook(rows: Sequence[Sequence[str | float]], sheet: str = "data") -> bytes:
    """The bytes of a workbook of one sheet; text beyond LONGEST_CELL is cut."""
    beginning = _record(BOF, struct.pack("<HHHHII", 0x0600, GLOBALS, 0, 0, 0, 0))
    end = _record(EOF, b"")
    sheet_at = len(beginning) + 4 + 8 + len(sheet) + len(end)
    listed = _record(BOUNDSHEET, struct.pack("<IBBBB", sheet_at, 0, 0, len(sheet), 0)
                     + sheet.encode("ascii"))
    width = max(map(len, rows), default=0)
    cells = b"".join(_cell(place, column, value) for place, row in enumerate(rows)
                     for column, value in enumerate(row))
    return _compound_file("Workbook", b"".join((
        beginning, listed, end,
        _record(BOF, struct.pack("<HHHHII", 0x0600, SHEET, 0, 0, 0, 0)),
        _record(DIMENSIONS, struct.pack("<IIHHH", 0, len(rows), 0, width, 0)), cells, end)))


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _cell(row: int, column: int, value: str | float) -> bytes:
    place = struct.pack("<HHH", row, column, 0)
    if isinstance(value, float):
        return _record(NUMBER, place + struct.pack("<d", value))
    text = value[:LONGEST_CELL].encode("utf-16-le")[:2 * LONGEST_CELL]
    return _record(LABEL, place + struct.pack("<HB", len(text) // 2, 1) + text)


def _compound_file(name: str, stream: bytes) -> bytes:
    """A compound file of version 3 with one stream; its table of sectors stands first."""
    stream = stream.ljust(SMALLEST_STREAM_BYTES, b"\0")
    stream_n = -(-len(stream) // SECTOR_BYTES)
    in_table = SECTOR_BYTES // 4
    table_n = 1
    while table_n * in_table < table_n + 1 + stream_n:
        table_n += 1
    first = table_n + 1
    table = [OF_THE_TABLE] * table_n + [END_OF_CHAIN]
    table += [*range(first + 1, first + stream_n), END_OF_CHAIN]
    table += [FREE] * (table_n * in_table - len(table))
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIII", bytes.fromhex("D0CF11E0A1B11AE1"), b"", 0x3E, 3, 0xFFFE, 9, 6,
        0, table_n, table_n, 0, SMALLEST_STREAM_BYTES, END_OF_CHAIN, 0, END_OF_CHAIN, 0)
    header += struct.pack("<109I", *range(table_n), *[FREE] * (109 - table_n))
    directory = (_entry("Root Entry", 5, 1, END_OF_CHAIN, 0)
                 + _entry(name, 2, NOBODY, first, len(stream)))
    return b"".join((
        header, struct.pack(f"<{len(table)}I", *table), directory.ljust(SECTOR_BYTES, b"\0"),
        stream.ljust(stream_n * SECTOR_BYTES, b"\0")))


def _entry(name: str, kind: int, child: int, first: int, size: int) -> bytes:
    """An entry of the directory; it has no brothers."""
    text = name.encode("utf-16-le")
    return struct.pack("<64sHBBIII16sI16sIII", text, len(text) + 2, kind, 1, NOBODY, NOBODY, child,
                       b"", 0, b"", first, size, 0)
