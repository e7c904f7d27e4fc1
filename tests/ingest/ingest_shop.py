"""A process of its own that reads a shop's database into a home: one that can be killed."""

from __future__ import annotations

import sys
from pathlib import Path

from dagster_project.ingest.loading import HashMemory, ingest_landing
from tests.ingest.conftest import NOW, Landing
from tests.ingest.databases import QUERY, URL_NAME


def main(folder: str, url: str, chunk_rows: str) -> None:
    """Load, and say so before each chunk."""
    home = Landing(Path(folder), {"shop": {
        "kind": "orders", "version": {"rule": "column"},
        "database": {"url": URL_NAME, "query": QUERY, "cursor": "updated_at",
                     "document": "order_id", "chunk_rows": int(chunk_rows)}}})

    def tell(words: str, _share: float) -> None:
        sys.stdout.write(words + "\n")
        sys.stdout.flush()

    report = ingest_landing(home.engine, home.landing, home.sources,
                            HashMemory(home.stores.state / "hashes.json"), run_id="test",
                            now=NOW, url_of={URL_NAME: url}.get, report_progress=tell)
    if report.refused:
        raise SystemExit(str(report.refused))


if __name__ == "__main__":
    main(*sys.argv[1:])
