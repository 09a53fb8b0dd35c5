"""Whether there is room for more: on the disk of the agent's home, and in the inbox of whoever takes files out of it.

Where there is none, intake and delivery stop before anything is half taken: files stay in the outbox, parcels stay at
the hub. What frees room or tells of the shortage goes on: receipts, sending what is taken already, alarms.
"""

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from renkei.agent.home import Home
from renkei.store.room import MIB, shortage

DISK, INBOX = "disk", "inbox"
_KIND = "room"


@dataclass(frozen=True, slots=True)
class Room:
    """Whether files may be taken from the outbox, and parcels fetched and delivered."""

    to_take: bool
    to_deliver: bool


def shortages(home: Home) -> dict[str, str]:
    """What there is no room in (`disk`, `inbox`), and what to do; nothing is written for this."""
    limits = home.settings.exchange
    found = {
        DISK: shortage(home.settings.home, limits.reserve_mib * MIB),
        INBOX: _full_inbox(home.settings.inbox, limits.inbox_files),
    }
    return {subject: text for subject, text in found.items() if text}


def tend(home: Home) -> Room:
    """Look, and raise or settle the alarms.

    Raises:
        StoreError: the disk is so full, or so broken, that not even the alarm can be noted.
    """
    found = shortages(home)
    standing = {alarm.subject for alarm in home.spool.alarms() if alarm.kind == _KIND}
    for subject in standing - found.keys():
        home.spool.settle(_KIND, subject)
    for subject, text in found.items():
        home.alarm(_KIND, subject, text)
    return Room(to_take=DISK not in found, to_deliver=not found)


def _full_inbox(inbox: Path, most: int) -> str:
    files = (entry for folder in (inbox, *_folders(inbox)) for entry in os.scandir(folder) if entry.is_file())
    if sum(1 for _ in islice(files, most)) < most:
        return ""
    return f"{inbox} holds {most} files that nobody takes; parcels wait at the hub until somebody does"


def _folders(inbox: Path) -> list[Path]:
    return [Path(entry.path) for entry in os.scandir(inbox) if entry.is_dir()] if inbox.is_dir() else []
