"""A row of `score_changes` in words: what changed since the previous publication, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dagster_project.publish.change_tables import CAUSES
from dagster_project.scoring.labels import LABELS

_WORDS = {
    "en": {
        "changed": "- since publication {publication} ({night}) the CRM value went from {old} to "
                   "{new} ({change:+}): {parts}",
        "as_before": "- since publication {publication} ({night}) the CRM value stayed {new}",
        "no_value": "- since publication {publication} ({night}) there is no CRM value, as before",
        "appeared": "- was no customer in publication {publication} ({night})",
        "became_sufficient": "- since publication {publication} ({night}) there is a CRM value, "
                             "{new}; before too little was measured",
        "became_insufficient": "- since publication {publication} ({night}) there is no CRM value "
                               "any more, it was {old}: too little is measured",
        "no_value_midway": "the parts cannot be told, since between the two too little was "
                           "measured for a value",
        "not_comparable": "the parts cannot be told, since this version of the program cannot "
                          "score by the reference of then",
        "compared": "- compared with {key}, whose ids it has",
        "label": "- {label}: {old} -> {new}",
        "part": "{change:+} by {cause}", "comma": ", ",
        "correction": "new knowledge of old dates", "identity": "a merge or unmerge",
        "time": "time (events grow older)", "behaviour": "new events",
        "reference": "a new reference", "configuration": "another configuration",
        "method": "a new version of the arithmetic",
        "tier": "tier", "quadrant": "quadrant", "lifecycle_stage": "stage",
    },
    "zh": {
        "changed": "- 自第{publication}次发布({night})起,CRM价值由{old}变为{new}"
                   "({change:+}):{parts}",
        "as_before": "- 自第{publication}次发布({night})起,CRM价值仍为{new}",
        "no_value": "- 自第{publication}次发布({night})起,与之前一样没有CRM价值",
        "appeared": "- 在第{publication}次发布({night})中还不是客户",
        "became_sufficient": "- 自第{publication}次发布({night})起有了CRM价值{new};此前数据不足",
        "became_insufficient": "- 自第{publication}次发布({night})起不再有CRM价值(原为{old}):"
                               "数据不足",
        "no_value_midway": "无法分解,因为两者之间数据不足以得出数值",
        "not_comparable": "无法分解,因为本版本不能按当时的参照评分",
        "compared": "- 与{key}比较,其编号归于此客户",
        "label": "- {label}:{old} -> {new}",
        "part": "{cause}{change:+}", "comma": ",",
        "correction": "对过去日期的新认知", "identity": "合并或拆分",
        "time": "时间推移", "behaviour": "新的行为",
        "reference": "新的参照", "configuration": "新的配置", "method": "新的算法版本",
        "tier": "层级", "quadrant": "象限", "lifecycle_stage": "阶段",
    },
}


def change_lines(change: Mapping[str, Any], language: str) -> Iterator[str]:
    """What changed for one customer.

    Args:
        change: a row of `score_changes` of a customer who is there.
        language: `en` or `zh`.
    """
    words = _WORDS[language]
    kind = change["change_kind"]
    if kind == "changed" and change["new_crm_value"] is None:
        kind = "no_value"
    elif kind == "changed" and not change["crm_value_change"] and not any(_parts(change)):
        kind = "as_before"
    parts = words["comma"].join(
        words["part"].format(cause=words[cause], change=part)
        for cause, part in zip(CAUSES, _parts(change), strict=True) if part)
    yield words[kind].format(
        publication=change["compared_publication_id"], night=change["compared_date"],
        old=change["old_crm_value"], new=change["new_crm_value"],
        change=change["crm_value_change"] or 0,
        parts=parts if change["split_status"] == "split" else words.get(change["split_status"]))
    if change["compared_customer_key"] not in (None, change["customer_key"]):
        yield words["compared"].format(key=change["compared_customer_key"])
    if kind == "appeared":
        return
    for label in LABELS:
        old, new = change[f"old_{label}"], change[f"new_{label}"]
        if old != new:
            yield words["label"].format(label=words[label], old=old, new=new)


def _parts(change: Mapping[str, Any]) -> list[Any]:
    return [change[f"{cause}_change"] for cause in CAUSES]
