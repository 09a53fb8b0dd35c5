"""The country in time: events one after the other, the hub, and the ministry's controller, which dies now and then."""

import asyncio
import heapq
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, cast
from uuid import UUID

from country.machine import UNTROUBLED, Troubles, Windows
from country.terminal import MINUTE, Clock, Keys, Terminal, make_terminal, settings_of
from country.wire import Tally, Wire
from renkei.agent.settings import UpdatesSettings
from renkei.cli.wave_plan import windows_by
from renkei.client.hub import HubClient
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, VerifiedParty
from renkei.exchange.certificates import Authority, issue_authority, make_authority_request, make_key, make_root
from renkei.exchange.documents import Signer
from renkei.exchange.parties import Party
from renkei.exchange.updates import Catalogue, Update
from renkei.fleet.model import Fleet
from renkei.fleet.waves.engine import Engine, Ministry, act_of_person, load
from renkei.fleet.waves.line import HubPost
from renkei.fleet.waves.plan import Plan, Wish, make_plan
from renkei.fleet.waves.post import Name
from renkei.fleet.waves.state import Phase, WaveState
from renkei.fleet.waves.watch import Watch
from renkei.hub import app
from renkei.hub.context import Hub
from renkei.hub.identity import Identity, verified_binding
from renkei.hub.limits import TokenBuckets
from renkei.hub.metrics import Metrics
from renkei.hub.settings import Settings as HubSettings
from renkei.hub.upkeep import flush_once
from renkei.store.hub.contract import Bounds
from renkei.store.hub.sqlite import SqliteHubStore
from renkei.store.waves.ledger import Act, Ledger, open_ledger
from unit.agent.update_host import AFTER
from unit.hub.conftest import Machine, Pki

BEGIN = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
KB = "KB5058411"
UPDATE = Update(kb=KB, build=AFTER, file="kb.msu", sha256="ab" * 32, size=700_000_000, urgency="urgent", requires=[])
CATALOGUE = Catalogue(number=7, issued_at=BEGIN, updates=[UPDATE])
FIRST, SECOND, THIRD = (UUID(int=0x6A1D9D0E9D3B4F0A8F43 << 48 | number) for number in (1, 2, 3))
TURN = timedelta(seconds=15)
WATCH, IDLE = timedelta(minutes=10), timedelta(hours=1)
"""How long the controller's next turn may wait when nothing has come: with somebody away, and with nobody."""
_SHARE_OF_LINE = 0.5


class Anchor(TrustAnchor):
    """The trust anchor, which believes an entry anew once a day: it is asked for the same ones again and again."""

    def __init__(self, pem: str) -> None:
        super().__init__(pem)
        self._believed: dict[tuple[str, Party | None, date], VerifiedParty] = {}

    def verify_entry(
        self, entry: DirectoryEntry, at: datetime, party: Party | None = None, *, signed_at: datetime | None = None
    ) -> VerifiedParty:
        key = entry.certificate + entry.binding, party, at.date()
        if key not in self._believed:
            self._believed[key] = super().verify_entry(entry, at, party, signed_at=signed_at)
        return self._believed[key]


class Killed(Exception):
    """The controller died here."""


