"""The lifetime models as part of a reference: their form, their rows, and how they are fitted.

Whether there is enough data is decided here, per profile; a profile without enough borrows the
models of all customers. What they say of a customer stands in `values.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pandas as pd

from dagster_project.configuration import Configuration, LifetimeValue
from dagster_project.scoring.exact import Real
from dagster_project.scoring.lifetime import margin_model, purchase_model
from dagster_project.scoring.lifetime.likelihood import (
    GRADIENT_BOUND,
    Maximum,
    significant,
)
from dagster_project.scoring.lifetime.margin_model import (
    MarginModel,
    MarginSummaries,
    fit_margin_model,
)
from dagster_project.scoring.lifetime.purchase_model import (
    PurchaseModel,
    PurchaseModelName,
    PurchaseSummaries,
    fit_purchase_model,
)

PURCHASE_ITEMS: tuple[PurchaseModelName, ...] = ("mbg_nbd", "bg_nbd")
MARGIN_ITEM = "gamma_gamma"
WEAK_PRIOR = "purchases.weak_prior"
# Why a model was not fitted, in the order in which it is found out.
SHORTFALLS = ("too_few_buyers", "history_too_short", "no_recent_purchase", "too_few_purchase_days",
              "too_few_margins", "not_converged")

SHORTFALL_WORDS = {
    "too_few_buyers": "{found} customers have a purchase, {bound} are needed",
    "history_too_short": "the first purchase lies {found} days back, {bound} are needed",
    "no_recent_purchase": "the last purchase lies {found} days back, at most {bound} are allowed",
    "too_few_purchase_days": "nobody has more than {found} purchase days, {bound} are needed",
    "too_few_margins": "{found} customers have two purchase days whose cost is known, {bound} are "
                       "needed (deliver product costs, or state margin_share_without_cost)",
    "not_converged": "the fit found no end (slope {found}, allowed {bound})",
}

# item, position, x, y: as in scoring_reference.
ItemRow: TypeAlias = tuple[str, int, float, float]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shortfall:
    """Why a model was not fitted on a profile's own customers.

    Attributes:
        reason: one of SHORTFALLS.
        found: what there was (customers, days, purchase days, slope).
        bound: what there should have been.
    """

    reason: str
    found: float
    bound: float


@dataclass(frozen=True)
class LifetimeReference:
    """The models of one profile.

    Attributes:
        purchases: of purchases and of leaving; None where not even all customers allow one.
        margins: of margin per purchase; None likewise.
        purchase_shortfall, margin_shortfall: why the profile has no model of its own; a model
            that is there nevertheless is that of all customers.
        is_weakly_held: the data alone left a parameter of `purchases` open, and a weak prior
            settled it.
    """

    purchases: PurchaseModel | None = None
    margins: MarginModel | None = None
    purchase_shortfall: Shortfall | None = None
    margin_shortfall: Shortfall | None = None
    is_weakly_held: bool = False

    def rows(self) -> Iterator[ItemRow]:
        """Rows of kind `lifetime` of scoring_reference: parameters, and why there are no own."""
        nan = float("nan")
        if self.purchases is not None:
            for position, name in enumerate(purchase_model.PARAMETERS):
                yield (f"{self.purchases.name}.{name}", position, nan,
                       getattr(self.purchases, name))
        if self.margins is not None:
            for position, name in enumerate(margin_model.PARAMETERS):
                yield f"{MARGIN_ITEM}.{name}", position, nan, getattr(self.margins, name)
        if self.is_weakly_held:
            yield WEAK_PRIOR, 0, nan, purchase_model.PRIOR_SPREAD
        for model, shortfall in (("purchases", self.purchase_shortfall),
                                 ("margins", self.margin_shortfall)):
            if shortfall is not None:
                yield f"{model}.{shortfall.reason}", 0, shortfall.bound, shortfall.found

    @classmethod
    def of_items(cls, items: Mapping[str, tuple[Real, Real]]) -> LifetimeReference:
        """From what `rows` gave: item -> x and y of its points."""
        def number(item: str) -> float:
            return float(items[item][1][0])

        def shortfall(model: str) -> Shortfall | None:
            for reason in SHORTFALLS:
                if f"{model}.{reason}" in items:
                    x, y = items[f"{model}.{reason}"]
                    return Shortfall(reason, float(y[0]), float(x[0]))
            return None

        purchases = next((
            PurchaseModel(name, *(number(f"{name}.{part}") for part in purchase_model.PARAMETERS))
            for name in PURCHASE_ITEMS if f"{name}.r" in items), None)
        margins = None
        if f"{MARGIN_ITEM}.p" in items:
            margins = MarginModel(*(number(f"{MARGIN_ITEM}.{part}")
                                    for part in margin_model.PARAMETERS))
        return cls(purchases, margins, shortfall("purchases"), shortfall("margins"),
                   WEAK_PRIOR in items)


@dataclass
class _Buyers:
    """What is gathered of the buyers of one profile before anything is fitted."""

    purchases: list[PurchaseSummaries] = field(default_factory=list)
    margins: list[MarginSummaries] = field(default_factory=list)

    def add(self, rows: pd.DataFrame) -> None:
        days, recency, age = (rows[name].to_numpy(np.float64)
                              for name in ("purchase_days_n", "recency_days", "age_days"))
        self.purchases.append(PurchaseSummaries.of(days - 1, recency, age))
        self.margins.append(MarginSummaries.of(*margins_of(rows)))


def margins_of(rows: pd.DataFrame) -> tuple[Real, Real]:
    """Purchase days of known margin, and their mean margin (NaN without any)."""
    days = rows["margin_purchase_days_n"].to_numpy(np.float64)
    total = rows["purchase_margin_amount"].to_numpy(np.float64)
    return days, np.divide(total, days, out=np.full(len(days), np.nan), where=days > 0)


def fit_lifetime_models(
    summaries: Iterable[pd.DataFrame], configuration: Configuration
) -> dict[str, LifetimeReference]:
    """Fits the models of every profile.

    Args:
        summaries: rows of `customer_purchase_summaries` of all customers with a purchase: profile,
            purchase_days_n, recency_days, age_days, margin_purchase_days_n,
            purchase_margin_amount. In any order and batches.
        configuration: which model, and how much data it needs.

    Returns:
        By profile. A profile without enough data of its own has the models of all customers.
    """
    buyers = {name: _Buyers() for name in configuration.profile_names}
    for batch in summaries:
        for profile, rows in batch.groupby("profile", sort=True):
            buyers[str(profile)].add(rows)
    rule = configuration.lifetime_value
    own = {name: (PurchaseSummaries.merged(gathered.purchases),
                  MarginSummaries.merged(gathered.margins))
           for name, gathered in buyers.items()}
    fitted = {name: _fit(purchases, margins, rule)
              for name, (purchases, margins) in own.items()}
    if all(models.purchases and models.margins for models in fitted.values()):
        return fitted
    everyone = next(iter(fitted.values())) if len(own) == 1 else _fit(
        PurchaseSummaries.merged([purchases for purchases, _ in own.values()]),
        MarginSummaries.merged([margins for _, margins in own.values()]), rule)
    return {name: _borrowed(name, models, everyone) for name, models in fitted.items()}


def _borrowed(
    profile: str, own: LifetimeReference, everyone: LifetimeReference
) -> LifetimeReference:
    for what, shortfall, model in (
        ("future purchases", own.purchase_shortfall, everyone.purchases),
        ("the margin of a purchase", own.margin_shortfall, everyone.margins),
    ):
        if shortfall is not None:
            _log.warning(
                "profile %s: no model of %s could be fitted: %s; %s", profile, what,
                SHORTFALL_WORDS[shortfall.reason].format(
                    found=f"{shortfall.found:,.9g}", bound=f"{shortfall.bound:,.9g}"),
                "that of all customers stands in" if model else
                "so customer_lifetime_values has what was bought, and expects nothing of it")
    return LifetimeReference(own.purchases or everyone.purchases, own.margins or everyone.margins,
                             own.purchase_shortfall, own.margin_shortfall,
                             (own if own.purchases else everyone).is_weakly_held)


def _fit(
    purchases: PurchaseSummaries, margins: MarginSummaries, rule: LifetimeValue
) -> LifetimeReference:
    purchase_shortfall = _shortfall(purchases, rule)
    purchase_fit = margin_fit = None
    is_weakly_held = False
    if purchase_shortfall is None:
        found = fit_purchase_model(rule.model, purchases)
        is_weakly_held = not found.is_converged
        if is_weakly_held:
            found = fit_purchase_model(rule.model, purchases, has_prior=True)
        purchase_shortfall = _unless_converged(found)
        if purchase_shortfall is None:
            purchase_fit = PurchaseModel(rule.model, *found.parameters)
    margin_shortfall = None
    if margins.repeaters < rule.minimum_margin_buyers:
        margin_shortfall = Shortfall("too_few_margins", margins.repeaters,
                                     rule.minimum_margin_buyers)
    else:
        found = fit_margin_model(margins)
        margin_shortfall = _unless_converged(found)
        if margin_shortfall is None:
            margin_fit = MarginModel(*found.parameters)
    return LifetimeReference(purchase_fit, margin_fit, purchase_shortfall, margin_shortfall,
                             is_weakly_held and purchase_fit is not None)


def _shortfall(summaries: PurchaseSummaries, rule: LifetimeValue) -> Shortfall | None:
    """What of the data is too little for a model of purchases; None: nothing."""
    if summaries.total < rule.minimum_buyers:
        return Shortfall("too_few_buyers", summaries.total, rule.minimum_buyers)
    silence = summaries.age - summaries.recency
    for reason, found, bound, is_enough in (
        ("history_too_short", summaries.age.max(), rule.minimum_days,
         summaries.age.max() >= rule.minimum_days),
        ("no_recent_purchase", silence.min(), rule.recent_order_days,
         silence.min() <= rule.recent_order_days),
        ("too_few_purchase_days", summaries.repeats.max() + 1, rule.minimum_purchase_days,
         summaries.repeats.max() + 1 >= rule.minimum_purchase_days),
    ):
        if not is_enough:
            return Shortfall(reason, float(found), float(bound))
    return None


def _unless_converged(found: Maximum) -> Shortfall | None:
    if found.is_converged:
        return None
    # A slope that is no number stands in no table.
    slope = significant(found.gradient) if np.isfinite(found.gradient) else -1.0
    return Shortfall("not_converged", slope, GRADIENT_BOUND)
