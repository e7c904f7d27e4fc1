"""Rejected and held rows as people meet them: a list, files for repair, repaired rows taken back.

A repaired row goes through the checks of its source once more, in canonical columns, and is
loaded in the version of the load that rejected it (`engine/repairs.py`). It replaces nothing but
its own rejection: the good rows of that load stand, and what later files said stays newer.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from dagster_project.engine.interface import Engine, LoadRequest, LoadResult, Repair
from dagster_project.engine.mapping import AS_DELIVERED
from dagster_project.engine.quarantine import (
    Choice,
    faults_of,
    held_rows,
    loads,
    read_rejected_text,
    rejected_rows,
    write_rows,
)
from dagster_project.engine.reading import look
from dagster_project.engine.stores import Stores
from dagster_project.ingest.canonical import KINDS, REJECTION_REASONS, ExportKind, advice_on
from dagster_project.ingest.landing import FileRefused, content_hash
from dagster_project.ingest.mapping import Mapping as FileMapping
from dagster_project.ingest.presets import preset_named
from dagster_project.ingest.reading_rules import ReadRules
from dagster_project.ingest.sources import Source, Sources
from dagster_project.refusals import WrongInput

# What a row of a repair file says of itself; the load and the record are its name.
LOAD, RECORD = "_load", "_record"
MARKS = (LOAD, RECORD, "_file", "_row", "_reason", "_column")
# Reasons whose cure depends on how the value is written.
UNREAD_VALUES = ("not_a_number", "not_a_time", "not_a_date")
# Of a row that could not be told into columns, or has cells that nothing reads: itself. Of the
# first also the header of its file.
TEXT, HEADER = AS_DELIVERED, "_header"
LONGEST_CELL = 32 * 1024 * 1024
LEFT_OUT = "left_out"
DELIMITERS = ",;\t"
SHOWN = 5
ONLY_FOR_OWNER = 0o600

# What held orders wait for, with what to do.
HELD_REASONS = {
    "no_rate": "There is no exchange rate of that date: deliver it in an fx_rates export.",
    "mixed_currency": "Its lines are in different currencies: deliver the corrected order.",
    "several_customers": "Its lines name several customers: deliver the corrected order; if the "
                         "shop uses order numbers again, join what tells them apart "
                         "(docs/orders.md, One order, one customer).",
    "unknown_order": "A refund whose order is not known: deliver the order.",
    "order_held": "A refund whose order is held: mend the order.",
    "ambiguous_order": "Several sources have an order of that number: state order_source.",
}
RELEASED = "They are released by themselves."


class QuarantineError(WrongInput, ValueError):
    """Rows cannot be listed, written out or taken back as asked: why, and what to do."""


@dataclass(frozen=True)
class StillRejected:
    """One row of a repair file that is still wrong.

    Attributes:
        line: in the repair file, 1 for the header.
    """

    line: int
    reason: str
    column: str


@dataclass(frozen=True)
class TakenBack:
    """What came of a repair file for one load.

    Attributes:
        load_seq: the load that had rejected the rows.
        file_name: its file.
        result: what the load of the repaired rows did; None: there was none to load.
        still_rejected: rows that are still wrong; they stay rejected as they were.
        known_n: rejected rows that were taken back before.
    """

    load_seq: int
    file_name: str
    result: LoadResult | None
    still_rejected: tuple[StillRejected, ...]
    known_n: int


@dataclass(frozen=True)
class _Row:
    """One row of a repair file."""

    line: int
    load_seq: int
    row_no: int
    cells: Mapping[str, str | None]


# --- the list ----------------------------------------------------------------------------------


def quarantine_words(stores: Stores, choice: Choice) -> list[str]:
    """Rejected and held rows by source, file and reason, with what to do; a line each.

    Raises:
        QuarantineError: no row is of the source or reason that is asked for.
    """
    rejected, held = _chosen(stores, choice)
    return [*rejected_words(rejected), *held_words(held)]


def rejected_words(rejected: pd.DataFrame) -> Iterator[str]:
    """Rejected rows by source, file and reason, with the first row numbers and what to do.

    Of what cannot be read, one value is shown as far as it may be: letters as x, digits of
    what could be a telephone number as #.

    Args:
        rejected: columns of table `rejected_rows`.
    """
    for source, of_source in rejected.groupby("source", sort=True):
        left_out_n = int((of_source["reason"] == LEFT_OUT).sum())
        yield (f"{source}: {len(of_source) - left_out_n} rejected"
               + (f", {left_out_n} left out by rule" if left_out_n else ""))
        for (load_seq, file_name), rows in of_source.groupby(["load_seq", "file_name"]):
            yield f"  landing/{file_name} (load {load_seq})"
            for (reason, column), alike in rows.fillna({"column_name": ""}).groupby(
                    ["reason", "column_name"]):
                where = f" in {column}" if column else ""
                numbers = _some([str(number) for number in alike[_row_number(alike)]])
                yield (f"    {len(alike)} {reason}{where}, row {numbers}{_example(reason, alike)}. "
                       f"{advice_on(str(reason), str(column))}".rstrip())


def _example(reason: object, alike: pd.DataFrame) -> str:
    if reason not in UNREAD_VALUES:
        return ""
    shown = alike["masked_value"].dropna()
    return f" (such as {shown.iloc[0]!r})" if len(shown) else ""


def held_words(held: pd.DataFrame) -> Iterator[str]:
    """Held orders and refunds by source and reason, with the first of them and what to do.

    Args:
        held: source, order_id, reason, currency.
    """
    for (source, reason), waiting in held.groupby(["source", "reason"], sort=True):
        currencies = f" ({', '.join(sorted(set(waiting['currency'])))})" \
            if reason == "no_rate" else ""
        yield (f"{source}: {len(waiting)} held, {reason}{currencies}: "
               f"{_some(list(waiting['order_id']))}. "
               f"{HELD_REASONS.get(str(reason), '')} {RELEASED}")


def _chosen(stores: Stores, choice: Choice) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows that are still rejected, and held ones, of the source and reason asked for."""
    if not stores.raw.exists():
        raise QuarantineError("nothing was loaded yet; put exports into landing/ and run a night: "
                              "crm-value run")
    rejected, held = rejected_rows(stores), held_rows(stores)
    rejected = rejected[rejected["repaired_load_seq"].isna()]
    for name, value, known in (
        ("source", choice.source, set(loads(stores)["source"])),
        ("reason", choice.reason, {*REJECTION_REASONS, *HELD_REASONS}),
    ):
        if value is None:
            continue
        if value not in known:
            raise QuarantineError(f"--{name} {value}: there is none of that name."
                                  f"{_hint(value, known)}")
        rejected, held = (frame[frame[name] == value] for frame in (rejected, held))
    return rejected, held