@dataclass
class Counts:
    """What a run took: agents woken, and not woken for nothing; the controller's turns, and how often it died."""

    wakes: int = 0
    passed: int = 0
    turns: int = 0
    kills: int = 0
    controller_seconds: float = 0.0


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
                self._at(self.now + timedelta(minutes=self.random.randint(60, 1440)), "visit", name)
        self._at(self.now + timedelta(hours=5, minutes=30), "morning")

    # -- a wave

    def begin(self, plan: Plan) -> None:
        """Begin a wave: planned, and approved by somebody else."""
        self.plan = self.plans[plan.id] = plan
        self.ledger.plan(self.wave, plan.to_bytes(), int(self.now.timestamp()), b"{}")
        approval = Act("consent", detail="approver", document=b"{}", at=int(self.now.timestamp()))
        self.ledger.add(self.wave, 0, lambda _: [approval], plan.terminals)
        self.engine = None
        self._rule = plan.rule()
        self._at(self.now, "turn")

    def say(self, what: Any, why: str) -> None:
        """Do what a person does with the wave: resume or abort it."""
        act = Act(what, detail=f"suzuki: {why}", at=int(self.now.timestamp()))
        state = self.state()
        act_of_person(self.ledger, state, act, frozenset({state.phase}))
        self._at(self.now, "turn")

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

    def _at(self, at: datetime, what: str, name: str = "") -> None:
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
            self._at(self.now, "turn")

    def _let(self, what: str, name: str, state: WaveState) -> None:
        if what == "morning":
            self._morning()
            return
        terminal = self.terminals[name]
        if what == "visit":
            terminal.visit(self.now, self.ministry)
            self._at(self.now + timedelta(days=1), "visit", name)
            self._wake(terminal)
        elif what == "fail":
            terminal.fail_at_hub(self.now)
            self.loop.run_until_complete(flush_once(self.hub, self.store))
        elif terminal.waits_for_permit(self.now) and not self._has_room(terminal, state):
            self.counts.passed += 1  # it would ask, nobody could answer, and it asks again
            self._at(self.now + timedelta(minutes=10), "wake", name)
        else:
            self._wake(terminal)

    def _wake(self, terminal: Terminal) -> None:
        self.counts.wakes += 1
        was_harmed = terminal.machine.harmed
        again = terminal.wake(self.now)
        if again is not None:
            self._at(max(again, self.now + timedelta(seconds=1)), "wake", terminal.name)
        if terminal.machine.harmed and not was_harmed and terminal.machine.poisoned == "fails at the hub":
            self._at(self.now + timedelta(minutes=self.random.randint(90, 180)), "fail", terminal.name)

    def _has_room(self, terminal: Terminal, state: WaveState) -> bool:
        if state.phase is not Phase.RUNNING:
            return False
        return self._rule.room(state.tally, terminal.host.model) > 0

    def _morning(self) -> None:
        """Everybody exchanges: with nothing to pass that is noted at both sides. A few lines fail, as they do."""
        for terminal in self.terminals.values():
            if not terminal.rest(self.now):
                continue
            if terminal.machine.random.random() < self.troubles.bad_line / 10:
                terminal.fail_at_hub(self.now)
            self.hub.exchanges.served(terminal.host.endpoint, terminal.name, int(self.now.timestamp()))
        self.loop.run_until_complete(flush_once(self.hub, self.store))
        self._at(self.now + timedelta(days=1), "morning")

    # -- the controller

    def _control(self) -> WaveState | None:
        try:
            if self.engine is None:
                client = HubClient(cast("Any", self.wire))
                post = _Post(client, self._may_die, self._sent)
                ministry = Ministry(self._signer, self.anchor.verify_entry)
                self.engine = Engine(self.ledger, self.state(), ministry, post, Watch(client.exchanges))
            self._may_die()
            before, hub = time.process_time(), self.wire.tally.seconds
            state = self.engine.turn(self.now)
            self.counts.controller_seconds += time.process_time() - before - (self.wire.tally.seconds - hub)
            self._may_die()
        except Killed:
            self.engine = None
            self.counts.kills += 1
            self._at(self.now + MINUTE, "turn")
            return None
        self.counts.turns += 1
        busy = any(host.is_away for host in state.hosts.values())
        self._at(self.now + (WATCH if busy else IDLE), "turn")
        return state

    def _may_die(self) -> None:
        if self.killed and self.random.random() < self.killed:
            raise Killed

    def _sent(self, terminal: str, name: Name) -> None:
        """Something lies at the hub: who waits for a permit asks every minute, the others at their exchange times."""
        if self.terminals[terminal].by_medium:
            return
        minutes = self.random.randint(5, 59) / 60 if name == "permit" else self.random.randint(5, 180)
        self._at(self.terminals[terminal].hear(self.now + timedelta(minutes=minutes)), "wake", terminal)


def planned(fleet: Fleet, wave: UUID, now: datetime, one_in: int = 1, **wish: Any) -> Plan:
    """Plan an urgent wave over the fleet, in its own windows, or over one machine in some."""
    catalogue = CATALOGUE, "cd" * 32
    plan = make_plan(Wish(kbs=(KB,), planner="sato", days=10, **wish), fleet, catalogue, windows_by(fleet), wave, now)
    return plan.model_copy(update={"hosts": plan.hosts[::one_in]})


def planned_for(world: "World", wave: UUID, **wish: Any) -> Plan:
    """Plan another wave over the machines of a world."""
    plan = planned(world.fleet, wave, world.now, **wish)
    return plan.model_copy(update={"hosts": [host for host in plan.hosts if host.terminal in world.terminals]})


def _pki() -> Pki:
    """The ministry's root and issuing CA, which were there long before."""
    before, key = BEGIN - timedelta(days=400), make_key()
    root = make_root("country's root", make_key(), before, days=4000)
    return Pki(root, Authority(issue_authority(make_authority_request(key, "issuing"), root, before, 2000), key))


