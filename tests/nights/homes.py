"""A small home and what people do to it: run commands, deliver files, read tables.

No expectation stands in this module.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import duckdb

from dagster_project.engine.audit_connection import fingerprints_of
from dagster_project.publish.tables import RUN_TABLES
from nights.commands import PATIENCE_SECONDS, Command, Ended, start

PROJECT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent

# The sample's last date; its dirt lies in the nights before (sample/dirt.py).
END = date(2026, 11, 20)
CUSTOMERS, DAYS = 120, 8
RUN_TABLE_NAMES = frozenset(table.name for table in RUN_TABLES)
ORDER_HEADER = ("order_id", "line_id", "customer_id", "ordered_at", "status", "quantity",
                "unit_price", "currency")


def environment(**own: str) -> dict[str, str]:
    """The environment of a command: nothing of a home that this process may have entered."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("CRM_", "DAGSTER_", "DBT_"))}
    return {**kept, "DAGSTER_DISABLE_TELEMETRY": "1", **own}


@dataclass(frozen=True)
class TrialHome:
    """One home in a folder of its own; `deliveries` holds the sample's files until delivered.

    Attributes:
        variables: of the environment of its commands.
    """

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def landing(self) -> Path:
        """Where exports are dropped."""
        return self.folder / "landing"

    @property
    def deliveries(self) -> Path:
        """The sample's files, as below landing/."""
        return self.folder / "deliveries"

    @property
    def publication(self) -> Path:
        """What BI reads."""
        return self.folder / "warehouse" / "crm.duckdb"

    @property
    def status(self) -> Path:
        """What became of every run."""
        return self.folder / "warehouse" / "status.duckdb"

    @property
    def raw(self) -> Path:
        """Append-only rows."""
        return self.folder / "state" / "raw.duckdb"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the sample holds, as its generator states it."""
        text = (self.folder / "state" / "sample_manifest.json").read_text(encoding="utf-8")
        manifest: dict[str, Any] = json.loads(text)
        return manifest

    def kept(self, publication_id: int) -> Path:
        """The file of an earlier publication."""
        return self.folder / "warehouse" / "kept" / f"publication-{publication_id:06d}.duckdb"

    def copy(self, folder: Path) -> TrialHome:
        """A home of its own with the same content."""
        shutil.copytree(self.folder, folder)
        return TrialHome(folder)

    def start(self, *arguments: str, **variables: str) -> Command:
        """Start `crm-value --home ... arguments`."""
        return start(["--home", str(self.folder), *arguments],
                     environment(**self.variables, **variables), self.folder.parent)

    def crm(self, *arguments: str, **variables: str) -> Ended:
        """Run `crm-value --home ... arguments` to its end."""
        return self.start(*arguments, **variables).end()

    def installed_crm(self, *arguments: str, **variables: str) -> Ended:
        """The same, by the program that the installation made."""
        return ended(subprocess.Popen(
            [str(PROGRAMS / "crm-value"), "--home", str(self.folder), *arguments],
            env=environment(**variables), cwd=self.folder.parent, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE))

    def night(self, night: str) -> Ended:
        """Run one night, which must publish."""
        return self.crm("run", "--date", night).expect(0)

    def dagster_materialize(self, selection: str, night: str) -> Ended:
        """Materialise some assets alone, as Dagster's own command line does it."""
        return ended(subprocess.Popen(
            [str(PROGRAMS / "dagster"), "asset", "materialize", "--select", selection,
             "--partition", night, "--module-name", "dagster_project.definitions"],
            env=environment(CRM_HOME=str(self.folder),
                            DAGSTER_HOME=str(self.folder / "state" / "dagster")),
            cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands in config/`name`."""
        path = self.folder / "config" / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{path} does not hold {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def deliver(self, until: date) -> None:
        """Put the sample's files up to a version date into landing/, those that are not there."""
        for file in self.manifest["files"]:
            if date.fromisoformat(file["version_date"]) <= until:
                target = self.landing / file["path"]
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(self.deliveries / file["path"], target)

    def drop(self, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
        """Write a file of rows into landing/."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *rows])
        return path

    def query(self, sql: str, file: Path | None = None) -> list[dict[str, Any]]:
        """Rows of a query over a file that is attached as `crm`, as BI tools do it."""
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"attach '{file or self.publication}' as crm (read_only)")
            result = connection.execute(sql)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def law(self, file: Path | None = None) -> dict[str, dict[str, int]]:
        """Rows of the law by source."""
        rows = self.query("select * from crm.reconciliation where measure = 'rows'", file)
        return {row["source"]: {name: int(value or 0) for name, value in row.items()
                                if name not in ("source", "kind", "measure", "currency")}
                for row in rows}

    def note(self, name: str, value: object) -> None:
        """Keep what was seen with the home."""
        (self.folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")

    def noted(self, name: str) -> Any:
        """What was kept under a name."""
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def last_run(self) -> dict[str, Any]:
        """The newest row of the status's pipeline_runs."""
        return self.query("select * from crm.pipeline_runs order by started_at desc limit 1",
                          self.status)[0]


# A BI tool in a process of its own: a line in is a query, a line out its rows as JSON.
READER = """
import json, sys
import duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for line in sys.stdin:
    sys.stdout.write(json.dumps(connection.execute(line).fetchall(), default=str) + "\\n")
    sys.stdout.flush()
"""


class Reader:
    """An open connection to a file, in another process."""

    def __init__(self, python: Path, file: Path) -> None:
        """Connects with the driver that `python` has."""
        self.process = subprocess.Popen(
            [str(python), "-c", READER, str(file)], env=environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def ask(self, query: str) -> list[list[Any]]:
        """Rows of a query of one line."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(query + "\n")
        self.process.stdin.flush()
        rows: list[list[Any]] = json.loads(self.process.stdout.readline())
        return rows


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a program."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return Ended(process.returncode, out, err)


def contents(file: Path) -> dict[str, dict[str, Any]]:
    """What the published tables hold, tables of runs left out, whatever the row order."""
    return fingerprints_of(file, without=RUN_TABLE_NAMES)


def sha256(file: Path) -> str:
    """Hash of the bytes of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def make_sample_home(folder: Path) -> TrialHome:
    """A home with an empty landing folder and a sample's files in `deliveries`.

    Its bounds are wide: a share of few rows says nothing.
    """
    home = TrialHome(folder)
    home.crm("init", str(folder), "--sample").expect(0)
    home.crm("sample", "--customers", str(CUSTOMERS), "--days", str(DAYS),
             "--end", END.isoformat()).expect(0)
    home.landing.rename(home.deliveries)
    home.landing.mkdir()
    home.edit("home.yaml", "maximum_rejected_share: 0.05", "maximum_rejected_share: 0.5")
    home.edit("home.yaml", "maximum_held_share: 0.05", "maximum_held_share: 0.5")
    home.edit("home.yaml", "threads: auto", "threads: 2")
    return home


def real_home(folder: Path, edits: Mapping[str, Mapping[str, str]]) -> TrialHome:
    """A home for data that is not made up.

    Args:
        folder: of the home.
        edits: file of config/ -> old text -> new text.
    """
    home = TrialHome(folder)
    home.crm("init", str(folder)).expect(0)
    for name, changes in edits.items():
        for old, new in changes.items():
            home.edit(name, old, new)
    return home
