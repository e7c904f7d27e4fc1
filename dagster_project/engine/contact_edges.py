"""Which identities state which others, as raw knows it: one query, its parameters, its frame.

Every row that names an identity beside an e-mail address or a telephone number says that both
are one person's; so does a customer record that lists the ids of other systems. What follows from
that is decided in `customers/identities.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import pandas as pd

from dagster_project.ingest.tables import LISTED_IDS


class Readable(Protocol):
    """An engine, as far as it is needed here."""

    def read_current(self, area: str, query: str, parameters: Sequence[Any] = ()) -> pd.DataFrame:
        """See `interface.Engine`."""


@dataclass(frozen=True)
class _Contact:
    """What a row may state beside its identity.

    Attributes:
        reason: why the two are one person's.
        column: with the token; of ids that are listed, with all of them.
        space: id space of the token; None: the column lists ids, each with its own.
    """

    reason: str
    column: str
    space: str | None

    def stated_in(self, relation: str) -> str:
        """SQL: the rows of a relation, with contact_identity_id and contact_space of each."""
        if self.space is not None:
            return (f"(select *, {self.column} as contact_identity_id, "
                    f"'{self.space}' as contact_space from {relation})")
        return (f"(select *, listed.identity_id as contact_identity_id, "
                f"listed.id_space as contact_space "
                f"from (select *, unnest({self.column}) as listed from {relation}))")


@dataclass(frozen=True)
class _Statements:
    """A raw table whose rows state contacts.

    Attributes:
        document: what a newer version replaces as a whole.
        row: what tells rows of one document apart.
        stated_date: SQL of the business date from which a row says so; `$3` is the time zone.
        contacts: what its rows may state.
        relation: SQL of its rows; None: the table.
    """

    table: str
    document: tuple[str, ...]
    row: tuple[str, ...]
    stated_date: str
    contacts: tuple[_Contact, ...]
    relation: str | None = None

    @property
    def rows(self) -> str:
        """SQL of its rows, by its own name."""
        return f"{self.relation} as {self.table}" if self.relation else self.table


def _business_date(time: str) -> str:
    return f"cast(timezone($3, timezone('UTC', {time})) as date)"


SAME_RECORD = "same_customer_record"
_EMAIL = _Contact("same_email", "email_identity_id", "email")
_PHONE = _Contact("same_phone", "phone_identity_id", "phone")
_LISTED = _Contact(SAME_RECORD, "other_ids", None)
# Customer records, also of a store that no run has opened since their lists were read.
CUSTOMER_RECORDS = (f"(select * from raw_customers union all by name "
                    f"select cast(null as {LISTED_IDS}) as {_LISTED.column} where false)")

_STATEMENTS = (
    # A record without a date has always been known.
    _Statements("raw_customers", ("source", "identity_id", "valid_from"), (),
                "coalesce(valid_from, date '1900-01-01')", (_EMAIL, _PHONE, _LISTED),
                CUSTOMER_RECORDS),
    _Statements("raw_order_lines", ("source", "order_id"), ("line_key",),
                _business_date("ordered_at"), (_EMAIL, _PHONE)),
    _Statements("raw_interactions", ("source", "interaction_id"), (),
                _business_date("occurred_at"), (_EMAIL, _PHONE)),
    _Statements("raw_survey_answers", ("source", "response_id", "instrument"), (),
                _business_date("responded_at"), (_EMAIL, _PHONE)),
)


def read_edges(engine: Readable, as_of_date: date, known_load_seq: int, time_zone: str,
               maximum_contacts: int, named: Collection[str] = ()) -> pd.DataFrame:
    """The statements that may join identities, of rows that are current at K and dated to D.

    Left out are those that decide nothing: of a contact that one identity alone states, which is
    nobody's own identity.

    Args:
        time_zone: zone of business dates.
        maximum_contacts: identities with more contacts of one id space than this are given with
            all of them.
        named: tokens of contacts that are given whether they decide something or not.

    Returns:
        identity_id, identity_kind (account, email, phone), contact_identity_id, contact_space
        (its id space; email, phone), contact_is_identity (rows belong to the contact itself),
        edge_date (the earliest), source, reason (same_email, same_phone, same_customer_record);
        tokens as text; sorted.
    """
    return engine.read_current(
        "raw", edges_query(), edge_parameters(as_of_date, known_load_seq, time_zone,
                                              maximum_contacts, named))


def edges_query() -> str:
    """The query of `read_edges`; its parameters are those of `edge_parameters`."""
    every = [(table, contact) for table in _STATEMENTS for contact in table.contacts]
    return f"""
with
named as (
    select unnest(cast($5 as uuid[])) as identity_id
),

-- Of all versions first, as small aggregates: which rows are current is asked only of documents
-- where it may matter.
pairs as (
    select distinct identity_id, contact_identity_id, contact_space
    from ({_union(_stated_by_others(*one) for one in every)})
),

