"""Two nights' scores side by side: who differs, whom new facts touch, and the parts.

Set-wise work only. Which scorings stand between the two nights, and who makes them, is said in
`changes/chain.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from dagster_project.engine.stores import Stores, literal, make_tables
from dagster_project.publish.change_tables import CAUSES, SCORE_DIFFERENCES
from dagster_project.scoring.labels import LABELS

SHOWN = ("crm_value", *LABELS)
# Scorings between the old value and the new one, in their order, and whose they are.
KEY_OF_STEP = {"start": "compared_customer_key", "correction": "compared_customer_key",
               "identity": "customer_key", "time": "customer_key", "behaviour": "customer_key"}
_SCORED = "scored (step varchar, customer_key uuid, crm_value decimal(7, 4))"


@dataclass(frozen=True)
class Since:
    """What is new between two nights.

    Attributes:
        load_seq, until_load_seq: K of the earlier and the later night.
        day, until_day: D of the earlier and the later night.
        reads_records: customer records bear on scores (profiles, attributes, excluded types).
        rate_days: days for which a rate of exchange is carried on.
    """

    load_seq: int
    until_load_seq: int
    day: date
    until_day: date
    reads_records: bool
    rate_days: int


def touched_identities(stores: Stores, build: Path, since: Since) -> pd.DataFrame:
    """Identities with facts that are new or others than before: identity_id.

    Args:
        stores: whose raw is looked at.
        build: has the facts, as known at the later K.
        since: what is new.
    """
    facts = [("order_facts", "ordered_date"), ("interaction_days", "business_date"),
             ("survey_answers", "responded_date"), ("order_events", "event_date")]
    queries = [
        "select identity_id from build.marts.touched where load_seq > $load_seq",
        *(f"select identity_id from build.marts.{table} where {day} > $day and {day} <= $until_day"
          for table, day in facts),
        # A rate is known to nobody's rows; it changes the orders of its days.
        """
        select orders.identity_id
        from build.marts.order_facts as orders
        inner join (
            select currency, min(rate_date) as first_date, max(rate_date) as last_date
            from build.staging.stg_raw__fx_rates
            where load_seq > $load_seq
            group by currency
        ) as rates
            on orders.currency = rates.currency
        where orders.ordered_date >= rates.first_date
            and orders.ordered_date <= rates.last_date + cast($rate_days as integer)
        """,
    ]
    if since.reads_records:
        queries.append("select identity_id from build.staging.stg_raw__customers "
                       "where load_seq > $load_seq or (valid_from > $day "
                       "and valid_from <= $until_day)")
    with stores.open(None, build=(build, "READ_ONLY"),
                     raw=(stores.raw, "READ_ONLY")) as connection:
        return connection.execute(
            f"select distinct cast(identity_id as varchar) as identity_id "
            f"from ({' union all '.join(queries)}) as touched where identity_id is not null",
            {"load_seq": since.load_seq, "day": since.day, "until_day": since.until_day,
             "rate_days": since.rate_days}).df()


class ScoreComparison:
    """The customers of two nights in a file of its own: pairs, scorings between, parts."""

    def __init__(self, stores: Stores, file: Path) -> None:
        """Makes the file.

        Args:
            stores: whose build has the later night.
            file: private, deleted by the caller.
        """
        self._stores = stores
        self._file = file
        with self._open() as connection:
            connection.execute(f"create table {_SCORED}")

    @contextmanager
    def _open(self, **attached: tuple[Path, str]) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._stores.open(None, read_only=False, work=(self._file, "READ_WRITE"),
                               **attached) as connection:
            connection.execute("use work.main")
            yield connection

    def compare(self, previous: Path, key_changes: pd.DataFrame,
                maps: tuple[pd.DataFrame, pd.DataFrame]) -> int:
        """Find the pairs that differ; how many there are.

        A customer is compared with the one of the same key; where there was none, with the one of
        the highest CRM value among those whose identities it has.

        Args:
            previous: file whose current tables are compared with.
            key_changes: old_customer_key, new_customer_key, reason between the two maps.
            maps: customer_map of the earlier and of the later night.
        """
        with self._open(previous=(previous, "READ_ONLY"),
                        build=(self._stores.build, "READ_ONLY")) as connection:
            _take(connection, "key_changes", key_changes,
                  {"old_customer_key": "uuid", "new_customer_key": "uuid", "reason": "varchar"})
            for name, frame in zip(("old_map", "new_map"), maps, strict=True):
                _take(connection, name, frame, {"identity_id": "uuid", "customer_key": "uuid"})
            columns = ", ".join(("customer_key", *SHOWN))
            connection.execute(f"create table old_scores as select {columns} "
                               f"from previous.customer_scores")
            connection.execute(f"create table new_scores as select {columns} "
                               f"from build.night.customer_scores")
            connection.execute(_PAIRS)
            connection.execute("create table rebuilt as select customer_key, "
                               "compared_customer_key from pairs where false")
            return _count(connection, "pairs")

    def choose_rebuilt(self, touched: pd.DataFrame | None) -> pd.DataFrame:
        """Which pairs need features of their own; identity_id of all identities in them.

        Args:
            touched: identity_id of those with new facts; None: everyone.
        """
        with self._open(build=(self._stores.build, "READ_ONLY")) as connection:
            _take(connection, "touched",
                  pd.DataFrame({"identity_id": []}, dtype=str) if touched is None else touched,
                  {"identity_id": "uuid"})
            # Also those that nothing names any more since a correction: they were somebody's.
            connection.execute(
                """
                create or replace table identities as
                with seen as (
                    select identity_id from build.marts.customer_identities
                    union
                    select identity_id from old_map
                    union
                    select identity_id from new_map
                    union
                    select identity_id from touched
                )

                select seen.identity_id,
                    coalesce(old_map.customer_key, seen.identity_id) as old_key,
                    coalesce(new_map.customer_key, seen.identity_id) as new_key
                from seen
                left join old_map on seen.identity_id = old_map.identity_id
                left join new_map on seen.identity_id = new_map.identity_id
                """)
            chosen = ("true" if touched is None else
                      "old_key <> new_key or identity_id in (select identity_id from touched)")
            connection.execute(
                f"""
                create or replace table rebuilt as
                with chosen as (select old_key, new_key from identities where {chosen})
                select customer_key, compared_customer_key
                from pairs
                where old_crm_value is not null and new_crm_value is not null and (
                    customer_key in (select new_key from chosen)
                    or compared_customer_key in (select old_key from chosen))
                """)
            return connection.execute(
                "select distinct cast(identity_id as varchar) as identity_id from identities "
                "where old_key in (select compared_customer_key from rebuilt) "
                "or new_key in (select customer_key from rebuilt)").df()

    def changes_identity(self) -> bool:
        """Whether a pair that is rebuilt has other identities than before."""
        with self._open() as connection:
            connection.execute(
                "create or replace temp table moved as select old_key, new_key from identities "
                "where old_key <> new_key")
            row = connection.execute(
                "select count(*) from rebuilt "
                "where customer_key <> compared_customer_key "
                "or customer_key in (select old_key from moved union all "
                "select new_key from moved)").fetchone()
            return bool(row and row[0])

    def add_scores(self, step: str, scores: pd.DataFrame) -> None:
        """Keep what a scoring between gave.

        Args:
            step: one of KEY_OF_STEP.
            scores: customer_key, crm_value.
        """
        with self._open() as connection:
            connection.register("scores_in", scores)
            connection.execute(
                f"insert into scored select {literal(step)}, cast(customer_key as uuid), "
                f"cast(crm_value as decimal(7, 4)) from scores_in")
            connection.unregister("scores_in")

    def write(self, steps: Collection[str], *, compared_id: int, days: tuple[date, date],
              is_comparable: bool, is_configured_anew: bool) -> int:
        """Write `night.score_changes` of the build; how many rows.

        Args:
            steps: those of KEY_OF_STEP that were scored; one that was not gave what the step before
                it did, and the last what tonight gave.
            compared_id: publication before.
            days: D before, and tonight's.
            is_comparable: False: nothing could be scored, and there are no parts.
            is_configured_anew: the configuration is another than before.
        """
        with self._open(build=(self._stores.build, "READ_WRITE")) as connection:
            connection.execute(f"drop table if exists build.night.{SCORE_DIFFERENCES.name}")
            make_tables(connection, "build.night", (SCORE_DIFFERENCES,))
            connection.execute(
                f"insert into build.night.{SCORE_DIFFERENCES.name} by name "
                f"{_changes_query(steps, is_comparable, is_configured_anew)}",
                {"old_id": compared_id, "old_day": days[0], "new_day": days[1]})
            return _count(connection, f"build.night.{SCORE_DIFFERENCES.name}")


_PAIRS = f"""
    create table pairs as
    with successors as (
        select customer_key, compared_customer_key
        from (
            select new_scores.customer_key, old_scores.customer_key as compared_customer_key,
                row_number() over (
                    partition by new_scores.customer_key
                    order by old_scores.crm_value desc nulls last, old_scores.customer_key asc
                ) as preference
            from key_changes
            inner join new_scores on key_changes.new_customer_key = new_scores.customer_key
            inner join old_scores on key_changes.old_customer_key = old_scores.customer_key
            where new_scores.customer_key not in (select customer_key from old_scores)
        ) as ranked
        where preference = 1
    ),

    compared as (
        select new_scores.customer_key,
            coalesce(same.customer_key, successors.compared_customer_key) as compared_customer_key
        from new_scores
        left join old_scores as same on new_scores.customer_key = same.customer_key
        left join successors on new_scores.customer_key = successors.customer_key
        union all
        select customer_key, customer_key as compared_customer_key
        from old_scores
        where customer_key not in (select customer_key from new_scores)
            and customer_key not in (select compared_customer_key from successors)
    ),

    judged as (
        select compared.customer_key, compared.compared_customer_key,
            case
                when old_scores.customer_key is null then 'appeared'
                when new_scores.customer_key is null and compared.customer_key in (
                    select key_changes.old_customer_key from key_changes
                    inner join new_scores
                        on key_changes.new_customer_key = new_scores.customer_key) then 'merged'
                when new_scores.customer_key is null then 'vanished'
                when old_scores.crm_value is null and new_scores.crm_value is not null
                    then 'became_sufficient'
                when old_scores.crm_value is not null and new_scores.crm_value is null
                    then 'became_insufficient'
                else 'changed'
            end as change_kind,
            {', '.join(f'old_scores.{name} as old_{name}, new_scores.{name} as new_{name}'
                       for name in SHOWN)}
        from compared
        left join old_scores on compared.compared_customer_key = old_scores.customer_key
        left join new_scores on compared.customer_key = new_scores.customer_key
    )

    select * from judged
    where change_kind <> 'changed'
        or {' or '.join(f'old_{name} is distinct from new_{name}' for name in SHOWN)}
