"""Changes in the warehouse file bear the number of the publication that shows them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from tests.publish.staging import Customer, Warehouse, key_of

FIRST = date(2026, 3, 1)
TOLD = ("select changes.publication_id, cast(changes.customer_key as varchar) "
        "from score_changes as changes inner join publication "
        "on changes.publication_id = publication.publication_id "
        "and changes.as_of_date = publication.as_of_date where publication.is_current")


def _published(folder: Path, nights: int) -> Warehouse:
    warehouse = Warehouse(folder)
    for number in range(nights):
        warehouse.night(FIRST + timedelta(number), {1: Customer(50)})
    return warehouse


def test_changes_go_with_the_number_above_those_set_aside(tmp_path: Path) -> None:
    """3 was withdrawn, 2 is current again: the next is 4."""
    warehouse = _published(tmp_path, 3)
    stores = warehouse.stores
    stores.withdrawn.mkdir(parents=True)
    stores.publication.rename(stores.withdrawn / "publication-000003.duckdb")
    stores.kept_publication(2).rename(stores.publication)

    file = warehouse.stage(FIRST + timedelta(2), {1: Customer(60), 2: Customer(40)},
                           previous_publication_id=2, appeared=(2,))

    assert warehouse.query(TOLD, file) == [(4, key_of(2))]


def test_changes_of_a_replay_have_the_number_of_what_is_made_again(tmp_path: Path) -> None:
    warehouse = _published(tmp_path, 3)

    file = warehouse.stage(FIRST + timedelta(1), {1: Customer(50), 2: Customer(40)},
                           previous_publication_id=1, replayed=(2, 1), appeared=(2,))

    assert warehouse.query(TOLD, file) == [(2, key_of(2))]
