"""The sample says what it holds; raw, rejected rows and the law must say the same, row for row."""

from __future__ import annotations

from typing import Any

import pytest

from nights.conftest import Teller
from nights.homes import TrialHome

# The chronicle's own late order: one row that the manifest does not know.
LATE_ROWS = {"orders": 1}


@pytest.fixture(scope="module")
def everything(chronicle: Teller) -> TrialHome:
    """The home that has seen all files of its sample."""
    return chronicle("all")


@pytest.mark.parametrize("kind", ["orders", "interactions", "surveys", "customers", "fx_rates"])
def test_rows_are_read_rejected_repeated_and_superseded_as_the_sample_says(
        everything: TrialHome, kind: str) -> None:
    stated, found = everything.manifest["totals"][kind], everything.law()[kind]
    more = LATE_ROWS.get(kind, 0)
    expected = {"read": stated["rows_read"] + more, "loaded": stated["loaded"] + more,
                "current": stated["current"] + more}
    expected |= {name: stated[name] for name in ("repeated", "rejected", "superseded")}
    assert {name: found[name] for name in expected} == expected
    # The law itself: three sums, nothing left over.
    assert found["read"] == found["loaded"] + found["repeated"] + found["rejected"]
    assert found["loaded"] == found["current"] + found["superseded"]
    assert found["current"] == sum(found[state] for state in (
        "counted", "unattributed", "excluded", "held", "after_date"))


def test_the_sample_has_every_kind_of_dirt(everything: TrialHome) -> None:
    manifest = everything.manifest
    assert sum(map(len, manifest["rejected_by_reason"].values())) >= 8
    assert manifest["totals"]["orders"]["superseded"] > 0
    for name in ("corrected_orders", "late_rate_orders", "late_rows", "resent_files",
                 "shared_emails"):
        assert manifest[name], name


def test_rows_are_rejected_for_the_reasons_the_sample_says(everything: TrialHome) -> None:
    rows = everything.query("select source, reason, count(*) as n from crm.rejected_rows "
                            "group by source, reason")
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["source"], {})[row["reason"]] = row["n"]
    stated = {kind: reasons for kind, reasons in everything.manifest["rejected_by_reason"].items()
              if reasons}
    assert found == stated


def test_each_file_is_in_the_ledger_as_the_sample_says(everything: TrialHome) -> None:
    ledger = {row["file_name"]: row for row in everything.query(
        "select file_name, rows_read_n, rows_rejected_n, rows_repeated_n from crm.load_ledger",
        everything.status)}
    again = {row["file_name"]: row["rows_read_n"] for row in everything.query(
        "select file_name, rows_read_n from crm.repeated_files", everything.status)}
    for file in everything.manifest["files"]:
        row = ledger.get(file["path"])
        if row is None:
            assert again[file["path"]] == file["rows_read"] == file["repeated"]
        else:
            assert (row["rows_read_n"], row["rows_rejected_n"], row["rows_repeated_n"]) == (
                file["rows_read"], sum(file["rejected"].values()), file["repeated"]), file
    assert sorted(again) == sorted(path for path, _ in everything.manifest["resent_files"])


def test_raw_holds_the_rows_that_the_ledger_counts(everything: TrialHome) -> None:
    for table, kind in (("raw_order_lines", "orders"), ("raw_interactions", "interactions"),
                        ("raw_survey_answers", "surveys"), ("raw_customers", "customers"),
                        ("raw_fx_rates", "fx_rates")):
        rows = everything.query(f"select count(*) as n from crm.{table}", everything.raw)
        assert rows[0]["n"] == everything.law()[kind]["loaded"], table


def test_an_order_without_its_rate_is_held_and_counted_the_night_after(chronicle: Teller) -> None:
    night, after = chronicle("first"), chronicle("second")
    stated = {order["order_id"] for order in night.manifest["late_rate_orders"]}
    held = _held(night)
    assert {row["order_id"] for row in held} == stated
    assert {row["reason"] for row in held} == {"no_rate"}
    assert night.law()["orders"]["held"] == len(stated)

    assert _held(after) == []
    assert after.law()["orders"]["held"] == 0


def _held(home: TrialHome) -> list[dict[str, Any]]:
    return home.query("select order_id, reason from crm.held_rows", home.status)


def test_a_corrected_order_counts_as_its_newest_version_says(everything: TrialHome) -> None:
    for order in everything.manifest["corrected_orders"]:
        lines = everything.query(
            f"""select count(*) as n, sum(quantity * unit_price - discount) as amount
            from crm.raw_order_lines where order_id = '{order["order_id"]}'
            group by version_at order by version_at""", everything.raw)
        assert [line["n"] for line in lines] == [order["old_lines"], order["new_lines"]]
        assert [f"{line['amount']:.2f}" for line in lines] == [order["old_amount"],
                                                               order["new_amount"]]


def test_customers_who_share_an_address_are_one(everything: TrialHome) -> None:
    for pair in everything.manifest["shared_emails"]:
        keys = everything.query(
            "select customer_key from crm.customer_ids where source_customer_id in "
            f"('{pair[0]}', '{pair[1]}')")
        assert len(keys) == 2, "one of them is not published"
        assert keys[0] == keys[1]


def test_money_of_each_currency_adds_up(everything: TrialHome) -> None:
    rows = everything.query("select * from crm.reconciliation where measure = 'amount'")
    assert len({row["currency"] for row in rows}) >= 3
    for row in rows:
        assert row["loaded"] == row["current"] + row["superseded"]
        assert row["current"] == sum(row[state] for state in (
            "counted", "unattributed", "excluded", "held", "after_date"))
