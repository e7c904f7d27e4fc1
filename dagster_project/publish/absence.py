"""Why a customer is not in a publication, in words, and what to do about it.

Looks for what was asked in raw, in the rejected rows and among the order numbers. The customers
who are there stand in `explanation.py`. Clear text of rejected rows is searched, never shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dagster_project.configuration import Configuration
from dagster_project.customers.merging import Tokens
from dagster_project.engine.contact_edges import CUSTOMER_RECORDS
from dagster_project.engine.questions import read_rows
from dagster_project.engine.stores import StoreUnreadable
from dagster_project.ingest.canonical import KINDS, REJECTION_REASONS
from dagster_project.publish.publications import Published
from dagster_project.settings import Home

SHOWN_ROWS = 5
# Customer records once more, as those who list an id beside their own.
RECORDS_LISTING = (f"(select load_seq, unnest(other_ids).identity_id as identity_id "
                   f"from {CUSTOMER_RECORDS})")
# Rows of raw that name somebody -> the time of what they tell. A customer record holds before its
# date too.
EVENT_TIMES = {
    "raw_order_lines": "ordered_at",
    "raw_interactions": "occurred_at",
    "raw_survey_answers": "responded_at",
    "raw_customers": "cast(null as timestamp)",
    "raw_campaigns": "treated_at",
    RECORDS_LISTING: "cast(null as timestamp)",
}

_WORDS = {
    "en": {
        "absent": "{asked} is not among the customers of publication {publication}, as of {night}.",
        "never": "Never seen: no row of any load holds it, rejected rows neither.",
        "never_do": "This home holds data of {sources}. Ids and order numbers are written as in "
                    "their exports, with capitals and leading zeros; e-mail addresses and "
                    "telephone numbers in any way of writing. What files that are not loaded "
                    "yet would bring: crm-value check",
        "never_key": "If it is meant as a customer_key: those of today are in crm.customers, what "
                     "became of earlier ones in crm.customer_key_changes.",
        "rejected": "It occurs in rejected rows only ({n}), so nothing of it was loaded:",
        "rejected_too": "It occurs in rejected rows too ({n}):",
        "rejected_row": "- load {load}, landing/{file}, row {row}: {reason}{column}. {hint}",
        "in_column": " in column {column}",
        "rejected_do": "Correct the rows and deliver them again; the next run reads them.",
        "more": "- and {n} more",
        "later": "All that is known of it lies after {night}: the first on {first}.",
        "later_do": "It appears in the night of {first}: crm-value run --date {first}",
        "unknown_yet": "All that is known of it came after that publication, which knows loads up "
                       "to {known}:",
        "unknown_load": "- load {load}, landing/{file}: {n} rows",
        "unknown_yet_do": "Run the night again with what is known now: crm-value run --date "
                          "{night}",
        "listed": "Left out by rule listed_customer: its id is in exclude.customers.ids of "
                  "crm.yaml.",
        "ignored": "Left out by rule ignored_contact: its token is in identities.ignored_contacts "
                   "of crm.yaml.",
        "type": "Left out by rule customer_type: its customer_type is {types}, which is in "
                "exclude.customers.types of crm.yaml.",
        "excluded_do": "If it should be counted, change crm.yaml, or deliver a customer record "
                       "with the right type, and run the night again.",
        "campaigns": "Only campaign exports name it, and they make no customer.",
        "campaigns_do": "Deliver a customer record, order, interaction or survey answer of it.",
        "held": "Its orders {orders} are held, because their lines name other customers too: they "
                "belong to nobody until that is mended.",
        "held_do": "Correct the orders and deliver them again; if the shop uses order numbers "
                   "again, see docs/orders.md.",
        "superseded": "Its {n} loaded rows were all replaced: newer versions of the same documents "
                      "do not name it any more.",
        "superseded_do": "If that is wrong, deliver the documents again with this customer_id.",
        "kept_apart": "Only customer records list it, and a rule keeps it from joining them:",
        "kept_apart_do": "The rules stand under identities in crm.yaml.",
        "not_listed": "Only customer records list it ({n} rows), and none of those that hold on "
                      "{night} does.",
        "not_listed_do": "See valid_from of the records, and whether a newer file still lists it.",
        "order_nobody": "{asked} is an order number (source {source}, {day}): the order names no "
                        "customer. It is counted as unattributed in crm.reconciliation and belongs "
                        "to nobody.",
        "order_nobody_do": "Deliver a newer version of the order with its customer_id.",
        "order_of": "{asked} is an order number (source {source}, {day}): the order of customer "
                    "{key}.",
        "order_of_do": "Explain that customer: crm-value explain {key}",
        "order_later": "It is dated after {night}: it counts in the night of {day}: crm-value run "
                       "--date {day}",
    },
    "zh": {
        "absent": "截至{night}的第{publication}次发布中没有{asked}这位客户。",
        "never": "从未出现:任何一次加载都没有它,被拒绝的行中也没有。",
        "never_do": "此处有以下来源的数据:{sources}。客户编号和订单号请按其导出文件的写法输入,"
                    "注意大小写和前导零;电子邮箱和电话可用任何写法。"
                    "查看尚未加载的文件会带来什么:crm-value check",
        "never_key": "如果这是customer_key:当前的见crm.customers,以前的去向见"
                     "crm.customer_key_changes。",
        "rejected": "它只出现在被拒绝的{n}行中,因此没有加载任何内容:",
        "rejected_too": "它也出现在被拒绝的{n}行中:",
        "rejected_row": "- 第{load}次加载,landing/{file},第{row}行:{reason}{column}。{hint}",
        "in_column": "({column}列)",
        "rejected_do": "请更正这些行并重新交付,下次运行会读取。",
        "more": "- 另有{n}条",
        "later": "关于它的一切都在{night}之后:最早在{first}。",
        "later_do": "它会出现在{first}的夜间运行中:crm-value run --date {first}",
        "unknown_yet": "关于它的一切都在该次发布之后才到达,该次发布只知道第{known}次及以前的加载:",
        "unknown_load": "- 第{load}次加载,landing/{file}:{n}行",
        "unknown_yet_do": "用现在已知的内容重新运行该夜:crm-value run --date {night}",
        "listed": "按规则listed_customer排除:其编号在crm.yaml的exclude.customers.ids中。",
        "ignored": "按规则ignored_contact排除:其令牌在crm.yaml的identities.ignored_contacts中。",
        "type": "按规则customer_type排除:其customer_type为{types},"
                "在crm.yaml的exclude.customers.types中。",
        "excluded_do": "如果应当计入,请修改crm.yaml,或交付类型正确的客户记录,再重新运行该夜。",
        "campaigns": "只有活动导出提到它,而活动导出不产生客户。",
        "campaigns_do": "请交付它的客户记录、订单、互动或问卷回答。",
        "held": "它的订单{orders}暂缓,因为各行还写有其他客户;更正之前不属于任何人。",
        "held_do": "请更正订单后重新交付;若商店重复使用订单号,见docs/orders.md。",
        "superseded": "它的{n}行已加载数据全部被替换:同一单据的新版本不再提到它。",
        "superseded_do": "如果不对,请带上该customer_id重新交付这些单据。",
        "kept_apart": "只有客户记录列出它,而规则使它不与它们合并:",
        "kept_apart_do": "规则见crm.yaml的identities。",
        "not_listed": "只有客户记录列出它({n}行),而在{night}有效的记录都没有列出。",
        "not_listed_do": "请查看记录的valid_from,以及较新的文件是否仍列出它。",
        "order_nobody": "{asked}是订单号(来源{source},{day}):该订单没有客户编号,"
                        "在crm.reconciliation中计为unattributed,不属于任何客户。",
        "order_nobody_do": "请交付带有customer_id的该订单新版本。",
        "order_of": "{asked}是订单号(来源{source},{day}):它是客户{key}的订单。",
        "order_of_do": "解释该客户:crm-value explain {key}",
        "order_later": "它的日期在{night}之后,在{day}的夜间运行中计入:crm-value run --date {day}",
    },
}
# What to do about a rejected row; the English words stand with the reasons themselves.
_HINTS = {
    "en": REJECTION_REASONS,
    "zh": {
        "missing_columns": "该行字段少于表头。",
        "too_many_columns": "该行字段多于表头;含分隔符的字段请加引号。",
        "unreadable": "该行无法读取(引号、编码或JSON)。",
        "missing_value": "必填值为空。",
        "not_a_number": "请写带小数点的普通数字。",
        "not_a_time": "请写YYYY-MM-DD HH:MM:SS;各行写法一致的,"
                      "请在sources.yaml的columns下写明format:。",
        "not_a_date": "请写YYYY-MM-DD;各行写法一致的,请在sources.yaml的columns下写明format:。",
        "not_a_currency": "请写三位大写ISO 4217货币代码。",
        "unknown_word": "请使用该列允许的词。",
        "out_of_range": "数字超出该列的范围。",
        "off_scale": "回答超出量表范围。",
        "left_out": "按映射规则略去的行(left_out,或无人作答),无需处理。",
        "conflicting_values": "同一单据的各行对只计一次的列写了不同的值,请更正。",
        "after_file_version": "事件晚于文件的版本日期。",
    },
}


@dataclass(frozen=True)
class Search:
    """Who is looked for, and where.

    Attributes:
        asked: as the reader wrote it.
        members: tokens that it may be, with all identities merged with them.
        customer_map: identity -> customer_key of that publication; absent: its own customer.
        language: en or zh.
        kept_apart: words for the customer records that list it and that a rule parts from it.
    """

    home: Home
    published: Published
    configuration: Configuration
    asked: str
    members: tuple[str, ...]
    customer_map: Mapping[str, str]
    language: str
    kept_apart: tuple[str, ...] = ()

    @property
    def words(self) -> Mapping[str, str]:
        """Sentences in the reader's language."""
        return _WORDS[self.language]

    @property
    def of_members(self) -> str:
        """The condition on identity_id, with the members as its parameters."""
        return f"identity_id in ({', '.join('cast(? as uuid)' for _ in self.members)})"

    def raw_rows(self, query: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
        """Rows of a query on raw."""
        return read_rows(self.home.stores, self.home.stores.raw, query, parameters)


@dataclass(frozen=True)
class _Known:
    """What raw holds of the customer.

    Attributes:
        rows_n: rows that the publication could know.
        first_day: earliest business date among them; None: customer records alone.
        tables: those of EVENT_TIMES that have them.
        later_rows_n: rows of later loads.
        later_first_day: earliest business date among those; None: customer records alone.
    """

    rows_n: int
    first_day: date | None
    tables: frozenset[str]
    later_rows_n: int
    later_first_day: date | None


def absence_lines(search: Search) -> list[str]:
    """Why the publication does not have the customer, and what to do."""
    words, published = search.words, search.published
    head = words["absent"].format(asked=search.asked, publication=published.publication_id,
                                  night=published.as_of_date)
    known = _known(search)
    if known.rows_n:
        return [head, *_present_rows_lines(search, known)]
    if known.later_rows_n:
        return [head, *_later_loads_lines(search, known)]
    meant = Tokens(search.home.secret, search.home.sources).readings(search.asked)
    rejected = rejected_naming(search, sorted({search.asked, *(value for _, value in meant)}))
    order = _order_lines(search)
    if order:
        return [head, *order, *rejected_lines(search, rejected, words["rejected_too"])]
    if rejected:
        return [head, *rejected_lines(search, rejected, words["rejected"]), words["rejected_do"]]
    return [head, *_never_seen_lines(search)]


def _known(search: Search) -> _Known:
    """One look at each raw table that names customers."""
    rows_n = later_n = 0
    tables: set[str] = set()
    firsts: list[datetime] = []
    later_firsts: list[datetime] = []
    known = search.published.known_load_seq
    for table, time in EVENT_TIMES.items():
        [row] = search.raw_rows(
            f"select count(case when load_seq <= ? then 1 end) as rows_n, "
            f"min(case when load_seq <= ? then {time} end) as first_at, "
            f"min(case when load_seq > ? then {time} end) as later_first_at, count(*) as all_n "
            f"from {table} where {search.of_members}", [known, known, known, *search.members])
        rows_n += row["rows_n"]
        later_n += row["all_n"] - row["rows_n"]
        if row["rows_n"]:
            tables.add(table)
        firsts += [row["first_at"]] if row["first_at"] is not None else []
        later_firsts += [row["later_first_at"]] if row["later_first_at"] is not None else []
    return _Known(rows_n, _business_date(search, min(firsts)) if firsts else None,
                  frozenset(tables), later_n,
                  _business_date(search, min(later_firsts)) if later_firsts else None)


def _business_date(search: Search, at: datetime) -> date:
    """Business date of a UTC time."""
    zone = ZoneInfo(search.published.row["time_zone"])
    return at.replace(tzinfo=UTC).astimezone(zone).date()


def _present_rows_lines(search: Search, known: _Known) -> list[str]:
    """The publication could know rows of the customer: why are they not in it."""
    words, night = search.words, search.published.as_of_date
    rule = _listed(search) or _ignored(search) or _excluded_type(search)
    if rule:
        return [rule, words["excluded_do"]]
    held = orders_of_several(search) if is_in_build(search) else []
    if held:
        orders = ", ".join(sorted({row["order_id"] for row in held})[:SHOWN_ROWS])
        return [words["held"].format(orders=orders), words["held_do"]]
    if RECORDS_LISTING in known.tables and known.tables <= {RECORDS_LISTING, "raw_campaigns"}:
        if search.kept_apart:
            return [words["kept_apart"], *search.kept_apart, words["kept_apart_do"]]
        return [words["not_listed"].format(n=known.rows_n, night=night), words["not_listed_do"]]
    if known.tables == {"raw_campaigns"}:
        return [words["campaigns"], words["campaigns_do"]]
    if ("raw_customers" not in known.tables and known.first_day is not None
            and known.first_day > night):
        return [words["later"].format(night=night, first=known.first_day),
                words["later_do"].format(first=known.first_day)]
    return [words["superseded"].format(n=known.rows_n), words["superseded_do"]]


def _listed(search: Search) -> str | None:
    tokens = Tokens(search.home.secret, search.home.sources)
    listed = {token for value in search.configuration.exclude.customers.ids
              for token in tokens.of_id(value) | tokens.of_contact(value)}
    return search.words["listed"] if listed.intersection(search.members) else None


def _ignored(search: Search) -> str | None:
    ignored = search.configuration.identities.ignored_contacts
    return search.words["ignored"] if set(ignored).intersection(search.members) else None


def _excluded_type(search: Search) -> str | None:
    types = search.configuration.exclude.customers.types
    if not types:
        return None
    rows = search.raw_rows(
        f"select distinct customer_type from raw_customers where load_seq <= ? "
        f"and {search.of_members} and customer_type in ({', '.join('?' for _ in types)}) "
        f"order by customer_type",
        [search.published.known_load_seq, *search.members, *types])
    if not rows:
        return None
    return search.words["type"].format(types=", ".join(row["customer_type"] for row in rows))


def orders_of_several(search: Search) -> list[dict[str, Any]]:
    """Orders that are nobody's because their lines name others too."""
    stores = search.home.stores
    held = read_rows(
        stores, stores.build,
        "select source, order_id, refund_id, event_date as day, currency, reason "
        "from marts.held_rows where reason = 'several_customers'", [])
    if not held:
        return []
    named = {(row["source"], row["order_id"]) for row in search.raw_rows(
        f"select distinct source, order_id from raw_order_lines "
        f"where load_seq <= ? and {search.of_members}",
        [search.published.known_load_seq, *search.members])}
    return [row for row in held if (row["source"], row["order_id"]) in named]


def is_in_build(search: Search) -> bool:
    """The working tables were made from this publication's inputs."""
    stores = search.home.stores
    if not stores.build.exists():
        return False
    try:
        rows = read_rows(stores, stores.build, "select candidate_id from night.night_inputs")
    except StoreUnreadable:
        # A run is at work on them.
        return False
    return bool(rows) and bool(rows[0]["candidate_id"] == search.published.row["candidate_id"])


def _later_loads_lines(search: Search, known: _Known) -> Iterator[str]:
    words, night = search.words, search.published.as_of_date
    union = " union all ".join(
        f"select load_seq from {table} where {search.of_members}" for table in EVENT_TIMES)
    rows = search.raw_rows(
        f"select found.load_seq, load_ledger.file_name, count(*) as n from ({union}) as found "
        f"inner join load_ledger on found.load_seq = load_ledger.load_seq "
        f"group by found.load_seq, load_ledger.file_name order by found.load_seq",
        search.members * len(EVENT_TIMES))
    yield words["unknown_yet"].format(known=search.published.known_load_seq)
    yield from shown(search, [
        words["unknown_load"].format(load=row["load_seq"], file=row["file_name"], n=row["n"])
        for row in rows])
    first = known.later_first_day
    if first is not None and first > night:
        yield words["later"].format(night=night, first=first)
        yield words["later_do"].format(first=first)
    else:
        yield words["unknown_yet_do"].format(night=night)


def shown(search: Search, lines: Sequence[str]) -> Iterator[str]:
    """The first few lines, and how many more there are."""
    yield from lines[:SHOWN_ROWS]
    if len(lines) > SHOWN_ROWS:
        yield search.words["more"].format(n=len(lines) - SHOWN_ROWS)


def rejected_naming(search: Search, names: Sequence[str]) -> list[dict[str, Any]]:
    """The rejected rows that hold one of these ids or order numbers, without their text."""
    stores = search.home.stores
    texts = sorted({text for name in names
                    for text in (name, json.dumps(name, ensure_ascii=False)[1:-1])})
    columns = ("customer_id", "order_id", *(
        column for source in search.home.sources.sources for column in source.other_ids))
    found = {
        (row["load_seq"], row["row_no"])
        for row in read_rows(
            stores, stores.vault,
            f"select load_seq, row_no, row_text from rejected_text "
            f"where {' or '.join('contains(row_text, ?)' for _ in texts)}", texts)
        if any(_names(row["row_text"], name, columns) for name in names)
    }
    if not found:
        return []
    loads = sorted({load_seq for load_seq, _ in found})
    rows = search.raw_rows(
        f"select load_seq, file_name, row_no, reason, column_name from rejected_rows "
        f"where load_seq in ({', '.join('?' for _ in loads)}) "
        f"and (load_seq, row_no) not in (select rejected_load_seq, rejected_row_no "
        f"from repaired_rows) order by load_seq, row_no", loads)
    return [row for row in rows if (row["load_seq"], row["row_no"]) in found]


def _names(text: str, asked: str, columns: Sequence[str]) -> bool:
    """Whether a rejected row names an id: as a value of columns, or as a word of its text."""
    try:
        cells = json.loads(text)
    except ValueError:
        cells = None
    if isinstance(cells, dict):
        return asked in (str(cells.get(name) or "").strip() for name in columns)
    return re.search(rf"(?<![\w-]){re.escape(asked)}(?![\w-])", text) is not None


def rejected_lines(search: Search, rows: Sequence[Mapping[str, Any]],
                   head: str) -> Iterator[str]:
    """Rejected rows below a head that takes their number; nothing if there are none."""
    if not rows:
        return
    words = search.words
    yield head.format(n=len(rows))
    yield from shown(search, [
        words["rejected_row"].format(
            load=row["load_seq"], file=row["file_name"], row=row["row_no"], reason=row["reason"],
            column=words["in_column"].format(column=row["column_name"])
            if row["column_name"] else "",
            hint=_HINTS[search.language].get(row["reason"], ""))
        for row in rows])


def _order_lines(search: Search) -> list[str]:
    """What was asked is an order number: whose."""
    words = search.words
    rows = search.raw_rows(
        "select source, ordered_at, cast(identity_id as varchar) as identity_id "
        "from raw_order_lines where order_id = ? "
        "order by version_at desc nulls last, load_seq desc, row_no", [search.asked])
    lines: list[str] = []
    for source in sorted({row["source"] for row in rows}):
        row = next(row for row in rows if row["source"] == source)
        identity = row["identity_id"]
        name = "order_nobody" if identity is None else "order_of"
        text = {
            "asked": search.asked, "source": source,
            "day": _business_date(search, row["ordered_at"]),
            "key": search.customer_map.get(identity, identity),
        }
        lines += [words[name].format(**text), words[f"{name}_do"].format(**text)]
        if text["day"] > search.published.as_of_date:
            lines.append(words["order_later"].format(night=search.published.as_of_date, **text))
    return lines


def _never_seen_lines(search: Search) -> Iterator[str]:
    words = search.words
    yield words["never"]
    loaded = search.raw_rows("select distinct source, kind from load_ledger order by source", [])
    sources = ", ".join(row["source"] for row in loaded
                        if "customer_id" in KINDS[row["kind"]].column_names)
    if sources:
        yield words["never_do"].format(sources=sources)
    if search.asked.lower() in search.members:
        yield words["never_key"]
