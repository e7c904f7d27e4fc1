"""Damages files of every format and loads them: no traceback, no hang, no row without a reason.

A few hundred run with the other tests (`test_reading_fuzz.py`); the campaign is

    python -m tests.ingest.fuzz_reading --files 20000

Every order has a marker in its id. A marker that is still in the damaged bytes must come out as
a loaded row or in the text of a rejected one, unless the file is refused as a whole.
"""

from __future__ import annotations

import argparse
import codecs
import gzip
import io
import json
import re
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from dagster_project.ingest import landing as landing_files
from tests.ingest.conftest import Landing
from tests.ingest.workbooks import Formula, workbook

COLUMNS = ("order_id", "line_id", "customer_id", "ordered_at", "status", "quantity",
           "unit_price", "currency", "channel")
MARKER = re.compile(rb"mk[0-9]{6}z")
MAXIMUM_SECONDS = 120.0
FILES_AT_ONCE = 10
MAXIMUM_MEMORY_BYTES = 2 * 1024**3
FORMATS = ("csv", "tsv", "semicolon", "jsonl", "json", "parquet", "xlsx", "gb18030", "utf-16")
CONTAINERS = ("", "", "", ".gz", ".zip")
# Values that a broken export may hold where a date, a number or an id should be.
ABSURD = ("", "9999-99-99", "0000-00-00 00:00:00", "1e999", "-1e308", "NaN", "inf", "=1+1",
          "=HYPERLINK(\"http://x\")", "'0012", "\t0012", "9" * 400, "2026-02-30", "\u202e",
          "DROP TABLE x", "'; --", "{}", "[1", "\\", "#REF!", "1,000.00", "٣", "99999-01-01",
          "2026-01-05T10:00:00+99:99", "-0", "0x1F", "1_000")
SOURCES = {
    name: {"kind": "orders", "files": [f"{name}/*"], "read": read}
    for name, read in {
        "plain": {}, "semicolon": {"delimiter": ";", "formats": ["csv"]},
        "gb18030": {"encodings": ["utf-8", "gb18030"]}, "utf-16": {"encodings": ["utf-16"]},
    }.items()
}
SOURCES["utf16"] = SOURCES.pop("utf-16") | {"files": ["utf-16/*"]}


@dataclass(frozen=True)
class Damage:
    """One fault: what, where (a share of the file's length), and what comes in its place."""

    kind: str
    place: float
    length: int
    noise: bytes


@dataclass(frozen=True)
class DamagedFile:
    """A file as it is delivered, and what of it can be held against the loader."""

    name: str
    content: bytes
    markers: frozenset[str]


@dataclass
class Tally:
    """What became of the files."""

    outcomes: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    deliveries: int = 0


damages = st.builds(
    Damage,
    st.sampled_from(["cut", "cut_front", "flip", "insert", "remove", "double", "nul", "quote",
                     "newline", "huge"]),
    st.floats(0, 1), st.integers(1, 200),
    st.one_of(st.binary(min_size=1, max_size=8),
              st.sampled_from([b'"', b"\0", b"\r", b"\n", b",", b"\xff\xfe", b"\xef\xbb\xbf", b"{",
                               b"[[[[", b"}", b'","', b'"\n"', b"\\", b"\x81", b"\x1a", b"PK"])))
values = st.one_of(st.sampled_from(ABSURD), st.text(max_size=20))
oddities = st.dictionaries(
    st.tuples(st.integers(0, 11), st.sampled_from(COLUMNS[2:])), values, max_size=3)


@st.composite
def damaged_files(draw: st.DrawFn) -> DamagedFile:
    """A file of orders in any format, with odd values, damaged before and after packing."""
    kind, container = draw(st.sampled_from(FORMATS)), draw(st.sampled_from(CONTAINERS))
    start = draw(st.integers(0, 900_000))
    odd = draw(oddities)
    rows = []
    for n in range(draw(st.integers(0, 12))):
        row = dict(zip(COLUMNS, (f"mk{start + n:06d}z", "1", f"c{n}", "2026-01-05 10:00:00",
                                 "completed", "2", "10.50", "CNY", 'web, "new"'), strict=True))
        rows.append(row | {column: value for (place, column), value in odd.items() if place == n})
    content = _ENCODERS[kind](rows)
    inner = draw(st.lists(damages, max_size=3))
    for damage in inner:
        content = _damaged(content, damage)
    markers: frozenset[str] = frozenset()
    if kind in ("csv", "tsv", "semicolon", "jsonl"):
        markers = frozenset(found.decode() for found in MARKER.findall(content))
    ending = {"xlsx": "xlsx", "parquet": "parquet", "tsv": "tsv", "jsonl": "jsonl",
              "json": "json"}.get(kind, "csv")
    folder = kind if kind in ("semicolon", "gb18030", "utf-16") else "plain"
    if container:
        content = _packed(content, f"o.{ending}", container)
        for damage in draw(st.lists(damages, max_size=1)):
            content = _damaged(content, damage)
            markers = frozenset()
    return DamagedFile(f"{folder}/o.{ending}{container}", content, markers)


