"""Words for one customer: figures that add up, what is missing, and why a label stands."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dagster_project.scoring.explain import explain
from dagster_project.scoring.score import score_batch

AS_IS = {"method": "threshold", "points": [[0, 0], [100, 100]]}
NUMBER = {"kind": "attribute", "of": "customers", "column": "number", "score": AS_IS}


@pytest.fixture(scope="module")
def explained(configure, customers, fitted):
    """Explains the first of some customers with an amount, answers and complaints."""
    configuration = configure(
        {"purchase_amount": {"kind": "sum", "of": "orders", "column": "net_revenue",
                             "window_days": 365, "score": {"method": "percentile"},
                             "label": {"en": "purchase amount", "zh": "消费金额"}},
         "csat": {"kind": "mean_answer", "of": "surveys", "instrument": "csat",
                  "score": {"method": "survey", "k": 2}},
         "stays": NUMBER},
        {"crm_value": {"purchase_amount": 0.5, "csat": 0.3, "stays": 0.2}},
        tiers={"high": {"score": 80}, "medium": {"score": 40}},
    )

    def words(language="en", **columns):
        features = customers(configuration, **columns)
        reference = fitted(features, configuration)
        scored = score_batch(features, reference, configuration)
        return explain(scored.iloc[0].to_dict(), features.iloc[0].to_dict(), reference,
                       configuration, language)

    return words


AMOUNTS = [1240.0, 10.0, 20.0, 0.0]


def test_facts_have_their_unit_window_and_rank(explained):
    """1,240 is the greatest of three amounts above nothing: mid-rank 83.33."""
    lines = explained(purchase_amount__value=AMOUNTS, csat__value=[100.0, 60.0, np.nan, np.nan],
                      csat__n=[1.0, 3.0, np.nan, np.nan])
    assert ("- purchase amount: 1,240.00 CNY in 365 days -> 83.33, ahead of 83 % of customers "
            "with any, half of equals counted") in lines
    assert ("- csat: 100.00 -> 80.00, 1.00 answers by weight, drawn towards the mean of all "
            "(70.00), which counts as 2 answers") in lines
    assert [line for line in lines if line.startswith("- not measured")] == [
        "- not measured: stays"]


def test_weights_contributions_and_coverage(explained):
    """.5 and .3 of .8 are left: 62.5 % and 37.5 %."""
    lines = explained(purchase_amount__value=AMOUNTS, csat__value=[100.0, 60.0, np.nan, np.nan],
                      csat__n=[1.0, 3.0, np.nan, np.nan])
    first = lines.index("crm value: 82.08 = 52.08 + 30.00; 80 % of its weight is measured")
    assert lines[first + 1:first + 4] == [
        "- purchase amount: 83.33 x weight 62.5 % = 52.08",
        "- csat: 80.00 x weight 37.5 % = 30.00",
        "- stays: not measured, left out; its weight goes to the others"]
    assert "Tier: high. CRM value 82.08; medium from 40.00 on, high from 80.00 on" in lines


def test_too_little_data_is_said(explained):
    """The reader learns how much is there and how much is needed."""
    lines = explained(stays__value=[90.0])
    assert "crm value: no score; 20 % of its weight is measured, at least 50 % is needed" in lines
    assert "Tier: insufficient data, since there is no CRM value" in lines
    assert "Quadrant: insufficient data, since not both axes are measured" in lines


def test_nothing_is_no_rank(explained):
    """Who bought nothing is not ahead of anybody."""
    lines = explained(purchase_amount__value=[0.0, 5.0])
    assert "- purchase amount: 0.00 CNY in 365 days -> 0.00, none" in lines


def test_fact_that_came_after_the_reference(configure, customers, fitted):
    """A fact without a score must not look forgotten."""
    configuration = configure(
        {"orders": {"kind": "count", "of": "orders", "score": {"method": "percentile"}}})
    reference = fitted(customers(configuration), configuration)
    features = customers(configuration, orders__value=[3.0])
    scored = score_batch(features, reference, configuration)
    lines = explain(scored.iloc[0], features.iloc[0], reference, configuration)
    assert any(line.startswith("- orders: 3.00; no score until the next reference")
               for line in lines)


def test_stage_names_silence_and_gap(explained):
    """One's own gap where there is one, else that of the others."""
    own = explained(purchases_n=[4, 2], days_since_last_purchase=[90.0, 1.0],
                    median_gap_days=[12.5, 40.0])
    assert own[-1] == "Stage: lapsing. 4 purchases, the last 90 days ago, usually 12.5 days apart"
    others = explained(purchases_n=[1, 2], days_since_last_purchase=[9.0, 1.0],
                       median_gap_days=[np.nan, 40.0])
    assert others[-1] == ("Stage: first purchase. 1 purchases, the last 9 days ago, others usually "
                          "40 days apart")
    none = explained(purchases_n=[0], days_since_last_purchase=[np.nan])
    assert none[-1] == "Stage: prospect. 0 purchases"


def test_chinese(explained):
    """The same figures in the other language."""
    lines = explained("zh", purchase_amount__value=AMOUNTS)
    assert "- 消费金额:近365天1,240.00 CNY → 83.33分,领先83%有此行为的客户(相同者计一半)" in lines
    assert [line for line in lines if "未测得:" in line] == ["- 未测得:csat、stays"]


def test_quadrant_comes_with_its_strategy(default_configuration, many, fitted):
    """What to do stands beside what is."""
    features = many(200, seed=11)
    reference = fitted(features, default_configuration)
    scored = score_batch(features, reference, default_configuration)
    row = int(np.flatnonzero(scored["quadrant"] == "high_value_low_loyalty")[0])
    for language, strategy in (("en", "a loyalty rewards plan"), ("zh", "实施忠诚度奖励计划")):
        lines = explain(scored.iloc[row], features.iloc[row], reference, default_configuration,
                        language)
        assert any(strategy in line for line in lines)


def test_shown_figures_add_up_for_everyone(default_configuration, many, fitted):
    """Two-decimal contributions, rounded one by one, would miss the total by a cent."""
    features = many(150, seed=12)
    reference = fitted(features, default_configuration)
    scored = score_batch(features, reference, default_configuration)
    sums = 0
    for position in range(len(features)):
        for line in explain(scored.iloc[position], features.iloc[position], reference,
                            default_configuration):
            found = re.match(r".*: ([\d.]+) = ([\d. +]+);", line)
            if found:
                parts = [round(float(part) * 100) for part in found[2].split(" + ")]
                assert sum(parts) == round(float(found[1]) * 100)
                sums += len(parts) > 1
    assert sums > 100


def test_unknown_language_is_refused(explained):
    """A third language has no words yet."""
    with pytest.raises(ValueError, match="there are en, zh"):
        explained("fr", purchase_amount__value=AMOUNTS)
