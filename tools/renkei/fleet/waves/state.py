"""What the acts of a wave add up to. Nothing else is kept: whoever reads the ledger knows where a wave stands."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from renkei.domain.halting import Counts, Fault, Tally
from renkei.domain.rise import Failure
from renkei.exchange.clock import parse_time
from renkei.exchange.direct import DirectOrder, read_order
from renkei.exchange.documents import peek
from renkei.exchange.updates import Order, Permit
from renkei.fleet.waves.plan import MEDIA_GROUP, Plan, PlannedHost
from renkei.store.waves.ledger import Act

WELL: Final = "well"
STALE: Final = "stale"
"""What is noted of a machine that asked for a permit long ago, or by a wrong clock."""
UNSTARTED: Final = "unstarted"
"""The end of a machine that didn't begin: its order expired. It counts neither for nor against the update."""


class Phase(StrEnum):
    """Where a wave stands."""

    PLANNED = "planned"
    APPROVED = "approved"
    RUNNING = "running"
    HALTED = "halted"
    ABORTED = "aborted"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class HostState:
    """Where one machine stands; times in seconds since 1970, `end` is well, unstarted or a `Fault`.

    `started_at` is when it got its permit (or an order that needs none), `permit_ends` when the newest permit does, and
    `asked_at` when, by its own clock, it asked for that; `stage` is what it said last, and `heard` when (by its own
    clock, or by the ministry's where that is behind); `heard_late` tells that it spoke after its end. `failing` says
    how its exchanges failed at the hub, when it was first seen that they do.
    """

    host: PlannedHost
    order: Order | DirectOrder | None = None
    envelope: bytes = b""
    permit: bytes = b""
    started_at: int | None = None
    permit_ends: datetime | None = None
    asked_at: str = ""
    stage: str = ""
    end: str | None = None
    heard: datetime | None = None
    heard_late: bool = False
    ended_at: datetime | None = None
    failing: str = ""

    @property
    def is_away(self) -> bool:
        """Whether it has begun and isn't through."""
        return self.started_at is not None and self.end is None

    @property
    def may_be_at_work(self) -> bool:
        """Whether a permit of this wave lets it work: no other wave may have it meanwhile.

        An order without a permit doesn't count: it lies on a medium, and a terminal works on one after the other.
        """
        return self.is_away and self.order is not None and self.order.permit

    @property
    def is_updated(self) -> bool:
        """Whether this wave has updated it, by its own word."""
        return self.end == WELL and self.started_at is not None

    @property
    def is_unbegun(self) -> bool:
        """Whether this wave hasn't touched it."""
        return self.started_at is None and self.end in {None, UNSTARTED}

    @property
    def standing(self) -> str:
        """Where it stands, in a word: its end, or how far it has come."""
        if self.end or self.is_away:
            return self.end or "away"
        if self.stage in {"blocked", STALE}:
            return self.stage
        return "ordered" if self.order else "waiting"


