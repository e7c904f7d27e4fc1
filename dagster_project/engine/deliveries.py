"""What was delivered for which date, counted from the ledger and raw as known at K."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from dagster_project.engine.stores import Stores, identifier, literal
from dagster_project.engine.table import Table
from dagster_project.ingest.canonical import KINDS
from dagster_project.ingest.expected import Delivered
from dagster_project.ingest.sources import Source
from dagster_project.ingest.tables import (
    RAW_FX_RATES,
    RAW_INTERACTIONS,
    RAW_ORDER_LINES,
    RAW_REFUNDS,
    RAW_SURVEY_ANSWERS,
)

OF_LOAD = ("load_seq", "row_no")


@dataclass(frozen=True)
class _Dated:
    """Where the day of a row of a kind stands."""

    table: Table
    column: str
    is_time: bool = True


_DATED = {
    "orders": _Dated(RAW_ORDER_LINES, "ordered_at"),
    "refunds": _Dated(RAW_REFUNDS, "refunded_at"),
    "interactions": _Dated(RAW_INTERACTIONS, "occurred_at"),
    "surveys": _Dated(RAW_SURVEY_ANSWERS, "responded_at"),
    "fx_rates": _Dated(RAW_FX_RATES, "rate_date", is_time=False),
}


def deliveries_of(stores: Stores, sources: Sequence[Source], business_zone: str,
                  known_load_seq: int) -> dict[str, dict[date, Delivered]]:
    """What each source delivered, by date.

    A file with a date in its name is a delivery of that date, with all rows that were read.
    Otherwise a load is a delivery of every business date it has an event of, and the rows of that
    date count once, however often they came. Repaired rows are no delivery.

    Args:
        stores: of the home.
        sources: those that are asked for.
        business_zone: time zone of business dates.
        known_load_seq: K.
    """
    if not stores.raw.exists() or not sources:
        return {}
    found: dict[str, dict[date, Delivered]] = {}
    with stores.open(stores.raw, read_only=True) as connection:
        for source in sources:
            query = (_named_query(source) if source.version.rule == "file_name"
                     else _dated_query(source, business_zone))
            rows = connection.execute(query, [source.name, known_load_seq]).fetchall()
            found[source.name] = {day: Delivered(files_n, rows_n) for day, files_n, rows_n in rows}
    return found


def _business_date(column: str, zone: str) -> str:
    return f"cast(timezone({literal(zone)}, timezone('UTC', {column})) as date)"


def _named_query(source: Source) -> str:
    return f"""
        select {_business_date('file_version_at', source.time_zone)} as delivery_date,
            count(*), cast(sum(rows_read_n) as bigint)
        from load_ledger
        where source = $1 and load_seq <= $2 and file_version_at is not null
            and load_seq not in (select load_seq from repaired_rows)
        group by delivery_date
    """


def _dated_query(source: Source, business_zone: str) -> str:
    dated = _DATED[KINDS[source.kind].name]
    column = identifier(dated.column)
    day = _business_date(column, business_zone) if dated.is_time else column
    key = ", ".join(identifier(name) for name in dated.table.key if name not in OF_LOAD)
    return f"""
        with dated as (
            select {day} as delivery_date, load_seq, hash({key}) as row_key
            from {dated.table.name}
            where source = $1 and load_seq <= $2
        )
        select delivery_date, count(distinct load_seq), count(distinct row_key)
        from dated
        group by delivery_date
    """
