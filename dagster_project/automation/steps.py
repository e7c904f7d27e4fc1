"""What the steps of a run have in common: a refusal of ours fails them by its words."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import dagster as dg

from dagster_project.refusals import NotFinished, WrongInput

Step = TypeVar("Step", bound=Callable[..., Any])


def told_in_words(step: Step) -> Step:
    """A step whose failure says what, where and what to do before anything else.

    Of an exception Dagster's page shows the stack first and hides the words below it. Stands
    between the function and Dagster's own decorator.
    """
    if inspect.isgeneratorfunction(step):
        @functools.wraps(step)
        def told(*given: Any, **named: Any) -> Any:
            with _failure_by_words():
                yield from step(*given, **named)
    else:
        @functools.wraps(step)
        def told(*given: Any, **named: Any) -> Any:
            with _failure_by_words():
                return step(*given, **named)
    return cast("Step", told)


@contextmanager
def _failure_by_words() -> Iterator[None]:
    try:
        yield
    except (WrongInput, NotFinished) as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