@dataclass(slots=True)
class WaveState:
    """A wave as of the act `seen`. `tally` and `failures` count since the wave was begun or last resumed.

    So do `fallen` and `failing`, which name the machines: those that fell out, and updated ones whose exchanges fail.
    """

    plan: Plan
    hosts: dict[str, HostState] = field(default_factory=dict)
    seen: int = 0
    planned: bytes = b""
    approval: bytes = b""
    halted: str | None = None
    aborted: str | None = None
    tally: Tally = field(default_factory=Tally)
    failures: Mapping[str | None, tuple[Failure, ...]] = field(default_factory=dict)
    fallen: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    begun_at: datetime | None = None

    def __post_init__(self) -> None:
        """Begin with nobody having begun."""
        if not self.hosts:
            self.hosts = {host.terminal: HostState(host) for host in self.plan.hosts}

    def copy(self) -> "WaveState":
        """Return a state that can be changed by itself."""
        return replace(self, hosts=dict(self.hosts))

    @property
    def phase(self) -> Phase:
        """Where the wave stands."""
        if self.aborted is not None:
            return Phase.ABORTED
        if all(state.end for state in self.hosts.values()):
            return Phase.FINISHED
        if self.halted is not None:
            return Phase.HALTED
        if any(state.order for state in self.hosts.values()):
            return Phase.RUNNING
        return Phase.APPROVED if self.approval else Phase.PLANNED

    @property
    def freed(self) -> list[str]:
        """The machines that an aborted wave is through with; of any other one none but by their end."""
        if self.aborted is None:
            return []
        return [name for name, state in self.hosts.items() if not state.may_be_at_work]

    def group(self, now: datetime) -> str | None:
        """The group whose turn it is: the first of which somebody hasn't ended, nor let his first window pass.

        Whoever began in that window has ended, or is overdue, by then. A machine that is switched off for a week keeps
        its order, and holds up nobody.
        """
        return next((state.host.group for state in self.hosts.values() if not self._has_had_its_turn(state, now)), None)

    def _has_had_its_turn(self, state: HostState, now: datetime) -> bool:
        if state.end or state.order is None or not state.order.permit:
            return state.end is not None
        return now >= state.order.windows[0].closes + timedelta(minutes=self.plan.overdue_minutes)

    @property
    def on_media(self) -> Counter[str]:
        """How many are away on media, by model: they are for days, until a medium comes back."""
        return Counter(
            state.host.model for state in self.hosts.values() if state.host.group == MEDIA_GROUP and state.is_away
        )

    @property
    def counts(self) -> dict[str, Counter[str]]:
        """How many machines of each group stand where: waiting, ordered, blocked, stale, away, or their end."""
        found: dict[str, Counter[str]] = {group: Counter() for group in self.plan.groups}
        for state in self.hosts.values():
            found[state.host.group][state.standing] += 1
        return found

    def take(self, acts: Iterable[Act]) -> "WaveState":
        """Add acts; return the same state."""
        for act in acts:
            self.seen = max(self.seen, act.number)
            if act.terminal:
                self._take_host(act, self.hosts[act.terminal])
            elif act.what == "consent":
                if act.detail == "planner":
                    self.planned = act.document
                else:
                    self.approval = act.document
            elif act.what == "halt":
                self.halted = act.detail
            elif act.what == "resume":
                self.halted = None
                self.tally, self.failures = self._begin_anew(), {}
                self.fallen = self.failing = ()
            elif act.what == "abort":
                self.aborted = act.detail
        return self

    def _take_host(self, act: Act, state: HostState) -> None:
        model = state.host.model
        if act.what == "failing":
            state = replace(state, failing=act.detail)
            self._take_failure(act)
        elif act.what == "order":
            self.begun_at = self.begun_at or datetime.fromtimestamp(act.at, UTC)
            order = read_order(peek(act.document))
            state = replace(state, order=order, envelope=act.document)
            if not order.permit:  # nobody can hold it back from now on
                state = replace(state, started_at=act.at)
                self.tally = self.tally.start(model)
        elif act.what == "permit":
            self.tally = self.tally.start(model)
            ends = Permit.read(peek(act.document).payload).expires
            state = replace(
                state, permit=act.document, asked_at=act.detail, started_at=act.at, permit_ends=ends, stage=""
            )
        elif act.what == "state" and self._has_not_begun(act, state):
            self._take_back(model)
            state = replace(state, permit=b"", started_at=None, permit_ends=None, stage=act.detail)
        elif act.what == "state":
            state = replace(state, stage=act.detail, heard_late=bool(state.end))
        elif act.what == "end":
            if state.is_away:
                self._count(state.host, act.detail)
            ended_at = datetime.fromtimestamp(act.at, UTC)
            state = replace(state, end=act.detail, ended_at=ended_at, stage="done" if act.document else state.stage)
        if act.document and act.what in {"state", "end"}:
            said = parse_time(peek(act.document).payload["checked_at"])
            state = replace(state, heard=min(said, datetime.fromtimestamp(act.at, UTC)))
        self.hosts[act.terminal] = state

    @staticmethod
    def _has_not_begun(act: Act, state: HostState) -> bool:
        """Whether a machine says that it let its permit pass, or a play found one blocked and touched nothing."""
        return act.detail == "ready" or (act.detail == "blocked" and bool(state.host.direct) and state.is_away)

    def _count(self, host: PlannedHost, end: str) -> None:
        if end == UNSTARTED:
            self._take_back(host.model)
            return
        if end != WELL:
            self.fallen = (*self.fallen, host.terminal)
        self.tally = self.tally.end(host.model, None if end == WELL else Fault(end))

    def _take_failure(self, act: Act) -> None:
        """Count a machine whose exchanges fail; without a document they did before the wave, and count for nothing."""
        if not act.document:
            return
        found = json.loads(act.document)
        new = {model or None: Failure(found["updated"], *numbers) for model, numbers in found["of"].items()}
        added = {model: (*self.failures.get(model, ()), each) for model, each in new.items()}
        self.failures = {**self.failures, **added}
        if found["updated"]:
            self.failing = (*self.failing, act.terminal)

    def _take_back(self, model: str) -> None:
        """Count a machine that was let in as if it had never begun."""
        counts = self.tally.of(model)
        self.tally = Tally({**self.tally.by_model, model: replace(counts, started=counts.started - 1)})

    def _begin_anew(self) -> Tally:
        """Return a tally of those who are away: a resumed wave is judged by what comes after."""
        away = Counter(state.host.model for state in self.hosts.values() if state.is_away)
        return Tally({model: Counts(number) for model, number in away.items()})
