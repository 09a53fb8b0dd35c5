"""A terminal: an agent's home with its machine, and when something may next be done there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import apsw
import pytest

from country.machine import Windows
from renkei.agent import contact, crl
from renkei.agent import home as home_
from renkei.agent.home import Home
from renkei.agent.settings import Settings
from renkei.agent.updates import documents, orders, patching
from renkei.agent.updates import line as updates_line
from renkei.agent.updates.course import READY_AGAIN, Course, Step
from renkei.client.connection import Connection
from renkei.client.errors import HubRefused
from renkei.client.hub import HubClient
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor
from renkei.exchange.clock import format_time
from renkei.exchange.documents import Signer, peek
from renkei.exchange.updates import Order, PatchState
from renkei.fleet.waves.plan import MEDIA_GROUP, PlannedHost
from renkei.store.spool import Alarm, SeenTreeHead
from renkei.store.updates import UPDATES_SCHEMA, KeptOrder, Updates

MINUTE = timedelta(minutes=1)
SOON = timedelta(seconds=20)
LATER = timedelta(minutes=30)
_MODULES = (home_, contact, crl, documents, orders, patching)
_EXCHANGES_AT_ONCE = 4


@dataclass
class Clock:
    """What agents take for now: the world's time, and how far the clock of the one at work is off."""

    now: datetime
    off: timedelta = timedelta()

    def __call__(self) -> datetime:
        return self.now + self.off

    @contextmanager
    def shown(self) -> Iterator["Clock"]:
        """Show it to every part of the agent that asks for the time."""
        with pytest.MonkeyPatch.context() as patch:
            for module in _MODULES:  # each of them imports it
                patch.setattr(module, "now", self)
            yield self


class _Memory:
    """A spool's database in memory: one transaction at a time, undone when its work raises."""

    def __init__(self) -> None:
        self._connection = apsw.Connection(":memory:")
        self._connection.execute(UPDATES_SCHEMA)

    def write(self, work: Callable[[apsw.Connection], Any]) -> Any:
        with self._connection:
            return work(self._connection)

    def read(self, work: Callable[[apsw.Connection], Any], *, together: bool = True) -> Any:
        del together
        return work(self._connection)


class Spool:
    """What a spool keeps for updates: the real tables of updates, and the rest as plain values."""

    def __init__(self) -> None:
        self.updates = Updates(cast("Any", _Memory()))
        self.facts: dict[str, str] = {}
        self.epoch = 0
        self.head: SeenTreeHead | None = None
        self.heads = SimpleNamespace(keep=lambda *_: None)
        self.alarmed: dict[tuple[str, str], str] = {}
        self.brought: list[Any] = []
        self.media = SimpleNamespace(all=lambda: self.brought)

    def fact(self, name: str) -> str | None:
        return self.facts.get(name)

    def note(self, **facts: str) -> None:
        self.facts |= facts

    def enter_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def tree_head(self, epoch: int) -> SeenTreeHead | None:
        return self.head if self.head is not None and self.head.epoch == epoch else None

    def note_tree_head(self, head: SeenTreeHead, envelope: bytes) -> None:
        del envelope
        self.head = head

    def alarm(self, kind: str, subject: str, text: str, at: str) -> bool:
        del at
        new = (kind, subject) not in self.alarmed
        self.alarmed[kind, subject] = text
        return new

    def settle(self, kind: str, subject: str) -> None:
        self.alarmed.pop((kind, subject), None)

    def alarms(self) -> list[Alarm]:
        return [Alarm(kind, subject, text, "", "", 1) for (kind, subject), text in self.alarmed.items()]


@dataclass
class Keys:
    """A keyring of one generation."""

    entry: DirectoryEntry
    signer: Signer

    def current(self) -> "Keys":
        return self


