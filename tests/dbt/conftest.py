"""The made-up night, built once for all tests of this folder."""

from __future__ import annotations

import pytest
from builds import AS_OF, Build
from made_up_night import CRM, NIGHT, RAW


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The night of AS_OF."""
    night = Build(tmp_path_factory.mktemp("dbt"))
    night.write(RAW, NIGHT | {"night_inputs": [{"as_of_date": AS_OF}]})
    night.run(CRM)
    return night
