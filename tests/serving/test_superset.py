"""Apache Superset, in an environment of its own, reads both places with its own engine specs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serving.warehouses import CUSTOMERS_N, Served, make_file

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENT = PROJECT / ".cache" / "superset-6.1"
# Those whose newest would not do, exactly; Superset's own requirements hold the others.
PACKAGES = (
    "apache-superset==6.1.0",
    # What docs/bi.md names for the file: Superset's SQLAlchemy of 1.4 takes no newer engine.
    "duckdb-engine==0.17.0", "duckdb==1.4.5",
    # The driver that Superset's page for PostgreSQL names.
    "psycopg2-binary==2.9.13",
    # Its cache hands on an argument that Superset's own class does not know from 2.4 on.
    "flask-caching==2.3.1",
    # Superset 6.1 imports it without asking for it.
    "cachetools==8.0.2",
    # What Superset 6.1 asks for with a range, and reads tables and frames with.
    "sqlalchemy==1.4.54", "pandas==2.1.4", "numpy==1.26.4", "marshmallow==3.26.2",
)
READ_ONLY = {"engine_params": {"connect_args": {"read_only": True}}}
pytestmark = [pytest.mark.superset, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def superset() -> Path:
    """Python of the environment; made once for each choice of packages."""
    python, ready = ENVIRONMENT / "bin" / "python", ENVIRONMENT / ".ready"
    chosen = "\n".join(PACKAGES)
    if not ready.exists() or ready.read_text(encoding="utf-8") != chosen:
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable,
                        str(ENVIRONMENT)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *PACKAGES],
                       check=True)
        ready.write_text(chosen, encoding="utf-8")
    return python


def read(superset: Path, url: str, schema: str, extra: dict[str, Any],
         folder: Path) -> dict[str, Any]:
    """What Superset finds and reads."""
    ended = subprocess.run(
        [str(superset), str(Path(__file__).with_name("superset_reader.py")), url, schema,
         json.dumps(extra)],
        env={**os.environ, "SUPERSET_HOME": str(folder)}, check=False, capture_output=True,
        text=True)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def require_read(found: dict[str, Any]) -> None:
    """Tables, columns and the frame of a chart."""
    assert {"customer_scores", "high_scores", "publication", "segment_kpis"} <= set(found["tables"])
    assert found["columns"]["crm_value"] == "NUMERIC(5, 2)"
    assert found["rows"] == [["价值 100%", CUSTOMERS_N, 9900.0]]


def test_superset_reads_the_file_and_cannot_write_it(superset: Path, tmp_path: Path) -> None:
    file = make_file(tmp_path / "crm.duckdb", 1)
    found = read(superset, f"duckdb:///{file}", "main", READ_ONLY, tmp_path)
    assert found["spec"] == "DuckDBEngineSpec"
    require_read(found)
    assert "read-only" in found["refused"]


def test_superset_reads_postgresql(superset: Path, served: Served) -> None:
    served.show(1)
    found = read(superset, served.url, "crm", {}, served.folder)
    assert found["spec"] == "PostgresEngineSpec"
    require_read(found)
