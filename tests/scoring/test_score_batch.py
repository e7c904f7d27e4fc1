"""The public door of scoring: worked example, percentiles, thresholds, surveys, labels."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.configuration import STAGES
from dagster_project.scoring.indicators import FeatureFault
from dagster_project.scoring.labels import QUADRANT_NAMES, TIER_NAMES
from dagster_project.scoring.reference import ProfileReference, Reference, ReferenceMismatch
from dagster_project.scoring.score import score_batch, score_columns

AS_IS = {"method": "threshold", "points": [[0, 0], [100, 100]]}
COUNT = {"kind": "count", "of": "orders", "score": {"method": "percentile"}}


def number(method=AS_IS):
    return {"kind": "attribute", "of": "customers", "column": "number", "score": method}


def without_curves():
    return Reference("r0", datetime.date(2026, 1, 1), {"all": ProfileReference()})


@pytest.fixture(scope="module")
def article(configure):
    """The CRM value of the article: four scores, weights .2, .4, .2, .2."""
    return configure(
        {name: number() for name in ("frequency", "amount", "satisfied", "loyal")},
        {"crm_value": {"frequency": 0.2, "amount": 0.4, "satisfied": 0.2, "loyal": 0.2}},
    )


def of_article(customers, article, frequency, amount, satisfied, loyal):
    return customers(article, frequency__value=frequency, amount__value=amount,
                     satisfied__value=satisfied, loyal__value=loyal)


def test_worked_example_of_the_article_is_84(article, customers):
    """The article prints 83; 16 + 36 + 17 + 15 is 84."""
    features = of_article(customers, article, [80.0], [90.0], [85.0], [75.0])
    scored = score_batch(features, without_curves(), article).iloc[0]
    assert scored["crm_value"] == 84.0
    assert [scored[f"crm_value__{part}__contribution"]
            for part in ("frequency", "amount", "satisfied", "loyal")] == [16, 36, 17, 15]
    assert scored["crm_value__coverage"] == 1.0
    assert scored["tier"] == "high"


def test_missing_part_is_left_out_and_the_rest_scaled_up(article, customers):
    """Neither 0 nor 50 may stand in for what nobody asked: (16 + 36 + 15) / 0.8."""
    features = of_article(customers, article, [80.0], [90.0], [np.nan], [75.0])
    scored = score_batch(features, without_curves(), article).iloc[0]
    assert scored["crm_value"] == 83.75
    assert scored["crm_value__coverage"] == 0.8
    assert scored["crm_value__amount__weight"] == 0.5
    assert np.isnan(scored["crm_value__satisfied__weight"])
    assert np.isnan(scored["crm_value__satisfied__contribution"])


def test_too_little_data_gives_no_composite(article, customers):
    """.4 of the weight lies under the bound of .5; .6 above it."""
    features = of_article(customers, article, [80.0, 80.0], [np.nan, 90.0], [85.0, np.nan],
                          [np.nan, np.nan])
    scored = score_batch(features, without_curves(), article)
    assert scored["crm_value__coverage"].tolist() == [0.4, 0.6]
    assert scored["crm_value"].isna().tolist() == [True, False]
    assert scored["tier"].tolist() == ["insufficient_data", "high"]
    assert scored.loc[0].filter(like="crm_value__").drop("crm_value__coverage").isna().all()


def test_full_scores_give_100_and_never_more(configure, customers):
    """Six equal weights of 1/6 rounded one by one would add up to 100.0002."""
    names = [f"n{position}" for position in range(6)]
    weights = dict.fromkeys(names, 0.166667) | {"n5": 0.166665}
    configuration = configure({name: number() for name in names}, {"crm_value": weights})
    features = customers(configuration, **{f"{name}__value": [100.0, 33.3333] for name in names})
    scored = score_batch(features, without_curves(), configuration)
    assert scored["crm_value"].tolist() == [100.0, 33.3333]


def test_composite_of_composites_passes_coverage_on(configure, customers):
    """A loyalty known by half backs half of its weight in the CRM value."""
    configuration = configure(
        {"amount": number(), "repeat": number(), "stays": number()},
        {"crm_value": {"amount": 0.6, "loyalty_degree_score": 0.4},
         "loyalty_degree_score": {"repeat": 0.5, "stays": 0.5}},
    )
    features = customers(configuration, amount__value=[10.0, 10.0], repeat__value=[60.0, np.nan])
    scored = score_batch(features, without_curves(), configuration)
    assert scored["crm_value__coverage"].tolist() == [0.8, 0.6]
    assert scored["crm_value"].tolist() == [30.0, 10.0]


def test_composite_without_a_value_backs_nothing(configure, customers):
    """A loyalty known by too little is left out, and what is known of it does not count."""
    configuration = configure(
        {"amount": number(), "repeat": number(), "stays": number()},
        {"crm_value": {"amount": 0.5, "loyalty_degree_score": 0.5},
         "loyalty_degree_score": {"repeat": 0.4, "stays": 0.6}},
    )
    features = customers(configuration, amount__value=[10.0], repeat__value=[60.0])
    scored = score_batch(features, without_curves(), configuration).iloc[0]
    assert scored["loyalty_degree_score__coverage"] == 0.4
    assert np.isnan(scored["loyalty_degree_score"])
    assert scored["crm_value__coverage"] == 0.5
    assert scored["crm_value"] == 10.0


def test_percentiles_are_mid_ranks_of_those_who_have_any(configure, customers, fitted):
    """1, 2, 2, 5 rank at 12.5, 50, 50, 87.5; nothing is 0, more than all is 100."""
    configuration = configure({"orders": COUNT})
    reference = fitted(customers(configuration, orders__value=[5.0, 2.0, 0.0, 1.0, 2.0]),
                       configuration)
    batch = customers(configuration,
                      orders__value=[-3.0, 0.0, 0.5, 1.0, 1.5, 2.0, 5.0, 6.0, np.nan])
    scores = score_batch(batch, reference, configuration)["orders__score"]
    assert scores.tolist()[:-1] == [0, 0, 0, 12.5, 31.25, 50, 87.5, 100]
    assert np.isnan(scores.iloc[-1])


def test_less_is_better_mirrors_the_curve(configure, customers, fitted):
    """Shorter than all is 100, longer than all is 0, and zero days count as days."""
    configuration = configure({"silence": {
        "kind": "days_since", "of": "orders",
        "score": {"method": "percentile", "better": "less"}}})
    reference = fitted(customers(configuration, silence__value=[0.0, 10.0, 10.0, 40.0]),
                       configuration)
    batch = customers(configuration, silence__value=[-1.0, 0.0, 10.0, 25.0, 40.0, 41.0])
    scores = score_batch(batch, reference, configuration)["silence__score"]
    assert scores.tolist() == [100, 87.5, 50, 31.25, 12.5, 0]


def test_threshold_is_straight_between_points_and_flat_beyond(configure, customers):
    """The absence of complaints of the default configuration."""
    configuration = configure({"complaints": number(
        {"method": "threshold", "points": [[0, 100], [1, 40], [3, 0]]})})
    batch = customers(configuration, complaints__value=[-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 9.0])
    scores = score_batch(batch, without_curves(), configuration)["complaints__score"]
    assert scores.tolist() == [100, 100, 70, 40, 20, 0, 0]


def test_survey_is_shrunk_towards_the_mean_of_all_answers(configure, customers, fitted):
    """Prior (1 x 100 + 3 x 60) / 4 = 70; one answer of 100 with k 2: (100 + 140) / 3 = 80."""
    configuration = configure({"csat": {
        "kind": "mean_answer", "of": "surveys", "instrument": "csat",
        "score": {"method": "survey", "k": 2}}})
    features = customers(configuration, csat__value=[100.0, 60.0, np.nan],
                         csat__n=[1.0, 3.0, np.nan])
    reference = fitted(features, configuration)
    assert reference.profile("all").priors["csat"].mean == 70.0
    scored = score_batch(features, reference, configuration)
    assert scored["csat__score"].tolist()[:2] == [80.0, 64.0]
    assert np.isnan(scored["csat__score"].iloc[2])
    assert scored["csat__n"].tolist()[:2] == [1.0, 3.0]


def test_answers_without_a_known_mean_stand_for_themselves(configure, customers, fitted):
    """The first answers after a reference was fitted have nothing to be drawn to."""
    configuration = configure({"csat": {
        "kind": "mean_answer", "of": "surveys", "instrument": "csat",
        "score": {"method": "survey", "k": 2}}})
    reference = fitted(customers(configuration), configuration)
    batch = customers(configuration, csat__value=[80.0], csat__n=[1.0])
    assert score_batch(batch, reference, configuration)["csat__score"].tolist() == [80.0]


def test_what_nobody_was_measured_for_has_no_scale_yet(configure, customers, fitted):
    """Neither nothing nor something may be scored on a curve that does not exist."""
    configuration = configure({"orders": COUNT})
    reference = fitted(customers(configuration), configuration)
    batch = customers(configuration, orders__value=[0.0, 3.0])
    assert score_batch(batch, reference, configuration)["orders__score"].isna().all()


def test_first_to_have_any_is_above_all(configure, customers, fitted):
    """Everyone was measured and had none: 0 scores 0, and whoever has some is beyond the last."""
    configuration = configure({"orders": COUNT})
    reference = fitted(customers(configuration, orders__value=[0.0, 0.0]), configuration)
    batch = customers(configuration, orders__value=[0.0, 3.0])
    assert score_batch(batch, reference, configuration)["orders__score"].tolist() == [0, 100]


def test_profiles_are_weighed_and_cut_by_their_own_rules(configure, customers, fitted):
    """Rows come back in their order, each by the weights and cuts of its profile."""
    configuration = configure(
        {"amount": number(), "loyal": number()},
        {"crm_value": {"amount": 0.5, "loyal": 0.5}},
        profiles=[
            {"name": "b2b", "customer_types": ["company"],
             "composites": {"crm_value": {"parts": {"amount": 1}}},
             "cuts": {"tiers": {"high": {"score": 95}, "medium": {"score": 10}}}},
            {"name": "all"},
        ],
    )
    features = customers(configuration, profile=["all", "b2b", "all"],
                         amount__value=[90.0, 90.0, 10.0], loyal__value=[80.0, 0.0, 20.0])
    features.index = [7, 3, 9]
    scored = score_batch(features, fitted(features, configuration), configuration)
    assert scored.index.tolist() == [7, 3, 9]
    assert scored["customer_key"].tolist() == features["customer_key"].tolist()
    assert scored["crm_value"].tolist() == [85.0, 90.0, 15.0]
    assert scored["tier"].tolist() == ["high", "medium", "low"]
    assert scored["crm_value__loyal__weight"].isna().tolist() == [False, True, False]


def test_columns_are_those_declared(default_configuration, many, fitted):
    """DDL and documents are made from the declaration."""
    features = many(50, seed=1)
    scored = score_batch(features, fitted(features, default_configuration), default_configuration)
    assert scored.columns.tolist() == [
        column.name for column in score_columns(default_configuration)]


def test_empty_batch_has_all_columns(default_configuration, many, fitted):
    """A night without customers must not break what follows."""
    features = many(50, seed=1)
    reference = fitted(features, default_configuration)
    scored = score_batch(features.iloc[:0], reference, default_configuration)
    assert len(scored) == 0
    assert scored.columns.tolist() == [
        column.name for column in score_columns(default_configuration)]


def test_home_with_orders_alone_has_a_value_and_a_quadrant(default_configuration, many, fitted):
    """No surveys, interactions or costs; even who bought last week for the first time."""
    features = many(300, seed=2)
    for name, indicator in default_configuration.indicators.items():
        if indicator.of != "orders" or indicator.column == "margin":
            features[f"{name}__value"] = np.nan
        else:
            features[f"{name}__value"] = np.arange(300.0) % 7
    features.loc[:99, "retention__value"] = np.nan
    scored = score_batch(features, fitted(features, default_configuration), default_configuration)
    assert set(scored["tier"]) == {"high", "medium", "low"}
    assert "insufficient_data" not in set(scored["quadrant"])
    assert set(scored["crm_value__coverage"]) == {0.5, 0.56}
    assert scored["engagement_score"].isna().all()


def test_columns_of_other_types_are_read(default_configuration, many, fitted):
    """The engine gives decimals, nullable integers and NULL in several forms."""
    features = many(40, seed=3)
    reference = fitted(features, default_configuration)
    expected = score_batch(features, reference, default_configuration)
    features["purchases_n"] = features["purchases_n"].astype("Int32")
    features["median_gap_days"] = pd.Series(
        [None if np.isnan(days) else Decimal(str(days)) for days in features["median_gap_days"]],
        dtype="object")
    features["purchase_amount__value"] = features["purchase_amount__value"].astype("Float64")
    pd.testing.assert_frame_equal(
        score_batch(features, reference, default_configuration), expected)


@pytest.mark.parametrize(("column", "value", "words"), [
    ("orders__value", [np.inf], "infinite"),
    ("csat__value", [100.5], "outside 0-100"),
    ("csat__n", [1e9], "answers"),
    ("profile", ["b2b"], "b2b"),
])
def test_impossible_facts_are_refused(configure, customers, fitted, column, value, words):
    """A fact that cannot be must stop the night, not become a score."""
    configuration = configure({"orders": COUNT, "csat": {
        "kind": "mean_answer", "of": "surveys", "instrument": "csat",
        "score": {"method": "survey", "k": 2}}})
    reference = fitted(customers(configuration), configuration)
    columns = {"csat__value": [50.0], "csat__n": [1.0]} | {column: value}
    with pytest.raises(FeatureFault, match=words):
        score_batch(customers(configuration, **columns), reference, configuration)


@pytest.mark.parametrize("column", ["customer_key", "profile", "orders__value", "purchases_n"])
def test_missing_column_is_named(configure, customers, fitted, column):
    """Features built for another configuration lack columns."""
    configuration = configure({"orders": COUNT})
    features = customers(configuration)
    reference = fitted(features, configuration)
    with pytest.raises(FeatureFault, match=column):
        score_batch(features.drop(columns=column), reference, configuration)


def test_reference_of_another_configuration_is_refused(configure, customers, fitted):
    """A new indicator or cut has no curve until a new reference is fitted."""
    before = configure({"orders": COUNT})
    after = configure(
        {"orders": COUNT, "visits": {**COUNT, "of": "interactions"}},
        tiers={"high": {"quantile": 0.8}, "medium": {"quantile": 0.5}},
    )
    reference = fitted(customers(before, orders__value=[1.0, 2.0]), before)
    with pytest.raises(ReferenceMismatch, match="recalibrate") as refused:
        score_batch(customers(after, orders__value=[1.0]), reference, after)
    for missing in ("curve of visits", "cut of crm_value at quantile 0.8"):
        assert missing in str(refused.value)


def test_contributions_add_up_and_labels_are_total(default_configuration, many, fitted):
    """Promised of every row: exact sums in ten-thousandths, bounds, one label of each kind."""
    features = many(2_000, seed=4)
    scored = score_batch(features, fitted(features, default_configuration), default_configuration)
    assert set(scored["tier"]) <= set(TIER_NAMES)
    assert set(scored["quadrant"]) <= set(QUADRANT_NAMES)
    assert set(scored["lifecycle_stage"]) <= set(STAGES)
    assert (scored["crm_value"].isna() == (scored["tier"] == "insufficient_data")).all()
    for composite, declared in default_configuration.composites.items():
        parts = [f"{composite}__{part}__contribution" for part in declared.parts]
        units = (scored[parts].fillna(0) * 10_000).round().astype("int64").sum(axis=1)
        has = scored[composite].notna()
        assert (units[has] == (scored[composite][has] * 10_000).round().astype("int64")).all()
        assert scored.loc[~has, parts].isna().all(axis=None)
        assert scored[f"{composite}__coverage"].between(0, 1).all()
        assert scored[composite].dropna().between(0, 100).all()
        assert has.any() and not has.all()


def test_order_and_batches_do_not_matter(default_configuration, many, fitted):
    """A customer's scores depend on the customer alone."""
    features = many(500, seed=5)
    reference = fitted(features, default_configuration)
    whole = score_batch(features, reference, default_configuration)
    shuffled = features.sample(frac=1, random_state=1)
    parts = [score_batch(shuffled.iloc[start:start + 77], reference, default_configuration)
             for start in range(0, 500, 77)]
    pd.testing.assert_frame_equal(pd.concat(parts).sort_index(), whole)


