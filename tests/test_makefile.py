"""The verbs of the Makefile: what documents tell people to type is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _make(*arguments: str) -> str:
    return subprocess.run(["make", "--no-print-directory", *arguments], cwd=ROOT, text=True,
                          capture_output=True, check=True).stdout


def test_every_verb_that_documents_name_is_listed() -> None:
    listed = set(re.findall(r"^  make ([a-z-]+) ", _make("help"), re.MULTILINE))
    named = {verb for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
             for verb in re.findall(r"(?:`|^ +)make ([a-z-]+)", path.read_text(encoding="utf-8"),
                                    re.MULTILINE)}
    assert {"install", "demo", "test", "dev", "help"} <= named <= listed | {"help"}


def test_set_up_of_ones_own_data_is_all_that_the_other_verbs_need() -> None:
    """Whoever began with `make install` has nothing left to set up, and the reverse."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    steps = readme.split("## Your own data in ten minutes", 1)[1]
    assert steps.index("make install") < steps.index(".venv/bin/crm-value")
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    for verb in ("install", "demo", "dev", "test"):
        assert re.search(rf"^{verb}: \$\(READY\) ##", rules, re.MULTILINE), verb
