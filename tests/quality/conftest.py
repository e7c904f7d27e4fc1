"""A small clean night: candidate and raw as the pipeline would make them, in plain DDL."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.engine.audit_connection import open_audit
from dagster_project.ingest.expected import DueDelivery
from dagster_project.ingest.tables import LEDGER_TABLES, RAW_TABLES
from dagster_project.publish.tables import (
    CURRENT_TABLES,
    CUSTOMER_SCORES,
    HISTORY_TABLES,
    RUN_TABLES,
)
from dagster_project.quality.expectations_runner import run_suites
from dagster_project.quality.gate import (
    Bounds,
    Declarations,
    GateReport,
    audit_candidate,
    audit_facts,
    load_declarations,
)
from dagster_project.quality.invariants import run_invariant
from dagster_project.quality.result import CheckResult
from dagster_project.quality.suites import Suite

EXPECTATIONS = Path(__file__).parents[2] / "expectations"
CANDIDATE_ID = "c0ffee0123456789"
SECRET = b"secret of a test home"
CUSTOMERS_N = 8
KEY = "('00000000-0000-4000-8000-' || lpad(i::varchar, 12, '0'))::uuid"
COMPOSITES = {
    "crm_value": ("purchase_amount", "satisfaction_score"),
    "satisfaction_score": ("csat", "ces"),
    "matrix_value_score": ("purchase_amount",),
    "matrix_loyalty_score": ("csat",),
}
LABELS = """
    case when i = 7 then 'insufficient_data' when i < 3 then 'high' else 'low' end,
    case when i = 7 then 'insufficient_data' when i < 3 then 'high_value_high_loyalty'
        else 'low_value_low_loyalty' end,
    case when i = 7 then 'prospect' when i = 6 then 'first_purchase' else 'repeat' end"""
SCORES = f"""
insert into crm.customer_scores
select {KEY}, date '2026-03-31', 'all', {LABELS}, {LABELS},
    100.0 * i, 10.5 * i, 4.0, 9.25 * i, NULL, NULL
    {{values}}
