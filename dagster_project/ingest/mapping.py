"""The language in which presets and sources.yaml say how a file becomes canonical columns.

Models and their faults only: what a file looks like stands in `recognition.py`, how a mapping
becomes SQL in the engine. One language for presets and for the sources of a home.

    columns:                       # canonical column -> where it comes from
      order_id: Name               # short for {from: [Name]}
      unit_price: {from: [Price, Unit price], number: {decimal: ",", thousands: "."}}
      ordered_at: {from: [Created at], format: "%d.%m.%Y %H:%M"}
      status: {from: [State], words: {paid: completed, void: cancelled}}
      currency: {constant: EUR}
    left_out:                      # rows that are no facts
      - {rule: preview, column: Status, words: [Survey Preview]}
    answers:                       # surveys: one record per question that is answered
      - {question: {text: "(?i)recommend"}, instrument: nps, scale: [0, 10]}
    lines:                         # orders: several line items side by side in one row
      numbered: {product_id: "Product Item {n} id", unit_price: "Product Item {n} Total"}

Texts of columns are compared without case and without spaces around them. Columns that the
header does not have may be written too: `@file_name`, `@file_row_no`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from dagster_project.ingest.canonical import KINDS, ExportKind
from dagster_project.ingest.contacts import CONTACT_SPACES, EmailRules, PhoneRegion
from dagster_project.ingest.reading_rules import ReadRules
from dagster_project.yaml_file import Fault, unknown

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
DEFAULT_ID_SPACE = "customer"
# 2026-11-20, 20261120 or 2026-11; digits on either side would make it another number.
DATE_IN_NAME = r"(?<!\d)(?P<year>\d{4})-?(?P<month>\d{2})(?:-?(?P<day>\d{2}))?(?!\d)"
EPOCHS = {"epoch_seconds": 1, "epoch_milliseconds": 1000, "epoch_microseconds": 1_000_000}
FILE_COLUMNS = ("@file_name", "@file_row_no")
LINE_NUMBER = "{n}"
# Names of columns that reading makes itself.
_OWN_NAMES = re.compile(
    r"row_no|file_row_no|version_at|row_hash|fault_no|row_text|row_key|row_as_written|is_sound|"
    r"is_padded|is_repeat_in_file|occurrence|reason|column_name|at_fault|[tuvw]_.*")
# Of strptime: what both Python and the engine read alike.
_DIRECTIVES = set("aAbBdfHIjmMpSyYzZ%-")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: object) -> object:
    """A single text as a list of one."""
    return (value,) if isinstance(value, str) else value


def _text_of(value: object) -> object:
    """A number or boolean that YAML read from an unquoted word, as text again."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | Decimal | float) else value


