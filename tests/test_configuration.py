"""crm.yaml: what it gives to others, and that every fault is named by file, line and key."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.configuration import (
    Configuration,
    ConfigurationError,
    load_configuration,
)

DEFAULT = Path(__file__).parents[1] / "config" / "crm.yaml"
TEXT = DEFAULT.read_text(encoding="utf-8")


def written(folder: Path, text: str) -> Path:
    path = folder / "config" / "crm.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def changed(old: str, new: str, text: str = TEXT) -> str:
    assert text.count(old) == 1, f"{old!r} must stand once in the file"
    return text.replace(old, new)


def faults_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(written(folder, text))
    assert str(refused.value) == "\n".join(refused.value.faults)
    return list(refused.value.faults)


@pytest.fixture
def default() -> Configuration:
    return load_configuration(DEFAULT)


def test_default_has_the_weights_of_the_article(default):
    """Interaction .2, amount .4, satisfaction .2, loyalty .2."""
    assert default.weights("all", "crm_value") == {
        "interaction_frequency": Decimal("0.2"), "purchase_amount": Decimal("0.4"),
        "satisfaction_score": Decimal("0.2"), "loyalty_degree_score": Decimal("0.2")}


def test_dbt_vars_of_the_default(default):
    """The contract with the dbt project: names and types of every key."""
    crm = default.dbt_vars()["crm"]
    assert list(crm) == [
        "time_zone", "base_currency", "fx_carry_days", "excluded_customer_types",
        "excluded_order_channels", "excluded_order_tags", "excluded_product_ids",
        "excluded_product_categories", "population_days", "population_events",
        "figure_window_days", "margin_share_without_cost", "profiles", "indicators",
        "indicator_variants", "costs_to_serve", "profitability_days", "minimum_costed_share",
        "segment_days", "segment_attributes", "campaign_window_days", "campaign_response_types"]
    assert crm["excluded_customer_types"] == ["staff", "test"]
    assert crm["profiles"] == [{"name": "all", "customer_types": None}]
    by_name = {indicator["name"]: indicator for indicator in crm["indicators"]}
    assert by_name["purchase_amount"] == {
        "name": "purchase_amount", "kind": "sum", "of": "orders", "column": "net_revenue",
        "types": [], "channels": [], "instrument": None, "window_days": 365,
        "half_life_days": None, "absent": "zero", "skip_first": False, "period_days": None,
        "minimum_age_days": None}
    assert by_name["retention"]["absent"] == "missing"
    assert by_name["complaints"]["absent"] == "zero_if_contact"
    assert json.loads(json.dumps(crm)) == crm


def test_half_lives_in_use(default):
    """dbt needs weights for these and no others."""
    assert default.decay_half_lives() == (90, 180)


def test_composites_come_after_their_parts(default):
    """crm_value is declared first and computed after the degrees it is made of."""
    order = default.composites_in_order()
    assert set(order) == set(default.composites)
    assert order.index("crm_value") > order.index("loyalty_degree_score")
    assert order.index("matrix_loyalty_score") > order.index("satisfaction_score")


def test_words_do_not_touch_the_hash(tmp_path, default):
    """A better label or strategy must not look like a change of measures."""
    text = changed("{en: purchase amount, zh: 消费金额}", "{en: money spent, zh: 花费}")
    text = changed("zh: 识别潜在价值客户;通过促销活动吸引;优化转化路径", "zh: 促销", text)
    text = changed("lost: {en: lost, zh: 已流失}", "lost: {en: gone, zh: 走了}", text)
    other = load_configuration(written(tmp_path, text))
    assert other.hash == default.hash
    assert other != default


@pytest.mark.parametrize(("old", "new"), [
    ("population_days: 365", "population_days: 366"),
    ("population_events: [orders, interactions, surveys]", "population_events: [customers]"),
    ("min_coverage: 0.5", "min_coverage: 0.4"),
    ("few_n: 30", "few_n: 40"),
    ("  margin: 2\n", "  margin: 1\n"),
    ("types: [staff, test]", "types: [staff]"),
    ("high: {quantile: 0.8}", "high: {quantile: 0.9}"),
    ("points: [[0, 100], [1, 40], [3, 0]]", "points: [[0, 100], [1, 50], [3, 0]]"),
    ("lost_days: 365 ", "lost_days: 300 "),
    ("{csat_answer: 0.5, ces_answer: 0.25, complaints: 0.25}",
     "{csat_answer: 0.5, ces_answer: 0.3, complaints: 0.2}"),
])
def test_measures_touch_the_hash(tmp_path, default, old, new):
    """The hash is one of the six inputs of a night."""
    assert load_configuration(written(tmp_path, changed(old, new))).hash != default.hash


def test_hash_does_not_look_at_how_things_are_written(tmp_path, default):
    """0.50 is 0.5, and the order of types, keys and comments means nothing."""
    text = changed("min_coverage: 0.5", "min_coverage: 0.50  # half")
    text = changed("types: [staff, test]", "types: [test, staff, test]", text)
    text = changed("    kind: sum\n    of: orders\n    column: net_revenue\n",
                   "    column: net_revenue\n    of: orders\n    kind: sum\n", text)
    other = load_configuration(written(tmp_path, text))
    assert other.hash == default.hash
    assert re.fullmatch("[0-9a-f]{16}", other.hash)


def test_stored_configuration_measures_the_same(default):
    """A replay takes the measures from the publication and the words from the present file."""
    stored = Configuration.from_canonical(default.canonical_text())
    assert stored.hash == default.hash
    assert stored.dbt_vars() == default.dbt_vars()
    assert stored.label("purchase_amount") == "purchase amount"
    assert stored.with_texts_of(default) == default


def test_stored_configuration_of_an_unknown_kind_is_refused(default):
    """A later version may know kinds that this one cannot compute."""
    text = default.canonical_text().replace('"kind":"active_share"', '"kind":"new_kind"')
    with pytest.raises(ConfigurationError, match="stored configuration.*new_kind"):
        Configuration.from_canonical(text)


PROFILES = "profiles:\n  - name: all\n"
B2B = """profiles:
  - name: b2b
    customer_types: [company, agency]
{more}  - name: all
"""


def test_profile_overrides_weights_and_cuts(tmp_path):
    """A part that the profile does not name does not count in it; the rest is inherited."""
    more = """    composites:
      satisfaction_score: {parts: {csat_answer: 0.6, ces_answer: 0.4}}
    cuts:
      tiers: {high: {score: 70}, medium: {score: 40}}
