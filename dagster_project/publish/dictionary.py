"""The documents that are made from declarations: `docs/tables.md` and `docs/columns.md`.

`python -m dagster_project.publish.dictionary` writes both; a test fails when a declaration has
moved and its document has not. Nothing is declared here but the view over `customer_scores` and
the words for export columns that have no column in raw. What a reader needs beyond names, types
and meanings is written by hand elsewhere in docs/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from dagster_project.configuration import Configuration, load_configuration
from dagster_project.engine.status import STATUS_TABLES
from dagster_project.engine.table import Column, Table
from dagster_project.ingest.canonical import (
    CUSTOMERS,
    DEFAULT_SCALES,
    KINDS,
    REJECTION_REASONS,
    CanonicalColumn,
    ExportKind,
)
from dagster_project.ingest.tables import REJECTED_ROWS
from dagster_project.publish.label_tables import QUADRANT_MIGRATIONS
from dagster_project.publish.tables import (
    CURRENT_TABLES,
    CUSTOMER_SCORES,
    HISTORY_TABLES,
    RUN_TABLES,
)
from dagster_project.scoring.score import ScoreColumn, published_columns

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python -m dagster_project.publish.dictionary"

SCORE_CONTRIBUTIONS = Table(
    "score_contributions",
    "One measured part of one composite of one customer: `customer_scores` written lengthwise. A "
    "view; the contributions of a composite add up to it.",
    (
        Column("customer_key", "UUID", "Our id of one person or company.", True),
        Column("composite", "VARCHAR", "Composite, a column of customer_scores.", True),
        Column("part", "VARCHAR", "Indicator or composite that is a part of it.", True),
        Column("score", "DECIMAL(7,4)", "Score of the part, 0-100.", True),
        Column("effective_weight", "DECIMAL(7,6)",
               "Weight of the part after parts without data are left out, 0-1.", True),
        Column("contribution", "DECIMAL(7,4)", "Points the part contributes.", True),
    ),
    ("customer_key", "composite", "part"),
)

# The first suffix that fits says the unit.
UNITS = (
    ("_at", "UTC"),
    ("_date", "business date"),
    ("_amount", "base currency"),
    ("__contribution", "points"),
    ("__coverage", "share 0-1"),
    ("__weight", "share 0-1"),
    ("_weight", "share 0-1"),
    ("_share", "share 0-1"),
    ("_recency_score", "points 1-5"),
    ("_frequency_score", "points 1-5"),
    ("_monetary_score", "points 1-5"),
    ("_score", "points 0-100"),
    ("crm_value", "points 0-100"),
    ("contribution", "points"),
    ("_days", "days"),
    ("__value", "its own, see meaning"),
    ("__n", "answers by weight"),
    ("_n", "count"),
)

SCORE_GROUPS = {
    "key": "Keys",
    "composite": "Composites",
    "label": "Labels",
    "indicator": "Indicators",
    "part": "Parts of composites",
}
GROUP_OF_KIND = {
    "key": "key", "label": "label", "composite": "composite", "coverage": "composite",
    "value": "indicator", "score": "indicator", "answers": "indicator",
    "weight": "part", "contribution": "part",
}

# Columns of exports whose raw column says something else, or that have none; with the kind in
# front where the kinds differ.
EXPORT_MEANINGS = {
    "line_id": "Number of the line within its order; without it equal lines are told apart by "
               "their content and how often it occurs.",
    "updated_at": "Time of this version of the record, where the source states "
                  "`version: {rule: column, column: updated_at}`; else nothing reads it.",
    "name": "Name of the person or company; goes to the vault only.",
    "comment": "Text of the answer; goes to the vault only.",
    "customer_id": "Id of the customer; without one the record is loaded and unattributed.",
    "customers.customer_id": "Id of the customer, as the other exports write it.",
    "campaigns.customer_id": "Id of the customer, as the other exports write it.",
    "email": "E-mail address; goes to the vault only, and joins customers who state the same.",
    "phone": "Telephone number; goes to the vault only, and joins customers who state the same.",
    "interaction_id": "Number of the interaction; without it equal rows are told apart by how "
                      "often they occur.",
    "shipping": "Shipping paid by the shop for the line.",
    "tax": "Tax on the line, not part of revenue.",
    "shipping_charged": "Shipping that the buyer paid, not part of revenue; with `tax` it is what "
                        "a refund may pay back beyond the goods.",
    "status": "completed, cancelled, refunded or open. Empty: that of the order's other lines "
              "where these agree, else completed.",
    "quantity": "Units bought; negative: returned, on the row's own date.",
    "unit_price": "Price of one unit, original currency; negative: taken back, on the row's own "
                  "date.",
    "tags": "Words the shop gave the order, apart by commas or semicolons; `exclude.orders.tags` "
            "reads them.",
    "refund_id": "Number of the refund; without it equal rows are told apart by how often they "
                 "occur.",
    "order_source": "Source of the order (sources.yaml); needed where two sources have its number.",
    "refunds.refund": "Refunded, positive, original currency.",
    "refunds.refunded_at": "Time of the refund.",
    "orders.cost": "Product cost of the line, original currency.",
    "refunded_at": "Time of the refund; without it the date of the first version that shows it.",
    "cancelled_at": "Time of the cancellation; without it the date of the first version that "
                    "shows it.",
}
FURTHER_COLUMNS = (
    "Further columns are kept where the source names them: under `attributes`, to be read by "
    "indicators, or under `other_ids`, as the customer's ids in other systems, which go to the "
    "vault and join customers (`docs/feeding.md`, The same customer in other systems).")
TYPE_WORDS = {
    "text": "text", "identity": "id", "time": "time", "date": "date", "number": "number",
    "integer": "whole number", "choice": "word", "currency": "ISO 4217 code",
}


def tables_document(configuration: Configuration) -> str:
    """`docs/tables.md`: every published table and column.

    Args:
        configuration: whose indicators and composites `customer_scores` has.
    """
    known = {table.name for table in (*RUN_TABLES, REJECTED_ROWS)}
    parts = [
        _head("Published tables"),
        "Names are the contract with readers; a change stands in `CHANGELOG.md` as old -> new. "
        "Required means never NULL. The suffix of a name says its unit: `_at` UTC, `_date` "
        "business date (the home's time zone), `_n` count, `_amount` base currency, `_share` "
        "0-1, `_score` 0-100, `_days` days. Columns marked *run* differ between two runs over "
        "the same inputs.",
        "## Current: `warehouse/crm.duckdb`",
        "Named `crm.<table>`, after the file. Replaced by every publication whose date is not "
        "older than the current one.",
        *(_score_table(configuration) if table is CUSTOMER_SCORES else _table(table)
          for table in (*CURRENT_TABLES, SCORE_CONTRIBUTIONS)),
        "## History: `warehouse/crm.duckdb`",
        "Grown by every publication.",
        *map(_table, (*HISTORY_TABLES, QUADRANT_MIGRATIONS)),
        "## Records of runs: `warehouse/crm.duckdb`",
        "What the gate said of this publication, and the run that made it.",
        *map(_table, RUN_TABLES),
        "## Status: `warehouse/status.duckdb`",
        "Replaced after every run, also after one that was refused. It has "
        + ", ".join(f"`{table.name}`" for table in STATUS_TABLES if table.name in known)
        + " of the last runs, with the columns above, and:",
        *(_table(table) for table in STATUS_TABLES if table.name not in known),
    ]
    return "\n\n".join(parts) + "\n"


def columns_document() -> str:
    """`docs/columns.md`: the columns of each kind of export, and the reasons for rejection."""
    scales = ", ".join(f"{name} {low}-{high}" for name, (low, high) in DEFAULT_SCALES.items())
    parts = [
        _head("Columns of exports"),
        "The header of a file names the columns; their order is free. A file without a required "
        "column is refused as a whole, a row without a required value is rejected. A column that "
        "is not required may be missing or empty. Columns that nothing reads are named in "
        "`load_ledger.ignored_columns`. How to deliver files: `docs/feeding.md`.",
        *map(_kind, KINDS.values()),
        f"A survey row that states no scale has the usual one: {scales}.",
        "## Reasons for rejection",
        "The reason depends on the row and the declaration of its source alone. The row is "
        "listed in `rejected_rows`; its text lies in the vault.",
        _grid(("reason", "what to do"),
              ((f"`{reason}`", words) for reason, words in REJECTION_REASONS.items())),
    ]
    return "\n\n".join(parts) + "\n"


def documents(root: Path = ROOT) -> dict[Path, str]:
    """Path -> text of every document that is made from declarations."""
    configuration = load_configuration(root / "config" / "crm.yaml")
    return {
        root / "docs" / "tables.md": tables_document(configuration),
        root / "docs" / "columns.md": columns_document(),
    }


def unit_of(name: str) -> str:
    """Unit of a column by the suffix of its name; empty where it has none."""
    return next((unit for suffix, unit in UNITS if name.endswith(suffix)), "")


def _head(title: str) -> str:
    return f"# {title}\n\n<!-- Made by `{COMMAND}`; edit the declarations, not this file. -->"


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _table(table: Table) -> str:
    return "\n\n".join((_table_head(table), _columns(table.columns)))


def _table_head(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    return f"### {table.name}\n\n{table.grain}" + (f" Key: {key}." if key else "")


def _columns(columns: Iterable[Column]) -> str:
    return _grid(("column", "type", "required", "unit", "meaning"), (
        (f"`{column.name}`", column.type, "yes" if column.is_required else "",
         unit_of(column.name), column.meaning + (" *run*" if column.is_run_metadata else ""))
        for column in columns
    ))


def _score_table(configuration: Configuration) -> str:
    """`customer_scores` with the columns of the configuration, a group at a time."""
    required = {column.name for column in CUSTOMER_SCORES.columns if column.is_required}

    def group(column: ScoreColumn) -> str:
        return GROUP_OF_KIND[column.kind]

    def sections() -> Iterator[str]:
        order = list(SCORE_GROUPS)
        columns = sorted(published_columns(configuration), key=lambda one: order.index(group(one)))
        for name, members in groupby(columns, key=group):
            yield f"#### {SCORE_GROUPS[name]}"
            yield _columns(Column(one.name, one.sql_type, one.meaning, one.name in required)
                           for one in members)

    return "\n\n".join((
        _table_head(CUSTOMER_SCORES),
        "Columns follow the home's `config/crm.yaml`; these are those of the default one: "
        "`<indicator>__value`, `<indicator>__score`, for surveys `<indicator>__n`, "
        "`<composite>`, `<composite>__coverage`, `<composite>__<part>__weight`, "
        "`<composite>__<part>__contribution`.",
        *sections(),
    ))


def _kind(kind: ExportKind) -> str:
    document = ", ".join(f"`{name}`" for name in kind.document)
    further = (FURTHER_COLUMNS,) if kind is CUSTOMERS else ()
    return "\n\n".join((
        f"## {kind.name}",
        f"A newer version replaces what has the same {document}.",
        _grid(("column", "type", "required", "if empty", "allowed", "meaning"), (
            (f"`{column.name}`", TYPE_WORDS[column.type], "yes" if column.is_required else "",
             f"`{column.default}`" if column.default is not None else "", _allowed(column),
             _export_meaning(kind, column))
            for column in kind.columns
        )),
        *further,
    ))


def _allowed(column: CanonicalColumn) -> str:
    if column.choices:
        return ", ".join(f"`{word}`" for word in column.choices)
    if column.minimum is not None and column.maximum is not None:
        return f"{column.minimum:.10g} to {column.maximum:.10g}"
    return ""


def _export_meaning(kind: ExportKind, column: CanonicalColumn) -> str:
    """What the column means in the file: the raw column's words where they fit.

    Raises:
        KeyError: the column has neither a raw column nor words of its own.
    """
    for name in (f"{kind.name}.{column.name}", column.name):
        if name in EXPORT_MEANINGS:
            return EXPORT_MEANINGS[name]
    raw = {one.name: one.meaning for one in kind.table.columns}
    return raw[column.raw_name or column.name].replace("UTC time", "Time")


def write_documents(root: Path = ROOT) -> None:
    """Write every document that is made from declarations."""
    for path, text in documents(root).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_documents()