def _texts_of(value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(_text_of(word) for word in value)
    return _listed(_text_of(value))


def _regex(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error


def _cell_regex(pattern: str) -> re.Pattern[str]:
    """A pattern that is asked of every cell: of the kind whose time grows with the text only."""
    found = re.search(r"\(\?(?:<?[=!]|>|P=)|\\[1-9]|[*+?}]\+", pattern)
    if found:
        raise ValueError(f"{found.group(0)!r} is not read here: no look-around, back references "
                         f"or possessive repeats")
    return _regex(pattern)


def _is_regex(pattern: str | None) -> str | None:
    if pattern is not None:
        _regex(pattern)
    return pattern


def _is_cell_regex(pattern: str | None) -> str | None:
    if pattern is not None:
        _cell_regex(pattern)
    return pattern


def _has_one_group(pattern: str | None) -> str | None:
    if pattern is not None and _cell_regex(pattern).groups > 1:
        raise ValueError("may have one group; write the others as (?:...)")
    return pattern


# Several or one: texts as they stand; words, which YAML may have read as something else.
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Word = Annotated[str, BeforeValidator(_text_of)]
WordOrNone = Annotated[str | None, BeforeValidator(_text_of)]
Words = Annotated[tuple[str, ...], BeforeValidator(_texts_of)]
# Patterns for headers, for cells, and for the part of a cell that is meant.
HeaderPattern = Annotated[str | None, AfterValidator(_is_regex)]
CellPattern = Annotated[str | None, AfterValidator(_is_cell_regex)]
PartPattern = Annotated[str | None, AfterValidator(_has_one_group)]


def known_zone(name: str) -> str:
    """`name` if it is an IANA time zone; ValueError otherwise."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA time zone, for example Asia/Shanghai") from error
    return name


class Version(_Strict):
    """How a newer version of the same record is known.

    Attributes:
        rule: `arrival`: later arrival wins, row by row; `column`: by `column`, whole documents;
            `file_name`: by the date in the file's name, whole documents.
        column: the time column of rule `column`.
        pattern: regular expression with groups year, month and perhaps day.
    """

    rule: Literal["arrival", "column", "file_name"] = "arrival"
    column: Literal["updated_at"] = "updated_at"
    pattern: str = DATE_IN_NAME

    @field_validator("pattern")
    @classmethod
    def _names_a_date(cls, pattern: str) -> str:
        groups = set(_regex(pattern).groupindex)
        if not {"year", "month"} <= groups:
            raise ValueError("must have the named groups year and month, and may have day")
        return pattern


class NumberFormat(_Strict):
    """How numbers are written.

    Attributes:
        decimal: the decimal mark.
        thousands: mark between groups of three; a space also means the no-break spaces.
        symbols: texts that may stand before or after: currency signs, units.
        brackets: (12.50) is -12.50.
        percent: 45% is 0.45; a number without the sign stays as it is.
        times: factor: 0.01 for cents, 0.001 for milliseconds as seconds, 60 for minutes.
        sign: `keep`; `absolute`: without its sign; `negated`: with the other one.
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    symbols: tuple[str, ...] = ()
    brackets: bool = False
    percent: bool = False
    times: Decimal = Field(default=Decimal(1), gt=0, lt=100_000, decimal_places=9)
    sign: Literal["keep", "absolute", "negated"] = "keep"

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}; no number could "
                             f"be told")
        return self


class Condition(_Strict):
    """A question to one cell of a row. Exactly one of `words`, `pattern`, `filled` is asked.

    Attributes:
        column: column of the file; the first of several that the header has. If it has none,
            the answer is no.
        words: the cell is one of these, without case.
        pattern: the cell has a part that matches this regular expression.
        filled: true: the cell is not empty; false: it is.
    """

    column: Annotated[Texts, Field(min_length=1)]
    words: Words = ()
    pattern: CellPattern = None
    filled: bool | None = None

    @model_validator(mode="after")
    def _asks_once(self) -> Self:
        asked = [bool(self.words), self.pattern is not None, self.filled is not None]
        if sum(asked) != 1:
            raise ValueError("state exactly one of words, pattern, filled")
        return self


class Case(Condition):
    """A value that a column has where a condition holds, before anything else is looked at.

    Example: `cases: [{column: Cancelled at, filled: true, value: cancelled}]`.
    """

    value: Word


class LeftOut(Condition):
    """Rows that are no facts: previews, test orders, header rows in the middle.

    Attributes:
        rule: name of the rule; people read it in the rejected rows.
        per: canonical column that names the document: all its rows are left out if one is.
    """

    rule: str = Field(pattern=NAME_PATTERN)
    per: str | None = None


