"""The interactions of one chunk of customers: visits, reading, service contacts, complaints."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dagster_project.sample.arrow_columns import decimals, ids, times, where_known, words
from dagster_project.sample.chance import choose, draw_days, draw_times
from dagster_project.sample.deliveries import Ints, Span
from dagster_project.sample.people import FIRST_ID, MEAN_ACTIVE_SHARE, NORMAL_DAYS, People

TYPES = ("visit", "read", "watch", "like", "comment", "share", "review", "event_signup",
         "event_attended", "event_feedback", "referral", "service_contact", "complaint")
TYPE_SHARES = np.array([0.45, 0.13, 0.09, 0.10, 0.05, 0.035, 0.02, 0.02, 0.012, 0.006, 0.007,
                        0.08, 0.0])
# Median seconds of the types that last; 0: no duration.
TYPE_SECONDS = np.array([90, 150, 240, 0, 0, 0, 0, 0, 5400, 0, 0, 420, 600])
# Cost to serve in hundredths of the base currency; 0: none.
TYPE_COSTS = np.array([0, 0, 0, 0, 0, 0, 0, 0, 3500, 0, 0, 900, 2200])
READ, WATCH = TYPES.index("read"), TYPES.index("watch")
SERVICE_CONTACT, COMPLAINT = TYPES.index("service_contact"), TYPES.index("complaint")
CHANNELS = ("app", "web", "wechat", "store", "phone", "email")
CHANNEL_SHARES = np.array([0.38, 0.24, 0.28, 0.05, 0.03, 0.02])
SERVICE_SHARES = np.array([0.15, 0.10, 0.30, 0.05, 0.30, 0.10])

MEAN_INTERACTIONS = 20.0
LEAST_MEAN_INTERACTIONS = 2.0
# A number of an interaction holds the chunk and the number in it.
INTERACTIONS_A_CHUNK = 100_000_000


def interactions_table(
    rng: np.random.Generator, people: People, chunk: int, span: Span
) -> tuple[pa.Table, Ints]:
    """The rows of the interaction export of a chunk.

    Returns:
        The rows and the number of the delivery of each, ascending, shape (rows,).
    """
    person = np.repeat(np.arange(len(people.number)), _counts(rng, people, span))
    count = len(person)
    day = draw_days(rng, people.first_day[person], people.last_day[person], span)
    at = draw_times(rng, day, span)
    by_time = np.lexsort((person, at))
    person, day, at = person[by_time], day[by_time], at[by_time]
    type_ = choose(rng, TYPE_SHARES, count)
    # The discontented complain where others only ask.
    complains = rng.random(count) < np.minimum(
        0.7, 0.2 * np.exp(-0.7 * people.contentment[person])
    )
    type_[(type_ == SERVICE_CONTACT) & complains] = COMPLAINT
    is_service = type_ >= SERVICE_CONTACT
    channel = np.where(is_service, choose(rng, SERVICE_SHARES, count),
                       choose(rng, CHANNEL_SHARES, count))
    seconds = np.ceil(TYPE_SECONDS[type_] * np.exp(rng.normal(0.0, 0.8, count)))
    completion = np.rint(rng.beta(2.0, 1.4, count) * 100).astype(np.int64)
    cost = np.rint(TYPE_COSTS[type_] * rng.uniform(0.7, 1.3, count)).astype(np.int64)
    number = FIRST_ID * 100 + chunk * INTERACTIONS_A_CHUNK + np.arange(count, dtype=np.int64)
    table = pa.table({
        "interaction_id": ids("I", number),
        "customer_id": people.customer_ids.take(pa.array(person)),
        "occurred_at": times(at),
        "channel": words(channel, CHANNELS),
        "type": words(type_, TYPES),
        "duration_seconds": where_known(pa.array(seconds.astype(np.int64)), seconds > 0),
        "completion": decimals(completion, 2, (type_ == READ) | (type_ == WATCH)),
        "cost": decimals(cost, 2, cost > 0),
    })
    return table, span.delivery_of_day[day]


def _counts(rng: np.random.Generator, people: People, span: Span) -> Ints:
    """Interactions of each customer: some none, few very many."""
    mean = max(MEAN_INTERACTIONS * span.days / NORMAL_DAYS, LEAST_MEAN_INTERACTIONS)
    active_share = (people.last_day - people.first_day + 1) / span.days
    rate = rng.gamma(0.7, 1 / 0.7, len(active_share)) * np.exp(0.2 * people.contentment - 0.02)
    counts = rng.poisson(rate * mean * active_share / MEAN_ACTIVE_SHARE)
    # Even a sample of one customer has an interaction.
    counts[0] = max(counts[0], 1)
    return counts
