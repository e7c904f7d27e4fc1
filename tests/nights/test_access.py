"""A night whose every free text is an injection, and secrets that must stand nowhere."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from nights.homes import ORDER_HEADER, TrialHome, real_home

# The home costs two nights: one worker makes it.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nights_access")]

NIGHT = "2026-11-20"
SINGLE = "x'); create table pwned as select 1; --"
DOUBLE = 'x"); create table pwned as select 1; --'
SECRET = "canary-secret-of-a-home-zyxwalda-quokkenburg"
PASSWORD = "canary-password-kanarienpost"
VARIABLES = {"CRM_HOME_SECRET": SECRET,
             "SHOP_URL": f"postgresql+psycopg://reader:{PASSWORD}@127.0.0.1:9/shop"}
YAML_SINGLE, YAML_DOUBLE = f'"{SINGLE}"', f"'{DOUBLE}'"
MAPPED = f"""
  mapped:
    kind: interactions
    files: ["mapped*"]
    version: arrival
    constants: {{channel: {YAML_SINGLE}}}
    columns:
      interaction_id: {YAML_DOUBLE}
      customer_id: {YAML_SINGLE}
      occurred_at: At
      type: {{from: [Kind], words: {{{YAML_SINGLE}: visit}}}}
"""
DATABASE = """
  shop_events:
    kind: interactions
    version: arrival
    database: {url: SHOP_URL, query: select * from events, cursor: id}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> TrialHome:
    """A night that was published, and one that a database refused."""
    home = real_home(tmp_path_factory.mktemp("access") / "home", {
        # Other lists of crm.yaml take no quotes (tests/operation/test_injection.py).
        "crm.yaml": {"    ids: []": f"    ids: [{YAML_SINGLE}, {YAML_DOUBLE}]"},
        "home.yaml": {"threads: auto": "threads: 2"}})
    _append(home, MAPPED)
    home.drop("orders_a'); create table pwned as select 1; --.csv", ORDER_HEADER, [
        [f"O-{n}", "1", f"C-{n}", f"{NIGHT} 10:00:00", "completed", 1, 10 * n, "CNY"]
        for n in range(1, 30)] + [
        [SINGLE, DOUBLE, SINGLE, f"{NIGHT} 10:00:00", "completed", 1, 5, "CNY"]])
    home.drop("mapped_a.csv", (DOUBLE, SINGLE, "At", "Kind"), [
        ["I-1", "C-1", f"{NIGHT} 10:00:00", SINGLE], [SINGLE, DOUBLE, f"{NIGHT} 11:00:00", DOUBLE]])
    said = home.crm("run", "--date", NIGHT, **VARIABLES).expect(0)
    home.note("published", said.said)
    _append(home, DATABASE)
    failed = home.crm("run", "--date", NIGHT, **VARIABLES)
    home.note("failed", [failed.code, failed.said])
    return home


def _append(home: TrialHome, text: str) -> None:
    path = home.folder / "config" / "sources.yaml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_no_text_became_a_statement(home: TrialHome) -> None:
    for path in (home.raw, home.folder / "state" / "vault.duckdb",
                 home.folder / "state" / "build.duckdb", home.publication, home.status):
        with duckdb.connect(str(path), read_only=True) as connection:
            assert connection.execute("select count(*) from duckdb_tables() "
                                      "where table_name = 'pwned'").fetchone() == (0,), path
    # The rows came through as what they are.
    # A kind that no word names is rejected.
    assert home.law()["mapped"]["loaded"] == 1
    assert home.law()["orders"]["loaded"] == 30


@pytest.mark.parametrize("canary", [SECRET, PASSWORD])
def test_a_secret_stands_in_no_byte_of_the_home_and_in_no_word(home: TrialHome,
                                                              canary: str) -> None:
    code, failed = home.noted("failed")
    assert code == 1 and "shop_events" in failed, failed
    assert canary not in failed and canary not in home.noted("published")
    found = [path for path in home.folder.rglob("*")
             if path.is_file() and canary.encode() in path.read_bytes()]
    assert found == []
    assert sum(1 for path in Path(home.folder / "state" / "dagster").rglob("*.db")) > 1
