"""Damages files of every format and loads them: no traceback, no hang, no row without a reason.

A few hundred run with the other tests (`test_reading_fuzz.py`); the campaign is

    python -m tests.ingest.fuzz_reading --files 20000 --seed 1

Every order has a marker in its id. A marker that is still in the damaged bytes must come out in
a loaded row or in the text of a rejected one, unless the file is refused as a whole. (A quote too
many may make the next row part of a cell: that is CSV, and nothing is lost.) No file that ends in
the middle of a row is loaded, and no other one is refused for that.

A file is a function of the seed and its number alone: `--first 1234 --files 1` makes one of them
again.
"""

from __future__ import annotations

import argparse
import codecs
import csv
import faulthandler
import gzip
import io
import json
import re
import resource
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.engine.interface import LoadResult
from dagster_project.ingest import landing as landing_files
from tests.ingest.conftest import Landing
from tests.ingest.old_workbooks import old_workbook
from tests.ingest.workbooks import Formula, workbook

# A sound row of each kind. Refunds have few columns, and are so loaded in a third of the time.
ROWS = {
    "orders": {"order_id": "", "line_id": "1", "customer_id": "c1",
               "ordered_at": "2026-01-05 10:00:00", "status": "completed", "quantity": "2",
               "unit_price": "10.50", "currency": "CNY", "channel": 'web, "new"'},
    "refunds": {"order_id": "", "refunded_at": "2026-01-05 10:00:00", "refund": "10.50",
                "currency": "CNY", "order_source": 'web, "new"'},
}
KINDS = {"refunds": 5, "orders": 1}
MARKER = re.compile(rb"mk[0-9a-f]{8}z")
KEPT = ("select load_seq, concat_ws(' ', order_id, line_key, channel) as text "
        "from raw_order_lines union all "
        "select load_seq, concat_ws(' ', order_id, order_source) from raw_refunds")
MAXIMUM_SECONDS = 120.0
FILES_AT_ONCE = 40
FILES_A_HOME = 2000
MAXIMUM_MEMORY_BYTES = 2 * 1024**3
# Workbooks cost a process each.
FORMATS = {"csv": 6, "tsv": 2, "semicolon": 2, "mapped": 3, "jsonl": 5, "json": 4, "parquet": 3,
           "xlsx": 1, "xls": 1, "gb18030": 2, "utf16": 2}
TEXTS = ("csv", "tsv", "semicolon", "mapped", "jsonl", "json")
CONTAINERS = {"": 8, ".gz": 1, ".zip": 1}
DAMAGES = ("cut", "cut_front", "flip", "insert", "remove", "double", "nul", "quote", "newline",
           "long")
# Ten megabytes in a cell cost as much as a hundred files.
HUGE_ONE_IN = 500
NOISE = (b'"', b"\0", b"\r", b"\n", b",", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b"[[[[", b"}",
         b'","', b'"\n"', b"\\", b"\x81", b"\x1a", b"PK", b":", b"1e9", b"]", b"\\u0000",
         b"\\ud800", b"\xc3\x28", b"\xe2\x80\xa8", b"\x02", b"\xef\xb7\x90")
LETTERS = ("aZ09 ,;\t\n\r\"'|={}[]\\/:@%_-.\u00e9\u4e0a\u3000\u2028\u202e\U0001f600\ufeff"
           "\x00\x01\x1f\x7f")
# Values that a broken export may hold where a date, a number or an id should be.
ABSURD = ("", "9999-99-99", "0000-00-00 00:00:00", "1e999", "-1e308", "NaN", "inf", "=1+1",
          "=HYPERLINK(\"http://x\")", "'0012", "\t0012", "9" * 400, "2026-02-30", "\u202e",
          "DROP TABLE x", "'; --", "{}", "[1", "\\", "#REF!", "1,000.00", "٣", "99999-01-01",
          "2026-01-05T10:00:00+99:99", "-0", "0x1F", "1_000", "12345678901234567.890123456789",
          "\ufdd01.5", "9" * 5000, "1e-400", "24:00:00", "2026-01-05 10:00:00 Mars/Olympus")
