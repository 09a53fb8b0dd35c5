"""Room for parcels: below a reserve the hub takes no new ones, so that receipts, which free room, still can be."""

import logging
import time
from pathlib import Path

from renkei.hub.problems import Problem
from renkei.store.room import MIB, shortage

_LOOK_SECONDS = 1.0
_COME_BACK = {"Retry-After": "60"}

log = logging.getLogger("renkei.hub")


class Room:
    """The room in the state folder, looked at once a second at most; its end and its return are logged."""

    def __init__(self, state: Path, reserve_mib: int) -> None:
        """Watch the disk of `state`, of which `reserve_mib` stay free."""
        self._state = state
        self._reserve = reserve_mib * MIB
        self._looked_at = -_LOOK_SECONDS
        self._shortage = ""

    def shortage(self) -> str:
        """Say why no parcels are taken; "" while they are."""
        if time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            before, self._shortage = self._shortage, shortage(self._state, self._reserve)
            self._looked_at = time.monotonic()
            if self._shortage and not before:
                log.critical("no parcels are taken: %s", self._shortage)
            if before and not self._shortage:
                log.warning("parcels are taken again: there is room")
        return self._shortage

    def require(self) -> None:
        """Go on only while there is room.

        Raises:
            Problem: 507, come back later.
        """
        if self.shortage():
            raise Problem(
                507, "room", "the hub has no room for parcels now; they wait at their sender", headers=_COME_BACK
            )
