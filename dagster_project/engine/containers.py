"""Files that hold one other file: gzip, zip. Opening, unpacking within bounds, naming what is in.

What is inside, and how its bytes are read, is not this module's business.
"""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from dagster_project.engine.failures import is_of_the_machine
from dagster_project.ingest.landing import FileRefused

GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1024 * 1024
# Exports shrink to a tenth, very repetitive ones to a fiftieth; only bombs pass a thousandth.
SMALLEST_BOUND_BYTES = 256 * 1024 * 1024
LARGEST_RATIO = 200
# What damaged containers raise, each library in its own words.
CONTAINER_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
                    NotImplementedError)


def kind_of(path: Path) -> str:
    """`gzip`, `zip` or `plain`, by ending, gzip also by its first bytes."""
    ending = path.suffix.lower()
    if ending == ".zip":
        return "zip"
    if ending == ".gz":
        return "gzip"
    with path.open("rb") as stream:
        return "gzip" if stream.read(2) == GZIP_MAGIC else "plain"


def content_name(path: Path, name: str) -> str:
    """Name of the file inside; the path's own where nothing is around it.

    Raises:
        FileRefused: a zip with none or several files, or one that cannot be opened.
    """
    kind = kind_of(path)
    if kind == "zip":
        with _refusing(name, kind), zipfile.ZipFile(path) as archive:
            return Path(_only_member(archive, name).filename).name
    return path.name[:-3] if path.suffix.lower() == ".gz" else path.name


@contextmanager
def open_content(path: Path, name: str) -> Iterator[BinaryIO]:
    """The bytes of the file inside, unpacked while they are read.

    Raises:
        FileRefused: not to be opened; also while reading, a container that is cut or damaged.
    """
    kind = kind_of(path)
    with _refusing(name, kind):
        if kind == "plain":
            with path.open("rb") as stream:
                yield stream
        elif kind == "gzip":
            with gzip.open(path, "rb") as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            with (zipfile.ZipFile(path) as archive,
                  archive.open(_only_member(archive, name)) as member):
                yield cast(BinaryIO, member)


def unpacked_bound(path: Path, memory_bytes: int) -> int:
    """Bytes a packed file may come to: in proportion to it, and to what the machine may use."""
    bound = max(SMALLEST_BOUND_BYTES, LARGEST_RATIO * path.stat().st_size)
    return min(bound, 16 * memory_bytes)


def chunks(stream: BinaryIO, name: str, bound: int | None) -> Iterator[bytes]:
    """The rest of the stream.

    Raises:
        FileRefused: more than `bound` bytes.
    """
    total = 0
    while chunk := stream.read(CHUNK_BYTES):
        total += len(chunk)
        if bound is not None and total > bound:
            raise FileRefused(
                f"landing/{name}: unpacks to more than {bound:,} bytes, far more than an export "
                f"of its size should; if it is what you mean, deliver it unpacked or in parts"
            )
        yield chunk


def _only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    members = [
        member for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
        and not Path(member.filename).name.startswith(".")
    ]
    if len(members) != 1:
        listed = ", ".join(member.filename for member in members[:10])
        more = f" and {len(members) - 10} more" if len(members) > 10 else ""
        raise FileRefused(
            f"landing/{name}: a zip must hold exactly one file, this one has {len(members)}"
            f"{': ' + listed if listed else ''}{more}; unpack it into landing/"
        )
    if members[0].flag_bits & 0x1:
        raise FileRefused(f"landing/{name}: {members[0].filename} in it is encrypted; deliver it "
                          f"without a password")
    return members[0]


@contextmanager
def _refusing(name: str, kind: str) -> Iterator[None]:
    """Turns what damaged containers raise into words; other errors pass."""
    try:
        yield
    except FileRefused:
        raise
    except UnicodeError:
        raise
    except CONTAINER_ERRORS as error:
        if is_of_the_machine(error):
            raise
        what = "" if kind == "plain" else f" as {kind}"
        raise FileRefused(f"landing/{name}: cannot be read{what}: {error}; deliver the file "
                          f"again, whole") from error
