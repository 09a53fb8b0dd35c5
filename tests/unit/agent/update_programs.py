"""Doubles of the programs by which Windows is updated, where they are started: DISM, update source, shutdown, survey.

They keep one host's state: what is installed, what waits for a restart, and how it fails. Exit codes are Windows' own.
"""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from renkei.agent.updates.tools import Tools
from renkei.exchange.updates import Update

TOOLS = Tools(
    survey=("survey",),
    source=("source",),
    dism=("dism",),
    restart=("shutdown",),
    begin=("begin",),
    patterns=("patterns",),
)
DISK_FULL, NOT_APPLICABLE, RESTART, BUSY = -2147024784, -2146498530, 3010, 1
_TAIL = "~31bf3856ad364e35~amd64~~"


@dataclass
class Programs:
    """A host behind its programs; `known` are the packages that there are, by the name of their file."""

    known: dict[str, Update]
    build: str = "26100.2314"
    installed: list[str] = field(default_factory=list)
    staged: list[tuple[str, Update]] = field(default_factory=list)
    boots: int = 1
    on_mains: bool = True
    free_bytes: int = 40 * 1024**3
    faults: set[str] = field(default_factory=set)
    offered: bool = True
    calls: list[tuple[str, ...]] = field(default_factory=list)
    patterns: str = "1.441.10.0"
    package: str = "1.441.312.0"

    def run(self, command: list[str], **options: Any) -> "subprocess.CompletedProcess[bytes]":
        """Stand in for `subprocess.run`."""
        assert "shell" not in options
        name, *arguments = command
        if name != "survey":
            self.calls.append(tuple(command))
        code, text = getattr(self, f"_{name}")(arguments)
        return subprocess.CompletedProcess(command, code, text.encode())

    def boot(self) -> None:
        """Restart: what is staged becomes so, as far as its faults let it."""
        self.boots += 1
        staged, self.staged = self.staged, []
        for doing, update in [] if "loop" in self.faults else staged:
            if doing == "add":
                self.installed.append(update.kb)
                self.build = self.build if "build stays" in self.faults else update.build
            else:
                self.installed.remove(update.kb)
                self.build = "26100.2314"

    def added(self) -> list[str]:
        """The packages that DISM was told to add."""
        return [Path(each[-1].partition(":")[2]).name for each in self.calls if "/add-package" in each]

    def _survey(self, arguments: list[str]) -> tuple[int, str]:
        assert arguments == []
        if "survey" in self.faults:
            return 1, "Get-CimInstance : Access denied"
        said = {
            "build": self.build,
            "installed": self.installed,
            "free_bytes": self.free_bytes,
            "on_mains": self.on_mains,
            "restart_pending": bool(self.staged),
            "boot": str(self.boots),
            "patterns": {"version": self.patterns, "made_at": "2026-11-24T01:00:00Z"} if self.patterns else None,
        }
        return 0, json.dumps(said)

    def _patterns(self, arguments: list[str]) -> tuple[int, str]:
        assert arguments[0] == "-Package"
        assert Path(arguments[1]).is_file()
        if "unsigned" in self.faults:
            return 1, "the package isn't signed by Microsoft (NotSigned)"
        if "patterns stay" not in self.faults:
            self.patterns = self.package
        return 0, ""

    def _dism(self, arguments: list[str]) -> tuple[int, str]:
        assert {"/online", "/english"} <= set(arguments)
        if "/get-packages" in arguments:
            names = [self._identity(kb) for kb in self.installed]
            return 0, "".join(f"Package Identity : {name}\nState : Installed\n\n" for name in names)
        assert {"/quiet", "/norestart"} <= set(arguments)
        value = arguments[-1].partition(":")[2]
        if "disk full" in self.faults:
            return DISK_FULL, "Error: 0x80070070\r\n\r\nThere is not enough space on the disk.\r\n"
        if "/add-package" in arguments:
            update = self.known[Path(value).name]
            assert Path(value).stat().st_size == update.size
            assert update.kb not in self.installed, "the same package twice"
            if not set(update.requires) <= {*self.installed, *(each.kb for _, each in self.staged)}:
                return NOT_APPLICABLE, "The specified package is not applicable to this image."
            self.staged.append(("add", update))
        else:
            kb = next(kb for kb in self.installed if self._identity(kb) == value)
            self.staged.append(("remove", self._of(kb)))
        return RESTART, ""

    def _source(self, arguments: list[str]) -> tuple[int, str]:
        kbs = arguments[1].split(",")
        if not self.offered:
            return 1, f"the update source offers none of {','.join(kbs)}"
        if "-DownloadOnly" in arguments:
            return 0, ""
        self.staged += [("add", self._of(kb)) for kb in kbs]
        return RESTART, ""

    def _shutdown(self, arguments: list[str]) -> tuple[int, str]:
        assert arguments[:3] == ["/r", "/t", "60"]
        if "no restart" in self.faults:
            return 5, "Access is denied.(5)"
        self.boot()
        return 0, ""

    def _begin(self, arguments: list[str]) -> tuple[int, str]:
        assert arguments == []
        return (BUSY, "ERROR: The system cannot find the file specified.") if "no task" in self.faults else (0, "")

    def _of(self, kb: str) -> Update:
        return next(update for update in self.known.values() if update.kb == kb)

    def _identity(self, kb: str) -> str:
        """Under which name Windows has an update: a cumulative one has its build in it, and no number."""
        build = next((each.build for each in self.known.values() if each.kb == kb), "")
        return f"Package_for_RollupFix{_TAIL}{build}.1.7" if build else f"Package_for_{kb}{_TAIL}10.0.1.0"
