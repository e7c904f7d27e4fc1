"""`staged` -> `checked`: typed values, a fault or none, the row's hash and its version.

What a row may be stands in `ingest/canonical.py`; here it becomes SQL of the embedded engine.
A fault is a function of the row and its source's declaration alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
LINE_AMOUNT = "abs(cast(v_quantity as double) * cast(v_unit_price as double))"
# Stands between the texts of a row that are hashed.
MARK = "\x1f"
# What the engine says of a row with spaces around cells, where none are expected.
PADDED = "a cell has spaces around it"
EARLIEST, LATEST = "1900-01-01", "2200-01-01"


# Beyond these no zone moves a time over the bounds.
SURELY_LATE_ENOUGH, SURELY_EARLY_ENOUGH = "1900-01-03", "2199-12-29"


@dataclass(frozen=True)
class Fault:
    """A condition that makes a row rejected.

    Attributes:
        condition: SQL; true: the row is at fault.
        reason: see REJECTION_REASONS.
        column: the one at fault.
    """

    condition: str
    reason: str
    column: str


def check_rows(scratch: duckdb.DuckDBPyConnection, request: LoadRequest, staging: Staging,
               hash_key: str) -> None:
    """Make `checked` and `faults` of `staged`, which is read once, or twice if cells are padded.

    `checked` has row_no, file_row_no, v_<column>, the attributes of the source, version_at,
    row_hash, fault_no (0: none), and row_text: the columns as delivered, of rows with a fault.
    `faults` says reason and column of each fault_no.

    Args:
        hash_key: home key that goes into each row's hash, so that a hash tells nothing about
            the row to those who do not have it.
    """
    columns = [column for column in request.kind.columns if _is_there(column, request, staging)]
    faults = list(_faults(request, columns))
    is_stated = request.source.version.rule == "column"
    values = [_v(column.name) for column in columns if _is_kept(column)]
    made = ", ".join([*values, *map(identifier, request.source.attributes),
                      *(["version_at"] if is_stated else []), "row_hash", "fault_no", "row_text"])
    numbers = "row_no, file_row_no, " if staging.is_numbered else ""
    with _zone_of(scratch, request):
        try:
            _judge(scratch, request, staging, columns, faults, numbers + made,
                   _texts(request, columns, staging, hash_key, trims=False))
        except duckdb.Error as error:
            if PADDED not in str(error):
                raise
            _judge(scratch, request, staging, columns, faults, numbers + made,
                   _texts(request, columns, staging, hash_key, trims=True))
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


def _judge(scratch: duckdb.DuckDBPyConnection, request: LoadRequest, staging: Staging,
           columns: Sequence[CanonicalColumn], faults: Sequence[Fault], made: str,
           texts: tuple[str, str]) -> None:
    """`judged`: `staged` with what is made of each row.

    Args:
        columns: those that can have a value or a fault.
        made: the columns of `judged`.
        texts: see `_texts`.
    """
    made_texts, hashed = texts
    typed = ", ".join(_typed(column, request) if column in columns
                      else f"{_nothing(column)} as {_v(column.name)}"
                      for column in request.kind.columns)
    sound = " and ".join(f"({condition})" for condition in _soundness(request, columns))
    branches = " ".join(f"when {fault.condition} then {number}"
                        for number, fault in enumerate(faults, start=1))
    fields = ", ".join(f"{literal(name)}, {identifier(name)}"
                       for name in request.kind.column_names + request.source.attributes)
    # Nearly every row is sound: only of the others it is asked which fault they have, if any.
    scratch.execute(
        f"""
        create table judged as
        with texts as (
            {made_texts}
        ), typed as (
            select *, {typed} from texts
        ), versioned as (
            select *, {_version(request)} as version_at from typed
        ), looked_at as (
            select *, coalesce({sound}, false) as is_sound from versioned
        ), found as (
            select *, cast(md5_number({hashed}) as uuid) as row_hash,
                case when is_sound then 0 {branches} else 0 end as fault_no
            from looked_at
        ), told as (
            select *, case when fault_no > 0 then cast(json_object({fields}) as varchar) end
                as row_text
            from found
        )
        select {made} from told
        """
    )


@contextmanager
def _zone_of(scratch: duckdb.DuckDBPyConnection, request: LoadRequest) -> Iterator[None]:
    """The source's zone is meant by times without an offset; see `_moment`."""
    scratch.execute(f"set TimeZone = {literal(request.source.time_zone)}")
    try:
        yield
    finally:
        scratch.execute("set TimeZone = 'UTC'")


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


