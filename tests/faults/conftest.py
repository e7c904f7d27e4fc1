"""The chronicle of nights and the clean night of the gate, for faults that need one."""

import pytest

from nights.conftest import chronicle, home_after
from tests.quality.conftest import clean_files, declarations, make_night, night

__all__ = ["chronicle", "clean_files", "declarations", "home_after", "make_night", "night"]

# They take two thirds of the time of all faults: the two workers begin with them.
LONGEST = ("test_sixty_clean_nights_raise_no_alarm", "test_thirty_nights_with_random_faults",
           "test_a_backfill_out_of_order_and_twice_ends_as_a_clean_one",
           "test_a_night_killed_everywhere_ends_as_an_undisturbed_one",
           "test_a_crash_of_everything_queues_no_later_night")
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