class ColumnRule(_Strict):
    """Where the values of one canonical column come from, and how they are read.

    The steps, in this order: `cases`; else the cell of `from`, if empty of the `fallback`
    columns, or the `join`ed cells; `key`; `pattern`; `words`; `format` or `number` with `plus`
    and `minus`; `once_per`. A cell that stays empty takes `constant`.

    Attributes:
        from_: written `from`. Texts of one column: the first that the header has.
        optional: a header without the column is no fault; the column is then empty.
        fallback: columns asked, row by row, where the cell of `from` is empty.
        join: columns whose cells together, with `-` between, are the value; empty if one is.
        prefix, suffix: put before and behind the value: `+00:00` behind times of another zone.
        constant: the value where there is no column, or its cell is empty.
        key: the cell is a JSON list of {key, value} objects (or an object): the value of this
            key. Of a {key, value: {string_value, int_value ...}} object the one that is set.
        pattern: regular expression: the value is its first group (without a group: the match);
            a cell that does not match is empty.
        words: value words of the file -> words of the column, without case. `null` is empty.
        other_words: a word that is not in `words`: `reject` the row (unknown_word), or `keep`.
        cases: values by conditions on other cells; the first that holds counts.
        format: strptime format of a time or date, or several, or epoch_seconds,
            epoch_milliseconds, epoch_microseconds. ISO forms are always read. Without a format
            the whole column must prove one.
        number: how a number is written.
        plus, minus: further columns of numbers, added or subtracted; empty cells are nought.
        once_per: canonical column that names the document; the value is repeated (or left blank)
            on all its rows and counts on one of them only. Rows of one document that state
            different values are rejected.
        same_per: canonical column that names the document; a row without a value takes the one
            that other rows of its document state (the smallest, were they to differ). Shops
            state customer, time and status on the first row of an order only.
        number_per: canonical column that names the document; the value is the number of the row
            within it, 1 for its first row in the file. Gives lines an id where they have none.
        unique: the value of a second row with the same text gets `-2` behind it, a third `-3`: an
            id made of a time, where nothing else tells two rows apart.
        letters: `upper` or `lower`: the value in these letters, before `words`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Texts = Field(default=(), alias="from")
    optional: bool = False
    fallback: Texts = ()
    join: Texts = ()
    prefix: Word = ""
    suffix: Word = ""
    constant: WordOrNone = None
    key: str | None = None
    pattern: PartPattern = None
    words: dict[Word, WordOrNone] = {}
    other_words: Literal["reject", "keep"] = "reject"
    cases: tuple[Case, ...] = ()
    format: Texts = ()
    number: NumberFormat | None = None
    plus: Texts = ()
    minus: Texts = ()
    once_per: str | None = None
    same_per: str | None = None
    number_per: str | None = None
    unique: bool = False
    letters: Literal["keep", "upper", "lower"] = "keep"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        """`Name` and `[Name, Id]` are short for {from: ...}."""
        if isinstance(value, str | list | tuple):
            return {"from": _listed(value)}
        return value

    @field_validator("format")
    @classmethod
    def _is_format(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for text in formats:
            if text in EPOCHS:
                continue
            wrong = [mark for mark in re.findall(r"%(-?.)", text + " ")
                     if mark[-1] not in _DIRECTIVES]
            if "%" not in text or wrong:
                raise ValueError(
                    f"{text!r} is no date format; write for example \"%d.%m.%Y %H:%M\", or "
                    f"{', '.join(EPOCHS)}")
        return formats

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.from_ and self.join:
            raise ValueError("state from or join, not both")
        if not (self.from_ or self.join or self.cases or self.plus or self.number_per) \
                and self.constant is None:
            raise ValueError("says no column: state from, join or constant")
        return self

    @property
    def file_columns(self) -> tuple[str, ...]:
        """All columns of the file that the rule may look at."""
        asked = tuple(name for case in self.cases for name in case.column)
        return self.from_ + self.fallback + self.join + self.plus + self.minus + asked


class Question(_Strict):
    """Which columns of a survey ask a question. One of `column` and `text` is stated.

    Attributes:
        column: name of the column; the first of several that the header has.
        text: regular expression, matched against the column's name and its further header rows.
        not_text: columns whose name or further header rows match this are not meant.
    """

    column: Texts = ()
    text: HeaderPattern = None
    not_text: HeaderPattern = None

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if bool(self.column) == (self.text is not None):
            raise ValueError("state column, the question's column in the header, or text, a "
                             "regular expression for its words")
        return self


class Answer(_Strict):
    r"""One question of a survey: a row of the file gives one record for it if it is answered.

    Attributes:
        question: which column. A question by `column` must be in the header unless `optional`;
            one by `text` may be missing as long as another question is found.
        instrument: what the question measures.
        scale: lowest and highest answer.
        direction: which end is good.
        words: answers in words -> number, without case: {Very satisfied: 5}.
        pattern: regular expression: the answer is its first group; `^(\d+)` of "10 - very".
        skipped: texts that mean: not answered.
        comment: column of the text that belongs to this answer.
    """

    question: Question
    optional: bool = False
    instrument: Literal["csat", "nps", "ces"]
    scale: tuple[Decimal, Decimal] | None = None
    direction: Literal["higher_is_better", "lower_is_better"] = "higher_is_better"
    words: dict[Word, Decimal] = {}
    pattern: PartPattern = None
    skipped: Words = ()
    comment: Question | None = None

    @field_validator("question", "comment", mode="before")
    @classmethod
    def _short_question(cls, value: object) -> object:
        """`Q2` and `[Q2, Q2_1]` are short for {column: ...}."""
        return {"column": value} if isinstance(value, str | list | tuple) else value

    @model_validator(mode="after")
    def _scale_rises(self) -> Self:
        if self.scale is not None and self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale must rise, not {self.scale[0]} to {self.scale[1]}; a scale "
                             f"whose low end is good has direction: lower_is_better")
        return self


class Lines(_Strict):
    """Several line items side by side in one row: one record for each that is filled.

    Attributes:
        numbered: canonical column -> rule whose columns carry `{n}`, the number of the line.
            Without a rule for `line_id` it is that number.
    """

    numbered: dict[str, ColumnRule] = Field(min_length=1)


class Mapping(_Strict):
    """How the rows of a file become canonical rows.

    Attributes:
        read: how the file itself is read.
        columns: canonical column (or one of `attributes`) -> rule.
        left_out: rows that are no facts.
        answers: questions of a survey; without them a survey file has canonical columns
            `instrument` and `score`.
        not_questions: columns of a survey that ask nothing, which people need not be told of.
        lines: line items side by side.
        time_zone_key: key of the JSON cells in the further header rows that states the zone of
            the file's times, for example timeZone. A file without it is refused, unless the
            source states its time_zone.
    """

    read: ReadRules = ReadRules()
    columns: dict[str, ColumnRule] = {}
    left_out: tuple[LeftOut, ...] = ()
    answers: tuple[Answer, ...] = ()
    not_questions: Texts = ()
    lines: Lines | None = None
    time_zone_key: str | None = None

    @property
    def is_identity(self) -> bool:
        """Nothing is mapped: the file has canonical columns by their names."""
        return not (self.columns or self.left_out or self.answers or self.lines)


class Declaration(Mapping):
    """What a preset and a source of sources.yaml have in common.

    Attributes:
        version: how a newer version of the same record is known.
        currency: currency of orders that state none.
        id_space: sources with equal id spaces mean the same customer by the same id.
        customer_ids_are_personal: the ids of this id space are e-mail addresses or phone numbers,
            and those of `other_ids` are no better; never published, whichever source names them.
        overlap: for rows without an id: `same` row in two files is one fact, or `distinct` two.
        constants: short for columns with a constant.
        attributes: further columns of a customer export to keep; must not be personal.
        other_ids: columns of a customer export with the ids that other systems have for the same
            customer -> the id space of each, that of the sources which use these ids.
        phone_region: country of telephone numbers that state none.
        emails: writings of addresses that are one mailbox.
    """

    version: Version = Version()
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    id_space: str = Field(default=DEFAULT_ID_SPACE, pattern=NAME_PATTERN)
    customer_ids_are_personal: bool = False
    overlap: Literal["same", "distinct"] = "same"
    constants: dict[str, str] = {}
    attributes: tuple[Annotated[str, Field(pattern=NAME_PATTERN)], ...] = ()
    other_ids: dict[str, str] = {}
    phone_region: PhoneRegion = None
    emails: EmailRules = EmailRules()

    @field_validator("version", mode="before")
    @classmethod
    def _short_version(cls, value: object) -> object:
        return {"rule": value} if isinstance(value, str) else value


def normal(name: str) -> str:
    """A column's name as it is compared: without case, no spaces around, one space inside."""
    return " ".join(name.replace("\u3000", " ").split()).casefold()


