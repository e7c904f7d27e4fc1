"""What is said of a customer who is there, and why one is not; in words a shop can act on."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

import pytest

from dagster_project.configuration import load_configuration
from dagster_project.customers.identities import identity_token
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.ingest.canonical import REJECTION_REASONS
from dagster_project.ingest.loading import HashMemory, ingest_landing
from dagster_project.publish import (
    absence,
    change_words,
    explanation,
    picture,
    uncounted,
)
from dagster_project.publish.explanation import Unexplainable, explain_customer
from dagster_project.publish.publications import dates_in_words
from dagster_project.settings import SAMPLE_SECRET, Home
from nights.homes import ORDER_HEADER, TrialHome
from publish.conftest import FIRST, LAST

CHINESE = re.compile(r"[\u4e00-\u9fff]")
# The home costs a minute: one worker makes it.
pytestmark = pytest.mark.xdist_group("explanation")


def said(home: TrialHome, customer: str, night: str = "", language: str = "en") -> list[str]:
    """What is said of a customer."""
    return explain_customer(opened(home.folder), customer,
                            date.fromisoformat(night) if night else None, language)


@cache
def opened(folder: Path) -> Home:
    """The home, its configuration read once."""
    return Home(folder)


def key_of(customer: str) -> str:
    """The customer_key of an id that was merged with no other."""
    return identity_token(SAMPLE_SECRET, "customer", customer)


def text_of(lines: list[str]) -> str:
    """All lines."""
    return "\n".join(lines)


def score_parts(lines: list[str], label: str) -> tuple[Decimal, list[Decimal]]:
    """The score and the contributions that the line of a composite shows."""
    line = next(line for line in lines if line.startswith(f"{label}: "))
    score, parts = re.match(rf"{label}: ([\d.]+) = ([\d. +]+);", line).groups()
    return Decimal(score), [Decimal(part) for part in parts.split(" + ")]


def test_key_and_shop_id_are_answered_alike(home):
    """Only the first line, which says who was meant, differs."""
    by_id = said(home, "X-OTHER")
    assert by_id[0] == "X-OTHER is:"
    assert by_id[1:] == said(home, key_of("X-OTHER")) == said(home, f" {key_of('X-OTHER')} ")


def test_head_and_facts_of_a_customer(home):
    """Two orders, 2 x 1,234.50 and 9.00; the ids, the inputs and the money are said."""
    text = text_of(said(home, "X-OTHER"))
    [row] = home.query("select * from crm.publication where is_current")
    assert f"Customer {key_of('X-OTHER')}, as of {LAST}\n" in text
    assert "- ids in the exports: X-OTHER\n" in text
    assert (f"- publication 2, revision 1; knows loads up to {row['known_load_seq']}; "
            f"configuration {row['config_hash']}; reference {row['reference_id']}, fitted as of "
            f"{FIRST}") in text.splitlines()[-1]
    assert "- purchases: 2, of 2 orders, from 2026-11-18 to 2026-11-19\n" in text
    assert "- net revenue 2,478.00 CNY, refunded 0.00 CNY, all time\n" in text
    assert "- purchase amount: 2,478.00 CNY in 365 days -> " in text
    assert "Stage: repeat. 2 purchases, the last 1 days ago, usually 1 days apart" in text


def test_contributions_add_up_to_the_published_score(home):
    """For customers over the whole range, every composite shown is the sum of what is shown."""
    labels = {name: composite.label.en for name, composite in
              load_configuration(home.folder / "config" / "crm.yaml").composites.items()}
    rows = home.query(
        "select * from (select *, row_number() over (order by crm_value, customer_key) as place "
        "from crm.customer_scores where crm_value is not null) where place % 40 = 1")
    assert len(rows) >= 6
    for row in rows:
        lines = said(home, str(row["customer_key"]))
        for name, label in labels.items():
            if row[name] is None:
                assert any(line.startswith(f"{label}: no score") for line in lines)
                continue
            score, parts = score_parts(lines, label)
            assert score == sum(parts)
            assert score == row[name].quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_what_is_known_beside_the_scores_is_that_of_the_publication(home):
    """Buyers and prospects: lifetime value, RFM cell, contribution, held labels that differ."""
    rows = home.query(
        "select customer_key, rfm_cell, contribution_amount, contribution_rank, "
        "historic_margin_amount, tier <> tier_held as has_other_tier, "
        "quadrant <> quadrant_held as has_other_quadrant "
        "from crm.customer_segments inner join crm.customer_profitability using (customer_key) "
        "inner join crm.customer_scores using (customer_key) "
        "left join crm.customer_lifetime_values using (customer_key) order by customer_key")
    buyers, prospects = ([row for row in rows if (row["rfm_cell"] is not None) is is_buyer][::20]
                         for is_buyer in (True, False))
    held = [row for row in rows if row["has_other_tier"] or row["has_other_quadrant"]]
    assert len(buyers) >= 4 and prospects and held
    for row in buyers:
        text = text_of(said(home, str(row["customer_key"])))
        assert f", cell {row['rfm_cell']} (recency " in text
        assert re.search(r"- no expectation: \d+ customers with a purchase, 500 are needed", text)
        if row["contribution_rank"] is not None:
            amount = row["contribution_amount"].quantize(Decimal("0.01"), ROUND_HALF_UP)
            assert f"- contribution in 365 days: {amount:,} CNY" in text
            assert f"rank {row['contribution_rank']}, tenth" in text
    for row in [*buyers, *held[:4]]:
        text = text_of(said(home, str(row["customer_key"])))
        assert ("\nHeld tier: " in text) == row["has_other_tier"]
        assert ("\nHeld quadrant: " in text) == row["has_other_quadrant"]
    for row in prospects:
        text = text_of(said(home, str(row["customer_key"])))
        assert "- none, since there is no purchase" in text
        assert "- RFM: none, since there is no purchase" in text


def test_merged_ids_lead_to_one_key(home):
    """Both ids of a shared e-mail address are one customer, who names both."""
    [(first, second)] = home.manifest["shared_emails"]
    lines = said(home, first)
    assert lines[1:] == said(home, second)[1:]
    assert f"- ids in the exports: {', '.join(sorted([first, second]))}" in lines
    assert any(line.startswith("- 2 identities are this one customer") for line in lines)
    assert "merged@example.com" not in text_of(said(home, "X-MERGED-1"))


def test_a_merge_is_explained_and_how_to_undo_it(home):
    """Contact, who states it, by which source, since when, and the rule that parts them."""
    token = identity_token(SAMPLE_SECRET, "email", "merged@example.com")
    lines = said(home, "X-MERGED-1")
    assert (f"- linked by an e-mail address, token {token}: X-MERGED-2 (customers, since {LAST}), "
            f"X-MERGED-1 (customers, since {FIRST})") in lines
    [undo] = [line for line in lines if line.startswith("- to undo that")]
    assert "never_merge: [[X-MERGED-" in undo
    assert f"ignored_contacts: [{token}]" in undo
    assert any(CHINESE.search(line) and token in line
               for line in said(home, "X-MERGED-1", language="zh"))


def test_tickets_of_a_listed_requester_are_the_customers(home):
    """Found by the shop's id, the desk's, and the desk's with its space; and how to undo it."""
    token = identity_token(SAMPLE_SECRET, "zendesk", "4711")
    lines = said(home, "zendesk:4711")
    assert lines[0] == "zendesk:4711 is:"
    assert lines[1:] == said(home, "X-DESK")[1:] == said(home, "4711")[1:]
    assert "- ids in the exports: X-DESK, zendesk:4711" in lines
    assert any(line.startswith("- 2 identities are this one customer") for line in lines)
    assert (f"- linked to zendesk:4711, token {token}, which customer records list: X-DESK "
            f"(people, since 2026-11-10)") in lines
    [undo] = [line for line in lines if line.startswith("- to undo that")]
    assert 'never_merge: [[X-DESK, "zendesk:4711"]]' in undo
    assert f"ignored_contacts: [{token}]" in undo
    assert any("interactions: 2, the last on" in line for line in lines)
    assert any(CHINESE.search(line) and token in line
               for line in said(home, "4711", language="zh"))