def _row_number(frame: pd.DataFrame) -> str:
    """The column with the number that people find in their file."""
    return "file_row_no" if "file_row_no" in frame.columns else "row_no"


def _some(texts: Sequence[str]) -> str:
    """The first few of many."""
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


def _hint(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f" Did you mean {close[0]}?" if close else f" Known: {', '.join(sorted(known))}"


# --- writing out -------------------------------------------------------------------------------


def write_rejected(stores: Stores, sources: Sources, choice: Choice, folder: Path, *,
                   landing: Path, who: str, now: datetime) -> list[tuple[Path, int]]:
    """Write the rejected rows in clear, one CSV file for each source and load.

    Each reading of clear text is recorded in the vault. Files and folder are for their owner
    only. A row that could not be told into columns stands whole in column `_text`, beside the
    header of its file while that lies in landing/; whoever repairs it fills in the columns. One
    with cells that nothing reads has them there too, as JSON.

    Args:
        sources: sources.yaml.
        folder: where to; made if it is missing. Not in landing/ or the warehouse.
        landing: the landing folder.
        who, now: user and UTC time, for the record in the vault.

    Returns:
        The files and their numbers of rows.

    Raises:
        QuarantineError: nothing is rejected, the folder is closed, a file is there already.
    """
    for path in (landing, stores.warehouse):
        if folder.resolve().is_relative_to(path.resolve()):
            raise QuarantineError(f"--write {folder}: rows in clear must not lie in {path}; name "
                                  f"a folder outside the home, for your eyes only")
    rejected, _ = _chosen(stores, choice)
    if choice.reason is None:
        rejected = rejected[rejected["reason"] != LEFT_OUT]
    if rejected.empty:
        raise QuarantineError("no such row is rejected; nothing was written")
    ledger = loads(stores)
    targets = {int(load_seq): folder / f"{ledger['source'][load_seq]}_load-{load_seq:06d}.csv"
               for load_seq in sorted(rejected["load_seq"].unique())}
    for target in targets.values():
        if target.exists():
            raise QuarantineError(f"{target} is there already, perhaps half repaired; name another "
                                  f"folder, or take that file away first")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = []
    for load_seq, target in targets.items():
        rows = read_rejected_text(
            stores, choice, load_seq=load_seq, who=who, read_at=now,
            what=f"rejected rows of load {load_seq} ({choice.words}), written to {target}")
        source = _source_named(str(ledger["source"][load_seq]), sources)
        filled = _filled_in(landing, ledger.loc[load_seq], source) if source else {}
        _write_private(target, _csv_of(rows, KINDS[ledger["kind"][load_seq]], filled))
        written.append((target, len(rows)))
    return written


def _filled_in(landing: Path, load: Any, source: Source) -> dict[str, str]:
    """What is known of a row that was not told into columns: its header, its constants."""
    constants = {name: rule.constant for name, rule in source.columns.items()
                 if rule.constant is not None}
    path = landing / load["file_name"]
    header = ""
    if path.is_file() and content_hash(path) == load["content_hash"]:
        with suppress(FileRefused):
            seen = look(path, load["file_name"], source.read)
            header = (seen.delimiter or ",").join(seen.columns)
    return {**source.constants, **constants, HEADER: header}


def _csv_of(rows: pd.DataFrame, kind: ExportKind, filled: Mapping[str, str]) -> str:
    """The rows as the text of a repair file.

    Args:
        filled: cells of rows that were not told into columns.
    """
    records = [_record_of(row, filled) for row in rows.to_dict("records")]
    further = sorted({name for record in records for name in record}
                     - {*MARKS, TEXT, HEADER, *kind.column_names})
    names = [*MARKS, *kind.column_names, *further]
    if any(TEXT in record for record in records):
        names += [HEADER, TEXT]
    stream = io.StringIO(newline="")
    # A byte order mark, or spreadsheet programs take the text for another encoding.
    stream.write("\ufeff")
    writer = csv.DictWriter(stream, names, restval="")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


def _record_of(row: Mapping[Any, Any], filled: Mapping[str, str]) -> dict[str, Any]:
    """One row of a repair file: its marks, and its columns or its text."""
    is_told_apart = not pd.isna(row["column_name"]) or row["reason"] == LEFT_OUT
    content = (json.loads(row["row_text"]) if is_told_apart
               else {**filled, TEXT: row["row_text"]})
    if isinstance(content.get(TEXT), dict):
        content[TEXT] = json.dumps(content[TEXT], ensure_ascii=False)
    number = row["file_row_no"] if "file_row_no" in row else row["row_no"]
    return {
        LOAD: row["load_seq"], RECORD: row["row_no"], "_file": row["file_name"], "_row": number,
        "_reason": row["reason"],
        "_column": "" if pd.isna(row["column_name"]) else row["column_name"],
        **{name: value for name, value in content.items() if value is not None},
    }


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ONLY_FOR_OWNER)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
        stream.write(text)


