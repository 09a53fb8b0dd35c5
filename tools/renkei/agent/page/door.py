"""Who may see the page: whoever may read a file in the group's folder, and has exchanged its ticket for a session.

The folder's own permissions, which its files inherit (a set-group-ID folder, an inherited ACL), let the permitted
group read and nobody else. In it lies `renkei.html` with a ticket: opened in a browser, it sends the ticket and gets a
cookie. A ticket is good once; the next lies there at once. So no secret is ever in an address, an argument or a log,
and what decides is the operating system's word on who is signed in, alike on Linux and on Windows.

A cookie is for a host, whatever the port (RFC 6265, 8.5): another user's program on loopback could ask a browser for
it. So it is bound to a path that is made anew at every start and stands in that file only.
"""

import base64
import hashlib
import html
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from renkei.agent import files, platform
from renkei.agent.settings import PageSettings

HOST = "127.0.0.1"
COOKIE = "renkei"
FILE = "renkei.html"
SESSIONS = 16
"""Sessions at one time; the one that was silent for longest goes when another comes."""

_LONGEST = 10 * 3600.0
"""Seconds after which a session ends however busy it is: a working day."""

_SCRIPT = "document.forms[0].submit();"
_ENTRY = """<!DOCTYPE html>
<html lang="ja">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src 'sha256-{digest}'; form-action {origin}">
<meta name="referrer" content="no-referrer">
<title>連携端末の状況</title>
</head>
<body>
<form method="post" action="{origin}{prefix}enter">
<input type="hidden" name="ticket" value="{ticket}">
<button autofocus>連携端末の状況を開く</button>
</form>
<script>{script}</script>
</body>
</html>
"""


class DoorOpen(Exception):
    """The folder of the ticket would let everybody in; the text says what to change."""


@dataclass(slots=True)
class Session:
    """One browser; `csrf` goes with each of its forms, `asked` is the exchange count when it asked for an exchange."""

    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    began: float = 0.0
    seen: float = 0.0
    language: str = "ja"
    show_values: bool = False
    asked: int | None = None
    notice: str = ""


class Door:
    """The ticket and the sessions; safe for several threads."""

    def __init__(self, settings: PageSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare; `open` lays out the first ticket."""
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._ticket = ""
        self._sessions: dict[str, Session] = {}
        self.prefix = f"/{secrets.token_hex(8)}/"

    @property
    def origin(self) -> str:
        """Scheme, host and port, as browsers write them."""
        return f"http://{HOST}:{self._settings.port}"

    @property
    def file(self) -> Path:
        """What a permitted user opens."""
        return self._settings.folder / FILE

    def open(self) -> None:
        """Lay out a new ticket.

        Raises:
            DoorOpen: other users than owner and group can read the folder.
            OSError: the file can't be written.
        """
        if platform.is_open_to_all(self._settings.folder):
            raise DoorOpen(
                f"page.folder: everybody may read {self._settings.folder}; take others' rights from it (mode 2750)"
            )
        with self._lock:
            self._lay_out()

    def close(self) -> None:
        """End all sessions and take the file away."""
        with self._lock:
            self._sessions.clear()
            self._ticket = ""
            self.file.unlink(missing_ok=True)

    def enter(self, ticket: str) -> str | None:
        """Exchange a ticket for a session's secret; None if it isn't the one that lies there now."""
        now = self._clock()
        with self._lock:
            if not self._ticket or not secrets.compare_digest(ticket.encode(), self._ticket.encode()):
                return None
            self._lay_out()
            self._forget_old(now)
            if len(self._sessions) >= SESSIONS:
                del self._sessions[min(self._sessions, key=lambda name: self._sessions[name].seen)]
            secret = secrets.token_urlsafe(32)
            self._sessions[_name(secret)] = Session(began=now, seen=now)
            return secret

    def session(self, secret: str, *, used: bool = True) -> Session | None:
        """The session of a cookie; `used` says that a person did something, which keeps it alive."""
        now = self._clock()
        with self._lock:
            self._forget_old(now)
            found = self._sessions.get(_name(secret))
            if found is not None and used:
                found.seen = now
            return found

    def leave(self, secret: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_name(secret), None)

    def _forget_old(self, now: float) -> None:
        idle = self._settings.session_minutes * 60
        for name, session in list(self._sessions.items()):
            if now - session.seen > idle or now - session.began > _LONGEST:
                del self._sessions[name]

    def _lay_out(self) -> None:
        self._ticket = secrets.token_urlsafe(32)
        digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
        parts = {"origin": self.origin, "prefix": self.prefix, "ticket": self._ticket, "digest": digest}
        text = _ENTRY.format(script=_SCRIPT, **{name: html.escape(part) for name, part in parts.items()})
        staged = self.file.with_suffix(".new")
        files.stage(staged, text.encode(), 0o640)
        files.move(staged, self.file)


def _name(secret: str) -> str:
    """What a session is kept under: who reads the memory of a dump doesn't get cookies."""
    return hashlib.sha256(secret.encode()).hexdigest()
