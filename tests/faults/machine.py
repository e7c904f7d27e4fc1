"""A disk of few megabytes and a network that leads nowhere: Linux, and its superuser."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own, mounted at a folder that is made."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
                   check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, left: int) -> Path:
    """Leave so many bytes free on the disk of a folder; the file in it that takes the others."""
    ballast = folder / "ballast"
    free = shutil.disk_usage(folder).free
    ballast.write_bytes(bytes(max(0, free - left)))
    return ballast


class NoNetwork:
    """A network without any way out, of a process that lives as long as the block.

    Attributes:
        process: its number.
    """

    def __init__(self) -> None:
        """Takes the superuser."""
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"],
            stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        self._holder.stdout.readline()
        self.process = self._holder.pid

    def __enter__(self) -> NoNetwork:
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.wait()

    def has(self, process: BaseProcess) -> bool:
        """Whether a process that runs comes into this network before it ends."""
        own = Path(f"/proc/{self.process}/ns/net").readlink()
        while process.is_alive():
            with suppress(FileNotFoundError):
                if Path(f"/proc/{process.pid}/ns/net").readlink() == own:
                    return True
            time.sleep(0.01)
        return False

    def attempts_n(self) -> int:
        """How often anything was sent to somewhere that is not there."""
        names, values = (
            line.split() for line in Path(f"/proc/{self.process}/net/snmp").read_text().splitlines()
            if line.startswith("Ip:"))
        return int(dict(zip(names, values, strict=True))["OutNoRoutes"])
