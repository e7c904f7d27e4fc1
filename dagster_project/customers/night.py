"""The six inputs of a night: how they are chosen, and the check that the build holds this night.

Pure: what was published and what is known come in as frames and values.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal, TypeAlias

import pandas as pd

from dagster_project.configuration import measures_hash as hash_of_measures
from dagster_project.refusals import NotFinished, WrongInput

# Version of the project's own arithmetic. It grows whenever equal facts get other scores.
METHOD_VERSION = "4"
NO_PUBLICATION = 0
# How often a new reference is fitted.
Recalibration: TypeAlias = Literal["monthly", "quarterly", "never"]
_MONTHS_OF_PERIOD = {"monthly": 1, "quarterly": 3}
# The references of a publication, each with the configuration that it was fitted for.
REFERENCES_QUERY = """
    select distinct reference_id, valid_from, known_load_seq, canonical_text
    from crm.scoring_reference
    inner join crm.configurations using (config_hash)
"""
NO_REFERENCES = pd.DataFrame(
    columns=["reference_id", "valid_from", "known_load_seq", "canonical_text"])


class NightMismatch(NotFinished):
    """The build holds another night than the step was asked for: what to do."""


class UnknownPublication(WrongInput):
    """A replay names a publication that does not exist."""


@dataclass(frozen=True)
class NightInputs:
    """One row of night_inputs: see `customers/tables.py`."""

    as_of_date: date
    known_load_seq: int
    config_hash: str
    reference_id: str
    method_version: str
    previous_publication_id: int
    is_backcast: bool
    is_new_reference: bool
    replay_of_publication_id: int | None = None

    @property
    def candidate_id(self) -> str:
        """Hash of the six inputs."""
        return _digest([self.as_of_date.isoformat(), self.known_load_seq, self.config_hash,
                        self.reference_id, self.method_version, self.previous_publication_id])

    def to_frame(self) -> pd.DataFrame:
        """One row, as the engine stores it."""
        return pd.DataFrame([{"candidate_id": self.candidate_id, **asdict(self)}])


def _digest(values: list[object]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def reference_id(as_of_date: date, known_load_seq: int, config_hash: str,
                 method_version: str) -> str:
    """Id of the reference that is fitted as of D: a function of what it is fitted from."""
    return "r" + _digest([as_of_date.isoformat(), known_load_seq, config_hash,
                          method_version])[:12]


def references_for(measures_hash: str, references: pd.DataFrame) -> pd.DataFrame:
    """The references that were fitted for the same measures.

    Args:
        measures_hash: of the configuration; see `configuration.measures_hash`.
        references: what REFERENCES_QUERY finds in a publication.
    """
    hashes = references["canonical_text"].map(hash_of_measures)
    return references[(hashes == measures_hash).to_numpy(bool)]


def is_recalibration_due(
    as_of_date: date,
    references: pd.DataFrame,
    published_dates: pd.Series,
    recalibration: Recalibration,
) -> bool:
    """Whether the night of D fits a new reference by itself.

    The first night of a calendar month or quarter that goes forward does: the newest reference it
    could use is of an earlier period, and no night of D or later was published. Neither the clock
    nor a schedule is asked, so the night that follows a missed or a refused one fits in its place,
    and nights that were published are restated by the reference of their time.

    Args:
        as_of_date: D.
        references: as of `choose_inputs`.
        published_dates: D of every publication.
        recalibration: the period; `never` leaves it to job recalibrate.
    """
    if recalibration == "never":
        return False
    if (pd.to_datetime(published_dates).dt.date >= as_of_date).any():
        return False
    valid_from = pd.to_datetime(references["valid_from"]).dt.date
    dates = [day for day in valid_from if day <= as_of_date]
    months = _MONTHS_OF_PERIOD[recalibration]
    first_month = (as_of_date.month - 1) // months * months + 1
    # Without any, `choose_inputs` fits the first one or takes one backwards.
    return bool(dates) and max(dates) < as_of_date.replace(month=first_month, day=1)


def choose_inputs(
    as_of_date: date,
    known_load_seq: int,
    config_hash: str,
    references: pd.DataFrame,
    previous_publication_id: int,
    *,
    fit_reference: bool,
) -> NightInputs:
    """The inputs of tonight.

    Args:
        as_of_date: D.
        known_load_seq: K.
        config_hash: of crm.yaml.
        references: of `references_for` the configuration: reference_id, valid_from,
            known_load_seq, one row each.
        previous_publication_id: the last publication, 0 if there is none.
        fit_reference: make a new reference as of D, whatever there is.

    A reference belongs to the measures it was fitted for. Without one the night fits it as of D:
    the first night of a home, and of other measures.
    """
    usable = references.sort_values(["valid_from", "known_load_seq", "reference_id"])
    new_id = reference_id(as_of_date, known_load_seq, config_hash, METHOD_VERSION)
    is_backcast = False
    if fit_reference or usable.empty:
        chosen = new_id
    else:
        dates = pd.to_datetime(usable["valid_from"]).dt.date
        valid = usable[(dates <= as_of_date).to_numpy()]
        is_backcast = valid.empty
        row = usable.iloc[0] if is_backcast else valid.iloc[-1]
        chosen = str(row["reference_id"])
    return NightInputs(
        as_of_date=as_of_date, known_load_seq=known_load_seq, config_hash=config_hash,
        reference_id=chosen, method_version=METHOD_VERSION,
        previous_publication_id=previous_publication_id, is_backcast=is_backcast,
        is_new_reference=chosen == new_id and chosen not in set(usable["reference_id"]),
    )


def replay_inputs(publications: pd.DataFrame, publication_id: int,
                  as_of_date: date) -> NightInputs:
    """The inputs that a publication was made from.

    Raises:
        UnknownPublication: there is none of that number, it was of another D, or was made by
            another version of the method.
    """
    found = publications[publications["publication_id"] == publication_id]
    if found.empty:
        numbers = ", ".join(str(number) for number in publications["publication_id"].tail(5))
        raise UnknownPublication(
            f"there is no publication {publication_id}; the latest are {numbers or 'none yet'} "
            f"(table crm.publication)"
        )
    row = found.iloc[0]
    published_for = pd.Timestamp(row["as_of_date"]).date()
    if published_for != as_of_date:
        raise UnknownPublication(
            f"publication {publication_id} is of {published_for}, not of {as_of_date}; use "
            f"--date {published_for}"
        )
    if row["method_version"] != METHOD_VERSION:
        raise UnknownPublication(
            f"publication {publication_id} was made by method {row['method_version']}, this is "
            f"method {METHOD_VERSION}: install the release that made it to replay it"
        )
    return NightInputs(
        as_of_date=as_of_date, known_load_seq=int(row["known_load_seq"]),
        config_hash=str(row["config_hash"]), reference_id=str(row["reference_id"]),
        method_version=METHOD_VERSION,
        previous_publication_id=int(row["previous_publication_id"]),
        is_backcast=bool(row["is_backcast"]), is_new_reference=False,
        replay_of_publication_id=publication_id,
    )


def repeated_publication(inputs: NightInputs, publications: pd.DataFrame) -> int | None:
    """The newest publication of D, if it was made from what this night would be made from.

    Running such a night again must give the same tables; it is made again and compared, and
    nothing new is published. So running a range of nights a second time makes no revisions.
    """
    if publications.empty:
        return None
    dates = pd.to_datetime(publications["as_of_date"]).dt.date
    of_date = publications[(dates == inputs.as_of_date).to_numpy()]
    if of_date.empty:
        return None
    last = of_date.sort_values("publication_id").iloc[-1]
    same = (
        last["known_load_seq"] == inputs.known_load_seq
        and last["config_hash"] == inputs.config_hash
        and last["reference_id"] == inputs.reference_id
        and last["method_version"] == inputs.method_version
    )
    return int(last["publication_id"]) if same else None


def require_night(inputs: pd.DataFrame | None, as_of_date: date, config_hash: str) -> None:
    """Raise unless the build holds the night of D under this configuration.

    Args:
        inputs: night_inputs of the build; None where there is none.
        as_of_date: D of the step.
        config_hash: of crm.yaml now; a replay has its own.

    Raises:
        NightMismatch: the working tables are of another night.
    """
    if inputs is None or inputs.empty:
        raise NightMismatch(
            f"the working tables hold no night; run the night of {as_of_date} from its start: "
            f"crm-value run --date {as_of_date}, or job nightly with partition {as_of_date}"
        )
    row = inputs.iloc[0]
    held = pd.Timestamp(row["as_of_date"]).date()
    if held != as_of_date:
        raise NightMismatch(
            f"the working tables hold the night of {held}, not of {as_of_date}; run the night "
            f"of {as_of_date} from its start: crm-value run --date {as_of_date}, or job nightly "
            f"with partition {as_of_date}"
        )
    is_replay = not pd.isna(row["replay_of_publication_id"])
    if row["config_hash"] != config_hash and not is_replay:
        raise NightMismatch(
            f"crm.yaml changed since the working tables were made; run the night of "
            f"{as_of_date} from its start: crm-value run --date {as_of_date}"
        )
