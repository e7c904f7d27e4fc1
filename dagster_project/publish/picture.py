"""What is published of a customer beside the scores, in words.

Held labels where they differ, lifetime value, segments, profitability, churn warning; read from
the publication, nothing is computed again. Scores stand in `scoring/explain.py`, who the customer
is in `explanation.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from dagster_project.configuration import RFM_RESERVED, Configuration
from dagster_project.scoring.exact import POINT, scaled
from dagster_project.scoring.labels import INSUFFICIENT, LABELS
from dagster_project.scoring.lifetime.reference import LifetimeReference, Shortfall
from dagster_project.scoring.reference import Reference

Row = Mapping[str, Any]

CENT = Decimal("0.01")

_WORDS = {
    "en": {
        "held": "Held {kind}: {held}{since}, not {plain}: {why}",
        "tier": "tier", "quadrant": "quadrant", "lifecycle_stage": "stage",
        "since": " since {day}",
        "not_passed": "{label} {score} has not passed the cut at {cut} by {margin} points",
        "and": " and ",
        "value": "Lifetime value",
        "no_purchase": "- none, since there is no purchase",
        "historic": "- no expectation: {why}",
        "expected": "- expected in {days} days: {purchases} purchase days{margin}",
        "margin": ", margin {amount} {currency} (a year from now counts {rate} % less)",
        "alive": "- still a customer with a chance of {percent} %",
        "alive_unknown": "- whether it is still a customer: not known after a single purchase day "
                         "(model bg_nbd)",
        "per_purchase": "- margin of a purchase day: {amount} {currency}; {percent} % of that is "
                        "its own mean, the rest that of all",
        "purchase_model_of_all": "- the model of purchases is that of all customers: {why}",
        "margin_model_of_all": "- the model of margins is that of all customers: {why}",
        "no_margin_model": "- no margin is expected: {why}",
        "margin_of_population": "- nothing is known of its margins; the mean of all stands in",
        "loss_counts_as_zero": "- its own mean margin is below 0 and counts as 0",
        "too_few_buyers": "{found} customers with a purchase, {bound} are needed",
        "history_too_short": "the first purchase lies {found} days back, {bound} are needed",
        "no_recent_purchase": "the last purchase lies {found} days back, at most {bound} are "
                              "allowed",
        "too_few_purchase_days": "nobody bought on more than {found} days, {bound} are needed",
        "too_few_margins": "{found} customers with two purchase days of known margin, {bound} are "
                           "needed",
        "not_converged": "no parameters fit (slope {found}, at most {bound} is allowed)",
        "past": "- margin up to now: {amount} {currency} of {days} purchase days of known margin",
        "past_unknown": "- margin up to now: not known, since no order of it has a known margin",
        "rhythm": "- rhythm: a purchase about every {gap} days ({source}); the next was due on "
                  "{day}{overdue}",
        "rhythm_ahead": "- rhythm: a purchase about every {gap} days ({source}); the next is due "
                        "on {day}",
        "own": "its own", "population": "that of all",
        "overdue": ", {days} days ago",
        "no_rhythm": "- rhythm: not known, since nobody bought on two days",
        "segments": "Segments and profitability",
        "rfm": "- RFM: {segment}, cell {cell} (recency {recency}, frequency {frequency}, monetary "
               "{monetary}; 5 is best)",
        "rfm_prospect": "- RFM: none, since there is no purchase",
        "rfm_insufficient_data": "- RFM: insufficient data, since not all three are measured",
        "contribution": "- contribution in {days} days: {amount} {currency}{partly}; rank {rank}, "
                        "tenth {decile} of 10",
        "partly": ", of orders of known cost ({percent} % of the money)",
        "cost_unknown": "- contribution in {days} days: not known; product costs are known of "
                        "{percent} % of the money, {bound} % are needed",
        "no_activity": "- contribution in {days} days: none, nothing was bought and nothing cost",
        "composed": "- that is net revenue {net}, less {uncosted} of unknown cost, product cost "
                    "{cost}, shipping {shipping}, cost to serve {serve}",
        "profitability": "- profitability quadrant: {name}",
        "profitability_insufficient": "- profitability quadrant: insufficient data, since the "
                                      "contribution or the loyalty axis is missing",
        "high": "high", "low": "low",
        "profit_and_loyalty": "{profit} profit and {loyalty} loyalty",
        "warning": "Churn warning, rank {rank} of {n}: {reasons}{loss}",
        "loss": "; expected loss {amount} {currency}",
    },
    "zh": {
        "held": "保持的{kind}:{held}{since},而非{plain}:{why}",
        "tier": "层级", "quadrant": "象限", "lifecycle_stage": "阶段",
        "since": "(自{day})",
        "not_passed": "{label}{score}尚未越过界线{cut}达{margin}分",
        "and": "且",
        "value": "客户终身价值",
        "no_purchase": "- 无,因为没有购买",
        "historic": "- 无预期:{why}",
        "expected": "- {days}天内预期购买日{purchases}个{margin}",
        "margin": ",利润{amount} {currency}(一年后折减{rate}%)",
        "alive": "- 仍为客户的概率{percent}%",
        "alive_unknown": "- 是否仍为客户:只有一个购买日,无从得知(模型bg_nbd)",
        "per_purchase": "- 每个购买日的利润:{amount} {currency};其中{percent}%按自身均值,其余按"
                        "全体均值",
        "purchase_model_of_all": "- 购买模型取自全体客户:{why}",
        "margin_model_of_all": "- 利润模型取自全体客户:{why}",
        "no_margin_model": "- 无预期利润:{why}",
        "margin_of_population": "- 自身利润未知,以全体均值代替",
        "loss_counts_as_zero": "- 自身平均利润低于0,按0计",
        "too_few_buyers": "有购买的客户{found}位,需要{bound}位",
        "history_too_short": "首次购买距今{found}天,需要{bound}天",
        "no_recent_purchase": "最近购买距今{found}天,最多允许{bound}天",
        "too_few_purchase_days": "无人购买日超过{found}个,需要{bound}个",
        "too_few_margins": "有两个利润已知购买日的客户{found}位,需要{bound}位",
        "not_converged": "没有合适的参数(斜率{found},最多{bound})",
        "past": "- 迄今利润:{amount} {currency},利润已知的购买日{days}个",
        "past_unknown": "- 迄今利润:未知,没有利润已知的订单",
        "rhythm": "- 节奏:约每{gap}天购买一次({source});下次应在{day}{overdue}",
        "rhythm_ahead": "- 节奏:约每{gap}天购买一次({source});下次预计在{day}",
        "own": "自身", "population": "全体",
        "overdue": ",已过{days}天",
        "no_rhythm": "- 节奏:未知,无人在两天购买过",
        "segments": "细分与盈利",
        "rfm": "- RFM:{segment},单元{cell}(近度{recency},频度{frequency},金额{monetary};5为最佳)",
        "rfm_prospect": "- RFM:无,因为没有购买",
        "rfm_insufficient_data": "- RFM:数据不足,三项未全部测得",
        "contribution": "- 近{days}天贡献:{amount} {currency}{partly};排名{rank},"
                        "第{decile}个十分位",
        "partly": ",仅含成本已知的订单(占金额{percent}%)",
        "cost_unknown": "- 近{days}天贡献:未知;成本已知的占金额{percent}%,需要{bound}%",
        "no_activity": "- 近{days}天贡献:无,没有购买也没有成本",
        "composed": "- 即净收入{net},减去成本未知的{uncosted}、产品成本{cost}、运费{shipping}、"
                    "服务成本{serve}",
        "profitability": "- 盈利象限:{name}",
        "profitability_insufficient": "- 盈利象限:数据不足,缺少贡献或忠诚轴",
        "high": "高", "low": "低",
        "profit_and_loyalty": "{profit}盈利{loyalty}忠诚",
        "warning": "流失预警,第{rank}位(共{n}位):{reasons}{loss}",
        "loss": ";预期损失{amount} {currency}",
    },
}
# What of column `reasons` is said of a customer with expectations, and whose shortfall is why.
_MODEL_REASONS = {
    "purchase_model_of_all": "purchase_shortfall", "margin_model_of_all": "margin_shortfall",
    "no_margin_model": "margin_shortfall", "margin_of_population": None,
    "loss_counts_as_zero": None,
}


@dataclass(frozen=True)
class Picture:
    """One customer of one publication.

    Attributes:
        read: rows of a query with parameters, from the publication's file.
        key: the customer_key.
        scores: the customer's row of customer_scores.
        reference, configuration: those of the publication.
        language: en or zh.
    """

    read: Callable[..., list[dict[str, Any]]]
    key: str
    scores: Row
    reference: Reference
    configuration: Configuration
    language: str

    def lines(self) -> Iterator[str]:
        """All that is to be said, the most urgent last."""
        yield from self._held()
        yield ""
        yield self.words["value"]
        yield from self._lifetime()
        yield ""
        yield self.words["segments"]
        yield from self._rfm()
        yield from self._profitability()
        yield from self._warning()

    @property
    def words(self) -> Mapping[str, str]:
        """Sentences in the reader's language."""
        return _WORDS[self.language]

    @property
    def currency(self) -> str:
        """That of all amounts."""
        return self.configuration.business.base_currency

    def _row(self, table: str) -> dict[str, Any] | None:
        rows = self.read(f"select * from {table} where customer_key = cast(? as uuid)", [self.key])
        return rows[0] if rows else None

    # -------------------------------------------------------------------------- held labels

    def _held(self) -> Iterator[str]:
        """Labels that stand for longer than the scores say, and what keeps them."""
        for kind in LABELS:
            plain, held = str(self.scores[kind]), str(self.scores[f"{kind}_held"])
            if plain == held:
                continue
            spans = self.read(
                "select from_date from label_history where customer_key = cast(? as uuid) "
                "and label_kind = ? and label = ? and to_date is null", [self.key, kind, held])
            since = self.words["since"].format(day=spans[0]["from_date"]) if spans else ""
            why = [self.words["not_passed"].format(
                label=self.configuration.label(composite, self.language),
                score=_two(self.scores[composite]), cut=_points(cut),
                margin=_plain(self.configuration.held_labels.margin))
                for composite, cut in self._cuts_between(kind, plain, held)]
            yield self.words["held"].format(
                kind=self.words[kind], held=self._label(kind, held), since=since,
                plain=self._label(kind, plain), why=self.words["and"].join(why))

    def _cuts_between(self, kind: str, plain: str, held: str) -> Iterator[tuple[str, int]]:
        """Composite and cut, in ten-thousandths of a point, of each bound between two labels."""
        profile, configuration = str(self.scores["profile"]), self.configuration
        if kind == "lifecycle_stage":
            yield "loyalty_degree_score", scaled(configuration.lifecycle.loyal_score, POINT)
            return
        if kind == "tier":
            cuts = configuration.tier_cuts(profile)
            bounds = {"high": cuts.high, "medium": cuts.medium}
            low, high = sorted(("low", "medium", "high").index(name) for name in (plain, held))
            for name in ("medium", "high")[low:high]:
                yield "crm_value", self.reference.cut_units(profile, "crm_value", bounds[name])
            return
        axes = configuration.matrix_cuts(profile)
        cells = {cell.quadrant: cell for cell in configuration.matrix.cells}
        for axis, composite in (("value", "matrix_value_score"),
                                ("loyalty", "matrix_loyalty_score")):
            if getattr(cells[plain], axis) != getattr(cells[held], axis):
                yield composite, self.reference.cut_units(profile, composite, getattr(axes, axis))

    def _label(self, kind: str, label: str) -> str:
        """A label as the home calls it."""
        named: Any
        if kind == "quadrant":
            named = {cell.quadrant: cell.name for cell in self.configuration.matrix.cells}.get(
                label)
        else:
            labels: Any = (self.configuration.tiers.labels if kind == "tier"
                           else self.configuration.lifecycle.labels)
            named = getattr(labels, label, None)
        return named.in_language(self.language) if named else label.replace("_", " ")

    # ----------------------------------------------------------------------- lifetime value

    def _lifetime(self) -> Iterator[str]:
        words, value = self.words, self._row("customer_lifetime_values")
        if value is None:
            yield words["no_purchase"]
            return
        models = self.reference.profile(str(value["profile"])).lifetime
        if value["method"] == "historic":
            yield words["historic"].format(why=self._why(models.purchase_shortfall))
        else:
            yield from self._expectations(value, models)
        if value["historic_margin_amount"] is None:
            yield words["past_unknown"]
        else:
            yield words["past"].format(
                amount=_two(value["historic_margin_amount"]), currency=self.currency,
                days=value["margin_purchase_days_n"])
        yield self._rhythm(value)

    def _expectations(self, value: Row, models: LifetimeReference) -> Iterator[str]:
        words, rule = self.words, self.configuration.lifetime_value
        margin = ""
        if value["expected_margin_amount"] is not None:
            margin = words["margin"].format(
                amount=_two(value["expected_margin_amount"]), currency=self.currency,
                rate=_percent(1 - 1 / (1 + rule.annual_discount_rate)))
        yield words["expected"].format(
            days=rule.horizon_days, purchases=_two(value["expected_purchases"]), margin=margin)
        yield (words["alive_unknown"] if value["p_alive"] is None
               else words["alive"].format(percent=_percent(value["p_alive"])))
        if value["expected_margin_per_purchase_amount"] is not None:
            yield words["per_purchase"].format(
                amount=_two(value["expected_margin_per_purchase_amount"]), currency=self.currency,
                percent=_percent(value["margin_own_weight"]))
        for reason in (value["reasons"] or "").split(", "):
            if reason in _MODEL_REASONS:
                shortfall = _MODEL_REASONS[reason]
                yield words[reason].format(
                    why=self._why(getattr(models, shortfall)) if shortfall else "")

    def _why(self, shortfall: Shortfall | None) -> str:
        """What there is too little of for a model."""
        return "" if shortfall is None else self.words[shortfall.reason].format(
            found=f"{shortfall.found:g}", bound=f"{shortfall.bound:g}")

    def _rhythm(self, value: Row) -> str:
        if value["typical_gap_days"] is None:
            return self.words["no_rhythm"]
        overdue = value["days_overdue"]
        return self.words["rhythm" if overdue else "rhythm_ahead"].format(
            gap=_plain(value["typical_gap_days"]),
            source=self.words[value["typical_gap_source"]],
            day=value["expected_next_purchase_date"],
            overdue=self.words["overdue"].format(days=overdue))

    # ------------------------------------------------------- segments, profitability, churn

    def _rfm(self) -> Iterator[str]:
        segments = self._row("customer_segments")
        if segments is None:
            return
        segment = segments["rfm_segment"]
        if segment in RFM_RESERVED:
            yield self.words[f"rfm_{segment}"]
            return
        yield self.words["rfm"].format(
            segment=self.configuration.rfm_segment_of_cells()[segments["rfm_cell"]].name(
                self.language),
            cell=segments["rfm_cell"], **{name: segments[f"rfm_{name}_score"] for name in (
                "recency", "frequency", "monetary")})

    def _profitability(self) -> Iterator[str]:
        found, words = self._row("customer_profitability"), self.words
        if found is None:
            return
        rule, status = self.configuration.profitability, found["contribution_status"]
        percent = "0" if found["costed_share"] is None else _percent(found["costed_share"])
        if status in ("cost_unknown", "no_activity"):
            yield words[status].format(days=rule.window_days, percent=percent,
                                       bound=_percent(rule.minimum_costed_share))
        else:
            yield words["contribution"].format(
                days=rule.window_days, amount=_two(found["contribution_amount"]),
                currency=self.currency, rank=found["contribution_rank"],
                decile=found["contribution_decile"],
                partly=words["partly"].format(percent=percent) if status == "partly_known" else "")
            yield words["composed"].format(
                net=_two(found["net_revenue_amount"]),
                uncosted=_two(found["uncosted_revenue_amount"]),
                cost=_two(found["product_cost_amount"]), shipping=_two(found["shipping_amount"]),
                serve=_two(found["cost_to_serve_amount"]))
        yield self._profitability_quadrant(found["profitability_quadrant"])

    def _profitability_quadrant(self, quadrant: str) -> str:
        words = self.words
        if quadrant == INSUFFICIENT:
            return words["profitability_insufficient"]
        profit, _, loyalty = quadrant.removesuffix("_loyalty").partition("_profit_")
        return words["profitability"].format(name=words["profit_and_loyalty"].format(
            profit=words[profit], loyalty=words[loyalty]))

    def _warning(self) -> Iterator[str]:
        warning = self._row("churn_warnings")
        if warning is None:
            return
        [warned] = self.read("select count(*) as n from churn_warnings")
        loss = warning["expected_loss_amount"]
        yield self.words["warning"].format(
            rank=warning["rank"], n=warned["n"], reasons=warning[f"words_{self.language}"],
            loss="" if loss is None else self.words["loss"].format(
                amount=_two(loss), currency=self.currency))


def _two(number: Decimal) -> str:
    """The two decimals in which people read amounts and scores."""
    return f"{number.quantize(CENT, ROUND_HALF_UP):,}"


def _points(units: int) -> str:
    return _two(Decimal(units) / POINT)


def _percent(share: Decimal) -> str:
    """A share as percent with at most one decimal."""
    return _plain((Decimal(share) * 100).quantize(Decimal("0.1"), ROUND_HALF_UP))


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
