"""The agent's entry with the service manager: made, brought to what it should be, started, stopped, deleted."""

import sys

if sys.platform != "win32":
    raise ImportError("renkei.agent.windows.manager is for Windows")

import time
import winreg
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pywintypes
import win32service
import winerror

from renkei.agent.windows.layout import ACCOUNT, SERVICE

_KEY = rf"SYSTEM\CurrentControlSet\Services\{SERVICE}"
_DISPLAY = "Renkei agent"
_DESCRIPTION = "Exchanges residence notices between this municipality and the ministry (renkei)."
_WAIT_SECONDS = 120.0
_SID_UNRESTRICTED = 1
_DAY = 86_400
_RESTARTS = ((1, 5_000), (1, 60_000), (1, 300_000))
"""SC_ACTION_RESTART after so many milliseconds: the first, the second, every later failure of a day."""

PRIVILEGES = ("SeChangeNotifyPrivilege",)
"""All that the service's token keeps; Windows takes the others away when it starts the process."""


class ServiceTrouble(Exception):
    """The service manager refuses, or the service doesn't follow; the text says what and what to do."""


def ensure(launcher: Path, programs: Path, data: Path) -> bool:
    """Make the service, or bring it to what it should be; tell whether that changed anything.

    Args:
        launcher: the interpreter that runs the launcher.
        programs: the programs' folder.
        data: the data's folder.

    Raises:
        ServiceTrouble: the service manager refuses.
    """
    image = f'"{launcher}" -X utf8 -m renkei.agent.windows.launcher "{programs}" "{data}"'
    before = registered()
    with _told("made"), _manager(win32service.SC_MANAGER_CREATE_SERVICE) as manager:
        own, automatic, normal = 0x10, win32service.SERVICE_AUTO_START, win32service.SERVICE_ERROR_NORMAL
        no_tag = False
        rights = win32service.SERVICE_ALL_ACCESS
        if before:
            service = win32service.OpenService(manager, SERVICE, rights)
        else:
            service = win32service.CreateService(
                manager, SERVICE, _DISPLAY, rights, own, automatic, normal, image, None, no_tag, None, ACCOUNT, None
            )
        try:
            if before:
                win32service.ChangeServiceConfig(
                    service, own, automatic, normal, image, None, no_tag, None, ACCOUNT, None, _DISPLAY
                )
            for level, value, name, kind, kept in _SETTINGS:
                _set(service, level, value, (name, kind, kept))
        finally:
            win32service.CloseServiceHandle(service)
    return registered() != before


def registered() -> dict[str, object]:
    """What the registry holds of the service, without its subkeys; nothing where there is no service."""
    found: dict[str, object] = {}
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _KEY) as key:
            for number in range(winreg.QueryInfoKey(key)[1]):
                name, value, _ = winreg.EnumValue(key, number)
                found[name] = value.hex() if isinstance(value, bytes) else value
    except FileNotFoundError:
        return {}
    return found


def state() -> str:
    """Return `absent`, `stopped`, `running`, or `changing`."""
    with _told("looked at"), _manager(win32service.SC_MANAGER_CONNECT) as manager:
        try:
            service = win32service.OpenService(manager, SERVICE, win32service.SERVICE_QUERY_STATUS)
        except pywintypes.error as error:
            if error.winerror == winerror.ERROR_SERVICE_DOES_NOT_EXIST:
                return "absent"
            raise
        try:
            code = win32service.QueryServiceStatus(service)[1]
        finally:
            win32service.CloseServiceHandle(service)
    return {win32service.SERVICE_STOPPED: "stopped", win32service.SERVICE_RUNNING: "running"}.get(code, "changing")


def start() -> bool:
    """Start the service and wait until it runs; tell whether it didn't before.

    Raises:
        ServiceTrouble: it doesn't start.
    """
    if state() == "running":
        return False
    with _told("started"), _opened(win32service.SERVICE_START) as service:
        win32service.StartService(service, None)
    _wait_for("running")
    return True