@dataclass
class Terminal:
    """One machine of the wave and its agent."""

    host: PlannedHost
    machine: Windows
    home: Home
    line: Connection
    clock: Clock
    random: Random
    off: timedelta = timedelta()
    dead: bool = False
    hears_at: datetime | None = None

    @property
    def name(self) -> str:
        return self.host.terminal

    @property
    def by_medium(self) -> bool:
        return self.host.group == MEDIA_GROUP

    @property
    def is_there(self) -> bool:
        return not (self.dead or self.machine.gone)

    def at_work(self, now: datetime) -> None:
        """Have the world's time, and this machine's own clock, in force."""
        self.clock.now, self.clock.off = now, self.off
        self.machine.run_to(now + (self.off if self.by_medium else timedelta()))

    def wake(self, now: datetime) -> datetime | None:
        """Do what is to be done now, as the service does; return when something may next be, None for not by itself."""
        if not self.is_there:
            return None
        off_until = self.machine.off_until
        if off_until is not None and now < off_until:
            return off_until
        if self.machine.running is not None and off_until is not None:
            self.at_work(now)
            self.machine.come_back()
            return self.machine.off_until
        self.machine.off_until = None
        self.at_work(now)
        turn = patching.tend(self.home, self.machine)
        if self.hears_at is not None and now >= self.hears_at:
            self.hears_at = None
            if self._exchange():
                turn = patching.tend(self.home, self.machine)
        for _ in range(_EXCHANGES_AT_ONCE):
            if not turn.exchange or self.machine.off_until is not None or not self._exchange():
                break
            turn = patching.tend(self.home, self.machine)
        return self._next(now)

    def hear(self, at: datetime) -> datetime:
        """Have it exchange at a moment: something lies for it at the hub."""
        self.hears_at = at if self.hears_at is None else min(at, self.hears_at)
        return self.hears_at

    def waits_for_permit(self, now: datetime) -> bool:
        """Whether all that it could do is to ask for a permit once more, as it has before."""
        kept = orders.counting(self.home)
        if self.by_medium or self.hears_at is not None or kept is None:
            return False
        course = orders.course_of(kept)
        return course.step is Step.WAITING and course.said == "ready" and now + self.off < _order(kept).expires

    def _exchange(self) -> bool:
        """Exchange, as far as updates are concerned; false when that doesn't work."""
        if self.by_medium or not self.machine.exchanges:
            return False
        updates_line.carry(self.home, contact.establish(self.home, HubClient(self.line)))
        self.home.spool.note(exchanged_at=home_.stamp())
        return True

    def fail_at_hub(self, now: datetime) -> None:
        """Hand over what its keys didn't sign, as a machine does whose store of keys an update has spoilt."""
        self.at_work(now)
        try:
            self.line.request("PUT", f"/v1/profiles/{self.host.endpoint}", content=b'{"payload":"","signatures":[]}')
        except HubRefused:
            return
        raise AssertionError("the hub took what nobody signed")

    def rest(self, now: datetime) -> bool:
        """Exchange with nothing to pass: that it worked is noted, and nothing else would be."""
        if self.by_medium or not self.is_there or not self.machine.exchanges or self.machine.off_until is not None:
            return False
        self.home.spool.note(exchanged_at=format_time(now + self.off))
        return True

    # -- by medium

    def visit(self, now: datetime, ministry: HubClient) -> None:
        """Somebody comes by with a medium: he leaves what the hub has for it, and takes along what it says."""
        if not self.is_there or self.machine.off_until is not None:
            return
        self.at_work(now)
        for each in ministry.orders(self.host.endpoint):
            try:
                documents.take(self.home, each.envelope, each.entry)
            except documents.Replayed:
                continue
        cast("Any", self.home.spool).brought.insert(0, SimpleNamespace(way="taken", at=home_.stamp()))
        for said in self.home.spool.updates.to_send():
            state = PatchState.read(peek(said.envelope).payload)
            ministry.put_patch_state(state.endpoint, state.terminal, said.envelope)
            self.home.spool.updates.sent(said.number, home_.stamp())

    # -- when next

    def _next(self, now: datetime) -> datetime | None:
        """When something may change here; at the hub's side the world knows."""
        moments = [self.machine.off_until, self.hears_at, self._next_of_order(now)]
        found = [each for each in moments if each is not None]
        if self.machine.off_until is not None:
            return self.machine.off_until
        return min(found) if found else None

    def _next_of_order(self, now: datetime) -> datetime | None:
        kept = orders.counting(self.home)
        if kept is None:
            return None
        course = orders.course_of(kept)
        if course.step is Step.WAITING:
            return self._next_of_waiting(course, _order(kept), now)
        if course.step is Step.INSTALLING and self.machine.running is not None:
            ends = self.machine.running[1] - (self.off if self.by_medium else timedelta())
            return max(ends, now + SOON)
        return now + (MINUTE if self.machine.exchanges else LATER)

    def _next_of_waiting(self, course: Course, order: Order, now: datetime) -> datetime:
        own = now + self.off
        if own >= order.expires:
            return now + MINUTE
        if not course.fetched:
            return max(self.machine.fetched_at or now, now + SOON)
        if order.open_at(own) is None:
            opens = next((each.opens for each in order.windows if each.opens > own), order.expires)
            return opens - self.off + timedelta(seconds=self.random.randint(0, 600))
        if course.said == "ready" and course.said_at is not None:
            return max(course.said_at + READY_AGAIN - self.off, now + MINUTE)
        return now + LATER


_ORDERS: dict[bytes, Order] = {}


def _order(kept: KeptOrder) -> Order:
    """An order, for the world's own use: the agent has believed it, and does so anew at each turn."""
    if kept.envelope not in _ORDERS:
        _ORDERS[kept.envelope] = Order.read(peek(kept.envelope).payload)
    return _ORDERS[kept.envelope]


def settings_of(host: PlannedHost, folder: Path, anchor: Path, early: str | None) -> Settings:
    """The settings of a terminal's agent; `early` are office hours of its own that reach into its windows."""
    place = folder / host.terminal
    place.mkdir()
    return Settings.model_validate(
        {
            "endpoint": host.endpoint,
            "terminal": host.terminal,
            "machine_serial": f"S-{host.terminal}",
            "home": place,
            "trust_anchor": anchor,
            "link": "media" if host.group == MEDIA_GROUP else "online",
            "gateway": "https://hub.example",
            "enrolment": "https://hub.example",
            "updates": {"office_hours": early, "closed_on": ()},
        }
    )


def make_terminal(
    host: PlannedHost,
    machine: Windows,
    keys: Keys,
    settings: Settings,
    anchor: TrustAnchor,
    line: Connection,
    clock: Clock,
) -> Terminal:
    home = Home(settings, cast("Any", Spool()), cast("Any", keys), anchor)
    return Terminal(host, machine, home, line, clock, machine.random)
