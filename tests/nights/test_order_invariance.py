"""Order never matters: files, their parts, their rows and their arrival come in any order.

The same real parts as a night, without Dagster: ingest, identities, dbt, scoring. Each example
costs a run of dbt, so there are few of them and each holds everything at once.
"""

from __future__ import annotations

import csv
import os
import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dagster_project.configuration import Configuration
from dagster_project.customers.dbt_arguments import dbt_arguments, dbt_environment
from dagster_project.customers.merging import Tokens, merges_of
from dagster_project.customers.night import NO_REFERENCES, choose_inputs
from dagster_project.customers.tables import (
    CUSTOMER_MAP,
    DECAY_WEIGHTS,
    EXCLUDED_IDENTITIES,
    IDENTITY_EDGES,
    NIGHT_INPUTS,
)
from dagster_project.engine.embedded import EmbeddedEngine
from dagster_project.ingest.loading import HashMemory, ingest_landing
from dagster_project.sample import write_sample
from dagster_project.sample.deliveries import HEADERS as SAMPLE_HEADERS
from dagster_project.scoring.calibration import fit_reference
from dagster_project.scoring.decay import decay_weights
from dagster_project.scoring.night_data import BATCH_ROWS, features_query
from dagster_project.scoring.reference import Reference
from dagster_project.scoring.score import score_batch
from dagster_project.settings import DBT_PROJECT, Home, make_home

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("order_invariance")]

AS_OF = date(2026, 11, 20)
CORRECTED, REFUNDED_LATER, RETURNED = "C-CORRECTED", "C-REFUNDED", "C-RETURNED"
CARD_HOLDER = "C-CARD-HOLDER"
HEADERS = SAMPLE_HEADERS | {
    "refunds": ("refund_id", "order_id", "refunded_at", "refund", "currency"),
    "cards": ("customer_id", "valid_from", "card"), "till": SAMPLE_HEADERS["orders"]}
# A till that knows cards, and records of the shop that list them.
FURTHER_SOURCES = """
  cards: {kind: customers, files: ["cards/*"], version: file_name, other_ids: {card: till}}
  till: {kind: orders, files: ["till/*"], version: file_name, id_space: till}
"""
Row = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Some rows of one version of one export, as one file."""

    kind: str
    version_date: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Outcome:
    """What a night made of the files: a reference of its own, scores by a given one."""

    reference: pd.DataFrame
    scores: pd.DataFrame

    def value_of(self, key: str, column: str) -> float:
        """One figure of one customer."""
        return float(self.scores.set_index("customer_key")[column][key])


@dataclass(frozen=True)
class Truth:
    """The files in their order, and what comes of them."""

    parts: tuple[Part, ...]
    later_refund: Part
    reference: Reference
    outcome: Outcome
    keys: dict[str, str]


def _order(order_id: str, customer: str, day: str, amounts: Sequence[str], **more: str
           ) -> tuple[Row, ...]:
    """Lines of an order, in the sample's columns."""
    return tuple(
        tuple({"order_id": order_id, "line_id": str(line), "customer_id": customer,
               "ordered_at": f"{day} 10:00:00", "status": "completed", "quantity": "1",
               "unit_price": amount, "discount": "0", "refund": "0", "currency": "CNY",
               **more}.get(column, "") for column in HEADERS["orders"])
        for line, amount in enumerate(amounts, 1))


# A correction that takes a line away, an order that is refunded after AS_OF, and one that is
# taken back by a negative row and by a refunds export, whose first version is corrected. And a
# record whose card is corrected: what was bought with the first one is another customer's.
OWN_PARTS = (
    Part("cards", "2026-11-16", ((CARD_HOLDER, "2026-01-01", "T-1"),)),
    Part("cards", "2026-11-17", ((CARD_HOLDER, "2026-01-01", "T-2"),)),
    Part("till", "2026-11-18", (*_order("T-1001", "T-1", "2026-11-16", ("11",)),
                                *_order("T-1002", "T-2", "2026-11-16", ("22",)))),
    Part("orders", "2026-11-16", _order("O-100", CARD_HOLDER, "2026-11-16", ("100",))),
    Part("orders", "2026-11-18", (
        *_order("O-40", RETURNED, "2026-11-16", ("40",)),
        *_order("O-40", RETURNED, "2026-11-18", ("15",), line_id="2", quantity="-1"))),
    Part("refunds", "2026-11-18", (("R-1", "O-40", "2026-11-18 09:00:00", "7", "CNY"),)),
    Part("refunds", "2026-11-19", (("R-1", "O-40", "2026-11-18 09:00:00", "5", "CNY"),
                                   ("R-2", "O-NOWHERE", "2026-11-18 09:00:00", "5", "CNY"))),
    Part("orders", "2026-11-16", _order("O-32", CORRECTED, "2026-11-16", ("10", "20", "30"))),
    Part("orders", "2026-11-17", _order("O-32", CORRECTED, "2026-11-16", ("12", "20"))),
    Part("orders", "2026-11-16", _order("O-70", REFUNDED_LATER, "2026-11-16", ("70",))),
)
LATER_REFUND = Part("orders", "2026-11-24", _order(
    "O-70", REFUNDED_LATER, "2026-11-16", ("70",), status="refunded", refund="70",
    refunded_at="2026-11-23 10:00:00"))