@contextmanager
def country(
    fleet: Fleet, folder: Path, seed: int, troubles: Troubles, one_in: int = 1, killed: float = 0.0
) -> Iterator[World]:
    """Build a country and the first wave over it, in a folder that should be in memory."""
    with ExitStack() as stack:
        pki, loop = _pki(), asyncio.new_event_loop()
        stack.callback(loop.close)
        (folder / "root.pem").write_text(pki.root_pem)
        (folder / "agents").mkdir()
        clock, anchor = Clock(BEGIN), Anchor(pki.root_pem)
        begin = BEGIN - timedelta(days=1)
        settings = HubSettings(state=folder, run=folder, root=folder / "root.pem")
        store = SqliteHubStore(settings.database, Bounds(10_000, 10_000, 10_000))
        stack.callback(store.close)
        hub = Hub(store, anchor, settings, lambda: clock.now, Metrics())
        hub.ministry_rate = hub.endpoint_rate = TokenBuckets(1e9, 1e9)  # which go by real time
        own = pki.enrol("hub", "asp-hub", begin)
        hub.identity = Identity(own.signer, own.entry.to_json(), int((begin + timedelta(days=398)).timestamp()))
        application, tally = app.exchange(hub), Tally()

        def enrol(party: str, terminal: str) -> Machine:
            machine = pki.enrol(party, terminal, begin)
            binding, _ = verified_binding(anchor, machine.entry, BEGIN)
            loop.run_until_complete(store.add_binding(binding, "authority", int(BEGIN.timestamp())))
            return machine

        def wire(machine: Machine) -> Wire:
            return Wire(loop, application, machine.entry.certificate, tally)

        authority, ministry = enrol("authority", "moj-linkage"), enrol("ministry", "moj-linkage")
        plan, terminals = planned(fleet, FIRST, BEGIN, one_in), {}
        for host in plan.hosts:
            machine = enrol(host.endpoint, host.terminal)
            random = Random(f"{seed} {host.terminal}")  # noqa: S311 - a simulation
            early = "03:00-20:30" if random.random() < troubles.early else None
            own_settings = settings_of(host, folder / "agents", folder / "root.pem", early)
            line_kbps = fleet.sites[host.endpoint].endpoint.line_kbps  # type: ignore[union-attr]  # it is an endpoint
            windows = Windows(
                now=BEGIN,
                random=random,
                downloads=timedelta(seconds=UPDATE.size * 8 / (line_kbps * 1000 * _SHARE_OF_LINE)),
            )
            keys = Keys(machine.entry, machine.signer)
            terminal = make_terminal(host, windows, keys, own_settings, anchor, wire(machine), clock)
            trouble(terminal, troubles)
            terminals[host.terminal] = terminal
        ledger = stack.enter_context(open_ledger(str(folder / "waves.db")))
        client = HubClient(cast("Any", wire(ministry)))
        world = World(
            fleet,
            ledger,
            hub,
            store,
            anchor,
            clock,
            authority,
            wire(authority),
            client,
            terminals,
            seed,
            killed,
            loop,
            troubles=troubles,
        )
        with clock.shown():
            world._morning()  # everybody has exchanged before
        world.begin(plan)
        yield world


def trouble(terminal: Terminal, troubles: Troubles) -> None:
    """Draw what will go wrong with a terminal."""
    machine, random = terminal.machine, terminal.random

    def chance(share: float) -> bool:
        return random.random() < share

    terminal.dead = chance(troubles.dead)
    if chance(troubles.full):
        machine.fill()
    if chance(troubles.loop):
        machine.faults.add("loop")
    machine.breaks = chance(troubles.breaks)
    terminal.off = timedelta(hours=random.choice([3, -3])) if chance(troubles.clock) else timedelta()
    machine.will_cut = chance(troubles.cut)
    breaks_the_line = troubles.harm != "not back"
    if troubles.model in {None, terminal.host.model} and chance(troubles.poison):
        machine.poisoned = None if breaks_the_line and terminal.by_medium else troubles.harm


def mend(world: World) -> None:
    """The faults end: somebody has been everywhere."""
    for terminal in world.terminals.values():
        terminal.machine.mend()
        terminal.dead, terminal.off = False, timedelta()
        settings = terminal.home.settings.model_copy(update={"updates": UpdatesSettings()})  # its own office hours
        terminal.home = replace(terminal.home, settings=settings)
        world._at(world.now + timedelta(minutes=world.random.randint(1, 600)), "wake", terminal.name)
    world.troubles = UNTROUBLED
