"""What of a customer who is there does not count, in words: orders, refunds and rejected rows.

Orders and refunds that are held or left out stand in the working tables, while these hold the
night that is asked for; rejected rows in raw. Who the customer is stands in `explanation.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dagster_project.engine.questions import read_rows
from dagster_project.publish.absence import (
    Search,
    is_in_build,
    orders_of_several,
    rejected_lines,
    rejected_naming,
    shown,
)

_WORDS = {
    "en": {
        "orders": "Orders and refunds that do not count",
        "orders_unknown": "Orders and refunds that do not count: not told here, since the working "
                          "tables hold another night",
        "order": "- {order} of {day} ({source}): {why}",
        "refund": "- refund {refund} of {day} for {order} ({source}): {why}",
        "no_rate": "held: no rate for {currency} on that date. Deliver it in an fx_rates export; "
                   "the next run counts the order",
        "mixed_currency": "held: its lines are in different currencies. Correct the order and "
                          "deliver it again",
        "several_customers": "held: its lines name other customers too. Correct the order and "
                             "deliver it again; if the shop uses order numbers again, see "
                             "docs/orders.md",
        "refund_mixed_currency": "held: it is in {currency}, its order is not. Deliver it in the "
                                 "order's currency",
        "order_held": "held: its order is held. It is released with the order",
        "not_completed": "left out: its status is open. It counts once a newer version says "
                         "completed",
        "channel": "left out: its {rule} is in exclude.orders.channels of crm.yaml",
        "tag": "left out: its {rule} is in exclude.orders.tags of crm.yaml",
        "product_id": "left out: {rule} is in exclude.orders.product_ids of crm.yaml, and nothing "
                      "else was bought",
        "product_category": "left out: {rule} is in exclude.orders.product_categories of "
                            "crm.yaml, and nothing else was bought",
        "rejected": "Rejected rows that name it ({n}); see crm-value rejected",
    },
    "zh": {
        "orders": "未计入的订单和退款",
        "orders_unknown": "未计入的订单和退款:此处无法说明,工作表保存的是另一夜",
        "order": "- {day}的{order}({source}):{why}",
        "refund": "- {day}对{order}的退款{refund}({source}):{why}",
        "no_rate": "暂缓:当日没有{currency}汇率。请在fx_rates导出中交付,下次运行即计入",
        "mixed_currency": "暂缓:各行货币不同。请更正订单后重新交付",
        "several_customers": "暂缓:各行还写有其他客户。请更正订单后重新交付;"
                             "若商店重复使用订单号,见docs/orders.md",
        "refund_mixed_currency": "暂缓:货币为{currency},与订单不同。请以订单货币交付",
        "order_held": "暂缓:其订单暂缓,随订单一起计入",
        "not_completed": "未计入:状态为open。新版本为completed后计入",
        "channel": "未计入:{rule}在crm.yaml的exclude.orders.channels中",
        "tag": "未计入:{rule}在crm.yaml的exclude.orders.tags中",
        "product_id": "未计入:{rule}在crm.yaml的exclude.orders.product_ids中,且没有购买其他商品",
        "product_category": "未计入:{rule}在crm.yaml的exclude.orders.product_categories中,"
                            "且没有购买其他商品",
        "rejected": "提到它的被拒绝行({n}行);见crm-value rejected",
    },
}


def uncounted_lines(search: Search, key: str, names: Sequence[str]) -> Iterator[str]:
    """Orders, refunds and rejected rows of a customer that do not count, and what to do.

    Args:
        search: of the customer; its members are all identities of it.
        key: customer_key.
        names: ids of the customer as its exports write them.
    """
    words = _WORDS[search.language]
    if is_in_build(search):
        rows = sorted(
            [*_held_or_left_out(search, key), *orders_of_several(search)],
            key=lambda row: (row["day"], row["source"], row["order_id"], row["refund_id"] or ""))
        if rows:
            yield words["orders"]
        yield from shown(search, [_order_line(words, row) for row in reversed(rows)])
    else:
        yield words["orders_unknown"]
    rejected = [row for row in rejected_naming(search, names) if row["reason"] != "left_out"]
    yield from rejected_lines(search, rejected, words["rejected"])


def _order_line(words: Mapping[str, str], row: Mapping[str, Any]) -> str:
    reason = row["reason"].split(":")[0]
    is_refund = row["refund_id"] is not None
    why = words.get(f"refund_{reason}" if is_refund else reason, words[reason])
    return words["refund" if is_refund else "order"].format(
        order=row["order_id"], refund=row["refund_id"], day=row["day"], source=row["source"],
        why=why.format(currency=row["currency"], rule=row["reason"]))


def _held_or_left_out(search: Search, key: str) -> list[dict[str, Any]]:
    """Orders that are held or left out, and refunds that are held, up to the date."""
    stores = search.home.stores
    return read_rows(
        stores, stores.build,
        "select found.* from ("
        "select identity_id, source, order_id, null as refund_id, ordered_date as day, currency, "
        "coalesce(excluded_reason, held_reason) as reason from marts.order_facts union all "
        "select identity_id, source, order_id, refund_id, event_date, currency, held_reason "
        "from marts.refund_facts where excluded_reason is null) as found "
        "inner join marts.customer_identities as identities "
        "on found.identity_id = identities.identity_id "
        "where identities.customer_key = cast(? as uuid) and found.day <= ? "
        "and found.reason is not null",
        [key, search.published.as_of_date])