"""
    configuration = load_configuration(written(tmp_path, changed(
        PROFILES, B2B.format(more=more))))
    assert configuration.profile_names == ("b2b", "all")
    assert configuration.weights("b2b", "satisfaction_score") == {
        "csat_answer": Decimal("0.6"), "ces_answer": Decimal("0.4")}
    assert len(configuration.weights("all", "satisfaction_score")) == 3
    assert configuration.tier_cuts("b2b").high.score == 70
    assert configuration.tier_cuts("all").high.quantile == Decimal("0.8")
    assert configuration.matrix_cuts("b2b") == configuration.matrix
    assert configuration.dbt_vars()["crm"]["profiles"] == [
        {"name": "b2b", "customer_types": ["agency", "company"]},
        {"name": "all", "customer_types": None}]
    stored = Configuration.from_canonical(configuration.canonical_text())
    assert stored.with_texts_of(configuration) == configuration


def test_profile_measures_indicators_by_its_own_windows(tmp_path):
    more = """    indicators:
      purchase_amount: {window_days: 730}
      csat_answer: {half_life_days: 365}
"""
    configuration = load_configuration(written(tmp_path, changed(
        PROFILES, B2B.format(more=more))))
    assert configuration.indicator("b2b", "purchase_amount").window_days == 730
    assert configuration.indicator("all", "purchase_amount").window_days == 365
    assert configuration.indicator("b2b", "csat_answer").window_days == 365
    assert configuration.decay_half_lives() == (90, 180, 365)
    variants = configuration.dbt_vars()["crm"]["indicator_variants"]
    assert [(one["profile"], one["variant_of"], one["name"], one["window_days"],
             one["half_life_days"]) for one in variants] == [
        ("b2b", "purchase_amount", "purchase_amount__b2b", 730, None),
        ("b2b", "csat_answer", "csat_answer__b2b", 365, 365)]
    stored = Configuration.from_canonical(configuration.canonical_text())
    assert stored.with_texts_of(configuration) == configuration


# What is replaced, by what, a text that stands on the line the fault must name, the key, words.
FAULTS = {
    "unknown key": (
        "population_days: 365", "populaton_days: 365", "populaton_days",
        "populaton_days", "did you mean 'population_days'"),
    "unknown key of an indicator": (
        "    period_days: 30", "    periods_days: 30", "periods_days",
        "indicators.retention.periods_days", "did you mean 'period_days'"),
    "unknown time zone": (
        "Asia/Shanghai ", "Asia/Shangai ", "Asia/Shangai",
        "business.time_zone", "did you mean 'Asia/Shanghai'"),
    "currency": (
        "base_currency: CNY", "base_currency: yuan", "base_currency: yuan",
        "business.base_currency", "three capital letters"),
    "an e-mail address in a list that is published": (
        " ids: []", " ids: [li@example.org]", "li@example.org",
        "exclude.customers.ids.0", "not an e-mail address"),
    "not a number": (
        "population_days: 365", "population_days: a year", "a year",
        "population_days", "is 'a year'; should be a valid integer"),
    "a whole number is wanted": (
        "population_days: 365", "population_days: 365.5", "365.5",
        "population_days", "valid integer"),
    "no truth value for a number": (
        "population_days: 365", "population_days: true", "days: true",
        "population_days", "valid integer"),
    "a figure that is hidden before it is few": (
        "few_n: 30", "few_n: 5", "few_n: 5",
        "population_figures.few_n", "at least minimum_n (10)"),
    "coverage": (
        "min_coverage: 0.5", "min_coverage: 50", "min_coverage: 50",
        "min_coverage", "less than or equal to 1"),
    "margin of held labels": (
        "  margin: 2\n", "  margin: 60\n", "  margin: 60", "held_labels.margin",
        "less than or equal to 50"),
    "margin finer than what is shown": (
        "  margin: 2\n", "  margin: 0.125\n", "  margin: 0.125", "held_labels.margin",
        "no more than 2 decimal places"),
    "weights do not add up": (
        "purchase_amount: 0.4\n", "purchase_amount: 0.3\n", "parts:\n      interaction_freq",
        "composites.crm_value.parts", "weights add up to 0.9, must be 1"),
    "weight of nothing": (
        "purchase_amount: 0.4\n", "purchase_amount: 0\n", "purchase_amount: 0\n",
        "composites.crm_value.parts.purchase_amount", "greater than 0"),
    "unknown part": (
        "      purchase_amount: 0.4\n", "      purchase_amont: 0.4\n", "purchase_amont",
        "composites.crm_value.parts.purchase_amont", "did you mean 'purchase_amount'"),
    "required composite": (
        "  engagement_score:\n", "  engagement:\n", "composites:\n  crm_value",
        "composites.engagement_score", "must be given"),
    "one name for two things": (
        "  content_time:\n", "  advocacy_score:\n", "  advocacy_score:\n    parts",
        "composites.advocacy_score", "name of an indicator too"),
    "name that cannot be a column": (
        "  content_time:\n", "  Content-Time:\n", "  Content-Time:",
        "indicators.Content-Time", "a-z"),
    "unknown kind": (
        "kind: active_share", "kind: active_shares", "active_shares",
        "indicators.retention.kind", "did you mean 'active_share'"),
    "kind of the wrong facts": (
        "kind: active_share\n    of: orders", "kind: active_share\n    of: surveys",
        "of: surveys\n    period_days", "indicators.retention.of", "active_share is of orders"),
    "option of another kind": (
        "    period_days: 30", "    period_days: 30\n    half_life_days: 9",
        "half_life_days: 9\n", "indicators.retention.half_life_days",
        "does not belong to kind active_share"),
    "types of orders": (
        "    skip_first: true", "    skip_first: true\n    types: [visit]",
        "    types: [visit]\n", "indicators.repeat_purchases.types", "does not belong"),
    "first purchase by channel": (
        "    skip_first: true", "    skip_first: true\n    channels: [web]",
        "    channels: [web]\n", "indicators.repeat_purchases.channels",
        "cannot stand beside skip_first"),
    "missing option": (
        "    period_days: 30\n", "", "  retention:",
        "indicators.retention.period_days", "must be given for kind active_share"),
    "unknown column": (
        "column: margin", "column: margins", "column: margins",
        "indicators.profit_contribution.column", "did you mean 'margin'"),
    "absent of another kind": (
        "    period_days: 30", "    period_days: 30\n    absent: zero", "absent: zero\n",
        "indicators.retention.absent", "it is missing"),
    "contact without interactions": (
        "    skip_first: true", "    skip_first: true\n    absent: zero_if_contact",
        "absent: zero_if_contact\n", "indicators.repeat_purchases.absent", "zero or missing"),
    "quotes in a list that reaches SQL": (
        "types: [complaint]", "types: [\"comp'laint\"]", "comp'laint",
        "indicators.complaints.types", "without quotes"),
    "method and kind": (
        "method: threshold, points: [[0, 100], [1, 40], [3, 0]]", "method: survey, k: 3",
        "score: {method: survey, k: 3}\n    unit: {en: complaints",
        "indicators.complaints.score.method", "survey is for kind mean_answer"),
    "option of another method": (
        "points: [[0, 100], [1, 40], [3, 0]]", "points: [[0, 100], [3, 0]], better: less",
        "better: less", "indicators.complaints.score.better", "does not belong to method"),
    "threshold without points": (
        "method: threshold, points: [[0, 100], [1, 40], [3, 0]]", "method: threshold",
        "method: threshold}", "indicators.complaints.score.points", "must be given"),
    "facts of a threshold": (
        "[[0, 100], [1, 40], [3, 0]]", "[[0, 100], [3, 40], [3, 0]]", "[3, 40]",
        "indicators.complaints.score.points", "facts (first numbers) must rise"),
    "scores of a threshold": (
        "[[0, 100], [1, 40], [3, 0]]", "[[0, 40], [1, 100], [3, 0]]", "[1, 100]",
        "indicators.complaints.score.points", "must rise or fall throughout"),
    "scores of a threshold beyond 100": (
        "[[0, 100], [1, 40], [3, 0]]", "[[0, 101], [1, 40], [3, 0]]", "[0, 101]",
        "indicators.complaints.score.points.0.1", "less than or equal to 100"),
    "quantile": (
        "high: {quantile: 0.8}", "high: {quantile: 80}", "high: {quantile: 80}",
        "tiers.high.quantile", "less than or equal to 1"),
    "cut": (
        "  value: {quantile: 0.5}", "  value: {score: 101}", "value: {score: 101}",
        "matrix.value.score", "less than or equal to 100"),
    "cut of both kinds": (
        "  value: {quantile: 0.5}", "  value: {quantile: 0.5, score: 50}",
        "quantile: 0.5, score: 50}",
        "matrix.value", "either quantile (0-1) or score (0-100)"),
    "tiers that do not fall": (
        "high: {quantile: 0.8}", "high: {quantile: 0.5}", "tiers:\n  high",
        "tiers", "cuts must fall"),
    "tiers of two kinds": (
        "high: {quantile: 0.8}", "high: {score: 80}", "tiers:\n  high",
        "tiers", "both be quantiles or both be scores"),
    "unknown side of a cell": (
        "    - value: low\n      loyalty: low", "    - value: low\n      loyalty: lo",
        "loyalty: lo\n", "matrix.cells.3.loyalty", "did you mean 'low'"),
    "lifecycle": (
        "loyal_score: 60 ", "loyal_score: 160 ", "loyal_score: 160",
        "lifecycle.loyal_score", "less than or equal to 100"),
    "last profile": (
        PROFILES, "profiles:\n  - name: everyone\n", "profiles:\n  - name: everyone",
        "profiles", "the last profile must be named 'all'"),
    "profile of claimed types": (
        PROFILES, B2B.format(more="  - name: two\n    customer_types: [company]\n"),
        "customer_types: [company]\n  - name: all", "profiles.1.customer_types",
        "no customer can have it"),
    "profile of excluded types": (
        PROFILES, B2B.format(more="  - name: two\n    customer_types: [staff]\n"),
        "customer_types: [staff]\n", "profiles.1.customer_types", "no customer can have it"),
    "profile of no types": (
        PROFILES, B2B.format(more="  - name: two\n    customer_types: []\n"),
        "customer_types: []\n", "profiles.1.customer_types", "its types are none"),
    "profile after everyone": (
        PROFILES, "profiles:\n  - name: first\n  - name: all\n", "- name: all\n\n",
        "profiles.1", "a profile above takes everyone"),
    "profile named twice": (
        PROFILES, B2B.format(more="  - name: b2b\n    customer_types: [club]\n"),
        "name: b2b\n    customer_types: [club]", "profiles.1.name", "stands above already"),
    "profile weights": (
        PROFILES, B2B.format(more="    composites: {crm_value: {parts: {purchase_amount: 0.9}}}\n"),
        "purchase_amount: 0.9", "profiles.0.composites.crm_value.parts", "add up to 0.9"),
    "profile of an unknown composite": (
        PROFILES, B2B.format(more="    composites: {crm_valu: {parts: {purchase_amount: 1}}}\n"),
        "crm_valu:", "profiles.0.composites.crm_valu", "did you mean 'crm_value'"),
    "profile of another part": (
        PROFILES, B2B.format(more="    composites: {crm_value: {parts: {retention: 1}}}\n"),
        "retention: 1", "profiles.0.composites.crm_value.parts.retention",
        "unknown part of crm_value"),
    "profile of an unknown indicator": (
        PROFILES, B2B.format(more="    indicators: {purchase_amont: {window_days: 9}}\n"),
        "purchase_amont:", "profiles.0.indicators.purchase_amont",
        "did you mean 'purchase_amount'"),
    "profile indicator that says nothing": (
        PROFILES, B2B.format(more="    indicators: {purchase_amount: {}}\n"),
        "purchase_amount: {}", "profiles.0.indicators.purchase_amount",
        "must give window_days or half_life_days"),
    "profile option of another kind": (
        PROFILES, B2B.format(more="    indicators: {purchase_amount: {half_life_days: 11}}\n"),
        "half_life_days: 11", "profiles.0.indicators.purchase_amount.half_life_days",
        "does not belong to kind sum"),
    "profile cuts": (
        PROFILES, B2B.format(
            more="    cuts:\n      tiers: {high: {score: 1}, medium: {score: 2}}\n"),
        "tiers: {high: {score: 1}", "profiles.0.cuts.tiers", "cuts must fall"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_by_file_line_and_key(tmp_path, name):
    """Who edits the file must not have to search it."""
    old, new, marker, key, words = FAULTS[name]
    text = changed(old, new)
    assert text.count(marker) == 1
    line = text[: text.index(marker)].count("\n") + 1
    start = f"config/crm.yaml line {line}, {key}: "
    told = [fault for fault in faults_of(tmp_path, text) if fault.startswith(start)]
    assert len(told) == 1
    assert words in told[0]


def test_circle_of_composites_is_named(tmp_path):
    """Both members are told, each at its own parts, instead of an endless computation."""
    text = changed("parts: {recommend_answer: 0.5, referrals: 0.25,",
                   "parts: {recommend_answer: 0.5, crm_value: 0.25,")
    text = changed("      satisfaction_score: 0.2\n", "      advocacy_score: 0.2\n", text)
    told = faults_of(tmp_path, text)
    assert [fault.split(", ")[1].split(":")[0] for fault in told] == [
        "composites.crm_value.parts", "composites.advocacy_score.parts"]
    assert all("circle of advocacy_score and crm_value" in fault for fault in told)


def test_cell_mapped_twice_and_cell_never_mapped(tmp_path):
    """A typing error in one cell is two faults: one quadrant too many, one too few."""
    text = changed("    - value: low\n      loyalty: low", "    - value: low\n      loyalty: high")
    lines = text.splitlines()
    second = [number for number, line in enumerate(lines, 1) if "- value: low" in line][1]
    cells = lines.index("  cells:") + 1
    assert faults_of(tmp_path, text) == [
        f"config/crm.yaml line {cells}, matrix.cells: no cell maps value low and loyalty low",
        f"config/crm.yaml line {second}, matrix.cells.3: maps low_value_high_loyalty a second "
        "time",
    ]


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path):
    """A fault of shape must not hide a fault of meaning elsewhere."""
    text = changed("Asia/Shanghai ", "Asia/Shangai ")
    text = changed("population_days: 365", "population_days: never", text)
    text = changed("column: margin", "column: margins", text)
    text = changed("    period_days: 30", "    period_dayz: 30", text)
    text = changed("purchase_amount: 0.4\n", "purchase_amount: 0.3\n", text)
    text = changed("  value: {quantile: 0.5}", "  value: {quantile: 5}", text)
    told = faults_of(tmp_path, text)
    assert [fault.split(", ")[1].split(":")[0] for fault in told] == [
        "business.time_zone", "population_days", "indicators.profit_contribution.column",
        "indicators.retention.period_dayz", "composites.crm_value.parts", "matrix.value.quantile"]


@pytest.mark.parametrize(("text", "line", "words"), [
    ("business: {time_zone: UTC\nmatrix: 1\n", 2, "no valid YAML"),
    ("business: 1\nmatrix: 1\nbusiness: 2\n", 3, "duplicate key"),
    ("tiers: &a {high: 1}\nmatrix: *a\n", 2, "aliases"),
    ("\ntiers: !!python/object/apply:os.system [ls]\n", 2, "tags"),
    ("a: 1\nb: " + "[" * 30 + "]" * 30 + "\n", 2, "nested deeper than 20"),
    ("a: 1\nb: " + "[" * 100_000, 2, "nested deeper than 20"),
    ("a: 1\nb: \t- c\n", 2, "no valid YAML"),
])
def test_yaml_that_is_refused(tmp_path, text, line, words):
    """Plain keys and values only: nothing that runs code, blows up or hides a second value."""
    told = faults_of(tmp_path, text)
    assert any(fault.startswith(f"config/crm.yaml line {line}: ") and words in fault
               for fault in told)


@pytest.mark.parametrize(("content", "words"), [
    (b"", "must hold keys and values"),
    (b"- a\n- b\n", "must hold keys and values"),
    (b"a: 2020-13-45\n", "no valid YAML"),
    (b"a: 1\nb: \xff\n", "line 2: is not UTF-8"),
    (b"#" * 1_000_001, "1,000,001 bytes"),
])
def test_content_that_is_no_configuration(tmp_path, content, words):
    """A wrong file says so in words, not by a traceback of the parser."""
    path = written(tmp_path, "")
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        load_configuration(path)


def test_missing_file_is_named(tmp_path):
    """The first error a new home can meet."""
    with pytest.raises(ConfigurationError, match=r"config/crm\.yaml: cannot be read"):
        load_configuration(tmp_path / "config" / "crm.yaml")


def test_missing_sections_are_all_named(tmp_path):
    """Half a file lacks the rest."""
    told = faults_of(tmp_path, TEXT[: TEXT.index("composites:\n  crm_value")])
    assert told == [f"config/crm.yaml, {key}: must be given"
                    for key in ("composites", "lifecycle", "matrix", "tiers")]


def test_a_file_without_the_later_sections_has_the_segments_of_the_default(tmp_path, default):
    """Homes that were made before know nothing of costs to serve and segments."""
    old = load_configuration(written(tmp_path, TEXT[:TEXT.index("# What serving customers costs")]))
    assert old.cost_to_serve.types == {}
    assert old.profitability == default.profitability
    assert old.segments.rfm.segments == default.segments.rfm.segments
    assert old.rfm_measures == default.rfm_measures
    assert Configuration.from_canonical(old.canonical_text()).hash == old.hash
    assert Configuration.from_canonical(old.canonical_text()).with_texts_of(old) == old


def test_the_map_of_rfm_cells_is_complete(default):
    owners = default.rfm_segment_of_cells()
    assert sorted(owners) == sorted(f"{r}{f}{m}" for r in range(1, 6) for f in range(1, 6)
                                    for m in range(1, 6))
    assert {cell: owners[cell].segment for cell in ("555", "111", "511", "155")} == {
        "555": "champions", "111": "inactive", "511": "new_customers", "155": "cannot_lose"}


@pytest.mark.parametrize(("old", "new", "key", "words"), [
    ("where: [{recency: [2, 2], frequency: [1, 1]}]", "where: [{recency: [2, 2]}]",
     "segments.rfm.segments.9.where.0", "maps cells 221, 222, 223 and 17 more a second time; "
     "at_risk has 221 already"),
    ("where: [{recency: [2, 2], frequency: [1, 1]}]",
     "where: [{recency: [2, 2], frequency: [1, 1], monetary: [2, 5]}]",
     "segments.rfm.segments", "no segment has cell 211"),
    ("where: [{recency: [3, 3], frequency: [3, 5]}]",
     "where: [{recency: [3, 3], frequency: [5, 3]}]",
     "segments.rfm.segments.5.where.0", "from the lower to the higher"),
    ("where: [{recency: [3, 3], frequency: [3, 5]}]",
     "where: [{recency: [3, 3], frequency: [3, 6]}]", "frequency", "5"),
    ("- segment: champions", "- segment: prospect", "segments.rfm.segments.0.segment",
     "choose another"),
    ("- segment: promising", "- segment: new_customers", "segments.rfm.segments.4.segment",
     "stands above already"),
    ("recency: {cuts: [30, 90, 180, 270]}", "recency: {cuts: [30, 90, 90, 270]}",
     "segments.rfm.recency.cuts", "must rise"),
    ("recency: {cuts: [30, 90, 180, 270]}", "recency: {cuts: [30, 90], indicator: retention}",
     "segments.rfm.recency", ""),
    ("recency: {cuts: [30, 90, 180, 270]}", "recency: {}", "segments.rfm.recency",
     "either cuts (four rising numbers) or indicator"),
    ("monetary: {indicator: purchase_amount}", "monetary: {indicator: purchase_amunt}",
     "segments.rfm.monetary.indicator", "purchase_amount"),
    ("age_bands: [18, 25, 35, 45, 55, 65]", "age_bands: [18, 18]", "segments.age_bands",
     "must rise"),
    ("  types: {}\n", "  types: {\"a'b\": 1}\n", "cost_to_serve.types.a'b", "without quotes"),
    ("  types: {}\n", "  types: {visit: -1}\n", "cost_to_serve.types.visit", "0"),
    ("profitable_above: 0 ", "profitable_over: 0 ", "profitability.profitable_over", ""),
])
def test_faults_of_costs_and_segments(tmp_path, old, new, key, words):
    faults = faults_of(tmp_path, changed(old, new))
    assert any(key in fault and words in fault and " line " in fault for fault in faults), faults


def test_costs_to_serve_reach_dbt_with_their_digits(tmp_path):
    configuration = load_configuration(written(
        tmp_path, changed("  types: {}\n", "  types: {visit: 0.15, label: 12}\n")))
    assert configuration.dbt_vars()["crm"]["costs_to_serve"] == [
        {"type": "label", "amount": "12.0000"}, {"type": "visit", "amount": "0.1500"}]
    again = Configuration.from_canonical(configuration.canonical_text())
    assert again.cost_to_serve == configuration.cost_to_serve