amounts = st.lists(st.integers(-5, 60).map(lambda n: n / 4), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(population=amounts, batch=amounts)
def test_equal_facts_score_equally_and_more_never_less(
    configure, customers, fitted, population, batch
):
    """Ties share one score, and a greater fact never has a lower one."""
    configuration = configure({"orders": COUNT})
    reference = fitted(customers(configuration, orders__value=population), configuration)
    scored = score_batch(customers(configuration, orders__value=batch), reference, configuration)
    pairs = sorted(zip(batch, scored["orders__score"], strict=True))
    for (fact, score), (next_fact, next_score) in zip(pairs, pairs[1:], strict=False):
        assert next_score >= score
        assert next_fact != fact or next_score == score


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.one_of(st.none(), st.integers(0, 1_000_000)), min_size=4, max_size=4),
    part=st.integers(0, 3), gain=st.integers(0, 1_000_000),
)
def test_more_of_a_good_thing_never_lowers_a_composite(article, customers, scores, part, gain):
    """Promised while the set of measured parts stays the same."""
    if scores[part] is None:
        return
    better = list(scores)
    better[part] = min(1_000_000, scores[part] + gain)
    rows = [[np.nan if score is None else score / 10_000 for score in pair]
            for pair in zip(scores, better, strict=True)]
    scored = score_batch(of_article(customers, article, *rows), without_curves(), article)
    before, after = scored["crm_value"]
    assert np.isnan(before) == np.isnan(after)
    assert np.isnan(before) or after >= before
