"""A small raw file, a night and a run of dbt over them. Rows are given by what matters in them;
everything else is filled in here. No expectation stands in this module."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from dagster_project.customers.dbt_arguments import dbt_arguments, dbt_environment
from dagster_project.customers.tables import NIGHT_TABLES
from dagster_project.engine.table import Table
from dagster_project.ingest.tables import LEDGER_TABLES, RAW_TABLES

PROJECT = Path(__file__).resolve().parents[2]
DBT_PROJECT = PROJECT / "dbt"

AS_OF = date(2026, 6, 30)
Row = dict[str, Any]

FILLERS: dict[str, Row] = {
    "raw_order_lines": {
        "source": "shop", "line_key": "1", "status": "completed", "quantity": 1,
        "unit_price": 0, "discount": 0, "refund": 0, "currency": "CNY",
    },
    "raw_refunds": {"source": "refunds", "currency": "CNY"},
    "raw_interactions": {"source": "app", "type": "visit"},
    "raw_survey_answers": {
        "source": "survey", "instrument": "csat", "scale_min": 1, "scale_max": 5,
        "direction": "higher_is_better", "has_comment": False, "completeness": "complete",
    },
    "raw_customers": {"source": "crm"},
    "raw_fx_rates": {"source": "bank"},
    "raw_campaigns": {"source": "campaigns", "group_name": "treated"},
    "load_ledger": {
        "content_hash": "0", "version_rule": "column", "declaration_hash": "0",
        "ignored_columns": "", "rows_repeated_n": 0, "rows_rejected_n": 0, "run_id": "test",
        "loaded_at": datetime(2026, 7, 1),
    },
    "repeated_files": {"seen_at": datetime(2026, 7, 1)},
    "night_inputs": {
        "candidate_id": "candidate", "as_of_date": AS_OF, "known_load_seq": 99,
        "config_hash": "c", "reference_id": "r", "method_version": "m",
        "previous_publication_id": 0, "is_backcast": False,
    },
}


def identity(number: int) -> str:
    """Token of a made-up id; the smaller number is the smaller token."""
    return f"00000000-0000-0000-0000-{number:012d}"


def indicator(name: str, kind: str, of: str, **options: Any) -> Row:
    """An indicator as the canonical configuration writes it, options not given being empty."""
    empty: Row = {
        "column": None, "types": [], "channels": [], "instrument": None, "window_days": None,
        "half_life_days": None, "absent": "zero", "skip_first": False, "period_days": None,
        "minimum_age_days": None,
    }
    return {"name": name, "kind": kind, "of": of} | empty | options


def configuration_vars(indicators: list[Row], **options: Any) -> Row:
    """The var `crm`."""
    defaults: Row = {
        "time_zone": "Asia/Shanghai", "base_currency": "CNY", "fx_carry_days": 0,
        "excluded_customer_types": [], "excluded_order_channels": [],
        "excluded_order_tags": [], "excluded_product_ids": [], "excluded_product_categories": [],
        "population_days": 365, "population_events": ["interactions", "orders", "surveys"],
        "figure_window_days": 365, "margin_share_without_cost": None,
        "profiles": [{"name": "all", "customer_types": None}], "indicator_variants": [],
        "costs_to_serve": [], "profitability_days": 365, "minimum_costed_share": "0.500000",
        "segment_days": 365, "segment_attributes": [],
        "campaign_window_days": 30, "campaign_response_types": ["visit"],
    }
    return {"crm": defaults | options | {"indicators": indicators}}


def write_tables(
    path: Path, schema: str, tables: tuple[Table, ...], rows: Mapping[str, list[Row]]
) -> None:
    """Create `tables` in a new file by their own DDL and fill them.

    A row without row_no, row_hash or load_seq gets its position, a hash of itself, and 1.
    """
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create schema if not exists {schema}")
        for table in tables:
            connection.execute(table.ddl(schema))
            for number, given in enumerate(rows.get(table.name, []), start=1):
                row = {"load_seq": 1, "row_no": number} | FILLERS.get(table.name, {}) | given
                if "row_hash" in table.column_names and "row_hash" not in row:
                    content = json.dumps({name: value for name, value in given.items()
                                          if name != "load_seq"}, default=str, sort_keys=True)
                    row["row_hash"] = str(UUID(bytes=sha256(content.encode()).digest()[:16]))
                row = {name: row[name] for name in table.column_names if name in row}
                connection.execute(
                    f"insert into {schema}.{table.name} ({', '.join(row)}) "
                    f"values ({', '.join('?' for _ in row)})",
                    list(row.values()),
                )


KINDS = {
    "raw_order_lines": "orders", "raw_refunds": "refunds", "raw_interactions": "interactions",
    "raw_survey_answers": "surveys", "raw_customers": "customers", "raw_fx_rates": "fx_rates",
    "raw_campaigns": "campaigns",
}


def ledger_of(raw: Mapping[str, list[Row]]) -> list[Row]:
    """The ledger rows of loads that brought exactly these raw rows."""
    counts: dict[tuple[int, str, str], int] = {}
    for table, kind in KINDS.items():
        for row in raw.get(table, []):
            load = (row.get("load_seq", 1), row.get("source", FILLERS[table]["source"]), kind)
            counts[load] = counts.get(load, 0) + 1
    return [
        {"load_seq": load_seq, "source": source, "kind": kind, "file_name": f"{source}.csv",
         "rows_read_n": rows_n, "rows_loaded_n": rows_n}
        for (load_seq, source, kind), rows_n in counts.items()
    ]


class Build:
    """One folder with raw.duckdb and build.duckdb."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which must exist."""
        self.folder = folder
        self.raw = folder / "raw.duckdb"
        self.built = folder / "build.duckdb"

    def write(self, raw: Mapping[str, list[Row]], night: Mapping[str, list[Row]]) -> None:
        """Write the raw and the night tables anew."""
        for path in (self.raw, self.built):
            path.unlink(missing_ok=True)
        raw = {"load_ledger": ledger_of(raw)} | dict(raw)
        write_tables(self.raw, "main", (*RAW_TABLES, *LEDGER_TABLES), raw)
        write_tables(self.built, "night", NIGHT_TABLES, {"night_inputs": [{}]} | dict(night))

    def dbt(self, arguments: list[str]) -> None:
        """Run dbt; AssertionError with its last lines when it fails."""
        environment = dbt_environment(
            self.built, self.raw, "1GB", 1, self.folder / "tmp", self.folder / "target"
        )
        result = subprocess.run(
            [sys.executable, "-m", "dbt.cli.main", *arguments, "--project-dir", str(DBT_PROJECT),
             "--profiles-dir", str(DBT_PROJECT)],
            env=os.environ | environment, capture_output=True, text=True, check=False,
        )
        lines = (result.stdout + result.stderr).splitlines()
        assert result.returncode == 0, "\n".join(lines[-60:])

    def run(self, crm: Row) -> None:
        """Build all models and run all data tests."""
        self.dbt(dbt_arguments(crm))

    def rows(self, query: str, with_raw: bool = False) -> list[Row]:
        """Rows of a query on the build, by column name; `with_raw` attaches the raw file."""
        with duckdb.connect(str(self.built), read_only=True) as connection:
            if with_raw:
                connection.execute(f"attach '{self.raw}' as raw (read_only)")
            result = connection.execute(query)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def row(self, query: str) -> Row:
        """The only row of a query."""
        rows = self.rows(query)
        assert len(rows) == 1, f"{len(rows)} rows: {query}"
        return rows[0]
