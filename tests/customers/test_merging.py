"""From rows of exports to the map of customers, under the rules that a home writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from dagster_project.configuration import Configuration, load_configuration
from dagster_project.customers.identities import identity_token
from dagster_project.customers.merging import Tokens, left_out_identities, merges_of
from tests.ingest.conftest import SECRET, Landing

CRM = (Path(__file__).parents[2] / "config" / "crm.yaml").read_text(encoding="utf-8")
HEADER = "order_id,customer_id,email,ordered_at,unit_price,currency\n"
PEOPLE = {"c1": "ada@example.com", "c2": "ADA@example.com", "c3": "bob@example.com",
          "c4": "bob@example.com", "": "bob@example.com"}


def token(space: str, value: str) -> str:
    return identity_token(SECRET, space, value)


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Configuration]:
    """Makes a configuration: that of a new home, with texts of crm.yaml replaced."""

    def make(**lists: str) -> Configuration:
        text = CRM
        for key, value in lists.items():
            assert f"{key}: []" in text
            text = text.replace(f"{key}: []", f"{key}: {value}")
        path = tmp_path / "crm.yaml"
        path.write_text(text, encoding="utf-8")
        return load_configuration(path)

    return make


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Landing:
    """Ada ordered by two accounts, Bob by two more and once as a guest."""
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)
    landing = Landing(tmp_path / "home", {"shop": {"kind": "orders", "files": ["*.csv"]}})
    landing.put("orders.csv", HEADER + "".join(
        f"o{number},{account},{email},2026-11-10 10:00:00,10,CNY\n"
        for number, (account, email) in enumerate(PEOPLE.items())))
    assert landing.load().refused == {}
    return landing


def test_the_rules_of_crm_yaml_part_what_the_rows_of_exports_join(
        shop: Landing, configured: Callable[..., Configuration]) -> None:
    tokens = Tokens(SECRET, shop.sources)
    accounts = {name: token("customer", name) for name in PEOPLE if name}
    ada, bob = token("email", "ada@example.com"), token("email", "bob@example.com")

    def joined(configuration: Configuration) -> list[set[str]]:
        found = merges_of(shop.engine, configuration, tokens, date(2026, 11, 20), 1).customer_map
        return sorted((set(of_one) for _, of_one in
                       found.groupby("customer_key")["identity_id"]), key=len)

    assert joined(configured()) == [{accounts["c1"], accounts["c2"]},
                                    {accounts["c3"], accounts["c4"], bob}]
    apart = configured(never_merge="[[c1, c2], [c3, c4]]")
    assert joined(apart) == []
    assert left_out_identities(apart, tokens).empty
    ignoring = configured(ignored_contacts=f"[{bob}]", never_merge=f"[[c1, {accounts['c2']}]]")
    assert joined(ignoring) == []
    cut = merges_of(shop.engine, ignoring, tokens, date(2026, 11, 20), 1).edges
    assert {(row.contact_identity_id, row.cut_by) for row in cut.itertuples()} == {
        (ada, "never_merge"), (bob, "ignored_contact")}
    assert left_out_identities(ignoring, tokens).to_numpy().tolist() == [[bob, "ignored_contact"]]


RECORDS = "customer_id,desk_id\nc1,7\nc2,7\nc3,8\nc4,c3\n"


def test_listed_ids_are_parted_by_the_same_rules(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        configured: Callable[..., Configuration]) -> None:
    """7 of the desk is listed by two, 8 by one; c4 lists an id that looks like the shop's."""
    monkeypatch.setattr("dagster_project.ingest.landing.SECOND_LOOK_SECONDS", 0.0)
    landing = Landing(tmp_path / "home", {
        "people": {"kind": "customers", "files": ["people*"], "other_ids": {"desk_id": "desk"}},
        "tickets": {"kind": "interactions", "files": ["tickets*"], "id_space": "desk"}})
    landing.put("people.csv", RECORDS)
    landing.put("tickets.csv", "interaction_id,customer_id,occurred_at\nt1,8,2026-11-10\n")
    assert landing.load().refused == {}
    tokens = Tokens(SECRET, landing.sources)
    seven, eight = token("desk", "7"), token("desk", "8")
    c1, c2, c3 = (token("customer", name) for name in ("c1", "c2", "c3"))

    def joined(**rules: str) -> tuple[list[set[str]], set[str]]:
        found = merges_of(landing.engine, configured(**rules), tokens, date(2026, 11, 20), 2)
        groups = [set(of_one) for _, of_one in
                  found.customer_map.groupby("customer_key")["identity_id"]]
        return (sorted((group for group in groups if len(group) > 1), key=len),
                {one for group in groups if len(group) == 1 for one in group})

    assert joined() == ([{c3, eight}, {c1, c2, seven}], set())
    groups, alone = joined(never_merge='[[c1, "desk:7"]]')
    assert {frozenset(group) for group in groups} == {
        frozenset((c3, eight)), frozenset((c2, seven))}
    assert alone == set()
    assert joined(never_merge="[[c1, c2]]") == ([{c3, eight}], {seven})
    assert joined(ignored_contacts=f"[{seven}]") == ([{c3, eight}], {seven})
    # Named by a rule, an id that nobody else names is decided upon, too.
    assert joined(never_merge='[["c4", "desk:c3"]]') == (
        [{c3, eight}, {c1, c2, seven}], {token("desk", "c3")})
