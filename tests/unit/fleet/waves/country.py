"""A simulated country under a wave: terminals with real orders, permits and evidence, and what happens to them.

Each terminal keeps its own story (when it began, what it came to), which nobody but the tests reads; the ledger's story
is held against it. Everything is of a seed.
"""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec

from renkei.exchange.bindings import BindingError, DirectoryEntry, VerifiedParty
from renkei.exchange.certificates import make_key
from renkei.exchange.documents import Signer
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import Party
from renkei.exchange.updates import Catalogue, Order, PatchState, Stage, Update, check_start
from renkei.fleet.model import Fleet
from renkei.fleet.waves.engine import Engine, Ministry, load, order_id
from renkei.fleet.waves.plan import MEDIA_GROUP, Plan, PlannedHost, Wish, make_plan
from renkei.fleet.waves.post import Heard
from renkei.fleet.waves.state import Phase, WaveState
from renkei.store.waves.ledger import Act, Ledger

BEGIN = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
OLD, NEW, KB = "26100.4000", "26100.4061", "KB5058411"
WAVE = UUID("6a1d9d0e-9d3b-4f0a-8f43-5d8f3d6f3d11")
UPDATE = Update(kb=KB, build=NEW, file="kb.msu", sha256="ab" * 32, size=700_000_000, urgency="routine", requires=[])
CATALOGUE = Catalogue(number=7, issued_at=BEGIN, updates=[UPDATE])
AUTHORITY = make_key()
SIGNER = Signer(AUTHORITY)


@lru_cache(maxsize=4096)
def opened(envelope: bytes) -> Order:
    """An order, verified once: a terminal looks at it every few minutes."""
    return Order.open(envelope, AUTHORITY.public_key())


