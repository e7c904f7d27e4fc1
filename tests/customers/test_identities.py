"""Components of identities, what keeps them apart, and what a change of them does to keys."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.customers.identities import (
    EDGE_COLUMNS,
    IGNORED,
    KEPT_APART,
    SHARED,
    MergeRules,
    key_changes,
    merge_identities,
)

# How long an example takes depends on what else the machine does.
UNHURRIED = settings(deadline=None)
ACCOUNTS, EMAILS, PHONES = "abcdef", "ghij", "klm"
DATES = ("2026-01-01", "2026-02-01")
# Edges of rows: who the row belongs to, what it states, in which source, from when.
EDGES = st.lists(st.one_of(
    st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(EMAILS), st.sampled_from(("s", "t")),
              st.sampled_from(DATES)),
    st.tuples(st.sampled_from(ACCOUNTS + EMAILS), st.sampled_from(PHONES),
              st.sampled_from(("s", "t")), st.sampled_from(DATES)),
    # A customer record that lists another account.
    st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), st.sampled_from(("s", "t")),
              st.sampled_from(DATES)).filter(lambda edge: edge[0] != edge[1]),
), max_size=16)
# Contacts that orders belong to which name nothing else.
PEOPLE = st.frozensets(st.sampled_from(EMAILS + PHONES))
PAIRS = st.lists(st.tuples(st.sampled_from(ACCOUNTS + EMAILS), st.sampled_from(ACCOUNTS + EMAILS))
                 .filter(lambda pair: pair[0] != pair[1]), max_size=3)
NO_BOUND = MergeRules(maximum_customers_per_contact=100)
Edge = tuple[str, str, str, str]


def kind_of(identity: str) -> str:
    return "account" if identity in ACCOUNTS else "email" if identity in EMAILS else "phone"


def space_of(contact: str) -> str:
    """Half of the accounts are of another id space."""
    return kind_of(contact) if contact not in ACCOUNTS else "shop" if contact in "abc" else "desk"


def frame(edges: Sequence[Edge], people: frozenset[str] = frozenset()) -> pd.DataFrame:
    """Edges as the engine gives them."""
    stating = people | {identity for identity, *_ in edges}
    return pd.DataFrame([
        (identity, kind_of(identity), contact, space_of(contact),
         contact in stating, day, source,
         "same_customer_record" if contact in ACCOUNTS else f"same_{kind_of(contact)}")
        for identity, contact, source, day in edges
    ], columns=list(EDGE_COLUMNS))


def short(*edges: str) -> list[Edge]:
    """Edges `ag`: a row of a states g."""
    return [(edge[0], edge[1], "s", DATES[0]) for edge in edges]


def mapped(edges: Sequence[Edge], rules: MergeRules = NO_BOUND,
           people: frozenset[str] = frozenset()) -> dict[str, str]:
    return joined_of(merge_identities(frame(edges, people), rules).customer_map)


def joined_of(customer_map: pd.DataFrame) -> dict[str, str]:
    """The map without those who stand alone in it."""
    found = dict(zip(customer_map["identity_id"], customer_map["customer_key"], strict=True))
    sizes = customer_map["customer_key"].value_counts()
    return {one: key for one, key in found.items() if sizes[key] > 1}


def apart(*pairs: tuple[str, str]) -> MergeRules:
    return MergeRules(100, never_merge=tuple((frozenset(a), frozenset(b)) for a, b in pairs))


def groups_of(links: Sequence[tuple[str, str]]) -> list[set[str]]:
    """Components by merging sets, one link after the other."""
    groups: list[set[str]] = []
    for link in links:
        touched = [group for group in groups if group & set(link)]
        groups = [group for group in groups if group not in touched]
        groups.append(set(link).union(*touched))
    return groups


def listed_in(edges: Sequence[Edge]) -> frozenset[str]:
    """Accounts that records list."""
    return frozenset(contact for _, contact, *_ in edges if contact in ACCOUNTS)


def by_hand(edges: Sequence[Edge], people: frozenset[str]) -> dict[str, str]:
    with_rows = people | {identity for identity, *_ in edges}
    listed = listed_in(edges)
    persons = with_rows | listed
    found = {}
    for group in groups_of([(edge[0], edge[1]) for edge in edges]):
        if len(group & persons) > 1:
            key = min(group & persons, key=lambda one: (
                one not in with_rows, ("account", "email", "phone").index(kind_of(one)),
                one in listed, one))
            found |= dict.fromkeys(group & persons, key)
    return found


@UNHURRIED
@given(EDGES, PEOPLE)
def test_map_is_that_of_merging_sets(edges, people):
    """Chains over addresses and numbers, which are persons or joints, or both."""
    assert mapped(edges, people=people) == by_hand(edges, people)


@UNHURRIED
@given(EDGES, PEOPLE, PAIRS, st.integers(1, 4), st.randoms())
def test_order_and_repetition_of_edges_do_not_matter(edges, people, pairs, maximum, random):
    rules = MergeRules(maximum, frozenset("g"), apart(*pairs).never_merge, ("t",))
    shuffled = [*edges, *edges]
    random.shuffle(shuffled)
    one = merge_identities(frame(edges, people), rules)
    other = merge_identities(frame(shuffled, people), rules)
    pd.testing.assert_frame_equal(one.edges, other.edges)
    pd.testing.assert_frame_equal(one.customer_map, other.customer_map)
    pd.testing.assert_frame_equal(one.not_merged, other.not_merged)


@UNHURRIED
@given(EDGES, PEOPLE, PAIRS)
def test_pairs_are_kept_apart_and_nothing_else_is_joined(edges, people, pairs):
    """What is cut lies between the pairs; what is left joins what it joined before."""
    merges = merge_identities(frame(edges, people), apart(*pairs))
    whole = merges.edges[merges.edges["cut_by"].isna()]
    groups = groups_of(list(zip(whole["identity_id"], whole["contact_identity_id"], strict=True)))
    assert not [pair for pair in pairs for group in groups if set(pair) <= group]
    before = groups_of([(edge[0], edge[1]) for edge in edges])
    touched = [group for group in before for pair in pairs if set(pair) <= group]
    cut = merges.edges[merges.edges["cut_by"].notna()]
    assert set(cut["cut_by"]) <= {KEPT_APART}
    assert bool(len(cut)) == bool(touched)
    assert all(any(identity in group for group in touched) for identity in cut["identity_id"])


@UNHURRIED
@given(EDGES, st.integers(1, 4))
def test_who_has_too_many_neighbours_of_one_kind_joins_nobody(edges, maximum):
    neighbours: dict[tuple[str, str, str], set[str]] = {}
    for identity, contact, *_ in edges:
        space = space_of(contact) if contact in ACCOUNTS else ""
        neighbours.setdefault((identity, kind_of(contact), space), set()).add(contact)
        neighbours.setdefault((contact, kind_of(identity), ""), set()).add(identity)
    numbers: dict[tuple[str, str], int] = {}
    for (one, kind, _), others in neighbours.items():
        numbers[one, kind] = max(len(others), numbers.get((one, kind), 0))
    crowded = {(one, kind, n) for (one, kind), n in numbers.items() if n > maximum}
    merges = merge_identities(frame(edges), MergeRules(maximum))
    found = merges.not_merged[["identity_id", "neighbours_kind", "neighbours_n"]]
    assert set(found.itertuples(index=False, name=None)) == crowded
    joined = joined_of(merges.customer_map)
    assert not joined.keys() & {one for one, *_ in crowded}
    left = [edge for edge in edges if not {edge[0], edge[1]} & {one for one, *_ in crowded}]
    persons = frozenset(identity for identity, *_ in edges)
    assert joined == by_hand(left, persons)


@UNHURRIED
@given(EDGES, PEOPLE)
def test_edges_that_come_later_only_add_to_customers(edges, people):
    """Without rules that part, who is one customer on a day is one on every later day."""
    early = mapped([edge for edge in edges if edge[3] == DATES[0]], people=people)
    late = mapped(edges, people=people)
    for one in early:
        for other in early:
            if early[one] == early[other]:
                assert late[one] == late[other]


@UNHURRIED
@given(EDGES, PAIRS, st.integers(1, 4))
def test_a_listed_id_that_joins_nobody_stands_alone_in_the_map(edges, pairs, maximum):
    """So that nobody takes it for one of which no record decides."""
    rules = MergeRules(maximum, frozenset("a"), apart(*pairs).never_merge)
    found = merge_identities(frame(edges), rules).customer_map
    keys = dict(zip(found["identity_id"], found["customer_key"], strict=True))
    joined = joined_of(found)
    assert keys == joined | {one: one for one in listed_in(edges) - joined.keys()}


def test_accounts_are_joined_by_records_in_chains():
    """c lists b, b lists a, and d has the address that a has."""
    assert mapped(short("cb", "ba", "ag", "dg")) == dict.fromkeys("abcd", "c")


def test_a_listed_id_is_the_key_only_where_a_source_says_so():
    """Whether the listed one has rows or not, and where two list each other."""
    edges = [("c", "b", "t", DATES[0]), ("b", "a", "s", DATES[0])]
    assert mapped(edges) == dict.fromkeys("abc", "c")
    assert mapped(edges, people=frozenset("a")) == dict.fromkeys("abc", "c")
    assert mapped(edges, MergeRules(source_priority=("s",))) == dict.fromkeys("abc", "b")
    assert mapped(short("cb", "bc", "ba")) == dict.fromkeys("abc", "b")


def test_a_record_with_an_id_of_each_of_many_systems_is_no_account_for_guests():
    edges = short("ab", "ac", "ad", "ae")
    assert mapped(edges, MergeRules(2)) == dict.fromkeys("abcde", "a")
    merges = merge_identities(frame(edges), MergeRules(1))
    assert set(merges.edges["cut_by"]) == {SHARED}
    assert merges.not_merged.to_numpy().tolist() == [["a", "account", "account", 2]]


def test_an_id_that_many_records_list_joins_nobody():
    merges = merge_identities(frame(short("af", "bf", "cf", "ag", "bg")), MergeRules(2))
    assert joined_of(merges.customer_map) == dict.fromkeys("ab", "a")
    assert merges.not_merged.to_numpy().tolist() == [["f", "account", "account", 3]]


def test_a_chain_is_one_customer_and_joints_are_no_customers():
    assert mapped(short("bg", "cg", "ck", "dk", "ah")) == dict.fromkeys("bcd", "b")


def test_an_address_that_orders_belong_to_is_a_customer_and_a_joint():
    edges = short("bg", "cg", "hk", "ck")
    assert mapped(edges, people=frozenset("g")) == dict.fromkeys("bcgh", "b")


def test_an_account_takes_over_an_address_by_a_merge():
    """The address was the customer's key until an account stated it."""
    before = merge_identities(frame([]), NO_BOUND).customer_map
    after = merge_identities(frame(short("fg"), frozenset("g")), NO_BOUND).customer_map
    assert list(key_changes(before, after).itertuples(index=False, name=None)) == [
        ("g", "f", "merge")]


