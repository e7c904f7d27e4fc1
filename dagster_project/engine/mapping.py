"""A mapping -> `staged`: the lines of a file as canonical columns of text, nothing judged.

What may be said stands in `ingest/mapping.py`; here it becomes SQL of the embedded engine. Rows
that a mapping cannot take go to `set_aside` with their reason. A file without a mapping is a view
over its lines. What a value may be is judged afterwards, in `checking.py`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from dagster_project.engine.interface import LoadRequest
from dagster_project.engine.mapped_values import (
    CellRules,
    answer_is_given,
    case_of,
    cell_text,
    condition_of,
    missing_word,
    number_of,
    raw_value,
    time_of,
    worded,
)
from dagster_project.engine.proven_dates import Reading, proven_reading
from dagster_project.engine.stores import identifier, literal
from dagster_project.ingest.canonical import DEFAULT_SCALES
from dagster_project.ingest.landing import FileRefused
from dagster_project.ingest.mapping import (
    LINE_NUMBER,
    Answer,
    ColumnRule,
    Question,
    normal,
)
from dagster_project.ingest.reading_rules import DELIMITERS, KEYED_FORMATS, Look
from dagster_project.ingest.recognition import questions_in_words, quoted, shown_header

NO_ANSWER = "no_answer"
# Key of a rejected row's text that has its cells as they were delivered; no column is named so.
AS_DELIVERED = "_text"
MAXIMUM_LINES_A_ROW = 500
# Where a file is refused for want of one; each may be a sentence.
QUESTIONS_SHOWN = 40


@dataclass(frozen=True)
class Staging:
    """What is to be told of a file that was mapped.

    Attributes:
        ignored_columns: columns of the file that nothing reads, by their names.
        notes: what was found out from the file's own content.
        unread_questions, answers_n: see `LoadResult`.
        given: columns of `staged` in which some row may have a value.
        is_numbered: `staged` has row_no and file_row_no; if not, its rows come in the order of
            the file, every one.
        is_trimmed: no cell has spaces or tabs around it; if not, none is empty text.
        as_delivered: SQL over `file_rows`: the filled cells of a row by their names, as JSON, if
            nothing reads some of them, else NULL. What is at fault in a row may stand there, as
            where the key of a JSON row is damaged. None: everything is read.
    """

    ignored_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()
    is_numbered: bool = True
    is_trimmed: bool = True
    as_delivered: str | None = None
    unread_questions: Mapping[str, str] = field(default_factory=dict)
    answers_n: int | None = None


@dataclass(frozen=True)
class _Record:
    """One of the records that every row of a file may give.

    Attributes:
        rules: canonical column -> rule.
        is_there: SQL over cells that says whether a row gives it; None: always.
        question: the question that it answers, and as what, in words.
    """

    rules: dict[str, ColumnRule]
    is_there: str | None = None
    question: str = ""


@dataclass
class _Header:
    """The columns of one file by their names, and which of them are read."""

    request: LoadRequest
    seen: Look
    used: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names = [normal(name) for name in self.seen.columns]

    def position(self, names: Sequence[str]) -> int | None:
        """Position of the first of `names` that the header has.

        Raises:
            FileRefused: the header has the name twice.
        """
        for name in names:
            if name.startswith("@c") and name[2:].isdigit():
                found = [int(name[2:])]
            else:
                found = [place for place, known in enumerate(self.names) if known == normal(name)]
            if len(found) > 1:
                raise FileRefused(
                    f"landing/{self.request.name}: the header names {name} twice; each column "
                    f"that is read needs a name of its own")
            if found:
                self.used.add(found[0])
                return found[0]
        return None

    def cell(self, names: Sequence[str]) -> str | None:
        """SQL for the cell of the first of `names` that there is."""
        for name in names:
            if name == "@file_name":
                return literal(self.request.name)
            if name == "@file_row_no":
                return "cast(file_row_no as varchar)"
            position = self.position((name,))
            if position is not None:
                return f"k{position}"
        return None

    def lacks(self, missing: dict[str, str]) -> FileRefused:
        """Words for names that the header does not have: name -> canonical column it is for."""
        hints = []
        for name, target in missing.items():
            close = difflib.get_close_matches(name, self.seen.columns, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            hints.append(f"{name}{hint}" + (f" for {target}" if target != name else ""))
        source = self.request.source
        return FileRefused(
            f"landing/{self.request.name}: the header lacks {', '.join(hints)}; "
            f"{self.request.kind.name} of source {source.name} need "
            f"{'these columns' if len(hints) > 1 else 'this column'}. "
            f"Header: {shown_header(self.seen.columns)}")

    def ignored(self) -> tuple[str, ...]:
        """Names of the columns that nothing reads."""
        return tuple(self.seen.columns[place] for place in self.unread()
                     if self.seen.columns[place])

    def unread(self) -> list[int]:
        """Positions of the columns that nothing reads."""
        return [place for place in range(len(self.seen.columns)) if place not in self.used]


def stage(scratch: duckdb.DuckDBPyConnection, request: LoadRequest, seen: Look, *,
          is_numbered: bool = True) -> Staging:
    """Make `staged` (row_no, file_row_no, canonical columns) and `set_aside` of `lines`.

    `row_no` is unique among the records of a file; `file_row_no` counts its rows of data from 1.
    `set_aside` (as `staged`, and reason, column_name, at_fault) has the records that the mapping
    cannot take.

    Args:
        is_numbered: the rows of `lines` have numbers; without them only a source without a
            mapping can be staged.

    Raises:
        FileRefused: the file does not fit its mapping.
    """
    header = _Header(request, seen)
    if request.source.is_identity:
        return _stage_by_name(scratch, request, header, is_numbered=is_numbered)
    records = _records(header)
    _number_unreadable(scratch, len(records))
    _make_rows(scratch)
    cells = _cells(request)
    readings: dict[str, Reading] = {}
    queries, notes = [], _questions_read(records)
    for variant, record in enumerate(records):
        builder = _RecordQuery(request, header, record, variant, records, cells)
        for target in builder.unproven_times():
            if target not in readings:
                readings[target] = proven_reading(
                    scratch, builder.worded_query(target), request, target,
                    ", ".join(record.rules[target].from_))
                if readings[target].is_worth_telling:
                    zone = (f", those without an offset in {request.source.time_zone}"
                            if builder.is_time(target) else "")
                    notes.append(f"{target} read as {readings[target].words}{zone}")
        queries.append(builder.query(readings))
    scratch.execute("create table mapped as " + " union all ".join(queries))
    columns = ", ".join(identifier(name) for name in _wanted(request))
    scratch.execute(f"create view staged as select row_no, file_row_no, {columns} from mapped "
                    f"where aside_reason is null")
    scratch.execute(
        f"create view set_aside as select row_no, file_row_no, {columns}, aside_reason as reason, "
        f"aside_column as column_name, aside_value as at_fault "
        f"from mapped where aside_reason is not null")
    given = frozenset(name for record in records for name in record.rules)
    told = Staging(header.ignored(), tuple(notes), given, as_delivered=_as_delivered(header))
    if not request.source.answers:
        return told
    return replace(told, unread_questions=_unread_questions(header), answers_n=_rows_n(scratch))


def _rows_n(scratch: duckdb.DuckDBPyConnection) -> int:
    """Rows of data of the file, those that cannot be read too."""
    ((rows_n,),) = scratch.execute(
        "select (select count(*) from file_rows) + (select count(*) from unreadable)").fetchall()
    return int(rows_n)


def _wanted(request: LoadRequest) -> tuple[str, ...]:
    return request.kind.column_names + request.source.attributes


def _cells(request: LoadRequest) -> CellRules:
    read = request.source.read
    return CellRules(read.empty_words, read.strip_prefixes)


def _number_unreadable(scratch: duckdb.DuckDBPyConnection, records_n: int) -> None:
    """Rows that could not be read take the number of their first record."""
    scratch.execute(
        f"create or replace table unreadable as select (row_no - 1) * {records_n} + 1 as row_no, "
        f"row_no as file_row_no, reason, row_text from unreadable")


def _make_rows(scratch: duckdb.DuckDBPyConnection) -> None:
    """`file_rows`: the lines with their true row numbers, also after unreadable rows."""
    bad = scratch.execute("select count(*) from unreadable").fetchone()
    if not bad or bad[0] == 0:
        scratch.execute("create view file_rows as select rowid + 1 as file_row_no, * from lines")
        return
    # The k-th unreadable row (k from 0) pushes all rows from its place on by one.
    scratch.execute(
        """
        create table file_rows as
        with pushes as (
            select file_row_no - row_number() over (order by file_row_no) + 1 as from_nth,
                   row_number() over (order by file_row_no) as pushed
            from unreadable
        ), last_push as (
            select from_nth, max(pushed) as pushed from pushes group by from_nth
        )
        select lines.nth + coalesce(last_push.pushed, 0) as file_row_no, lines.* exclude (nth)
        from (select rowid + 1 as nth, * from lines) as lines
        asof left join last_push on lines.nth >= last_push.from_nth
        """
    )


def _stage_by_name(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                   header: _Header, *, is_numbered: bool) -> Staging:
    """A file that has canonical columns by their names: a view, or the file is slower to read."""
    known = [name for name in _wanted(request) if header.position((name,)) is not None]
    if header.seen.format not in KEYED_FORMATS:
        _require_columns(request, header, known)
    _number_unreadable(scratch, 1)
    rows = "lines"
    if is_numbered:
        _make_rows(scratch)
        rows = "file_rows"
    cells = _cells(request)
    # Delimited text has no empty cells that are not NULL.
    is_trimmed = cells != CellRules() or header.seen.format not in DELIMITERS
    columns = ["file_row_no as row_no", "file_row_no"] if is_numbered else []
    for name in _wanted(request):
        position = header.position((name,))
        if position is not None:
            text = cell_text(f"c{position}", cells) if is_trimmed else f"c{position}"
        elif name in request.source.constants:
            text = literal(request.source.constants[name])
        else:
            text = "cast(null as varchar)"
        columns.append(f"{text} as {identifier(name)}")
    scratch.execute(f"create view staged as select {', '.join(columns)} from {rows}")
    texts = "".join(f", {identifier(name)} varchar" for name in _wanted(request))
    scratch.execute(f"create table set_aside (row_no bigint, file_row_no bigint{texts}, "
                    f"reason varchar, column_name varchar, at_fault varchar)")
    return Staging(header.ignored(), given=frozenset({*known, *request.source.constants}),
                   is_numbered=is_numbered, is_trimmed=is_trimmed,
                   as_delivered=_as_delivered(header))


def _as_delivered(header: _Header) -> str | None:
    """See `Staging.as_delivered`."""
    unread = header.unread()
    if not unread:
        return None
    names: list[str] = []
    for place, name in enumerate(header.seen.columns):
        names.append(name if name and name not in names else f"{name} (column {place + 1})".strip())
    fields = ", ".join(f"{literal(name)}, c{place}" for place, name in enumerate(names))
    is_unread = " or ".join(f"c{place} is not null" for place in unread)
    # Merged with nothing, an object loses its keys without a value.
    return f"case when {is_unread} then json_merge_patch('{{}}', json_object({fields})) end"


def _require_columns(request: LoadRequest, header: _Header, known: Sequence[str]) -> None:
    given = {*known, *request.source.constants}
    if request.source.currency:
        given.add("currency")
    # A file that lacks ids of other systems would take back what earlier files said of them.
    missing = [column.name for column in request.kind.columns
               if (column.is_required or column.name in request.source.other_ids)
               and column.name not in given]
    if request.source.version.rule == "column" and request.source.version.column not in given:
        missing.append(request.source.version.column)
    if missing:
        raise header.lacks({name: name for name in missing})


def _records(header: _Header) -> list[_Record]:
    """The records that a row may give: one, or one for each question or line item.

    Raises:
        FileRefused: the file asks none of the questions, or has none of the lines.
    """
    source = header.request.source
    common = {name: rule for name, rule in _common_rules(header).items() if rule is not None}
    if source.answers:
        return _answer_records(header, common)
    if source.lines is not None:
        return _line_records(header, common)
    return [_Record(common)]


def _common_rules(header: _Header) -> dict[str, ColumnRule]:
    """The rules of the source; without any, canonical columns by their names."""
    source = header.request.source
    rules = dict(source.columns)
    if not rules:
        rules = {name: ColumnRule.model_validate({"from": name})
                 for name in _wanted(header.request) if header.position((name,)) is not None}
        if header.seen.format not in KEYED_FORMATS and not (source.answers or source.lines):
            _require_columns(header.request, header, list(rules))
    for name, value in source.constants.items():
        rules.setdefault(name, ColumnRule(constant=value))
    for name in source.other_ids:
        rules.setdefault(name, ColumnRule.model_validate({"from": name}))
    for name in source.attributes:
        if name not in rules and header.position((name,)) is not None:
            rules[name] = ColumnRule.model_validate({"from": name})
    _require_mapped(header, rules)
    return rules


def _require_mapped(header: _Header, rules: dict[str, ColumnRule]) -> None:
    """Raise unless the header has the columns that the rules read.

    Rows of JSON have the keys that they happen to have: there only what is required must be.
    """
    is_keyed = header.seen.format in KEYED_FORMATS
    if is_keyed and not header.seen.columns:
        return
    required = {column.name for column in header.request.kind.columns if column.is_required}
    missing = {}
    for target, rule in rules.items():
        if rule.optional or (is_keyed and target not in required):
            continue
        if rule.from_ and rule.constant is None and not rule.fallback \
                and header.cell(rule.from_) is None:
            missing[rule.from_[0]] = target
        for name in rule.join + rule.plus + rule.minus:
            if header.cell((name,)) is None:
                missing[name] = target
    if missing:
        raise header.lacks(missing)


def _answer_records(header: _Header, common: dict[str, ColumnRule]) -> list[_Record]:
    records: list[_Record] = []
    told: dict[str, str] = {}
    cells = _cells(header.request)
    for answer in header.request.source.answers:
        position = _question_column(header, answer.question, is_optional=answer.optional)
        if position is None:
            continue
        name = header.seen.columns[position]
        if answer.instrument in told:
            raise FileRefused(
                f"landing/{header.request.name}: {told[answer.instrument]!r} and {name!r} are both "
                f"answers to {answer.instrument}, and a response has one; state the one that "
                f"counts under answers: of source {header.request.source.name}")
        told[answer.instrument] = name
        rules = {**common, **_rules_of_answer(header, answer, position)}
        given = answer_is_given(cell_text(f"c{position}", cells), answer.skipped)
        records.append(_Record(rules, given, _read_as(name, answer)))
    if not records:
        raise _no_question(header, common)
    return records


def _read_as(name: str, answer: Answer) -> str:
    low, high = answer.scale or DEFAULT_SCALES[answer.instrument]
    good = "" if answer.direction == "higher_is_better" else ", low is good"
    return f"{quoted(name)} as {answer.instrument} {low}-{high}{good}"


def _questions_read(records: Sequence[_Record]) -> list[str]:
    asked = [record.question for record in records if record.question]
    return [", ".join(asked)] if asked else []


def _unread_questions(header: _Header) -> dict[str, str]:
    """Columns that nothing reads and that may ask something -> what they ask."""
    source = header.request.source
    known = {normal(name) for name in source.not_questions}
    found = {}
    for place in header.unread():
        name = header.seen.columns[place]
        texts = [row[place] for row in header.seen.header_rows if place < len(row)]
        if name and normal(name) not in known and not _is_no_question(texts, source.answers):
            asked = next((text for text in texts[1:] if text and not text.startswith("{")), "")
            found[name] = "" if asked == name else " ".join(asked.split())
    return found


def _is_no_question(texts: Sequence[str], answers: Sequence[Answer]) -> bool:
    """Whether a column only repeats a question in another form, as the group of an answer."""
    return any(answer.question.not_text and re.search(answer.question.not_text, text)
               for answer in answers for text in texts)


def _rules_of_answer(header: _Header, answer: Answer, position: int) -> dict[str, ColumnRule]:
    words = {word: str(score) for word, score in answer.words.items()}
    rules = {
        "instrument": ColumnRule(constant=answer.instrument),
        "direction": ColumnRule(constant=answer.direction),
        "score": ColumnRule.model_validate({"from": f"@c{position}", "words": words,
                                            "other_words": "keep", "pattern": answer.pattern}),
    }
    if answer.scale is not None:
        rules["scale_min"] = ColumnRule(constant=str(answer.scale[0]))
        rules["scale_max"] = ColumnRule(constant=str(answer.scale[1]))
    if answer.comment is not None:
        comment = _question_column(header, answer.comment, is_optional=True)
        if comment is not None:
            rules["comment"] = ColumnRule.model_validate({"from": f"@c{comment}"})
    return rules


def _question_column(header: _Header, question: Question, *, is_optional: bool) -> int | None:
    """Position of the column that asks the question.

    Raises:
        FileRefused: the named column is missing, or several columns match the text.
    """
    if question.column:
        position = header.position(question.column)
        if position is None and not is_optional:
            raise header.lacks({question.column[0]: "answers"})
        return position
    assert question.text is not None
    found = []
    for place in range(len(header.names)):
        texts = [row[place] for row in header.seen.header_rows if place < len(row)]
        if any(re.search(question.text, text) for text in texts) and not (
                question.not_text
                and any(re.search(question.not_text, text) for text in texts)):
            found.append(place)
    if len(found) > 1:
        names = ", ".join(repr(header.seen.columns[place]) for place in found)
        raise FileRefused(
            f"landing/{header.request.name}: {names} all match the question text "
            f"{question.text!r}; state the column that counts under answers: of source "
            f"{header.request.source.name}, for example question: "
            f"{{column: {header.seen.columns[found[0]]}}}")
    header.used.update(found)
    return found[0] if found else None


def _no_question(header: _Header, common: dict[str, ColumnRule]) -> FileRefused:
    for rule in common.values():
        header.cell(rule.from_)
    unread = _unread_questions(header)
    source = header.request.source
    preset = f" with preset: {source.preset}" if source.preset else ""
    example = next(iter(unread), "Q1")
    asked = questions_in_words(dict(list(unread.items())[:QUESTIONS_SHOWN]))
    return FileRefused(
        f"landing/{header.request.name}: no column matches a question of source {source.name}. "
        f"Its questions: {asked or 'none'}. Say in sources.yaml, in a source{preset}, which "
        f"column asks what, for example "
        f"answers: [{{question: {{column: {example!r}}}, instrument: nps, scale: [0, 10]}}]")


def _line_records(header: _Header, common: dict[str, ColumnRule]) -> list[_Record]:
    source = header.request.source
    assert source.lines is not None
    cells = _cells(header.request)
    records = []
    for number in _line_numbers(header):
        rules = {name: _numbered(rule, number) for name, rule in source.lines.numbered.items()}
        own = [name.replace(LINE_NUMBER, str(number))
               for rule in source.lines.numbered.values() for name in rule.file_columns
               if LINE_NUMBER in name]
        places = {place for name in own if (place := header.position((name,))) is not None}
        is_there = " or ".join(f"{cell_text(f'c{place}', cells)} is not null"
                               for place in sorted(places))
        rules.setdefault("line_id", ColumnRule(constant=str(number)))
        records.append(_Record({**common, **rules}, f"({is_there})"))
    if not records:
        first = next(iter(source.lines.numbered.values())).file_columns[0]
        raise header.lacks({first.replace(LINE_NUMBER, "1"): "lines"})
    if len(records) > MAXIMUM_LINES_A_ROW:
        raise FileRefused(f"landing/{header.request.name}: has columns for {len(records)} lines an "
                          f"order; at most {MAXIMUM_LINES_A_ROW} are read")
    return records


def _line_numbers(header: _Header) -> list[int]:
    """Numbers of the line items that the header has columns for."""
    assert header.request.source.lines is not None
    numbers = set()
    for rule in header.request.source.lines.numbered.values():
        for name in rule.file_columns:
            if LINE_NUMBER in name:
                before, _, after = normal(name).partition(LINE_NUMBER)
                pattern = re.compile(re.escape(before) + r"(\d{1,4})" + re.escape(after))
                numbers |= {int(match.group(1)) for known in header.names
                            if (match := pattern.fullmatch(known))}
    return sorted(numbers)


def _numbered(rule: ColumnRule, number: int) -> ColumnRule:
    """The rule with `{n}` in its columns replaced."""
    def named(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.replace(LINE_NUMBER, str(number)) for name in names)

    return rule.model_copy(update={
        "from_": named(rule.from_), "fallback": named(rule.fallback), "join": named(rule.join),
        "plus": named(rule.plus), "minus": named(rule.minus),
        "cases": tuple(case.model_copy(update={"column": named(case.column)})
                       for case in rule.cases),
    })


class _RecordQuery:
    """The query of one record: layers of columns, each over those below it.

    `k<position>` are cells, `r_` the text that a rule finds, `m_` the same in the words of the
    column, `f_` in its own writing, `s_` what the document has in common, `o_` counted once.
    """

    def __init__(self, request: LoadRequest, header: _Header, record: _Record, variant: int,
                 records: Sequence[_Record], cells: CellRules) -> None:
        self._request, self._header, self._record = request, header, record
        self._variant, self._records, self._cell_rules = variant, records, cells
        self._types = {column.name: column.type for column in request.kind.columns}

    def unproven_times(self) -> Iterator[str]:
        """Times and dates for which no format is stated."""
        for target, rule in self._record.rules.items():
            if self._types.get(target) in ("time", "date") and not rule.format \
                    and self._header.cell(rule.from_ + rule.fallback + rule.join) is not None:
                yield target

    def is_time(self, target: str) -> bool:
        """Whether the column has times, which are in some zone."""
        return self._types.get(target) == "time"

    def worded_query(self, target: str) -> str:
        """The values of one column before they are written as times, as column `value`."""
        return (f"select {identifier('m_' + target)} as value from ({self._worded()}) "
                f"where aside_rule is null")

    def query(self, readings: dict[str, Reading]) -> str:
        """Row numbers, every wanted column, and aside_reason, aside_column, aside_value."""
        rules = self._record.rules
        formatted, faults = [], []
        for target, rule in rules.items():
            text, fault = self._formatted(target, rule, readings)
            formatted.append(f"{text} as {identifier('f_' + target)}")
            raw = identifier("r_" + target)
            if rule.words and rule.other_words == "reject":
                faults.append((missing_word(raw, rule, self._case(rule)), "unknown_word", target))
            if fault is not None:
                faults.append((fault, "not_a_number", target))
        layers = f"select *, {', '.join(formatted)} from ({self._worded()})"
        layers = f"select *, {', '.join(map(self._shared, rules))} from ({layers})"
        layers, conflicts = self._counted_once(layers)
        faults += conflicts
        values = ", ".join(self._value(target) for target in _wanted(self._request))
        reasons = "".join(f" when {condition} then {literal(reason)}"
                          for condition, reason, _ in faults)
        columns = "".join(f" when {condition} then {literal(target)}"
                          for condition, _, target in faults)
        at_fault = "".join(f" when {condition} then {identifier('r_' + target)}"
                           for condition, _, target in faults)
        row_no = f"(file_row_no - 1) * {len(self._records)} + {self._variant + 1}"
        return f"""
            select {row_no} as row_no, file_row_no, {values},
                case when aside_rule is not null then 'left_out'{reasons} end as aside_reason,
                case when aside_rule is not null then aside_rule_column{columns} end
                    as aside_column,
                case when aside_rule is not null then aside_rule{at_fault} end as aside_value
            from ({layers})
        """

    def _worded(self) -> str:
        rules = self._record.rules
        raw = [f"{raw_value(rule, self._header.cell)} as {identifier('r_' + target)}"
               for target, rule in rules.items()]
        words = [f"{case_of(self._case(rule), worded(identifier('r_' + target), rule))} "
                 f"as {identifier('m_' + target)}" for target, rule in rules.items()]
        aside_rule, aside_column = self._left_out()
        layers = (f"select *, {', '.join(raw)}, {aside_rule} as aside_rule, "
                  f"{aside_column} as aside_rule_column from ({self._cells()})")
        return f"select *, {', '.join(words)} from ({layers})"

    def _cells(self) -> str:
        """The cells that some rule looks at; every other row that gives no such record left."""
        wanted = sorted(self._positions())
        cells = "".join(f", {cell_text(f'c{place}', self._cell_rules)} as k{place}"
                        for place in wanted)
        return (f"select file_row_no, {self._is_empty()} as is_empty{cells}{self._nth_same()} "
                f"from file_rows where {self._is_there()}")

    def _nth_same(self) -> str:
        """How many rows up to this one have the same cell, for values that must be unique.

        Of all rows of the file, not of those that give this record: an answer has one id
        whichever of its questions are answered.
        """
        found = ""
        for target, rule in self._record.rules.items():
            position = self._header.position(rule.from_) if rule.unique else None
            if position is not None:
                found += (f", (select count(*) from file_rows as other "
                          f"where other.c{position} = file_rows.c{position} "
                          f"and other.file_row_no <= file_rows.file_row_no) "
                          f"as {identifier('n_' + target)}")
        return found

    def _positions(self) -> Iterator[int]:
        names = {name for rule in self._record.rules.values() for name in rule.file_columns}
        conditions = self._request.source.left_out
        for name in names | {name for rule in conditions for name in rule.column}:
            if not name.startswith("@file_"):
                position = self._header.position((name,))
                if position is not None:
                    yield position

    def _is_there(self) -> str:
        if self._record.is_there is None:
            return "true"
        if self._variant > 0:
            return self._record.is_there
        # A row that gives no record at all must not vanish.
        others = " or ".join(record.is_there or "true" for record in self._records)
        return f"{self._record.is_there} or not ({others})"

    def _is_empty(self) -> str:
        if not self._request.source.answers or self._variant > 0:
            return "false"
        return f"not {self._record.is_there}"

    def _left_out(self) -> tuple[str, str]:
        """Name of the rule by which the row is left out, and the column it looked at."""
        rules = columns = ""
        for rule in self._request.source.left_out:
            cell = self._header.cell(rule.column)
            if cell is not None:
                holds = condition_of(rule, cell)
                if rule.per is not None:
                    holds = self._for_document(holds, rule.per)
                rules += f" when {holds} then {literal(rule.rule)}"
                columns += f" when {holds} then {literal(rule.column[0])}"
        rules += f" when is_empty then {literal(NO_ANSWER)}"
        columns += " when is_empty then 'score'"
        return f"case{rules} end", f"case{columns} end"

    def _for_document(self, condition: str, column: str) -> str:
        """The condition holds for some row of the same document."""
        named = self._record.rules.get(column)
        key = self._header.cell(named.from_) if named is not None else None
        if key is None:
            return condition
        return (f"case when {key} is null then {condition} else "
                f"max(case when {condition} then 1 else 0 end) over (partition by {key}) = 1 end")

    def _case(self, rule: ColumnRule) -> list[tuple[str, str]]:
        """(condition, value) of the cases whose column the file has."""
        return [(condition_of(case, cell), case.value) for case in rule.cases
                if (cell := self._header.cell(case.column)) is not None]

    def _formatted(self, target: str, rule: ColumnRule,
                   readings: dict[str, Reading]) -> tuple[str, str | None]:
        """The value as the checks read it, and the condition under which it is no number."""
        value = identifier("m_" + target)
        kind = self._types.get(target)
        if kind in ("time", "date"):
            if rule.format:
                return time_of(value, rule.format), None
            reading = readings.get(target)
            return (reading.sql(value) if reading else value), None
        if kind in ("number", "integer") and (rule.number or rule.plus or rule.minus):
            cells = {name: self._header.cell((name,)) for name in rule.plus + rule.minus}
            return number_of(value, rule, cells)
        return value, None

    def _shared(self, target: str) -> str:
        """`s_`: the value of the row, else that of its document."""
        rule = self._record.rules[target]
        own = identifier("f_" + target)
        if rule.unique and self._header.position(rule.from_) is not None:
            nth = identifier("n_" + target)
            own = f"{own} || case when {nth} > 1 then '-' || cast({nth} as varchar) else '' end"
        elif rule.number_per is not None:
            own = (f"cast(row_number() over ({self._document(rule.number_per)} "
                   f"order by file_row_no) as varchar)")
        elif rule.same_per is not None:
            own = f"coalesce({own}, min({own}) over ({self._document(rule.same_per)}))"
        return f"{own} as {identifier('s_' + target)}"

    def _document(self, column: str) -> str:
        # Rows that are left out say nothing of a document, nor do rows without its id.
        key = identifier("f_" + column) if column in self._record.rules else "null"
        return (f"partition by {key}, aside_rule is null, "
                f"case when {key} is null then file_row_no end")

    def _counted_once(self, layers: str) -> tuple[str, list[tuple[str, str, str]]]:
        """`o_`: of the rows of a document that repeat a value, one has it; conflicting values."""
        once = [(target, rule.once_per) for target, rule in self._record.rules.items()
                if rule.once_per is not None]
        if not once:
            return layers, []
        # Which row it is must not depend on where it stands.
        content = ", ".join(f"coalesce({identifier('s_' + target)}, '')"
                            for target in self._record.rules)
        columns, conflicts = [], []
        for target, document in once:
            value = identifier("s_" + target)
            number = f"try_cast({value} as decimal(38, 8))"
            rows = self._document(document)
            columns.append(
                f"case when max({number}) over ({rows}) is null then {value} "
                f"when row_number() over ({rows} order by md5(concat_ws(chr(31), {content})), "
                f"file_row_no) = 1 "
                f"then cast(max({number}) over ({rows}) as varchar) else '0' end "
                f"as {identifier('o_' + target)}, "
                f"min({number}) over ({rows}) <> max({number}) over ({rows}) "
                f"as {identifier('differs_' + target)}")
            conflicts.append((identifier("differs_" + target), "conflicting_values", target))
        return f"select *, {', '.join(columns)} from ({layers})", conflicts

    def _value(self, target: str) -> str:
        rule = self._record.rules.get(target)
        if rule is None:
            return f"cast(null as varchar) as {identifier(target)}"
        value = identifier(("o_" if rule.once_per else "s_") + target)
        if rule.constant is not None:
            value = f"coalesce({value}, {literal(rule.constant)})"
        return f"{value} as {identifier(target)}"

