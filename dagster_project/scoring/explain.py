"""One customer's scores in words, English or Chinese: facts, weights, contributions, labels.

Nothing is computed again but what words need: the two-decimal figures of a sum are rounded so
that they visibly add up. Scoring itself stands in `score.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from dagster_project.configuration import Configuration, Cut, Indicator
from dagster_project.scoring.exact import POINT
from dagster_project.scoring.labels import INSUFFICIENT
from dagster_project.scoring.reference import Reference

Row = Mapping[str, Any]

_WORDS = {
    "en": {
        "facts": "Facts",
        "fact": "- {label}: {value}{unit}{window} -> {score}{rank}",
        "facts_missing": "- not measured: {labels}", "comma": ", ",
        "fact_unscaled": "- {label}: {value}{unit}{window}; no score until the next reference, "
                         "since nobody was measured when this one was fitted",
        "window": " in {days} days",
        "rank_any": ", ahead of {percent} % of customers with any, half of equals counted",
        "rank_all": ", ahead of {percent} % of customers measured, half of equals counted",
        "nothing": ", none",
        "points": ", by the configured points",
        "survey": ", {n} answers by weight, drawn towards the mean of all ({mean}), which counts "
                  "as {k} answers",
        "composite": "{label}: {score} = {sum}; {coverage} % of its weight is measured",
        "composite_missing": "{label}: no score; {coverage} % of its weight is measured, at least "
                             "{bound} % is needed",
        "part": "- {label}: {score} x weight {weight} % = {contribution}",
        "part_missing": "- {label}: not measured, left out; its weight goes to the others",
        "tier": "Tier: {name}. CRM value {score}; medium from {medium} on, high from {high} on",
        "tier_missing": "Tier: insufficient data, since there is no CRM value",
        "quadrant": "Quadrant: {name}. Value {value}, high from {value_cut} on; loyalty "
                    "{loyalty}, high from {loyalty_cut} on",
        "quadrant_missing": "Quadrant: insufficient data, since not both axes are measured",
        "traits": "Customers of this quadrant typically: {text}",
        "strategy": "Strategy: {text}",
        "stage": "Stage: {name}. {purchases} purchases",
        "silence": ", the last {days} days ago",
        "gap": ", usually {days} days apart",
        "gap_others": ", others usually {days} days apart",
    },
    "zh": {
        "facts": "事实",
        "fact": "- {label}:{window}{value}{unit} → {score}分{rank}",
        "facts_missing": "- 未测得:{labels}", "comma": "、",
        "fact_unscaled": "- {label}:{window}{value}{unit};当前参照拟合时无人测得,下次参照前无评分",
        "window": "近{days}天",
        "rank_any": ",领先{percent}%有此行为的客户(相同者计一半)",
        "rank_all": ",领先{percent}%已测得的客户(相同者计一半)",
        "nothing": ",无",
        "points": ",按配置的分段计分",
        "survey": ",加权答卷{n}份,向总体均值{mean}收缩(相当于{k}份答卷)",
        "composite": "{label}:{score} = {sum};已测得权重占{coverage}%",
        "composite_missing": "{label}:无评分;已测得权重占{coverage}%,至少需要{bound}%",
        "part": "- {label}:{score} × 权重{weight}% = {contribution}",
        "part_missing": "- {label}:未测得,不计入,权重分给其他部分",
        "tier": "层级:{name}。CRM值{score};{medium}起为中,{high}起为高",
        "tier_missing": "层级:数据不足,没有CRM值",
        "quadrant": "象限:{name}。价值{value},{value_cut}起为高;忠诚{loyalty},{loyalty_cut}起为高",
        "quadrant_missing": "象限:数据不足,两轴未同时测得",
        "traits": "该象限客户通常:{text}",
        "strategy": "策略:{text}",
        "stage": "阶段:{name}。购买{purchases}次",
        "silence": ",最近一次在{days}天前",
        "gap": ",通常间隔{days}天",
        "gap_others": ",其他客户通常间隔{days}天",
    },
}


def explain(
    row: Row,
    features: Row,
    reference: Reference,
    configuration: Configuration,
    language: str = "en",
) -> list[str]:
    """Why one customer has these scores and labels.

    Args:
        row: the customer's row of `score_batch`.
        features: the customer's row of `customer_features`.
        reference: the reference the row was scored by.
        configuration: the configuration the row was scored by.
        language: `en` or `zh`.

    Returns:
        Lines of text, figures with two decimals: composites with their parts, facts, labels.

    Raises:
        ValueError: another language.
    """
    if language not in _WORDS:
        raise ValueError(f"language {language!r} is unknown; there are {', '.join(_WORDS)}")
    words = _WORDS[language]
    lines: list[str] = []
    for composite in configuration.composites:
        lines += _composite_lines(composite, row, configuration, words, language)
    lines.append(words["facts"])
    missing = []
    for name, indicator in configuration.indicators.items():
        if _number(row[f"{name}__value"]) is None:
            missing.append(configuration.label(name, language))
        else:
            lines.append(_fact_line(name, indicator, row, reference, configuration, language))
    if missing:
        lines.append(words["facts_missing"].format(labels=words["comma"].join(missing)))
    lines.append(_tier_line(row, reference, configuration, language))
    lines += _quadrant_lines(row, reference, configuration, language)
    lines.append(_stage_line(row, features, reference, configuration, language))
    return lines


def _number(value: Any) -> float | None:
    """The number, or None for NULL in any of its forms."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(number) else number


