"""One file -> `lines`: a table of text, one column for each of its columns, nothing judged.

Here formats meet: what kind of file it is, what its header says (`look`), and its rows
(`read_lines`). What the columns mean is the mapping's business. Each format's own ways stand in
`delimited.py`, `json_rows.py` and `spreadsheets.py`; containers and encodings in modules of their
names. Types are declared, never sniffed.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from dagster_project.engine.containers import (
    chunks,
    content_name,
    kind_of,
    open_content,
    unpacked_bound,
)
from dagster_project.engine.delimited import (
    HEAD_BYTES,
    MAXIMUM_ROW_BYTES,
    BadRow,
    Head,
    read_head,
    sift,
    sift_lines,
)
from dagster_project.engine.encodings import (
    UTF8_MARK,
    check_mark,
    decoded,
    first_that_fits,
    is_utf8,
    to_utf8,
)
from dagster_project.engine.failures import is_of_the_machine
from dagster_project.engine.interface import LoadRequest
from dagster_project.engine.json_rows import (
    columns_of_objects,
    first_objects,
    read_objects_of_array,
    read_objects_of_lines,
    require_last_object,
)
from dagster_project.engine.mapping import Staging, stage
from dagster_project.engine.spreadsheets import choose_sheet, look_at_workbook, write_sheet
from dagster_project.engine.stores import identifier, literal
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.reading_rules import (
    DELIMITERS,
    ENDINGS,
    KEYED_FORMATS,
    Format,
    Look,
    ReadRules,
)

# Rows of which recognition sees the text: enough for what stands above a header.
ROWS_TO_RECOGNISE = 30
BAD_ROWS_AT_ONCE = 10_000
# Left to itself, the engine takes sixteen of the longest rows at once for each thread, and half a
# second a gigabyte to get that memory.
BUFFER_BYTES = 2 * MAXIMUM_ROW_BYTES
# A full disk or a fault of the engine's own says nothing of the file.
NOT_OF_THE_FILE = (duckdb.FatalException, duckdb.InternalException)
MEMORY_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def read_file(scratch: duckdb.DuckDBPyConnection, request: LoadRequest, *,
              in_one_pass: bool = False) -> Staging:
    """Fill `staged`, `set_aside` and `unreadable` of an empty scratch store.

    Args:
        in_one_pass: `staged` may be a view of the file itself, which is read when the view is;
            only then is a fault of the file found, and raised as the engine's own.

    Raises:
        FileRefused: the file as a whole cannot be read, or does not fit its mapping.
    """
    rules = request.source.read
    seen = look(request.path, request.name, rules)
    if in_one_pass and _view_lines(scratch, request.path, request.name, seen, rules):
        return stage(scratch, request, seen, is_numbered=False)
    return stage(scratch, request, read_lines(scratch, request.path, request.name, seen, rules))


def look(path: Path, name: str, rules: ReadRules) -> Look:
    """What the file is by its rules, and its header.

    The columns of JSON are the keys in its first megabyte; `read_lines` knows all.

    Args:
        name: path below landing/, for messages.

    Raises:
        FileRefused: the file cannot be read as the rules say.
    """
    with _refusing(name, "text or a table"):
        known = _format(path, name, rules)
        if known == "parquet":
            return _look_at_parquet(path, name)
        if known == "excel":
            return _look_at_workbook(path, name, rules)
        with open_content(path, name) as stream:
            encoding = first_that_fits(stream, name, rules.encodings)
        data = _head_bytes(path, name)
        if known in KEYED_FORMATS:
            return _look_at_json(data, name, encoding, known)
        delimiter = rules.delimiter or DELIMITERS[known]
        head = read_head(data, name, encoding, delimiter, rules)
        return Look(known, encoding, delimiter, head.header_rows, head.rows)


def first_rows(path: Path, name: str, encodings: Sequence[str]) -> Iterator[Look]:
    """How the file begins, in every way in which its beginning can be read.

    The first row stands as header. A file whose ending says no known format gives nothing.

    Raises:
        FileRefused: what is around the text (zip, gzip), a workbook or a Parquet file is damaged.
    """
    inner = content_name(path, name)
    known = ENDINGS.get(Path(inner).suffix.lower())
    with _refusing(name, known or "text"):
        if known is None:
            return
        if known == "parquet":
            yield _look_at_parquet(path, name)
        elif known == "excel":
            yield from _look_at_all_sheets(path, name)
        else:
            data = _head_bytes(path, name)
            check_mark(data, name, encodings)
            yield from _looks_at_text(data, name, _json_kind(known, data), encodings)


def _looks_at_text(data: bytes, name: str, known: Format,
                   encodings: Sequence[str]) -> Iterator[Look]:
    for encoding in encodings:
        try:
            decoded(data, encoding, strict=True)
        except UnicodeDecodeError:
            continue
        if known in KEYED_FORMATS:
            yield _look_at_json(data, name, encoding, known)
            continue
        looks = []
        for delimiter in (",", ";", "\t") if known == "csv" else ("\t",):
            try:
                head = read_head(data, name, encoding, delimiter, ReadRules(),
                                 rows_n=ROWS_TO_RECOGNISE)
            except FileRefused:
                continue
            looks.append(Look(known, encoding, delimiter, head.header_rows, head.rows))
        # A line of words above the header says nothing of the delimiter.
        yield from [found for found in looks
                    if max(map(len, found.first_rows), default=0) > 1] or looks[:1]


def read_lines(scratch: duckdb.DuckDBPyConnection, path: Path, name: str, seen: Look,
               rules: ReadRules) -> Look:
    """Make `lines` and `unreadable`; the look with every column of the file.

    `lines` has columns c0, c1 ... of text for the names in `seen.columns`, in file order; NULL is
    an empty cell. `unreadable` (row_no, reason, row_text) has the rows that cannot be told apart
    into columns. Rows of data count from 1 over both; blank lines are no rows.

    Args:
        seen: from `look` with the same rules.

    Raises:
        FileRefused: the file as a whole cannot be read.
    """
    _make_unreadable(scratch)
    with _refusing(name, seen.format), _work_folder(scratch) as folder:
        if seen.format == "parquet":
            _read_parquet(scratch, _unpacked(scratch, path, name, folder))
            return seen
        if seen.format == "excel":
            assert seen.sheet is not None
            target = folder / "sheet.csv"
            write_sheet(_unpacked(scratch, path, name, folder), name, seen.sheet,
                        rules.header_row + rules.rows_after_header, len(seen.columns), target)
            _read_delimited(scratch, target, 0, name, len(seen.columns), ",", "\n", folder)
            return seen
        if seen.format in KEYED_FORMATS:
            return _read_json(scratch, path, name, seen, folder)
        assert seen.encoding is not None and seen.delimiter is not None
        data = _head_bytes(path, name)
        head = read_head(data, name, seen.encoding, seen.delimiter, rules)
        source, skipped = path, 1
        if not _is_read_where_it_lies(path, data, seen.encoding, head, rules):
            source, skipped = folder / "text", 0
            _copy_text(scratch, path, name, seen.encoding, head, source)
        _read_delimited(scratch, source, skipped, name, len(seen.columns), seen.delimiter,
                        _line_end(head), folder)
        return seen


def _make_unreadable(scratch: duckdb.DuckDBPyConnection) -> None:
    scratch.execute("create or replace table unreadable "
                    "(row_no bigint, reason varchar, row_text varchar)")


def _view_lines(scratch: duckdb.DuckDBPyConnection, path: Path, name: str, seen: Look,
                rules: ReadRules) -> bool:
    """Make `lines` a view of a file that the engine can read where it lies; whether it can.

    The rows of the view have no numbers.
    """
    if seen.format not in DELIMITERS or seen.encoding is None or seen.delimiter is None:
        return False
    with _refusing(name, seen.format):
        data = _head_bytes(path, name)
        head = read_head(data, name, seen.encoding, seen.delimiter, rules)
        if not _is_read_where_it_lies(path, data, seen.encoding, head, rules) or _has_nul(path):
            return False
    _make_unreadable(scratch)
    rows = _clean_rows(path, 1, len(seen.columns), seen.delimiter, _line_end(head))
    scratch.execute(f"create view lines as select * from {rows}")
    return True


def _is_read_where_it_lies(path: Path, data: bytes, encoding: str, head: Head,
                           rules: ReadRules) -> bool:
    """Whether the engine can read the file as it is, behind its first line.

    It skips a header by its quotes: one out of its place would take all rows along.
    """
    return (_is_plain_utf8(path, data, encoding) and head.line_end != "\r"
            and head.header_lines == 1 and rules.header_row == 1 and head.is_regular)


def _line_end(head: Head) -> str:
    return "\r\n" if head.line_end == "\r\n" else "\n"


def _format(path: Path, name: str, rules: ReadRules) -> Format:
    """What the rules say, else the ending; a .json file may hold JSON lines."""
    inner = content_name(path, name)
    known = ENDINGS.get(Path(inner).suffix.lower())
    if len(rules.formats) == 1:
        return rules.formats[0]
    if known is None or (rules.formats and known not in rules.formats):
        meant = ", ".join(ending for ending, kind in sorted(ENDINGS.items())
                          if not rules.formats or kind in rules.formats)
        raise FileRefused(
            f"landing/{name}: the ending says no known format; name it {meant} (or those with "
            f".gz or .zip behind), or state formats: under read: of its source"
        )
    return _json_kind(known, _head_bytes(path, name)) if known == "json" else known


def _json_kind(known: Format, data: bytes) -> Format:
    """A .json file that does not begin with a bracket holds JSON lines."""
    if known != "json":
        return known
    return "jsonl" if data.removeprefix(UTF8_MARK).lstrip()[:1] == b"{" else "json"


def _head_bytes(path: Path, name: str) -> bytes:
    with open_content(path, name) as stream:
        return stream.read(HEAD_BYTES)


def _is_plain_utf8(path: Path, head: bytes, encoding: str) -> bool:
    """Whether the engine can read the file where it lies."""
    return (kind_of(path) == "plain" and is_utf8(encoding)
            and not head.startswith(UTF8_MARK))


def _unpacked(scratch: duckdb.DuckDBPyConnection, path: Path, name: str, folder: Path) -> Path:
    """The file itself, or what is packed in it."""
    if kind_of(path) == "plain":
        return path
    target = folder / "unpacked"
    with target.open("wb") as stream:
        stream.writelines(_parts(scratch, path, name))
    return target


def _copy_text(scratch: duckdb.DuckDBPyConnection, path: Path, name: str, encoding: str,
               head: Head | None, target: Path) -> None:
    """Write the text as UTF-8 without its header, lines ending in LF where they ended in CR."""
    parts = to_utf8(_parts(scratch, path, name), encoding)
    if head is not None and head.line_end == "\r":
        parts = (part.replace(b"\r", b"\n") for part in parts)
    with target.open("wb") as stream:
        stream.writelines(_without_lines(parts, head.header_lines if head else 0))


def _parts(scratch: duckdb.DuckDBPyConnection, path: Path, name: str) -> Iterator[bytes]:
    is_packed = kind_of(path) != "plain"
    bound = unpacked_bound(path, _memory_bytes(scratch)) if is_packed else None
    with open_content(path, name) as stream:
        yield from chunks(stream, name, bound)


def _without_lines(parts: Iterable[bytes], lines_n: int) -> Iterator[bytes]:
    for part in parts:
        rest = part
        while lines_n and rest:
            _, found, rest = rest.partition(b"\n")
            lines_n -= 1 if found else 0
        if rest:
            yield rest


def _read_delimited(scratch: duckdb.DuckDBPyConnection, source: Path, skipped: int, name: str,
                    columns_n: int, delimiter: str, line_end: str, folder: Path) -> None:
    """Rows of UTF-8 text behind `skipped` lines -> `lines`."""
    # The engine's reader takes NUL for a character.
    if not _has_nul(source):
        try:
            _read_clean(scratch, source, skipped, columns_n, delimiter, line_end)
            return
        except duckdb.Error:
            pass
    sifted = folder / "sifted"
    with source.open("rb") as text, sifted.open("wb") as target:
        for _ in range(skipped):
            text.readline()
        _set_aside(scratch, sift(text, target, name, columns_n, delimiter))
    _read_clean(scratch, sifted, 0, columns_n, delimiter, "\n")


def _read_clean(scratch: duckdb.DuckDBPyConnection, source: Path, skipped: int, columns_n: int,
                delimiter: str, line_end: str) -> None:
    rows = _clean_rows(source, skipped, columns_n, delimiter, line_end)
    scratch.execute(f"create or replace table lines as select * from {rows}")


def _clean_rows(source: Path, skipped: int, columns_n: int, delimiter: str,
                line_end: str) -> str:
    """The engine's own reader over UTF-8 text, as SQL; it ends at the first damaged row."""
    # Positions as names: a header may hold anything.
    columns = {f"c{position}": "VARCHAR" for position in range(columns_n)}
    # Stated, the engine takes other line ends inside quotes for text. CR LF it must find out by
    # itself: stated, it misreads a lone LF inside quotes.
    stated_end = "new_line = '\\n'," if line_end == "\n" else ""
    return f"""
        read_csv(
            {literal(str(source))}, auto_detect = false, header = false, skip = {skipped},
            columns = {columns}, delim = {literal(delimiter)}, quote = '"', escape = '"',
            encoding = 'utf-8', compression = 'none', max_line_size = {MAXIMUM_ROW_BYTES},
            buffer_size = {BUFFER_BYTES},
            {stated_end} null_padding = false, strict_mode = true
        )
    """


