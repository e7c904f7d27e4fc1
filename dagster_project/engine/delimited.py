"""Text with cells between delimiters: its head, and its rows one by one where they are damaged.

A clean file is read by the engine's own reader, many times as fast. A file in which that finds
any fault is sifted here: row by row, each either whole and copied, or set aside with its reason.
A quote that is opened and not closed costs its own line, not those behind it. A file that ends in
the middle of its last row is no damaged row but half a file, and is refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from dagster_project.engine.encodings import decoded
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.reading_rules import ReadRules

MAXIMUM_ROW_BYTES = 16 * 1024 * 1024
HEAD_BYTES = 1024 * 1024
FIRST_ROWS = 3
# Survey tools name columns by the whole question.
MAXIMUM_NAME_LENGTH = 4000
# Lines that are read again because a quote was opened there and never closed.
MAXIMUM_BYTES_READ_AGAIN = 64 * 1024 * 1024
# Marks a line of JSON that cannot be read: no JSON begins with the replacement character.
NO_JSON = "\ufffd".encode()
csv.field_size_limit(MAXIMUM_ROW_BYTES)


@dataclass(frozen=True)
class Head:
    """The beginning of a file of delimited text.

    Attributes:
        rows: header rows and first rows of data.
        header_rows: the names, then the further header rows.
        header_lines: lines of the file up to the first row of data.
        line_end: what ends the header: LF, CR LF, or CR alone in very old files.
        is_regular: quotes of the header stand around whole cells only.
    """

    rows: tuple[tuple[str, ...], ...]
    header_rows: tuple[tuple[str, ...], ...]
    header_lines: int
    line_end: str
    is_regular: bool


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be told apart into the columns of its file; `row_no` from 1."""

    row_no: int
    reason: str
    text: str


