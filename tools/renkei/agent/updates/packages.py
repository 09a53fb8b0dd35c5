"""Packages of updates on their way to this machine: brought in pieces, whole once their digest is the signed one.

A copy that was cut short goes on where it stopped. Its digest is taken of all of it at the end: what isn't the package
is deleted and begun anew.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from renkei.agent import platform
from renkei.exchange.update_problems import say

_BLOCK = 1024 * 1024


class Package(Protocol):
    """What is known of a package: its file's name, digest and size, and what it is called."""

    @property
    def file(self) -> str:
        """The name."""

    @property
    def sha256(self) -> str:
        """The digest (hex)."""

    @property
    def size(self) -> int:
        """The bytes."""

    @property
    def label(self) -> str:
        """What it is called in messages."""


Known = TypeVar("Known", bound=Package)


class PackageError(Exception):
    """A package can't be brought here, or isn't the one that was signed; the text says which and what to do."""


def lacking(folder: Path, updates: Sequence[Known]) -> list[Known]:
    """Return the packages that aren't in a folder, by name and length; digests are for whoever installs them."""
    return [update for update in updates if _size(folder / update.file) != update.size]


def bring(source: Path, folder: Path, update: Package) -> int:
    """Copy a package into a folder, from where an earlier copy stopped; return how many bytes had to be copied.

    Args:
        source: the file.
        folder: where it belongs.
        update: which one it must be.

    Raises:
        PackageError: it is another one, or there is no room.
        OSError: the source can't be read; what was copied stays for the next time.
    """
    target, part = folder / update.file, folder / f".{update.file}.part"
    if _size(source) != update.size:
        cut = {"file": source.name, "bytes": _size(source), "name": update.label, "needed": update.size}
        raise PackageError(say("package-cut", **cut))
    folder.mkdir(parents=True, exist_ok=True)
    here = min(_size(part), update.size)
    if shutil.disk_usage(folder).free < update.size - here:
        raise PackageError(say("no-room", file=source.name, bytes=update.size - here, folder=folder))
    copied = 0
    with source.open("rb") as reader, part.open("ab") as writer:
        writer.truncate(here)
        reader.seek(here)
        for block in _blocks(reader.fileno()):
            writer.write(block)
            copied += len(block)
        writer.flush()
        os.fsync(writer.fileno())
    if digest_of(part) != update.sha256:
        part.unlink()
        raise PackageError(say("package-wrong", file=source.name, name=update.label))
    platform.replace(part, target)
    platform.sync_directory(folder)
    return copied


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file (hex).

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def keep_only(folder: Path, updates: Sequence[Package]) -> None:
    """Delete what none of these updates needs."""
    wanted = {name for update in updates for name in (update.file, f".{update.file}.part")}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file() and path.name not in wanted:
            path.unlink(missing_ok=True)


def _blocks(descriptor: int) -> Iterator[bytes]:
    while block := os.read(descriptor, _BLOCK):
        yield block


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
