"""Windows: byte locks, DPAPI, flushing of directories' names, and the launcher in place of systemd.

Permissions come from the folders (`renkei.agent.windows.installing` sets their ACLs): a new file inherits them, so
that neither mode bits nor a umask have a part here.
"""

import sys

if sys.platform != "win32":
    raise ImportError("renkei.agent.platform.windows is for Windows; elsewhere it is renkei.agent.platform.posix")

import contextlib
import logging
import msvcrt
import os
import secrets
import signal
import threading
import time
import winreg
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pywintypes
import win32api
import win32con
import win32crypt
import win32file
import win32security

from renkei.agent.updates.tools import Tools
from renkei.agent.windows import layout

DEFAULT_CONFIG = Path(layout.CONFIG)
DEFAULT_HOME = Path(layout.DATA)
DEFAULT_PAGE = Path(layout.PAGE)
DEFAULT_ANCHOR = Path(layout.ANCHOR)

_PASSPHRASE = "passphrase.dpapi"  # noqa: S105 - the name of a file
_PASSPHRASE_BYTES = 32
_PURPOSE = b"renkei-agent private keys"
"""Binds a blob to this use: software of the same account that unprotects any blob it meets doesn't open this one."""

_CRYPTPROTECT_UI_FORBIDDEN = 0x1
_MOVEFILE_WRITE_THROUGH = 0x8

_OWN = {"first-boot", "service", "page", "retire", "install-updates"}
"""Commands that whoever calls them carries out."""

_EVERYBODY = ("S-1-1-0", "S-1-5-11", "S-1-5-32-545")
"""Everyone, Authenticated Users, Users."""

_UPDATES = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages"
_FILE_READ_DATA = 0x1
_CUMULATIVE = "Package_for_RollupFix~"
_FILETIME_BEGIN = datetime(1601, 1, 1, tzinfo=UTC)

_BUSY = {5, 32}  # ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION
_BUSY_TRIES, _BUSY_SECONDS = 20, 0.1
_NO_DIRECTORY_FLUSH = {1, 50, 87}  # ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED, ERROR_INVALID_PARAMETER


class Locked(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file until the block ends or the process dies.

    Raises:
        Locked: somebody else holds it; this never waits.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_BINARY | os.O_NOINHERIT)
    try:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise Locked(str(path)) from error
        yield
    finally:
        os.close(handle)


def hand_over(arguments: Sequence[str]) -> int | None:
    """Let the service carry out an administrator's command: its account alone reads the keys and the state.

    Args:
        arguments: of the program.

    Returns:
        The exit code of the command, None when it is this process that has to carry it out: it runs as the service
        already, or shows a help text, or the command is about the service itself or for every user.
    """
    if layout.UNDER_SERVICE in os.environ or not arguments or arguments[0] in _OWN or "--help" in arguments:
        return None
    from renkei.agent.windows.relay import ask  # noqa: PLC0415 - commands alone need it

    return ask(arguments)


def as_owner(home: Path, arguments: Sequence[str]) -> int | None:
    """Have the service carry out a command under its own account; this process stays the administrator's.

    Args:
        home: the agent's, which the service knows.
        arguments: of the program.

    Returns:
        Its exit code, 3 where the service doesn't run.
    """
    del home
    from renkei.agent.windows.relay import ask  # noqa: PLC0415 - commands alone need it

    return ask(arguments)


def end_service(home: Path) -> None:
    """Stop the agent's service and remove it with its account, its launcher and the ways to it.

    Args:
        home: the agent's.

    Raises:
        OSError: something can't be removed.
    """
    from renkei.agent.windows import installing, manager, task  # noqa: PLC0415 - a retiring machine alone needs it

    try:
        installing.end_service(installing.Place(installing.this_release()[0], home))
    except (installing.InstallError, manager.ServiceTrouble, task.TaskError) as error:
        raise OSError(str(error)) from error


def program_of(release: Path) -> list[str]:
    """Return the command that runs the agent of a release, from the release's folder."""
    return [str(release / "python" / "python.exe"), "-X", "utf8", "-m", "renkei.cli.agent"]


def installation_of(home: Path) -> list[str]:
    """Return the arguments by which a release makes itself the one that runs here; empty where that isn't its business.

    The service and its account, the folders' rights, the launcher (`renkei.agent.windows.installing`).
    """
    return ["service", "install", f"--data={home}", "--start"]


def act_as_owner(home: Path) -> None:
    """See that the agent's home is there; `hand_over` made this process the right one.

    Raises:
        OSError: `home` doesn't exist.
    """
    home.stat()


def limit_new_files() -> None:
    """Nothing to do: the folders' ACLs do it."""


@contextlib.contextmanager
def files_for_everybody() -> Iterator[None]:
    """Nothing to do: what is written to a medium has the medium's ACL, if it knows any."""
    yield


def replace(source: Path, target: Path) -> None:
    """Rename a file durably; one at `target` is replaced. A scanner that looks at either is given a moment to end."""
    for attempt in range(_BUSY_TRIES):
        try:
            win32file.MoveFileExW(
                str(source), str(target), win32con.MOVEFILE_REPLACE_EXISTING | _MOVEFILE_WRITE_THROUGH
            )
        except pywintypes.error as error:
            if error.winerror not in _BUSY or attempt == _BUSY_TRIES - 1:
                raise _os_error(error, source) from error
            time.sleep(_BUSY_SECONDS)
        else:
            return


