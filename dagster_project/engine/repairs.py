"""How a delivery of repaired rows differs from a file: SQL that the loading of one asks for.

A repaired row stands where the rejected one would have stood, had it been right from the
beginning: in the version of the load that brought it, beside the good rows of that load and
behind everything that later loads brought. Finding and writing out rejected rows stays in
`quarantine.py`.
"""

from __future__ import annotations

import duckdb

from dagster_project.engine.interface import LoadRequest, Repair
from dagster_project.engine.stores import identifier, literal


def document_version(request: LoadRequest, repair: Repair, version: str) -> str:
    """SQL for the version of a repaired row where a column states it.

    The good rows of a document that the load brought keep their version, and the repaired ones
    take it: with a version of their own they would replace the others or be replaced by them.

    Args:
        version: SQL for the version that the repaired rows of a document state themselves.
    """
    kind = request.kind
    same_document = " and ".join(
        f"siblings.{identifier(kind.column(name).raw_name or name)} = "
        f"typed.{identifier('t_' + name)}"
        for name in kind.document)
    return (
        f"coalesce((select max(siblings.version_at) from raw.{kind.table.name} as siblings "
        f"where siblings.source = {literal(request.source.name)} and {same_document} "
        f"and siblings.load_seq in ({_loads_of(repair)})), {version})"
    )


def continue_occurrences(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                         repair: Repair) -> None:
    """Count equal rows on from those that the load has brought already.

    A row without an id that stands twice in a file is two facts, also if one of the two was
    rejected at first.
    """
    scratch.execute(
        f"""
        create or replace table numbered as
        select checked.row_no,
            row_number() over (partition by checked.row_hash, checked.version_at
                               order by checked.row_no)
                + coalesce(brought.rows_n, 0) as occurrence
        from checked
        left join (
            select row_hash, version_at, count(*) as rows_n
            from raw.{request.kind.table.name}
            where source = {literal(request.source.name)} and load_seq in ({_loads_of(repair)})
            group by row_hash, version_at
        ) as brought
            on checked.row_hash = brought.row_hash
            and checked.version_at is not distinct from brought.version_at
        where checked.fault_no = 0
        """
    )


def add_later_arrivals(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                       repair: Repair) -> None:
    """Put into `repeats` the rows that came again, whole, after the load that is repaired.

    Only for sources without versions, where the later load counts: the repaired row is the older
    one, whenever it was repaired.
    """
    if request.source.version.rule != "arrival":
        return
    kind = request.kind
    joins, conditions = [], []
    for position, name in enumerate(kind.table.key):
        if name in ("source", "load_seq", "row_no"):
            continue
        value = "keyed.row_key"
        if name != kind.generated_id:
            column = next(column for column in kind.columns if column.raw_name == name)
            value = f"keyed.{identifier('v_' + column.name)}"
            if column.type == "identity":
                alias = f"token_{position}"
                joins.append(f"left join tokens as {alias} "
                             f"on {alias}.column_name = {literal(column.name)} "
                             f"and {alias}.written = {value}")
                value = f"{alias}.identity_id"
        conditions.append(f"{value} is not distinct from later.{identifier(name)}")
    scratch.execute(
        f"""
        insert into repeats
        select distinct keyed.row_no
        from keyed
        {' '.join(joins)}
        inner join (
            select loaded.*
            from raw.{kind.table.name} as loaded
            left join (
                select distinct load_seq, rejected_load_seq from raw.repaired_rows
            ) as repairs on loaded.load_seq = repairs.load_seq
            where loaded.source = {literal(request.source.name)}
                and coalesce(repairs.rejected_load_seq, loaded.load_seq) > {int(repair.load_seq)}
        ) as later on {' and '.join(conditions)}
        where keyed.row_no not in (select row_no from repeats)
        """
    )


def write_repaired(scratch: duckdb.DuckDBPyConnection, repair: Repair, load_seq: int) -> None:
    """Mark the rejected rows as taken back by this load; part of its transaction."""
    scratch.execute(
        "insert into raw.repaired_rows select ?, ?, unnest(?::bigint[])",
        [load_seq, repair.load_seq, sorted(set(repair.row_nos))])


def _loads_of(repair: Repair) -> str:
    """SQL for the load that is repaired and the earlier repairs of it."""
    return (f"select {int(repair.load_seq)} union all select load_seq from raw.repaired_rows "
            f"where rejected_load_seq = {int(repair.load_seq)}")
