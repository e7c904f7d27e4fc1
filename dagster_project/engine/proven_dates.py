"""Dates without a stated format: the one reading that the whole column of a file proves.

Whether 03/04/2026 is in March or in April no single value says. A column with 25/12/2026 in it
does; one without is refused, with the readings that are possible.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from dagster_project.engine.interface import LoadRequest
from dagster_project.engine.mapped_values import parsed_time, zoned
from dagster_project.ingest.landing import FileRefused

TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")


@dataclass(frozen=True)
class Reading:
    """One way to read dates.

    Attributes:
        words: what people call it.
        shape: regular expression for the date part; formats alone are too lenient with years.
        dates: strptime formats of the date part.
        is_iso: year, month, day, which no other reading can be taken for.
    """

    words: str
    shape: str
    dates: tuple[str, ...]
    is_iso: bool = False

    @property
    def is_worth_telling(self) -> bool:
        """It was found out, not plain."""
        return not self.is_iso

    def sql(self, text: str) -> str:
        """The value as ISO text; a value that is not written so as it is."""
        return f"coalesce({self.parsed(text)}, {text})"

    def parsed(self, text: str) -> str:
        """The value as ISO text; NULL if it is not written so."""
        whole = f"trim({zoned(text)})"
        forms = [date + time + zone for date in self.dates for time in TIMES
                 for zone in (("", " %z", "%z") if time else ("",))]
        tried = ", ".join(parsed_time(whole, form) for form in forms)
        found = f"case when regexp_matches({text}, '^{self.shape}') then coalesce({tried}) end"
        if not self.is_iso:
            return found
        iso = (f"case when regexp_matches(substr({whole}, 11), '[A-SU-Za-su-z+-]') "
               f"then case when try_cast({whole} as timestamptz) is not null then {whole} end "
               f"when try_cast({whole} as timestamp) is not null then {whole} end")
        return f"case when regexp_matches({text}, '^[0-9]{{4}}') then coalesce({iso}, {found}) end"


READINGS = (
    Reading("year-month-day", "[0-9]{4}",
            ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d"), True),
    Reading("day/month/year", r"\d{1,2}/\d{1,2}/\d{4}(?:\D|$)", ("%d/%m/%Y",)),
    Reading("month/day/year", r"\d{1,2}/\d{1,2}/\d{4}(?:\D|$)", ("%m/%d/%Y",)),
    Reading("day.month.year", r"\d{1,2}\.\d{1,2}\.\d{4}(?:\D|$)", ("%d.%m.%Y",)),
    Reading("day-month-year", r"\d{1,2}-\d{1,2}-\d{4}(?:\D|$)", ("%d-%m-%Y",)),
    Reading("month-day-year", r"\d{1,2}-\d{1,2}-\d{4}(?:\D|$)", ("%m-%d-%Y",)),
    Reading("day and month's name", r"\d{1,2}[ -][A-Za-z]",
            ("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%B-%Y")),
    Reading("month's name and day", r"[A-Za-z]{3,9} \d{1,2},? \d{4}",
            ("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y")),
)


def proven_reading(scratch: duckdb.DuckDBPyConnection, values: str, request: LoadRequest,
                   target: str, column: str) -> Reading:
    """The one reading of all values that any reading reads; year-month-day if there are none.

    Args:
        values: query with the column's texts as `value`.
        target: canonical column, for messages; `column` that of the file.

    Raises:
        FileRefused: several readings are possible, or values are written in several ways.
    """
    scratch.execute(f"create or replace table texts_of_dates as "
                    f"select distinct value from ({values}) where value is not null")
    iso = READINGS[0]
    if not _count(scratch, f"{iso.parsed('value')} is null"):
        return iso
    counts = {reading: _count(scratch, f"{reading.parsed('value')} is not null")
              for reading in READINGS}
    any_n = _count(scratch, " or ".join(f"{reading.parsed('value')} is not null"
                                        for reading in READINGS))
    where = f"landing/{request.name}: column {column} ({target})"
    say = (f"state format: under columns.{target} of source {request.source.name} in "
           f"sources.yaml, for example \"%d/%m/%Y %H:%M\"")
    if any_n == 0:
        raise FileRefused(f"{where} has dates in no known form, for example "
                          f"{_shape(_first(scratch, 'true'))}; {say}")
    possible = [reading for reading in READINGS if counts[reading] == any_n]
    if len(possible) == 1:
        return possible[0]
    if possible:
        readings = " or ".join(f"{reading.words} ({_iso(scratch, reading)})"
                               for reading in possible)
        raise FileRefused(f"{where}: {_example(scratch, possible[0])} may be {readings}, and no "
                          f"value of the column decides; {say}")
    raise FileRefused(f"{where} has dates in several forms: {_mixed(scratch, counts)}; deliver "
                      f"them in one")


def _count(scratch: duckdb.DuckDBPyConnection, condition: str) -> int:
    row = scratch.execute(f"select count(*) from texts_of_dates where {condition}").fetchone()
    return int(row[0]) if row else 0


def _first(scratch: duckdb.DuckDBPyConnection, condition: str) -> str:
    row = scratch.execute(f"select min(value) from texts_of_dates where {condition}").fetchone()
    return str(row[0]) if row else ""


def _example(scratch: duckdb.DuckDBPyConnection, reading: Reading) -> str:
    return repr(_first(scratch, f"{reading.parsed('value')} is not null"))


def _iso(scratch: duckdb.DuckDBPyConnection, reading: Reading) -> str:
    parsed = reading.parsed("value")
    row = scratch.execute(f"select {parsed} from texts_of_dates where {parsed} is not null "
                          f"order by value limit 1").fetchone()
    return str(row[0])[:10] if row else ""


def _mixed(scratch: duckdb.DuckDBPyConnection, counts: dict[Reading, int]) -> str:
    """An example of each form that some value proves against another."""
    seen: dict[str, str] = {}
    for reading, number in counts.items():
        others = [other for other in counts if other is not reading and counts[other]]
        alone = " and ".join(f"{other.parsed('value')} is null" for other in others) or "true"
        condition = f"{reading.parsed('value')} is not null and {alone}"
        if number and _count(scratch, condition):
            seen[reading.words] = _first(scratch, condition)
    return ", ".join(f"{words} as in {value!r}" for words, value in seen.items())


def _shape(text: str) -> str:
    """A value as it may stand in a log: a column of dates may hold anything."""
    letters = "".join("x" if char.isalpha() else "9" if char.isdigit() else char
                      for char in text[:30])
    return repr(letters)

