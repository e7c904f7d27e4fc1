"""The deliveries that a night of a home asks for, for the gate and for `crm-value check`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from dagster_project.engine.deliveries import deliveries_of
from dagster_project.engine.stores import Stores
from dagster_project.ingest.expected import DueDelivery, due_deliveries
from dagster_project.settings import Home


def due_tonight(home: Home, stores: Stores, as_of_date: date, known_load_seq: int,
                published_dates: Sequence[date]) -> list[DueDelivery]:
    """What the night of D asks for of the sources that state `expected`, and what came.

    Args:
        home: whose sources.yaml.
        stores: whose raw; `check` has one of its own.
        as_of_date: D.
        known_load_seq: K.
        published_dates: as-of dates of all publications so far.
    """
    expected = {source.name: source.expected for source in home.sources.sources
                if source.expected is not None}
    asked = [source for source in home.sources.sources if source.name in expected]
    delivered = deliveries_of(stores, asked, home.configuration.business.time_zone,
                              known_load_seq)
    return due_deliveries(expected, delivered, as_of_date, published_dates)
