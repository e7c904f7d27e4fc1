"""Suites of expectations, as expectations/suites/<table>.yaml declares them.

Reading and checking of the declarations; running them is in expectations_runner.py. The
validator drops an expectation it does not know and passes, so every name is checked here.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dagster_project.quality.result import SEVERITIES, Check, DeclarationError
from dagster_project.quality.words import did_you_mean

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_RELATION = re.compile(r"^(crm|night)\.[a-z][a-z0-9_]*$")
_SUITE_KEYS = frozenset({"table", "may_be_empty", "expectations"})
_REQUIRED_KEYS = frozenset({"name", "type", "kwargs", "severity", "why", "action"})
_EXPECTATION_KEYS = _REQUIRED_KEYS | {"for_each_column"}


@dataclass(frozen=True)
class ExpectationType:
    """An expectation that is proven to work in the database.

    Attributes:
        required: arguments it must have.
        optional: arguments it may have.
        one_of: at least one of these must be given, else it can never fail.
    """

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    one_of: frozenset[str] = frozenset()

    @property
    def known(self) -> frozenset[str]:
        """Every argument it may have."""
        return self.required | self.optional | self.one_of


_COLUMN = frozenset({"column"})
_BOUNDS = frozenset({"min_value", "max_value"})
# Closed: patterns, types and quantiles fail or raise over SQL; say those as invariants.
ALLOWED_TYPES: Mapping[str, ExpectationType] = {
    "expect_table_row_count_to_be_between": ExpectationType(frozenset(), one_of=_BOUNDS),
    "expect_table_columns_to_match_set": ExpectationType(
        frozenset({"column_set", "exact_match"})),
    "expect_column_values_to_not_be_null": ExpectationType(_COLUMN, frozenset({"mostly"})),
    "expect_column_values_to_be_unique": ExpectationType(_COLUMN),
    "expect_column_values_to_be_in_set": ExpectationType(
        _COLUMN | {"value_set"}, frozenset({"mostly"})),
    "expect_column_values_to_be_between": ExpectationType(
        _COLUMN, frozenset({"strict_min", "strict_max", "mostly"}), _BOUNDS),
    "expect_column_mean_to_be_between": ExpectationType(_COLUMN, one_of=_BOUNDS),
    "expect_compound_columns_to_be_unique": ExpectationType(frozenset({"column_list"})),
}


@dataclass(frozen=True)
class Expectation:
    """One declared expectation.

    Attributes:
        check: name, table, severity, why, action.
        type: key of ALLOWED_TYPES.
        kwargs: its arguments; `{column}` and `{stem}` stand for the columns of the pattern.
        for_each_column: pattern such as `*__score`; one evaluation for each column that fits.
    """

    check: Check
    type: str
    kwargs: Mapping[str, Any]
    for_each_column: str | None = None

    def expand(self, columns: Iterable[str]) -> list[dict[str, Any]]:
        """Arguments of each evaluation, over the columns that the table has.

        Args:
            columns: of the table.

        Returns:
            one mapping; with a pattern one for each column that fits, in table order, and none
            when no column does.
        """
        pattern = self.for_each_column
        if pattern is None:
            return [dict(self.kwargs)]
        suffix = pattern.lstrip("*")
        return [
            {key: _fill(value, column, column.removesuffix(suffix))
             for key, value in self.kwargs.items()}
            for column in columns if fnmatch.fnmatchcase(column, pattern)
        ]


@dataclass(frozen=True)
class Suite:
    """The expectations on one table.

    Attributes:
        relation: `crm.<table>` or `night.<table>`.
        may_be_empty: no rows is a good answer (a source that brought nothing tonight); without
            it an empty table is not evaluated, since everything holds for no rows.
    """

    relation: str
    may_be_empty: bool
    expectations: tuple[Expectation, ...] = field(default=())


def load_suites(folder: Path) -> tuple[Suite, ...]:
    """Read every suite of a folder.

    Args:
        folder: expectations/suites.

    Raises:
        DeclarationError: an unknown key, type or argument, an empty suite, no suite at all.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise DeclarationError(f"{folder}: no suite found; without one nothing is checked")
    return tuple(_suite(path) for path in files)


def columns_of(kwargs: Mapping[str, Any]) -> list[str]:
    """Columns that one evaluation reads; those of a column set are what it checks."""
    columns = [kwargs["column"]] if "column" in kwargs else []
    return columns + list(kwargs.get("column_list", ()))


