"""What docs/presets.md shows works as it is written, and names every preset there is."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.ingest.presets import shipped_presets
from dagster_project.ingest.sources import load_sources
from tests.ingest.conftest import Landing
from tests.ingest.workbooks import workbook

PAGE = (Path(__file__).parents[2] / "docs" / "presets.md").read_text(encoding="utf-8")


def blocks_of(heading: str) -> list[str]:
    """The indented blocks below a heading, their indentation taken off."""
    section = PAGE.split(f"## {heading}", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)
    return [textwrap.dedent(block).lstrip("\n") for block in found if block.strip()]


@pytest.fixture
def home_saying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Landing]:
    """Makes a folder whose sources.yaml is a block of the page."""
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)

    def make(block: str) -> Landing:
        landing = Landing(tmp_path / "home", {"unused": {"kind": "orders", "files": ["unused/*"]}})
        path = tmp_path / "sources.yaml"
        path.write_text("time_zone: Asia/Shanghai\n" + block, encoding="utf-8")
        landing.sources = load_sources(path, shipped_presets())
        return landing

    return make


def test_the_mapping_reads_the_file_beside_it(home_saying: Callable[[str], Landing]) -> None:
    file, mapping, *_ = blocks_of("No preset fits: write a mapping")
    home = home_saying(mapping)
    home.put("Bestellungen_2026-11.csv", file.encode("cp1252"))
    report = home.load()
    assert report.refused == {}
    (loaded,) = report.loaded
    assert loaded.result.rejected_by_reason == {"left_out": 1}
    rows = home.rows("select order_id, line_key, cast(ordered_at as varchar), status, "
                     "cast(quantity as varchar), cast(unit_price as varchar), "
                     "cast(discount as varchar), currency from raw_order_lines order by 1, 2")
    assert rows == [
        ("B-1", "1", "2026-11-03 09:15:00", "completed", "6.0000", "1012.5000", "0.0000", "EUR"),
        ("B-1", "2", "2026-11-03 09:15:00", "completed", "1.0000", "8.9000", "0.9000", "EUR"),
        ("B-2", "1", "2026-11-14 17:02:00", "cancelled", "2.0000", "12.0000", "0.0000", "EUR")]


def test_the_questions_that_a_source_states_are_read(
        home_saying: Callable[[str], Landing]) -> None:
    home = home_saying(blocks_of("Surveys")[0])
    ids = ["startDate", "status", "finished", "recordedDate", "_recordId", "QID2", "QID7", "QID9"]
    third = ",".join(f'"{{""ImportId"":""{name}"",""timeZone"":""Europe/Paris""}}"'
                     for name in ids)
    home.put("Shop+feedback_1.csv", (
        "StartDate,Status,Finished,RecordedDate,ResponseId,Q2,Q7,Q9\n"
        "Start,Type,Finished,Recorded,Id,Well?,Hard?,How?\n" + third + "\n"
        "2026-01-02 10:00:00,0,1,2026-01-02 10:01:00,R_1,9,2,Good\n"))
    assert home.load().refused == {}
    assert home.rows("select instrument, cast(score as varchar), cast(scale_min as varchar), "
                     "cast(scale_max as varchar), direction from raw_survey_answers "
                     "order by instrument") == [
        ("ces", "2.0000", "1.0000", "5.0000", "lower_is_better"),
        ("csat", "3.0000", "1.0000", "3.0000", "higher_is_better"),
        ("nps", "9.0000", "0.0000", "10.0000", "higher_is_better")]


def test_the_sql_file_joins_the_sheets_that_it_is_written_for(
        home_saying: Callable[[str], Landing], tmp_path: Path) -> None:
    mapping, query = blocks_of("Files that must be joined: a SQL file")
    home = home_saying(mapping)
    home.queries = tmp_path / "config"
    (source,) = home.sources.sources
    path = home.queries / str(source.query)
    path.parent.mkdir(parents=True)
    path.write_text(query, encoding="utf-8")
    home.put("shop_2026.xlsx", workbook({
        "Orders": [["Order ID", "Row ID", "Customer ID", "Order Date", "Quantity", "Price"],
                   ["A-1", 1.0, "c1", "2026-01-05", 2.0, 10.5],
                   ["A-1", 2.0, "c1", "2026-01-05", 1.0, 4.0],
                   ["A-2", 3.0, "c2", "2026-01-06", 1.0, 30.0]],
        "Returns": [["Order ID", "Reason"], ["A-2", "broken"], ["A-2", "late"]]}))
    report = home.load()
    assert report.refused == {}
    assert home.rows("select order_id, line_key, status, cast(quantity as varchar), "
                     "cast(unit_price as varchar), currency from raw_order_lines "
                     "order by 1, 2") == [
        ("A-1", "1", "completed", "2.0000", "10.5000", "CNY"),
        ("A-1", "2", "completed", "1.0000", "4.0000", "CNY"),
        ("A-2", "3", "refunded", "1.0000", "30.0000", "CNY")]


def test_the_page_names_every_preset_and_no_other() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert named == {preset.preset for preset in shipped_presets()}
