"""Speed and memory of reading one large export, beside the engine's own reader in the same run.

    python benchmarks/ingest.py --megabytes 1000 --folder DIR
    python benchmarks/ingest.py --megabytes 1000 --folder DIR --kind interactions

Makes a clean export in canonical columns in DIR (kept; delete it yourself). Then, several times in
turn, each time in a process of its own: `read_csv` with declared types into a table of a database
file, and the whole ingest of the file (hash, recognition, checks of each row, tokens, vault, raw,
ledger) into an empty home. Both begin before the store is opened and end after it is closed. Told
are the median seconds of wall clock and of processor time, the medians of the ratios of
neighbours, and the peak memory of each process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.stores import Limits, Stores
from dagster_project.ingest.loading import HashMemory, ingest_landing
from dagster_project.ingest.sources import Sources

MEMORY = "3GB"
WAYS = ("read_csv", "ingest")
# Reading goes as fast as the disk if the file is not in memory; both ways read it from there.
SETTLED_SECONDS_AGO = 3600

MONEY = "decimal(18, 4)"
TYPES: Mapping[str, Mapping[str, str]] = {
    "orders": {
        "order_id": "varchar", "line_id": "varchar", "customer_id": "varchar",
        "ordered_at": "timestamp", "status": "varchar", "quantity": MONEY, "unit_price": MONEY,
        "discount": MONEY, "refund": MONEY, "refunded_at": "timestamp",
        "cancelled_at": "timestamp", "updated_at": "timestamp", "shipping": MONEY, "tax": MONEY,
        "cost": MONEY, "currency": "varchar", "product_id": "varchar",
        "product_category": "varchar", "channel": "varchar",
    },
    "interactions": {
        "interaction_id": "varchar", "customer_id": "varchar", "occurred_at": "timestamp",
        "channel": "varchar", "type": "varchar", "duration_seconds": "bigint",
        "completion": "decimal(9, 6)", "cost": MONEY,
    },
}
ROW_BYTES = {"orders": 148, "interactions": 70}
# Five lines make two orders; six orders a buyer. One order in 40 has none, one in 33 a refund.
# Chance comes from the hash of the row's number, so that a size always gives the same file.
ROWS = {
    "orders": """
        with numbered as (
            select i, i // 5 * 2 + case when i % 5 < 3 then 0 else 1 end as nth_order,
                case when i % 5 < 3 then i % 5 else i % 5 - 3 end + 1 as line,
                cast(hash(i) // 4 as bigint) as chance
            from range({rows}) as numbers(i)
        ), priced as (
            select *, cast(hash(nth_order) // 4 as bigint) as of_order, 1 + chance % 4 as quantity,
                cast((199 + chance // 16 % 90000) / 100 as decimal(18, 2)) as price,
                timestamp '2021-01-01' + to_seconds(cast(nth_order * 150000000 // {rows}
                    as bigint)) as placed_at
            from numbered
        )
        select 'O' || cast(1000000000 + nth_order as varchar) as order_id, line as line_id,
            case when of_order % 40 > 0
                then 'C' || cast(100000000 + of_order // 64 % (1 + {rows} // 15) as varchar)
            end as customer_id,
            placed_at as ordered_at,
            case when of_order % 33 = 0 then 'refunded' else 'completed' end as status, quantity,
            price as unit_price,
            case when chance % 5 = 0 then cast(quantity * price / 10 as decimal(18, 2))
                else 0.00 end as discount,
            case when of_order % 33 = 0 then cast(quantity * price / 2 as decimal(18, 2))
                else 0.00 end as refund,
            case when of_order % 33 = 0 then placed_at + interval 9 day end as refunded_at,
            null as cancelled_at, placed_at as updated_at,
            case when line = 1 then cast(of_order % 1500 / 100 as decimal(18, 2))
                else 0.00 end as shipping,
            cast(quantity * price * 0.06 as decimal(18, 2)) as tax,
            cast(quantity * price * 0.55 as decimal(18, 2)) as cost,
            ['CNY', 'CNY', 'CNY', 'USD', 'EUR'][1 + of_order % 5] as currency,
            'P' || cast(1000 + chance // 1024 % 8000 as varchar) as product_id,
            ['fashion', 'food', 'sports', 'baby', 'home', 'books'][1 + chance // 1024 % 6]
                as product_category,
            ['web', 'app', 'store'][1 + of_order % 3] as channel
        from priced
    """,
    "interactions": """
        select 'I' || cast(10000000000 + i as varchar) as interaction_id,
            'C' || cast(100000000 + chance // 64 % (1 + {rows} // 20) as varchar) as customer_id,
            timestamp '2021-01-01' + to_seconds(cast(i * 150000000 // {rows} as bigint))
                as occurred_at,
            ['web', 'app', 'store', 'wechat'][1 + chance % 4] as channel,
            ['visit', 'visit', 'visit', 'review', 'share', 'complaint'][1 + chance // 4 % 6]
                as type,
            case when chance % 3 > 0 then chance // 64 % 1800 end as duration_seconds,
            case when chance % 3 > 0 then cast(chance // 64 % 101 / 100 as decimal(9, 2)) end
                as completion,
            case when chance % 7 = 0 then cast(chance // 64 % 900 / 100 as decimal(18, 2)) end
                as cost
        from (
            select i, cast(hash(i) // 4 as bigint) as chance from range({rows}) as numbers(i)
        )
    """,
}


def make_export(kind: str, megabytes: int, target: Path) -> None:
    """Write the export, about as large as asked for; the same bytes each time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    query = ROWS[kind].format(rows=megabytes * 1_000_000 // ROW_BYTES[kind])
    partial = target.with_suffix(".tmp")
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{partial}' (format csv, header)")
    settled = time.time() - SETTLED_SECONDS_AGO
    os.utime(partial, (settled, settled))
    partial.rename(target)


def read_csv(kind: str, export: Path, folder: Path, threads: int) -> int:
    """The engine's own reader into a table of a database file; rows."""
    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        connection.execute(f"set memory_limit = '{MEMORY}'")
        connection.execute(f"set threads = {threads}")
        connection.execute(f"create table lines as select * from read_csv('{export}', "
                           f"header = true, columns = {dict(TYPES[kind])})")
        row = connection.execute("select count(*) from lines").fetchone()
    return int(row[0]) if row else 0


def ingest(kind: str, export: Path, folder: Path, threads: int) -> int:
    """The whole ingest into an empty home; rows loaded."""
    sources = Sources.model_validate({
        "time_zone": "Asia/Shanghai",
        "sources": {kind: {"kind": kind, "files": ["*.csv"], "version": "arrival"}},
    })
    stores = Stores(folder / "state", folder / "warehouse",
                    Limits(MEMORY, threads, folder / "spill"))
    report = ingest_landing(
        EmbeddedEngine(stores, b"secret of a benchmark"), export.parent, sources,
        HashMemory(stores.state / "hashes.json"), run_id="benchmark",
        now=datetime.now(UTC).replace(tzinfo=None))
    (loaded,) = report.loaded
    return loaded.result.rows_loaded_n


def once(way: str, kind: str, export: Path, folder: Path) -> dict[str, float]:
    """Read the export one way; seconds, processor seconds, gigabytes, rows."""
    work = {"read_csv": read_csv, "ingest": ingest}[way]
    begin, used = time.monotonic(), time.process_time()
    rows = work(kind, export, folder, os.cpu_count() or 1)
    return {"seconds": time.monotonic() - begin, "processor": time.process_time() - used,
            "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
            "rows": rows}


def measured(way: str, options: argparse.Namespace) -> dict[str, float]:
    """`once` in a process and a folder of its own."""
    folder = options.folder / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, __file__, "--folder", str(options.folder), "--kind", options.kind,
         "--megabytes", str(options.megabytes), "--once", way],
        check=True, capture_output=True, text=True)
    shutil.rmtree(folder)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--kind", choices=sorted(TYPES), default="orders")
    parser.add_argument("--times", type=int, default=5, help="how often each is measured")
    parser.add_argument("--once", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    export = options.folder / f"{options.kind}_{options.megabytes}" / f"{options.kind}.csv"
    if options.once:
        found = once(options.once, options.kind, export, options.folder / "work")
        sys.stdout.write(json.dumps(found))
        return
    if not export.exists():
        make_export(options.kind, options.megabytes, export)
    runs = [{way: measured(way, options) for way in WAYS} for _ in range(options.times)]
    if any(run["read_csv"]["rows"] != run["ingest"]["rows"] for run in runs):
        raise SystemExit(f"not every row was loaded: {runs}")
    lines = [f"{options.kind}: {export.stat().st_size / 1e6:.0f} MB, "
             f"{runs[0]['ingest']['rows']:,.0f} rows; medians of {options.times}.", "",
             "| | seconds | processor seconds | peak GB |", "|---|---:|---:|---:|"]
    for way in WAYS:
        cells = [statistics.median(run[way][name] for run in runs)
                 for name in ("seconds", "processor")]
        peak = max(run[way]["gigabytes"] for run in runs)
        lines.append(f"| {way} | {cells[0]:.1f} | {cells[1]:.1f} | {peak:.2f} |")
    ratios = [[run["ingest"][name] / run["read_csv"][name] for run in runs]
              for name in ("seconds", "processor")]
    told = " | ".join(f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"
                      for values in ratios)
    lines.append(f"| ingest / read_csv | {told} | |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
