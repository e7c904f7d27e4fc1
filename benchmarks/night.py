"""Time and memory of two nights, stage by stage, beside the floor, measured in the same run.

    python benchmarks/night.py --customers 1000000 --days 730 --folder DIR

Makes a sample home in DIR (kept; delete it yourself), runs the floor, the first night (which loads
everything), the next one (which loads nothing, and explains what changed), the floor again, and
prints a table in Markdown. Memory is that of the whole process tree: the sum of proportional set
sizes, looked at twice a second.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

PROGRAMS = Path(sys.executable).parent
END, NEXT = "2026-11-20", "2026-11-21"
LOOK_SECONDS = 0.5


@dataclass
class Measured:
    """One finished command."""

    seconds: float
    peak_gb: float
    output: str
    stages: dict[str, float] = field(default_factory=dict)


def tree_gb(root: int) -> float:
    """Memory of a process and all its children, shared pages counted once, in GB."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        waiting += parents.get(process, [])
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        total += int(match.group(1)) if match else 0
    return total / 1024**2


def measured(command: list[str]) -> Measured:
    """Run a command; its time, the peak memory of its tree, its output."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak = {"gb": 0.0}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            peak["gb"] = max(peak["gb"], tree_gb(process.pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    output, _ = process.communicate()
    ended.set()
    watcher.join()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{output[-3000:]}")
    return Measured(time.monotonic() - begin, peak["gb"], output)


def step_seconds(home: Path, run_id: str) -> dict[str, float]:
    """Seconds of each step of a run, from Dagster's own history."""
    os.environ["DAGSTER_HOME"] = str(home / "state" / "dagster")
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        stats = instance.get_run_step_stats(run_id)
    return {entry.step_key: entry.end_time - entry.start_time for entry in stats
            if entry.start_time and entry.end_time}


def run_night(crm_value: list[str], home: Path, night: str) -> Measured:
    """Run one night; with the seconds of its steps."""
    found = measured([*crm_value, "run", "--date", night])
    run_id = re.search(r"\(run ([0-9a-f-]{36})\)", found.output)
    return replace(found, stages=step_seconds(home, run_id.group(1)) if run_id else {})


def main() -> None:
    """Measure once and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    # Dagster finds its instance by an absolute path only.
    home = options.folder.resolve() / "home"
    crm_value = [str(PROGRAMS / "crm-value"), "--home", str(home)]
    if not (home / "state" / "sample_manifest.json").exists():
        measured([*crm_value, "init", str(home), "--sample"])
        made = measured([*crm_value, "sample", "--customers", str(options.customers),
                         "--days", str(options.days), "--end", END])
        sys.stdout.write(f"sample: {made.seconds:.0f} s, {made.peak_gb:.2f} GB\n")
    floor_command = [sys.executable, str(Path(__file__).with_name("floor.py")),
                     str(home / "landing"), str(options.folder / "floor.duckdb"), "3GB",
                     str(os.cpu_count() or 1)]
    before = measured(floor_command)
    nights = [run_night(crm_value, home, night) for night in (END, NEXT)]
    after = measured(floor_command)
    floor = (before.seconds + after.seconds) / 2
    lines = ["| stage | first night | x floor | next night | x floor |",
             "|---|---:|---:|---:|---:|"]
    for name in dict.fromkeys(name for night in nights for name in night.stages):
        cells = [f"{night.stages[name]:.1f} | {night.stages[name] / floor:.2f}"
                 if name in night.stages else " | " for night in nights]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    whole = " | ".join(f"{night.seconds:.1f} | {night.seconds / floor:.2f}" for night in nights)
    lines.append(f"| whole night, start-up included | {whole} |")
    lines.append(f"| floor (before {before.seconds:.1f}, after {after.seconds:.1f}) "
                 f"| {floor:.1f} | 1.00 | {floor:.1f} | 1.00 |")
    lines.append("")
    lines.append(f"Peak memory of the process tree: nights "
                 f"{' and '.join(f'{night.peak_gb:.2f}' for night in nights)} GB, floor "
                 f"{max(before.peak_gb, after.peak_gb):.2f} GB.")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
