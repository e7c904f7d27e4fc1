"""The night that a night is compared with: the one whose tables were current before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dagster_project.customers.night import NightInputs
from dagster_project.engine.questions import read_rows
from dagster_project.engine.stores import Stores
from dagster_project.publish.publications import has_table
from dagster_project.publish.reference_tables import REFERENCE_DRIFT


@dataclass(frozen=True)
class Previous:
    """Number and inputs of the night before, and the file that has its tables."""

    file: Path
    publication_id: int
    as_of_date: date
    known_load_seq: int
    config_hash: str
    reference_id: str
    method_version: str


def previous_night(stores: Stores, inputs: NightInputs) -> Previous | None:
    """The night whose tables this one replaces.

    Args:
        stores: of the home.
        inputs: of the night, which may be a replay.

    Returns:
        None: this is the first night, or older than the current tables, or a replay whose
        previous publication is not kept any more.
    """
    file = stores.publication
    if inputs.replay_of_publication_id is not None:
        file = stores.kept_publication(inputs.previous_publication_id)
    if not file.exists():
        return None
    rows = read_rows(stores, file, "select * from publication where is_current")
    if not rows or rows[0]["as_of_date"] > inputs.as_of_date:
        return None
    [row] = rows
    return Previous(
        file, int(row["publication_id"]), row["as_of_date"], int(row["known_load_seq"]),
        str(row["config_hash"]), str(row["reference_id"]), str(row["method_version"]))


def observed_before(stores: Stores, previous: Previous) -> dict[tuple[str, str], date | None]:
    """Since when each indicator was observed, by profile and indicator; empty: not known."""
    if not has_table(stores, previous.file, REFERENCE_DRIFT.name):
        return {}
    return {(str(row["profile"]), str(row["indicator"])): row["observed_from"]
            for row in read_rows(stores, previous.file,
                                 f"select profile, indicator, observed_from "
                                 f"from {REFERENCE_DRIFT.name}")}