def _ends_with_line_end(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-min(path.stat().st_size, 1), os.SEEK_END)
        return stream.read(1) in (b"\n", b"\r", b"")


def _has_nul(path: Path) -> bool:
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(b"\0") >= 0


def _set_aside(scratch: duckdb.DuckDBPyConnection, rows: Iterable[BadRow]) -> None:
    """Bad rows -> `unreadable`."""
    pending: list[BadRow] = []

    def write() -> None:
        frame = pa.table({"row_no": pa.array([row.row_no for row in pending], pa.int64()),
                          "reason": pa.array([row.reason for row in pending], pa.string()),
                          "row_text": pa.array([row.text for row in pending], pa.string())})
        scratch.register("bad_rows", frame)
        scratch.execute("insert into unreadable select * from bad_rows")
        scratch.unregister("bad_rows")
        pending.clear()

    size = 0
    for row in rows:
        pending.append(row)
        size += len(row.text)
        if len(pending) >= BAD_ROWS_AT_ONCE or size > MAXIMUM_ROW_BYTES:
            write()
            size = 0
    write()


def _look_at_json(data: bytes, name: str, encoding: str, known: Format) -> Look:
    columns, rows = first_objects(decoded(data, encoding, strict=False), known)
    return Look(known, encoding, None, (columns,), (columns, *rows))


