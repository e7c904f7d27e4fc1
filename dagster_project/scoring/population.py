"""Figures of populations: NPS, CSAT, CES, repeat purchases, retention, revenue, margin.

Here belong the figures of many customers, their intervals, and which of them are too few to be
shown. What one customer answered or bought is a score (`score.py`); which customers make a
segment, and how they are counted, stands in `segments.py`.

Every figure is made of counts by segment, so neither the order of customers nor that of batches
matters. Money comes and goes as text: it is exact and is not computed with here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from dagster_project.configuration import PopulationFigures

SEGMENT = ["segment_kind", "segment"]
# Counts and sums of everyone in a segment: they stand as they are, however few there are.
TOTALS = ("customers", "net_revenue", "margin")
SHARES = ("csat_top_box", "ces_easy", "repeat_purchase_rate", "retention")
FIGURES = ("nps", "csat_top_box", "ces_mean", "ces_easy", "repeat_purchase_rate", "retention",
           *TOTALS)
MEASURES = ["value", "standard_error", "low", "high"]
COLUMNS = [*SEGMENT, "figure", "n", "status", *MEASURES]

CONFIDENCE = 0.95
Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
DECIMALS = 6
PROMOTER_FROM, DETRACTOR_TO = 9, 6
# Boxes that count as satisfied, by the last number of points of a scale that they hold for.
TOP_BOXES = ((3, 1), (7, 2), (11, 3))
# On a longer scale, or one without points, the upper fifth.
TOP_SHARE = 0.8
# Answers have four decimals; whole ten-thousandths compare exactly where 0.1 + 0.2 would not.
PARTS = 10_000
BISECTIONS = 60

Numbers = npt.NDArray[np.float64]
Counts = npt.ArrayLike


@dataclass(frozen=True)
class Estimate:
    """A figure of a sample with its 95 % interval; arrays of one length, NaN where n is 0.

    Attributes:
        value: the figure.
        standard_error: square root of its estimated variance.
        low, high: ends of the interval, which holds the value.
    """

    value: Numbers
    standard_error: Numbers
    low: Numbers
    high: Numbers


def nps(promoters: Counts, detractors: Counts, answers: Counts) -> Estimate:
    """Net promoter score in points, -100 to 100, by counts of answers.

    The standard error is that of measures.md, the root of [p + d - (p - d)^2]/n. The interval is
    not value -+ 1.96 standard errors: at 100 answers that covers 93 % where 90 % are promoters,
    and has no width where all are. It is the score interval: every true figure that the answers
    do not contradict, its variance taken under that figure (Tango 1998, Statistics in Medicine
    17:891; found best for NPS by Rocks 2016, The American Statistician 70:365).

    Args:
        promoters: answers of 9 and 10.
        detractors: answers of 0 to 6.
        answers: all answers.
    """
    up, down, n = (np.asarray(counts, dtype=float) for counts in (promoters, detractors, answers))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (up - down) / n
        variance = ((up + down) / n - value**2) / n
        low, high = _lowest_net_share(up, down, n), -_lowest_net_share(down, up, n)
    return Estimate(*(100 * part for part in (value, np.sqrt(variance), low, high)))


def _lowest_net_share(up: Numbers, down: Numbers, n: Numbers) -> Numbers:
    """The smallest share of promoters less detractors that the counts do not contradict.

    Found by halving the stretch from -1 to the value; at the value itself they never do.
    """
    outside, inside = np.full_like(n, -1.0), (up - down) / n
    for _ in range(BISECTIONS):
        middle = (outside + inside) / 2
        # The likeliest share of detractors if the net share were `middle`.
        half = down + up - (2 * n - up + down) * middle
        root = np.sqrt(np.maximum(half**2 + 8 * n * down * middle * (1 - middle), 0))
        fewest = (root + half) / (4 * n)
        variance = np.maximum(n * (2 * fewest + middle * (1 - middle)), 0)
        fits = up - down - n * middle <= Z * np.sqrt(variance)
        outside, inside = np.where(fits, outside, middle), np.where(fits, middle, inside)
    return inside


def share(successes: Counts, n: Counts) -> Estimate:
    """A share, 0-1, with its Wilson interval (Wilson 1927, JASA 22:209).

    Args:
        successes: customers for whom it holds.
        n: customers it is asked of.
    """
    hits, all_n = (np.asarray(counts, dtype=float) for counts in (successes, n))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = hits / all_n
        variance = value * (1 - value) / all_n
        centre = (hits + Z**2 / 2) / (all_n + Z**2)
        half = Z * all_n / (all_n + Z**2) * np.sqrt(variance + Z**2 / (4 * all_n**2))
    # By formula the ends of nobody and of all are 0 and 1; rounding may miss them.
    low = np.where(hits == 0, 0 * value, np.minimum(centre - half, value))
    high = np.where(hits == all_n, value, np.maximum(centre + half, value))
    return Estimate(value, np.sqrt(variance), low, high)


def mean_of_answers(total: Counts, squares: Counts, n: Counts) -> Estimate:
    """A mean of answers of 0-100, with Student's interval cut to the scale.

    Args:
        total: sum of the answers.
        squares: sum of the squared distances from the mean.
        n: answers; one alone has no interval.
    """
    sums, spread, all_n = (np.asarray(part, dtype=float) for part in (total, squares, n))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = sums / all_n
        error = np.sqrt(spread / (all_n - 1) / all_n)
        half = stats.t.ppf((1 + CONFIDENCE) / 2, all_n - 1) * error
    return Estimate(value, error, np.maximum(value - half, 0), np.minimum(value + half, 100))


def judged_answers(answers: pd.DataFrame) -> pd.DataFrame:
    """What answers count as, each on the scale it was given on.

    Args:
        answers: instrument, score, scale_min, scale_max, direction.

    Returns:
        `answers` with answer_score (0-100, 100 the best), is_promoter, is_detractor,
        is_on_nps_scale, is_top_box, is_easy.
    """
    score, low, high = (
        np.rint(answers[name].to_numpy(dtype=float) * PARTS).astype(np.int64)
        for name in ("score", "scale_min", "scale_max"))
    is_mirrored = (answers["direction"] == "lower_is_better").to_numpy()
    # Counted from the worst answer, so that a mirrored scale is read like any other.
    steps = np.where(is_mirrored, high - score, score - low)
    length = high - low
    points = np.where(length % PARTS == 0, length // PARTS + 1, TOP_BOXES[-1][0] + 1)
    boxes = np.select([points <= last for last, _ in TOP_BOXES],
                      [np.full_like(points, top) for _, top in TOP_BOXES], default=0)
    # Longer scales are cut at a share of their length, in whole parts again.
    top_from = np.where(boxes > 0, length - (boxes - 1) * PARTS,
                        np.ceil(length * TOP_SHARE).astype(np.int64))
    # 0-10 and 1-10 alike: nine and ten, and up to six.
    rating = steps + np.where(is_mirrored, 10 * PARTS - length, low)
    return answers.assign(
        answer_score=(steps * 100 * PARTS * 2 + length) // (2 * length) / PARTS,
        is_on_nps_scale=(high == 10 * PARTS) & np.isin(low, (0, PARTS)),
        is_promoter=rating >= PROMOTER_FROM * PARTS,
        is_detractor=rating <= DETRACTOR_TO * PARTS,
        is_top_box=steps >= top_from,
        is_easy=2 * steps > length,
    )


def population_figures(totals: pd.DataFrame, answers: pd.DataFrame,
                       rules: PopulationFigures) -> pd.DataFrame:
    """Every figure of every segment.

    Args:
        totals: one row a segment: segment_kind, segment, customers_n, buyers_n, repeat_buyers_n,
            previous_buyers_n, kept_buyers_n, revenue_n, margin_n (counts of customers) and
            net_revenue, margin (text, None where nobody's is known).
        answers: one row a segment and kind of answer: segment_kind, segment, instrument, score,
            scale_min, scale_max, direction, answers_n.
        rules: from how many customers on a figure is shown.

    Returns:
        COLUMNS, sorted by segment_kind, segment and figure; value, standard_error, low and high
        as text with at most six decimals, None where there is none.
    """
    segments = totals[SEGMENT].sort_values(SEGMENT).reset_index(drop=True)
    counts = segments.merge(totals, on=SEGMENT, validate="1:1")
    estimated = pd.concat([
        _estimated(segments, "repeat_purchase_rate", counts["buyers_n"],
                   share(counts["repeat_buyers_n"], counts["buyers_n"])),
        _estimated(segments, "retention", counts["previous_buyers_n"],
                   share(counts["kept_buyers_n"], counts["previous_buyers_n"])),
        *_answer_figures(segments, answers),
    ], ignore_index=True)
    summed = pd.concat([
        _summed(segments, "customers", counts["customers_n"], counts["customers_n"].astype(str)),
        _summed(segments, "net_revenue", counts["revenue_n"], counts["net_revenue"]),
        _summed(segments, "margin", counts["margin_n"], counts["margin"]),
    ], ignore_index=True)
    shown = pd.concat([_as_shown(estimated, rules), summed], ignore_index=True)
    return shown[COLUMNS].sort_values([*SEGMENT, "figure"], ignore_index=True)


def _answer_figures(segments: pd.DataFrame, answers: pd.DataFrame) -> list[pd.DataFrame]:
    """NPS, CSAT top box, CES mean and share of easy, a row a segment each."""
    judged = judged_answers(answers)
    n = judged["answers_n"].astype(np.int64)
    # Sorted, so that a sum of squares is the same in whatever order the rows came.
    judged = judged.assign(
        promoters=n * judged["is_promoter"], detractors=n * judged["is_detractor"],
        top=n * judged["is_top_box"], easy=n * judged["is_easy"],
        total=n * np.rint(judged["answer_score"] * PARTS).astype(np.int64),
    ).sort_values([*SEGMENT, "instrument", "answer_score", "answers_n"])
    sums = ["answers_n", "promoters", "detractors", "top", "easy", "total"]

    def of(chosen: pd.DataFrame) -> pd.DataFrame:
        grouped = chosen.groupby(SEGMENT)[sums].sum().reset_index()
        return segments.merge(grouped, on=SEGMENT, how="left").fillna(dict.fromkeys(sums, 0))

    nps_of = of(judged[(judged["instrument"] == "nps") & judged["is_on_nps_scale"]])
    csat = of(judged[judged["instrument"] == "csat"])
    eases = judged[judged["instrument"] == "ces"]
    ces = of(eases)
    centred = eases.merge(ces[[*SEGMENT, "total", "answers_n"]], on=SEGMENT,
                          suffixes=("", "_all"))
    mean = centred["total_all"] / centred["answers_n_all"] / PARTS
    spread = (centred.assign(
        squares=centred["answers_n"] * (centred["answer_score"] - mean) ** 2)
        .groupby(SEGMENT)["squares"].sum().reset_index())
    squares = segments.merge(spread, on=SEGMENT, how="left")["squares"].fillna(0)
    return [
        _estimated(segments, "nps", nps_of["answers_n"],
                   nps(nps_of["promoters"], nps_of["detractors"], nps_of["answers_n"])),
        _estimated(segments, "csat_top_box", csat["answers_n"],
                   share(csat["top"], csat["answers_n"])),
        _estimated(segments, "ces_mean", ces["answers_n"],
                   mean_of_answers(ces["total"] / PARTS, squares, ces["answers_n"])),
        _estimated(segments, "ces_easy", ces["answers_n"],
                   share(ces["easy"], ces["answers_n"])),
    ]


def _estimated(segments: pd.DataFrame, figure: str, n: pd.Series,
               estimate: Estimate) -> pd.DataFrame:
    return segments.assign(figure=figure, n=n.astype(np.int64).to_numpy(),
                           value=estimate.value, standard_error=estimate.standard_error,
                           low=estimate.low, high=estimate.high)


def _summed(segments: pd.DataFrame, figure: str, n: pd.Series, value: pd.Series) -> pd.DataFrame:
    """A total: nothing is estimated, so there is no interval; of nobody there is no value."""
    is_known = n.to_numpy() > 0
    return segments.assign(
        figure=figure, n=n.to_numpy(), status=np.where(is_known, "ok", "suppressed"),
        value=np.where(is_known, value.astype(object), None),
        standard_error=None, low=None, high=None)


def _as_shown(figures: pd.DataFrame, rules: PopulationFigures) -> pd.DataFrame:
    """Estimates as text, rounded once, those of too few left out."""
    n = figures["n"]
    status = np.select([n < rules.minimum_n, n < rules.few_n], ["suppressed", "few"], "ok")
    shown = {
        name: [None if is_hidden else f"{number:.{DECIMALS}f}" for is_hidden, number in
               zip(status == "suppressed", figures[name], strict=True)]
        for name in MEASURES
    }
    return figures.assign(status=status, **shown)
