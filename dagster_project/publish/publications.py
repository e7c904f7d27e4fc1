"""Which publications there are, and in which file the tables of one can still be read.

Reading only: the warehouse, earlier publications that are kept, replays. How a publication is
made stands in `engine/publication.py`; what is said about it, in `explanation.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from dagster_project.engine.held_labels import HELD_FOR_DAYS
from dagster_project.engine.questions import dicts_of, read_rows
from dagster_project.engine.stores import Stores
from dagster_project.publish.tables import PUBLICATION

# Newest first: the restatements of a date before what they restate.
_ALL_QUERY = "select * from publication order by as_of_date desc, revision desc"


@dataclass(frozen=True)
class Published:
    """One publication.

    Attributes:
        row: its row of table `publication`.
        file: the file whose current tables are of it; None: no such file is kept.
    """

    row: dict[str, Any]
    file: Path | None

    @property
    def publication_id(self) -> int:
        """Its number."""
        return int(self.row["publication_id"])

    @property
    def as_of_date(self) -> date:
        """Business date D."""
        as_of: date = self.row["as_of_date"]
        return as_of

    @property
    def known_load_seq(self) -> int:
        """K: the last load that counted."""
        return int(self.row["known_load_seq"])


def rows_of(connection: Any, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Rows of a query on an open file; amounts are decimals."""
    return dicts_of(connection.execute(query, list(parameters)))


def has_table(stores: Stores, path: Path, name: str) -> bool:
    """Whether a file has a table; those of earlier releases lack some."""
    return bool(read_rows(stores, path, "select 1 as found from duckdb_tables() "
                                        "where table_name = ?", [name]))


def keeps_column(stores: Stores, path: Path, publication_id: int, column: str) -> bool:
    """Whether history has a value of a column for a publication; before it was kept, all NULL."""
    known = read_rows(stores, path, "select 1 as found from duckdb_columns() "
                                    "where table_name = 'customer_score_history' "
                                    "and column_name = ?", [column])
    return bool(known) and bool(read_rows(
        stores, path, f"select 1 as found from customer_score_history "
                      f"where publication_id = ? and {column} is not null limit 1",
        [publication_id]))


def all_publications(stores: Stores) -> list[dict[str, Any]]:
    """Rows of table `publication`, newest date and revision first."""
    return read_rows(stores, stores.publication, _ALL_QUERY)


def choose_publication(stores: Stores, publications: Sequence[dict[str, Any]],
                       night: date | None) -> Published | None:
    """The publication of a date: the newest revision that a file holds, else the newest.

    Args:
        stores: of the home.
        publications: as `all_publications` gives them.
        night: business date D; None: the current one.

    Returns:
        None where D was never published.
    """
    current = next(row for row in publications if row["is_current"])
    if night is None or night == current["as_of_date"]:
        return Published(current, stores.publication)
    of_date = [row for row in publications if row["as_of_date"] == night]
    if not of_date:
        return None
    files = _files_of_date(stores, night)
    for row in of_date:
        if row["publication_id"] in files:
            return Published(row, files[row["publication_id"]])
    return Published(of_date[0], None)


def _files_of_date(stores: Stores, night: date) -> dict[int, Path]:
    """Publications of D whose tables are the current ones of some file beside the warehouse.

    The name of a kept file does not say so: a night older than the current one adds a publication
    and leaves the current tables as they are.
    """
    pattern = f"{PUBLICATION.name}-*.duckdb"
    found: dict[int, Path] = {}
    for path in sorted(stores.replays.glob(pattern)) + sorted(stores.kept.glob(pattern)):
        for row in read_rows(stores, path, "select publication_id from publication "
                                           "where is_current and as_of_date = ?", [night]):
            found[int(row["publication_id"])] = path
    return found


def file_of(stores: Stores, publication_id: int) -> Path | None:
    """The warehouse or the kept file whose current tables are of a publication; None: no such."""
    kept = sorted(stores.kept.glob(f"{PUBLICATION.name}-*.duckdb"))
    for path in (stores.publication, *kept):
        if path.exists() and read_rows(
            stores, path, "select 1 as found from publication "
                          "where is_current and publication_id = ?", [publication_id]):
            return path
    return None


def file_before(stores: Stores, previous_publication_id: int, night: date) -> Path | None:
    """A file whose history has the night before `night` as the previous publication had it.

    Held labels go on from it, so a replay needs it.

    Args:
        stores: of the home.
        previous_publication_id: sixth input of the night.
        night: business date D.

    Returns:
        The kept file of the previous publication, or the warehouse where nothing published since
        can have touched that night; None: its labels of then are not known any more.
    """
    kept = stores.kept_publication(previous_publication_id)
    if kept.exists():
        return kept
    [found] = read_rows(
        stores, stores.publication,
        """
        with before as (
            select as_of_date, max(publication_id) as publication_id
            from publication
            where publication_id <= $1 and as_of_date < $2
                and as_of_date >= $2 - cast($3 as integer)
            group by as_of_date
            order by as_of_date desc
            limit 1
        )
        select
            (select count(*) from before) as nights_n,
            (select count(*) from publication inner join before
                on publication.publication_id > $1
                and publication.as_of_date <= before.as_of_date) as later_n,
            exists (select 1 from customer_score_history
                    where publication_id in (select publication_id from before)) as is_there
        """, [previous_publication_id, night, HELD_FOR_DAYS])
    is_as_it_was = found["is_there"] and not found["later_n"]
    return stores.publication if is_as_it_was or not found["nights_n"] else None


def file_until(stores: Stores, previous_publication_id: int, night: date) -> Path | None:
    """A file that says of the dates before `night` what the previous publication said.

    Args:
        stores: of the home.
        previous_publication_id: sixth input of the night; 0: nothing was published before.
        night: business date D.

    Returns:
        The kept file of the previous publication, or the warehouse where nothing published since
        is of an earlier date than D; None: nobody knows any more, or nothing was published.
    """
    kept = stores.kept_publication(previous_publication_id)
    if kept.exists():
        return kept
    if not previous_publication_id or not stores.publication.exists():
        return None
    later = read_rows(
        stores, stores.publication,
        "select 1 as found from publication where publication_id > ? and as_of_date < ? limit 1",
        [previous_publication_id, night])
    return None if later else stores.publication


def is_refolded(stores: Stores, publication_id: int, night: date) -> bool:
    """Whether a later publication of an earlier date may have changed the held labels of D."""
    return bool(read_rows(
        stores, stores.publication,
        "select 1 as found from publication where publication_id > ? and as_of_date < ? limit 1",
        [publication_id, night]))


def dates_in_words(dates: Sequence[date]) -> str:
    """Dates as spans: `2026-11-01 to 2026-11-03, 2026-11-07`, written with `..` for `to`."""
    spans: list[list[date]] = []
    for day in sorted(set(dates)):
        if spans and (day - spans[-1][1]).days == 1:
            spans[-1][1] = day
        else:
            spans.append([day, day])
    return ", ".join(str(first) if first == last else f"{first} .. {last}"
                     for first, last in spans)
