"""Control groups for the next campaign: who is kept apart, how many that must be, and the file.

Who is in the control group follows from the campaign's name and the customer's key alone, by a
keyed hash: no order and no other customer has a say, and a larger share keeps all of a smaller one.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dagster_project.engine.questions import read_rows
from dagster_project.feedback.sample_size import detectable_effect, power
from dagster_project.ingest.canonical import CAMPAIGNS
from dagster_project.refusals import WrongInput
from dagster_project.settings import Home

# Half of a quadrant is kept apart at most; no other share tells more.
LARGEST_PERCENT = 50
DEFAULT_EFFECT = 0.05
# A cell that begins so is taken for a formula by spreadsheets. Prefixed it would be another id.
FORMULA_SIGNS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
_HASH_BYTES = 8
_NOON = 12


class HoldoutError(WrongInput):
    """No control group can be drawn as it was asked for: what is wrong and what to do."""


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        campaign_id: as it will stand in the export.
        quadrants: whose customers are drawn; empty: those of all quadrants.
        effect: by how much the campaign should raise the share that buys again; None: unstated.
        power: chance with which that effect is to be seen.
        share: of each quadrant that is kept apart; None: as small as the effect allows.
        treated_on: business date of the treatment; None: the day after the publication's date.
        source: of campaigns that will read the file; empty: whichever, if their ids are the same.
    """

    campaign_id: str
    quadrants: tuple[str, ...] = ()
    effect: float | None = None
    power: float = 0.8
    share: float | None = None
    treated_on: date | None = None
    source: str = ""


@dataclass(frozen=True)
class Customer:
    """One customer of a quadrant; `is_buyer`: it can be asked whether they buy again."""

    customer_key: str
    customer_id: str
    is_buyer: bool


@dataclass(frozen=True)
class Group:
    """The draw of one quadrant.

    Attributes:
        base_rate: share of those who had bought before the last window and bought in it; None:
            nobody had.
        share: of the customers that was asked to be kept apart.
        treated, control: the customers, by key.
        power: with which the wished effect is seen; None: no effect was stated.
        smallest_effect: that is seen with the wished power; None: none is.
    """

    quadrant: str
    base_rate: float | None
    share: float
    treated: tuple[Customer, ...]
    control: tuple[Customer, ...]
    power: float | None
    smallest_effect: float | None


@dataclass(frozen=True)
class Holdout:
    """Control groups of one campaign.

    Attributes:
        rated_on: date of the quadrants by which base rates are; None: no night as old as the
            window was published, and they are those of today.
        without_id_n: customers left out because no id of theirs can stand in the file.
        time_zone: of business dates, `treated_on` among them.
    """

    campaign_id: str
    as_of_date: date
    treated_on: date
    window_days: int
    groups: tuple[Group, ...]
    rated_on: date | None
    without_id_n: int
    time_zone: str


def place_of(secret: bytes, campaign_id: str, customer_key: str) -> float:
    """Place of a customer in the draw of a campaign, 0 <= place < 1; below the share: control."""
    text = f"holdout\0{campaign_id}\0{customer_key}".encode()
    digest = hmac.new(secret, text, hashlib.sha256).digest()[:_HASH_BYTES]
    return int.from_bytes(digest, "big") / 256**_HASH_BYTES


def draw_group(quadrant: str, customers: Sequence[Customer], base_rate: float | None, wish: Wish,
               place: Callable[[str], float]) -> Group:
    """Draw one quadrant.

    Without a stated share, the smallest whole percent whose draw shows the wished effect.

    Raises:
        HoldoutError: no share, or not the stated one, shows the effect.
    """
    if wish.share is None and base_rate is None:
        raise HoldoutError(
            f"{quadrant}: nobody in it had bought before the last window, so there is no rate to "
            f"size a control group by; leave the quadrant out, or state --share without --effect")
    if wish.effect is not None and base_rate is not None and base_rate + wish.effect > 1:
        raise HoldoutError(
            f"{quadrant}: {base_rate:.1%} buy again as it is, so --effect {wish.effect} cannot be; "
            f"it is an addition to the share, 0.05 for five points")
    percents = ([100 * wish.share] if wish.share is not None
                else [float(percent) for percent in range(1, LARGEST_PERCENT + 1)])
    places = {customer.customer_key: place(customer.customer_key) for customer in customers}
    best = None
    for percent in percents:
        group = _drawn(quadrant, customers, places, percent / 100, base_rate, wish)
        if group.power is None or group.power >= wish.power:
            return group
        if best is None or (group.power or 0) > (best.power or 0):
            best = group
    assert best is not None, "there is a percent to try"
    smallest = ("no effect at all would be" if best.smallest_effect is None
                else f"the smallest effect that would be is {best.smallest_effect:.3f}")
    raise HoldoutError(
        f"{quadrant}: an effect of {wish.effect} cannot be seen with power {wish.power} among "
        f"{len(customers):,} customers of whom {base_rate:.1%} buy again: with {best.share:.0%} "
        f"kept apart the power is {best.power:.2f}, {smallest}; wish a larger --effect, a smaller "
        f"--power" + (", a larger --share" if wish.share is not None else "")
        + ", or leave the quadrant out")


