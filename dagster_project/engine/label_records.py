"""The tables that follow from the labels in history: who had which label when, and who moved.

All are written anew for the dates whose labels are new or changed, and nothing else of them is
touched. The labels themselves are made in `held_labels.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import duckdb
import numpy as np

from dagster_project.engine.held_labels import BATCH_ROWS, HistoryNight, nights_of
from dagster_project.engine.stores import literal
from dagster_project.publish.label_tables import QUADRANT_MIGRATIONS
from dagster_project.scoring.held_labels import LABEL_NAMES, flipped_back

FLIPPED_BACK_DAYS = 7
# Weeks overlap; each night of so many is read once. More would cost memory.
WEEKS_AT_ONCE = 14
# (label kind, is held, column of history), in the order of their bits in a packed night.
_FORMS = tuple((kind, is_held, f"{kind}_held" if is_held else kind)
               for kind in LABEL_NAMES for is_held in (False, True))
_LABEL_BITS = 3


def record_labels(connection: duckdb.DuckDBPyConnection, touched: Sequence[date],
                  since: date) -> None:
    """Write label_history, label_migrations and label_stability for dates of new labels.

    Args:
        connection: with the candidate in use.
        touched: dates whose labels are new or other than before, ascending.
        since: first date of which history holds every night; label_history is left as it is
            for earlier ones, since nobody knows any more what lay between.
    """
    nights = nights_of(connection)
    recent = [night for night in nights
              if night.as_of_date in touched and night.as_of_date >= since]
    if recent:
        _write_label_history(connection, recent, [
            night for night in nights if night.as_of_date >= recent[0].as_of_date])
    weeks = []
    for position, night in enumerate(nights):
        before = nights[position - 1] if position else None
        if night.as_of_date in touched or (before and before.as_of_date in touched):
            _write_migrations(connection, night, before)
        week = [one for one in nights[:position + 1]
                if (night.as_of_date - one.as_of_date).days <= FLIPPED_BACK_DAYS]
        if any(one.as_of_date in touched for one in week):
            weeks.append(week)
    for start in range(0, len(weeks), WEEKS_AT_ONCE):
        _write_stability(connection, weeks[start:start + WEEKS_AT_ONCE])


def create_quadrant_migrations(connection: duckdb.DuckDBPyConnection) -> None:
    """The view, with what its columns mean."""
    columns = ", ".join(
        {"from_quadrant": "from_label as from_quadrant", "to_quadrant": "to_label as to_quadrant",
         }.get(name, name) for name in QUADRANT_MIGRATIONS.column_names)
    connection.execute(f"create or replace view quadrant_migrations as select {columns} "
                       f"from label_migrations where label_kind = 'quadrant'")
    connection.execute(f"comment on view quadrant_migrations is "
                       f"{literal(QUADRANT_MIGRATIONS.grain)}")
    for column in QUADRANT_MIGRATIONS.columns:
        connection.execute(f"comment on column quadrant_migrations.{column.name} "
                           f"is {literal(column.meaning)}")


def _write_label_history(connection: duckdb.DuckDBPyConnection, touched: Sequence[HistoryNight],
                         nights: Sequence[HistoryNight]) -> None:
    """Write the spans of those customers anew whose labels the table has otherwise.

    Args:
        connection: with the candidate in use.
        touched: the nights with new labels.
        nights: every night from the first of them on.
    """
    first = nights[0].as_of_date
    last_before = connection.execute(
        "select max(as_of_date) from publication where as_of_date < ?", [first]).fetchone()
    before = last_before[0] if last_before else None
    connection.execute("create or replace temp table label_dates "
                       "(as_of_date date, publication_id integer, position integer)")
    connection.executemany("insert into label_dates values (?, ?, ?)", [
        [night.as_of_date, night.publication_id, position]
        for position, night in enumerate(nights)])
    for kind in LABEL_NAMES:
        _find_affected(connection, kind, touched)
        connection.execute(
            "delete from label_history where label_kind = ? and from_date >= ? "
            "and customer_key in (select customer_key from label_affected)", [kind, first])
        connection.execute(
            "update label_history set to_date = ? where label_kind = ? "
            "and coalesce(to_date >= ?, true) "
            "and customer_key in (select customer_key from label_affected)",
            [before, kind, first])
        _add_spans(connection, kind, before)
    for name in ("label_dates", "label_affected", "label_spans"):
        connection.execute(f"drop table temp.{name}")


def _find_affected(connection: duckdb.DuckDBPyConnection, kind: str,
                   nights: Sequence[HistoryNight]) -> None:
    """Temporary table of the customers of whom label_history says otherwise for some night."""
    connection.execute("create or replace temp table label_affected (customer_key uuid)")
    for night in nights:
        connection.execute(
            f"""
            insert into label_affected
            select coalesce(tonight.customer_key, span.customer_key)
            from (
                select customer_key, {kind}_held as label from {night.rows}
            ) as tonight
            full outer join (
                select customer_key, label
                from label_history
                where label_kind = ? and from_date <= ? and coalesce(to_date >= ?, true)
            ) as span
                on tonight.customer_key = span.customer_key
            where tonight.label is distinct from span.label
                and coalesce(tonight.customer_key, span.customer_key) not in (
                    select customer_key from label_affected)
            """, [kind, night.as_of_date, night.as_of_date])


def _add_spans(connection: duckdb.DuckDBPyConnection, kind: str, before: date | None) -> None:
    """Spans of equal labels on consecutive dates; one that goes on from `before` is prolonged."""
    connection.execute(
        f"""
        create or replace temp table label_spans as
        with labelled as (
            select history.customer_key, history.{kind}_held as label, dates.as_of_date,
                dates.position,
                dates.position - row_number() over (
                    partition by history.customer_key, history.{kind}_held
                    order by dates.position
                ) as island
            from customer_score_history as history
            inner join label_dates as dates on history.publication_id = dates.publication_id
            where history.customer_key in (select customer_key from label_affected)
        )
        select customer_key, label, min(as_of_date) as from_date,
            case when max(position) < (select max(position) from label_dates)
                then max(as_of_date) end as to_date,
            min(position) = 0 as is_first
        from labelled
        group by customer_key, label, island
        """)
    connection.execute(
        "update label_history set to_date = span.to_date from label_spans as span "
        "where label_history.label_kind = ? and label_history.to_date = ? and span.is_first "
        "and label_history.customer_key = span.customer_key "
        "and label_history.label = span.label", [kind, before])
    connection.execute(
        f"""
        insert into label_history
        select customer_key, '{kind}', label, from_date, to_date
        from label_spans as span
        where not span.is_first or not exists (
            select 1 from label_history as known
            where known.label_kind = '{kind}' and known.customer_key = span.customer_key
                and known.label = span.label and known.from_date < span.from_date
                and coalesce(known.to_date >= span.from_date, true)
        )
        order by customer_key, from_date
        """)


def _write_migrations(connection: duckdb.DuckDBPyConnection, night: HistoryNight,
                      before: HistoryNight | None) -> None:
    """Count the ways from one night to the next, by kind of label, plain and held."""
    connection.execute("delete from label_migrations where as_of_date = ?", [night.as_of_date])
    labels = ", ".join(column for *_, column in _FORMS)
    of_before = (f"select customer_key, {labels} from {before.rows}" if before
                 else f"select customer_key, {labels} from customer_score_history where false")
    pairs = ", ".join(f"coalesce(before.{column}, 'appeared') as from_{column}, "
                      f"coalesce(tonight.{column}, 'vanished') as to_{column}"
                      for *_, column in _FORMS)
    counts = " union all ".join(
        f"select '{kind}' as label_kind, {is_held} as is_held, from_{column} as from_label, "
        f"to_{column} as to_label, cast(sum(customers_n) as bigint) as customers_n "
        f"from ways group by from_{column}, to_{column}"
        for kind, is_held, column in _FORMS)
    connection.execute(
        f"""
        insert into label_migrations
        with ways as materialized (
            select {pairs}, count(*) as customers_n
            from {night.rows} as tonight
            full outer join ({of_before}) as before
                on tonight.customer_key = before.customer_key
            group by all
        )
        select cast(? as date), cast(? as date), label_kind, is_held, from_label, to_label,
            customers_n
        from ({counts})
        order by label_kind, is_held, from_label, to_label
        """, [night.as_of_date, before.as_of_date if before else None])


def _write_stability(connection: duckdb.DuckDBPyConnection,
                     weeks: Sequence[Sequence[HistoryNight]]) -> None:
    """Count who flipped back within the nights of each week, as of its last night."""
    nights = sorted({night for week in weeks for night in week},
                    key=lambda night: night.as_of_date)
    places = [[nights.index(night) for night in week] for week in weeks]
    customers = np.zeros(len(weeks), np.int64)
    flipped = np.zeros((len(weeks), len(_FORMS)), np.int64)
    for packed in _packed_nights(connection, nights):
        is_there = packed >= 0
        for number, place in enumerate(places):
            customers[number] += is_there[place[-1]].sum()
        for form in range(len(_FORMS)):
            bits = (packed >> (form * _LABEL_BITS)) & ((1 << _LABEL_BITS) - 1)
            labels = np.where(is_there, bits, -1)
            for number, place in enumerate(places):
                has_flipped = flipped_back([labels[night] for night in place])
                flipped[number, form] += (has_flipped & is_there[place[-1]]).sum()
    for week, customers_n, counts in zip(weeks, customers.tolist(), flipped.tolist(),
                                         strict=True):
        as_of = week[-1].as_of_date
        connection.execute("delete from label_stability where as_of_date = ?", [as_of])
        connection.executemany(
            "insert into label_stability select $1, $2, $3, $4, $5, $6, "
            "case when $5 > 0 then cast($6 as decimal(18, 6)) / $5 end",
            [[as_of, kind, is_held, len(week), customers_n, count]
             for (kind, is_held, _), count in zip(_FORMS, counts, strict=True)])


def _packed_nights(connection: duckdb.DuckDBPyConnection, nights: Sequence[HistoryNight],
                   ) -> Iterator[np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Nights x customers: all labels of one customer in one night in one number, -1: absent."""
    packed = " + ".join(
        f"(coalesce(list_position([{', '.join(map(literal, LABEL_NAMES[kind]))}], {column}), 1) "
        f"- 1) * {1 << position * _LABEL_BITS}"
        for position, (kind, _, column) in enumerate(_FORMS))
    columns = ", ".join(
        f"coalesce(max(case when publication_id = {night.publication_id} then labels end), -1)"
        for night in nights)
    publications = ", ".join(str(night.publication_id) for night in nights)
    reader = connection.sql(
        f"select {columns} from (select customer_key, publication_id, "
        f"cast({packed} as integer) as labels from customer_score_history "
        f"where publication_id in ({publications})) as packed "
        f"group by customer_key").to_arrow_reader(BATCH_ROWS)
    assert reader is not None
    for batch in reader:
        yield np.stack([column.to_numpy(zero_copy_only=False).astype(np.int64)
                        for column in batch.columns])


def since_which_history_is_whole(connection: duckdb.DuckDBPyConnection,
                                 daily_history_nights: int) -> date:
    """First date of which history keeps every night."""
    row = connection.execute("select max(as_of_date) from publication").fetchone()
    assert row is not None
    newest: date = row[0]
    return newest - timedelta(days=daily_history_nights - 1)
