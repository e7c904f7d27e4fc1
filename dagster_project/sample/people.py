"""The invented customers of one chunk: who they are, how active, how content; their export.

What they do follows from these in `orders.py`, `interactions.py` and `surveys.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from dagster_project.sample.arrow_columns import dates, ids, times, where_known, words
from dagster_project.sample.chance import choose, draw_times
from dagster_project.sample.deliveries import Ints, Span

Floats = NDArray[np.float64]

CUSTOMER_TYPES = ("person", "company", "staff")
TYPE_SHARES = np.array([0.94, 0.05, 0.01])
PERSON, COMPANY, STAFF = range(3)
CITIES = ("上海", "杭州", "南京", "广州", "深圳", "北京", "天津", "成都", "重庆", "武汉")
REGIONS = ("East", "East", "East", "South", "South", "North", "North", "West", "West", "Central")
SURNAMES = tuple("王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗")
GIVEN_NAMES = ("伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "勇", "艳", "杰", "娟", "涛",
               "明", "超", "秀英", "桂英", "子涵", "一诺")
GENDERS = ("female", "male", None)

# Ids begin here, so that all of a kind have one length.
FIRST_ID = 1_000_000_000

NORMAL_DAYS = 730
BUYER_SHARE = 0.85
LEAST_BUYER_SHARE = 0.30
# Upper 40 % of a standard normal: those who buy again.
REPEAT_BOUND = 0.2533
# Orders beyond the second of those who buy again, over the normal days, before contentment
# (which they have more of) raises it by a quarter.
MEAN_EXTRA_ORDERS = 9.0
# Mean share of the span in which a customer is active, under the rules of `_activity`; keeps the
# mean number of events where the constants above put it.
MEAN_ACTIVE_SHARE = 0.58


@dataclass(frozen=True)
class People:
    """Customers, one per array element; days count from the first of the span.

    Attributes:
        number: number of the customer over all chunks.
        type: index into CUSTOMER_TYPES.
        account: account number of a company; -1 for others.
        signup_day: day of registration, negative before the span.
        first_day, last_day: days between which the customer is active, inclusive.
        contentment: standard normal; drives repeat purchases, answers and complaints.
        spend_level: log of the factor on prices.
        orders_n: orders within the span.
        city: index into CITIES.
        moved_day: day on which the city changes; -1 for never.
    """

    number: Ints
    type: Ints
    account: Ints
    signup_day: Ints
    first_day: Ints
    last_day: Ints
    contentment: Floats
    spend_level: Floats
    orders_n: Ints
    city: Ints
    moved_day: Ints

    @property
    def customer_ids(self) -> pa.Array:
        """Ids as the shop writes them, shape (customers,)."""
        return customer_ids(self.number)


def customer_ids(numbers: Ints) -> pa.Array:
    """Customer ids of customer numbers."""
    return ids("C", FIRST_ID + numbers)


def draw_people(rng: np.random.Generator, first_number: int, count: int, span: Span) -> People:
    """Draw `count` customers numbered from `first_number`."""
    number = first_number + np.arange(count, dtype=np.int64)
    type_ = choose(rng, TYPE_SHARES, count)
    contentment = rng.standard_normal(count)
    signup, first, last = _activity(rng, count, contentment, span.days)
    city = np.minimum(rng.geometric(0.2, count) - 1, len(CITIES) - 1)
    moves = rng.random(count) < 0.03
    moved = rng.integers(0, span.days, count)
    return People(
        number=number,
        type=type_,
        # Sixty neighbours hold about three companies, which share an account.
        account=np.where(type_ == COMPANY, number // 60, -1),
        signup_day=signup,
        first_day=first,
        last_day=last,
        contentment=contentment,
        spend_level=rng.normal(0.0, 0.6, count) + np.where(type_ == COMPANY, 0.8, 0.0),
        orders_n=_order_counts(rng, contentment, (last - first + 1) / span.days, span.days),
        city=city,
        moved_day=np.where(moves & (moved > signup), moved, -1),
    )


def _activity(
    rng: np.random.Generator, count: int, contentment: Floats, days: int
) -> tuple[Ints, Ints, Ints]:
    """Day of registration, first and last active day: some were there before, some leave."""
    before = -rng.integers(1, 1096, count)
    within = rng.integers(0, days, count)
    signup = np.where(rng.random(count) < 0.55, before, within)
    first = np.maximum(signup, 0)
    leaves = 0.8 * rng.standard_normal(count) > 0.6 * contentment
    stays_days = np.floor(rng.random(count) * (days - first)).astype(np.int64)
    last = np.where(leaves, first + stays_days, days - 1)
    return signup, first, last


def _order_counts(
    rng: np.random.Generator, contentment: Floats, active_share: Floats, days: int
) -> Ints:
    """Orders of each customer: none, one (60 % of the buyers), or two and a heavy tail."""
    count = len(contentment)
    mean_extra = MEAN_EXTRA_ORDERS * days / NORMAL_DAYS
    mean_of_buyers = 0.6 + 0.4 * (2 + mean_extra)
    # A short span has fewer buyers, but a living shop however short it is.
    wanted = BUYER_SHARE * (0.6 + 0.4 * (2 + MEAN_EXTRA_ORDERS)) * days / NORMAL_DAYS
    buyer_share = np.clip(wanted / mean_of_buyers, LEAST_BUYER_SHARE, BUYER_SHARE)
    is_buyer = rng.random(count) < buyer_share
    # Even a sample of one customer has an order.
    is_buyer[0] = True
    buys_again = 0.5 * contentment + 0.866 * rng.standard_normal(count) > REPEAT_BOUND
    rate = rng.gamma(0.8, 1 / 0.8, count) * np.exp(0.3 * contentment - 0.045)
    extra = rng.poisson(rate * mean_extra * active_share / MEAN_ACTIVE_SHARE)
    return np.where(is_buyer, np.where(buys_again, 2 + extra, 1), 0)


def draw_shared_emails(rng: np.random.Generator, people: People) -> Ints:
    """Pairs of persons with one e-mail address: about one customer in 500, one pair at least.

    Returns:
        Positions in `people`, shape (pairs, 2); no position occurs twice.
    """
    persons = np.flatnonzero(people.type == PERSON)
    pairs = min(max(1, len(people.number) // 1000), len(persons) // 2)
    return rng.choice(persons, (pairs, 2), replace=False)


def customers_table(
    rng: np.random.Generator, people: People, shared_emails: Ints, span: Span
) -> tuple[pa.Table, Ints]:
    """The rows of the customer export: one per customer, one more for those who moved.

    Who registered before the span is in the first delivery.

    Returns:
        The rows and the number of the delivery of each, ascending, shape (rows,).
    """
    count = len(people.number)
    details = _details(rng, people, shared_emails, span)
    moved = np.flatnonzero(people.moved_day >= 0)
    row = np.concatenate([np.arange(count), moved])
    valid_day = np.concatenate([people.signup_day, people.moved_day[moved]])
    city = np.concatenate([people.city, (people.city[moved] + 1) % len(CITIES)])
    delivery = span.delivery_of_day[np.maximum(valid_day, 0)]
    order = np.lexsort((valid_day, delivery))
    row, valid_day, city = row[order], valid_day[order], city[order]
    versions = details.take(pa.array(row))
    table = pa.table({
        "customer_id": versions["customer_id"],
        "valid_from": dates(span.start_epoch_day + valid_day),
        "name": versions["name"],
        "email": versions["email"],
        "phone": versions["phone"],
        "customer_type": versions["customer_type"],
        "account_id": versions["account_id"],
        "region": words(city, REGIONS),
        "city": words(city, CITIES),
        "gender": versions["gender"],
        "birth_year": versions["birth_year"],
        "signed_up_at": versions["signed_up_at"],
    })
    return table, delivery[order]


def _details(
    rng: np.random.Generator, people: People, shared_emails: Ints, span: Span
) -> pa.Table:
    """What of a customer does not change, one row per customer."""
    count = len(people.number)
    is_company = people.type == COMPANY
    surname = rng.integers(0, len(SURNAMES), count)
    given = rng.integers(0, len(GIVEN_NAMES), count)
    person_name = pa.compute.binary_join_element_wise(
        words(surname, SURNAMES), words(given, GIVEN_NAMES), ""
    )
    company_name = pa.compute.binary_join_element_wise(
        "Trading House ", pa.array(people.account).cast(pa.string()), ", Ltd.", ""
    )
    # example.com and this dialling code belong to nobody.
    email_number = people.number.copy()
    email_number[shared_emails[:, 1]] = people.number[shared_emails[:, 0]]
    has_email = rng.random(count) < 0.9
    has_email[shared_emails] = True
    email = pa.compute.binary_join_element_wise(ids("buyer", email_number), "example.com", "@")
    return pa.table({
        "customer_id": people.customer_ids,
        "name": pa.compute.if_else(pa.array(is_company), company_name, person_name),
        "email": where_known(email, has_email),
        "phone": where_known(ids("+999", FIRST_ID + people.number), rng.random(count) < 0.7),
        "customer_type": words(people.type, CUSTOMER_TYPES),
        "account_id": where_known(ids("A", people.account), is_company),
        "gender": words(np.where(is_company, 2, rng.integers(0, 3, count)), GENDERS),
        "birth_year": where_known(
            pa.array(np.clip(rng.normal(1988, 12, count), 1940, 2008).astype(np.int64)),
            ~is_company & (rng.random(count) < 0.8),
        ),
        "signed_up_at": times(draw_times(rng, people.signup_day, span)),
    })
