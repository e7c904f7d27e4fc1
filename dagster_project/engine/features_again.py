"""The features of some customers once more, in another way than the night has them.

As of another date, under another map of identities, or without the newest events. The statements
are those that dbt ran for the night, as its manifest keeps them, over the facts of these customers
alone. dbt itself takes seconds to start; its statements, hardly any.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from dagster_project.engine.stores import IN_MEMORY, Stores, identifier, literal
from dagster_project.refusals import NotFinished

FEATURES = "model.crm.customer_features"
# Catalog that the statements name, and the one in which the facts of the night stand.
_BUILD, _FACTS = "build", "facts"
_CHOSEN = f"{_BUILD}.chosen"


class NotCompiled(NotFinished):
    """The statements of the night are not there: what to do."""


@dataclass(frozen=True)
class Variant:
    """In what the features differ from those of the night.

    Attributes:
        as_of_date: D: windows, ages and what counts.
        customer_map: identity_id, customer_key; an identity that is absent is its own customer.
        events_until: whatever is dated later is put off until after D.
    """

    as_of_date: date
    customer_map: pd.DataFrame
    events_until: date


@dataclass(frozen=True)
class _Plan:
    """What is made again, and of what.

    Attributes:
        models: relation -> statement, in an order in which they can be made.
        facts: (schema, table) of what they read besides each other, and is not of a night.
    """

    models: Mapping[str, str]
    facts: tuple[tuple[str, str], ...]


class FeaturesAgain:
    """The facts of some identities, ready to be gathered as often as asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, plan: _Plan) -> None:
        self._connection = connection
        self._plan = plan

    def frames(self, variant: Variant, query: str, batch_rows: int) -> Iterator[pd.DataFrame]:
        """The rows of a query on `marts.customer_features` of a variant, in batches."""
        self._put_inputs(variant)
        self._put_off_events(variant)
        for relation, statement in self._plan.models.items():
            self._connection.execute(f"create or replace table {relation} as {statement}")
        reader = self._connection.sql(query).to_arrow_reader(batch_rows)
        assert reader is not None
        for batch in reader:
            yield batch.to_pandas()

    def _put_inputs(self, variant: Variant) -> None:
        run = self._connection.execute
        run(f"create or replace table {_BUILD}.night.night_inputs as "
            f"select * replace (cast(? as date) as as_of_date) from {_FACTS}.night.night_inputs",
            [variant.as_of_date])
        self._connection.register("map_in", variant.customer_map)
        run(f"create or replace table {_BUILD}.night.customer_map as "
            f"select cast(identity_id as uuid) as identity_id, "
            f"cast(customer_key as uuid) as customer_key from map_in "
            f"where cast(identity_id as uuid) in (select identity_id from {_CHOSEN}.identities)")
        self._connection.unregister("map_in")

    def _put_off_events(self, variant: Variant) -> None:
        """Facts under their own names; those dated after `events_until` lie beyond D."""
        until = f"date {literal(variant.events_until.isoformat())}"
        days = (variant.as_of_date - variant.events_until).days
        for schema, table in self._plan.facts:
            dates = ", ".join(
                f"case when {identifier(name)} > {until} then {identifier(name)} + {days} "
                f"else {identifier(name)} end as {identifier(name)}"
                for name, kind in _columns(self._connection, _BUILD, "chosen", table).items()
                if kind == "DATE") if days else ""
            self._connection.execute(
                f"create or replace view {_BUILD}.{schema}.{table} as "
                f"select *{f' replace ({dates})' if dates else ''} from {_CHOSEN}.{table}")