def _drawn(quadrant: str, customers: Sequence[Customer], places: dict[str, float], share: float,
           base_rate: float | None, wish: Wish) -> Group:
    ordered = sorted(customers, key=lambda customer: customer.customer_key)
    control = tuple(one for one in ordered if places[one.customer_key] < share)
    treated = tuple(one for one in ordered if places[one.customer_key] >= share)
    # Whether they buy again can be asked of buyers alone.
    treated_n, control_n = (sum(one.is_buyer for one in group) for group in (treated, control))
    return Group(
        quadrant, base_rate, share, treated, control,
        power=None if wish.effect is None or base_rate is None
        else power(base_rate, wish.effect, treated_n, control_n),
        smallest_effect=None if base_rate is None
        else detectable_effect(base_rate, wish.power, treated_n, control_n))


def draw_holdout(home: Home, wish: Wish) -> Holdout:
    """Draw the control groups of a campaign from the current publication.

    Raises:
        HoldoutError: nothing is published, a quadrant or source is unknown, which source is meant
            is not, a quadrant is empty, a number is out of
            its range, the treatment is not after the publication's date, or the effect is not to
            be seen.
    """
    _require_sense(wish)
    if not home.stores.publication.exists():
        raise HoldoutError("nothing was published yet; run a night first: crm-value run")
    known = [row["quadrant"] for row in read_rows(
        home.stores, home.stores.publication, "select quadrant from strategies order by position")]
    for quadrant in wish.quadrants:
        if quadrant not in known:
            raise HoldoutError(f"--quadrant {quadrant}: there is no such quadrant; there are "
                               f"{', '.join(known)}")
    [publication] = read_rows(home.stores, home.stores.publication,
                              "select as_of_date from publication where is_current")
    as_of: date = publication["as_of_date"]
    window_days = home.configuration.campaigns.window_days
    [rated] = read_rows(home.stores, home.stores.publication,
                        "select max(as_of_date) as rated_on from publication where as_of_date <= ?",
                        [as_of - timedelta(days=window_days)])
    rated_on: date | None = rated["rated_on"]
    by_quadrant, rates, without_id_n = _published(
        home, as_of, window_days, rated_on, _id_space(home, wish.source))
    treated_on = wish.treated_on or as_of + timedelta(days=1)
    if treated_on <= as_of:
        raise HoldoutError(
            f"--treated-on {treated_on}: the customers are those of {as_of}, so that what they "
            f"did since the treatment would choose their group; state a later date, and draw "
            f"before a treatment, not after it")
    groups, faults = [], []
    for quadrant in wish.quadrants or [name for name in known if name in by_quadrant]:
        customers = by_quadrant.get(quadrant, [])
        try:
            if not customers:
                raise HoldoutError(f"{quadrant}: no customer is in it; leave it out")
            groups.append(draw_group(
                quadrant, customers, rates.get(quadrant), wish,
                lambda key: place_of(home.secret, wish.campaign_id, key)))
        except HoldoutError as fault:
            faults.append(str(fault))
    if faults:
        raise HoldoutError("\n".join(faults))
    if not groups:
        raise HoldoutError("no customer is in any quadrant, so there is nobody to draw")
    return Holdout(wish.campaign_id, as_of, treated_on, window_days, tuple(groups), rated_on,
                   without_id_n, home.configuration.business.time_zone)


def _require_sense(wish: Wish) -> None:
    name = wish.campaign_id
    if not name or name != name.strip() or name[0] in FORMULA_SIGNS or not name.isprintable():
        raise HoldoutError(f"--campaign {name!r}: write a name without spaces around it that does "
                           f"not begin with =, +, - or @; spreadsheets take those for formulas")
    for option, value, highest in (("--effect", wish.effect, 1.0), ("--power", wish.power, 1.0),
                                   ("--share", wish.share, LARGEST_PERCENT / 100)):
        is_highest_allowed = option == "--share"
        if value is not None and not (
                0 < value < highest or (is_highest_allowed and value == highest)):
            raise HoldoutError(f"{option} {value}: must lie above 0 and "
                               f"{'be at most' if is_highest_allowed else 'below'} {highest:g}")


def _id_space(home: Home, wished: str) -> str:
    """Whose ids stand in the file: those that the source which reads it takes them for."""
    spaces = {source.name: source.id_space for source in home.sources.sources
              if source.kind == CAMPAIGNS.name}
    if not spaces:
        raise HoldoutError("config/sources.yaml has no source of kind campaigns, so the file could "
                           "not be read back; add one as in the sources.yaml of a new home")
    names = ", ".join(spaces)
    if wished:
        if wished not in spaces:
            raise HoldoutError(f"--source {wished}: there is no such source of kind campaigns; "
                               f"there are {names}")
        return spaces[wished]
    if len(set(spaces.values())) > 1:
        raise HoldoutError(f"the sources of kind campaigns ({names}) have ids of their own; state "
                           f"with --source NAME which of them will read the file")
    return next(iter(spaces.values()))