def test_a_listed_id_that_nothing_else_names_leads_to_its_customer(home):
    """It is no key, though its token is the smaller one; nor is a requester with tickets."""
    for customer, listed in (("X-SILENT", "4716"), ("X-DESK", "4711")):
        assert identity_token(SAMPLE_SECRET, "zendesk", listed) < key_of(customer)
        assert f"Customer {key_of(customer)}, as of {LAST}" in said(home, listed)
    lines = said(home, "4716")
    assert "- ids in the exports: X-SILENT, zendesk:4716" in lines
    assert lines[1:] == said(home, "X-SILENT")[1:]
    assert any(line.startswith("- linked to zendesk:4716, token") for line in lines)
    assert home.query("select id_space, source_customer_id from crm.customer_ids "
                      "where id_space = 'zendesk' order by 2") == [
        {"id_space": "zendesk", "source_customer_id": number} for number in ("4711", "4716")]


def test_a_listed_id_that_a_rule_keeps_apart_is_told_with_the_rule(home):
    token = identity_token(SAMPLE_SECRET, "zendesk", "4713")
    text = text_of(said(home, "zendesk:4713"))
    assert "is not among the customers" in text
    assert "Only customer records list it, and a rule keeps it from joining them:" in text
    assert (f"- not linked to zendesk:4713, token {token}, which customer records list, by rule "
            f"never_merge: X-APART (people, since 2026-11-12)") in text
    own = said(home, "X-APART")
    assert "- ids in the exports: X-APART" in own
    assert any(token in line and "by rule never_merge: X-APART" in line for line in own)


