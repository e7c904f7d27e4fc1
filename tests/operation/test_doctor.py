"""What `doctor` finds: a sound home, and one fault after another."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.writer_lock import writer_lock
from dagster_project.operation import doctor, machine
from dagster_project.operation.doctor import examine
from dagster_project.settings import Home, make_home

SECRET = "a secret of a home of trials, long enough"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with stores and a warehouse, and a machine without other programs."""
    monkeypatch.setattr(doctor, "PROCESSES", tmp_path / "proc")
    doctor.PROCESSES.mkdir()
    monkeypatch.setenv("CRM_HOME_SECRET", SECRET)
    home = make_home(tmp_path / "home", is_sample=False)
    EmbeddedEngine(home.stores, home.secret)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{home.stores.publication}' as crm "
                           f"(storage_version 'v1.0.0')")
        connection.execute("create table crm.publication as select 1 as publication_id")
    return home


def said(home: Home, runs: Sequence[str] = ()) -> list[str]:
    """What is to be looked at; without an open home the settings are read anew."""
    return [finding.line for finding in examine(Home(home.folder), lambda: runs)
            if not finding.is_ok]


def test_a_sound_home_has_nothing_to_look_at(home: Home) -> None:
    assert said(home) == []
    lines = [finding.line for finding in examine(home, lambda: [])]
    assert all(line.startswith("ok  ") for line in lines)
    text = "\n".join(lines)
    for words in ("duckdb", "siblings are of one release", "crm.yaml can be used",
                  "rights 700", "is the one this home was made with", "raw.duckdb can be opened",
                  "storage v1.0.0", "nobody holds", "a night may need", "of memory",
                  "time-zone data know Asia/Shanghai", "no web page"):
        assert words in text, words
    assert SECRET not in text


def test_each_fault_is_named_with_what_to_do(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.state.chmod(0o755)
    assert any("chmod 700" in line for line in said(home))
    home.state.chmod(0o700)

    wal = home.warehouse / "crm.duckdb.wal"
    wal.touch()
    assert any("open for writing" in line for line in said(home))
    wal.unlink()

    assert any("2 runs are marked as going on" in line for line in said(home, ["a", "b"]))

    monkeypatch.setenv("CRM_HOME_SECRET", SECRET[::-1])
    (line,) = said(home)
    assert "does not fit this home" in line and SECRET[::-1] not in line
    monkeypatch.delenv("CRM_HOME_SECRET")
    assert any("CRM_HOME_SECRET is not set" in line for line in said(home))


@pytest.mark.parametrize(("name", "cure"), [
    ("state/raw.duckdb", "restore --backup DIR"), ("state/vault.duckdb", "restore --backup DIR"),
    ("state/build.duckdb", "disposable"), ("warehouse/crm.duckdb", "crm-value restore"),
])
def test_a_damaged_file_is_named_with_its_cure(home: Home, name: str, cure: str) -> None:
    path = home.folder / name
    path.write_bytes(b"no database" * 999)
    (line,) = said(home)
    assert path.name in line and cure in line


def test_a_file_of_a_new_format_is_told_of(home: Home) -> None:
    home.stores.publication.unlink()
    with duckdb.connect() as connection:
        connection.execute(f"attach '{home.stores.publication}' as crm "
                           f"(storage_version 'v1.5.0')")
        connection.execute("create table crm.publication as select 1 as publication_id")
    (line,) = said(home)
    assert "storage version v1.5" in line


def test_who_holds_the_lock_is_named_and_its_run_is_no_leftover(home: Home) -> None:
    with writer_lock(home.lock_file, purpose="nightly", wait_seconds=0, tell=str):
        lines = [finding.line for finding in examine(home, lambda: ["run"])]
    assert any("held by process" in line and "nightly" in line for line in lines)
    assert not any("marked as going on" in line for line in lines)


def test_a_wrong_configuration_is_named_by_its_line(home: Home) -> None:
    path = home.config / "home.yaml"
    path.write_text(path.read_text().replace("threads: auto", "threads: many"))
    assert any("home.yaml line" in line and "threads" in line for line in said(home))


def test_no_home_is_said(tmp_path: Path) -> None:
    assert any("crm-value init" in line for line in said(Home(tmp_path / "nowhere")))


def test_memory_and_disk_are_compared_with_the_machine(
        home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "memory_bytes", lambda: 2 * 10**9)
    monkeypatch.setattr(doctor, "free_bytes", lambda path: 1)
    path = home.config / "home.yaml"
    path.write_text(path.read_text().replace("memory_limit: auto", "memory_limit: 1.9GB"))
    lines = said(home)
    assert any("memory_limit" in line and "1.6GB" in line for line in lines)
    assert len([line for line in lines if "make room" in line]) == 2


@pytest.mark.parametrize(("command", "is_open"), [
    (["python", "/bin/dagster", "dev", "-h", "127.0.0.1"], False),
    (["python", "/bin/dagster", "dev", "-h", "0.0.0.0"], True),
    (["python", "-m", "dagster_webserver", "--host=::"], True),
    (["python", "-m", "dagster_webserver", "--port", "3000"], False),
    (["python", "dagster", "job", "--host", "0.0.0.0"], False),
])
def test_a_web_page_that_others_reach_is_told_of(home: Home, command: list[str],
                                                 is_open: bool) -> None:
    folder = doctor.PROCESSES / "17"
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes("\0".join(command).encode())
    assert any("has no login" in line for line in said(home)) == is_open


def test_a_machine_that_shows_no_command_lines_is_not_said_to_be_closed(home: Home) -> None:
    doctor.PROCESSES.rmdir()
    lines = [finding.line for finding in examine(home, lambda: [])]
    assert [line for line in lines if "web page" in line and line.startswith("not seen")]
    assert not [line for line in lines if "web page" in line and line.startswith("ok")]
    assert said(home) == []


@pytest.mark.parametrize(("version", "limit", "share"), [
    ("memory.max", "2000000000\n", "1.0GB"),
    ("memory.limit_in_bytes", "3000000000\n", "1.5GB"),
])
def test_a_container_gets_half_of_its_own_memory(
        home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, limit: str,
        share: str) -> None:
    file = tmp_path / version
    file.write_text(limit)
    monkeypatch.setattr(machine, "MEMORY_LIMITS", (tmp_path / "nowhere", file))
    assert home.limits.memory == share
    assert said(home) == []
    # Of a group without a limit only the machine's counts.
    whole = machine.memory_bytes()
    file.write_text("max\n")
    assert machine.memory_bytes() >= whole


def test_siblings_of_another_release_are_named(home: Home,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"dagster-dbt": "0.29.1", "dagster-webserver": "1.13.26"}
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, "1.13.27"))
    (line,) = said(home)
    assert "dagster-dbt 0.29.1" in line and "dagster-webserver 1.13.26" in line
    versions |= {"dagster-dbt": "0.29.27", "dagster-webserver": "1.13.27"}
    assert said(home) == []


def test_it_changes_nothing(home: Home) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns)
                for path in home.folder.rglob("*") if stat.S_ISREG(path.stat().st_mode)}

    before = json.dumps(state())
    list(examine(home, lambda: []))
    assert json.dumps(state()) == before
