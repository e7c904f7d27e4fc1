"""Text in a stated encoding -> UTF-8. Nothing is guessed: encodings are tried as stated.

A byte that does not fit its encoding comes out as it is and makes the UTF-8 invalid at this
place: whoever splits the text into rows then rejects that row and no other.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from dagster_project.engine.containers import CHUNK_BYTES
from dagster_project.ingest.landing import FileRefused

UTF8_MARK = codecs.BOM_UTF8
# UTF-32's little-endian mark begins with UTF-16's.
OTHER_MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
               codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def is_utf8(encoding: str) -> bool:
    """Whether the name, in any spelling, means UTF-8."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def check_mark(head: bytes, name: str, encodings: Sequence[str]) -> None:
    """Refuse a file whose byte order mark says an encoding that is not stated.

    Raises:
        FileRefused: it does.
    """
    stated = [codecs.lookup(encoding).name for encoding in encodings]
    for mark, encoding in OTHER_MARKS.items():
        if head.startswith(mark):
            if not any(known.startswith(encoding) for known in stated):
                raise FileRefused(
                    f"landing/{name}: its first bytes say {encoding}, and {', '.join(encodings)} "
                    f"is stated; save it as UTF-8, or state encodings: [{encoding}] under read:"
                )
            return


def first_that_fits(stream: BinaryIO, name: str, encodings: Sequence[str]) -> str:
    """The first encoding that the whole stream is in; a single one is taken at its word.

    Raises:
        FileRefused: none of several fits; says in which line each of them fails.
    """
    head = stream.read(4)
    check_mark(head, name, encodings)
    if len(encodings) == 1:
        return encodings[0]
    if head.startswith(UTF8_MARK):
        for encoding in encodings:
            if is_utf8(encoding):
                return encoding
    failures = []
    for encoding in encodings:
        stream.seek(0)
        line = _first_misfit(stream, encoding)
        if line is None:
            return encoding
        failures.append(f"{encoding} (line {line})")
    raise FileRefused(
        f"landing/{name}: is in none of the stated encodings; what does not fit stands first in "
        f"{', '.join(failures)}. Save it as UTF-8, or state its encoding under read:"
    )


def _first_misfit(stream: BinaryIO, encoding: str) -> int | None:
    """Number of the line, from 1, with the first byte that does not fit; None: all do."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    while True:
        chunk = stream.read(CHUNK_BYTES)
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            return line + error.object[:error.start].count(b"\n")
        if not chunk:
            return None
        line += chunk.count(b"\n")


def decoded(data: bytes, encoding: str, *, strict: bool) -> str:
    """The beginning of a text, without its mark; a character that is cut at the end is left out.

    Raises:
        UnicodeDecodeError: it does not fit and `strict` is asked for.
    """
    errors = "strict" if strict else "surrogateescape"
    return codecs.getincrementaldecoder(encoding)(errors).decode(data).removeprefix("\ufeff")


def to_utf8(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The text as UTF-8 without a byte order mark.

    Raises:
        UnicodeError: a byte that fits nowhere and cannot be passed on either.
    """
    decoder = None if is_utf8(encoding) else codecs.getincrementaldecoder(encoding)(
        "surrogateescape")
    is_first = True
    for part in _and_end(parts):
        text = part if decoder is None else decoder.decode(part, final=not part).encode(
            "utf-8", "surrogateescape")
        if is_first and text:
            text, is_first = text.removeprefix(UTF8_MARK), False
        if text:
            yield text


def _and_end(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts and an empty one, which tells a decoder that nothing follows."""
    yield from (part for part in parts if part)
    yield b""
