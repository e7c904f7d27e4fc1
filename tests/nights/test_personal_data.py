"""A planted person is found in the landing file and the vault, and in no other byte of the home."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dagster_project.engine.personal_text import make_text_macros
from nights.homes import ORDER_HEADER, TrialHome, real_home

# The home costs a minute: one worker makes it.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nights_personal_data")]

NIGHT = "2026-11-20"
VARIABLES = {"CRM_HOME_SECRET": "a secret of a home of trials, long enough"}
# Nobody in the sample, the program or its libraries has these.
NAME, FAMILY_NAME, CHINESE_NAME = "Zyxwalda", "Quokkenburg", "\u9b4f\u9f98\u9a6b"
EMAIL, PHONE = "zyxwalda.quokkenburg@kanarienpost.example", "13987650417"
OTHER_PHONE, LANDLINE = "+49 170 9753124", "(212) 555-0147"
COMMENT = f"Call {NAME} {FAMILY_NAME}, {PHONE}, soon"
CANARIES = (NAME, FAMILY_NAME, CHINESE_NAME, EMAIL, "kanarienpost", PHONE, "9753124", "555-0147")
# A canary may be written without regard to case, and in either text of the engine's own.
ENCODINGS = ("utf-8", "utf-16-le", "gb18030")


def plant(home: TrialHome) -> None:
    """Files with the person in every place where people have put one."""
    customers = ("customer_id", "valid_from", "name", "email", "phone", "region")
    home.drop("customers_2026-11-20.csv", customers, [
        ["C-1", "2026-01-05", f"{NAME} {FAMILY_NAME}", EMAIL, PHONE, "East"],
        ["C-2", "2026-01-05", CHINESE_NAME, EMAIL.upper(), OTHER_PHONE, "East"],
        # Slipped by one: the address stands in the date, the name in the type.
        ["C-3", EMAIL, PHONE, f"{NAME} {FAMILY_NAME}", "", ""],
        ["C-4", NAME, CHINESE_NAME, "", LANDLINE, ""],
        *([f"C-{n}", "2026-01-05", f"Somebody {n}", "", "", "West"] for n in range(10, 40))])
    # In another system the person is known by the address, or by what slipped into the column.
    home.drop("people_2026-11-20.csv", ("customer_id", "valid_from", "forum_id"), [
        ["C-1", "2026-01-05", EMAIL], ["C-2", "2026-01-05", PHONE], ["C-5", NAME, OTHER_PHONE],
        *([f"C-{n}", "2026-01-05", f"F-{n}"] for n in range(10, 40))])
    home.drop("orders_2026-11-20.csv", ORDER_HEADER, [
        *([f"O-{n}", "1", f"C-{n}", f"{NIGHT} 10:00:00", "completed", 1, 10 * n, "CNY"]
          for n in range(1, 40)),
        # The customer is known by the address alone; a status that is a name; a torn row.
        ["O-100", "1", EMAIL, f"{NIGHT} 11:00:00", "completed", 1, 5, "CNY"],
        ["O-101", "1", PHONE, f"{NIGHT} 11:00:00", "completed", 1, 5, "CNY"],
        ["O-102", "1", "C-1", f"{NIGHT} 11:00:00", NAME, 1, 5, "CNY"],
        ["O-103", "1", "C-1", f"{NIGHT} 11:00:00", "completed", 1, 5, NAME],
        ["O-104", "1", "C-1", f"{NIGHT} 11:00:00", "completed", OTHER_PHONE, LANDLINE, "CNY"],
        ["O-105", NAME, EMAIL, PHONE]])
    home.drop("surveys_2026-11-20.csv",
              ("response_id", "customer_id", "responded_at", "instrument", "score", "comment"),
              [["R-1", "C-1", f"{NIGHT} 12:00:00", "csat", 5, COMMENT],
               ["R-2", "C-2", f"{NIGHT} 12:00:00", "csat", COMMENT, 5],
               ["R-3", EMAIL, f"{NIGHT} 12:00:00", "nps", 9, CHINESE_NAME]])
    home.drop("interactions_2026-11-20.csv",
              ("interaction_id", "customer_id", "occurred_at", "type", "note"),
              [["I-1", "C-1", f"{NIGHT} 12:00:00", "visit", COMMENT],
               ["I-2", "C-1", f"{NAME} {PHONE}", "visit", ""]])
    # Lines that are no JSON, and a file that nobody claims.
    (home.landing / "interactions_b_2026-11-20.jsonl").write_text(
        f'{{"customer_id": "C-1", "occurred_at": "{NIGHT}", "type": "visit"}}\n'
        f'{{"customer_id": "{EMAIL}", "occurred_at": \n{NAME}\n', encoding="utf-8")
    (home.landing / "letter.txt").write_text(COMMENT, encoding="utf-8")


@pytest.fixture(scope="module")
def canary_home(tmp_path_factory: pytest.TempPathFactory) -> TrialHome:
    """A home with real data after a trial, a night, a repair, and a night that was refused."""
    home = real_home(tmp_path_factory.mktemp("canary") / "home", {
        "home.yaml": {"maximum_rejected_share: 0.05": "maximum_rejected_share: 0.9",
                      "maximum_held_share: 0.05": "maximum_held_share: 0.5",
                      "threads: auto": "threads: 2"},
        "sources.yaml": {"\nsources:\n": "\nsources:\n  people:\n    kind: customers\n"
                         "    files: [\"people*\"]\n    other_ids: {forum_id: forum}\n"}})
    plant(home)
    said = [home.crm("check", **VARIABLES).expect(0),
            home.crm("run", "--date", NIGHT, **VARIABLES).expect(0),
            home.crm("rejected", **VARIABLES).expect(0)]
    out = home.folder.parent / "repair"
    said.append(home.crm("rejected", "--write", str(out), **VARIABLES).expect(0))
    # Taken back as it is: everything in it is still wrong, and is said to be.
    said.append(home.crm("repair", str(next(out.glob("orders_*.csv"))), **VARIABLES).expect(1))
    # A file without a header: its first row is the person, and stops the night.
    (home.landing / "customers_b_2026-11-20.csv").write_text(
        f"C-1,2026-01-05,{NAME} {FAMILY_NAME},{EMAIL},{PHONE},{CHINESE_NAME}\n", encoding="utf-8")
    said.append(home.crm("check", **VARIABLES).expect(1))
    said.append(home.crm("run", "--date", NIGHT, **VARIABLES).expect(1))
    home.note("said", "\n".join(end.said for end in said))
    return home


def files_with(folder: Path, text: str) -> set[str]:
    """Files below a folder that hold a text, whatever the case of its letters."""
    forms = {form.encode(encoding) for form in (text, text.lower(), text.upper())
             for encoding in ENCODINGS}
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")
            if path.is_file() and any(form in path.read_bytes() for form in forms)}


@pytest.mark.parametrize("canary", CANARIES)
def test_a_person_is_in_the_landing_file_and_the_vault_alone(canary_home: TrialHome,
                                                             canary: str) -> None:
    found = files_with(canary_home.folder, canary)
    assert {name for name in found if not name.startswith("landing/")} <= {
        "state/vault.duckdb", "state/vault.duckdb.wal"}
    assert any(name.startswith("landing/") for name in found)
    assert "state/vault.duckdb" in found


@pytest.mark.parametrize("canary", CANARIES)
def test_no_command_says_who_it_was(canary_home: TrialHome, canary: str) -> None:
    assert canary.lower() not in canary_home.noted("said").lower()


def test_the_rows_that_slipped_were_rejected_and_counted(canary_home: TrialHome) -> None:
    """The canary sat where it was meant to sit."""
    rows = canary_home.query("select source, reason, count(*) as n from crm.rejected_rows "
                             "group by all order by all")
    found = {(row["source"], row["reason"]): row["n"] for row in rows}
    assert found[("customers", "not_a_date")] == 2
    assert found[("orders", "unknown_word")] == 1
    assert found[("orders", "missing_columns")] == 1
    assert found[("surveys", "not_a_number")] == 1
    assert found[("interactions", "not_a_time")] == 1
    assert found[("interactions", "unreadable")] == 2


def test_a_first_row_that_is_data_is_shown_by_its_shape(canary_home: TrialHome) -> None:
    (row,) = canary_home.query("select * from crm.refused_files",
                               canary_home.folder / "warehouse" / "status.duckdb")
    assert row["file_name"] == "customers_b_2026-11-20.csv"
    assert "Header: x-#, ####-##-##, xxxxxxxx" in row["reason"]
    assert "is there a header above it?" in row["reason"]


def test_the_vault_knows_who_read_it(canary_home: TrialHome) -> None:
    reads = canary_home.query("select who, what, rows_n from crm.vault_reads",
                              canary_home.folder / "state" / "vault.duckdb")
    assert len(reads) >= 4
    assert all(read["who"] and "written to" in read["what"] for read in reads)
    assert sum(read["rows_n"] for read in reads) == canary_home.query(
        "select count(*) as n from crm.rejected_rows")[0]["n"]


@pytest.mark.parametrize("name", ["crm.duckdb", "status.duckdb"])
def test_no_text_of_the_warehouse_looks_like_a_person(canary_home: TrialHome, name: str) -> None:
    """Every text column of every table that people read, views and run records among them."""
    with duckdb.connect(str(canary_home.folder / "warehouse" / name), read_only=True) as warehouse:
        columns = warehouse.execute(
            "select table_name, column_name from information_schema.columns "
            "where data_type in ('VARCHAR', 'JSON') and table_catalog <> 'temp'").fetchall()
        texts = [(table, column, value) for table, column in columns
                 for (value,) in warehouse.execute(
                     f'select distinct "{column}"::varchar from "{table}" '
                     f'where "{column}" is not null').fetchall()]
    assert len(texts) > 100
    with duckdb.connect() as judge:
        make_text_macros(judge)
        judge.execute("create table texts (table_name varchar, column_name varchar, value varchar)")
        judge.executemany("insert into texts values (?, ?, ?)", texts)
        assert judge.execute("from texts where looks_like_email(value) "
                             "or looks_like_phone(value)").fetchall() == []