def _two(value: float) -> str:
    """Two decimals, a score's half rounded up as everywhere."""
    units = round(abs(value) * POINT)
    text = f"{(units + 50) // 100 / 100:,.2f}"
    return f"-{text}" if value < 0 and units >= 50 else text


def _percent(share: float) -> str:
    return f"{share * 100:.2f}".rstrip("0").rstrip(".")


def _days(value: float) -> str:
    return f"{value:g}"


def _adding_up(contributions: list[float]) -> list[str]:
    """Contributions with two decimals that add up to the two decimals of their sum."""
    texts, before, running = [], 0, 0
    for contribution in contributions:
        running += round(contribution * POINT)
        upto = (running + 50) // 100
        texts.append(f"{(upto - before) / 100:.2f}")
        before = upto
    return texts


def _composite_lines(
    name: str, row: Row, configuration: Configuration, words: Mapping[str, str], language: str
) -> Iterator[str]:
    score, coverage = _number(row[name]), _number(row[f"{name}__coverage"]) or 0.0
    label = configuration.label(name, language)
    if score is None:
        yield words["composite_missing"].format(
            label=label, coverage=_percent(coverage),
            bound=_percent(float(configuration.min_coverage)))
        return
    parts = list(configuration.weights(str(row["profile"]), name))
    given = {part: _number(row[f"{name}__{part}__contribution"]) for part in parts}
    measured = {part: value for part, value in given.items() if value is not None}
    texts = dict(zip(measured, _adding_up(list(measured.values())), strict=True))
    yield words["composite"].format(
        label=label, score=_two(score), sum=" + ".join(texts.values()),
        coverage=_percent(coverage))
    for part in parts:
        part_label = configuration.label(part, language)
        if part not in texts:
            yield words["part_missing"].format(label=part_label)
            continue
        column = part if part in configuration.composites else f"{part}__score"
        yield words["part"].format(
            label=part_label, score=_two(float(row[column])),
            weight=_percent(float(row[f"{name}__{part}__weight"])), contribution=texts[part])


def _fact_line(
    name: str,
    indicator: Indicator,
    row: Row,
    reference: Reference,
    configuration: Configuration,
    language: str,
) -> str:
    words = _WORDS[language]
    label = configuration.label(name, language)
    value, score = _number(row[f"{name}__value"]), _number(row[f"{name}__score"])
    assert value is not None, name
    days = configuration.indicator(str(row["profile"]), name).window_days
    text = {
        "label": label,
        "value": _two(value),
        "unit": _unit(indicator, configuration, language),
        "window": words["window"].format(days=days) if days else "",
    }
    if score is None:
        return words["fact_unscaled"].format(**text)
    return words["fact"].format(
        **text, score=_two(score), rank=_rank(name, indicator, row, value, score, reference, words)
    )


