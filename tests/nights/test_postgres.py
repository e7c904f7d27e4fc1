"""Nights and commands that publish to PostgreSQL, too: both places change together, or neither."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from nights.conftest import SECOND, Teller
from nights.homes import TrialHome, sha256

pytestmark = pytest.mark.xdist_group("chronicle")
PASSWORD = "s3cret-of-the-publisher"
URL = "CRM_POSTGRES_URL"
# Raises when the transaction of the switch is committed, and not before.
REFUSE_COMMIT = """
create function refuse() returns trigger language plpgsql
    as $$ begin raise 'the connection broke'; end $$;
create constraint trigger refuse after insert or update on crm__ledger.publications
    deferrable initially deferred for each row when (new.is_shown) execute function refuse()
"""
STORAGE = "storage:\n  postgres:\n    postgres_url:\n      env: DAGSTER_POSTGRES_URL\n"


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    """An empty database; the server does not ask for the password, but it must stay secret."""
    return with_password(new_database())


def with_password(url: str) -> str:
    """The URL as people have it."""
    return sa.make_url(url).set(password=PASSWORD).render_as_string(hide_password=False)


def engine(url: str) -> sa.Engine:
    """As a BI tool connects."""
    return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"),
                            poolclass=sa.NullPool)


def shown(url: str) -> list[Any]:
    """The newest publication of each table that names one."""
    with engine(url).connect() as connection:
        return [connection.scalar(sa.text(f"select max(publication_id) from crm.{name}"))
                for name in ("publication", "customer_score_history")]


def files_with(home: TrialHome, text: str) -> list[Path]:
    """Files of the home in whose bytes a text stands."""
    return [path for path in home.folder.rglob("*")
            if path.is_file() and text.encode() in path.read_bytes()]


def frame_of(url: str, table: str, **arguments: Any) -> pd.DataFrame:
    """A table as pandas reads it through SQLAlchemy, in an order that does not matter."""
    with sa.create_engine(url, poolclass=sa.NullPool, **arguments).connect() as connection:
        frame = pd.read_sql(sa.text(f"select * from crm.{table}"), connection)
    ordered = frame.astype(str)
    return frame.loc[ordered.sort_values(list(ordered.columns)).index].reset_index(drop=True)


def test_sqlalchemy_and_pandas_read_the_same_from_both_places(
        home_after: Teller, url: str) -> None:
    home = home_after("second")
    said = home.crm("publish", **{URL: url}).expect(0)
    assert "publication 2 is what readers see in schema crm of database" in said.out
    assert PASSWORD not in said.said
    with engine(url).connect() as connection:
        names = sorted(sa.inspect(connection).get_view_names("crm"))
    assert {"score_contributions", "quadrant_migrations", "customer_scores"} <= set(names)
    assert len(names) > 30
    for name in names:
        there = frame_of(sa.make_url(url).set(
            drivername="postgresql+psycopg").render_as_string(hide_password=False), name)
        here = frame_of(f"duckdb:///{home.publication}", name,
                        connect_args={"read_only": True})
        assert list(there.columns) == list(here.columns)
        for column in here.columns:
            assert _comparable(there[column]) == _comparable(here[column]), (name, column)


def _comparable(values: pd.Series) -> list[Any]:
    """Values without what differs between drivers: the name of UTC, the class of missing ones."""
    if column_is_time(values):
        values = pd.to_datetime(values, utc=True)
    return [None if pd.isna(value) else str(value) for value in values]


def column_is_time(values: pd.Series) -> bool:
    """Whether the column holds times, not dates."""
    return pd.api.types.is_datetime64_any_dtype(values)


def test_an_earlier_publication_is_shown_again_and_the_newest_after_it(
        home_after: Teller, url: str) -> None:
    home = home_after("second")
    home.crm("publish", **{URL: url}).expect(0)
    home.crm("publish", "--publication", "1", **{URL: url}).expect(0)
    assert shown(url) == [1, 1]
    assert "publication 1 is" in home.crm("publish", "--publication", "1", **{URL: url}).out
    said = home.crm("publish", "--publication", "9", **{URL: url}).expect(2)
    assert "publication 9 is not kept; in" in said.err
    assert "are: 1" in said.err
    home.crm("publish", **{URL: url}).expect(0)
    assert shown(url) == [2, 2]
    assert "as before" in home.crm("publish", **{URL: url}).out


def test_a_home_that_publishes_there_says_what_is_missing(home_after: Teller) -> None:
    home = home_after("first")
    assert URL in home.crm("publish").expect(2).err
    home.edit("home.yaml", "publish: duckdb", "publish: postgres")
    said = home.crm("run", "--date", SECOND).expect(2)
    assert f"{URL} is not set" in said.err
    said = home.crm("run", "--date", SECOND, **{URL: f"chief:{PASSWORD}@host/crm"}).expect(2)
    assert "must begin with postgresql://" in said.err or "is none; write it as" in said.err
    assert PASSWORD not in said.said
    # Whoever only reads needs no database.
    home.crm("rejected").expect(0)
    nowhere = f"postgresql://chief:{PASSWORD}@127.0.0.1:1/crm"
    said = home.crm("publish", **{URL: nowhere}).expect(3)
    assert PASSWORD not in said.said
    assert "chief" not in said.said


@pytest.mark.slow
def test_a_night_whose_database_does_not_follow_is_told_as_published(
        home_after: Teller, url: str) -> None:
    """The commit after the rename fails, as where the connection breaks at that moment."""
    home = home_after("first")
    home.edit("home.yaml", "publish: duckdb", "publish: postgres")
    home.crm("publish", **{URL: url}).expect(0)
    with engine(url).begin() as connection:
        connection.execute(sa.text(REFUSE_COMMIT))
    said = home.crm("run", "--date", SECOND, **{URL: url}).expect(3)
    assert "nightly failed; it had published publication 2, which stands." in said.err
    assert "nothing was published" not in said.said
    assert "The warehouse file is switched already" in said.err
    assert home.query("select max(publication_id) as n from crm.publication") == [{"n": 2}]
    assert (home.last_run()["outcome"], home.last_run()["publication_id"]) == ("failed", 2)
    # Its approval is kept, and that of the one before: both can be restored.
    assert sorted(path.name for path in (home.folder / "state" / "approvals").iterdir()) == [
        "publication-000001.json", "publication-000002.json"]
    with engine(url).begin() as connection:
        connection.execute(sa.text("drop trigger refuse on crm__ledger.publications"))
    home.crm("publish", **{URL: url}).expect(0)
    assert shown(url) == [2, 2]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nights_change_both_places_or_neither_and_catch_up(
        home_after: Teller, url: str, new_database: Callable[[], str]) -> None:
    """Dagster's own runs lie in PostgreSQL, too."""
    home, runs = home_after("first"), with_password(new_database())
    variables = {URL: url, "DAGSTER_POSTGRES_URL": runs}
    home.edit("home.yaml", "publish: duckdb", "publish: postgres")
    home.edit("home.yaml", "switch_wait_seconds: 300", "switch_wait_seconds: 1")
    dagster_yaml = home.folder / "state" / "dagster" / "dagster.yaml"
    dagster_yaml.write_text(dagster_yaml.read_text(encoding="utf-8") + STORAGE, encoding="utf-8")

    home.crm("publish", **variables).expect(0)
    before = sha256(home.publication)
    with engine(url).connect() as idle:
        pid = idle.scalar(sa.text("select pg_backend_pid() from crm.customers limit 1"))
        said = home.crm("run", "--date", SECOND, **variables).expect(3)
    assert f"pid {pid} (user postgres" in said.said
    assert "nothing was" in said.said
    assert (sha256(home.publication), shown(url)) == (before, [1, 1])
    assert home.last_run()["outcome"] == "failed"

    home.crm("run", "--date", SECOND, **variables).expect(0)
    assert shown(url) == [2, 2]
    assert home.query("select max(publication_id) as n from crm.publication") == [{"n": 2}]

    # A run that was lost between rename and commit leaves the database one publication behind.
    home.crm("publish", "--publication", "1", **variables).expect(0)
    home.crm("run", "--date", SECOND, **variables).expect(0)
    assert shown(url) == [2, 2]
    assert home.last_run()["outcome"] == "made_again"

    with engine(runs).connect() as connection:
        statuses = list(connection.scalars(sa.text("select status from runs order by id")))
        places = connection.scalar(sa.text(
            "select count(*) from event_logs where event like '%published_to%' "
            "and event like '%schema crm of database%'"))
    assert statuses == ["FAILURE", "SUCCESS", "SUCCESS"]
    assert places > 30
    assert files_with(home, PASSWORD) == []
    with engine(runs).connect() as connection:
        assert connection.scalar(sa.text(
            f"select count(*) from event_logs where event like '%{PASSWORD}%'")) == 0
