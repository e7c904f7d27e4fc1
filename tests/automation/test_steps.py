"""How a step that refuses something fails."""

from collections.abc import Iterator

import dagster as dg
import pytest

from dagster_project.automation.steps import told_in_words
from dagster_project.engine.failures import StoreUnreadable
from dagster_project.engine.time_bound import NoAnswerInTime
from dagster_project.quality.approval import NotApproved

REFUSALS = [StoreUnreadable("raw.duckdb is damaged"), NotApproved("nobody judged it"),
            NoAnswerInTime("no answer within 1 second")]


def _failure(step: dg.AssetsDefinition) -> dg.DagsterEvent:
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([step], instance=instance, raise_on_error=False)
    [failure] = [event for event in result.all_events if event.is_step_failure]
    return failure


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_refusal_fails_a_step_by_its_words(refusal: Exception) -> None:
    @dg.asset
    @told_in_words
    def one(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        raise refusal

    @dg.multi_asset(specs=[dg.AssetSpec("first"), dg.AssetSpec("second")])
    @told_in_words
    def several(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        yield dg.MaterializeResult(asset_key="first")
        raise refusal

    for step in (one, several):
        failure = _failure(step).step_failure_data.user_failure_data
        assert failure is not None
        assert failure.description == str(refusal)


def test_an_error_that_is_no_refusal_keeps_its_stack() -> None:
    @dg.asset
    @told_in_words
    def broken(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        raise ZeroDivisionError("a mistake of ours")

    data = _failure(broken).step_failure_data
    assert data.user_failure_data is None
    assert "a mistake of ours" in str(data.error)


def test_what_a_step_gives_goes_through() -> None:
    @dg.asset
    @told_in_words
    def counted(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Rows."""
        return dg.MaterializeResult(metadata={"rows": 3})

    assert counted.descriptions_by_key == {dg.AssetKey("counted"): "Rows."}
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([counted], instance=instance)
    [found] = result.asset_materializations_for_node("counted")
    assert found.metadata["rows"].value == 3
