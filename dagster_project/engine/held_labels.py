"""Held labels in the candidate: the fold over the nights that history holds, and what follows.

A night goes on from the held labels of the night before it, so that an ordinary night is one step
over its own rows, and a night that is restated only has the later ones folded anew. One step of
the fold is `scoring/held_labels.py`; the tables made of held labels stand in `label_records.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import pandas as pd

from dagster_project.configuration import Configuration, ConfigurationError, measures_hash
from dagster_project.engine.stores import add_columns, literal
from dagster_project.engine.table import Table
from dagster_project.publish.tables import CUSTOMER_SCORE_HISTORY
from dagster_project.scoring.exact import NOT_MEASURED, POINT
from dagster_project.scoring.held_labels import (
    LABEL_NAMES,
    HoldingCuts,
    Labels,
    Night,
    hold,
)
from dagster_project.scoring.reference import Reference, ReferenceMismatch

# Labels older than this say nothing about tonight's.
HELD_FOR_DAYS = 34
BATCH_ROWS = 250_000
_COMPOSITES = ("crm_value", "matrix_value_score", "matrix_loyalty_score", "loyalty_degree_score")


@dataclass(frozen=True)
class HistoryNight:
    """The newest revision of a date, of which history holds rows.

    Attributes:
        canonical_text: its configuration.
        file: catalog of the file that holds them.
    """

    as_of_date: date
    publication_id: int
    reference_id: str
    canonical_text: str
    file: str = "candidate"

    @property
    def rows(self) -> str:
        """Its rows of customer_score_history, as a relation."""
        return (f"(select * from {self.file}.main.customer_score_history "
                f"where publication_id = {self.publication_id})")

    def continues(self, before: HistoryNight | None) -> bool:
        """Whether its held labels go on from those of an earlier night."""
        return (before is not None
                and (self.as_of_date - before.as_of_date).days <= HELD_FOR_DAYS
                and self.reference_id == before.reference_id
                and measures_hash(self.canonical_text) == measures_hash(before.canonical_text))


def nights_of(connection: duckdb.DuckDBPyConnection, file: str = "candidate",
              until_publication: int | None = None) -> list[HistoryNight]:
    """The nights that history holds, ascending, each in its newest revision.

    Args:
        connection: with the file attached.
        file: its catalog.
        until_publication: later publications are passed over; None: none is.
    """
    until = "" if until_publication is None else f"where publication_id <= {until_publication}"
    rows = connection.execute(
        f"""
        select as_of_date, publication_id, reference_id, canonical_text
        from {file}.main.publication
        inner join {file}.main.configurations using (config_hash)
        where publication_id in (
            select max(publication_id) from {file}.main.publication {until} group by as_of_date
        )
        and publication_id in (
            select distinct publication_id from {file}.main.customer_score_history
        )
        order by as_of_date
        """
    ).fetchall()
    return [HistoryNight(as_of, number, reference_id, canonical_text, file)
            for as_of, number, reference_id, canonical_text in rows]


def add_missing_columns(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> bool:
    """Give tables of an earlier release the columns that are declared since.

    Rows of history that had no held labels get the plain ones.

    Returns:
        Whether history had no held labels.
    """
    added = add_columns(connection, "candidate", tables)
    had_none = (CUSTOMER_SCORE_HISTORY.name, "tier_held") in added
    if had_none:
        _begin_plain(connection)
    return had_none


def _begin_plain(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("update customer_score_history set " + ", ".join(
        f"{kind}_held = {kind}" for kind in LABEL_NAMES))
    # Where a reference has one profile, that is the customer's.
    connection.execute(
        """
        update customer_score_history as history
        set profile = only_one.profile
        from (
            select publication.publication_id, min(reference.profile) as profile
            from publication
            inner join scoring_reference as reference
                on publication.reference_id = reference.reference_id
            group by publication.publication_id
            having count(distinct reference.profile) = 1
        ) as only_one
        where history.publication_id = only_one.publication_id and history.profile is null
        """
    )


def fold_history(connection: duckdb.DuckDBPyConnection, first: date, *,
                 goes_through: bool = False) -> list[date]:
    """Fold the held labels of a night, and of the later ones that they change.

    Args:
        connection: with the candidate attached as `candidate` and in use.
        first: date of the night that is new or restated.
        goes_through: fold all later nights; else it ends with the first that comes out as it
            was, since those after it go on from it alone.

    Returns:
        The dates whose labels are new or other than before, ascending.
    """
    nights = nights_of(connection)
    touched: list[date] = []
    for position, night in enumerate(nights):
        before = nights[position - 1] if position else None
        if night.as_of_date < first:
            continue
        changed_n = hold_night(connection, night, before)
        if night.as_of_date == first or changed_n or goes_through:
            touched.append(night.as_of_date)
        else:
            break
    return touched


def hold_night(connection: duckdb.DuckDBPyConnection, night: HistoryNight,
               before: HistoryNight | None) -> int:
    """Write the held labels of one night; the number of customers whose labels change."""
    cuts = _cuts_of(connection, night) if night.continues(before) else None
    if before is None or cuts is None:
        return _hold_plain(connection, night)
    changes = [change for batch in _batches(connection, night, before, cuts[0])
               for change in _changes(batch, cuts[1])]
    if not changes:
        return 0
    frame = pd.concat(changes)
    connection.register("held_in", frame)
    words = ", ".join(f"{kind}_held = ({_listed(kind)})[held_in.{kind} + 1]"
                      for kind in LABEL_NAMES)
    connection.execute(f"update customer_score_history set {words} from held_in "
                       f"where customer_score_history.rowid = held_in.row_id")
    connection.unregister("held_in")
    return len(frame)


def _hold_plain(connection: duckdb.DuckDBPyConnection, night: HistoryNight) -> int:
    plain = ", ".join(f"{kind}_held = {kind}" for kind in LABEL_NAMES)
    differs = " or ".join(f"{kind}_held is distinct from {kind}" for kind in LABEL_NAMES)
    row = connection.execute(
        f"update customer_score_history set {plain} "
        f"where publication_id = {night.publication_id} and ({differs})").fetchone()
    return int(row[0]) if row else 0


def _cuts_of(connection: duckdb.DuckDBPyConnection,
             night: HistoryNight) -> tuple[Sequence[str], HoldingCuts] | None:
    """Names of the profiles and their cuts; None where this release cannot read them any more."""
    points = connection.execute(
        "select profile, item_kind, item, position, x, y from scoring_reference "
        "where reference_id = ? and item_kind = 'cut'", [night.reference_id]).df()
    try:
        configuration = Configuration.from_canonical(night.canonical_text)
        reference = Reference.from_frame(points, reference_id=night.reference_id,
                                         valid_from=night.as_of_date)
        return configuration.profile_names, HoldingCuts.of(configuration, reference)
    except (ConfigurationError, ReferenceMismatch):
        return None


def _batches(connection: duckdb.DuckDBPyConnection, night: HistoryNight, before: HistoryNight,
             profiles: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Both nights of each customer of tonight, all as whole numbers."""
    names = _list(profiles)
    columns = ["tonight.rowid as row_id"]
    for prefix, table in (("", "tonight"), ("before_", "before")):
        columns += [
            f"coalesce(list_position({names}, {table}.profile), 0) - 1 as {prefix}profile",
            f"coalesce({table}.purchases_n, -1) as {prefix}purchases_n",
            *(f"coalesce(cast({table}.{name} * {POINT} as integer), {NOT_MEASURED}) "
              f"as {prefix}{name}" for name in _COMPOSITES),
        ]
    for kind in LABEL_NAMES:
        columns += [
            f"{_position('tonight.' + kind, kind)} as {kind}",
            f"{_position(f'tonight.{kind}_held', kind)} as {kind}_stored",
            f"{_position(f'before.{kind}_held', kind)} as before_{kind}",
        ]
    reader = connection.sql(
        f"select {', '.join(columns)} from customer_score_history as tonight "
        f"left join {before.rows} as before on tonight.customer_key = before.customer_key "
        f"where tonight.publication_id = {night.publication_id}").to_arrow_reader(BATCH_ROWS)
    assert reader is not None
    for batch in reader:
        yield batch.to_pandas()