def declaration_faults(kind: ExportKind, declared: Declaration) -> Iterator[Fault]:
    """What is wrong with a mapping by itself, before any file: (keys below it, words)."""
    base, kind = kind, kind.with_other_ids(declared.other_ids)
    allowed = kind.column_names + declared.attributes
    for key, names in (("columns", declared.columns), ("constants", declared.constants)):
        for name in names:
            if name not in allowed:
                yield (key, name), unknown(f"column of {kind.name}", name, allowed)
    for name, rule in declared.columns.items():
        for part, text in _rule_faults(kind, name, rule, numbered=False):
            yield ("columns", name, *part), text
    yield from _order_id_faults(declared)
    if declared.lines is not None:
        yield from _line_faults(kind, declared)
    if declared.answers:
        for name in ("instrument", "score", "scale_min", "scale_max", "direction"):
            if name in declared.columns:
                yield ("columns", name), "is said by answers; take it out of one of the two"
    yield from _kind_faults(kind, declared)
    yield from _other_id_faults(base, declared)
    if declared.columns:
        yield from _unmapped_faults(kind, declared)


def _kind_faults(kind: ExportKind, declared: Declaration) -> Iterator[Fault]:
    """Keys that this kind of export has no use for."""
    if declared.answers and kind.name != "surveys":
        yield ("answers",), "belong to kind surveys only"
    if declared.attributes and kind.name != "customers":
        yield ("attributes",), "belong to kind customers only"
    if declared.currency and "currency" not in kind.column_names:
        yield ("currency",), f"{kind.name} have no column currency"
    if declared.version.rule == "column" and declared.version.column not in kind.column_names:
        yield ("version",), f"{kind.name} have no column {declared.version.column}"


