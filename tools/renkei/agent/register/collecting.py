"""What the register system wrote comes into the outbox: whole, once, and then it leaves the share.

A file counts once its marker (`NAME.ready`, written last) lies beside it. Files are taken in the order of their names,
and go in that order.

1. It is copied into the outbox, durably, under a name that says its place among those there, and its content.
2. Its digest is noted beside it (`.NAME.taken`).
3. Marker, file and note are removed.

A kill before 2 finds the file again: what the outbox or the spool has already isn't copied once more. A kill after 2 is
finished by the note; a file that the register system has since written under the same name is another one and stays.
"""

import hashlib
import json
import re
from pathlib import Path

from renkei.agent import files
from renkei.agent.home import Home, log
from renkei.agent.intake import FILE_LIMIT
from renkei.agent.register.share import FROM_REGISTER, MARKER, Share

_ALARM = "register-file"
_MARKER_LIMIT = 4096
_TAKEN = ".taken"
_NAMED = 8
_FETCHED = re.compile(r"register-(\d+)-")


class Unusable(Exception):
    """A file of the register system can't be taken; the text says why and what to do."""


def collect(home: Home, share: Share) -> list[Path]:
    """Take every file that is marked complete; where in the outbox they are now.

    Raises:
        ShareAway: the folder went away; the rest stays there.
    """
    for name in share.names(FROM_REGISTER):
        if name.startswith(".") and name.endswith(_TAKEN):
            _remove(share, name.removeprefix(".").removesuffix(_TAKEN))
    taken: list[Path] = []
    markers = _markers(share)
    for marker in markers:
        name = marker.removesuffix(MARKER)
        try:
            taken.append(_take(home, share, name))
        except Unusable as error:
            home.alarm(_ALARM, name, str(error))
        else:
            home.spool.settle(_ALARM, name)
    for alarm in home.spool.alarms():
        if alarm.kind == _ALARM and f"{alarm.subject}{MARKER}" not in markers:
            home.spool.settle(_ALARM, alarm.subject)
    return taken


def has_something(share: Share) -> bool:
    """Whether the register system has written something.

    Raises:
        ShareAway: the folder can't be read.
    """
    return bool(_markers(share))


def _markers(share: Share) -> list[str]:
    return [name for name in share.names(FROM_REGISTER) if name.endswith(MARKER) and not name.startswith(".")]


def _take(home: Home, share: Share, name: str) -> Path:
    where = f"{share.root / FROM_REGISTER / name}"
    try:
        content = share.read(FROM_REGISTER, name, FILE_LIMIT)
        promised = _promised(share.read(FROM_REGISTER, f"{name}{MARKER}", _MARKER_LIMIT))
    except ValueError as error:
        raise Unusable(str(error)) from error
    if content is None:
        raise Unusable(f"{where}: its marker is there and the file isn't; let the register system write both again")
    sha256 = hashlib.sha256(content).hexdigest()
    if promised not in {"", sha256}:
        raise Unusable(f"{where}: isn't what its marker says; let the register system write both again")
    path = _place(home, name, sha256)
    if home.spool.outgoing.source(sha256, "") is not None:
        log.info("%s: was taken before, it is only removed from the share", name)
    elif not path.exists():
        files.put(path, content, home.settings.staging)
    share.write(FROM_REGISTER, f".{name}{_TAKEN}", sha256.encode())
    _remove(share, name)
    return path


def _place(home: Home, name: str, sha256: str) -> Path:
    """Where a file lies in the outbox, which is taken in the order of its names; after all that were fetched before."""
    outbox, ending = home.settings.outbox, f"{sha256[:_NAMED]}-{files.safe_name(name)}"
    there = {path.name: path for path in outbox.glob("register-*")}
    known = [path for each, path in there.items() if (found := _FETCHED.match(each)) and each[found.end() :] == ending]
    numbers = [int(found[1]) for each in there if (found := _FETCHED.match(each))]
    return known[0] if known else outbox / f"register-{max(numbers, default=0) + 1:06d}-{ending}"


def _remove(share: Share, name: str) -> None:
    """Remove a file that was taken, its marker and the note of it."""
    note = f".{name}{_TAKEN}"
    content, digest = share.read(FROM_REGISTER, name, FILE_LIMIT), share.read(FROM_REGISTER, note, _MARKER_LIMIT)
    if content is not None and hashlib.sha256(content).hexdigest().encode() == digest:
        share.remove(FROM_REGISTER, f"{name}{MARKER}")
        share.remove(FROM_REGISTER, name)
    share.remove(FROM_REGISTER, note)


def _promised(marker: bytes | None) -> str:
    """The digest in a marker; "" where it has none: a marker may be empty."""
    if not marker or not marker.strip():
        return ""
    match json.loads(marker):
        case {"sha256": str(digest)}:
            return digest.lower()
        case _:
            raise ValueError("a marker is empty, or JSON with the file's sha256")
