"""The lifetime models meet published figures on CDNOW, and foretell what came after.

Fader, Hardie, Lee (2005) and Fader, Hardie (2013): calibration to 30 September 1997, weeks; the
39 weeks after it are held out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest

from dagster_project.scoring.exact import Real
from dagster_project.scoring.lifetime.margin_model import (
    MarginModel,
    MarginSummaries,
    fit_margin_model,
)
from dagster_project.scoring.lifetime.purchase_model import (
    PurchaseModel,
    PurchaseModelName,
    PurchaseSummaries,
    fit_purchase_model,
)
from real_data.exports import data_folder

pytestmark = pytest.mark.real_data

CALIBRATED_TO, HELD_OUT_WEEKS = pd.Timestamp(1997, 9, 30), 39.0
Numbers = Callable[[str], Real]


@pytest.fixture(scope="module")
def sample() -> Numbers:
    """Columns of the published summaries of the 2,357 customers: x, t_x, T in weeks, zbar."""
    frame = pd.read_csv(data_folder("cdnow") / "cdnow_customers_summary_with_transactions.csv")
    return lambda name: frame[name].to_numpy(np.float64)


@pytest.fixture(scope="module")
def summaries(sample: Numbers) -> PurchaseSummaries:
    """The same, collapsed."""
    return PurchaseSummaries.of(sample("x"), sample("t_x"), sample("T"))


@pytest.fixture(scope="module")
def held_out(sample: Numbers) -> Real:
    """Purchase days of each customer in the 39 weeks after the calibration."""
    rows = pd.read_csv(data_folder("cdnow") / "CDNOW_sample.txt", sep=r"\s+", header=None,
                       names=["master", "customer", "day", "discs", "spent"])
    days = pd.to_datetime(rows["day"].astype(str), format="%Y%m%d")
    after = rows[(days > CALIBRATED_TO).to_numpy()].assign(day=days)
    counted = after.groupby("customer")["day"].nunique()
    found: Real = counted.reindex(np.arange(1, len(sample("x")) + 1), fill_value=0).to_numpy(
        np.float64)
    return found


def test_bg_nbd_has_the_published_parameters(summaries: PurchaseSummaries) -> None:
    assert summaries.total == 2_357
    found = fit_purchase_model("bg_nbd", summaries)
    assert found.is_converged
    assert [round(number, 3) for number in found.parameters] == [0.243, 4.414, 0.793, 2.426]
    assert round(found.log_likelihood * summaries.total, 1) == -9582.4


def test_gamma_gamma_has_the_published_parameters(sample: Numbers) -> None:
    margins = MarginSummaries.of(sample("x"), sample("zbar"))
    assert margins.total == 946
    found = fit_margin_model(margins)
    assert found.is_converged
    # The paper states 15.44, its spreadsheet 15.447.
    assert found.parameters == pytest.approx((6.25, 3.74, 15.44), abs=0.01)
    mean = MarginModel(*found.parameters).margin_per_purchase(sample("x"), sample("zbar"))
    assert mean[:6].round(2).tolist() == [24.66, 18.91, 35.17, 35.17, 35.17, 71.46]


@pytest.mark.parametrize("name", ["bg_nbd", "mbg_nbd"])
def test_what_was_held_out_is_foretold_better_than_by_the_same_as_before(
    name: PurchaseModelName, summaries: PurchaseSummaries, sample: Numbers, held_out: Real
) -> None:
    assert held_out.sum() == 1_882
    model = PurchaseModel(name, *fit_purchase_model(name, summaries).parameters)
    x, t_x, age = sample("x"), sample("t_x"), sample("T")
    expected = (model.p_alive(x, t_x, age)
                * model.purchases_if_alive(x, age, np.array([HELD_OUT_WEEKS]))[:, 0])
    # As many purchases a week as before, from the first purchase on.
    as_before = x / age * HELD_OUT_WEEKS
    assert np.abs(expected - held_out).mean() < np.abs(as_before - held_out).mean()
    # The same number as in the 39 weeks before, and in all: nearer than a fifth.
    assert np.abs(expected - held_out).mean() < np.abs(x - held_out).mean()
    assert expected.sum() == pytest.approx(held_out.sum(), rel=0.2)


@pytest.mark.parametrize("name", ["bg_nbd", "mbg_nbd"])
def test_every_customer_of_the_master_has_a_valid_number(name: PurchaseModelName) -> None:
    rows = pd.read_csv(data_folder("cdnow") / "CDNOW_master.txt", sep=r"\s+",
                       names=["customer", "day", "discs", "spent"], skiprows=1)
    days = pd.to_datetime(rows["day"].astype(str), format="%Y%m%d").to_numpy()
    rows = rows.assign(day=days)[days <= CALIBRATED_TO.to_numpy()]
    first = rows.groupby("customer")["day"].agg(["min", "max", "nunique"])
    x = first["nunique"].to_numpy(np.float64) - 1
    week = np.timedelta64(7, "D")
    t_x = ((first["max"] - first["min"]) / week).to_numpy(np.float64)
    age = ((pd.Timestamp(date(1997, 9, 30)) - first["min"]) / week).to_numpy(np.float64)
    found = fit_purchase_model(name, PurchaseSummaries.of(x, t_x, age))
    assert found.is_converged and len(x) == 23_570
    model = PurchaseModel(name, *found.parameters)
    expected = model.p_alive(x, t_x, age)[:, None] * model.purchases_if_alive(
        x, age, np.array([1.0, HELD_OUT_WEEKS]))
    assert (expected >= 0).all() and np.isfinite(expected).all()
