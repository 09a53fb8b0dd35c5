"""Packages on their way into a folder: all of them under their names, each whole, or none.

    with laying(Path("HOME/updates/packages")) as place:
        digest = place.copy(Path("november/kb5058411.msu"), "kb5058411.msu", progress)
        ...                     # judge it, decide what is written down of it
        place.finish()

A copy has a hidden name until `finish` renames all of them in a row; what isn't finished goes, and what a killed one
left goes with the next. One at a time lays into a folder: its lock is on the folder itself, which nobody renames, not
on a copy, which would be somebody's package by then.

Whoever finishes before he writes down what came (`renkei updates import`) may be killed between the two: the folder
has a package then that nothing speaks of yet. Packages count by their digests wherever they are taken from here, so
it goes nowhere, and importing again, it or the one before, sets it right.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

_BLOCK: Final = 4 * 1024 * 1024

Progress = Callable[[int], None]
"""Is told of each piece of a package that was read, in bytes."""


class PackagesError(ValueError):
    """Packages that can't be imported; the text names each one and what is wrong with it, a line each."""


class Laying:
    """The copies that have no name yet; only `laying` makes one."""

    def __init__(self, folder: Path) -> None:
        """Lay into a folder that is there."""
        self._folder = folder
        self._staged: dict[Path, str] = {}

    def copy(self, path: Path, name: str, progress: Progress) -> str:
        """Copy a file durably, under a hidden name; return the digest (hex) of what was read.

        Raises:
            PackagesError: there is no room, or it can't be written there.
            OSError: it can't be read.
        """
        size = path.stat().st_size
        if shutil.disk_usage(self._folder).free < size:
            raise PackagesError(f"{path}: no room for {size} bytes in {self._folder}")
        try:
            with self._staging(name) as copy:
                return read(path, progress, copy)
        except OSError as error:
            if error.filename is not None:
                raise
            raise PackagesError(f"{path}: can't be copied into {self._folder}: {error.strerror}") from error

    def write(self, name: str, content: bytes) -> None:
        """Put down what belongs to the packages, durably, under a hidden name.

        Raises:
            OSError: it can't be written.
        """
        with self._staging(name) as file:
            file.write(content)

    def finish(self) -> None:
        """Give all copies their names, durably; what was there under one of them is replaced.

        Raises:
            OSError: it can't be written.
        """
        for hidden, name in list(self._staged.items()):
            hidden.replace(self._folder / name)
            del self._staged[hidden]
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def clear(self) -> None:
        """Take away what has no name, a killed one's, too."""
        self._staged.clear()
        for hidden in self._folder.glob(".*.new"):
            hidden.unlink(missing_ok=True)

    @contextmanager
    def _staging(self, name: str) -> Iterator[BinaryIO]:
        hidden = self._folder / f".{name}.new"
        with hidden.open("xb") as file:  # nothing is there: a link would be followed
            yield file
            file.flush()
            os.fsync(file.fileno())
        self._staged[hidden] = name


@contextmanager
def laying(folder: Path) -> Iterator[Laying]:
    """Lay into a folder, which is made if it isn't there; nobody else does meanwhile.

    Raises:
        PackagesError: somebody else is at it, or its file system has no locks.
        OSError: it can't be made or opened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve(strict=True)  # the same one to the end, even if a link to it is changed meanwhile
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PackagesError(f"{folder}: somebody else is importing into it; begin again when he has") from None
        except OSError as error:
            raise PackagesError(
                f"{folder}: can't be locked ({error.strerror}); put it on a local file system"
            ) from error
        place = Laying(folder)
        place.clear()
        try:
            yield place
        finally:
            place.clear()
    finally:
        os.close(descriptor)


def check_size(path: Path, size: int) -> None:
    """Refuse a file that has another size by now than when it was begun with: the digest is of other bytes then.

    Raises:
        PackagesError: it has.
        OSError: it is gone.
    """
    if (now := path.stat().st_size) != size:
        raise PackagesError(f"{path}: has {now} bytes by now, {size} when it was begun with: wait until it is written")


def read(path: Path, progress: Progress, copy: BinaryIO | None = None) -> str:
    """Read a file once, copying it if need be; return its digest (hex).

    Raises:
        OSError: it can't be read, or the copy not written.
    """
    digest = hashlib.sha256()
    with path.open("rb") as reader:
        while block := reader.read(_BLOCK):
            digest.update(block)
            if copy is not None:
                copy.write(block)
            progress(len(block))
    return digest.hexdigest()
