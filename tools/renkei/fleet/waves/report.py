"""What a page says of a wave: how far each ring is, why it stands, and which machines need a person.

    found = report(state, ledger.acts(wave), fleet, now)

Everything is the ledger's: the plan, the acts, and what they add up to (`state`). Nothing is judged here; why a wave
was halted is what was written down with the halt (`grounds`). `fleet` gives endpoints their names and contacts.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from renkei.domain.halting import Fault
from renkei.exchange.clock import parse_time
from renkei.exchange.documents import peek
from renkei.fleet.endpoints import Endpoint
from renkei.fleet.model import Fleet
from renkei.fleet.waves.grounds import Ground, read_grounds
from renkei.fleet.waves.state import STALE, UNSTARTED, WELL, HostState, Phase, WaveState
from renkei.store.waves.ledger import Act

_AT_WORK: Final = frozenset({"begun", "restarting", "checking"})


class Situation(StrEnum):
    """Where a wave stands, as its page says it: a running one for which no window is open waits for the next."""

    PLANNED = "planned"
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    ABORTED = "aborted"
    FINISHED = "finished"


class Progress(StrEnum):
    """How far a machine is, in the order in which it goes."""

    WAITING = "waiting"
    ORDERED = "ordered"
    BLOCKED = "blocked"
    PERMITTED = "permitted"
    BEGUN = "begun"
    WELL = "well"
    HARMED = "harmed"
    LOST = "lost"
    UNSTARTED = "unstarted"


class Trouble(StrEnum):
    """Why a machine needs a person, the worst first."""

    FAILED = "failed"
    NO_EXCHANGE = "no exchange"
    NOT_BACK = "not back"
    EXCHANGES = "exchanges"
    UNREACHABLE = "unreachable"
    LATE = "late"
    BLOCKED = "blocked"
    STALE = "stale"
    UNSTARTED = "unstarted"


_ENDS: Final = {
    WELL: Progress.WELL,
    UNSTARTED: Progress.UNSTARTED,
    Fault.FAILED: Progress.HARMED,
    Fault.NO_EXCHANGE: Progress.HARMED,
    Fault.UNREACHABLE: Progress.LOST,
    Fault.NOT_BACK: Progress.LOST,
}
_WORST: Final = {trouble: place for place, trouble in enumerate(Trouble)}


@dataclass(frozen=True, slots=True)
class Word:
    """What a machine said last, or what a play saw there: when by its clock, the problem it names, its build."""

    at: datetime
    problem: str | None
    build: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A machine that needs a person: since when, and what it said last.

    `endpoint` is None where the fleet has none; `until` is when a late one will be overdue.
    """

    host: HostState
    trouble: Trouble
    since: datetime
    said: Word | None
    endpoint: Endpoint | None
    until: datetime | None = None

    @property
    def terminal(self) -> str:
        """Its name, which is its asset number."""
        return self.host.host.terminal


