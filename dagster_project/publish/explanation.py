"""One customer of a publication in words: who, by which inputs, facts, scores, labels.

Scores are put into words by `scoring/explain.py`, what else is known of the customer by
`picture.py`, from what was published; nothing is computed again. Why a customer is not there
stands in `absence.py`, what of one does not count in `uncounted.py`.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any

import pandas as pd

from dagster_project.configuration import Configuration, ConfigurationError
from dagster_project.customers.identities import (
    EDGE_COLUMNS,
    KIND_OF_CONTACT,
    Merges,
    identity_token,
    merge_identities,
)
from dagster_project.customers.merging import Tokens, merge_rules
from dagster_project.engine.contact_edges import SAME_RECORD, edge_parameters, edges_query
from dagster_project.engine.embedded import WrongSecret, require_secret
from dagster_project.engine.questions import read_rows
from dagster_project.engine.stores import StoreUnreadable
from dagster_project.ingest.contacts import CONTACT_SPACES
from dagster_project.ingest.mapping import DEFAULT_ID_SPACE
from dagster_project.publish.absence import Search, absence_lines
from dagster_project.publish.change_tables import SCORE_CHANGES
from dagster_project.publish.change_words import change_lines
from dagster_project.publish.picture import Picture
from dagster_project.publish.publications import (
    Published,
    all_publications,
    choose_publication,
    dates_in_words,
    rows_of,
)
from dagster_project.publish.tables import CUSTOMER_SCORE_HISTORY
from dagster_project.publish.uncounted import uncounted_lines
from dagster_project.refusals import WrongInput
from dagster_project.scoring.explain import explain
from dagster_project.scoring.labels import INSUFFICIENT
from dagster_project.scoring.reference import Reference, ReferenceMismatch
from dagster_project.settings import Home

CENT = Decimal("0.01")
# Date of records that have always been known.
ALWAYS = date(1900, 1, 1)
SHOWN_ORDERS = 5
# Words that YAML, in one version or another, does not take for text.
YAML_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")

_WORDS = {
    "en": {
        "unpublished": "nothing was published yet; run a night first: crm-value run",
        "nobody": "no customer was named; give a customer_key, the id as the shop writes it, an "
                  "e-mail address, a telephone number or an order number",
        "never": "{night} was never published; these dates were: {dates}. To publish it: "
                 "crm-value run --date {night}",
        "head": "Customer {key}, as of {night}",
        "asked": "{asked} is:",
        "ids": "- ids in the exports: {ids}",
        "personal": "{n} that are personal and not shown",
        "email": "an e-mail address",
        "phone": "a telephone number",
        "account": "a customer id",
        "only": "- known only by {kinds}",
        "and": " and ",
        "asked_contact": "{asked} is {kind} with the token {token}.",
        "of_many": "{n} customers state it, and it is not what joins them; the first: {keys}",
        "merged": "- {n} identities are this one customer: their records share an e-mail address "
                  "or telephone number, or list the ids of other systems",
        "link": "- linked by {kind}, token {token}: {stated}",
        "stated": "{name} ({source}, {since})",
        "since": "since {day}",
        "always": "always",
        "undo": "- to undo that, under identities in crm.yaml: never_merge: [[{one}, {other}]], or "
                "ignored_contacts: [{token}]",
        "cut": "- not linked by {kind}, token {token}, by rule {rule}: {stated}",
        "link_listed": "- linked to {name}, token {token}, which customer records list: {stated}",
        "undo_listed": "- to undo that, under identities in crm.yaml: never_merge: [[{one}, "
                       "{other}]]; if {other} is nobody's id, ignored_contacts: [{token}], which "
                       "leaves out what is known by it alone",
        "cut_listed": "- not linked to {name}, token {token}, which customer records list, by rule "
                      "{rule}: {stated}",
        "inputs": "Where the figures come from (tables publication, load_ledger, configurations, "
                  "scoring_reference)",
        "publication": "- publication {publication}, revision {revision}; knows loads up to "
                       "{known}; configuration {configuration}; reference {reference}, fitted as "
                       "of {fitted}",
        "backcast": ", used for this earlier date because there was none before (backcast)",
        "newer": "- a newer revision {revision} of that date was published (publication "
                 "{publication}), but no file holds its tables any more; to see it whole: "
                 "crm-value run --date {night} --known-at {publication}, then explain again",
        "merge": "- since {night} (publication {publication}) {old} is no key any more: it was "
                 "merged into {new}",
        "unmerge": "- on {night} (publication {publication}) a part of {old} left it and is now "
                   "{new}",
        "described": "- profile {profile}{more}",
        "description": ", {name} {value}",
        "customer_type": "type", "region": "region", "city": "city", "account_id": "account",
        "purchases": "- purchases: {purchases}, of {orders} orders{span}",
        "span": ", from {first} to {last}",
        "money": "- net revenue {net} {currency}, refunded {refund} {currency}, all time",
        "contacts": "- interactions: {interactions}{last}; survey answers: {answers}",
        "last": ", the last on {day}",
        "history": "- this is the summary that history keeps; the whole: crm-value run --date "
                   "{night} --known-at {publication}, then explain again",
        "gone": "{night} was published (publication {publication}), but history does not hold that "
                "date any more. To see it: crm-value run --date {night} --known-at {publication}, "
                "then explain again",
        "score": "- {label}: {score}", "no_score": "no score",
        "labels": "- tier: {tier}; quadrant: {quadrant}; stage: {stage}",
        "insufficient": "insufficient data",
    },
    "zh": {
        "unpublished": "尚未发布任何内容;请先运行一夜:crm-value run",
        "nobody": "没有给出客户;请给出customer_key或商店中的客户编号",
        "never": "{night}从未发布;已发布的日期:{dates}。如需发布:crm-value run --date {night}",
        "head": "客户{key},截至{night}",
        "asked": "{asked}即:",
        "ids": "- 导出文件中的编号:{ids}",
        "personal": "另有{n}个属个人信息,不显示",
        "email": "电子邮箱",
        "phone": "电话",
        "account": "客户编号",
        "only": "- 仅凭{kinds}识别",
        "and": "和",
        "asked_contact": "{asked}是{kind},令牌为{token}。",
        "of_many": "有{n}位客户填写了它,但它没有把他们合并;前几位:{keys}",
        "merged": "- {n}个身份合并为同一客户:它们的记录有相同的电子邮箱或电话,或列出其他系统的编号",
        "link": "- 通过{kind}(令牌{token})合并:{stated}",
        "stated": "{name}({source},{since})",
        "since": "自{day}",
        "always": "一直",
        "undo": "- 如需撤销,请在crm.yaml的identities下写:never_merge: [[{one}, {other}]],或"
                "ignored_contacts: [{token}]",
        "cut": "- 未通过{kind}(令牌{token})合并,规则{rule}:{stated}",
        "link_listed": "- 与{name}(令牌{token})合并,客户记录列出了它:{stated}",
        "undo_listed": "- 如需撤销,请在crm.yaml的identities下写:never_merge: [[{one}, {other}]];"
                       "若{other}不属于任何人,写ignored_contacts: [{token}],"
                       "仅凭它识别的内容将被排除",
        "cut_listed": "- 未与{name}(令牌{token})合并,客户记录列出了它,规则{rule}:{stated}",
        "inputs": "数据来源(见表publication、load_ledger、configurations、scoring_reference)",
        "publication": "- 第{publication}次发布,修订{revision};已知第{known}次及以前的加载;"
                       "配置{configuration};参照{reference},按{fitted}拟合",
        "backcast": ",更早没有参照,故用于此较早日期(回溯)",
        "newer": "- 该日期有更新的修订{revision}(第{publication}次发布),但已没有文件保存其表;"
                 "查看全部:crm-value run --date {night} --known-at {publication},然后再次解释",
        "merge": "- 自{night}起(第{publication}次发布){old}不再是客户键:已并入{new}",
        "unmerge": "- {night}(第{publication}次发布){old}的一部分分离出去,现为{new}",
        "described": "- 配置组{profile}{more}",
        "description": ",{name}{value}",
        "customer_type": "类型", "region": "地区", "city": "城市", "account_id": "账户",
        "purchases": "- 购买{purchases}次,共{orders}个订单{span}",
        "span": ",从{first}到{last}",
        "money": "- 净收入{net} {currency},退款{refund} {currency},全部时间",
        "contacts": "- 互动{interactions}次{last};问卷回答{answers}份",
        "last": ",最近在{day}",
        "history": "- 这是历史保存的摘要;查看全部:crm-value run --date {night} --known-at "
                   "{publication},然后再次解释",
        "gone": "{night}已发布(第{publication}次发布),但历史已不再保存该日期。查看:"
                "crm-value run --date {night} --known-at {publication},然后再次解释",
        "score": "- {label}:{score}", "no_score": "无评分",
        "labels": "- 层级:{tier};象限:{quadrant};阶段:{stage}",
        "insufficient": "数据不足",
    },
}
_DESCRIPTIONS = ("customer_type", "region", "city", "account_id")


class Unexplainable(WrongInput, ValueError):
    """The question cannot be answered as it was put: why, and what to do."""


def explain_customer(home: Home, customer: str, night: date | None, language: str) -> list[str]:
    """Why a customer has these scores as of a date, or why they are not there.

    Args:
        home: the home.
        customer: our customer_key, the id as the shop writes it, an e-mail address, a telephone
            number, or an order number.
        night: as of which date; None: the current one.
        language: `en` or `zh`.

    Returns:
        Lines of text.

    Raises:
        Unexplainable: nothing was published as of that date, or a file cannot be read.
        ValueError: another language.
    """
    if language not in _WORDS:
        raise ValueError(f"language {language!r} is unknown; there are {', '.join(_WORDS)}")
    words, stores, asked = _WORDS[language], home.stores, customer.strip()
    if not asked:
        raise Unexplainable(words["nobody"])
    if not stores.publication.exists():
        raise Unexplainable(words["unpublished"])
    try:
        publications = all_publications(stores)
        published = choose_publication(stores, publications, night)
        if published is None:
            dates = dates_in_words([row["as_of_date"] for row in publications])
            raise Unexplainable(words["never"].format(night=night, dates=dates))
        # Open until all is said: a night that publishes meanwhile does not change the figures.
        with stores.open(published.file or stores.publication, read_only=True) as opened:
            return _Question(home, asked, published, opened, publications, language).answer()
    except (StoreUnreadable, WrongSecret, ConfigurationError, ReferenceMismatch) as error:
        raise Unexplainable(str(error)) from error


@dataclass(frozen=True)
class _Question:
    """Who is asked for, in which publication.

    Attributes:
        asked: a customer_key, or an id as the shop writes it.
        opened: connection to the publication's own file, else to the warehouse.
        publications: rows of table `publication`, newest date and revision first.
    """

    home: Home
    asked: str
    published: Published
    opened: Any
    publications: Sequence[Mapping[str, Any]]
    language: str

    @property
    def words(self) -> Mapping[str, str]:
        """Sentences in the reader's language."""
        return _WORDS[self.language]

    @cached_property
    def configuration(self) -> Configuration:
        """The measures of the publication, with the words of the home as it is now."""
        [row] = self.read("select canonical_text from configurations where config_hash = ?",
                          [self.published.row["config_hash"]])
        stored = Configuration.from_canonical(row["canonical_text"])
        return stored.with_texts_of(self.home.configuration)

    @cached_property
    def identities(self) -> tuple[str, ...]:
        """Tokens that what was asked may stand for: as a key, an id of each space, a contact."""
        given = _key_of(self.asked)
        return tuple(dict.fromkeys([
            *([given] if given else []), *sorted(self.tokens.of_id(self.asked)),
            *sorted(self.contacts)]))

    @property
    def tokens(self) -> Tokens:
        """What clear ids may stand for."""
        return Tokens(self.home.secret, self.home.sources)

    @property
    def contacts(self) -> frozenset[str]:
        """Tokens of what was asked, if it is an e-mail address or a telephone number."""
        return self.tokens.of_contact(self.asked)

    @cached_property
    def merges(self) -> Merges:
        """Who was one customer in the publication, and why."""
        rules = merge_rules(self.configuration.identities, self.tokens)
        rows = read_rows(
            self.home.stores, self.home.stores.raw, edges_query(),
            edge_parameters(self.published.as_of_date, self.published.known_load_seq,
                            self.configuration.business.time_zone,
                            rules.maximum_customers_per_contact,
                            rules.named | self._ids_meant))
        return merge_identities(pd.DataFrame(rows, columns=list(EDGE_COLUMNS)), rules)

    @property
    def _ids_meant(self) -> frozenset[str]:
        """What was asked, and all ids of the customers that it names: whether they join or not."""
        pairs = list(self.tokens.readings(self.asked))
        rows = self.read(
            "select id_space, source_customer_id from customer_ids where customer_key in ("
            "select customer_key from customer_ids where cast(customer_key as varchar) = ? or "
            "(id_space, source_customer_id) in (select unnest(cast(? as varchar[])), "
            "unnest(cast(? as varchar[]))))",
            [_key_of(self.asked) or "", [space for space, _ in pairs],
             [value for _, value in pairs]])
        return frozenset((*self.identities, *(
            identity_token(self.home.secret, row["id_space"], row["source_customer_id"])
            for row in rows)))

    @cached_property
    def customer_map(self) -> Mapping[str, str]:
        """Identity -> customer_key of the publication, for those that were merged."""
        merged = self.merges.customer_map
        return dict(zip(merged["identity_id"], merged["customer_key"], strict=True))

    def read(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows from the file that is open."""
        return rows_of(self.opened, query, parameters)

    def answer(self) -> list[str]:
        """All that is to be said."""
        keys = dict.fromkeys(self.customer_map.get(token, token) for token in self.identities)
        stated_by = self._stated_by()
        lines = list(self._contact_lines(stated_by))
        if len(stated_by) == 1:
            keys.update(dict.fromkeys(stated_by))
        about: list[str] = []
        for key in keys:
            about += self._history(key) if self.published.file is None else self._whole(key)
        if about or len(stated_by) > 1:
            return [*lines, *about]
        if self.published.file is None and not self._is_in_history():
            return [self._about_publication("gone")]
        # What is not found by a wrong secret is not absent.
        require_secret(self.home.stores, self.home.secret)
        return [*lines, *absence_lines(self._search(*keys, *self.identities))]

    def _search(self, *tokens: str) -> Search:
        """For these tokens and all that was merged with them."""
        members = [identity for identity, key in self.customer_map.items() if key in tokens]
        return Search(self.home, self.published, self.configuration, self.asked,
                      tuple(dict.fromkeys([*tokens, *members])), self.customer_map, self.language,
                      tuple(self._kept_apart(tokens)))

    def _names(self, key: str) -> list[str]:
        """What the exports may call the customer: its ids, and what was asked."""
        ids = self.read("select source_customer_id as name from customer_ids "
                        "where customer_key = cast(? as uuid) order by all", [key])
        return list(dict.fromkeys([self.asked, *(row["name"] for row in ids)]))

    def _stated_by(self) -> tuple[str, ...]:
        """Keys of the customers whose rows state what was asked, as their contact."""
        if not self.contacts:
            return ()
        marks = ", ".join("cast(? as uuid)" for _ in self.contacts)
        union = " union ".join(
            f"select cast(identity_id as varchar) as identity_id from {table} "
            f"where load_seq <= ? and ({contact} in ({marks}))"
            for table in ("raw_customers", "raw_order_lines", "raw_interactions",
                          "raw_survey_answers")
            for contact in ("email_identity_id", "phone_identity_id"))
        parameters = [self.published.known_load_seq, *sorted(self.contacts)] * 8
        rows = read_rows(self.home.stores, self.home.stores.raw, union, parameters)
        return tuple(sorted({self.customer_map.get(row["identity_id"], row["identity_id"])
                             for row in rows}))

    def _contact_lines(self, stated_by: Sequence[str]) -> Iterator[str]:
        """The token by which crm.yaml knows the contact that was asked for."""
        kind = self.words["email" if "@" in self.asked else "phone"]
        for token in sorted(self.contacts):
            yield self.words["asked_contact"].format(asked=self.asked, kind=kind, token=token)
        if len(stated_by) > 1:
            yield self.words["of_many"].format(
                n=len(stated_by), keys=", ".join(stated_by[:SHOWN_ORDERS]))

    def _whole(self, key: str) -> list[str]:
        """Everything, from a file whose current tables are of the publication."""
        found = self.read("select * from customers where customer_key = cast(? as uuid)", [key])
        if not found:
            return []
        customer = found[0]
        [scores] = self.read(
            "select * from customer_scores where customer_key = cast(? as uuid)", [key])
        last, reference = customer["last_purchase_date"], self._reference()
        features = {
            "purchases_n": customer["purchases_n"], "median_gap_days": customer["median_gap_days"],
            "days_since_last_purchase": None if last is None
            else (self.published.as_of_date - last).days,
        }
        return [
            *self._head(key), *self._facts(customer),
            *self._changes(key),
            *uncounted_lines(self._search(key), key, self._names(key)), "",
            *explain(scores, features, reference, self.configuration, self.language),
            *Picture(self.read, key, scores, reference, self.configuration,
                     self.language).lines(), "", *self._inputs(),
        ]

    def _changes(self, key: str) -> Iterator[str]:
        """What is told of the customer since the publication before; a replay may have nothing."""
        if not self.read("select 1 from duckdb_tables() where table_name = ?",
                         [SCORE_CHANGES.name]):
            return
        for change in self.read(
                f"select * from {SCORE_CHANGES.name} where customer_key = cast(? as uuid) "
                f"and publication_id = ?", [key, self.published.publication_id]):
            yield from change_lines(change, self.language)

    def _history(self, key: str) -> list[str]:
        """The summary, where no file holds the publication's tables any more."""
        found = self.read(
            "select * from customer_score_history "
            "where customer_key = cast(? as uuid) and publication_id = ?",
            [key, self.published.publication_id])
        if not found:
            return []
        return [*self._head(key), self._about_publication("history"), "",
                *_summary(found[0], self.configuration, self.language), "", *self._inputs()]

    def _is_in_history(self) -> bool:
        return bool(self.read(
            "select 1 from customer_score_history where publication_id = ? limit 1",
            [self.published.publication_id]))

    def _about_publication(self, name: str) -> str:
        return self.words[name].format(night=self.published.as_of_date,
                                       publication=self.published.publication_id)

    def _reference(self) -> Reference:
        rows = self.read(
            "select valid_from, profile, item_kind, item, position, x, y from scoring_reference "
            "where reference_id = ?", [self.published.row["reference_id"]])
        frame = pd.DataFrame(rows)
        return Reference.from_frame(
            frame.drop(columns="valid_from").astype({"x": "float64", "y": "float64"}),
            reference_id=self.published.row["reference_id"], valid_from=rows[0]["valid_from"])

    def _head(self, key: str) -> Iterator[str]:
        """Who it is."""
        # Of a contact its own line says so already.
        if self.asked != key and not self.contacts:
            yield self.words["asked"].format(asked=self.asked)
        yield self.words["head"].format(key=key, night=self.published.as_of_date)
        yield from self._ids(key)
        yield from self._key_changes(key)

    def _inputs(self) -> Iterator[str]:
        """From which inputs the figures come, for those who look further."""
        words, row = self.words, self.published.row
        yield words["inputs"]
        [reference] = self.read("select min(valid_from) as fitted from scoring_reference "
                                "where reference_id = ?", [row["reference_id"]])
        yield words["publication"].format(
            publication=row["publication_id"], revision=row["revision"],
            known=row["known_load_seq"], configuration=row["config_hash"],
            reference=row["reference_id"], fitted=reference["fitted"],
        ) + (words["backcast"] if row["is_backcast"] else "")
        newest = next(other for other in self.publications
                      if other["as_of_date"] == self.published.as_of_date)
        if newest["revision"] > row["revision"]:
            yield words["newer"].format(
                revision=newest["revision"], publication=newest["publication_id"],
                night=newest["as_of_date"])

    def _ids(self, key: str) -> Iterator[str]:
        """The shop's own ids, how many identities were merged, and through what."""
        names: dict[str, str] = {}
        if self.published.file is None:
            merged = max(1, sum(other == key for other in self.customer_map.values()))
        else:
            [customer] = self.read("select identities_n from customers "
                                   "where customer_key = cast(? as uuid)", [key])
            merged = customer["identities_n"]
            names = self._names_of([key])
            ids = list(names.values())
            kinds = [] if ids else self._contact_kinds(key)
            if kinds:
                yield self.words["only"].format(
                    kinds=self.words["and"].join(self.words[kind] for kind in kinds))
            else:
                if merged > len(names):
                    ids.append(self.words["personal"].format(n=merged - len(names)))
                yield self.words["ids"].format(ids=", ".join(ids))
        if merged > 1:
            yield self.words["merged"].format(n=merged)
        yield from self._links(key, names)

    def _names_of(self, keys: Sequence[str]) -> dict[str, str]:
        """Tokens of the published ids of some customers -> the ids as they can be asked for."""
        rows = self.read("select id_space, source_customer_id as id from customer_ids "
                         "where customer_key in (select unnest(cast(? as uuid[]))) "
                         "order by id_space, id", [list(keys)])
        return {identity_token(self.home.secret, row["id_space"], row["id"]):
                _shown(row["id_space"], row["id"]) for row in rows}

    def _contact_kinds(self, key: str) -> list[str]:
        """Kinds of the contacts that are all that is known of a customer; none: it has an id."""
        members = [identity for identity, other in self.customer_map.items() if other == key]
        rows = read_rows(
            self.home.stores, self.home.stores.vault,
            f"select distinct id_space from identities where identity_id in "
            f"({', '.join('cast(? as uuid)' for _ in members or [key])})", members or [key])
        spaces = sorted(row["id_space"] for row in rows)
        return spaces if set(spaces) <= set(CONTACT_SPACES) else []

    def _links(self, key: str, names: Mapping[str, str]) -> Iterator[str]:
        """Through which contacts the identities are one, and which contacts join nothing."""
        edges = self.merges.edges
        keys = edges["identity_id"].map(lambda one: self.customer_map.get(one, one))
        for (token, reason, rule), stated in edges[keys == key].groupby(
                ["contact_identity_id", "reason", "cut_by"], dropna=False):
            kind = self.words[KIND_OF_CONTACT[reason]]
            text = self._all_stated(stated, names)
            if reason == SAME_RECORD:
                yield from self._listed(token, rule, text, stated, names)
                continue
            if not pd.isna(rule):
                yield self.words["cut"].format(kind=kind, token=token, rule=rule, stated=text)
                continue
            joined = [*dict.fromkeys(stated["identity_id"]),
                      *([token] if stated["contact_is_identity"].any() else [])]
            if len(joined) < 2:
                continue
            yield self.words["link"].format(kind=kind, token=token, stated=text)
            yield self.words["undo"].format(
                one=_in_yaml(names.get(joined[0], joined[0])),
                other=_in_yaml(names.get(joined[1], joined[1])), token=token)
        yield from self._kept_apart([key])

    def _listed(self, token: str, rule: str | None, text: str, stated: pd.DataFrame,
                names: Mapping[str, str]) -> Iterator[str]:
        """That customer records list an id, and what came of it."""
        words, name = self.words, self._name(token, names)
        if not pd.isna(rule):
            yield words["cut_listed"].format(name=name, token=token, rule=rule, stated=text)
            return
        one = stated["identity_id"].iloc[0]
        yield words["link_listed"].format(name=name, token=token, stated=text)
        yield words["undo_listed"].format(
            one=_in_yaml(names.get(one, one)), other=_in_yaml(names.get(token, token)),
            token=token)

    def _kept_apart(self, tokens: Sequence[str]) -> Iterator[str]:
        """Which of these are ids that records of others list, and the rule that parts them."""
        edges = self.merges.edges
        keys = edges["identity_id"].map(lambda one: self.customer_map.get(one, one))
        cut = edges[edges["contact_identity_id"].isin(tokens) & ~keys.isin(tokens)
                    & edges["cut_by"].notna() & (edges["reason"] == SAME_RECORD)]
        for (token, rule), stated in cut.groupby(["contact_identity_id", "cut_by"]):
            names = self._names_of(sorted(set(keys[stated.index])))
            yield from self._listed(token, rule, self._all_stated(stated, names), stated, names)

    def _name(self, token: str, names: Mapping[str, str]) -> str:
        """An identity as people write it, or what it is."""
        if token in names:
            return names[token]
        return self.asked if token in self.tokens.of_id(self.asked) else self.words["account"]

    def _all_stated(self, edges: pd.DataFrame, names: Mapping[str, str]) -> str:
        return ", ".join(self._stated(row, names) for row in
                         list(edges.itertuples(index=False))[:SHOWN_ORDERS])

    def _stated(self, edge: Any, names: Mapping[str, str]) -> str:
        """Who states a contact, by which source, since when."""
        day = pd.Timestamp(edge.edge_date).date()
        since = self.words["always"] if day == ALWAYS else self.words["since"].format(day=day)
        name = names.get(edge.identity_id, self.words[edge.identity_kind])
        return self.words["stated"].format(name=name, source=edge.source, since=since)

    def _key_changes(self, key: str) -> Iterator[str]:
        """Merges and unmerges up to this publication that concern the key, or the one asked for."""
        stores, concerned = self.home.stores, [key, _key_of(self.asked) or key]
        rows = read_rows(
            stores, stores.publication,
            "select cast(old_customer_key as varchar) as old, "
            "cast(new_customer_key as varchar) as new, as_of_date, publication_id, reason "
            "from customer_key_changes where publication_id <= ? "
            "and (cast(old_customer_key as varchar) in (?, ?) "
            "or cast(new_customer_key as varchar) in (?, ?)) "
            "order by publication_id, old, new",
            [self.published.publication_id, *concerned, *concerned])
        for row in rows:
            yield self.words[row["reason"]].format(
                night=row["as_of_date"], publication=row["publication_id"],
                old=row["old"], new=row["new"])

    def _facts(self, customer: Mapping[str, Any]) -> Iterator[str]:
        """What the customer did, all time; the facts behind scores follow with the scores."""
        words, currency = self.words, self.published.row["base_currency"]
        described = "".join(
            words["description"].format(name=words[name], value=customer[name])
            for name in _DESCRIPTIONS if customer[name] is not None)
        yield words["described"].format(profile=customer["profile"], more=described)
        first, last = customer["first_purchase_date"], customer["last_purchase_date"]
        yield words["purchases"].format(
            purchases=customer["purchases_n"], orders=customer["orders_n"],
            span=words["span"].format(first=first, last=last) if first else "")
        yield words["money"].format(
            net=_money(customer["net_revenue_amount"]), refund=_money(customer["refund_amount"]),
            currency=currency)
        contact = customer["last_interaction_date"]
        yield words["contacts"].format(
            interactions=customer["interactions_n"], answers=customer["survey_answers_n"],
            last=words["last"].format(day=contact) if contact else "")


def _shown(id_space: str, value: str) -> str:
    """An id as it can be asked for: with its space, unless that is the usual one."""
    return value if id_space == DEFAULT_ID_SPACE else f"{id_space}:{value}"


def _in_yaml(name: str) -> str:
    """A name as it can stand in a list of crm.yaml."""
    is_plain = re.fullmatch(r"[A-Za-z][\w.-]*", name) and name.lower() not in YAML_WORDS
    return name if is_plain else json.dumps(name, ensure_ascii=False)


def _key_of(asked: str) -> str | None:
    """What was asked as the text of a customer_key, if it is one."""
    try:
        return str(uuid.UUID(asked))
    except ValueError:
        return None


def _money(amount: Decimal) -> str:
    """An amount with the two decimals in which people read it."""
    return f"{amount.quantize(CENT, ROUND_HALF_UP):,}"


def _summary(row: Mapping[str, Any], configuration: Configuration,
             language: str) -> Iterator[str]:
    """One row of history: composites and labels."""
    words, lifecycle = _WORDS[language], configuration.lifecycle.labels
    for name in CUSTOMER_SCORE_HISTORY.column_names:
        if name in configuration.composites:
            score = words["no_score"] if row[name] is None else str(row[name])
            yield words["score"].format(label=configuration.label(name, language), score=score)
    cells = {cell.quadrant: cell.name.in_language(language)
             for cell in configuration.matrix.cells}
    tiers, tier, quadrant = configuration.tiers.labels, row["tier"], row["quadrant"]
    stage = row["lifecycle_stage"]
    yield words["labels"].format(
        tier=words["insufficient"] if tier == INSUFFICIENT
        else getattr(tiers, tier).in_language(language) if tiers else tier,
        quadrant=words["insufficient"] if quadrant == INSUFFICIENT else cells[quadrant],
        stage=getattr(lifecycle, stage).in_language(language) if lifecycle else stage)
