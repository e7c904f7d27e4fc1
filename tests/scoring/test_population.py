"""Figures of populations: what counts as what, intervals that cover, and what is too few."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dagster_project.configuration import PopulationFigures
from dagster_project.scoring.population import (
    FIGURES,
    TOTALS,
    Estimate,
    judged_answers,
    mean_of_answers,
    nps,
    population_figures,
    share,
)

RULES = PopulationFigures()
# A loaded machine is slow, not wrong.
DRAWN = settings(max_examples=60, deadline=None)
DRAWN_FRAMES = settings(max_examples=20, deadline=None)
ANSWER = ["instrument", "score", "scale_min", "scale_max", "direction"]


def _answers(*rows: tuple[object, ...], segment: str = "all") -> pd.DataFrame:
    """Rows of instrument, score, scale_min, scale_max, direction, answers_n."""
    frame = pd.DataFrame(list(rows), columns=[*ANSWER, "answers_n"])
    return frame.assign(segment_kind="all", segment=segment)


def _totals(segment: str = "all", **counts: object) -> pd.DataFrame:
    row: dict[str, object] = {
        "segment_kind": "all", "segment": segment, "customers_n": 100, "buyers_n": 0,
        "repeat_buyers_n": 0, "previous_buyers_n": 0, "kept_buyers_n": 0, "revenue_n": 0,
        "margin_n": 0, "net_revenue": None, "margin": None}
    return pd.DataFrame([row | counts])


def _figure(figures: pd.DataFrame, name: str, segment: str = "all") -> pd.Series:
    [row] = [row for _, row in figures.iterrows()
             if (row["figure"], row["segment"]) == (name, segment)]
    return row


@pytest.mark.parametrize(("n", "half_width"), [(10, "48"), (30, "28"), (100, "15"), (1000, "4.8")])
def test_standard_error_of_nps_30_is_that_of_the_published_formula(
        n: int, half_width: str) -> None:
    estimate = nps([0.5 * n], [0.2 * n], [n])
    assert estimate.value == pytest.approx([30])
    assert f"{1.96 * estimate.standard_error[0]:.2g}" == half_width


@pytest.fixture(scope="module")
def hundred_answers() -> tuple[np.ndarray, Estimate]:
    """Every sample of 100 answers (promoters, detractors, passives), and its NPS."""
    samples = np.array([(up, down, 100 - up - down)
                        for up in range(101) for down in range(101 - up)])
    return samples, nps(samples[:, 0], samples[:, 1], samples.sum(axis=1))


@pytest.mark.parametrize(("p", "d"), [
    (0.5, 0.2), (0.3, 0.3), (0.7, 0.1), (0.8, 0.05), (0.9, 0.02), (0.97, 0.01), (0.05, 0.8),
    (0.1, 0.1), (0.6, 0.39)])
def test_nps_intervals_cover_95_percent_at_100_answers(
        hundred_answers: tuple[np.ndarray, Estimate], p: float, d: float) -> None:
    """Summed over all samples there are, so without the chance of a simulation."""
    samples, estimate = hundred_answers
    true = 100 * (p - d)
    weight = stats.multinomial.pmf(samples, 100, [p, d, 1 - p - d])
    covering = weight[(estimate.low <= true) & (true <= estimate.high)].sum()
    assert covering == pytest.approx(0.95, abs=0.01)


def test_the_usual_nps_interval_does_not_cover_where_answers_are_one_sided(
        hundred_answers: tuple[np.ndarray, Estimate]) -> None:
    """Why the interval is not the value -+ 1.96 standard errors."""
    samples, estimate = hundred_answers
    weight = stats.multinomial.pmf(samples, 100, [0.97, 0.01, 0.02])
    covering = weight[np.abs(estimate.value - 96) <= 1.96 * estimate.standard_error].sum()
    assert covering < 0.86


@pytest.mark.parametrize(("p", "d"), [(0.5, 0.2), (0.8, 0.05), (0.1, 0.7), (0.9, 0.02)])
def test_nps_intervals_cover_95_percent_of_10_000_drawn_samples(p: float, d: float) -> None:
    drawn = np.random.default_rng(20_261_122).multinomial(100, [p, d, 1 - p - d], size=10_000)
    # Samples with the same counts have the same interval.
    counts, samples_n = np.unique(drawn[:, :2], axis=0, return_counts=True)
    estimate = nps(counts[:, 0], counts[:, 1], np.full(len(counts), 100))
    is_covered = (estimate.low <= 100 * (p - d)) & (100 * (p - d) <= estimate.high)
    assert samples_n[is_covered].sum() / 10_000 == pytest.approx(0.95, abs=0.01)


def test_the_nps_interval_is_tangos_of_a_published_example() -> None:
    """1 and 7 of 21 pairs differ (Fagerland, Lydersen, Laake 2014, Statistics in Medicine 33)."""
    estimate = nps([1], [7], [21])
    assert (round(estimate.low[0], 1), round(estimate.high[0], 1)) == (-51.7, -2.6)


@pytest.mark.parametrize("n", [1, 2, 10, 37])
def test_nps_intervals_hold_their_value_for_every_sample_of_a_size(n: int) -> None:
    pairs = np.array([(up, down) for up in range(n + 1) for down in range(n + 1 - up)])
    up, down = pairs[:, 0], pairs[:, 1]
    all_n = np.full(len(pairs), n)
    estimate, mirrored = nps(up, down, all_n), nps(down, up, all_n)
    assert (estimate.low >= -100).all() and (estimate.high <= 100).all()
    assert (estimate.low <= estimate.value).all() and (estimate.value <= estimate.high).all()
    assert (estimate.high - estimate.low > 0).all()
    assert estimate.low == pytest.approx(-mirrored.high)


@DRAWN
@given(st.integers(1, 100_000), st.data())
def test_nps_without_passives_is_a_share_of_two_and_its_interval_that_of_wilson(
        n: int, data: st.DataObject) -> None:
    up = data.draw(st.integers(0, n))
    estimate, two = nps([up], [n - up], [n]), share([up], [n])
    assert estimate.low == pytest.approx(100 * (2 * two.low - 1), abs=1e-6)
    assert estimate.high == pytest.approx(100 * (2 * two.high - 1), abs=1e-6)


@DRAWN
@given(st.integers(1, 5_000), st.data())
def test_shares_have_wilsons_interval(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    estimate = share([hits], [n])
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert (estimate.low[0], estimate.high[0]) == pytest.approx(
        (expected.low, expected.high), abs=1e-9)
    assert estimate.low[0] <= estimate.value[0] == hits / n <= estimate.high[0]
    assert estimate.standard_error[0] == pytest.approx(
        math.sqrt(hits / n * (1 - hits / n) / n), abs=1e-12)


@DRAWN
@given(st.lists(st.integers(0, 1_000_000), min_size=2, max_size=50))
def test_means_have_students_interval(parts: list[int]) -> None:
    answers = np.array(parts) / 10_000
    squares = ((answers - answers.mean()) ** 2).sum()
    estimate = mean_of_answers([answers.sum()], [squares], [len(answers)])
    error = stats.sem(answers)
    assert estimate.standard_error[0] == pytest.approx(error, abs=1e-9)
    if error > 1e-6:
        low, high = stats.t.interval(0.95, len(answers) - 1, answers.mean(), error)
        assert estimate.low[0] == pytest.approx(max(low, 0), abs=1e-6)
        assert estimate.high[0] == pytest.approx(min(high, 100), abs=1e-6)


@pytest.mark.parametrize(("low", "high", "direction", "top"), [
    (0, 1, "higher_is_better", [1]),
    (1, 3, "higher_is_better", [3]),
    (1, 4, "higher_is_better", [3, 4]),
    (1, 5, "higher_is_better", [4, 5]),
    (1, 5, "lower_is_better", [1, 2]),
    (1, 7, "higher_is_better", [6, 7]),
    (1, 10, "higher_is_better", [8, 9, 10]),
    (0, 10, "higher_is_better", [8, 9, 10]),
    (0, 20, "higher_is_better", [16, 17, 18, 19, 20]),
])
def test_satisfied_are_the_top_boxes_of_the_scale(
        low: int, high: int, direction: str, top: list[int]) -> None:
    answers = _answers(*(("csat", score, low, high, direction, 1)
                         for score in range(low, high + 1)))
    judged = judged_answers(answers)
    assert judged.loc[judged["is_top_box"], "score"].tolist() == top


def test_half_stars_and_sliders_have_boxes_too() -> None:
    judged = judged_answers(_answers(
        ("csat", 3.9, 1, 5, "higher_is_better", 1), ("csat", 4.5, 1, 5, "higher_is_better", 1),
        ("csat", 79.9, 0, 100, "higher_is_better", 1), ("csat", 80, 0, 100, "higher_is_better", 1),
        ("csat", 0.8, 0, 1.5, "higher_is_better", 1), ("csat", 1.2, 0, 1.5, "higher_is_better", 1)))
    assert judged["is_top_box"].tolist() == [False, True, False, True, False, True]


@pytest.mark.parametrize(("low", "high", "direction", "easy"), [
    (1, 7, "higher_is_better", [5, 6, 7]), (1, 7, "lower_is_better", [1, 2, 3]),
    (1, 5, "higher_is_better", [4, 5]), (0, 1, "higher_is_better", [1]),
])
def test_easy_is_above_the_middle_of_the_scale(
        low: int, high: int, direction: str, easy: list[int]) -> None:
    judged = judged_answers(_answers(*(("ces", score, low, high, direction, 1)
                                       for score in range(low, high + 1))))
    assert judged.loc[judged["is_easy"], "score"].tolist() == easy


def test_promoters_answer_9_or_10_and_detractors_up_to_6() -> None:
    judged = judged_answers(_answers(*(("nps", score, 0, 10, "higher_is_better", 1)
                                       for score in (0, 6, 6.5, 7, 8.9, 9, 10))))
    assert judged["is_detractor"].tolist() == [True, True, False, False, False, False, False]
    assert judged["is_promoter"].tolist() == [False, False, False, False, False, True, True]
    mirrored = judged_answers(_answers(*(("nps", score, 0, 10, "lower_is_better", 1)
                                         for score in (0, 1, 2, 3, 4))))
    assert mirrored["is_promoter"].tolist() == [True, True, False, False, False]
    assert mirrored["is_detractor"].tolist() == [False, False, False, False, True]


@DRAWN
@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(0, 10),
                          st.sampled_from(["higher_is_better", "lower_is_better"])), min_size=1))
def test_promoters_passives_and_detractors_are_all_answers(
        answers: list[tuple[int, int, str]]) -> None:
    judged = judged_answers(_answers(*(("nps", max(low, score), low, 10, direction, 1)
                                       for low, score, direction in answers)))
    parts = judged[["is_promoter", "is_detractor"]].sum(axis=1)
    assert (parts <= 1).all()
    assert (judged["is_promoter"] <= judged["is_top_box"]).all()


def test_nps_is_of_scales_that_end_at_ten_alone() -> None:
    """Four of five stars is no nine of ten."""
    figures = population_figures(_totals(), _answers(
        ("nps", 10, 0, 10, "higher_is_better", 8), ("nps", 2, 1, 10, "higher_is_better", 4),
        ("nps", 5, 1, 5, "higher_is_better", 90)), RULES)
    row = _figure(figures, "nps")
    assert (row["n"], row["value"], row["status"]) == (12, "33.333333", "few")


def test_answers_on_different_scales_are_one_figure() -> None:
    figures = population_figures(_totals(), _answers(
        ("csat", 5, 1, 5, "higher_is_better", 20), ("csat", 6, 1, 7, "higher_is_better", 10),
        ("csat", 3, 1, 5, "higher_is_better", 10), ("ces", 7, 1, 7, "higher_is_better", 15),
        ("ces", 5, 1, 5, "lower_is_better", 15)), RULES)
    assert _figure(figures, "csat_top_box")["value"] == "0.750000"
    ease = _figure(figures, "ces_mean")
    assert (ease["value"], ease["n"], ease["status"]) == ("50.000000", 30, "ok")
    assert float(ease["standard_error"]) == pytest.approx(
        stats.sem([100] * 15 + [0] * 15), abs=1e-6)
    assert _figure(figures, "ces_easy")["value"] == "0.500000"


@pytest.mark.parametrize(("n", "status"), [
    (0, "suppressed"), (9, "suppressed"), (10, "few"), (29, "few"), (30, "ok")])
def test_figures_of_few_are_marked_and_of_fewer_not_shown(n: int, status: str) -> None:
    figures = population_figures(
        _totals(buyers_n=n, repeat_buyers_n=n, previous_buyers_n=n, kept_buyers_n=0),
        _answers(("nps", 9, 0, 10, "higher_is_better", n)), RULES)
    for name in ("repeat_purchase_rate", "retention", "nps"):
        row = _figure(figures, name)
        assert (row["n"], row["status"]) == (n, status)
        assert (row["value"] is None) == (row["low"] is None) == (status == "suppressed")


def test_repeat_purchases_and_retention_are_of_those_who_bought() -> None:
    """40 bought last year, of whom 10 again: new customers do not make up for the lost."""
    figures = population_figures(
        _totals(buyers_n=80, repeat_buyers_n=20, previous_buyers_n=40, kept_buyers_n=10),
        _answers(), RULES)
    assert _figure(figures, "repeat_purchase_rate")[["value", "n"]].tolist() == ["0.250000", 80]
    assert _figure(figures, "retention")[["value", "n"]].tolist() == ["0.250000", 40]


def test_totals_are_exact_and_stand_however_few() -> None:
    amount = "12345678901234567890123456789012.3456"
    figures = population_figures(
        _totals(customers_n=3, revenue_n=3, net_revenue=amount), _answers(), RULES)
    assert _figure(figures, "net_revenue")[["value", "status"]].tolist() == [amount, "ok"]
    assert _figure(figures, "customers")["value"] == "3"
    margin = _figure(figures, "margin")
    assert (margin["value"], margin["n"], margin["status"]) == (None, 0, "suppressed")
    totals = figures[figures["figure"].isin(TOTALS)]
    assert totals[["standard_error", "low", "high"]].isna().all(axis=None)


def test_every_segment_has_every_figure() -> None:
    totals = pd.concat([_totals("b"), _totals("a")])
    figures = population_figures(
        totals, _answers(("csat", 5, 1, 5, "higher_is_better", 40), segment="b"), RULES)
    assert [(row["segment"], row["figure"]) for _, row in figures.iterrows()] == [
        (segment, figure) for segment in ("a", "b") for figure in sorted(FIGURES)]
    assert _figure(figures, "csat_top_box", "a")["status"] == "suppressed"
    assert _figure(figures, "csat_top_box", "b")["value"] == "1.000000"


@DRAWN_FRAMES
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["nps", "csat", "ces"]),
                          st.integers(1, 5), st.sampled_from([5, 10]),
                          st.sampled_from(["higher_is_better", "lower_is_better"]),
                          st.integers(1, 40)), min_size=1, unique_by=lambda row: row[:5]),
       st.randoms())
def test_the_order_of_rows_never_matters(rows: list[tuple[object, ...]], chance: object) -> None:
    totals = pd.concat([_totals("a", buyers_n=20, repeat_buyers_n=7), _totals("b")])
    frame = pd.concat([
        _answers((instrument, score, 1, high, direction, n), segment=str(segment))
        for segment, instrument, score, high, direction, n in rows])
    places = list(range(len(frame)))
    chance.shuffle(places)  # type: ignore[attr-defined]
    pd.testing.assert_frame_equal(
        population_figures(totals, frame, RULES),
        population_figures(totals.iloc[::-1], frame.iloc[places], RULES))


def test_shown_values_are_decimals_of_the_table() -> None:
    figures = population_figures(_totals(buyers_n=30, repeat_buyers_n=7), _answers(), RULES)
    shown = _figure(figures, "repeat_purchase_rate")
    assert Decimal(shown["low"]) < Decimal(shown["value"]) < Decimal(shown["high"])
    assert Decimal(shown["value"]) == round(Decimal(7) / 30, 6)
