"""What every test run ends with: how many faults were injected."""

from __future__ import annotations

from typing import Any

INJECTED = "faults injected"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line a test that injected faults, and their sum; workers hand their counts over."""
    counts = {
        report.nodeid: value
        for reports in terminalreporter.stats.values() for report in reports
        for name, value in getattr(report, "user_properties", ()) if name == INJECTED
    }
    if not counts:
        return
    terminalreporter.section(INJECTED)
    for test, count in sorted(counts.items()):
        terminalreporter.write_line(f"{count:6} {test}")
    terminalreporter.write_line(f"{sum(counts.values()):6} in all")