READ_RULES = {
    "plain": {}, "semicolon": {"delimiter": ";", "formats": ["csv"]},
    "gb18030": {"encodings": ["utf-8", "gb18030"]}, "utf16": {"encodings": ["utf-16"]},
    "mapped": {"empty_words": ["-"], "strip_prefixes": ["'", "\t", "="]},
}
MAPPINGS = {
    "orders": {
        "order_id": "order_id", "line_id": {"number_per": "order_id"},
        "customer_id": {"from": "customer_id", "same_per": "order_id"},
        "ordered_at": "ordered_at",
        "status": {"from": "status", "words": {"completed": "completed", "gone": "cancelled"}},
        "unit_price": {"from": "unit_price", "number": {"thousands": ",", "symbols": ["$"]}},
        "currency": "currency", "channel": "channel"},
    "refunds": {
        "order_id": {"from": "order_id", "letters": "lower"},
        "refunded_at": {"from": "refunded_at", "format": "%Y-%m-%d %H:%M:%S"},
        "refund": {"from": "refund", "number": {"decimal": ",", "thousands": ".",
                                                "brackets": True}},
        "currency": {"from": "currency", "words": {"CNY": "CNY", "RMB": "CNY"}},
        "order_source": "order_source"},
}
SOURCES = {f"{folder}_{kind}": {"kind": kind, "files": [f"{folder}/{kind}-*"], "read": read}
           for folder, read in READ_RULES.items() for kind in ROWS}
for _kind, _columns in MAPPINGS.items():
    SOURCES[f"mapped_{_kind}"] |= {"columns": _columns, "left_out": [
        {"rule": "other_currency", "column": "currency", "words": ["#REF!", "{}"]}]}


Row = dict[str, str]


@dataclass(frozen=True)
class DamagedFile:
    """A file as it is delivered, and what of it can be held against the loader.

    Attributes:
        text: what was packed into it.
        markers: those that must come out.
    """

    name: str
    format: str
    content: bytes
    text: bytes
    markers: frozenset[str]