def test_an_address_alone_is_a_customer_who_is_not_named(home):
    """An order with nothing but an address: found by asking for the address, in any writing."""
    token = identity_token(SAMPLE_SECRET, "email", "guest@example.com")
    lines = said(home, "Guest@Example.com")
    assert lines[0] == f"Guest@Example.com is an e-mail address with the token {token}."
    assert lines[1] == f"Customer {token}, as of {LAST}"
    assert "- known only by an e-mail address" in lines
    assert "- net revenue 11.00 CNY, refunded 0.00 CNY, all time" in lines
    assert "guest@example.com" not in text_of(said(home, token))


def test_an_account_takes_over_what_was_bought_by_its_address(home):
    """The order that names the address only belongs to the account that states it."""
    lines = said(home, "merged@example.com")
    assert any(line.startswith("- 3 identities are this one customer") for line in lines)
    assert "- net revenue 34.00 CNY, refunded 0.00 CNY, all time" in lines


def test_an_old_key_leads_to_the_new_one(home):
    """The second record arrives on the 20th: until then two customers, since then one."""
    new, old = sorted([key_of("X-MERGED-1"), key_of("X-MERGED-2")])
    lines = said(home, old)
    assert lines[0] == f"{old} is:"
    assert lines[1] == f"Customer {new}, as of {LAST}"
    assert (f"- since {LAST} (publication 2) {old} is no key any more: it was merged into {new}"
            in lines)
    assert "- net revenue 34.00 CNY, refunded 0.00 CNY, all time" in lines
    assert said(home, old, FIRST)[0] == f"Customer {old}, as of {FIRST}"
    assert said(home, new, FIRST)[0] == f"Customer {new}, as of {FIRST}"