def _damaged(content: bytes, damage: Damage) -> bytes:
    place = int(damage.place * len(content))
    before, after = content[:place], content[place:]
    changes: dict[str, Callable[[], bytes]] = {
        "cut": lambda: before,
        "cut_front": lambda: after,
        "flip": lambda: before + bytes(byte ^ 0x55 for byte in after[:1]) + after[1:],
        "insert": lambda: before + damage.noise + after,
        "remove": lambda: before + after[damage.length:],
        "double": lambda: before + after[:damage.length] + after,
        "nul": lambda: before + b"\0" * damage.length + after,
        "quote": lambda: before + b'"' + after,
        "newline": lambda: before + b"\r\n" + after,
        "huge": lambda: (before + b"x" * 10_000_000 + after if damage.length > 190
                         else before + b"x" * 1000 + after),
    }
    return changes[damage.kind]()


def _delimited(rows: list[dict[str, str]], delimiter: str) -> str:
    def cell(text: str) -> str:
        special = any(sign in text for sign in (delimiter, '"', "\n", "\r"))
        return '"' + text.replace('"', '""') + '"' if special else text

    lines = [COLUMNS, *([row[name] for name in COLUMNS] for row in rows)]
    return "".join(delimiter.join(map(cell, line)) + "\n" for line in lines)


def _parquet(rows: list[dict[str, str]]) -> bytes:
    buffer = io.BytesIO()
    texts = {name: [row[name].encode("utf-8", "replace").decode() for row in rows]
             for name in COLUMNS}
    pq.write_table(pa.table({name: pa.array(cells, pa.string())
                             for name, cells in texts.items()}), buffer)
    return buffer.getvalue()


def _xlsx(rows: list[dict[str, str]]) -> bytes:
    def cell(text: str) -> str | Formula:
        shown = re.sub(r"[^\x20-\uD7FF]", "?", text)
        return Formula(shown[1:], 2.0) if shown.startswith("=") else shown

    return workbook({"data": [COLUMNS, *([cell(row[name]) for name in COLUMNS] for row in rows)]})


def _packed(content: bytes, name: str, container: str) -> bytes:
    if container == ".gz":
        return gzip.compress(content, 1)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


_ENCODERS: dict[str, Callable[[list[dict[str, str]]], bytes]] = {
    "csv": lambda rows: _delimited(rows, ",").encode("utf-8", "replace"),
    "tsv": lambda rows: _delimited(rows, "\t").encode("utf-8", "replace"),
    "semicolon": lambda rows: _delimited(rows, ";").encode("utf-8", "replace"),
    "gb18030": lambda rows: _delimited(rows, ",").encode("gb18030", "replace"),
    "utf-16": lambda rows: codecs.BOM_UTF16_LE + _delimited(rows, ",").encode("utf-16-le",
                                                                             "replace"),
    "jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    "json": lambda rows: json.dumps(rows, indent=1).encode(),
    "parquet": _parquet,
    "xlsx": _xlsx,
}


def bombs(folder: Path) -> dict[str, bytes]:
    """Small files that unpack to far more than any machine should take."""
    path = folder / "bomb"
    header = ",".join(COLUMNS).encode() + b"\n"
    lines = b"mk000000z,1,c,2026-01-05,completed,1,1,CNY,web\n" * 20_000
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.write(header)
        for _ in range(400):
            stream.write(lines)
    found = {"plain/bomb.csv.gz": path.read_bytes()}
    for name, member, times in (("plain/bomb.csv.zip", "bomb.csv", 400),
                                ("plain/bomb.xlsx", "xl/worksheets/sheet1.xml", 3000)):
        with (zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
              archive.open(member, "w", force_zip64=True) as stream):
            stream.write(header)
            for _ in range(times):
                stream.write(lines)
        found[name] = path.read_bytes()
    path.unlink()
    return found