def _unit(indicator: Indicator, configuration: Configuration, language: str) -> str:
    if indicator.is_money:
        return f" {configuration.business.base_currency}"
    if indicator.unit is None:
        return ""
    return f"{' ' if language == 'en' else ''}{indicator.unit.in_language(language)}"


def _rank(
    name: str,
    indicator: Indicator,
    row: Row,
    value: float,
    score: float,
    reference: Reference,
    words: Mapping[str, str],
) -> str:
    if indicator.score.method == "threshold":
        return words["points"]
    if indicator.score.method == "survey":
        prior = reference.profile(str(row["profile"])).priors[name]
        return words["survey"].format(
            n=_two(_number(row[f"{name}__n"]) or 0.0), mean=_two(prior.mean), k=_days(prior.k))
    if indicator.is_fitted_above_zero:
        if value <= 0:
            return words["nothing"]
        return words["rank_any"].format(percent=int(score))
    return words["rank_all"].format(percent=int(score))


def _cut_text(reference: Reference, profile: str, composite: str, cut: Cut) -> str:
    return _two(reference.cut_units(profile, composite, cut) / POINT)


def _tier_line(
    row: Row, reference: Reference, configuration: Configuration, language: str
) -> str:
    words, tier = _WORDS[language], str(row["tier"])
    if tier == INSUFFICIENT:
        return words["tier_missing"]
    profile, labels = str(row["profile"]), configuration.tiers.labels
    cuts = configuration.tier_cuts(profile)
    return words["tier"].format(
        name=getattr(labels, tier).in_language(language) if labels else tier,
        score=_two(float(row["crm_value"])),
        high=_cut_text(reference, profile, "crm_value", cuts.high),
        medium=_cut_text(reference, profile, "crm_value", cuts.medium))


def _quadrant_lines(
    row: Row, reference: Reference, configuration: Configuration, language: str
) -> Iterator[str]:
    words, quadrant = _WORDS[language], str(row["quadrant"])
    if quadrant == INSUFFICIENT:
        yield words["quadrant_missing"]
        return
    profile = str(row["profile"])
    cuts = configuration.matrix_cuts(profile)
    cell = next(cell for cell in configuration.matrix.cells if cell.quadrant == quadrant)
    yield words["quadrant"].format(
        name=cell.name.in_language(language),
        value=_two(float(row["matrix_value_score"])),
        loyalty=_two(float(row["matrix_loyalty_score"])),
        value_cut=_cut_text(reference, profile, "matrix_value_score", cuts.value),
        loyalty_cut=_cut_text(reference, profile, "matrix_loyalty_score", cuts.loyalty))
    yield words["traits"].format(text=cell.traits.in_language(language))
    yield words["strategy"].format(text=cell.strategy.in_language(language))


def _stage_line(
    row: Row, features: Row, reference: Reference, configuration: Configuration, language: str
) -> str:
    words, stage = _WORDS[language], str(row["lifecycle_stage"])
    labels = configuration.lifecycle.labels
    name = getattr(labels, stage).in_language(language) if labels else stage.replace("_", " ")
    line = words["stage"].format(
        name=name, purchases=_days(_number(features["purchases_n"]) or 0))
    silent = _number(features["days_since_last_purchase"])
    if silent is None:
        return line
    line += words["silence"].format(days=_days(silent))
    own = _number(features["median_gap_days"])
    others = _number(reference.profile(str(row["profile"])).gap_days)
    if own is not None:
        return line + words["gap"].format(days=_days(own))
    if others is not None:
        return line + words["gap_others"].format(days=_days(others))
    return line
