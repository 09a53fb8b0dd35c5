"""Linux: flock, users, fsync of directories, systemd."""

import sys

if sys.platform == "win32":
    raise ImportError("renkei.agent.platform.posix isn't for Windows; there it is renkei.agent.platform.windows")

import contextlib
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from renkei.agent.updates.tools import Tools

DEFAULT_CONFIG = Path("/etc/renkei/agent.toml")
DEFAULT_HOME = Path("/var/lib/renkei-agent")
DEFAULT_PAGE = Path("/var/lib/renkei-page")
DEFAULT_ANCHOR = Path("/etc/renkei/pki/root.pem")


class Locked(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file until the block ends or the process dies.

    Raises:
        Locked: somebody else holds it; this never waits.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Locked(str(path)) from error
        yield
    finally:
        os.close(handle)


def hand_over(arguments: Sequence[str]) -> int | None:
    """Let whoever may, carry out a command in this one's place: nobody, since `act_as_owner` does it here.

    Args:
        arguments: of the program.

    Returns:
        The exit code of the command, None when it is this process that has to carry it out.
    """
    del arguments
    return None


def as_owner(home: Path, arguments: Sequence[str]) -> int | None:
    """Let the owner of the home carry out a command in this one's place: nobody, `act_as_owner` does it here.

    Args:
        home: the agent's.
        arguments: of the program.

    Returns:
        The exit code of the command, None when it is this process that has to carry it out.
    """
    del home, arguments
    return None


def end_service(home: Path) -> None:
    """Nothing: the unit of systemd is the role's, and ends before (`playbooks/retire.yml`).

    Args:
        home: the agent's.
    """
    del home


def program_of(release: Path) -> list[str]:
    """Return the command that runs the agent of a release, from the release's folder."""
    return [str(release / "bin" / "renkei-agent")]


def installation_of(home: Path) -> list[str]:
    """Return the arguments by which a release makes itself the one that runs here; empty where that isn't its business.

    Nothing: the unit of systemd is the role's.
    """
    del home
    return []


def act_as_owner(home: Path) -> None:
    """As root, become the user who owns `home`, so that no file of the agent ends up as root's.

    Raises:
        OSError: `home` doesn't exist.
    """
    if os.geteuid() != 0:
        return
    owner = home.stat()
    if owner.st_uid == 0:
        return
    os.setgroups([owner.st_gid])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
    os.environ["HOME"] = str(home)


def limit_new_files() -> None:
    """Files made from here on are for their owner and group: the group is of those who fill and empty the folders."""
    os.umask(0o007)


@contextlib.contextmanager
def files_for_everybody() -> Iterator[None]:
    """Files made within the block may be read by other users, too: those on a medium are sealed and signed."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def replace(source: Path, target: Path) -> None:
    """Rename a file; one at `target` is replaced. `sync_directory` makes it durable."""
    source.replace(target)


def sync_directory(folder: Path) -> None:
    """Make renames inside a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def key_passphrase(keys: Path) -> bytes | None:
    """What the files of private keys in a folder are encrypted with: nothing, their owner alone can read them."""
    del keys
    return None


def on_stop(stop: Callable[[], None]) -> None:
    """Call `stop` when the service manager, or a person at the keyboard, wants the program to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop())


def notify_service_manager(state: str) -> None:
    """Tell systemd how the service fares (sd_notify(3)); without systemd this does nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto(state.encode(), address)


class _JournalFormatter(logging.Formatter):
    """One line a record, with the priority that journald reads from it (sd-daemon(3))."""

    _PRIORITIES = ((logging.CRITICAL, 1), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in self._PRIORITIES if record.levelno >= level), 7)
        return f"<{priority}>{' | '.join(super().format(record).splitlines())}"


def log_to_service_manager() -> None:
    """Send the log to stderr, with priorities where the journal reads it."""
    handler = logging.StreamHandler(sys.stderr)
    form = "%(levelname)s %(message)s"
    handler.setFormatter(_JournalFormatter(form) if "JOURNAL_STREAM" in os.environ else logging.Formatter(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for talkative in ("httpx", "httpcore"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


def volume_of(folder: Path) -> str:
    """Return the identifier of the file system that a folder lies on (its UUID), empty where it has none to be read."""
    device = folder.stat().st_dev
    by_uuid = Path("/dev/disk/by-uuid")
    if not by_uuid.is_dir():
        return ""
    return next((path.name for path in sorted(by_uuid.iterdir()) if path.stat().st_rdev == device), "")


def is_open_to_all(folder: Path) -> bool:
    """Whether users other than the owner and the group may read or enter a folder."""
    return folder.stat().st_mode & 0o007 != 0


def software_changed_at() -> datetime | None:
    """When the operating system's packages last changed, as far as this machine tells; None where it doesn't."""
    try:
        return datetime.fromtimestamp(Path("/var/lib/dpkg/status").stat().st_mtime, UTC)
    except OSError:
        return None


def update_tools() -> Tools | None:
    """Return nothing: Linux hosts are updated by their playbook, not by orders to an agent."""
    return None
