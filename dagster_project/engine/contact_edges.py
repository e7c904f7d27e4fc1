"""Which identities state which contacts, as raw knows it: one query, its parameters, its frame.

Every row that names an identity beside an e-mail address or a telephone number says that both
are one person's. What follows from that is decided in `customers/identities.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import pandas as pd


class Readable(Protocol):
    """An engine, as far as it is needed here."""

    def read_current(self, area: str, query: str, parameters: Sequence[Any] = ()) -> pd.DataFrame:
        """See `interface.Engine`."""


@dataclass(frozen=True)
class _Statements:
    """A raw table whose rows state contacts.

    Attributes:
        document: what a newer version replaces as a whole.
        row: what tells rows of one document apart.
        stated_date: SQL of the business date from which a row says so; `$3` is the time zone.
    """

    table: str
    document: tuple[str, ...]
    row: tuple[str, ...]
    stated_date: str


def _business_date(time: str) -> str:
    return f"cast(timezone($3, timezone('UTC', {time})) as date)"


_STATEMENTS = (
    # A record without a date has always been known.
    _Statements("raw_customers", ("source", "identity_id", "valid_from"), (),
                "coalesce(valid_from, date '1900-01-01')"),
    _Statements("raw_order_lines", ("source", "order_id"), ("line_key",),
                _business_date("ordered_at")),
    _Statements("raw_interactions", ("source", "interaction_id"), (),
                _business_date("occurred_at")),
    _Statements("raw_survey_answers", ("source", "response_id", "instrument"), (),
                _business_date("responded_at")),
)
_CONTACTS = {"same_email": "email_identity_id", "same_phone": "phone_identity_id"}


def read_edges(engine: Readable, as_of_date: date, known_load_seq: int, time_zone: str,
               maximum_contacts: int) -> pd.DataFrame:
    """The statements that may join identities, of rows that are current at K and dated to D.

    Left out are those that join nobody: of a contact that one identity alone states, which is
    nobody's own identity.

    Args:
        time_zone: zone of business dates.
        maximum_contacts: identities with more contacts of one kind than this are given with
            all of them.

    Returns:
        identity_id, identity_kind (account, email, phone), contact_identity_id,
        contact_is_identity (rows belong to the contact itself), edge_date (the earliest), source,
        reason (same_email, same_phone); tokens as text; sorted.
    """
    return engine.read_current(
        "raw", edges_query(), edge_parameters(as_of_date, known_load_seq, time_zone,
                                              maximum_contacts))


def edges_query() -> str:
    """The query of `read_edges`; its parameters are those of `edge_parameters`."""
    every = [(table, column, reason) for table in _STATEMENTS
             for reason, column in _CONTACTS.items()]
    return f"""
with
-- Of all versions first, as small aggregates: which rows are current is asked only of documents
-- where it may matter.
pairs as (
    select distinct identity_id, contact_identity_id, reason
    from ({_union(_stated_by_others(*one) for one in every)})
),

-- Contacts that are somebody's own identity, by any version.
persons as (
    select distinct contact_identity_id from ({_union(_own_identities(*one) for one in every)})
),

suspected as (
    {_joining("pairs")}
),

-- current rows of each table, with the contacts they state
{"".join(_current(table) for table in _STATEMENTS)}
dated as (
    select source, identity_id, identity_kind, contact_identity_id, reason,
        min(stated_date) as edge_date
    from ({_union(_contacts_of(*one) for one in every)})
    group by source, identity_id, identity_kind, contact_identity_id, reason
),

joining as (
    {_joining("dated")}
)

select
    cast(dated.identity_id as varchar) as identity_id,
    dated.identity_kind,
    cast(dated.contact_identity_id as varchar) as contact_identity_id,
    dated.contact_identity_id in (select contact_identity_id from persons) as contact_is_identity,
    dated.edge_date, dated.source, dated.reason
from dated
semi join joining on dated.identity_id = joining.identity_id
    and dated.contact_identity_id = joining.contact_identity_id
