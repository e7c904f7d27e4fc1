"""How a night chooses its six inputs."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from dagster_project.customers.night import (
    METHOD_VERSION,
    NightMismatch,
    UnknownPublication,
    choose_inputs,
    repeated_publication,
    replay_inputs,
    require_night,
)

D = date(2026, 11, 20)
NONE = pd.DataFrame(columns=["reference_id", "valid_from", "known_load_seq", "config_hash"])


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
        ("later", date(2026, 11, 30), 3, "conf"), ("other", date(2026, 11, 1), 3, "another")))
    assert (inputs.reference_id, inputs.is_new_reference, inputs.is_backcast) == (
        "right", False, False)


def test_of_two_references_of_one_date_the_better_informed_is_used():
    inputs = chosen(references(("knew_less", D, 4, "conf"), ("knew_more", D, 7, "conf")))
    assert inputs.reference_id == "knew_more"


def test_before_the_first_reference_the_first_is_backcast():
    inputs = chosen(references(("b", date(2026, 11, 30), 1, "conf"), ("c", D, 2, "conf")),
                    as_of=date(2026, 1, 1))
    assert (inputs.reference_id, inputs.is_backcast) == ("c", True)


def test_a_configuration_without_a_reference_gets_its_own():
    assert chosen(references(("theirs", D, 1, "another"))).is_new_reference


def test_recalibration_makes_a_new_one_even_where_there_is_one():
    given = references(("there", D, 1, "conf"))
    assert not chosen(given).is_new_reference
    assert chosen(given, fit=True).is_new_reference


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
