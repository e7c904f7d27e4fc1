"""The tables of schema `night` that dbt reads, as frames, and models of a night that is not run.

Which six inputs a night has says `night.py`; who is merged with whom, `merging.py`. The night
itself runs its models as assets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dagster_project.configuration import Configuration
from dagster_project.customers.dbt_arguments import dbt_arguments, dbt_environment
from dagster_project.customers.merging import Tokens, left_out_identities, merges_of
from dagster_project.customers.night import NightInputs
from dagster_project.customers.tables import (
    CUSTOMER_MAP,
    DECAY_WEIGHTS,
    EXCLUDED_IDENTITIES,
    IDENTITY_EDGES,
    NIGHT_INPUTS,
)
from dagster_project.engine.contact_edges import Readable
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.table import Table
from dagster_project.publish.tables import CONTACTS_NOT_MERGED
from dagster_project.scoring.decay import decay_weights
from dagster_project.settings import DBT_PROJECT, Home

# After so many half-lives a weight is less than one millionth.
HALF_LIVES_THAT_COUNT = 21


def night_frames(engine: Readable, configuration: Configuration, tokens: Tokens,
                 inputs: NightInputs) -> dict[Table, pd.DataFrame]:
    """NIGHT_TABLES with their rows.

    Args:
        engine: knows the contacts of raw.
        configuration: that of the inputs.
        tokens: of the home.
        inputs: the night.
    """
    merges = merges_of(engine, configuration, tokens, inputs.as_of_date, inputs.known_load_seq)
    half_lives = configuration.decay_half_lives()
    return {
        NIGHT_INPUTS: inputs.to_frame(),
        IDENTITY_EDGES: merges.edges,
        CUSTOMER_MAP: merges.customer_map,
        CONTACTS_NOT_MERGED: merges.not_merged,
        DECAY_WEIGHTS: decay_weights(
            half_lives, HALF_LIVES_THAT_COUNT * max(half_lives, default=1)),
        EXCLUDED_IDENTITIES: left_out_identities(configuration, tokens),
    }


def build_apart(home: Home, engine: EmbeddedEngine, configuration: Configuration,
                inputs: NightInputs, *, raw: EmbeddedEngine, models: Sequence[str],
                folder: Path, customer_map: pd.DataFrame | None = None) -> None:
    """Build models of a night, and all that they need, in a build of their own.

    Args:
        home: whose sources, secret and limits count.
        engine: of the private build.
        configuration: that of the inputs.
        inputs: the night.
        raw: engine whose raw is read.
        models: names of the models.
        folder: private, for dbt's own files.
        customer_map: who is merged with whom; None: as the inputs say.

    Raises:
        ModelsFailed: dbt ended with an error.
    """
    tokens = Tokens(home.secret, home.sources)
    frames = night_frames(raw, configuration, tokens, inputs)
    if customer_map is not None:
        frames[CUSTOMER_MAP] = customer_map
    engine.replace_cells("build", "night", frames)
    arguments = dbt_arguments(configuration.dbt_vars())
    configured = arguments[arguments.index("--vars"):]
    limits = home.limits
    environment = dbt_environment(engine.stores.build, raw.stores.raw, limits.memory,
                                  limits.threads, limits.spill_folder, folder / "dbt")
    selected = [f"+{model}" for model in models]
    for _ in engine.run_models(["run", *configured, "--select", *selected], environment,
                               DBT_PROJECT):
        pass
