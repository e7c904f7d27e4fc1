"""What readers see while a night publishes, and which drivers can open what was published."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from nights.conftest import NEWEST, SEEN, Teller
from nights.homes import PROJECT, Reader, contents, environment, sha256

# What BI tools ship; the project's own is newer.
OLD_DRIVERS = {"1.4": "duckdb>=1.4,<1.5", "1.5": "duckdb>=1.5,<1.6"}


def test_an_open_reader_keeps_what_it_reads_and_goes_on(chronicle: Teller) -> None:
    seen = chronicle("recalibrated").noted("seen")
    assert seen["before"][0][0] > 0
    assert seen["meanwhile"] == seen["before"]
    assert seen["after"] == seen["before"]
    assert seen["newest"] == [[1, 1]]


def test_a_new_connection_sees_the_new_publication(chronicle: Teller) -> None:
    home = chronicle("recalibrated")
    with Reader(Path(sys.executable), home.publication) as reader:
        assert reader.ask(NEWEST) == [[2, 2]]
        assert reader.ask(SEEN) != home.noted("seen")["before"]


def test_a_reader_cannot_change_what_was_published(chronicle: Teller) -> None:
    home = chronicle("recalibrated")
    assert home.publication.stat().st_mode & 0o222 == 0
    assert not list(home.publication.parent.glob("*.wal"))


def test_recalibrating_fits_a_new_reference_and_publishes_by_it(chronicle: Teller) -> None:
    before, home = chronicle("first"), chronicle("recalibrated")
    ids = "select distinct reference_id, valid_from from crm.scoring_reference order by valid_from"
    old, new = before.query(ids), home.query(ids)
    assert (len(old), len(new)) == (1, 2)
    assert new[0] == old[0]
    current = home.query("select reference_id from crm.publication where is_current")
    assert current == [{"reference_id": new[1]["reference_id"]}]
    assert contents(home.kept(1)) == contents(before.publication)


def old_driver(release: str) -> Path:
    """Python of an environment whose DuckDB is as old as BI tools ship it; made once."""
    folder = PROJECT / ".cache" / f"duckdb-{release}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             OLD_DRIVERS[release]], check=True, env=environment())
        ready.touch()
    return python


@pytest.mark.parametrize("release", OLD_DRIVERS)
def test_an_old_driver_reads_what_was_published(release: str, chronicle: Teller) -> None:
    home = chronicle("first")
    before = sha256(home.publication)
    with Reader(old_driver(release), home.publication) as reader:
        assert reader.ask("select version()")[0][0].startswith(f"v{release}.")
        count, total = home.query(SEEN)[0].values()
        assert reader.ask(SEEN) == [[count, str(total)]]
        for table in contents(home.publication):
            reader.ask(f"select * from {table} limit 1")
    assert sha256(home.publication) == before
