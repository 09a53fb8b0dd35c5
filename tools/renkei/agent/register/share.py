"""The folder between the terminal and the register system: a share that may vanish at any moment, or a medium.

    FOLDER/.renkei-register.json     says whose folder this is; it isn't there when nothing is mounted
    FOLDER/to-register/              files for the register system, each with a marker beside it, written last
    FOLDER/from-register/            its files for the ministry, and its results, in the same way

A mount point without its share is an empty folder that takes files and hides them later. So nothing is written
before the folder has shown whose it is. What goes wrong with it (EIO, ESTALE, read-only, full) is one thing here,
`ShareAway`: nothing was lost, the same work is done again when it is back.
"""

import errno
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from renkei.agent import platform
from renkei.agent.files import read_bounded, write_new
from renkei.agent.home import Home
from renkei.agent.settings import Bridge, SettingsError

SIGN = ".renkei-register.json"
TO_REGISTER, FROM_REGISTER = "to-register", "from-register"
MARKER = ".ready"
_SIGN_LIMIT = 4096
_FACT = "register_folder"
_MODE = 0o660
_NO_DIRECTORY_FLUSH = {errno.EINVAL, errno.ENOTSUP}


class ShareAway(Exception):
    """The folder can't be used now; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Share:
    """The folder, seen to be the right one a moment ago."""

    root: Path

    def write(self, folder: str, name: str, content: bytes) -> None:
        """Let a file appear whole and durable; one of the same name is replaced."""
        with self._guarded(f"{folder}/{name} can't be written"):
            unfinished = self.root / folder / f".{name}.part"
            unfinished.unlink(missing_ok=True)
            write_new(unfinished, content, _MODE)
            platform.replace(unfinished, self.root / folder / name)
            self._flush(folder)

    def rename(self, folder: str, old: str, new: str) -> None:
        """Rename a file durably."""
        with self._guarded(f"{folder}/{old} can't be renamed"):
            platform.replace(self.root / folder / old, self.root / folder / new)
            self._flush(folder)

    def remove(self, folder: str, name: str) -> None:
        """Remove a file, if it is there."""
        with self._guarded(f"{folder}/{name} can't be removed"):
            (self.root / folder / name).unlink(missing_ok=True)
            self._flush(folder)

    def read(self, folder: str, name: str, limit: int) -> bytes | None:
        """A file's bytes, None when it isn't there.

        Raises:
            ValueError: it has more than `limit` bytes, or is no file.
        """
        with self._guarded(f"{folder}/{name} can't be read"):
            path = self.root / folder / name
            if not path.exists():
                return None
            if path.is_symlink() or not path.is_file():
                raise ValueError(f"{path}: is no file")
            content = read_bounded(path, limit)
        if content is None:
            raise ValueError(f"{path}: longer than {limit} bytes; split it")
        return content

    def exists(self, folder: str, name: str) -> bool:
        """Whether a file is there."""
        with self._guarded(f"{folder} can't be read"):
            return (self.root / folder / name).exists()

    def names(self, folder: str) -> list[str]:
        """The names of all files of a folder, hidden ones too, in order."""
        with self._guarded(f"{folder} can't be read"):
            return sorted(path.name for path in (self.root / folder).iterdir())

    def _flush(self, folder: str) -> None:
        try:
            platform.sync_directory(self.root / folder)
        except OSError as error:
            if error.errno not in _NO_DIRECTORY_FLUSH:  # some network file systems know no flush of a directory
                raise

    @contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ShareAway(f"{self.root}: {what} ({error.strerror})") from error


def open_share(home: Home) -> Share:
    """Look whether the folder is there and is the one that was prepared for this terminal.

    Raises:
        ShareAway: it isn't.
    """
    root = _root(home)
    known = home.spool.fact(_FACT)
    if known is None:
        raise ShareAway(f"{root}: isn't prepared yet; run renkei-agent register init once while it is mounted")
    try:
        content = read_bounded(root / SIGN, _SIGN_LIMIT)
    except FileNotFoundError:
        raise ShareAway(f"{root}: isn't mounted ({SIGN} isn't there); mount it, nothing was lost") from None
    except OSError as error:
        raise ShareAway(f"{root}: can't be read ({error.strerror}); check the share, nothing was lost") from error
    if _identity(content, root) != (str(home.party), known):
        raise ShareAway(f"{root}: is another folder than the one that was prepared; run renkei-agent register init")
    return Share(root)


def is_prepared(home: Home) -> bool:
    """Whether the folder is there and is the one that was prepared for this terminal."""
    try:
        open_share(home)
    except ShareAway:
        return False
    return True


def prepare(home: Home) -> Share:
    """Make the folder's parts and its sign, or take over the sign of a terminal that this one replaced.

    Raises:
        SettingsError: no bridge is set, or the folder is another endpoint's.
        ShareAway: it can't be used.
    """
    root = _root(home)
    try:
        for name in (TO_REGISTER, FROM_REGISTER):
            (root / name).mkdir(exist_ok=True)
        content = read_bounded(root / SIGN, _SIGN_LIMIT) if (root / SIGN).exists() else None
    except OSError as error:
        raise ShareAway(f"{root}: can't be prepared ({error.strerror}); mount it, writable for the agent") from error
    if content is None:
        identity = secrets.token_hex(16)
        sign = json.dumps({"endpoint": home.party, "id": identity}).encode()
        Share(root).write(".", SIGN, sign)
    else:
        endpoint, identity = _identity(content, root)
        if endpoint != home.party:
            raise SettingsError(f"bridge.folder: {root} is the folder of {endpoint}, this is {home.party}")
    home.spool.note(**{_FACT: identity})
    return Share(root)


def _root(home: Home) -> Path:
    settings = home.settings.bridge
    if settings.kind is Bridge.NONE or settings.folder is None:
        raise SettingsError('bridge.kind: is "none"; set it to "folder" or "media" and name the folder')
    return settings.folder


def _identity(content: bytes | None, root: Path) -> tuple[str, str]:
    try:
        match json.loads(content or b""):
            case {"endpoint": str(endpoint), "id": str(identity)}:
                return endpoint, identity
    except ValueError:
        pass
    raise ShareAway(f"{root}: {SIGN} isn't in its form; whose folder is this?")
