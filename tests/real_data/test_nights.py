"""A whole night over Olist and over CDNOW reaches the figures that their READMEs state."""

from __future__ import annotations

from decimal import Decimal

import pytest

from nights.homes import TrialHome, real_home
from real_data import exports

pytestmark = pytest.mark.real_data

SECRET = {"CRM_HOME_SECRET": "a secret of a home of trials, long enough"}


def _require_law(home: TrialHome) -> None:
    rows = home.query("select * from crm.reconciliation")
    assert rows
    for row in rows:
        if row["measure"] == "rows":
            assert row["read"] == row["loaded"] + row["repeated"] + row["rejected"]
        assert row["loaded"] == row["current"] + row["superseded"]
        assert row["current"] == sum(row[state] for state in (
            "counted", "unattributed", "excluded", "held", "after_date"))


def _figures(home: TrialHome) -> dict[str, object]:
    return home.query("select count(*) as customers, sum(orders_n) as orders, "
                      "sum(purchases_n) as purchases, sum(survey_answers_n) as answers, "
                      "sum(net_revenue_amount) as revenue from crm.customers")[0]


@pytest.fixture(scope="module")
def olist(tmp_path_factory: pytest.TempPathFactory) -> TrialHome:
    """The home of a Brazilian shop after the night of 2018-10-31."""
    orders = exports.olist_orders()
    home = real_home(tmp_path_factory.mktemp("olist") / "home", {
        "home.yaml": {"first_night: 2020-01-01": "first_night: 2016-09-01"},
        "crm.yaml": {"time_zone: Asia/Shanghai": "time_zone: America/Sao_Paulo",
                     "base_currency: CNY": "base_currency: BRL"},
        "sources.yaml": {"time_zone: Asia/Shanghai": "time_zone: America/Sao_Paulo"},
    })
    home.drop("orders.csv", exports.OLIST_ORDER_COLUMNS, list(exports.olist_order_rows(orders)))
    home.drop("surveys.csv", ("response_id", "customer_id", "responded_at", "instrument", "score",
                              "comment"), list(exports.olist_survey_rows(orders)))
    home.drop("customers.csv", ("customer_id", "city", "region"),
              list(exports.olist_customer_rows()))
    home.crm("run", "--date", "2018-10-31", **SECRET).expect(0)
    return home


def test_olist_figures(olist: TrialHome) -> None:
    orders = exports.olist_orders()
    assert len(orders) == 8135
    assert exports.olist_payments() == Decimal("1428602.81")
    raw = olist.query("select count(distinct order_id) as orders, sum(unit_price) as items, "
                      "sum(shipping) as freight, count(distinct identity_id) as people "
                      "from crm.raw_order_lines", olist.raw)[0]
    assert raw == {"orders": 8135, "items": Decimal("1093264.35"),
                   "freight": Decimal("172288.39"), "people": 8016}
    open_orders = [order for order in orders if order.status == "open"]
    cancelled = [order for order in orders if order.status == "cancelled"]
    assert (len(open_orders), len(cancelled)) == (5, 1234)
    sold = sum((order.amount for order in orders if order.status == "completed"), Decimal(0))
    assert 0 < sold < Decimal("1093264.35")
    assert _figures(olist) == {
        "customers": 8016, "orders": 8130, "answers": 8225, "revenue": sold,
        "purchases": sum(order.status == "completed" and order.amount > 0 for order in orders)}


def test_olist_obeys_the_law(olist: TrialHome) -> None:
    _require_law(olist)
    law = olist.law()
    assert law["orders"]["read"] == 8365 + 775
    assert law["surveys"]["read"] == law["surveys"]["counted"] == 8225
    assert law["customers"]["read"] == law["customers"]["counted"] == 8016
    for source, rows in law.items():
        assert rows["rejected"] == rows["held"] == rows["repeated"] == 0, source


def test_olist_answers_are_the_reviews(olist: TrialHome) -> None:
    rows = olist.query("select cast(score as integer) as score, count(*) as n "
                       "from crm.raw_survey_answers group by score order by score", olist.raw)
    assert [(row["score"], row["n"]) for row in rows] == [
        (1, 2638), (2, 382), (3, 667), (4, 1184), (5, 3354)]
    people = olist.query("select count(*) as n from crm.customers where survey_answers_n = 0")
    assert people == [{"n": 0}]


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> TrialHome:
    """The home of a music shop after the night of 1998-06-30."""
    home = real_home(tmp_path_factory.mktemp("cdnow") / "home", {
        "home.yaml": {"first_night: 2020-01-01": "first_night: 1997-01-01"},
        "crm.yaml": {"time_zone: Asia/Shanghai": "time_zone: America/New_York",
                     "base_currency: CNY": "base_currency: USD"},
        "sources.yaml": {"time_zone: Asia/Shanghai": "time_zone: America/New_York"},
    })
    home.drop("orders.csv", ("order_id", "customer_id", "ordered_at", "unit_price", "currency"),
              list(exports.cdnow_rows()))
    home.crm("run", "--date", "1998-06-30", **SECRET).expect(0)
    return home


def test_cdnow_figures(cdnow: TrialHome) -> None:
    totals: dict[object, Decimal] = {}
    for order_id, _, _, dollars, _ in exports.cdnow_rows():
        totals[order_id] = totals.get(order_id, Decimal(0)) + Decimal(str(dollars))
    assert _figures(cdnow) == {
        "customers": 23570, "orders": 69659 - 2068, "answers": 0,
        "revenue": Decimal("2500315.63"),
        # Rows that cost nothing are no purchases, unless the same day has others that do.
        "purchases": sum(total > 0 for total in totals.values())}
    zero = cdnow.query("select count(*) as n from crm.raw_order_lines where unit_price = 0",
                       cdnow.raw)
    assert zero == [{"n": 80}]


def test_cdnow_obeys_the_law(cdnow: TrialHome) -> None:
    _require_law(cdnow)
    rows = cdnow.law()["orders"]
    assert rows["read"] == rows["counted"] == 69659
    assert rows["repeated"] == rows["rejected"] == rows["held"] == 0
    amount = cdnow.query("select * from crm.reconciliation where measure = 'amount'")
    assert [(row["currency"], row["counted"]) for row in amount] == [
        ("USD", Decimal("2500315.63"))]


def test_cdnow_has_a_value_for_every_buyer(cdnow: TrialHome) -> None:
    rows = cdnow.query("select tier, count(*) as n from crm.customer_scores group by tier")
    assert {row["tier"] for row in rows} == {"high", "medium", "low"}
    assert sum(row["n"] for row in rows) == 23570
