"""What a sample holds, exactly: the numbers a correct load of its files must give."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class SampleFile:
    """One delivered file.

    Attributes:
        path: POSIX path below landing/.
        kind: orders, interactions, surveys, customers, fx_rates or campaigns.
        version_date: date in the file's name; the last day of the month for a month file.
        rows_read: rows of data, header left out.
        rejected: rows that ingest must refuse, by reason.
        repeated: rows that repeat a row of this file; all rows of a file sent again.
    """

    path: str
    kind: str
    version_date: str
    rows_read: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    repeated: int = 0


@dataclass(frozen=True)
class CorrectedOrder:
    """An order that lost a line in a later delivery. Amounts are quantity x price - discount."""

    order_id: str
    first_file: str
    corrected_file: str
    old_amount: str
    new_amount: str
    old_lines: int
    new_lines: int


@dataclass(frozen=True)
class LateRateOrder:
    """An order whose rate comes one night after it: held on `file`'s night, counted the next."""

    order_id: str
    currency: str
    file: str
    rate_file: str


@dataclass(frozen=True)
class LateRow:
    """An order or interaction delivered nights after its business date."""

    kind: str
    id: str
    business_date: str
    file: str


@dataclass(frozen=True)
class CampaignTruth:
    """A campaign whose true effect is known: see `campaign.py`.

    Attributes:
        treated_date: business date of the treatment, and of the draw.
        window_days: days from then on in which it works.
        extra_purchase_chance: with which a treated customer buys once more in them.
        extra_orders_n: orders that came of it.
    """

    campaign_id: str
    treated_date: str
    window_days: int
    treated_n: int
    control_n: int
    extra_purchase_chance: float
    extra_orders_n: int


@dataclass
class KindTotals:
    """Rows of one kind over all its files.

    rows_read = loaded + repeated + rejected; loaded = current + superseded.
    """

    files: int = 0
    rows_read: int = 0
    rejected: int = 0
    repeated: int = 0
    loaded: int = 0
    superseded: int = 0
    current: int = 0


@dataclass
class Manifest:
    """What one sample holds.

    Attributes:
        seed, customers, days, start, end, time_zone, base_currency: how it was made.
        files: every file, by path.
        totals: rows by kind.
        rejected_by_reason: rows to be refused, by kind and reason.
        superseded_rows: rows of order versions that a newer version replaces, by kind.
        orders: orders that stand after all deliveries.
        order_versions: order documents in the files, superseded ones too.
        unattributed_orders: orders without a customer.
        zero_amount_orders: orders of which every line costs nothing.
        shared_emails: pairs of customer ids with one e-mail address; no customer is in two.
        corrected_orders, late_rate_orders, late_rows: see their classes.
        resent_files: files with the bytes of another, as [path, path of the first].
        campaign: None: the sample has none.
    """

    seed: int
    customers: int
    days: int
    start: str
    end: str
    time_zone: str
    base_currency: str
    files: list[SampleFile] = field(default_factory=list)
    totals: dict[str, KindTotals] = field(default_factory=dict)
    rejected_by_reason: dict[str, dict[str, int]] = field(default_factory=dict)
    superseded_rows: dict[str, int] = field(default_factory=dict)
    orders: int = 0
    order_versions: int = 0
    unattributed_orders: int = 0
    zero_amount_orders: int = 0
    shared_emails: list[tuple[str, str]] = field(default_factory=list)
    corrected_orders: list[CorrectedOrder] = field(default_factory=list)
    late_rate_orders: list[LateRateOrder] = field(default_factory=list)
    late_rows: list[LateRow] = field(default_factory=list)
    resent_files: list[tuple[str, str]] = field(default_factory=list)
    campaign: CampaignTruth | None = None

    def add_totals(self) -> None:
        """Fill `totals` and `rejected_by_reason` from `files` and `superseded_rows`."""
        self.files.sort(key=lambda file: file.path)
        self.totals, self.rejected_by_reason = {}, {}
        for file in self.files:
            totals = self.totals.setdefault(file.kind, KindTotals())
            totals.files += 1
            totals.rows_read += file.rows_read
            totals.repeated += file.repeated
            totals.rejected += sum(file.rejected.values())
            reasons = self.rejected_by_reason.setdefault(file.kind, {})
            for reason, rows in file.rejected.items():
                reasons[reason] = reasons.get(reason, 0) + rows
        for kind, totals in self.totals.items():
            totals.loaded = totals.rows_read - totals.repeated - totals.rejected
            totals.superseded = self.superseded_rows.setdefault(kind, 0)
            totals.current = totals.loaded - totals.superseded

    def write(self, path: Path) -> None:
        """Write the manifest as JSON, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(
            json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True) + "\n",
            encoding="utf-8",
        )
        part.replace(path)
