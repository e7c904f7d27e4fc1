"""Made-up configurations and customers for the tests of scoring."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dagster_project.configuration import (
    REQUIRED_COMPOSITES,
    Configuration,
    load_configuration,
)
from dagster_project.scoring.calibration import fit_reference
from dagster_project.scoring.reference import Reference

Configure = Callable[..., Configuration]
Customers = Callable[..., pd.DataFrame]

WORDS = {"en": "words", "zh": "文字"}
VALID_FROM = datetime.date(2026, 1, 1)


@pytest.fixture(scope="session")
def default_configuration() -> Configuration:
    """The configuration a new home begins with."""
    return load_configuration(Path(__file__).parents[2] / "config" / "crm.yaml")


@pytest.fixture(scope="session")
def configure(tmp_path_factory: pytest.TempPathFactory) -> Configure:
    """Makes a configuration of given indicators; composites not given are the first of them."""
    folder = tmp_path_factory.mktemp("config")
    numbers = itertools.count()

    def make(
        indicators: dict[str, Any], composites: dict[str, dict[str, float]] | None = None,
        **sections: Any,
    ) -> Configuration:
        first = next(iter(indicators))
        parts = dict.fromkeys(REQUIRED_COMPOSITES, {first: 1}) | (composites or {})
        content = {
            "business": {"time_zone": "Asia/Shanghai", "base_currency": "CNY"},
            "indicators": indicators,
            "composites": {name: {"parts": weights} for name, weights in parts.items()},
            "tiers": {"high": {"score": 80}, "medium": {"score": 50}},
            "matrix": {"value": {"score": 50}, "loyalty": {"score": 50}, "cells": [
                {"value": value, "loyalty": loyalty, "name": WORDS, "traits": WORDS,
                 "strategy": WORDS}
                for value in ("high", "low") for loyalty in ("high", "low")
            ]},
            "lifecycle": {"loyal_purchases": 3, "loyal_score": 60, "lapsing_gap_factor": 2,
                          "lapsing_minimum_days": 30, "lost_days": 365},
            **sections,
        }
        path = folder / f"crm_{next(numbers)}.yaml"
        path.write_text(json.dumps(content), encoding="utf-8")
        return load_configuration(path)

    return make


@pytest.fixture(scope="session")
def customers() -> Customers:
    """Makes customer_features of given columns; the others say that nothing was measured."""

    def make(configuration: Configuration, **columns: Any) -> pd.DataFrame:
        rows = max((len(values) for values in columns.values() if isinstance(values, list)),
                   default=1)
        frame = {
            "customer_key": [f"{row:032x}" for row in range(rows)],
            "as_of_date": [datetime.date(2026, 1, 31)] * rows,
            "profile": ["all"] * rows,
            "purchases_n": [1] * rows,
            "median_gap_days": [np.nan] * rows,
            "days_since_last_purchase": [10.0] * rows,
            "is_in_population": [True] * rows,
        }
        for name, indicator in configuration.indicators.items():
            frame[f"{name}__value"] = [np.nan] * rows
            if indicator.kind == "mean_answer":
                frame[f"{name}__n"] = [np.nan] * rows
        for name, values in columns.items():
            frame[name] = values if isinstance(values, list) else [values] * rows
        return pd.DataFrame(frame)

    return make


@pytest.fixture(scope="session")
def fitted() -> Callable[[Any, Configuration], Reference]:
    """Fits a reference on features."""

    def fit(features: Any, configuration: Configuration) -> Reference:
        return fit_reference(features, configuration, reference_id="r1", valid_from=VALID_FROM)

    return fit


@pytest.fixture(scope="session")
def many(default_configuration: Configuration) -> Callable[..., pd.DataFrame]:
    """Draws customers with every indicator of the default configuration, some not measured."""

    def draw(rows: int, seed: int) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        purchases = random.poisson(1.5, rows)
        frame: dict[str, Any] = {
            "customer_key": [f"{seed:08x}{row:024x}" for row in range(rows)],
            "as_of_date": [datetime.date(2026, 1, 31)] * rows,
            "profile": ["all"] * rows,
            "purchases_n": purchases,
            "days_since_last_purchase": np.where(
                purchases > 0, random.integers(0, 600, rows), np.nan),
            "median_gap_days": np.where(purchases > 1, random.integers(2, 200, rows) / 2, np.nan),
            "is_in_population": random.random(rows) < 0.8,
        }
        for name, indicator in default_configuration.indicators.items():
            is_measured = random.random(rows) < 0.6
            if indicator.kind == "mean_answer":
                values = random.integers(0, 1_000_001, rows) / 10_000
                frame[f"{name}__n"] = np.where(
                    is_measured, random.integers(1, 5_000_000, rows) / 1e6, np.nan)
            elif indicator.is_money:
                values = random.integers(-5_000, 500_000, rows) / 100
            else:
                values = random.poisson(1, rows) * 1.0
            frame[f"{name}__value"] = np.where(is_measured, values, np.nan)
        return pd.DataFrame(frame)

    return draw
