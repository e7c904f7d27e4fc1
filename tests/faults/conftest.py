"""The chronicle of nights and the clean night of the gate, for faults that need one."""

from nights.conftest import chronicle, home_after
from tests.quality.conftest import clean_files, declarations, make_night, night

__all__ = ["chronicle", "clean_files", "declarations", "home_after", "make_night", "night"]
