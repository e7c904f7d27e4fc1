"""The whole sample: chunks of customers, their files, the dirt, the manifest."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from dagster_project.sample.campaign import LEAST_DAYS, add_campaign
from dagster_project.sample.deliveries import CAMPAIGNS, KINDS, Span, span_of
from dagster_project.sample.dirt import Dirt, doses_of, late_rate_day
from dagster_project.sample.exchange import Currencies, currencies_of, rates_table
from dagster_project.sample.files import DeliveredFiles
from dagster_project.sample.interactions import interactions_table
from dagster_project.sample.manifest import Manifest
from dagster_project.sample.orders import (
    KEPT,
    draw_lines,
    draw_orders,
    orders_table,
    versions_of,
)
from dagster_project.sample.people import customers_table, draw_people, draw_shared_emails
from dagster_project.sample.surveys import surveys_table

# Fixed: a customer's history depends on the seed and the chunk, not on how many chunks follow.
CUSTOMERS_A_CHUNK = 20_000
# What one stream of random numbers is for.
PEOPLE, ORDERS, INTERACTIONS, SURVEYS, RATES, DIRT, CAMPAIGN = range(7)


def write_sample(
    landing: Path,
    manifest_path: Path,
    *,
    customers: int,
    days: int,
    end: date,
    seed: int,
    time_zone: str = "Asia/Shanghai",
    base_currency: str = "CNY",
    has_campaign: bool = False,
    report_progress: Callable[[str, float], None] | None = None,
) -> Manifest:
    """Write the exports of an invented shop into subfolders of `landing`, and their manifest.

    The same arguments give the same bytes. Over 730 days a customer has about 10 order lines
    and 20 interactions, over other spans in proportion, but never fewer than makes a living
    shop. Samples of at least 50 customers and 7 days hold a known dose of dirt (`dirt.py`).
    Files of the same name are replaced; other files are left alone. A file without rows is not
    delivered.

    Args:
        landing: folder of the exports; made if missing.
        manifest_path: JSON file that says what the exports hold; outside `landing`.
        customers: number of customers.
        days: number of business dates.
        end: last business date.
        seed: 0 or more.
        time_zone: zone of all local times and dates, as the sources must state it.
        base_currency: currency of most orders; rates are units of it.
        has_campaign: the first customers (20,000 at most) get a campaign with a control group and
            a known effect (`campaign.py`); the other rows are the same without it.
        report_progress: called with what is being done and the share done, 0-1.

    Returns:
        The manifest, as written.

    Raises:
        ValueError: an argument is out of its range.
    """
    _check(customers, days, end, seed, time_zone, base_currency)
    if has_campaign and days < LEAST_DAYS:
        raise ValueError(f"days is {days}; a sample with a campaign must have {LEAST_DAYS} or more")
    report = report_progress or _report_nothing
    span = span_of(days, end)
    manifest = Manifest(seed, customers, days, span.start.isoformat(), end.isoformat(),
                        time_zone, base_currency, superseded_rows={"orders": 0})
    files = DeliveredFiles(landing, span, (*KINDS, *([CAMPAIGNS] if has_campaign else [])))
    currencies = currencies_of(base_currency)
    chunks = -(-customers // CUSTOMERS_A_CHUNK)
    for chunk in range(chunks):
        report(f"customers {chunk * CUSTOMERS_A_CHUNK:,} of {customers:,}", chunk / chunks)
        count = min(CUSTOMERS_A_CHUNK, customers - chunk * CUSTOMERS_A_CHUNK)
        _write_chunk(files, manifest, currencies, span, chunk, count,
                     has_campaign=has_campaign and chunk == 0)
    report("rates, dirt and manifest", 0.99)
    _write_rates_and_dirt(files, manifest, currencies, span)
    manifest.add_totals()
    manifest.write(manifest_path)
    report("done", 1.0)
    return manifest


def _check(
    customers: int, days: int, end: date, seed: int, time_zone: str, base_currency: str
) -> None:
    """Refuse arguments out of their range, by name."""
    for name, value, least in (("customers", customers, 1), ("days", days, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name} is {value}; it must be {least} or more")
    if days > (end - date(1970, 1, 1)).days:
        raise ValueError(f"days is {days}; the span must not begin before 1970-01-02")
    if not re.fullmatch("[A-Z]{3}", base_currency):
        raise ValueError(
            f"base_currency is {base_currency!r}; it must be a three-letter ISO 4217 code"
        )
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"time_zone is {time_zone!r}; it must be a name such as Asia/Shanghai"
        ) from error


def _report_nothing(words: str, share: float) -> None:
    """Take the place of a progress report that nobody asked for."""


def _stream(seed: int, chunk: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, chunk, purpose])


def _write_chunk(
    files: DeliveredFiles,
    manifest: Manifest,
    currencies: Currencies,
    span: Span,
    chunk: int,
    count: int,
    *,
    has_campaign: bool,
) -> None:
    """Draw a chunk of customers with all they do, and append it to the files."""
    seed = manifest.seed
    rng = _stream(seed, chunk, PEOPLE)
    people = draw_people(rng, chunk * CUSTOMERS_A_CHUNK, count, span)
    shared_emails = draw_shared_emails(rng, people)
    table, delivery = customers_table(rng, people, shared_emails, span)
    files.append_table("customers", table, delivery)
    ids = people.customer_ids
    for left, right in shared_emails.tolist():
        manifest.shared_emails.append((ids[left].as_py(), ids[right].as_py()))

    rng = _stream(seed, chunk, ORDERS)
    orders = draw_orders(rng, people, chunk, span)
    lines = draw_lines(rng, orders, people, currencies)
    versions = versions_of(orders, span)
    table, delivery = orders_table(orders, lines, versions, people, currencies)
    files.append_table("orders", table, delivery)
    manifest.orders += len(orders.number)
    manifest.order_versions += len(versions.order)
    manifest.superseded_rows["orders"] += table.num_rows - len(lines.order)
    manifest.unattributed_orders += int(orders.is_guest.sum())
    manifest.zero_amount_orders += int(orders.is_gift.sum())

    rng = _stream(seed, chunk, INTERACTIONS)
    files.append_table("interactions", *interactions_table(rng, people, chunk, span))
    rng = _stream(seed, chunk, SURVEYS)
    files.append_table("surveys", *surveys_table(rng, orders, people, span))
    if has_campaign:
        first_day = np.full(count, span.days)
        counts = ~orders.is_guest & ~orders.is_gift & (orders.ending == KEPT)
        np.minimum.at(first_day, orders.person[counts], orders.placed_day[counts])
        add_campaign(_stream(seed, chunk, CAMPAIGN), files, manifest, people, first_day, span)


def _write_rates_and_dirt(
    files: DeliveredFiles, manifest: Manifest, currencies: Currencies, span: Span
) -> None:
    """Append the rates and the dirt, and give the files their names."""
    seed = manifest.seed
    doses = doses_of(manifest.customers, manifest.days)
    late_day = late_rate_day(span) if doses else None
    files.append_table("fx_rates",
                       *rates_table(_stream(seed, 0, RATES), currencies, span, late_day))
    dirt = Dirt(_stream(seed, 0, DIRT), files, span, currencies, manifest)
    if doses:
        dirt.add(doses)
    manifest.files = files.finish()
    if doses:
        dirt.resend()
