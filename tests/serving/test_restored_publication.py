"""A publication that is put back is what readers of PostgreSQL see, too."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from dagster_project import command_line
from dagster_project.engine.audit_connection import ENGINE_VERSION, fingerprints_of
from dagster_project.engine.publication import keep_approval
from dagster_project.engine.questions import read_rows
from dagster_project.publish.serving import Serving
from dagster_project.publish.tables import RUN_TABLES
from dagster_project.quality.approval import NotApproved, make_approval, write_approval
from dagster_project.quality.result import Check, passed
from dagster_project.settings import Home, make_home
from tests.serving.warehouses import Served, make_file

URL = "CRM_POSTGRES_URL"
NOWHERE = "postgresql://chief@127.0.0.1:1/crm"
CHECK = Check("a_check", "crm.customer_scores", "error", "Why.", "What to do.")
KNOWN = "alter table candidate.publication add column known_load_seq bigint default 1"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Publication 2 is current, 1 is kept, both approved; nights publish to PostgreSQL."""
    # What the command sets for itself ends with the test.
    for name in ("CRM_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    home = make_home(tmp_path / "home", is_sample=True)
    settings = home.config / "home.yaml"
    settings.write_text(settings.read_text().replace("publish: duckdb", "publish: postgres"))
    home.stores.kept.mkdir()
    approved(home, make_file(home.stores.kept_publication(1), 1, extra=[KNOWN]), 1)
    approved(home, make_file(home.stores.publication, 2, extra=[KNOWN]), 2)
    return home


def approved(home: Home, file: Path, number: int) -> None:
    """Keep an approval of a file as it is."""
    folder = home.state / f"candidate-{number}"
    folder.mkdir()
    found = fingerprints_of(file, without={table.name for table in RUN_TABLES})
    keep_approval(home.stores, write_approval(folder, make_approval(
        "c", "s", [passed(CHECK, "c")], found, ENGINE_VERSION, home.secret)), number)


def crm(home: Home, *arguments: str) -> Result:
    """The command over the home."""
    return CliRunner().invoke(command_line.app, ["--home", str(home.folder), *arguments])


def current(home: Home) -> list[dict[str, Any]]:
    """The publication of the warehouse file."""
    return read_rows(home.stores, home.stores.publication,
                     "select publication_id, as_of_date from publication")


def test_both_places_have_the_restored_publication(
        home: Home, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, served.url)
    assert crm(home, "publish").exit_code == 0
    assert served.shown() == {2}
    said = crm(home, "restore", "1")
    assert said.exit_code == 0, said.output
    assert "publication 1 is what readers see in" in said.stdout
    assert current(home) == [{"publication_id": 1, "as_of_date": date(2026, 1, 2)}]
    assert served.shown() == {1}


def test_without_its_url_nothing_is_touched(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL, raising=False)
    said = crm(home, "restore", "1")
    assert said.exit_code == 2
    assert f"{URL} is not set" in said.stderr
    assert current(home)[0]["publication_id"] == 2


def test_a_database_that_is_away_is_said_and_brought_up_later(
        home: Home, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, served.url)
    assert crm(home, "publish").exit_code == 0
    monkeypatch.setenv(URL, NOWHERE)
    said = crm(home, "restore", "1")
    assert said.exit_code == 3
    assert "Publication 1 of 2026-01-02 is current again" in said.stdout
    assert "is restored, and the database still shows what it showed before" in said.stderr
    assert "crm-value publish" in said.stderr
    assert current(home)[0]["publication_id"] == 1
    assert served.shown() == {2}
    monkeypatch.setenv(URL, served.url)
    assert crm(home, "publish").exit_code == 0
    assert served.shown() == {1}


def alter(file: Path) -> None:
    """By hand, as whoever has the folder can."""
    file.chmod(0o644)
    with duckdb.connect(str(file)) as connection:
        connection.execute("update customer_scores set crm_value = 99")
        connection.execute("update segment_kpis set total = 99 * customers_n")


def test_a_kept_file_that_was_altered_by_hand_is_not_shown(
        home: Home, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, served.url)
    assert crm(home, "publish").exit_code == 0
    alter(home.stores.kept_publication(1))
    said = crm(home, "publish", "--publication", "1")
    assert said.exit_code == 2
    assert "is not what was approved: customer_scores, segment_kpis differ" in said.stderr
    assert served.shown() == {2}
    assert len(served.loaded()) == 1


def test_a_night_does_not_bring_the_database_up_with_an_altered_file(
        home: Home, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, served.url)
    assert crm(home, "publish", "--publication", "1").exit_code == 0
    file = home.stores.publication
    right = file.read_bytes()
    alter(file)
    with pytest.raises(NotApproved, match="is not what was approved: customer_scores"):
        Serving(home, served.told.append).catch_up(file)
    assert served.shown() == {1}
    file.write_bytes(right)
    assert Serving(home, served.told.append).catch_up(file)
    assert served.shown() == {2}
