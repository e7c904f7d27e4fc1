"""Ids of other systems that customer records list: tokens, versions, edges, repair, older homes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.customers.identities import identity_token
from dagster_project.engine.contact_edges import read_edges
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.quarantine import Choice
from dagster_project.ingest.quarantine import take_back, write_rejected
from dagster_project.ingest.sources import Sources
from ingest.conftest import NOW, SECRET, Landing

SHOP: Mapping[str, Any] = {"kind": "customers", "files": ["people*"], "version": "file_name",
                           "other_ids": {"desk_id": "desk", "card": "till"}}
TICKETS: Mapping[str, Any] = {"kind": "interactions", "files": ["tickets*"], "id_space": "desk"}
HEADER = "customer_id,valid_from,desk_id,card\n"
TICKET = "interaction_id,customer_id,occurred_at\n"
D = date(2026, 11, 20)
ALWAYS, CANARY = "1900-01-01", "CARD-ZYXWALDA"


def token(space: str, value: str) -> str:
    return identity_token(SECRET, space, value)


def edges(landing: Landing, day: date = D, known: int = 1000, maximum: int = 5,
          named: frozenset[str] = frozenset()) -> set[tuple[str, str, str, str]]:
    """identity, id space and token listed, date: the edges of records that may join."""
    found = read_edges(landing.engine, day, known, "Asia/Shanghai", maximum, named)
    assert found.empty or set(found["reason"]) == {"same_customer_record"}
    return {(row.identity_id, row.contact_space, row.contact_identity_id, str(row.edge_date)[:10])
            for row in found.itertuples(index=False)}


def edge(customer: str, space: str, value: str, day: str = ALWAYS) -> tuple[str, str, str, str]:
    return token("customer", customer), space, token(space, value), day


def listed(landing: Landing) -> list[Any]:
    """identity, id space and token of what raw holds, in the order of loads and rows."""
    return landing.rows(
        "select cast(identity_id as varchar), listed.id_space, "
        "cast(listed.identity_id as varchar) from (select *, unnest(other_ids) as listed "
        "from raw_customers) order by load_seq, row_no, listed.id_space")


@pytest.fixture
def shop(landing_of: Callable[..., Landing]) -> Landing:
    """Customer records of a shop, and the tickets of its help desk."""
    return landing_of(people=SHOP, tickets=TICKETS)


def test_raw_has_tokens_and_the_vault_the_ids(shop):
    shop.put("people_2026-11-10.csv", HEADER + f"c1,,4711, {CANARY} \nc2,,,\n")
    shop.put("tickets.csv", TICKET + "t1,4711,2026-11-10 10:00:00\n")
    assert shop.load().refused == {}
    assert listed(shop) == [(token("customer", "c1"), "desk", token("desk", "4711")),
                            (token("customer", "c1"), "till", token("till", CANARY))]
    assert shop.only("select count(*) from raw_customers where other_ids is null") == 1
    assert shop.rows("select id_space, clear_value, is_personal from identities order by 1, 2",
                     "vault") == [("customer", "c1", False), ("customer", "c2", False),
                                  ("desk", "4711", False), ("till", CANARY, False)]
    assert CANARY.encode() not in shop.stores.raw.read_bytes()
    assert CANARY.encode() in shop.stores.vault.read_bytes()


def test_an_id_joins_where_rows_or_other_records_name_it(shop):
    """The ticket of 4711 and the card of two; the id that c4 alone lists joins nobody."""
    shop.put("people_2026-11-10.csv", HEADER + "c1,2026-11-05,4711,\nc2,2026-11-06,,T-1\n"
             "c3,2026-11-07,,T-1\nc4,2026-11-08,4712,T-2\n")
    shop.put("tickets.csv", TICKET + "t1,4711,2026-11-10 10:00:00\n")
    shop.load()
    desk, card = edge("c1", "desk", "4711", "2026-11-05"), edge("c2", "till", "T-1", "2026-11-06")
    other = edge("c3", "till", "T-1", "2026-11-07")
    assert edges(shop) == {desk, card, other}
    assert edges(shop, date(2026, 11, 9)) == {card, other}, "the ticket is of the 10th"
    assert edges(shop, date(2026, 11, 6)) == set(), "one record alone joins nobody"
    assert edges(shop, named=frozenset([token("desk", "4712")])) == {
        desk, card, other, edge("c4", "desk", "4712", "2026-11-08")}
    assert edges(shop, maximum=0) >= {edge("c4", "till", "T-2", "2026-11-08")}
    found = read_edges(shop.engine, D, 1000, "Asia/Shanghai", 5)
    assert set(found.loc[found["contact_is_identity"], "contact_identity_id"]) == {
        token("desk", "4711")}


def test_a_newer_version_replaces_what_a_record_lists(shop):
    """In whatever order the versions come; known only once it is loaded."""
    shop.put("tickets.csv", TICKET + "t1,1,2026-11-10\nt2,2,2026-11-10\n")
    shop.put("people_2026-11-11.csv", HEADER + "c1,2026-01-01,2,\nc2,2026-01-01,2,\n")
    shop.load()
    shop.put("people_2026-11-10.csv", HEADER + "c1,2026-01-01,1,\nc2,2026-01-01,1,T-1\n")
    shop.load()
    newest = {edge("c1", "desk", "2", "2026-01-01"), edge("c2", "desk", "2", "2026-01-01")}
    assert edges(shop) == newest
    shop.put("people_2026-11-12.csv", HEADER + "c1,2026-01-01,,\nc2,2026-02-01,1,\n")
    shop.load()
    assert edges(shop) == {edge("c2", "desk", "2", "2026-01-01"),
                           edge("c2", "desk", "1", "2026-02-01")}
    assert edges(shop, known=3) == newest


def test_a_changed_id_is_a_changed_row_and_the_same_a_repeat(landing_of):
    landing = landing_of(people={**SHOP, "version": "arrival"}, tickets=TICKETS)
    landing.put("people1.csv", HEADER + "c1,,1,\n")
    landing.put("people2.csv", HEADER + "c1,,1,\nc1,,2,\n")
    results = [file.result for file in landing.load().loaded]
    assert [(one.rows_loaded_n, one.rows_repeated_n) for one in results] == [(1, 0), (1, 1)]
    landing.put("tickets.csv", TICKET + "t1,1,2026-11-10\nt2,2,2026-11-10\n")
    landing.load()
    assert edges(landing) == {edge("c1", "desk", "2")}


def test_an_old_number_of_the_same_space_joins_and_ones_own_does_not(landing_of):
    landing = landing_of(people={**SHOP, "other_ids": {"old_number": "customer"}})
    landing.put("people_2026-11-10.csv",
                "customer_id,old_number\nc1,c1\nc2,c0\nc0,\nc3,c9\n")
    landing.load()
    assert edges(landing) == {edge("c2", "customer", "c0", "2026-11-10")}


VERSIONS = st.lists(
    st.tuples(st.integers(10, 14), st.sampled_from(("c1", "c2", "c3")),
              st.sampled_from(("2026-01-01", "2026-02-01")), st.sampled_from(("", "1", "2")),
              st.sampled_from(("", "T-1"))),
    min_size=1, max_size=10, unique_by=lambda one: one[:3])


@settings(max_examples=6, deadline=None, suppress_health_check=[
    HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(VERSIONS, st.randoms())
def test_edges_are_those_of_the_newest_records_in_any_order(
        tmp_path, monkeypatch, versions, random) -> None:
    """By hand: of each record and date the last day's file says what it lists."""
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)
    landing = Landing(tmp_path / uuid.uuid4().hex, {"people": SHOP, "tickets": TICKETS})
    landing.put("tickets.csv", TICKET + "t1,1,2026-11-10\nt2,2,2026-11-10\n")
    rows = list(versions)
    random.shuffle(rows)
    for number, (day, customer, start, desk, card) in enumerate(rows):
        landing.put(f"people{number}_2026-11-{day}.csv",
                    HEADER + f"{customer},{start},{desk},{card}\n")
        if random.random() < 0.3:
            landing.load()
    landing.load()
    newest: dict[tuple[str, str], tuple[str, str]] = {}
    for _, customer, start, desk, card in sorted(versions):
        newest[customer, start] = (desk, card)
    said = {edge(customer, space, value, start) for (customer, start), values in newest.items()
            for space, value in zip(("desk", "till"), values, strict=True) if value}
    first: dict[tuple[str, str, str], str] = {}
    for one in sorted(said, key=lambda each: each[3]):
        first.setdefault(one[:3], one[3])
    holders = {customer for customer, space, *_ in said if space == "till"}
    assert edges(landing) == {(*one, day) for one, day in first.items()
                              if one[1] == "desk" or len(holders) > 1}