def test_what_a_merge_changed_is_told(home):
    """All files were there in both nights: the merge alone brought the other's orders."""
    new, old = sorted([key_of("X-MERGED-1"), key_of("X-MERGED-2")])
    changes = {str(row["customer_key"]): row for row in home.query(
        "select * from crm.score_changes where publication_id = 2")}
    change = changes[new]
    assert (change["correction_change"], change["behaviour_change"]) == (0, 0)
    assert change["identity_change"] != 0
    assert (f"- since publication 1 ({FIRST}) the CRM value went from {change['old_crm_value']} "
            f"to {change['new_crm_value']} ({change['crm_value_change']:+}): "
            f"{change['identity_change']:+} by a merge or unmerge") in text_of(said(home, new))
    assert (changes[old]["change_kind"], changes[old]["new_crm_value"]) == ("merged", None)


@pytest.mark.parametrize(("customer", "expected"), [
    ("X-NEVER", ("Never seen", "This home holds data of ", "order numbers are written as")),
    ("X-REJECTED", ("rejected rows only (1)", "landing/orders/orders_crafted_2026-11-19.csv, "
                    "row 1: not_a_number in column unit_price")),
    ("X-SLIPPED", ("rejected rows only (1)", "row 2: too_many_columns")),
    ("XO1", ("rejected rows only (1)", "row 1: not_a_number")),
    ("X-STAFF", ("customer_type is staff", "exclude.customers.types")),
    ("X-LISTED", ("listed_customer", "exclude.customers.ids")),
    ("X-LATER", ("the first on 2026-11-22", "crm-value run --date 2026-11-22")),
    ("X-GONE", ("Its 1 loaded rows were all replaced",)),
    ("X-CAMPAIGN", ("Only campaign exports name it",)),
    ("zendesk:4715", ("rejected rows only (1)", "row 5: not_a_date in column valid_from")),
    ("zendesk:4714", ("Only customer records list it (1 rows)", "none of those that hold on")),
    ("X-SHARED", ("Its orders XO15 are held", "their lines name other customers too")),
    ("XO10", ("order number (source orders, 2026-11-22)", "It is dated after 2026-11-20: it counts "
              "in the night of 2026-11-22: crm-value run --date 2026-11-22")),
    ("XO4", ("order number (source orders, 2026-11-19)", "names no customer", "unattributed")),
    ("XO7", (f"order of customer {identity_token(SAMPLE_SECRET, 'customer', 'X-OTHER')}",)),
])
def test_why_a_customer_is_not_there(home, customer, expected):
    """Each reason by name, in both languages, without the row's clear text."""
    lines = said(home, customer)
    assert lines[0] == f"{customer} is not among the customers of publication 2, as of {LAST}."
    for words in expected:
        assert words in text_of(lines)
    assert "abc" not in text_of(lines)
    chinese = said(home, customer, language="zh")
    assert len(chinese) == len(lines)
    assert all(CHINESE.search(line) for line in chinese)


@pytest.mark.parametrize("customer", ["X-REJECTE", "REJECTED", "X", "x-rejected", "-"])
def test_part_of_an_id_finds_nothing(home, customer):
    """A rejected row is named by a whole id only, or its text could be guessed piece by piece."""
    assert any(line.startswith("Never seen") for line in said(home, customer))


@pytest.mark.parametrize(("customer", "expected"), [
    ("X-HELD", "- XO3 of 2026-11-19 (orders): held: no rate for JPY on that date"),
    ("X-HELD", "- load "),
    ("X-OPEN", "- XO5 of 2026-11-19 (orders): left out: its status is open"),
    ("X-OPEN", "- XO15 of 2026-11-19 (orders): held: its lines name other customers too"),
])
def test_orders_that_do_not_count_are_named(home, customer, expected):
    """The customer is there, without the order."""
    lines = said(home, customer)
    assert "- purchases: 0, of 0 orders" in lines
    assert any(line.startswith(expected) for line in lines)
    assert "that do not count" not in text_of(said(home, "X-OTHER"))
    assert "XO12" not in text_of(lines), "an order after the date is no order yet"