def _read_json(scratch: duckdb.DuckDBPyConnection, path: Path, name: str, seen: Look,
               folder: Path) -> Look:
    assert seen.encoding is not None
    source = path
    if not _is_plain_utf8(path, _head_bytes(path, name), seen.encoding):
        source = folder / "text"
        _copy_text(scratch, path, name, seen.encoding, None, source)
    if seen.format == "json":
        read_objects_of_array(scratch, source, folder)
    else:
        try:
            read_objects_of_lines(scratch, source)
        except duckdb.Error:
            sifted = folder / "sifted"
            with source.open("rb") as text, sifted.open("wb") as target:
                sift_lines(text, target)
            read_objects_of_lines(scratch, sifted)
    columns = columns_of_objects(scratch, name)
    if seen.format == "jsonl" and not _ends_with_line_end(source):
        require_last_object(scratch, name)
    return replace(seen, header_rows=(columns,))


def _look_at_workbook(path: Path, name: str, rules: ReadRules) -> Look:
    rows_n = rules.header_row + rules.rows_after_header
    with _unpacked_for_look(path, name) as plain:
        workbook = look_at_workbook(plain, name, rows_n + ROWS_TO_RECOGNISE)
    sheet = choose_sheet(workbook, name, rules)
    rows = workbook.first_rows[sheet]
    if len(rows) < rows_n or not any(cell.strip() for cell in rows[rules.header_row - 1]):
        raise FileRefused(f"landing/{name}: row {rules.header_row} of sheet {sheet!r} names no "
                          f"columns; state header_row under read:")
    header = tuple(tuple(cell.strip() for cell in row)
                   for row in rows[rules.header_row - 1:rows_n])
    return Look("excel", None, None, header, rows, workbook.sheets, sheet)


