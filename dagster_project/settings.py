"""One validated settings object of a home; the only reader of environment variables.

A home is a folder with `config/ landing/ state/ warehouse/`. What a business decides about its
measures is not here but in `configuration/`; about its exports, in `ingest/sources.py`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dagster_project.configuration import (
    Configuration,
    ConfigurationError,
    load_configuration,
)
from dagster_project.customers.night import Recalibration
from dagster_project.engine.serving import ServingBounds
from dagster_project.engine.stores import Limits, Stores
from dagster_project.ingest.contacts import PhoneRegion
from dagster_project.ingest.mapping import known_zone
from dagster_project.ingest.presets import Preset, load_presets, shipped_presets
from dagster_project.ingest.sources import Sources, load_sources
from dagster_project.operation.machine import memory_bytes
from dagster_project.refusals import WrongInput
from dagster_project.yaml_file import load_model

PROJECT = Path(__file__).resolve().parent.parent
DEFAULT_CONFIG = PROJECT / "config"
DBT_PROJECT = PROJECT / "dbt"
EXPECTATIONS = PROJECT / "expectations"
CONFIG_FILES = ("home.yaml", "crm.yaml", "sources.yaml")

# A home that says it holds sample data uses this key: its identities protect nobody.
SAMPLE_SECRET = b"sample data, not a secret"
POSTGRES_URL = "CRM_POSTGRES_URL"
MINIMUM_SECRET_LENGTH = 32
# The engine spills to disk beyond its share; the rest is for Python and the file cache.
LARGEST_AUTO_MEMORY_GB = 3


class HomeMissing(WrongInput):
    """The home cannot be used as it is: which folder, what to do."""


class SecretMissing(WrongInput):
    """The home's secret is not set, or is no secret."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(_Strict):
    """When the night runs, in the business time zone."""

    time: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "04:30"
    is_on: bool = True

    @property
    def cron(self) -> str:
        """Cron expression of the daily time."""
        hour, minute = self.time.split(":")
        return f"{int(minute)} {int(hour)} * * *"


