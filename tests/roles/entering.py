"""How testinfra gets into a lab host: `podman exec` takes a third of a second, entering its namespaces a hundredth."""

import subprocess
from pathlib import Path
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult

_ENVIRONMENT = (
    "container=podman",
    "HOME=/root",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
)
_START_TIME = 19
"""Position of a process's start time in /proc/PID/stat, after its name."""

#: By container: PID and start time of its first process, as of the last look.
_known: dict[str, tuple[int, str]] = {}


class EnteringBackend(BaseBackend):
    """Runs commands in a container's namespaces, with the capabilities that it has itself and its own environment."""

    NAME = "entering"

    def __init__(self, container: str, *args: Any, **kwargs: Any) -> None:
        self._container = container
        super().__init__(container, *args, **kwargs)

    def run(self, command: str, *args: str, **_kwargs: Any) -> CommandResult:
        """Run a shell command as root; an exit code of 255 says that the container isn't running."""
        pid, cmd = self._pid(), self.get_command(command, *args)
        if not pid:
            return self.result(255, self.encode(cmd), b"", f"{self._container} is not running".encode())
        entering = f"nsenter --target {pid} --all --wdns=/ setpriv --bounding-set {_capabilities(pid)}"
        out = self.run_local(f"{entering} env --ignore-environment {' '.join(_ENVIRONMENT)} /bin/sh -c %s", cmd)
        out.command = self.encode(cmd)
        return out

    def _pid(self) -> int:
        """The container's first process; it is another one after each restart. 0 if there is none."""
        pid, started = _known.get(self._container, (0, ""))
        if not pid or _start_time(pid) != started:
            asked = ["podman", "inspect", "--format", "{{.State.Pid}}", self._container]
            told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
            pid = int(told) if told.isdecimal() else 0
            _known[self._container] = pid, _start_time(pid)
        return pid if _known[self._container][1] else 0


def _start_time(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty if it isn't there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START_TIME]
    except (OSError, IndexError):
        return ""


def _capabilities(pid: int) -> str:
    """The bounding set of a process, as setpriv takes it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = int(next(line.split()[1] for line in lines if line.startswith("CapBnd:")), 16)
    return ",".join(["-all", *(f"+cap_{bit}" for bit in range(mask.bit_length()) if mask >> bit & 1)])