def read_head(data: bytes, name: str, encoding: str, delimiter: str, rules: ReadRules,
              rows_n: int = FIRST_ROWS) -> Head:
    """Header and first rows from the first HEAD_BYTES of a file.

    Args:
        rows_n: rows of data to show, if there are as many.

    Raises:
        FileRefused: there is no header where it should stand, or it cannot be read.
    """
    text = decoded(data, encoding, strict=False)
    line_end = "\n"
    if "\r" in text:
        line_end = "\r\n" if "\n" in text else "\r"
    last_header = rules.header_row + rules.rows_after_header
    lines = io.StringIO(text.replace("\r", "\n") if line_end == "\r" else text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows: list[tuple[str, ...]] = []
    header_lines = 0
    try:
        for row in reader:
            rows.append(tuple(row))
            if len(rows) == last_header:
                if lines.tell() >= len(text) and len(data) >= HEAD_BYTES:
                    rows.pop()
                    raise csv.Error("it is too long")
                header_lines = reader.line_num
                if line_end == "\r\n" and text[lines.tell() - 2:lines.tell()] != "\r\n":
                    line_end = "\n"
            if len(rows) >= last_header + rows_n:
                break
    except csv.Error as error:
        # Beyond the header a fault belongs to its row.
        if len(rows) < last_header:
            raise FileRefused(
                f"landing/{name}: header row {len(rows) + 1} cannot be read: {error}; its quotes "
                f"must be closed, and it must come to less than {HEAD_BYTES:,} bytes"
            ) from error
    _check_there_is_a_header(rows, name, rules)
    header = tuple(_header_row(row, name, encoding)
                   for row in rows[rules.header_row - 1:last_header])
    shown = tuple(tuple(_shown(cell) for cell in row) for row in rows)
    first_lines = "".join(text.splitlines(keepends=True)[:header_lines])
    is_regular = _whole_row(delimiter.encode()).fullmatch(
        first_lines.encode("utf-8", "surrogateescape")) is not None
    return Head(shown, header, header_lines, line_end, is_regular)


def _check_there_is_a_header(rows: list[tuple[str, ...]], name: str, rules: ReadRules) -> None:
    last_header = rules.header_row + rules.rows_after_header
    if not any(cell.strip() for row in rows for cell in row):
        raise FileRefused(f"landing/{name}: the file is empty; a file without rows still needs "
                          f"its header")
    if len(rows) < last_header:
        raise FileRefused(f"landing/{name}: has {len(rows)} rows, and its header should end with "
                          f"row {last_header}; see header_row and rows_after_header under read:")
    names = [cell.strip() for cell in rows[rules.header_row - 1]]
    longest = max(names, key=len, default="")
    if len(longest) > MAXIMUM_NAME_LENGTH:
        raise FileRefused(f"landing/{name}: row {rules.header_row} is no header, it has a name of "
                          f"{len(longest):,} characters; state header_row under read:")
    if not any(names):
        raise FileRefused(f"landing/{name}: row {rules.header_row} names no columns, it is blank; "
                          f"state header_row under read:")


def _header_row(row: tuple[str, ...], name: str, encoding: str) -> tuple[str, ...]:
    for cell in row:
        if _shown(cell) != cell:
            raise FileRefused(
                f"landing/{name}: the header is not {encoding} at {_shown(cell[:40])!r}; "
                f"save the file as UTF-8, or state its encoding under read:, for example "
                f"encodings: [gb18030]"
            )
    return tuple(cell.strip() for cell in row)


def _shown(cell: str) -> str:
    """Bytes that fit no character, and NUL, as the replacement character."""
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace(
        "\0", "\ufffd")


def sift(source: BinaryIO, target: BinaryIO, name: str, columns_n: int,
         delimiter: str) -> Iterator[BadRow]:
    """Copy the whole rows of UTF-8 text to `target`, one line or more each; yield the others.

    Blank lines are no rows, empty cells after the last column are none. Rows count from 1 where
    `source` stands.

    Raises:
        FileRefused: so many quotes are open that rows cannot be told from each other, or the
            text ends in the middle of its last row.
    """
    lines = _Lines(source)
    row_no, read_again = 0, 0
    mark, quote = delimiter.encode(), b'"'
    # What may be the rest of a broken row passes for a row only with every quote in its place.
    whole = _whole_row(mark)
    while line := lines.take():
        if not line.strip(b"\r\n"):
            continue
        row_no += 1
        if lines.is_cut(line):
            lines.skip_rest(line)
            yield BadRow(row_no, "unreadable", _text(line[:1000]))
            continue
        if quote not in line:
            row, body = line, line.rstrip(b"\r\n")
            cells_n = body.count(mark) + 1
            while cells_n > columns_n and body.endswith(mark):
                body, cells_n = body[:-1], cells_n - 1
            copied = body + b"\n"
        else:
            was_given_back = lines.took_again
            taken, cells, is_open = _quoted_row(line, lines, delimiter)
            if is_open and not _has_whole_row(taken[1:], whole, mark, columns_n):
                raise cut_off(name, row_no)
            if cells is None or (was_given_back and not whole.fullmatch(b"".join(taken))):
                lines.give_back(taken[1:])
                read_again += sum(map(len, taken[1:]))
                if read_again > MAXIMUM_BYTES_READ_AGAIN:
                    raise _too_many_quotes(name, row_no)
                yield BadRow(row_no, "unreadable", _text(line.rstrip(b"\r\n")))
                continue
            row = b"".join(taken)
            while len(cells) > columns_n and not cells[-1]:
                cells.pop()
            body, cells_n = row, len(cells)
            copied = _written(cells, delimiter)
        reason = _fault(body, cells_n, columns_n)
        if reason is None:
            target.write(copied)
        elif cells_n < columns_n and not row.endswith((b"\n", b"\r")):
            # Only the last row of a file may lack its end.
            raise cut_off(name, row_no)
        else:
            yield BadRow(row_no, reason, _text(body.rstrip(b"\r\n")))


def _whole_row(mark: bytes) -> re.Pattern[bytes]:
    """A row whose quotes stand around whole cells."""
    cell = rb'(?:"(?:[^"]|"")*"|[^"' + re.escape(mark) + rb'\r\n]*)'
    return re.compile(cell + rb"(?:" + re.escape(mark) + cell + rb")*\r?\n?")


def _fault(body: bytes, cells_n: int, columns_n: int) -> str | None:
    """Why a row is not one of its file; None: it is."""
    if b"\0" in body or (b"\r" in body and b'"' not in body) or not _is_utf8(body):
        return "unreadable"
    if cells_n < columns_n:
        return "missing_columns"
    return "too_many_columns" if cells_n > columns_n else None


def cut_off(name: str, row_no: int) -> FileRefused:
    """Words for a file that is not all there: what came of it would pass for all of it."""
    return FileRefused(f"landing/{name}: ends in the middle of row {row_no}, it is probably "
                       f"incomplete; deliver it again, whole")


def _too_many_quotes(name: str, row_no: int) -> FileRefused:
    return FileRefused(
        f"landing/{name}: from row {row_no} on quotes are opened and not closed too often to tell "
        f"its rows apart; export it again with quotes doubled inside cells")


def _has_whole_row(lines: list[bytes], whole: re.Pattern[bytes], mark: bytes,
                   columns_n: int) -> bool:
    """Whether some of the lines that an open quote took along is a row by itself.

    Then the quote stands there by mistake, and the file goes on behind it.
    """
    return any(line.count(mark) + 1 >= columns_n and whole.fullmatch(line) for line in lines)


def _is_utf8(body: bytes) -> bool:
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _quoted_row(first: bytes, lines: _Lines,
                delimiter: str) -> tuple[list[bytes], list[str] | None, bool]:
    """The lines of a row that has quotes, its cells, and whether a quote is open to the end.

    The cells are None where the quotes are wrong.
    """
    taken: list[bytes] = []
    is_at_end = False

    def feed() -> Iterator[str]:
        nonlocal is_at_end
        line, size = first, 0
        while line:
            taken.append(line)
            size += len(line)
            if size > MAXIMUM_ROW_BYTES:
                return
            yield line.decode("utf-8", "surrogateescape")
            line = lines.take()
        is_at_end = True

    try:
        cells = next(csv.reader(feed(), delimiter=delimiter, strict=True,
                                skipinitialspace=True))
    except (csv.Error, StopIteration):
        return taken, None, is_at_end
    return taken, cells, False


def _written(cells: list[str], delimiter: str) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\n",
               quoting=csv.QUOTE_ALL).writerow(cells)
    return buffer.getvalue().encode()


