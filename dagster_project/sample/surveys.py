"""The survey answers of one chunk of customers: few answer, and seldom every question."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dagster_project.sample.arrow_columns import ids, times, words
from dagster_project.sample.chance import draw_times
from dagster_project.sample.deliveries import Ints, Span
from dagster_project.sample.orders import CANCEL, Orders
from dagster_project.sample.people import FIRST_ID, Floats, People

INSTRUMENTS = ("csat", "nps", "ces")
# A higher answer is better in all three; ces asks whether it was easy.
LOWEST = np.array([1, 0, 1])
HIGHEST = np.array([5, 10, 7])
MIDDLE = np.array([3.9, 7.6, 5.2])
SWING = np.array([0.7, 1.6, 0.9])
NOISE = np.array([0.6, 1.4, 0.9])
ASKED = np.array([0.90, 0.60, 0.40])
RESPONSE_SHARE = 0.05
SECONDS_TO_ANSWER = 1800
COMMENTS = (
    None,
    "很满意。下次再来",
    "Fast delivery, well packed",
    "一般。包装可以更好",
    "Good, but the box was \"crushed\"",
    "客服回复太慢。不满意",
)


def surveys_table(
    rng: np.random.Generator, orders: Orders, people: People, span: Span
) -> tuple[pa.Table, Ints]:
    """The rows of the survey export of a chunk: one per response and instrument.

    Returns:
        The rows and the number of the delivery of each, ascending, shape (rows,).
    """
    answers = rng.random(len(orders.number)) < RESPONSE_SHARE
    answers &= ~orders.is_guest & (orders.ending != CANCEL)
    day = orders.placed_day + rng.integers(1, 9, len(answers))
    answers &= day < span.days
    # Even a sample of one customer has an answer, on the day of the order if need be.
    answers[0], day[0] = True, min(day[0], span.days - 1)
    response = np.flatnonzero(answers)
    asked = rng.random((len(response), len(INSTRUMENTS))) < ASKED
    asked[~asked.any(axis=1), 0] = True
    row, instrument = np.nonzero(asked)
    order = response[row]
    score = _scores(rng, people.contentment[orders.person[order]], instrument)
    comment = _comments(rng, score, instrument)
    at = np.maximum(draw_times(rng, day[response], span),
                    orders.placed_at[response] + SECONDS_TO_ANSWER)[row]
    delivery = span.delivery_of_day[day[order]]
    by_delivery = np.lexsort((instrument, order, at, delivery))
    order, instrument, at = order[by_delivery], instrument[by_delivery], at[by_delivery]
    table = pa.table({
        "response_id": ids("R", FIRST_ID * 10 + orders.number[order]),
        "customer_id": people.customer_ids.take(pa.array(orders.person[order])),
        "responded_at": times(at),
        "instrument": words(instrument, INSTRUMENTS),
        "score": pa.array(score[by_delivery]),
        "scale_min": pa.array(LOWEST[instrument]),
        "scale_max": pa.array(HIGHEST[instrument]),
        "direction": words(np.zeros(len(order), dtype=np.int64), ("higher_is_better",)),
        "comment": words(comment[by_delivery], COMMENTS),
    })
    return table, delivery[by_delivery]


def _scores(rng: np.random.Generator, contentment: Floats, instrument: Ints) -> Ints:
    """Answers on their scales, around a middle that moves with contentment."""
    answer = (
        MIDDLE[instrument]
        + SWING[instrument] * contentment
        + NOISE[instrument] * rng.standard_normal(len(contentment))
    )
    return np.clip(np.rint(answer), LOWEST[instrument], HIGHEST[instrument]).astype(np.int64)


def _comments(rng: np.random.Generator, score: Ints, instrument: Ints) -> Ints:
    """Index into COMMENTS: one answer in four has a text that fits it."""
    height = (score - LOWEST[instrument]) / (HIGHEST[instrument] - LOWEST[instrument])
    mood = np.where(height >= 0.75, 1, np.where(height >= 0.4, 3, 5))
    choice = np.where(mood < 5, mood + rng.integers(0, 2, len(score)), mood)
    return np.where(rng.random(len(score)) < 0.25, choice, 0)
