"""Fitting per profile, what is said of customers by it, and what is said when nothing is known."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dagster_project.configuration import (
    Configuration,
    ConfigurationError,
    LifetimeValue,
    load_configuration,
)
from dagster_project.publish.lifetime_tables import CUSTOMER_LIFETIME_VALUES
from dagster_project.scoring.lifetime.margin_model import MarginModel
from dagster_project.scoring.lifetime.purchase_model import PurchaseModel
from dagster_project.scoring.lifetime.reference import (
    LifetimeReference,
    Shortfall,
    fit_lifetime_models,
)
from dagster_project.scoring.lifetime.values import (
    discounted_purchases,
    discounts,
    lifetime_values,
    month_ends,
)
from dagster_project.scoring.reference import ProfileReference, Reference

D = datetime.date(2026, 1, 31)
MODELS = LifetimeReference(PurchaseModel("mbg_nbd", 0.8, 60, 0.9, 2.5), MarginModel(4, 3, 20))


def reference_of(models: LifetimeReference, gap_days: float = 30.0) -> Reference:
    """A reference with nothing but models and a gap."""
    return Reference("r1", D, {"all": ProfileReference(gap_days=gap_days, lifetime=models)})


def buyers(rows: int, seed: int, profile: str = "all") -> pd.DataFrame:
    """Purchase summaries of made-up buyers; some bought once, some lose money, some of unknown."""
    random = np.random.default_rng(seed)
    age = random.integers(0, 500, rows)
    rate, stays = random.gamma(0.9, 1 / 50, rows), random.exponential(150, rows)
    active = np.minimum(age, stays)
    repeats = np.minimum(random.poisson(rate * active), active.astype(int))
    recency = np.where(repeats > 0, np.maximum(repeats, (active * random.random(rows) ** 0.3)
                                               .astype(int)), 0)
    margin_days = np.where(random.random(rows) < 0.1, 0, repeats + 1)
    mean = random.gamma(3, 12, rows) - 4
    return pd.DataFrame({
        "customer_key": [f"{profile}-{seed}-{row:06d}" for row in range(rows)],
        "profile": profile,
        "purchase_days_n": repeats + 1,
        "recency_days": recency,
        "age_days": np.maximum(age, recency),
        "median_gap_days": np.where(repeats > 0, recency / np.maximum(repeats, 1), np.nan),
        "margin_purchase_days_n": margin_days,
        "purchase_margin_amount": np.where(margin_days > 0, (mean * margin_days).round(4), np.nan),
        "historic_margin_amount": [f"{value:.4f}" for value in mean],
    })


@pytest.fixture
def rule(default_configuration: Configuration) -> Callable[..., Configuration]:
    """The default configuration with another section lifetime_value."""
    return lambda **options: default_configuration.model_copy(
        update={"lifetime_value": LifetimeValue(**options)})


def test_order_and_batches_do_not_matter(default_configuration: Configuration) -> None:
    rows = buyers(1_000, 1)
    models = fit_lifetime_models([rows], default_configuration)
    shuffled = rows.sample(frac=1, random_state=3)
    assert models["all"].purchases and models["all"].margins
    quarters = [shuffled.iloc[start::4] for start in range(4)]
    assert fit_lifetime_models(quarters, default_configuration) == models
    reference = reference_of(models["all"])
    whole = lifetime_values(rows, reference, default_configuration, D)
    parts = pd.concat([lifetime_values(part, reference, default_configuration, D)
                       for part in quarters])
    pd.testing.assert_frame_equal(parts.loc[rows.index], whole, check_exact=True)


def test_every_customer_has_a_valid_number_or_a_reason(
    default_configuration: Configuration
) -> None:
    rows = buyers(3_000, 2)
    found = lifetime_values(rows, reference_of(MODELS), default_configuration, D)
    assert tuple(found.columns) == CUSTOMER_LIFETIME_VALUES.column_names
    numbers = found[["p_alive", "expected_purchases", "expected_margin_per_purchase_amount",
                     "margin_if_alive_amount", "expected_margin_amount", "days_overdue"]]
    assert (numbers >= 0).all(axis=None)
    assert np.allclose(found["expected_margin_amount"],
                       found["p_alive"] * found["margin_if_alive_amount"], rtol=1e-5, atol=1e-3)
    mean = rows["purchase_margin_amount"] / rows["margin_purchase_days_n"]
    assert (found.loc[mean < 0, "reasons"] == "loss_counts_as_zero").all()
    assert (found.loc[mean.isna(), "reasons"] == "margin_of_population").all()
    assert found.loc[mean >= 0, "reasons"].isna().all()
    assert found["historic_margin_amount"].equals(rows["historic_margin_amount"])


def test_a_reference_comes_back_from_its_rows() -> None:
    for models in (
        MODELS, LifetimeReference(),
        replace(MODELS, is_weakly_held=True),
        LifetimeReference(PurchaseModel("bg_nbd", 0.243, 30.9, 0.793, 2.426), None,
                          Shortfall("too_few_buyers", 120, 500),
                          Shortfall("too_few_margins", 0, 500)),
    ):
        frame = reference_of(models).to_frame()
        again = Reference.from_frame(frame.sample(frac=1, random_state=1), reference_id="r1",
                                     valid_from=D)
        assert again.profile("all").lifetime == models


@pytest.mark.parametrize(("options", "reason", "found"), [
    ({"minimum_buyers": 2_001}, "too_few_buyers", 2_000),
    ({"minimum_days": 501}, "history_too_short", 499),
    ({"minimum_purchase_days": 5_000}, "too_few_purchase_days", None),
])
def test_too_little_data_leaves_the_past_and_says_so(
    rule: Callable[..., Configuration], options: dict[str, Any], reason: str, found: float | None
) -> None:
    rows, configuration = buyers(2_000, 1), rule(**options)
    models = fit_lifetime_models([rows], configuration)["all"]
    assert models.purchases is None and models.purchase_shortfall is not None
    assert models.purchase_shortfall.reason == reason
    if found is not None:
        assert models.purchase_shortfall.found == found
    values = lifetime_values(rows, reference_of(models), configuration, D)
    assert (values["method"] == "historic").all()
    assert (values["reasons"] == "no_purchase_model").all()
    assert values[["p_alive", "expected_purchases", "expected_margin_amount"]].isna().all(axis=None)
    assert values["historic_margin_amount"].notna().all()


@pytest.mark.parametrize(("repeaters", "has_model"), [(99, False), (100, True)])
def test_margins_need_customers_with_two_days_of_known_margin(
    rule: Callable[..., Configuration], repeaters: int, has_model: bool
) -> None:
    rows = buyers(2_000, 1)
    is_known = (rows["margin_purchase_days_n"] > 1) & (rows["purchase_margin_amount"] > 0)
    rows.loc[np.flatnonzero(is_known)[repeaters:], ["margin_purchase_days_n",
                                                    "purchase_margin_amount"]] = 0
    models = fit_lifetime_models([rows], rule(minimum_margin_buyers=100))["all"]
    assert models.purchases is not None
    assert (models.margins is not None) == has_model
    if not has_model:
        assert models.margin_shortfall == Shortfall("too_few_margins", 99, 100)


def test_a_shop_that_fell_silent_has_no_model(rule: Callable[..., Configuration]) -> None:
    rows = buyers(2_000, 1)
    rows["age_days"] += 31
    shortfall = fit_lifetime_models([rows], rule())["all"].purchase_shortfall
    assert shortfall == Shortfall("no_recent_purchase", 31, 30)


def test_without_costs_purchases_are_expected_and_margin_is_not(
    default_configuration: Configuration, caplog: pytest.LogCaptureFixture
) -> None:
    rows = buyers(2_000, 1).assign(margin_purchase_days_n=0, purchase_margin_amount=np.nan,
                                   historic_margin_amount=None)
    models = fit_lifetime_models([rows], default_configuration)["all"]
    assert models.purchases and models.margin_shortfall == Shortfall("too_few_margins", 0, 100)
    assert ("profile all: no model of the margin of a purchase could be fitted: 0 customers have "
            "two purchase days whose cost is known, 100 are needed (deliver product costs"
            ) in caplog.text
    found = lifetime_values(rows, reference_of(models), default_configuration, D)
    assert found["expected_purchases"].notna().all()
    assert found["expected_margin_amount"].isna().all()
    assert (found["reasons"] == "no_margin_model").all()


def test_a_small_profile_borrows_the_models_of_all(
    configure: Callable[..., Configuration]
) -> None:
    configuration = configure(
        {"spent": {"kind": "count", "of": "orders",
                   "score": {"method": "percentile", "better": "more"}}},
        profiles=[{"name": "b2b", "customer_types": ["company"]}, {"name": "all"}])
    many, few = buyers(700, 1), buyers(40, 2, "b2b")
    models = fit_lifetime_models([many, few], configuration)
    together = fit_lifetime_models([many, few.assign(profile="all")], configuration)
    assert models["b2b"].purchases == together["all"].purchases
    assert models["b2b"].purchase_shortfall == Shortfall("too_few_buyers", 40, 500)
    assert models["all"].purchases == fit_lifetime_models([many], configuration)["all"].purchases
    reference = Reference("r1", D, {name: ProfileReference(gap_days=30, lifetime=own)
                                    for name, own in models.items()})
    found = lifetime_values(pd.concat([many, few], ignore_index=True), reference, configuration, D)
    assert found["profile"].tolist() == ["all"] * 700 + ["b2b"] * 40
    borrows = found["reasons"].fillna("").str.contains("purchase_model_of_all")
    assert found.loc[borrows, "profile"].tolist() == ["b2b"] * 40


def test_where_nobody_leaves_a_weak_prior_settles_the_model(
    default_configuration: Configuration
) -> None:
    random = np.random.default_rng(8)
    age = random.integers(100, 400, 800)
    repeats = random.poisson(random.gamma(1, 1 / 60, 800) * age)
    recency = np.where(repeats > 0, np.maximum(
        repeats, age * random.random(800) ** (1 / np.maximum(repeats, 1))).astype(int), 0)
    rows = buyers(800, 1).assign(purchase_days_n=repeats + 1, recency_days=recency,
                                 age_days=np.maximum(age, recency))
    models = fit_lifetime_models([rows], default_configuration)["all"]
    assert models.is_weakly_held and models.purchase_shortfall is None
    found = lifetime_values(rows, reference_of(models), default_configuration, D)
    assert (found["method"] == "mbg_nbd").all()
    assert found["p_alive"].median() > 0.95
    assert found["expected_purchases"].gt(0).all()


def test_bg_nbd_leaves_the_chance_of_one_time_buyers_open(
    default_configuration: Configuration
) -> None:
    models = LifetimeReference(PurchaseModel("bg_nbd", 0.8, 60, 0.9, 2.5), MarginModel(4, 3, 20))
    rows = buyers(300, 4)
    found = lifetime_values(rows, reference_of(models), default_configuration, D)
    once = rows["purchase_days_n"] == 1
    assert found.loc[once, "p_alive"].isna().all() and found.loc[~once, "p_alive"].notna().all()
    assert found.loc[once, "reasons"].str.startswith("p_alive_unknown").all()
    assert found["expected_margin_amount"].notna().all()


@pytest.mark.parametrize(
    ("own", "population", "silence", "gap", "source", "next_date", "overdue"), [
    (20.5, 30.0, 25, 20.5, "own", datetime.date(2026, 1, 27), 4),
    (np.nan, 30.0, 10, 30.0, "population", datetime.date(2026, 2, 20), 0),
    (np.nan, np.nan, 10, None, None, None, None),
])
def test_rhythm_is_the_own_gap_else_that_of_all(
    default_configuration: Configuration, own: float, population: float, silence: int,
    gap: float | None, source: str | None, next_date: datetime.date | None, overdue: int | None,
) -> None:
    rows = buyers(1, 1).assign(median_gap_days=own, purchase_days_n=3, recency_days=50,
                               age_days=50 + silence)
    found = lifetime_values(rows, reference_of(MODELS, population), default_configuration, D)
    row = found.astype(object).where(found.notna(), None).iloc[0]
    shown = row["expected_next_purchase_date"]
    assert (row["typical_gap_days"], row["typical_gap_source"]) == (gap, source)
    assert (shown.date() if shown else None, row["days_overdue"]) == (next_date, overdue)


def test_margin_is_discounted_from_the_end_of_each_month() -> None:
    """A customer of the CDNOW sample by rounded parameters, worked out apart; weeks, 1 % a month.

    Customer 1: two repeats, the last in week 30.43 of 38.86, mean spend 22.35.
    """
    months = np.arange(1, 13) * 4.345
    model = PurchaseModel("bg_nbd", 0.243, 4.414, 0.793, 2.426)
    x, t_x, age = np.array([2.0]), np.array([30.43]), np.array([38.86])
    purchases = discounted_purchases(model.purchases_if_alive(x, age, months),
                                     1.01 ** -np.arange(1.0, 13.0))
    margin = MarginModel(6.25, 3.74, 15.44).margin_per_purchase(x, np.array([22.35]))
    assert margin[0] == pytest.approx(24.664, abs=1e-3)
    assert (model.p_alive(x, t_x, age) * purchases * margin)[0] == pytest.approx(36.289, abs=1e-3)


def test_months_end_with_the_horizon() -> None:
    assert month_ends(365).tolist() == pytest.approx([365 / 12 * month for month in range(1, 13)])
    assert month_ends(40).tolist() == pytest.approx([365 / 12, 40])
    assert discounts(np.array([365.0, 730.0]), 0.25).tolist() == pytest.approx([0.8, 0.64])


def test_a_configuration_without_the_section_has_the_defaults(
    default_configuration: Configuration, configure: Callable[..., Configuration]
) -> None:
    bare = configure({"spent": {"kind": "count", "of": "orders",
                                "score": {"method": "percentile", "better": "more"}}})
    assert bare.lifetime_value == default_configuration.lifetime_value
    assert bare.churn_warnings == default_configuration.churn_warnings
    assert Configuration.from_canonical(bare.canonical_text()).lifetime_value == LifetimeValue()


def test_a_wrong_entry_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "crm.yaml"
    text = (Path(__file__).parents[2] / "config" / "crm.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("model: mbg_nbd", "model: pareto_nbd"), encoding="utf-8")
    line = path.read_text(encoding="utf-8").splitlines()
    number = next(n for n, words in enumerate(line, 1) if "pareto_nbd" in words)
    with pytest.raises(ConfigurationError, match=rf"line {number}.*lifetime_value"):
        load_configuration(path)


def test_the_share_of_a_margin_goes_to_the_models(rule: Callable[..., Configuration]) -> None:
    share = rule(margin_share_without_cost=Decimal("0.3"))
    assert share.dbt_vars()["crm"]["margin_share_without_cost"] == "0.3"
    assert share.hash != rule().hash
    assert rule().dbt_vars()["crm"]["margin_share_without_cost"] is None