order by all
"""


def _union(selects: Iterable[str]) -> str:
    return "\nunion all\n".join(selects)


_KIND = ("case when identity_id = email_identity_id then 'email' "
         "when identity_id = phone_identity_id then 'phone' else 'account' end")


def edge_parameters(as_of_date: date, known_load_seq: int, time_zone: str,
                    maximum_contacts: int) -> list[object]:
    """The parameters of `edges_query`."""
    return [as_of_date, known_load_seq, time_zone, maximum_contacts]


_KNOWN = "load_seq <= $2"


def _stated_by_others(table: _Statements, column: str, reason: str) -> str:
    return (f"select identity_id, {column} as contact_identity_id, '{reason}' as reason "
            f"from {table.table} where {column} <> identity_id and {_KNOWN}")


def _own_identities(table: _Statements, column: str, _reason: str) -> str:
    return (f"select {column} as contact_identity_id from {table.table} "
            f"where {column} = identity_id and {_KNOWN} and {table.stated_date} <= $1")


def _contacts_of(table: _Statements, column: str, reason: str) -> str:
    return (f"select source, identity_id, {_KIND} as identity_kind, "
            f"{column} as contact_identity_id, '{reason}' as reason, stated_date "
            f"from current_{table.table} where {column} <> identity_id "
            f"and stated_date <= $1")


def _joining(pairs: str) -> str:
    """Pairs of a contact of several, its own person among them, or of an identity of too many."""
    return f"""
    select identity_id, contact_identity_id from {pairs}
    where contact_identity_id in (
        select contact_identity_id from (
            select identity_id, contact_identity_id from {pairs}
            union
            select contact_identity_id, contact_identity_id from persons
        )
        group by contact_identity_id having count(distinct identity_id) > 1
    )
    union
    select {pairs}.identity_id, {pairs}.contact_identity_id from {pairs}
    inner join (
        select identity_id, reason from {pairs}
        group by identity_id, reason
        having count(distinct contact_identity_id) > $4
    ) as crowded
        on {pairs}.identity_id = crowded.identity_id and {pairs}.reason = crowded.reason
    """


def _current(table: _Statements) -> str:
    """CTEs: the rows of the concerned documents that no newer version replaces.

    Nearly every document has one version; only the others are ranked. A document whose rows are
    alike in all that matters here need not be.
    """
    name, document = table.table, ", ".join(table.document)
    mark = f"hash('{name}', {document})"
    return f"""
concerned_{name} as (
    {_union(
        f"select {mark} as mark from {name} where {_KNOWN} and {column} <> identity_id "
        f"and {column} in (select contact_identity_id from suspected)"
        for column in _CONTACTS.values())}
),

rows_{name} as (
    select {", ".join(dict.fromkeys((*table.document, *table.row, *_NEEDED)))},
        {mark} as mark, {table.stated_date} as stated_date
    from {name}
    where {_KNOWN} and {mark} in (select mark from concerned_{name})
),

contested_{name} as (
    select mark
    from (
        select mark, hash(load_seq, version_at, identity_id, email_identity_id, phone_identity_id,
                          stated_date) as content
        from rows_{name}
    )
    group by mark
    having min(content) <> max(content)
),

current_{name} as (
    select source, identity_id, email_identity_id, phone_identity_id, stated_date
    from rows_{name}
    where mark not in (select mark from contested_{name})
    union all
    select source, identity_id, email_identity_id, phone_identity_id, stated_date
    from (
        select *, row_number() over (
            partition by {", ".join(table.document + table.row)}
            order by version_at desc nulls last,
                case when version_at is null then load_seq end desc nulls last,
                row_hash desc nulls last, load_seq asc nulls last, row_no asc nulls last
        ) as newness
        from (
            select *, max(version_at) over (partition by {document}) as newest_version_at
            from rows_{name}
            where mark in (select mark from contested_{name})
        )
        where newest_version_at is null or version_at = newest_version_at
    )
    where newness = 1
),
"""


_NEEDED = ("source", "identity_id", "email_identity_id", "phone_identity_id", "load_seq",
           "version_at", "row_hash", "row_no")
