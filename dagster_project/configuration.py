"""What a business decides about its measures: `config/crm.yaml`, read and checked.

Here belong the shape of the file, every rule it must keep, and the forms in which others need it:
the canonical text and its hash, and the variables of dbt. How a score is computed stands in
`scoring/`; sources, paths and schedules are not configured here.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from dagster_project.yaml_file import (
    ConfigurationError,
    Fault,
    KeyPath,
    checked,
    frozen,
    load_model,
    unknown,
)

# Callers meet the error of a file with the file.
__all__ = ["Configuration", "ConfigurationError", "load_configuration"]

WEIGHT_DECIMALS = 6
SCORE_DECIMALS = 4

REQUIRED_COMPOSITES = (
    "crm_value",
    "satisfaction_score",
    "loyalty_degree_score",
    "engagement_score",
    "advocacy_score",
    "matrix_value_score",
    "matrix_loyalty_score",
)
# Columns of the published tables that a composite of the same name would hide.
TAKEN_NAMES = frozenset({
    "customer_key", "as_of_date", "profile", "tier", "quadrant", "lifecycle_stage", "revision",
    "publication_id", "candidate_id", "purchases_n", "tier_held", "quadrant_held",
    "lifecycle_stage_held",
})
STAGES = ("prospect", "first_purchase", "repeat", "loyal", "lapsing", "lost")
TIERS = ("high", "medium", "low")
LEVELS = ("high", "low")
RFM_MEASURES = ("recency", "frequency", "monetary")
# Segments of customers without a cell: never bought; not everything measured.
RFM_RESERVED = ("prospect", "insufficient_data")
CATCH_ALL = "all"

_NAME = re.compile(r"^[a-z](?:_?[a-z0-9])*_?$")
_NAME_LENGTH = 41
_TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Such characters would have to be escaped differently in JSON, Jinja and SQL.
_PLAIN = re.compile(r"^[^'\"\\{}`\x00-\x1f\x7f]{1,60}$")

# ---------------------------------------------------------------------------------------------
# Shape
# ---------------------------------------------------------------------------------------------


def _as_decimal(value: object) -> object:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _sorted_texts(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not _PLAIN.match(value):
            raise ValueError(
                f"{value!r} must be 1 to 60 characters without quotes, backslashes and braces"
            )
    return tuple(sorted(set(values)))


Number = Annotated[Decimal, BeforeValidator(_as_decimal)]
Names = Annotated[tuple[str, ...], AfterValidator(_sorted_texts)]
Days = Annotated[int, Field(ge=1, le=36_500)]
HalfLife = Annotated[int, Field(ge=1, le=3_650)]
Quantile = Annotated[Number, Field(ge=0, le=1)]
Points = Annotated[Number, Field(ge=0, le=100, decimal_places=SCORE_DECIMALS)]
Weight = Annotated[Number, Field(gt=0, le=1, decimal_places=WEIGHT_DECIMALS)]
Price = Annotated[Number, Field(ge=0, le=99_999, decimal_places=4)]
EventKind = Literal["orders", "interactions", "surveys", "customers"]
PopulationEvents = Annotated[tuple[EventKind, ...], Field(min_length=1),
                             AfterValidator(lambda kinds: tuple(sorted(set(kinds))))]
ScoreRange = tuple[Annotated[int, Field(ge=1, le=5)], Annotated[int, Field(ge=1, le=5)]]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Text(_Model):
    """Words in both languages."""

    en: str
    zh: str

    def in_language(self, language: str) -> str:
        """The words in `en` or `zh`."""
        return self.zh if language == "zh" else self.en


class Business(_Model):
    """Calendar and currency of the business."""

    time_zone: str
    base_currency: str
    fx_carry_days: Annotated[int, Field(ge=0, le=31)] = 0


class ExcludedCustomers(_Model):
    """Customers left out before anything is measured."""

    types: Names = ()
    ids: tuple[str, ...] = ()


class ExcludedOrders(_Model):
    """Orders left out before anything is measured.

    Attributes:
        channels, tags: whole orders that came by such a channel, or carry such a tag.
        product_ids, product_categories: such lines; the other lines of their orders count.
    """

    channels: Names = ()
    tags: Names = ()
    product_ids: Names = ()
    product_categories: Names = ()


class Exclude(_Model):
    """What is left out by rule or list."""

    customers: ExcludedCustomers = ExcludedCustomers()
    orders: ExcludedOrders = ExcludedOrders()


class Identities(_Model):
    """What keeps ids apart that share an e-mail address or a telephone number, or list each other.

    Attributes:
        maximum_customers_per_contact: a contact of more customers joins nobody, and so does an
            id that more records list, or one with more contacts of one kind, or more listed ids of
            one id space.
        source_priority: sources whose ids become customer keys before those of others.
        never_merge: pairs of customer ids, with their id space before a colon where that matters,
            or of tokens.
        ignored_contacts: tokens of contacts, or of listed ids, that join nobody; what is known by
            them alone is left out.
    """

    maximum_customers_per_contact: Annotated[int, Field(ge=1, le=1_000_000)] = 5
    source_priority: tuple[str, ...] = ()
    never_merge: tuple[tuple[str, ...], ...] = ()
    ignored_contacts: tuple[str, ...] = ()


class Score(_Model):
    """How a fact becomes a score of 0-100.

    Attributes:
        method: percentile on the reference curve, threshold between configured points, or survey
            (already 0-100, shrunk towards the mean of all answers).
        better: whether more or less of the fact is good (percentile only).
        points: (fact, score) pairs, facts rising (threshold only).
        k: answers that the common mean counts for (survey only).
    """

    method: Literal["percentile", "threshold", "survey"]
    better: Literal["more", "less"] | None = None
    points: tuple[tuple[Number, Points], ...] | None = None
    k: Annotated[Number, Field(ge=0, le=1000, decimal_places=WEIGHT_DECIMALS)] | None = None


Kind = Literal["sum", "count", "decayed_count", "days_since", "active_share", "mean_answer",
               "attribute"]


class Indicator(_Model):
    """One measured fact of a customer; the kinds are described in `config/crm.yaml`."""

    kind: Kind
    of: Literal["orders", "interactions", "surveys", "customers"]
    column: str | None = None
    types: Names = ()
    channels: Names = ()
    instrument: str | None = None
    window_days: Days | None = None
    half_life_days: HalfLife | None = None
    absent: Literal["zero", "missing", "zero_if_contact"] | None = None
    skip_first: bool = False
    period_days: Days | None = None
    minimum_age_days: Annotated[int, Field(ge=0, le=36_500)] | None = None
    score: Score
    unit: Text | None = None
    label: Text | None = None

    @property
    def absent_rule(self) -> str:
        """What no row means: the stated rule, else the rule of the kind."""
        return self.absent or _RULES[self.kind].absent[0]

    @property
    def is_money(self) -> bool:
        """The fact is an amount in base currency."""
        return self.column in ("net_revenue", "margin", "cost") and self.kind == "sum"

    @property
    def is_fitted_above_zero(self) -> bool:
        """Nothing scores 0, and the curve ranks those who have any."""
        return (
            self.score.method == "percentile"
            and self.score.better != "less"
            and self.absent_rule == "zero"
        )


class Composite(_Model):
    """A weighted mean of indicator scores or of other composites."""

    parts: dict[str, Weight]
    label: Text | None = None


class Cut(_Model):
    """A cut point: a quantile of the reference population, or a fixed score."""

    quantile: Quantile | None = None
    score: Points | None = None


class TierCuts(_Model):
    """From where on crm_value is high, and medium."""

    high: Cut
    medium: Cut


class MatrixCuts(_Model):
    """From where on each axis of the matrix is high."""

    value: Cut
    loyalty: Cut


class TierLabels(_Model):
    """Names of the tiers."""

    high: Text
    medium: Text
    low: Text


class Tiers(TierCuts):
    """The tiers of crm_value."""

    labels: TierLabels | None = None


class Cell(_Model):
    """One quadrant of the matrix, in words."""

    value: Literal["high", "low"]
    loyalty: Literal["high", "low"]
    name: Text
    traits: Text
    strategy: Text

    @property
    def quadrant(self) -> str:
        """The label in `customer_scores.quadrant`."""
        return quadrant_name(self.value, self.loyalty)


class Matrix(MatrixCuts):
    """The value x loyalty matrix."""

    cells: tuple[Cell, ...]


class StageLabels(_Model):
    """Names of the lifecycle stages."""

    prospect: Text
    first_purchase: Text
    repeat: Text
    loyal: Text
    lapsing: Text
    lost: Text


class Lifecycle(_Model):
    """The bounds of the lifecycle stages.

    Attributes:
        refunded_purchase_counts: whoever has only orders that were refunded or returned in full
            stays in first_purchase; otherwise that is a prospect again.
    """

    loyal_purchases: Annotated[int, Field(ge=1)]
    loyal_score: Points
    lapsing_gap_factor: Annotated[Number, Field(gt=0, le=100)]
    lapsing_minimum_days: Annotated[int, Field(ge=0)]
    lost_days: Annotated[int, Field(ge=1)]
    refunded_purchase_counts: bool = False
    labels: StageLabels | None = None


class LifetimeValue(_Model):
    """What is expected of a customer from now on, and when there is enough data to say so.

    Attributes:
        model: mbg_nbd (who bought once may have left) or bg_nbd (nobody leaves before a second
            purchase, so nothing is said of them).
        horizon_days: purchases and margin are expected over so many days.
        annual_discount_rate: margin of a year from now is worth 1 / (1 + rate) today.
        minimum_buyers, minimum_days, recent_order_days, minimum_purchase_days: the models are
            fitted on at least so many buyers, whose first purchase lies so long ago and whose
            last so short, and one of whom bought on so many days.
        minimum_margin_buyers: the model of margins is fitted on at least so many buyers with two
            or more purchase days of known margin.
        margin_share_without_cost: share of what is left of an order of unknown cost that counts
            as its margin; left out: its margin is unknown.
    """

    model: Literal["mbg_nbd", "bg_nbd"] = "mbg_nbd"
    horizon_days: Annotated[int, Field(ge=1, le=3_650)] = 365
    annual_discount_rate: Annotated[
        Number, Field(ge=0, le=10, decimal_places=WEIGHT_DECIMALS)] = Decimal("0.1")
    minimum_buyers: Annotated[int, Field(ge=10)] = 500
    minimum_days: Annotated[int, Field(ge=1)] = 180
    recent_order_days: Annotated[int, Field(ge=1)] = 30
    minimum_purchase_days: Annotated[int, Field(ge=2)] = 3
    minimum_margin_buyers: Annotated[int, Field(ge=10)] = 100
    margin_share_without_cost: Annotated[
        Number, Field(ge=0, le=1, decimal_places=SCORE_DECIMALS)] | None = None


class ChurnWarnings(_Model):
    """Which customers of high value are named as likely to leave.

    Attributes:
        p_alive_below: named when the chance that they are still customers lies below it.
        maximum_customers: so many are named, those with the greatest expected loss.
    """

    p_alive_below: Annotated[Number, Field(ge=0, le=1, decimal_places=SCORE_DECIMALS)] = Decimal(
        "0.5")
    maximum_customers: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000


class HeldLabels(_Model):
    """How much a composite must pass a cut by before a held label changes.

    Attributes:
        margin: points, in hundredths at the finest, as composites are shown; 0: held labels are
            the plain ones.
    """

    margin: Annotated[Number, Field(ge=0, le=50, decimal_places=2)] = Decimal(2)


class CostToServe(_Model):
    """What serving customers costs.

    Attributes:
        types: base currency for one interaction of a type that states no cost of its own.
    """

    types: dict[str, Price] = {}


class Profitability(_Model):
    """How the contribution of a customer is measured.

    Attributes:
        window_days: days that count, ending with D.
        minimum_costed_share: money of orders with a known product cost that a contribution needs.
        profitable_above: profit is high where the contribution is above it, base currency.
    """

    window_days: Days = 365
    minimum_costed_share: Annotated[Number, Field(ge=0, le=1, decimal_places=WEIGHT_DECIMALS)] = (
        Decimal("0.5"))
    profitable_above: Annotated[Number, Field(ge=-(10**9), le=10**9, decimal_places=4)] = Decimal(0)


class RfmMeasure(_Model):
    """How one of recency, frequency and monetary becomes 1-5: by cuts or by an indicator's score.

    Attributes:
        cuts: four rising facts. Frequency and monetary: the second to fifth score begin there.
            Recency: the fifth to second score end there.
        indicator: whose score is taken in fifths of 0-100, which for a percentile are fifths of
            the reference population.
    """

    cuts: tuple[Number, Number, Number, Number] | None = None
    indicator: str | None = None


class RfmBox(_Model):
    """Cells from one score to another in each direction, both included."""

    recency: ScoreRange = (1, 5)
    frequency: ScoreRange = (1, 5)
    monetary: ScoreRange = (1, 5)

    def cells(self) -> Iterator[str]:
        """Names of the cells, such as `543`."""
        ranges = (range(low, high + 1)
                  for low, high in (self.recency, self.frequency, self.monetary))
        for scores in itertools.product(*ranges):
            yield "".join(map(str, scores))


class RfmSegment(_Model):
    """One segment of buyers: the cells it has, and its name."""

    segment: str
    where: tuple[RfmBox, ...]
    label: Text | None = None

    def name(self, language: str = "en") -> str:
        """Its words in `en` or `zh`."""
        return self.label.in_language(language) if self.label else self.segment.replace("_", " ")


def _default_rfm_segments() -> tuple[RfmSegment, ...]:
    """What crm.yaml begins with, for homes whose file has no map."""
    boxes: tuple[tuple[str, str, tuple[ScoreRange, ScoreRange, ScoreRange]], ...] = (
        ("champions", "冠军客户", ((4, 5), (4, 5), (4, 5))),
        ("loyal_buyers", "忠实买家", ((4, 5), (4, 5), (1, 3))),
        ("potential_loyalists", "潜力忠实客户", ((4, 5), (2, 3), (1, 5))),
        ("new_customers", "新客户", ((5, 5), (1, 1), (1, 5))),
        ("promising", "有潜力客户", ((4, 4), (1, 1), (1, 5))),
        ("need_attention", "需要关注", ((3, 3), (3, 5), (1, 5))),
        ("about_to_sleep", "即将沉睡", ((3, 3), (1, 2), (1, 5))),
        ("cannot_lose", "不可流失", ((1, 2), (4, 5), (4, 5))),
        ("at_risk", "有流失风险", ((1, 2), (4, 5), (1, 3))),
        ("at_risk", "有流失风险", ((1, 2), (2, 3), (1, 5))),
        ("hibernating", "沉睡客户", ((2, 2), (1, 1), (1, 5))),
        ("inactive", "不活跃客户", ((1, 1), (1, 1), (1, 5))),
    )
    return tuple(
        RfmSegment(segment=segment, label=Text(en=segment.replace("_", " "), zh=zh), where=tuple(
            RfmBox(recency=recency, frequency=frequency, monetary=monetary)
            for name, _, (recency, frequency, monetary) in boxes if name == segment))
        for segment, zh in {name: zh for name, zh, _ in boxes}.items())


class Rfm(_Model):
    """Recency, frequency and monetary scores and what buyers are called by them.

    Attributes:
        monetary: None: the score of the first indicator that is a percentile of net revenue.
        segments: the map of the 125 cells; each has exactly one.
    """

    recency: RfmMeasure = RfmMeasure(cuts=(Decimal(30), Decimal(90), Decimal(180), Decimal(270)))
    frequency: RfmMeasure = RfmMeasure(cuts=(Decimal(2), Decimal(3), Decimal(4), Decimal(6)))
    monetary: RfmMeasure | None = None
    segments: tuple[RfmSegment, ...] = _default_rfm_segments()


class Segments(_Model):
    """By what customers are told apart beside their labels.

    Attributes:
        window_days: days whose purchases count for RFM and for the top category.
        age_bands: ages at which a new band begins.
        attributes: further columns of the customer export, as the source lists them.
        rfm: the RFM scores.
    """

    window_days: Days = 365
    age_bands: tuple[Annotated[int, Field(ge=1, le=120)], ...] = (18, 25, 35, 45, 55, 65)
    attributes: Names = ()
    rfm: Rfm = Rfm()


class ProfileParts(_Model):
    """The weights of one composite in one profile."""

    parts: dict[str, Weight]


class ProfileIndicator(_Model):
    """Window and half-life of one indicator in one profile; what is left out stays as it is."""

    window_days: Days | None = None
    half_life_days: HalfLife | None = None


class ProfileCuts(_Model):
    """The cuts of one profile where they differ."""

    tiers: TierCuts | None = None
    matrix: MatrixCuts | None = None


class Profile(_Model):
    """Customers who are weighed and ranked among themselves."""

    name: str
    customer_types: Names | None = None
    indicators: dict[str, ProfileIndicator] = {}
    composites: dict[str, ProfileParts] = {}
    cuts: ProfileCuts = ProfileCuts()


class Accounts(_Model):
    """How the people of an account make its scores: see `scoring/accounts.py`."""

    rule: Literal["spend_weighted_mean", "mean", "highest"] = "spend_weighted_mean"


class PopulationFigures(_Model):
    """Figures of all customers and of segments, such as NPS and retention.

    Attributes:
        window_days: the days that count, ending with the date of the night.
        minimum_n: a figure of fewer customers is not shown.
        few_n: a figure of fewer customers is shown and marked.
    """

    window_days: Days = 365
    minimum_n: Annotated[int, Field(ge=2, le=10_000)] = 10
    few_n: Annotated[int, Field(ge=2, le=10_000)] = 30


class Campaigns(_Model):
    """How the results of campaigns are measured.

    Attributes:
        window_days: the days that count, the day of the treatment the first.
        response_types: interactions of these types are a response, as a purchase is.
    """

    window_days: Annotated[int, Field(ge=1, le=366)] = 30
    response_types: Names = (
        "comment", "event_attended", "event_feedback", "event_signup", "like", "read", "referral",
        "review", "share", "visit", "watch")


class ScoreBacktest(_Model):
    """How the scores of then are judged by what customers did since.

    Attributes:
        days: the scores are those of the kept month end nearest to so many days before the
            night; it lies off by half of them at most.
    """

    days: Annotated[int, Field(ge=30, le=730)] = 90


class Configuration(_Model):
    """The checked content of `config/crm.yaml`."""

    business: Business
    exclude: Exclude = Exclude()
    identities: Identities = Identities()
    population_days: Days = 365
    population_events: PopulationEvents = ("interactions", "orders", "surveys")
    population_figures: PopulationFigures = PopulationFigures()
    min_coverage: Annotated[Number, Field(ge=0, le=1, decimal_places=WEIGHT_DECIMALS)] = Decimal(
        "0.5"
    )
    profiles: tuple[Profile, ...] = (Profile(name=CATCH_ALL),)
    indicators: dict[str, Indicator]
    composites: dict[str, Composite]
    tiers: Tiers
    matrix: Matrix
    held_labels: HeldLabels = HeldLabels()
    lifecycle: Lifecycle
    accounts: Accounts = Accounts()
    lifetime_value: LifetimeValue = LifetimeValue()
    churn_warnings: ChurnWarnings = ChurnWarnings()
    cost_to_serve: CostToServe = CostToServe()
    profitability: Profitability = Profitability()
    segments: Segments = Segments()
    campaigns: Campaigns = Campaigns()
    score_backtest: ScoreBacktest = ScoreBacktest()

    @property
    def profile_names(self) -> tuple[str, ...]:
        """Names of the profiles, first match first."""
        return tuple(profile.name for profile in self.profiles)

    def profile(self, name: str) -> Profile:
        """The profile of that name; KeyError when there is none."""
        for profile in self.profiles:
            if profile.name == name:
                return profile
        raise KeyError(f"no profile {name!r} in crm.yaml; known: {', '.join(self.profile_names)}")

    def indicator(self, profile: str, name: str) -> Indicator:
        """An indicator as it is measured in a profile."""
        base, own = self.indicators[name], self.profile(profile).indicators.get(name)
        if own is None:
            return base
        return base.model_copy(update={
            option: value for option in ("window_days", "half_life_days")
            if (value := getattr(own, option)) is not None
        })

    def indicator_variants(self) -> Iterator[tuple[str, str, Indicator]]:
        """(profile, name, indicator) of every indicator that a profile measures otherwise."""
        for profile in self.profiles:
            for name in profile.indicators:
                yield profile.name, name, self.indicator(profile.name, name)

    def weights(self, profile: str, composite: str) -> dict[str, Decimal]:
        """Weights of the parts of a composite in a profile, in the order of the composite."""
        parts = self.composites[composite].parts
        own = self.profile(profile).composites.get(composite)
        if own is None:
            return dict(parts)
        return {part: own.parts[part] for part in parts if part in own.parts}

    def tier_cuts(self, profile: str) -> TierCuts:
        """Cuts of the tiers in a profile."""
        return self.profile(profile).cuts.tiers or self.tiers

    def matrix_cuts(self, profile: str) -> MatrixCuts:
        """Cuts of the matrix in a profile."""
        return self.profile(profile).cuts.matrix or self.matrix

    @property
    def rfm_measures(self) -> dict[str, RfmMeasure | None]:
        """How recency, frequency and monetary are scored; None: nothing measures it."""
        rfm = self.segments.rfm
        revenue = (name for name, indicator in self.indicators.items()
                   if indicator.column == "net_revenue" and indicator.kind == "sum"
                   and indicator.score.method == "percentile")
        first = next(revenue, None)
        return {
            "recency": rfm.recency, "frequency": rfm.frequency,
            "monetary": rfm.monetary or (RfmMeasure(indicator=first) if first else None),
        }

    def rfm_segment_of_cells(self) -> dict[str, RfmSegment]:
        """Cell (`111` to `555`) -> its segment."""
        return {cell: segment for segment in self.segments.rfm.segments
                for box in segment.where for cell in box.cells()}

    def composites_in_order(self) -> tuple[str, ...]:
        """Names of the composites, each after those it is made of."""
        ordered: dict[str, None] = {}

        def visit(name: str) -> None:
            for part in self.composites[name].parts:
                if part in self.composites and part not in ordered:
                    visit(part)
            ordered[name] = None

        for name in self.composites:
            visit(name)
        return tuple(ordered)

    def decay_half_lives(self) -> tuple[int, ...]:
        """Half-lives in use, in days, ascending."""
        variants = (indicator for _, _, indicator in self.indicator_variants())
        return tuple(sorted({
            indicator.half_life_days
            for indicator in (*self.indicators.values(), *variants)
            if indicator.half_life_days is not None
        }))

    def canonical_text(self) -> str:
        """Everything that touches measures, without words for people, as compact JSON.

        The order of indicators, composites and parts is kept, since the order of published
        columns and the place of a rounding remainder follow it.
        """
        return json.dumps(
            _without_texts(self.model_dump()), separators=(",", ":"), ensure_ascii=False
        )

    @property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical text."""
        return hashlib.sha256(self.canonical_text().encode()).hexdigest()[:16]

    @classmethod
    def from_canonical(cls, text: str) -> Configuration:
        """Rebuilds a configuration from its canonical text; labels fall back to names.

        Raises:
            ConfigurationError: the text is no configuration this version can use.
        """
        content = json.loads(text, parse_float=Decimal)
        content["matrix"]["cells"] = [
            {"value": value, "loyalty": loyalty, **dict.fromkeys(
                ("name", "traits", "strategy"), dict.fromkeys(("en", "zh"),
                                                              quadrant_name(value, loyalty)))}
            for value in LEVELS for loyalty in LEVELS
        ]
        return checked(frozen(content), cls, _broken_rules, "stored configuration")

    def with_texts_of(self, other: Configuration) -> Configuration:
        """The same measures with the words of another configuration, where it has them."""
        return self.model_copy(update={
            "indicators": {
                name: indicator.model_copy(update={"label": words.label, "unit": words.unit})
                if (words := other.indicators.get(name)) else indicator
                for name, indicator in self.indicators.items()
            },
            "composites": {
                name: composite.model_copy(update={"label": named.label})
                if (named := other.composites.get(name)) else composite
                for name, composite in self.composites.items()
            },
            "tiers": self.tiers.model_copy(update={"labels": other.tiers.labels}),
            "matrix": self.matrix.model_copy(update={"cells": other.matrix.cells}),
            "lifecycle": self.lifecycle.model_copy(update={"labels": other.lifecycle.labels}),
            "segments": self._segments_with_texts_of(other),
        })

    def _segments_with_texts_of(self, other: Configuration) -> Segments:
        labels = {named.segment: named.label for named in other.segments.rfm.segments}
        named = tuple(segment.model_copy(update={"label": labels.get(segment.segment)})
                      for segment in self.segments.rfm.segments)
        return self.segments.model_copy(update={
            "rfm": self.segments.rfm.model_copy(update={"segments": named})})

    def dbt_vars(self) -> dict[str, Any]:
        """The variable `crm` of the dbt project; changes only with the configuration."""
        return {"crm": {
            "time_zone": self.business.time_zone,
            "base_currency": self.business.base_currency,
            "fx_carry_days": self.business.fx_carry_days,
            "excluded_customer_types": list(self.exclude.customers.types),
            "excluded_order_channels": list(self.exclude.orders.channels),
            "excluded_order_tags": list(self.exclude.orders.tags),
            "excluded_product_ids": list(self.exclude.orders.product_ids),
            "excluded_product_categories": list(self.exclude.orders.product_categories),
            "population_days": self.population_days,
            "population_events": list(self.population_events),
            "figure_window_days": self.population_figures.window_days,
            "margin_share_without_cost": (
                None if self.lifetime_value.margin_share_without_cost is None
                else str(self.lifetime_value.margin_share_without_cost)),
            "profiles": [
                {"name": profile.name,
                 "customer_types": None if profile.customer_types is None
                 else list(profile.customer_types)}
                for profile in self.profiles
            ],
            "indicators": [
                _dbt_indicator(name, indicator) for name, indicator in self.indicators.items()
            ],
            # Gathered beside the others, under a name that no indicator can have.
            "indicator_variants": [
                {"profile": profile, "variant_of": name}
                | _dbt_indicator(f"{name}__{profile}", indicator)
                for profile, name, indicator in self.indicator_variants()
            ],
            "costs_to_serve": [{"type": name, "amount": f"{price:.4f}"}
                               for name, price in sorted(self.cost_to_serve.types.items())],
            "profitability_days": self.profitability.window_days,
            "minimum_costed_share": f"{self.profitability.minimum_costed_share:.6f}",
            "segment_days": self.segments.window_days,
            "segment_attributes": list(self.segments.attributes),
            "campaign_window_days": self.campaigns.window_days,
            "campaign_response_types": list(self.campaigns.response_types),
        }}

    def label(self, name: str, language: str = "en") -> str:
        """The words for an indicator or composite."""
        part: Indicator | Composite = (
            self.indicators[name] if name in self.indicators else self.composites[name]
        )
        return part.label.in_language(language) if part.label else name.replace("_", " ")


