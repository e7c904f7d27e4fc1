"""What dbt makes of a made-up night, against figures worked out by hand."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from builds import Build, Row, identity
from made_up_night import CRM, LONG_HALF_LIFE, NIGHT, RAW, weight

from dagster_project.customers.dbt_arguments import dbt_arguments
from dagster_project.engine.table import Table
from dagster_project.publish.tables import CUSTOMERS, RECONCILIATION

Customer = Callable[[int], Row]
# The build costs ten seconds: one worker makes it.
pytestmark = pytest.mark.xdist_group("features")


@pytest.fixture(scope="session")
def customer(build: Build) -> Customer:
    """The features of one customer by number."""
    rows = {str(row["customer_key"]): row
            for row in build.rows("select * from marts.customer_features")}
    return lambda number: rows[identity(number)]


@pytest.mark.parametrize("number", [1, 2])
def test_a_corrected_order_is_its_newest_version_in_either_order_of_arrival(
    customer: Customer, number: int
) -> None:
    assert customer(number)["net_revenue_amount"] == 32
    assert customer(number)["units__value"] == 2


def test_without_versions_the_later_load_replaces_line_by_line(customer: Customer) -> None:
    assert customer(3)["net_revenue_amount"] == 20


def test_of_equal_versions_the_greater_hash_stands_once(customer: Customer) -> None:
    assert customer(4)["net_revenue_amount"] == 99
    assert customer(4)["orders_n"] == 1


def test_a_full_refund_makes_a_prospect_again(customer: Customer) -> None:
    row = customer(5)
    assert (row["net_revenue_amount"], row["refund_amount"]) == (0, 100)
    assert (row["purchases_n"], row["orders_n"], row["first_purchase_date"]) == (0, 1, None)
    assert (row["purchases__value"], row["silent_days__value"]) == (0, None)


def test_a_refund_after_d_has_not_happened_yet(customer: Customer) -> None:
    assert (customer(6)["net_revenue_amount"], customer(6)["refund_amount"]) == (100, 0)


def test_a_cancellation_counts_from_the_first_version_that_shows_it(build: Build) -> None:
    event = build.row(
        "select event_date, amount, state_date_source from marts.order_events "
        "where order_id = 'c' and kind = 'cancel'"
    )
    assert event == {"event_date": date(2026, 6, 20), "amount": -100,
                     "state_date_source": "version"}


def test_a_cancellation_takes_back_what_refunds_have_left(
    build: Build, customer: Customer
) -> None:
    events = build.rows(
        "select kind, event_date, amount from marts.order_events where order_id = 'p' "
        "order by event_date"
    )
    assert [tuple(event.values()) for event in events] == [
        ("sale", date(2026, 6, 1), 100), ("refund", date(2026, 6, 10), -30),
        ("cancel", date(2026, 6, 20), -70),
    ]
    assert (customer(8)["net_revenue_amount"], customer(8)["refund_amount"]) == (0, 30)
    assert customer(8)["units__value"] == 0


def test_foreign_money_is_converted_once_at_the_rate_of_the_day(customer: Customer) -> None:
    # 10.005 x 7.15 = 71.53575, half up to four places
    assert customer(9)["net_revenue_amount"] == Decimal("71.5358")


def test_an_order_without_a_rate_is_held(build: Build, customer: Customer) -> None:
    assert customer(10)["orders_n"] == 0
    held = build.row("select order_id, reason, amount from marts.held_rows")
    assert held == {"order_id": "x2", "reason": "no_rate", "amount": 10}


def test_merged_identities_are_one_customer(build: Build, customer: Customer) -> None:
    row = customer(11)
    # The third is an id of the help desk that a record lists.
    assert (row["identities_n"], row["purchases_n"], row["purchase_days_n"]) == (3, 2, 1)
    assert (row["net_revenue_amount"], row["city"]) == (30, "Hangzhou")
    assert not build.rows(
        f"select 1 from marts.customer_features where customer_key = '{identity(12)}'"
    )


@pytest.mark.parametrize(("number", "days"), [(13, Decimal(20)), (14, Decimal("15.5")),
                                              (17, None)])
def test_the_median_gap_is_exact(customer: Customer, number: int, days: Decimal | None) -> None:
    assert customer(number)["median_gap_days"] == days


def test_ids_that_records_list_lead_to_their_customers(build: Build) -> None:
    """Of records that are current and hold on D, unless a rule keeps the id alone."""
    found = {row["identity_id"]: row["customer_key"] for row in build.rows(
        "select cast(identity_id as varchar) as identity_id, "
        "cast(customer_key as varchar) as customer_key from marts.customer_identities "
        f"where identity_id >= '{identity(700)}' and identity_id < '{identity(800)}' "
        f"or identity_id = '{identity(25)}'")}
    assert found == {identity(700): identity(11), identity(704): identity(24),
                     identity(705): identity(35), identity(25): identity(25)}


def test_staff_and_listed_customers_are_left_out_and_named(build: Build) -> None:
    rules = {str(row["customer_key"]): row["rule"]
             for row in build.rows("select * from marts.customer_exclusions")}
    assert rules == {identity(15): "customer_type:staff", identity(16): "list:marketplaces"}
    assert not build.rows(
        "select 1 from marts.customer_features where customer_key in "
        "(select customer_key from marts.customer_exclusions)"
    )


def test_the_day_ends_at_midnight_of_the_home(customer: Customer) -> None:
    assert (customer(17)["net_revenue_amount"], customer(17)["orders_n"]) == (7, 1)
    assert customer(17)["days_since_last_purchase"] == 0


def test_open_orders_left_out_channels_and_zero_amounts(build: Build, customer: Customer) -> None:
    assert (customer(18)["orders_n"], customer(18)["purchases_n"]) == (1, 0)
    rules = build.rows("select order_id, excluded_reason from marts.order_facts "
                       "where excluded_reason is not null order by order_id")
    assert [tuple(rule.values()) for rule in rules] == [
        ("o1", "not_completed"), ("o2", "channel:internal")
    ]


def test_a_window_of_365_days_begins_364_days_before_d(customer: Customer) -> None:
    row = customer(20)
    assert (row["purchase_amount__value"], row["net_revenue_amount"]) == (1, 3)
    # The very first purchase lies outside: the one inside is a repeat.
    assert (row["purchases__value"], row["repeats__value"]) == (1, 1)
    assert customer(13)["repeats__value"] == 3


def test_a_profile_measures_by_its_own_window_and_half_life(customer: Customer) -> None:
    row = customer(31)
    assert row["profile"] == "b2b"
    # The order of two years ago to the day lies outside of 730 days.
    assert (row["purchase_amount__value"], row["net_revenue_amount"]) == (3, 7)
    assert row["purchases__value"] == 1  # not stated otherwise
    old = weight(181, LONG_HALF_LIFE)
    assert row["csat__n"] == (1_000_000 + old) / 1_000_000
    assert row["csat__value"] == pytest.approx(100 * 1_000_000 / (1_000_000 + old), abs=1e-9)


def test_retention_is_the_share_of_periods_since_the_first_purchase(customer: Customer) -> None:
    assert customer(21)["retention__value"] == 0.75
    assert customer(11)["retention__value"] is None  # younger than 60 days
    assert customer(24)["retention__value"] is None  # never bought


def test_margin_is_known_only_with_costs(customer: Customer) -> None:
    # 100 - 20 refunded - 40 - 5; the cancelled order takes its cost back
    assert customer(22)["margin__value"] == 35
    assert customer(23)["margin__value"] is None
    assert customer(24)["margin__value"] == 0


def test_purchase_summaries_have_the_margin_that_indicators_have(build: Build) -> None:
    rows = build.rows(
        "select summaries.*, features.margin__value, features.purchases_n "
        "from marts.customer_purchase_summaries as summaries "
        "inner join marts.customer_features as features using (customer_key) "
        "where summaries.age_days < 365")
    assert {(row["historic_margin_amount"], row["margin__value"]) for row in rows} > {(35, 35)}
    for row in rows:
        assert row["historic_margin_amount"] == row["margin__value"]
        assert row["purchases_n"] >= row["purchase_days_n"] >= row["margin_purchase_days_n"]
        assert row["age_days"] >= row["recency_days"] >= row["purchase_days_n"] - 1


def test_decay_adds_whole_millionths(customer: Customer) -> None:
    assert customer(19)["visits__value"] == (weight(0) + weight(30)) / 1e6
    assert customer(13)["fresh_purchases__value"] == sum(
        weight((date(2026, 6, 30) - day).days)
        for day in (date(2026, 1, 1), date(2026, 1, 11), date(2026, 1, 31), date(2026, 3, 1))
    ) / 1e6


def test_interactions_are_summed_in_their_newest_version(customer: Customer) -> None:
    assert (customer(19)["seconds__value"], customer(19)["completion__value"]) == (90, 0.5)
    assert (customer(26)["seconds__value"], customer(26)["interactions_n"]) == (60, 1)
    assert customer(24)["seconds__value"] == 0  # 1 January lies outside 60 days
    assert customer(25)["quiet_days__value"] == 29


def test_absence_of_complaints_needs_contact_in_the_window(customer: Customer) -> None:
    assert [customer(number)["complaints__value"] for number in (19, 25, 24, 1)] == [
        1, 0, None, None
    ]


def test_answers_are_averaged_by_weight_on_one_scale(customer: Customer) -> None:
    row = customer(19)  # 5 of 1-5 is 100 today; 2 is 25, a half-life ago
    assert row["csat__value"] == (1_000_000 * 100 + 500_000 * 25) / 1_500_000
    assert row["csat__n"] == 1.5
    assert (customer(1)["csat__value"], customer(1)["csat__n"]) == (None, 0)
    # ease 2 of 1-7, lower is better: 5/6, half up to four places
    assert (customer(25)["ces__value"], customer(25)["ces__n"]) == (83.3333, 1)


def test_attributes_and_profiles(customer: Customer) -> None:
    assert (customer(24)["points__value"], customer(1)["points__value"]) == (12.5, None)
    assert (customer(28)["profile"], customer(24)["profile"]) == ("b2b", "all")
    assert customer(28)["identities_n"] == 1  # the e-mail address is nobody by itself
    assert customer(29)["city"] == "Ningbo"  # before its first record: the oldest known


def test_population_is_who_did_anything_of_late(customer: Customer) -> None:
    assert [customer(number)["is_in_population"] for number in (1, 10, 19, 28)] == [
        True, False, True, False
    ]


def test_the_law_of_rows_and_money(build: Build) -> None:
    rows = build.rows("select * from marts.reconciliation")
    for row in rows:
        assert row["loaded"] == row["superseded"] + row["current"], row
        assert row["current"] == sum(
            row[state] for state in ("counted", "unattributed", "excluded", "held", "after_date")
        ), row
        if row["measure"] == "rows":
            assert row["read"] == row["loaded"] + row["repeated"] + row["rejected"], row
    law = {(row["source"], row["measure"], row["currency"]): row for row in rows}
    shop = law["shop", "rows", ""]
    # v1 and v2 lose three lines each, t two, c two
    assert (shop["superseded"], shop["excluded"], shop["held"]) == (10, 4, 1)
    assert (shop["unattributed"], shop["after_date"]) == (1, 1)
    assert law["shop", "amount", "USD"]["held"] == 10
    assert law["shop", "amount", "CNY"]["excluded"] == 1200
    app = law["app", "rows", ""]
    assert (app["unattributed"], app["after_date"], app["superseded"]) == (1, 1, 1)


def test_touched_names_the_dates_of_superseded_versions(build: Build) -> None:
    cells = build.rows(
        "select business_date from marts.touched "
        f"where load_seq = 2 and identity_id = '{identity(7)}'",
        with_raw=True,
    )
    assert {cell["business_date"] for cell in cells} == {date(2026, 6, 1), date(2026, 6, 20)}


@pytest.mark.parametrize(("table", "schema_table"), [
    (CUSTOMERS, "customer_features"), (RECONCILIATION, "reconciliation"),
])
def test_published_columns_are_there_with_their_types(
    build: Build, table: Table, schema_table: str
) -> None:
    found = {row["column_name"]: row["data_type"] for row in build.rows(
        "select column_name, data_type from information_schema.columns "
        f"where table_schema = 'marts' and table_name = '{schema_table}'"
    )}
    for column in table.columns:
        assert found.get(column.name) == column.type, column.name


def test_indicator_columns_follow_the_configuration(build: Build) -> None:
    found = [row["column_name"] for row in build.rows(
        "select column_name, data_type from information_schema.columns "
        "where table_name = 'customer_features' and data_type = 'DOUBLE' order by ordinal_position"
    )]
    expected = []
    for indicator in CRM["crm"]["indicators"]:
        expected.append(f"{indicator['name']}__value")
        if indicator["kind"] == "mean_answer":
            expected.append(f"{indicator['name']}__n")
    assert found == expected


def test_before_the_first_row_of_a_kind_nobody_is_measured(tmp_path: Path) -> None:
    early = Build(tmp_path)
    early.write(RAW, NIGHT | {"night_inputs": [{"as_of_date": date(2025, 12, 31)}]})
    early.run(CRM)
    row = early.row(
        f"select * from marts.customer_features where customer_key = '{identity(24)}'"
    )
    assert row["purchases__value"] == 0  # orders begin on 30 June 2025
    assert row["margin__value"] is None  # costs begin in June 2026
    assert row["seconds__value"] is None  # interactions begin in 2026


def test_order_of_rows_and_loads_does_not_matter(tmp_path: Path, build: Build) -> None:
    shuffler = random.Random(7)
    raw: dict[str, list[Row]] = {}
    for table, rows in RAW.items():
        raw[table] = []
        for row in rows:
            is_arrival = row.get("source") == "till"
            load = row.get("load_seq", 1)
            raw[table].append(row | {"load_seq": load if is_arrival else 9 - load})
        shuffler.shuffle(raw[table])
    shuffled = Build(tmp_path)
    shuffled.write(raw, NIGHT)
    shuffled.run(CRM)
    query = "select * from marts.customer_features order by customer_key"
    assert shuffled.rows(query) == build.rows(query)


def test_the_unit_tests_of_the_models_pass(build: Build) -> None:
    crm = dbt_arguments(CRM)[-1]
    build.dbt(["test", "--select", "test_type:unit", "--vars", crm])
