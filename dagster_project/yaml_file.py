"""YAML files that people write, read into models: strictly, and with every fault by its line.

Here belongs what is the same for every configuration file of a home: plain YAML only, the shape
a model declares, and faults in words. What a file means stands with its model; rules beyond
shape are given to `load_model` by it.
"""

from __future__ import annotations

import difflib
import functools
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    ScalarEvent,
)

from dagster_project.refusals import WrongInput

MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 20

KeyPath: TypeAlias = tuple[str | int, ...]
Fault: TypeAlias = tuple[KeyPath, str]
Model = TypeVar("Model", bound=BaseModel)
Rules: TypeAlias = Callable[[Model], Iterable[Fault]]


class ConfigurationError(WrongInput, ValueError):
    """The file cannot be used; the text lists every fault with file, line and key."""

    def __init__(self, faults: Sequence[str]) -> None:
        """Keeps the faults, one line of text each."""
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


def load_model(path: Path, model: type[Model], rules: Rules[Model] | None = None,
               context: dict[str, Any] | None = None) -> Model:
    """Reads a YAML file into a model.

    Args:
        path: the file.
        model: its shape; numbers with a point arrive as decimals, lists as tuples.
        rules: what shape cannot say: the faults of a model, as (keys, words).
        context: what the model must know to be read.

    Returns:
        The model, without faults.

    Raises:
        ConfigurationError: the file is missing, is no plain YAML, or breaks a rule. The text has
            one line for each fault: file, line, key, what is allowed.
    """
    name = f"{path.parent.name}/{path.name}".lstrip("/")
    document = _read_yaml(path, name)
    return checked(frozen(document), model, rules, name, document, context)


def checked(
    content: Any,
    model: type[Model],
    rules: Rules[Model] | None,
    name: str,
    document: CommentedMap | None = None,
    context: dict[str, Any] | None = None,
) -> Model:
    """The model of plain content.

    Args:
        content: dicts, tuples and scalars.
        model: its shape.
        rules: as for `load_model`.
        name: where the content stands, for the faults.
        document: the YAML it was read from, which knows the lines.
        context: as for `load_model`.

    Raises:
        ConfigurationError: with every fault.
    """
    def broken(value: Model) -> list[Fault]:
        return list(rules(value)) if rules else []

    try:
        valid = model.model_validate(content, context=context)
        faults = broken(valid)
    except ValidationError as error:
        faults = [_shape_fault(item, model) for item in error.errors()]
        # What is wrong beside the misshapen entries shall be told in the same breath.
        rest = _without(content, [path for path, _ in faults])
        try:
            others = broken(model.model_validate(rest, context=context))
        except ValidationError:
            others = []
        misshapen = {path[:2] for path, _ in faults}
        faults += [fault for fault in others if fault[0][:2] not in misshapen]
    if faults:
        located = {(_line(document, path), ".".join(map(str, path)), text)
                   for path, text in faults}
        raise ConfigurationError([
            f"{name}{f' line {line}' if line else ''}, {key}: {text}"
            for line, key, text in sorted(located)
        ])
    return valid


