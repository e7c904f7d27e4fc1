"""`crm-value doctor`: is this home, on this machine, ready for a night? One finding a line.

Looks only: it starts nothing, mends nothing and needs no network.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dagster_project.engine.embedded import WrongSecret, require_secret
from dagster_project.engine.inspection import engine_version, hour_there, state_of
from dagster_project.engine.publication import STORAGE_VERSION
from dagster_project.engine.stores import StoreUnreadable
from dagster_project.engine.writer_lock import holder_now
from dagster_project.operation.disk import free_bytes, megabytes, need_of_night
from dagster_project.operation.machine import memory_bytes
from dagster_project.settings import Home, SecretMissing
from dagster_project.yaml_file import ConfigurationError

# Packages of one release; those of Dagster's integrations count 16 minors behind (1.13 is 0.29).
DAGSTER_CORE = ("dagster", "dagster-shared", "dagster-pipes", "dagster-graphql",
                "dagster-webserver")
DAGSTER_INTEGRATIONS = ("dagster-dbt",)
INTEGRATION_MINORS = 16
# Python, dbt and the file cache need the rest.
LARGEST_MEMORY_SHARE = 0.8
UNITS = {"MB": 10**6, "GB": 10**9}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PROCESSES = Path("/proc")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `advice` is empty where it is as it should be.

    Attributes:
        is_seen: whether this machine lets it be looked at.
    """

    what: str
    advice: str = ""
    is_seen: bool = True

    @property
    def is_ok(self) -> bool:
        """Nothing needs to be done."""
        return not self.advice

    @property
    def line(self) -> str:
        """As people read it."""
        if not self.is_seen:
            return f"not seen      {self.what}"
        return f"ok            {self.what}" if self.is_ok else \
            f"look at this  {self.what}. {self.advice}"


def examine(home: Home, unfinished_runs: Callable[[], Sequence[str]]) -> Iterator[Finding]:
    """Look at a home and its machine.

    Args:
        home: its folders may be missing or unreadable.
        unfinished_runs: runs that Dagster believes are going on.
    """
    yield from _versions()
    if not home.config.is_dir():
        yield Finding(f"{home.folder} is no home: it has no config/ folder",
                      f"Make one with: crm-value init {home.folder}")
        return
    faults = list(_configuration(home))
    yield from faults
    yield from _folders(home)
    if not all(finding.is_ok for finding in faults):
        # What follows needs the settings.
        return
    yield from _secret(home)
    yield from _stores(home)
    yield from _runs(home, unfinished_runs)
    yield from _machine(home)
    yield from _time_zone(home)
    yield from _web_servers()


def _versions() -> Iterator[Finding]:
    yield Finding(f"engine: duckdb {engine_version()}")
    found = {name: _version(name) for name in (*DAGSTER_CORE, *DAGSTER_INTEGRATIONS)}
    core = found["dagster"]
    expected = dict.fromkeys(DAGSTER_CORE, core) | {
        name: _integration_version(core) for name in DAGSTER_INTEGRATIONS}
    other = [f"{name} {found[name] or 'is missing'}" for name in found
             if found[name] != expected[name]]
    yield Finding(f"dagster {core}" + (f", but {', '.join(other)}" if other else
                                       " and its siblings are of one release"),
                  "Install what requirements.lock pins, without changes" if other else "")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _integration_version(core: str) -> str:
    parts = core.split(".")
    if len(parts) < 3 or not parts[1].isdigit():
        return core
    return ".".join(["0", str(int(parts[1]) + INTEGRATION_MINORS), *parts[2:]])


def _configuration(home: Home) -> Iterator[Finding]:
    for name, read in (("home.yaml", lambda: home.settings),
                       ("crm.yaml", lambda: home.configuration),
                       ("sources.yaml", lambda: home.sources)):
        try:
            read()
        except ConfigurationError as error:
            for fault in error.faults:
                yield Finding(fault, "Correct it, then look again")
        else:
            yield Finding(f"config/{name} can be used")


def _folders(home: Home) -> Iterator[Finding]:
    for folder in (home.landing, home.state, home.warehouse):
        if not folder.is_dir():
            yield Finding(f"{folder} does not exist", "A run makes it, empty; if there was one, "
                                                      "restore it first")
        elif not os.access(folder, os.W_OK | os.X_OK | os.R_OK):
            yield Finding(f"{folder} cannot be written by this user",
                          "Run as the user who owns the home, or give it the rights")
    if home.state.is_dir():
        mode = stat.S_IMODE(home.state.stat().st_mode)
        yield Finding(f"state/ has the rights {mode:o}",
                      f"Others can read identities in clear: chmod 700 {home.state}"
                      if mode & 0o077 else "")


def _secret(home: Home) -> Iterator[Finding]:
    try:
        secret = home.secret
    except SecretMissing as error:
        yield Finding("the secret is not set", str(error))
        return
    if home.settings.sample_data:
        yield Finding("the home holds made-up data and has a fixed key")
    elif not home.stores.vault.exists():
        yield Finding("CRM_HOME_SECRET is set; the first run takes it")
    else:
        try:
            require_secret(home.stores, secret)
            yield Finding("CRM_HOME_SECRET is the one this home was made with")
        except WrongSecret as error:
            yield Finding("CRM_HOME_SECRET does not fit this home", str(error))
        except StoreUnreadable:
            yield Finding("CRM_HOME_SECRET is set; whether it fits cannot be seen now")