def _suite(path: Path) -> Suite:
    document = read_mapping(path.read_text(encoding="utf-8"), str(path))
    refuse_unknown(document, _SUITE_KEYS, str(path))
    relation = document.get("table")
    if not isinstance(relation, str) or not _RELATION.match(relation):
        raise DeclarationError(f"{path}: table must be crm.<table> or night.<table>, "
                               f"not {relation!r}")
    if relation.split(".")[1] != path.stem:
        raise DeclarationError(f"{path}: table is {relation}, so the file must be called "
                               f"{relation.split('.')[1]}.yaml")
    may_be_empty = document.get("may_be_empty", False)
    if not isinstance(may_be_empty, bool):
        raise DeclarationError(f"{path}: may_be_empty must be true or false")
    entries = document.get("expectations")
    if not isinstance(entries, list) or not entries:
        raise DeclarationError(f"{path}: expectations is empty; a suite without any passes "
                               "everything")
    return Suite(relation, may_be_empty,
                 tuple(_expectation(entry, relation, path) for entry in entries))


def _expectation(entry: Any, relation: str, path: Path) -> Expectation:
    if not isinstance(entry, dict):
        raise DeclarationError(f"{path}: an expectation must be a mapping, not {entry!r}")
    where = f"{path}, {entry.get('name', 'an expectation without name')}"
    refuse_unknown(entry, _EXPECTATION_KEYS, where)
    missing = sorted(_REQUIRED_KEYS - entry.keys())
    if missing:
        raise DeclarationError(f"{where}: {', '.join(missing)} is missing")
    kind = ALLOWED_TYPES.get(entry["type"])
    if kind is None:
        raise DeclarationError(f'{where}: type "{entry["type"]}" is not known here.'
                               + did_you_mean(str(entry["type"]), ALLOWED_TYPES))
    kwargs = entry["kwargs"]
    if not isinstance(kwargs, dict):
        raise DeclarationError(f"{where}: kwargs must be a mapping")
    refuse_unknown(kwargs, kind.known, f"{where}, kwargs")
    absent = sorted(kind.required - kwargs.keys())
    if absent:
        raise DeclarationError(f"{where}: kwargs lacks {', '.join(absent)}")
    if kind.one_of and not kind.one_of & kwargs.keys():
        raise DeclarationError(f"{where}: kwargs needs {' or '.join(sorted(kind.one_of))}, "
                               "without it the expectation cannot fail")
    pattern = entry.get("for_each_column")
    if pattern is not None and not (isinstance(pattern, str) and re.match(r"^\*\w+$", pattern)):
        raise DeclarationError(f'{where}: for_each_column must look like "*__score", '
                               f"not {pattern!r}")
    return Expectation(check_of(entry, relation, where), entry["type"], kwargs, pattern)


def check_of(entry: Mapping[str, Any], relation: str, where: str) -> Check:
    """The check that a declaration describes.

    Raises:
        DeclarationError: the name, the severity or a text is not usable.
    """
    name = entry["name"]
    if not isinstance(name, str) or not _NAME.match(name):
        raise DeclarationError(f"{where}: name {name!r} must be lower-case words joined by _")
    if entry["severity"] not in SEVERITIES:
        raise DeclarationError(f'{where}: severity "{entry["severity"]}" is not known.'
                               + did_you_mean(str(entry["severity"]), SEVERITIES))
    for key in ("why", "action"):
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise DeclarationError(f"{where}: {key} must say something")
    if not _RELATION.match(relation):
        raise DeclarationError(f"{where}: table must be crm.<table> or night.<table>")
    return Check(name, relation, entry["severity"], " ".join(entry["why"].split()),
                 " ".join(entry["action"].split()))


def read_mapping(text: str, where: str) -> dict[str, Any]:
    """Read YAML text whose top is a mapping; repeated keys are refused.

    Raises:
        DeclarationError: not YAML, or not a mapping.
    """
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise DeclarationError(f"{where}: not readable as YAML: {error}") from error
    if not isinstance(document, dict):
        raise DeclarationError(f"{where}: must be a mapping of keys")
    return document


def refuse_unknown(document: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse a key nobody reads.

    Raises:
        DeclarationError: with the key and what may have been meant.
    """
    names = set(known)
    for key in document:
        if key not in names:
            raise DeclarationError(f'{where}: unknown key "{key}".'
                                   + did_you_mean(str(key), names))


def _fill(value: Any, column: str, stem: str) -> Any:
    if isinstance(value, str):
        return value.replace("{column}", column).replace("{stem}", stem)
    if isinstance(value, list):
        return [_fill(item, column, stem) for item in value]
    return value