def _other_id_faults(kind: ExportKind, declared: Declaration) -> Iterator[Fault]:
    """Columns that cannot be ids of other systems, and spaces that these cannot be of."""
    if declared.other_ids and kind.name != "customers":
        yield ("other_ids",), "belong to kind customers only"
        return
    for name, space in declared.other_ids.items():
        where = ("other_ids", name)
        if not re.fullmatch(NAME_PATTERN, name) or _OWN_NAMES.fullmatch(name):
            yield where, (f"{name!r} can be no column's name here; write one of small letters, "
                          f"digits and _, for example {space}_id, and under columns: from which "
                          f"column of the file it comes")
        elif name in kind.column_names:
            yield where, (f"is a column of {kind.name} with a meaning of its own; give the id "
                          f"another name, for example {space}_id, and say under columns: from "
                          f"which column of the file it comes")
        elif name in declared.attributes:
            yield where, "is also in attributes; take it out of one of the two"
        if space in CONTACT_SPACES:
            yield where, (f"{space} is no id space of ids: what stands in column {space} joins "
                          f"customers already; say under columns: from which column of the file "
                          f"{space} comes")
        elif not re.fullmatch(NAME_PATTERN, space):
            yield where, (f"{space!r} is no id space; write small letters, digits and _, as the "
                          f"id_space of the sources that use these ids")


def _order_id_faults(declared: Declaration) -> Iterator[Fault]:
    """Order numbers stand in clear in raw: nothing personal may be joined to one."""
    personal = ["name", "email", "phone"]
    if declared.customer_ids_are_personal:
        personal.append("customer_id")
    columns = {normal(column): name for name in personal if name in declared.columns
               for column in declared.columns[name].file_columns}
    rule = declared.columns.get("order_id")
    for position, column in enumerate(rule.join if rule else ()):
        if normal(column) in columns:
            yield (("columns", "order_id", "join", position),
                   f"{column} is the {columns[normal(column)]} of a person, and order numbers are "
                   f"not hidden; join a column that is not personal, for example the day")


