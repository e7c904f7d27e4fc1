"""The night's inputs, the map of identities, and the dbt models, as assets."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

import dagster as dg
import pandas as pd
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError
from packaging.version import Version

from dagster_project.automation.nights import NIGHTS, ONE_NIGHT_A_RUN, OWNERS
from dagster_project.automation.steps import told_in_words
from dagster_project.customers.dbt_arguments import dbt_arguments, dbt_environment
from dagster_project.customers.dbt_project import dbt_executable, manifest_path
from dagster_project.customers.merging import Tokens
from dagster_project.customers.model_tests import MODEL_TESTS, failure_of_models, model_tests
from dagster_project.customers.night import (
    NO_REFERENCES,
    REFERENCES_QUERY,
    NightInputs,
    choose_inputs,
    is_recalibration_due,
    references_for,
    repeated_publication,
    replay_inputs,
)
from dagster_project.customers.preparation import night_frames
from dagster_project.customers.tables import NIGHT_TABLES
from dagster_project.engine.whole_stores import begin_build
from dagster_project.ingest.assets import column_schema
from dagster_project.ingest.tables import RAW_TABLES
from dagster_project.publish.tables import CONTACTS_NOT_MERGED
from dagster_project.quality.expectations_runner import warm_up
from dagster_project.resources import HomeResource, RunSession, require_inputs
from dagster_project.settings import DBT_PROJECT, set_environment


class NightConfig(dg.Config):
    """How a night chooses its inputs.

    Attributes:
        known_at_publication: replay with what was known at this publication; 0: what is known
            now.
        fit_reference: make a new reference as of D, also where none is due.
    """

    known_at_publication: int = 0
    fit_reference: bool = False


@dg.multi_asset(
    name="prepare_night",
    specs=[
        dg.AssetSpec(
            ["night", table.name], group_name="customers", owners=OWNERS, kinds={"python"},
            description=table.grain, deps=[["raw", raw.name] for raw in RAW_TABLES],
            metadata={"dagster/column_schema": column_schema(table)}, partitions_def=NIGHTS,
        )
        for table in NIGHT_TABLES
    ],
    backfill_policy=ONE_NIGHT_A_RUN,
)
@told_in_words
def prepare_night(context: dg.AssetExecutionContext, config: NightConfig,
                  home: HomeResource) -> Iterator[dg.MaterializeResult]:
    """Choose the six inputs of the night and make the tables that dbt reads."""
    session = home.session
    inputs = _inputs(session, config)
    configuration = session.configuration_of(inputs.config_hash)
    tokens = Tokens(session.home.secret, session.home.sources)
    frames = night_frames(session.engine, configuration, tokens, inputs)
    not_merged = frames[CONTACTS_NOT_MERGED]
    session.candidate_id, session.inputs = inputs.candidate_id, None
    aside = begin_build(session.home.stores)
    if aside is not None:
        context.log.warning(f"the build could not be opened; it is set aside as {aside}, and "
                            f"made anew")
    if len(not_merged):
        context.log.warning(
            f"{len(not_merged)} contacts and ids join nobody, because too many customers "
            f"share them; crm.{CONTACTS_NOT_MERGED.name} names them")
    session.engine.replace_cells("build", "night", frames)
    for table, frame in frames.items():
        yield dg.MaterializeResult(asset_key=["night", table.name],
                                   metadata={"dagster/row_count": len(frame)})
    new = ", new" if inputs.is_new_reference else ""
    context.log.info(f"night of {inputs.as_of_date}: knows loads up to "
                     f"{inputs.known_load_seq}, reference {inputs.reference_id}{new}")


def _inputs(session: RunSession, config: NightConfig) -> NightInputs:
    engine, as_of_date = session.engine, session.as_of_date
    assert as_of_date is not None, "prepare_night is partitioned"
    known_load_seq = engine.last_load_seq()
    if known_load_seq == 0:
        raise dg.Failure(
            description=f"nothing was loaded: put exports into {session.home.landing} and see "
                        f"what would be read with: crm-value check", allow_retries=False)
    if not engine.has("publication"):
        references = NO_REFERENCES
        publications = pd.DataFrame({"publication_id": pd.Series(dtype=int),
                                     "as_of_date": pd.Series(dtype="datetime64[s]")})
    else:
        references = engine.read_current("publication", REFERENCES_QUERY)
        publications = engine.read_current(
            "publication", "select * from crm.publication order by publication_id")
    if config.known_at_publication:
        return replay_inputs(publications, config.known_at_publication, as_of_date)
    previous = 0 if publications.empty else int(publications["publication_id"].max())
    configuration = session.home.configuration
    own = references_for(configuration.measures_hash, references)
    is_due = is_recalibration_due(
        as_of_date, own, publications["as_of_date"], session.home.settings.recalibration)
    chosen = choose_inputs(
        as_of_date, known_load_seq, configuration.hash, own, previous,
        fit_reference=config.fit_reference or is_due)
    repeated = repeated_publication(chosen, publications)
    return replay_inputs(publications, repeated, as_of_date) if repeated else chosen


class ModelTranslator(DagsterDbtTranslator):
    """dbt models under their schema; models of one night have its partition, facts none."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str,
                       project: Any) -> dg.AssetSpec:
        """See dagster-dbt."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        props = self.get_resource_props(manifest, unique_id)
        if props["resource_type"] != "model":
            return spec
        is_of_night = "night" in props["fqn"]
        return spec.replace_attributes(
            key=dg.AssetKey([props["schema"], props["name"]]), group_name="customers",
            owners=OWNERS, kinds={"dbt", "duckdb"},
            partitions_def=NIGHTS if is_of_night else None,
        )


@dbt_assets(
    manifest=manifest_path(), name="build_customers", dagster_dbt_translator=ModelTranslator(),
    backfill_policy=ONE_NIGHT_A_RUN, exclude="resource_type:unit_test resource_type:exposure",
)
@told_in_words
def build_customers(context: dg.AssetExecutionContext, dbt: DbtCliResource,
                    home: HomeResource) -> Iterator[Any]:
    """Current versions, facts and features of the night: one dbt subprocess."""
    session = home.session
    inputs = require_inputs(session)
    configuration = session.configuration_of(inputs.config_hash)
    stores = session.home.stores
    # Importing the expectations' library takes seconds; dbt leaves a processor idle meanwhile.
    threading.Thread(target=warm_up, daemon=True).start()
    target = session.home.state / "dbt"
    set_environment(dbt_environment(
        stores.build, stores.raw, stores.limits.memory, stores.limits.threads,
        stores.limits.spill_folder, target))
    # The results of an earlier night are no evidence of this one.
    (target / "run_results.json").unlink(missing_ok=True)
    called = dbt.cli(dbt_arguments(configuration.dbt_vars()), context=context,
                     target_path=target)
    try:
        yield from called.stream()
    except DagsterDbtCliRuntimeError as error:
        raise dg.Failure(
            description=failure_of_models(target, str(error), stores.limits.memory,
                                          (stores.state, stores.limits.spill_folder)),
            allow_retries=False) from error
    session.engine.replace_cells("build", "night", {
        MODEL_TESTS: model_tests(manifest_path(), target)})


class InstalledDbt(DbtCliResource):
    """The dbt of this environment: neither asked for its version nor set up a second time here.

    Asking starts a process of seconds that also looks on the network for newer releases. The
    adapter that would be set up in this process serves row counts, for which it would hold the
    build that dbt's own process writes.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(  # type: ignore[override]
        self, args: Sequence[str]
    ) -> None:
        return None


DBT_RESOURCE = InstalledDbt(project_dir=str(DBT_PROJECT), profiles_dir=str(DBT_PROJECT),
                              dbt_executable=dbt_executable())
