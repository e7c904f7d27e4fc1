"""Tests 20 and 21 at the command line: which file, what to do, exit code 3, and a status."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from nights.conftest import FIRST, SECOND, Teller
from nights.homes import TrialHome, sha256
from tests.conftest import INJECTED


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.xdist_group("damaged_homes")
def test_a_run_over_a_damaged_store_says_which_and_what_to_do(
        home_after: Teller, record_property: Any) -> None:
    """One after the other, each put back before the next; then the night runs as if nothing was."""
    home = home_after("first")
    before = sha256(home.publication)
    files = {home.raw: "state/raw.duckdb and state/vault.duckdb, both of the same time",
             home.folder / "state" / "vault.duckdb": "state/vault.duckdb and state/raw.duckdb",
             home.publication: "crm-value restore PUBLICATION"}
    for file, advice in files.items():
        whole = file.read_bytes()
        _overwrite(file, random.Random(1).randbytes(len(whole)))
        said = home.crm("run", "--date", SECOND).expect(3).err
        assert str(file) in said
        assert advice in said
        told = home.last_run()
        assert (told["outcome"], str(told["as_of_date"])) == ("failed", SECOND)
        assert str(file) in told["message"]
        _overwrite(file, whole)
    assert sha256(home.publication) == before

    aside = home.folder / "state" / "vault.away"
    (home.folder / "state" / "vault.duckdb").rename(aside)
    assert "vault.duckdb is missing" in home.crm("run", "--date", SECOND).expect(3).err
    aside.rename(home.folder / "state" / "vault.duckdb")
    # The build is made again, whatever it is.
    build = home.folder / "state" / "build.duckdb"
    build.write_bytes(b"\1" * 30_000)
    home.crm("run", "--date", FIRST).expect(0)
    assert len(list(home.folder.glob("state/build.damaged-*.duckdb"))) == 1
    assert sha256(home.publication) == before
    record_property(INJECTED, len(files) + 2)


def _overwrite(file: Path, content: bytes) -> None:
    mode = file.stat().st_mode
    file.chmod(0o644)
    file.write_bytes(content)
    file.chmod(mode)


@pytest.mark.faults
@pytest.mark.parametrize("arguments", [("rebuild",), ("rejected",)])
def test_every_command_says_a_damaged_file_in_words(tmp_path: Path, arguments: tuple[str, ...],
                                                    record_property: Any) -> None:
    home = TrialHome(tmp_path / "home")
    home.crm("init", str(home.folder), "--sample").expect(0)
    file = home.publication if arguments == ("rebuild",) else home.raw
    file.write_bytes(b"\1" * 30_000)
    said = home.crm(*arguments).expect(3).err
    assert f"{file} is damaged" in said
    assert "Traceback" not in said
    record_property(INJECTED, 1)
