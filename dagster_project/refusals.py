"""The two kinds of errors that are said to a person in words, without a stack.

What the words hold: what, where (file, row, key, setting), and what to do.
"""

from __future__ import annotations


class WrongInput(Exception):
    """What a person gave is wrong: the configuration, a date, a path, a choice."""


class NotFinished(Exception):
    """What was asked for was right, but could not be done now: a lock, a file, a limit."""
