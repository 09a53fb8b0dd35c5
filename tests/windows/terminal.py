"""A terminal that is a Windows under Wine, linked by a real nginx to a real hub, with the ministry behind it."""

import json
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from faults.gateway import Gateway, free_port
from renkei.agent.home import Home
from renkei.fleet.windows_package import WindowsPackage, build_windows_package
from unit.agent.conftest import Fleet, Pki, prepare_hub, start_hub
from windows.cpython import CACHE, ROOT, double
from windows.wine import Wine, windows

ENDPOINT = "131041"
GROUP = "Power Users"
"""Stands for the clerks' group: Wine knows Windows' own groups only."""
PATIENCE = 120.0


def package() -> WindowsPackage:
    """The package of this checkout, around the double of CPython."""
    archive, interpreter = double()
    return build_windows_package(ROOT, archive, out=CACHE / "packages", interpreter=interpreter)


@dataclass
class Terminal:
    """What a test does to the machine, as an administrator would, and what it sees of it."""

    wine: Wine
    fleet: Fleet
    package: WindowsPackage
    enrolment: str
    page_port: int

    @property
    def shortcut(self) -> Path:
        """The way to the clerk's page, on everybody's desktop."""
        return self.wine.c / "users" / "Public" / "Desktop" / "連携端末の状況.url"

    @property
    def programs(self) -> Path:
        return self._in(self.wine.c / "Program Files")

    @staticmethod
    def _in(folder: Path) -> Path:
        """The folder of the agent; names don't distinguish case on Windows."""
        return next((path for path in folder.iterdir() if path.name.lower() == "renkei"), folder / "Renkei")

    @property
    def data(self) -> Path:
        return self._in(self.wine.c / "ProgramData")

    @cached_property
    def ministry(self) -> Home:
        return self.fleet.agent("ministry")

    def unpack(self, version: str) -> str:
        """Unpack the package as another version."""
        with zipfile.ZipFile(self.package.archive) as archive:
            archive.extractall(self.programs / "unpacking")
        (self.programs / "unpacking" / self.package.name).rename(self.programs / "versions" / version)
        (self.programs / "unpacking").rmdir()
        return version

    def variables(self) -> dict[str, object]:
        """What the role is told of this terminal."""
        return {
            "agent_gateway": self.fleet.gateway,
            "agent_enrolment": self.enrolment,
            "agent_machine_serial": f"SERIAL-{ENDPOINT}",
            "agent_exchange_stable_seconds": 0,
            "agent_bridge": "none",
            "agent_bridge_folder": "",
            "agent_page_group": GROUP,
            "agent_page_port": self.page_port,
        }

    def python(
        self, program: str, *arguments: str, check: bool = True, variables: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a few lines by the package's interpreter, with its libraries."""
        python = rf"C:\Program Files\Renkei\versions\{self.package.name}\python\python.exe"
        return self.wine.run(python, "-c", program, *arguments, check=check, variables=variables)

    def agent(self, *arguments: str, given: bytes = b"", version: str = "", code: int | None = 0) -> str:
        """Run `renkei-agent`, of the package's version or another; what it prints."""
        python = rf"C:\Program Files\Renkei\versions\{version or self.package.name}\python\python.exe"
        command = (python, "-X", "utf8", "-m", "renkei.cli.agent", *arguments)
        finished = self.wine.run(*command, given=given, check=False)
        said = finished.stdout.decode() + finished.stderr.decode()
        assert code is None or finished.returncode == code, (arguments, finished.returncode, said, self.log())
        return said

    def log(self) -> str:
        path = self.data / "log" / "agent.log"
        return path.read_text() if path.exists() else ""

    def notes(self) -> dict[str, Any]:
        """What the launcher notes of the chosen release."""
        path = self.data / "state" / "launcher.json"
        noted: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return noted

    def wait(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}\n{self.log()}"
            time.sleep(0.3)

    def at_the_ministry(self, text: str) -> bool:
        """Let the ministry exchange; whether a text is in what it got of this terminal."""
        self.fleet.exchange(self.ministry)
        return self._holds(self.ministry.settings.inbox / ENDPOINT, text)

    def here(self, text: str) -> bool:
        """Whether a text is in the terminal's inbox."""
        return self._holds(self.data / "inbox", text)

    @staticmethod
    def _holds(folder: Path, text: str) -> bool:
        return any(text.encode() in path.read_bytes() for path in folder.glob("*.csv"))


@contextmanager
def terminal_at_hub(folder: Path, pki: Pki) -> Iterator[Terminal]:
    """A hub that serves, and a fresh Windows."""
    folder.mkdir(exist_ok=True)
    settings = prepare_hub(folder, pki)
    server = pki.server(folder, "localhost")
    enrolment = free_port()
    names = {"gateway_enrolment": {"name": "localhost", "address": "127.0.0.1", "port": enrolment}}
    hub = start_hub(folder)
    gateway = Gateway(folder, folder / "run", pki.anchor_file, server.chain, server.key, None, **names)
    with closing(gateway), windows(folder) as wine:
        front: Any = SimpleNamespace(port=gateway.port)
        fleet = Fleet(folder, pki, front, front, settings, hub)
        try:
            yield Terminal(wine, fleet, package(), f"https://localhost:{enrolment}", free_port())
        finally:
            for home in fleet.homes:
                home.spool.close()
            fleet.stop_hub()
