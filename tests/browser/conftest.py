"""Dagster's own web page over one home, and a real browser that looks at it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser.pages import DagsterPages
from nights.homes import PROGRAMS, PROJECT, TrialHome, environment, make_sample_home

START_SECONDS = 240
CHROMIUM_FLAGS = (
    # Root has no sandbox of its own; the page is ours, and nothing else is looked at.
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)
DEFECT_NIGHT = "2026-11-18"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium as the machine has it; tools that bring their own download it."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "no Chromium on this machine; Debian: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def defective_home(tmp_path_factory: pytest.TempPathFactory) -> TrialHome:
    """A home whose newest file of interactions holds rows without a time."""
    home = make_sample_home(tmp_path_factory.mktemp("browser") / "home")
    home.deliver(date.fromisoformat(DEFECT_NIGHT))
    home.edit("home.yaml", "maximum_rejected_share: 0.5", "maximum_rejected_share: 0.05")
    return home


@pytest.fixture(scope="session")
def served(defective_home: TrialHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of `dagster dev` over the home, as make dev starts it."""
    port = _free_port()
    variables = environment(
        CRM_HOME=str(defective_home.folder), DO_NOT_TRACK="1", GX_ANALYTICS_ENABLED="false",
        DAGSTER_HOME=str(defective_home.folder / "state" / "dagster"))
    log = tmp_path_factory.mktemp("dagster") / "log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [str(PROGRAMS / "dagster"), "dev", "-w", "workspace.yaml", "-h", "127.0.0.1",
             "-p", str(port)],
            cwd=PROJECT, env=variables, stdout=said, stderr=said, start_new_session=True)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process, log)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(60)


@pytest.fixture
def pages(browser: Browser, served: str, tmp_path: Path) -> Iterator[DagsterPages]:
    """What a person does with the pages; what was seen last stays as a picture."""
    page = browser.new_page(viewport={"width": 1500, "height": 950})
    yield DagsterPages(page, served)
    page.screenshot(path=tmp_path / "last.png")
    page.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, f"dagster dev ended: {log.read_text()[-2000:]}"
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.5)
    raise TimeoutError(f"dagster dev does not answer: {log.read_text()[-2000:]}")
