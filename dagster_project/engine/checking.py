"""`staged` -> `checked`: typed values, a fault or none, the row's hash and its version.

What a row may be stands in `ingest/canonical.py`; here it becomes SQL of the embedded engine.
A fault is a function of the row and its source's declaration alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import duckdb

from dagster_project.engine.interface import LoadRequest
from dagster_project.engine.mapped_values import may_be_padded, trimmed
from dagster_project.engine.mapping import Staging
from dagster_project.engine.repairs import document_version
from dagster_project.engine.stores import identifier, literal
from dagster_project.ingest.canonical import DEFAULT_SCALES, CanonicalColumn

# A product of quantity and price beyond this would leave no room for a rate.
MAXIMUM_LINE_AMOUNT = 1e12
# Stands between the texts of a row that are hashed.
MARK = "\x1f"
EARLIEST, LATEST = "1900-01-01", "2200-01-01"


@dataclass(frozen=True)
class Fault:
    """A condition that makes a row rejected, with its reason and the column at fault."""

    condition: str
    reason: str
    column: str


def check_rows(scratch: duckdb.DuckDBPyConnection, request: LoadRequest, staging: Staging,
               hash_key: str) -> None:
    """Make `checked` and `faults` of `staged`, which is read once.

    `checked` has row_no, file_row_no, v_<column>, the attributes of the source, version_at,
    row_hash, fault_no (0: none), and row_text: the columns as delivered, of rows with a fault.
    `faults` says reason and column of each fault_no.

    Args:
        hash_key: home key that goes into each row's hash, so that a hash tells nothing about
            the row to those who do not have it.
    """
    columns = [column for column in request.kind.columns if _is_there(column, request, staging)]
    typed = ", ".join(f"{_typed(column, request) if column in columns else _nothing(column)} "
                      f"as {_v(column.name)}" for column in request.kind.columns)
    made_texts, hashed = _texts(request, columns, staging, hash_key)
    faults = list(_faults(request, columns))
    branches = " ".join(f"when {fault.condition} then {number}"
                        for number, fault in enumerate(faults, start=1))
    values = [_v(column.name) for column in columns if _is_kept(column)]
    is_stated = request.source.version.rule == "column"
    made = ", ".join([*values, *map(identifier, request.source.attributes),
                      *(["version_at"] if is_stated else []), "row_hash", "fault_no", "row_text"])
    fields = ", ".join(f"{literal(name)}, {identifier(name)}"
                       for name in request.kind.column_names + request.source.attributes)
    numbers = "row_no, file_row_no, " if staging.is_numbered else ""
    scratch.execute(
        f"""
        create table judged as
        with texts as (
            {made_texts}
        ), typed as (
            select *, {typed} from texts
        ), versioned as (
            select *, {_version(request)} as version_at from typed
        ), found as (
            select *, cast(md5_number({hashed}) as uuid) as row_hash,
                case {branches} else 0 end as fault_no
            from versioned
        ), told as (
            select *,
                case when fault_no > 0 then cast(json_object({fields}) as varchar) end as row_text
            from found
        )
        select {numbers}{made} from told
        """
    )
    if not staging.is_numbered:
        numbers = "rowid + 1 as row_no, rowid + 1 as file_row_no, "
    absent = "".join(f", {_nothing(column)} as {_v(column.name)}"
                     for column in request.kind.columns if _v(column.name) not in values)
    if not is_stated:
        absent += f", {_version(request)} as version_at"
    scratch.execute(f"create view checked as select {numbers}{made}{absent} from judged")
    scratch.execute("create table faults (fault_no integer, reason varchar, column_name varchar)")
    scratch.executemany(
        "insert into faults values (?, ?, ?)",
        [(number, fault.reason, fault.column) for number, fault in enumerate(faults, start=1)],
    )


def _t(name: str) -> str:
    """The column of a canonical column's text with its default."""
    return identifier("t_" + name)


def _v(name: str) -> str:
    """The column of a canonical column's value."""
    return identifier("v_" + name)


def _is_there(column: CanonicalColumn, request: LoadRequest, staging: Staging) -> bool:
    """Whether the column can have a value or a fault: others cost time in each row."""
    return (column.name in staging.given or _default(column, request) is not None
            or column.is_required or _is_version(column, request))


def _is_kept(column: CanonicalColumn) -> bool:
    """Whether anything asks for the value once the row is judged and has its version."""
    return column.raw_name is not None or column.type != "time"


def _is_version(column: CanonicalColumn, request: LoadRequest) -> bool:
    version = request.source.version
    return version.rule == "column" and column.name == version.column


