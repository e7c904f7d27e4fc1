"""A copy that lies ready beside a file of the home and takes its place in one rename."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from dagster_project.engine.failures import full_disk_in_words
from dagster_project.engine.stores import Stores

READ_ONLY, PRIVATE = 0o444, 0o600


def incoming_publication(stores: Stores) -> Path:
    """Where the copy lies that is to become the publication."""
    return stores.warehouse / ".incoming.duckdb"


def incoming_store(store: Path) -> Path:
    """Where the copy lies that is to become raw or vault."""
    return store.with_name(f".incoming-{store.name}")


def copy_in(source: Path, copy: Path, *, mode: int,
            verify: Callable[[Path], object] = lambda copy: None) -> None:
    """Copy `source` down to the disk; `copy` is whole and verified then.

    Nothing is left where this raises. What a killed process left is written anew.

    Args:
        source: is not written to meanwhile.
        copy: beside the file whose place it is to take.
        mode: rights of the copy: READ_ONLY or PRIVATE.
        verify: raises unless the copy, and not only its source, is what is meant.

    Raises:
        ResourceLimit: the disk is full.
    """
    # It may be read-only, or somebody's who reads it still.
    copy.unlink(missing_ok=True)
    try:
        with full_disk_in_words(copy.parent):
            # Never readable by others while it is written: it may be the vault's.
            copy.touch(mode=PRIVATE)
            shutil.copyfile(source, copy)
            sync(copy)
        verify(copy)
        copy.chmod(mode)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


def delete_stale_copies(stores: Stores) -> None:
    """Delete what a killed process left of `copy_in`; that of the vault is in clear.

    The caller holds the home's lock.
    """
    for copy in (incoming_publication(stores), incoming_store(stores.raw),
                 incoming_store(stores.vault)):
        copy.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the disk write down what stands in a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
