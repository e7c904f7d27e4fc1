"""SQL for the values of a mapping: cells, words, conditions, numbers and stated times.

Each function turns one thing that `ingest/mapping.py` lets people say into an expression over
text. Which columns there are, and how rows become records, stands in `mapping.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dagster_project.engine.stores import literal
from dagster_project.ingest.mapping import (
    EPOCHS,
    ColumnRule,
    Condition,
    NumberFormat,
)

# Wide enough for an amount of a line in any currency, with room for a factor.
AMOUNT = "decimal(28, 8)"
PLAIN = NumberFormat()
EARLIEST_YEAR = 1000


@dataclass(frozen=True)
class CellRules:
    """What a file writes instead of an empty cell, and in front of ids."""

    empty_words: tuple[str, ...] = ()
    strip_prefixes: tuple[str, ...] = ()


def trimmed(cell: str) -> str:
    """The cell without spaces and tabs around it, NULL if nothing is left."""
    return f"nullif(trim({cell}, chr(32) || chr(9) || chr(12288)), '')"


def may_be_padded(row: str, mark: str, cells: Sequence[str]) -> str:
    """Whether some cell of a row may have spaces or tabs around it.

    Args:
        row: its cells in one text, with the mark before each.
        mark: a character that stands between cells.
        cells: the cells; how one begins is told by itself faster than in the text.
    """
    begins = " or ".join(f"{cell} < '!'" for cell in cells) or "false"
    return (f"(coalesce({begins}, false) or contains({row}, ' ' || {literal(mark)}) "
            f"or ends_with({row}, ' ') or contains({row}, chr(9)) or contains({row}, chr(12288)))")


def cell_text(cell: str, rules: CellRules) -> str:
    """The cell without spaces and tabs around it and what the rules take for nothing.

    Nearly no value has any, and trimming each costs more than all the rest of reading it.
    """
    text = (f"case when {cell} < '!' or ends_with({cell}, ' ') or ends_with({cell}, chr(9)) "
            f"or starts_with({cell}, chr(12288)) or ends_with({cell}, chr(12288)) "
            f"then {trimmed(cell)} else {cell} end")
    for prefix in rules.strip_prefixes:
        if prefix == "=":
            text = (f"coalesce(nullif(regexp_extract({text}, '^=\"(.*)\"$', 1), ''), {text})")
        elif prefix.strip():
            rest = f"trim(substr({text}, {len(prefix) + 1}))"
            text = (f"case when starts_with({text}, {literal(prefix)}) "
                    f"then nullif({rest}, '') else {text} end")
    if rules.empty_words:
        words = ", ".join(literal(word.strip()) for word in rules.empty_words)
        text = f"case when {text} in ({words}) then null else {text} end"
    return text


def answer_is_given(cell: str, skipped: Sequence[str]) -> str:
    """Whether a question was answered."""
    if not skipped:
        return f"({cell} is not null)"
    words = ", ".join(literal(word.strip().lower()) for word in skipped)
    return f"({cell} is not null and lower({cell}) not in ({words}))"


def condition_of(condition: Condition, cell: str) -> str:
    """Whether the condition holds for its cell; never NULL."""
    if condition.filled is not None:
        return f"{cell} is {'not ' if condition.filled else ''}null"
    if condition.pattern is not None:
        return f"coalesce(regexp_matches({cell}, {literal(condition.pattern)}), false)"
    words = ", ".join(literal(word.strip().lower()) for word in condition.words)
    return f"coalesce(lower({cell}), '') in ({words})"


def raw_value(rule: ColumnRule, cell_of: Callable[[Sequence[str]], str | None]) -> str:
    """The text that a rule finds in a row, NULL if there is none."""
    if rule.join:
        cells = [cell_of((name,)) or "null" for name in rule.join]
        text = "cast(" + " || '-' || ".join(cells) + " as varchar)"
    else:
        found = [cell_of(rule.from_), *(cell_of((name,)) for name in rule.fallback)]
        cells = [cell for cell in found if cell is not None]
        text = f"coalesce({', '.join(cells)})" if cells else "cast(null as varchar)"
    if rule.key is not None:
        text = _json_value(text, rule.key)
    if rule.letters != "keep":
        text = f"{rule.letters}({text})"
    if rule.pattern is not None:
        group = re.compile(rule.pattern).groups
        text = f"nullif(trim(regexp_extract({text}, {literal(rule.pattern)}, {group})), '')"
    if rule.prefix:
        text = f"{literal(rule.prefix)} || {text}"
    if rule.suffix:
        text = f"{text} || {literal(rule.suffix)}"
    return text


def _json_value(text: str, key: str) -> str:
    """The value of a key: of an object, or of a list of {key, value} objects."""
    path = literal("$." + '"' + key.replace('"', '\\"') + '"')
    found = (f"list_filter(json_extract({text}, '$[*]'), "
             f"lambda entry: json_extract_string(entry, '$.key') = {literal(key)})[1]")
    typed = ", ".join(f"json_extract_string({found}, '$.value.{name}')" for name in
                      ("string_value", "int_value", "float_value", "double_value"))
    plain = (f"case when json_type({found}, '$.value') <> 'OBJECT' "
             f"then json_extract_string({found}, '$.value') end")
    return (f"try(case when json_type({text}) = 'ARRAY' then coalesce({typed}, {plain}) "
            f"else json_extract_string({text}, {path}) end)")


def worded(text: str, rule: ColumnRule) -> str:
    """The text in the words of the column."""
    if not rule.words:
        return text
    whens = "".join(
        f" when {literal(word.strip().lower())} then "
        f"{'cast(null as varchar)' if meaning is None else literal(meaning)}"
        for word, meaning in rule.words.items())
    return f"case coalesce(lower({text}), ''){whens} else {text} end"


def missing_word(text: str, rule: ColumnRule, cases: Sequence[tuple[str, str]]) -> str:
    """Whether the text is a word that the rule does not know."""
    words = ", ".join(literal(word.strip().lower()) for word in rule.words)
    fault = f"{text} is not null and lower({text}) not in ({words})"
    for holds, _ in cases:
        fault += f" and not ({holds})"
    return f"({fault})"


def case_of(cases: Sequence[tuple[str, str]], otherwise: str) -> str:
    """The value of the first case that holds, else another."""
    if not cases:
        return otherwise
    whens = "".join(f" when {holds} then {literal(value)}" for holds, value in cases)
    return f"case{whens} else {otherwise} end"


def time_of(text: str, formats: Sequence[str]) -> str:
    """A time or date of one of the formats as ISO text; any other text as it is."""
    tried = [_epoch(text, EPOCHS[form]) if form in EPOCHS else
             parsed_time(zoned(text) if "%z" in form else text, form) for form in formats]
    return f"coalesce({', '.join(tried)}, {zoned(text)})"


def parsed_time(text: str, form: str) -> str:
    """A time of one format as ISO text, with its offset if the format has one; else NULL."""
    moment = f"try_strptime({text}, {literal(form)})"
    # Two digits must not be taken for the first century.
    return f"case when year({moment}) >= {EARLIEST_YEAR} then cast({moment} as varchar) end"


def zoned(text: str) -> str:
    """The text with `GMT+8`, `UTC+08`, `UTC` behind it written as an offset."""
    one = f"regexp_replace({text}, '(?:GMT|UTC)([+-])([0-9])$', '\\10\\2:00')"
    two = f"regexp_replace({one}, '(?:GMT|UTC)([+-][0-9]{{2}})(?::?00)?$', '\\1:00')"
    none = f"regexp_replace({two}, '(?:GMT|UTC)$', '+00:00')"
    return f"case when regexp_matches({text}, '(?:GMT|UTC)') then {none} else {text} end"


def _epoch(text: str, units: int) -> str:
    microseconds = f"try_cast(round(try_cast({text} as decimal(38, 6)) * {1_000_000 // units}) "
    return f"cast(try(make_timestamp({microseconds} as bigint))) as varchar) || '+00'"


def number_of(text: str, rule: ColumnRule,
              cells: Mapping[str, str | None]) -> tuple[str, str]:
    """A number as plain text, and the condition under which it or a part of it is none."""
    form = rule.number or PLAIN
    own = _amount(text, form)
    parts, faults = [f"coalesce({own}, 0)"], [f"({text} is not null and {own} is null)"]
    given = [f"{text} is not null"]
    for names, sign in ((rule.plus, "+"), (rule.minus, "-")):
        for name in names:
            cell = cells[name]
            if cell is not None:
                amount = _amount(cell, form)
                parts.append(f"{sign} coalesce({amount}, 0)")
                faults.append(f"({cell} is not null and {amount} is null)")
                given.append(f"{cell} is not null")
    total = f"try_cast({' '.join(parts)} as decimal(20, 8))"
    if form.times != 1:
        total = f"{total} * cast({form.times:f} as decimal(14, 9))"
    if form.sign == "absolute":
        total = f"abs({total})"
    elif form.sign == "negated":
        total = f"-({total})"
    is_given = " or ".join(given)
    faults.append(f"(({is_given}) and ({total}) is null)")
    fault = "(" + " or ".join(faults) + ")"
    # What is no number stays as it is, for the one who repairs the row.
    return (f"case when {fault} then {text} when {is_given} then cast({total} as varchar) end",
            fault)


def _amount(text: str, form: NumberFormat) -> str:
    """A written number as a decimal; NULL if it is not written so."""
    for symbol in form.symbols:
        text = f"replace({text}, {literal(symbol)}, '')"
    # Spaces of any width: narrow and no-break ones are usual between thousands.
    text = f"trim(translate({text}, chr(160) || chr(8239) || chr(8201), '   '))"
    sign = "1"
    if form.brackets:
        sign = f"case when starts_with({text}, '(') and ends_with({text}, ')') then -1 else 1 end"
        text = (f"case when starts_with({text}, '(') and ends_with({text}, ')') "
                f"then trim({text}, '()') else {text} end")
    share = "1"
    if form.percent:
        share = f"case when ends_with({text}, '%') then 0.01 else 1 end"
        text = f"trim(rtrim({text}, '%'))"
    mark = re.escape(form.decimal)
    whole = r"\d+"
    if form.thousands is not None:
        whole = rf"(?:\d{{1,3}}(?:{re.escape(form.thousands)}\d{{3}})+|\d+)"
    pattern = rf"[+-]?\s?(?:{whole}(?:{mark}\d*)?|{mark}\d+)"
    plain = f"replace({text}, ' ', '')"
    if form.thousands not in (None, " "):
        plain = f"replace({plain}, {literal(str(form.thousands))}, '')"
    if form.decimal != ".":
        plain = f"replace({plain}, {literal(form.decimal)}, '.')"
    number = (f"case when regexp_full_match({text}, {literal(pattern)}) "
              f"then try_cast({plain} as {AMOUNT}) end")
    if form.brackets:
        number = f"({number}) * ({sign})"
    if form.percent:
        number = f"cast(({number}) * ({share}) as {AMOUNT})"
    return number
