"""The way of a data engineer through Dagster's page: a night that fails, and its repair.

The gate must hold whoever starts what in the page, and its words must be read there.
"""

from __future__ import annotations

import pytest

from browser.conftest import DEFECT_NIGHT
from browser.pages import DagsterPages
from nights.homes import TrialHome

pytestmark = pytest.mark.browser

HEADER = ("interaction_id", "customer_id", "occurred_at", "type")
ROWS_N, DAMAGED_N = 60, 40


def _deliver(home: TrialHome, damaged_n: int) -> None:
    home.drop(
        f"interactions/interactions_late_{DEFECT_NIGHT}.csv", HEADER,
        [[f"I-{n}", "C1000000001", f"{DEFECT_NIGHT} 10:00:00" if n >= damaged_n else "whenever",
          "visit"] for n in range(ROWS_N)])


def test_a_night_is_started_refused_repaired_and_published_in_the_browser(
        pages: DagsterPages, defective_home: TrialHome) -> None:
    home = defective_home
    _deliver(home, DAMAGED_N)

    refused = pages.launch_job("nightly", DEFECT_NIGHT)
    assert pages.end_of(refused) == "Failure"
    words = pages.words_of(refused)
    assert "rejected_share_within_bound" in words
    assert f"interactions/interactions_late_{DEFECT_NIGHT}.csv" in words
    assert "crm-value repair" in words
    assert not home.publication.exists()

    bypass = pages.launch_assets('key:"crm/*"', DEFECT_NIGHT)
    assert pages.end_of(bypass) == "Failure"
    words = pages.words_of(bypass)
    # Below a stack nobody reads them.
    assert 0 < words.find("rejected_share_within_bound") < words.find("Stack Trace")
    assert not home.publication.exists()

    written = home.folder / "repair"
    home.crm("rejected", "--write", str(written)).expect(0)
    [file] = [path for path in written.glob("interactions_*")
              if path.read_text(encoding="utf-8").count("whenever") == DAMAGED_N]
    file.write_text(file.read_text(encoding="utf-8").replace(
        "whenever", f"{DEFECT_NIGHT} 10:00:00"), encoding="utf-8")
    home.crm("repair", str(file)).expect(0)

    repaired = pages.launch_job("nightly", DEFECT_NIGHT)
    assert pages.end_of(repaired) == "Success"
    [published] = home.query("select publication_id, run_id from crm.publication "
                             "where is_current")
    assert published == {"publication_id": 1, "run_id": repaired}
    [late] = home.query("select counted from crm.reconciliation "
                        "where source = 'interactions' and measure = 'rows'")
    assert late["counted"] >= ROWS_N
