"""Components of identities, and what a change of them does to keys."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.customers.identities import customer_map, key_changes

EDGES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("12345")), max_size=20)


def frame(edges: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(edges, columns=["identity_id", "contact_identity_id"], dtype=str)


def as_dict(mapped: pd.DataFrame) -> dict[str, str]:
    return dict(zip(mapped["identity_id"], mapped["customer_key"], strict=True))


def by_hand(edges: list[tuple[str, str]]) -> dict[str, str]:
    """The same by merging sets until nothing changes."""
    groups: list[tuple[set[str], set[str]]] = []
    for person, contact in edges:
        touched = [group for group in groups if person in group[0] or contact in group[1]]
        groups = [group for group in groups if group not in touched]
        people = {person}.union(*(group[0] for group in touched))
        contacts = {contact}.union(*(group[1] for group in touched))
        groups.append((people, contacts))
    return {person: min(people) for people, _ in groups for person in people}


@given(EDGES)
def test_map_is_that_of_merging_sets(edges):
    assert as_dict(customer_map(frame(edges))) == by_hand(edges)


@given(EDGES, st.randoms())
def test_order_and_repetition_of_edges_do_not_matter(edges, random):
    shuffled = [*edges, *edges]
    random.shuffle(shuffled)
    assert as_dict(customer_map(frame(edges))) == as_dict(customer_map(frame(shuffled)))


def test_a_chain_is_one_customer_and_contacts_are_no_keys():
    edges = [("b", "1"), ("c", "1"), ("c", "0"), ("d", "0"), ("x", "9")]
    assert as_dict(customer_map(frame(edges))) == {"b": "b", "c": "b", "d": "b", "x": "x"}


def test_merge_and_unmerge_are_told_apart():
    before = customer_map(frame([("b", "1"), ("c", "1")]))
    after = customer_map(frame([("a", "2"), ("b", "2")]))
    changes = {tuple(row) for row in key_changes(before, after).itertuples(index=False)}
    # b, which stood for c too, now stands behind a; c went its own way when b left it.
    assert changes == {("b", "a", "merge"), ("b", "c", "merge")}
    apart = key_changes(before, customer_map(frame([])))
    assert [tuple(row) for row in apart.itertuples(index=False)] == [("b", "c", "unmerge")]


@given(EDGES)
def test_nothing_changes_between_equal_maps(edges):
    mapped = customer_map(frame(edges))
    assert key_changes(mapped, mapped).empty
