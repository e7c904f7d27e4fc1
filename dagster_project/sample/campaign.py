"""A campaign with a control group and a known true effect, where a sample is asked for one.

Whoever is treated buys once more within the window with a known chance, whatever else they buy;
nothing else changes. So the share of treated buyers who buy in the window lies above that of the
control group by the chance x the share of them who would not have bought anyway.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from dagster_project.sample.chance import draw_times
from dagster_project.sample.deliveries import CAMPAIGNS, HEADERS, Ints, Span
from dagster_project.sample.files import DeliveredFiles
from dagster_project.sample.manifest import CampaignTruth, Manifest
from dagster_project.sample.people import FIRST_ID, People

CAMPAIGN_ID = "WINBACK"
# The last window ends with the sample.
WINDOW_DAYS = 30
LEAST_DAYS = 2 * WINDOW_DAYS
CONTROL_SHARE = 0.5
EXTRA_PURCHASE_CHANCE = 0.3
PRICE = 100
# Above every number that chunks and dirt give out.
FIRST_ORDER = 95_000_000_000


def add_campaign(rng: np.random.Generator, files: DeliveredFiles, manifest: Manifest,
                 people: People, first_purchase_day: Ints, span: Span) -> None:
    """Append the campaign, and the orders that it brings, to the files.

    Args:
        rng: for this alone, so that the rest of the sample is the same with it and without.
        files: the sample's; not finished.
        manifest: gets the campaign and its orders.
        people: those among whom the groups are drawn.
        first_purchase_day: of each of them, shape (customers,); span.days for none.
        span: at least LEAST_DAYS long.
    """
    treated_day = span.days - WINDOW_DAYS
    members = np.flatnonzero(first_purchase_day < treated_day)
    is_control = rng.random(len(members)) < CONTROL_SHARE
    treated = members[~is_control]
    ids = people.customer_ids.to_pylist()
    at = f"{span.date_of(treated_day)} 09:00:00"
    files.append_rows(CAMPAIGNS, int(span.delivery_of_day[treated_day]), (
        (CAMPAIGN_ID, ids[member], "control" if is_apart else "treated", at)
        for member, is_apart in zip(members, is_control, strict=True)))
    buys = treated[rng.random(len(treated)) < EXTRA_PURCHASE_CHANCE]
    day = rng.integers(treated_day, span.days, len(buys))
    for number, (member, placed, second) in enumerate(zip(
            buys, day, draw_times(rng, day, span), strict=True)):
        row = _order(FIRST_ID * 10 + FIRST_ORDER + number, ids[member], int(second),
                     manifest.base_currency)
        files.append_rows("orders", int(span.delivery_of_day[placed]),
                          [[row.get(name, "") for name in HEADERS["orders"]]])
    manifest.orders += len(buys)
    manifest.order_versions += len(buys)
    manifest.superseded_rows.setdefault(CAMPAIGNS, 0)
    manifest.campaign = CampaignTruth(
        CAMPAIGN_ID, span.date_of(treated_day).isoformat(), WINDOW_DAYS, len(treated),
        int(is_control.sum()), EXTRA_PURCHASE_CHANCE, len(buys))


def _order(number: int, customer_id: str, second: int, currency: str) -> dict[str, str]:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    text = f"{at:%Y-%m-%d %H:%M:%S}"
    return {"order_id": f"O{number}", "line_id": "1", "customer_id": customer_id,
            "ordered_at": text, "status": "completed", "quantity": "1",
            "unit_price": f"{PRICE}.00", "discount": "0.00", "refund": "0.00", "updated_at": text,
            "shipping": "0.00", "tax": "6.00", "cost": "50.00", "currency": currency,
            "product_id": "P1000", "product_category": "fashion", "channel": "web"}
