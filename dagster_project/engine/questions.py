"""Single questions about files, answered by an instance of the engine that the process keeps.

Making an instance takes five times as long as opening a small file in it, and a night asks more
than fifty questions. No file stays open between two of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pandas as pd

from dagster_project.engine.failures import unreadable
from dagster_project.engine.stores import Limits, Stores, identifier, literal

Rows = TypeVar("Rows")


def read_frame(stores: Stores, path: Path, query: str,
               parameters: Sequence[Any] = ()) -> pd.DataFrame:
    """The rows of a query over one file, as a frame; amounts are floats. Raises as `read_rows`."""
    return _taken(stores, path, query, parameters, lambda result: result.df())


def read_rows(stores: Stores, path: Path, query: str,
              parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows of a query over one file, which is read only and is the database in use.

    Raises:
        StoreUnreadable: the file cannot be opened, or is damaged where the query reads it.
        ResourceLimit: memory or disk do not suffice for it.
    """
    return _taken(stores, path, query, parameters, dicts_of)


def dicts_of(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows of a result, exactly as the engine has them."""
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _taken(stores: Stores, path: Path, query: str, parameters: Sequence[Any],
           take: Callable[[duckdb.DuckDBPyConnection], Rows]) -> Rows:
    with _KEPT.lock:
        connection = _KEPT.instance_of(stores)
        try:
            return _answer(connection, path, query, parameters, take)
        except BaseException as error:
            # An error of the worst kind makes an instance useless for good.
            _KEPT.close()
            words = stores.in_words(error, path) if isinstance(error, duckdb.Error) else None
            if words is None:
                raise
            raise words from error


def _answer(connection: duckdb.DuckDBPyConnection, path: Path, query: str,
            parameters: Sequence[Any],
            take: Callable[[duckdb.DuckDBPyConnection], Rows]) -> Rows:
    name = identifier(path.stem)
    try:
        connection.execute(f"attach {literal(str(path))} as {name} (read_only)")
    except duckdb.Error as error:
        raise unreadable(path, error) from error
    connection.execute(f"use {name}")
    rows = take(connection.execute(query, list(parameters)))
    connection.execute("use memory")
    connection.execute(f"detach {name}")
    return rows


class _Kept:
    """The instance, and whose limits it has."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._instance: duckdb.DuckDBPyConnection | None = None
        self._limits: Limits | None = None

    def instance_of(self, stores: Stores) -> duckdb.DuckDBPyConnection:
        """One with the limits of these stores; they cannot be changed once it was used."""
        if self._instance is None or self._limits != stores.limits:
            self.close()
            self._instance = stores.connect(None)
            self._limits = stores.limits
        return self._instance

    def close(self) -> None:
        """Close what is kept; with it every file that it has open."""
        if self._instance is not None:
            self._instance.close()
        self._instance = None


_KEPT = _Kept()
_OF_PARENTS: list[_Kept] = []


def _begin_anew() -> None:
    """In a forked process, which has none of the instance's threads: to close it would wait."""
    global _KEPT
    _OF_PARENTS.append(_KEPT)
    _KEPT = _Kept()


os.register_at_fork(after_in_child=_begin_anew)