def nightly(endpoint: str, start: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """18:00 to 23:00 in Japan every day; an office in ten closes an hour earlier."""
    hours = 4 if endpoint[-2] == "3" else 5
    first = start.replace(hour=9, minute=0, second=0, microsecond=0)
    nights = [first + timedelta(days=day) for day in range((until - start).days + 1)]
    return [(night, night + timedelta(hours=hours)) for night in nights if start <= night < until]


def planned(fleet: Fleet, wave: UUID = WAVE, now: datetime = BEGIN, urgency: str = "routine") -> Plan:
    catalogue = CATALOGUE.model_copy(update={"updates": [UPDATE.model_copy(update={"urgency": urgency})]})
    return make_plan(Wish(kbs=(KB,), planner="sato"), fleet, (catalogue, "cd" * 32), nightly, wave, now)


def part_of(plan: Plan, one_in: int) -> Plan:
    """The same wave over a part of the country, each group with its share."""
    return plan.model_copy(update={"hosts": plan.hosts[::one_in]})


@dataclass(frozen=True)
class Troubles:
    """How often each thing happens to a machine: as a share of all."""

    dead: float = 0.01
    full: float = 0.005
    loop: float = 0.001
    breaks: float = 0.001
    clock: float = 0.005
    cut: float = 0.02
    repeated: float = 0.05
    poison: float = 0.0
    poisoned_model: str | None = None
    poison_is_silent: bool = True


@dataclass
class Terminal:
    """A machine: what it is, what will happen to it, and its own story."""

    host: PlannedHost
    random: Random
    troubles: Troubles
    key: ec.EllipticCurvePrivateKey = field(default_factory=make_key)
    build: str = OLD
    exchanged_at: datetime = BEGIN
    began: dict[UUID, list[datetime]] = field(default_factory=dict)
    harmed: bool = False
    off_until: datetime = BEGIN
    order: Order | None = None
    fetched_at: datetime = BEGIN
    busy_until: datetime | None = None
    told_restart: bool = False
    done: bool = False
    asks_at: datetime = BEGIN
    tried: bytes | None = None

    def __post_init__(self) -> None:
        each = self.troubles
        self.dead, self.full = self.chance(each.dead), self.chance(each.full)
        self.loops, self.cut = self.chance(each.loop), self.chance(each.cut)
        self.breaks = self.chance(each.breaks)
        self.clock = timedelta(hours=self.random.choice([3, -3])) if self.chance(each.clock) else timedelta()
        poisonable = each.poisoned_model in {None, self.host.model}
        self.poisoned = poisonable and self.chance(each.poison)

    def chance(self, share: float) -> bool:
        return share > 0 and self.random.random() < share

    def mend(self) -> None:
        """Somebody has been there: whatever was wrong with it is over, and what it had begun is given up."""
        self.dead = self.full = self.loops = self.cut = self.breaks = self.poisoned = self.harmed = False
        self.clock, self.busy_until = timedelta(), None

    def act(self, now: datetime, box: dict[str, bytes]) -> Iterator[bytes]:
        """Live until now; yield what it says. `box` is what has come for it."""
        if self.dead or now < self.off_until:
            return
        if self.busy_until is not None:
            yield from self._work(now)
        elif "order" in box:
            order = opened(box["order"])
            if self.order is None or order.id != self.order.id:
                self.order, self.done, self.told_restart = order, False, False
                self.fetched_at = now + timedelta(minutes=self.random.choice([1, 2, 20, 200]))  # slow lines
            if not self.done and now >= self.fetched_at and order.open_at(now + self.clock):
                yield from self._begin(order, now, box)

    def _begin(self, order: Order, now: datetime, box: dict[str, bytes]) -> Iterator[bytes]:
        if self.build == NEW:  # by another order
            self.done = True
            self.exchanged_at = self.exchanged_at if self.harmed or self.breaks else now
            yield self.says("done", now)
            return
        permit = box.get("permit")
        if not order.permit or permit != self.tried:
            self.tried = permit
            try:
                place = (self.host.endpoint, self.host.terminal)
                check_start(order, box["order"], permit, AUTHORITY.public_key(), place, now + self.clock)
            except ExchangeError:
                pass
            else:
                self.began.setdefault(order.id, []).append(now)
                self.harmed = self.poisoned
                self.busy_until = now + timedelta(minutes=self.random.randint(10, 40))
                if self.cut:
                    self.off_until = now + timedelta(minutes=self.random.randint(1, 300))
                return
        if now < self.asks_at:
            return
        self.asks_at = now + timedelta(minutes=self.random.randint(10, 25))
        if self.full:
            yield self.says("blocked", now, "2 GiB are free, 8 GiB are needed")
        elif order.permit:
            yield self.says("ready", now)

    def _work(self, now: datetime) -> Iterator[bytes]:
        assert self.busy_until is not None
        if now < self.busy_until:
            return
        if not self.told_restart:
            self.told_restart = True
            self.busy_until = now + timedelta(minutes=self.random.randint(3, 30))
            yield self.says("restarting", now)
            return
        if self.loops or (self.harmed and self.troubles.poison_is_silent):
            return
        self.done, self.build, self.busy_until = True, NEW, None
        if not (self.harmed or self.breaks):
            self.exchanged_at = now
        yield self.says("done", now)

    def says(self, stage: Stage, now: datetime, problem: str | None = None) -> bytes:
        assert self.order is not None
        return PatchState(
            endpoint=self.host.endpoint,
            terminal=self.host.terminal,
            answers=self.order.id,
            stage=stage,
            build=self.build,
            installed=[KB] if self.build == NEW else [],
            missing=[] if self.build == NEW else [KB],
            catalogue=7,
            exchanged_at=self.exchanged_at + self.clock,
            problem=problem,
            checked_at=now + self.clock,
        ).sign(Signer(self.key))


class Killed(Exception):
    """The controller died here."""


@dataclass
class Country:
    """All terminals of a plan, the line to them, and the controller, which is killed now and then."""

    plan: Plan
    ledger: Ledger
    seed: int
    troubles: Troubles = Troubles()
    killed: float = 0.0
    now: datetime = BEGIN
    tick: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - a simulation
        self.terminals = {
            host.terminal: Terminal(host, Random(f"{self.seed} {host.terminal}"), self.troubles)  # noqa: S311 - a simulation
            for host in self.plan.hosts
        }
        self.boxes: dict[str, dict[str, bytes]] = {name: {} for name in self.terminals}
        self.coming: deque[Heard] = deque()
        self.count = self.kills = self.turns = 0
        self.plans: dict[UUID, Plan] = {}
        self.begin(self.plan)

    def begin(self, plan: Plan) -> None:
        """Begin a wave over the country's terminals: planned, and approved by somebody else."""
        self.plan = self.plans[plan.id] = plan
        self.ledger.plan(self.wave, plan.to_bytes(), int(self.now.timestamp()), b"{}")
        self.add("consent", "approver")
        self.engine: Engine | None = None

    @property
    def wave(self) -> str:
        return str(self.plan.id)

    # -- the post

    def send(self, endpoint: str, terminal: str, name: str, envelope: bytes) -> None:
        self._may_die()
        assert self.terminals[terminal].host.endpoint == endpoint
        self.boxes[terminal][name] = envelope
        self._may_die()

    def withdraw(self, endpoint: str, terminal: str, order: str) -> None:
        self._may_die()
        assert self.terminals[terminal].host.endpoint == endpoint
        assert order == str(order_id(self.plan.id, terminal))
        self.boxes[terminal].clear()
        self._may_die()

    def heard(self) -> Iterator[Heard]:
        yield from list(self.coming)

    def settle(self, name: str, *, refused: bool) -> None:
        assert not refused
        self._may_die()
        if self.coming[0].name == name and not self._chance(self.troubles.repeated):
            self.coming.popleft()

    # -- what passes

    def _chance(self, share: float) -> bool:
        return share > 0 and self.random.random() < share

    def add(self, what: Any, detail: str) -> None:
        act = Act(what, detail=detail, document=b"{}", at=int(self.now.timestamp()))
        frees = self.state().copy().take([act]).freed
        self.ledger.add(self.wave, 10**9, lambda _: [act], frees=lambda: frees)

    def state(self) -> WaveState:
        return load(self.ledger, self.wave)

    def pass_time(
        self, days: float = 1, until: frozenset[Phase] = frozenset({Phase.HALTED, Phase.FINISHED})
    ) -> WaveState:
        """Let days pass, or as many as it takes to come to one of some phases."""
        end = self.now + timedelta(days=days)
        state = self.state()
        while self.now < end and state.phase not in until:
            self.now += self.tick if 9 <= self.now.hour < 17 else timedelta(hours=1)
            for terminal in self.terminals.values():
                for envelope in terminal.act(self.now, self.boxes[terminal.host.terminal]):
                    self._put(terminal, envelope)
            state = self._control() or state
        return self.state()

    def _put(self, terminal: Terminal, envelope: bytes) -> None:
        self.count += 1
        entry = DirectoryEntry(binding="", certificate=terminal.host.terminal, issuer="")
        self.coming.append(Heard(f"{self.count:08d}", entry, envelope))

    def _control(self) -> WaveState | None:
        try:
            if self.engine is None:
                self.engine = Engine(self.ledger, self.state(), Ministry(SIGNER, self._believe), self)
            self._may_die()
            state = self.engine.turn(self.now)
            self._may_die()
        except Killed:
            self.engine = None
            self.kills += 1
            return None
        self.turns += 1
        return state

    def _may_die(self) -> None:
        if self._chance(self.killed):
            raise Killed

    def _believe(self, entry: DirectoryEntry, at: datetime) -> VerifiedParty:
        """The directory: whose key it is. That entries are checked is the business of another test."""
        del at
        if entry.certificate not in self.terminals:
            raise BindingError("nobody")
        terminal = self.terminals[entry.certificate]
        found = SimpleNamespace(
            party=Party(terminal.host.endpoint),
            terminal=terminal.host.terminal,
            signing_public_key=terminal.key.public_key(),
        )
        return cast("VerifiedParty", found)


def harmed(country: Country) -> int:
    """How many the bad update was given to that it breaks."""
    return sum(terminal.harmed for terminal in country.terminals.values())


def contradictions(country: Country) -> list[str]:
    """Where the ledger's story of the newest wave isn't that of the hosts, or a host's isn't what was promised."""
    found = []
    state = country.state()
    ends = [act.terminal for act in country.ledger.acts(country.wave) if act.what == "end"]
    if len(set(ends)) != len(ends):
        found.append("a machine has two ends in the ledger")
    for name, told in state.hosts.items():
        terminal = country.terminals[name]
        began = terminal.began.get(order_id(country.plan.id, name), [])
        if len(began) > 1:
            found.append(f"{name} was done twice")
        # without a line to hold it by, a machine goes by its own clock
        by = terminal.clock if told.host.group == MEDIA_GROUP else timedelta()
        if not all(any(each.opens <= moment + by < each.closes for each in told.host.windows) for moment in began):
            found.append(f"{name} began outside its windows")
        if began and told.started_at is None:
            found.append(f"{name} began, and the ledger doesn't know")
        if told.end == "well" and (terminal.build != NEW or terminal.harmed or terminal.breaks):
            found.append(f"{name} is well in the ledger only")
        if told.end not in {None, "well", "no exchange"} and terminal.done and not told.heard_late:
            found.append(f"{name} is done, the ledger says {told.end}")
        if told.end == "unstarted" and began:
            found.append(f"{name} began, the ledger says it didn't")
    return found


def put_in_folder(folder: Path, name: str, terminal: str, envelope: bytes) -> None:
    """Put what a terminal says where a controller's post looks, whole."""
    entry = DirectoryEntry(binding="", certificate=terminal, issuer="")
    (folder / "in").mkdir(parents=True, exist_ok=True)
    new = folder / "in" / f".{name}.new"
    new.write_text(json.dumps({"entry": entry.model_dump(), "envelope": envelope.decode()}))
    new.replace(folder / "in" / f"{name}.json")