def _look_at_all_sheets(path: Path, name: str) -> Iterator[Look]:
    with _unpacked_for_look(path, name) as plain:
        workbook = look_at_workbook(plain, name, ROWS_TO_RECOGNISE)
    for sheet in workbook.sheets:
        rows = workbook.first_rows[sheet]
        header = tuple(cell.strip() for cell in rows[0]) if rows else ()
        yield Look("excel", None, None, (header,), rows, workbook.sheets, sheet)


@contextmanager
def _unpacked_for_look(path: Path, name: str) -> Iterator[Path]:
    if kind_of(path) == "plain":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder, open_content(path, name) as stream:
        target = Path(folder) / "unpacked"
        with target.open("wb") as copy:
            copy.writelines(chunks(stream, name, unpacked_bound(path, 2**30)))
        yield target


def _look_at_parquet(path: Path, name: str) -> Look:
    with _unpacked_for_look(path, name) as plain, duckdb.connect() as connection:
        columns = tuple(column.strip() for column, _ in _parquet_columns(connection, plain))
    return Look("parquet", None, None, (columns,), (columns,))


def _read_parquet(scratch: duckdb.DuckDBPyConnection, path: Path) -> None:
    # As text, so that a value is judged alike whatever format brought it.
    cells = ", ".join(f"{expression} as c{position}" for position, (_, expression)
                      in enumerate(_parquet_columns(scratch, path)))
    scratch.execute(f"create or replace table lines as "
                    f"select {cells} from read_parquet({literal(str(path))})")


