"""What the previous publication keeps of earlier nights, beside the customers of tonight's build.

Labels and scores of then stand under the keys of then. A key is one of the identities of its
customer, so tonight's map of identities says whose they are now; who was split off from a customer
since finds nothing under an id of his own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from dagster_project.engine.stores import Stores, literal


@dataclass(frozen=True)
class Earlier:
    """A file that knows what was published up to a publication, and for which night it is asked.

    Attributes:
        file: None: nothing was published, or no file knows it any more.
        until_publication: the sixth input of the night.
        as_of_date: D; only earlier dates are read.
    """

    file: Path | None
    until_publication: int
    as_of_date: date


def find_quadrants_before(stores: Stores, earlier: Earlier) -> int:
    """Write `night.campaign_quadrants`: the quadrant of each campaign member before the treatment.

    It is the held one of the newest published date before the treatment. Members of whom none is
    known are absent. Where a customer had several keys then, the present one goes before the
    others, of which the smallest counts.

    Returns:
        Rows written.
    """
    with stores.open(stores.build) as connection:
        connection.execute("create or replace table night.campaign_quadrants "
                           "(source varchar, campaign_id varchar, customer_key uuid, "
                           "quadrant varchar)")
        if earlier.file is None:
            return 0
        connection.execute(f"attach {literal(str(earlier.file))} as earlier (read_only)")
        if not _has(connection, "label_history", "label"):
            return 0
        connection.execute(
            """
            insert into night.campaign_quadrants
            with nights as (
                select distinct as_of_date from earlier.publication
                where publication_id <= $until and as_of_date < $night
            ),
            treatments as (
                select treated.treated_date, max(nights.as_of_date) as before_date
                from (select distinct treated_date from marts.campaign_members) as treated
                inner join nights on nights.as_of_date < treated.treated_date
                group by treated.treated_date
            ),
            known as (
                select members.source, members.campaign_id, members.customer_key, spans.label,
                    row_number() over (
                        partition by members.source, members.campaign_id, members.customer_key
                        order by spans.customer_key = members.customer_key desc,
                            spans.customer_key
                    ) as place
                from marts.campaign_members as members
                inner join treatments on members.treated_date = treatments.treated_date
                inner join marts.customer_identities as identities
                    on members.customer_key = identities.customer_key
                inner join earlier.label_history as spans
                    on identities.identity_id = spans.customer_key
                    and spans.label_kind = 'quadrant'
                    and spans.from_date <= treatments.before_date
                    and coalesce(spans.to_date >= treatments.before_date, true)
            )
            select source, campaign_id, customer_key, label from known where place = 1
            order by source, campaign_id, customer_key
            """, {"until": earlier.until_publication, "night": earlier.as_of_date})
        row = connection.execute("select count(*) from night.campaign_quadrants").fetchone()
        assert row is not None, "an aggregate returns one row"
        return int(row[0])


def find_scores_of_then(stores: Stores, earlier: Earlier, days: int) -> date | None:
    """Write `night.scores_of_then`: scores of a while ago under the keys of tonight.

    They are those of the kept month end nearest to so many days before D. Month ends alone are
    asked for: history keeps them for good, so the same night finds the same rows whenever it is
    made again. One that lies off by more than half of the days is not taken. Customers whom
    tonight does not have are there without a key of tonight.

    Args:
        stores: of the home; the build holds the night.
        earlier: the file, and the night.
        days: how old the scores should be.

    Returns:
        Their date; None: no such month end is kept, and the table is empty.
    """
    with stores.open(stores.build) as connection:
        connection.execute(
            "create or replace table night.scores_of_then (customer_key uuid, "
            "profile varchar, crm_value decimal(5, 2), tier varchar, p_alive decimal(7, 6), "
            "purchases_n integer)")
        if earlier.file is None:
            return None
        connection.execute(f"attach {literal(str(earlier.file))} as earlier (read_only)")
        found = connection.execute(
            """
            select as_of_date, max(publication_id) as publication_id
            from earlier.publication
            where publication_id <= $until and as_of_date < $night
                and as_of_date = last_day(as_of_date)
                and 2 * abs($night - as_of_date - $days) <= $days
                and publication_id in (
                    select publication_id from earlier.customer_score_history)
            group by as_of_date
            order by abs($night - as_of_date - $days), as_of_date
            limit 1
            """, {"until": earlier.until_publication, "night": earlier.as_of_date, "days": days},
        ).fetchone()
        if found is None:
            return None
        scored_date, publication_id = found
        p_alive, profile = (
            f"history.{name}" if _has(connection, "customer_score_history", name) else "null"
            for name in ("p_alive", "profile"))
        connection.execute(
            f"""
            insert into night.scores_of_then
            with then_and_now as (
                select features.customer_key, {profile} as profile, history.crm_value,
                    history.tier, {p_alive} as p_alive, history.purchases_n,
                    row_number() over (
                        partition by features.customer_key
                        order by history.customer_key = features.customer_key desc,
                            history.customer_key
                    ) as place
                from earlier.customer_score_history as history
                left join marts.customer_identities as identities
                    on history.customer_key = identities.identity_id
                left join marts.customer_features as features
                    on identities.customer_key = features.customer_key
                where history.publication_id = $publication
            )
            select customer_key, profile, crm_value, tier, p_alive, purchases_n
            from then_and_now
            where place = 1 or customer_key is null
            order by customer_key, crm_value
            """, {"publication": publication_id})
        day: date = scored_date
        return day


def _has(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    """Whether the earlier file has a column: a release of before may not have known it."""
    return connection.execute(
        "select 1 from duckdb_columns() where database_name = 'earlier' and table_name = ? "
        "and column_name = ?", [table, column]).fetchone() is not None
