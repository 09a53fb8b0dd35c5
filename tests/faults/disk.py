"""A disk that loses power: an SQLite VFS that knows which sectors have reached the platter.

Reads and writes go to real files, as through the operating system's cache. Beside them a `Disk` keeps what each file
holds durably (what was synced) and the writes since. When the power goes, each sector of those writes is there or not,
whatever the order in which they were made; a file never synced may not be there at all, a deleted one may be back.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

import apsw

SECTOR = 512
_BASE = "unix"


@dataclass
class _File:
    """What a file holds durably (None: it isn't there), and the (offset, bytes) or (size, None) since."""

    durable: bytearray | None
    since: list[tuple[int, bytes | None]] = field(default_factory=list)
    deleted: bool = False


class Disk:
    """A folder's files and their durable state.

    Args:
        folder: what lies there now is durable.
        fails_after: how many writes, syncs, truncations and deletions are still done; the next one finds no power.
    """

    def __init__(self, folder: Path, fails_after: int) -> None:
        self.folder = folder
        self.operations = 0
        self._fails_after = fails_after
        self._lock = RLock()
        self._files = {path: _File(bytearray(path.read_bytes())) for path in folder.iterdir()}

    @property
    def failed(self) -> bool:
        """Whether the power is gone."""
        return self.operations > self._fails_after

    def owns(self, path: Path) -> bool:
        """Whether a file is on this disk; the log's index (-shm) is memory and never is."""
        return path.parent == self.folder and not path.name.endswith("-shm")

    @contextmanager
    def operation(self, path: Path) -> Iterator[_File]:
        """Do one operation that changes a file, unless the power goes at it."""
        with self._lock:
            self.operations += 1
            if self.failed:
                raise apsw.IOError("the power is gone")
            file = self._files.setdefault(path, _File(None))
            file.deleted = False
            yield file

    def after_the_failure(self, folder: Path, dice: random.Random) -> None:
        """Write into `folder` what the platter may hold."""
        with self._lock:
            for path, file in self._files.items():
                if file.deleted and dice.random() < 0.5:
                    continue
                if file.durable is None and dice.random() < 0.5:
                    continue
                (folder / path.name).write_bytes(_torn(bytearray(file.durable or b""), file.since, dice))


def _torn(content: bytearray, since: list[tuple[int, bytes | None]], dice: random.Random) -> bytearray:
    for offset, written in since:
        if written is None:
            if dice.random() < 0.5:
                del content[offset:]
            continue
        for start in range(0, len(written), SECTOR):
            if dice.random() < 0.5:
                sector = written[start : start + SECTOR]
                content.extend(bytes(max(0, offset + start - len(content))))
                content[offset + start : offset + start + len(sector)] = sector
    return content


class _OpenFile(apsw.VFSFile):
    def __init__(self, path: Path, disk: Disk, name: object, flags: list[int]) -> None:
        super().__init__(_BASE, name, flags)
        self._path = path
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 (SQLite's name)
        with self._disk.operation(self._path) as file:
            super().xWrite(data, offset)
            file.since.append((offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 (SQLite's name)
        with self._disk.operation(self._path) as file:
            super().xTruncate(newsize)
            file.since.append((newsize, None))

    def xSync(self, flags: int) -> None:  # noqa: N802 (SQLite's name)
        with self._disk.operation(self._path) as file:
            del flags  # the real file may be lost with the machine of the test
            file.durable = bytearray(self._path.read_bytes())
            file.since.clear()


class PowerLoss(apsw.VFS):
    """The VFS under every database that is opened while it stands; files beyond its disk's folder it leaves alone."""

    def __init__(self, disk: Disk) -> None:
        super().__init__("power-loss", _BASE, makedefault=True)
        self._disk = disk

    def xOpen(self, name: object, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name))
        if name is None or not self._disk.owns(path):
            return apsw.VFSFile(_BASE, name, flags)
        return _OpenFile(path, self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001 (SQLite's names)
        path = Path(filename)
        if self._disk.owns(path):
            with self._disk.operation(path) as file:
                file.deleted = True
        super().xDelete(filename, syncdir)


@contextmanager
def power_loss(disk: Disk) -> Iterator[None]:
    """Have every database that is opened in the context on this disk."""
    vfs = PowerLoss(disk)
    try:
        yield
    finally:
        vfs.unregister()