class GateSettings(_Strict):
    """Bounds of the gate that a home may move."""

    maximum_rejected_share: float = Field(default=0.05, ge=0, le=1)
    rejected_rows_tolerated: int = Field(default=5, ge=0, le=1_000_000)
    maximum_held_share: float = Field(default=0.05, ge=0, le=1)
    minimum_kept_share: float = Field(default=0.5, ge=0, le=1)
    maximum_population_drift: float = Field(default=0.25, gt=0, le=100)
    maximum_check_seconds: int = Field(default=900, ge=1, le=86_400)
    permitted_texts: tuple[Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")], ...] = ()

    @property
    def permitted_columns(self) -> tuple[tuple[str, str], ...]:
        """(table, column) whose numbers only look like telephone numbers."""
        return tuple((text.split(".")[0], text.split(".")[1]) for text in self.permitted_texts)


class PostgresSettings(_Strict):
    """How the database that serves readers is switched; of `publish: postgres` only."""

    lock_timeout_seconds: float = Field(default=0.5, ge=0.1, le=60)
    switch_wait_seconds: float = Field(default=300, ge=0, le=86_400)
    keep_publications: int = Field(default=2, ge=0, le=400)

    @property
    def bounds(self) -> ServingBounds:
        """The same for the engine."""
        return ServingBounds(self.lock_timeout_seconds, self.switch_wait_seconds,
                             self.keep_publications)


class HomeSettings(_Strict):
    """`config/home.yaml`: how this home is operated."""

    sample_data: bool = False
    first_night: date = date(2020, 1, 1)
    schedule: Schedule = Schedule()
    recalibration: Recalibration = "monthly"
    memory_limit: Annotated[str, Field(pattern=r"^(auto|\d+(\.\d+)?(MB|GB))$")] = "auto"
    threads: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    lock_wait_seconds: int = Field(default=3600, ge=0, le=86_400)
    keep_publications: int = Field(default=7, ge=1, le=400)
    daily_history_nights: int = Field(default=35, ge=2, le=400)
    run_history_days: int = Field(default=90, ge=7, le=3650)
    publish: Literal["duckdb", "postgres"] = "duckdb"
    postgres: PostgresSettings = PostgresSettings()
    gate: GateSettings = GateSettings()


class Home:
    """One home: its folders, its settings, its configuration.

    Files are read once, when first asked for.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` need not exist yet."""
        self.folder = folder.resolve()

    @property
    def config(self) -> Path:
        """What the business decides."""
        return self.folder / "config"

    @property
    def landing(self) -> Path:
        """Where exports are dropped."""
        return self.folder / "landing"

    @property
    def state(self) -> Path:
        """What the pipeline keeps for itself."""
        return self.folder / "state"

    @property
    def warehouse(self) -> Path:
        """What BI reads."""
        return self.folder / "warehouse"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage for this home."""
        return self.state / "dagster"

    @property
    def lock_file(self) -> Path:
        """The file whose lock the one writer holds."""
        return self.state / "writer.lock"

    @property
    def run_marks(self) -> Path:
        """Folder with a mark of each run that lives or was lost."""
        return self.state / "runs"

    @property
    def hash_memory(self) -> Path:
        """Content hashes of landing files seen before."""
        return self.state / "landing_hashes.json"

    @property
    def refused_files(self) -> Path:
        """What the last look into the landing folder refused."""
        return self.state / "refused_files.json"

    @property
    def sample_manifest(self) -> Path:
        """What the sample generator wrote, with its dose of dirt."""
        return self.state / "sample_manifest.json"

    @cached_property
    def settings(self) -> HomeSettings:
        """home.yaml, checked."""
        return load_model(self._config_file("home.yaml"), HomeSettings)

    @cached_property
    def configuration(self) -> Configuration:
        """crm.yaml, checked."""
        return load_configuration(self._config_file("crm.yaml"))

    @cached_property
    def sources(self) -> Sources:
        """sources.yaml, checked."""
        return load_sources(self._config_file("sources.yaml"), self.presets)

    @cached_property
    def presets(self) -> tuple[Preset, ...]:
        """Known layouts: those of the project, and those in config/presets/ of the home."""
        return load_presets(self.config / "presets", shipped_presets())

    @cached_property
    def stores(self) -> Stores:
        """The engine's files of this home."""
        return Stores(self.state, self.warehouse, self.limits)

    @property
    def limits(self) -> Limits:
        """What the engine may use of the machine."""
        memory = self.settings.memory_limit
        if memory == "auto":
            memory = f"{min(LARGEST_AUTO_MEMORY_GB, memory_bytes() / 1e9 / 2):.1f}GB"
        threads = self.settings.threads
        count = os.cpu_count() or 1 if threads == "auto" else threads
        return Limits(memory, count, self.state / "spill")

    @property
    def secret(self) -> bytes:
        """Key of all identity tokens of this home.

        Raises:
            SecretMissing: the home holds real data and CRM_HOME_SECRET is not set or too short.
        """
        if self.settings.sample_data:
            return SAMPLE_SECRET
        text = os.environ.get("CRM_HOME_SECRET", "")
        if len(text) < MINIMUM_SECRET_LENGTH:
            state = "is not set" if not text else f"has {len(text)} characters"
            advice = ("Set the one this home was made with: by another one every customer would "
                      "be a stranger" if self.stores.vault.exists() else
                      "Make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'")
            raise SecretMissing(
                f"CRM_HOME_SECRET {state}; this home holds real data (sample_data: false in "
                f"{self.config / 'home.yaml'}) and needs a secret of at least "
                f"{MINIMUM_SECRET_LENGTH} characters, always the same. {advice}"
            )
        return text.encode()

    @property
    def postgres_url(self) -> str:
        """URL of the database that serves readers beside the file.

        It may hold a password: for the one that connects only, never for a text or a table.

        Raises:
            ConfigurationError: CRM_POSTGRES_URL is not set.
        """
        url = os.environ.get(POSTGRES_URL)
        if not url:
            raise ConfigurationError([
                f"the environment variable {POSTGRES_URL} is not set, which publishing to "
                f"PostgreSQL needs (publish in {self.config / 'home.yaml'}); give it the URL of "
                f"the database, for example postgresql://crm_publisher:password@host/crm"])
        return url

    @property
    def serving_url(self) -> str | None:
        """The same where every night publishes to it; None: nights publish the file alone.

        Raises:
            ConfigurationError: they do, and CRM_POSTGRES_URL is not set.
        """
        return None if self.settings.publish == "duckdb" else self.postgres_url

    def require(self) -> None:
        """Raise unless the home has its folders and its configuration files can be used."""
        if not self.config.is_dir():
            raise HomeMissing(
                f"{self.folder} is no home: it has no config/ folder. Make one with: "
                f"crm-value init {self.folder}"
            )
        # Read all three, so that a fault is told before any work starts.
        _ = self.settings, self.configuration, self.sources, self.secret
        for folder in (self.landing, self.state, self.warehouse, self.dagster_home):
            folder.mkdir(parents=True, exist_ok=True)
        self.write_dagster_yaml()

    def write_dagster_yaml(self) -> None:
        """Give the home the project's dagster.yaml, unless it has one of its own."""
        target = self.dagster_home / "dagster.yaml"
        if not target.exists():
            self.dagster_home.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / "dagster.yaml", target)

    def _config_file(self, name: str) -> Path:
        path = self.config / name
        if not path.is_file():
            raise ConfigurationError([
                f"{path} does not exist; copy it from {DEFAULT_CONFIG / name}"
            ])
        return path


