"""Presets: the known layouts of shops, survey tools and help desks, read from YAML.

A preset says how a file of one program is recognised and mapped; no code belongs to any of them.
Those of the project lie in `config/presets/`, further ones in `config/presets/` of a home.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dagster_project.ingest.canonical import KINDS
from dagster_project.ingest.mapping import (
    NAME_PATTERN,
    Declaration,
    declaration_faults,
    kind_named,
    known_zone,
)
from dagster_project.yaml_file import ConfigurationError, Fault, load_model

SHIPPED_PRESETS = Path(__file__).resolve().parent.parent.parent / "config" / "presets"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Title(_Strict):
    """What people call the export."""

    en: str
    zh: str


class Recognise(_Strict):
    r"""What must be seen in a file's header; names without case and without spaces around.

    Attributes:
        columns: all must be there.
        any_of: groups of columns; of each group one must be there.
        none_of: none may be there.
        patterns: regular expressions; each must match some column's name.
        header_rows: number of a row of the file, from 1, -> regular expression that some cell of
            it matches: {3: '^\{"ImportId"'}.
    """

    columns: tuple[str, ...] = ()
    any_of: tuple[tuple[str, ...], ...] = ()
    none_of: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    header_rows: dict[int, str] = {}

    @field_validator("patterns")
    @classmethod
    def _are_regexes(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            _require_regex(pattern)
        return patterns

    @field_validator("header_rows")
    @classmethod
    def _rows_with_regexes(cls, rows: dict[int, str]) -> dict[int, str]:
        for number, pattern in rows.items():
            if number < 1:
                raise ValueError("rows are numbered from 1")
            _require_regex(pattern)
        return rows

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.columns or self.any_of or self.patterns):
            raise ValueError("says no column: every file would be recognised")
        return self


class Preset(Declaration):
    """One known layout.

    Attributes:
        preset: its name; the name of the source of files that it recognises by itself.
        title: what people call it.
        kind: kind of export.
        recognise: how a file is known.
        time_zone: zone of times that state none; None: that of sources.yaml.
        documented: pages that describe the layout.
        notes: what a reader of the preset should know: what it leaves out, what it cannot know.
    """

    preset: str = Field(pattern=NAME_PATTERN)
    title: Title
    kind: str
    recognise: Recognise
    time_zone: str | None = None
    documented: tuple[str, ...] = ()
    notes: str = ""

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, name: str) -> str:
        return kind_named(name)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        return None if name is None else known_zone(name)

    def declared(self) -> dict[str, Any]:
        """What a source that names this preset takes from it, as plain content."""
        own = {"preset", "title", "recognise", "documented", "notes"}
        stated = self.model_fields_set - own
        content = self.model_dump(mode="python", include=set(stated), by_alias=True,
                                  exclude_unset=True)
        return {key: value for key, value in content.items() if value is not None}


def load_presets(folder: Path, known: Sequence[Preset] = ()) -> tuple[Preset, ...]:
    """The presets of a folder and those that are known before, by name; the folder's go first.

    Raises:
        ConfigurationError: a preset is wrong; with file, line and key.
    """
    found = {preset.preset: preset for preset in known}
    for path in sorted(folder.glob("*.yaml")):
        preset = load_model(path, Preset, preset_faults)
        if preset.preset != path.stem:
            raise ConfigurationError([
                f"{path.parent.name}/{path.name}, preset: is {preset.preset!r}; the file "
                f"must be named after it, {preset.preset}.yaml"])
        found[preset.preset] = preset
    return tuple(found[name] for name in sorted(found))


@cache
def shipped_presets() -> tuple[Preset, ...]:
    """The presets of the project, read once a process."""
    return load_presets(SHIPPED_PRESETS)


def preset_faults(preset: Preset) -> Iterator[Fault]:
    """What the shape of a preset cannot say."""
    yield from declaration_faults(KINDS[preset.kind], preset)


def preset_named(name: str, presets: Sequence[Preset]) -> Preset | None:
    """The preset of that name, or None."""
    return next((preset for preset in presets if preset.preset == name), None)


def _require_regex(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