def test_a_file_without_the_column_is_refused(shop):
    """It would take back what earlier files said."""
    shop.put("people_2026-11-10.csv", "customer_id,valid_from,desk id,card\nc1,,1,\n")
    (words,) = shop.load().refused.values()
    assert "the header lacks desk_id (did you mean 'desk id'?)" in words


def test_columns_of_other_names_are_mapped_and_may_be_optional(landing_of):
    landing = landing_of(people={**SHOP, "columns": {
        "customer_id": "Nr", "desk_id": "Help desk ID",
        "card": {"from": ["Karte"], "optional": True}}})
    landing.put("people_2026-11-10.csv", "Nr,Help desk ID\nc1,4711\n")
    landing.put("people_2026-11-11.csv", "Nr,Karte\nc1,T-1\n")
    report = landing.load()
    assert [value for _, _, value in listed(landing)] == [token("desk", "4711")]
    assert "the header lacks Help desk ID for desk_id" in report.refused["people_2026-11-11.csv"]


def test_a_repaired_record_lists_its_ids(shop, tmp_path):
    shop.put("people_2026-11-10.csv", HEADER + f"c1,soon,4711,{CANARY}\n")
    shop.load()
    assert CANARY.encode() not in shop.stores.raw.read_bytes()
    ((path, _),) = write_rejected(shop.stores, shop.sources, Choice(), tmp_path / "repair",
                                  landing=shop.landing, who="somebody", now=NOW)
    path.write_text(path.read_text(encoding="utf-8").replace("soon", "2026-01-01"),
                    encoding="utf-8")
    (part,) = take_back(shop.engine, shop.stores, shop.sources, path, now=NOW)
    assert part.result is not None and part.result.rows_loaded_n == 1
    assert [value for *_, value in listed(shop)] == [token("desk", "4711"), token("till", CANARY)]