@dataclass(frozen=True)
class Calendar:
    """What Dagster must know of a home before any run."""

    first_night: date
    time_zone: str
    schedule: Schedule


def calendar_of(home: Home) -> Calendar:
    """The home's calendar; the default one while there is no home yet."""
    config = home.config if home.config.is_dir() else DEFAULT_CONFIG
    settings = load_model(config / "home.yaml", HomeSettings)
    business = load_configuration(config / "crm.yaml").business
    return Calendar(settings.first_night, business.time_zone, settings.schedule)


def home_from_environment() -> Home:
    """The home that CRM_HOME names, else ./home."""
    return Home(Path(os.environ.get("CRM_HOME", "home")))


def _currency_code(text: str) -> str:
    if not re.fullmatch("[A-Z]{3}", text):
        raise ValueError(f"{text!r} is no currency; write the three capital letters of ISO 4217, "
                         f"for example USD")
    return text


class Place(_Strict):
    """Where a business is; what is None stays as it is shipped.

    Attributes:
        currency: base currency.
        time_zone: of the business, and of times in exports that state none.
        phone_region: country of telephone numbers that state none. None with another time zone
            than the shipped one: none, since numbers read as those of another country would be
            wrong and not only missing.
    """

    currency: Annotated[str, AfterValidator(_currency_code)] | None = None
    time_zone: Annotated[str, AfterValidator(known_zone)] | None = None
    phone_region: PhoneRegion = None

    def written_into(self, text: str) -> str:
        """A shipped configuration file for this place."""
        if self.currency:
            text = text.replace("base_currency: CNY", f"base_currency: {self.currency}")
        if self.time_zone:
            text = text.replace("time_zone: Asia/Shanghai", f"time_zone: {self.time_zone}")
        if self.phone_region:
            return text.replace("phone_region: CN", f"phone_region: {self.phone_region}")
        if self.time_zone:
            text = text.replace("\nphone_region: CN", "\n# phone_region: CN")
        return text


def make_home(folder: Path, *, is_sample: bool, place: Place | None = None) -> Home:
    """Make a home in `folder` with the default configuration, for a place if one is stated.

    Files that are there already are left as they are.

    Raises:
        ConfigurationError: a place is stated, and the home has a configuration already.
    """
    home = Home(folder)
    if place is not None and any((home.config / name).exists() for name in CONFIG_FILES):
        raise ConfigurationError([
            f"{home.config} is there already and stays as it is; state currency, time zone and "
            f"phone region in its crm.yaml and sources.yaml"])
    for part in (home.config, home.landing, home.state, home.warehouse):
        part.mkdir(parents=True, exist_ok=True)
    for name in CONFIG_FILES:
        target = home.config / name
        if target.exists():
            continue
        text = (DEFAULT_CONFIG / name).read_text(encoding="utf-8")
        if is_sample:
            text = text.replace("sample_data: false", "sample_data: true")
            text = text.replace("version: arrival", "version: file_name")
        if place is not None:
            text = place.written_into(text)
        target.write_text(text, encoding="utf-8")
    # Identities and rejected rows in clear are for the pipeline's user only.
    home.state.chmod(0o700)
    home.write_dagster_yaml()
    return home


def enter(home: Home) -> None:
    """Set the environment that Dagster, dbt and Great Expectations read in this process.

    None of them may send anything home.
    """
    set_environment({
        "CRM_HOME": str(home.folder),
        "DAGSTER_HOME": str(home.dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "false",
    })


def read_variable(name: str) -> str | None:
    """Value of an environment variable that sources.yaml names; None if it is not set.

    It may hold a password: for the one that connects only, never for a text or a table.
    """
    return os.environ.get(name)


def set_environment(values: Mapping[str, str]) -> None:
    """Set variables for this process and those it starts."""
    os.environ.update(values)