listed as (
    select distinct contact_identity_id from pairs where contact_space not in ('email', 'phone')
),

-- Contacts that are somebody's own identity, by any version.
persons as (
    select distinct contact_identity_id
    from ({_union([*(_own_identities(*one) for one in every if one[1].space is not None),
                   *map(_rows_of_listed, _STATEMENTS)])})
),

suspected as (
    {_joining("pairs")}
),

-- current rows of each table, with the contacts they state
{"".join(_current(table) for table in _STATEMENTS)}
dated as (
    select source, identity_id, identity_kind, contact_identity_id, contact_space, reason,
        min(stated_date) as edge_date
    from ({_union(_contacts_of(*one) for one in every)})
    group by source, identity_id, identity_kind, contact_identity_id, contact_space, reason
),

joining as (
    {_joining("dated")}
)

select
    cast(dated.identity_id as varchar) as identity_id,
    dated.identity_kind,
    cast(dated.contact_identity_id as varchar) as contact_identity_id,
    dated.contact_space,
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
                    maximum_contacts: int, named: Collection[str] = ()) -> list[object]:
    """The parameters of `edges_query`; see `read_edges`."""
    return [as_of_date, known_load_seq, time_zone, maximum_contacts, sorted(named)]


_KNOWN = "load_seq <= $2"


def _stated_by_others(table: _Statements, contact: _Contact) -> str:
    return (f"select identity_id, contact_identity_id, contact_space "
            f"from {contact.stated_in(table.rows)} "
            f"where contact_identity_id <> identity_id and {_KNOWN}")


def _own_identities(table: _Statements, contact: _Contact) -> str:
    return (f"select contact_identity_id from {contact.stated_in(table.rows)} "
            f"where contact_identity_id = identity_id and {_KNOWN} "
            f"and {table.stated_date} <= $1")


def _rows_of_listed(table: _Statements) -> str:
    # A customer record makes somebody known before its date, too.
    dated = "true" if _LISTED in table.contacts else f"{table.stated_date} <= $1"
    return (f"select identity_id as contact_identity_id from {table.table} where {_KNOWN} "
            f"and {dated} and identity_id in (select contact_identity_id from listed)")


def _contacts_of(table: _Statements, contact: _Contact) -> str:
    return (f"select source, identity_id, {_KIND} as identity_kind, contact_identity_id, "
            f"contact_space, '{contact.reason}' as reason, stated_date "
            f"from {contact.stated_in(f'current_{table.table}')} "
            f"where contact_identity_id <> identity_id and stated_date <= $1")


def _joining(pairs: str) -> str:
    """Pairs of a contact that is named or of several, its own person among them.

    And of an identity of too many.
    """
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
    select identity_id, contact_identity_id from {pairs}
    where contact_identity_id in (select identity_id from named)
    union
    select {pairs}.identity_id, {pairs}.contact_identity_id from {pairs}
    inner join (
        select identity_id, contact_space from {pairs}
        group by identity_id, contact_space
        having count(distinct contact_identity_id) > $4
    ) as crowded
        on {pairs}.identity_id = crowded.identity_id
        and {pairs}.contact_space = crowded.contact_space
    """


def _current(table: _Statements) -> str:
    """CTEs: the rows of the concerned documents that no newer version replaces.

    Nearly every document has one version; only the others are ranked. A document whose rows are
    alike in all that matters here need not be.
    """
    name, document = table.table, ", ".join(table.document)
    mark = f"hash('{name}', {document})"
    columns = [contact.column for contact in table.contacts]
    stated = ", ".join(columns)
    needed = ", ".join(dict.fromkeys((*table.document, *table.row, *_NEEDED, *columns)))
    return f"""
concerned_{name} as (
    {_union(
        f"select {mark} as mark from {contact.stated_in(table.rows)} "
        f"where {_KNOWN} and contact_identity_id <> identity_id "
        f"and contact_identity_id in (select contact_identity_id from suspected)"
        for contact in table.contacts)}
),

rows_{name} as (
    select {needed}, {mark} as mark, {table.stated_date} as stated_date
    from {table.rows}
    where {_KNOWN} and {mark} in (select mark from concerned_{name})
),

contested_{name} as (
    select mark
    from (
        select mark, hash(load_seq, version_at, identity_id, {stated}, stated_date) as content
        from rows_{name}
    )
    group by mark
    having min(content) <> max(content)
),

current_{name} as (
    select source, identity_id, {stated}, stated_date
    from rows_{name}
    where mark not in (select mark from contested_{name})
    union all
    select source, identity_id, {stated}, stated_date
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


_NEEDED = ("source", "identity_id", "load_seq", "version_at", "row_hash", "row_no")
