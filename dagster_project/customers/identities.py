"""Which identities are one customer as of D: tokens, edges, their components, what that changed.

Pure: frames in, frames out. Keys are text here; the engine stores them as tokens.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from datetime import date

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Contacts that current records state, as known at K: one query, run on raw by the engine.
# A record that was corrected no longer holds its old contact.
EDGES_QUERY = """
with ranked as (
    select source, identity_id, valid_from, email_identity_id, phone_identity_id,
        row_number() over (
            partition by source, identity_id, valid_from
            order by version_at desc nulls last,
                case when version_at is null then load_seq else 0 end desc,
                row_hash desc, load_seq desc, row_no desc
        ) as newest_first
    from raw_customers
    where load_seq <= ?
),

contacts as (
    select source, identity_id, valid_from, email_identity_id as contact_identity_id,
        'same_email' as reason
    from ranked
    where newest_first = 1 and email_identity_id is not null
    union all
    select source, identity_id, valid_from, phone_identity_id, 'same_phone'
    from ranked
    where newest_first = 1 and phone_identity_id is not null
),

dated as (
    select source, identity_id, contact_identity_id, reason,
        min(coalesce(valid_from, date '1900-01-01')) as edge_date
    from contacts
    group by source, identity_id, contact_identity_id, reason
),

shared as (
    select contact_identity_id
    from dated
    where edge_date <= ?
    group by contact_identity_id
    having count(distinct identity_id) > 1
)

select
    cast(dated.identity_id as varchar) as identity_id,
    cast(dated.contact_identity_id as varchar) as contact_identity_id,
    dated.edge_date, dated.source, dated.reason
from dated
inner join shared on dated.contact_identity_id = shared.contact_identity_id
where dated.edge_date <= ?
order by 1, 2, 4
"""


def identity_token(secret: bytes, id_space: str, value: str) -> str:
    """Token of one id: the first 128 bits of HMAC-SHA-256, as in the vault."""
    digest = hmac.new(secret, f"{id_space}:{value}".encode(), hashlib.sha256).digest()
    return str(uuid.UUID(bytes=digest[:16]))


def edge_parameters(as_of_date: date, known_load_seq: int) -> list[object]:
    """The parameters of EDGES_QUERY."""
    return [known_load_seq, as_of_date, as_of_date]


def customer_map(edges: pd.DataFrame) -> pd.DataFrame:
    """Identities that edges join, with the key of their customer.

    Args:
        edges: identity_id, contact_identity_id (text).

    Returns:
        identity_id, customer_key, sorted by identity. The key is the smallest identity of the
        component that is a customer's id; contacts are joints, never keys.
    """
    if edges.empty:
        return pd.DataFrame({"identity_id": [], "customer_key": []}, dtype=str)
    people, people_codes = np.unique(edges["identity_id"].to_numpy(str), return_inverse=True)
    contacts, contact_codes = np.unique(edges["contact_identity_id"].to_numpy(str),
                                        return_inverse=True)
    size = len(people) + len(contacts)
    graph = coo_array(
        (np.ones(len(edges), dtype=np.int8), (people_codes, len(people) + contact_codes)),
        shape=(size, size),
    )
    _, components = connected_components(graph, directed=False)
    mapped = pd.DataFrame({"identity_id": people, "component": components[: len(people)]})
    # `people` is sorted, so the first of a component is its smallest.
    mapped["customer_key"] = mapped.groupby("component")["identity_id"].transform("first")
    return mapped[["identity_id", "customer_key"]].reset_index(drop=True)


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
