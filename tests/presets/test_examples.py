"""Each preset: a small file in its real layout gives the expected rows, a damaged one its fault.

A folder of `examples/` is named after the preset it tries, with `--` and a word behind where
there are several. In it lie the delivered files, `expected.csv` (columns of the raw table,
identities in clear, times in UTC), `left_out.csv` (rows of the file that are no facts, and the
rule that says so) and, where the home has to state something, `sources.yaml`. `damaged/` has a
file that is wrong in a way people meet: `rejected.csv` says which of its rows are refused and
why, `refused.txt` what the refusal of the whole file must name.
"""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dagster_project.ingest.canonical import KINDS
from dagster_project.ingest.loading import IngestReport, words_of
from dagster_project.ingest.presets import shipped_presets
from dagster_project.ingest.sources import load_sources
from tests.ingest.conftest import Landing

EXAMPLES = Path(__file__).parent / "examples"
CASES = sorted(folder.name for folder in EXAMPLES.iterdir() if folder.is_dir())
SIDE_FILES = {"expected.csv", "left_out.csv", "sources.yaml", "rejected.csv", "refused.txt"}
SHIPPED_SOURCES = Path(__file__).parents[2] / "config" / "sources.yaml"
# Column of expected.csv -> column of the raw table that has its token.
IDENTITY_COLUMNS = {"identity": "identity_id", "email": "email_identity_id",
                    "phone": "phone_identity_id"}

Row = tuple[str, ...]


@pytest.fixture
def home(request: pytest.FixtureRequest, tmp_path: Path,
         monkeypatch: pytest.MonkeyPatch) -> Landing:
    """A folder with the sources of the case: its own, or those of a new home."""
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)
    own = EXAMPLES / request.getfixturevalue("case") / "sources.yaml"
    landing = Landing(tmp_path / "home", {"unused": {"kind": "orders", "files": ["unused/*"]}})
    landing.sources = load_sources(own if own.exists() else SHIPPED_SOURCES, shipped_presets())
    return landing


def deliver(home: Landing, folder: Path) -> list[str]:
    """Put the exports of a folder into landing/; their names."""
    names = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in SIDE_FILES:
            shutil.copy(path, home.landing / path.name)
            names.append(path.name)
    return names


def table_of(path: Path) -> list[dict[str, str]]:
    """Rows of a small CSV file; none if it is not there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def text_of(value: Any) -> str:
    """A value of a raw table as expected.csv writes it."""
    if value is None:
        return ""
    if isinstance(value, Decimal | float):
        return f"{Decimal(str(value)).normalize():f}"
    return str(value)


def raw_rows(home: Landing, kind: str, columns: list[str]) -> list[Row]:
    """What raw holds of a kind, identities in clear, sorted."""
    clear = {str(token): (space, value) for token, space, value in home.rows(
        "select cast(identity_id as varchar), id_space, clear_value from identities", "vault")}
    selected = ", ".join(f"cast({IDENTITY_COLUMNS[name]} as varchar)"
                         if name in IDENTITY_COLUMNS else name for name in columns)
    rows = []
    for row in home.rows(f"select {selected} from {KINDS[kind].table.name}"):
        texts = []
        for name, value in zip(columns, row, strict=True):
            if name in IDENTITY_COLUMNS and value is not None:
                space, known = clear[value]
                texts.append(known if name == space else f"{space}:{known}")
            else:
                texts.append(text_of(value))
        rows.append(tuple(texts))
    return sorted(rows)


def require_law(report: IngestReport) -> None:
    """Every row that was read is loaded, repeated or rejected."""
    for file in report.loaded:
        result = file.result
        assert result.rows_read_n == (result.rows_loaded_n + result.rows_repeated_n
                                      + result.rows_rejected_n), file.name


@pytest.mark.parametrize("case", CASES)
def test_an_example_gives_the_expected_rows(case: str, home: Landing) -> None:
    folder, preset = EXAMPLES / case, case.partition("--")[0]
    names = deliver(home, folder)
    report = home.load()
    assert report.refused == {}
    assert [file.name for file in report.loaded] == names
    require_law(report)
    said = "\n".join(words_of(report))
    assert preset in said, said
    expected = table_of(folder / "expected.csv")
    columns = list(expected[0])
    assert raw_rows(home, report.loaded[0].kind, columns) == sorted(
        tuple(row.values()) for row in expected)
    left_out = home.rows("select file_row_no, reason, masked_value from rejected_rows")
    # A row of a survey gives a record for each question.
    assert {(row, rule) for row, reason, rule in left_out if reason == "left_out"} == {
        (int(row["row"]), row["rule"]) for row in table_of(folder / "left_out.csv")}
    assert {reason for _, reason, _ in left_out} <= {"left_out"}, left_out


@pytest.mark.parametrize("case", CASES)
def test_an_example_delivered_twice_adds_nothing(case: str, home: Landing) -> None:
    """Tools export all of the past again: the same rows in a longer file are no new facts."""
    names = deliver(home, EXAMPLES / case)
    first = home.load()
    before = raw_rows(home, first.loaded[0].kind, ["row_hash"])
    for name in names:
        path = home.landing / name
        again = home.landing / name.replace(path.suffix, f" again{path.suffix}")
        again.write_bytes(path.read_bytes() + (b"\n" if path.suffix == ".jsonl" else b"\r\n"))
    second = home.load()
    assert second.refused == {}
    assert sum(file.result.rows_loaded_n for file in second.loaded) == 0, words_of(second)
    assert raw_rows(home, first.loaded[0].kind, ["row_hash"]) == before


@pytest.mark.parametrize("case", [case for case in CASES if (EXAMPLES / case / "damaged").is_dir()])
def test_a_damaged_example_says_what_is_wrong_and_where(case: str, home: Landing) -> None:
    folder = EXAMPLES / case / "damaged"
    (name,) = deliver(home, folder)
    report = home.load()
    if (folder / "refused.txt").exists():
        said = report.refused[name]
        for fragment in (folder / "refused.txt").read_text(encoding="utf-8").splitlines():
            assert fragment in said, said
        assert name in said
        return
    assert report.refused == {}
    require_law(report)
    rejected = Counter((str(row), reason, column or "") for row, reason, column in home.rows(
        "select file_row_no, reason, column_name from rejected_rows where reason <> 'left_out'"))
    assert rejected == Counter(tuple(row.values()) for row in table_of(folder / "rejected.csv"))


def test_every_preset_has_an_example() -> None:
    assert {preset.preset for preset in shipped_presets()} == {
        case.partition("--")[0] for case in CASES}