def _published(home: Home, as_of: date, window_days: int, rated_on: date | None, id_space: str,
               ) -> tuple[dict[str, list[Customer]], dict[str, float], int]:
    """Customers by held quadrant, the share of each quadrant that bought again, those without id.

    The share is that of campaign_results: bought before the last window, and in it, by the
    quadrant before it. By that of today nobody of low loyalty would ever buy again: who does moves.
    """
    signs = ", ".join(f"chr({ord(sign)})" for sign in FORMULA_SIGNS)
    rows = read_rows(home.stores, home.stores.publication, f"""
        with ids as (
            select customer_key, min(source_customer_id) as customer_id
            from customer_ids
            where id_space = $1 and left(source_customer_id, 1) not in ({signs})
            group by customer_key
        )
        select cast(scores.customer_key as varchar) as customer_key, ids.customer_id,
            scores.quadrant_held as quadrant,
            case when $3 is null then scores.quadrant_held else spans.label end as rated_quadrant,
            customers.purchases_n > 0 as is_buyer,
            coalesce(customers.first_purchase_date <= $2, false) as had_bought,
            coalesce(customers.last_purchase_date > $2, false) as bought_since
        from customer_scores as scores
        inner join customers on scores.customer_key = customers.customer_key
        left join ids on scores.customer_key = ids.customer_key
        left join label_history as spans
            on scores.customer_key = spans.customer_key and spans.label_kind = 'quadrant'
            and spans.from_date <= cast($3 as date)
            and coalesce(spans.to_date >= cast($3 as date), true)
        order by scores.customer_key
        """, [id_space, as_of - timedelta(days=window_days), rated_on])
    by_quadrant: dict[str, list[Customer]] = {}
    counts: dict[str, list[int]] = {}
    for row in rows:
        count = counts.setdefault(row["rated_quadrant"], [0, 0])
        count[0] += row["had_bought"]
        count[1] += row["had_bought"] and row["bought_since"]
        if row["customer_id"] is not None:
            by_quadrant.setdefault(row["quadrant"], []).append(
                Customer(row["customer_key"], row["customer_id"], row["is_buyer"]))
    rates = {quadrant: bought / had for quadrant, (had, bought) in counts.items() if had}
    return by_quadrant, rates, sum(row["customer_id"] is None for row in rows)


def write_holdout(holdout: Holdout, file: Path) -> int:
    """Write both groups as an export of campaigns that can be dropped into landing/; its rows.

    Raises:
        HoldoutError: something else lies under that name, or its folder is missing.
    """
    if file.exists():
        raise HoldoutError(f"{file} is there already; choose another name, or remove it")
    if not file.parent.is_dir():
        raise HoldoutError(f"{file.parent} is no folder; make it, or choose another")
    rows = list(_rows(holdout))
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [column.name for column in CAMPAIGNS.columns])
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _rows(holdout: Holdout) -> Iterator[dict[str, Any]]:
    # With its offset: the source of campaigns may have another zone than business dates.
    zone = ZoneInfo(holdout.time_zone)
    at = datetime.combine(holdout.treated_on, time(_NOON), zone).isoformat(" ")
    for group in holdout.groups:
        for name, customers in (("control", group.control), ("treated", group.treated)):
            for customer in customers:
                yield {"campaign_id": holdout.campaign_id, "customer_id": customer.customer_id,
                       "group": name, "treated_at": at, "updated_at": at}


def holdout_lines(holdout: Holdout) -> Iterator[str]:
    """What was drawn, in words, a line a quadrant."""
    yield (f"Campaign {holdout.campaign_id}, customers as of {holdout.as_of_date}, treated on "
           f"{holdout.treated_on}; buying again is counted over {holdout.window_days} days")
    if holdout.treated_on > holdout.as_of_date + timedelta(days=1):
        yield (f"{holdout.treated_on} is not the next day: who changes quadrant until then is "
               f"judged in another than drawn in; draw again on the eve of the treatment")
    if holdout.rated_on is None:
        yield (f"No night of {holdout.window_days} days ago was published, so rates are by the "
               f"quadrants of today: too low where buying leads out of one, too high where it "
               f"leads into one")
    for group in holdout.groups:
        rate = ("nobody had bought before" if group.base_rate is None
                else f"{group.base_rate:.1%} buy again")
        yield (f"{group.quadrant}: {len(group.treated) + len(group.control):,} customers, {rate}; "
               f"control group {len(group.control):,} (share {group.share:g}), treated "
               f"{len(group.treated):,}")
        if group.power is not None:
            yield f"  the wished effect is seen with power {group.power:.2f}"
        if group.smallest_effect is not None:
            yield (f"  the smallest effect that is seen with the wished power: "
                   f"{group.smallest_effect:.3f}")
    if holdout.without_id_n:
        yield (f"{holdout.without_id_n:,} customers are left out: they have no id of the shop, or "
               f"one that a spreadsheet would take for a formula")
