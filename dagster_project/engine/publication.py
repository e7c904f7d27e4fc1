"""The candidate is the file: staging it from the last publication and the build, switching it in.

The file keeps an old storage version, so that BI tools with older drivers can open it. Its tables
stand in the default schema: the file is called crm, so `crm.customer_scores` names them, where a
schema of the same name would make every such name ambiguous.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from dagster_project.engine.failures import full_disk_in_words
from dagster_project.engine.held_labels import (
    add_missing_columns,
    fold_history,
    hold_night,
    nights_of,
)
from dagster_project.engine.incoming import READ_ONLY, copy_in, incoming_publication, sync
from dagster_project.engine.label_records import (
    create_quadrant_migrations,
    record_labels,
    since_which_history_is_whole,
)
from dagster_project.engine.personal_text import mask_personal_text
from dagster_project.engine.quarantine import shown_rejected_rows
from dagster_project.engine.questions import read_rows
from dagster_project.engine.restoring import (
    highest_number,
    number_in_name,
    publication_files,
)
from dagster_project.engine.segment_queries import segment_queries
from dagster_project.engine.stores import Stores, identifier, literal, make_tables
from dagster_project.engine.table import Table
from dagster_project.publish.change_tables import SCORE_CHANGES
from dagster_project.publish.feedback_tables import CAMPAIGNS
from dagster_project.publish.label_tables import HELD_COLUMNS
from dagster_project.publish.population_tables import POPULATION_FIGURE_HISTORY
from dagster_project.publish.tables import (
    COPIED_TABLES,
    CURRENT_TABLES,
    CUSTOMER_IDS,
    CUSTOMER_SCORE_HISTORY,
    CUSTOMER_SCORES,
    CUSTOMERS,
    HISTORY_TABLES,
    PUBLICATION,
    RECONCILIATION,
    RUN_TABLES,
    SCORING_REFERENCE,
    SEGMENT_KPIS,
    SHOWN,
    STRATEGIES,
)
from dagster_project.refusals import NotFinished

STORAGE_VERSION = "v1.0.0"
DEGREES = ("satisfaction_score", "loyalty_degree_score", "engagement_score", "advocacy_score")
SEGMENT_LABELS = ("quadrant", "tier", "lifecycle_stage")


class PublicationInUse(NotFinished):
    """The warehouse file cannot be replaced: who or what stands in the way."""


class NewestDateFirst(NotFinished):
    """An older date cannot be published yet: which tables the current one must bring first."""


@dataclass(frozen=True)
class CandidateContent:
    """What a candidate is made of besides the build.

    Attributes:
        night: the row of night_inputs.
        business: base_currency and time_zone.
        canonical_text: the configuration that the night used.
        strategies: rows of table strategies.
        parts: composite -> its parts, in order.
        key_changes: old_customer_key, new_customer_key, reason since the previous publication.
        score_meanings: column of customer_scores -> what it means.
        run_id, staged_at: run metadata.
        daily_history_nights: nights of history kept day by day.
        replayed: number and revision of the publication that is made again; None: a new one.
        replayed_on: of a replay: a file whose history is that of the previous publication for
            the night before; None: there is none any more, and held labels are plain.
    """

    night: Mapping[str, Any]
    business: Mapping[str, str]
    canonical_text: str
    strategies: pd.DataFrame
    parts: Mapping[str, Sequence[str]]
    key_changes: pd.DataFrame
    score_meanings: Mapping[str, str]
    run_id: str
    staged_at: datetime
    daily_history_nights: int
    replayed: tuple[int, int] | None = None
    replayed_on: Path | None = None


def stage_publication(stores: Stores, content: CandidateContent) -> Path:
    """Make `state/candidates/<candidate_id>/crm.duckdb`; its path.

    A replay starts from nothing and holds only the tables of its night.

    Raises:
        NewestDateFirst: an older date, before the current one was published by this release.
    """
    target = stores.candidate(content.night["candidate_id"])
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir(parents=True)
    if stores.publication.exists() and content.replayed is None:
        with full_disk_in_words(stores.state):
            shutil.copyfile(stores.publication, target)
    with stores.open(None, build=(stores.build, "READ_ONLY"), raw=(stores.raw, "READ_ONLY"),
                     vault=(stores.vault, "READ_ONLY")) as connection:
        connection.execute(f"attach {literal(str(target))} as candidate "
                           f"(storage_version '{STORAGE_VERSION}')")
        connection.execute("use candidate.main")
        make_tables(connection, "candidate.main", HISTORY_TABLES + RUN_TABLES)
        has_no_held_labels = add_missing_columns(connection, HISTORY_TABLES)
        publication = _add_publication(connection, content, highest_number(stores))
        if not publication["is_current"]:
            _require_current(connection, publication["as_of_date"])
        _add_reference(connection, content)
        if publication["is_current"]:
            _add_key_changes(connection, content, publication)
        _add_history(connection, publication)
        if content.replayed is None:
            _hold_labels(connection, content, goes_through=has_no_held_labels)
        else:
            _hold_replayed_labels(connection, content)
        _add_changes(connection, publication)
        _drop_old_history(connection, content, publication)
        if publication["is_current"]:
            _replace_current(connection, content, publication)
        create_quadrant_migrations(connection)
        _add_comments(connection, content)
        connection.execute("use memory.main")
        connection.execute("checkpoint candidate")
        connection.execute("detach candidate")
    return target


def _add_publication(connection: duckdb.DuckDBPyConnection, content: CandidateContent,
                     highest: int) -> dict[str, Any]:
    """Append the publication's row; it is current unless a later D is.

    Its number is above `highest`, that of any publication before, also of one that was set aside.
    """
    night = content.night
    as_of: date = night["as_of_date"]
    row = connection.execute(
        "select greatest(coalesce(max(publication_id), 0), ?) + 1, "
        "coalesce(max(case when as_of_date = ? then revision else 0 end), 0) + 1, "
        "coalesce(max(as_of_date) <= ?, true) from publication", [highest, as_of, as_of],
    ).fetchone()
    assert row is not None
    publication_id, revision, is_current = row
    if content.replayed is not None:
        publication_id, revision = content.replayed
    if is_current:
        connection.execute("update publication set is_current = false")
    values = {
        **{column.name: night[column.name] for column in PUBLICATION.columns
           if column.name in night},
        **content.business,
        "publication_id": publication_id, "revision": revision, "is_current": is_current,
        "run_id": content.run_id, "staged_at": content.staged_at,
    }
    names = PUBLICATION.column_names
    connection.execute(
        f"insert into publication ({', '.join(names)}) "
        f"values ({', '.join('?' for _ in names)})", [values[name] for name in names],
    )
    connection.execute(
        "insert into configurations select ?, ?, ? "
        "where not exists (select 1 from configurations where config_hash = ?)",
        [night["config_hash"], publication_id, content.canonical_text, night["config_hash"]],
    )
    return values


def _require_current(connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Raise where current tables are missing: an older date leaves them as they are."""
    missing = [table.name for table in CURRENT_TABLES if not _has_table(connection, table.name)]
    if not missing:
        return
    row = connection.execute("select max(as_of_date) from publication").fetchone()
    assert row is not None, "an aggregate returns one row"
    raise NewestDateFirst(
        f"the warehouse is of an earlier release and has no {', '.join(missing)}, which only its "
        f"newest date brings, and not {as_of}; run that once first: crm-value run --date {row[0]}")