# --- taking back -------------------------------------------------------------------------------


def take_back(engine: Engine, stores: Stores, sources: Sources, path: Path, *,
              now: datetime) -> list[TakenBack]:
    """Load the repaired rows of a file that `write_rejected` wrote and somebody mended.

    Rows that are not in the file any more stay rejected, and so do rows that are still wrong.
    Rows that were taken back before are passed over: the same file twice changes nothing.

    Args:
        sources: sources.yaml.
        path: the repaired file; rows of several loads may stand in it.
        now: UTC time of the loads.

    Returns:
        What came of the rows of each load.

    Raises:
        QuarantineError: the file is no repair file, or names rows that nobody rejected. Nothing
            was taken back.
    """
    rejected = rejected_rows(stores).set_index(["load_seq", "row_no"])
    ledger = loads(stores)
    by_load: dict[int, list[_Row]] = {}
    for row in _read_repair_file(path):
        if (row.load_seq, row.row_no) not in rejected.index:
            raise QuarantineError(f"{path} line {row.line}: {LOAD} {row.load_seq}, {RECORD} "
                                  f"{row.row_no} is no rejected row; these two columns must stay "
                                  f"as they were written")
        if rejected["reason"][row.load_seq, row.row_no] == LEFT_OUT:
            raise QuarantineError(f"{path} line {row.line}: the row was left out by a rule of its "
                                  f"source; change the rule, and deliver the file again")
        by_load.setdefault(row.load_seq, []).append(row)
    by_name: dict[str, Source] = {}
    for load_seq, rows in by_load.items():
        name = str(ledger["source"][load_seq])
        source = _source_named(name, sources)
        if source is None:
            raise QuarantineError(f"{path}: source {name} of load {load_seq} is not in "
                                  f"sources.yaml any more; put it back to repair its rows")
        _require_columns(path, rows, source.export_kind.column_names + source.attributes)
        by_name[name] = source
    taken = []
    for load_seq, rows in sorted(by_load.items()):
        repaired = rejected["repaired_load_seq"][load_seq]
        known = {row.row_no for row in rows if not pd.isna(repaired[row.row_no])}
        taken.append(_take_back_of_load(
            engine, stores, ledger.loc[load_seq], load_seq,
            by_name[str(ledger["source"][load_seq])],
            [row for row in rows if row.row_no not in known], len(known), now))
    return taken