@dataclass(frozen=True, slots=True)
class Ring:
    """How far the machines of a ring (or of the bench, of media) are."""

    name: str
    counts: Mapping[Progress, int]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Event:
    """Something in the wave's course: what, when, by whom where a person did it, and his words or the rule's.

    `grounds` are what the rule found; of a halt by an earlier release it left words alone.
    """

    what: str
    at: datetime
    person: str
    words: str
    grounds: tuple[Ground, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a halt found of one kind, over all machines and over models; its machines, and how they are spread.

    `models` and `prefectures` are (name, how many of the machines), the most first.
    """

    kind: str
    grounds: tuple[Ground, ...]
    rows: tuple[Row, ...]
    models: tuple[tuple[str, int], ...]
    prefectures: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class WaveReport:
    """What the page says. `halt` is the event of a halt that nobody has taken back, `grounds` what it stands on."""

    state: WaveState
    at: datetime
    situation: Situation
    opens: datetime | None
    rings: tuple[Ring, ...]
    course: tuple[Event, ...]
    halt: Event | None
    grounds: tuple[Shown, ...]
    rows: tuple[Row, ...]

    @property
    def whole(self) -> Ring:
        """All machines."""
        return Ring("", sum((Counter(ring.counts) for ring in self.rings), Counter()))

    @property
    def out_of_order(self) -> int:
        """How many machines fell out, or fail at the hub since."""
        return sum(_WORST[row.trouble] < _WORST[Trouble.LATE] for row in self.rows)


def report(state: WaveState, acts: Sequence[Act], fleet: Fleet, now: datetime) -> WaveReport:
    """Say how a wave is.

    Args:
        state: the wave.
        acts: its acts, all that the state has taken; later ones are left out.
        fleet: which endpoints there are.
        now: aware.
    """
    acts = [act for act in acts if act.number <= state.seen]
    rows = {row.terminal: row for row in _rows(state, acts, fleet, now)}
    course = tuple(_course(state, acts))
    halt = next((event for event in reversed(course) if event.what == "halt"), None)
    halt = halt if state.halted is not None else None
    found = _shown(halt.grounds, rows) if halt else []
    first = {row.terminal for each in found for row in each.rows}
    return WaveReport(
        state,
        now,
        *situation(state, now),
        tuple(_rings(state)),
        course,
        halt,
        tuple(found),
        tuple(sorted(rows.values(), key=lambda row: (row.terminal not in first, _WORST[row.trouble], row.since))),
    )


def situation(state: WaveState, now: datetime) -> tuple[Situation, datetime | None]:
    """Return where a wave stands, and of one that waits for a window when the next opens."""
    if state.phase is not Phase.RUNNING:
        return Situation(state.phase.value), None
    if any(host.may_be_at_work for host in state.hosts.values()):
        return Situation.RUNNING, None
    group = state.group(now)
    left = [host for host in state.hosts.values() if not host.end and not host.is_away]  # media are away for days
    turn = [host for host in left if host.order or host.host.group == group]
    windows = [window for host in turn for window in host.host.windows if window.closes > now]
    if not windows or any(window.opens <= now for window in windows):
        return Situation.RUNNING, None
    return Situation.PAUSED, min(window.opens for window in windows)


def edition(state: WaveState, now: datetime) -> tuple[object, ...]:
    """Return what a report depends on: two that agree in it differ in nothing but their moment."""
    late = sum(_trouble(state, host, (), now) is Trouble.LATE for host in state.hosts.values())
    return state.seen, *situation(state, now), late


def progress(host: HostState) -> Progress:
    """Tell how far a machine is."""
    if host.end:
        return _ENDS[host.end]
    if host.is_away and host.stage in _AT_WORK:
        return Progress.BEGUN
    if host.may_be_at_work:
        return Progress.PERMITTED
    if host.stage in {"blocked", STALE}:
        return Progress.BLOCKED
    return Progress.ORDERED if host.order else Progress.WAITING


def _rings(state: WaveState) -> Iterable[Ring]:
    found: dict[str, Counter[Progress]] = {group: Counter() for group in state.plan.groups}
    for host in state.hosts.values():
        found[host.host.group][progress(host)] += 1
    return [Ring(name, counts) for name, counts in found.items()]


def _trouble(state: WaveState, host: HostState, failing: Collection[str], now: datetime) -> Trouble | None:
    if host.end == WELL:
        return Trouble.EXCHANGES if host.host.terminal in failing else None
    if host.end:
        return Trouble(host.end)
    if host.may_be_at_work and host.started_at is not None:
        is_late = now >= datetime.fromtimestamp(host.started_at, UTC) + timedelta(minutes=state.plan.minutes)
        return Trouble.LATE if is_late else None
    asks_again = state.phase is not Phase.ABORTED  # then its order is taken back
    return Trouble(host.stage) if asks_again and host.stage in {"blocked", STALE} else None


def _rows(state: WaveState, acts: Sequence[Act], fleet: Fleet, now: datetime) -> Iterable[Row]:
    failing = {
        act.terminal for act in acts if act.what == "failing" and act.document and json.loads(act.document)["updated"]
    }
    troubles = {name: trouble for name, host in state.hosts.items() if (trouble := _trouble(state, host, failing, now))}
    since: dict[tuple[str, str], int] = {}
    said: dict[str, bytes] = {}
    for act in acts:
        if act.terminal in troubles:
            since[act.terminal, act.what] = act.at
            if act.document and act.what in {"state", "end"}:
                said[act.terminal] = act.document
    what = {Trouble.EXCHANGES: "failing", Trouble.LATE: "permit", Trouble.BLOCKED: "state", Trouble.STALE: "state"}
    for name, trouble in troubles.items():
        host = state.hosts[name]
        at = datetime.fromtimestamp(since[name, what.get(trouble, "end")], UTC)
        site = fleet.sites.get(str(host.host.endpoint))
        word = _word(said[name]) if name in said else None
        until = at + timedelta(minutes=state.plan.overdue_minutes) if trouble is Trouble.LATE else None
        yield Row(host, trouble, at, word, site.endpoint if site else None, until)


def _word(document: bytes) -> Word:
    payload = peek(document).payload
    return Word(parse_time(payload["checked_at"]), payload.get("problem"), payload.get("build"))


def _course(state: WaveState, acts: Sequence[Act]) -> Iterable[Event]:
    """Yield what happened to the wave as a whole, oldest first."""
    ordered = False
    for act in acts:
        at = datetime.fromtimestamp(act.at, UTC)
        if act.what == "consent":
            what = "planned" if act.detail == "planner" else "approved"
            yield Event(what, at, str(peek(act.document).payload["person"]), "")
        elif act.what == "order" and not ordered:
            ordered = True
            yield Event("begun", at, "", "")
        elif act.what in {"halt", "resume", "abort"}:
            yield _by_somebody(act, at)
    if state.phase is Phase.FINISHED:
        yield Event("finished", max(host.ended_at for host in state.hosts.values() if host.ended_at), "", "")


def _by_somebody(act: Act, at: datetime) -> Event:
    """Tell a person's act from the rule's, which names its grounds, or in an earlier release a fault."""
    grounds = read_grounds(act.document) if act.what == "halt" else ()
    person, colon, words = act.detail.partition(": ")
    if grounds or not colon or (act.what == "halt" and person in {*Fault, "exchange failures at the hub"}):
        return Event(act.what, at, "", act.detail, grounds)
    return Event(act.what, at, person, words)


def _shown(grounds: Sequence[Ground], rows: Mapping[str, Row]) -> list[Shown]:
    """Put what was found of one kind together: the machines of a model are among those of all."""
    found = []
    for kind in dict.fromkeys(ground.kind for ground in grounds):
        mine = tuple(ground for ground in grounds if ground.kind == kind)
        names = dict.fromkeys(name for ground in mine for name in ground.terminals)
        some = tuple(rows[name] for name in names if name in rows)
        models = Counter(row.host.host.model for row in some)
        prefectures = Counter(row.endpoint.municipality.prefecture for row in some if row.endpoint)
        found.append(Shown(kind, mine, some, tuple(models.most_common()), tuple(prefectures.most_common())))
    return found
