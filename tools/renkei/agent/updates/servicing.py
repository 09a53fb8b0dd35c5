"""Windows' own programs: DISM for packages, the update source for what it has, and a restart.

Each function returns what went wrong in words, or nothing. Whether it is so is not theirs to say: the build is.
"""

import re
from pathlib import Path
from typing import Final

from renkei.agent.updates.machine import MachineError
from renkei.agent.updates.tools import Tools, run
from renkei.exchange.update_problems import say
from renkei.exchange.updates import Update

RESTART_REQUIRED: Final = 3010
"""ERROR_SUCCESS_REBOOT_REQUIRED: done once the machine has restarted."""

RESTART_SECONDS: Final = 60
_INSTALL_SECONDS = 3 * 3600.0
_LARGEST_ERROR = 0xFFFF
"""Of Win32's own error codes."""

_QUIET = ("/online", "/english", "/quiet", "/norestart")
_IDENTITY = re.compile(r"^Package Identity : (\S{1,200})\s*$", re.MULTILINE)
_PLANNED = "p:2:17"
"""Reason of a restart for the event log: planned, operating system, security update."""

_TEXT = "OSの更新のため、1分後に再起動します。作業中のファイルを保存してください。"
"""What whoever sits there sees: the machine restarts in a minute because of an update of Windows."""


def add(system: Tools, update: Update, package: Path) -> str:
    """Install a package (`dism /online /add-package`)."""
    return _told(system, update.kb, (*_QUIET, "/add-package", f"/packagepath:{package}"))


def remove(system: Tools, update: Update) -> str:
    """Remove an update, by the names under which Windows has it (`dism /online /remove-package`)."""
    names = package_names(system, update)
    if not names:
        return say("not-removable", kb=update.kb)
    return next((problem for name in names if (problem := _remove(system, update, name))), "")


def package_names(system: Tools, update: Update) -> list[str]:
    """Return the packages that an update consists of: by its number, or a cumulative one's by its build.

    Raises:
        MachineError: DISM can't tell.
    """
    answer = run(system.dism, "/online", "/english", "/get-packages")
    if answer.code:
        raise MachineError(f"dism can't list the packages, code {_shown(answer.code)}: {answer.tail}")
    by_number, cumulative = f"Package_for_{update.kb}~", "Package_for_RollupFix~"
    return [
        name
        for name in _IDENTITY.findall(answer.text)
        if name.startswith(by_number) or (name.startswith(cumulative) and f"~{update.build}." in name)
    ]


def from_source(system: Tools, updates: list[Update], *, download_only: bool) -> str:
    """Have Windows' own update source bring, or install, updates (`windows/Install-FromSource.ps1`)."""
    options = ("-Kb", ",".join(update.kb for update in updates), *(("-DownloadOnly",) if download_only else ()))
    answer = run(system.source, *options, seconds=_INSTALL_SECONDS)
    if answer.code in {0, RESTART_REQUIRED}:
        return ""
    return say("update-source", exit=_shown(answer.code), detail=answer.tail)


def restart(system: Tools) -> str:
    """Restart the machine in a minute, and say so on its screen."""
    answer = run(system.restart, "/r", "/t", str(RESTART_SECONDS), "/d", _PLANNED, "/c", _TEXT)
    return "" if answer.code == 0 else say("shutdown", exit=_shown(answer.code), detail=answer.tail)


def _remove(system: Tools, update: Update, name: str) -> str:
    return _told(system, update.kb, (*_QUIET, "/remove-package", f"/packagename:{name}"))


def _told(system: Tools, kb: str, arguments: tuple[str, ...]) -> str:
    answer = run(system.dism, *arguments, seconds=_INSTALL_SECONDS)
    if answer.code in {0, RESTART_REQUIRED}:
        return ""
    return say("dism", kb=kb, exit=_shown(answer.code), detail=answer.tail)


def _shown(code: int) -> str:
    """Write an exit code as Windows' documents have it: an HRESULT in hexadecimal."""
    return str(code) if 0 <= code <= _LARGEST_ERROR else f"0x{code & 0xFFFFFFFF:08X}"
