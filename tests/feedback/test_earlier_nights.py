"""What is found of the nights before: by hand, in files with the tables that are read."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.engine.earlier_nights import (
    Earlier,
    find_quadrants_before,
    find_scores_of_then,
)
from dagster_project.engine.stores import Limits, Stores
from dagster_project.feedback.backtest_queries import followed_query
from dagster_project.publish.feedback_tables import CAMPAIGNS
from dagster_project.publish.label_tables import LABEL_HISTORY
from dagster_project.publish.publications import file_until
from dagster_project.publish.tables import CUSTOMER_SCORE_HISTORY, PUBLICATION

D = date(2026, 11, 30)


def key(number: int) -> str:
    """Key of a made-up customer."""
    return f"00000000-0000-4000-8000-{number:012d}"


class Nights:
    """A warehouse with what was published, and a build with tonight's customers."""

    def __init__(self, folder: Path) -> None:
        """Make both files."""
        self.stores = Stores(folder / "state", folder / "warehouse",
                             Limits("1GB", 1, folder / "spill"))
        for path in (self.stores.state, self.stores.warehouse):
            path.mkdir()
        with duckdb.connect(str(self.stores.publication)) as connection:
            for table in (PUBLICATION, LABEL_HISTORY, CUSTOMER_SCORE_HISTORY):
                connection.execute(table.ddl("main"))
        with duckdb.connect(str(self.stores.build)) as connection:
            connection.execute("""
                create schema night; create schema marts; create schema intermediate;
                create table marts.campaign_members (source varchar, campaign_id varchar,
                    customer_key uuid, treated_date date);
                create table marts.customer_identities (identity_id uuid, customer_key uuid);
                create table marts.customer_features (customer_key uuid);
                create table intermediate.int_order_margins (customer_key uuid, ordered_date date,
                    is_purchase boolean, margin_amount decimal(38, 4))""")

    def published(self, number: int, as_of: date) -> None:
        """A publication."""
        with duckdb.connect(str(self.stores.publication)) as connection:
            connection.execute(
                "insert into publication (publication_id, as_of_date, revision, is_current, "
                "candidate_id, known_load_seq, config_hash, reference_id, method_version, "
                "previous_publication_id, is_backcast, base_currency, time_zone, run_id, "
                "staged_at) values (?, ?, 1, false, '', 1, '', '', '', 0, false, '', '', '', "
                "timestamp '2026-01-01')", [number, as_of])

    def label(self, customer: int, quadrant: str, since: date, until: date | None = None) -> None:
        """A span of label_history."""
        with duckdb.connect(str(self.stores.publication)) as connection:
            connection.execute("insert into label_history values (?, 'quadrant', ?, ?, ?)",
                               [key(customer), quadrant, since, until])

    def score(self, customer: int, as_of: date, publication: int, value: float) -> None:
        """A row of history."""
        with duckdb.connect(str(self.stores.publication)) as connection:
            connection.execute(
                "insert into customer_score_history (customer_key, as_of_date, revision, "
                "publication_id, crm_value, tier, quadrant, lifecycle_stage, tier_held, "
                "quadrant_held, lifecycle_stage_held, profile, purchases_n, p_alive) values "
                "(?, ?, 1, ?, ?, 'high', 'q', 's', 'high', 'q', 's', 'b2b', 2, 0.75)",
                [key(customer), as_of, publication, value])

    def customer(self, number: int, *identities: int) -> None:
        """A customer of tonight with all of his ids."""
        with duckdb.connect(str(self.stores.build)) as connection:
            connection.execute("insert into marts.customer_features values (?)", [key(number)])
            for one in (number, *identities):
                connection.execute("insert into marts.customer_identities values (?, ?)",
                                   [key(one), key(number)])

    def build(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Rows of a statement on the build."""
        with duckdb.connect(str(self.stores.build)) as connection:
            return connection.execute(statement, list(parameters)).fetchall()

    def quadrants(self, until_publication: int = 9) -> dict[int, str]:
        """Number of a customer -> quadrant before the treatment."""
        find_quadrants_before(self.stores, Earlier(
            self.stores.publication, until_publication, D))
        return {int(str(customer)[-12:]): str(quadrant) for customer, quadrant in self.build(
            "select customer_key, quadrant from night.campaign_quadrants")}

    def scored(self, until_publication: int = 9, days: int = 90) -> date | None:
        """Date of the scores that are judged."""
        return find_scores_of_then(self.stores, Earlier(
            self.stores.publication, until_publication, D), days)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """Nothing published, nobody there."""
    return Nights(tmp_path)


def _treat(nights: Nights, customer: int, on: date) -> None:
    nights.build("insert into marts.campaign_members values ('mail', 'spring', ?, ?)",
                 key(customer), on)


def test_the_quadrant_is_that_of_the_newest_night_before(nights: Nights) -> None:
    """Treated on the 10th, published on the 8th and the 10th: the 8th counts."""
    for number, day in enumerate((5, 8, 10), start=1):
        nights.published(number, date(2026, 11, day))
    nights.customer(1)
    _treat(nights, 1, date(2026, 11, 10))
    nights.label(1, "old", date(2026, 11, 5), date(2026, 11, 5))
    nights.label(1, "right", date(2026, 11, 8), date(2026, 11, 8))
    nights.label(1, "new", date(2026, 11, 10))
    assert nights.quadrants() == {1: "right"}
    # As the first publication knew it, the 8th was not there yet.
    assert nights.quadrants(until_publication=1) == {1: "old"}


def test_who_was_not_there_has_none(nights: Nights) -> None:
    nights.published(1, date(2026, 11, 5))
    nights.published(2, date(2026, 11, 8))
    for number in (1, 2, 3):
        nights.customer(number)
        _treat(nights, number, date(2026, 11, 10))
    nights.label(1, "gone", date(2026, 11, 5), date(2026, 11, 5))
    nights.label(2, "stays", date(2026, 11, 5))
    assert nights.quadrants() == {2: "stays"}
    _treat(nights, 3, date(2026, 11, 5))
    assert nights.quadrants() == {2: "stays"}


def test_a_merged_customer_has_the_quadrant_of_todays_key(nights: Nights) -> None:
    """Else that of the smallest key of then; an id alone leads to nobody else's."""
    nights.published(1, date(2026, 11, 8))
    nights.customer(1, 5, 6)
    nights.customer(2, 7, 8)
    for number in (1, 2):
        _treat(nights, number, date(2026, 11, 10))
    for number, quadrant in ((1, "own"), (5, "other"), (7, "smaller"), (8, "greater")):
        nights.label(number, quadrant, date(2026, 11, 8))
    assert nights.quadrants() == {1: "own", 2: "smaller"}


def test_without_a_file_nothing_is_known(nights: Nights) -> None:
    nights.customer(1)
    _treat(nights, 1, date(2026, 11, 10))
    nowhere = Earlier(None, 0, D)
    assert find_quadrants_before(nights.stores, nowhere) == 0
    assert find_scores_of_then(nights.stores, nowhere, 90) is None
    assert nights.build("select * from night.scores_of_then") == []


@pytest.mark.parametrize(("dates", "found"), [
    ((date(2026, 8, 31), date(2026, 9, 30), date(2026, 7, 31)), date(2026, 8, 31)),
    ((date(2026, 9, 30), date(2026, 9, 1)), date(2026, 9, 30)),
    # 44 and 136 days ago, and a month end that is too near.
    ((D - timedelta(44), D - timedelta(136), date(2026, 10, 31)), None),
    ((date(2026, 7, 31),), date(2026, 7, 31)),
    ((date(2026, 6, 30),), None),
])
def test_the_nearest_kept_month_end_is_judged(nights: Nights, dates: tuple[date, ...],
                                              found: date | None) -> None:
    """D - 90 is 1 September; dates within a month fall out of history, so they are passed over."""
    for number, as_of in enumerate(dates, start=1):
        nights.published(number, as_of)
        nights.score(1, as_of, number, 50)
    nights.customer(1)
    assert nights.scored() == found


def test_a_restatement_is_judged_as_far_as_it_was_known(nights: Nights) -> None:
    as_of = date(2026, 8, 31)
    nights.customer(1)
    for number, value in ((1, 40.0), (3, 60.0)):
        nights.published(number, as_of)
        nights.score(1, as_of, number, value)
    for until, value in ((2, 40), (3, 60)):
        assert nights.scored(until) == as_of
        assert nights.build("select crm_value from night.scores_of_then") == [(value,)]


def test_the_scored_are_followed_through_merges_and_lost_by_name(nights: Nights) -> None:
    as_of = date(2026, 8, 31)
    nights.published(1, as_of)
    nights.customer(1, 5)
    for number in (1, 5, 9):
        nights.score(number, as_of, 1, 10.0 * number)
    for day, is_purchase, margin in ((as_of, True, 99), (D, True, 5), (D, False, -2)):
        nights.build("insert into intermediate.int_order_margins values (?, ?, ?, ?)",
                     key(1), day, is_purchase, margin)
    scored = nights.scored()
    rows = nights.build(followed_query() + " order by crm_value", scored)
    # followed, profile, CRM value, chance, tier, purchases then and since, margin since
    assert rows == [(True, "b2b", 10.0, 0.75, "high", 2.0, 1.0, 3.0),
                    (False, "b2b", 90.0, 0.75, "high", 2.0, 0.0, 0.0)]


@pytest.mark.parametrize(("is_purchase", "margin"), [(False, 5.0), (True, None)])
def test_only_a_purchase_of_unknown_cost_hides_a_margin(
        nights: Nights, is_purchase: bool, margin: float | None) -> None:
    """An order that was cancelled, or given back whole, has no margin that could be missing."""
    as_of = date(2026, 8, 31)
    nights.published(1, as_of)
    nights.customer(1)
    nights.score(1, as_of, 1, 50)
    for known, amount in ((True, 5), (is_purchase, None)):
        nights.build("insert into intermediate.int_order_margins values (?, ?, ?, ?)",
                     key(1), D, known, amount)
    scored = nights.scored()
    rows = nights.build(f"select margin_since from ({followed_query()}) as followed", scored)
    assert rows == [(margin,)]


def test_history_of_before_has_no_chance_and_no_profile(nights: Nights) -> None:
    as_of = date(2026, 8, 31)
    nights.published(1, as_of)
    nights.score(1, as_of, 1, 50)
    nights.customer(1)
    with duckdb.connect(str(nights.stores.publication)) as connection:
        for column in ("p_alive", "profile"):
            connection.execute(f"alter table customer_score_history drop column {column}")
    scored = nights.scored()
    assert scored == as_of
    assert nights.build(f"select p_alive, profile from ({followed_query()}) as followed",
                        scored) == [(None, "")]


def test_the_warehouse_serves_until_an_earlier_date_is_published(nights: Nights) -> None:
    nights.published(1, date(2026, 11, 20))
    nights.published(2, D)
    stores = nights.stores
    assert file_until(stores, 0, D) is None
    assert file_until(stores, 1, D) == stores.publication
    nights.published(3, date(2026, 11, 21))
    assert file_until(stores, 1, D) is None
    kept = stores.kept_publication(1)
    kept.parent.mkdir()
    kept.write_bytes(b"")
    assert file_until(stores, 1, D) == kept


def test_the_heading_of_every_row_is_published() -> None:
    """All headings of the law of a campaign are columns that readers see."""
    assert {"rows_n", "treated_n", "control_n", "repeated_rows_n", "both_groups_rows_n",
            "unknown_customer_rows_n", "excluded_rows_n", "after_date_rows_n"} <= set(
                CAMPAIGNS.column_names)
