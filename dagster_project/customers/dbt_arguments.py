"""How dbt is called for a night: arguments and environment. Who calls is not known here.

The configuration travels as one canonical JSON, so that dbt parses anew only when it changes.
Date and knowledge travel in `night.night_inputs`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def dbt_arguments(configuration_vars: Mapping[str, Any]) -> list[str]:
    """Arguments of dbt for one night: all models and their data tests.

    Args:
        configuration_vars: what `configuration.dbt_vars()` returns: one key, `crm`.

    Returns:
        The command and its options; equal configurations give equal text.

    Raises:
        ValueError: `crm` is missing, or stands beside something else.
    """
    if set(configuration_vars) != {"crm"}:
        raise ValueError(
            f"dbt vars have the keys {sorted(configuration_vars)}, must be ['crm']: "
            "pass what configuration.dbt_vars() returns"
        )
    canonical = json.dumps(
        configuration_vars, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return ["build", "--exclude-resource-type", "unit_test", "--vars", canonical]


def dbt_environment(
    build_path: Path,
    raw_path: Path,
    memory_limit: str,
    threads: int,
    temp_directory: Path,
    target_path: Path,
) -> dict[str, str]:
    """Environment variables for dbt's process, to be added to the caller's own.

    Args:
        build_path: file that is built.
        raw_path: file that is read, attached read-only.
        memory_limit: as DuckDB writes it, for example `2GB`.
        threads: threads within one statement.
        temp_directory: where a statement spills what memory does not hold.
        target_path: dbt's own files (manifest, run results, log): private, they quote values.
    """
    return {
        # dbt ends itself when the process that started it is gone (engine/bound_models.py).
        "CRM_STARTED_BY": str(os.getpid()),
        "CRM_BUILD_PATH": str(build_path),
        "CRM_RAW_PATH": str(raw_path),
        "CRM_MEMORY_LIMIT": memory_limit,
        "CRM_THREADS": str(threads),
        "CRM_TEMP_DIRECTORY": str(temp_directory),
        "DBT_TARGET_PATH": str(target_path),
        "DBT_LOG_PATH": str(target_path),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
