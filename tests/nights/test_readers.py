"""What readers see while a night publishes, and which drivers can open what was published."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from nights.conftest import SECOND, Teller
from nights.homes import PROJECT, TrialHome, contents, environment, sha256

OLD_DRIVER = "duckdb>=1.4,<1.5"
OLD_DRIVER_HOME = PROJECT / ".cache" / "duckdb-1.4"

# A BI tool in a process of its own: a line in is a query, a line out its rows as JSON.
READER = """
import json, sys
import duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for line in sys.stdin:
    sys.stdout.write(json.dumps(connection.execute(line).fetchall(), default=str) + "\\n")
    sys.stdout.flush()
"""
NEWEST = "select max(publication_id), count(*) from publication"
ROWS = "select count(*), sum(crm_value) from crm.customer_scores"


class Reader:
    """An open connection in another process."""

    def __init__(self, python: Path, file: Path) -> None:
        self.process = subprocess.Popen(
            [str(python), "-c", READER, str(file)], env=environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, query: str) -> list[list[Any]]:
        """Rows of a query of one line."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(query + "\n")
        self.process.stdin.flush()
        rows: list[list[Any]] = json.loads(self.process.stdout.readline())
        return rows

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


@dataclass(frozen=True)
class Story:
    """A publication made under an open reader, and what the reader saw."""

    home: TrialHome
    before: list[list[Any]]
    meanwhile: list[list[Any]]
    after: list[list[Any]]
    newest_after: list[list[Any]]


@pytest.fixture(scope="module")
def story(chronicle: Teller, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """`recalibrate` publishes the 18th while a reader keeps its connection open."""
    home = chronicle("first").copy(tmp_path_factory.mktemp("readers") / "home")
    home.deliver(date.fromisoformat(SECOND))
    reader = Reader(Path(sys.executable), home.publication)
    try:
        before = reader.ask(ROWS)
        run = home.start("recalibrate", "--date", SECOND)
        meanwhile = reader.ask(ROWS)
        _, err = run.communicate()
        assert run.returncode == 0, err
        return Story(home, before, meanwhile, reader.ask(ROWS), reader.ask(NEWEST))
    finally:
        reader.close()


def test_an_open_reader_keeps_what_it_reads(story: Story) -> None:
    assert story.before[0][0] > 0
    assert story.meanwhile == story.before
    assert story.after == story.before
    assert story.newest_after == [[1, 1]]


def test_a_new_connection_sees_the_new_publication(story: Story) -> None:
    reader = Reader(Path(sys.executable), story.home.publication)
    try:
        assert reader.ask(NEWEST) == [[2, 2]]
        assert reader.ask(ROWS) != story.before
    finally:
        reader.close()


def test_a_reader_cannot_change_what_was_published(story: Story) -> None:
    assert story.home.publication.stat().st_mode & 0o222 == 0
    assert not list(story.home.publication.parent.glob("*.wal"))


def test_recalibrating_fits_a_new_reference_and_publishes_by_it(story: Story,
                                                                chronicle: Teller) -> None:
    before, home = chronicle("first"), story.home
    ids = "select distinct reference_id, valid_from from crm.scoring_reference order by valid_from"
    old, new = before.query(ids), home.query(ids)
    assert (len(old), len(new)) == (1, 2)
    assert new[0] == old[0]
    current = home.query("select reference_id from crm.publication where is_current")
    assert current == [{"reference_id": new[1]["reference_id"]}]
    assert contents(home.kept(1)) == contents(before.publication)


@pytest.fixture(scope="session")
def old_driver() -> Path:
    """Python of an environment whose DuckDB is as old as BI tools ship it; made once."""
    python = OLD_DRIVER_HOME / "bin" / "python"
    ready = OLD_DRIVER_HOME / ".ready"
    if not ready.exists():
        venv.create(OLD_DRIVER_HOME, clear=True, with_pip=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             OLD_DRIVER], check=True, env=environment())
        ready.touch()
    return python


def test_an_old_driver_reads_what_was_published(old_driver: Path, chronicle: Teller) -> None:
    home = chronicle("first")
    before = sha256(home.publication)
    reader = Reader(old_driver, home.publication)
    try:
        assert reader.ask("select version()")[0][0].startswith("v1.4.")
        expected = home.query(ROWS)[0]
        assert reader.ask(ROWS) == [[expected["count_star()"], str(expected["sum(crm_value)"])]]
        for table in contents(home.publication):
            reader.ask(f"select * from {table} limit 1")
    finally:
        reader.close()
    assert sha256(home.publication) == before