def test_what_was_rejected_of_a_customer_who_is_there_is_named(home):
    """By file, row and reason, asked for by id or by key; never its text."""
    for asked in ("X-HELD", key_of("X-HELD")):
        text = text_of(said(home, asked))
        assert "Rejected rows that name it (1); see crm-value rejected\n- load " in text
        assert "orders_crafted_2026-11-19.csv, row 12: not_a_time in column ordered_at." in text
        assert "whenever" not in text
    assert "Rejected rows" not in text_of(said(home, "X-OTHER"))


def test_a_refund_that_is_held_is_named(home):
    """A refund of 1.00 USD for an order in CNY."""
    assert ("- refund R-1 of 2026-11-19 for XO8 (refunds): held: it is in USD, its order is not. "
            "Deliver it in the order's currency") in said(home, "X-MERGED-1")


def test_too_little_data_is_said_of_who_is_there(home):
    """A customer without a score is scored row and all: the words say what is missing."""
    rows = home.query("select customer_key from crm.customer_scores "
                      "where quadrant = 'insufficient_data' or satisfaction_score is null limit 1")
    assert "is needed" in text_of(said(home, str(rows[0]["customer_key"])))


def test_what_came_after_the_publication(home, tmp_path):
    """Loaded since, but not in the publication: which load, and what to run."""
    later = home.copy(tmp_path / "home")
    later.drop("orders/orders_new_2026-11-20.csv", ORDER_HEADER, [
        ("XO11", 1, "X-NEW", "2026-11-20 10:00:00", "completed", 1, "9.50", "CNY")])
    later.drop("orders/orders_newer_2026-11-26.csv", ORDER_HEADER, [
        ("XO17", 1, "X-NEWER", "2026-11-25 10:00:00", "completed", 1, "9.50", "CNY")])
    own = opened(later.folder)
    ingest_landing(
        EmbeddedEngine(own.stores, own.secret), own.landing, own.sources,
        HashMemory(own.hash_memory), run_id="test",
        now=datetime.now(UTC).replace(tzinfo=None), report_progress=lambda words, share: None)
    assert "crm-value run --date 2026-11-25" in text_of(said(later, "X-NEWER"))
    text = text_of(said(later, "X-NEW"))
    assert "came after that publication" in text
    assert "landing/orders/orders_new_2026-11-20.csv: 1 rows" in text
    assert f"crm-value run --date {LAST}" in text


def test_an_earlier_date_is_told_from_the_kept_file(home):
    """The tables of publication 1 are kept: everything is told as of then."""
    lines = said(home, "X-OTHER", FIRST)
    [row] = home.query("select crm_value from crm.customer_score_history h "
                       "where publication_id = 1 and customer_key = "
                       f"'{key_of('X-OTHER')}'")
    assert lines[1] == f"Customer {key_of('X-OTHER')}, as of {FIRST}"
    assert any(line.startswith("- publication 1, revision 1;") for line in lines)
    assert score_parts(lines, "CRM value")[0] == row["crm_value"]
    assert "the working tables hold another night" in text_of(lines)


def test_an_earlier_date_is_told_from_history_alone(home, tmp_path):
    """Where no file holds the date any more, the summary, and how to get the whole."""
    later = home.copy(tmp_path / "home")
    later.kept(1).unlink()
    lines = said(later, "X-OTHER", FIRST)
    [row] = home.query("select * from crm.customer_score_history where publication_id = 1 "
                       f"and customer_key = '{key_of('X-OTHER')}'")
    assert f"- CRM value: {row['crm_value']}" in lines
    assert any(line.startswith(f"- tier: {row['tier']}; quadrant: ") for line in lines)
    assert f"crm-value run --date {FIRST} --known-at 1" in text_of(lines)
    new, old = sorted([key_of("X-MERGED-1"), key_of("X-MERGED-2")])
    assert said(later, old, FIRST)[0] == f"Customer {old}, as of {FIRST}"
    assert "Never seen" in text_of(said(later, "X-NEVER", FIRST))


