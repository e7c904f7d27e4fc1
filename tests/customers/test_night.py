"""How a night chooses its six inputs."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.configuration import AFTER_SCORES, Configuration, load_configuration
from dagster_project.customers.night import (
    METHOD_VERSION,
    NO_REFERENCES,
    NightMismatch,
    UnknownPublication,
    choose_inputs,
    is_recalibration_due,
    references_for,
    repeated_publication,
    replay_inputs,
    require_night,
)

D = date(2026, 11, 20)
CRM = Path(__file__).parents[2] / "config" / "crm.yaml"
NONE = NO_REFERENCES


def references(*rows: tuple[str, date, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(NONE.columns))


def chosen(references_: pd.DataFrame, *, as_of: date = D, fit: bool = False, k: int = 9):
    return choose_inputs(as_of, k, "conf", references_, 3, fit_reference=fit)


def test_the_first_night_fits_as_of_its_date():
    inputs = chosen(NONE)
    assert inputs.is_new_reference
    assert not inputs.is_backcast


def test_the_newest_reference_that_is_valid_is_used():
    inputs = chosen(references(
        ("old", date(2026, 9, 30), 1, "conf"), ("right", date(2026, 10, 31), 2, "conf"),
        ("later", date(2026, 11, 30), 3, "conf")))
    assert (inputs.reference_id, inputs.is_new_reference, inputs.is_backcast) == (
        "right", False, False)


def test_of_two_references_of_one_date_the_better_informed_is_used():
    inputs = chosen(references(("knew_less", D, 4, "conf"), ("knew_more", D, 7, "conf")))
    assert inputs.reference_id == "knew_more"


def test_before_the_first_reference_the_first_is_backcast():
    inputs = chosen(references(("b", date(2026, 11, 30), 1, "conf"), ("c", D, 2, "conf")),
                    as_of=date(2026, 1, 1))
    assert (inputs.reference_id, inputs.is_backcast) == ("c", True)


@pytest.fixture(scope="module")
def example() -> Configuration:
    return load_configuration(CRM)


def test_other_measures_get_a_reference_of_their_own(example: Configuration) -> None:
    other = example.model_copy(update={"population_days": example.population_days + 1})
    known = references(("theirs", D, 1, other.canonical_text()))
    assert references_for(example.measures_hash, known).empty
    assert chosen(references_for(example.measures_hash, known)).is_new_reference
    assert list(references_for(other.measures_hash, known)["reference_id"]) == ["theirs"]


OTHERWISE = {
    "accounts": {"rule": "mean"}, "population_figures": {"few_n": 31},
    "churn_warnings": {"maximum_customers": 7}, "cost_to_serve": {"types": {"visit": Decimal(1)}},
    "profitability": {"window_days": 90}, "campaigns": {"window_days": 31},
    "score_backtest": {"days": 91},
}


@pytest.mark.parametrize("section", sorted(AFTER_SCORES))
def test_what_is_read_after_the_scores_keeps_the_reference(
        example: Configuration, section: str) -> None:
    changed = example.model_copy(update={
        section: getattr(example, section).model_copy(update=OTHERWISE[section])})
    assert changed.hash != example.hash
    known = references(("theirs", D, 1, example.canonical_text()))
    assert not chosen(references_for(changed.measures_hash, known)).is_new_reference


def test_recalibration_makes_a_new_one_even_where_there_is_one():
    given = references(("there", D, 1, "conf"))
    assert not chosen(given).is_new_reference
    assert chosen(given, fit=True).is_new_reference


class Home:
    """The references and dates that a home has published, and what a night adds to them."""

    def __init__(self, recalibration="monthly"):
        self.recalibration, self.references, self.dates = recalibration, NONE, []

    def run(self, as_of, *, is_published=True):
        """The inputs of one night."""
        due = is_recalibration_due(as_of, self.references,
                                   pd.Series(self.dates, dtype="datetime64[s]"),
                                   self.recalibration)
        inputs = choose_inputs(as_of, 9, "conf", self.references, len(self.dates),
                               fit_reference=due)
        if is_published:
            if inputs.is_new_reference:
                new = references((inputs.reference_id, as_of, 9, "conf"))
                self.references = pd.concat([self.references, new]) if len(
                    self.references) else new
            self.dates.append(pd.Timestamp(as_of))
        return inputs

    def fitted(self):
        """Dates as of which there are references, in order."""
        return sorted(self.references["valid_from"])


def days(first, last):
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@pytest.mark.parametrize(("recalibration", "expected"), [
    ("monthly", [date(2026, 11, 20), date(2026, 12, 1), *(date(2027, m, 1) for m in range(1, 8))]),
    ("quarterly", [date(2026, 11, 20), date(2027, 1, 1), date(2027, 4, 1), date(2027, 7, 1)]),
    ("never", [date(2026, 11, 20)]),
])
def test_the_first_night_of_a_period_fits_a_reference(recalibration, expected):
    home = Home(recalibration)
    used = {day: home.run(day) for day in days(D, date(2027, 7, 31))}
    assert home.fitted() == expected
    assert [day for day, inputs in used.items() if inputs.is_new_reference] == expected
    assert not any(inputs.is_backcast for inputs in used.values())


def test_the_night_after_a_missed_or_refused_one_fits_in_its_place():
    home = Home()
    home.run(D)
    refused = home.run(date(2026, 12, 1), is_published=False)
    assert refused.is_new_reference
    assert home.run(date(2026, 12, 3)).is_new_reference
    assert not home.run(date(2026, 12, 4)).is_new_reference
    assert home.fitted() == [D, date(2026, 12, 3)]


def test_a_night_that_was_published_keeps_the_reference_of_its_time():
    """Run again with the same inputs, and restated, also where no reference was fitted then."""
    home = Home("never")
    for day in days(D, date(2027, 1, 2)):
        home.run(day)
    [reference] = set(home.references["reference_id"])
    home.recalibration = "monthly"
    for day in (date(2026, 12, 1), date(2026, 12, 15), date(2027, 1, 2)):
        assert home.run(day).reference_id == reference
    assert home.run(date(2027, 1, 3)).is_new_reference
    # What lies between two published nights is no step forward either.
    assert home.run(date(2026, 11, 21)).reference_id == reference


def test_nights_before_the_first_reference_fit_none():
    home = Home()
    home.run(D)
    assert home.run(date(2026, 1, 1)).is_backcast
    assert home.fitted() == [D]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=20))
def test_whatever_is_run_when_a_period_has_at_most_one_reference(runs):
    """In any order, again and again, refused or not."""
    home = Home()
    for day, is_published in runs:
        home.run(D + timedelta(days=day), is_published=is_published)
    months = [(day.year, day.month) for day in home.fitted()]
    assert len(months) == len(set(months))


def test_each_of_the_six_inputs_makes_another_candidate():
    base = chosen(references(("r", D, 1, "conf")))
    others = {
        chosen(references(("r", D, 1, "conf")), k=10).candidate_id,
        chosen(references(("r", date(2026, 11, 1), 1, "conf")),
               as_of=date(2026, 11, 19)).candidate_id,
        chosen(references(("s", D, 1, "conf"))).candidate_id,
        choose_inputs(D, 9, "conf2", references(("r", D, 1, "conf2")), 3,
                      fit_reference=False).candidate_id,
        choose_inputs(D, 9, "conf", references(("r", D, 1, "conf")), 4,
                      fit_reference=False).candidate_id,
    }
    assert len(others | {base.candidate_id}) == 6


def publications(**changes: object) -> pd.DataFrame:
    row = {"publication_id": 3, "as_of_date": pd.Timestamp(D), "known_load_seq": 9,
           "config_hash": "conf", "reference_id": "r", "method_version": METHOD_VERSION,
           "previous_publication_id": 2, "is_backcast": False}
    return pd.DataFrame([{**row, **changes}])


def test_a_night_of_the_same_inputs_is_a_repetition_of_its_publication():
    inputs = chosen(references(("r", D, 1, "conf")))
    assert repeated_publication(inputs, publications()) == 3
    for changes in ({"known_load_seq": 8}, {"config_hash": "x"}, {"reference_id": "x"},
                    {"method_version": "0"}, {"as_of_date": pd.Timestamp("2026-11-19")}):
        assert repeated_publication(inputs, publications(**changes)) is None


def test_only_the_newest_publication_of_a_date_is_repeated():
    """Whatever was published of other dates since; what was restated does not count any more."""
    inputs = chosen(references(("r", D, 1, "conf")))
    later = publications(publication_id=5, as_of_date=pd.Timestamp("2026-11-21"))
    assert repeated_publication(inputs, pd.concat([publications(), later])) == 3
    restated = publications(publication_id=4, known_load_seq=8)
    assert repeated_publication(inputs, pd.concat([publications(), restated])) is None


def test_a_replay_has_the_inputs_of_its_publication():
    inputs = replay_inputs(publications(candidate_id="x"), 3, D)
    assert (inputs.known_load_seq, inputs.reference_id, inputs.previous_publication_id,
            inputs.replay_of_publication_id) == (9, "r", 2, 3)


@pytest.mark.parametrize(("number", "as_of", "changes", "words"), [
    (4, D, {}, "there is no publication 4"),
    (3, date(2026, 11, 19), {}, "is of 2026-11-20, not of 2026-11-19"),
    (3, D, {"method_version": "0"}, "was made by method 0"),
])
def test_what_cannot_be_replayed_is_refused_in_words(number, as_of, changes, words):
    with pytest.raises(UnknownPublication, match=words):
        replay_inputs(publications(**changes), number, as_of)


def test_a_step_refuses_another_night_and_another_configuration():
    held = chosen(references(("r", D, 1, "conf"))).to_frame()
    require_night(held, D, "conf")
    with pytest.raises(NightMismatch, match="hold the night of 2026-11-20, not of 2026-11-19"):
        require_night(held, date(2026, 11, 19), "conf")
    with pytest.raises(NightMismatch, match="crm.yaml changed"):
        require_night(held, D, "conf2")
    with pytest.raises(NightMismatch, match="hold no night"):
        require_night(None, D, "conf")