def _is_asked(column: CanonicalColumn, request: LoadRequest) -> bool:
    """Whether anything asks for the value, and not only whether it could be read."""
    return _is_kept(column) or _is_version(column, request)


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
           hash_key: str, *, trims: bool) -> tuple[str, str]:
    """The layer over `staged` that adds t_<column>, and SQL for the text that is hashed.

    Args:
        trims: takes spaces and tabs from around cells; without it they end the statement with
            the error PADDED, unless no cell can have any.
    """
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
    given = [identifier(name) for name in sorted(staging.given)]

    def written(prefix: str) -> str:
        return (f"select *, {may_be_padded('row_as_written', MARK, given)} as is_padded from ("
                f"select *, {hashed(prefix)} as row_as_written from ("
                f"select *{texts(prefix)} from staged))")

    if not trims:
        return written("t_"), (f"case when is_padded then cast(error({literal(PADDED)}) as varchar)"
                               f" else row_as_written end")
    cells = ", ".join(f"case when is_padded then {trimmed(name)} else {name} end as {name}"
                      for name in given)
    chosen = "".join(f", case when is_padded then {_text(column, request)} "
                     f"else {identifier('u_' + column.name)} end as {_t(column.name)}"
                     for column in columns)
    return (f"select *{chosen} from (select * replace ({cells}) from ({written('u_')}))",
            f"case when is_padded then {hashed('t_')} else row_as_written end")


def _hashed_text(request: LoadRequest, there: Mapping[str, str], hash_key: str) -> str:
    """The key and the texts of all canonical columns and attributes; those that lack are empty.

    Args:
        there: column -> its text in SQL.

    A column that is hashed if filled leaves no trace where it lacks or is empty: it is one mark
    less, so no other row has the same text.
    """
    parts, fixed = [], hash_key
    later = {column.name for column in request.kind.columns if column.is_hashed_if_filled}
    for name in request.kind.column_names + request.source.attributes:
        if name in later:
            if name in there:
                parts += [literal(fixed), f"{literal(MARK)} || {there[name]}"]
                fixed = ""
            continue
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
    """The column of the value; of a time that nothing asks for, as it stands, without its zone."""
    name = _t(column.name)
    if column.type == "time":
        if not _is_asked(column, request):
            return f"try_cast({name} as timestamp) as {_as_it_stands(column)}"
        return f"{_moment(name, request)} as {_v(column.name)}"
    if column.type in ("date", "number", "integer"):
        return f"try_cast({name} as {_value_type(column)}) as {_v(column.name)}"
    return f"{name} as {_v(column.name)}"


def _moment(text: str, request: LoadRequest) -> str:
    """UTC time of a text, in a session in the zone of its source.

    An offset decides; without one the source's zone is meant, and the engine then reads some
    ways of writing that it does not read with one.
    """
    local = (f"case when not regexp_matches(substr({text}, 11), '[A-SU-Za-su-z+-]') "
             f"then timezone({literal(request.source.time_zone)}, "
             f"try_cast({text} as timestamp)) end")
    # The same as timezone('UTC', ...), for half the time; infinity becomes NULL.
    return f"make_timestamp(epoch_us(coalesce(try_cast({text} as timestamptz), {local})))"


def _as_it_stands(column: CanonicalColumn) -> str:
    return identifier("w_" + column.name)


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


def _soundness(request: LoadRequest, columns: Sequence[CanonicalColumn]) -> Iterator[str]:
    """Conditions that, all true, leave no fault; in fewer and cheaper steps than the faults.

    A sound row may fail them: then it is asked for each fault.
    """
    yield "true"
    for column in columns:
        text = _t(column.name)
        holds = " and ".join(_soundness_of(column, request))
        if holds:
            is_filled = (column.is_required or _is_version(column, request)
                         or _default(column, request) is not None)
            yield holds if is_filled else f"coalesce({holds}, {text} is null)"
        if column.is_event_time and request.source.version.rule != "arrival":
            yield f"coalesce({_v(column.name)} <= version_at, true)"
    if request.kind.name == "orders":
        yield f"{LINE_AMOUNT} < {MAXIMUM_LINE_AMOUNT}"
    if request.kind.name == "surveys":
        low, high = scale_bounds()
        yield f"{low} < {high} and v_score between {low} and {high}"


