"""Homes as they are made: what a place changes in the shipped configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.settings import Place, SecretMissing, make_home
from dagster_project.yaml_file import ConfigurationError


@pytest.mark.parametrize(("stated", "currency", "zone", "region"), [
    ({}, "CNY", "Asia/Shanghai", "CN"),
    ({"currency": "USD"}, "USD", "Asia/Shanghai", "CN"),
    ({"currency": "USD", "time_zone": "America/New_York"}, "USD", "America/New_York", None),
    ({"time_zone": "Europe/Berlin", "phone_region": "DE"}, "CNY", "Europe/Berlin", "DE"),
])
def test_a_home_is_made_for_a_place(tmp_path: Path, stated: dict[str, str], currency: str,
                                    zone: str, region: str | None) -> None:
    home = make_home(tmp_path / "home", is_sample=False, place=Place(**stated) if stated else None)
    business, sources = home.configuration.business, home.sources
    assert (business.base_currency, business.time_zone) == (currency, zone)
    assert (sources.time_zone, sources.phone_region) == (zone, region)


def test_a_place_changes_no_configuration_that_is_there(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", is_sample=False)
    with pytest.raises(ConfigurationError, match="is there already and stays as it is"):
        make_home(home.folder, is_sample=False, place=Place(currency="USD"))
    assert make_home(home.folder, is_sample=False).configuration.business.base_currency == "CNY"


def test_a_missing_secret_is_the_one_the_home_was_made_with_once_there_is_data(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new secret would make strangers of all customers; a new home needs a new one."""
    monkeypatch.delenv("CRM_HOME_SECRET", raising=False)
    home = make_home(tmp_path / "home", is_sample=False)
    with pytest.raises(SecretMissing, match="Make one with: python3"):
        _ = home.secret
    home.stores.vault.touch()
    with pytest.raises(SecretMissing, match="Set the one this home was made with"):
        _ = home.secret