def _parquet_columns(connection: duckdb.DuckDBPyConnection,
                     path: Path) -> list[tuple[str, str]]:
    """Name and expression as text of each column; fields of structures as `a.b`."""
    relation = connection.sql(f"select * from read_parquet({literal(str(path))})")
    found: list[tuple[str, str]] = []
    for name, kind in zip(relation.columns, relation.types, strict=True):
        found.extend(_parquet_leaves(name, identifier(name), kind))
    return found


def _parquet_leaves(name: str, expression: str,
                    kind: DuckDBPyType) -> Iterator[tuple[str, str]]:
    if kind.id == "struct":
        for field, inner in kind.children:
            assert isinstance(inner, DuckDBPyType)
            yield from _parquet_leaves(f"{name}.{field}",
                                       f"struct_extract({expression}, {literal(field)})", inner)
    elif kind.id in ("list", "map", "array", "union", "variant"):
        yield name, f"cast(to_json({expression}) as varchar)"
    elif kind.id == "blob":
        yield name, f"try(decode({expression}))"
    else:
        yield name, f"cast({expression} as varchar)"


def _memory_bytes(scratch: duckdb.DuckDBPyConnection) -> int:
    ((setting,),) = scratch.execute("select current_setting('memory_limit')").fetchall()
    number, unit = str(setting).split()
    return int(float(number) * MEMORY_UNITS[unit])


@contextmanager
def _work_folder(scratch: duckdb.DuckDBPyConnection) -> Iterator[Path]:
    """A folder where the scratch store lies or spills, for copies in clear; gone afterwards."""
    ((path, spill),) = scratch.execute(
        "select path, current_setting('temp_directory') from duckdb_databases() "
        "where database_name = current_database()").fetchall()
    beside = Path(path).parent if path else Path(spill)
    folder = Path(tempfile.mkdtemp(dir=beside))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _refusing(name: str, what: str) -> Iterator[None]:
    """Turns what the engine and the operating system say of a damaged file into words."""
    try:
        yield
    except (duckdb.Error, OSError, UnicodeError) as error:
        if isinstance(error, NOT_OF_THE_FILE) or is_of_the_machine(error):
            raise
        words = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise FileRefused(f"landing/{name}: cannot be read as {what}: {words}; deliver the file "
                          f"again, whole") from error
