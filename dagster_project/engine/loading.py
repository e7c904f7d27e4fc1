"""`checked` -> vault and raw: tokens for identities, repeats left out, one load in one transaction.

The vault is written first and may be written again (its rows are the same); raw commits with
its ledger row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import duckdb
import numpy as np

from dagster_project.engine.checked_files import read_and_check
from dagster_project.engine.checking import scale_bounds
from dagster_project.engine.interface import LoadRequest, LoadResult
from dagster_project.engine.mapping import AS_DELIVERED, Staging
from dagster_project.engine.repairs import (
    add_later_arrivals,
    continue_occurrences,
    write_repaired,
)
from dagster_project.engine.stores import add_columns, identifier, literal, make_tables
from dagster_project.engine.table import Column, Table
from dagster_project.engine.tokens import (
    make_document_identities,
    make_tokens,
    raw_identities,
    write_identities,
)
from dagster_project.ingest.canonical import ANSWER_WORDS, KINDS
from dagster_project.ingest.tables import LEDGER_TABLES, LOAD_INPUTS, LOAD_LEDGER, RAW_TABLES

IDENTITIES = Table(
    "identities",
    "One id of one id space, in clear.",
    (
        Column("identity_id", "UUID", "Its token.", True),
        Column("id_space", "VARCHAR", "customer, email, phone or as sources.yaml says.", True),
        Column("clear_value", "VARCHAR", "The id.", True),
        Column("is_personal", "BOOLEAN", "Never leaves the vault.", True),
    ),
    ("identity_id",),
)
REJECTED_TEXT = Table(
    "rejected_text",
    "One rejected row, in clear.",
    (
        Column("load_seq", "INTEGER", "Load.", True),
        Column("row_no", "BIGINT", "Record of the load.", True),
        Column("file_row_no", "BIGINT", "Row of data in the file, from 1.", True),
        Column("row_text", "VARCHAR", "The row as delivered, or its columns as JSON; with all "
               "its cells under _text where nothing reads some of them."),
    ),
    ("load_seq", "row_no"),
)
PERSONAL_TEXT = Table(
    "personal_text",
    "One name or comment, in clear.",
    (
        Column("load_seq", "INTEGER", "Load.", True),
        Column("row_no", "BIGINT", "Row in the file.", True),
        Column("identity_id", "UUID", "Token of the customer's id."),
        Column("text_kind", "VARCHAR", "name or comment.", True),
        Column("clear_text", "VARCHAR", "The text.", True),
    ),
    ("load_seq", "row_no"),
)
VAULT_READS = Table(
    "vault_reads",
    "One reading of clear text out of the vault.",
    (
        Column("read_at", "TIMESTAMP", "UTC time.", True),
        Column("who", "VARCHAR", "User of the machine.", True),
        Column("what", "VARCHAR", "What was read, and where it was written.", True),
        Column("rows_n", "BIGINT", "Rows that were read.", True),
    ),
)
HOME_KEY = Table(
    "home_key",
    "One row: proof of the secret this home was made with.",
    (Column("proof", "VARCHAR", "Token of a fixed word.", True),),
)
ROW_HASH_KEY = Table(
    "row_hash_key",
    "One row: how the row hashes of raw are keyed; none in stores made before there was it.",
    (Column("digits_n", "INTEGER", "Hexadecimal digits of the key.", True),),
)
VAULT_TABLES = (IDENTITIES, REJECTED_TEXT, PERSONAL_TEXT, VAULT_READS, HOME_KEY)
# As many as are not to be guessed. A store keeps those it was made with: with another key no row
# would be known again.
KEY_DIGITS, FIRST_KEY_DIGITS = 32, 64
# 64 MB of numbers, beside the engine's own memory.
ROWS_SORTED_AT_ONCE = 8_000_000
# Columns whose text goes to the vault and is not an identity.
PERSONAL_COLUMNS = {"customers": ("name",), "surveys": ("comment",)}


def prepare_stores(connection: duckdb.DuckDBPyConnection, proof: str) -> None:
    """Make the tables of the attached `raw` and `vault` that are not there yet.

    A raw store of an earlier release gets the columns it lacks. Each store is
    made whole or not at all: one without its key is taken for another one.

    Args:
        connection: with both attached.
        proof: of the secret that a new vault is made with.
    """
    is_new = _one(connection, "select count(*) from duckdb_tables() "
                              "where database_name = 'raw'") == 0
    with _transaction(connection):
        make_tables(connection, "raw.main", (*RAW_TABLES, *LEDGER_TABLES, ROW_HASH_KEY))
        add_columns(connection, "raw", RAW_TABLES)
        if is_new:
            connection.execute("insert into raw.row_hash_key values (?)", [KEY_DIGITS])
    with _transaction(connection):
        make_tables(connection, "vault.main", VAULT_TABLES)
        connection.execute(
            "insert into vault.home_key select ? where not exists (from vault.home_key) "
            "and not exists (from vault.identities)", [proof])


def append_file(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                secret: bytes) -> LoadResult:
    """Load one file by way of a scratch store with `raw` and `vault` attached.

    Raises:
        FileRefused: the file as a whole cannot be read; nothing was written.
    """
    staging = read_and_check(scratch, request, _row_hash_key(scratch, secret))
    load_seq = next_load_seq(scratch)
    unusable = make_tokens(scratch, request, secret)
    _make_loadable(scratch, request, load_seq)
    result = replace(_count(scratch, load_seq, staging), unusable_contacts=unusable)
    if _is_known(request, result):
        return replace(result, is_repeated_file=True)
    write_identities(scratch, request)
    are_mixed = make_document_identities(scratch, request)
    _write_clear_texts(scratch, request, result, staging.as_delivered)
    with _transaction(scratch):
        _write_raw(scratch, request, load_seq, are_mixed=are_mixed)
        if result.rows_rejected_n:
            _write_rejected(scratch, request, load_seq)
        if request.repair:
            write_repaired(scratch, request.repair, load_seq)
        _write_ledger(scratch, request, result)
    return result


def _row_hash_key(scratch: duckdb.DuckDBPyConnection, secret: bytes) -> str:
    digits_n = _one(scratch, f"select coalesce(max(digits_n), {FIRST_KEY_DIGITS}) "
                             f"from raw.row_hash_key")
    return hashlib.sha256(b"row hash" + secret).hexdigest()[:digits_n]


def _is_known(request: LoadRequest, result: LoadResult) -> bool:
    """The end of a database that was read again and brings nothing: no delivery."""
    return (request.cursor is not None and not request.cursor.is_advance
            and result.rows_repeated_n == result.rows_read_n)


def next_load_seq(connection: duckdb.DuckDBPyConnection) -> int:
    """The next number on the clock of loads, of which every delivery takes one."""
    return _one(connection, f"select coalesce(max(seq), 0) + 1 from ({clock_query('raw.')})")


def clock_query(prefix: str = "") -> str:
    """Every number that the clock of loads has given out, as column `seq`."""
    return (f"select load_seq as seq from {prefix}load_ledger "
            f"union all select delivery_seq from {prefix}repeated_files")


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin transaction")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _make_loadable(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                   load_seq: int) -> None:
    """View `loadable`: the good rows, each with its key, that are no repeats.

    Nearly every row is the only one with its hash: only the others get an occurrence number.
    """
    kind = request.kind
    id_column = kind.row_id or (kind.document[0] if kind.generated_id else None)
    has_id = f"{identifier('v_' + id_column)} is not null" if id_column else "true"
    _number_equal_rows(scratch)
    if request.repair:
        continue_occurrences(scratch, request, request.repair)
    occurrence, others = "numbered.occurrence", (
        "left join numbered on checked.row_no = numbered.row_no")
    if _one(scratch, "select count(*) from numbered") == 0:
        occurrence, others = "null", ""
    distinct = f" || '@{load_seq}'" if request.source.overlap == "distinct" else ""
    generated = ("'#' || replace(cast(row_hash as varchar), '-', '') || '-' || "
                 f"cast(occurrence as varchar){distinct}")
    key = (f"case when {has_id} then {identifier('v_' + id_column)} else {generated} end"
           if id_column else "''")
    scratch.execute(
        f"""
        create view keyed as
        select *, {key} as row_key, occurrence > 1 and {has_id} as is_repeat_in_file
        from (
            select checked.*, coalesce({occurrence}, 1) as occurrence
            from checked
            {others}
            where checked.fault_no = 0
        )
        """
    )
    _find_repeats(scratch, request)
    is_new = "true"
    if _one(scratch, "select count(*) from repeats"):
        is_new = "row_no not in (select row_no from repeats)"
    scratch.execute(f"create view loadable as select * from keyed where {is_new}")


def _number_equal_rows(scratch: duckdb.DuckDBPyConnection) -> None:
    """`numbered` (row_no, occurrence): the good rows that are not the only ones with their hash."""
    scratch.execute("create table numbered (row_no bigint, occurrence bigint)")
    if not _has_equal_rows(scratch):
        return
    scratch.execute(
        """
        insert into numbered
        with several as (
            select row_hash from checked where fault_no = 0
            group by row_hash having count(*) > 1
        )
        select checked.row_no,
            row_number() over (partition by checked.row_hash, checked.version_at
                               order by checked.row_no) as occurrence
        from checked
        inner join several on checked.row_hash = several.row_hash
        where checked.fault_no = 0
        """
    )


def _has_equal_rows(scratch: duckdb.DuckDBPyConnection) -> bool:
    """Whether two good rows may have one hash; true for a few files where none have.

    Sorting numbers costs a fifth of grouping hashes. What is equal falls into one part.
    """
    parts_n = 1 + _one(scratch, "select count(*) from checked") // ROWS_SORTED_AT_ONCE
    for part in range(parts_n):
        found = scratch.execute(
            "select number from (select hash(row_hash) as number from checked where fault_no = 0) "
            f"where number % {parts_n} = {part}").fetchnumpy()["number"]
        found.sort()
        if np.any(found[1:] == found[:-1]):
            return True
    return False


def _find_repeats(scratch: duckdb.DuckDBPyConnection, request: LoadRequest) -> None:
    """`repeats` (row_no): rows that stand in the file before, or in the same version in raw."""
    scratch.execute("create table repeats as select row_no from keyed where is_repeat_in_file")
    versions = {
        "arrival": "true",
        "file_name": "version_at = (select max(version_at) from checked)",
        "column": "version_at between (select min(version_at) from checked where fault_no = 0) "
                  "and (select max(version_at) from checked where fault_no = 0)",
    }[request.source.version.rule]
    generated = request.kind.generated_id
    # Asked this way round, the hash table is as large as the file, not as everything before it.
    scratch.execute(
        f"""
        create table known as
        select row_hash, version_at, {identifier(generated) if generated else "''"} as row_key
        from raw.{request.kind.table.name}
        where source = {literal(request.source.name)} and {versions}
            and row_hash in (select row_hash from checked)
        """
    )
    if _one(scratch, "select count(*) from known"):
        scratch.execute(
            """
            insert into repeats
            select keyed.row_no
            from keyed
            semi join known
                on keyed.row_hash = known.row_hash
                and keyed.version_at is not distinct from known.version_at
                and keyed.row_key = known.row_key
            where keyed.row_no not in (select row_no from repeats)
            """
        )
    if request.repair:
        add_later_arrivals(scratch, request, request.repair)


def _count(scratch: duckdb.DuckDBPyConnection, load_seq: int,
           staging: Staging) -> LoadResult:
    reasons = dict(scratch.execute(
        """
        select reason, count(*) from (
            select faults.reason from checked inner join faults using (fault_no)
            union all
            select reason from unreadable
            union all
            select reason from set_aside
        ) group by reason order by reason
        """
    ).fetchall())
    read = sum(_one(scratch, f"select count(*) from {table}")
               for table in ("checked", "set_aside", "unreadable"))
    repeated = _one(scratch, "select count(*) from repeats")
    loaded = _one(scratch, "select count(*) from checked where fault_no = 0") - repeated
    rejected = sum(reasons.values())
    if read != loaded + repeated + rejected:
        raise AssertionError(f"law of rows broken while reading: {read} read, {loaded} loaded, "
                             f"{repeated} repeated, {rejected} rejected")
    return LoadResult(load_seq, read, loaded, repeated, rejected, staging.ignored_columns,
                      reasons, notes=staging.notes, unread_questions=staging.unread_questions,
                      answers_n=staging.answers_n)


def _write_clear_texts(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                       result: LoadResult, as_delivered: str | None) -> None:
    """Rejected rows, names and comments in clear; `as_delivered`: see `Staging`."""
    load_seq = result.load_seq
    for table in ("rejected_text", "personal_text"):
        # Left by a load that did not come to its commit under the same number.
        scratch.execute(f"delete from vault.{table} where load_seq >= {load_seq}")
    if result.rows_rejected_n:
        _write_rejected_text(scratch, request, load_seq, as_delivered)
    for name in PERSONAL_COLUMNS.get(request.kind.name, ()):
        column = identifier("v_" + name)
        scratch.execute(
            f"""
            insert into vault.personal_text
            select {load_seq}, loadable.row_no, tokens.identity_id, {literal(name)},
                loadable.{column}
            from loadable
            left join tokens on loadable.v_customer_id = tokens.written
                and tokens.column_name = 'customer_id'
            where loadable.{column} is not null
            """
        )


def _write_rejected_text(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                         load_seq: int, as_delivered: str | None) -> None:
    names = request.kind.column_names + request.source.attributes
    fields = ", ".join(f"{literal(name)}, {identifier(name)}" for name in names)
    scratch.execute(
        f"""
        create table refused as
        select row_no, file_row_no, row_text, true as is_fault from checked where fault_no > 0
        union all
        select row_no, file_row_no, cast(json_object({fields}) as varchar), reason <> 'left_out'
        from set_aside
        """
    )
    shown = "row_text"
    if as_delivered is not None:
        # The rows first, then their text: it costs more than all else that is done with a row.
        scratch.execute(
            f"""
            create table delivered as
            select file_row_no, {as_delivered} as cells
            from (
                select * from file_rows
                where file_row_no in (select file_row_no from refused where is_fault)
            )
            """
        )
        # Behind the other keys of the object, which all stay, also those without a value.
        key = f", {json.dumps(AS_DELIVERED)}: "
        shown = f"""
            case when cells is null then row_text
                else concat(left(row_text, length(row_text) - 1), {literal(key)},
                            cast(cells as varchar), '}}') end
        """
    delivered = ("" if as_delivered is None else
                 "left join delivered on refused.file_row_no = delivered.file_row_no "
                 "and refused.is_fault")
    scratch.execute(
        f"""
        insert into vault.rejected_text (load_seq, row_no, file_row_no, row_text)
        select {load_seq}, row_no, refused.file_row_no, {shown}
        from refused
        {delivered}
        union all
        select {load_seq}, row_no, file_row_no, row_text from unreadable
        """
    )


def _write_raw(scratch: duckdb.DuckDBPyConnection, request: LoadRequest, load_seq: int, *,
               are_mixed: bool) -> None:
    kind, source = request.kind, request.source
    values = {
        "load_seq": str(load_seq),
        "row_no": "loadable.row_no",
        "source": literal(source.name),
        "version_at": "loadable.version_at",
        "row_hash": "loadable.row_hash",
    }
    joins, identities = raw_identities(request, are_mixed=are_mixed)
    values |= {column.raw_name: f"loadable.{identifier('v_' + column.name)}"
               for column in kind.columns
               if column.raw_name is not None and column.type != "identity"} | identities
    if kind.generated_id:
        values[kind.generated_id] = "loadable.row_key"
    if kind.name == "surveys":
        values["scale_min"], values["scale_max"] = scale_bounds()
        values["has_comment"] = "loadable.v_comment is not null"
    if kind.name == "customers":
        values["valid_from"] = (
            "coalesce(loadable.v_valid_from, cast(timezone("
            f"{literal(source.time_zone)}, timezone('UTC', loadable.version_at)) as date))"
        )
        kept = ", ".join(f"{literal(name)}, loadable.{identifier(name)}"
                         for name in source.attributes)
        values["attributes"] = f"cast(json_object({kept}) as varchar)" if kept else "null"
    # By name: stores of before have columns that came later at their end.
    names = ", ".join(identifier(name) for name in kind.table.column_names)
    selected = ", ".join(values[name] for name in kind.table.column_names)
    # Rows of raw have numbers and need no order; kept in order, the blocks that several threads
    # write are left half full, and are written again when the store is closed.
    scratch.execute("set preserve_insertion_order = false")
    try:
        scratch.execute(
            f"insert into raw.{kind.table.name} ({names}) select {selected} from loadable {joins}"
        )
    finally:
        scratch.execute("set preserve_insertion_order = true")


def _write_rejected(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                    load_seq: int) -> None:
    place = (f"{load_seq}, row_no, file_row_no, {literal(request.source.name)}, "
             f"{literal(request.name)}")
    word = f"({'|'.join(ANSWER_WORDS)})"
    answers = literal(f"{word}( {word})*")
    # What could be personal is shown by its shape only: letters as x, digits as #, @ as *. A row
    # whose columns have slipped may carry a name or an address anywhere, and the shape itself
    # must not look like one.
    scratch.execute(
        f"""
        insert into raw.rejected_rows (load_seq, row_no, file_row_no, source, file_name, reason,
                                       column_name, masked_value)
        select {place}, reason, column_name,
            case
                when at_fault is null then null
                when reason = 'left_out' then at_fault
                when column_name = 'score' and regexp_full_match(lower(at_fault), {answers})
                    then at_fault
                when regexp_full_match(
                    at_fault, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T0-9:.]{{0,12}}') then at_fault
                when regexp_full_match(at_fault, '[0-9 .,:/-]{{1,16}}')
                    and length(regexp_replace(at_fault, '[^0-9]', '', 'g')) <= 8 then at_fault
                else translate(regexp_replace(regexp_replace(
                    substr(at_fault, 1, 60), '\\p{{L}}', 'x', 'g'), '[0-9]', '#', 'g'), '@', '*')
            end
        from (
            select checked.row_no, checked.file_row_no, faults.reason, faults.column_name,
                json_extract_string(checked.row_text, '$."' || faults.column_name || '"')
                    as at_fault
            from checked
            inner join faults on checked.fault_no = faults.fault_no
            union all
            select row_no, file_row_no, reason, column_name, at_fault from set_aside
        )
        union all
        select {place}, reason, null, null from unreadable
        """
    )


def _write_ledger(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                  result: LoadResult) -> None:
    """The commit: with it a database's cursor and the counts of a join's files."""
    queried = request.cursor or request.join
    _insert(scratch, LOAD_LEDGER, [
        result.load_seq, request.source.name, request.kind.name, request.name,
        request.content_hash, request.source.version.rule, request.file_version_at,
        request.source.declaration_hash, ",".join(result.ignored_columns),
        result.rows_read_n, result.rows_loaded_n, result.rows_repeated_n,
        result.rows_rejected_n,
        queried.query_hash if queried else None,
        request.cursor.reached if request.cursor else None,
        request.run_id, request.loaded_at,
    ])
    for file in request.join.files if request.join else ():
        _insert(scratch, LOAD_INPUTS, [
            result.load_seq, file.input, file.name, file.content_hash, file.rows_read_n,
            file.rows_unreadable_n,
        ])


def _insert(scratch: duckdb.DuckDBPyConnection, table: Table, values: list[Any]) -> None:
    marks = ", ".join("?" for _ in values)
    scratch.execute(f"insert into raw.{table.name} ({', '.join(table.column_names)}) "
                    f"values ({marks})", values)


assert {kind.table for kind in KINDS.values()} == set(RAW_TABLES)
