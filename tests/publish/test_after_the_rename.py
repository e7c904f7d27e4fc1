"""What is said of a run that failed after its publication was there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from dagster_project.automation.messages import failure_message, what_stands
from dagster_project.engine.publication import published_run, record_results, switch
from dagster_project.engine.serving import ServingFailed
from tests.publish.staging import Customer, Warehouse

NIGHT = date(2026, 4, 1)


@contextmanager
def _a_database_that_does_not_follow() -> Iterator[None]:
    yield
    raise ServingFailed("the commit failed")


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A candidate of run r1, approved and with its record."""
    warehouse = Warehouse(tmp_path)
    candidate = warehouse.stage(NIGHT, {1: Customer(80.0)}, previous_publication_id=0)
    record_results(warehouse.stores, candidate, pd.DataFrame([{
        "candidate_id": "candidate", "check_name": "one", "table_name": "customers",
        "outcome": "passed", "severity": "error", "failing_n": 0, "message": "", "why": "",
        "waived_reason": None}]), {
        "run_id": "r1", "job_name": "nightly", "as_of_date": NIGHT, "outcome": "published",
        "candidate_id": "candidate", "publication_id": 1, "message": "",
        "started_at": pd.Timestamp("2026-04-02 04:30:00"), "ended_at": None})
    return warehouse


def test_a_failure_before_and_after_the_rename(warehouse: Warehouse) -> None:
    stores = warehouse.stores
    nothing = "nothing was published, the last publication stands"
    assert what_stands(stores, "r1") == nothing
    with pytest.raises(ServingFailed):
        switch(stores, stores.candidate("candidate"), keep=1,
               together_with=_a_database_that_does_not_follow())
    stands = what_stands(stores, "r1")
    assert stands == "it had published publication 1, which stands"
    assert stands in failure_message("nightly", str(NIGHT), "r1", ["the commit failed"], stands)
    # Of another run's failure that says nothing.
    assert what_stands(stores, "r2") == nothing
    row = published_run(stores, "r1")
    assert row is not None
    assert (row["publication_id"], row["outcome"]) == (1, "published")


def test_where_it_is_not_known_nothing_is_claimed(warehouse: Warehouse) -> None:
    warehouse.stores.publication.write_bytes(b"damaged" * 999)
    assert "is not known" in what_stands(warehouse.stores, "r1")
