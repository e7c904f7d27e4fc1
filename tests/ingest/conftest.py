"""A folder with landing files and an engine over it; no Dagster, no dbt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.stores import Limits, Stores
from dagster_project.ingest.loading import HashMemory, IngestReport, ingest_landing
from dagster_project.ingest.sources import Sources

NOW = datetime(2026, 1, 10, 4, 30)
SECRET = b"a secret of the tests"


def stores_of(folder: Path) -> Stores:
    """The stores of a home."""
    return Stores(folder / "state", folder / "warehouse", Limits("1GB", 2, folder / "spill"))


class Landing:
    """A home without configuration files: landing folder, stores, sources.

    Attributes:
        queries: folder of the SQL files of joins; None: there are none.
    """

    queries: Path | None = None

    def __init__(self, folder: Path, sources: Mapping[str, Any]) -> None:
        self.folder = folder
        self.landing = folder / "landing"
        self.landing.mkdir(parents=True, exist_ok=True)
        self.sources = Sources.model_validate({"time_zone": "Asia/Shanghai", "sources": sources})
        self.stores = stores_of(folder)
        self.engine = EmbeddedEngine(self.stores, SECRET)

    def put(self, name: str, content: str | bytes) -> Path:
        """Deliver one file."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def load(self, tell: Callable[[str, float], None] = lambda words, share: None) -> IngestReport:
        """Look at the landing folder once; `tell` hears of each file before it is read."""
        return ingest_landing(self.engine, self.landing, self.sources,
                              HashMemory(self.stores.state / "hashes.json"),
                              run_id="test", now=NOW, queries=self.queries,
                              report_progress=tell)

    def rows(self, query: str, area: str = "raw") -> list[tuple[Any, ...]]:
        """Rows of a query on raw or vault, NULL as None."""
        frame = self.engine.read_current(area, query)
        return [tuple(None if pd.isna(value) else value for value in row)
                for row in frame.itertuples(index=False)]

    def only(self, query: str, area: str = "raw") -> Any:
        """The single value of a query."""
        ((value,),) = self.rows(query, area)
        return value


@pytest.fixture
def landing_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Landing]:
    """Makes a Landing with the sources given; young files are trusted at once."""
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)

    def make(**sources: Mapping[str, Any]) -> Landing:
        return Landing(tmp_path / "home", sources)

    return make


@pytest.fixture
def orders(landing_of: Callable[..., Landing]) -> Landing:
    """One source of orders, versioned by file name."""
    return landing_of(shop={"kind": "orders", "files": ["orders/*"], "version": "file_name"})