def sift_lines(source: BinaryIO, target: BinaryIO) -> None:
    """Copy lines of JSON so that every one can be read as text; blank ones are no rows.

    A line that is no UTF-8 or too long comes out as a line that is no JSON, in its place.
    """
    lines = _Lines(source)
    while line := lines.take():
        body = line.strip()
        if lines.is_cut(line):
            lines.skip_rest(line)
            body = NO_JSON + _text(body[:1000]).encode()
        elif b"\0" in body or not _is_utf8(body):
            body = NO_JSON + _text(body).encode()
        if body:
            target.write(body.replace(b"\r", b" "))
            target.write(b"\n")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", "\ufffd")


class _Lines:
    """Lines of a stream, which can be given back; none is longer than a row may be."""

    def __init__(self, stream: BinaryIO) -> None:
        self._read: Callable[[int], bytes] = stream.readline
        self._given_back: deque[bytes] = deque()
        self.took_again = False

    def take(self) -> bytes:
        """The next line with its end; empty at the end of the stream."""
        self.took_again = bool(self._given_back)
        if self._given_back:
            return self._given_back.popleft()
        return self._read(MAXIMUM_ROW_BYTES + 1)

    def give_back(self, lines: list[bytes]) -> None:
        """They are taken again, in the same order."""
        self._given_back.extendleft(reversed(lines))

    def is_cut(self, line: bytes) -> bool:
        """Whether the line is longer than a row may be."""
        return len(line) > MAXIMUM_ROW_BYTES

    def skip_rest(self, line: bytes) -> None:
        """Pass over what is left of a line that is cut."""
        while line and not line.endswith(b"\n"):
            line = self.take()
