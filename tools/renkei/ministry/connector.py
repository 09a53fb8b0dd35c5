"""Carries notices between the immigration system's drop and the ministry's agent, each exactly once.

    drop/to-municipalities/*        → agent/outbox/CODE/            one file a municipality (`distribution`)
    agent/inbox/CODE/*              → drop/from-municipalities/     merged by person (`collection`, docs/order.md)

The layout of a file is recognised by itself; what the immigration system gets is in the layout of the settings, a file
a type of notice. A file is taken once its name ends in .csv or .xml and it has been still for a while. Rows that are no
notices lie in `drop/to-municipalities/rejected/` with their reasons beside them; a row from a municipality that speaks
for another one stays in the connector's own `rejected/`, and is an alarm.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw

from renkei.client.backoff import Backoff
from renkei.exchange.clock import format_time
from renkei.ministry import identities, replies
from renkei.ministry.cases import Cases
from renkei.ministry.collection import Collection
from renkei.ministry.distribution import Distribution
from renkei.ministry.files import replace, sync_directories
from renkei.ministry.folders import Folders, is_notices
from renkei.ministry.handover import Handover
from renkei.ministry.places import Places
from renkei.ministry.service import ALARM, AlarmOnce, Stop, notify
from renkei.ministry.settings import ConnectorSettings, RegisteredTerminal, SettingsError, load_terminals
from renkei.store.errors import StoreError
from renkei.store.marks import Marks

log = logging.getLogger("renkei.connector")

MARK = ".published.json"
"""In the agent's outbox: up to which moment it is complete, and for which endpoints (docs/topology.md)."""

_MARK_MODE = 0o640
_MARK_SECONDS = 15.0
_TEND_SECONDS = 3600.0
_LONGEST_WAIT = 300.0
_MINISTRY = "ministry"
_IN_SERVICE = "in_service"


class AnotherConnectorError(Exception):
    """Another connector works on the same folders."""


def _now() -> datetime:
    return datetime.now(UTC)


class Connector:
    """The two ways, one file or one batch at a time."""

    def __init__(
        self,
        settings: ConnectorSettings,
        *,
        at: Callable[[str], None] = lambda _moment: None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Open the folders.

        Args:
            settings: where everything is.
            at: called between two durable steps with the moment's name; tests kill there.
            clock: gives the time.

        Raises:
            AnotherConnectorError: one is running.
            OSError: a folder is missing or not ours to write.
            StoreError: the record of what was handed over can't be opened.

        """
        self._settings, self._clock = settings, clock
        self._folders = Folders.of(settings)
        self._places = Places({})
        self._mark_after = self._tend_after = 0.0
        self._lock = _lock(settings.state / "lock")
        self._marks = Marks(settings.state / "marks.key")
        self._handover = Handover(
            settings.database, more=(identities.SCHEMA + replies.SCHEMA, identities.SENDERS), at=at
        )
        self._alarm = alarm = AlarmOnce(log)
        self._out = Distribution(self._folders, self._handover, self._cases, alarm, at)
        self._in = Collection(self._folders, self._handover, self._cases, alarm, settings.terms, settings.layout)

    def close(self) -> None:
        """Let go of the folders."""
        self._handover.close()
        os.close(self._lock)

    def run(self, stop: Stop) -> None:
        """Carry what comes until asked to stop; a full disk or a missing folder is waited out."""
        backoff = Backoff(self._settings.poll_seconds, _LONGEST_WAIT)
        notify("READY=1")
        while not stop.asked:
            try:
                self.run_once()
            except (OSError, StoreError, SettingsError) as error:
                log.error("%s; trying again", error)  # noqa: TRY400 - its traceback says nothing to an operator
                stop.wait(backoff.pause())
            else:
                backoff.reset()
                stop.wait(self._settings.poll_seconds)

    def run_once(self) -> int:
        """Carry what is there, both ways, after finishing what was interrupted; return how many files were taken.

        Raises:
            OSError, StoreError: a file couldn't be written or moved; what was begun is finished by the next call.
            SettingsError: the inventory snapshot can't be read.

        """
        if finished := self._handover.recover(self._folders.outputs()):
            log.info("finished %d hand-overs that were interrupted", finished)
        begin, terminals = time.time(), load_terminals(self._settings.terminals)
        known = {terminal.endpoint for terminal in terminals} - {_MINISTRY}
        self._places = _places(terminals)
        count = self._out.run(known, self._settings.settle_seconds, self._clock())
        self._mark(begin, known)
        served = {terminal.endpoint for terminal in terminals if terminal.state == _IN_SERVICE} - {_MINISTRY}
        count += self._in.run(served, self._clock())
        replies.send(self._handover, self._folders)
        self._tend()
        return count

    def _cases(self, connection: apsw.Connection) -> Cases:
        return Cases(connection, self._marks, self._places)

    def _mark(self, begin: float, known: set[str]) -> None:
        """Tell the agent up to which moment all that the immigration system handed over lies in its outbox."""
        if time.monotonic() < self._mark_after:
            return
        self._mark_after = time.monotonic() + _MARK_SECONDS
        waiting = (path.stat().st_ctime for path in self._folders.dropped.iterdir() if is_notices(path))
        moment = datetime.fromtimestamp(int(min([begin, *waiting])) - 1, UTC)
        mark = {"published_up_to": format_time(moment), "endpoints": sorted(known)}
        replace(self._folders.outbox / MARK, json.dumps(mark).encode(), _MARK_MODE)

    def _tend(self) -> None:
        """Alarm what has waited for long, and forget what has been kept for its time (施行令34条)."""
        if time.monotonic() < self._tend_after:
            return
        self._tend_after = time.monotonic() + _TEND_SECONDS
        now = self._clock()
        overdue, forgotten = (
            now - timedelta(days=self._settings.unknown_days),
            now - timedelta(days=self._settings.keep_days),
        )
        for place, number in self._handover.write(lambda c: self._cases(c).overdue(overdue, now)):
            what = "notice %s of %s: the immigration system knows nobody like that; see renkei ministry held"
            log.log(ALARM, what, number, place)
        self._alarm_uncollected(now)
        count = self._handover.write(lambda c: self._cases(c).forget(forgotten))
        for folder in (self._folders.rejected, self._folders.suspicious):
            count += _remove_older(folder, forgotten.timestamp())
        if count:
            log.info("forgot %d notices and files after %d days", count, self._settings.keep_days)

    def _alarm_uncollected(self, now: datetime) -> None:
        """Alarm files for the immigration system that nobody fetches; they stay until somebody does."""
        before = (now - timedelta(hours=self._settings.uncollected_hours)).timestamp()
        waiting = [(path.stat().st_mtime, path.name) for path in self._folders.collected.iterdir() if is_notices(path)]
        since, name = min(waiting, default=(before, ""))
        if since < before:
            moment = format_time(datetime.fromtimestamp(since, UTC))
            self._alarm(
                f"{self._folders.collected / name}: waits since {moment}, and what came later with it; "
                "does the immigration system fetch its files?"
            )


def _places(terminals: list[RegisteredTerminal]) -> Places:
    return Places({terminal.endpoint: terminal.place for terminal in terminals if terminal.place})


def _remove_older(folder: Path, before: float) -> int:
    old = [path for path in folder.iterdir() if path.is_file() and path.stat().st_mtime < before]
    for path in old:
        path.unlink()
    sync_directories([folder] if old else [])
    return len(old)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise AnotherConnectorError(f"{path.parent}: another connector is running") from error
    return descriptor