from range({CUSTOMERS_N}) as numbers(i)
"""


def _scores_ddl() -> str:
    columns = ["purchase_amount__value", "purchase_amount__score", "csat__value", "csat__score",
               "ces__value", "ces__score"]
    for composite, parts in COMPOSITES.items():
        columns += [composite, f"{composite}__coverage"]
        for part in parts:
            columns += [f"{composite}__{part}__weight", f"{composite}__{part}__contribution"]
    fixed = CUSTOMER_SCORES.ddl("crm").removesuffix("\n)")
    return fixed + ",\n" + ",\n".join(f"    {name} DOUBLE" for name in columns) + "\n)"


def _scores_insert() -> str:
    """Customer 7 has no composite; the others have parts that add up to four decimals."""
    values = []
    for parts in COMPOSITES.values():
        share = 1 / len(parts)
        pieces = [f"round(3.3333 * (i + {number}) , 4)" for number in range(len(parts))]
        total = " + ".join(pieces)
        values += [f"case when i <> 7 then round({total}, 4) end",
                   "case when i = 7 then 0.25 else 1 end"]
        for piece in pieces:
            values += [f"case when i <> 7 then {share} end", f"case when i <> 7 then {piece} end"]
    return SCORES.format(values=", " + ", ".join(values))


def _contributions_view() -> str:
    selects = [
        f"select customer_key, '{composite}' as composite, '{part}' as part, "
        f"{part if part in COMPOSITES else part + '__score'} as score, "
        f"{composite}__{part}__weight as effective_weight, "
        f"{composite}__{part}__contribution as contribution from crm.customer_scores "
        f"where {composite} is not null"
        for composite, parts in COMPOSITES.items() for part in parts
    ]
    return "create view crm.score_contributions as\n" + "\nunion all\n".join(selects)


CANDIDATE_ROWS = (
    f"""insert into crm.customers
    select {KEY}, 'all', 'person', case when i in (1, 2) then 'A-1' end, 'East', 'Hangzhou', 'f',
        1990, date '2025-01-01', 1,
        case when i <> 7 then date '2025-02-01' end, case when i <> 7 then date '2026-03-01' end,
        case when i = 7 then 0 when i = 6 then 1 else 3 end,
        case when i = 7 then 1 when i = 6 then 1 else 4 end,
        100.25 * i, 0, 30.0, 0, 5, date '2026-03-30', 1
    from range({CUSTOMERS_N}) as numbers(i)""",
    _scores_insert(),
    # Customer 7 did nothing, of customer 6 no cost is known; the others leave 10, 20, 30 ...
    f"""insert into crm.customer_profitability
    with amounts as (select i, i between 0 and 5 as is_known from range({CUSTOMERS_N}) n(i))
    select {KEY}, date '2026-03-31', 100 * (i <> 7)::int, 5 * (i <> 7)::int, 3 * (i <> 7)::int,
        1 * (i <> 7)::int, 1 * (i <> 7)::int, 90 * (i <> 7)::int, 90 * (i = 6)::int,
        case when is_known then 70 - 10 * i else 0 end, 5 * is_known::int, 5 * is_known::int,
        case when i = 7 then 0 when is_known then 10 + 10 * i end,
        case when i = 7 then 'no_activity' when i = 6 then 'cost_unknown' else 'known' end,
        case when i = 6 then 0 when is_known then 1 end,
        case when is_known then 6 - i end, case when is_known then 10 * (5 - i) // 6 + 1 end,
        case when is_known then (10 + 10 * i) / 210 end,
        case when is_known then (6 - i) / 6 end,
        case when is_known then list_sum([10 + 10 * j for j in range(i, 6)]) / 210 end,
        case when i > 5 then 'insufficient_data' when i < 3 then 'high_profit_low_loyalty'
            else 'high_profit_high_loyalty' end
    from amounts""",
    """insert into crm.contribution_curve
    select date '2026-03-31', cast(ceil(100 * i / 6) as integer), i,
        list_sum([60 - 10 * j for j in range(i)]), list_sum([60 - 10 * j for j in range(i)]) / 210
    from range(1, 7) as numbers(i)""",
    """insert into crm.rfm_cells
    select r::varchar || f || m, r, f, m, case when r > 3 then 'champions' else 'at_risk' end,
        'name', '名'
    from range(1, 6) as recency(r), range(1, 6) as frequency(f), range(1, 6) as monetary(m)""",
    f"""insert into crm.customer_segments
    with scores as (select i, case when i < 6 then least(i + 1, 5) when i = 6 then 1 end as score
        from range({CUSTOMERS_N}) as numbers(i))
    select {KEY}, date '2026-03-31', score, score, score, repeat(score::varchar, 3),
        case when i = 7 then 'prospect' when score > 3 then 'champions' else 'at_risk' end,
        '35_44', 'f', 'East', 'Hangzhou', 'person', 'tea', 50, (i <> 7)::int, 90 * (i <> 7)::int
    from scores""",
    f"insert into crm.customer_attributes select {KEY}, 'loyalty level', 'gold' "
    f"from range({CUSTOMERS_N}) as numbers(i)",
    """insert into crm.segment_kpis
    with labelled as (
        select 'all' as kind, 'all' as segment, customer_key from crm.customer_scores
        union all select 'quadrant', quadrant, customer_key from crm.customer_scores
        union all select 'tier', tier, customer_key from crm.customer_scores
        union all select 'lifecycle_stage', lifecycle_stage, customer_key from crm.customer_scores
    )
    select date '2026-03-31', kind, segment, count(*), count(*) / 8.0,
        sum(net_revenue_amount), 50, 50, 50, 50, 50
    from labelled join crm.customers using (customer_key) group by kind, segment""",
    """insert into crm.account_scores values
    ('A-1', date '2026-03-31', 'all', 2, 2, 300.75, 1, 7, 7, NULL, NULL, NULL, 5, 5, 'high',
        'high_value_high_loyalty')""",
    """insert into crm.population_figures
    with labelled as (
        select 'all' as kind, 'all' as segment, customer_key from crm.customer_scores
        union all select 'quadrant', quadrant, customer_key from crm.customer_scores
        union all select 'tier', tier, customer_key from crm.customer_scores
        union all select 'lifecycle_stage', lifecycle_stage, customer_key from crm.customer_scores
        union all select 'region', region, customer_key from crm.customers
        union all select 'customer_type', customer_type, customer_key from crm.customers
    ),
    counted as (
        select kind, segment, count(*) as n, sum(net_revenue_amount) as amount
        from labelled join crm.customers using (customer_key) group by kind, segment
    ),
    estimates(figure, value, standard_error, low, high, n, status) as (
        values ('nps', 30, 15, -2, 55, 32, 'ok'), ('csat_top_box', 0.8, 0.1, 0.6, 0.9, 12, 'few'),
            ('ces_mean', NULL, NULL, NULL, NULL, 9, 'suppressed'),
            ('ces_easy', NULL, NULL, NULL, NULL, 9, 'suppressed'),
            ('repeat_purchase_rate', 1, 0, 0.9, 1, 40, 'ok'),
            ('retention', 0.25, 0.06, 0.15, 0.4, 40, 'ok')
    )
    select date '2026-03-31', kind, segment, figure, value, standard_error, low, high,
        estimates.n, status
    from counted, estimates
    union all
    select date '2026-03-31', kind, segment, figure,
        case figure when 'customers' then n when 'margin' then 0 else amount end,
        NULL, NULL, NULL, n, 'ok'
    from counted, (values ('customers'), ('net_revenue'), ('margin')) as totals(figure)""",
    f"insert into crm.customer_ids select {KEY}, 'shop', 'C-' || i from range({CUSTOMERS_N}) n(i)",
    """insert into crm.strategies
    select q, p, 'name', '名', 'traits', '特征', 'strategy', '策略'
    from (values ('high_value_high_loyalty', 1), ('high_value_low_loyalty', 2),
        ('low_value_high_loyalty', 3), ('low_value_low_loyalty', 4)) as cells(q, p)""",
    """insert into crm.reconciliation values
    ('shop', 'orders', 'rows', '', 22, 1, 1, 20, 2, 18, 14, 1, 1, 1, 1),
    ('shop', 'orders', 'amount', 'CNY', NULL, NULL, NULL, 5000, 500, 4500, 4000, 200, 100, 100,
        100),
    ('web', 'interactions', 'rows', '', 10, 0, 0, 10, 0, 10, 10, 0, 0, 0, 0),
    ('poll', 'surveys', 'rows', '', 6, 0, 0, 6, 0, 6, 6, 0, 0, 0, 0),
    ('crm', 'customers', 'rows', '', 8, 0, 0, 8, 0, 8, 8, 0, 0, 0, 0),
    ('mail', 'campaigns', 'rows', '', 88, 0, 0, 88, 0, 88, 84, 1, 1, 0, 2)""",
    # One in both groups, one under two ids; the blind campaign treated everybody.
    """insert into crm.campaigns values
    ('mail', 'spring', date '2026-03-31', 'ok', date '2026-02-01', date '2026-03-02', 30, 39, 900,
        780.5, 0, 1, 76, 1, 2, 1, 1, 2),
    ('mail', 'blind', date '2026-03-31', 'no_control_group', date '2026-02-01', date '2026-03-02',
        12, 0, 60, NULL, 0, 0, 12, 0, 0, 0, 0, 0)""",
    """insert into crm.campaign_results
    with cells(quadrant, treated, control, left_out, status) as (values
        ('high_value_high_loyalty', 25, 35, 0, 'few'), ('not_kept', 5, 4, 0, 'suppressed'),
        ('all', 25, 35, 9, 'few'))
    select 'mail', 'spring', date '2026-03-31', quadrant, figure, status, true, treated, control,
        left_out, case when status = 'few' then 0.4 end, case when status = 'few' then 0.3 end,
        case when status = 'few' then 0.1 end, case when status = 'few' then 0.05 end,
        case when status = 'few' then -0.02 end, case when status = 'few' then 0.21 end
    from cells, (values ('response'), ('repurchase'), ('revenue'), ('satisfaction')) f(figure)
    union all
    select 'mail', 'blind', date '2026-03-31', quadrant, figure, 'no_control_group', true, 12, 0,
        0, 0.4, NULL, NULL, NULL, NULL, NULL
    from (values ('low_value_low_loyalty'), ('all')) q(quadrant),
        (values ('response'), ('repurchase'), ('revenue'), ('satisfaction')) f(figure)""",
    """insert into crm.score_backtest values
    (date '2026-03-31', date '2025-12-31', 'all', 'all', 'customers_scored', 'ok', 60, NULL, 60,
        NULL, NULL, NULL),
    (date '2026-03-31', date '2025-12-31', 'all', 'all', 'rank_correlation_retention', 'ok', 40,
        NULL, 0.3, 0.1, 0.5, NULL),
    (date '2026-03-31', date '2025-12-31', 'all', 'all', 'retention', 'ok', 40, 55, 0.25, 0.2, 0.3,
        1),
    (date '2026-03-31', date '2025-12-31', 'crm_value_decile', '01', 'retention', 'few', 15, 90,
        0.4, 0.3, 0.6, 1.6),
    (date '2026-03-31', date '2025-12-31', 'crm_value_decile', '10', 'retention', 'few', 25, 10,
        0.16, 0.1, 0.3, 0.64),
    (date '2026-03-31', date '2025-12-31', 'tier', 'high', 'retention', 'few', 12, 80, 0.5, 0.3,
        0.7, 2),
    (date '2026-03-31', date '2025-12-31', 'tier', 'low', 'retention', 'few', 28, 40, 0.14, 0.1,
        0.3, 0.56)""",
    f"""insert into crm.customer_lifetime_values
    select {KEY}, date '2026-03-31', 'all', 'mbg_nbd', case when i = 6 then 1 else 3 end,
        case when i = 6 then 0 else 60 end, 100, 0.25, 1.5, 20, 0.5, 40 * i, 10 * i, 50, 3, 30,
        'own', date '2026-03-31', 0, NULL
    from range({CUSTOMERS_N}) as numbers(i) where i <> 7""",
    f"""insert into crm.churn_warnings
    select 3 - i, {KEY}, date '2026-03-31', 'high_value_high_loyalty', 'p_alive_low', 30 * i,
        0.25, 40 * i, 50, 40, 30, 0, 'words', '文字'
    from range(1, 3) as numbers(i)""",
    f"""insert into crm.publication values
    (1, date '2026-03-30', 1, false, 'before', 1, 'conf', 'ref', '1', 0, false, 'CNY',
        'Asia/Shanghai', 'run1', timestamp '2026-03-31 04:30:00'),
    (2, date '2026-03-31', 1, true, '{CANDIDATE_ID}', 5, 'conf', 'ref', '1', 1, false, 'CNY',
        'Asia/Shanghai', 'run2', timestamp '2026-04-01 04:30:00')""",
    """insert into crm.customer_score_history
    select customer_key, p.as_of_date, 1, p.publication_id, round(crm_value::decimal(9, 4), 2),
        round(satisfaction_score::decimal(9, 4), 2), NULL, NULL, NULL, 1, 1,
        tier, quadrant, lifecycle_stage, profile, 3, tier_held, quadrant_held,
        lifecycle_stage_held,
        case when lifecycle_stage <> 'prospect' then 0.25 end
    from crm.customer_scores, crm.publication as p""",
    # Customer 0 had a point less the night before.
    f"""update crm.customer_score_history set crm_value = crm_value - 1
    where publication_id = 1 and customer_key = {KEY.replace("i::varchar", "'0'")}""",
    f"""insert into crm.score_changes
    select customer_key, 2, date '2026-03-31', customer_key, 1, date '2026-03-30', 'changed',
        'split', crm_value - 1, crm_value, 1, 0, 0, -0.25, 1.25, 0, 0, 0, tier, tier, quadrant,
        quadrant, lifecycle_stage, lifecycle_stage
    from crm.customer_scores where customer_key = {KEY.replace("i::varchar", "'0'")}""",
    """insert into crm.population_figure_history
    select f.as_of_date, 1, 2, f.* exclude (as_of_date) from crm.population_figures as f""",
    """insert into crm.label_history
    select customer_key, kind, label, date '2026-03-30', NULL
    from (unpivot (select customer_key, tier_held as tier, quadrant_held as quadrant,
        lifecycle_stage_held as lifecycle_stage from crm.customer_scores)
        on tier, quadrant, lifecycle_stage into name kind value label)""",
    """insert into crm.label_migrations
    select as_of_date, case when publication_id = 2 then date '2026-03-30' end, label_kind,
        is_held, case when publication_id = 2 then label else 'appeared' end, label, count(*)
    from crm.label_history, crm.publication, (values (true), (false)) as forms(is_held)
    group by all""",
    """insert into crm.label_stability
    select as_of_date, label_kind, is_held, publication_id, sum(customers_n), 0, 0
    from crm.label_migrations join crm.publication using (as_of_date) group by all""",
    """insert into crm.scoring_reference values
    ('ref', date '2026-01-01', 1, 'conf', 'all', 'curve', 'csat', 0, 0, 0)""",
    "insert into crm.configurations values ('conf', 1, '{}')",
    """insert into crm.reference_drift values
    (date '2026-03-31', 'all', 'purchase_amount', 'stable', 0.01, 11, 400, 420, 420,
        date '2025-02-01', 1),
    (date '2026-03-31', 'all', 'csat', 'too_few', 0.4, 4, 400, 420, 12, date '2026-01-01', 0.25)""",
    """insert into crm.label_shares
    select date '2026-03-31', 'all', kind, label, 40, 0.1, 42, 0.1
    from (select unnest(['tier', 'quadrant', 'lifecycle_stage']) as kind),
        (select 'l' || i as label from range(5) as numbers(i))""",
    """insert into crm.score_curves
    select 'all', 'purchase_amount', i * 5, case when i = 0 then 'any' else 'at_least' end,
        case when i > 0 then i * 62.0 end, 'CNY', 'CNY', 365
    from range(21) as numbers(i)""",
    _contributions_view(),
)
RAW_ROWS = (
    """insert into load_ledger
    select l, s, k, s || '/' || l || '.csv', 'h' || l, 'arrival', NULL, 'd', '', n + j, n, 0, j,
        NULL, NULL, 'run', timestamp '2026-04-01 04:30:00'
    from (values (1, 'shop', 'orders', 3, 0), (2, 'shop', 'orders', 20, 1),
        (3, 'web', 'interactions', 10, 0), (4, 'poll', 'surveys', 6, 0),
        (5, 'crm', 'customers', 8, 0)) as loads(l, s, k, n, j)""",
    """insert into raw_order_lines (load_seq, row_no, source, version_at, row_hash, order_id,
        line_key, identity_id, ordered_at, status, quantity, unit_price, discount, refund,
        refunded_at, cancelled_at, shipping, tax, cost, currency, product_id, product_category,
        channel)
    select case when i < 3 then 1 else 2 end, i, 'shop', NULL, uuid(), 'O' || i, '1', uuid(),
        timestamp '2026-03-01 10:00:00', 'completed', 1, 200, 0, 0, NULL, NULL, NULL, NULL, 100,
        'CNY', 'P1', 'tea', 'web'
    from range(23) as numbers(i)""",
    """insert into raw_interactions (load_seq, row_no, source, version_at, row_hash,
        interaction_id, identity_id, occurred_at, type, channel, duration_seconds, completion,
        cost)
    select 3, i, 'web', NULL, uuid(), 'I' || i, uuid(), timestamp '2026-03-01 10:00:00', 'visit',
        'web', 30, 0.5, 0
    from range(10) as numbers(i)""",
    """insert into raw_survey_answers (load_seq, row_no, source, version_at, row_hash,
        response_id, instrument, identity_id, responded_at, score, scale_min, scale_max,
        direction, has_comment, completeness)
    select 4, i, 'poll', NULL, uuid(), 'R' || i, 'csat', uuid(), timestamp '2026-03-01 10:00:00',
        4, 1, 5, 'higher_is_better', false, 'complete'
    from range(6) as numbers(i)""",
    """insert into raw_customers (load_seq, row_no, source, version_at, row_hash, identity_id,
        valid_from, email_identity_id, phone_identity_id, customer_type, account_id, region, city,
        gender, birth_year, signed_up_at, attributes)
    select 5, i, 'crm', NULL, uuid(), uuid(), NULL, NULL, NULL, 'person', NULL, 'East', 'Hangzhou',
        'f', 1990, NULL, '{}'
    from range(8) as numbers(i)""",
    "insert into rejected_rows (load_seq, row_no, file_row_no, source, file_name, reason, "
    "column_name, masked_value) "
    "values (2, 21, 21, 'shop', 'shop/2.csv', 'not_a_number', 'unit_price', 'a***')",
)


@dataclass
class Night:
    """One candidate with its raw file; `in_candidate` and `in_raw` seed defects."""

    candidate: Path
    raw: Path
    declarations: Declarations
    bounds: Bounds = field(default_factory=Bounds)
    refused_files: tuple[tuple[str, str], ...] = ()
    due_deliveries: tuple[DueDelivery, ...] = ()
    known_load_seq: int = 5

    def in_candidate(self, *statements: str) -> None:
        """Change the candidate."""
        _execute(self.candidate, statements)

    def in_raw(self, *statements: str) -> None:
        """Change raw."""
        _execute(self.raw, statements)

    def gate(self, **changes: Any) -> GateReport:
        """Run the whole gate."""
        arguments: dict[str, Any] = {
            "candidate_id": CANDIDATE_ID, "expectations": EXPECTATIONS, "after_load_seq": 1,
            "known_load_seq": self.known_load_seq, "secret": SECRET, "bounds": self.bounds,
            "refused_files": self.refused_files, "due_deliveries": self.due_deliveries,
        }
        return audit_candidate(self.candidate, self.raw, **{**arguments, **changes})

    def check(self, name: str) -> CheckResult:
        """Run one check of the declarations."""
        with open_audit(
            self.candidate, self.raw, after_load_seq=1, known_load_seq=self.known_load_seq,
            facts=audit_facts(CANDIDATE_ID, self.known_load_seq, self.bounds, self.refused_files,
                              due_deliveries=self.due_deliveries),
        ) as audit:
            for invariant in self.declarations.invariants:
                if invariant.check.name == name:
                    return run_invariant(audit, invariant, CANDIDATE_ID)
            for suite in self.declarations.suites:
                chosen = tuple(e for e in suite.expectations if e.check.name == name)
                if chosen:
                    only = Suite(suite.relation, suite.may_be_empty, chosen)
                    return run_suites(audit, [only], CANDIDATE_ID)[0]
        raise KeyError(name)


def _execute(path: Path, statements: tuple[str, ...]) -> None:
    # As readers do it: the file is the catalog crm, its tables are crm.<table>.
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"attach '{path}' as crm")
        connection.execute("use crm")
        for statement in statements:
            connection.execute(statement)


@pytest.fixture(scope="package", autouse=True)
def network_attempts() -> Iterator[list[object]]:
    """No test here may reach a network, imports of the validator included; lists who tried."""
    attempts: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        attempts.append(arguments)
        raise OSError("the gate must not open network connections")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket.socket, "connect_ex", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield attempts


@pytest.fixture(scope="session")
def declarations() -> Declarations:
    """The project's own declarations."""
    return load_declarations(EXPECTATIONS)