def _dbt_indicator(name: str, indicator: Indicator) -> dict[str, Any]:
    """One indicator as the macros of dbt read it."""
    return {
        "name": name, "kind": indicator.kind, "of": indicator.of, "column": indicator.column,
        "types": list(indicator.types), "channels": list(indicator.channels),
        "instrument": indicator.instrument, "window_days": indicator.window_days,
        "half_life_days": indicator.half_life_days, "absent": indicator.absent_rule,
        "skip_first": indicator.skip_first, "period_days": indicator.period_days,
        "minimum_age_days": indicator.minimum_age_days,
    }


def quadrant_name(value: str, loyalty: str) -> str:
    """Label of a cell of the matrix: `high_value_low_loyalty` and so on."""
    return f"{value}_value_{loyalty}_loyalty"


# ---------------------------------------------------------------------------------------------
# Canonical form
# ---------------------------------------------------------------------------------------------

_TEXT_KEYS = frozenset({"label", "labels", "unit", "cells"})


def _without_texts(value: Any, *, is_model: bool = True) -> Any:
    """The dumped model without words and unset options; decimals as numbers.

    A decimal came from the shortest digits of a float, so as a float it keeps them.
    """
    if isinstance(value, dict):
        return {
            key: _without_texts(
                item,
                is_model=not is_model or key not in ("indicators", "composites", "parts", "types"),
            )
            for key, item in value.items()
            if not is_model or (key not in _TEXT_KEYS and item is not None)
        }
    if isinstance(value, tuple | list):
        return [_without_texts(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def load_configuration(path: Path) -> Configuration:
    """Reads and checks `config/crm.yaml`.

    Raises:
        ConfigurationError: with one line for each fault: file, line, key, what is allowed.
    """
    return load_model(path, Configuration, _broken_rules)


# ---------------------------------------------------------------------------------------------
# Rules
# ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _KindRule:
    """What belongs to a kind of indicator."""

    of: tuple[str, ...]
    absent: tuple[str, ...]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_ZERO_FIRST = ("zero", "missing", "zero_if_contact")
_RULES: dict[str, _KindRule] = {
    "sum": _KindRule(("orders", "interactions"), _ZERO_FIRST, ("column",),
                     ("window_days", "types", "channels")),
    "count": _KindRule(("orders", "interactions"), _ZERO_FIRST, (),
                       ("window_days", "types", "channels", "skip_first")),
    "decayed_count": _KindRule(("orders", "interactions"), _ZERO_FIRST, ("half_life_days",),
                               ("window_days", "types", "channels")),
    "days_since": _KindRule(("orders", "interactions"), ("missing",), (),
                            ("types", "channels")),
    "active_share": _KindRule(("orders",), ("missing",), ("period_days",),
                              ("minimum_age_days",)),
    "mean_answer": _KindRule(("surveys",), ("missing",), ("instrument",),
                             ("window_days", "half_life_days")),
    "attribute": _KindRule(("customers",), ("missing", "zero"), ("column",)),
}
_OPTIONS = ("column", "types", "channels", "instrument", "window_days", "half_life_days",
            "skip_first", "period_days", "minimum_age_days")
_COLUMNS = {
    "orders": ("net_revenue", "margin", "quantity"),
    "interactions": ("duration_seconds", "completion", "cost"),
}
_SCORE_OPTIONS = {"percentile": ("better",), "threshold": ("points",), "survey": ("k",)}

def _broken_rules(configuration: Configuration) -> Iterator[Fault]:
    yield from _business_faults(configuration)
    yield from _identity_faults(configuration.identities)
    for name, indicator in configuration.indicators.items():
        path: KeyPath = ("indicators", name)
        yield from _name_faults(path, name)
        yield from _kind_faults(path, indicator)
        yield from _score_faults((*path, "score"), indicator)
    yield from _composite_faults(configuration)
    yield from _profile_faults(configuration)
    figures = configuration.population_figures
    if figures.few_n < figures.minimum_n:
        yield ("population_figures", "few_n"), (
            f"is {figures.few_n}, must be at least minimum_n ({figures.minimum_n}): what is too "
            "few to be shown cannot be shown as few"
        )
    yield from _tier_faults(("tiers",), configuration.tiers)
    yield from _matrix_faults(("matrix",), configuration.matrix)
    yield from _cell_faults(configuration.matrix)
    yield from _serving_faults(configuration.cost_to_serve)
    yield from _segment_faults(configuration)


def _business_faults(configuration: Configuration) -> Iterator[Fault]:
    zones = zoneinfo.available_timezones()
    zone = configuration.business.time_zone
    if zone not in zones:
        close = difflib.get_close_matches(zone, zones, n=1)
        guess = f", did you mean {close[0]!r}?" if close else ""
        yield ("business", "time_zone"), (
            f"unknown time zone {zone!r}{guess} Use an IANA name such as Asia/Shanghai"
        )
    currency = configuration.business.base_currency
    if not re.fullmatch("[A-Z]{3}", currency):
        yield ("business", "base_currency"), (
            f"is {currency!r}, must be the three capital letters of ISO 4217, such as CNY"
        )
    for position, identifier in enumerate(configuration.exclude.customers.ids):
        if "@" in identifier or not identifier.strip():
            # The list is published with the configuration, and personal data must not be.
            yield ("exclude", "customers", "ids", position), (
                "must be a customer id as the exports write it, not an e-mail address"
            )


def _identity_faults(identities: Identities) -> Iterator[Fault]:
    for position, pair in enumerate(identities.never_merge):
        path: KeyPath = ("identities", "never_merge", position)
        if len(pair) != 2 or pair[0].strip() == pair[1].strip():
            yield path, "must be two different ids, such as [C-1, C-2]"
        if any("@" in one or not one.strip() for one in pair):
            # The list is published with the configuration, and personal data must not be.
            yield path, "must be customer ids as the exports write them, or tokens; an e-mail " \
                        "address has a token: crm-value explain names it"
    for position, token in enumerate(identities.ignored_contacts):
        if not _TOKEN.fullmatch(token):
            yield ("identities", "ignored_contacts", position), (
                "must be the token of the contact, such as "
                "1f0e8a1c-6f0f-3b1c-9d3e-0a1b2c3d4e5f; crm-value explain names it when it is "
                "asked for the address or number"
            )


def _name_faults(path: KeyPath, name: str) -> Iterator[Fault]:
    if not _NAME.match(name) or len(name) > _NAME_LENGTH:
        yield path, (
            f"the name {name!r} must begin with a-z, hold only a-z, 0-9 and single _, and have "
            f"at most {_NAME_LENGTH} characters, since columns are named after it"
        )


def _kind_faults(path: KeyPath, indicator: Indicator) -> Iterator[Fault]:
    kind, rule = indicator.kind, _RULES[indicator.kind]
    if indicator.of not in rule.of:
        yield (*path, "of"), f"is {indicator.of!r}; {kind} is of {' or '.join(rule.of)}"
        return
    for option in rule.required:
        if getattr(indicator, option) is None:
            yield (*path, option), f"must be given for kind {kind}"
    misplaced = {
        option for option in _OPTIONS
        if getattr(indicator, option) not in (None, (), False)
        and option not in rule.required + rule.optional
    }
    if indicator.types and indicator.of != "interactions":
        misplaced.add("types")
    if indicator.skip_first and indicator.of != "orders":
        misplaced.add("skip_first")
    if indicator.skip_first and indicator.channels:
        yield (*path, "channels"), (
            "cannot stand beside skip_first: a customer's first purchase is counted over all "
            "channels; leave one of the two out"
        )
    for option in sorted(misplaced):
        allowed = ", ".join((*rule.required, *rule.optional, "score", "unit", "label"))
        yield (*path, option), (
            f"does not belong to kind {kind} of {indicator.of}; its options are: {allowed}"
        )
    columns = _COLUMNS.get(indicator.of, ())
    is_closed = columns and "column" not in misplaced
    if is_closed and indicator.column is not None and indicator.column not in columns:
        yield (*path, "column"), unknown("column", indicator.column, columns)
    for option in ("column", "instrument"):
        value = getattr(indicator, option)
        if value is not None and not _PLAIN.match(value):
            yield (*path, option), f"{value!r} holds quotes, braces or is empty or too long"
    absent = rule.absent if indicator.of == "interactions" else rule.absent[:2]
    if indicator.absent is not None and indicator.absent not in absent:
        yield (*path, "absent"), (
            f"is {indicator.absent!r}; for kind {kind} of {indicator.of} it is "
            f"{' or '.join(absent)}"
        )


def _score_faults(path: KeyPath, indicator: Indicator) -> Iterator[Fault]:
    score = indicator.score
    options = _SCORE_OPTIONS[score.method]
    for option in ("better", "points", "k"):
        if getattr(score, option) is not None and option not in options:
            yield (*path, option), f"does not belong to method {score.method}"
    if score.method == "survey" and indicator.kind != "mean_answer":
        yield (*path, "method"), "survey is for kind mean_answer; use percentile or threshold"
    if score.method == "survey" and score.k is None:
        yield (*path, "k"), "must be given for method survey, for example 3"
    if score.method != "threshold":
        return
    points = score.points
    if points is None or len(points) < 2:
        yield (*path, "points"), "must be given for method threshold: two or more [fact, score]"
        return
    facts, scores = [x for x, _ in points], [y for _, y in points]
    if any(later <= earlier for earlier, later in zip(facts, facts[1:], strict=False)):
        yield (*path, "points"), "the facts (first numbers) must rise from point to point"
    if max(abs(fact) for fact in facts) > Decimal(10) ** 15:
        yield (*path, "points"), "facts must lie between -1e15 and 1e15"
    if scores not in (sorted(scores), sorted(scores, reverse=True)):
        yield (*path, "points"), "the scores (second numbers) must rise or fall throughout"


def _composite_faults(configuration: Configuration) -> Iterator[Fault]:
    composites, indicators = configuration.composites, configuration.indicators
    for name in REQUIRED_COMPOSITES:
        if name not in composites:
            yield ("composites", name), "must be given, since published tables have its column"
    known = [*indicators, *composites]
    for name, composite in composites.items():
        path: KeyPath = ("composites", name)
        yield from _name_faults(path, name)
        if name in indicators:
            yield path, "is the name of an indicator too; choose another"
        if name in TAKEN_NAMES:
            yield path, "is the name of a fixed column; choose another"
        yield from _weight_faults((*path, "parts"), composite.parts)
        for part in composite.parts:
            if part not in indicators and part not in composites:
                yield (*path, "parts", part), unknown("indicator or composite", part, known)
    yield from _cycle_faults(composites)


def _weight_faults(path: KeyPath, parts: dict[str, Decimal]) -> Iterator[Fault]:
    total = sum(parts.values(), Decimal(0))
    if total != 1:
        yield path, f"weights add up to {format(total.normalize(), 'f')}, must be 1"


def _cycle_faults(composites: dict[str, Composite]) -> Iterator[Fault]:
    """One fault for each composite that is part of itself."""
    for name in composites:
        reached: set[str] = set()
        waiting = list(composites[name].parts)
        while waiting:
            part = waiting.pop()
            if part in composites and part not in reached:
                reached.add(part)
                waiting.extend(composites[part].parts)
        if name in reached:
            circle = " and ".join(sorted(
                other for other in reached if name in _reached_from(composites, other)
            ))
            yield ("composites", name, "parts"), f"is part of itself, in a circle of {circle}"


def _reached_from(composites: dict[str, Composite], name: str) -> set[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        for part in composites[waiting.pop()].parts:
            if part in composites and part not in reached:
                reached.add(part)
                waiting.append(part)
    return reached


def _profile_faults(configuration: Configuration) -> Iterator[Fault]:
    profiles = configuration.profiles
    if not profiles or profiles[-1].name != CATCH_ALL or profiles[-1].customer_types is not None:
        yield ("profiles",), (
            f"the last profile must be named {CATCH_ALL!r} and have no customer_types, so that "
            "every customer has one"
        )
    claimed = set(configuration.exclude.customers.types)
    is_everyone_claimed = False
    for position, profile in enumerate(profiles):
        path: KeyPath = ("profiles", position)
        yield from _name_faults((*path, "name"), profile.name)
        if profile.name in [earlier.name for earlier in profiles[:position]]:
            yield (*path, "name"), f"a profile {profile.name!r} stands above already"
        types = profile.customer_types
        if is_everyone_claimed:
            yield path, "no customer can have it: a profile above takes everyone"
        elif types is None:
            is_everyone_claimed = True
        elif not set(types) - claimed:
            yield (*path, "customer_types"), (
                "no customer can have it: its types are "
                + ("none" if not types else "all excluded or taken by profiles above")
            )
        claimed |= set(types or ())
        yield from _override_faults(path, profile, configuration)


def _override_faults(
    path: KeyPath, profile: Profile, configuration: Configuration
) -> Iterator[Fault]:
    for name, measured in profile.indicators.items():
        yield from _profile_indicator_faults((*path, "indicators", name), name, measured,
                                             configuration)
    for name, override in profile.composites.items():
        where: KeyPath = (*path, "composites", name)
        base = configuration.composites.get(name)
        if base is None:
            yield where, unknown("composite", name, list(configuration.composites))
            continue
        yield from _weight_faults((*where, "parts"), override.parts)
        for part in override.parts:
            if part not in base.parts:
                yield (*where, "parts", part), unknown(f"part of {name}", part, list(base.parts))
    if profile.cuts.tiers:
        yield from _tier_faults((*path, "cuts", "tiers"), profile.cuts.tiers)
    if profile.cuts.matrix:
        yield from _matrix_faults((*path, "cuts", "matrix"), profile.cuts.matrix)


def _profile_indicator_faults(
    path: KeyPath, name: str, measured: ProfileIndicator, configuration: Configuration
) -> Iterator[Fault]:
    base = configuration.indicators.get(name)
    if base is None:
        yield path, unknown("indicator", name, list(configuration.indicators))
        return
    given = [option for option in ("window_days", "half_life_days")
             if getattr(measured, option) is not None]
    if not given:
        yield path, "must give window_days or half_life_days, else leave it out"
    rule = _RULES[base.kind]
    for option in given:
        if option not in rule.required + rule.optional:
            yield (*path, option), f"does not belong to kind {base.kind} of {base.of}"


def _cut_faults(path: KeyPath, cut: Cut) -> Iterator[Fault]:
    if (cut.quantile is None) == (cut.score is None):
        yield path, "must have either quantile (0-1) or score (0-100)"


def _tier_faults(path: KeyPath, tiers: TierCuts) -> Iterator[Fault]:
    high, medium = tiers.high, tiers.medium
    yield from _cut_faults((*path, "high"), high)
    yield from _cut_faults((*path, "medium"), medium)
    if (high.quantile is None) != (medium.quantile is None):
        yield path, "high and medium must both be quantiles or both be scores"
    elif high.quantile is not None and medium.quantile is not None:
        if high.quantile <= medium.quantile:
            yield path, "cuts must fall: high above medium"
    elif high.score is not None and medium.score is not None and high.score <= medium.score:
        yield path, "cuts must fall: high above medium"


def _matrix_faults(path: KeyPath, matrix: MatrixCuts) -> Iterator[Fault]:
    yield from _cut_faults((*path, "value"), matrix.value)
    yield from _cut_faults((*path, "loyalty"), matrix.loyalty)


def _cell_faults(matrix: Matrix) -> Iterator[Fault]:
    seen: set[str] = set()
    for position, cell in enumerate(matrix.cells):
        if cell.quadrant in seen:
            yield ("matrix", "cells", position), f"maps {cell.quadrant} a second time"
        seen.add(cell.quadrant)
    for value in LEVELS:
        for loyalty in LEVELS:
            if quadrant_name(value, loyalty) not in seen:
                yield ("matrix", "cells"), (
                    f"no cell maps value {value} and loyalty {loyalty}"
                )


def _serving_faults(costs: CostToServe) -> Iterator[Fault]:
    for name in costs.types:
        if not _PLAIN.match(name):
            yield ("cost_to_serve", "types", name), (
                f"{name!r} must be 1 to 60 characters without quotes, backslashes and braces")


def _segment_faults(configuration: Configuration) -> Iterator[Fault]:
    segments = configuration.segments
    bands = segments.age_bands
    if any(later <= earlier for earlier, later in itertools.pairwise(bands)):
        yield ("segments", "age_bands"), "the ages must rise"
    for name in RFM_MEASURES:
        measure: RfmMeasure | None = getattr(segments.rfm, name)
        if measure is not None:
            yield from _rfm_measure_faults(
                ("segments", "rfm", name), measure, configuration.indicators)
    yield from _rfm_map_faults(("segments", "rfm", "segments"), segments.rfm.segments)


def _rfm_measure_faults(
    path: KeyPath, measure: RfmMeasure, indicators: dict[str, Indicator]
) -> Iterator[Fault]:
    if (measure.cuts is None) == (measure.indicator is None):
        yield path, "must have either cuts (four rising numbers) or indicator"
    elif measure.cuts is not None:
        if any(later <= earlier for earlier, later in itertools.pairwise(measure.cuts)):
            yield (*path, "cuts"), "the four numbers must rise"
    elif measure.indicator not in indicators:
        yield (*path, "indicator"), unknown("indicator", str(measure.indicator), list(indicators))


def _rfm_map_faults(path: KeyPath, segments: tuple[RfmSegment, ...]) -> Iterator[Fault]:
    """Every cell has one segment, so that every buyer has one."""
    owners: dict[str, str] = {}
    for position, segment in enumerate(segments):
        where: KeyPath = (*path, position)
        yield from _name_faults((*where, "segment"), segment.segment)
        if segment.segment in RFM_RESERVED:
            yield (*where, "segment"), "is a word for customers without a cell; choose another"
        if segment.segment in [earlier.segment for earlier in segments[:position]]:
            yield (*where, "segment"), f"a segment {segment.segment!r} stands above already"
        for number, box in enumerate(segment.where):
            if any(low > high for low, high in (box.recency, box.frequency, box.monetary)):
                yield (*where, "where", number), "a range goes from the lower to the higher score"
            taken = sorted({cell for cell in box.cells() if cell in owners})
            if taken:
                yield (*where, "where", number), (
                    f"maps {_few(taken)} a second time; {owners[taken[0]]} has "
                    f"{taken[0]} already")
            for cell in box.cells():
                owners.setdefault(cell, segment.segment)
    missing = sorted(set(RfmBox().cells()) - set(owners))
    if missing:
        yield path, (f"no segment has {_few(missing)} (recency, frequency, monetary); every buyer "
                     "must have one")


def _few(cells: list[str]) -> str:
    rest = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
    return f"cell{'s' if len(cells) > 1 else ''} {', '.join(cells[:3])}{rest}"
