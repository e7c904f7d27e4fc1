"""A bound on how long the engine is waited for.

An engine may wait for ever where it should answer: threads that wait for each other, a join whose
size nobody foresaw. Waiting is done beside the question, so that the one who asked can go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Protocol, TypeVar
from weakref import finalize

from dagster_project.refusals import NotFinished

Answer = TypeVar("Answer")
# What is asked, with the place of its answer; None: nothing more.
_Questions = SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]

# The engine looks for an interrupt between two pieces of work. Most take milliseconds; those of a
# join of a million rows with a million took eight seconds.
_HEED_SECONDS = 60.0
_REPEAT_SECONDS = 0.2


class Interruptible(Protocol):
    """A connection whose work can be broken off from another thread."""

    def interrupt(self) -> None:
        """Break off what the connection is doing."""


class NoAnswerInTime(NotFinished):
    """The engine did not answer within the bound: the seconds, the setting."""


class TimeBound:
    """Asks connections, and waits no longer than the bound.

    Each question has the whole bound for itself, unless it is asked within `shared`.
    """

    def __init__(self, seconds: float, setting: str) -> None:
        """`setting` is where people change the seconds, as they find it."""
        self._seconds = seconds
        self._setting = setting
        self._ends_at: float | None = None
        self._questions: _Questions | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """All questions asked inside have one bound together, counted from here."""
        self._ends_at = monotonic() + self._seconds
        try:
            yield
        finally:
            self._ends_at = None

    def ask(self, connection: Interruptible, question: Callable[[], Answer]) -> Answer:
        """What the question returns, or raises.

        What does not end is interrupted. What does not heed that either is left behind: its
        thread ends with the process, and the connection must not be asked again.

        Args:
            connection: that the question uses, and nobody else meanwhile.
            question: whatever is done with the connection.

        Raises:
            NoAnswerInTime: the bound has passed, maybe before the question was asked.
        """
        end = monotonic() + self._seconds if self._ends_at is None else self._ends_at
        answer: Future[Answer] = Future()
        if monotonic() < end:
            self._worker().put((answer, question))
            try:
                wait([answer], timeout=end - monotonic())
                if answer.done():
                    return answer.result()
            finally:
                # Also where somebody breaks off the waiting by hand.
                self._break_off(connection, answer)
        seconds = "1 second" if self._seconds == 1 else f"{self._seconds:g} seconds"
        raise NoAnswerInTime(f"the engine did not answer within {seconds} ({self._setting})")

    def _worker(self) -> _Questions:
        # One thread for all questions: one for each cost an audit 0.3 s.
        if self._questions is None:
            self._questions = SimpleQueue()
            Thread(target=_work, args=(self._questions,), daemon=True).start()
            finalize(self, self._questions.put, None)
        return self._questions

    def _break_off(self, connection: Interruptible, answer: Future[Any]) -> None:
        """Interrupt until it is heeded: one that comes before the work begins is forgotten."""
        given_up_at = monotonic() + min(self._seconds, _HEED_SECONDS)
        while not answer.done() and monotonic() < given_up_at:
            connection.interrupt()
            wait([answer], timeout=_REPEAT_SECONDS)
        if not answer.done():
            self._questions = None  # the next question gets another thread


def _work(questions: _Questions) -> None:
    for answer, question in iter(questions.get, None):
        try:
            answer.set_result(question())
        # Whatever it is, it belongs to the one who asked.
        except BaseException as error:  # noqa: BLE001
            answer.set_exception(error)
        del answer, question  # with them goes the connection