def _soundness_of(column: CanonicalColumn, request: LoadRequest) -> Iterator[str]:
    """Conditions on one cell; NULL where it is empty or cannot be read."""
    text, value = _t(column.name), _v(column.name)
    if column.type == "time" and not _is_asked(column, request):
        # Written as the engine writes it, a time has no offset.
        stands = _as_it_stands(column)
        yield f"cast({stands} as varchar) = {text}"
        yield f"{stands} >= timestamp '{SURELY_LATE_ENOUGH}'"
        yield f"{stands} < timestamp '{SURELY_EARLY_ENOUGH}'"
    elif column.type == "time":
        yield f"{value} >= timestamp '{EARLIEST}' and {value} < timestamp '{LATEST}'"
    elif column.type == "date":
        yield f"{value} >= date '{EARLIEST}' and {value} < date '{LATEST}'"
    elif column.type in ("number", "integer"):
        bounds = [_bound(column, bound) for bound in (column.minimum, column.maximum)
                  if bound is not None]
        yield (f"{value} between {bounds[0]} and {bounds[1]}" if len(bounds) == 2
               else f"nullif({value} is not null, false)")
    elif column.type == "choice":
        yield _is_known_word(column)
    elif column.type == "currency":
        yield _is_currency(column)
    elif column.is_required or _is_version(column, request):
        yield f"{text} is not null"


def _faults(request: LoadRequest, columns: Sequence[CanonicalColumn]) -> Iterator[Fault]:
    """All faults that rows with these columns can have, in the order in which they are told."""
    for column in columns:
        yield from _faults_of(column, request)
    if request.kind.name == "orders":
        yield Fault(
            f"{LINE_AMOUNT} >= {MAXIMUM_LINE_AMOUNT}", "out_of_range", "unit_price",
        )
    if request.kind.name == "surveys":
        low, high = scale_bounds()
        yield Fault(f"{low} >= {high}", "off_scale", "scale_max")
        yield Fault(f"v_score < {low} or v_score > {high}", "off_scale", "score")


def _faults_of(column: CanonicalColumn, request: LoadRequest) -> Iterator[Fault]:
    text, value = _t(column.name), _v(column.name)
    if column.type == "time" and not _is_asked(column, request):
        value = _moment(text, request)
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
        bounds = [f"{value} {sign} {_bound(column, bound)}"
                  for sign, bound in (("<", column.minimum), (">", column.maximum))
                  if bound is not None]
        if bounds:
            yield Fault(" or ".join(bounds), "out_of_range", column.name)
    if column.type == "choice":
        yield Fault(f"{text} is not null and not {_is_known_word(column)}", "unknown_word",
                    column.name)
    if column.type == "currency":
        yield Fault(f"not {_is_currency(column)}", "not_a_currency", column.name)
    if column.is_event_time and request.source.version.rule != "arrival":
        yield Fault(f"{value} > version_at", "after_file_version", column.name)


def _bound(column: CanonicalColumn, bound: float) -> str:
    return f"cast('{Decimal(repr(bound)):f}' as {_value_type(column)})"


def _is_known_word(column: CanonicalColumn) -> str:
    words = ", ".join(literal(word) for word in column.choices)
    return f"{_t(column.name)} in ({words})"


def _is_currency(column: CanonicalColumn) -> str:
    return f"regexp_full_match({_t(column.name)}, '[A-Z]{{3}}')"


def scale_bounds() -> tuple[str, str]:
    """SQL for the lowest and highest answer: as the row states, else as usual for its question."""
    def bound(position: int, column: str) -> str:
        cases = " ".join(f"when {literal(name)} then {scale[position]}"
                         for name, scale in DEFAULT_SCALES.items())
        return f"coalesce({column}, cast(case v_instrument {cases} end as decimal(9, 4)))"
    return bound(0, "v_scale_min"), bound(1, "v_scale_max")
