"""Whether a publication's file is what was approved: asked before readers get it another time."""

from __future__ import annotations

from pathlib import Path

from dagster_project.engine.audit_connection import ENGINE_VERSION, fingerprints_of
from dagster_project.engine.failures import ResourceLimit, first_line, is_of_the_machine
from dagster_project.engine.stores import Stores
from dagster_project.publish.tables import RUN_TABLES
from dagster_project.quality.approval import Approval, NotApproved, is_signed, read_approval


def require_approved(stores: Stores, file: Path, publication_id: int, secret: bytes) -> str:
    """Compare a file with the approval that was kept of its publication; how, in words.

    Args:
        stores: of the home.
        file: of a publication: current, kept, withdrawn, or a copy of one.
        publication_id: of the publication that it must be.
        secret: of the home, with which approvals are signed.

    Raises:
        NotApproved: it is damaged, or not what was approved, or the approval is not the home's.
    """
    try:
        # Reads every value, and so every block's checksum.
        found = fingerprints_of(file, without=frozenset(table.name for table in RUN_TABLES))
    except Exception as error:
        if isinstance(error, ResourceLimit) or is_of_the_machine(error):
            raise
        raise NotApproved(f"{file} is damaged: {first_line(error)}") from error
    approval = _approval(stores, publication_id)
    if approval is None:
        return "its tables can all be read; no approval of it is kept to compare with"
    if not is_signed(approval, secret):
        raise NotApproved(f"the approval of publication {publication_id} was changed by hand or "
                          f"signed elsewhere ({stores.approval(publication_id)})")
    if approval.engine_version != ENGINE_VERSION:
        # Hashes of rows do not carry over; their number does.
        counts = {name: value["rows_n"] for name, value in approval.fingerprints.items()}
        is_same = counts == {name: value["rows_n"] for name, value in found.items()}
        words = (f"it has the rows that were approved, counted (it was approved with "
                 f"{approval.engine_version})")
    else:
        is_same = dict(approval.fingerprints) == found
        words = "it is what was approved, table by table"
    if not is_same:
        changed = sorted(name for name in {*found, *approval.fingerprints}
                         if found.get(name) != approval.fingerprints.get(name))
        raise NotApproved(f"{file} is not what was approved: {', '.join(changed)} differ")
    return words


def _approval(stores: Stores, publication_id: int) -> Approval | None:
    path = stores.approval(publication_id)
    return read_approval(path.parent, path.name) if path.exists() else None