def stop() -> bool:
    """Stop the service and wait until it has; tell whether it ran.

    Raises:
        ServiceTrouble: it doesn't stop.
    """
    if state() in {"absent", "stopped"}:
        return False
    with _told("stopped"), _opened(win32service.SERVICE_STOP) as service:
        try:
            win32service.ControlService(service, win32service.SERVICE_CONTROL_STOP)
        except pywintypes.error as error:
            if error.winerror != winerror.ERROR_SERVICE_NOT_ACTIVE:
                raise
    _wait_for("stopped")
    return True


def delete() -> bool:
    """Stop and delete the service, and with it its account; tell whether there was one."""
    if state() == "absent":
        return False
    stop()
    with _told("deleted"), _opened(0x10000) as service:  # DELETE
        win32service.DeleteService(service)
    return True


#: What the service is besides a program: level, value, and where the registry keeps it.
_SETTINGS: tuple[tuple[int, Any, str, int, Any], ...] = (
    (win32service.SERVICE_CONFIG_DESCRIPTION, _DESCRIPTION, "Description", winreg.REG_SZ, _DESCRIPTION),
    (win32service.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, True, "DelayedAutostart", winreg.REG_DWORD, 1),
    (
        win32service.SERVICE_CONFIG_SERVICE_SID_INFO,
        _SID_UNRESTRICTED,
        "ServiceSidType",
        winreg.REG_DWORD,
        _SID_UNRESTRICTED,
    ),
    (
        win32service.SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO,
        list(PRIVILEGES),
        "RequiredPrivileges",
        winreg.REG_MULTI_SZ,
        list(PRIVILEGES),
    ),
    (
        win32service.SERVICE_CONFIG_FAILURE_ACTIONS,
        {"ResetPeriod": _DAY, "RebootMsg": "", "Command": "", "Actions": list(_RESTARTS)},
        "FailureActions",
        winreg.REG_BINARY,
        b"".join(
            number.to_bytes(4, "little")
            for number in (_DAY, 0, 0, len(_RESTARTS), 20, *(part for action in _RESTARTS for part in action))
        ),
    ),
    (
        win32service.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG,
        True,
        "FailureActionsOnNonCrashFailures",
        winreg.REG_DWORD,
        1,
    ),
)


def _set(service: Any, level: int, value: object, kept: tuple[str, int, Any]) -> None:  # noqa: ANN401 - pywin32's handle
    """Set one of them; a service manager that knows the level no better (Wine's) finds it where Windows keeps it."""
    try:
        win32service.ChangeServiceConfig2(service, level, value)
    except pywintypes.error as error:
        if error.winerror != winerror.ERROR_INVALID_LEVEL:
            raise
    name, kind, content = kept
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _KEY, 0, winreg.KEY_ALL_ACCESS) as key:
        try:
            found = winreg.QueryValueEx(key, name)[0]
        except FileNotFoundError:
            found = None
        if found is None:
            winreg.SetValueEx(key, name, 0, kind, content)


def _wait_for(wanted: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while (found := state()) != wanted:
        if time.monotonic() > deadline:
            raise ServiceTrouble(
                f"the service {SERVICE} is {found}, not {wanted}, after {_WAIT_SECONDS:.0f} s; see its log"
            )
        time.sleep(0.2)


@contextmanager
def _manager(rights: int) -> Iterator[Any]:
    manager = win32service.OpenSCManager(None, None, rights)
    try:
        yield manager
    finally:
        win32service.CloseServiceHandle(manager)


@contextmanager
def _opened(rights: int) -> Iterator[Any]:
    with _manager(win32service.SC_MANAGER_CONNECT) as manager:
        service = win32service.OpenService(manager, SERVICE, rights)
        try:
            yield service
        finally:
            win32service.CloseServiceHandle(service)


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except pywintypes.error as error:
        raise ServiceTrouble(
            f"the service {SERVICE} can't be {what} ({error.strerror}); be an administrator"
        ) from error
