r"""Where things lie on a Windows terminal, and the names under which Windows knows them.

C:\Program Files\Renkei\              programs: administrators write, the service only reads and starts
launcher\                         python\, lib\: what the service manager starts
versions\VERSION\                 python\, lib\, release.json: a release, whole once release.json is there
chosen.json                       which of them runs
renkei-agent.cmd                  the commands, for administrators
C:\ProgramData\Renkei\                data: the service's own
agent.toml, root.pem              administrators write, the service reads
keys\                             the service alone
page\                             the service writes, the clerks' group reads: what opens the status page
state\, log\, state.db            the service
updates\                          the service: packages of updates, and what it asks of the installer
installer\                        SYSTEM alone, the service reads: what the installer answers
inbox\, outbox\, done\, rejected\, confirm\
"""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import PurePath, PureWindowsPath
from typing import Final

SERVICE: Final = "renkei-agent"
ACCOUNT: Final = rf"NT SERVICE\{SERVICE}"
"""The virtual account that Windows makes with the service: no password, no sign-in, gone with the service."""

PIPE: Final = rf"\\.\pipe\{SERVICE}"
"""Where the service takes commands of administrators."""

UNDER_SERVICE: Final = "RENKEI_UNDER_SERVICE"
"""Set in the environment of what the launcher starts: it runs as the service's account already."""

TASK: Final = r"\Renkei\Updates"
"""What installs updates, as SYSTEM (`renkei.agent.windows.task`)."""

PROGRAMS: Final = PureWindowsPath(r"C:\Program Files\Renkei")
DATA: Final = PureWindowsPath(r"C:\ProgramData\Renkei")
CONFIG: Final = DATA / "agent.toml"
ANCHOR: Final = DATA / "root.pem"
PAGE: Final = DATA / "page"


def service_sid(service: str = SERVICE) -> str:
    """Return the SID of a service and of its virtual account (S-1-5-80 and the SHA-1 of the upper-case name)."""
    parts = struct.unpack("<5I", hashlib.sha1(service.upper().encode("utf-16-le"), usedforsecurity=False).digest())
    return "S-1-5-80-" + "-".join(map(str, parts))


@dataclass(frozen=True, slots=True)
class Programs:
    """The folders below the programs' folder."""

    root: PurePath

    @property
    def versions(self) -> PurePath:
        """A folder a release."""
        return self.root / "versions"

    @property
    def launcher(self) -> PurePath:
        """What the service manager starts."""
        return self.root / "launcher"

    @property
    def chosen(self) -> PurePath:
        """Which release runs."""
        return self.root / "chosen.json"

    @property
    def command(self) -> PurePath:
        """The commands, for administrators."""
        return self.root / "renkei-agent.cmd"

    def python(self, version: str) -> PurePath:
        """The interpreter of a release."""
        return self.versions / version / "python" / "python.exe"