"""


def _changes_query(steps: Collection[str], is_comparable: bool, is_configured_anew: bool) -> str:
    """The rows of score_changes: each part is the difference of two scorings in a row."""
    found = {step: f"scored_{step}.crm_value" for step in steps}
    joins = "\n".join(
        f"left join (select customer_key, crm_value from scored where step = '{step}') "
        f"as scored_{step} on pairs.{KEY_OF_STEP[step]} = scored_{step}.customer_key"
        for step in KEY_OF_STEP if step in steps)
    # Who is not rebuilt is as before up to the later date, and from then on as tonight: all that
    # lies between is time.
    return f"""
        with stepwise as (
            select pairs.*, rebuilt.customer_key is not null as is_rebuilt,
                {found.get('start', 'pairs.old_crm_value')} as at_start,
                case when is_rebuilt then {found.get('correction', 'at_start')} else at_start end
                    as at_correction,
                case when is_rebuilt then {found.get('identity', 'at_correction')}
                    else at_start end as at_identity,
                {found.get('behaviour', 'pairs.new_crm_value')} as at_behaviour,
                case when is_rebuilt then {found.get('time', 'at_identity')} else at_behaviour end
                    as at_time,
                {'at_behaviour' if is_configured_anew else 'pairs.new_crm_value'} as at_reference
            from pairs
            left join rebuilt
                on pairs.customer_key = rebuilt.customer_key
                and pairs.compared_customer_key = rebuilt.compared_customer_key
            {joins}
        ),

        judged as (
            select stepwise.*,
                case
                    when old_crm_value is null or new_crm_value is null then 'no_value'
                    when not {str(is_comparable).lower()} then 'not_comparable'
                    when at_start is null or at_correction is null or at_identity is null
                        or at_time is null or at_behaviour is null or at_reference is null
                        then 'no_value_midway'
                    else 'split'
                end as split_status
            from stepwise
        ),

        parts as (
            select judged.*,
                at_correction - at_start as correction,
                at_identity - at_correction as identity,
                at_time - at_identity as time,
                at_behaviour - at_time as behaviour,
                at_reference - at_behaviour as reference,
                new_crm_value - at_reference as configuration,
                at_start - old_crm_value as method
            from judged
        )

        select customer_key, cast($new_day as date) as as_of_date, compared_customer_key,
            cast($old_id as integer) as compared_publication_id,
            cast($old_day as date) as compared_date, change_kind, split_status,
            new_crm_value - old_crm_value as crm_value_change,
            {', '.join(f"case when split_status = 'split' then {cause} end as {cause}_change"
                       for cause in CAUSES)},
            {', '.join(f'old_{name}, new_{name}' for name in SHOWN)}
        from parts
        order by customer_key
    """


def _take(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame,
          columns: dict[str, str]) -> None:
    connection.register("frame_in", frame)
    casts = ", ".join(f"cast({column} as {kind}) as {column}" for column, kind in columns.items())
    connection.execute(f"create or replace table {name} as select {casts} from frame_in")
    connection.unregister("frame_in")


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0
