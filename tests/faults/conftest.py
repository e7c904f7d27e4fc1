"""The chronicle of nights, for faults that need a whole night."""

from nights.conftest import chronicle, home_after

__all__ = ["chronicle", "home_after"]
