"""One file -> `checked`: read and judged, in an empty schema of a scratch store.

How a file is read stands in `reading.py`, what is judged in `checking.py`. A clean file goes from
its bytes to `checked` in one pass; only what needs to be looked at twice is written down between.
"""

from __future__ import annotations

import duckdb

from dagster_project.engine.checking import check_rows
from dagster_project.engine.interface import LoadRequest
from dagster_project.engine.mapping import Staging
from dagster_project.engine.reading import NOT_OF_THE_FILE, read_file


def read_and_check(scratch: duckdb.DuckDBPyConnection, request: LoadRequest,
                   hash_key: str) -> Staging:
    """Make `checked`, `faults`, `set_aside` and `unreadable` in an empty schema.

    Args:
        scratch: connection with a store of the name `scratch`; what it has of another file is
            dropped.
        hash_key: see `check_rows`.

    Raises:
        FileRefused: the file as a whole cannot be read, or does not fit its mapping.
    """
    if _may_go_in_one_pass(request):
        _empty(scratch)
        staging = read_file(scratch, request, in_one_pass=True)
        try:
            check_rows(scratch, request, staging, hash_key)
        except duckdb.Error as error:
            if staging.is_numbered or isinstance(error, NOT_OF_THE_FILE):
                raise
            # Some row is damaged; read in two steps, it is set aside.
        else:
            if staging.as_delivered is None or not _has_faults(scratch):
                return staging
            # What nothing reads of a rejected row is kept, too; it is not there any more.
    _empty(scratch)
    staging = read_file(scratch, request)
    check_rows(scratch, request, staging, hash_key)
    return staging


def _may_go_in_one_pass(request: LoadRequest) -> bool:
    """Whether `checked` keeps the order of the file, by which its rows are numbered."""
    has_windows = request.source.version.rule == "column" and request.kind.row_id is not None
    return request.source.is_identity and not has_windows


def _has_faults(scratch: duckdb.DuckDBPyConnection) -> bool:
    found = scratch.execute("select 1 from checked where fault_no > 0 limit 1").fetchone()
    return found is not None


def _empty(scratch: duckdb.DuckDBPyConnection) -> None:
    """Give the next file an empty schema of its own, and no faults of the last one."""
    for table in ("reject_errors", "reject_scans"):
        scratch.execute(f"drop table if exists temp.main.{table}")
    scratch.execute("use scratch.main")
    scratch.execute("drop schema if exists file cascade")
    scratch.execute("create schema file")
    scratch.execute("use scratch.file")
