"""The chronicle of nights and the clean night of the gate, for faults that need one."""

import pytest

from nights.conftest import chronicle, home_after
from tests.quality.conftest import clean_files, declarations, make_night, night

__all__ = ["chronicle", "clean_files", "declarations", "home_after", "make_night", "night"]

# They take half of the time of all faults: the two workers begin with them.
LONGEST = ("test_thirty_nights_with_random_faults", "test_sixty_clean_nights_raise_no_alarm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first; the others keep their order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.name, len(LONGEST)))
