"""What `config/sources.yaml` declares: which files are which export, and how each is read.

Models only; files are found in `landing.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dagster_project.ingest.canonical import KINDS

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
# 2026-11-20, 20261120 or 2026-11; digits on either side would make it another number.
DATE_IN_NAME = r"(?<!\d)(?P<year>\d{4})-?(?P<month>\d{2})(?:-?(?P<day>\d{2}))?(?!\d)"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Version(_Strict):
    """How a newer version of the same record is known.

    Attributes:
        rule: `arrival`: later arrival wins, row by row; `column`: by `column`, whole documents;
            `file_name`: by the date in the file's name, whole documents.
        column: the time column of rule `column`.
        pattern: regular expression with groups year, month and perhaps day.
    """

    rule: Literal["arrival", "column", "file_name"] = "arrival"
    column: Literal["updated_at"] = "updated_at"
    pattern: str = DATE_IN_NAME

    @field_validator("pattern")
    @classmethod
    def _names_a_date(cls, pattern: str) -> str:
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        if not {"year", "month"} <= groups:
            raise ValueError("must have the named groups year and month, and may have day")
        return pattern


class Source(_Strict):
    """One export that arrives again and again.

    Attributes:
        name: key in sources.yaml; part of every key of its rows.
        kind: which canonical columns it has.
        files: glob patterns below landing/.
        time_zone: zone of times that state none.
        currency: currency of orders that state none.
        id_space: sources with equal id spaces mean the same customer by the same id.
        customer_ids_are_personal: the ids are e-mail addresses or phone numbers; never published.
        overlap: for rows without an id: `same` row in two files is one fact, or `distinct` two.
        constants: values of canonical columns that the file does not have.
        attributes: further columns of a customer export to keep; must not be personal.
    """

    name: str = Field(pattern=NAME_PATTERN)
    kind: Literal["orders", "interactions", "surveys", "customers", "fx_rates", "campaigns"]
    files: tuple[str, ...] = Field(min_length=1)
    format: Literal["csv", "tsv", "jsonl", "parquet"] | None = None
    version: Version = Version()
    time_zone: str
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    id_space: str = Field(default="customer", pattern=NAME_PATTERN)
    customer_ids_are_personal: bool = False
    overlap: Literal["same", "distinct"] = "same"
    constants: dict[str, str] = {}
    attributes: tuple[str, ...] = ()

    @field_validator("version", mode="before")
    @classmethod
    def _short_version(cls, value: object) -> object:
        return {"rule": value} if isinstance(value, str) else value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no IANA time zone, for example Asia/Shanghai") from error
        return name

    @field_validator("files")
    @classmethod
    def _below_landing(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(f"{pattern!r} must lie below landing/")
        return patterns

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        columns = KINDS[self.kind].column_names
        for name in self.constants:
            if name not in columns:
                raise ValueError(f"constants.{name} is no column of {self.kind}; columns are "
                                 f"{', '.join(columns)}")
        if self.attributes and self.kind != "customers":
            raise ValueError("attributes belong to kind customers only")
        if self.currency and self.kind != "orders":
            raise ValueError("currency belongs to kind orders only")
        return self

    @property
    def declaration_hash(self) -> str:
        """Hash of everything that decides how a row of this source is read."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Sources(_Strict):
    """The whole of sources.yaml."""

    time_zone: str
    sources: tuple[Source, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _name_and_zone(cls, data: object) -> object:
        """Give each source its key as name, and the common zone where it states none."""
        if isinstance(data, dict) and isinstance(data.get("sources"), dict):
            zone = data.get("time_zone")
            data = dict(data)
            data["sources"] = tuple(
                {"name": name, **({"time_zone": zone} if zone else {}), **(body or {})}
                if isinstance(body, dict) or body is None else body
                for name, body in data["sources"].items()
            )
        return data

    @property
    def by_name(self) -> dict[str, Source]:
        """The sources by their names."""
        return {source.name: source for source in self.sources}
