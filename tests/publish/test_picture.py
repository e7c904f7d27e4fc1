"""What is said of a customer beside the scores: of rows as the published tables hold them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from dagster_project.configuration import Configuration, load_configuration
from dagster_project.publish.label_tables import LABEL_HISTORY
from dagster_project.publish.lifetime_tables import CHURN_WARNINGS, CUSTOMER_LIFETIME_VALUES
from dagster_project.publish.picture import _WORDS, Picture
from dagster_project.publish.publications import rows_of
from dagster_project.publish.segment_tables import CUSTOMER_PROFITABILITY, CUSTOMER_SEGMENTS
from dagster_project.scoring.lifetime.reference import SHORTFALLS, LifetimeReference, Shortfall
from dagster_project.scoring.lifetime.values import REASONS
from dagster_project.scoring.reference import ProfileReference, Reference
from publish.staging import CUTS, DEFAULT

KEY, NIGHT = "00000000-0000-0000-0000-000000000001", date(2026, 11, 20)
TABLES = (CUSTOMER_LIFETIME_VALUES, CHURN_WARNINGS, CUSTOMER_PROFITABILITY, CUSTOMER_SEGMENTS,
          LABEL_HISTORY)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SCORES = {
    "profile": "all", "crm_value": Decimal("69.00"), "matrix_value_score": Decimal("49.10"),
    "matrix_loyalty_score": Decimal("10.00"), "loyalty_degree_score": Decimal("58.50"),
    "tier": "medium", "tier_held": "medium", "lifecycle_stage": "repeat",
    "lifecycle_stage_held": "repeat",
    "quadrant": "low_value_low_loyalty", "quadrant_held": "low_value_low_loyalty",
}
VALUE = {
    "profile": "all", "method": "mbg_nbd", "purchase_days_n": 3, "recency_days": 60,
    "age_days": 90, "p_alive": "0.832", "expected_purchases": "2.345", "margin_own_weight": "0.75",
    "expected_margin_per_purchase_amount": "40", "margin_if_alive_amount": "90",
    "expected_margin_amount": "74.88", "historic_margin_amount": "1234.5",
    "margin_purchase_days_n": 3, "typical_gap_days": "12.5", "typical_gap_source": "own",
    "expected_next_purchase_date": date(2026, 11, 3), "days_overdue": 17,
}
PAST = {name: value for name, value in VALUE.items() if not name.startswith(
    ("p_alive", "expected_p", "expected_m", "margin_i", "margin_o"))} | {"method": "historic"}
PROFIT: dict[str, Any] = {
    "gross_sales_amount": 600, "discount_amount": 0, "refund_amount": 100, "returned_amount": 0,
    "cancelled_amount": 0, "net_revenue_amount": 500, "uncosted_revenue_amount": 100,
    "product_cost_amount": 250, "shipping_amount": 20, "cost_to_serve_amount": 5,
    "contribution_amount": 125, "contribution_status": "partly_known", "costed_share": "0.8",
    "contribution_rank": 7, "contribution_decile": 1,
    "profitability_quadrant": "high_profit_low_loyalty",
}


class Told:
    """A customer's rows, and what is said of them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.scores: dict[str, Any] = dict(SCORES)
        self.models = LifetimeReference()
        self.configuration: Configuration = load_configuration(DEFAULT)

    def has(self, table: str, **row: Any) -> Told:
        """Give the customer a row; what is not named stays empty."""
        row = {"customer_key": KEY, **row}
        if table != LABEL_HISTORY.name:
            row["as_of_date"] = NIGHT
        self.connection.execute(
            f"insert into {table} ({', '.join(row)}) values ({', '.join('?' for _ in row)})",
            list(row.values()))
        return self

    def lines(self, language: str = "en") -> list[str]:
        """What is said."""
        reference = Reference("r1", NIGHT, {"all": ProfileReference(
            cuts=CUTS, lifetime=self.models)})

        def read(query: str, parameters: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
            return rows_of(self.connection, query, parameters)

        return list(Picture(read, KEY, self.scores, reference, self.configuration,
                            language).lines())

    def text(self) -> str:
        """All of it, after a look at whether Chinese says as much."""
        english, chinese = self.lines(), self.lines("zh")
        assert len(english) == len(chinese)
        for one, other in zip(english, chinese, strict=True):
            assert sorted(re.findall(r"\d+\.\d\d", one)) == sorted(re.findall(r"\d+\.\d\d", other))
            assert not one or CHINESE.search(other)
        return "\n".join(english)


@pytest.fixture
def told() -> Iterator[Told]:
    """Empty tables as they are published."""
    with duckdb.connect(":memory:") as connection:
        for table in TABLES:
            connection.execute(table.ddl("main"))
        yield Told(connection)


def test_nothing_is_said_of_held_labels_that_are_the_plain_ones(told: Told) -> None:
    assert "Held" not in told.text()
    assert "Lifetime value\n- none, since there is no purchase" in told.text()
    assert "Churn warning" not in told.text()


def test_a_held_tier_names_its_cut_its_margin_and_its_beginning(told: Told) -> None:
    told.scores["tier_held"] = "high"
    told.has("label_history", label_kind="tier", label="high", from_date=date(2026, 11, 2))
    assert told.lines()[0] == (
        "Held tier: high since 2026-11-02, not medium: CRM value 69.00 has not passed the cut at "
        "70.00 by 2 points")
    assert "Held quadrant" not in told.text()


def test_a_held_quadrant_names_the_axes_that_differ(told: Told) -> None:
    told.scores["quadrant_held"] = "high_value_low_loyalty"
    assert ("Held quadrant: high value and low loyalty, not low value and low loyalty: value axis "
            "49.10 has not passed the cut at 50.00 by 2 points\n") in told.text()
    told.scores.update(quadrant_held="high_value_high_loyalty",
                       matrix_loyalty_score=Decimal("49.99"))
    assert "and loyalty axis 49.99 has not passed the cut at 50.00" in told.text()


def test_a_held_stage_names_the_bound_of_loyal_customers(told: Told) -> None:
    told.scores["lifecycle_stage_held"] = "loyal"
    assert ("Held stage: loyal, not repeat: loyalty degree 58.50 has not passed the cut at 60.00"
            in told.text())


def test_expectations_of_a_buyer(told: Told) -> None:
    told.has("customer_lifetime_values", **VALUE)
    assert told.text().splitlines()[1:7] == [
        "Lifetime value",
        "- expected in 365 days: 2.35 purchase days, margin 74.88 CNY (a year from now counts "
        "9.1 % less)",
        "- still a customer with a chance of 83.2 %",
        "- margin of a purchase day: 40.00 CNY; 75 % of that is its own mean, the rest that of "
        "all",
        "- margin up to now: 1,234.50 CNY of 3 purchase days of known margin",
        "- rhythm: a purchase about every 12.5 days (its own); the next was due on 2026-11-03, "
        "17 days ago",
    ]


def test_the_next_purchase_may_lie_ahead_and_the_rhythm_be_that_of_all(told: Told) -> None:
    told.has("customer_lifetime_values", **VALUE | {
        "days_overdue": 0, "typical_gap_source": "population",
        "expected_next_purchase_date": date(2026, 12, 1)})
    assert "(that of all); the next is due on 2026-12-01" in told.text()


@pytest.mark.parametrize("reason", SHORTFALLS)
def test_why_there_is_no_model(told: Told, reason: str) -> None:
    """Every reason of the reference has words, with what was found and what is needed."""
    told.models = LifetimeReference(purchase_shortfall=Shortfall(reason, 120.0, 500.0))
    told.has("customer_lifetime_values", **PAST | {"reasons": "no_purchase_model",
                                                   "historic_margin_amount": None,
                                                   "margin_purchase_days_n": 0})
    text = told.text()
    [why] = [line for line in text.splitlines() if line.startswith("- no expectation: ")]
    assert "120" in why and "500" in why
    assert "- margin up to now: not known, since no order of it has a known margin" in text


@pytest.mark.parametrize(("reason", "words"), [
    ("purchase_model_of_all", "that of all customers: 120 customers with a purchase, 500 are"),
    ("margin_model_of_all", "that of all customers: 80 customers with two purchase days"),
    ("no_margin_model", "no margin is expected: 80 customers with two purchase days"),
    ("margin_of_population", "nothing is known of its margins"),
    ("loss_counts_as_zero", "mean margin is below 0"),
    ("p_alive_unknown", "not known after a single purchase day"),
    ("no_typical_gap", "rhythm: not known"),
])
def test_what_stands_in_for_what_is_missing(told: Told, reason: str, words: str) -> None:
    told.models = LifetimeReference(purchase_shortfall=Shortfall("too_few_buyers", 120.0, 500.0),
                                    margin_shortfall=Shortfall("too_few_margins", 80.0, 500.0))
    missing = {"p_alive_unknown": ["p_alive"], "no_typical_gap": ["typical_gap_days"],
               "no_margin_model": ["expected_margin_amount",
                                   "expected_margin_per_purchase_amount"]}
    told.has("customer_lifetime_values", **VALUE | dict.fromkeys(missing.get(reason, ())) | {
        "reasons": reason})
    assert words in told.text()


def test_every_reason_is_said() -> None:
    """All but the absence of a model, which is said by its shortfall."""
    told_elsewhere = {"no_purchase_model", "p_alive_unknown", "no_typical_gap"}
    for words in _WORDS.values():
        assert set(REASONS) - told_elsewhere <= words.keys()
        assert set(SHORTFALLS) <= words.keys()


def test_rfm_segment_and_cell(told: Told) -> None:
    told.has("customer_segments", rfm_recency_score=5, rfm_frequency_score=4,
             rfm_monetary_score=4, rfm_cell="544", rfm_segment="champions", purchases_n=4,
             net_revenue_amount=500)
    assert ("- RFM: champions, cell 544 (recency 5, frequency 4, monetary 4; 5 is best)"
            in told.text())


@pytest.mark.parametrize(("segment", "words"), [
    ("prospect", "none, since there is no purchase"), ("insufficient_data", "insufficient data")])
def test_customers_without_a_cell(told: Told, segment: str, words: str) -> None:
    told.has("customer_segments", rfm_segment=segment, purchases_n=0, net_revenue_amount=0)
    assert f"- RFM: {words}" in told.text()


def test_a_contribution_and_what_it_is_made_of(told: Told) -> None:
    told.has("customer_profitability", **PROFIT)
    assert (
        "- contribution in 365 days: 125.00 CNY, of orders of known cost (80 % of the money); rank "
        "7, tenth 1 of 10\n"
        "- that is net revenue 500.00, less 100.00 of unknown cost, product cost 250.00, shipping "
        "20.00, cost to serve 5.00\n"
        "- profitability quadrant: high profit and low loyalty") in told.text()


@pytest.mark.parametrize(("status", "share", "words"), [
    ("cost_unknown", "0.123", "product costs are known of 12.3 % of the money, 50 % are needed"),
    ("no_activity", None, "none, nothing was bought and nothing cost")])
def test_no_contribution(told: Told, status: str, share: str | None, words: str) -> None:
    told.has("customer_profitability", **PROFIT | {
        "contribution_status": status, "costed_share": share, "contribution_amount": None,
        "contribution_rank": None, "contribution_decile": None,
        "profitability_quadrant": "insufficient_data"})
    assert words in told.text()
    assert "- profitability quadrant: insufficient data" in told.text()


def test_a_churn_warning_comes_last(told: Told) -> None:
    told.has("churn_warnings", rank=1, quadrant="high_value_low_loyalty",
             reasons="low_loyalty", expected_loss_amount="15.12", days_since_last_purchase=30,
             words_en="high value, low loyalty", words_zh="高价值低忠诚")
    assert told.text().splitlines()[-1] == (
        "Churn warning, rank 1 of 1: high value, low loyalty; expected loss 15.12 CNY")
