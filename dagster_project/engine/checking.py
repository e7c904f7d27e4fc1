"""`staged` -> `checked`: typed values, a fault or none, the row's hash and its version.

What a row may be stands in `ingest/canonical.py`; here it becomes SQL of the embedded engine.
A fault is a function of the row and its source's declaration alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from dagster_project.engine.interface import LoadRequest
from dagster_project.engine.repairs import document_version
from dagster_project.engine.stores import identifier, literal
from dagster_project.ingest.canonical import DEFAULT_SCALES, CanonicalColumn

# A product of quantity and price beyond this would leave no room for a rate.
MAXIMUM_LINE_AMOUNT = 1e12
EARLIEST, LATEST = "1900-01-01", "2200-01-01"


@dataclass(frozen=True)
class Fault:
    """A condition that makes a row rejected, with its reason and the column at fault."""

    condition: str
    reason: str
    column: str


def check_rows(scratch: duckdb.DuckDBPyConnection, request: LoadRequest, hash_key: str) -> None:
    """Make `checked` (row_no, v_<column>, version_at, row_hash, fault_no) and `faults`.

    Args:
        hash_key: home key that goes into each row's hash, so that a hash tells nothing about
            the row to those who do not have it.
    """
    columns = request.kind.columns
    text = ", ".join(f"{_text(column, request)} as {identifier(column.name)}"
                     for column in columns)
    typed = ", ".join(f"{_typed(column, request)} as {identifier('v_' + column.name)}"
                      for column in columns)
    kept = "".join(f", {identifier(name)}" for name in request.source.attributes)
    faults = list(_faults(request))
    branches = " ".join(f"when {fault.condition} then {number}"
                        for number, fault in enumerate(faults, start=1))
    hashed = ", ".join(f"coalesce({identifier(name)}, '')"
                       for name in request.kind.column_names + request.source.attributes)
    values = ", ".join(identifier("v_" + column.name) for column in columns)
    scratch.execute(
        f"""
        create table checked as
        with texts as (
            select row_no, {text}{kept} from staged
        ), typed as (
            select *, {typed} from texts
        ), versioned as (
            select *, {_version(request)} as version_at from typed
        )
        select
            row_no, {values}{kept}, version_at,
            cast(md5_number(concat_ws(chr(31), {literal(hash_key)}, {hashed})) as uuid) as row_hash,
            case {branches} else 0 end as fault_no
        from versioned
        """
    )
    scratch.execute("create table faults (fault_no integer, reason varchar, column_name varchar)")
    scratch.executemany(
        "insert into faults values (?, ?, ?)",
        [(number, fault.reason, fault.column) for number, fault in enumerate(faults, start=1)],
    )


def _text(column: CanonicalColumn, request: LoadRequest) -> str:
    """The cell as text, with the declared default; e-mail and phone without ways of writing.

    Their normal form is made of distinct values only, in `tokens.py`.
    """
    name = identifier(column.name)
    default = column.default
    if column.name == "currency" and request.source.currency:
        default = request.source.currency
    if column.type == "choice":
        name = f"lower({name})"
    space = (column.id_space or request.source.id_space) if column.type == "identity" else None
    if space == "email":
        name = f"lower({name})"
    if space == "phone":
        # Spaces, dots, dashes and brackets are writing; what is left is the number.
        name = f"nullif(regexp_replace({name}, '[\\s().-]', '', 'g'), '')"
    return f"coalesce({name}, {literal(default)})" if default is not None else name


def _typed(column: CanonicalColumn, request: LoadRequest) -> str:
    name = identifier(column.name)
    if column.type == "time":
        # An offset after the date part decides; without one the source's zone is meant.
        zone = literal(request.source.time_zone)
        return (
            f"case when {name} is null then null"
            f" when regexp_matches(substr({name}, 11), '[A-SU-Za-su-z+-]')"
            f" then timezone('UTC', try_cast({name} as timestamptz))"
            f" else timezone('UTC', timezone({zone}, try_cast({name} as timestamp))) end"
        )
    if column.type == "date":
        return f"try_cast({name} as date)"
    if column.type == "number":
        return f"try_cast({name} as {column.sql_type})"
    if column.type == "integer":
        return f"try_cast({name} as bigint)"
    return name


def _version(request: LoadRequest) -> str:
    """UTC version of the row: of its file, or the newest of its document's rows in the file."""
    if request.source.version.rule == "file_name":
        return f"cast({literal(str(request.file_version_at))} as timestamp)"
    if request.source.version.rule == "column":
        version = identifier("v_" + request.source.version.column)
        if request.kind.row_id is None:
            return version
        document = ", ".join(identifier(name) for name in request.kind.document)
        newest = f"max({version}) over (partition by {document})"
        return document_version(request, request.repair, newest) if request.repair else newest
    return "cast(null as timestamp)"


def _faults(request: LoadRequest) -> Iterator[Fault]:
    """All faults of the kind, in the order in which they are reported."""
    for column in request.kind.columns:
        yield from _faults_of(column, request)
    if request.kind.name == "orders":
        yield Fault(
            f"abs(cast(v_quantity as double) * cast(v_unit_price as double)) "
            f">= {MAXIMUM_LINE_AMOUNT}", "out_of_range", "unit_price",
        )
    if request.kind.name == "surveys":
        low, high = scale_bounds()
        yield Fault(f"{low} >= {high}", "off_scale", "scale_max")
        yield Fault(f"v_score < {low} or v_score > {high}", "off_scale", "score")


def _faults_of(column: CanonicalColumn, request: LoadRequest) -> Iterator[Fault]:
    text, value = identifier(column.name), identifier("v_" + column.name)
    version_column = (request.source.version.rule == "column"
                      and column.name == request.source.version.column)
    if column.is_required or version_column:
        yield Fault(f"{text} is null", "missing_value", column.name)
    unreadable = f"{text} is not null and {value} is null"
    if column.type == "time":
        yield Fault(f"{unreadable} or {value} < timestamp '{EARLIEST}' "
                    f"or {value} >= timestamp '{LATEST}'", "not_a_time", column.name)
    if column.type == "date":
        yield Fault(f"{unreadable} or {value} < date '{EARLIEST}' or {value} >= date '{LATEST}'",
                    "not_a_date", column.name)
    if column.type in ("number", "integer"):
        yield Fault(unreadable, "not_a_number", column.name)
        if column.minimum is not None:
            yield Fault(f"cast({value} as double) < {column.minimum!r}", "out_of_range",
                        column.name)
        if column.maximum is not None:
            yield Fault(f"cast({value} as double) > {column.maximum!r}", "out_of_range",
                        column.name)
    if column.type == "choice":
        words = ", ".join(literal(word) for word in column.choices)
        yield Fault(f"{text} is not null and {text} not in ({words})", "unknown_word", column.name)
    if column.type == "currency":
        yield Fault(f"not regexp_full_match({text}, '[A-Z]{{3}}')", "not_a_currency", column.name)
    if column.is_event_time and request.source.version.rule != "arrival":
        yield Fault(f"{value} > version_at", "after_file_version", column.name)


def scale_bounds() -> tuple[str, str]:
    """SQL for the lowest and highest answer: as the row states, else as usual for its question."""
    def bound(position: int, column: str) -> str:
        cases = " ".join(f"when {literal(name)} then {scale[position]}"
                         for name, scale in DEFAULT_SCALES.items())
        return f"coalesce({column}, cast(case v_instrument {cases} end as decimal(9, 4)))"
    return bound(0, "v_scale_min"), bound(1, "v_scale_max")