def _replace_current(connection: duckdb.DuckDBPyConnection, content: CandidateContent,
                     publication: Mapping[str, Any]) -> None:
    """Write the current tables anew; rows in the order of their key, so that files are alike."""
    customers = ", ".join(CUSTOMERS.column_names)
    for name, query in {
        "customers": f"select {customers} from build.marts.customer_features "
                     f"order by customer_key",
        "customer_scores": _customer_scores_query(publication["publication_id"]),
        "reconciliation": f"select {', '.join(RECONCILIATION.column_names)} "
                          f"from build.marts.reconciliation order by source, measure, currency",
        "campaigns": f"select {', '.join(CAMPAIGNS.column_names)} "
                     f"from build.marts.campaigns order by source, campaign_id",
        "customer_ids": _customer_ids_query(),
        **segment_queries(),
        **{table.name: _copy_query(table) for table in COPIED_TABLES},
    }.items():
        _replace_table(connection, name, query)
    connection.register("strategies_in", content.strategies)
    # A frame has no types of its own.
    typed = ", ".join(f"cast({column.name} as {column.type}) as {column.name}"
                      for column in STRATEGIES.columns)
    _replace_table(connection, "strategies",
                   f"select {typed} from strategies_in order by position")
    connection.unregister("strategies_in")
    _replace_table(connection, "segment_kpis", _segment_kpis_query())
    _replace_table(
        connection, "rejected_rows",
        f"{shown_rejected_rows('raw', content.night['known_load_seq'])} "
        f"order by load_seq, row_no",
    )
    connection.execute("drop view if exists score_contributions")
    connection.execute(f"create view score_contributions as "
                       f"{_contributions_query(content.parts)}")


