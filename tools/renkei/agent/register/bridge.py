"""The way to the register, tended whenever there is time: what it wrote is fetched, what is ready is handed over.

A folder that is away is an alarm until it is back; a medium that isn't there is nothing to speak of. Either way what
waits stays in the spool, and what was begun is finished the next time.
"""

from dataclasses import dataclass, field
from pathlib import Path

from renkei.agent.home import Home
from renkei.agent.register import sheets
from renkei.agent.register.collecting import collect, has_something
from renkei.agent.register.handover import hand_over_all
from renkei.agent.register.share import ShareAway, open_share
from renkei.agent.settings import Bridge

ALARM, SUBJECT = "register", "folder"


@dataclass(slots=True)
class Tended:
    """Files handed over to the register system, those fetched into the outbox, why the folder couldn't be used."""

    handed: int = 0
    fetched: list[Path] = field(default_factory=list)
    away: str = ""


def tend(home: Home) -> Tended:
    """Do what there is to do; call it within `alone`.

    Raises:
        StoreError, OSError: the machine's own disk; never the folder.
    """
    tended = Tended()
    if home.settings.bridge.kind is Bridge.NONE:
        return tended
    sheets.tend(home)
    try:
        share = open_share(home)
        tended.fetched = collect(home, share)
        tended.handed = hand_over_all(home, share)
    except ShareAway as error:
        tended.away = str(error)
        if home.settings.bridge.kind is Bridge.FOLDER:
            home.alarm(ALARM, SUBJECT, str(error))
    else:
        home.spool.settle(ALARM, SUBJECT)
    return tended


def calls(home: Home) -> bool:
    """Whether there is something to tend: notices that are ready, or files of the register system."""
    if home.settings.bridge.kind is Bridge.NONE:
        return False
    if home.spool.batches.waiting():
        return True
    try:
        return has_something(open_share(home))
    except ShareAway:
        return False
