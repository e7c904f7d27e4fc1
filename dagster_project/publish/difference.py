"""`crm-value diff`: what changed between two publications, and which of the six inputs did it.

Reading only. The counting is `engine/publication_diff.py`.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.engine.publication_diff import (
    LoadsBetween,
    TableDifference,
    compare_tables,
    loads_between,
)
from dagster_project.engine.questions import read_rows
from dagster_project.engine.stores import Stores
from dagster_project.publish.publications import all_publications, file_of
from dagster_project.publish.tables import CURRENT_TABLES
from dagster_project.quality.words import mask
from dagster_project.refusals import WrongInput
from dagster_project.yaml_file import unknown

EXAMPLES = 3
SHOWN_COLUMNS = 6
SHOWN_KEYS = 12
# Words of ours (labels, states, reasons); names of people and places are written otherwise.
_WORD = re.compile(r"[a-z][a-z_]*|[A-Z]{3}")


class NotComparable(WrongInput):
    """Two publications cannot be compared: which is missing, what there is."""


@dataclass(frozen=True)
class Difference:
    """Two publications compared.

    Attributes:
        before, after: rows of table publication.
        tables: one for each current table.
        loads: that only the one with the larger K knew, by source.
        settings: key of crm.yaml -> value before and after, where they differ.
        reference_before, reference_after: D that the reference was fitted as of.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    tables: tuple[TableDifference, ...]
    loads: tuple[LoadsBetween, ...]
    settings: Mapping[str, tuple[Any, Any]]
    reference_before: Any
    reference_after: Any


def compare_publications(stores: Stores, before_id: int, after_id: int,
                         table_names: tuple[str, ...] = ()) -> Difference:
    """Compare the current tables of two publications.

    Args:
        stores: of the home.
        before_id, after_id: numbers of table publication.
        table_names: only these tables; empty: all current ones.

    Raises:
        NotComparable: a table or a publication is unknown, or its tables are not kept.
    """
    declared = {table.name: table for table in CURRENT_TABLES}
    for name in table_names:
        if name not in declared:
            raise NotComparable(f"--table {name}: {unknown('table', name, list(declared))}")
    old, new = _file(stores, before_id), _file(stores, after_id)
    before, after = _row(stores, old), _row(stores, new)
    chosen = [declared[name] for name in table_names or declared]
    earlier, later = sorted(int(row["known_load_seq"]) for row in (before, after))
    return Difference(
        before, after,
        tables=tuple(compare_tables(stores, old, new, chosen, examples=EXAMPLES)),
        loads=tuple(loads_between(stores, earlier, later)),
        settings=_settings(_configuration(stores, old, before),
                           _configuration(stores, new, after)),
        reference_before=_fitted(stores, old, before),
        reference_after=_fitted(stores, new, after))


def _file(stores: Stores, publication_id: int) -> Path:
    replayed = stores.replays / stores.kept_publication(publication_id).name
    found = file_of(stores, publication_id) if stores.publication.exists() else None
    if found is None and replayed.exists():
        return replayed
    if found is not None:
        return found
    if not stores.publication.exists():
        raise NotComparable("nothing is published; run a night first: crm-value run")
    known = {int(row["publication_id"]): row for row in all_publications(stores)}
    if publication_id not in known:
        raise NotComparable(f"there is no publication {publication_id}; the latest is "
                            f"{max(known)} (table crm.publication)")
    night = known[publication_id]["as_of_date"]
    kept = ", ".join(sorted(str(int(path.stem.split("-")[1]))
                            for path in stores.kept.glob("publication-*.duckdb"))) or "none"
    raise NotComparable(
        f"the tables of publication {publication_id} are not kept any more (kept beside the "
        f"current one: {kept}; keep_publications in home.yaml). Make them again: crm-value run "
        f"--date {night} --known-at {publication_id}")


def _row(stores: Stores, file: Path) -> dict[str, Any]:
    [row] = read_rows(stores, file, "select * from publication where is_current")
    return row