@contextmanager
def open_features_again(stores: Stores, manifest: Path,
                        identities: pd.DataFrame) -> Iterator[FeaturesAgain]:
    """Gather the facts of some identities in memory.

    Args:
        stores: whose build has the facts.
        manifest: that dbt wrote when it made them.
        identities: identity_id; all of every customer whose features are asked for.

    Raises:
        NotCompiled: the manifest does not have the statements of a whole night.
    """
    plan = _plan(manifest)
    with stores.open(None, read_only=False, **{
            _BUILD: (IN_MEMORY, "READ_WRITE"),
            _FACTS: (stores.build, "READ_ONLY")}) as connection:
        for schema in ("chosen", "night", "staging", "intermediate", "marts"):
            connection.execute(f"create schema {_BUILD}.{schema}")
        connection.execute(f"use {_BUILD}")
        for table in ("decay_weights", "excluded_identities"):
            connection.execute(f"create view {_BUILD}.night.{table} as "
                               f"select * from {_FACTS}.night.{table}")
        _choose_facts(connection, plan, identities)
        yield FeaturesAgain(connection, plan)


def _choose_facts(connection: duckdb.DuckDBPyConnection, plan: _Plan,
                  identities: pd.DataFrame) -> None:
    """The facts of the identities; of a kind that names none, those of their orders, or all."""
    connection.register("identities_in", identities)
    connection.execute(f"create table {_CHOSEN}.identities as "
                       f"select distinct cast(identity_id as uuid) as identity_id "
                       f"from identities_in")
    connection.unregister("identities_in")
    chosen = f"(select identity_id from {_CHOSEN}.identities)"
    for schema, table in plan.facts:
        columns = _columns(connection, _FACTS, schema, table)
        where = ""
        if "identity_id" in columns:
            where = f"where identity_id in {chosen}"
        elif {"source", "order_id"} <= columns.keys():
            where = (f"where (source, order_id) in (select (source, order_id) "
                     f"from {_FACTS}.marts.order_facts where identity_id in {chosen})")
        connection.execute(f"create table {_CHOSEN}.{table} as "
                           f"select * from {_FACTS}.{schema}.{table} {where}")


def _columns(connection: duckdb.DuckDBPyConnection, catalog: str, schema: str,
             table: str) -> dict[str, str]:
    return dict(connection.execute(
        "select column_name, data_type from duckdb_columns() where database_name = ? "
        "and schema_name = ? and table_name = ? order by column_index",
        [catalog, schema, table]).fetchall())


def _plan(manifest: Path) -> _Plan:
    """The models between the facts and the features: those that follow from tables of `night`.

    What follows from them by way of raw is cut by knowledge alone, and stands in the build.
    """
    if not manifest.exists():
        raise NotCompiled(_what_to_do())
    content = json.loads(manifest.read_text(encoding="utf-8"))
    nodes: dict[str, dict[str, Any]] = content["nodes"]
    of_night = {key for key, source in content["sources"].items() if source["schema"] == "night"}
    models: dict[str, str] = {}
    facts: dict[tuple[str, str], None] = {}
    known: dict[str, bool] = {}

    def is_of_night(key: str) -> bool:
        if key not in known:
            parents = nodes[key]["depends_on"]["nodes"] if key in nodes else []
            known[key] = key in of_night or (
                any(parent in of_night for parent in parents)
                if key in nodes and nodes[key]["schema"] == "staging"
                else any(is_of_night(parent) for parent in parents))
        return known[key]

    def visit(key: str) -> None:
        node = nodes[key]
        if node["relation_name"] in models:
            return
        for parent in node["depends_on"]["nodes"]:
            if parent in of_night:
                continue
            if is_of_night(parent):
                visit(parent)
            else:
                facts[nodes[parent]["schema"], nodes[parent]["name"]] = None
        if not node.get("compiled_code"):
            raise NotCompiled(_what_to_do())
        models[node["relation_name"]] = node["compiled_code"]

    visit(FEATURES)
    return _Plan(models, tuple(facts))


def _what_to_do() -> str:
    return ("what dbt ran for this night is not there any more, so that what changed cannot be "
            "told; run the night from its start: crm-value run --date ..., or job nightly")
