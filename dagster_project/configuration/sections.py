"""The sections of `config/crm.yaml`, each by itself: keys, types, bounds, defaults.

What must hold between sections stands in `rules.py`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from dagster_project.configuration.indicator_kinds import KIND_RULES

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

NAME = re.compile(r"^[a-z](?:_?[a-z0-9])*_?$")
NAME_LENGTH = 41
TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Such characters would have to be escaped differently in JSON, Jinja and SQL.
PLAIN = re.compile(r"^[^'\"\\{}`\x00-\x1f\x7f]{1,60}$")


def _as_decimal(value: object) -> object:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _sorted_texts(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not PLAIN.match(value):
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


class Section(BaseModel):
    """Part of crm.yaml: unknown keys are refused, nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Text(Section):
    """Words in both languages."""

    en: str
    zh: str

    def in_language(self, language: str) -> str:
        """The words in `en` or `zh`."""
        return self.zh if language == "zh" else self.en


class Business(Section):
    """Calendar and currency of the business."""

    time_zone: str
    base_currency: str
    fx_carry_days: Annotated[int, Field(ge=0, le=31)] = 0


class ExcludedCustomers(Section):
    """Customers left out before anything is measured."""

    types: Names = ()
    ids: tuple[str, ...] = ()


class ExcludedOrders(Section):
    """Orders left out before anything is measured.

    Attributes:
        channels, tags: whole orders that came by such a channel, or carry such a tag.
        product_ids, product_categories: such lines; the other lines of their orders count.
    """

    channels: Names = ()
    tags: Names = ()
    product_ids: Names = ()
    product_categories: Names = ()


class Exclude(Section):
    """What is left out by rule or list."""

    customers: ExcludedCustomers = ExcludedCustomers()
    orders: ExcludedOrders = ExcludedOrders()


class Identities(Section):
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


class Score(Section):
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


class Indicator(Section):
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
        return self.absent or KIND_RULES[self.kind].absent[0]

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


class Composite(Section):
    """A weighted mean of indicator scores or of other composites."""

    parts: dict[str, Weight]
    label: Text | None = None


class Cut(Section):
    """A cut point: a quantile of the reference population, or a fixed score."""

    quantile: Quantile | None = None
    score: Points | None = None


class TierCuts(Section):
    """From where on crm_value is high, and medium."""

    high: Cut
    medium: Cut


class MatrixCuts(Section):
    """From where on each axis of the matrix is high."""

    value: Cut
    loyalty: Cut


class TierLabels(Section):
    """Names of the tiers."""

    high: Text
    medium: Text
    low: Text


class Tiers(TierCuts):
    """The tiers of crm_value."""

    labels: TierLabels | None = None


class Cell(Section):
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


class StageLabels(Section):
    """Names of the lifecycle stages."""

    prospect: Text
    first_purchase: Text
    repeat: Text
    loyal: Text
    lapsing: Text
    lost: Text


class Lifecycle(Section):
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


class LifetimeValue(Section):
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


class ChurnWarnings(Section):
    """Which customers of high value are named as likely to leave.

    Attributes:
        p_alive_below: named when the chance that they are still customers lies below it.
        maximum_customers: so many are named, those with the greatest expected loss.
    """

    p_alive_below: Annotated[Number, Field(ge=0, le=1, decimal_places=SCORE_DECIMALS)] = Decimal(
        "0.5")
    maximum_customers: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000


class HeldLabels(Section):
    """How much a composite must pass a cut by before a held label changes.

    Attributes:
        margin: points, in hundredths at the finest, as composites are shown; 0: held labels are
            the plain ones.
    """

    margin: Annotated[Number, Field(ge=0, le=50, decimal_places=2)] = Decimal(2)


class CostToServe(Section):
    """What serving customers costs.

    Attributes:
        types: base currency for one interaction of a type that states no cost of its own.
    """

    types: dict[str, Price] = {}


class Profitability(Section):
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


class RfmMeasure(Section):
    """How one of recency, frequency and monetary becomes 1-5: by cuts or by an indicator's score.

    Attributes:
        cuts: four rising facts. Frequency and monetary: the second to fifth score begin there.
            Recency: the fifth to second score end there.
        indicator: whose score is taken in fifths of 0-100, which for a percentile are fifths of
            the reference population.
    """

    cuts: tuple[Number, Number, Number, Number] | None = None
    indicator: str | None = None


class RfmBox(Section):
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


class RfmSegment(Section):
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


class Rfm(Section):
    """Recency, frequency and monetary scores and what buyers are called by them.

    Attributes:
        monetary: None: the score of the first indicator that is a percentile of net revenue.
        segments: the map of the 125 cells; each has exactly one.
    """

    recency: RfmMeasure = RfmMeasure(cuts=(Decimal(30), Decimal(90), Decimal(180), Decimal(270)))
    frequency: RfmMeasure = RfmMeasure(cuts=(Decimal(2), Decimal(3), Decimal(4), Decimal(6)))
    monetary: RfmMeasure | None = None
    segments: tuple[RfmSegment, ...] = _default_rfm_segments()


class Segments(Section):
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


class ProfileParts(Section):
    """The weights of one composite in one profile."""

    parts: dict[str, Weight]


class ProfileIndicator(Section):
    """Window and half-life of one indicator in one profile; what is left out stays as it is."""

    window_days: Days | None = None
    half_life_days: HalfLife | None = None


class ProfileCuts(Section):
    """The cuts of one profile where they differ."""

    tiers: TierCuts | None = None
    matrix: MatrixCuts | None = None


class Profile(Section):
    """Customers who are weighed and ranked among themselves."""

    name: str
    customer_types: Names | None = None
    indicators: dict[str, ProfileIndicator] = {}
    composites: dict[str, ProfileParts] = {}
    cuts: ProfileCuts = ProfileCuts()


class Accounts(Section):
    """How the people of an account make its scores: see `scoring/accounts.py`."""

    rule: Literal["spend_weighted_mean", "mean", "highest"] = "spend_weighted_mean"


class PopulationFigures(Section):
    """Figures of all customers and of segments, such as NPS and retention.

    Attributes:
        window_days: the days that count, ending with the date of the night.
        minimum_n: a figure of fewer customers is not shown.
        few_n: a figure of fewer customers is shown and marked.
    """

    window_days: Days = 365
    minimum_n: Annotated[int, Field(ge=2, le=10_000)] = 10
    few_n: Annotated[int, Field(ge=2, le=10_000)] = 30


class Campaigns(Section):
    """How the results of campaigns are measured.

    Attributes:
        window_days: the days that count, the day of the treatment the first.
        response_types: interactions of these types are a response, as a purchase is.
    """

    window_days: Annotated[int, Field(ge=1, le=366)] = 30
    response_types: Names = (
        "comment", "event_attended", "event_feedback", "event_signup", "like", "read", "referral",
        "review", "share", "visit", "watch")


class ScoreBacktest(Section):
    """How the scores of then are judged by what customers did since.

    Attributes:
        days: the scores are those of the kept month end nearest to so many days before the
            night; it lies off by half of them at most.
    """

    days: Annotated[int, Field(ge=30, le=730)] = 90


def quadrant_name(value: str, loyalty: str) -> str:
    """Label of a cell of the matrix: `high_value_low_loyalty` and so on."""
    return f"{value}_value_{loyalty}_loyalty"
