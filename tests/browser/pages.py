"""What a person does with Dagster's pages: choose assets and a night, launch, look at the run.

No expectation stands in this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from playwright.sync_api import Page, expect

LOOK_MS = 120_000
RUN_MS = 400_000
ENDED = re.compile("^(Success|Failure|Canceled)$")


@dataclass(frozen=True)
class DagsterPages:
    """One tab of a browser on a Dagster server."""

    page: Page
    address: str

    def launch_job(self, job: str, night: str) -> str:
        """Materialise all of a job's assets for one night; the run's id."""
        return self._launch(f"/locations/crm/jobs/{job}", night)

    def launch_assets(self, selection: str, night: str) -> str:
        """Materialise the assets of a selection alone; the run's id."""
        return self._launch(f"/asset-groups~{quote(selection, safe='')}/", night)

    def end_of(self, run_id: str) -> str:
        """Wait for the end of a run on its own page; the word of its state."""
        self.page.goto(f"{self.address}/runs/{run_id}")
        state = self.page.get_by_text(ENDED).first
        expect(state).to_be_visible(timeout=RUN_MS)
        return state.inner_text().strip()

    def words_of(self, run_id: str) -> str:
        """What the run's page tells of its failure."""
        self.page.goto(f"{self.address}/runs/{run_id}?logFileKey=&logs=type%3ARUN_FAILURE")
        row = self.page.get_by_text("Execution of run for").first
        expect(row).to_be_visible(timeout=LOOK_MS)
        return self.page.inner_text("body")

    def _launch(self, path: str, night: str) -> str:
        before = self._newest_run()
        self.page.goto(self.address + path)
        self.page.get_by_role("button", name="Materialize all").click(timeout=LOOK_MS)
        dialog = self.page.get_by_role("dialog")
        field = dialog.get_by_role("textbox").first
        field.fill(night, timeout=LOOK_MS)
        field.press("Enter")
        dialog.get_by_role("button", name="Launch 1 run").click(timeout=LOOK_MS)
        expect(dialog).to_be_hidden(timeout=LOOK_MS)
        newest = self._newest_run()
        if newest is None or newest == before:
            raise RuntimeError(f"{path} launched no run; the newest is {newest}")
        return newest

    def _newest_run(self) -> str | None:
        self.page.goto(f"{self.address}/runs")
        links = self.page.locator("a[href^='/runs/']:not([href*='?'])")
        nothing = self.page.get_by_text("No runs")
        expect(links.first.or_(nothing.first)).to_be_visible(timeout=LOOK_MS)
        if not links.count():
            return None
        href = links.first.get_attribute("href")
        return href.removeprefix("/runs/") if href else None
