"""A night that bad rows stopped is published once they are repaired, and the law holds."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from nights.conftest import SECOND, Teller
from nights.homes import TrialHome, sha256

# The home costs a minute: one worker makes it.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nights_repair")]

FILE = "interactions/interactions_2026-11-18.csv"
HEADER = ("interaction_id", "customer_id", "occurred_at", "type")
GOOD_N, BAD_N = 4, 6


@pytest.fixture(scope="module")
def repaired(chronicle: Teller, tmp_path_factory: pytest.TempPathFactory) -> TrialHome:
    """A home whose night was refused for rejected rows, which were repaired."""
    home = chronicle("first").copy(tmp_path_factory.mktemp("repaired") / "home")
    home.edit("home.yaml", "maximum_rejected_share: 0.5", "maximum_rejected_share: 0.05")
    home.drop(FILE, HEADER, [
        [f"R-{n}", "C1000000001", "whenever" if n < BAD_N else f"{SECOND} 10:00:00", "visit"]
        for n in range(GOOD_N + BAD_N)])
    yesterday = sha256(home.publication)
    said = home.crm("run", "--date", SECOND).expect(1)
    assert "rejected_share_within_bound" in said.err
    assert sha256(home.publication) == yesterday
    folder = home.folder.parent / "repair"
    home.crm("rejected", "--source", "interactions", "--write", str(folder)).expect(0)
    (path,) = [path for path in folder.iterdir() if "whenever" in path.read_text("utf-8-sig")]
    mend(path)
    home.note("repair", home.crm("repair", str(path)).expect(0).out)
    home.note("again", home.crm("repair", str(path)).expect(0).out)
    home.night(SECOND)
    return home


def mend(path: Path) -> None:
    """Write the time that was meant."""
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "occurred_at": f"{SECOND} 11:00:00"} for row in rows)


def test_the_night_is_published_with_the_repaired_rows(repaired: TrialHome) -> None:
    assert repaired.last_run()["outcome"] == "published"
    rows = repaired.query("select count(*) as n from crm.raw_interactions "
                          "where interaction_id like 'R-%'", repaired.raw)
    assert rows[0]["n"] == GOOD_N + BAD_N


def test_rejection_and_repair_are_both_told(repaired: TrialHome) -> None:
    loads = {row["file_name"]: row["load_seq"] for row in repaired.query(
        "select file_name, load_seq from crm.load_ledger", repaired.status)}
    for file in (repaired.publication, repaired.status):
        rows = repaired.query(
            f"select load_seq, repaired_load_seq from crm.rejected_rows where file_name = '{FILE}'",
            file)
        assert rows == [{"load_seq": loads[FILE],
                         "repaired_load_seq": loads[f"{FILE} (repaired)"]}] * BAD_N


def test_the_law_counts_a_repaired_row_as_read_twice(repaired: TrialHome,
                                                     chronicle: Teller) -> None:
    """Once rejected, once loaded: nothing is lost, nothing is left over."""
    before, after = chronicle("first").law()["interactions"], repaired.law()["interactions"]
    grown = {name: after[name] - before[name] for name in ("read", "rejected", "loaded")}
    assert grown == {"read": GOOD_N + 2 * BAD_N, "rejected": BAD_N, "loaded": GOOD_N + BAD_N}
    assert after["read"] == after["loaded"] + after["repeated"] + after["rejected"]
    assert after["loaded"] == after["current"] + after["superseded"]


def test_the_commands_say_what_they_did(repaired: TrialHome) -> None:
    assert f"{BAD_N} repaired rows taken back as load" in repaired.noted("repair")
    assert f"{BAD_N} loaded" in repaired.noted("repair")
    assert f"{BAD_N} rows were taken back before; nothing to do" in repaired.noted("again")
    assert FILE not in repaired.crm("rejected").expect(0).out
