"""The chronicle of nights and the clean night of the gate, for faults that need one."""

import pytest

from nights.conftest import chronicle, home_after
from tests.quality.conftest import clean_files, declarations, make_night, night

__all__ = ["chronicle", "clean_files", "declarations", "home_after", "make_night", "night"]

# They take half of the time of all faults: the two workers begin with them.
LONGEST = ("test_sixty_clean_nights_raise_no_alarm", "test_thirty_nights_with_random_faults")
# Its tests share homes, and so one worker.
LARGEST_GROUP = "chronicle"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what keeps a worker longest first; the others keep their order."""
    def place(item: pytest.Item) -> int:
        if item.name in LONGEST:
            return LONGEST.index(item.name)
        groups = [mark.args[0] for mark in item.iter_markers("xdist_group")]
        return len(LONGEST) + (LARGEST_GROUP not in groups)

    items.sort(key=place)
