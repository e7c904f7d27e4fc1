"""The SQL that any engine understands: what dbt/models and macros outside engine/ keep to.

A rule is a pattern over the text without comments, and why it is one. Engine-specific forms
belong into dbt/macros/engine, behind a dispatched macro.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rule:
    """Something portable SQL leaves out."""

    name: str
    pattern: str
    instead: str


RULES = (
    Rule("recursive", r"\bwith\s+recursive\b", "compute it in Python"),
    Rule("qualify", r"\bqualify\b", "rank in a CTE and filter after it"),
    Rule("distinct on", r"\bdistinct\s+on\b", "rank in a CTE and filter after it"),
    Rule("arg_max", r"\b(arg_max|arg_min|max_by|min_by)\b", "rank in a CTE and filter after it"),
    Rule("filter", r"\bfilter\s*\(\s*where\b", "aggregate a case expression"),
    Rule("hugeint", r"\b(u?hugeint|u(tiny|small|big)?int(eger)?)\b", "cast to bigint or decimal"),
    Rule("list", r"\b(list|array_agg|string_agg|group_concat|listagg)\s*\(", "aggregate scalars"),
    Rule("quantile", r"\b(quantile\w*|approx_\w+|percentile_\w+|median|mode)\s*\(",
         "rank with row_number, which is exact"),
    Rule("any_value", r"\b(any_value|first|last|arbitrary)\s*\(", "min or max, which is the same "
         "in every run"),
    Rule("union by name", r"\bunion\s+(all\s+)?by\s+name\b", "list the columns"),
    Rule("star modifier", r"\*\s*(exclude|replace|except|rename)\b", "list the columns"),
    Rule("group by all", r"\b(group|order)\s+by\s+all\b", "list the columns"),
    Rule("cast operator", r"::", "cast(... as ...)"),
    Rule("integer division", r"//", "whole_quotient"),
    Rule("clock", r"\b(current_date|current_timestamp|now\s*\(|today\s*\()", "night_inputs"),
    Rule("random", r"\b(random|rand|uuid|gen_random_uuid)\s*\(", "a column"),
)

# A product of decimals overflows in one engine and is cut in another.
PRODUCT = re.compile(r"(\w+|[)}\]'\"])\s*\*\s*[\w({'\"]")
COLUMNS_AFTER = {"select", "distinct", "all"}
ORDER_BY = re.compile(r"\border\s+by\b(.*?)(?=\)|\brows\b|\brange\b|\blimit\b|\Z)", re.DOTALL)
SORTED = re.compile(r"\b(asc|desc)\s+nulls\s+(first|last)\s*$")


def without_comments(text: str) -> str:
    """`text` with comments blanked, so that line numbers stay."""
    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r"\{#.*?#\}|/\*.*?\*/|--[^\n]*", blank, text, flags=re.DOTALL)


def sort_keys(clause: str) -> list[str]:
    """The keys of an order by, split at commas outside parentheses."""
    keys, depth, key = [], 0, ""
    for letter in clause:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            keys.append(key)
            key = ""
        else:
            key += letter
    return [key.strip() for key in [*keys, key]]


def faults(text: str) -> list[str]:
    """What in `text` is not portable: `line N: rule: use ... instead`."""
    sql = without_comments(text).lower()

    def line(position: int) -> int:
        return sql.count("\n", 0, position) + 1

    found = [
        f"line {line(match.start())}: {rule.name}: use {rule.instead}"
        for rule in RULES for match in re.finditer(rule.pattern, sql)
    ]
    found += [
        f"line {line(match.start())}: product: use money_multiply, money_convert or whole_product"
        for match in PRODUCT.finditer(sql) if match.group(1) not in COLUMNS_AFTER
    ]
    for match in ORDER_BY.finditer(sql):
        # A parenthesis within a key ends the match early; take the clause to its own end.
        depth, end = 0, match.start(1)
        while end < len(sql) and depth >= 0:
            depth += (sql[end] == "(") - (sql[end] == ")")
            end += 1
        clause = sql[match.start(1):end - 1] if depth < 0 else sql[match.start(1):]
        found += [
            f"line {line(match.start())}: order by {key}: say asc or desc, nulls first or last"
            for key in sort_keys(clause) if not SORTED.search(key)
        ]
    return found


def portable_files(project: Path) -> list[Path]:
    """The SQL files that keep to the rules: models, tests and macros outside engine/."""
    return sorted(
        path for folder in ("models", "tests", "macros")
        for path in (project / folder).rglob("*.sql") if "engine" not in path.parts
    )