def _configuration(stores: Stores, file: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    [found] = read_rows(stores, file, "select canonical_text from configurations "
                                      "where config_hash = ?", [row["config_hash"]])
    content: dict[str, Any] = json.loads(found["canonical_text"])
    return content


def _fitted(stores: Stores, file: Path, row: Mapping[str, Any]) -> Any:
    found = read_rows(stores, file, "select valid_from from scoring_reference "
                                    "where reference_id = ? limit 1", [row["reference_id"]])
    return found[0]["valid_from"] if found else None


def _settings(before: Any, after: Any) -> dict[str, tuple[Any, Any]]:
    """Settings that differ, by their keys."""
    old, new = dict(_leaves(before, ())), dict(_leaves(after, ()))
    return {".".join(path): (old.get(path), new.get(path)) for path in [*old, *(
        path for path in new if path not in old)] if old.get(path) != new.get(path)}


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(item, (*path, str(name)))
    elif isinstance(value, list) and value:
        for position, item in enumerate(value):
            # An entry with a name keeps it wherever it stands.
            name = str(item["name"]) if isinstance(item, dict) and "name" in item \
                else str(position)
            yield from _leaves(item, (*path, name))
    else:
        yield path, value


def difference_lines(seen: Difference) -> Iterator[str]:
    """A comparison in words, a line each."""
    before, after = seen.before, seen.after
    yield (f"Publication {before['publication_id']} (customers as of {before['as_of_date']}, "
           f"revision {before['revision']}) and publication {after['publication_id']} (as of "
           f"{after['as_of_date']}, revision {after['revision']})")
    yield "Why they differ:"
    yield from (f"  {line}" for line in _reasons(seen))
    equal = [table.table for table in seen.tables if table.is_equal]
    for table in seen.tables:
        if not table.is_equal:
            yield from _table_lines(table)
    if equal:
        yield f"Equal: {', '.join(equal)}"


def _reasons(seen: Difference) -> Iterator[str]:
    before, after = seen.before, seen.after
    if before["as_of_date"] != after["as_of_date"]:
        days = (after["as_of_date"] - before["as_of_date"]).days
        yield (f"as-of date: {before['as_of_date']} -> {after['as_of_date']} ({days:+d} days): "
               f"windows and ages move")
    first, last = int(before["known_load_seq"]), int(after["known_load_seq"])
    if first != last:
        way = "more loads are known" if last > first else "fewer loads are known"
        yield f"knowledge: load {first} -> {last}: {way}"
        for load in seen.loads:
            yield (f"  {load.source}: {load.loads_n:,} loads, {load.rows_read_n:,} rows read, "
                   f"{load.rows_loaded_n:,} of them new")
    if before["config_hash"] != after["config_hash"]:
        yield f"configuration: {len(seen.settings)} settings of crm.yaml differ"
        for number, (name, (old, new)) in enumerate(seen.settings.items()):
            if number == SHOWN_KEYS:
                yield f"  and {len(seen.settings) - SHOWN_KEYS} more"
                break
            yield f"  {name}: {_setting(old)} -> {_setting(new)}"
    if before["reference_id"] != after["reference_id"]:
        yield (f"reference: fitted as of {seen.reference_before} -> {seen.reference_after}: "
               f"curves and cuts are others")
    if before["method_version"] != after["method_version"]:
        yield (f"method: {before['method_version']} -> {after['method_version']}: the program's "
               f"arithmetic is another (CHANGELOG.md)")
    if before["previous_publication_id"] != after["previous_publication_id"]:
        yield (f"previous publication: {before['previous_publication_id']} -> "
               f"{after['previous_publication_id']}: touches held labels and history alone")


def _setting(value: Any) -> str:
    return "not stated" if value is None else json.dumps(value, ensure_ascii=False)


def _table_lines(table: TableDifference) -> Iterator[str]:
    yield (f"{table.table}: {table.before_n:,} rows -> {table.after_n:,}: {table.added_n:,} "
           f"added, {table.removed_n:,} removed, {table.changed_n:,} changed")
    for words, names in (("new columns", table.new_columns), ("columns gone", table.gone_columns)):
        if names:
            yield f"  {words}: {', '.join(names)}"
    if table.columns:
        shown = [f"{name} in {n:,}" for name, n in list(table.columns.items())[:SHOWN_COLUMNS]]
        more = len(table.columns) - SHOWN_COLUMNS
        yield f"  changed: {', '.join(shown)}" + (f", and {more} more columns" if more > 0 else "")
    for words, keys in (("added", table.added), ("removed", table.removed)):
        if keys:
            yield f"  {words}, for example {'; '.join(_key(key) for key in keys)}"
    for row in table.changed:
        values = [f"{name} {_shown(old)} -> {_shown(new)}"
                  for name, (old, new) in list(row.values.items())[:EXAMPLES]]
        yield f"  {_key(row.key) or 'the one row'}: {', '.join(values)}"


def _key(key: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in key.items())


def _shown(value: Any) -> str:
    """A key of ours, a number or a word of ours as it is; other texts masked."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and (_WORD.fullmatch(value) or not value):
        return value or "''"
    return mask(value)
