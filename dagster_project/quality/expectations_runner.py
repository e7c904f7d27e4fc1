"""Runs suites through Great Expectations, in the database, on an open audit.

Great Expectations takes six seconds to import, so it is imported inside functions; `warm_up`
may be called in a thread while something else works.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dagster_project.engine.audit_connection import AuditConnection
from dagster_project.quality.result import (
    CheckResult,
    failed,
    not_evaluated,
    passed,
)
from dagster_project.quality.suites import Expectation, Suite, columns_of
from dagster_project.quality.words import error_words, finding, mask, no_answer, rows_in_words

# One value at most leaves the database, to be masked for the message.
_RESULT_FORMAT = {
    "result_format": "BASIC",
    "partial_unexpected_count": 1,
    "include_unexpected_rows": False,
}


@dataclass(frozen=True)
class _Evaluation:
    """One expectation with its columns filled in."""

    id: int
    expectation: Expectation
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class _Answer:
    """What the validator said of one evaluation; `error` is set when it said nothing."""

    success: bool = False
    failing_n: int | None = None
    what: str = ""
    example: str = ""
    error: str = ""


def warm_up() -> None:
    """Import Great Expectations, without analytics and progress bars."""
    _modules()


def run_suites(
    audit: AuditConnection, suites: Iterable[Suite], candidate_id: str
) -> list[CheckResult]:
    """Evaluate suites on an open audit.

    Args:
        audit: candidate and the night's loads.
        suites: as `load_suites` gives them.
        candidate_id: goes into the results.

    Returns:
        One result for each declared expectation, in order of declaration. Whatever gave no
        answer is `not_evaluated`.
    """
    modules = _modules()
    context = modules[0].get_context(mode="ephemeral")
    context.variables.progress_bars = modules[2](globally=False)
    connection_string, arguments = audit.expectation_source()
    source = context.data_sources.add_sql(
        "audit", connection_string=connection_string, create_temp_table=False, kwargs=arguments
    )
    results: list[CheckResult] = []
    try:
        for suite in suites:
            results.extend(_run_suite(audit, suite, candidate_id, modules, context, source))
    finally:
        source.get_engine().dispose()
        source.get_execution_engine().engine.dispose()
    return results


def _run_suite(audit: AuditConnection, suite: Suite, candidate_id: str,
               modules: tuple[Any, Any, Any], context: Any, source: Any) -> list[CheckResult]:
    try:
        with audit.one_check():
            return _evaluated(audit, suite, candidate_id, modules, context, source)
    # As with an invariant: any error of the engine means that nobody knows.
    except Exception as error:  # noqa: BLE001
        return [not_evaluated(e.check, candidate_id, no_answer(e.check, error_words(error)))
                for e in suite.expectations]


def _evaluated(audit: AuditConnection, suite: Suite, candidate_id: str,
               modules: tuple[Any, Any, Any], context: Any, source: Any) -> list[CheckResult]:
    columns = audit.columns(suite.relation)
    if not columns:
        return [not_evaluated(e.check, candidate_id, no_answer(e.check, "there is no such table"))
                for e in suite.expectations]
    is_empty = audit.rows_n(suite.relation) == 0
    if is_empty and suite.may_be_empty:
        return [passed(e.check, candidate_id) for e in suite.expectations]
    by_expectation = _evaluations(suite, columns)
    asked = [
        evaluation for evaluations in by_expectation for evaluation in evaluations
        if not set(columns_of(evaluation.kwargs)) - columns.keys()
    ]
    answers = _ask(suite, asked, modules, context, source)
    results = []
    for expectation, evaluations in zip(suite.expectations, by_expectation, strict=True):
        reason = _unanswerable(expectation, evaluations, columns, is_empty)
        if reason:
            results.append(not_evaluated(expectation.check, candidate_id,
                                         no_answer(expectation.check, reason),
                                         max(len(evaluations), 1)))
        else:
            results.append(_result(expectation, evaluations, answers, candidate_id))
    return results


def _evaluations(suite: Suite, columns: Mapping[str, str]) -> list[list[_Evaluation]]:
    expanded = []
    number = 0
    for expectation in suite.expectations:
        evaluations = []
        for kwargs in expectation.expand(columns):
            evaluations.append(_Evaluation(number, expectation, kwargs))
            number += 1
        expanded.append(evaluations)
    return expanded


def _unanswerable(expectation: Expectation, evaluations: list[_Evaluation],
                  columns: Mapping[str, str], is_empty: bool) -> str:
    """Why an expectation has no answer before anything is asked; empty when it has."""
    if not evaluations:
        return f"no column fits {expectation.for_each_column}"
    absent = sorted({column for evaluation in evaluations
                     for column in columns_of(evaluation.kwargs)} - columns.keys())
    if absent:
        return f"column {', '.join(absent)} is missing"
    if is_empty and not expectation.type.startswith("expect_table_"):
        return "the table is empty, and of no rows everything is true"
    return ""


def _ask(suite: Suite, evaluations: list[_Evaluation], modules: tuple[Any, Any, Any],
         context: Any, source: Any) -> dict[int, _Answer]:
    """Answers by evaluation; what is absent from it was not answered."""
    gx, expectations, _ = modules
    answers: dict[int, _Answer] = {}
    asked = []
    for evaluation in evaluations:
        try:
            asked.append(_gx_expectation(expectations, evaluation))
        except (TypeError, ValueError) as error:
            answers[evaluation.id] = _Answer(error=error_words(error))
    if not asked:
        return answers
    schema, table = suite.relation.split(".")
    try:
        with warnings.catch_warnings():
            # The way it recommends instead exists for other databases only.
            warnings.filterwarnings("ignore", message=".*schema_name", category=DeprecationWarning)
            asset = source.add_table_asset(suite.relation, table_name=table, schema_name=schema)
        batch = asset.add_batch_definition_whole_table("whole").get_batch()
        gx_suite = gx.ExpectationSuite(name=suite.relation, expectations=asked)
        results = batch.validate(gx_suite, result_format=_RESULT_FORMAT).results
    # The validator wraps whatever the engine raises in its own types.
    except Exception as error:  # noqa: BLE001
        for evaluation in evaluations:
            answers[evaluation.id] = _Answer(error=error_words(error))
        return answers
    for result in results:
        answers[result.expectation_config.meta["evaluation"]] = _answer(result)
    return answers


def _gx_expectation(expectations: Any, evaluation: _Evaluation) -> Any:
    name = "".join(part.capitalize() for part in evaluation.expectation.type.split("_"))
    return getattr(expectations, name)(**evaluation.kwargs, meta={"evaluation": evaluation.id})


def _answer(result: Any) -> _Answer:
    error = _raised(result.exception_info)
    if error:
        return _Answer(error=error)
    if result.success:
        return _Answer(success=True, failing_n=0)
    found = result.result or {}
    kwargs = result.expectation_config.kwargs
    column = kwargs.get("column")
    failing_n = found.get("unexpected_count")
    if failing_n is None:
        observed = found.get("observed_value")
        shown = observed if isinstance(observed, int | float) else _difference(kwargs, observed)
        subject = f"{column} gives" if column else "the table gives"
        return _Answer(what=f"{subject} {shown}, expected {_expected(result)}")
    examples = found.get("partial_unexpected_list") or []
    is_null = result.expectation_config.type == "expect_column_values_to_not_be_null"
    example = "" if is_null or not examples else _example(column, examples[0])
    subject = column or "+".join(kwargs.get("column_list", ()))
    return _Answer(failing_n=int(failing_n), example=example,
                   what=f"{subject} in {rows_in_words(int(failing_n))} is not {_expected(result)}")


def _raised(info: Mapping[str, Any] | None) -> str:
    """The first error of a result: it is either flat or keyed by what was measured."""
    if not info:
        return ""
    if "raised_exception" in info:
        message = info.get("exception_message") or "no message"
        return error_words(str(message)) if info["raised_exception"] else ""
    for entry in info.values():
        if isinstance(entry, Mapping) and entry.get("raised_exception", True):
            return error_words(str(entry.get("exception_message") or "no message"))
    return ""


def _difference(kwargs: Mapping[str, Any], observed: Any) -> str:
    if not isinstance(observed, list):
        return "no value" if observed is None else mask(observed)
    declared = set(kwargs.get("column_set", ()))
    absent, extra = sorted(declared - set(observed)), sorted(set(observed) - declared)
    return f"columns without {absent or 'none'}, with {extra or 'none'} besides"


def _expected(result: Any) -> str:
    kwargs = result.expectation_config.kwargs
    kind = result.expectation_config.type.removeprefix("expect_")
    if "column_set" in kwargs:
        return "the declared columns"
    if "value_set" in kwargs:
        return "one of " + ", ".join(str(value) for value in kwargs["value_set"])
    if kind.endswith("between"):
        low, high = kwargs.get("min_value"), kwargs.get("max_value")
        return " and ".join(part for part in (
            "" if low is None else f"at least {low}", "" if high is None else f"at most {high}",
        ) if part)
    return "unique" if kind.endswith("unique") else "filled"


def _example(column: str | None, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {mask(item)}" for key, item in value.items())
    return f"{column} = {mask(value)}"


def _result(expectation: Expectation, evaluations: list[_Evaluation],
            answers: Mapping[int, _Answer], candidate_id: str) -> CheckResult:
    check = expectation.check
    silent = _Answer(error="the validator dropped the expectation")
    given = [answers.get(evaluation.id, silent) for evaluation in evaluations]
    errors = [answer.error for answer in given if answer.error]
    if errors:
        return not_evaluated(check, candidate_id, no_answer(check, errors[0]), len(given),
                             len(given) - len(errors))
    bad = [answer for answer in given if not answer.success]
    if not bad:
        return passed(check, candidate_id, len(given))
    counts = [answer.failing_n for answer in bad if answer.failing_n is not None]
    what = "; ".join(answer.what for answer in bad[:3])
    if len(bad) > 3:
        what += f"; and {len(bad) - 3} more columns"
    return failed(check, candidate_id, sum(counts) if counts else None,
                  finding(check, what, bad[0].example), len(given))


def _modules() -> tuple[Any, Any, Any]:
    """Great Expectations, its expectations, and the switch of its progress bars."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read while it is imported
    import great_expectations
    import great_expectations.expectations as expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return great_expectations, expectations, ProgressBarsConfig