def test_keys_are_of_the_first_source_then_the_smallest():
    edges = [("a", "g", "s", DATES[0]), ("b", "g", "t", DATES[0]), ("c", "g", "t", DATES[0])]
    assert set(mapped(edges).values()) == {"a"}
    assert set(mapped(edges, MergeRules(source_priority=("t", "s"))).values()) == {"b"}


def test_two_who_share_an_address_lose_it_both_and_a_third_keeps_it():
    """What the two share is nobody's of them; who is not named by the rule stays."""
    edges = short("ag", "bg", "cg")
    assert mapped(edges, apart(("a", "b")), frozenset("g")) == dict.fromkeys("cg", "c")


def test_who_stands_between_two_kept_apart_goes_with_neither():
    edges = short("ag", "cg", "ch", "bh", "dg")
    assert mapped(edges, apart(("a", "b"))) == {}
    assert mapped(edges, apart(("a", "d"))) == {"b": "b", "c": "b"}


def test_an_id_is_kept_apart_from_an_address():
    assert mapped(short("ag", "bg"), apart(("a", "g")), frozenset("g")) == dict.fromkeys("bg", "b")


def test_an_ignored_contact_joins_nobody_and_is_not_reported():
    edges = short("ag", "bg", "ah", "bh")
    ignored = MergeRules(1, frozenset("gh"))
    merges = merge_identities(frame(edges), ignored)
    assert set(merges.edges["cut_by"]) == {IGNORED}
    assert "g" not in set(merges.not_merged["identity_id"])
    bounded = merge_identities(frame(short("ag", "bg")), MergeRules(1))
    assert set(bounded.edges["cut_by"]) == {SHARED}


def test_merge_and_unmerge_are_told_apart():
    before = merge_identities(frame(short("bg", "cg")), NO_BOUND).customer_map
    after = merge_identities(frame(short("ah", "bh")), NO_BOUND).customer_map
    changes = set(key_changes(before, after).itertuples(index=False, name=None))
    # b, which stood for c too, now stands behind a; c went its own way when b left it.
    assert changes == {("b", "a", "merge"), ("b", "c", "merge")}
    nobody = merge_identities(frame([]), NO_BOUND).customer_map
    assert list(key_changes(before, nobody).itertuples(index=False, name=None)) == [
        ("b", "c", "unmerge")]


@UNHURRIED
@given(EDGES, PEOPLE)
def test_nothing_changes_between_equal_maps(edges, people):
    found = merge_identities(frame(edges, people), NO_BOUND).customer_map
    assert key_changes(found, found).empty