def frozen(value: Any) -> Any:
    """Plain dicts, tuples, decimals and strings of what JSON or YAML gave."""
    if isinstance(value, dict):
        return {frozen(key): frozen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return Decimal(repr(float(value)))
    return str(value) if isinstance(value, str) else value


def _read_yaml(path: Path, name: str) -> CommentedMap:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError([f"{name}: cannot be read ({error.strerror}); "
                                  "a new home gets one with `crm-value init`"]) from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError([f"{name}: has {len(content):,} bytes, at most "
                                  f"{MAX_FILE_BYTES:,} are read"])
    return _document(content, name)


# A run reads its configuration three times before its first step; to parse it takes 80 ms.
@functools.lru_cache(maxsize=64)
def _document(content: bytes, name: str) -> CommentedMap:
    """What a file holds; nobody changes it."""
    try:
        text = content.decode("utf-8-sig")
        faults = list(_refused_yaml(text, name))
        if faults:
            raise ConfigurationError(faults)
        document = YAML(typ="rt").load(text)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigurationError([f"{name} line {line}: is not UTF-8 text"]) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name} line {mark.line + 1}" if mark else name
        problem = " ".join(str(error.problem or error.context or error).split())
        raise ConfigurationError([f"{where}: is no valid YAML: {problem}"]) from error
    except (YAMLError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        reason = " ".join(str(error).split())
        raise ConfigurationError([f"{name}: is no valid YAML: {reason}"]) from error
    if not isinstance(document, CommentedMap):
        raise ConfigurationError([f"{name}: must hold keys and values such as `business:`"])
    return document


def _refused_yaml(text: str, name: str) -> Iterator[str]:
    """Faults of features that can hide or blow up content: aliases, tags, deep nesting."""
    depth = 0
    for event in YAML(typ="rt").parse(text):
        where = f"{name} line {event.start_mark.line + 1}"
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            yield f"{where}: anchors (&) and aliases (*) are not allowed; write the value out"
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag:
            yield f"{where}: tags such as {event.tag} are not allowed"
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            yield f"{where}: is nested deeper than {MAX_DEPTH} levels"
            return


def _line(document: CommentedMap | None, path: KeyPath) -> int:
    """Line of the deepest step of `path` that the document has, from 1; 0 without a document."""
    line = 0
    node: Any = document
    for step in path:
        try:
            if isinstance(node, CommentedMap):
                line = node.lc.key(step)[0] + 1
            elif isinstance(node, CommentedSeq):
                line = node.lc.item(step)[0] + 1
            node = node[step]
        except (KeyError, IndexError, TypeError):
            break
    return line


def _without(content: Any, paths: Sequence[KeyPath]) -> Any:
    """`content` without the entries at `paths`."""
    if isinstance(content, dict):
        return {
            key: _without(item, [path[1:] for path in paths if path and path[0] == key])
            for key, item in content.items()
            if (key,) not in paths
        }
    if isinstance(content, tuple):
        return tuple(
            _without(item, [path[1:] for path in paths if path and path[0] == position])
            for position, item in enumerate(content)
        )
    return content


def _shape_fault(error: Any, model: type[BaseModel]) -> Fault:
    path = tuple(step for step in error["loc"] if step != "[key]")
    kind = error["type"]
    value = error.get("input")
    if kind == "extra_forbidden":
        return path, unknown("key", str(path[-1]), _allowed_keys(model, path[:-1]))
    if kind == "missing":
        return path, "must be given"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        return path, unknown("value", str(value), allowed)
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return path, f"is {_shown(value)}; {message[0].lower()}{message[1:]}"


def _shown(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def unknown(what: str, name: str, allowed: Sequence[str]) -> str:
    """Words for a name that is not among the allowed ones, with the nearest of them."""
    close = difflib.get_close_matches(name, allowed, n=1, cutoff=0.6)
    guess = f", did you mean {close[0]!r}?" if close else "."
    known = f" Allowed: {', '.join(allowed)}" if allowed else ""
    return f"unknown {what} {name!r}{guess}{known}"


def _allowed_keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Keys of the model that stands at `path`."""
    kind: Any = model
    for step in path:
        kind = _without_none(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = next(field.annotation for name, field in kind.model_fields.items()
                        if (field.alias or name) == str(step))
        else:
            # dict[str, Model] or tuple[Model, ...]
            kind = typing.get_args(kind)[1 if typing.get_origin(kind) is dict else 0]
    fields = _without_none(kind).model_fields
    return [field.alias or name for name, field in fields.items()]


def _without_none(kind: Any) -> Any:
    """`Model` of `Model | None`; anything else as it is."""
    members = [part for part in typing.get_args(kind) if part is not type(None)]
    return members[0] if type(None) in typing.get_args(kind) else kind
