"""A warehouse that is staged for real from builds of made-up scores, night by night."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from dagster_project.configuration import Configuration, load_configuration
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.publication import CandidateContent, stage_publication, switch
from dagster_project.engine.stores import Limits, Stores
from dagster_project.engine.table import Table
from dagster_project.publish.assets import strategies
from dagster_project.publish.change_tables import SCORE_DIFFERENCES
from dagster_project.publish.feedback_tables import CAMPAIGNS
from dagster_project.publish.segment_tables import (
    CONTRIBUTION_CURVE,
    CUSTOMER_ATTRIBUTES,
    CUSTOMER_PROFITABILITY,
    RFM_CELLS,
)
from dagster_project.publish.tables import (
    COPIED_TABLES,
    CUSTOMERS,
    RECONCILIATION,
    SCORING_REFERENCE,
)
from dagster_project.scoring.score import score_columns
from dagster_project.segments.labels import LABEL_COLUMNS

DEFAULT = Path(__file__).parents[2] / "config" / "crm.yaml"
# Cuts of the made-up reference; the configuration's margin is 2, loyal begins at 60.
CUTS = {"crm_value": ((0.8, 70.0), (0.5, 40.0)), "matrix_value_score": ((0.5, 50.0),),
        "matrix_loyalty_score": ((0.5, 50.0),)}


@dataclass(frozen=True)
class Customer:
    """What one customer scores in one night; the plain labels follow."""

    value: float | None
    matrix_value: float | None = 10.0
    matrix_loyalty: float | None = 10.0
    degree: float | None = 10.0
    purchases_n: int = 3
    profile: str = "all"

    @property
    def tier(self) -> str:
        """By CUTS."""
        if self.value is None:
            return "insufficient_data"
        return "high" if self.value >= 70 else "medium" if self.value >= 40 else "low"

    @property
    def quadrant(self) -> str:
        """By CUTS."""
        if self.matrix_value is None or self.matrix_loyalty is None:
            return "insufficient_data"
        sides = ["high" if score >= 50 else "low"
                 for score in (self.matrix_value, self.matrix_loyalty)]
        return f"{sides[0]}_value_{sides[1]}_loyalty"

    @property
    def stage(self) -> str:
        """Of a customer who is neither lapsing nor lost."""
        if self.purchases_n == 0:
            return "prospect"
        if self.purchases_n >= 3 and self.degree is not None and self.degree >= 60:
            return "loyal"
        return "repeat" if self.purchases_n >= 2 else "first_purchase"


@cache
def default_configuration() -> Configuration:
    """The configuration a new home begins with, read once a process."""
    return load_configuration(DEFAULT)


@dataclass
class Warehouse:
    """A home's files; each night is staged and made the publication."""

    folder: Path
    daily_history_nights: int = 35
    known_load_seq: int = 1
    published: int = field(default=0)

    @cached_property
    def stores(self) -> Stores:
        """The files, with raw and vault made."""
        stores = Stores(self.folder / "state", self.folder / "warehouse",
                        Limits("1GB", 1, self.folder / "spill"))
        EmbeddedEngine(stores, b"secret of a test home")
        return stores

    @property
    def configuration(self) -> Configuration:
        """That of a new home."""
        return default_configuration()

    def night(self, as_of: date, customers: Mapping[int, Customer], *,
              reference_id: str = "r1") -> None:
        """Publish a night."""
        self.stage(as_of, customers, reference_id=reference_id,
                   previous_publication_id=self.published)
        switch(self.stores, self.stores.candidate("candidate"), keep=100)
        self.published += 1

    def stage(self, as_of: date, customers: Mapping[int, Customer], *,
              previous_publication_id: int, reference_id: str = "r1",
              replayed: tuple[int, int] | None = None,
              replayed_on: Path | None = None, appeared: Collection[int] = ()) -> Path:
        """Make a candidate; its path."""
        self._build(as_of, customers, reference_id)
        with duckdb.connect(str(self.stores.build)) as connection:
            for number in appeared:
                connection.execute(
                    f"insert into night.{SCORE_DIFFERENCES.name} by name "
                    "select cast(? as uuid) as customer_key, cast(? as date) as as_of_date, "
                    "cast(? as integer) as compared_publication_id, "
                    "cast(? as date) as compared_date, "
                    "'appeared' as change_kind, 'no_value' as split_status",
                    [key_of(number), as_of, previous_publication_id, as_of])
        return stage_publication(self.stores, CandidateContent(
            night={"as_of_date": as_of, "known_load_seq": self.known_load_seq,
                   "config_hash": self.configuration.hash, "reference_id": reference_id,
                   "method_version": "1", "previous_publication_id": previous_publication_id,
                   "is_backcast": False, "candidate_id": "candidate"},
            business={"base_currency": "CNY", "time_zone": "Asia/Shanghai"},
            canonical_text=self.configuration.canonical_text(),
            strategies=strategies(self.configuration),
            parts={name: tuple(one.parts) for name, one in self.configuration.composites.items()},
            key_changes=pd.DataFrame(), score_meanings={}, run_id="run",
            staged_at=datetime(2026, 1, 1), daily_history_nights=self.daily_history_nights,
            replayed=replayed, replayed_on=replayed_on,
        ))

    def query(self, sql: str, file: Path | None = None) -> list[tuple[Any, ...]]:
        """Rows of a query on the publication."""
        with duckdb.connect(str(file or self.stores.publication), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def held(self) -> dict[tuple[date, int], tuple[str, str, str]]:
        """Held labels of the newest revisions: (date, customer) -> tier, quadrant, stage."""
        rows = self.query(
            "select as_of_date, cast(right(cast(customer_key as varchar), 12) as integer), "
            "tier_held, quadrant_held, lifecycle_stage_held from customer_score_history "
            "where publication_id in (select max(publication_id) from publication "
            "group by as_of_date)")
        return {(as_of, number): (tier, quadrant, stage)
                for as_of, number, tier, quadrant, stage in rows}

    def labels_over_time(self) -> dict[str, list[tuple[Any, ...]]]:
        """Rows of the tables that follow from the labels, sorted."""
        return {name: self.query(f"select * from {name} order by all") for name in
                ("label_history", "label_migrations", "label_stability")}

    def _build(self, as_of: date, customers: Mapping[int, Customer], reference_id: str) -> None:
        self.stores.build.unlink(missing_ok=True)
        scores = ", ".join(f'"{column.name}" {column.sql_type}'
                           for column in score_columns(self.configuration))
        with duckdb.connect(str(self.stores.build)) as connection:
            connection.execute("create schema marts")
            connection.execute("create schema night")
            connection.execute(CUSTOMERS.ddl("marts").replace("marts.customers",
                                                              "marts.customer_features"))
            connection.execute("alter table marts.customer_features add column as_of_date date")
            connection.execute(RECONCILIATION.ddl("marts"))
            connection.execute("create table marts.customer_identities "
                               "(identity_id uuid, customer_key uuid)")
            for table in (SCORING_REFERENCE, SCORE_DIFFERENCES, *COPIED_TABLES):
                connection.execute(table.ddl("night"))
            connection.execute(f"create table night.customer_scores ({scores})")
            _make_segments(connection)
            for number, one in customers.items():
                _insert(connection, as_of, key_of(number), one)
            for composite, cuts in CUTS.items():
                for position, (quantile, cut) in enumerate(cuts):
                    connection.execute(
                        "insert into night.scoring_reference values (?, ?, 1, ?, 'all', 'cut', "
                        "?, ?, ?, ?)", [reference_id, as_of, self.configuration.hash, composite,
                                        position, quantile, cut])


def _make_segments(connection: duckdb.DuckDBPyConnection) -> None:
    """What the tables of segments and profitability are staged from, without a row."""
    def columns(table: Table) -> dict[str, str]:
        return {column.name: column.type for column in table.columns}

    profitability = columns(CUSTOMER_PROFITABILITY)
    del profitability["profitability_quadrant"]
    for name, found in {
        "marts.customer_profitability": profitability,
        "marts.contribution_curve": columns(CONTRIBUTION_CURVE),
        "marts.customer_attributes": columns(CUSTOMER_ATTRIBUTES),
        "marts.campaigns": columns(CAMPAIGNS),
        "marts.customer_segment_facts": {
            "customer_key": "uuid", "top_category": "varchar",
            "top_category_amount": "decimal(38, 4)", "segment_purchases_n": "integer",
            "segment_net_revenue_amount": "decimal(38, 4)"},
        "night.rfm_cells": columns(RFM_CELLS),
        "night.segment_labels": LABEL_COLUMNS,
    }.items():
        listed = ", ".join(f"{column} {kind}" for column, kind in found.items())
        connection.execute(f"create table {name} ({listed})")


def _insert(connection: duckdb.DuckDBPyConnection, as_of: date, key: str, one: Customer) -> None:
    connection.execute(
        "insert into night.customer_scores (customer_key, as_of_date, profile, crm_value, "
        "matrix_value_score, matrix_loyalty_score, loyalty_degree_score, tier, quadrant, "
        "lifecycle_stage) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [key, as_of, one.profile, one.value, one.matrix_value, one.matrix_loyalty, one.degree,
         one.tier, one.quadrant, one.stage])
    connection.execute(
        "insert into marts.customer_features (customer_key, profile, identities_n, purchases_n, "
        "orders_n, net_revenue_amount, refund_amount, refunded_orders_n, interactions_n, "
        "survey_answers_n) values (?, ?, 1, ?, ?, 0, 0, 0, 0, 0)",
        [key, one.profile, one.purchases_n, one.purchases_n])


def key_of(number: int) -> str:
    """Key of a made-up customer."""
    return f"00000000-0000-4000-8000-{number:012d}"
