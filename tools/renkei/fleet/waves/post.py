"""How orders, permits and evidence travel: a folder in which whoever carries them puts and takes whole files.

    out/ENDPOINT/TERMINAL/order.json, permit.json    to the terminal, the newest counts
    in/NAME.json         from terminals: {"entry": directory entry, "envelope": a patch-state}
    settled/NAME.json    what the wave has read, for `renkei patch take`; 60 days
    refused/NAME.json    what couldn't be believed, for a person to look at

Whoever carries these files is trusted with nothing else. By line it is the hub that carries: `line`. A file is put by
a rename, so it is there whole or not at all.
"""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, Protocol, get_args

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.errors import ExchangeError
from renkei.fleet.signed import read_signed

ARRIVING: Final = "in"
SETTLED: Final = "settled"
KEEP: Final = timedelta(days=60)
"""As long as media repeat what a terminal said."""

_AT_ONCE: Final = 2000

Name = Literal["order", "permit"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What came from a terminal: the directory entry that it gave, and its envelope; neither is believed yet.

    Without an entry it is what this controller saw itself (`direct`), and signed.
    """

    name: str
    entry: DirectoryEntry | None
    envelope: bytes


class Post(Protocol):
    """What the engine needs of whoever carries."""

    def send(self, endpoint: str, terminal: str, name: Name, envelope: bytes) -> None:
        """Hand over what is for a terminal; doing it twice does no harm."""

    def withdraw(self, endpoint: str, terminal: str, order: str) -> None:
        """Take back the order of this id and its permit: the terminal's work has ended, or the wave was aborted."""

    def heard(self) -> Iterator[Heard]:
        """Yield what has come, oldest first; it comes again until it is settled."""

    def settle(self, name: str, *, refused: bool) -> None:
        """Have no more of what was heard: the wave has read it, or it couldn't be believed."""


class FolderPost:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        """Name it; its parts are made as they are needed."""
        self._folder = folder
        self._in, self._settled, self._refused = folder / ARRIVING, folder / SETTLED, folder / "refused"
        for each in (self._in, self._settled, self._refused):
            each.mkdir(parents=True, exist_ok=True)
        self._forget(time.time() - KEEP.total_seconds())

    def send(self, endpoint: str, terminal: str, name: Name, envelope: bytes) -> None:
        """See `Post`."""
        target = self._folder / "out" / endpoint / terminal / f"{name}.json"
        if target.exists() and target.read_bytes() == envelope:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.new")
        with new.open("wb") as stream:
            stream.write(envelope)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(target)

    def withdraw(self, endpoint: str, terminal: str, order: str) -> None:
        """See `Post`; the folder is this wave's own, so there is no other order."""
        del order
        folder = self._folder / "out" / endpoint / terminal
        for name in get_args(Name):
            (folder / f"{name}.json").unlink(missing_ok=True)

    def heard(self) -> Iterator[Heard]:
        """See `Post`; what isn't of the form goes to `refused/` at once."""
        names = sorted(path.name for path in self._in.glob("[!.]*.json"))
        for name in names[:_AT_ONCE]:
            try:
                signed = read_signed(self._in / name)
            except ExchangeError:
                self.settle(name, refused=True)
            else:
                yield Heard(name, signed.entry, signed.envelope)

    def settle(self, name: str, *, refused: bool) -> None:
        """See `Post`."""
        with suppress(FileNotFoundError):  # settled before, by this controller or another
            (self._in / name).replace((self._refused if refused else self._settled) / name)

    def _forget(self, before: float) -> None:
        for path in self._settled.glob("*.json"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()


class SplitPost:
    """Two posts for one wave: machines that Ansible reaches have one, all others another."""

    def __init__(self, direct: Post, others: Post, machines: Collection[str]) -> None:
        """Divide them.

        Args:
            direct: for `machines`.
            others: for everybody else.
            machines: their names as terminals.
        """
        self._direct, self._others, self._machines = direct, others, frozenset(machines)
        self._names: dict[str, tuple[Post, str]] = {}

    def send(self, endpoint: str, terminal: str, name: Name, envelope: bytes) -> None:
        """See `Post`."""
        self._of(terminal).send(endpoint, terminal, name, envelope)

    def withdraw(self, endpoint: str, terminal: str, order: str) -> None:
        """See `Post`."""
        self._of(terminal).withdraw(endpoint, terminal, order)

    def heard(self) -> Iterator[Heard]:
        """See `Post`."""
        for mark, post in (("direct", self._direct), ("other", self._others)):
            for each in post.heard():
                name = f"{mark} {each.name}"
                self._names[name] = post, each.name
                yield replace(each, name=name)

    def settle(self, name: str, *, refused: bool) -> None:
        """See `Post`."""
        post, own = self._names.pop(name)
        post.settle(own, refused=refused)

    def _of(self, terminal: str) -> Post:
        return self._direct if terminal in self._machines else self._others