def sync_directory(folder: Path) -> None:
    """Make renames inside a folder durable, where its file system can (NTFS can, FAT and some shares can't)."""
    try:
        handle = win32file.CreateFile(
            str(folder),
            win32con.GENERIC_WRITE,
            win32con.FILE_SHARE_READ | win32con.FILE_SHARE_WRITE | win32con.FILE_SHARE_DELETE,
            None,
            win32con.OPEN_EXISTING,
            win32con.FILE_FLAG_BACKUP_SEMANTICS,
            None,
        )
        try:
            win32file.FlushFileBuffers(int(handle))
        finally:
            handle.Close()
    except pywintypes.error as error:
        if error.winerror not in _NO_DIRECTORY_FLUSH:
            raise _os_error(error, folder) from error


def key_passphrase(keys: Path) -> bytes | None:
    """What the files of private keys in a folder are encrypted with, made at its first use.

    It lies beside them, protected by DPAPI for the account that made it (CryptProtectData without the machine's
    scope). OpenSSL reads keys from files only: they are encrypted PKCS #8, which it can open with this.

    Raises:
        OSError: another account made it, or it can't be read or made.
    """
    path = keys / _PASSPHRASE
    if not path.exists():
        blob = win32crypt.CryptProtectData(
            secrets.token_hex(_PASSPHRASE_BYTES).encode(),
            "renkei-agent",
            _PURPOSE,
            None,
            None,
            _CRYPTPROTECT_UI_FORBIDDEN,
        )
        unfinished = path.with_name(f".{_PASSPHRASE}.{os.getpid()}")
        with unfinished.open("wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        try:
            unfinished.rename(path)  # fails if another process was quicker: then its passphrase is the one
        except FileExistsError:
            unfinished.unlink()
        sync_directory(keys)
    try:
        return bytes(
            win32crypt.CryptUnprotectData(path.read_bytes(), _PURPOSE, None, None, _CRYPTPROTECT_UI_FORBIDDEN)[1]
        )
    except pywintypes.error as error:
        raise _os_error(error, path) from error


def on_stop(stop: Callable[[], None]) -> None:
    """Call `stop` when the launcher, or a person at the keyboard, wants the program to end.

    The launcher closes the program's standard input, which the death of the launcher does, too.
    """
    for number in (signal.SIGINT, signal.SIGBREAK):
        signal.signal(number, lambda _number, _frame: stop())
    if layout.UNDER_SERVICE in os.environ:
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), name="stop", daemon=True).start()


def notify_service_manager(state: str) -> None:
    """Tell the launcher how the service fares, in systemd's words, on standard output."""
    if layout.UNDER_SERVICE in os.environ:
        print(state, flush=True)


def log_to_service_manager() -> None:
    """Send the log to stderr: the launcher keeps it in files."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for talkative in ("httpx", "httpcore"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


def volume_of(folder: Path) -> str:
    """Return the serial number of the volume that a folder lies on, empty where it has none to be read."""
    try:
        root = win32file.GetVolumePathName(str(folder))
        return f"{win32api.GetVolumeInformation(root)[1] & 0xFFFFFFFF:08X}"
    except pywintypes.error:
        return ""


def is_open_to_all(folder: Path) -> bool:
    """Whether a folder's ACL lets every user of the machine read."""
    described = win32security.GetFileSecurity(str(folder), win32security.DACL_SECURITY_INFORMATION)
    acl = described.GetSecurityDescriptorDacl()
    if acl is None:
        return True
    everybody = [win32security.ConvertStringSidToSid(sid) for sid in _EVERYBODY]
    for number in range(acl.GetAceCount()):
        (kind, _flags), mask, sid = acl.GetAce(number)[:3]
        if kind == win32security.ACCESS_ALLOWED_ACE_TYPE and mask & _FILE_READ_DATA and sid in everybody:
            return True
    return False


def software_changed_at() -> datetime | None:
    """When the newest cumulative update was installed, as the servicing stack notes it; None where it notes nothing."""
    found: list[int] = []
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _UPDATES) as packages:
            for number in range(winreg.QueryInfoKey(packages)[0]):
                name = winreg.EnumKey(packages, number)
                if name.startswith(_CUMULATIVE):
                    with winreg.OpenKey(packages, name) as package:
                        high, low = (winreg.QueryValueEx(package, f"InstallTime{part}")[0] for part in ("High", "Low"))
                        found.append(high << 32 | low)
    except OSError:
        return None
    return _FILETIME_BEGIN + timedelta(microseconds=max(found) // 10) if found else None


def update_tools() -> Tools:
    """Return the programs by which Windows is updated."""
    system = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32"
    powershell = (
        str(system / "WindowsPowerShell" / "v1.0" / "powershell.exe"),
        *("-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File"),
    )
    scripts = Path(layout.__file__).parent
    return Tools(
        survey=(*powershell, str(scripts / "Get-UpdateState.ps1")),
        source=(*powershell, str(scripts / "Install-FromSource.ps1")),
        dism=(str(system / "Dism.exe"),),
        restart=(str(system / "shutdown.exe"),),
        begin=(str(system / "schtasks.exe"), "/run", "/tn", layout.TASK),
        patterns=(*powershell, str(scripts / "Install-Patterns.ps1")),
    )


def _stop_at_end_of_input(stop: Callable[[], None]) -> None:
    # past Python's buffer, whose lock would be held when the program ends by itself
    while os.read(sys.stdin.fileno(), 1):
        pass
    stop()


def _os_error(error: pywintypes.error, path: Path) -> OSError:
    """Turn an error of pywin32 into the one that Python's own functions raise."""
    return OSError(0, error.strerror, str(path), error.winerror)
