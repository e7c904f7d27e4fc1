"""Features that are gathered once more are those of the night, and those of the night before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from dagster_project.configuration import Configuration, load_configuration
from dagster_project.engine.features_again import (
    FeaturesAgain,
    NotCompiled,
    Variant,
    open_features_again,
)
from dagster_project.engine.questions import read_rows
from dagster_project.engine.score_changes import Since, touched_identities
from dagster_project.engine.stores import Limits, Stores
from dagster_project.scoring.night_data import features_query
from dagster_project.scoring.reference import Reference
from dagster_project.scoring.score import score_batch
from nights.conftest import FIRST, SECOND, Teller
from nights.homes import TrialHome

IDENTITIES = ("select cast(identity_id as varchar) as identity_id "
              "from build.marts.customer_identities")
MAP = ("select cast(identity_id as varchar) as identity_id, "
       "cast(customer_key as varchar) as customer_key from build.night.customer_map")
NIGHT, BEFORE = date.fromisoformat(SECOND), date.fromisoformat(FIRST)


@pytest.fixture(scope="module")
def home(chronicle: Teller) -> TrialHome:
    """With the 18th in its build."""
    return chronicle("second")


@pytest.fixture(scope="module")
def stores(home: TrialHome, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """Of the home."""
    return Stores(home.folder / "state", home.folder / "warehouse",
                  Limits("1GB", 2, tmp_path_factory.mktemp("spill")))


@pytest.fixture(scope="module")
def configuration(home: TrialHome) -> Configuration:
    """Of the home."""
    return load_configuration(home.folder / "config" / "crm.yaml")


@pytest.fixture(scope="module")
def again(home: TrialHome, stores: Stores) -> Iterator[FeaturesAgain]:
    """The facts of all customers."""
    with open_features_again(stores, home.folder / "state" / "dbt" / "manifest.json",
                             _of_build(stores, IDENTITIES)) as opened:
        yield opened


def _of_build(stores: Stores, query: str) -> pd.DataFrame:
    with stores.open(None, build=(stores.build, "READ_ONLY")) as connection:
        return connection.execute(query).df()


def _features(again: FeaturesAgain, configuration: Configuration,
              variant: Variant) -> pd.DataFrame:
    frames = again.frames(variant, features_query(configuration), 1000)
    return pd.concat(frames, ignore_index=True).assign(as_of_date=None)


def test_the_same_night_has_the_same_features(again: FeaturesAgain, stores: Stores,
                                              configuration: Configuration) -> None:
    """Every column that scoring reads, of every customer, bit for bit."""
    found = _features(again, configuration, Variant(NIGHT, _of_build(stores, MAP), NIGHT))
    query = features_query(configuration).replace("marts.", "build.marts.")
    expected = _of_build(stores, query).assign(as_of_date=None)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)
    assert len(found) > 50


def test_only_the_touched_have_other_scores_for_the_date_of_before(
        again: FeaturesAgain, stores: Stores, configuration: Configuration, home: TrialHome,
) -> None:
    """So whoever is not touched needs no features of his own: an order without a rate, too."""
    first, second = home.query("select * from crm.publication order by publication_id")
    scores = _scores(again, stores, configuration, home)
    then = {str(row["customer_key"]): row["crm_value"] for row in read_rows(
        stores, home.kept(1), "select customer_key, crm_value from customer_scores")}
    differing = {key for key, value in then.items() if scores.get(key) != value}
    touched = touched_identities(stores, stores.build, Since(
        first["known_load_seq"], second["known_load_seq"], BEFORE, NIGHT, reads_records=True,
        rate_days=0))
    merged = dict(_of_build(stores, MAP).itertuples(index=False, name=None))
    assert len(then) > 50
    assert differing
    assert differing <= {merged.get(token, token) for token in touched["identity_id"]}


def _scores(again: FeaturesAgain, stores: Stores, configuration: Configuration,
            home: TrialHome) -> dict[str, Decimal]:
    """CRM values of the date of before, as known tonight, by the reference of both nights."""
    found = _features(again, configuration, Variant(BEFORE, _of_build(stores, MAP), BEFORE))
    frame = pd.DataFrame(home.query(
        "select profile, item_kind, item, position, x, y from crm.scoring_reference"))
    reference = Reference.from_frame(frame.astype({"x": float, "y": float}),
                                     reference_id="of both", valid_from=BEFORE)
    scored = score_batch(found.assign(as_of_date=BEFORE), reference, configuration)
    return {row.customer_key: Decimal(f"{row.crm_value:.4f}")
            for row in scored.itertuples() if not pd.isna(row.crm_value)}


def test_what_comes_later_is_put_off(again: FeaturesAgain, stores: Stores,
                                     configuration: Configuration) -> None:
    """A day more without newer events: counts and sums of all time are those of before."""
    tonight = _of_build(stores, MAP)
    before, later = (
        _features(again, configuration, Variant(day, tonight, BEFORE)).set_index("customer_key")
        for day in (BEFORE, NIGHT))
    same = ["purchases_n", "median_gap_days", "refunded_orders_n"]
    pd.testing.assert_frame_equal(before[same], later[same])
    silent = "days_since_last_purchase"
    assert (later[silent].dropna() == before[silent].dropna() + 1).all()
    assert later[silent].notna().any()
    assert (later["interaction_frequency__value"].dropna()
            <= before["interaction_frequency__value"].dropna()).all()


def test_a_night_without_its_statements_says_what_to_do(stores: Stores, tmp_path: Path) -> None:
    nobody = pd.DataFrame({"identity_id": []}, dtype=str)
    with (pytest.raises(NotCompiled, match="run the night from its start"),
          open_features_again(stores, tmp_path / "manifest.json", nobody)):
        pass
