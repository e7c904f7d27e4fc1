"""What looks like an e-mail address or a telephone number, in SQL: finding it, masking it.

One pair of patterns for the gate, which looks, and for the tables written after it, which mask.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import duckdb

from dagster_project.engine.stores import identifier, literal
from dagster_project.engine.table import Table

# The left border keeps masked values (j***@e***.com) and words with a lone @ from matching.
EMAIL_PATTERN = r"[^\s@*,;:<>()]@[^\s@*,;<>()]+\.[^\s@*.,;<>()]{2,}"
# A mainland mobile number, any number written with +, and the 3-3-4 form. Digits inside longer
# words (hashes, order numbers) do not count, hence the borders.
PHONE_PATTERN = (
    r"(^|[^0-9A-Za-z+])("
    r"1[3-9][0-9]([ -]?)[0-9]{4}([ -]?)[0-9]{4}"
    r"|\+[0-9]([ ().-]{0,2}[0-9]){7,14}"
    r"|\(?[2-9][0-9]{2}\)?[ .-][0-9]{3}[ .-][0-9]{4}"
    r")($|[^0-9A-Za-z])"
)
MASK = "***"
TEXT_TYPES = ("VARCHAR", "JSON")


def make_text_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `looks_like_email(value)` and `looks_like_phone(value)`."""
    connection.execute(
        "create macro looks_like_email(value) as "
        f"contains(value, '@') and regexp_matches(value, {literal(EMAIL_PATTERN)})"
    )
    connection.execute(
        "create macro looks_like_phone(value) as "
        f"regexp_matches(value, {literal(PHONE_PATTERN)})"
    )


def mask_personal_text(connection: duckdb.DuckDBPyConnection, schema: str,
                       tables: Iterable[Table],
                       permitted: Collection[tuple[str, str]] = ()) -> None:
    """Mask addresses and numbers in every text column of some tables, in place.

    Args:
        schema: of the tables, with its catalog.
        permitted: (table, column) whose numbers only look like telephone numbers.
    """
    for table in tables:
        for column in table.columns:
            if column.type not in TEXT_TYPES:
                continue
            name = identifier(column.name)
            found = f"regexp_matches({name}, {literal(EMAIL_PATTERN)})"
            masked = (f"regexp_replace({name}, {literal('[^ @*,;:<>()]*' + EMAIL_PATTERN)}, "
                      f"'{MASK}', 'g')")
            if (table.name, column.name) not in permitted:
                found += f" or regexp_matches({name}, {literal(PHONE_PATTERN)})"
                # Twice: the border between two numbers belongs to the first match alone.
                for _ in range(2):
                    masked = (f"regexp_replace({masked}, {literal(PHONE_PATTERN)}, "
                              f"'\\1{MASK}\\6', 'g')")
            connection.execute(
                f"update {schema}.{identifier(table.name)} set {name} = {masked} where {found}")
