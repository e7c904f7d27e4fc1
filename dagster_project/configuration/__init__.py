"""What a business decides about its measures: `config/crm.yaml`, read and checked.

Here stand the configuration as a whole and the forms in which others need it: the canonical text
and its hash, and the variables of dbt. How a score is computed stands in `scoring/`; sources,
paths and schedules are not configured here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from dagster_project.configuration.rules import broken_rules
from dagster_project.configuration.sections import (
    CATCH_ALL,
    LEVELS,
    REQUIRED_COMPOSITES,
    RFM_MEASURES,
    RFM_RESERVED,
    STAGES,
    TIERS,
    WEIGHT_DECIMALS,
    Accounts,
    Business,
    Campaigns,
    ChurnWarnings,
    Composite,
    CostToServe,
    Cut,
    Days,
    Exclude,
    HeldLabels,
    Identities,
    Indicator,
    Lifecycle,
    LifetimeValue,
    Matrix,
    MatrixCuts,
    Number,
    PopulationEvents,
    PopulationFigures,
    Profile,
    ProfileParts,
    Profitability,
    RfmBox,
    RfmMeasure,
    RfmSegment,
    ScoreBacktest,
    Section,
    Segments,
    TierCuts,
    Tiers,
    quadrant_name,
)
from dagster_project.yaml_file import ConfigurationError, checked, frozen, load_model

# Callers meet the sections, and the error of a file, with the file.
__all__ = [
    "AFTER_SCORES",
    "Accounts",
    "ChurnWarnings",
    "Composite",
    "Configuration",
    "ConfigurationError",
    "Cut",
    "Identities",
    "Indicator",
    "LEVELS",
    "LifetimeValue",
    "PopulationFigures",
    "ProfileParts",
    "REQUIRED_COMPOSITES",
    "RFM_MEASURES",
    "RFM_RESERVED",
    "RfmBox",
    "RfmMeasure",
    "STAGES",
    "Segments",
    "TIERS",
    "WEIGHT_DECIMALS",
    "load_configuration",
    "measures_hash",
    "quadrant_name",
]


# Sections that neither a reference nor a score nor a label of tier, quadrant or stage depends on.
AFTER_SCORES = frozenset({
    "population_figures", "accounts", "churn_warnings", "cost_to_serve", "profitability",
    "campaigns", "score_backtest",
})


class Configuration(Section):
    """The checked content of `config/crm.yaml`."""

    business: Business
    exclude: Exclude = Exclude()
    identities: Identities = Identities()
    population_days: Days = 365
    population_events: PopulationEvents = ("interactions", "orders", "surveys")
    population_figures: PopulationFigures = PopulationFigures()
    min_coverage: Annotated[Number, Field(ge=0, le=1, decimal_places=WEIGHT_DECIMALS)] = Decimal(
        "0.5"
    )
    profiles: tuple[Profile, ...] = (Profile(name=CATCH_ALL),)
    indicators: dict[str, Indicator]
    composites: dict[str, Composite]
    tiers: Tiers
    matrix: Matrix
    held_labels: HeldLabels = HeldLabels()
    lifecycle: Lifecycle
    accounts: Accounts = Accounts()
    lifetime_value: LifetimeValue = LifetimeValue()
    churn_warnings: ChurnWarnings = ChurnWarnings()
    cost_to_serve: CostToServe = CostToServe()
    profitability: Profitability = Profitability()
    segments: Segments = Segments()
    campaigns: Campaigns = Campaigns()
    score_backtest: ScoreBacktest = ScoreBacktest()

    @property
    def profile_names(self) -> tuple[str, ...]:
        """Names of the profiles, first match first."""
        return tuple(profile.name for profile in self.profiles)

    def profile(self, name: str) -> Profile:
        """The profile of that name; KeyError when there is none."""
        for profile in self.profiles:
            if profile.name == name:
                return profile
        raise KeyError(f"no profile {name!r} in crm.yaml; known: {', '.join(self.profile_names)}")

    def indicator(self, profile: str, name: str) -> Indicator:
        """An indicator as it is measured in a profile."""
        base, own = self.indicators[name], self.profile(profile).indicators.get(name)
        if own is None:
            return base
        return base.model_copy(update={
            option: value for option in ("window_days", "half_life_days")
            if (value := getattr(own, option)) is not None
        })

    def indicator_variants(self) -> Iterator[tuple[str, str, Indicator]]:
        """(profile, name, indicator) of every indicator that a profile measures otherwise."""
        for profile in self.profiles:
            for name in profile.indicators:
                yield profile.name, name, self.indicator(profile.name, name)

    def weights(self, profile: str, composite: str) -> dict[str, Decimal]:
        """Weights of the parts of a composite in a profile, in the order of the composite."""
        parts = self.composites[composite].parts
        own = self.profile(profile).composites.get(composite)
        if own is None:
            return dict(parts)
        return {part: own.parts[part] for part in parts if part in own.parts}

    def tier_cuts(self, profile: str) -> TierCuts:
        """Cuts of the tiers in a profile."""
        return self.profile(profile).cuts.tiers or self.tiers

    def matrix_cuts(self, profile: str) -> MatrixCuts:
        """Cuts of the matrix in a profile."""
        return self.profile(profile).cuts.matrix or self.matrix

    @property
    def rfm_measures(self) -> dict[str, RfmMeasure | None]:
        """How recency, frequency and monetary are scored; None: nothing measures it."""
        rfm = self.segments.rfm
        revenue = (name for name, indicator in self.indicators.items()
                   if indicator.column == "net_revenue" and indicator.kind == "sum"
                   and indicator.score.method == "percentile")
        first = next(revenue, None)
        return {
            "recency": rfm.recency, "frequency": rfm.frequency,
            "monetary": rfm.monetary or (RfmMeasure(indicator=first) if first else None),
        }

    def rfm_segment_of_cells(self) -> dict[str, RfmSegment]:
        """Cell (`111` to `555`) -> its segment."""
        return {cell: segment for segment in self.segments.rfm.segments
                for box in segment.where for cell in box.cells()}

    def composites_in_order(self) -> tuple[str, ...]:
        """Names of the composites, each after those it is made of."""
        ordered: dict[str, None] = {}

        def visit(name: str) -> None:
            for part in self.composites[name].parts:
                if part in self.composites and part not in ordered:
                    visit(part)
            ordered[name] = None

        for name in self.composites:
            visit(name)
        return tuple(ordered)

    def decay_half_lives(self) -> tuple[int, ...]:
        """Half-lives in use, in days, ascending."""
        variants = (indicator for _, _, indicator in self.indicator_variants())
        return tuple(sorted({
            indicator.half_life_days
            for indicator in (*self.indicators.values(), *variants)
            if indicator.half_life_days is not None
        }))

    def canonical_text(self) -> str:
        """Everything that touches measures, without words for people, as compact JSON.

        The order of indicators, composites and parts is kept, since the order of published
        columns and the place of a rounding remainder follow it.
        """
        return json.dumps(
            _without_texts(self.model_dump()), separators=(",", ":"), ensure_ascii=False
        )

    @property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical text."""
        return hashlib.sha256(self.canonical_text().encode()).hexdigest()[:16]

    @property
    def measures_hash(self) -> str:
        """See `measures_hash`."""
        return measures_hash(self.canonical_text())

    @classmethod
    def from_canonical(cls, text: str) -> Configuration:
        """Rebuilds a configuration from its canonical text; labels fall back to names.

        Raises:
            ConfigurationError: the text is no configuration this version can use.
        """
        content = json.loads(text, parse_float=Decimal)
        content["matrix"]["cells"] = [
            {"value": value, "loyalty": loyalty, **dict.fromkeys(
                ("name", "traits", "strategy"), dict.fromkeys(("en", "zh"),
                                                              quadrant_name(value, loyalty)))}
            for value in LEVELS for loyalty in LEVELS
        ]
        return checked(frozen(content), cls, broken_rules, "stored configuration")

    def with_texts_of(self, other: Configuration) -> Configuration:
        """The same measures with the words of another configuration, where it has them."""
        return self.model_copy(update={
            "indicators": {
                name: indicator.model_copy(update={"label": words.label, "unit": words.unit})
                if (words := other.indicators.get(name)) else indicator
                for name, indicator in self.indicators.items()
            },
            "composites": {
                name: composite.model_copy(update={"label": named.label})
                if (named := other.composites.get(name)) else composite
                for name, composite in self.composites.items()
            },
            "tiers": self.tiers.model_copy(update={"labels": other.tiers.labels}),
            "matrix": self.matrix.model_copy(update={"cells": other.matrix.cells}),
            "lifecycle": self.lifecycle.model_copy(update={"labels": other.lifecycle.labels}),
            "segments": self._segments_with_texts_of(other),
        })

    def _segments_with_texts_of(self, other: Configuration) -> Segments:
        labels = {named.segment: named.label for named in other.segments.rfm.segments}
        named = tuple(segment.model_copy(update={"label": labels.get(segment.segment)})
                      for segment in self.segments.rfm.segments)
        return self.segments.model_copy(update={
            "rfm": self.segments.rfm.model_copy(update={"segments": named})})

    def dbt_vars(self) -> dict[str, Any]:
        """The variable `crm` of the dbt project; changes only with the configuration."""
        return {"crm": {
            "time_zone": self.business.time_zone,
            "base_currency": self.business.base_currency,
            "fx_carry_days": self.business.fx_carry_days,
            "excluded_customer_types": list(self.exclude.customers.types),
            "excluded_order_channels": list(self.exclude.orders.channels),
            "excluded_order_tags": list(self.exclude.orders.tags),
            "excluded_product_ids": list(self.exclude.orders.product_ids),
            "excluded_product_categories": list(self.exclude.orders.product_categories),
            "population_days": self.population_days,
            "population_events": list(self.population_events),
            "figure_window_days": self.population_figures.window_days,
            "margin_share_without_cost": (
                None if self.lifetime_value.margin_share_without_cost is None
                else str(self.lifetime_value.margin_share_without_cost)),
            "profiles": [
                {"name": profile.name,
                 "customer_types": None if profile.customer_types is None
                 else list(profile.customer_types)}
                for profile in self.profiles
            ],
            "indicators": [
                _dbt_indicator(name, indicator) for name, indicator in self.indicators.items()
            ],
            # Gathered beside the others, under a name that no indicator can have.
            "indicator_variants": [
                {"profile": profile, "variant_of": name}
                | _dbt_indicator(f"{name}__{profile}", indicator)
                for profile, name, indicator in self.indicator_variants()
            ],
            "costs_to_serve": [{"type": name, "amount": f"{price:.4f}"}
                               for name, price in sorted(self.cost_to_serve.types.items())],
            "profitability_days": self.profitability.window_days,
            "minimum_costed_share": f"{self.profitability.minimum_costed_share:.6f}",
            "segment_days": self.segments.window_days,
            "segment_attributes": list(self.segments.attributes),
            "campaign_window_days": self.campaigns.window_days,
            "campaign_response_types": list(self.campaigns.response_types),
        }}

    def label(self, name: str, language: str = "en") -> str:
        """The words for an indicator or composite."""
        part: Indicator | Composite = (
            self.indicators[name] if name in self.indicators else self.composites[name]
        )
        return part.label.in_language(language) if part.label else name.replace("_", " ")


