"""The dbt project's manifest, made anew whenever a file of the project has changed.

Dagster reads the models from the manifest when definitions are loaded.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from dagster_project.refusals import NotFinished
from dagster_project.settings import DBT_PROJECT

SOURCE_SUFFIXES = (".sql", ".yml", ".md")


class ModelsUnreadable(NotFinished):
    """dbt cannot parse the project; the text has its last lines."""


def dbt_executable() -> str:
    """dbt of the environment that runs us, whatever PATH says."""
    return str(Path(sys.executable).parent / "dbt")


def manifest_path(project: Path = DBT_PROJECT) -> Path:
    """Path of a manifest that matches the project's files.

    Raises:
        ModelsUnreadable: dbt cannot parse the project.
    """
    target = project / "target"
    manifest, mark = target / "manifest.json", target / "manifest.sources"
    target.mkdir(exist_ok=True)
    digest = _digest(project)
    with (target / ".parse.lock").open("w") as lock:
        # Two processes that start at once parse once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not manifest.exists() or not mark.exists() or mark.read_text() != digest:
            _parse(project, target)
            mark.write_text(digest)
    return manifest


def _digest(project: Path) -> str:
    files = sorted(path for path in project.rglob("*")
                   if path.suffix in SOURCE_SUFFIXES and "target" not in path.parts
                   and path.is_file())
    contents = {path.relative_to(project).as_posix():
                hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def _parse(project: Path, target: Path) -> None:
    finished = subprocess.run(
        [dbt_executable(), "parse", "--no-partial-parse", "--warn-error",
         "--project-dir", str(project), "--profiles-dir", str(project),
         "--target-path", str(target)],
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
             "DBT_LOG_PATH": str(target)},
        capture_output=True, text=True, check=False,
    )
    if finished.returncode != 0:
        lines = (finished.stdout + finished.stderr).splitlines()[-30:]
        raise ModelsUnreadable("dbt cannot parse the models:\n" + "\n".join(lines))
