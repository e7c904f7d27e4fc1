"""Which source a file belongs to, told from its header: never silently, never by a guess.

Pure: it is given what the file looks like. A source that names a preset or maps columns says
itself what its files are; for all others canonical columns are tried, then every preset. Exactly
one may fit.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.mapping import known_zone, normal
from dagster_project.ingest.presets import Preset
from dagster_project.ingest.reading_rules import (
    DELIMITERS,
    KEYED_FORMATS,
    Look,
    ReadRules,
)
from dagster_project.ingest.sources import Source, Sources

NEAREST = 2
MISSING_SHOWN = 6
# Of what a preset asks for, the share that makes a file nobody claims a damaged one of its kind.
DAMAGED_SHARE = 2 / 3
COLUMNS_SHOWN = 60
DELIMITERS_IN_WORDS = {";": "';'", "\t": "a tab", "|": "'|'"}


@dataclass(frozen=True)
class Recognised:
    """What a file is.

    Attributes:
        source: with the mapping, the zone and the way of reading of this file.
        words: how that was known.
    """

    source: Source
    words: str


@dataclass(frozen=True)
class Sight:
    """How a file can be looked at; the engine does it, when it is asked.

    Attributes:
        name: path below landing/, for messages.
        beginnings: how it begins, in every way in which its beginning can be read with these
            encodings; the first row stands as header.
        look: what it is by stated rules. Both may raise FileRefused.
    """

    name: str
    beginnings: Callable[[Sequence[str]], Iterable[Look]]
    look: Callable[[ReadRules], Look]


def recognise(sight: Sight, claimed: Source | None, sources: Sources) -> Recognised | None:
    """What a file is; None: nobody claims it, and it is no known layout.

    Args:
        claimed: the source whose patterns match the file's name.
        sources: sources.yaml, with the presets.

    Raises:
        FileRefused: it is claimed and nothing fits, or several presets fit.
    """
    if claimed is not None and (claimed.says_how or claimed.read != ReadRules()):
        return _as_stated(sight, claimed)
    encodings = _encodings(sources.presets)
    try:
        looks = list(sight.beginnings(encodings))
    except FileRefused:
        # A damaged file that nobody asked for is nobody's.
        if claimed is None:
            return None
        raise
    if claimed is not None:
        found = _by_canonical_columns(looks, claimed)
        if found is not None:
            return found
    fitting = [(preset, look) for preset in sources.presets
               if (look := _fitting_look(preset, looks)) is not None]
    if len(fitting) == 1:
        return _as_preset(sight.name, *fitting[0], sources)
    if len(fitting) > 1:
        names = ", ".join(preset.preset for preset, _ in fitting)
        raise FileRefused(
            f"landing/{sight.name}: may be any of the layouts {names}; state which, with preset: "
            f"in a source of sources.yaml whose files claim it")
    if claimed is None:
        _refuse_damaged_layout(sight.name, looks, sources.presets)
        return None
    # What the reader finds wrong with the whole file is told first.
    seen = sight.look(claimed.read)
    raise _nothing_fits(sight.name, seen, looks, claimed, sources.presets)


def _as_stated(sight: Sight, source: Source) -> Recognised:
    preset = f"preset {source.preset}, " if source.preset else ""
    words = f"{preset}source {source.name}" if source.says_how else _canonical_words(source)
    if source.time_zone_key is None:
        return Recognised(source, words)
    return _in_zone_of_file(sight.name, source, sight.look(source.read).header_rows[1:], words)


def _canonical_words(source: Source) -> str:
    return f"canonical {source.kind}, source {source.name}"


def _by_canonical_columns(looks: Sequence[Look], source: Source) -> Recognised | None:
    for look in looks:
        is_default = look.encoding in (None, "utf-8") and look.delimiter in (
            None, DELIMITERS.get(look.format))
        if is_default and len(look.sheets) <= 1 and not _lacking(look, source):
            return Recognised(source, _canonical_words(source))
    return None


def _lacking(look: Look, source: Source) -> list[str]:
    """Required canonical columns that the header does not have; of no rows, none are asked."""
    if look.format in KEYED_FORMATS and not look.columns:
        return []
    given = {normal(name) for name in look.columns} | set(source.constants)
    if source.currency:
        given.add("currency")
    missing = [column.name for column in source.export_kind.columns
               if (column.is_required or column.name in source.other_ids)
               and column.name not in given]
    if source.version.rule == "column" and source.version.column not in given:
        missing.append(source.version.column)
    return missing


def _encodings(presets: Sequence[Preset]) -> tuple[str, ...]:
    """All encodings that a preset may be in, UTF-8 first."""
    known = ["utf-8", *(encoding for preset in presets for encoding in preset.read.encodings)]
    return tuple(dict.fromkeys(known))


def _fitting_look(preset: Preset, looks: Sequence[Look]) -> Look | None:
    """The first way to look at the file in which it is what the preset describes."""
    fitting = [look for look in looks
               if _may_be_read(preset.read, look) and not list(_misses(preset, look))]
    fitting.sort(key=lambda look: preset.read.encodings.index(look.encoding)
                 if look.encoding in preset.read.encodings else 0)
    sheets = {look.sheet for look in fitting}
    return fitting[0] if fitting and len(sheets) == 1 else None


def _may_be_read(rules: ReadRules, look: Look) -> bool:
    if rules.formats and look.format not in rules.formats:
        return False
    if look.encoding is not None and look.encoding not in rules.encodings:
        return False
    return rules.delimiter is None or look.delimiter in (None, rules.delimiter)


def _misses(preset: Preset, look: Look) -> Iterator[str]:
    """What the preset asks for and the file does not show."""
    header = _row(look, preset.read.header_row)
    names = {normal(name) for name in header}
    known = preset.recognise
    yield from (name for name in known.columns if normal(name) not in names)
    for group in known.any_of:
        if names.isdisjoint(map(normal, group)):
            yield " or ".join(group)
    for name in known.none_of:
        if normal(name) in names:
            yield f"no {name}"
    for pattern in known.patterns:
        if not any(re.search(pattern, name) for name in header):
            yield f"a column like {pattern}"
    for number, pattern in known.header_rows.items():
        if not any(re.search(pattern, cell) for cell in _row(look, number)):
            yield f"a cell like {pattern} in row {number}"


def _row(look: Look, number: int) -> tuple[str, ...]:
    """A row of the file from its beginning, from 1; the names of keys for JSON and Parquet."""
    if number == 1 and look.columns:
        return look.columns
    return look.first_rows[number - 1] if number <= len(look.first_rows) else ()


def _as_preset(name: str, preset: Preset, look: Look, sources: Sources) -> Recognised:
    source = sources.source_of(preset)
    changes: dict[str, object] = {}
    if look.delimiter not in (None, DELIMITERS.get(look.format)):
        changes["delimiter"] = look.delimiter
    if len(look.sheets) > 1 and source.read.sheet is None:
        changes["sheet"] = look.sheet
    if changes:
        source = source.model_copy(update={"read": source.read.model_copy(update=changes)})
    words = f"{preset.title.en} (preset {preset.preset})"
    if source.time_zone_key is None:
        return Recognised(source, words)
    first = source.read.header_row + 1
    further = [_row(look, number)
               for number in range(first, first + source.read.rows_after_header)]
    return _in_zone_of_file(name, source, further, words)


def _in_zone_of_file(name: str, source: Source, rows: Sequence[Sequence[str]],
                     words: str) -> Recognised:
    """The source with the zone that the file states itself.

    Raises:
        FileRefused: it states none, and the source neither; or several.
    """
    assert source.time_zone_key is not None
    zones = {zone for row in rows for cell in row
             if (zone := _zone_in(cell, source.time_zone_key)) is not None}
    if not zones and source.time_zone_is_stated:
        return Recognised(source, words)
    if len(zones) != 1:
        told = f"names the zones {', '.join(sorted(zones))}" if zones else "names no zone"
        raise FileRefused(
            f"landing/{name}: its header {told} under {source.time_zone_key}; state time_zone: in "
            f"a source of sources.yaml"
            + (f" with preset: {source.preset}" if source.preset else ""))
    (zone,) = zones
    try:
        known_zone(zone)
    except ValueError as error:
        raise FileRefused(f"landing/{name}: its header says {error}; state time_zone: in a "
                          f"source of sources.yaml") from error
    return Recognised(source.model_copy(update={"time_zone": zone}), f"{words}, times in {zone}")


def _zone_in(cell: str, key: str) -> str | None:
    if not cell.startswith("{"):
        return None
    try:
        found = json.loads(cell)
    except ValueError:
        return None
    zone = found.get(key) if isinstance(found, dict) else None
    return zone if isinstance(zone, str) else None


def _nothing_fits(name: str, seen: Look, looks: Sequence[Look], claimed: Source,
                  presets: Sequence[Preset]) -> FileRefused:
    twice = sorted({column for column in seen.columns if column
                    and [normal(other) for other in seen.columns].count(normal(column)) > 1})
    wanted = claimed.export_kind.column_names
    if twice and any(normal(column) in wanted for column in twice):
        return FileRefused(f"landing/{name}: the header names {', '.join(twice)} twice; each "
                           f"column needs a name of its own")
    missing = []
    for column in _lacking(seen, claimed):
        close = difflib.get_close_matches(column, [normal(known) for known in seen.columns], 1)
        missing.append(f"{column} (did you mean {close[0]!r}?)" if close else column)
    nearest = "; ".join(_nearest(looks or [seen], claimed.kind, presets))
    told = f" Nearest presets: {nearest}." if nearest else ""
    return FileRefused(
        f"landing/{name}: the header lacks {', '.join(missing)}; {claimed.kind} need these "
        f"columns, and no preset knows this layout.{told} Say in sources.yaml, "
        f"sources.{claimed.name}, under columns: from which columns they come (docs/presets.md). "
        f"Header: {shown_header(seen.columns)}")


def _refuse_damaged_layout(name: str, looks: Sequence[Look], presets: Sequence[Preset]) -> None:
    """Raise if a file that nobody claims has most of a known layout.

    It was meant to be read: left alone, it would be missed by nobody.

    Raises:
        FileRefused: with the presets that come nearest, and what they miss.
    """
    ranked = list(_ranked(looks, presets)) if looks else []
    if not ranked or min(share for share, _, _ in ranked) > 1 - DAMAGED_SHARE:
        return
    ranked.sort(key=lambda entry: (entry[0], entry[1].preset))
    nearest = "; ".join(_nearness(preset, misses) for _, preset, misses in ranked[:NEAREST])
    header = looks[0].columns
    raise FileRefused(
        f"landing/{name}: no source in sources.yaml claims it, and no preset fits. Nearest "
        f"presets: {nearest}. Export it with these columns, or say in sources.yaml, in a source "
        f"whose files claim it, what its columns are (docs/presets.md). Header: "
        f"{shown_header(header)}")


def _nearest(looks: Sequence[Look], kind: str, presets: Sequence[Preset]) -> Iterator[str]:
    """The presets that ask for the fewest columns that are not there, and what those are.

    One of whose columns none is there is as far as any other, and not named.
    """
    ranked = sorted((entry for entry in _ranked(looks, presets) if entry[0] < 1),
                    key=lambda entry: (entry[0], entry[1].kind != kind, entry[1].preset))
    for _, preset, misses in ranked[:NEAREST]:
        yield _nearness(preset, misses)


def _ranked(looks: Sequence[Look],
            presets: Sequence[Preset]) -> Iterator[tuple[float, Preset, list[str]]]:
    """Each preset with the share of what it asks for that no look at the file shows."""
    for preset in presets:
        misses = min((list(_misses(preset, look)) for look in looks), key=len)
        asked = (len(preset.recognise.columns) + len(preset.recognise.any_of)
                 + len(preset.recognise.patterns) + len(preset.recognise.header_rows))
        yield len(misses) / max(asked, 1), preset, misses


def _nearness(preset: Preset, misses: Sequence[str]) -> str:
    if not misses:
        return (f"{preset.preset} (its columns are all there; see its formats, encodings and "
                f"sheets)")
    shown = ", ".join(misses[:MISSING_SHOWN])
    more = f" and {len(misses) - MISSING_SHOWN} more" if len(misses) > MISSING_SHOWN else ""
    return f"{preset.preset} (lacks {shown}{more})"


def shown_header(header: Sequence[str]) -> str:
    """A header as messages show it.

    A file without a header has data in its first row, perhaps somebody's name and address, and
    messages go to logs and tables: of such a row the shape alone is shown.
    """
    more = f" and {len(header) - COLUMNS_SHOWN} more" if len(header) > COLUMNS_SHOWN else ""
    shown = ", ".join(header[:COLUMNS_SHOWN]) + more
    asked = _asked_delimiter(header)
    if not any(_looks_like_data(cell) for cell in header):
        return shown + asked
    shape = re.sub(r"\d", "#", re.sub(r"[^\W\d_]", "x", shown)).replace("@", "*")
    return f"{shape} (its shape; the row looks like data, is there a header above it?){asked}"


def _asked_delimiter(header: Sequence[str]) -> str:
    """A question for who reads a header of one column that other signs could part."""
    signs = [words for sign, words in DELIMITERS_IN_WORDS.items()
             if len(header) == 1 and sign in header[0]]
    if not signs:
        return ""
    return (f" (one column: does {signs[0]} part its cells? Then state it as delimiter: under "
            f"read:)")


def questions_in_words(questions: Mapping[str, str]) -> str:
    """Columns of a survey and what they ask: Q1 "Would you tell a friend about us?"."""
    return ", ".join(f'{quoted(name)} "{asked}"' if asked else quoted(name)
                     for name, asked in questions.items())


def quoted(name: str) -> str:
    """A column's name as part of a sentence: some are whole questions."""
    shown = " ".join(name.split())
    return f'"{shown}"' if " " in shown else shown


def _looks_like_data(cell: str) -> bool:
    """An address, or a number or date of some length."""
    return "@" in cell or bool(re.fullmatch(r"[\d\s.,:/+()-]*\d[\d\s.,:/+()-]{3,}", cell))
