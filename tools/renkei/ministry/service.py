"""What a service of the ministry needs of its host: readiness, an orderly stop, alarms in the journal.

systemd reads a number in angle brackets at the start of a line on stderr as the line's priority (sd-daemon(3)).
"""

import logging
import os
import pwd
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

ALARM = logging.CRITICAL
"""The level of what a person must look at; `alert` in the journal."""

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 1}


class AlarmOnce:
    """Tells a person something, once as long as the program runs."""

    def __init__(self, log: logging.Logger) -> None:
        self._log, self._said = log, set[str]()

    def __call__(self, text: str) -> None:
        """Say it, unless it was said."""
        if text not in self._said:
            self._said.add(text)
            self._log.log(ALARM, "%s", text)


class _JournalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = " | ".join(super().format(record).splitlines())
        return f"<{_PRIORITY.get(record.levelno, 6)}>{text}"


def log_to_journal(level: int = logging.INFO) -> None:
    """Send the program's log to stderr, with priorities where systemd reads it, without them on a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    form = "%(levelname)s %(name)s: %(message)s"
    handler.setFormatter(logging.Formatter(form) if sys.stderr.isatty() else _JournalFormatter(form))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def become_owner(folder: Path) -> None:
    """Let root go on as the owner of a service's folder, so that no file in it becomes root's.

    Raises:
        PermissionError: the caller is neither root nor the owner.
    """
    status = folder.stat()
    if os.geteuid() == status.st_uid:
        return
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    if os.geteuid() != 0:
        raise PermissionError(f"{folder}: belongs to {owner}; run this as {owner} or as root")
    os.setgroups(os.getgrouplist(owner, status.st_gid))
    os.setgid(status.st_gid)
    os.setuid(status.st_uid)


def notify(state: str) -> None:
    """Tell systemd a state such as `READY=1` (sd_notify(3)); nothing happens without a service manager."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


class Stop:
    """Asked by SIGTERM or SIGINT; a service waits on it instead of sleeping."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def install(self) -> None:
        """Listen to the signals; only the main thread may."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()

    def ask(self) -> None:
        """End the service at its next step."""
        self._event.set()

    @property
    def asked(self) -> bool:
        """Whether the service has to end."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait, at most so long; true when the service has to end."""
        return self._event.wait(seconds)
