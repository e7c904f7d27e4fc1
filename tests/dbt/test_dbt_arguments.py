"""How dbt is called."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from builds import Build
from made_up_night import CRM

from dagster_project.customers.dbt_arguments import dbt_arguments, dbt_environment


def test_equal_configurations_give_equal_text() -> None:
    one = dbt_arguments({"crm": {"b": "上海", "a": [1]}})
    assert one == dbt_arguments({"crm": {"a": [1], "b": "上海"}})
    assert one == ["build", "--exclude-resource-type", "unit_test", "--vars",
                   '{"crm":{"a":[1],"b":"上海"}}']


def test_other_vars_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"\['as_of'\].*must be \['crm'\]"):
        dbt_arguments({"as_of": "2026-06-30"})


def test_the_environment_is_all_that_the_profile_reads() -> None:
    profile = (Path(__file__).resolve().parents[2] / "dbt" / "profiles.yml").read_text()
    given = dbt_environment(Path("b"), Path("r"), "2GB", 2, Path("t"), Path("target"))
    read = {part.split("'")[0] for part in profile.split("env_var('")[1:]}
    # It differs from run to run, and dbt keeps no parse of such a profile.
    assert read == {name for name in given if name.startswith("CRM_")} - {"CRM_STARTED_BY"}


def test_the_next_run_does_not_parse_the_models_again(build: Build) -> None:
    """That would take as long as all statements of a small night."""
    parsed = build.folder / "target" / "partial_parse.msgpack"
    before = parsed.stat().st_mtime_ns
    # A run is a process of its own.
    run = multiprocessing.get_context("spawn").Process(
        target=build.dbt, args=(["ls", *dbt_arguments(CRM)[-2:]],))
    run.start()
    run.join()
    assert run.exitcode == 0
    assert parsed.stat().st_mtime_ns == before
