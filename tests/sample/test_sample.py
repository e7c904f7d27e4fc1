"""The sample: its manifest against the files read on their own, and the shop's believability."""

from __future__ import annotations

import calendar
import csv
import gzip
import hashlib
import json
import re
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from dagster_project.sample import FILE_PATTERNS, VERSION_PATTERN, Manifest, write_sample

END = date(2026, 11, 21)
CUSTOMERS = 5_000
DAYS = 400

EVENT_TIME = {"orders": "ordered_at", "interactions": "occurred_at", "surveys": "responded_at",
              "customers": "valid_from", "fx_rates": "date", "campaigns": "treated_at"}
KEY = {"orders": ("order_id", "line_id"), "interactions": ("interaction_id",),
       "surveys": ("response_id", "instrument"), "customers": ("customer_id", "valid_from"),
       "fx_rates": ("date", "currency"), "campaigns": ("campaign_id", "customer_id")}


@dataclass
class Sample:
    """A written sample and what the csv module reads in it."""

    landing: Path
    manifest: Manifest
    written: dict[str, Any]

    @cached_property
    def files(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """Path, header and rows of each file, by path."""
        found = []
        for path in sorted(self.landing.rglob("*.csv*")):
            opener = gzip.open if path.suffix == ".gz" else open
            with opener(path, "rt", encoding="utf-8", newline="") as stream:
                header, *rows = csv.reader(stream)
            found.append((path.relative_to(self.landing).as_posix(), header, rows))
        return found

    def good_rows(self, kind: str) -> list[dict[str, str]]:
        """Rows without fault of all files but resent ones, each with its file and period."""
        found = []
        for path, header, rows in self.files:
            if not path.startswith(kind + "/") or "resent" in path:
                continue
            for row in rows:
                if fault_of(path, header, row) is None:
                    found.append(dict(zip(header, row, strict=True)) | {"file": path})
        return found


def period_of(path: str) -> tuple[date, date]:
    """First and last business date of a file, by its name."""
    match = re.search(r"_(\d{4})-(\d{2})(?:-(\d{2}))?", path)
    assert match, path
    year, month = int(match[1]), int(match[2])
    if match[3]:
        return (day := date(year, month, int(match[3]))), day
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def fault_of(path: str, header: list[str], cells: list[str]) -> str | None:
    """Why the row must be refused, by the rules of ingest; None: it must not."""
    if len(cells) != len(header):
        return "too_many_columns" if len(cells) > len(header) else "missing_columns"
    kind, row = path.split("/")[0], dict(zip(header, cells, strict=True))
    required = {"orders": "order_id", "customers": "customer_id"}.get(kind)
    if required and not row[required]:
        return "missing_value"
    for column in set(row) & {"quantity", "unit_price", "discount", "refund", "rate", "score"}:
        try:
            Decimal(row[column])
        except InvalidOperation:
            return "not_a_number"
    try:
        event = datetime.fromisoformat(row[EVENT_TIME[kind]])
    except ValueError:
        return "not_a_time"
    if "currency" in row and not re.fullmatch("[A-Z]{3}", row["currency"]):
        return "not_a_currency"
    if event.date() > period_of(path)[1]:
        return "after_file_version"
    if kind == "surveys":
        low, answer, high = (Decimal(row[c]) for c in ("scale_min", "score", "scale_max"))
        if not low <= answer <= high:
            return "off_scale"
    return None


def make(folder: Path, **changes: Any) -> Sample:
    """A sample in `folder`."""
    arguments: dict[str, Any] = {"customers": CUSTOMERS, "days": DAYS, "end": END, "seed": 7}
    arguments |= changes
    landing, manifest_path = folder / "landing", folder / "manifest.json"
    manifest = write_sample(landing, manifest_path, **arguments)
    return Sample(landing, manifest, json.loads(manifest_path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def orders(sample: Sample) -> dict[str, list[dict[str, str]]]:
    """Good order rows by order id, in the order of their files."""
    by_id: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in sorted(sample.good_rows("orders"), key=lambda row: period_of(row["file"])[1]):
        by_id[row["order_id"]].append(row)
    return by_id


def digests(folder: Path) -> dict[str, str]:
    """Hash of the bytes of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*") if path.is_file()
    }


def test_same_arguments_give_the_same_bytes_over_an_older_sample(tmp_path: Path) -> None:
    small = {"customers": 300, "days": 120}
    make(tmp_path / "first", **small)
    make(tmp_path / "second", **small, seed=8)
    assert digests(tmp_path / "first") != digests(tmp_path / "second")
    make(tmp_path / "second", **small)
    assert digests(tmp_path / "first") == digests(tmp_path / "second")
    packed = next((tmp_path / "first").rglob("*.gz")).read_bytes()
    assert packed[4:8] == bytes(4), "the time in the header must not be that of the run"


def test_a_smaller_sample_leaves_no_file_of_a_larger_one_of_the_same_days(tmp_path: Path) -> None:
    make(tmp_path, customers=2_000, days=40)
    smaller = make(tmp_path, customers=2_000, days=40, seed=8).manifest
    tiny = make(tmp_path, customers=60, days=40)
    assert len(tiny.manifest.files) < len(smaller.files)
    assert [path for path, _, _ in tiny.files] == [file.path for file in tiny.manifest.files]


def test_manifest_file_is_what_is_returned(sample: Sample) -> None:
    assert sample.written == json.loads(json.dumps(asdict(sample.manifest)))


def test_manifest_counts_every_file(sample: Sample) -> None:
    stated = {file["path"]: file for file in sample.written["files"]}
    read = sample.files
    assert [path for path, _, _ in read] == sorted(stated)
    resent = {again for again, _ in sample.manifest.resent_files}
    for path, header, rows in read:
        assert rows, f"{path} is delivered without rows"
        faults = Counter(fault_of(path, header, row) for row in rows)
        good = faults.pop(None, 0)
        file = stated[path]
        assert file["rows_read"] == len(rows), path
        assert file["version_date"] == period_of(path)[1].isoformat()
        if path in resent:
            assert (file["rejected"], file["repeated"]) == ({}, len(rows))
        else:
            distinct = {tuple(row) for row in rows if not fault_of(path, header, row)}
            assert (file["rejected"], file["repeated"]) == (faults, good - len(distinct)), path


def test_totals_obey_the_law_and_the_files(sample: Sample) -> None:
    for kind, totals in sample.manifest.totals.items():
        keyed = {(tuple(row[c] for c in KEY[kind]), row["file"]) for row in sample.good_rows(kind)}
        assert totals.loaded == len(keyed), kind
        assert totals.rows_read == totals.loaded + totals.repeated + totals.rejected
        assert totals.loaded == totals.current + totals.superseded
        if kind != "orders":
            assert totals.superseded == 0
            assert totals.current == len({key for key, _ in keyed}), f"{kind}: a key came twice"
    assert set(sample.manifest.totals) == set(FILE_PATTERNS)


@pytest.mark.parametrize("version", ["file", "updated_at"])
def test_superseded_rows_are_the_same_by_file_and_by_column(
    sample: Sample, orders: dict[str, list[dict[str, str]]], version: str
) -> None:
    versions = superseded = current_orders = unattributed = zero = 0
    for rows in orders.values():
        lines: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            of = period_of(row["file"])[1].isoformat() if version == "file" else row["updated_at"]
            lines[of].add(row["line_id"])
        newest = max(lines)
        superseded += sum(len(ids) for of, ids in lines.items() if of != newest)
        versions += len(lines)
        current_orders += 1
        unattributed += not rows[-1]["customer_id"]
        zero += all(Decimal(row["unit_price"]) == 0 for row in rows)
    manifest = sample.manifest
    assert superseded == manifest.superseded_rows["orders"] == manifest.totals["orders"].superseded
    assert versions == manifest.order_versions > current_orders
    assert current_orders == manifest.orders
    assert unattributed == manifest.unattributed_orders > 0
    assert zero == manifest.zero_amount_orders > 0


def test_every_kind_of_dirt_is_there_from_fifty_customers_and_seven_days(tmp_path: Path) -> None:
    manifest = make(tmp_path, customers=50, days=7).manifest
    reasons = {reason for found in manifest.rejected_by_reason.values() for reason in found}
    assert reasons == {"not_a_number", "not_a_time", "too_many_columns", "missing_columns",
                       "missing_value", "not_a_currency", "after_file_version", "off_scale"}
    for found in (manifest.corrected_orders, manifest.late_rate_orders, manifest.resent_files,
                  manifest.shared_emails):
        assert len(found) == 1
    assert manifest.unattributed_orders > 0
    assert manifest.zero_amount_orders > 0
    assert {row.kind for row in manifest.late_rows} == {"orders", "interactions"}
    assert manifest.totals["interactions"].repeated > 0
    resent = sum(file.rows_read for file in manifest.files if "resent" in file.path)
    assert manifest.totals["orders"].repeated > resent


def test_faults_stay_under_one_row_in_a_hundred_of_each_night_and_kind(sample: Sample) -> None:
    for file in sample.manifest.files:
        if file.path.count("-") > 1:
            assert sum(file.rejected.values()) <= 0.01 * file.rows_read, file.path
    for kind, totals in sample.manifest.totals.items():
        assert totals.rejected < 0.01 * totals.rows_read, kind


def test_corrected_orders_lose_a_line(
    sample: Sample, orders: dict[str, list[dict[str, str]]]
) -> None:
    def amount(rows: list[dict[str, str]]) -> Decimal:
        return sum((Decimal(row["quantity"]) * Decimal(row["unit_price"])
                    - Decimal(row["discount"]) for row in rows), Decimal(0))

    for order in sample.manifest.corrected_orders:
        rows = orders[order.order_id]
        first = [row for row in rows if row["file"] == order.first_file]
        corrected = [row for row in rows if row["file"] == order.corrected_file]
        assert len(rows) == len(first) + len(corrected)
        assert len(corrected) == len(first) - 1
        assert max(row["updated_at"] for row in first) < min(r["updated_at"] for r in corrected)
        assert amount(first) == Decimal(order.old_amount) != Decimal(order.new_amount)
        assert amount(corrected) == Decimal(order.new_amount)
        assert (order.old_lines, order.new_lines) == (len(first), len(corrected))


def test_late_rate_orders_wait_one_night_and_no_other_order_waits(
    sample: Sample, orders: dict[str, list[dict[str, str]]]
) -> None:
    known_from = {
        (row["date"], row["currency"]): period_of(row["file"])[1]
        for row in sample.good_rows("fx_rates")
    }
    waiting = {}
    for order_id, (row, *_) in orders.items():
        on = row["ordered_at"][:10]
        if row["currency"] != "CNY":
            night = period_of(row["file"])[1]
            if (rated := known_from[on, row["currency"]]) > night:
                waiting[order_id] = (rated - night).days
    assert waiting == {order.order_id: 1 for order in sample.manifest.late_rate_orders}
    for order in sample.manifest.late_rate_orders:
        assert orders[order.order_id][0]["file"] == order.file
        assert order.currency == orders[order.order_id][0]["currency"]


def test_rows_lie_in_the_period_of_their_file_but_for_known_late_ones(
    sample: Sample, orders: dict[str, list[dict[str, str]]]
) -> None:
    late = {(row.kind, row.id) for row in sample.manifest.late_rows}
    found = set()
    for kind, column in (("interactions", "occurred_at"), ("surveys", "responded_at")):
        for row in sample.good_rows(kind):
            first, last = period_of(row["file"])
            if not first <= date.fromisoformat(row[column][:10]) <= last:
                found.add((kind, row[next(iter(row))]))
    for order_id, rows in orders.items():
        first, last = period_of(rows[0]["file"])
        if not first <= date.fromisoformat(rows[0]["ordered_at"][:10]) <= last:
            found.add(("orders", order_id))
        for row in rows:
            changed = date.fromisoformat(row["updated_at"][:10])
            first, last = period_of(row["file"])
            assert changed <= last
            assert changed >= first or ("orders", order_id) in late
    assert found == late


def test_returns_come_after_their_orders_and_show_only_when_known(
    orders: dict[str, list[dict[str, str]]]
) -> None:
    endings: Counter[str] = Counter()
    for rows in orders.values():
        for row in rows:
            sale = (Decimal(row["quantity"]) * Decimal(row["unit_price"])
                    - Decimal(row["discount"]))
            assert 0 <= Decimal(row["refund"]) <= sale or sale == 0
            assert (Decimal(row["refund"]) > 0) == bool(row["refunded_at"])
            assert (row["status"] == "cancelled") == bool(row["cancelled_at"])
            for column in ("refunded_at", "cancelled_at"):
                if row[column]:
                    assert row[column][:10] > row["ordered_at"][:10]
                    assert date.fromisoformat(row[column][:10]) <= period_of(row["file"])[1]
                    partly = column == "refunded_at" and Decimal(row["refund"]) < sale
                    endings["partial" if partly else column] += 1
            if row["status"] == "refunded":
                assert Decimal(row["refund"]) == sale
    assert min(endings[name] for name in ("refunded_at", "cancelled_at", "partial")) > 20


def test_sixty_percent_of_buyers_buy_once_and_spend_is_heavy_tailed(
    sample: Sample, orders: dict[str, list[dict[str, str]]]
) -> None:
    bought: Counter[str] = Counter(
        rows[-1]["customer_id"] for rows in orders.values() if rows[-1]["customer_id"]
    )
    once = sum(n == 1 for n in bought.values()) / len(bought)
    assert 0.55 < once < 0.65
    assert len(bought) < 0.9 * CUSTOMERS, "some customers are prospects"
    top = sorted(bought.values(), reverse=True)
    assert sum(top[: len(top) // 10]) > 0.4 * sum(top)
    lines = sample.manifest.totals["orders"].current / CUSTOMERS * 730 / DAYS
    interactions = sample.manifest.totals["interactions"].current / CUSTOMERS * 730 / DAYS
    assert 8 < lines < 12
    assert 16 < interactions < 24


def test_the_content_buy_again_and_complain_less(
    sample: Sample, orders: dict[str, list[dict[str, str]]]
) -> None:
    bought = Counter(rows[-1]["customer_id"] for rows in orders.values())
    complained = {row["customer_id"] for row in sample.good_rows("interactions")
                  if row["type"] == "complaint"}
    answers = [row for row in sample.good_rows("surveys") if row["instrument"] == "csat"]
    again = [int(row["score"]) for row in answers if bought[row["customer_id"]] > 3]
    once = [int(row["score"]) for row in answers if bought[row["customer_id"]] == 1]
    assert mean(again) > mean(once) + 0.1
    unhappy = [int(row["score"]) for row in answers if row["customer_id"] in complained]
    happy = [int(row["score"]) for row in answers if row["customer_id"] not in complained]
    assert mean(unhappy) < mean(happy) - 0.1
    assert 0.02 < len(answers) / len(orders) < 0.10


def test_shared_emails_are_the_pairs_of_the_manifest(sample: Sample) -> None:
    ids_by_email: dict[str, set[str]] = defaultdict(set)
    phones: dict[str, set[str]] = defaultdict(set)
    for row in sample.good_rows("customers"):
        ids_by_email[row["email"]].add(row["customer_id"])
        phones[row["phone"]].add(row["customer_id"])
    ids_by_email.pop("")
    phones.pop("")
    pairs = {frozenset(ids) for ids in ids_by_email.values() if len(ids) > 1}
    assert pairs == {frozenset(pair) for pair in sample.manifest.shared_emails}
    assert len(pairs) == len(sample.manifest.shared_emails) > 0
    assert all(len(ids) == 1 for ids in phones.values())


def test_companies_share_accounts_and_order_more(
    sample: Sample, orders: dict[str, list[dict[str, str]]]
) -> None:
    latest = {row["customer_id"]: row for row in sample.good_rows("customers")}
    assert len(latest) == CUSTOMERS
    accounts = Counter(row["account_id"] for row in latest.values() if row["account_id"])
    assert max(accounts.values()) > 1
    assert {row["customer_type"] for row in latest.values() if row["account_id"]} == {"company"}
    quantity: dict[str, list[Decimal]] = defaultdict(list)
    for rows in orders.values():
        if rows[0]["customer_id"]:
            kind = latest[rows[0]["customer_id"]]["customer_type"]
            quantity[kind].extend(Decimal(row["quantity"]) for row in rows)
    assert mean(quantity["company"]) > 3 * mean(quantity["person"])


def test_seasons_and_no_local_time_that_a_zone_may_skip(
    orders: dict[str, list[dict[str, str]]]
) -> None:
    placed = [datetime.fromisoformat(rows[0]["ordered_at"]) for rows in orders.values()]
    assert all(6 <= at.hour <= 22 for at in placed)
    by_weekday = Counter(at.weekday() for at in placed)
    assert by_weekday[5] > 1.15 * by_weekday[1]
    year = [at for at in placed if at.date() > END - timedelta(days=365)]
    by_month = Counter(at.month for at in year)
    assert by_month[10] > 1.3 * by_month[4]


def test_patterns_and_versions_find_every_file(sample: Sample) -> None:
    found = [
        path.relative_to(sample.landing).as_posix()
        for patterns in FILE_PATTERNS.values() for pattern in patterns
        for path in sample.landing.glob(pattern)
    ]
    assert sorted(found) == [file.path for file in sample.manifest.files]
    assert len(found) == sum(path.is_file() for path in sample.landing.rglob("*"))
    nights = 0
    for file in sample.manifest.files:
        match = re.search(VERSION_PATTERN, file.path)
        assert match
        nights += file.kind == "orders" and match["day"] is not None
        year, month = int(match["year"]), int(match["month"])
        day = int(match["day"] or calendar.monthrange(year, month)[1])
        assert date(year, month, day).isoformat() == file.version_date
    assert nights >= 35


def test_a_chunk_does_not_depend_on_the_chunks_after_it(tmp_path: Path) -> None:
    one = make(tmp_path / "one", customers=20_000, days=8)
    more = make(tmp_path / "more", customers=20_060, days=8)

    def drawn(made: Sample) -> set[tuple[str, ...]]:
        return {
            tuple(row.values()) for row in made.good_rows("interactions")
            if row["customer_id"] < "C1000020000" and row["interaction_id"] < "I9"
        }

    assert drawn(one) == drawn(more)
    everyone = {row["customer_id"] for row in more.good_rows("customers")}
    assert len(everyone) == 20_060


@pytest.mark.parametrize(("customers", "days"), [(1, 1), (1, 400), (2, 3), (10, 5), (49, 60)])
def test_tiny_samples_are_clean_and_not_empty(tmp_path: Path, customers: int, days: int) -> None:
    sample = make(tmp_path, customers=customers, days=days)
    for kind, totals in sample.manifest.totals.items():
        assert totals.rejected == totals.repeated == 0
        assert totals.rows_read == len(sample.good_rows(kind)) > 0, kind
    assert not any("resent" in path for path, _, _ in sample.files)


def test_another_base_currency_has_its_own_rates_and_prices(tmp_path: Path) -> None:
    sample = make(tmp_path, customers=200, days=60, base_currency="EUR",
                  time_zone="Europe/Berlin")
    assert {row["currency"] for row in sample.good_rows("fx_rates")} == {"USD", "GBP", "CNY"}
    currencies = Counter(row["currency"] for row in sample.good_rows("orders"))
    assert currencies.most_common(1)[0][0] == "EUR"
    assert sample.written["time_zone"] == "Europe/Berlin"


def test_progress_ends_with_the_whole(tmp_path: Path) -> None:
    seen: list[float] = []
    write_sample(tmp_path / "landing", tmp_path / "manifest.json", customers=5, days=5, end=END,
                 seed=1, report_progress=lambda _, share: seen.append(share))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("argument", "value"),
    [("customers", 0), ("days", 0), ("days", 100_000), ("seed", -1), ("base_currency", "yuan"),
     ("time_zone", "Mars/Base"), ("time_zone", "")],
)
def test_arguments_out_of_range_are_named(tmp_path: Path, argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{argument} is "):
        make(tmp_path, **{argument: value})
    assert not (tmp_path / "landing").exists()


def test_a_campaign_is_added_and_nothing_else_changes(tmp_path: Path) -> None:
    plain, with_one = (make(tmp_path / str(campaign), days=120, has_campaign=campaign)
                       for campaign in (False, True))
    truth = with_one.manifest.campaign
    assert truth is not None and plain.manifest.campaign is None
    for kind in plain.manifest.totals:
        before, after = (sample.manifest.totals[kind].current for sample in (plain, with_one))
        assert after - before == (truth.extra_orders_n if kind == "orders" else 0)
    members = {row["customer_id"]: row["group"] for row in with_one.good_rows("campaigns")}
    counts = Counter(members.values())
    assert (counts["treated"], counts["control"]) == (truth.treated_n, truth.control_n)
    assert with_one.manifest.totals["campaigns"].current == len(members)


def test_the_campaign_has_the_effect_that_it_states(tmp_path: Path) -> None:
    """Who buys anyway is not won: the uplift is the chance x the share of the others."""
    sample = make(tmp_path, days=120, has_campaign=True)
    truth = sample.manifest.campaign
    assert truth is not None
    members = {row["customer_id"]: row["group"] for row in sample.good_rows("campaigns")}
    bought = {row["customer_id"] for row in sample.good_rows("orders")
              if row["ordered_at"][:10] >= truth.treated_date and float(row["unit_price"]) > 0}
    share = {group: mean(customer in bought for customer, of in members.items() if of == group)
             for group in ("treated", "control")}
    expected = truth.extra_purchase_chance * (1 - share["control"])
    spread = (share["treated"] * (1 - share["treated"]) / truth.treated_n
              + share["control"] * (1 - share["control"]) / truth.control_n) ** 0.5
    assert abs(share["treated"] - share["control"] - expected) < 4 * spread
    assert expected > 8 * spread


def test_a_campaign_needs_days(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="60 or more"):
        make(tmp_path, days=59, has_campaign=True)
