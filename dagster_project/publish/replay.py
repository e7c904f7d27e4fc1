"""A night made again: what it goes on from, and whether it came out as it was published then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dagster_project.changes.previous import previous_night
from dagster_project.customers.night import NightInputs
from dagster_project.engine.audit_connection import fingerprints_of, history_fingerprint
from dagster_project.engine.publication import keep_replay
from dagster_project.engine.stores import Stores
from dagster_project.publish.change_tables import SCORE_CHANGES
from dagster_project.publish.feedback_tables import FROM_HISTORY
from dagster_project.publish.label_tables import HELD_COLUMNS
from dagster_project.publish.publications import (
    file_before,
    file_of,
    file_until,
    has_table,
    is_refolded,
    keeps_column,
)
from dagster_project.publish.tables import CURRENT_TABLES
from dagster_project.refusals import NotFinished

HELD_NAMES = tuple(column.name for column in HELD_COLUMNS)
# History of before this column was kept holds nothing to compare it with.
LATER_COLUMN = "p_alive"
HISTORY = "customer_score_history"


class ReplayDiffers(NotFinished):
    """The same six inputs gave other rows than were published."""


@dataclass(frozen=True)
class _Comparison:
    """What was compared.

    Attributes:
        differing: tables that came out differently.
        equal: in words, what was compared and what could not be.
    """

    differing: tuple[str, ...]
    equal: str


def replayed_on(stores: Stores, inputs: NightInputs) -> Path | None:
    """File from whose history the held labels of a replay go on, where there still is one."""
    if inputs.replay_of_publication_id is None:
        return None
    return file_before(stores, inputs.previous_publication_id, inputs.as_of_date)


def compare_replay(stores: Stores, path: Path, inputs: NightInputs, *, keep: bool) -> str:
    """Compare a replay with what was published then; what came of it, in words.

    Where the file of then is gone, its rows of history are compared.

    Args:
        path: the candidate.
        keep: leave the replay in `warehouse/replays`, unless its file is still the current one.

    Raises:
        ReplayDiffers: some table came out differently.
    """
    number = inputs.replay_of_publication_id
    assert number is not None, "only a replay is compared"
    published = file_of(stores, number)
    words = f"publication {number} was made again"
    if published != stores.publication and keep:
        words += f", as {keep_replay(stores, path, number)}"
    has_held = replayed_on(stores, inputs) is not None
    if published is not None:
        tables = _current_tables(stores, path, inputs, published, has_held=has_held)
    else:
        has_held &= not is_refolded(stores, number, inputs.as_of_date)
        found = _history(stores, path, number, has_held=has_held)
        if found is None:
            return words + "; nothing holds its rows any more, so nothing was compared"
        tables = found
    changes = _changes(stores, path, inputs, published)
    differing = (*tables.differing, *changes.differing)
    if differing:
        raise ReplayDiffers(
            f"publication {number} was made again from the same six inputs, but "
            f"{', '.join(differing)} came out differently; nothing was published. Was raw "
            f"restored, or the program changed without a new METHOD_VERSION?")
    words = f"{words}: {tables.equal}{changes.equal}"
    if not has_held:
        words += (f", but for the held labels, which were not compared: the history that they "
                  f"went on from, of publication {inputs.previous_publication_id}, has changed "
                  f"since")
    return words


def _current_tables(stores: Stores, path: Path, inputs: NightInputs, published: Path, *,
                    has_held: bool) -> _Comparison:
    without = () if has_held else HELD_NAMES
    then, now = (fingerprints_of(file, without_columns=without) for file in (published, path))
    has_history = not inputs.previous_publication_id or file_until(
        stores, inputs.previous_publication_id, inputs.as_of_date) is not None
    compared = [table.name for table in CURRENT_TABLES if table.name in then
                and (has_history or table.name not in FROM_HISTORY)]
    return _Comparison(tuple(name for name in compared if then[name] != now.get(name)),
                       f"{len(compared)} current tables are equal")


def _history(stores: Stores, path: Path, number: int, *, has_held: bool) -> _Comparison | None:
    """None: no row of it is left."""
    is_kept = keeps_column(stores, stores.publication, number, LATER_COLUMN)
    without = (*(() if has_held else HELD_NAMES), *(() if is_kept else (LATER_COLUMN,)))
    then, now = (history_fingerprint(file, number, without)
                 for file in (stores.publication, path))
    if not then["rows_n"]:
        return None
    return _Comparison((HISTORY,) if then != now else (),
                       f"its {then['rows_n']} rows of {HISTORY} are equal")


def _changes(stores: Stores, path: Path, inputs: NightInputs,
             published: Path | None) -> _Comparison:
    number = inputs.replay_of_publication_id
    assert number is not None, "only a replay is compared"
    name, file = SCORE_CHANGES.name, published or stores.publication
    if not has_table(stores, file, name):
        return _Comparison((), "")
    then, now = (history_fingerprint(each, number, table=SCORE_CHANGES) for each in (file, path))
    rows = f"{name} (rows: {then['rows_n']:,})"
    if previous_night(stores, inputs) is None:
        return _Comparison((), (f", but for {rows}: no file has the tables that they were "
                                f"compared with any more") if then["rows_n"] else "")
    # The warehouse keeps changes as long as daily history, and its own of then may be gone.
    if published is None and not then["rows_n"]:
        return _Comparison((), "")
    return _Comparison((name,) if then != now else (), f", and so is {rows}")
