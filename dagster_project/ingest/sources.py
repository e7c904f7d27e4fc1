"""What `config/sources.yaml` declares: which files are which export, and how each is read.

Models only; the language of mappings stands in `mapping.py`, files are found in `landing.py` and
recognised in `recognition.py`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dagster_project.ingest.canonical import KINDS, ExportKind
from dagster_project.ingest.contacts import EmailRules, PhoneRegion
from dagster_project.ingest.expected import Expected, expected_faults
from dagster_project.ingest.mapping import (
    NAME_PATTERN,
    Declaration,
    declaration_faults,
    kind_named,
    known_zone,
)
from dagster_project.ingest.origins import Database, FilesBelowLanding, Input, origin_faults
from dagster_project.ingest.presets import Preset, preset_named, shipped_presets
from dagster_project.yaml_file import Fault, load_model, unknown

# A source may add to these key by key; all else it takes from its preset or says anew.
MERGED_KEYS = ("columns", "constants", "read")
# What sources.yaml says once for all sources; presets and sources may say it otherwise.
COMMON_KEYS = ("time_zone", "phone_region", "emails")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Declaration):
    """One export that arrives again and again.

    Attributes:
        name: key in sources.yaml; part of every key of its rows.
        preset: known layout whose declarations hold where the source says nothing else.
        kind: which canonical columns it has; a preset says it.
        files: glob patterns below landing/.
        database: a query that is read on every night, in place of files.
        query: SQL file beside sources.yaml that joins `inputs`, in place of files.
        inputs: name of a table of the query -> its files.
        time_zone: zone of times that state none.
        time_zone_is_stated: the source says its zone itself.
        personal_id_spaces: id spaces whose ids some source says are personal; they are so whoever
            names them, and whichever file comes first.
        maximum_rejected_share: of a night's rows of this source; None: that of home.yaml.
        expected: when its deliveries are due and how much is normal; None: whenever they come.
    """

    name: str = Field(pattern=NAME_PATTERN)
    preset: str | None = None
    kind: str
    files: FilesBelowLanding = ()
    database: Database | None = None
    query: str | None = None
    inputs: dict[str, Input] = {}
    time_zone: str
    time_zone_is_stated: bool = Field(default=False, exclude=True)
    personal_id_spaces: tuple[str, ...] = Field(default=(), exclude=True)
    maximum_rejected_share: float | None = Field(default=None, ge=0, le=1)
    expected: Expected | None = None

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, name: str | None, info: ValidationInfo) -> str | None:
        presets = _presets_of(info)
        if name is not None and preset_named(name, presets) is None:
            raise ValueError(unknown("preset", name, [preset.preset for preset in presets]))
        return name

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, name: str) -> str:
        return kind_named(name)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return known_zone(name)

    @property
    def says_how(self) -> bool:
        """The source names a preset or maps columns itself: its files are nothing else."""
        return self.preset is not None or not self.is_identity

    @property
    def export_kind(self) -> ExportKind:
        """The kind, with the columns of `other_ids`."""
        return KINDS[self.kind].with_other_ids(self.other_ids)

    @property
    def declaration_hash(self) -> str:
        """Hash of everything that decides how a row of this source is read."""
        text = json.dumps(
            self.model_dump(mode="json", exclude={"maximum_rejected_share", "expected",
                                                  "not_questions"}),
            sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Sources(_Strict):
    """The whole of sources.yaml.

    Presets may be given as the validation's context, `{"presets": [...]}`; without it the shipped
    ones are meant.

    Attributes:
        time_zone, phone_region, emails: of sources that state none.
        declared: written `sources`; name -> source.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    time_zone: str
    phone_region: PhoneRegion = None
    emails: EmailRules = EmailRules()
    declared: dict[str, Source] = Field(alias="sources", min_length=1)
    _presets: tuple[Preset, ...] = PrivateAttr(default=())

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return known_zone(name)

    @model_validator(mode="before")
    @classmethod
    def _name_and_zone(cls, data: object, info: ValidationInfo) -> object:
        """Give each source its key as name, its preset's content, and what all have in common."""
        if not isinstance(data, dict) or not isinstance(data.get("sources"), dict):
            return data
        presets = _presets_of(info)
        common = {key: data[key] for key in COMMON_KEYS if data.get(key)}
        return {**data, "sources": {
            name: _completed(str(name), body or {}, common, presets)
            if isinstance(body, dict) or body is None else body
            for name, body in data["sources"].items()
        }}

    def model_post_init(self, context: Any, /) -> None:
        """Keep the presets by which files are recognised, and tell sources of each other's ids."""
        super().model_post_init(context)
        self._presets = _presets_in(context)
        for name, source in list(self.declared.items()):
            self.declared[name] = self._with_personal_spaces(source)

    def _with_personal_spaces(self, source: Source) -> Source:
        saying_so = [one for one in (source, *self.declared.values())
                     if one.customer_ids_are_personal]
        spaces = {space for one in saying_so for space in (one.id_space, *one.other_ids.values())}
        return source.model_copy(update={"personal_id_spaces": tuple(sorted(spaces))})

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources in the order of sources.yaml."""
        return tuple(self.declared.values())

    @property
    def presets(self) -> tuple[Preset, ...]:
        """The presets by which files are recognised."""
        return self._presets

    @property
    def by_name(self) -> dict[str, Source]:
        """The sources by their names."""
        return self.declared

    def source_of(self, preset: Preset) -> Source:
        """The source of files that a preset recognises by itself; it bears the preset's name.

        A source of sources.yaml that has this name and preset is meant.
        """
        declared = self.declared.get(preset.preset)
        if declared is not None and declared.preset == preset.preset:
            return declared
        body = {"preset": preset.preset, "files": ("**/*",)}
        common = {key: getattr(self, key) for key in COMMON_KEYS}
        return self._with_personal_spaces(Source.model_validate(
            _completed(preset.preset, body, common, self._presets),
            context={"presets": self._presets}))

    @property
    def id_spaces(self) -> tuple[str, ...]:
        """The id spaces of customer ids, also of files that a preset recognises by itself."""
        declared = (*self.sources, *self._presets)
        return tuple(sorted({space for one in declared
                             for space in (one.id_space, *one.other_ids.values())}))

    def other_id_remarks(self) -> Iterator[str]:
        """Words for each list of ids that nobody else uses: they join customers with nothing."""
        used = {one.id_space for one in (*self.sources, *self._presets)}
        for source in self.sources:
            for column, space in sorted(source.other_ids.items()):
                if space not in used:
                    close = difflib.get_close_matches(space, sorted(used), 1)
                    guess = f"; did you mean {close[0]!r}?" if close else ""
                    yield (f"{source.name}: the ids of column {column} are of id space {space!r}, "
                           f"which no other source has as its id_space{guess}")


def load_sources(path: Path, presets: tuple[Preset, ...]) -> Sources:
    """sources.yaml with these presets.

    Raises:
        ConfigurationError: a fault, with file, line and key.
    """
    return load_model(path, Sources, sources_faults, {"presets": presets})


def sources_faults(sources: Sources) -> Iterator[Fault]:
    """What the shape of sources.yaml cannot say."""
    for name, source in sources.declared.items():
        for path, text in declaration_faults(KINDS[source.kind], source):
            yield ("sources", name, *path), text
        for path, text in origin_faults(
            kind=source.kind, files=source.files, read=source.read, database=source.database,
            query=source.query, inputs=source.inputs, version=source.version.rule,
            overlap=source.overlap,
        ):
            yield ("sources", name, *path), text
        if source.expected is not None:
            for path, text in expected_faults(source.expected, kind=source.kind,
                                              version=source.version.rule):
                yield ("sources", name, "expected", *path), text


def _presets_of(info: ValidationInfo) -> tuple[Preset, ...]:
    return _presets_in(info.context)


def _presets_in(context: Any) -> tuple[Preset, ...]:
    if context and "presets" in context:
        return tuple(context["presets"])
    return shipped_presets()


def _completed(name: str, body: dict[str, Any], common: dict[str, Any],
               presets: tuple[Preset, ...]) -> dict[str, Any]:
    """A source with its name, with what its preset declares, and with what all have in common."""
    completed: dict[str, Any] = {"name": name, **common}
    preset = preset_named(str(body.get("preset")), presets) if body.get("preset") else None
    taken = preset.declared() if preset else {}
    completed.update(taken)
    if body.get("preset") and preset is None:
        # One fault, that of the preset's name, is enough.
        completed["kind"] = next(iter(KINDS))
    completed.update(body)
    for key in MERGED_KEYS:
        if isinstance(taken.get(key), dict) and isinstance(body.get(key), dict):
            completed[key] = {**taken[key], **body[key]}
    completed["time_zone_is_stated"] = "time_zone" in body
    return completed
