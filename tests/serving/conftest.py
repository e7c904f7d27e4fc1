"""A database of its own for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving.warehouses import Served


@pytest.fixture
def served(new_database: Callable[[], str], tmp_path: Path) -> Served:
    """An empty database, and a folder for warehouse files."""
    return Served(new_database(), tmp_path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the server to one worker: starting it takes longer than most tests."""
    for item in items:
        if "served" in getattr(item, "fixturenames", ()) and not item.get_closest_marker(
                "xdist_group"):
            item.add_marker(pytest.mark.xdist_group("postgresql"))
