"""Writing the delivered files: appended chunk by chunk under a temporary name, then renamed.

Knows rows and bytes, not what they mean.
"""

from __future__ import annotations

import csv
import gzip
import io
import shutil
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from dagster_project.sample.deliveries import HEADERS, KINDS, Delivery, Ints, Span
from dagster_project.sample.manifest import SampleFile

# Readers of the landing folder pass over names that end so.
UNFINISHED = ".part"
# Arrow quotes every text or none: only these kinds hold words that people wrote.
_WITH_FREE_TEXT = frozenset({"customers", "surveys"})


class DeliveredFiles:
    """The files of a sample while they are written.

    Files are opened for each append: a long span has more of them than a process may hold open.
    """

    def __init__(self, landing: Path, span: Span, kinds: Sequence[str] = KINDS) -> None:
        self._landing = landing
        self._span = span
        self._files: dict[tuple[str, int], SampleFile] = {}
        for kind in kinds:
            (landing / kind).mkdir(parents=True, exist_ok=True)
            for number, delivery in enumerate(span.deliveries):
                file = SampleFile(delivery.file_name(kind), kind,
                                  delivery.version_date.isoformat())
                self._files[kind, number] = file
                self._part(file).write_bytes((",".join(HEADERS[kind]) + "\n").encode())

    def file(self, kind: str, delivery: int) -> SampleFile:
        """The file of one kind in one delivery."""
        return self._files[kind, delivery]

    def append_table(self, kind: str, table: pa.Table, delivery: Ints) -> None:
        """Append rows to the files of their deliveries.

        Args:
            kind: kind of export.
            table: rows, in the order of `delivery`.
            delivery: ascending, shape (rows,).
        """
        bounds = np.searchsorted(delivery, np.arange(len(self._span.deliveries) + 1))
        options = pyarrow.csv.WriteOptions(
            include_header=False, batch_size=16_384,
            quoting_style="needed" if kind in _WITH_FREE_TEXT else "none",
        )
        for number in np.flatnonzero(np.diff(bounds)):
            rows = int(bounds[number + 1] - bounds[number])
            file = self._files[kind, int(number)]
            file.rows_read += rows
            with self._part(file).open("ab") as stream:
                pyarrow.csv.write_csv(table.slice(int(bounds[number]), rows), stream,
                                      options)

    def append_rows(
        self, kind: str, delivery: int, rows: Iterable[Sequence[str]], reason: str | None = None
    ) -> None:
        """Append rows as they stand, fitting the header or not.

        Args:
            kind: kind of export.
            delivery: number of the delivery.
            rows: cells of each row.
            reason: why ingest must refuse them; None: it must not.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        file = self._files[kind, delivery]
        for row in rows:
            writer.writerow(row)
            file.rows_read += 1
            if reason is not None:
                file.rejected[reason] = file.rejected.get(reason, 0) + 1
        with self._part(file).open("ab") as stream:
            stream.write(text.getvalue().encode())

    def repeat_rows(self, kind: str, delivery: int, rows: int) -> None:
        """Append the first rows of a file once more at its end; fewer if it has fewer."""
        file = self._files[kind, delivery]
        with self._part(file).open("rb") as stream:
            first = list(islice(stream, 1, rows + 1))
        with self._part(file).open("ab") as stream:
            stream.writelines(first)
        file.rows_read += len(first)
        file.repeated += len(first)

    def finish(self) -> list[SampleFile]:
        """Compress what is delivered compressed, and give every file its name.

        A file without rows is not delivered, nor is one of that name left from an older sample.

        Returns:
            The delivered files.
        """
        delivered = []
        for file in self._files.values():
            part, target = self._part(file), self._landing / file.path
            if not file.rows_read:
                part.unlink()
                target.unlink(missing_ok=True)
                continue
            if target.suffix == ".gz":
                part = _compressed(part)
            part.replace(target)
            delivered.append(file)
        return delivered

    def resend(self, kind: str, delivery: Delivery, first: SampleFile) -> SampleFile:
        """Deliver a finished file once more, under a name with the same date."""
        again = SampleFile(delivery.file_name(kind, "_resent"), kind, first.version_date,
                           first.rows_read, {}, first.rows_read)
        part = self._part(again)
        shutil.copyfile(self._landing / first.path, part)
        part.replace(self._landing / again.path)
        return again

    def _part(self, file: SampleFile) -> Path:
        return self._landing / (file.path + UNFINISHED)


def _compressed(part: Path) -> Path:
    """The file gzipped, still under an unfinished name; the plain one is removed."""
    target = part.with_name("packed_" + part.name)
    # Neither name nor time in the header: the same rows give the same bytes.
    with (
        part.open("rb") as plain,
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
    ):
        shutil.copyfileobj(plain, packed, 1 << 20)
    part.unlink()
    return target
