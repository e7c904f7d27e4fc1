"""Time of fitting and applying the lifetime models, beside that of another library.

    python benchmarks/lifetime.py --data DIR [--compare PYTHON]

DIR holds CDNOW_sample.txt and CDNOW_master.txt. Measured are the 2,357 customers of the sample, the
23,570 of the master (both calibrated to 1997-09-30) and 1,000,000 made-up buyers: collapse to
unique summaries, fit of MBG/NBD and of Gamma-Gamma, values of every customer. PYTHON is the
interpreter of an environment that has pymc-marketing; it fits BG/NBD by MAP on the same sample in
the same run. Prints a table in Markdown: seconds, and processor seconds behind them, which can be
compared on a busy machine, too.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.scoring.exact import Real
from dagster_project.scoring.lifetime.margin_model import (
    MarginModel,
    MarginSummaries,
    fit_margin_model,
)
from dagster_project.scoring.lifetime.purchase_model import (
    PurchaseModel,
    PurchaseSummaries,
    fit_purchase_model,
)
from dagster_project.scoring.lifetime.values import discounted_purchases, discounts, month_ends

CALIBRATED_TO = pd.Timestamp(1997, 9, 30)
MADE_UP = 1_000_000

# Run by the other interpreter; fits once before, so that compiling is measured apart.
OTHER = """
import logging, sys, time
logging.disable(logging.WARNING)
import pandas as pd
from pymc_marketing import clv
data = pd.read_csv(sys.argv[1])
for name in ("first fit, compiling", "second fit"):
    began, used = time.perf_counter(), time.process_time()
    model = clv.BetaGeoModel(data=data)
    model.fit(method="map", progressbar=False)
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    found = model.fit_result if hasattr(model, "fit_result") else model.idata.posterior
    values = ", ".join(f"{p} {float(found[p].mean()):.3f}" for p in ("r", "alpha", "a", "b"))
    print(f"{name}|{seconds:.2f} ({processor:.2f})|{values}")
"""


def cdnow(path: Path) -> tuple[Real, Real, Real, Real]:
    """x, t_x and T in days, and mean spend of a purchase day, up to the calibration."""
    is_sample = path.name == "CDNOW_sample.txt"
    names = [*(["master"] if is_sample else []), "customer", "day", "discs", "spent"]
    rows = pd.read_csv(path, sep=r"\s+", header=None, names=names, skiprows=0 if is_sample else 1)
    rows["day"] = pd.to_datetime(rows["day"].astype(str), format="%Y%m%d")
    days = rows[rows["day"] <= CALIBRATED_TO].groupby(["customer", "day"])["spent"].sum()
    of = days.reset_index().groupby("customer")
    first, last = of["day"].min(), of["day"].max()
    return ((of["day"].count() - 1).to_numpy(np.float64),
            (last - first).dt.days.to_numpy(np.float64),
            (CALIBRATED_TO - first).dt.days.to_numpy(np.float64),
            of["spent"].mean().to_numpy(np.float64))


def made_up(buyers: int) -> tuple[Real, Real, Real, Real]:
    """Buyers of two years who leave after a purchase, the first among them; whole days."""
    random = np.random.default_rng(1)
    age = random.integers(0, 730, buyers).astype(np.float64)
    rate, chance = random.gamma(0.8, 1 / 60, buyers), random.beta(0.9, 2.5, buyers)
    repeats, last, now = (np.zeros(buyers) for _ in range(3))
    active = np.arange(buyers)
    while len(active):
        active = active[random.random(len(active)) > chance[active]]
        now[active] += np.ceil(random.exponential(1, len(active)) / rate[active])
        active = active[now[active] <= age[active]]
        repeats[active] += 1
        last[active] = now[active]
    own = random.gamma(3, 1 / 20, buyers)
    margin = random.gamma(4 * (repeats + 1), 1 / own) / (repeats + 1)
    return repeats, last, age, margin.round(4)


def clocks() -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    return time.perf_counter(), time.process_time()


def measured(name: str, data: tuple[Real, Real, Real, Real]) -> str:
    """One row of the table."""
    x, t_x, age, mean = data
    times = [clocks()]
    summaries = PurchaseSummaries.of(x, t_x, age)
    margins = MarginSummaries.of(x + 1, mean)
    times.append(clocks())
    purchase_fit = fit_purchase_model("mbg_nbd", summaries)
    times.append(clocks())
    margin_fit = fit_margin_model(margins)
    times.append(clocks())
    model = PurchaseModel("mbg_nbd", *purchase_fit.parameters)
    ends = month_ends(365)
    values = (model.p_alive(x, t_x, age)
              * discounted_purchases(model.purchases_if_alive(x, age, ends), discounts(ends, 0.1))
              * MarginModel(*margin_fit.parameters).margin_per_purchase(x + 1, mean))
    times.append(clocks())
    if not (purchase_fit.is_converged and margin_fit.is_converged and (values >= 0).all()):
        raise SystemExit(f"{name}: no valid fit: {purchase_fit}, {margin_fit}")
    steps = " | ".join(f"{after[0] - before[0]:.2f} ({after[1] - before[1]:.2f})"
                       for before, after in itertools.pairwise(times))
    found = ", ".join(f"{number:.4g}" for number in purchase_fit.parameters)
    return f"| {name} | {len(x):,} | {len(summaries.age):,} | {steps} | {found} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--compare", type=Path)
    arguments = parser.parse_args()
    write = sys.stdout.write
    write("| buyers | customers | unique summaries | collapse s | fit purchases s | fit margin s | "
          "values s | r, alpha, a, b (days) |\n|---|---|---|---|---|---|---|---|\n")
    sample = cdnow(arguments.data / "CDNOW_sample.txt")
    for name, data in (("CDNOW sample", sample),
                       ("CDNOW master", cdnow(arguments.data / "CDNOW_master.txt")),
                       ("made up", made_up(MADE_UP))):
        write(measured(name, data) + "\n")
    if arguments.compare:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sample.csv"
            pd.DataFrame({"customer_id": np.arange(len(sample[0])), "frequency": sample[0],
                          "recency": sample[1] / 7, "T": sample[2] / 7}).to_csv(path, index=False)
            other = subprocess.run([str(arguments.compare), "-c", OTHER, str(path)],
                                   check=True, capture_output=True, text=True)
        write("\n| pymc-marketing, BG/NBD by MAP, CDNOW sample, weeks | s | parameters |\n"
              "|---|---|---|\n")
        for line in other.stdout.splitlines():
            if line.count("|") == 2:
                write(f"| {' | '.join(line.split('|'))} |\n")


if __name__ == "__main__":
    main()