@dataclass
class Tally:
    """What became of the files.

    Attributes:
        formats: format -> files.
        slowest: seconds of the file that took longest, and which one it is.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")

    @property
    def files_n(self) -> int:
        """Files that were delivered."""
        return sum(self.formats.values())


def damaged_file(seed: int, number: int) -> DamagedFile:
    """A file of orders in any format, with odd values, damaged before and after packing."""
    random = Random(f"{seed}:{number}")
    kind = random.choices(tuple(FORMATS), tuple(FORMATS.values()))[0]
    container = random.choices(tuple(CONTAINERS), tuple(CONTAINERS.values()))[0]
    name = random.choices(tuple(KINDS), tuple(KINDS.values()))[0]
    rows = [ROWS[name] | {"order_id": f"mk{random.getrandbits(32):08x}z"}
            for _ in range(random.randint(0, 12))]
    for _ in range(random.choice((0, 0, 1, 3)) if rows else 0):
        random.choice(rows)[random.choice(tuple(ROWS[name])[1:])] = _odd_value(random)
    if kind == "mapped":
        rows = [{column: cell.replace("10.50", "10,50") if name == "refunds" else cell
                 for column, cell in row.items()} for row in rows]
    content = _ENCODERS[kind](tuple(ROWS[name]), rows)
    for _ in range(random.randint(0 if random.random() < 0.2 else 1, 3)):
        content = _damaged(content, random)
    text, markers = content, frozenset[str]()
    if kind in TEXTS:
        markers = frozenset(found.decode() for found in MARKER.findall(content))
    ending = {"xlsx": "xlsx", "xls": "xls", "parquet": "parquet", "tsv": "tsv",
              "jsonl": "jsonl", "json": "json"}.get(kind, "csv")
    folder = kind if kind in READ_RULES else "plain"
    if container:
        content = _packed(content, f"o.{ending}", container)
        if random.random() < 0.5:
            content = _damaged(content, random)
            markers = frozenset()
    path = f"{folder}/{name}-{seed}-{number}.{ending}{container}"
    return DamagedFile(path, kind, content, text, markers)


def _odd_value(random: Random) -> str:
    if random.random() < 0.6:
        return random.choice(ABSURD)
    return "".join(random.choices(LETTERS, k=random.randint(0, 20)))


def _damaged(content: bytes, random: Random) -> bytes:
    # As often behind the header as anywhere, so that not nearly every file is refused.
    first = content.find(b"\n") + 1 if random.random() < 0.7 else 0
    place, length = random.randint(first, len(content)), random.randint(1, 200)
    noise = random.choice((*NOISE, random.randbytes(random.randint(1, 8))))
    before, after = content[:place], content[place:]
    huge = random.randrange(HUGE_ONE_IN) == 0
    changes: dict[str, Callable[[], bytes]] = {
        "cut": lambda: before,
        "cut_front": lambda: after,
        "flip": lambda: before + bytes(byte ^ 0x55 for byte in after[:1]) + after[1:],
        "insert": lambda: before + noise + after,
        "remove": lambda: before + after[length:],
        "double": lambda: before + after[:length] + after,
        "nul": lambda: before + b"\0" * length + after,
        "quote": lambda: before + b'"' + after,
        "newline": lambda: before + b"\r\n" + after,
        "long": lambda: before + b"x" * (10_000_000 if huge else 1000) + after,
    }
    return changes["long" if huge else random.choice(DAMAGES)]()


def _delimited(columns: Sequence[str], rows: Sequence[Row], delimiter: str) -> str:
    def cell(text: str) -> str:
        special = any(sign in text for sign in (delimiter, '"', "\n", "\r"))
        return '"' + text.replace('"', '""') + '"' if special else text

    lines = [columns, *([row[name] for name in columns] for row in rows)]
    return "".join(delimiter.join(map(cell, line)) + "\n" for line in lines)


def _parquet(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: pa.array([row[name] for row in rows], pa.string())
                             for name in columns}), buffer)
    return buffer.getvalue()


def _xlsx(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    def cell(text: str) -> str | Formula:
        shown = re.sub(r"[^\x20-\uD7FF]", "?", text)
        return Formula(shown[1:], 2.0) if shown.startswith("=") else shown

    return workbook({"data": [columns, *([cell(row[name]) for name in columns] for row in rows)]})


def _xls(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    return old_workbook([columns, *([2.0 if row[name].startswith("=") else row[name]
                                     for name in columns] for row in rows)])


def _packed(content: bytes, name: str, container: str) -> bytes:
    if container == ".gz":
        return gzip.compress(content, 1, mtime=0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        # A file of a number is the same at any time.
        archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


_ENCODERS: dict[str, Callable[[Sequence[str], Sequence[Row]], bytes]] = {
    "csv": lambda columns, rows: _delimited(columns, rows, ",").encode(),
    "tsv": lambda columns, rows: _delimited(columns, rows, "\t").encode(),
    "semicolon": lambda columns, rows: _delimited(columns, rows, ";").encode(),
    "mapped": lambda columns, rows: _delimited(columns, rows, ",").encode(),
    "gb18030": lambda columns, rows: _delimited(columns, rows, ",").encode("gb18030"),
    "utf16": lambda columns, rows: (
        codecs.BOM_UTF16_LE + _delimited(columns, rows, ",").encode("utf-16-le")),
    "jsonl": lambda columns, rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    "json": lambda columns, rows: json.dumps(rows, indent=1).encode(),
    "parquet": _parquet,
    "xlsx": _xlsx,
    "xls": _xls,
}


def bombs(folder: Path) -> dict[str, bytes]:
    """Small files that unpack to far more than any machine should take."""
    path = folder / "bomb"
    header = ",".join(ROWS["refunds"]).encode() + b"\n"
    lines = b"mk000000z,2026-01-05,1,CNY,web\n" * 30_000
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.write(header)
        for _ in range(400):
            stream.write(lines)
    found = {"plain/refunds-bomb.csv.gz": path.read_bytes()}
    for name, member, times in (("plain/refunds-bomb.csv.zip", "bomb.csv", 400),
                                ("plain/refunds-bomb.xlsx", "xl/worksheets/sheet1.xml", 3000)):
        with (zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
              archive.open(member, "w", force_zip64=True) as stream):
            stream.write(header)
            for _ in range(times):
                stream.write(lines)
        found[name] = path.read_bytes()
    path.unlink()
    return found


def deliver(home: Landing, files: Sequence[DamagedFile], tally: Tally) -> None:
    """Load the files and hold what came of each against what was in it.

    Raises:
        AssertionError: a row vanished, or a file took too long.
    """
    times: list[tuple[float, str]] = []
    for file in files:
        home.put(file.name, file.content)
        tally.formats[file.format] += 1
    faulthandler.dump_traceback_later(MAXIMUM_SECONDS * len(files), exit=True)
    try:
        report = home.load(lambda words, _share: times.append((time.monotonic(), words)))
    finally:
        faulthandler.cancel_dump_traceback_later()
        for file in files:
            (home.landing / file.name).unlink()
    times.append((time.monotonic(), ""))
    for (began, words), (ended, _) in zip(times, times[1:], strict=False):
        tally.slowest = max(tally.slowest, (ended - began, words))
        assert ended - began < MAXIMUM_SECONDS, f"{words} took {ended - began:.0f} s"
    results = {loaded.name: loaded.result for loaded in report.loaded}
    for file in files:
        if file.name in report.refused:
            words = report.refused[file.name]
            assert words.startswith(f"landing/{file.name}: "), words
            assert len(words) < 20_000, words[:20_000]
            tally.outcomes["refused"] += 1
            if "ends in the middle of row" in words:
                tally.outcomes["of these cut off"] += 1
                assert _may_be_cut_off(file), f"{words}{file.content!r}"
        elif file.name in results:
            result = results[file.name]
            tally.outcomes["loaded"] += 1
            assert not _is_cut_off(file), f"{file.name} is loaded: {file.content[-5000:]!r}"
            tally.rows.update(loaded=result.rows_loaded_n, repeated=result.rows_repeated_n,
                              rejected=result.rows_rejected_n)
        else:
            assert file.name in report.repeated, f"{file.name} is neither loaded nor refused"
            tally.outcomes["repeated"] += 1
    loaded = [file for file in files if file.name in results]
    _require_markers(home, loaded, results)


def _may_be_cut_off(file: DamagedFile) -> bool:
    """Whether the text ends without a line end, or has quotes that one may be open of."""
    # As text: half of a character of two bytes can look like a line end.
    encoding = "utf-16" if file.format == "utf16" else "latin-1"
    text = file.text.decode(encoding, "replace")
    return '"' in text or not text.endswith(("\n", "\r"))


def _is_cut_off(file: DamagedFile) -> bool:
    """Whether it is surely cut: no quotes, no line end, and a last row that is too short."""
    mark = {"csv": b",", "tsv": b"\t", "semicolon": b";"}.get(file.format)
    header, *rows = file.text.split(b"\n")
    if mark is None or b'"' in file.text or b"\r" in file.text or not rows or not rows[-1]:
        return False
    return rows[-1].count(mark) < header.count(mark)


def _require_markers(home: Landing, files: Sequence[DamagedFile],
                     results: Mapping[str, LoadResult]) -> None:
    """Raise AssertionError unless every marker is in its load: in an id, or in rejected text.

    A row that has become part of the header is told among the columns that nothing reads.
    """
    if not files:
        return
    load_seqs = {file.name: results[file.name].load_seq for file in files}
    texts: dict[int, list[str]] = {}
    for area, query in (("raw", KEPT),
                        ("vault", "select load_seq, row_text as text from rejected_text")):
        for load_seq, text in home.rows(
                f"select * from ({query}) where load_seq >= {min(load_seqs.values())}", area):
            texts.setdefault(int(load_seq), []).append(str(text))
    for file in files:
        kept = "\n".join((*texts.get(load_seqs[file.name], ()),
                          *results[file.name].ignored_columns))
        lost = {marker for marker in file.markers if marker not in kept}
        lost -= _in_cells_of_several_lines(file) if lost else set()
        # A row that an earlier file brought is in raw under the number of that load.
        lost = {marker for marker in lost if not home.rows(
            f"select 1 from ({KEPT}) where contains(text, '{marker}') limit 1")}
        assert not lost, f"{sorted(lost)} of {file.name} are lost: {file.content[:5000]!r}"


def _in_cells_of_several_lines(file: DamagedFile) -> set[str]:
    """Markers that a quote made part of a cell, perhaps of one that nothing reads."""
    text = file.text.decode("utf-8", "replace").replace("\0", "")
    delimiter = {"tsv": "\t", "semicolon": ";"}.get(file.format, ",")
    cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
             for cell in row if "\n" in cell]
    return {marker.decode() for cell in cells for marker in MARKER.findall(cell.encode())}


def fuzz(files_n: int, seed: int, folder: Path, first: int = 0) -> Tally:
    """Load `files_n` damaged files, the same for the same numbers, and the bombs.

    Raises:
        AssertionError: one of the promises is broken; the words name the file.
    """
    tally = Tally()
    home = Landing(folder / "home", SOURCES)
    for number in range(first, first + files_n, FILES_AT_ONCE):
        # A new home now and then, so that the raw store stays as small as one night's.
        if number > first and (number - first) % FILES_A_HOME < FILES_AT_ONCE:
            home = Landing(folder / f"home{number}", SOURCES)
        end = min(number + FILES_AT_ONCE, first + files_n)
        files = [damaged_file(seed, one) for one in range(number, end)]
        try:
            deliver(home, files, tally)
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError("\n".join(_blamed(files, folder / f"alone{number}"))) from error
    home = Landing(folder / "bombs", SOURCES)
    for name, content in bombs(folder).items():
        before = tally.outcomes["refused"]
        deliver(home, [DamagedFile(name, "bomb", content, b"", frozenset())], tally)
        assert tally.outcomes["refused"] == before + 1, f"{name} was not refused"
    used = max(resource.getrusage(who).ru_maxrss * 1024
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    assert used < MAXIMUM_MEMORY_BYTES, f"{used:,} bytes of memory"
    tally.outcomes["megabytes of memory at most"] = used // 2**20
    return tally


def _blamed(files: Sequence[DamagedFile], folder: Path) -> Iterator[str]:
    """The files of a batch that end in a traceback, each with it."""
    for position, file in enumerate(files):
        try:
            deliver(Landing(folder / str(position), SOURCES), [file], Tally())
        except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
            yield f"{file.name}: {file.content[:2000]!r}\n{traceback.format_exc()}"


def main() -> int:
    """The campaign, from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    options = parser.parse_args()
    landing_files.SECOND_LOOK_SECONDS = 0.0
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        tally = fuzz(options.files, options.seed, Path(folder), options.first)
    took, words = tally.slowest
    sys.stdout.write(f"seed {options.seed}: {tally.files_n} files in "
                     f"{time.monotonic() - began:.0f} s, {dict(tally.formats)}: "
                     f"{dict(tally.outcomes)}; rows {dict(tally.rows)}; slowest {words} in "
                     f"{took:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
