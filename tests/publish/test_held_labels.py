"""Held labels in the warehouse file: nights in any order, restated, replayed, carried over."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from dagster_project.configuration import load_configuration
from dagster_project.engine.audit_connection import fingerprints_of
from dagster_project.engine.held_labels import HELD_FOR_DAYS, HistoryNight, fold_history
from dagster_project.engine.publication import NewestDateFirst
from dagster_project.publish.label_tables import HELD_COLUMNS
from dagster_project.publish.publications import file_before, is_refolded, keeps_column
from dagster_project.publish.tables import CURRENT_TABLES, HISTORY_TABLES
from tests.publish.staging import CUTS, DEFAULT, Customer, Warehouse, key_of

FIRST = date(2026, 3, 1)
# Customer 1 wanders about the cut of high, 2 about that of loyal, 3 comes late, 4 goes, 5 lacks
# an axis at times.
NIGHTS: list[dict[int, Customer]] = [
    {1: Customer(69), 2: Customer(20, degree=63), 4: Customer(80), 5: Customer(10, 51, 60)},
    {1: Customer(71), 2: Customer(20, degree=59), 4: Customer(69), 5: Customer(10, 49, 47)},
    {1: Customer(72.5), 2: Customer(20, degree=57), 3: Customer(71), 5: Customer(10, None, 49)},
    {1: Customer(69), 2: Customer(20, degree=61), 3: Customer(69), 5: Customer(10, 49, 49)},
    {1: Customer(68), 2: Customer(20, degree=62), 3: Customer(69), 4: Customer(69),
     5: Customer(10, 51, 51)},
]
# What was first published of the first night: 1 is high then, 4 is not there yet.
MISTAKEN: dict[int, Customer] = {1: Customer(73), 2: Customer(20, degree=59), 5: NIGHTS[0][5]}


def day(number: int) -> date:
    return FIRST + timedelta(number)


@pytest.fixture(scope="module")
def in_order(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Every night once, one after the other."""
    warehouse = Warehouse(tmp_path_factory.mktemp("in_order"))
    for number, customers in enumerate(NIGHTS):
        warehouse.night(day(number), customers)
    return warehouse


