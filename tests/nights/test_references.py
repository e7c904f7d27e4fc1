"""What is published about a reference is true of the scores beside it."""

from __future__ import annotations

import pytest

from nights.conftest import Teller
from nights.homes import TrialHome

LABEL_KINDS = ("tier", "quadrant", "lifecycle_stage")


@pytest.mark.parametrize("chapter", ["first", "recalibrated"])
def test_a_night_that_fits_a_reference_has_no_drift(chronicle: Teller, chapter: str) -> None:
    """The first night of a home, and a later one that was told to."""
    home = chronicle(chapter)
    rows = home.query("select psi, customers_n, reference_customers_n from crm.reference_drift")
    assert len(rows) == 17
    assert {float(row["psi"]) for row in rows} == {0.0}
    assert all(row["customers_n"] == row["reference_customers_n"] > 0 for row in rows)
    assert home.query("select count(*) as n from crm.label_shares "
                      "where reference_customers_n is distinct from customers_n") == [{"n": 0}]


@pytest.fixture(scope="module")
def second(chronicle: Teller) -> TrialHome:
    """The 18th, scored by the reference of the 17th."""
    return chronicle("second")


def test_the_night_after_is_compared_with_the_same_population(second: TrialHome) -> None:
    [then] = second.query(
        "select sum(y) as customers_n from crm.scoring_reference "
        "where item_kind = 'bin' and item = 'purchase_amount'")
    [row] = second.query("select * from crm.reference_drift where indicator = 'purchase_amount'")
    assert row["reference_customers_n"] == then["customers_n"]
    # A home of eight days: a year is not seen yet, and too few are there to speak of drift.
    assert (row["status"], row["psi"] > 0) == ("too_few", True)
    assert 0 < float(row["window_filled_share"]) < 0.05


def test_labels_are_counted_of_one_population(second: TrialHome) -> None:
    [population] = second.query("select distinct customers_n from crm.reference_drift")
    for kind in LABEL_KINDS:
        rows = second.query("select customers_n, customers_share from crm.label_shares "
                            f"where label_kind = '{kind}'")
        assert sum(row["customers_n"] for row in rows) == population["customers_n"]
        assert sum(float(row["customers_share"]) for row in rows) == pytest.approx(1, abs=5e-6)


def test_the_inverse_parts_the_customers_where_the_scores_do(second: TrialHome) -> None:
    """Whoever has the fact of 70 or more has 70 or more, and nobody else."""
    for indicator in ("purchase_amount", "interaction_frequency", "complaints"):
        for score in (25, 50, 70, 95):
            [row] = second.query("select relation, fact from crm.score_curves "
                                 f"where indicator = '{indicator}' and score = {score}")
            sign = {"at_least": ">=", "more_than": ">", "at_most": "<="}[row["relation"]]
            wrong = second.query(
                f"select {indicator}__value, {indicator}__score from crm.customer_scores "
                f"where ({indicator}__value {sign} {row['fact']!r}) "
                f"<> ({indicator}__score >= {score})")
            assert wrong == [], (indicator, score, row)