def _stores(home: Home) -> Iterator[Finding]:
    stores, busy = home.stores, holder_now(home.lock_file)
    leftover = stores.publication.with_name(stores.publication.name + ".wal")
    if leftover.exists():
        yield Finding(f"{leftover} lies there: a program has the warehouse open for writing",
                      "Have BI tools open it read-only; close the program, then delete that file")
    for path, cure in (
        (stores.raw, "Restore raw and vault: crm-value restore --backup DIR"),
        (stores.vault, "Restore raw and vault: crm-value restore --backup DIR"),
        (stores.build, "It is disposable: delete it, the next night makes it anew"),
        (stores.publication, "Put an earlier one back: crm-value restore PUBLICATION"),
        (stores.status, "It is disposable: delete it, the next run makes it anew"),
    ):
        if not path.exists():
            continue
        seen = state_of(stores, path)
        if seen.fault and busy:
            yield Finding(f"{path.name} is in use by a run")
        elif seen.fault:
            yield Finding(seen.fault.rstrip("."), cure)
        elif path == stores.publication and not seen.storage.startswith(STORAGE_VERSION):
            yield Finding(f"{path.name} has the storage version {seen.storage}",
                          "Older BI drivers cannot open it; the next night writes "
                          f"{STORAGE_VERSION}")
        else:
            yield Finding(f"{path.name} can be opened (storage {seen.storage}, "
                          f"{megabytes(path.stat().st_size)})")


def _runs(home: Home, unfinished_runs: Callable[[], Sequence[str]]) -> Iterator[Finding]:
    busy = holder_now(home.lock_file)
    yield Finding(f"the writer's lock is held by {busy}" if busy
                  else "nobody holds the writer's lock")
    runs = list(unfinished_runs()) if (home.dagster_home / "dagster.yaml").exists() else []
    if runs and not busy:
        yield Finding(f"{len(runs)} runs are marked as going on, and no process does: "
                      f"{', '.join(runs[:3])}",
                      "A crash left them. The next run fails them in the history, and so does "
                      "lost_runs_sensor where the service runs; to do so now: Runs, Terminate, "
                      "on its web page")
    else:
        yield Finding("no run was left behind by a crash")


def _machine(home: Home) -> Iterator[Finding]:
    need = need_of_night(home)
    for folder in (home.state, home.warehouse):
        if folder.is_dir():
            free = free_bytes(folder)
            yield Finding(
                f"{megabytes(free)} are free for {folder.name}/, a night may need "
                f"{megabytes(need.total)}",
                f"That is {need.words}: make room, or the night is refused"
                if free < need.total else "")
    memory, limit = memory_bytes(), _bytes(home.limits.memory)
    yield Finding(
        f"the engine may use {home.limits.memory} of {megabytes(memory)} of memory",
        f"State at most {memory * LARGEST_MEMORY_SHARE / 1e9:.1f}GB as memory_limit in "
        f"config/home.yaml, or the system may end the night"
        if limit > LARGEST_MEMORY_SHARE * memory else "")


def _bytes(limit: str) -> int:
    match = re.fullmatch(r"([\d.]+)(MB|GB)", limit)
    assert match is not None, "settings let only such limits through"
    return int(float(match.group(1)) * UNITS[match.group(2)])


def _time_zone(home: Home) -> Iterator[Finding]:
    """Days begin where Python and the engine agree that they do."""
    name = home.configuration.business.time_zone
    year = datetime.now(UTC).year
    months = [datetime(year, month, 15, 12, tzinfo=UTC) for month in range(1, 13)]
    zone = ZoneInfo(name)
    differing = [moment for moment in months
                 if hour_there(home.stores, name, moment)
                 != moment.astimezone(zone).replace(tzinfo=None)]
    yield Finding(
        f"time-zone data know {name}" if not differing else
        f"the engine and Python do not agree on the time in {name} in {differing[0]:%B %Y}",
        "Bring the package tzdata and the engine up to date" if differing else "")


def _web_servers() -> Iterator[Finding]:
    """Dagster's web pages of this user on this machine, by their command lines."""
    if not PROCESSES.is_dir():
        yield Finding("whether a web page of Dagster is open to other machines: this system does "
                      "not show command lines in /proc", is_seen=False)
        return
    for command in _dagster_commands():
        host = _host_of(command)
        if host not in LOOPBACK:
            yield Finding(f"Dagster's web page listens on {host}",
                          "It has no login, and whoever reaches it can start runs: let it listen "
                          "on 127.0.0.1, with a proxy that asks who it is in front")
            return
    yield Finding("no web page of Dagster is open to other machines")


def _dagster_commands() -> Iterator[list[str]]:
    for path in PROCESSES.glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        names = [Path(part).name for part in command[:4]]
        if "dagster-webserver" in names or "dagster_webserver" in names or (
                "dagster" in names and "dev" in command):
            yield command


def _host_of(command: Sequence[str]) -> str:
    """The address of a command line; Dagster's own default is loopback."""
    for position, part in enumerate(command):
        if part in ("-h", "--host") and position + 1 < len(command):
            return command[position + 1]
        if part.startswith("--host="):
            return shlex.split(part)[0].partition("=")[2]
    return LOOPBACK[0]
