"""The database that serves readers beside the warehouse file, as a home has it or has it not.

Which database it is, only this module says to the engine; how it is loaded and switched stands
there.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from dagster_project.engine import postgres_warehouse
from dagster_project.engine.postgres_warehouse import PostgresWarehouse
from dagster_project.engine.serving import ServingDatabase, ServingFailed
from dagster_project.engine.warehouse_file import publication_of
from dagster_project.publish.approved import require_approved
from dagster_project.refusals import NotFinished, WrongInput
from dagster_project.settings import Home

ROLES = Path(postgres_warehouse.__file__).with_name("postgres_roles.sql")
PURPOSE = b"which home a serving database belongs to"


class NotServed(WrongInput):
    """There is nothing to show: what is missing, what there is."""


class Serving:
    """What a night does beside the file; nothing where home.yaml asks for nothing."""

    def __init__(self, home: Home, tell: Callable[[str], None]) -> None:
        """Connects to nothing yet.

        Raises:
            ConfigurationError: the URL is missing.
            WrongServingUrl: it is none.
        """
        self._tell = tell
        self._home = home
        url = home.serving_url
        self.database = None if url is None else _database(home, url, tell)

    @property
    def metadata(self) -> dict[str, str]:
        """Where readers find the publication beside the file, for Dagster's page."""
        return {"published_to": self.database.place} if self.database else {}

    def switching(self, file: Path) -> AbstractContextManager[None]:
        """What is held ready while the file is renamed, and shown when it is.

        Raises:
            ServingFailed: it cannot be loaded or shown; the file is not renamed then.
        """
        return self._switching(self.database, file) if self.database else nullcontext()

    def catch_up(self, file: Path) -> bool:
        """Make the database show the publication of `file`; whether it did not before.

        Raises:
            NotApproved: the file is not what was approved; the database shows what it showed.
            ServingFailed: it cannot.
        """
        if self.database is None or self.database.shows(file):
            return False
        number = publication_of(self._home.stores, file).publication_id
        require_approved(self._home.stores, file, number, self._home.secret)
        with self._switching(self.database, file):
            return True

    @contextmanager
    def _switching(self, database: ServingDatabase, file: Path) -> Iterator[None]:
        with database.switching(file):
            yield
        self._tell(f"readers find the publication in {database.place}, too")


def require_serving(home: Home) -> None:
    """Raise unless the home says where it publishes, as far as can be told without connecting.

    Raises:
        ConfigurationError: the URL is missing.
        WrongServingUrl: it is none.
    """
    Serving(home, lambda _: None)


def show_publication(home: Home, publication_id: int | None, tell: Callable[[str], None]) -> str:
    """Make the database show the publication of the warehouse file, or a kept one; in words.

    Whether nights do it, too, does not matter.

    Args:
        home: nobody else may write to it meanwhile.
        publication_id: an earlier one, as it was published; None: the newest.
        tell: called with what is worth knowing and stops nothing.

    Raises:
        ConfigurationError: the URL is missing.
        NotServed: there is no such file.
        NotApproved: it is not what was approved; the database shows what it showed.
        ServingFailed: it cannot be shown.
    """
    database = _database(home, home.postgres_url, tell)
    file = _file(home, publication_id)
    number = publication_of(home.stores, file).publication_id
    require_approved(home.stores, file, number, home.secret)
    since = "as before" if database.shows(file) else "from now on"
    # Also where it is shown: whoever asks may know that a view is missing.
    with database.switching(file):
        return f"publication {number} is what readers see in {database.place}, {since}"


def show_restored(home: Home, tell: Callable[[str], None]) -> list[str]:
    """Make the database show what was put back, where nights publish to one; in words.

    Args:
        home: nobody else may write to it meanwhile.
        tell: called with what is worth knowing and stops nothing.

    Raises:
        ServingFailed: the file was put back, and the database does not show it.
    """
    try:
        return [] if home.serving_url is None else [show_publication(home, None, tell)]
    except (WrongInput, NotFinished) as error:
        raise ServingFailed(
            f"{home.stores.publication} is restored, and the database still shows what it showed "
            f"before: {error} When that is mended, crm-value publish shows what was restored"
        ) from error


def _database(home: Home, url: str, tell: Callable[[str], None]) -> ServingDatabase:
    return PostgresWarehouse(url, home.stores, home_token=_token(home.secret),
                             bounds=home.settings.postgres.bounds, tell=tell)


def _file(home: Home, publication_id: int | None) -> Path:
    stores = home.stores
    if not stores.publication.exists():
        raise NotServed(f"{stores.publication} is not there: nothing has been published yet")
    newest = publication_of(stores, stores.publication).publication_id
    if publication_id in (None, newest):
        return stores.publication
    kept = stores.kept_publication(publication_id or 0)
    if not kept.exists():
        there = ", ".join(path.stem.rpartition("-")[2].lstrip("0")
                          for path in sorted(stores.kept.glob("publication-*.duckdb")))
        raise NotServed(f"publication {publication_id} is not kept; in {stores.kept} are: "
                        f"{there or 'none'}")
    return kept


def _token(secret: bytes) -> str:
    return hmac.new(secret, PURPOSE, hashlib.sha256).hexdigest()[:16]
