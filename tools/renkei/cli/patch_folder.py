"""The folder of what was seen on hosts, `HOST.json` each: `patch sign` and `patch take --hosts` fill it."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from renkei.exchange.signed import Signed
    from renkei.store.patch_states import Reached

_MAX_REACHED: Final = 4096


class SeenFolder:
    """The newest of each host. What lies in it is believed by nobody who hasn't verified it."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it isn't.

        Raises:
            OSError: it can't be made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._reached = folder / ".hub.json"

    def since(self, host: str, moment: datetime, now: datetime) -> "Signed | None":
        """Return what there is of a host if it was seen then or later; None for a file that can't be read as such.

        Raises:
            OSError: the file can't be read.
        """
        from renkei.exchange.documents import peek
        from renkei.exchange.errors import ExchangeError
        from renkei.exchange.packages import HostState
        from renkei.fleet.hosts.found import AHEAD
        from renkei.fleet.signed import read_signed

        try:
            signed = read_signed(self._folder / f"{host}.json")
            state = HostState.read(peek(signed.envelope).payload)
        except (ExchangeError, FileNotFoundError):
            return None
        return signed if state.host == host and moment <= state.seen_at <= now + AHEAD else None

    def put(self, host: str, signed: "Signed") -> None:
        """Put it in place of what was there, whole and durably.

        Raises:
            OSError: it can't be written.
        """
        from renkei.ministry.files import replace

        replace(self._folder / f"{host}.json", signed.to_json() + b"\n", 0o644)

    def reached(self, source: str) -> "Reached | None":
        """How far this folder has read a hub, by its URL; None for another one.

        Raises:
            OSError: it can't be read.
        """
        from renkei.store.patch_states import Reached

        try:
            with self._reached.open("rb") as stream:
                noted = json.loads(stream.read(_MAX_REACHED))
        except (FileNotFoundError, ValueError, RecursionError):
            return None  # from its beginning: what is known costs a look
        match noted:
            case {"hub": str(hub), "epoch": int(epoch), "cursor": int(cursor)} if hub == source:
                return Reached(source, epoch, cursor)
        return None

    def note(self, reached: "Reached") -> None:
        """Note how far this folder has read a hub, once what it has is here.

        Raises:
            OSError: it can't be written.
        """
        from renkei.ministry.files import replace

        noted = {"hub": reached.source, "epoch": reached.epoch, "cursor": reached.cursor}
        replace(self._reached, json.dumps(noted).encode() + b"\n", 0o644)
