"""Homes whose landing folder has exports of other people, read by presets, mappings and SQL alone.

What each home says of its files stands in `homes/<name>/`, as its owner would write it into
`config/`. The data lie beside the project and are never copied into it.
"""

from __future__ import annotations

import csv
import gzip
import shutil
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from nights.homes import TrialHome, real_home

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
HOMES = Path(__file__).parent / "homes"


class DataMissing(Exception):
    """The data that these tests read are not where they must be."""


def data_folder(name: str) -> Path:
    """Folder of one data set.

    Raises:
        DataMissing: it is not there.
    """
    folder = DATA / name
    if not folder.is_dir():
        raise DataMissing(f"{folder} does not exist; tests marked real_data read exports of other "
                          f"people from ../shared/data beside the project")
    return folder


def home_of(folder: Path, name: str, files: Iterable[Path], *, first_night: str, zone: str,
            currency: str) -> TrialHome:
    """A new home with the sources of `homes/<name>` and these files in landing/.

    Args:
        folder: of the home; it must not exist.
        name: folder of homes/ with sources.yaml and perhaps queries/.
        files: exports, put into landing/ as they are.
        first_night: ISO date.
        zone: business time zone.
        currency: base currency.
    """
    home = real_home(folder, {
        "home.yaml": {"first_night: 2020-01-01": f"first_night: {first_night}"},
        "crm.yaml": {"time_zone: Asia/Shanghai": f"time_zone: {zone}",
                     "base_currency: CNY": f"base_currency: {currency}"},
    })
    shutil.copytree(HOMES / name, home.folder / "config", dirs_exist_ok=True)
    home.landing.mkdir(exist_ok=True)
    for path in files:
        shutil.copy(path, home.landing / path.name)
    return home


def table(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file as its publisher wrote it, for figures of our own."""
    opened = gzip.open(path, "rt", newline="", encoding="utf-8-sig") if path.suffix == ".gz" \
        else path.open(newline="", encoding="utf-8-sig")
    with opened as stream:
        yield from csv.DictReader(stream)


def total(values: Iterable[str]) -> Decimal:
    """Exact sum of numbers in text."""
    return sum((Decimal(value) for value in values), Decimal(0))
