"""A publication in PostgreSQL: exact, whole, with what others built upon it left standing."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.engine.postgres_warehouse import PostgresWarehouse
from dagster_project.engine.serving import ServingFailed, WrongServingUrl
from tests.serving.warehouses import CUSTOMERS_N, PATIENT, Served

PROJECT = Path(__file__).resolve().parents[2]
HASTY = replace(PATIENT, lock_timeout_seconds=0.3, switch_wait_seconds=0.5)


def test_types_comments_and_views_are_those_of_the_file(served: Served) -> None:
    served.show(1, extra=[
        "create table kinds as select 1::tinyint as a, 2::bigint as b, 1.5::double as c, "
        "12345678901234567.8901::decimal(38, 4) as d, date '2026-02-28' as e, null::date as f, "
        "'' as g, null::varchar as h, 'a\"b\n,\\.' as i, "
        "'2026-01-01 00:30:00+01'::timestamptz as j"])
    types = dict(served.rows(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = 'crm.kinds'::regclass and attnum > 0"))
    assert types == {
        "a": "smallint", "b": "bigint", "c": "double precision", "d": "numeric(38,4)", "e": "date",
        "f": "date", "g": "text", "h": "text", "i": "text", "j": "timestamp with time zone"}
    [row] = served.rows("select d, g, h, i, j from crm.kinds")
    assert row == (Decimal("12345678901234567.8901"), "", None, 'a"b\n,\\.',
                   datetime(2025, 12, 31, 23, 30, tzinfo=UTC))
    assert served.rows("select staged_at from crm.publication") == [
        (datetime(2026, 1, 1, 10, 0, 0, 250_000, tzinfo=UTC),)]
    assert served.rows("select obj_description('crm.customer_scores'::regclass), "
                       "col_description('crm.customer_scores'::regclass, 3)") == [
        ("One customer's scores; 100 %.", "CRM value, 0-100.")]
    assert served.rows("select count(*), min(crm_value) from crm.high_scores") == [
        (CUSTOMERS_N // 10, Decimal("90.00"))]


def test_a_text_with_a_nul_is_published_with_a_mark_in_its_place(served: Served) -> None:
    served.show(1, extra=["create table texts as select 'a' || chr(0) || 'b' as t"])
    assert served.rows("select t from crm.texts") == [("a\N{REPLACEMENT CHARACTER}b",)]


@settings(max_examples=8, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(
    st.one_of(st.none(), st.floats(),
              st.sampled_from([1e15, 1e16, 9.999999999999998e15, 2.692503775925439e16, 1e-4,
                               1e-5, -0.0, 5e-324])),
    st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    st.one_of(st.none(), st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))),
    st.one_of(st.none(), st.decimals(-10 ** 9, 10 ** 9, places=6)),
    st.one_of(st.none(), st.booleans())), max_size=60))
def test_both_places_hold_the_same_values_whatever_they_are(
        served: Served, rows: list[tuple[object, ...]]) -> None:
    """Loading compares the sums of both places, and fails where they write a value otherwise."""
    file = served.file(1, extra=["create table given (x double, t varchar, w timestamp, "
                                 "n decimal(20, 6), is_so boolean)"])
    with duckdb.connect(str(file)) as connection:
        if rows:
            connection.executemany("insert into given values (?, ?, ?, ?, ?)", rows)
    with served.switching(file):
        pass
    found = served.rows("select x, t, n, is_so from crm.given")
    expected = [(x, None if t is None else str(t).replace("\0", "\N{REPLACEMENT CHARACTER}"), n, b)
                for x, t, _, n, b in rows]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_other_values_in_the_database_stop_the_publication(served: Served) -> None:
    """A trigger that alters rows stands for whatever changes them on their way."""
    served.show(1)
    served.execute(
        "create function alter_row() returns event_trigger language plpgsql as $$ begin "
        "if tg_tag = 'CREATE TABLE' and exists (select from pg_event_trigger_ddl_commands() "
        "where object_identity like '%.customer_scores') then execute 'create function "
        "crm_less() returns trigger language plpgsql as ''begin new.crm_value = 0; return new; "
        "end''; create trigger less before insert on customer_scores for each row "
        "execute function crm_less()'; end if; end $$",
        "create event trigger altering on ddl_command_end execute function alter_row()")
    with pytest.raises(ServingFailed, match="other values in its 200 rows of customer_scores"):
        served.show(2)
    assert served.shown() == {1}
    assert len(served.loaded()) == 1


def test_the_same_publication_is_loaded_once(served: Served) -> None:
    file = served.show(1)
    first = served.rows("select schema_name, loaded_at from crm__ledger.publications")
    with served.switching(file):
        pass
    assert served.rows("select schema_name, loaded_at from crm__ledger.publications") == first
    assert served.warehouse.shows(file)


def test_nothing_is_shown_when_the_file_could_not_be_renamed(served: Served) -> None:
    served.show(1)
    with pytest.raises(OSError, match="no room"), served.switching(served.file(2)):
        raise OSError("no room")
    assert served.shown() == {1}
    served.show(2)
    assert served.shown() == {2}


def test_earlier_publications_are_kept_and_then_dropped(served: Served) -> None:
    for number in range(1, 7):
        served.show(number)
    assert [name[:11] for name in served.loaded()] == ["crm__000004", "crm__000005", "crm__000006"]
    assert served.rows("select count(*) from crm__ledger.publications") == [(3,)]
    assert served.told == []


def test_what_others_built_on_a_loaded_table_is_not_dropped_with_it(served: Served) -> None:
    served.show(1)
    [schema] = served.loaded()
    served.execute(f"create view public.own as select * from {schema}.customer_scores")
    for number in range(2, 6):
        served.show(number)
    assert schema in served.loaded()
    assert any("view own depends on" in words for words in served.told)


def test_an_older_publication_is_published_again(served: Served) -> None:
    first = served.show(1)
    for number in range(2, 6):
        served.show(number)
    with served.switching(first):
        pass
    assert served.shown() == {1}
    served.show(6)
    assert served.shown() == {6}


def test_a_restored_home_publishes_another_publication_of_the_same_number(served: Served) -> None:
    served.show(7)
    served.show(7, extra=["create table restored as select 1 as a"])
    assert served.rows("select a from crm.restored") == [(1,)]
    assert len(served.loaded()) == 2


def test_users_views_and_grants_go_on_over_new_columns_and_types(served: Served) -> None:
    served.show(1)
    served.execute(
        "do $$ begin if not exists (select from pg_roles where rolname = 'analyst') then "
        "create role analyst login; end if; end $$",
        "grant usage on schema crm to analyst", "grant select on crm.segment_kpis to analyst",
        "grant select (customer_key, crm_value) on crm.customer_scores to analyst",
        "create view public.totals as select sum(customers_n) as n, max(publication_id) as p "
        "from crm.segment_kpis")
    for number in range(2, 6):
        served.show(number)
    # A column in the middle of the table, and another type where nobody built upon it.
    served.show(6, score_type="decimal(7, 4)", extra=[
        "create or replace table segment_kpis as select 1 as added_n, * from segment_kpis"])
    assert served.rows("select * from public.totals") == [(CUSTOMERS_N, 6)]
    assert served.rows("select customers_n, added_n from crm.segment_kpis", user="analyst") == [
        (CUSTOMERS_N, 1)]
    assert served.rows("select sum(crm_value) from crm.customer_scores", user="analyst") == [
        (Decimal("9900.0000"),)]
    assert served.rows(
        "select has_column_privilege('analyst', 'crm.customer_scores', 'tier', 'select')") == [
        (False,)]


def test_a_change_of_type_under_somebodys_view_is_refused_by_name(served: Served) -> None:
    served.show(1)
    served.execute("create schema theirs",
                   "create view theirs.best as select max(crm_value) as best "
                   "from crm.customer_scores")
    with pytest.raises(ServingFailed,
                       match=r"crm_value numeric\(5,2\) -> numeric\(7,4\).*theirs\.best"):
        served.show(2, score_type="decimal(7, 4)")
    assert served.shown() == {1}
    served.execute("drop view theirs.best")
    served.show(2, score_type="decimal(7, 4)")
    assert served.shown() == {2}


def test_a_table_that_is_published_no_more_goes_unless_somebody_needs_it(served: Served) -> None:
    served.show(1)
    served.execute("create view public.mine as select total from crm.segment_kpis")
    with pytest.raises(ServingFailed,
                       match=r"crm\.segment_kpis is published no more.*public\.mine"):
        served.show(2, has_kpis=False)
    served.execute("drop view public.mine")
    served.show(2, has_kpis=False)
    assert served.rows("select to_regclass('crm.segment_kpis')") == [(None,)]


def test_a_name_that_the_server_would_cut_off_is_refused(served: Served) -> None:
    name = "x" * 64
    with pytest.raises(ServingFailed, match=f"{name} has more than the 63"):
        served.show(1, extra=[f"create table t as select 1 as {name}"])
    assert served.loaded() == []


def test_a_database_holds_one_home(served: Served) -> None:
    file = served.show(1)
    other = PostgresWarehouse(served.url, served.stores, home_token="other", bounds=PATIENT,
                              tell=served.told.append)
    with pytest.raises(ServingFailed, match="publications of another home"), \
            other.switching(file):
        pass


def test_a_reader_who_stays_in_a_transaction_is_named_and_holds_nobody_else_up(
        served: Served) -> None:
    served.show(1)
    bounds = replace(HASTY, switch_wait_seconds=5)
    # By the server's own clock, which a busy machine does not hurry: a reader who had to wait for
    # the switch as a whole, and not for one attempt of it, would be refused.
    waiting = {"options": "-c lock_timeout=3000"}
    reads_n = 0
    with served.connect(application_name="dashboard") as idle:
        pid = idle.exec_driver_sql("select pg_backend_pid() from crm.customer_scores").scalar()
        publisher = subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, served.url, str(served.file(2)), str(bounds)],
            cwd=PROJECT, stderr=subprocess.PIPE, text=True)
        while publisher.poll() is None:
            with served.connect(**waiting) as reader:
                found = reader.exec_driver_sql("select count(*) from crm.customer_scores").scalar()
            assert found == CUSTOMERS_N
            reads_n += 1
        assert publisher.stderr is not None
        said = publisher.stderr.read()
    assert f"pid {pid} (user postgres, application dashboard, idle in transaction" in said
    assert "select pg_backend_pid" not in said
    sys.stdout.write(f"{reads_n} reads beside the waiting switch\n")
    served.bounds = HASTY
    served.show(2)
    assert served.shown() == {2}


PUBLISHER = """
import sys
from pathlib import Path
from dagster_project.engine.serving import ServingBounds
from tests.serving.warehouses import Served
url, file, bounds = sys.argv[1:]
served = Served(url, Path(file).parent, eval(bounds))
with served.switching(Path(file)):
    pass
