"""Which identities are one customer as of D: tokens, edges, their components, what that changed.

Pure: frames in, frames out. Keys are text here; the engine stores them as tokens. Accounts,
e-mail addresses and telephone numbers are nodes alike: an address is a person where orders name
nothing else, and the joint between two accounts that both state it. An account that a customer
record lists beside its own is stated as an address is, and always somebody.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

# The better kinds of ids come first: a customer's key is of the best kind it has.
KINDS = ("account", "email", "phone")
KIND_OF_CONTACT = {"same_email": "email", "same_phone": "phone", "same_customer_record": "account"}
SHARED, IGNORED, KEPT_APART = "shared_contact", "ignored_contact", "never_merge"

EDGE_COLUMNS = ("identity_id", "identity_kind", "contact_identity_id", "contact_space",
                "contact_is_identity", "edge_date", "source", "reason")
CUT_COLUMNS = (*EDGE_COLUMNS, "cut_by")
NOT_MERGED_COLUMNS = ("identity_id", "identity_kind", "neighbours_kind", "neighbours_n")


@dataclass(frozen=True)
class MergeRules:
    """What keeps identities apart that edges would join. All ids are tokens.

    Attributes:
        maximum_customers_per_contact: an identity with more neighbours of one kind joins nobody;
            the ids that it lists are counted by their id spaces.
        ignored: identities that join nobody.
        never_merge: pairs of persons; each person is the tokens that its id may stand for.
        source_priority: sources whose accounts are keys before those of others, best first.
    """

    maximum_customers_per_contact: int = 5
    ignored: frozenset[str] = frozenset()
    never_merge: tuple[tuple[frozenset[str], frozenset[str]], ...] = ()
    source_priority: tuple[str, ...] = ()

    @property
    def named(self) -> frozenset[str]:
        """The tokens that rules name."""
        return self.ignored.union(*(one | other for one, other in self.never_merge))


@dataclass(frozen=True)
class Merges:
    """What the edges of a night come to.

    Attributes:
        edges: the edges with `cut_by`: the rule that keeps one from joining, or None.
        customer_map: identity_id, customer_key of every identity that is joined to another, and
            of listed ids that a rule keeps from joining, which are their own; sorted. Contacts
            that are nobody by themselves are joints only.
        not_merged: identities with too many neighbours of one kind: identity_id, identity_kind,
            neighbours_kind (of what there are too many), neighbours_n.
    """

    edges: pd.DataFrame
    customer_map: pd.DataFrame
    not_merged: pd.DataFrame = field(repr=False)


def identity_token(secret: bytes, id_space: str, value: str) -> str:
    """Token of one id: the first 128 bits of HMAC-SHA-256, as in the vault."""
    digest = hmac.new(secret, f"{id_space}:{value}".encode(), hashlib.sha256).digest()
    return str(uuid.UUID(bytes=digest[:16]))


def merge_identities(edges: pd.DataFrame, rules: MergeRules) -> Merges:
    """Identities that edges join, with the key of their customer.

    An identity that `rules` ignores, or that has too many neighbours of one kind (a shop's till,
    a no-reply address, an account for guests), loses all its edges. Then each pair of
    `never_merge` is parted: every edge on a shortest chain between the two is cut, for all pairs
    at once, until no chain is left. So two accounts that state one address both lose it, and who
    stands between two that are kept apart goes with neither: the edges do not say with whom.

    Args:
        edges: EDGE_COLUMNS, ids as text, dated to D. Order and repetition do not matter.

    Returns:
        The merges. A key is an identity of the customer that rows belong to: an account before
        an e-mail address before a telephone number, of accounts the best source's, then one that
        no record lists, then the smallest.
    """
    edges = edges[list(EDGE_COLUMNS)].drop_duplicates().sort_values(
        list(EDGE_COLUMNS), ignore_index=True)
    nodes, ends = np.unique(
        np.concatenate([edges["identity_id"].to_numpy(str),
                        edges["contact_identity_id"].to_numpy(str)]), return_inverse=True)
    people, contacts = ends[: len(edges)], ends[len(edges):]
    kinds = _kinds(edges, people, contacts, len(nodes))
    crowded = _crowded(people, contacts, edges["contact_space"].to_numpy(str), kinds,
                       rules.maximum_customers_per_contact)
    ignored = np.isin(nodes, np.array(sorted(rules.ignored), dtype=str))
    shared = np.isin(np.arange(len(nodes)), crowded["node"].to_numpy())
    cut_by = np.full(len(edges), None, dtype=object)
    cut_by[shared[people] | shared[contacts]] = SHARED
    cut_by[ignored[people] | ignored[contacts]] = IGNORED
    _keep_apart(nodes, people, contacts, cut_by, rules.never_merge)
    crowded = crowded[~ignored[crowded["node"]]]
    return Merges(
        edges.assign(cut_by=cut_by),
        _customer_map(edges, people, contacts, nodes, kinds, pd.isna(cut_by),
                      rules.source_priority),
        pd.DataFrame({
            "identity_id": nodes[crowded["node"]],
            "identity_kind": np.array(KINDS)[kinds[crowded["node"]]],
            "neighbours_kind": np.array(KINDS)[crowded["kind"]],
            "neighbours_n": crowded["n"].to_numpy(),
        }, columns=list(NOT_MERGED_COLUMNS)))


def _kinds(edges: pd.DataFrame, people: np.ndarray, contacts: np.ndarray,
           size: int) -> np.ndarray:
    """Position in KINDS of each node; what is stated as a contact is one, whoever else it is."""
    kinds = np.zeros(size, dtype=np.int8)
    positions = {kind: position for position, kind in enumerate(KINDS)}
    np.maximum.at(kinds, people, edges["identity_kind"].map(positions).to_numpy(np.int8))
    np.maximum.at(kinds, contacts, edges["reason"].map(KIND_OF_CONTACT).map(positions)
                  .to_numpy(np.int8))
    return kinds


def _crowded(people: np.ndarray, contacts: np.ndarray, spaces: np.ndarray, kinds: np.ndarray,
             maximum: int) -> pd.DataFrame:
    """Nodes with more than so many neighbours of one kind: node, kind, n.

    Accounts that a node lists are counted by their id spaces, since a record has one of each of
    many systems; n is that of the fullest. Whoever lists the node is counted together.
    """
    neighbours = np.concatenate([contacts, people])
    listed = np.concatenate([spaces, np.full(len(people), "")])
    both = pd.DataFrame({
        "node": np.concatenate([people, contacts]), "neighbour": neighbours,
        "kind": kinds[neighbours],
        "space": np.where(kinds[neighbours] == KINDS.index("account"), listed, ""),
    }).drop_duplicates()
    counts = both.groupby(["node", "kind", "space"]).size()
    return counts[counts > maximum].rename("n").reset_index().groupby(
        ["node", "kind"], as_index=False)["n"].max()


def _graph(starts: np.ndarray, ends: np.ndarray, size: int) -> csr_array:
    return csr_array((np.ones(len(starts), dtype=np.int8), (starts, ends)), shape=(size, size))


def _components(starts: np.ndarray, ends: np.ndarray, size: int) -> np.ndarray:
    if not size:
        return np.zeros(0, dtype=np.int32)
    _, components = connected_components(_graph(starts, ends, size), directed=False)
    return np.asarray(components)


def _keep_apart(nodes: np.ndarray, people: np.ndarray, contacts: np.ndarray, cut_by: np.ndarray,
                pairs: Sequence[tuple[Collection[str], Collection[str]]]) -> None:
    """Mark edges as cut until no pair is connected."""
    found = [(one, other) for one, other in (
        (np.flatnonzero(np.isin(nodes, sorted(a))), np.flatnonzero(np.isin(nodes, sorted(b))))
        for a, b in pairs) if len(one) and len(other)]
    while found:
        whole = np.flatnonzero(pd.isna(cut_by))
        starts, ends = people[whole], contacts[whole]
        components = _components(starts, ends, len(nodes))
        chained = {int(edge) for one, other in found
                   for edge in _shortest_chains(starts, ends, components, one, other)}
        if not chained:
            return
        cut_by[whole[sorted(chained)]] = KEPT_APART


def _shortest_chains(starts: np.ndarray, ends: np.ndarray, components: np.ndarray,
                     one: np.ndarray, other: np.ndarray) -> Iterator[int]:
    """Positions of the edges that lie on a shortest chain between two persons."""
    for component in sorted(set(components[one]) & set(components[other])):
        own = np.flatnonzero(components[starts] == component)
        inside, ids = np.unique(np.concatenate([starts[own], ends[own]]), return_inverse=True)
        left, right = ids[: len(own)], ids[len(own):]
        graph = _graph(left, right, len(inside))
        near, far = (
            dijkstra(graph, directed=False, unweighted=True, min_only=True,
                     indices=np.flatnonzero(np.isin(inside, person)))
            for person in (one, other))
        length = (near + far).min()
        on_chain = np.minimum(near[left] + far[right], near[right] + far[left]) + 1 == length
        yield from own[on_chain]


def _customer_map(edges: pd.DataFrame, people: np.ndarray, contacts: np.ndarray,
                  nodes: np.ndarray, kinds: np.ndarray, whole: np.ndarray,
                  priority: Sequence[str]) -> pd.DataFrame:
    """See `Merges`; `whole` says which edges join."""
    components = _components(people[whole], contacts[whole], len(nodes))
    lists = (edges["reason"].map(KIND_OF_CONTACT) == "account").to_numpy(bool)
    has_rows = _marked(nodes, people, contacts[edges["contact_is_identity"].to_numpy(bool)])
    is_listed = _marked(nodes, contacts[lists])
    # The best keys first. An id without rows is none, or keys would move when its first row comes.
    order = np.lexsort((nodes, _marked(nodes, contacts[lists & whole]),
                        _ranks(edges, people, len(nodes), priority), kinds, ~has_rows))
    mapped = pd.DataFrame({"identity_id": nodes, "component": components}).iloc[
        order[(has_rows | is_listed)[order]]]
    keys = mapped.groupby("component")["identity_id"].agg(["first", "size"])
    mapped = mapped.join(keys, on="component").rename(columns={"first": "customer_key"})
    mapped = mapped[(mapped["size"] > 1) | is_listed[mapped.index]].sort_values("identity_id")
    return mapped[["identity_id", "customer_key"]].reset_index(drop=True)


def _marked(nodes: np.ndarray, *positions: np.ndarray) -> np.ndarray:
    """Whether each node is at one of the positions."""
    marks = np.zeros(len(nodes), dtype=bool)
    for some in positions:
        marks[some] = True
    return marks


def _ranks(edges: pd.DataFrame, people: np.ndarray, size: int,
           priority: Sequence[str]) -> np.ndarray:
    """Place in `priority` of the best source in which each node states something."""
    places = {source: place for place, source in enumerate(priority)}
    ranks = np.full(size, len(priority))
    np.minimum.at(ranks, people, edges["source"].map(places).fillna(len(priority))
                  .to_numpy(np.int64))
    return ranks


def key_changes(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Which keys stand for others now.

    Args:
        before, after: customer_map of two nights; an identity that is absent is its own customer.

    Returns:
        old_customer_key, new_customer_key, reason: `merge` where the old key is gone, `unmerge`
        where part of its identities left it.
    """
    old = dict(zip(before["identity_id"], before["customer_key"], strict=True))
    new = dict(zip(after["identity_id"], after["customer_key"], strict=True))
    changes = set()
    for identity in old.keys() | new.keys():
        old_key, new_key = old.get(identity, identity), new.get(identity, identity)
        if old_key != new_key:
            is_gone = new.get(old_key, old_key) != old_key
            changes.add((old_key, new_key, "merge" if is_gone else "unmerge"))
    return pd.DataFrame(sorted(changes),
                        columns=["old_customer_key", "new_customer_key", "reason"])
