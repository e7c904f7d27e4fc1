"""What another crm.yaml would make of the current publication, without publishing anything.

The night of the current publication is built once more under the other configuration, in a
private folder that is deleted: same date, same knowledge. So every difference comes from the
configuration and from the reference that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pandas as pd

from dagster_project.configuration import Configuration
from dagster_project.customers.night import (
    REFERENCES_QUERY,
    NightInputs,
    choose_inputs,
    references_for,
)
from dagster_project.customers.preparation import build_apart
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.engine.scratch import scratch_folder
from dagster_project.engine.stores import Stores
from dagster_project.publish.publications import Published, all_publications, choose_publication
from dagster_project.refusals import WrongInput
from dagster_project.scoring.calibration import fit_reference
from dagster_project.scoring.labels import LABELS
from dagster_project.scoring.night_data import BATCH_ROWS, features_query
from dagster_project.scoring.reference import Reference
from dagster_project.scoring.score import score_batch, score_columns
from dagster_project.scoring.sensitivity import Sensitivity, sensitivities
from dagster_project.settings import Home

MOVERS = 10
# Keys are random numbers, so the first of them are a fair sample of all customers.
SENSITIVITY_CUSTOMERS = 50_000


class NothingPublished(WrongInput):
    """There is no publication to compare with: what to do."""


@dataclass(frozen=True)
class Move:
    """Customers who go from one word of a label to another."""

    label: str
    before: str
    after: str
    customers_n: int
    net_revenue: Decimal


@dataclass(frozen=True)
class Mover:
    """One customer whose CRM value would change much."""

    customer_key: str
    before: Decimal
    after: Decimal
    tier_before: str
    tier_after: str
    net_revenue: Decimal


@dataclass(frozen=True)
class Preview:
    """What would change.

    Attributes:
        published: the publication that is compared with.
        currency: of all amounts.
        customers_n, net_revenue: of all customers in both.
        only_before_n, only_after_n: customers that the configuration newly leaves out, or takes
            in.
        moves: by label, most customers first; who stays is not among them.
        movers: largest changes of the CRM value.
        weights: what each weight does to the labels.
        weighed_n: customers behind `weights`.
        is_new_reference: the configuration needs a reference of its own.
    """

    published: Published
    currency: str
    customers_n: int
    net_revenue: Decimal
    only_before_n: int
    only_after_n: int
    moves: tuple[Move, ...]
    movers: tuple[Mover, ...]
    weights: tuple[Sensitivity, ...]
    weighed_n: int
    is_new_reference: bool


def preview(home: Home, configuration: Configuration,
            tell: Callable[[str, float | None], None]) -> Preview:
    """Build the current publication's night under another configuration, and compare.

    Args:
        home: with a publication; its lock must be held, since raw is read for a while.
        configuration: the other crm.yaml.
        tell: called with words and the share that is done.

    Raises:
        NothingPublished: there is nothing to compare with.
        ModelsFailed: dbt could not build the night.
    """
    if not home.stores.publication.exists():
        raise NothingPublished("nothing was published yet; run a night first: crm-value run")
    published = choose_publication(home.stores, all_publications(home.stores), None)
    assert published is not None
    with scratch_folder(home.state / "scratch") as folder:
        engine = EmbeddedEngine(replace(home.stores, state=folder), home.secret)
        inputs = _inputs(home, configuration, published)
        tell("building customer tables", None)
        build_apart(home, engine, configuration, inputs,
                    raw=EmbeddedEngine(home.stores, home.secret), models=("customer_features",),
                    folder=folder)
        tell("scoring customers", None)
        reference = _reference(home, engine, configuration, inputs)
        columns = {column.name: column.sql_type for column in score_columns(configuration)}
        query = features_query(configuration)
        engine.write_frame("night.customer_scores", columns, (
            score_batch(batch, reference, configuration)
            for batch in engine.frames_of(query, BATCH_ROWS)))
        tell("moving each weight by a tenth", None)
        weighed = engine.read_current("build", f"{query} limit {SENSITIVITY_CUSTOMERS}")
        weights = sensitivities([weighed], reference, configuration)
        tell("comparing", None)
        return _compared(home.stores, engine.stores, published, configuration, weights,
                         len(weighed), inputs.is_new_reference)


def _inputs(home: Home, configuration: Configuration, published: Published) -> NightInputs:
    with home.stores.open(home.stores.publication, read_only=True) as connection:
        references = connection.execute(REFERENCES_QUERY).df()
    return choose_inputs(published.as_of_date, published.known_load_seq, configuration.hash,
                         references_for(configuration.measures_hash, references),
                         published.publication_id, fit_reference=False)


def _reference(home: Home, engine: EmbeddedEngine, configuration: Configuration,
               inputs: NightInputs) -> Reference:
    """The reference that the night would have: published for these measures, or new."""
    if inputs.is_new_reference:
        batches = list(engine.frames_of(features_query(configuration), BATCH_ROWS))
        return fit_reference(batches, configuration, reference_id=inputs.reference_id,
                             valid_from=inputs.as_of_date)
    with home.stores.open(home.stores.publication, read_only=True) as connection:
        frame = connection.execute(
            "select * from crm.scoring_reference where reference_id = ?",
            [inputs.reference_id]).df()
    return Reference.from_frame(
        frame[["profile", "item_kind", "item", "position", "x", "y"]],
        reference_id=inputs.reference_id,
        valid_from=pd.Timestamp(frame["valid_from"].iloc[0]).date())


def _compared(before: Stores, after: Stores, published: Published, configuration: Configuration,
              weights: list[Sensitivity], weighed_n: int, is_new_reference: bool) -> Preview:
    assert published.file is not None
    with before.open(None, before=(published.file, "READ_ONLY"),
                     build=(after.build, "READ_ONLY")) as connection:
        def rows(query: str) -> list[tuple[Any, ...]]:
            return connection.execute(query).fetchall()

        both = ("before.customer_scores as old inner join build.night.customer_scores as new "
                "on old.customer_key = new.customer_key inner join before.customers as customers "
                "on old.customer_key = customers.customer_key")
        ((customers_n, net_revenue),) = rows(
            f"select count(*), coalesce(sum(customers.net_revenue_amount), 0) from {both}")
        ((only_before_n, only_after_n),) = rows(
            "select count(case when new.customer_key is null then 1 end), "
            "count(case when old.customer_key is null then 1 end) "
            "from before.customer_scores as old full outer join build.night.customer_scores as new "
            "on old.customer_key = new.customer_key")
        moves = [Move(label, *values) for label in LABELS for values in rows(
            f"select old.{label}, new.{label}, count(*), sum(customers.net_revenue_amount) "
            f"from {both} where old.{label} <> new.{label} group by all "
            f"order by count(*) desc, old.{label}, new.{label}")]
        movers = [Mover(*values) for values in rows(
            f"select cast(old.customer_key as varchar), old.crm_value, new.crm_value, old.tier, "
            f"new.tier, customers.net_revenue_amount from {both} "
            f"where old.crm_value <> new.crm_value "
            f"order by abs(new.crm_value - old.crm_value) desc, old.customer_key limit {MOVERS}")]
    return Preview(
        published=published, currency=configuration.business.base_currency,
        customers_n=customers_n, net_revenue=Decimal(net_revenue),
        only_before_n=only_before_n, only_after_n=only_after_n,
        moves=tuple(moves), movers=tuple(movers), weights=tuple(weights), weighed_n=weighed_n,
        is_new_reference=is_new_reference)


def preview_lines(seen: Preview) -> Iterator[str]:
    """A preview in words, a line each."""
    currency = seen.currency
    yield (f"Compared with publication {seen.published.publication_id}, customers as of "
           f"{seen.published.as_of_date}: {seen.customers_n:,} customers, net revenue "
           f"{seen.net_revenue:,.2f} {currency}")
    if seen.is_new_reference:
        yield "The configuration needs a new reference: curves and cuts are fitted as of that date"
    for count, words in ((seen.only_before_n, "would be left out"),
                         (seen.only_after_n, "would be customers, and are not now")):
        if count:
            yield f"{count:,} {words}"
    for label in LABELS:
        moves = [move for move in seen.moves if move.label == label]
        count = sum(move.customers_n for move in moves)
        share = count / seen.customers_n if seen.customers_n else 0
        revenue = sum((move.net_revenue for move in moves), Decimal(0))
        yield (f"{label}: {count:,} customers change ({share:.1%}), net revenue "
               f"{revenue:,.2f} {currency}")
        for move in moves:
            yield (f"  {move.before} -> {move.after}: {move.customers_n:,} customers, "
                   f"{move.net_revenue:,.2f} {currency}")
    if seen.movers:
        yield "Largest changes of the CRM value:"
    for mover in seen.movers:
        tier = mover.tier_before if mover.tier_before == mover.tier_after else (
            f"{mover.tier_before} -> {mover.tier_after}")
        yield (f"  {mover.customer_key}: {mover.before:.2f} -> {mover.after:.2f}, tier {tier}, "
               f"net revenue {mover.net_revenue:,.2f} {currency}")
    yield (f"Customers whose label changes when one weight moves by a tenth and the others make "
           f"room ({seen.weighed_n:,} customers looked at):")
    for weight in seen.weights:
        if weight.share:
            yield (f"  {weight.label}: {weight.composite} {weight.part} "
                   f"({weight.weight.normalize():f}): {weight.more_n:,} with a tenth more, "
                   f"{weight.less_n:,} with a tenth less")
    idle = sorted({f"{weight.composite} {weight.part}" for weight in seen.weights}
                  - {f"{weight.composite} {weight.part}" for weight in seen.weights
                     if weight.share})
    if idle:
        yield f"  nobody's by: {', '.join(idle)}"