def _default(column: CanonicalColumn, request: LoadRequest) -> str | None:
    if column.name == "currency" and request.source.currency:
        return request.source.currency
    return column.default


def _nothing(column: CanonicalColumn) -> str:
    """NULL of the type of the column's values."""
    return f"cast(null as {_value_type(column)})"


def _value_type(column: CanonicalColumn) -> str:
    if column.type == "number":
        return column.sql_type
    return {"time": "timestamp", "date": "date", "integer": "bigint"}.get(column.type, "varchar")


def _texts(request: LoadRequest, columns: Sequence[CanonicalColumn], staging: Staging,
           hash_key: str) -> tuple[str, str]:
    """The layer over `staged` that adds t_<column>, and SQL for the text that is hashed."""
    def hashed(prefix: str) -> str:
        return _hashed_text(request, {column.name: identifier(prefix + column.name)
                                      for column in columns}, hash_key)

    def texts(prefix: str) -> str:
        return "".join(f", {_text(column, request)} as {identifier(prefix + column.name)}"
                       for column in columns)

    if staging.is_trimmed:
        return f"select *{texts('t_')} from staged", hashed("t_")
    # Nearly no row has a cell to trim. To look for one once, in the text of the row that is
    # hashed anyway, costs a fourth of looking at each cell.
    cells = ", ".join(f"case when is_padded then {trimmed(identifier(name))} "
                      f"else {identifier(name)} end as {identifier(name)}"
                      for name in sorted(staging.given))
    chosen = "".join(f", case when is_padded then {_text(column, request)} "
                     f"else {identifier('u_' + column.name)} end as {_t(column.name)}"
                     for column in columns)
    return f"""
        select *{chosen} from (
            select * replace ({cells}) from (
                select *, {may_be_padded('row_as_written', MARK)} as is_padded from (
                    select *, {hashed('u_')} as row_as_written from (
                        select *{texts('u_')} from staged
                    )
                )
            )
        )
    """, f"case when is_padded then {hashed('t_')} else row_as_written end"


def _hashed_text(request: LoadRequest, there: Mapping[str, str], hash_key: str) -> str:
    """The key and the texts of all canonical columns and attributes; those that lack are empty.

    Args:
        there: column -> its text in SQL.
    """
    parts, fixed = [], hash_key
    for name in request.kind.column_names + request.source.attributes:
        fixed += MARK
        if name in there or name in request.source.attributes:
            parts += [literal(fixed), there.get(name, identifier(name))]
            fixed = ""
    parts += [literal(fixed)] if fixed else []
    return f"concat({', '.join(parts)})"


def _text(column: CanonicalColumn, request: LoadRequest) -> str:
    """The cell as text, with the declared default; e-mail and phone without ways of writing.

    Their normal form is made of distinct values only, in `tokens.py`.
    """
    name = identifier(column.name)
    default = _default(column, request)
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
    name = _t(column.name)
    if column.type == "time":
        # An offset after the date part decides; without one the source's zone is meant.
        zone = literal(request.source.time_zone)
        moment = (
            f"case when {name} is null then null"
            f" when regexp_matches(substr({name}, 11), '[A-SU-Za-su-z+-]')"
            f" then try_cast({name} as timestamptz)"
            f" else timezone({zone}, try_cast({name} as timestamp)) end"
        )
        # The same as timezone('UTC', ...), for half the time; infinity becomes NULL.
        return f"make_timestamp(epoch_us({moment}))"
    if column.type in ("date", "number", "integer"):
        return f"try_cast({name} as {_value_type(column)})"
    return name


def _version(request: LoadRequest) -> str:
    """UTC version of the row: of its file, or the newest of its document's rows in the file."""
    if request.source.version.rule == "file_name":
        return f"cast({literal(str(request.file_version_at))} as timestamp)"
    if request.source.version.rule == "column":
        version = _v(request.source.version.column)
        if request.kind.row_id is None:
            return version
        document = ", ".join(_t(name) for name in request.kind.document)
        newest = f"max({version}) over (partition by {document})"
        return document_version(request, request.repair, newest) if request.repair else newest
    return "cast(null as timestamp)"


def _faults(request: LoadRequest, columns: Sequence[CanonicalColumn]) -> Iterator[Fault]:
    """All faults that rows with these columns can have, in the order in which they are told."""
    for column in columns:
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
    text, value = _t(column.name), _v(column.name)
    if column.is_required or _is_version(column, request):
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
        bounds = [f"{value} {sign} cast('{Decimal(repr(bound)):f}' as {_value_type(column)})"
                  for sign, bound in (("<", column.minimum), (">", column.maximum))
                  if bound is not None]
        if bounds:
            yield Fault(" or ".join(bounds), "out_of_range", column.name)
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
