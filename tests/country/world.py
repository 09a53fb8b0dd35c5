"""The country in time: events one after the other, the hub, and the ministry's controller, which dies now and then."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from country.cost import TURN, Cost
from country.machine import Troubles
from country.terminal import MINUTE, Clock, Terminal
from country.wire import HUB, Wire
from renkei.client.connection import Connection
from renkei.client.hub import HubClient
from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.documents import Signer
from renkei.fleet.model import Fleet
from renkei.fleet.waves.engine import Engine, Ministry, act_of_person, load
from renkei.fleet.waves.line import HubPost
from renkei.fleet.waves.pace import Pace
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.post import Name
from renkei.fleet.waves.state import Phase, WaveState
from renkei.fleet.waves.watch import Watch
from renkei.hub.context import Hub
from renkei.hub.upkeep import flush_once
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.waves.ledger import Act, Ledger
from unit.hub.conftest import Machine

BEGIN = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
WATCH, IDLE = timedelta(minutes=10), timedelta(hours=1)
"""How long the controller's next turn may wait when nothing has come: with somebody away, and with nobody."""
_IDLE_ONE_IN = 5
"""Of so many turns one is followed by another, in which nothing can have come: what that costs is measured."""


class Killed(Exception):
    """The controller died here."""


@dataclass
class Counts:
    """What a run took: agents woken, and not woken for nothing, and how often the controller died."""

    wakes: int = 0
    passed: int = 0
    kills: int = 0


class _Post(HubPost):
    """The hub, as the controller speaks to it; the world wakes whom it has something for."""

    def __init__(self, hub: HubClient, may_die: Callable[[], None], sent: Callable[[str, Name], None]) -> None:
        super().__init__(hub)
        self._may_die, self._told = may_die, sent

    def send(self, endpoint: str, terminal: str, name: Name, envelope: bytes) -> None:
        self._may_die()
        super().send(endpoint, terminal, name, envelope)
        self._told(terminal, name)
        self._may_die()

    def settle(self, name: str, *, refused: bool) -> None:
        assert not refused, "the controller doesn't believe what an agent of ours said"
        super().settle(name, refused=refused)