def test_an_earlier_date_is_told_from_a_replay(home, tmp_path):
    """A file under replays/ stands in for one that is not kept any more."""
    later = home.copy(tmp_path / "home")
    later.kept(1).parent.rename(later.folder / "warehouse" / "replays")
    assert said(later, "X-OTHER", FIRST) == said(home, "X-OTHER", FIRST)


def test_a_kept_file_of_another_date_is_not_used(home, tmp_path):
    """A night older than the current one adds itself to history and leaves the tables alone."""
    later = home.copy(tmp_path / "home")
    later.kept(1).chmod(0o644)
    with opened(later.folder).stores.open(later.kept(1)) as connection:
        connection.execute("update publication set is_current = false")
    assert "summary that history keeps" in text_of(said(later, "X-OTHER", FIRST))


def test_a_date_that_was_never_published(home):
    """The question names a date that is not there: which are."""
    with pytest.raises(Unexplainable, match=f"2026-11-01 was never published.*{FIRST} .. {LAST}"):
        said(home, "X-OTHER", "2026-11-01")
    with pytest.raises(Unexplainable, match="从未发布"):
        said(home, "X-OTHER", "2026-11-01", "zh")


def test_questions_that_are_none(home, tmp_path):
    """Nobody named; nothing published yet; a language there are no words for."""
    with pytest.raises(Unexplainable, match="no customer was named"):
        said(home, "  ")
    empty = TrialHome(tmp_path / "empty")
    empty.crm("init", str(empty.folder), "--sample").expect(0)
    with pytest.raises(Unexplainable, match="nothing was published yet"):
        said(empty, "X-OTHER")
    with pytest.raises(ValueError, match="language 'fr' is unknown"):
        said(home, "X-OTHER", language="fr")


def test_a_file_that_cannot_be_read_is_named(home, tmp_path):
    """Not a traceback of the engine, but the file and what to do."""
    broken = home.copy(tmp_path / "home")
    broken.raw.write_bytes(b"no store")
    with pytest.raises(Unexplainable, match=r"raw\.duckdb is damaged"):
        said(broken, "X-OTHER")


def test_chinese_says_the_same(home):
    """Line by line the same figures, and Chinese words in every line that has words."""
    english, chinese = said(home, "X-HELD"), said(home, "X-HELD", language="zh")
    assert len(english) == len(chinese)
    for one, other in zip(english, chinese, strict=True):
        assert sorted(re.findall(r"\d+\.\d\d", one)) == sorted(re.findall(r"\d+\.\d\d", other))
        assert not one or CHINESE.search(other)
    assert "暂缓:当日没有JPY汇率" in text_of(chinese)


def test_command_line(home):
    """An answer ends with 0, also when the customer is not there; a wrong question with 2."""
    assert home.crm("explain", "X-OTHER").expect(0).out.splitlines() == said(home, "X-OTHER")
    assert "从未出现" in home.crm("explain", "X-NEVER", "--language", "zh").expect(0).out
    assert "was never published" in home.crm(
        "explain", "X-OTHER", "--date", "2026-11-01").expect(2).err
    assert "is no date" in home.crm("explain", "X-OTHER", "--date", "19.11.").expect(2).err


def test_every_reason_has_words_in_both_languages():
    """A new reason of rejection needs Chinese words, and both languages the same sentences."""
    assert absence._HINTS["zh"].keys() == REJECTION_REASONS.keys()
    for words in (absence._WORDS, change_words._WORDS, explanation._WORDS, picture._WORDS,
                  uncounted._WORDS):
        assert words["zh"].keys() == words["en"].keys()


def test_dates_are_told_as_spans():
    """Days in a row are one span, in whatever order they come."""
    days = [date(2026, 11, day) for day in (7, 3, 1, 2, 7)]
    assert dates_in_words(days) == "2026-11-01 .. 2026-11-03, 2026-11-07"
    assert dates_in_words([]) == ""