def _source_named(name: str, sources: Sources) -> Source | None:
    """The source of a load: of sources.yaml, or of a preset that recognises files by itself."""
    declared = sources.by_name.get(name)
    if declared is not None:
        return declared
    preset = preset_named(name, sources.presets)
    return None if preset is None else sources.source_of(preset)


def _take_back_of_load(engine: Engine, stores: Stores, load: Any, load_seq: int, source: Source,
                       rows: list[_Row], known_n: int, now: datetime) -> TakenBack:
    """Try the rows, then load those whose records are right as a whole."""
    if not rows:
        return TakenBack(load_seq, load["file_name"], None, (), known_n)
    with engine.scratch_folder() as folder:
        found = faults_of(stores, _request(folder, load, load_seq, source, rows, now))
        wrong = tuple(StillRejected(rows[number - 1].line, reason, column)
                      for number, (reason, column) in found.items())
        # A record that was torn into several rows is taken whole or not at all.
        kept_back = {rows[number - 1].row_no for number in found}
        right = [row for row in rows if row.row_no not in kept_back]
        result = None
        if right:
            request = _request(folder, load, load_seq, source, right, now)
            (outcome,) = engine.append_loads([request])
            if isinstance(outcome, FileRefused):
                raise QuarantineError(str(outcome))
            result = outcome
    return TakenBack(load_seq, load["file_name"], result, wrong, known_n)


def _request(folder: Path, load: Any, load_seq: int, source: Source, rows: Sequence[_Row],
             now: datetime) -> LoadRequest:
    """The delivery of some repaired rows, in the version of the load that rejected them."""
    kind = source.export_kind
    columns = kind.column_names + source.attributes
    path = folder / f"{uuid.uuid4().hex}.parquet"
    content = write_rows(path, columns,
                         [[row.cells.get(name) or None for name in columns] for row in rows])
    version_at = load["file_version_at"]
    return LoadRequest(
        path=path, name=f"{load['file_name']} (repaired)",
        source=_canonical_twin(source, str(load["version_rule"])), kind=kind,
        content_hash=content,
        file_version_at=None if pd.isna(version_at) else version_at.to_pydatetime(),
        run_id="repair", loaded_at=now,
        repair=Repair(load_seq, tuple(row.row_no for row in rows)),
    )


