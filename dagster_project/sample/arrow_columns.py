"""Arrow columns from whole numbers: ids, amounts, times, words. Vectorised, no meaning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from dagster_project.sample.deliveries import Ints

Bools = NDArray[np.bool_]


def ids(prefix: str, numbers: Ints) -> pa.Array:
    """Ids such as C1000017: the prefix, then the number."""
    return pa.compute.binary_join_element_wise(
        prefix, pa.compute.cast(pa.array(numbers), pa.string()), ""
    )


def decimals(units: Ints, scale: int, is_known: Bools | None = None) -> pa.Array:
    """Amounts from whole units of 10**-scale, exact; empty where not known."""
    words = np.empty((len(units), 2), dtype="<i8")
    words[:, 0] = units
    words[:, 1] = units >> 63
    amounts = pa.Array.from_buffers(
        pa.decimal128(18, scale), len(units), [None, pa.py_buffer(words)]
    )
    return amounts if is_known is None else where_known(amounts, is_known)


def times(seconds: Ints, is_known: Bools | None = None) -> pa.Array:
    """Local times without a zone, from seconds since 1970-01-01 00:00 local."""
    return pa.array(seconds, pa.timestamp("s"),
                    mask=None if is_known is None else ~is_known)


def dates(epoch_days: Ints) -> pa.Array:
    """Dates from days since 1970-01-01."""
    return pa.array(epoch_days.astype(np.int32), pa.int32()).cast(pa.date32())


def words(codes: NDArray[np.integer], vocabulary: Sequence[str | None]) -> pa.Array:
    """The words that codes stand for; None in the vocabulary is an empty cell."""
    return pa.array(vocabulary, pa.string()).take(pa.array(codes))


def where_known(column: pa.Array, is_known: Bools) -> pa.Array:
    """The column with empty cells where a value is not known."""
    return pa.compute.if_else(pa.array(is_known), column, pa.scalar(None, column.type))