def test_a_store_made_before_goes_on_working(landing_of, tmp_path):
    """Asked before a run has opened it, and opened by one."""
    landing = landing_of(people={"kind": "customers", "files": ["people*"]}, tickets=TICKETS)
    landing.put("people1.csv", "customer_id,email\nc1,x@example.com\nc2,x@example.com\n")
    landing.load()
    with duckdb.connect(str(landing.stores.raw)) as connection:
        connection.execute("alter table raw_customers drop column other_ids")
    found = read_edges(landing.engine, D, 1000, "Asia/Shanghai", 5)
    assert set(found["reason"]) == {"same_email"} and len(found) == 2
    landing.engine = EmbeddedEngine(landing.stores, SECRET)
    landing.sources = Sources.model_validate({"time_zone": "Asia/Shanghai", "sources": {
        "people": {**SHOP, "version": "arrival"}, "tickets": TICKETS}})
    landing.put("people2.csv", HEADER + "c3,,4711,\n")
    landing.put("tickets.csv", TICKET + "t1,4711,2026-11-10\n")
    assert landing.load().refused == {}
    found = read_edges(landing.engine, D, 1000, "Asia/Shanghai", 5)
    assert set(found["reason"]) == {"same_email", "same_customer_record"} and len(found) == 3


@pytest.mark.parametrize("first", ["people", "tickets"])
def test_ids_of_a_personal_space_are_personal_whoever_names_them_first(
        landing_of: Callable[..., Landing], first: str) -> None:
    landing = landing_of(people=SHOP, tickets={**TICKETS, "customer_ids_are_personal": True})
    files = {"people": ("people_2026-11-10.csv", HEADER + "c1,,nick,T-1\n"),
             "tickets": ("tickets.csv", TICKET + "t1,nick,2026-11-10\n")}
    for name in sorted(files, key=lambda name: name != first):
        landing.put(*files[name])
        landing.load()
    assert dict(landing.rows("select id_space, is_personal from identities", "vault")) == {
        "customer": False, "desk": True, "till": False}


def test_a_space_that_nobody_has_is_named_with_the_nearest(shop):
    shop.sources = Sources.model_validate({"time_zone": "UTC", "sources": {
        "people": {**SHOP, "other_ids": {"desk_id": "desc", "card": "desk"}}, "tickets": TICKETS}})
    (remark,) = shop.sources.other_id_remarks()
    assert remark == ("people: the ids of column desk_id are of id space 'desc', which no other "
                      "source has as its id_space; did you mean 'desk'?")