@pytest.fixture(scope="module")
def out_of_order(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The first night mistaken, the third left out; both are made good at last."""
    warehouse = Warehouse(tmp_path_factory.mktemp("out_of_order"))
    for number, customers in ((0, MISTAKEN), (1, NIGHTS[1]), (3, NIGHTS[3]), (4, NIGHTS[4]),
                              (2, NIGHTS[2]), (0, NIGHTS[0])):
        warehouse.night(day(number), customers)
    return warehouse


def test_a_sequence_holds_what_the_margin_holds(in_order: Warehouse) -> None:
    held = in_order.held()
    assert [held[day(number), 1][0] for number in range(5)] == [
        "medium", "medium", "high", "high", "high"]
    assert [held[day(number), 2][2] for number in range(5)] == [
        "loyal", "loyal", "repeat", "repeat", "loyal"]
    assert [held[day(number), 5][1] for number in range(5)] == [
        "high_value_high_loyalty", "high_value_low_loyalty", "insufficient_data",
        "low_value_low_loyalty", "low_value_low_loyalty"]
    # First sight: 3 begins high and is held there, 4 comes back as it is.
    assert [held[day(number), 3][0] for number in (2, 3, 4)] == ["high"] * 3
    assert [held[day(number), 4][0] for number in (0, 1, 4)] == ["high", "high", "medium"]


def test_backfills_and_restatements_end_as_one_clean_sequence(
        in_order: Warehouse, out_of_order: Warehouse) -> None:
    assert out_of_order.held() == in_order.held()
    assert out_of_order.labels_over_time() == in_order.labels_over_time()


def test_a_restatement_rewrites_held_labels_alone(out_of_order: Warehouse) -> None:
    """Of the later nights nothing else changes, and what was superseded stays as it was."""
    before = out_of_order.stores.kept_publication(5)
    held = ", ".join(column.name for column in HELD_COLUMNS)
    plain = f"select * exclude ({held}) from customer_score_history where publication_id <= 5 " \
            f"order by all"
    assert out_of_order.query(plain) == out_of_order.query(plain, before)
    superseded = "select * from customer_score_history where publication_id = 1 order by all"
    assert out_of_order.query(superseded) == out_of_order.query(superseded, before)
    changed = f"select customer_key, {held} from customer_score_history " \
              f"where publication_id = 2 order by all"
    assert out_of_order.query(changed) != out_of_order.query(changed, before)
    current = "select * from customer_scores order by all"
    assert out_of_order.query(current) == out_of_order.query(current, before)


def test_label_history_says_since_when(in_order: Warehouse) -> None:
    rows = in_order.query(
        f"select label, from_date, to_date from label_history where label_kind = 'tier' "
        f"and customer_key in ('{key_of(1)}', '{key_of(4)}') order by customer_key, from_date")
    assert rows == [
        ("medium", day(0), day(1)), ("high", day(2), None),
        ("high", day(0), day(1)), ("medium", day(4), None)]


def test_migrations_count_who_moves_stays_appears_and_vanishes(in_order: Warehouse) -> None:
    rows = in_order.query(
        f"select is_held, from_label, to_label, customers_n from label_migrations "
        f"where label_kind = 'tier' and as_of_date = date '{day(2)}' order by all")
    assert rows == [
        (False, "appeared", "high", 1), (False, "high", "high", 1), (False, "low", "low", 2),
        (False, "medium", "vanished", 1),
        (True, "appeared", "high", 1), (True, "high", "vanished", 1), (True, "low", "low", 2),
        (True, "medium", "high", 1)]
    assert in_order.query(
        f"select from_quadrant, to_quadrant, customers_n from quadrant_migrations "
        f"where is_held and as_of_date = date '{day(1)}' and to_quadrant like 'high%'") == [
            ("high_value_high_loyalty", "high_value_low_loyalty", 1)]


def test_stability_compares_plain_with_held(in_order: Warehouse) -> None:
    """On the fifth night 1 and 2 have flipped back by their plain labels, 2 by the held ones."""
    rows = in_order.query(
        f"select label_kind, is_held, nights_n, customers_n, flipped_back_n from label_stability "
        f"where as_of_date = date '{day(4)}' and label_kind <> 'quadrant' order by all")
    assert rows == [
        ("lifecycle_stage", False, 5, 5, 1), ("lifecycle_stage", True, 5, 5, 1),
        ("tier", False, 5, 5, 1), ("tier", True, 5, 5, 0)]


def test_a_replay_goes_on_from_the_previous_publication(out_of_order: Warehouse) -> None:
    """Publication 4, of the fifth night, when the first was still mistaken."""
    stores = out_of_order.stores
    on = file_before(stores, 3, day(4))
    assert on == stores.kept_publication(3)
    replayed = out_of_order.stage(day(4), NIGHTS[4], previous_publication_id=3,
                                  replayed=(4, 1), replayed_on=on)
    then, now = (fingerprints_of(file) for file in (stores.kept_publication(4), replayed))
    for table in CURRENT_TABLES:
        assert now[table.name] == then[table.name], table.name
    plain = "select count(*) from customer_scores where tier <> tier_held"
    assert out_of_order.query(plain, replayed) != [(0,)]


def test_a_replay_knows_when_the_history_of_then_is_gone(in_order: Warehouse,
                                                         out_of_order: Warehouse) -> None:
    """Without the kept file the warehouse serves, unless a later publication touched that night."""
    for warehouse, found in ((in_order, in_order.stores.publication), (out_of_order, None)):
        kept = warehouse.stores.kept_publication(3)
        away = kept.rename(kept.with_suffix(".away"))
        assert file_before(warehouse.stores, 3, day(4)) == found
        away.rename(kept)
    assert file_before(out_of_order.stores, 0, day(0)) == out_of_order.stores.publication
    assert is_refolded(out_of_order.stores, 4, day(4))
    assert not is_refolded(in_order.stores, 4, day(3))


def test_an_older_file_is_carried_over(in_order: Warehouse, tmp_path: Path) -> None:
    """A publication of before there were held labels gets them for the nights that it holds."""
    warehouse = Warehouse(tmp_path)
    warehouse.stores.warehouse.mkdir(exist_ok=True)
    older = warehouse.stores.publication
    older.write_bytes(in_order.stores.kept_publication(4).read_bytes())
    with duckdb.connect(str(older)) as connection:
        for name in ("profile", "purchases_n", "p_alive",
                     *(column.name for column in HELD_COLUMNS)):
            connection.execute(f"alter table customer_score_history drop column {name}")
        connection.execute("drop view quadrant_migrations")
        for name in ("label_history", "label_migrations", "label_stability"):
            connection.execute(f"drop table {name}")
    warehouse.published = 4
    warehouse.night(day(4), NIGHTS[4])

    # Purchases of then are not known, so the stages of the older nights are the plain ones.
    carried, clean = warehouse.held(), in_order.held()
    assert {key: labels[:2] for key, labels in carried.items()} == {
        key: labels[:2] for key, labels in clean.items()}
    assert carried[day(1), 2][2] == "repeat"
    kinds = "from label_history where label_kind <> 'lifecycle_stage' order by all"
    assert warehouse.query(f"select * {kinds}") == in_order.query(f"select * {kinds}")
    assert [row[1] for row in warehouse.query("describe customer_score_history")] == [
        row[1] for row in in_order.query("describe customer_score_history")]


def test_an_older_date_waits_until_the_newest_brought_new_tables(in_order: Warehouse,
                                                                 tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.stores.warehouse.mkdir(exist_ok=True)
    older = warehouse.stores.publication
    older.write_bytes(in_order.stores.kept_publication(4).read_bytes())
    with duckdb.connect(str(older)) as connection:
        connection.execute("drop table rfm_cells")
    warehouse.published = 4

    with pytest.raises(NewestDateFirst, match=f"no rfm_cells, .* run --date {day(3)}"):
        warehouse.night(day(1), NIGHTS[1])

    warehouse.night(day(3), NIGHTS[3])
    warehouse.night(day(1), NIGHTS[1])
    assert warehouse.query("select count(*) from publication") == [(6,)]


def test_a_column_is_compared_where_history_keeps_it(in_order: Warehouse,
                                                     tmp_path: Path) -> None:
    """Rows of before a column was kept have none of its values; an older file not the column."""
    file = tmp_path / "crm.duckdb"
    shutil.copyfile(in_order.stores.publication, file)
    with duckdb.connect(str(file)) as connection:
        connection.execute("update customer_score_history set p_alive = 0.5 "
                           "where publication_id = 3 and tier = 'high'")
    kept = [keeps_column(in_order.stores, file, number, "p_alive") for number in (2, 3)]
    assert kept == [False, True]
    with duckdb.connect(str(file)) as connection:
        connection.execute("alter table customer_score_history drop column p_alive")
    assert not keeps_column(in_order.stores, file, 3, "p_alive")


def test_labels_outlive_the_nights_that_fall_out_of_history(tmp_path: Path) -> None:
    """One night is kept: the label goes on from the night before, which falls out after it."""
    warehouse = Warehouse(tmp_path, daily_history_nights=1)
    for number, value in enumerate((73, 69, 69)):
        warehouse.night(day(number), {1: Customer(value)})
    assert list(warehouse.held()) == [(day(2), 1)]
    assert warehouse.query("select label, from_date, to_date from label_history "
                           "where label_kind = 'tier'") == [("high", day(0), None)]
    assert warehouse.query(f"select is_held, to_label from label_migrations where as_of_date = "
                           f"date '{day(1)}' and label_kind = 'tier' order by all") == [
                               (False, "medium"), (True, "high")]


def folded(arrivals: list[tuple[int, np.ndarray[Any, Any]]],
           references: Mapping[int, str] = {}) -> dict[tuple[date, int], str]:
    """Held tiers after nights have come in some order.

    Args:
        arrivals: number of the night, CRM values of the customers.
        references: number of the night -> its reference, where it is not the first.
    """
    configuration = load_configuration(DEFAULT)
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as candidate")
        connection.execute("use candidate.main")
        for table in HISTORY_TABLES:
            connection.execute(table.ddl("candidate.main"))
        connection.execute("insert into configurations values (?, 1, ?)",
                           [configuration.hash, configuration.canonical_text()])
        points = [(reference_id, composite, position, quantile, cut)
                  for reference_id in {"r1", *references.values()}
                  for composite, cuts in CUTS.items()
                  for position, (quantile, cut) in enumerate(cuts)]
        connection.executemany("insert into scoring_reference values ($1, date '2026-03-01', 1, "
                               "'', 'all', 'cut', $2, $3, $4, $5)", points)
        for publication_id, (number, values) in enumerate(arrivals, start=1):
            connection.execute(
                "insert into publication select ?, ?, 1, true, '', 1, ?, ?, '1', 0, false, '', "
                "'', '', timestamp '2026-01-01'",
                [publication_id, day(number), configuration.hash, references.get(number, "r1")])
            tiers = [tier_of(value) for value in values]
            nobody, prospect = ["insufficient_data"] * len(values), ["prospect"] * len(values)
            rows = pd.DataFrame({
                "customer_key": [key_of(customer) for customer in range(len(values))],
                "as_of_date": day(number), "revision": 1, "publication_id": publication_id,
                "crm_value": values, "profile": "all", "purchases_n": 0,
                "tier": tiers, "quadrant": nobody, "lifecycle_stage": prospect,
                "tier_held": tiers, "quadrant_held": nobody, "lifecycle_stage_held": prospect})
            connection.register("rows_in", rows)
            connection.execute("insert into customer_score_history by name select * from rows_in")
            connection.unregister("rows_in")
            fold_history(connection, day(number))
        found = connection.execute(
            "select as_of_date, cast(right(cast(customer_key as varchar), 6) as integer), "
            "tier_held from customer_score_history where publication_id in "
            "(select max(publication_id) from publication group by as_of_date)").fetchall()
    return {(as_of, customer): tier for as_of, customer, tier in found}


def tier_of(value: float) -> str:
    return Customer(value).tier


def test_sixty_nights_in_any_order_fold_alike() -> None:
    """Random walks; some nights come late, some are published wrongly first."""
    random = np.random.default_rng(1)
    steps = random.integers(-150, 151, (60, 40))
    walks = np.clip(random.integers(3_500, 7_500, 40) + steps.cumsum(axis=0), 0, 10_000) / 100
    late, mistaken = (set(random.choice(np.arange(60), 6, replace=False).tolist())
                      for _ in range(2))
    arrivals = [(number, walks[number] if number not in mistaken else walks[(number + 7) % 60])
                for number in range(60) if number not in late]
    arrivals += [(number, walks[number])
                 for number in random.permutation(sorted(late | mistaken)).tolist()]

    clean = folded([(number, walks[number]) for number in range(60)])
    assert folded(arrivals) == clean
    plain = {(day(number), customer): tier_of(value)
             for number, values in enumerate(walks) for customer, value in enumerate(values)}
    assert 0 < sum(clean[key] != plain[key] for key in clean) < len(clean) / 2


def test_a_gap_of_more_than_five_weeks_begins_anew() -> None:
    before, after = np.array([73.0]), np.array([69.0])
    near, far = (folded([(0, before), (gap, after)])
                 for gap in (HELD_FOR_DAYS, HELD_FOR_DAYS + 1))
    assert near[day(HELD_FOR_DAYS), 0] == "high"
    assert far[day(HELD_FOR_DAYS + 1), 0] == "medium"


def test_a_new_reference_takes_the_plain_labels() -> None:
    nights = [(number, np.array([value])) for number, value in enumerate((73.0, 69.0, 69.0))]
    held = folded(nights, {2: "r2"})
    assert [held[day(number), 0] for number in range(3)] == ["high", "high", "medium"]


@pytest.mark.parametrize(("section", "change", "goes_on"), [
    ("campaigns", {"window_days": 31}, True), ("score_backtest", {"days": 91}, True),
    ("held_labels", {"margin": Decimal(3)}, False)])
def test_only_other_measures_begin_held_labels_anew(
        section: str, change: Mapping[str, Any], goes_on: bool) -> None:
    before = load_configuration(DEFAULT)
    after = before.model_copy(update={
        section: getattr(before, section).model_copy(update=change)})
    nights = [HistoryNight(day(number), number, "r", configuration.canonical_text())
              for number, configuration in enumerate((before, after))]
    assert nights[1].continues(nights[0]) is goes_on
