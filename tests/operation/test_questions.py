"""Single questions about files: the instance that answers them is kept, the files are not."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from dagster_project.engine.failures import StoreDamaged, StoreUnreadable
from dagster_project.engine.questions import read_frame, read_rows
from dagster_project.engine.stores import Limits, Stores


def stores_in(folder: Path, memory: str = "1GB") -> Stores:
    """Stores of an empty home."""
    return Stores(folder / "state", folder / "warehouse", Limits(memory, 1, folder / "spill"))


def make(file: Path, rows_n: int = 3) -> Path:
    """A file with one table."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table amounts as select i, cast(i as decimal(9, 2)) / 3 as a, "
                           f"repeat('x', 50) as t from range({rows_n}) as numbers(i)")
    return file


# As those of kept publications, and a word of SQL.
@pytest.mark.parametrize("name", ["crm", "publication-000001", "select", "with \"quotes\""])
def test_the_file_is_the_database_in_use(tmp_path: Path, name: str) -> None:
    file = make(tmp_path / f"{name}.duckdb")
    [row] = read_rows(stores_in(tmp_path), file,
                      "select current_database() as name, count(*) as n from amounts")
    assert row == {"name": name, "n": 3}


def test_rows_are_exact_and_frames_are_floats(tmp_path: Path) -> None:
    file, stores = make(tmp_path / "crm.duckdb"), stores_in(tmp_path)
    query = "select cast(i as decimal(9, 2)) as a from amounts where i = ?"
    assert read_rows(stores, file, query, [2]) == [{"a": Decimal("2.00")}]
    assert read_frame(stores, file, query, [2])["a"].tolist() == [2.0]


def test_no_file_stays_open(tmp_path: Path) -> None:
    file, stores = make(tmp_path / "build.duckdb"), stores_in(tmp_path)
    for rows_n in (3, 4, 5):
        assert len(read_rows(stores, file, "select * from amounts")) == rows_n
        # One process opens a file in one way only.
        with duckdb.connect(str(file)) as connection:
            connection.execute(f"insert into amounts select {rows_n}, 1, 'x'")


def test_after_an_error_the_next_question_is_answered(tmp_path: Path) -> None:
    file, stores = make(tmp_path / "crm.duckdb", 100_000), stores_in(tmp_path)
    damaged = tmp_path / "raw.duckdb"
    content = bytearray(file.read_bytes())
    content[16_384:-16_384] = bytes(len(content) - 32_768)
    damaged.write_bytes(content)
    for broken, query, error, words in (
            (file, "select nothing from amounts", duckdb.BinderException, "nothing"),
            (tmp_path / "not there.duckdb", "select 1", StoreUnreadable, "not there.duckdb"),
            (damaged, "select sum(hash(t)) from amounts as t", StoreDamaged, "raw.duckdb is")):
        with pytest.raises(error, match=words):
            read_rows(stores, broken, query)
        assert read_rows(stores, file, "select count(*) as n from amounts") == [{"n": 100_000}]


def test_each_home_is_read_within_its_own_limits(tmp_path: Path) -> None:
    file = make(tmp_path / "crm.duckdb")
    query = "select current_setting('memory_limit') as m"
    found = [read_rows(stores_in(tmp_path, memory), file, query)[0]["m"]
             for memory in ("1GiB", "2GiB", "1GiB")]
    assert found == ["1.0 GiB", "2.0 GiB", "1.0 GiB"]


FORKED = """
import os, sys
from pathlib import Path
from dagster_project.engine.questions import read_rows
from dagster_project.engine.stores import Limits, Stores
folder, file = Path(sys.argv[1]), Path(sys.argv[2])
stores = Stores(folder, folder, Limits("1GB", 2, folder / "spill"))
ask = lambda: read_rows(stores, file, "select count(*) as n from amounts")
assert ask() == [{"n": 3}]
child = os.fork()
if child == 0:
    os._exit(0 if ask() == [{"n": 3}] else 1)
assert os.waitpid(child, 0)[1] == 0
assert ask() == [{"n": 3}]
"""


def test_a_forked_process_has_an_instance_of_its_own(tmp_path: Path) -> None:
    """The parent's has threads that the child has not."""
    file = make(tmp_path / "crm.duckdb")
    subprocess.run([sys.executable, "-c", FORKED, str(tmp_path), str(file)], check=True,
                   timeout=60)
