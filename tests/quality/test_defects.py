"""Every check of the gate: the clean night passes it, and one seeded defect is stopped by it.

A check that nothing can fail protects nobody, so a declared check without a defect here fails.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Literal

import pytest

from dagster_project.ingest.expected import Delivered, Expected, due_deliveries
from dagster_project.quality.gate import Declarations, GateReport
from tests.quality.conftest import CANDIDATE_ID, Night

FIRST = "'00000000-0000-4000-8000-000000000000'"
NOBODY = "'99999999-0000-4000-8000-000000000000'"


def _scores(assignment: str) -> tuple[str, ...]:
    return (f"update crm.customer_scores set {assignment} where customer_key = {FIRST}",)


def _customers(assignment: str) -> tuple[str, ...]:
    return (f"update crm.customers set {assignment} where customer_key = {FIRST}",)


def _lifetime(assignment: str) -> tuple[str, ...]:
    return (f"update crm.customer_lifetime_values set {assignment} where customer_key = {FIRST}",)


def _profitability(assignment: str) -> tuple[str, ...]:
    return (f"update crm.customer_profitability set {assignment} where customer_key = {FIRST}",)


def _segments(assignment: str) -> tuple[str, ...]:
    return (f"update crm.customer_segments set {assignment} where customer_key = {FIRST}",)


def _nullable(table: str, column: str) -> str:
    return f"alter table crm.{table} alter column {column} drop not null"


CANDIDATE_DEFECTS: dict[str, tuple[str, ...]] = {
    "customers_present": ("delete from crm.customers",),
    "customers_columns": ("alter table crm.customers rename column city to town",),
    "customers_key_unique": (
        f"insert into crm.customers from crm.customers where customer_key = {FIRST}",),
    "customers_key_filled": (_nullable("customers", "customer_key"),
                             *_customers("customer_key = NULL")),
    "customers_identities_counted": _customers("identities_n = 5000"),
    "customers_purchases_not_negative": _customers("purchases_n = -1"),
    "customers_refund_not_negative": _customers("refund_amount = -0.01"),
    "customers_birth_year_plausible": ("update crm.customers set birth_year = 36",),
    "scores_present": ("delete from crm.customer_scores",),
    "scores_key_unique": (
        f"insert into crm.customer_scores from crm.customer_scores where customer_key = {FIRST}",),
    "scores_key_filled": (_nullable("customer_scores", "customer_key"),
                          *_scores("customer_key = NULL")),
    "scores_tier_known": _scores("tier = 'hgih'"),
    "scores_tier_filled": (_nullable("customer_scores", "tier"), *_scores("tier = NULL")),
    "scores_quadrant_filled": (_nullable("customer_scores", "quadrant"),
                               *_scores("quadrant = NULL")),
    "scores_stage_known": _scores("lifecycle_stage = 'sleeping'"),
    "scores_stage_filled": (_nullable("customer_scores", "lifecycle_stage"),
                            *_scores("lifecycle_stage = NULL")),
    "scores_indicators_in_range": _scores("csat__score = 100.0001"),
    "scores_composites_in_range": _scores("satisfaction_score = 'nan'::double"),
    "scores_coverage_is_share": _scores("crm_value__coverage = 1.5"),
    "scores_coverage_filled": _scores("crm_value__coverage = NULL"),
    "scores_weights_are_shares": _scores("crm_value__purchase_amount__weight = 40"),
    "scores_contributions_in_range": _scores("crm_value__purchase_amount__contribution = -1"),
    "history_columns": (
        "alter table crm.customer_score_history rename column tier to value_tier",),
    "history_key_unique": (
        "insert into crm.customer_score_history from crm.customer_score_history "
        f"where publication_id = 2 and customer_key = {FIRST}",),
    "history_crm_value_in_range": ("update crm.customer_score_history set crm_value = 184",),
    "history_tier_known": ("update crm.customer_score_history set tier = '1'",),
    "history_stage_known": ("update crm.customer_score_history set lifecycle_stage = '1'",),
    "history_held_labels_known": (
        "update crm.customer_score_history set tier_held = 'hgih' where publication_id = 2",),
    "history_insufficient_as_plain": (
        "update crm.customer_score_history set quadrant_held = 'insufficient_data' "
        f"where publication_id = 2 and customer_key = {FIRST}",),
    "history_stage_held_at_loyal_alone": (
        "update crm.customer_score_history set lifecycle_stage_held = 'lost' "
        f"where publication_id = 2 and customer_key = {FIRST}",),
    "history_begins_with_plain_labels": (
        f"delete from crm.customer_score_history where publication_id = 1 "
        f"and customer_key = {FIRST}",
        "update crm.customer_score_history set tier_held = 'medium' "
        f"where publication_id = 2 and customer_key = {FIRST}"),
    "label_history_columns": ("alter table crm.label_history rename column label to word",),
    "label_history_kind_known": ("update crm.label_history set label_kind = 'segment'",),
    "label_history_repeats_the_held_labels": (
        "update crm.label_history set to_date = date '2026-03-30' "
        f"where label_kind = 'tier' and customer_key = {FIRST}",),
    "label_spans_in_order": (
        "update crm.label_history set to_date = date '2026-03-29' where label_kind = 'tier'",),
    "migrations_columns": ("alter table crm.label_migrations rename column to_label to label",),
    "migrations_add_up_to_customers": (
        "update crm.label_migrations set customers_n = customers_n + 1 "
        "where as_of_date = date '2026-03-31' and to_label = 'high' and is_held",),
    "migrations_leave_from_customers": (
        "update crm.label_migrations set from_label = 'appeared' "
        "where as_of_date = date '2026-03-31' and to_label = 'high' and is_held",),
    "stability_columns": (
        "alter table crm.label_stability rename column flipped_back_n to flipped_n",),
    "stability_share_is_share": ("update crm.label_stability set flipped_back_share = 50",),
    "changes_columns": ("alter table crm.score_changes rename column split_status to status",),
    "changes_key_unique": ("insert into crm.score_changes from crm.score_changes",),
    "changes_kind_known": ("update crm.score_changes set change_kind = 'moved'",),
    "changes_split_status_known": ("update crm.score_changes set split_status = 'halved'",),
    "score_changes_add_up": ("update crm.score_changes set time_change = time_change + 0.0001",),
    "score_changes_are_those_of_the_scores": ("update crm.score_changes set new_tier = 'low'",),
    "score_changes_name_everyone_who_differs": ("delete from crm.score_changes",),
    "segments_present": ("delete from crm.segment_kpis",),
    "segments_columns": ("alter table crm.segment_kpis rename column segment to name",),
    "segments_unique": (
        "insert into crm.segment_kpis from crm.segment_kpis where segment_kind = 'all'",),
    "segments_kind_known": ("update crm.segment_kpis set segment_kind = 'total' "
                            "where segment_kind = 'all'",),
    "segments_share_is_share": ("update crm.segment_kpis set customers_share = 50",),
    "segments_count_not_negative": ("update crm.segment_kpis set customers_n = -1",),
    "accounts_columns": ("alter table crm.account_scores rename column tier to value_tier",),
    "accounts_unique": ("insert into crm.account_scores from crm.account_scores",),
    "accounts_coverage_is_share": ("update crm.account_scores set coverage_share = 1.5",),
    "accounts_crm_value_in_range": ("update crm.account_scores set crm_value = 184",),
    "accounts_tier_known": ("update crm.account_scores set tier = '1'",),
    "accounts_quadrant_known": ("update crm.account_scores set quadrant = 'upper'",),
    "accounts_add_up_to_their_customers": (
        "update crm.account_scores set net_revenue_amount = 0.01",),
    "figures_present": ("delete from crm.population_figures",),
    "figures_columns": ("alter table crm.population_figures rename column low to lower_end",),
    "figures_unique": ("insert into crm.population_figures from crm.population_figures "
                       "where segment_kind = 'all' and figure = 'nps'",),
    "figures_kind_known": ("update crm.population_figures set segment_kind = 'total' "
                           "where segment_kind = 'all'",),
    "figures_name_known": ("update crm.population_figures set figure = 'net_promoter' "
                           "where figure = 'nps'",),
    "figures_status_known": ("update crm.population_figures set status = 'hidden' "
                             "where status = 'suppressed'",),
    "figures_count_not_negative": ("update crm.population_figures set n = -1",),
    "figures_of_a_kind_are_of_all_customers": (
        "update crm.population_figures set value = value + 1 "
        "where figure = 'customers' and segment = 'high'",),
    "figures_of_a_kind_add_up_to_all_money": (
        "update crm.population_figures set value = value + 0.0001 "
        "where figure = 'net_revenue' and segment_kind = 'region'",),
    "every_segment_has_every_figure": (
        "delete from crm.population_figures where figure = 'margin' and segment = 'low'",),
    "suppressed_figures_show_nothing": (
        "update crm.population_figures set value = 50 "
        "where figure = 'ces_mean' and segment_kind = 'all'",),
    "figures_within_their_interval_and_range": (
        "update crm.population_figures set high = 0.01 "
        "where figure = 'retention' and segment_kind = 'all'",),
    "fewer_customers_are_never_shown_more": (
        "update crm.population_figures set n = 3 "
        "where figure = 'retention' and segment_kind = 'all'",),
    "figure_history_repeats_the_current_figures": (
        "update crm.population_figure_history set value = value + 1 "
        "where figure = 'nps' and segment_kind = 'all'",),
    "publication_present": ("delete from crm.publication",),
    "publication_columns": (
        "alter table crm.publication rename column as_of_date to business_date",),
    "publication_id_unique": ("update crm.publication set publication_id = 2",),
    "publication_date_revision_unique": (
        "update crm.publication set as_of_date = date '2026-03-31'",),
    "publication_revision_positive": ("update crm.publication set revision = 0",),
    "rows_read_are_accounted_for": (
        "update crm.reconciliation set read = 23 where source = 'shop' and measure = 'rows'",),
    "loaded_rows_are_current_or_superseded": (
        "update crm.reconciliation set superseded = 501 where currency = 'CNY'",),
    "current_rows_are_counted_or_named": (
        "update crm.reconciliation set held = 99.99 where currency = 'CNY'",),
    "rows_of_each_heading_not_negative": (
        "update crm.reconciliation set held = -1, counted = 16 "
        "where source = 'shop' and measure = 'rows'",),
    "loaded_sources_are_reconciled": (
        "delete from crm.reconciliation where source = 'poll'",),
    "held_share_within_bound": (
        "update crm.reconciliation set held = 6, counted = 9 "
        "where source = 'shop' and measure = 'rows'",),
    "no_personal_text": _customers("city = 'ask canary@example.org'"),
    "scores_and_customers_have_the_same_keys": (
        f"delete from crm.customer_scores where customer_key = {FIRST}",),
    "scores_and_customers_have_the_same_profile": _scores("profile = 'b2b'"),
    "quadrants_partition_customers": _scores("quadrant = 'high_value_low_loyalty'"),
    "tiers_partition_customers": _scores("tier = 'medium'"),
    "stages_partition_customers": _scores("lifecycle_stage = 'loyal'"),
    "segments_add_up_to_all_customers": (
        "delete from crm.segment_kpis where segment_kind = 'all'",),
    "segments_add_up_to_all_revenue": (
        "update crm.segment_kpis set net_revenue_amount = net_revenue_amount + 0.0001 "
        "where segment = 'high'",),
    "revenue_within_orders": ("update crm.customers set net_revenue_amount = 501",),
    "contributions_add_up": _scores("crm_value = crm_value + 0.0001"),
    "contributions_are_shown_as_scored": (
        "create or replace view crm.score_contributions as select customer_key, "
        "'crm_value' as composite, 'csat' as part, 1.0 as score, 1.0 as effective_weight, "
        "1.0 as contribution from crm.customer_scores",),
    "tier_insufficient_only_without_value": _scores("tier = 'insufficient_data'"),
    "quadrant_insufficient_only_without_axis": _scores("matrix_value_score = NULL"),
    "quadrants_have_strategies": (
        "delete from crm.strategies where quadrant = 'low_value_low_loyalty'",),
    "prospects_have_no_purchase": _scores("lifecycle_stage = 'prospect'"),
    "profitability_present": ("delete from crm.customer_profitability",),
    "profitability_columns": (
        "alter table crm.customer_profitability rename column discount_amount to rebate_amount",),
    "profitability_status_known": _profitability("contribution_status = 'guessed'"),
    "profitability_quadrant_known": _profitability("profitability_quadrant = 'high_value'"),
    "profitability_decile_in_range": _profitability("contribution_decile = 11"),
    "profitability_costed_share_is_share": _profitability("costed_share = 1.01"),
    "profitability_costs_mostly_known": (
        "update crm.customer_profitability set costed_share = 0.1",),
    "curve_columns": ("alter table crm.contribution_curve rename column customers_n to n",),
    "curve_percent_in_range": (
        "update crm.contribution_curve set percent_of_customers = 0 where customers_n = 1",),
    "customer_segments_present": ("delete from crm.customer_segments",),
    "customer_segments_columns": (
        "alter table crm.customer_segments rename column top_category to category",),
    "customer_segments_rfm_in_range": _segments("rfm_monetary_score = 6"),
    "customer_segments_rfm_segment_filled": (_nullable("customer_segments", "rfm_segment"),
                                             *_segments("rfm_segment = NULL")),
    "rfm_cells_complete": ("delete from crm.rfm_cells where rfm_cell = '123'",),
    "contributions_are_revenue_less_costs": _profitability(
        "cost_to_serve_amount = cost_to_serve_amount + 0.0001"),
    "contribution_curve_ends_at_the_whole": (
        "update crm.contribution_curve set contribution_amount = contribution_amount - 0.0001 "
        "where percent_of_customers = 100",),
    "contribution_ranks_follow_the_amounts": _profitability("contribution_rank = 1"),
    "profitability_and_segments_have_every_customer": (
        f"delete from crm.customer_segments where customer_key = {FIRST}",),
    "profitability_insufficient_only_without_parts": _profitability(
        "profitability_quadrant = 'insufficient_data'"),
    "rfm_segments_follow_the_map": _segments("rfm_segment = 'champions'"),
    "rfm_prospects_have_no_purchase": _segments("rfm_segment = 'prospect'"),
    "customers_dates_in_order": _customers("last_purchase_date = date '2026-04-01'"),
    "customers_purchases_within_orders": _customers("purchases_n = 5"),
    "one_publication_is_current": ("update crm.publication set is_current = true",),
    "current_publication_is_the_newest_date": (
        "update crm.publication set is_current = not is_current",),
    "publication_is_this_candidate": (
        "update crm.publication set candidate_id = 'another' where publication_id = 2",),
    "publication_follows_a_known_one": ("delete from crm.publication where publication_id = 1",),
    "current_tables_are_of_one_date": _scores("as_of_date = date '2026-03-30'"),
    "history_repeats_the_current_scores": (
        "delete from crm.customer_score_history "
        f"where publication_id = 2 and customer_key = {FIRST}",),
    "history_is_of_its_publication": (
        "update crm.customer_score_history set revision = 2 where publication_id = 2",),
    "customers_not_fewer_than_expected": (
        "delete from crm.customer_score_history where publication_id = 2 "
        "and customer_key > '00000000-0000-4000-8000-000000000002'",),
    "ids_lead_to_customers": (
        f"update crm.customer_ids set customer_key = {NOBODY} where source_customer_id = 'C-1'",),
    "ids_lead_to_one_customer": ("update crm.customer_ids set source_customer_id = 'C-1'",),
    "keys_change_to_other_keys": (
        f"insert into crm.customer_key_changes values ({FIRST}, {FIRST}, date '2026-03-31', 2, "
        "'merge')",),
    "lifetime_columns": (
        "alter table crm.customer_lifetime_values rename column p_alive to alive",),
    "lifetime_method_known": _lifetime("method = 'guess'"),
    "lifetime_p_alive_is_share": _lifetime("p_alive = 1.5"),
    "lifetime_values_are_of_the_buyers": (
        f"delete from crm.customer_lifetime_values where customer_key = {FIRST}",),
    "lifetime_values_are_valid_or_explained": _lifetime("expected_margin_amount = NULL"),
    "churn_warnings_columns": ("alter table crm.churn_warnings rename column rank to place",),
    "churn_warnings_follow_from_values": (
        "update crm.churn_warnings set rank = 3 - rank",),
    "publication_inputs_are_published": ("delete from crm.scoring_reference",),
    "drift_present": ("delete from crm.reference_drift",),
    "drift_columns": ("alter table crm.reference_drift rename column psi to drift",),
    "drift_unique": ("update crm.reference_drift set indicator = 'csat'",),
    "drift_status_known": ("update crm.reference_drift set status = 'fine'",),
    "drift_index_not_negative": ("update crm.reference_drift set psi = -0.1",),
    "drift_window_is_share": ("update crm.reference_drift set window_filled_share = 1.01",),
    "population_near_reference": (
        "update crm.reference_drift set psi = 0.25 where indicator = 'purchase_amount'",),
    "label_shares_present": ("delete from crm.label_shares",),
    "label_shares_columns": ("alter table crm.label_shares rename column label to word",),
    "label_shares_unique": ("update crm.label_shares set label = 'l1'",),
    "label_shares_kind_known": (
        "update crm.label_shares set label_kind = 'stage' where label_kind = 'lifecycle_stage'",),
    "label_shares_are_shares": ("update crm.label_shares set customers_share = 1.1",),
    "label_shares_of_reference_are_shares": (
        "update crm.label_shares set reference_share = -0.1",),
    "label_shares_add_up": (
        "delete from crm.label_shares where label_kind = 'quadrant' and label = 'l1'",),
    "curves_columns": ("alter table crm.score_curves rename column fact to value",),
    "curves_unique": ("insert into crm.score_curves from crm.score_curves where score = 70",),
    "curves_score_in_range": ("update crm.score_curves set score = 105 where score = 100",),
    "curves_relation_known": ("update crm.score_curves set relation = '>='",),
    "higher_scores_need_no_less": ("update crm.score_curves set fact = 1 where score = 70",),
    "history_keeps_the_chance_to_be_alive": (
        "update crm.customer_score_history set p_alive = NULL "
        f"where publication_id = 2 and customer_key = {FIRST}",),
    "campaigns_columns": ("alter table crm.campaigns rename column rows_n to n",),
    "campaigns_unique": ("update crm.campaigns set campaign_id = 'spring'",),
    "campaigns_status_known": ("update crm.campaigns set status = 'done'",),
    "campaign_rows_are_accounted_for": (
        "update crm.campaigns set repeated_rows_n = 0 where campaign_id = 'spring'",),
    "campaigns_are_of_all_current_rows": (
        "delete from crm.campaigns where campaign_id = 'blind'",),
    "results_columns": ("alter table crm.campaign_results rename column uplift to lift",),
    "results_unique": ("update crm.campaign_results set figure = 'revenue'",),
    "results_figure_known": ("update crm.campaign_results set figure = 'clicks' "
                             "where figure = 'response'",),
    "results_status_known": ("update crm.campaign_results set status = 'fine'",),
    "results_are_of_the_members_of_their_campaign": (
        "delete from crm.campaign_results where quadrant = 'not_kept'",),
    "uplift_needs_both_groups": (
        "update crm.campaign_results set uplift = 0.1, low = 0, high = 0.2, standard_error = 0.05 "
        "where campaign_id = 'blind' and figure = 'response'",),
    "backtest_present": ("delete from crm.score_backtest",),
    "backtest_columns": ("alter table crm.score_backtest rename column part to name",),
    "backtest_unique": ("update crm.score_backtest set part = 'high'",),
    "backtest_status_known": ("update crm.score_backtest set status = 'fine'",),
    "backtest_says_why_it_shows_nothing": (
        "update crm.score_backtest set value = NULL where part = 'high'",),
    "backtest_parts_are_of_everybody": (
        "update crm.score_backtest set n = 27 where part = 'low'",),
}
RAW_DEFECTS: dict[str, tuple[str, ...]] = {
    "order_lines_once_per_line": (
        "insert into raw_order_lines from raw_order_lines where row_no = 5",),
    "order_lines_status_known": ("update raw_order_lines set status = 'Done' where row_no = 5",),
    "order_lines_unit_price_plausible": (
        "update raw_order_lines set unit_price = -20260301 where row_no = 5",),
    "order_lines_quantity_plausible": (
        "update raw_order_lines set quantity = 20260301 where row_no = 5",),
    "order_lines_discount_not_negative": (
        "update raw_order_lines set discount = -5 where row_no = 5",),
    "order_lines_refund_not_negative": (
        "update raw_order_lines set refund = -5 where row_no = 5",),
    "order_lines_dates_plausible": (
        "update raw_order_lines set ordered_at = timestamp '1899-12-30 00:00:00' "
        "where row_no = 5",),
    "order_lines_mostly_attributed": ("update raw_order_lines set identity_id = NULL",),
    "order_lines_mean_price_not_zero": ("update raw_order_lines set unit_price = 0",),
    "interactions_once_per_file_row": ("update raw_interactions set row_no = 0",),
    "interactions_completion_is_share": (
        "update raw_interactions set completion = 55 where row_no = 5",),
    "interactions_duration_plausible": (
        "update raw_interactions set duration_seconds = 700000 where row_no = 5",),
    "interactions_cost_not_negative": ("update raw_interactions set cost = -1 where row_no = 5",),
    "interactions_dates_plausible": (
        "update raw_interactions set occurred_at = timestamp '2926-01-01 00:00:00' "
        "where row_no = 5",),
    "survey_answers_once_per_instrument": ("update raw_survey_answers set row_no = 0",),
    "survey_answers_instrument_known": (
        "update raw_survey_answers set instrument = 'NPS ' where row_no = 5",),
    "survey_answers_direction_known": (
        "update raw_survey_answers set direction = 'up' where row_no = 5",),
    "survey_answers_dates_plausible": (
        "update raw_survey_answers set responded_at = timestamp '0026-01-01 00:00:00' "
        "where row_no = 5",),
    "survey_answers_on_their_scale": (
        "update raw_survey_answers set score = 6 where row_no = 5",),
    "customer_rows_once_per_file_row": ("update raw_customers set row_no = 0",),
    "customer_rows_birth_year_plausible": ("update raw_customers set birth_year = 36",),
    "ledger_adds_up": ("update load_ledger set rows_read_n = 22 where load_seq = 2",),
    "ledger_counts_the_raw_rows": ("delete from raw_order_lines where row_no = 5",),
    "ledger_counts_the_rejected_rows": ("delete from rejected_rows",),
    "rejected_share_within_bound": (
        "insert into rejected_rows select rejected_rows.* replace (row_no + i as row_no) "
        "from rejected_rows, range(1, 6) as numbers(i)",),
}
OTHER_DEFECTS = frozenset({"no_file_refused", "expected_deliveries_came",
                           "optional_deliveries_came"})
# Warnings are shown and published, and stop nothing.
WARNINGS = frozenset({
    "customers_birth_year_plausible", "customer_rows_birth_year_plausible",
    "order_lines_mostly_attributed", "order_lines_mean_price_not_zero",
    "profitability_costs_mostly_known",
    "population_near_reference",
})
# A whole table at fault: no row is counted.
UNCOUNTED = ("_present", "_columns", "_mean_price_not_zero", "_cells_complete")


@pytest.fixture(scope="module")
def clean_outcomes(
    clean_files: tuple[Path, Path],
    declarations: Declarations,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], str]:
    """Outcome of each check in one run of the whole gate over the clean night."""
    candidate, raw = clean_files
    folder = tmp_path_factory.mktemp("outcomes") / CANDIDATE_ID
    folder.mkdir()
    shutil.copy(candidate, folder / "crm.duckdb")
    report: GateReport = Night(folder / "crm.duckdb", raw, declarations).gate()
    assert report.is_approved, report.words
    return {result.check_name: result.outcome for result in report.results}.__getitem__


def test_every_check_has_a_defect(declarations: Declarations) -> None:
    """A check nobody has seen fail may be unable to."""
    names = {check.name for check in declarations.checks}
    assert names == {*CANDIDATE_DEFECTS, *RAW_DEFECTS, *OTHER_DEFECTS}


@pytest.mark.parametrize("name", sorted([*CANDIDATE_DEFECTS, *RAW_DEFECTS, *OTHER_DEFECTS]))
def test_clean_night_passes(name: str, clean_outcomes: Callable[[str], str]) -> None:
    """No false alarm on a night without a fault."""
    assert clean_outcomes(name) == "passed"


@pytest.mark.parametrize("name", sorted([*CANDIDATE_DEFECTS, *RAW_DEFECTS]))
def test_defect_is_stopped_by_its_check(name: str, night: Night) -> None:
    """The named check says no, counts the rows, and says what to do."""
    night.in_candidate(*CANDIDATE_DEFECTS.get(name, ()))
    night.in_raw(*RAW_DEFECTS.get(name, ()))
    result = night.check(name)
    assert result.outcome == "failed", result.message
    assert result.stops == (name not in WARNINGS)
    check = next(check for check in night.declarations.checks if check.name == name)
    assert result.message.startswith(f"{check.relation}: ")
    assert result.message.endswith(check.action)
    if name.endswith(UNCOUNTED):
        assert result.failing_n is None
    else:
        assert result.failing_n is not None and result.failing_n >= 1
        assert f"{result.failing_n:,}" in result.message


@pytest.mark.parametrize("fault", [
    "delete from crm.score_backtest where part_kind = 'tier'",
    "delete from crm.score_backtest where part_kind = 'crm_value_decile'",
    "update crm.score_backtest set n = 24 where part = '10'",
])
def test_parts_of_a_backtest_that_are_gone_are_missed(night: Night, fault: str) -> None:
    night.in_candidate(fault)
    assert night.check("backtest_parts_are_of_everybody").outcome == "failed"


def test_a_backtest_without_history_has_no_parts_to_miss(night: Night) -> None:
    night.in_candidate(
        "delete from crm.score_backtest where part_kind <> 'all' or figure like 'customers%'",
        "update crm.score_backtest set n = 0, status = 'no_history', scored_date = NULL, "
        "value = NULL, low = NULL, high = NULL")
    assert night.check("backtest_parts_are_of_everybody").outcome == "passed"


def test_refused_file_is_named(night: Night) -> None:
    """The file and its reason are what people need to mend it."""
    night.refused_files = (("orders/2026-03-31.csv", "no column order_id"),)
    result = night.check("no_file_refused")
    assert result.stops
    assert "orders/2026-03-31.csv" in result.message and "no column order_id" in result.message


@pytest.mark.parametrize(("severity", "check", "other"), [
    ("error", "expected_deliveries_came", "optional_deliveries_came"),
    ("warning", "optional_deliveries_came", "expected_deliveries_came"),
])
def test_missing_delivery_is_named(night: Night, severity: Literal["error", "warning"],
                                   check: str, other: str) -> None:
    """Each source, what was expected, what came, since when, and what to do."""
    expected = {name: Expected(severity=severity) for name in ("poll", "shop")}
    came = {"shop": {date(2026, 3, 30): Delivered(1, 5)}}
    night.due_deliveries = tuple(due_deliveries(expected, came, date(2026, 3, 31), []))
    result = night.check(check)
    assert (result.outcome, result.failing_n, result.stops) == ("failed", 2, severity == "error")
    assert ("source = poll, due_date = 2026-03-31, expected = 1 file, came = nothing, "
            "missing_since = 2026-03-31, last_came = NULL; source = shop, ") in result.message
    assert "last_came = 2026-03-30" in result.message and "not_on" in result.message
    assert night.check(other).outcome == "passed"


def test_defect_stops_the_whole_gate(night: Night) -> None:
    """One bad customer in one check is enough, and the last lines say which check."""
    night.in_candidate(*_customers("purchases_n = 5"))
    report = night.gate()
    assert not report.is_approved
    stopping = [result.check_name for result in report.results if result.stops]
    assert stopping == ["customers_purchases_within_orders"]
    assert "FAILED customers_purchases_within_orders: " in report.words
    assert "customer_key = 00000000…" in report.words


def test_empty_sources_are_no_fault(night: Night) -> None:
    """A home without surveys, on a night without files, is published."""
    night.in_raw("delete from raw_survey_answers", "delete from raw_interactions",
                 "delete from raw_order_lines", "delete from raw_customers",
                 "delete from rejected_rows", "delete from load_ledger")
    report = night.gate()
    assert report.is_approved, report.words


def test_older_date_is_judged_by_its_history(night: Night) -> None:
    """A replay of an older date leaves the current tables: they keep their own date."""
    night.in_candidate(
        "insert into crm.publication select 3, as_of_date, 2, false, 'replay', 5, 'conf', 'ref', "
        "'1', 2, false, 'CNY', 'Asia/Shanghai', 'run3', timestamp '2026-04-02 04:30:00' "
        "from crm.publication where publication_id = 1",
        "insert into crm.customer_score_history select customer_key, as_of_date, 2, 3, crm_value, "
        "satisfaction_score, NULL, NULL, NULL, 1, 1, tier, quadrant, lifecycle_stage, profile, 3, "
        "tier_held, quadrant_held, lifecycle_stage_held, p_alive "
        f"from crm.customer_score_history where publication_id = 1 and customer_key <> {FIRST}",
        "delete from crm.label_migrations where as_of_date = date '2026-03-30'",
        "insert into crm.label_migrations select as_of_date, NULL, kind, is_held, 'appeared', "
        "label, count(*) from (unpivot (select as_of_date, tier, quadrant, lifecycle_stage "
        "from crm.customer_score_history where publication_id = 3) "
        "on tier, quadrant, lifecycle_stage into name kind value label), "
        "(values (true), (false)) as forms(is_held) group by all",
    )
    report = night.gate(candidate_id="replay", after_load_seq=5)
    assert report.is_approved, report.words
