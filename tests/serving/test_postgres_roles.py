"""What the roles may do that the SQL of `crm-value postgres-roles` makes, on a real server."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from dagster_project.publish.serving import ROLES
from tests.serving.warehouses import CUSTOMERS_N, Served

READER, PUBLISHER = "bi_reader", "crm_publisher"


@pytest.fixture
def with_roles(served: Served) -> Served:
    """A database with its roles; publications are shown by the one that publishes."""
    served.execute(ROLES.read_text(encoding="utf-8"))
    owner = served.url
    served.url = sa.make_url(owner).set(username=PUBLISHER).render_as_string()
    served.show(1)
    served.show(2)
    return served


def test_a_reader_reads_every_view_of_crm(with_roles: Served) -> None:
    assert with_roles.rows("select count(*), max(publication_id), sum(crm_value) "
                           "from crm.customer_scores", user=READER) == [
        (CUSTOMERS_N, 2, Decimal("9900.00"))]
    views = {name for (name,) in with_roles.rows(
        "select viewname from pg_views where schemaname = 'crm'", user=READER)}
    assert views == {"publication", "customer_scores", "segment_kpis", "high_scores"}
    for view in views:
        with_roles.rows(f"select * from crm.{view} limit 1", user=READER)


def test_views_of_a_later_version_can_be_read_at_once(with_roles: Served) -> None:
    with_roles.show(3, extra=["create table added as select 5 as a"])
    assert with_roles.rows("select a from crm.added", user=READER) == [(5,)]


FORBIDDEN = (
    "insert into crm.customer_scores (tier) values ('x')", "delete from crm.segment_kpis",
    "create table public.own (a integer)", "create table crm.own (a integer)",
    "create temporary table own (a integer)", "create schema own",
    "create view crm.own as select 1", "drop view crm.segment_kpis",
    "create function crm.f() returns integer language sql as 'select 1'",
    "select * from crm__ledger.publications", "select * from {loaded}.customer_scores",
    "set role crm_publisher", "copy crm.segment_kpis to program 'true'")


def _refusal(connection: sa.Connection, statement: str) -> str:
    """What the server says against a statement; empty: nothing."""
    try:
        connection.exec_driver_sql(statement)
    except DBAPIError as error:
        return str(error.orig)
    finally:
        connection.rollback()
    return ""


@pytest.mark.parametrize("begin", ["set transaction read only", "set transaction read write"])
def test_a_reader_can_do_nothing_else(with_roles: Served, begin: str) -> None:
    """Transactions that only read are a setting, which a session can change; rights are not."""
    loaded = with_roles.loaded()[-1]
    with with_roles.connect(READER) as connection:
        for statement in FORBIDDEN:
            connection.exec_driver_sql(begin)
            said = _refusal(connection, statement.format(loaded=loaded))
            assert any(words in said for words in (
                "permission denied", "must be owner", "read-only")), (statement, said)


def test_a_readers_session_is_bounded(with_roles: Served) -> None:
    with with_roles.connect(READER) as connection:
        assert [connection.exec_driver_sql(f"show {name}").scalar() for name in (
            "default_transaction_read_only", "statement_timeout",
            "idle_in_transaction_session_timeout")] == ["on", "5min", "1min"]


def test_a_reader_who_leaves_a_transaction_open_is_ended(with_roles: Served) -> None:
    """With a second instead of the minute."""
    with with_roles.connect(
            READER, options="-c idle_in_transaction_session_timeout=1000") as idle:
        idle.exec_driver_sql("select 1 from crm.customer_scores")
        with_roles.show(3)
        with pytest.raises(DBAPIError, match="idle-in-transaction timeout|closed"):
            idle.exec_driver_sql("select 1")
        idle.invalidate()
    assert with_roles.shown() == {3}


def test_the_roles_can_be_made_again(with_roles: Served, postgresql_url: str) -> None:
    owner = Served(sa.make_url(with_roles.url).set(
        username=sa.make_url(postgresql_url).username).render_as_string(), with_roles.folder)
    owner.execute(ROLES.read_text(encoding="utf-8"))
    with_roles.show(3)
    assert with_roles.rows("select max(publication_id) from crm.publication", user=READER) == [
        (3,)]


def test_a_publisher_that_is_held_back_says_since_when(with_roles: Served) -> None:
    with with_roles.connect(READER, application_name="dashboard") as idle:
        idle.exec_driver_sql("select 1 from crm.customer_scores")
        with_roles.bounds = type(with_roles.bounds)(0.3, 0.5, 2)
        with pytest.raises(Exception, match=r"user bi_reader, application dashboard, idle in "
                                            r"transaction, last query \d+ s ago"):
            with_roles.show(3)
    assert with_roles.shown() == {2}