def _sample_parts(folder: Path) -> tuple[Part, ...]:
    manifest = write_sample(folder, folder.parent / "manifest.json", customers=60, days=8,
                            end=AS_OF, seed=7)
    parts = []
    for file in manifest.files:
        with (folder / file.path).open(newline="", encoding="utf-8") as stream:
            rows = tuple(tuple(row) for row in csv.reader(stream))
        assert rows[0] == HEADERS[file.kind]
        parts.append(Part(file.kind, file.version_date, rows[1:]))
    return tuple(parts)


class Workshop:
    """Makes nights; all of them share dbt's parsed project, which saves seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def night(self, ingests: Sequence[Sequence[Part]], reference: Reference | None
              ) -> tuple[Outcome, Reference, Home]:
        """Deliver the parts look by look, then run the night of AS_OF.

        Args:
            ingests: the files of each look into the landing folder, in the order of their names.
            reference: to score by; None: the night's own.
        """
        home = make_home(self.folder / uuid.uuid4().hex, is_sample=True)
        with (home.config / "sources.yaml").open("a", encoding="utf-8") as stream:
            stream.write(FURTHER_SOURCES)
        engine = EmbeddedEngine(home.stores, home.secret)
        for number, parts in enumerate(ingests):
            for position, part in enumerate(parts):
                _write(home.landing, f"look{number:02d}-{position:03d}", part)
            report = ingest_landing(
                engine, home.landing, home.sources, HashMemory(home.hash_memory),
                run_id="test", now=datetime(2026, 11, 21))
            assert not report.refused
            assert not report.waiting
        features = self._features(home, engine)
        own = fit_reference(features, home.configuration, reference_id="own", valid_from=AS_OF)
        used = reference or own
        scores = pd.concat([score_batch(batch, used, home.configuration) for batch in features])
        return Outcome(own.to_frame(), scores.reset_index(drop=True)), used, home

    def _features(self, home: Home, engine: EmbeddedEngine) -> list[pd.DataFrame]:
        configuration = home.configuration
        _prepare_night(home, engine, configuration)
        stores = home.stores
        configured = dbt_arguments(configuration.dbt_vars())[-2:]
        environment = dbt_environment(stores.build, stores.raw, "1GB", 1,
                                      stores.limits.spill_folder, self.folder / "dbt")
        for _ in engine.run_models(["run", *configured, "--select", "+customer_features"],
                                   environment, DBT_PROJECT):
            pass
        return list(engine.frames_of(features_query(configuration), BATCH_ROWS))


def _write(landing: Path, prefix: str, part: Part) -> None:
    path = landing / part.kind / f"{prefix}_{part.version_date}.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEADERS[part.kind], *part.rows])
    # Files that are older than a minute are not looked at twice.
    os.utime(path, (0, 0))


def _prepare_night(home: Home, engine: EmbeddedEngine, configuration: Configuration) -> None:
    known = engine.read_current("raw", "select max(load_seq) as k from load_ledger")
    inputs = choose_inputs(
        AS_OF, int(known["k"].iloc[0]), configuration.hash,
        NO_REFERENCES, 0, fit_reference=True)
    merges = merges_of(engine, configuration, Tokens(home.secret, home.sources), AS_OF,
                       inputs.known_load_seq)
    half_lives = configuration.decay_half_lives()
    engine.replace_cells("build", "night", {
        NIGHT_INPUTS: inputs.to_frame(), IDENTITY_EDGES: merges.edges,
        CUSTOMER_MAP: merges.customer_map,
        DECAY_WEIGHTS: decay_weights(half_lives, 21 * max(half_lives)),
        EXCLUDED_IDENTITIES: pd.DataFrame(columns=list(EXCLUDED_IDENTITIES.column_names)),
    })


def _keys(home: Home) -> dict[str, str]:
    """Keys of the customers whose orders are known."""
    with home.stores.open(home.stores.build, read_only=True,
                          vault=(home.stores.vault, "READ_ONLY")) as connection:
        rows = connection.execute(
            "select ids.clear_value, cast(found.customer_key as varchar) "
            "from vault.identities as ids inner join marts.customer_identities as found "
            "on ids.identity_id = found.identity_id where ids.clear_value in (?, ?, ?, ?)",
            [CORRECTED, REFUNDED_LATER, RETURNED, CARD_HOLDER]).fetchall()
    return dict(rows)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """One for all nights of this module."""
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="module")
def truth(workshop: Workshop) -> Truth:
    """All files in the order of their versions, in one look."""
    parts = _sample_parts(workshop.folder / "sample") + OWN_PARTS
    outcome, reference, home = workshop.night([parts], None)
    return Truth(parts, LATER_REFUND, reference, outcome, _keys(home))


def _require_equal(found: Outcome, truth: Truth) -> None:
    pd.testing.assert_frame_equal(found.scores, truth.outcome.scores, check_exact=True)
    pd.testing.assert_frame_equal(found.reference, truth.outcome.reference, check_exact=True)
    assert found.value_of(truth.keys[CORRECTED], "purchase_amount__value") == 32
    assert found.value_of(truth.keys[REFUNDED_LATER], "purchase_amount__value") == 70
    assert found.value_of(truth.keys[RETURNED], "purchase_amount__value") == 20
    assert found.value_of(truth.keys[CARD_HOLDER], "purchase_amount__value") == 122


def test_the_truth_has_something_to_lose(truth: Truth) -> None:
    assert {part.kind for part in truth.parts} == {"orders", "refunds", "interactions", "surveys",
                                                   "customers", "fx_rates", "cards", "till"}
    assert len(truth.outcome.scores) > 50
    assert truth.outcome.scores["crm_value"].nunique() > 10
    assert {"curve", "cut", "prior"} <= set(truth.outcome.reference["item_kind"])
    _require_equal(truth.outcome, truth)


def _by(parts: Iterable[Part], key: Callable[[Part], str]) -> list[list[Part]]:
    looks: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        looks[key(part)].append(part)
    return [looks[name] for name in sorted(looks, reverse=True)]


def test_the_newest_versions_first_give_the_same(workshop: Workshop, truth: Truth) -> None:
    """The correction 12 + 20 arrives nights before the 10 + 20 + 30 that it corrects."""
    looks = _by(truth.parts, lambda part: part.version_date)
    found, _, _ = workshop.night(looks, truth.reference)
    _require_equal(found, truth)


def test_orders_before_rates_equal_rates_before_orders(workshop: Workshop, truth: Truth) -> None:
    """And refunds come before the orders that they refund."""
    looks = _by(truth.parts, lambda part: part.kind)
    kinds = [look[0].kind for look in looks]
    assert kinds.index("refunds") < kinds.index("orders") < kinds.index("fx_rates")
    found, _, _ = workshop.night(looks, truth.reference)
    _require_equal(found, truth)


def test_a_refund_dated_after_the_night_changes_nothing_as_of_it(workshop: Workshop,
                                                                 truth: Truth) -> None:
    found, _, _ = workshop.night([truth.parts, [truth.later_refund]], truth.reference)
    _require_equal(found, truth)


def _shuffled(parts: Sequence[Part], chance: random.Random) -> list[list[Part]]:
    """The parts cut into pieces, rows and pieces in any order, over one to four looks."""
    pieces = []
    for part in parts:
        rows = list(part.rows)
        chance.shuffle(rows)
        number = chance.randint(1, 2)
        pieces += [replace(part, rows=tuple(rows[start::number])) for start in range(number)]
    chance.shuffle(pieces)
    looks: list[list[Part]] = [[] for _ in range(chance.randint(1, 4))]
    for piece in pieces:
        looks[chance.randrange(len(looks))].append(piece)
    return looks


@settings(max_examples=4, deadline=None, derandomize=bool(os.environ.get("CI")),
          phases=(Phase.generate,), database=None,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(seed=st.integers(0, 2**32 - 1), has_later_refund=st.booleans())
def test_files_rows_and_looks_in_any_order_give_the_same(
        workshop: Workshop, truth: Truth, seed: int, has_later_refund: bool) -> None:
    parts = [*truth.parts, truth.later_refund] if has_later_refund else truth.parts
    looks = _shuffled(parts, random.Random(seed))
    found, _, _ = workshop.night(looks, truth.reference)
    _require_equal(found, truth)
