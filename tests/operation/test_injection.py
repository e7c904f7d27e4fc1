"""Names and texts of configuration that look like SQL: refused by their key, or only words."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from ruamel.yaml import YAML

from dagster_project.configuration import Configuration, broken_rules
from dagster_project.ingest.presets import shipped_presets
from dagster_project.ingest.sources import Sources, sources_faults
from dagster_project.settings import DEFAULT_CONFIG, PROJECT, HomeSettings
from dagster_project.yaml_file import ConfigurationError, checked, frozen, load_model

INJECTIONS = (
    "x'; create table pwned as select 1; --",
    'x"; create table pwned as select 1; --',
)
Path_: TypeAlias = tuple[str | int, ...]
# What reads each file, once its YAML has been read.
READERS: dict[str, Callable[[Any], object]] = {
    "home.yaml": lambda content: checked(content, HomeSettings, None, "home.yaml"),
    "crm.yaml": lambda content: checked(content, Configuration, broken_rules, "crm.yaml"),
    "sources.yaml": lambda content: checked(content, Sources, sources_faults, "sources.yaml",
                                            context={"presets": shipped_presets()}),
}
# What the shipped files leave out, so that every kind of entry is tried.
FURTHER: dict[str, dict[str, Any]] = {
    "home.yaml": {"gate": {"permitted_texts": ["customers.city"]}},
    "crm.yaml": {
        "exclude": {"customers": {"types": ["staff"], "ids": ["C-1"]},
                    "orders": {"channels": ["test"], "tags": ["gift"], "product_ids": ["P-1"],
                               "product_categories": ["cards"]}},
        "identities": {"source_priority": ["customers"],
                       "ignored_contacts": ["1f0e8a1c-6f0f-3b1c-9d3e-0a1b2c3d4e5f"],
                       "never_merge": [["C-1", "C-2"]]},
    },
    "sources.yaml": {"emails": {"ignore_dots_at": ["gmail.com"], "ignore_tags_at": ["*"]},
                     "sources": {"further": {
                         "kind": "orders", "files": ["further/*"], "time_zone": "UTC",
                         "phone_region": "DE", "currency": "EUR", "id_space": "shop",
                         "version": {"rule": "file_name"},
                         "expected": {"weekdays": ["monday"], "severity": "warning"},
                         "read": {"delimiter": ";", "encodings": ["utf-8"]},
                         "constants": {"channel": "web"}, "overlap": "same",
                         "columns": {"order_id": "No", "ordered_at": "At", "unit_price": "Sum",
                                     "customer_id": "Who", "status": {"from": ["State"],
                                                                  "words": {"done": "completed"}}}},
                         "database": {
                         "kind": "interactions",
                         "database": {"url": "SHOP_URL", "query": "select 1", "cursor": "id"}},
                         "people": {"kind": "customers", "files": ["people/*"],
                                    "other_ids": {"desk_id": "zendesk"}},
                         "joined": {"kind": "orders", "query": "queries/orders.sql",
                                    "inputs": {"heads": {"files": ["heads/*"]}}}}},
}
# Entries that hold what a business or a file calls things. Whatever they are, they reach SQL as
# values or quoted names only; `tests/nights/test_access.py` runs a night with them.
WORDS = frozenset({"en", "zh"})
FREE = frozenset({
    "files", "constants", "words", "columns", "from", "order_id", "query", "cursor", "document",
    "encodings", "delimiter", "ids", "types", "channels", "tags", "product_ids",
    "product_categories", "ignored_contacts", "never_merge", "source_priority",
    "ignore_dots_at", "ignore_tags_at", "customer_types", "column", "attributes",
})


def merged(base: Any, further: Any) -> Any:
    """A document with further entries."""
    if isinstance(base, dict) and isinstance(further, dict):
        return {key: merged(base[key], further[key]) if key in base and key in further
                else base.get(key, further.get(key)) for key in (*base, *further)}
    return further


def document(name: str) -> Any:
    """A shipped file with all that is tried."""
    shipped = YAML(typ="safe").load((DEFAULT_CONFIG / name).read_text(encoding="utf-8"))
    return merged(shipped, FURTHER[name])


def places(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, bool]]:
    """Every key and every text of a document: (path, is a key)."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), True
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from places(item, (*path, position))
    elif isinstance(value, str):
        yield path, False


def poisoned(base: Any, path: Path_, injection: str, *, is_key: bool) -> Any:
    """The document with an injection at one place."""
    content = copy.deepcopy(base)
    node = content
    for step in path[:-1]:
        node = node[step]
    if is_key:
        node[injection] = node.pop(path[-1])
    else:
        node[path[-1]] = injection
    return frozen(content)


def is_free(path: Path_) -> bool:
    """Whether the place holds words of a business or names of its files."""
    return path[-1] in WORDS or bool(FREE.intersection(path))


@pytest.mark.parametrize("name", READERS)
def test_the_documents_that_are_tried_are_right(name: str) -> None:
    READERS[name](frozen(document(name)))


@pytest.mark.parametrize("injection", INJECTIONS)
@pytest.mark.parametrize("name", READERS)
def test_an_injection_is_refused_by_its_key_or_only_a_word(name: str, injection: str) -> None:
    base = document(name)
    # Of indicators and cells one is like the other; the first of each stands for all.
    tried = {_shape(place): (place, is_key) for place, is_key in reversed(list(places(base)))}
    let_through = []
    for place, is_key in tried.values():
        try:
            READERS[name](poisoned(base, place, injection, is_key=is_key))
        except ConfigurationError as error:
            faults = str(error)
            assert any(str(step) in faults for step in (*place, injection)), (place, faults)
        else:
            if not is_free(place):
                let_through.append(place)
    assert let_through == []
    assert len(tried) >= 20


def _shape(path: Path_) -> tuple[object, ...]:
    """A place with positions in lists, and names of indicators, left out."""
    return tuple("*" if isinstance(step, int) or (position == 1 and path[0] == "indicators")
                 else step for position, step in enumerate(path)) + (len(path),)


@pytest.mark.parametrize(("text", "words"), [
    ("a: &x [1, 2]\nb: *x\n", "anchors (&) and aliases (*) are not allowed"),
    ("a: " + "[" * 30 + "]" * 30 + "\n", "nested deeper than 20 levels"),
    ("a: !!python/object/apply:os.system [id]\n", "tags such as"),
    ("#" * 1_000_001, "at most 1,000,000 are read"),
])
def test_yaml_that_blows_up_or_runs_something_is_refused(tmp_path: Path, text: str,
                                                         words: str) -> None:
    path = tmp_path / "home.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_model(path, HomeSettings)
    assert words in str(caught.value)


@pytest.mark.parametrize(("arguments", "host"), [((), "127.0.0.1"),
                                                 (("DEV_HOST=0.0.0.0",), "0.0.0.0")])
def test_the_web_page_listens_on_loopback_unless_it_is_told_otherwise(
        arguments: tuple[str, ...], host: str) -> None:
    said = subprocess.run(["make", "-n", "dev", *arguments], cwd=PROJECT, text=True,
                          capture_output=True, check=True).stdout
    assert f"dagster dev -w workspace.yaml -h {host}" in said
