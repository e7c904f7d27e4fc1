"""What the machine, or the container that the program runs in, lets it have."""

from __future__ import annotations

import os
from pathlib import Path

# Control groups of version 2 and 1, as a container sees its own.
MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"),
                 Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_bytes() -> int:
    """Memory of the machine, or of the container where that may have less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in MEMORY_LIMITS:
        try:
            found.append(int(path.read_text()))
        # Not there on this machine, or "max": no limit.
        except (OSError, ValueError):
            continue
    return min(found)
