"""What people read when the gate speaks: masked examples and failure messages.

No value of a customer appears in clear: messages land in logs, alerts and tables.
"""

from __future__ import annotations

import datetime
import decimal
import difflib
import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from dagster_project.quality.result import Check, CheckResult
from dagster_project.refusals import NotFinished

_UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.I)
# Looser than what the gate reports: in a message a harmless word may be masked.
_PERSONAL = re.compile(r"\S+@\S+|\+?\d(?:[\s().-]{0,2}\d){8,}")
_QUOTED = re.compile(r"'[^']*'")
_ERROR_LENGTH = 300
# Tables that say what came, beside those of raw.
_DELIVERED = frozenset({"load_ledger", "refused_files", "due_deliveries", "text_values"})


def mask(value: Any) -> str:
    """A value as a message may show it.

    Numbers, dates and truth values stay. Of a key the first eight characters stay, enough to
    find it; of any other text the first character and the length.
    """
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return str(round(value, 6))
    if isinstance(value, bool | int | decimal.Decimal | datetime.date | datetime.time):
        return str(value)
    text = str(value)
    if isinstance(value, uuid.UUID) or _UUID.match(text):
        return f"{text[:8]}…"
    return f"{text[:1]}*** ({len(text)} characters)"


def scrub(text: str) -> str:
    """Text of ours with anything masked that looks like an e-mail address or phone number."""
    return _PERSONAL.sub("***", text)


def example_of(row: Mapping[str, Any], shown: Collection[str] = ()) -> str:
    """One row at fault, `column = value`, masked except for the columns in `shown`."""
    parts = []
    for column, value in row.items():
        text = scrub(str(value)) if column in shown and value is not None else mask(value)
        parts.append(f"{column} = {text}")
    return ", ".join(parts)


def error_words(error: BaseException | str) -> str:
    """First line of an error, short, without the values it may quote."""
    lines = str(error).strip().splitlines() or [""]
    text = scrub(_QUOTED.sub("'…'", lines[0]))[:_ERROR_LENGTH]
    is_said = isinstance(error, str | NotFinished)
    return text if is_said else f"{type(error).__name__}: {text}"


def finding(check: Check, what: str, example: str = "") -> str:
    """The message of a failed check: what and how many, a masked example, what to do."""
    shown = f" For example {example}." if example else ""
    return f"{check.relation}: {what}.{shown} {check.action}"


def no_answer(check: Check, reason: str) -> str:
    """The message of a check that was not evaluated."""
    return (f"{check.relation}: could not be checked: {reason}. "
            "What was not checked is not published; mend the cause and run the gate again.")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean "x"?` for a close word, else the words that are known."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f' Did you mean "{close[0]}"?'
    return f" Known: {', '.join(names)}." if names else ""


def failure_words(results: Iterable[CheckResult]) -> str:
    """What the last lines of a run say about the checks that did not pass.

    Args:
        results: of one candidate.

    Returns:
        First the checks that stop the publication, then warnings and waivers, one line each;
        of each kind causes before what follows from them. Empty when all passed.
    """
    found = sorted((result for result in results if result.outcome != "passed"),
                   key=lambda result: (not result.stops, _distance(result), result.check_name))
    if not found:
        return ""
    stopping = sum(result.stops for result in found)
    head = (f"{stopping:,} {'check stops' if stopping == 1 else 'checks stop'} this publication; "
            f"what was published before stays:" if stopping
            else "Published with remarks:")
    return "\n".join([head, *(_line(result) for result in found)])


def _line(result: CheckResult) -> str:
    label = {"failed": "FAILED" if result.stops else "warning", "waived": "waived",
             "not_evaluated": "NOT CHECKED"}[result.outcome]
    waiver = f" Waived: {result.waived_reason}" if result.waived_reason else ""
    return f"- {label} {result.check_name}: {result.message}{waiver}"


def rows_in_words(rows_n: int) -> str:
    """A number of rows."""
    return f"{rows_n:,} row" if rows_n == 1 else f"{rows_n:,} rows"


def _distance(result: CheckResult) -> int:
    """How far a table is from what was delivered: faults of files show in all that follows."""
    if result.table_name in _DELIVERED or result.table_name.startswith("raw_"):
        return 0
    return 1 if result.table_name == "reconciliation" else 2