def _line_faults(kind: ExportKind, declared: Declaration) -> Iterator[Fault]:
    assert declared.lines is not None
    if kind.name != "orders":
        yield ("lines",), "belong to kind orders only"
    for name, rule in declared.lines.numbered.items():
        where = ("lines", "numbered", name)
        if name not in kind.column_names:
            yield where, unknown(f"column of {kind.name}", name, kind.column_names)
        if name in declared.columns:
            yield where, "is also in columns; take it out of one of the two"
        if not any(LINE_NUMBER in column for column in rule.file_columns):
            yield where, f"none of its columns has {LINE_NUMBER}, the number of the line"
        for part, text in _rule_faults(kind, name, rule, numbered=True):
            yield (*where, *part), text


def _rule_faults(kind: ExportKind, name: str, rule: ColumnRule, *,
                 numbered: bool) -> Iterator[Fault]:
    column = next((column for column in kind.columns if column.name == name), None)
    if column is None:
        return
    if rule.format and column.type not in ("time", "date"):
        yield ("format",), f"{name} is no time or date"
    if (rule.number or rule.plus or rule.minus) and column.type not in ("number", "integer"):
        yield (("number",) if rule.number else ("plus",)), f"{name} is no number"
    if rule.once_per is not None and column.type not in ("number", "integer"):
        yield ("once_per",), f"{name} is no number; only numbers are counted once"
    for key, document in (("once_per", rule.once_per), ("same_per", rule.same_per),
                          ("number_per", rule.number_per)):
        if document is not None and document not in kind.column_names:
            yield (key,), unknown(f"column of {kind.name}", document, kind.column_names)
    if not numbered and any(LINE_NUMBER in text for text in rule.file_columns):
        yield ("from",), f"{LINE_NUMBER} belongs to lines.numbered only"
    if column.type == "choice":
        yield from _choice_faults(column.choices, rule)


def _choice_faults(choices: tuple[str, ...], rule: ColumnRule) -> Iterator[Fault]:
    """Words that the column does not know."""
    said: list[tuple[tuple[str | int, ...], str | None]] = [(("constant",), rule.constant)]
    said += [(("words", word), meaning) for word, meaning in rule.words.items()]
    said += [(("cases", position), case.value) for position, case in enumerate(rule.cases)]
    for where, word in said:
        if word is not None and word not in choices:
            yield where, unknown("word", word, choices)


def _unmapped_faults(kind: ExportKind, declared: Declaration) -> Iterator[Fault]:
    """Required columns that no rule gives."""
    given = set(declared.columns) | set(declared.constants)
    if declared.lines is not None:
        given |= set(declared.lines.numbered)
    if declared.currency:
        given.add("currency")
    if declared.answers:
        given |= {"instrument", "score"}
    missing = [column.name for column in kind.columns
               if column.is_required and column.name not in given]
    if declared.version.rule == "column" and declared.version.column not in given:
        missing.append(declared.version.column)
    if missing:
        yield ("columns",), (f"says nothing of {', '.join(missing)}; {kind.name} need "
                             f"{'this column' if len(missing) == 1 else 'these columns'}")


def kind_named(name: str) -> str:
    """`name` if it is a kind of export; ValueError otherwise."""
    if name not in KINDS:
        raise ValueError(unknown("kind", name, tuple(KINDS)))
    return name


def all_file_columns(declared: Mapping) -> Iterable[str]:
    """Every column of a file that a mapping may look at, questions by text left aside."""
    for rule in declared.columns.values():
        yield from rule.file_columns
    for rule in declared.lines.numbered.values() if declared.lines else ():
        yield from rule.file_columns
    for condition in declared.left_out:
        yield from condition.column
    for answer in declared.answers:
        yield from answer.question.column
        yield from answer.comment.column if answer.comment else ()
