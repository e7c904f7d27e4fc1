"""How a table of the project is declared, once, for DDL, metadata, checks and documents.

Only the form is here. The declarations stand in the room that owns the table:
`ingest/tables.py`, `customers/tables.py`, `publish/tables.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: snake case; suffixes say unit and kind (`_at` UTC, `_date` business date, `_n`
            count, `_amount` base currency, `_share` 0-1, `_score` 0-100).
        type: SQL type.
        meaning: one sentence for a reader who knows the business, not the code.
        is_required: never NULL.
        is_run_metadata: differs between two runs over the same six inputs.
    """

    name: str
    type: str
    meaning: str
    is_required: bool = False
    is_run_metadata: bool = False


@dataclass(frozen=True)
class Table:
    """A table the project owns.

    Attributes:
        name: table name without schema.
        grain: what one row is.
        columns: fixed columns, in order.
        key: columns that identify a row.
        has_configured_columns: further columns follow the home's configuration.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = field(default=())
    has_configured_columns: bool = False

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the fixed columns, in order."""
        return tuple(column.name for column in self.columns)

    def ddl(self, schema: str) -> str:
        """The `create table if not exists` statement of this table in `schema`."""
        lines = [
            f"    {column.name} {column.type}{' not null' if column.is_required else ''}"
            for column in self.columns
        ]
        return f"create table if not exists {schema}.{self.name} (\n" + ",\n".join(lines) + "\n)"
