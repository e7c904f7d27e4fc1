"""Another crm.yaml tried on the current publication: what is said is what a night would publish."""

from __future__ import annotations

import re

import pytest

from nights.conftest import FIRST, Teller
from nights.homes import TrialHome, sha256

LABELS = ("tier", "quadrant", "lifecycle_stage")
HEADS = re.compile(r"^(tier|quadrant|lifecycle_stage): ([\d,]+) customers change", re.MULTILINE)


@pytest.fixture(scope="module")
def home(chronicle: Teller, tmp_path_factory: pytest.TempPathFactory) -> TrialHome:
    """A home with one publication, this module's own."""
    return chronicle("first").copy(tmp_path_factory.mktemp("preview") / "home")


def labels_of(home: TrialHome) -> dict[str, dict[str, str]]:
    """Customer -> labels, as published."""
    return {str(row.pop("customer_key")): row
            for row in home.query(f"select customer_key, {', '.join(LABELS)} "
                                  f"from crm.customer_scores")}


def changes(said: str) -> dict[str, int]:
    """Label -> customers that change, as the preview says."""
    return {label: int(count.replace(",", "")) for label, count in HEADS.findall(said)}


def test_the_same_configuration_changes_nothing(home: TrialHome) -> None:
    before = sha256(home.publication)
    said = home.crm("preview", "--config", str(home.folder / "config" / "crm.yaml")).expect(0)
    assert changes(said.out) == dict.fromkeys(LABELS, 0)
    assert "new reference" not in said.out
    assert sha256(home.publication) == before


@pytest.mark.slow
def test_what_is_foretold_is_what_the_night_publishes(home: TrialHome) -> None:
    other = home.folder / "other.yaml"
    text = (home.folder / "config" / "crm.yaml").read_text(encoding="utf-8")
    other.write_text(text.replace("high: {quantile: 0.8}", "high: {quantile: 0.6}")
                     .replace("loyal_purchases: 3", "loyal_purchases: 2"), encoding="utf-8")
    foretold = changes(home.crm("preview", "--config", str(other)).expect(0).out)
    assert foretold["tier"] > 0
    before = labels_of(home)
    (home.folder / "config" / "crm.yaml").write_text(other.read_text(encoding="utf-8"),
                                                     encoding="utf-8")
    home.night(FIRST)
    after = labels_of(home)
    assert before.keys() == after.keys()
    assert foretold == {
        label: sum(before[key][label] != after[key][label] for key in before)
        for label in LABELS
    }


@pytest.mark.parametrize(("name", "words"), [
    ("nowhere.yaml", "there is no such file; copy"),
    ("wrong.yaml", "weights add up to"),
])
def test_a_wrong_configuration_is_said(home: TrialHome, name: str, words: str) -> None:
    text = (home.folder / "config" / "crm.yaml").read_text(encoding="utf-8")
    (home.folder / "wrong.yaml").write_text(
        text.replace("purchase_amount: 0.4\n", "purchase_amount: 0.5\n", 1), encoding="utf-8")
    said = home.crm("preview", "--config", str(home.folder / name)).expect(2)
    assert words in said.err