def _canonical_twin(source: Source, version_rule: str) -> Source:
    """The source as it would be if its files had canonical columns.

    Values were mapped before they were rejected; the rule of versions is that of the load.
    """
    unmapped = FileMapping(read=ReadRules(formats=("parquet",)))
    return source.model_copy(update={
        **{name: getattr(unmapped, name) for name in FileMapping.model_fields},
        "preset": None, "database": None, "query": None, "inputs": {}, "constants": {},
        "version": source.version.model_copy(update={"rule": version_rule})})


def _require_columns(path: Path, rows: Sequence[_Row], allowed: Sequence[str]) -> None:
    for name in rows[0].cells:
        if name not in (*MARKS, HEADER, TEXT, *allowed):
            raise QuarantineError(f"{path}: the header names {name}, which no row of load "
                                  f"{rows[0].load_seq} has.{_hint(name, allowed)}")


def _read_repair_file(path: Path) -> Iterator[_Row]:
    """The rows of a repair file.

    Raises:
        QuarantineError: it is none, or a row of it cannot be read; with the line.
    """
    reader, names = _open_repair_file(path)
    line = 1
    try:
        for cells in reader:
            line, last = reader.line_num, line
            if not any(cells):
                continue
            if len(cells) != len(names):
                raise QuarantineError(f"{path} line {last + 1}: has {len(cells)} cells, the header "
                                      f"{len(names)}")
            row = {name: cell.strip() or None for name, cell in zip(names, cells, strict=True)}
            yield _Row(last + 1, _number(path, last + 1, LOAD, row), _number(
                path, last + 1, RECORD, row), row)
    except csv.Error as error:
        raise QuarantineError(f"{path} line {line + 1}: cannot be read: {error}") from error


def _open_repair_file(path: Path) -> tuple[Any, list[str]]:
    """A reader behind the header, and the header's names."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise QuarantineError(f"{path} is not UTF-8 (byte {error.start}); save it as \"CSV "
                              f"UTF-8\"") from error
    except OSError as error:
        raise QuarantineError(f"{path} cannot be read: {error.strerror}") from error
    first = text.split("\n", 1)[0]
    # Spreadsheet programs of some countries write semicolons.
    delimiter = max(DELIMITERS, key=first.count)
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names = [name.strip() for name in next(reader, [])]
    missing = [name for name in (LOAD, RECORD) if name not in names]
    if missing:
        raise QuarantineError(f"{path}: the header lacks {', '.join(missing)}; it must be a file "
                              f"that crm-value rejected --write wrote")
    if len(set(names)) < len(names):
        raise QuarantineError(f"{path}: the header names a column twice")
    return reader, names


def _number(path: Path, line: int, name: str, row: Mapping[str, str | None]) -> int:
    text = row[name] or ""
    if not text.isascii() or not text.isdigit():
        raise QuarantineError(f"{path} line {line}: {name} is {text!r}, not a number; the column "
                              f"must stay as it was written")
    return int(text)


def repair_words(taken: Sequence[TakenBack], path: Path) -> list[str]:
    """What came of a repair file, a line each."""
    lines = []
    for part in taken:
        head = f"landing/{part.file_name} (load {part.load_seq})"
        if part.result is not None:
            result = part.result
            lines.append(
                f"{head}: {result.rows_read_n} repaired rows taken back as load "
                f"{result.load_seq}: {result.rows_loaded_n} loaded, {result.rows_repeated_n} "
                f"known already or delivered again since")
        if part.known_n:
            lines.append(f"{head}: {part.known_n} rows were taken back before; nothing to do")
        if part.still_rejected:
            lines.append(f"{head}: {len(part.still_rejected)} rows are still wrong and stay "
                         f"rejected; mend them and take the same file back again")
        for row in part.still_rejected[:20]:
            where = f" in {row.column}" if row.column else ""
            lines.append(f"  {path.name} line {row.line}: {row.reason}{where}. "
                         f"{advice_on(row.reason, row.column or '')}")
    return lines
