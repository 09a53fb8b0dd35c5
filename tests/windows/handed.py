"""A simulated host that hands the agent's files, programs and service to a Windows under Wine.

What Ansible does to the agent's two folders happens on Wine's drive, programs there run under Wine, and the service is
Wine's. Everything else stays simulated.
"""

import shutil
from collections.abc import Iterable, Iterator, MutableMapping, MutableSet, Sequence
from pathlib import Path
from typing import Any

from renkei.lab.windows.host import Host, Program, Ran, fresh
from windows.wine import Wine

HANDED = (r"c:\program files\renkei", r"c:\programdata\renkei")
SERVICE = "renkei-agent"
REGISTRY = rf"HKLM\SYSTEM\CurrentControlSet\Services\{SERVICE}"


def is_handed(path: str) -> bool:
    return path.startswith(HANDED)


class Drive:
    """Paths of the simulated host on Wine's drive; names don't distinguish case there."""

    def __init__(self, wine: Wine) -> None:
        self.wine = wine

    def find(self, path: str) -> Path:
        """Where a path lies, or would lie."""
        here = self.wine.c
        for name in path.split("\\")[1:]:
            same = here / name
            if not same.exists() and here.is_dir():
                same = next((each for each in here.iterdir() if each.name.lower() == name.lower()), same)
            here = same
        return here

    def walk(self) -> Iterator[tuple[str, Path]]:
        for root in HANDED:
            for path in self.find(root).rglob("*"):
                yield "c:\\" + str(path.relative_to(self.wine.c)).replace("/", "\\").lower(), path


class Files(MutableMapping[str, bytes]):
    """Contents by path; those that aren't handed over lie in `others`."""

    def __init__(self, drive: Drive, others: dict[str, bytes]) -> None:
        self._drive, self._others = drive, others

    def __getitem__(self, path: str) -> bytes:
        if not is_handed(path):
            return self._others[path]
        found = self._drive.find(path)
        if not found.is_file():
            raise KeyError(path)
        return found.read_bytes()

    def __setitem__(self, path: str, content: bytes) -> None:
        if not is_handed(path):
            self._others[path] = content
            return
        found = self._drive.find(path)
        found.parent.mkdir(parents=True, exist_ok=True)
        found.write_bytes(content)

    def __delitem__(self, path: str) -> None:
        if is_handed(path):
            self._drive.find(path).unlink()
        else:
            del self._others[path]

    def __iter__(self) -> Iterator[str]:
        yield from list(self._others)
        yield from [name for name, path in self._drive.walk() if path.is_file()]

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Folders(MutableSet[str]):
    """Folders by path, in the same way."""

    def __init__(self, drive: Drive, others: set[str]) -> None:
        self._drive, self._others = drive, others

    @classmethod
    def _from_iterable(cls, paths: Iterable[str]) -> Any:
        return set(paths)

    def __contains__(self, path: object) -> bool:
        if isinstance(path, str) and is_handed(path):
            return self._drive.find(path).is_dir()
        return path in self._others

    def add(self, path: str) -> None:
        if is_handed(path):
            self._drive.find(path).mkdir(parents=True, exist_ok=True)
        else:
            self._others.add(path)

    def discard(self, path: str) -> None:
        if is_handed(path):
            shutil.rmtree(self._drive.find(path), ignore_errors=True)
        else:
            self._others.discard(path)

    def __iter__(self) -> Iterator[str]:
        yield from list(self._others)
        yield from [name for name, path in self._drive.walk() if path.is_dir()]

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Service(dict[str, Any]):
    """Wine's service: what is set as its state is done."""

    def __init__(self, wine: Wine, about: dict[str, Any]) -> None:
        super().__init__(about)
        self._wine = wine

    def update(self, *changes: Any, **more: Any) -> None:
        wanted = dict(*changes, **more)
        if state := wanted.get("state"):
            self._wine.run("net.exe", {"running": "start", "stopped": "stop"}[state], SERVICE)
        super().update(wanted)


class Services(dict[str, dict[str, Any]]):
    """The host's services, of which the agent's is Wine's."""

    def __init__(self, wine: Wine, others: dict[str, dict[str, Any]]) -> None:
        super().__init__(others)
        self._wine = wine

    def get(self, name: str, default: Any = None) -> Any:
        if name != SERVICE:
            return super().get(name, default)
        values = self._registered()
        if not values:
            return default
        state = self._wine.run("sc.exe", "query", SERVICE, check=False).stdout.decode()
        about = {"name": SERVICE, "display_name": values["DisplayName"], "path": values["ImagePath"]}
        about |= {"username": values["ObjectName"], "start_mode": "delayed" if "DelayedAutostart" in values else "auto"}
        about |= {"state": "running" if "RUNNING" in state else "stopped", "dependencies": []}
        return Service(self._wine, about)

    def __getitem__(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def _registered(self) -> dict[str, str]:
        said = self._wine.run("reg.exe", "query", REGISTRY, check=False).stdout.decode(errors="replace")
        rows = (line.split(None, 2) for line in said.splitlines() if line.startswith("    "))
        return {row[0]: row[2] for row in rows if len(row) == 3}


class Programs(dict[str, Program]):
    """Programs on Wine's drive run there."""

    def __init__(self, drive: Drive) -> None:
        super().__init__()
        self._drive = drive

    def get(self, path: str, default: Any = None) -> Any:
        if is_handed(path) and path.endswith(".exe") and self._drive.find(path).is_file():
            return self._run
        return super().get(path, default)

    def _run(self, _host: Host, words: Sequence[str]) -> Ran:
        finished = self._drive.wine.run(*words, check=False)
        return Ran(finished.returncode, finished.stdout.decode(), finished.stderr.decode())


class HandedHost(Host):
    """The host; its attributes are views."""

    _files: Files
    _folders: Folders

    @property
    def files(self) -> Files:
        return self._files

    @files.setter
    def files(self, wanted: dict[str, bytes] | Files) -> None:
        if wanted is not self._files:
            for path in [path for path in self._files if path not in wanted]:
                del self._files[path]

    @property
    def folders(self) -> Folders:
        return self._folders

    @folders.setter
    def folders(self, wanted: set[str] | Folders) -> None:
        if wanted is not self._folders:
            for path in [path for path in self._folders if path not in wanted]:
                self._folders.discard(path)


def handed(name: str, wine: Wine) -> HandedHost:
    """A fresh host that hands over to a Windows under Wine."""
    simulated, drive = fresh(name), Drive(wine)
    host = HandedHost.__new__(HandedHost)
    host._files, host._folders = Files(drive, simulated.files), Folders(drive, simulated.folders)
    for field in Host.__slots__:
        if field not in {"files", "folders"}:
            setattr(host, field, getattr(simulated, field))
    host.services, host.programs = Services(wine, simulated.services), Programs(drive)
    return host
