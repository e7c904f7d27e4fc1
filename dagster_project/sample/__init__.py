"""Believable exports of an invented shop, with a known dose of dirt, for trials and tests.

What belongs here: the invented customers and what they do, the files it is delivered in, the
dirt, and the manifest that says exactly how many rows of each kind a correct load must give.
What stays out: how files are read (`ingest/`). No number of a real business is used.
"""

from dagster_project.sample.deliveries import FILE_PATTERNS, VERSION_PATTERN
from dagster_project.sample.generation import write_sample
from dagster_project.sample.manifest import Manifest

__all__ = ["FILE_PATTERNS", "VERSION_PATTERN", "Manifest", "write_sample"]