def _dbt_indicator(name: str, indicator: Indicator) -> dict[str, Any]:
    """One indicator as the macros of dbt read it."""
    return {
        "name": name, "kind": indicator.kind, "of": indicator.of, "column": indicator.column,
        "types": list(indicator.types), "channels": list(indicator.channels),
        "instrument": indicator.instrument, "window_days": indicator.window_days,
        "half_life_days": indicator.half_life_days, "absent": indicator.absent_rule,
        "skip_first": indicator.skip_first, "period_days": indicator.period_days,
        "minimum_age_days": indicator.minimum_age_days,
    }


_TEXT_KEYS = frozenset({"label", "labels", "unit", "cells"})


def _without_texts(value: Any, *, is_model: bool = True) -> Any:
    """The dumped model without words and unset options; decimals as numbers.

    A decimal came from the shortest digits of a float, so as a float it keeps them.
    """
    if isinstance(value, dict):
        return {
            key: _without_texts(
                item,
                is_model=not is_model or key not in ("indicators", "composites", "parts", "types"),
            )
            for key, item in value.items()
            if not is_model or (key not in _TEXT_KEYS and item is not None)
        }
    if isinstance(value, tuple | list):
        return [_without_texts(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def measures_hash(canonical_text: str) -> str:
    """Equal for configurations under which a reference and held labels mean the same.

    Sections that are read only when all scores are there do not count: to change one of them
    fits no new reference, and moves no held label.
    """
    content = json.loads(canonical_text)
    counted = {name: part for name, part in content.items() if name not in AFTER_SCORES}
    text = json.dumps(counted, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_configuration(path: Path) -> Configuration:
    """Reads and checks `config/crm.yaml`.

    Raises:
        ConfigurationError: with one line for each fault: file, line, key, what is allowed.
    """
    return load_model(path, Configuration, broken_rules)
