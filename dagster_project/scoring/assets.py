"""Reference, scores and labels as assets: batches of features in, one wide table out."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from dagster_project.automation.nights import NIGHTS, ONE_NIGHT_A_RUN, OWNERS
from dagster_project.automation.steps import told_in_words
from dagster_project.configuration import Configuration
from dagster_project.customers.night import NightInputs
from dagster_project.engine.interface import Engine
from dagster_project.ingest.assets import column_schema
from dagster_project.publish.account_tables import ACCOUNT_SCORES
from dagster_project.publish.lifetime_tables import CHURN_WARNINGS, CUSTOMER_LIFETIME_VALUES
from dagster_project.publish.population_tables import POPULATION_FIGURES
from dagster_project.publish.reference_tables import (
    LABEL_SHARES,
    REFERENCE_DRIFT,
    REFERENCE_TABLES,
    SCORE_CURVES,
)
from dagster_project.publish.tables import SCORING_REFERENCE
from dagster_project.resources import HomeResource, RunSession, require_inputs
from dagster_project.scoring.accounts import account_members_query, roll_up
from dagster_project.scoring.calibration import fit_reference
from dagster_project.scoring.drift import reference_drift
from dagster_project.scoring.label_shares import label_shares
from dagster_project.scoring.labels import LABELS
from dagster_project.scoring.lifetime.churn import HIGH_VALUE, churn_warnings
from dagster_project.scoring.lifetime.reference import fit_lifetime_models
from dagster_project.scoring.lifetime.values import lifetime_values
from dagster_project.scoring.night_data import (
    BATCH_ROWS,
    SUMMARIES_QUERY,
    features_query,
    first_dates,
    load_reference,
)
from dagster_project.scoring.population import judged_answers, population_figures
from dagster_project.scoring.population_queries import answers_query, totals_query
from dagster_project.scoring.reference import Reference
from dagster_project.scoring.score import score_batch, score_columns
from dagster_project.scoring.score_curves import score_curves

FEATURES = dg.AssetKey(["marts", "customer_features"])
SUMMARIES = dg.AssetKey(["marts", "customer_purchase_summaries"])
REFERENCE = dg.AssetKey(["scoring", "scoring_reference"])
NEWEST_ANSWERS = dg.AssetKey(["marts", "newest_answers"])


@dg.asset(
    key=REFERENCE, group_name="scoring", owners=OWNERS, kinds={"pandas"},
    deps=[FEATURES, SUMMARIES], partitions_def=NIGHTS, backfill_policy=ONE_NIGHT_A_RUN,
    code_version="3",
)
@told_in_words
def scoring_reference(context: dg.AssetExecutionContext,
                      home: HomeResource) -> dg.MaterializeResult:
    """The frozen curves, cuts, means and models of the night: taken from the last publication.

    Fitted only on the first night of a home, of a configuration or of a period of recalibration,
    and by job recalibrate. One row: one point of one item.
    """
    session = home.session
    inputs = require_inputs(session)
    configuration = session.configuration_of(inputs.config_hash)
    if inputs.is_new_reference:
        batches = list(session.engine.frames_of(features_query(configuration), BATCH_ROWS))
        reference = fit_reference(batches, configuration, reference_id=inputs.reference_id,
                                  valid_from=inputs.as_of_date)
        reference = reference.with_lifetime(fit_lifetime_models(
            session.engine.frames_of(SUMMARIES_QUERY, BATCH_ROWS), configuration))
        frame = _with_origin(reference, inputs)
        context.log.info(f"fitted reference {inputs.reference_id} as of {inputs.as_of_date}")
    else:
        frame = session.engine.read_current(
            "publication", "select * from crm.scoring_reference where reference_id = ?",
            [inputs.reference_id])
    session.engine.replace_cells("build", "night", {SCORING_REFERENCE: frame})
    return dg.MaterializeResult(metadata={
        "dagster/row_count": len(frame), "reference_id": inputs.reference_id,
        "is_new": inputs.is_new_reference, "is_backcast": inputs.is_backcast,
    })


def _with_origin(reference: Reference, inputs: NightInputs) -> pd.DataFrame:
    frame = reference.to_frame()
    frame["reference_id"] = inputs.reference_id
    frame["valid_from"] = inputs.as_of_date
    frame["known_load_seq"] = inputs.known_load_seq
    frame["config_hash"] = inputs.config_hash
    return frame


SCORE_ASSETS = {
    "degree_scores": "Satisfaction, loyalty, engagement and advocacy of each customer, with "
                     "effective weights, contributions and coverage. One row: one customer.",
    "crm_values": "CRM value and tier of each customer. One row: one customer.",
    "quadrant_labels": "Quadrant of the value x loyalty matrix and lifecycle stage of each "
                       "customer. One row: one customer.",
}


@dg.multi_asset(
    name="score_customers",
    specs=[
        dg.AssetSpec(
            ["scoring", name], group_name="scoring", owners=OWNERS, kinds={"pandas"},
            description=description, deps=[FEATURES, REFERENCE], partitions_def=NIGHTS,
            code_version="1", metadata={"dagster/table_name": "night.customer_scores"},
        )
        for name, description in SCORE_ASSETS.items()
    ],
    backfill_policy=ONE_NIGHT_A_RUN,
)
@told_in_words
def score_customers(context: dg.AssetExecutionContext,
                    home: HomeResource) -> Iterator[dg.MaterializeResult]:
    """Score every customer in one pass over batches of features."""
    session = home.session
    inputs = require_inputs(session)
    configuration = session.configuration_of(inputs.config_hash)
    reference = load_reference(session.engine, inputs, "build")
    columns = {column.name: column.sql_type for column in score_columns(configuration)}
    batches = (score_batch(batch, reference, configuration)
               for batch in session.engine.frames_of(features_query(configuration), BATCH_ROWS))
    rows = session.engine.write_frame("night.customer_scores", columns, batches)
    context.log.info(f"scored {rows} customers by reference {inputs.reference_id}")
    metadata = {
        "degree_scores": _degree_means(session),
        "crm_values": _counts(session, ("tier",)),
        "quadrant_labels": _counts(session, ("quadrant", "lifecycle_stage")),
    }
    for name in SCORE_ASSETS:
        yield dg.MaterializeResult(
            asset_key=["scoring", name],
            metadata={"dagster/row_count": rows, "is_published": False,
                      "dagster/column_schema": _schema(name, configuration),
                      "customers": metadata[name]},
        )


@dg.asset(
    key=["scoring", "account_scores"], group_name="scoring", owners=OWNERS, kinds={"pandas"},
    description=ACCOUNT_SCORES.grain,
    deps=[FEATURES, REFERENCE, *(["scoring", name] for name in SCORE_ASSETS)],
    partitions_def=NIGHTS, backfill_policy=ONE_NIGHT_A_RUN, code_version="1",
    metadata={"dagster/column_schema": column_schema(ACCOUNT_SCORES)},
)
@told_in_words
def account_scores(home: HomeResource) -> dg.MaterializeResult:
    """The scores of companies, from those of their people."""
    session = home.session
    inputs = require_inputs(session)
    configuration = session.configuration_of(inputs.config_hash)
    members = session.engine.read_current("build", account_members_query())
    frame = roll_up(members, load_reference(session.engine, inputs, "build"), configuration)
    session.engine.replace_cells("build", "night", {ACCOUNT_SCORES: frame})
    return dg.MaterializeResult(metadata={
        "dagster/row_count": len(frame), "is_published": False,
        "customers": len(members)})


@dg.asset(
    key=["scoring", "population_figures"], group_name="scoring", owners=OWNERS, kinds={"pandas"},
    deps=[FEATURES, NEWEST_ANSWERS, *(dg.AssetKey(["scoring", name]) for name in SCORE_ASSETS)],
    partitions_def=NIGHTS, backfill_policy=ONE_NIGHT_A_RUN, code_version="1",
    metadata={"dagster/column_schema": column_schema(POPULATION_FIGURES),
              "dagster/table_name": f"night.{POPULATION_FIGURES.name}"},
)
@told_in_words
def population_figures_of_night(context: dg.AssetExecutionContext,
                                home: HomeResource) -> dg.MaterializeResult:
    """NPS, CSAT, CES, repeat purchases, retention, revenue and margin of each segment.

    One row: one figure of one segment.
    """
    session = home.session
    inputs = require_inputs(session)
    rules = session.configuration_of(inputs.config_hash).population_figures
    answers = session.engine.read_current("build", answers_query())
    totals = session.engine.read_current("build", totals_query())
    figures = population_figures(totals, answers, rules).assign(as_of_date=inputs.as_of_date)
    columns = {column.name: column.type for column in POPULATION_FIGURES.columns}
    rows = session.engine.write_frame("night.population_figures", columns, [figures])
    of_nps = answers[(answers["segment_kind"] == "all") & (answers["instrument"] == "nps")]
    other = of_nps[~judged_answers(of_nps)["is_on_nps_scale"]]["answers_n"].sum()
    if other:
        context.log.warning(f"{other} recommend answers are on a scale that does not end at 10 "
                            f"or begins above 1; NPS is not defined on it and leaves them out")
    return dg.MaterializeResult(metadata={
        "dagster/row_count": rows, "is_published": False, "window_days": rules.window_days,
        "figures": {status: int(n) for status, n in figures["status"].value_counts().items()},
        "recommend_answers_on_other_scales": int(other),
    })


@dg.multi_asset(
    name="expect_from_customers",
    specs=[
        dg.AssetSpec(
            ["scoring", table.name], group_name="scoring", owners=OWNERS, kinds={"pandas"},
            description=table.grain, deps=deps, partitions_def=NIGHTS, code_version="1",
            metadata={"dagster/table_name": f"night.{table.name}",
                      "dagster/column_schema": column_schema(table)},
        )
        for table, deps in (
            (CUSTOMER_LIFETIME_VALUES, [SUMMARIES, REFERENCE]),
            (CHURN_WARNINGS, [dg.AssetKey(["scoring", CUSTOMER_LIFETIME_VALUES.name]),
                              dg.AssetKey(["scoring", "quadrant_labels"])]),
        )
    ],
    backfill_policy=ONE_NIGHT_A_RUN,
)
@told_in_words
def expect_from_customers(context: dg.AssetExecutionContext,
                          home: HomeResource) -> Iterator[dg.MaterializeResult]:
    """Lifetime values in batches, then the warnings that follow from them and the quadrants."""
    session = home.session
    engine = session.engine
    inputs = require_inputs(session)
    configuration = session.configuration_of(inputs.config_hash)
    reference = load_reference(engine, inputs, "build")
    rows = engine.write_frame(
        f"night.{CUSTOMER_LIFETIME_VALUES.name}",
        {column.name: column.type for column in CUSTOMER_LIFETIME_VALUES.columns},
        (lifetime_values(batch, reference, configuration, inputs.as_of_date)
         for batch in engine.frames_of(SUMMARIES_QUERY, BATCH_ROWS)))
    methods = engine.read_current(
        "build", "select method, count(*) as n from night.customer_lifetime_values "
                 "group by method order by method")
    yield dg.MaterializeResult(
        asset_key=["scoring", CUSTOMER_LIFETIME_VALUES.name],
        metadata={"dagster/row_count": rows, "is_published": False,
                  "methods": ", ".join(f"{row.method}: {row.n}"
                                       for row in methods.itertuples(index=False))})
    warnings = churn_warnings(engine.frames_of(_high_value_query(), BATCH_ROWS), configuration)
    engine.replace_cells("build", "night", {CHURN_WARNINGS: warnings})
    found = int(warnings.attrs["customers_n"])
    context.log.info(f"{len(warnings)} of {found} customers of high value who may leave are named")
    yield dg.MaterializeResult(
        asset_key=["scoring", CHURN_WARNINGS.name],
        metadata={"dagster/row_count": len(warnings), "is_published": False,
                  "customers_who_may_leave": found})


def _high_value_query() -> str:
    quadrants = ", ".join(f"'{quadrant}'" for quadrant in HIGH_VALUE)
    return f"""
        select cast(expected.customer_key as varchar) as customer_key, expected.as_of_date,
            scores.quadrant, cast(expected.p_alive as double) as p_alive,
            cast(expected.margin_if_alive_amount as double) as margin_if_alive_amount,
            cast(expected.historic_margin_amount as varchar) as historic_margin_amount,
            expected.age_days - expected.recency_days as days_since_last_purchase,
            cast(expected.typical_gap_days as double) as typical_gap_days, expected.days_overdue
        from night.customer_lifetime_values as expected
        inner join night.customer_scores as scores
            on expected.customer_key = scores.customer_key
        where scores.quadrant in ({quadrants})
        order by expected.customer_key
    """


def _schema(asset: str, configuration: Configuration) -> dg.TableSchema:
    """The columns of customer_scores that one of the three assets stands for."""
    own = {
        "crm_values": lambda name: name == "tier" or name.startswith("crm_value"),
        "quadrant_labels": lambda name: name in ("quadrant", "lifecycle_stage")
        or name.startswith("matrix_"),
    }
    own["degree_scores"] = lambda name: not any(
        own[other](name) for other in ("crm_values", "quadrant_labels"))
    return dg.TableSchema([
        dg.TableColumn(column.name, column.sql_type, description=column.meaning)
        for column in score_columns(configuration)
        if column.kind == "key" or own[asset](column.name)
    ])


# Stated, because a home whose rows name nobody has customers of no label at all.
COUNTS_SCHEMA = dg.TableSchema([
    dg.TableColumn("label"), dg.TableColumn("word"), dg.TableColumn("customers", "int"),
    dg.TableColumn("share", "float"), dg.TableColumn("mean_crm_value", "float"),
])


def _counts(session: RunSession, labels: tuple[str, ...]) -> dg.MetadataValue:
    """Customers and mean CRM value by label, as a small table without personal data."""
    counted = session.engine.read_current("build", "union all".join(
        f" select '{label}' as label, {label} as word, count(*) as n, "
        f"sum(count(*)) over () as total, round(cast(avg(crm_value) as double), 2) as mean "
        f"from night.customer_scores group by {label} " for label in labels)
        + "order by label desc, n desc, word")
    records = [
        dg.TableRecord({"label": str(row.label), "word": str(row.word), "customers": int(row.n),
                        "share": round(int(row.n) / int(row.total), 4),
                        "mean_crm_value": None if pd.isna(row.mean) else float(row.mean)})
        for row in counted.itertuples(index=False)
    ]
    return dg.MetadataValue.table(records, COUNTS_SCHEMA)


def _degree_means(session: RunSession) -> dg.MetadataValue:
    degrees = ("satisfaction_score", "loyalty_degree_score", "engagement_score",
               "advocacy_score")
    [counted] = session.engine.read_current("build", "select " + ", ".join(
        f"count({degree}) as {degree}_n, round(cast(avg({degree}) as double), 2) as {degree}"
        for degree in degrees) + " from night.customer_scores").to_dict("records")
    return dg.MetadataValue.table([
        dg.TableRecord({
            "degree": degree, "customers_with_score": int(counted[f"{degree}_n"]),
            "mean": None if pd.isna(counted[degree]) else float(counted[degree]),
        }) for degree in degrees
    ])


@dg.multi_asset(
    name="compare_with_reference",
    specs=[
        dg.AssetSpec(
            ["scoring", table.name], group_name="scoring", owners=OWNERS, kinds={"pandas"},
            description=table.grain, deps=[FEATURES, REFERENCE, ["scoring", "quadrant_labels"]],
            partitions_def=NIGHTS, code_version="1",
            metadata={"dagster/table_name": f"night.{table.name}",
                      "dagster/column_schema": column_schema(table)},
        )
        for table in REFERENCE_TABLES
    ],
    backfill_policy=ONE_NIGHT_A_RUN,
)
@told_in_words
def compare_with_reference(context: dg.AssetExecutionContext,
                           home: HomeResource) -> Iterator[dg.MaterializeResult]:
    """Say how far tonight's population is from the reference's, and what its scores stand for."""
    session = home.session
    inputs = require_inputs(session)
    engine, day = session.engine, inputs.as_of_date
    configuration = session.configuration_of(inputs.config_hash)
    reference = load_reference(engine, inputs, "build")
    population = engine.frames_of(population_query(configuration), BATCH_ROWS)
    frames = {
        REFERENCE_DRIFT: reference_drift(population, reference, configuration,
                                         first_dates(engine, day), day),
        LABEL_SHARES: label_shares(_label_counts(engine), reference, configuration, day),
        SCORE_CURVES: score_curves(reference, configuration),
    }
    drifted = frames[REFERENCE_DRIFT].query("status == 'drifted'")["indicator"].unique()
    if len(drifted):
        context.log.warning(f"the population has moved away from reference "
                            f"{inputs.reference_id} in {', '.join(drifted)}")
    engine.replace_cells("build", "night", frames)
    for table, frame in frames.items():
        yield dg.MaterializeResult(asset_key=["scoring", table.name],
                                   metadata={"dagster/row_count": len(frame)})


def population_query(configuration: Configuration) -> str:
    """Profile and facts of those whom a reference would be fitted on."""
    values = ", ".join(f'"{name}__value"' for name in configuration.indicators)
    return f"select profile, {values} from marts.customer_features where is_in_population"


def _label_counts(engine: Engine) -> dict[tuple[str, str, str], int]:
    """Customers of the population by profile, label_kind and label."""
    counted = engine.read_current("build", "union all".join(
        f" select scores.profile, '{kind}' as kind, scores.{kind} as label, count(*) as n "
        f"from night.customer_scores as scores "
        f"inner join marts.customer_features as features "
        f"on scores.customer_key = features.customer_key "
        f"where features.is_in_population group by scores.profile, scores.{kind} "
        for kind in LABELS))
    return {(str(row.profile), str(row.kind), str(row.label)): int(row.n)
            for row in counted.itertuples(index=False)}
