"""What publishing asks of a database that serves readers beside the warehouse file.

The file is the home of history; such a database shows a copy of one publication, whole or not at
all. Which database it is stands in a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dagster_project.refusals import NotFinished, WrongInput

Tell = Callable[[str], None]


class ServingFailed(NotFinished):
    """The serving database cannot show a publication: why, what it shows now, what to do."""


class WrongServingUrl(WrongInput):
    """What should be the URL of the serving database is none; never repeats it."""


@dataclass(frozen=True)
class ServingBounds:
    """How a serving database is switched.

    Attributes:
        lock_timeout_seconds: how long the switch waits for readers at a time, and other readers
            behind it.
        switch_wait_seconds: how long it is tried again in all.
        keep_publications: earlier publications that stay loaded beside the current one.
    """

    lock_timeout_seconds: float = 0.5
    switch_wait_seconds: float = 300.0
    keep_publications: int = 2


class ServingDatabase(Protocol):
    """A database in which readers see one publication."""

    @property
    def place(self) -> str:
        """Where readers find it, in words; without who logs in."""

    def shows(self, file: Path) -> bool:
        """Whether it shows exactly the publication of `file`.

        Raises:
            ServingFailed: it cannot be asked.
        """

    def switching(self, file: Path) -> AbstractContextManager[None]:
        """Load and verify the publication of `file`, then hold it ready for the block.

        It is shown when the block ends, and not at all if the block raises. Readers wait from
        the block's beginning to its end, so it must be short.

        Raises:
            ServingFailed: it cannot be loaded or shown; what was shown is shown still.
        """
