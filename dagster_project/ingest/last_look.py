"""Which files the last look into the landing folder refused, for runs that do not look themselves.

A run that goes on where another one failed, and the approval of a candidate, judge files that an
earlier run saw; a run whose process was lost has written no status. Pure files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from dagster_project.refusals import NotFinished


class NoLook(NotFinished):
    """Nothing says which files the last look refused: where it should stand, what to do."""


def keep_refused(path: Path, refused: Mapping[str, str]) -> None:
    """Write down name -> reason of the files of this look that cannot be read as a whole."""
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump(dict(refused), file)
        file.flush()
        # Half a list would let a refused file pass.
        os.fsync(file.fileno())
    unfinished.replace(path)


def refused_at_last_look(path: Path) -> dict[str, str]:
    """Name -> reason of the files that the last look refused.

    Raises:
        NoLook: nothing was written down, or it cannot be read.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(reason) for name, reason in kept.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise NoLook(f"{path} does not say which files of landing/ were refused; run the night "
                     f"from its start, which looks again") from error