def _changes(batch: pd.DataFrame, cuts: HoldingCuts) -> Iterator[pd.DataFrame]:
    """Rows of a batch whose held labels are not those that are stored."""
    tonight, before = _night(batch, ""), _night(batch, "before_")
    held = hold(tonight, before, cuts)
    columns = {kind: getattr(held, kind) for kind in LABEL_NAMES}
    is_changed = np.zeros(len(batch), bool)
    for kind, positions in columns.items():
        is_changed |= positions != batch[f"{kind}_stored"].to_numpy(np.int64)
    if is_changed.any():
        yield pd.DataFrame({"row_id": batch["row_id"][is_changed],
                            **{kind: positions[is_changed].astype(np.int64)
                               for kind, positions in columns.items()}})


def _night(batch: pd.DataFrame, prefix: str) -> Night:
    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return batch[prefix + name].to_numpy(np.int64)

    return Night(profile=column("profile"), purchases_n=column("purchases_n"),
                 **{name: column(name) for name in _COMPOSITES},
                 labels=Labels(**{kind: column(kind) for kind in LABEL_NAMES}))


def _list(words: Sequence[str]) -> str:
    return "[" + ", ".join(map(literal, words)) + "]"


def _listed(kind: str) -> str:
    return _list(LABEL_NAMES[kind])


def _position(column: str, kind: str) -> str:
    """Position of a label among the words of its kind; 0 for a customer who was not there."""
    return f"coalesce(list_position({_listed(kind)}, {column}) - 1, 0)"