"""
# Ends itself as kill -9 would, at a point of the publication.
KILLED = """
import os, signal, sys
from pathlib import Path
import dagster_project.engine.postgres_warehouse as module
from tests.serving.warehouses import Served
url, file, point = sys.argv[1:]
served = Served(url, Path(file).parent)

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if point == "while it loads":
    verify = module._verify
    module._verify = lambda c, f, r: kill() if r.name == "publication" else verify(c, f, r)
if point == "between load and switch":
    module.PostgresSwitch.to = kill
with served.switching(Path(file)):
    if point == "before the commit":
        kill()
if point == "before old ones are dropped":
    kill()
"""


@pytest.mark.parametrize("point", ["while it loads", "between load and switch",
                                   "before the commit"])
def test_a_publisher_that_is_killed_leaves_the_old_publication_and_no_work(
        served: Served, point: str) -> None:
    served.show(1)
    file = served.file(2)
    killed = subprocess.run([sys.executable, "-c", KILLED, served.url, str(file), point],
                            cwd=PROJECT, check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert served.shown() == {1}
    served.show(3)
    assert served.shown() == {3}
    # What was loaded and never shown is cleared away with the next publication.
    assert [name[:11] for name in served.loaded()] == ["crm__000001", "crm__000003"]


def test_a_connection_that_is_lost_at_the_commit_is_told_of(served: Served) -> None:
    served.show(1)
    with pytest.raises(ServingFailed, match="The warehouse file is switched already.*crm-value "
                                            "publish"), \
            served.switching(served.file(2)):
        served.execute("select pg_terminate_backend(pid) from pg_stat_activity "
                       "where application_name = 'crm-value publisher'")
    assert served.shown() == {1}
    served.show(2)
    assert served.shown() == {2}


def test_a_connection_that_is_lost_while_it_loads_changes_nothing(served: Served) -> None:
    """The server ends the session when the first table is there."""
    served.show(1)
    served.execute(
        "create function lose() returns event_trigger language plpgsql as $$ begin "
        "perform pg_terminate_backend(pg_backend_pid()); end $$",
        "create event trigger losing on ddl_command_end when tag in ('CREATE TABLE') "
        "execute function lose()")
    with pytest.raises(ServingFailed, match="What readers see there was not changed"):
        served.show(2)
    served.execute("drop event trigger losing")
    assert served.shown() == {1}
    served.show(2)
    assert served.shown() == {2}


def test_a_schema_that_the_ledger_does_not_know_is_cleared_away(served: Served) -> None:
    served.show(1)
    served.execute("create schema crm__000009_0123abcd",
                   "create table crm__000009_0123abcd.half as select 1 as a",
                   "create schema crm__own")
    served.show(2)
    assert "crm__000009_0123abcd" not in served.loaded()
    assert served.rows("select 1 from pg_namespace where nspname = 'crm__own'") == [(1,)]


def test_what_others_made_in_the_schema_stays_there(served: Served) -> None:
    served.show(1)
    served.execute("create view crm.mine as select max(total) as best from crm.segment_kpis",
                   "create table crm.theirs as select 1 as a")
    served.show(2)
    assert served.rows("select best from crm.mine") == [(Decimal("9900.0000"),)]
    assert served.rows("select a from crm.theirs") == [(1,)]
    with pytest.raises(ServingFailed, match="holds something else called theirs"):
        served.show(3, extra=["create table theirs as select 2 as a"])
    assert served.shown() == {2}


def test_what_was_dropped_by_hand_is_loaded_and_shown_again(served: Served) -> None:
    file = served.show(1)
    served.execute("drop view crm.high_scores")
    with served.switching(file):
        pass
    assert served.rows("select count(*) from crm.high_scores") == [(CUSTOMERS_N // 10,)]
    [schema] = served.loaded()
    served.execute(f'drop schema "{schema}" cascade')
    with served.switching(file):
        pass
    assert served.shown() == {1}


def test_two_publishers_work_one_after_the_other(served: Served) -> None:
    served.show(1)
    impatient = Served(served.url, served.folder, HASTY)
    with served.switching(served.file(2)), \
            pytest.raises(ServingFailed, match=r"another publisher works .*\(pid \d+\)"):
        impatient.show(3)
    assert served.shown() == {2}


@pytest.mark.parametrize("url", [
    "postgresql://chief:s3cret@127.0.0.1:1/crm", "mysql://chief:s3cret@127.0.0.1/crm",
    "chief:s3cret@127.0.0.1/crm", "postgresql://chief:s3cret@127.0.0.1:port/crm"])
def test_no_fault_tells_who_logs_in(url: str, tmp_path: Path) -> None:
    served = Served(url, tmp_path)
    with pytest.raises((ServingFailed, WrongServingUrl)) as raised:
        served.show(1)
    assert "s3cret" not in str(raised.value)
    assert "chief" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_database_of_another_encoding_is_refused(
        new_database: Callable[[], str], tmp_path: Path) -> None:
    url = new_database()
    served = Served(url, tmp_path)
    with served.connect() as connection:
        automatic = connection.execution_options(isolation_level="AUTOCOMMIT")
        automatic.exec_driver_sql("create database latin encoding 'LATIN1' template template0 "
                                  "locale 'C'")
    other = Served(url.rpartition("/")[0] + "/latin" + url[url.index("?"):], tmp_path)
    with pytest.raises(ServingFailed, match="has the encoding LATIN1"):
        other.show(1)
    with served.connect() as connection:
        automatic = connection.execution_options(isolation_level="AUTOCOMMIT")
        automatic.exec_driver_sql("drop database latin with (force)")
