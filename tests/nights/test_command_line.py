"""`crm-value` as people run it: exit codes, words, and a refused night from alarm to waiver."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nights.commands import Ended
from nights.conftest import FIRST, MISPLACED, SECOND, Teller
from nights.homes import ORDER_HEADER, TrialHome, make_sample_home, real_home, sha256

SECRET = "a secret of a home of trials, long enough"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> TrialHome:
    """A sample home without exports; its files are not changed."""
    home = TrialHome(tmp_path_factory.mktemp("bare") / "home")
    home.crm("init", str(home.folder), "--sample").expect(0)
    return home


@pytest.mark.parametrize(("arguments", "words"), [
    (("run", "--date", "2026-11-33"), "--date 2026-11-33: is no date; write YYYY-MM-DD"),
    (("run", "--date", "2019-12-31"), "nights run from 2020-01-01 (first_night in"),
    (("run", "--date", "2999-01-01"), "(yesterday in the business time zone)"),
    (("run", "--from", FIRST), "give either --date, or both --from and --to"),
    (("run", "--from", SECOND, "--to", FIRST), f"--to {FIRST} lies before --from {SECOND}"),
    (("run", "--from", FIRST, "--to", SECOND, "--known-at", "1"), "give --date"),
    (("recalibrate", "--date", "soon"), "--date soon: is no date"),
    (("rebuild",), "nothing was published yet; run a night first"),
    (("approve", "--candidate", "none", "--waive", "scores_present", "--reason", "seen"),
     "does not exist; name a candidate"),
    (("run", "--nights", "3"), "No such option: --nights"),
    (("init", "elsewhere", "--currency", "usd"), "--currency: 'usd' is no currency"),
    (("init", "elsewhere", "--time-zone", "Mars/Olympus"), "--time-zone: 'Mars/Olympus' is no"),
    (("rejected",), "nothing was loaded yet"),
    (("rejected", "--write", "nowhere"), "nothing was loaded yet"),
])
def test_wrong_arguments_exit_with_2(bare: TrialHome, arguments: tuple[str, ...],
                                     words: str) -> None:
    assert words in bare.crm(*arguments).expect(2).err


def test_a_missing_home_exits_with_2_and_says_how_to_make_one(tmp_path: Path) -> None:
    home = TrialHome(tmp_path / "nowhere")
    assert f"crm-value init {home.folder}" in home.installed_crm("run").expect(2).err
    assert not home.folder.exists()


def test_a_wrong_configuration_exits_with_2_and_names_the_lines(tmp_path: Path,
                                                                bare: TrialHome) -> None:
    home = bare.copy(tmp_path / "home")
    path = home.folder / "config" / "crm.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    number = next(n for n, line in enumerate(lines, 1) if "min_coverage: 0.5" in line)
    home.edit("crm.yaml", "min_coverage: 0.5", "min_coverage: half")
    assert f"crm.yaml line {number}, min_coverage: is 'half'" in home.crm("run").expect(2).err

    home.edit("crm.yaml", "min_coverage: half", "min_coverage: [0.5")
    said = home.crm("run").expect(2).err
    assert "crm.yaml line" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("secret", "words"), [("", "CRM_HOME_SECRET is not set"),
                                               ("short", "CRM_HOME_SECRET has 5 characters")])
def test_real_data_without_a_secret_exit_with_2(tmp_path: Path, secret: str, words: str) -> None:
    home = real_home(tmp_path / "home", {})
    given = {"CRM_HOME_SECRET": secret} if secret else {}
    assert words in home.crm("check", **given).expect(2).err


def test_a_sample_is_not_written_among_real_data(tmp_path: Path) -> None:
    home = real_home(tmp_path / "home", {})
    said = home.crm("sample", CRM_HOME_SECRET=SECRET).expect(2).err
    assert "holds real data" in said
    assert list(home.landing.iterdir()) == []


def test_the_sample_of_a_seed_is_the_same_files(tmp_path: Path) -> None:
    one, other = (make_sample_home(tmp_path / name) for name in ("one", "other"))
    files = [{path.relative_to(home.deliveries): sha256(path)
              for path in home.deliveries.rglob("*") if path.is_file()} for home in (one, other)]
    assert files[0] == files[1]
    assert len(files[0]) > 20


def test_check_says_what_a_night_would_do_and_changes_nothing(tmp_path: Path,
                                                              bare: TrialHome) -> None:
    assert "holds nothing new" in bare.crm("check").expect(0).out
    home = make_sample_home(tmp_path / "home")
    for kind in ("orders", "customers", "fx_rates"):
        (home.landing / kind).mkdir()
        file = next((home.deliveries / kind).glob("*2026-11-17.csv"))
        (home.landing / kind / file.name).write_bytes(file.read_bytes())
    (home.landing / "letter.txt").write_text("to whom it may concern", encoding="utf-8")
    home.edit("home.yaml", "maximum_rejected_share: 0.5", "maximum_rejected_share: 0.05")
    home.drop("orders/orders_dear_2026-11-17.csv", ORDER_HEADER,
              [[f"D-{n}", "1", "C1", "2026-11-16 10:00:00", "completed", 1, "dear", "CNY"]
               for n in range(6)])

    said = home.crm("check").expect(1).out

    assert "landing/orders/orders_2026-11-17.csv: " in said
    assert "landing/letter.txt: no source in sources.yaml claims it" in said
    assert re.search(r"orders: \d+ held, no_rate \([A-Z]{3}.*\): .*deliver it in an fx_rates", said)
    assert "6 rejected (not_a_number 6)" in said
    assert ("6 not_a_number in unit_price, row 1, 2, 3, 4, 5 and 1 more (such as 'xxxx'). "
            "Write a plain" in said)
    assert "over the bound of 5.0% (maximum_rejected_share): the gate would stop" in said
    assert not home.publication.exists()
    assert not home.raw.exists()


def test_a_night_of_an_empty_landing_folder_is_not_finished(bare: TrialHome,
                                                            tmp_path: Path) -> None:
    home = bare.copy(tmp_path / "home")
    said = home.crm("run", "--date", FIRST).expect(3).err
    assert "nothing was loaded: put exports into" in said
    assert not home.publication.exists()
    assert home.last_run()["outcome"] == "failed"


def test_a_refused_night_leaves_yesterday_and_says_why(chronicle: Teller) -> None:
    home = chronicle("refused")
    code, out, err = home.noted("refused")
    assert code == 1
    assert sha256(home.publication) == home.noted("yesterday")
    last = [line for line in err.splitlines() if line.strip()][-4:]
    assert last[0] == "2 checks stop this publication; what was published before stays:"
    # Of two that are as near to what was delivered, the first by name.
    assert last[1].startswith("- FAILED no_personal_text: night.text_values: ")
    # customers and customer_segments have it; one of them is the example.
    assert "table_name = customer" in last[1]
    assert "column_name = city" in last[1]
    assert "value = l*** (18 characters)" in last[1]
    assert "Declare the id or column as personal in sources.yaml" in last[1]
    assert last[2].startswith("- FAILED rejected_share_within_bound: night.load_ledger: ")
    assert "source = interactions" in last[2]
    assert "crm-value rejected --write" in last[2]
    assert last[3].startswith("Only if an alarm is false: crm-value --home ")
    assert MISPLACED not in out + err


def test_the_status_says_why_a_night_was_refused(chronicle: Teller) -> None:
    home = chronicle("refused")
    rows = home.query("select * from crm.pipeline_runs order by started_at desc", home.status)
    assert [row["outcome"] for row in rows] == ["refused", "published"]
    assert "no_personal_text" in rows[0]["message"]
    assert rows[0]["publication_id"] is None
    failed = home.query("select check_name, failing_n, message from crm.quality_results "
                        "where outcome = 'failed' order by check_name", home.status)
    assert [row["check_name"] for row in failed] == ["no_personal_text",
                                                     "rejected_share_within_bound"]
    rejected = home.query("select reason, masked_value from crm.rejected_rows where file_name = "
                          "'interactions/interactions_2026-11-18.csv'", home.status)
    assert rejected == [{"reason": "not_a_time", "masked_value": "xxxxxxxx"}] * 6
    assert MISPLACED.encode() not in home.status.read_bytes()


def test_publishing_a_refused_candidate_alone_is_refused(home_after: Teller) -> None:
    home = home_after("refused")
    said = home.dagster_materialize("key:crm/*", SECOND)
    assert said.code != 0
    assert "is not published: the gate says no: no_personal_text" in said.said
    assert sha256(home.publication) == home.noted("yesterday")
    assert home.last_run()["outcome"] == "failed"


def test_scores_alone_for_another_night_are_refused(home_after: Teller) -> None:
    home = home_after("refused")
    said = home.dagster_materialize(
        "key:scoring/degree_scores or key:scoring/crm_values or key:scoring/quadrant_labels",
        FIRST)
    assert said.code != 0
    assert f"the working tables hold the night of {SECOND}, not of {FIRST}" in said.said
    assert sha256(home.publication) == home.noted("yesterday")


@pytest.mark.slow
def test_waivers_publish_and_are_published(home_after: Teller) -> None:
    home = home_after("refused")
    candidate = home.query("select candidate_id from crm.pipeline_runs where outcome = 'refused'",
                           home.status)[0]["candidate_id"]

    def approve(check: str) -> Ended:
        return home.crm("approve", "--candidate", candidate, "--waive", check,
                        "--reason", "seen with the shop", "--who", "Lin")

    assert 'no check is called "rejected"' in approve("rejected").expect(2).err
    still = approve("rejected_share_within_bound").expect(1).err
    assert "1 check stops this publication" in still
    assert sha256(home.publication) == home.noted("yesterday")
    approve("no_personal_text").expect(0)

    waived = home.query("select check_name, waived_reason from crm.quality_results "
                        "where outcome = 'waived' order by check_name")
    assert waived == [
        {"check_name": "no_personal_text", "waived_reason": "seen with the shop (Lin)"},
        {"check_name": "rejected_share_within_bound",
         "waived_reason": "seen with the shop (Lin)"}]
    assert home.last_run()["outcome"] == "published"


@pytest.mark.slow
def test_a_refused_file_stops_the_night_and_every_approval_of_it(home_after: Teller) -> None:
    home = home_after("first")
    before = sha256(home.publication)
    home.drop("orders/orders_of_an_unknown_day.csv", ORDER_HEADER,
              [["O1", "1", "C1", "2026-11-18 10:00:00", "completed", 1, "5.00", "CNY"]])

    said = home.crm("run", "--date", SECOND).expect(1).err
    assert "FAILED no_file_refused: " in said
    assert "orders_of_an_unknown_day.csv: the name carries no date" in said
    candidate = home.last_run()["candidate_id"]
    # Another check's waiver does not make the file whole.
    said = home.crm("approve", "--candidate", candidate, "--waive", "scores_present",
                    "--reason", "none", "--who", "Lin").expect(2).err
    assert "scores_present does not fail for this candidate" in said
    assert "Those that fail: no_file_refused" in said
    assert sha256(home.publication) == before
    refused_files = home.query("select file_name from crm.refused_files", home.status)
    assert refused_files == [{"file_name": "orders/orders_of_an_unknown_day.csv"}]