def deliver(home: Landing, files: list[DamagedFile], tally: Tally) -> None:
    """Load the files and hold what came of each against what was in it.

    Raises:
        AssertionError: a row vanished, or it took too long.
    """
    names = {}
    for file in files:
        folder, _, base = file.name.partition("/")
        # Under a name of its own: a delivery of known content is told of once for each name.
        name = f"{folder}/{tally.deliveries}-{base}"
        tally.deliveries += 1
        names[name] = file
        home.put(name, file.content)
    began = time.monotonic()
    try:
        report = home.load()
    finally:
        for name in names:
            (home.landing / name).unlink()
    took = time.monotonic() - began
    tally.slowest = max(tally.slowest, took)
    assert took < MAXIMUM_SECONDS, f"{list(names)} took {took:.0f} s"
    results = {loaded.name: loaded.result for loaded in report.loaded}
    for name, file in names.items():
        if name in report.refused:
            words = report.refused[name]
            assert words.startswith(f"landing/{name}: "), words
            assert len(words) < 20_000, words[:20_000]
            tally.outcomes["refused"] += 1
        elif name in results:
            result = results[name]
            tally.outcomes["loaded"] += 1
            tally.rows.update(loaded=result.rows_loaded_n, repeated=result.rows_repeated_n,
                              rejected=result.rows_rejected_n)
        else:
            assert name in report.repeated, f"{name} is neither loaded nor refused"
            tally.outcomes["repeated"] += 1
            continue
        if name in results and file.markers:
            kept = _kept_text(home, results[name].load_seq)
            lost = {marker for marker in file.markers if marker not in kept}
            # A row that an earlier file brought is in raw under the number of that load.
            lost = {marker for marker in lost if not home.rows(
                f"select 1 from raw_order_lines where order_id like '%{marker}%' limit 1")}
            assert not lost, f"{sorted(lost)} of {name} are lost: {file.content!r}"


def _kept_text(home: Landing, load_seq: int) -> str:
    """Ids of the rows of a load, and the text of its rejected ones."""
    rows = home.rows(f"select order_id from raw_order_lines where load_seq = {load_seq}")
    texts = home.rows(f"select row_text from rejected_text where load_seq = {load_seq}", "vault")
    return "\n".join(str(text) for (text,) in rows + texts)


def fuzz(files_n: int, number: int, folder: Path) -> Tally:
    """Load `files_n` damaged files, the same for the same number, and the bombs.

    Raises:
        AssertionError: one of the promises is broken; hypothesis shows the smallest such file.
    """
    tally = Tally()
    homes: list[Landing] = []

    @seed(number)
    @settings(max_examples=-(-files_n // FILES_AT_ONCE), deadline=None, database=None,
              phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck))
    @given(files=st.lists(damaged_files(), min_size=FILES_AT_ONCE, max_size=FILES_AT_ONCE))
    def run(files: list[DamagedFile]) -> None:
        # A new home now and then, so that the raw store stays as small as one night's.
        if tally.deliveries // 2000 >= len(homes):
            homes.append(Landing(folder / f"home{len(homes)}", SOURCES))
        deliver(homes[-1], files, tally)

    run()
    home = Landing(folder / "bombs", SOURCES)
    for name, content in bombs(folder).items():
        before = tally.outcomes["refused"]
        deliver(home, [DamagedFile(name, content, frozenset())], tally)
        assert tally.outcomes["refused"] == before + 1, f"{name} was not refused"
    used = max(resource.getrusage(who).ru_maxrss * 1024
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    assert used < MAXIMUM_MEMORY_BYTES, f"{used:,} bytes of memory"
    tally.outcomes["megabytes of memory at most"] = used // 2**20
    return tally


def main() -> int:
    """The campaign, from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    landing_files.SECOND_LOOK_SECONDS = 0.0
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        tally = fuzz(options.files, options.seed, Path(folder))
    sys.stdout.write(f"{tally.deliveries} files in {time.monotonic() - began:.0f} s: "
                     f"{dict(tally.outcomes)}; rows {dict(tally.rows)}; slowest load "
                     f"{tally.slowest:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