@pytest.fixture(scope="session")
def clean_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Candidate and raw without a fault, made once."""
    folder = tmp_path_factory.mktemp("clean")
    candidate, raw = folder / "crm.duckdb", folder / "raw.duckdb"
    tables = [table for table in (*CURRENT_TABLES, *HISTORY_TABLES, *RUN_TABLES)
              if table is not CUSTOMER_SCORES]
    _execute(candidate, (*(table.ddl("crm") for table in tables),
                         _scores_ddl(), *CANDIDATE_ROWS))
    _execute(raw, (*(table.ddl("main") for table in (*RAW_TABLES, *LEDGER_TABLES)), *RAW_ROWS))
    return candidate, raw


@pytest.fixture
def make_night(
    clean_files: tuple[Path, Path], declarations: Declarations, tmp_path: Path
) -> Callable[..., Night]:
    """Makes copies of the clean night, in folders named by candidate."""

    def make(candidate_id: str = CANDIDATE_ID) -> Night:
        folder = tmp_path / "candidates" / candidate_id
        folder.mkdir(parents=True)
        raw = tmp_path / f"raw_{candidate_id}.duckdb"
        shutil.copy(clean_files[0], folder / "crm.duckdb")
        shutil.copy(clean_files[1], raw)
        return Night(folder / "crm.duckdb", raw, declarations)

    return make


@pytest.fixture
def night(make_night: Callable[..., Night]) -> Night:
    """A clean night."""
    return make_night()
