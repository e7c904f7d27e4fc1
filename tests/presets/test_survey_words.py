"""What people are told of a survey file: which question was read as what, and which was not."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dagster_project.ingest.loading import IngestReport, words_of
from dagster_project.ingest.presets import shipped_presets
from dagster_project.ingest.quarantine import Choice, quarantine_words
from dagster_project.ingest.sources import Sources
from tests.ingest.conftest import Landing

FILE = "Shop+feedback.csv"
METADATA = {"StartDate": "Start Date", "EndDate": "End Date", "Status": "Response Type",
            "IPAddress": "IP Address", "Finished": "Finished", "RecordedDate": "Recorded Date",
            "ResponseId": "Response ID", "RecipientEmail": "Recipient Email",
            "UserLanguage": "User Language"}


def export(questions: dict[str, str], *answers: Sequence[str],
           statuses: Sequence[str] = ()) -> str:
    """An export of Qualtrics with these columns and rows of answers."""
    columns = {**METADATA, **questions}
    third = [f'{{"ImportId":"{name}","timeZone":"Europe/Paris"}}' for name in columns]
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerows([columns, columns.values(), third])
    for number, given in enumerate(answers):
        status = statuses[number] if statuses else "IP Address"
        writer.writerow(["2026-01-02 10:00:00", "2026-01-02 10:01:00", status, "192.0.2.1",
                         "True", "2026-01-02 10:01:00", f"R_{number}", f"c{number}@example.com",
                         "EN", *given])
    return stream.getvalue()


@pytest.fixture
def load(tmp_path: Path,
         monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Landing, IngestReport]]:
    """Loads one export with the presets of the project."""
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)

    def loaded(text: str) -> tuple[Landing, IngestReport]:
        landing = Landing(tmp_path / "home", {"unused": {"kind": "orders", "files": ["unused/*"]}})
        landing.sources = Sources.model_validate(
            {"time_zone": "UTC", "sources": {"unused": {"kind": "orders", "files": ["unused/*"]}}},
            context={"presets": shipped_presets()})
        landing.put(FILE, text)
        return landing, landing.load()

    return loaded


def line_of(report: IngestReport) -> str:
    (line,) = words_of(report)
    return line


def test_each_question_is_said_with_what_it_was_read_as_or_that_nothing_reads_it(load):
    """A question whose words are not known would be lost among columns nobody looks at."""
    _, report = load(export({
        "Q1": "How likely are you to recommend us?", "Q2": "How satisfied are you?",
        "Q3": "Would you tell a friend\nabout us?", "Q4": "What could we do better?",
        "Q1_NPS_GROUP": "How likely are you to recommend us? - Group"},
        ["9", "5", "8", "", "Promoter"]))
    line = line_of(report)
    assert "; Q1 as nps 0-10, Q2 as csat 1-5; " in line
    assert ('; questions nothing reads: Q3 "Would you tell a friend about us?", '
            'Q4 "What could we do better?"; ') in line
    assert line.endswith("; 5 columns nothing reads: StartDate, EndDate, IPAddress, "
                         "UserLanguage, Q1_NPS_GROUP")


def test_a_survey_without_a_known_question_is_shown_its_questions_and_one_as_the_example(load):
    _, report = load(export({"Q3": "Would you tell a friend?", "Q4": "How was it?"}, ["8", "5"]))
    said = report.refused[FILE]
    assert 'Its questions: Q3 "Would you tell a friend?", Q4 "How was it?".' in said
    assert "answers: [{question: {column: 'Q3'}, instrument: nps, scale: [0, 10]}]" in said
    assert not any(name in said for name in METADATA)


def test_the_usual_five_words_of_satisfaction_are_read_and_others_get_the_right_advice(load):
    """The export with choice text has no numbers; what is no known word must not be guessed."""
    landing, report = load(export(
        {"Q2": "Overall, how satisfied are you with our shop?"},
        ["Extremely satisfied"], ["Somewhat satisfied"], ["Neither satisfied nor dissatisfied"],
        ["Somewhat dissatisfied"], ["Extremely dissatisfied"], ["Moderately satisfied"],
        ["Ask Ada"]))
    assert landing.rows("select cast(score as integer), cast(scale_max as integer) "
                        "from raw_survey_answers order by row_no") == [
        (5, 5), (4, 5), (3, 5), (2, 5), (1, 5)]
    assert report.loaded[0].result.rejected_by_reason == {"not_a_number": 2}
    (*_, said) = quarantine_words(landing.stores, Choice())
    assert said.startswith(
        "    2 not_a_number in score, row 6, 7 (such as 'Moderately satisfied'). ")
    assert landing.only("select masked_value from rejected_rows where row_no = 7") == "xxx xxx"
    assert said.endswith("Export numeric values, or state words: under answers in sources.yaml.")


def test_answers_and_scores_are_counted_apart_and_what_a_rule_leaves_out_is_not_rejected(load):
    """Two questions of two people are no four rows, and a preview is no fault."""
    landing, report = load(export(
        {"Q1": "How likely are you to recommend us?", "Q2": "How satisfied are you?"},
        ["9", "5"], ["8", "4"], ["7", "9"], ["1", "1"],
        statuses=["IP Address", "IP Address", "IP Address", "Survey Preview"]))
    assert "; 4 answers with 8 scores read, 5 loaded, 0 repeated, 1 rejected (off_scale 1), " \
           "2 left out by rule; Q1 as nps" in line_of(report)
    assert landing.rows("select rows_read_n, rows_loaded_n, rows_rejected_n from load_ledger") == [
        (8, 5, 3)]
    assert quarantine_words(landing.stores, Choice())[0] == (
        "qualtrics_survey: 1 rejected, 2 left out by rule")
