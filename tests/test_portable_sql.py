"""dbt's SQL keeps to what every engine understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from portable_sql import faults, portable_files

DBT_PROJECT = Path(__file__).resolve().parents[1] / "dbt"
FILES = portable_files(DBT_PROJECT)


def test_files_are_found() -> None:
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DBT_PROJECT)))
def test_portable(path: Path) -> None:
    found = faults(path.read_text())
    assert not found, f"{path}:\n" + "\n".join(found)


@pytest.mark.parametrize("text", [
    "with recursive x as (select 1) select * from x",
    "select a from b qualify row_number() over (order by a asc nulls last) = 1",
    "select distinct on (a) a from b",
    "select arg_max(a, b) from c",
    "select count(*) filter (where a) from b",
    "select cast(a as hugeint) from b",
    "select list(a) from b",
    "select median(a) from b",
    "select first(a) from b",
    "select a from b union all by name select a from c",
    "select * exclude (a) from b",
    "select a, count(*) from b group by all",
    "select a::date from b",
    "select a // 2 from b",
    "select a * b from c",
    "select (a + 1) * 2 from c",
    "select row_number() over (order by a) from b",
    "select row_number() over (order by a desc) from b",
    "select a from b order by coalesce(a, 0) asc nulls last, c",
    "select current_date",
    "select random()",
])
def test_what_is_not_portable_is_found(text: str) -> None:
    assert faults(text)


@pytest.mark.parametrize("text", [
    "select count(*), lines.* from lines -- a * b, qualify",
    "select *\nfrom b",
    "{#- a::b -#} select distinct a from b",
    "select row_number() over (order by coalesce(a, 0) desc nulls last, b asc nulls first) from c",
    "select {{ whole_product('a', 'b') }} from c",
])
def test_what_is_portable_passes(text: str) -> None:
    assert not faults(text)
