"""The jobs: the night, the making of a reference, the replay of a publication."""

import dagster as dg

# A lost run is tried again from its start: the build of its night may be half of it, what it saw
# of landing/ is old, and what it published would be published once more.
FROM_ITS_START = {"dagster/retry_strategy": "ALL_STEPS"}
EVERYTHING = dg.AssetSelection.all()
# A replay reads what was loaded then; it loads nothing.
FROM_RAW_ON = EVERYTHING - dg.AssetSelection.groups("ingest")

NIGHTLY = dg.define_asset_job(
    "nightly", selection=EVERYTHING, tags=FROM_ITS_START,
    description="Load what is new, build and score the customers as of the night, audit the "
                "candidate, publish it. The first night of a month fits a new reference "
                "(recalibration in home.yaml).",
)
RECALIBRATE = dg.define_asset_job(
    "recalibrate", selection=EVERYTHING, tags=FROM_ITS_START,
    config={"ops": {"prepare_night": {"config": {"fit_reference": True}}}},
    description="The night, with a new reference fitted as of it, also where none is due.",
)
REPLAY = dg.define_asset_job(
    "replay", selection=FROM_RAW_ON, tags=FROM_ITS_START,
    description="A night again, with what was known at an earlier publication "
                "(ops.prepare_night.config.known_at_publication).",
)
CANDIDATE = dg.AssetSelection.assets(["publish", "candidate"])
APPROVE = dg.define_asset_job(
    "approve",
    selection=dg.AssetSelection.checks_for_assets(["publish", "candidate"])
    | (dg.AssetSelection.groups("publish") - CANDIDATE),
    tags=FROM_ITS_START,
    description="Judge the candidate that stands there once more, with its waivers, and publish "
                "it.",
)
# Nothing of landing/ comes with them.
LOADING_NOTHING = frozenset({REPLAY.name, APPROVE.name})
JOBS = [NIGHTLY, RECALIBRATE, REPLAY, APPROVE]
