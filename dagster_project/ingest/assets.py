"""The raw tables as assets: one step that loads what is new in the landing folder."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from dagster_project.automation.nights import OWNERS
from dagster_project.automation.steps import told_in_words
from dagster_project.engine.table import Table
from dagster_project.ingest.last_look import keep_refused
from dagster_project.ingest.loading import HashMemory, ingest_landing, words_of
from dagster_project.ingest.tables import LEDGER_TABLES, RAW_TABLES
from dagster_project.resources import HomeResource
from dagster_project.settings import read_variable


def column_schema(table: Table) -> dg.TableSchema:
    """A declared table as Dagster shows it."""
    return dg.TableSchema([
        dg.TableColumn(column.name, column.type, description=column.meaning,
                       constraints=dg.TableColumnConstraints(nullable=not column.is_required))
        for column in table.columns
    ])


@dg.multi_asset(
    name="load_landing",
    specs=[
        dg.AssetSpec(
            ["raw", table.name], group_name="ingest", owners=OWNERS, kinds={"duckdb"},
            description=table.grain, metadata={"dagster/column_schema": column_schema(table)},
        )
        for table in RAW_TABLES + LEDGER_TABLES
    ],
)
@told_in_words
def load_landing(context: dg.AssetExecutionContext,
                 home: HomeResource) -> Iterator[dg.MaterializeResult]:
    """Load every new file of the landing folder into raw and vault."""
    session = home.session
    report = ingest_landing(
        session.engine, session.home.landing, session.home.sources,
        HashMemory(session.home.hash_memory), run_id=session.run_id,
        now=datetime.now(UTC).replace(tzinfo=None),
        queries=session.home.config, url_of=read_variable,
        report_progress=lambda words, share: context.log.info(f"{words} ({share:.0%})"),
    )
    session.refused_files = dict(report.refused)
    keep_refused(session.home.refused_files, session.refused_files)
    for line in words_of(report):
        context.log.info(line)
    tables = RAW_TABLES + LEDGER_TABLES
    counts = session.engine.read_current("raw", "select " + ", ".join(
        f"(select count(*) from {table.name}) as {table.name}" for table in tables))
    for table in tables:
        yield dg.MaterializeResult(
            asset_key=["raw", table.name],
            metadata={"dagster/row_count": int(counts[table.name].iloc[0])},
        )