def _customer_scores_query(publication_id: int) -> str:
    """The scores of the build with the held labels that history has of them."""
    held = ", ".join(f"history.{column.name}" for column in HELD_COLUMNS)
    return f"""
        select scores.*, {held}
        from build.night.customer_scores as scores
        inner join customer_score_history as history
            on scores.customer_key = history.customer_key
        where history.publication_id = {publication_id}
        order by scores.customer_key
    """


def _copy_query(table: Table) -> str:
    """A table as an earlier stage made it in the build, with its declared types."""
    columns = ", ".join(f"cast({column.name} as {column.type}) as {column.name}"
                        for column in table.columns)
    return f"select {columns} from build.night.{table.name} order by {', '.join(table.key)}"


def _replace_table(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    connection.execute(f"drop table if exists {name}")
    connection.execute(f"create table {name} as {query}")


def _add_comments(connection: duckdb.DuckDBPyConnection, content: CandidateContent) -> None:
    """What each table and column means, where BI tools show it."""
    present = {name for (name,) in connection.execute(
        "select table_name from duckdb_tables() where database_name = 'candidate' "
        "and schema_name = 'main'").fetchall()}
    for table in CURRENT_TABLES + HISTORY_TABLES + RUN_TABLES:
        if table.name not in present:
            continue
        meanings = {column.name: column.meaning for column in table.columns}
        if table is CUSTOMER_SCORES:
            meanings |= content.score_meanings
        connection.execute(f"comment on table {table.name} is {literal(table.grain)}")
        for name, meaning in meanings.items():
            connection.execute(f"comment on column {table.name}.{identifier(name)} "
                               f"is {literal(meaning)}")


def _customer_ids_query() -> str:
    """Non-personal ids, from the vault: the way back to the shop."""
    return f"""
        select {', '.join('ids.' + name for name in CUSTOMER_IDS.column_names)}
        from (
            select identities.customer_key, vault_ids.id_space,
                vault_ids.clear_value as source_customer_id
            from build.marts.customer_identities as identities
            inner join vault.identities as vault_ids
                on identities.identity_id = vault_ids.identity_id
            inner join build.marts.customer_features as features
                on identities.customer_key = features.customer_key
            where not vault_ids.is_personal
        ) as ids
        order by ids.id_space, ids.source_customer_id
    """


def _segment_kpis_query() -> str:
    """One row a segment: the customers of a kind are counted once each."""
    means = ", ".join(
        # Sum and count are exact; the mean is divided once.
        f"cast(sum(scores.{name}) / count(scores.{name}) as decimal(5, 2)) as mean_{name}"
        for name in ("crm_value", *DEGREES)
    )
    kinds = [("all", "'all'"), *((label, f"scores.{label}") for label in SEGMENT_LABELS)]
    selects = [
        f"""
        select scores.as_of_date, '{kind}' as segment_kind, {segment} as segment,
            count(*) as customers_n,
            cast(count(*) / (select count(*) from customer_scores) as decimal(9, 6))
                as customers_share,
            cast(sum(customers.net_revenue_amount) as decimal(38, 4)) as net_revenue_amount,
            {means}
        from customer_scores as scores
        inner join customers on scores.customer_key = customers.customer_key
        group by scores.as_of_date, {segment}
        """
        for kind, segment in kinds
    ]
    names = ", ".join(SEGMENT_KPIS.column_names)
    return f"select {names} from ({' union all '.join(selects)}) order by segment_kind, segment"


def _contributions_query(parts: Mapping[str, Sequence[str]]) -> str:
    """One row for each measured part of each composite of each customer."""
    selects = []
    for composite, names in parts.items():
        for part in names:
            score = part if part in parts else f"{part}__score"
            prefix = f"{composite}__{part}"
            selects.append(
                f"select customer_key, '{composite}' as composite, '{part}' as part, "
                f"{identifier(score)} as score, "
                f"{identifier(prefix + '__weight')} as effective_weight, "
                f"{identifier(prefix + '__contribution')} as contribution "
                f"from customer_scores "
                f"where {identifier(prefix + '__contribution')} is not null"
            )
    return " union all ".join(selects)


def _add_history(connection: duckdb.DuckDBPyConnection, publication: Mapping[str, Any]) -> None:
    """Append this night's rows; their held labels are the plain ones until they are folded."""
    scores = [column for column in CUSTOMER_SCORE_HISTORY.columns
              if column.type == SHOWN]
    columns = {
        **{name: f"scores.{name}" for name in CUSTOMER_SCORE_HISTORY.column_names},
        **{column.name: f"cast(scores.{column.name} as {column.type})" for column in scores},
        **{column.name: f"scores.{column.name.removesuffix('_held')}" for column in HELD_COLUMNS},
        "revision": str(publication["revision"]),
        "publication_id": str(publication["publication_id"]),
        "purchases_n": "features.purchases_n",
        "p_alive": "expected.p_alive",
    }
    connection.execute(
        f"insert into customer_score_history ({', '.join(columns)}) "
        f"select {', '.join(columns.values())} from build.night.customer_scores as scores "
        f"inner join build.marts.customer_features as features "
        f"on scores.customer_key = features.customer_key "
        f"left join build.night.customer_lifetime_values as expected "
        f"on scores.customer_key = expected.customer_key order by scores.customer_key")
    figures = ", ".join(columns[name] if name in ("revision", "publication_id") else name
                        for name in POPULATION_FIGURE_HISTORY.column_names)
    connection.execute(f"insert into population_figure_history select {figures} "
                       f"from build.night.population_figures "
                       f"order by segment_kind, segment, figure")


def _hold_labels(connection: duckdb.DuckDBPyConnection, content: CandidateContent, *,
                 goes_through: bool) -> None:
    """Fold this night and the later ones it changes; `goes_through`: all that history holds."""
    first = content.night["as_of_date"]
    if goes_through:
        first = min([first, *(night.as_of_date for night in nights_of(connection))])
    touched = fold_history(connection, first, goes_through=goes_through)
    record_labels(connection, touched, since_which_history_is_whole(
        connection, content.daily_history_nights))


def _hold_replayed_labels(connection: duckdb.DuckDBPyConnection,
                          content: CandidateContent) -> None:
    """Go on from the night before as it stood in the previous publication."""
    if content.replayed_on is None:
        return
    connection.execute(f"attach {literal(str(content.replayed_on))} as earlier (read_only)")
    earlier = nights_of(connection, "earlier", content.night["previous_publication_id"])
    for night in nights_of(connection):
        before = [one for one in earlier if one.as_of_date < night.as_of_date]
        hold_night(connection, night, before[-1] if before else None)
    connection.execute("detach earlier")


def _drop_old_history(connection: duckdb.DuckDBPyConnection, content: CandidateContent,
                      publication: Mapping[str, Any]) -> None:
    """Drop the nights that fall out; this one stays, however old it is."""
    since = since_which_history_is_whole(connection, content.daily_history_nights)
    for table in (CUSTOMER_SCORE_HISTORY, POPULATION_FIGURE_HISTORY):
        connection.execute(
            f"delete from {table.name} "
            "where as_of_date < ? and as_of_date <> last_day(as_of_date) and publication_id <> ?",
            [since, publication["publication_id"]])
    # Changes are from one publication to the next: those into a month end alone lead nowhere.
    connection.execute(f"delete from {SCORE_CHANGES.name} where as_of_date < ?", [since])


def _add_changes(connection: duckdb.DuckDBPyConnection, publication: Mapping[str, Any]) -> None:
    """Append what the night says of its differences from the tables that it replaces."""
    names = SCORE_CHANGES.column_names
    values = [str(publication[name]) if name == "publication_id" else name for name in names]
    connection.execute(f"insert into {SCORE_CHANGES.name} ({', '.join(names)}) "
                       f"select {', '.join(values)} "
                       f"from build.night.{SCORE_CHANGES.name} order by customer_key")


def _add_key_changes(connection: duckdb.DuckDBPyConnection, content: CandidateContent,
                     publication: Mapping[str, Any]) -> None:
    """Record the keys that were published and changed; before `customers` is replaced."""
    if not _has_table(connection, "customers") or content.key_changes.empty:
        return
    connection.register("changes_in", content.key_changes)
    connection.execute(
        """
        insert into customer_key_changes
        select old_customer_key, new_customer_key, cast(? as date), cast(? as integer), reason
        from (
            select cast(old_customer_key as uuid) as old_customer_key,
                cast(new_customer_key as uuid) as new_customer_key, reason
            from changes_in
        )
        where old_customer_key in (select customer_key from customers)
        order by old_customer_key, new_customer_key
        """,
        [publication["as_of_date"], publication["publication_id"]],
    )
    connection.unregister("changes_in")


def _has_table(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    # Read to its end: a frame cannot be registered beside an unfinished result.
    rows = connection.execute(
        "select table_name from duckdb_tables() "
        "where database_name = 'candidate' and schema_name = 'main' and table_name = ?", [name],
    ).fetchall()
    return bool(rows)


def _add_reference(connection: duckdb.DuckDBPyConnection, content: CandidateContent) -> None:
    """Append the night's reference if the publication does not have it yet."""
    names = ", ".join(SCORING_REFERENCE.column_names)
    connection.execute(
        f"""
        insert into scoring_reference
        select {names} from build.night.scoring_reference
        where reference_id not in (select reference_id from scoring_reference)
        order by profile, item_kind, item, position
        """
    )


def record_results(stores: Stores, candidate_file: Path, results: pd.DataFrame,
                   run: Mapping[str, Any]) -> None:
    """Write the gate's results and the run's own row into the approved file.

    Both tables are run records: the fingerprints that were approved leave them out.
    """
    with stores.open(candidate_file) as connection:
        connection.execute("delete from quality_results")
        connection.register("results_in", results)
        names = ", ".join(column for column in results.columns)
        connection.execute(f"insert into quality_results ({names}) "
                           f"select {names} from results_in order by check_name")
        connection.execute("delete from pipeline_runs where run_id = ?", [run["run_id"]])
        connection.execute(
            f"insert into pipeline_runs ({', '.join(run)}) "
            f"values ({', '.join('?' for _ in run)})", list(run.values()),
        )
        # Nobody audits what is written now; the reason of a waiver is what somebody typed.
        mask_personal_text(connection, "main", RUN_TABLES)
        connection.execute("checkpoint")


def published_run(stores: Stores, run_id: str) -> dict[str, Any] | None:
    """The row of pipeline_runs of a run that published; None: what is published is not of it.

    Raises:
        StoreUnreadable: the warehouse cannot be opened.
    """
    if not stores.publication.exists():
        return None
    found = read_rows(stores, stores.publication,
                      "select * from pipeline_runs where run_id = ?", [run_id])
    return found[0] if found else None


def switch(stores: Stores, candidate_file: Path, *, keep: int,
           verify: Callable[[Path], None] = lambda copy: None,
           together_with: AbstractContextManager[None] | None = None) -> None:
    """Make the candidate the publication: one atomic rename; open readers keep their snapshot.

    Args:
        stores: of the home.
        candidate_file: what is to be published.
        keep: earlier publications that are kept.
        verify: raises unless the copy that readers will have holds what was approved.
        together_with: what is held ready for the rename, and is done when it is.

    Raises:
        PublicationInUse: a write-ahead file lies beside the candidate or the publication.
        ResourceLimit: the disk is full.
    """
    for file in (candidate_file, stores.publication):
        leftover = file.with_name(file.name + ".wal")
        if leftover.exists():
            raise PublicationInUse(
                f"{leftover} lies there: a program has {file.name} open for writing. BI tools "
                f"must open it read-only; close the program, then start the run again."
            )
    stores.warehouse.mkdir(parents=True, exist_ok=True)
    _keep_publication(stores, keep)
    incoming = incoming_publication(stores)
    copy_in(candidate_file, incoming, mode=READ_ONLY, verify=verify)
    try:
        with together_with or nullcontext():
            os.replace(incoming, stores.publication)
            sync(stores.warehouse)
    finally:
        incoming.unlink(missing_ok=True)


def keep_replay(stores: Stores, candidate_file: Path, publication_id: int) -> Path:
    """Put a replayed publication beside the warehouse; its path."""
    stores.replays.mkdir(parents=True, exist_ok=True)
    target = stores.replays / f"publication-{publication_id:06d}.duckdb"
    with full_disk_in_words(stores.warehouse):
        shutil.copyfile(candidate_file, target)
    return target


def _keep_publication(stores: Stores, keep: int) -> None:
    """Keep the outgoing publication, and no more than `keep` earlier ones."""
    if not stores.publication.exists():
        return
    stores.kept.mkdir(parents=True, exist_ok=True)
    [newest] = read_rows(stores, stores.publication,
                         "select max(publication_id) as id from publication")
    target = stores.kept_publication(int(newest["id"]))
    target.unlink(missing_ok=True)
    # The outgoing file is never written again, so a second name for it is enough.
    os.link(stores.publication, target)
    for old in sorted(stores.kept.glob("publication-*.duckdb"))[:-keep]:
        old.unlink()


def keep_approval(stores: Stores, approval: Path, publication_id: int) -> None:
    """Keep the approval of a publication for `restore`; before the rename, after which runs die."""
    target = stores.approval(publication_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    with full_disk_in_words(stores.state):
        shutil.copyfile(approval, unfinished)
        sync(unfinished)
    unfinished.replace(target)


def drop_old_approvals(stores: Stores, publication_id: int) -> None:
    """Delete approvals of which no file is kept; `publication_id` is in the warehouse."""
    kept = {number for number, _ in publication_files(stores)} | {publication_id}
    for path in stores.approval(publication_id).parent.glob("publication-*.json"):
        if number_in_name(path.with_suffix(".duckdb")) not in kept:
            path.unlink()


def drop_old_candidates(stores: Stores, *, keep: int = 2) -> None:
    """Delete all but the newest `keep` candidate folders."""
    if not stores.candidates.exists():
        return
    folders = sorted((folder for folder in stores.candidates.iterdir() if folder.is_dir()),
                     key=lambda folder: folder.stat().st_mtime_ns)
    for folder in folders[:-keep]:
        shutil.rmtree(folder)
