"""The tables of schema `night` that dbt reads, as frames: what a night, or a preview, begins with.

Which six inputs a night has says `night.py`; who is merged with whom, `merging.py`.
"""

from __future__ import annotations

import pandas as pd

from dagster_project.configuration import Configuration
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
from dagster_project.engine.table import Table
from dagster_project.publish.tables import CONTACTS_NOT_MERGED
from dagster_project.scoring.decay import decay_weights

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
