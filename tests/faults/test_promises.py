"""docs/promises.md names tests that there are, and every test of faults stands in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import NAMED_TEST, PROMISES, TESTS

# Tests of the page itself inject nothing.
OF_THE_PAGE = {"faults/test_promises.py"}


def _rows() -> dict[str, list[str]]:
    """Number of the row -> its cells."""
    lines = [line for line in PROMISES.read_text(encoding="utf-8").splitlines()
             if re.match(r"\| \d", line)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row for row in cells}


ROWS = _rows()
NAMED = {name: number for number, row in ROWS.items()
         for name in NAMED_TEST.findall(row[4])}


def _tests_in(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_number_has_a_row() -> None:
    numbers = set()
    for number in ROWS:
        first, _, last = number.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    assert numbers == set(range(1, 31))


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_test_that_is_named_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    assert test in _tests_in(TESTS / file)


def test_every_test_of_faults_is_named() -> None:
    there = {f"faults/{path.name}::{test}" for path in (TESTS / "faults").glob("test_*.py")
             for test in _tests_in(path) if f"faults/{path.name}" not in OF_THE_PAGE}
    # It shows what a clean run of tests looks like, not what comes of a fault.
    there.discard("faults/test_unverified.py::"
                  "test_tests_of_the_models_that_all_passed_are_evidence")
    assert there <= NAMED.keys(), f"not in docs/promises.md: {sorted(there - NAMED.keys())}"


@pytest.mark.parametrize("number", sorted(ROWS))
def test_every_row_names_a_test(number: str) -> None:
    assert "::" in ROWS[number][4]