@dataclass
class World:
    """Everything together."""

    fleet: Fleet
    ledger: Ledger
    hub: Hub
    store: SqliteHubStore
    anchor: TrustAnchor
    clock: Clock
    authority: Machine
    wire: Wire
    ministry: HubClient
    terminals: dict[str, Terminal]
    seed: int
    killed: float
    loop: asyncio.AbstractEventLoop
    plans: dict[UUID, Plan] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    cost: Cost = field(default_factory=Cost)
    now: datetime = BEGIN
    troubles: Troubles = field(default_factory=Troubles)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - a simulation
        self._events: list[tuple[datetime, int, str, str]] = []
        self._numbers = 0
        self._due: dict[tuple[str, str], datetime] = {}
        self._signer = Signer(self.authority.key)
        self.engine: Engine | None = None
        for name, terminal in self.terminals.items():
            if terminal.by_medium:
                self.at(self.now + timedelta(minutes=self.random.randint(60, 1440)), "visit", name)
        self.at(self.now + timedelta(hours=5, minutes=30), "morning")

    # -- a wave

    def begin(self, plan: Plan) -> None:
        """Begin a wave: planned, and approved by somebody else. What it costs is counted anew."""
        self.plan = self.plans[plan.id] = plan
        self.ledger.plan(self.wave, plan.to_bytes(), int(self.now.timestamp()), b"{}")
        approval = Act("consent", detail="approver", document=b"{}", at=int(self.now.timestamp()))
        self.ledger.add(self.wave, 0, lambda _: [approval], plan.terminals)
        self.engine, self.cost = None, Cost()
        self._pace, self._seen = Pace(plan, TURN.total_seconds()), self.state()
        self._rule = plan.rule()
        self.at(self.now, "turn")

    def say(self, what: Any, why: str) -> None:
        """Do what a person does with the wave: resume or abort it."""
        act = Act(what, detail=f"suzuki: {why}", at=int(self.now.timestamp()))
        state = self.state()
        act_of_person(self.ledger, state, act, frozenset({state.phase}))
        self.at(self.now, "turn")

    @property
    def wave(self) -> str:
        return str(self.plan.id)

    def state(self) -> WaveState:
        return load(self.ledger, self.wave)

    # -- time

    def run(
        self, days: float, until: frozenset[Phase] = frozenset({Phase.HALTED, Phase.FINISHED, Phase.ABORTED})
    ) -> WaveState:
        """Let time pass, up to some days or until the wave comes to one of some phases."""
        end, state = self.now + timedelta(days=days), self.state()
        with self.clock.shown():
            while self._events and self._events[0][0] <= end and state.phase not in until:
                at, _, what, name = heapq.heappop(self._events)
                self.now = max(self.now, at)
                self.clock.now, self.clock.off = self.now, timedelta()
                if self._due.get((what, name)) != at:
                    continue  # something sooner took its place
                del self._due[what, name]
                if what == "turn":
                    state = self._control() or state
                else:
                    self._do(what, name, state)
        if state.phase not in until:
            self.now = max(self.now, end)
        return self.state()

    def at(self, at: datetime, what: str, name: str = "") -> None:
        """Have something done at a moment; of two moments for the same the sooner counts, and finds the later one."""
        if what == "turn":
            at = datetime.fromtimestamp(-(-at.timestamp() // TURN.total_seconds()) * TURN.total_seconds(), UTC)
        if (known := self._due.get((what, name))) is not None and known <= at:
            return
        self._due[what, name] = at
        self._numbers += 1
        heapq.heappush(self._events, (at, self._numbers, what, name))

    def _do(self, what: str, name: str, state: WaveState) -> None:
        said = self.wire.tally.said
        self._let(what, name, state)
        if self.wire.tally.said > said or what == "fail":
            self.at(self.now, "turn")

    def _let(self, what: str, name: str, state: WaveState) -> None:
        if what == "morning":
            self.morning()
            return
        terminal = self.terminals[name]
        if what == "visit":
            terminal.visit(self.now, self.ministry)
            self.at(self.now + timedelta(days=1), "visit", name)
            self._wake(terminal)
        elif what == "fail":
            terminal.fail_at_hub(self.now)
            self.loop.run_until_complete(flush_once(self.hub, self.store))
        elif terminal.waits_for_permit(self.now) and not self._has_room(terminal, state):
            self.counts.passed += 1  # it would ask, nobody could answer, and it asks again
            self.at(self.now + timedelta(minutes=10), "wake", name)
        else:
            self._wake(terminal)

    def _wake(self, terminal: Terminal) -> None:
        self.counts.wakes += 1
        was_harmed = terminal.machine.harmed
        again = terminal.wake(self.now)
        if again is not None:
            self.at(max(again, self.now + timedelta(seconds=1)), "wake", terminal.name)
        if terminal.machine.harmed and not was_harmed and terminal.machine.poisoned == "fails at the hub":
            self.at(self.now + timedelta(minutes=self.random.randint(90, 180)), "fail", terminal.name)

    def _has_room(self, terminal: Terminal, state: WaveState) -> bool:
        if state.phase is not Phase.RUNNING:
            return False
        return self._rule.room(state.tally.without(state.on_media), terminal.host.model) > 0

    def morning(self) -> None:
        """Everybody exchanges: with nothing to pass that is noted at both sides. A few lines fail, as they do."""
        for terminal in self.terminals.values():
            if not terminal.rest(self.now):
                continue
            if terminal.machine.random.random() < self.troubles.bad_line / 10:
                terminal.fail_at_hub(self.now)
            self.hub.exchanges.served(terminal.host.endpoint, terminal.name, int(self.now.timestamp()))
        self.loop.run_until_complete(flush_once(self.hub, self.store))
        self.at(self.now + timedelta(days=1), "morning")

    # -- the controller

    def _control(self) -> WaveState | None:
        self.cost.come_to(self.now, lambda at: self._pace.rest(self._seen, at))
        try:
            with self.cost.taken.turn(self.wire.tally):
                self._may_die()
                engine = self.engine = self.engine or self._new_engine()
                state = engine.turn(self.now)
            self._may_die()
        except Killed:
            self.engine = None
            self.counts.kills += 1
            self.at(self.now + MINUTE, "turn")
            return None
        self._seen = state
        if self.cost.taken.turns % _IDLE_ONE_IN == 0 and state.phase is Phase.RUNNING:
            with self.cost.idle.turn(self.wire.tally):
                engine.turn(self.now)
        busy = any(host.is_away for host in state.hosts.values())
        self.at(self.now + (WATCH if busy else IDLE), "turn")
        return state

    def _new_engine(self) -> Engine:
        """A controller that begins anew: it has the ledger alone."""
        client = HubClient(Connection(HUB, self.wire))
        post = _Post(client, self._may_die, self._sent)
        ministry = Ministry(self._signer, self.anchor.verify_entry)
        return Engine(self.ledger, self.state(), ministry, post, Watch(client.exchanges))

    def _may_die(self) -> None:
        if self.killed and self.random.random() < self.killed:
            raise Killed

    def _sent(self, terminal: str, name: Name) -> None:
        """Something lies at the hub: who waits for a permit asks every minute, the others at their exchange times."""
        if self.terminals[terminal].by_medium:
            return
        minutes = self.random.randint(5, 59) / 60 if name == "permit" else self.random.randint(5, 180)
        self.at(self.terminals[terminal].hear(self.now + timedelta(minutes=minutes)), "wake", terminal)
