"""The country's standing: every machine in service, by endpoint, prefecture and ring; the days before; whom to act on.

The words that the present is judged by are verified anew, each from the root down. The days before are computed from
what was verified when it was taken, so that they cost no signatures.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cached_property
from typing import Final

from renkei.domain.windows import JST
from renkei.exchange.errors import ExchangeError
from renkei.exchange.updates import Catalogue
from renkei.fleet.controls.exceptions import ControlException
from renkei.fleet.endpoints import Endpoint, Link
from renkei.fleet.model import Fleet, Part
from renkei.fleet.patching.intake import Believer
from renkei.fleet.patching.standing import (
    PATTERNS_AGE,
    PATTERNS_MEDIA_AGE,
    UNKNOWN_DAYS,
    UNKNOWN_MEDIA_DAYS,
    Judgement,
    Machine,
    Released,
    Standing,
    Wanted,
    judge,
    wanted,
)
from renkei.fleet.terminals import State, Terminal
from renkei.store.patch_states import Kept, PatchStates

CONTROLS: Final = frozenset({"update-source", "updates-in-time"})
"""The controls of guideline 30 from which an exception excuses a machine's updates."""
PATTERNS_CONTROL: Final = "malware-patterns"
"""The one from which an exception excuses old antivirus patterns, and an antivirus that says nothing of its own."""
DAYS: Final = 28


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: as of which moment (aware), for how many days back.

    And how many days each kind of link may be silent, how old its antivirus patterns may be.
    """

    at: datetime
    days: int = DAYS
    unknown_days: int = UNKNOWN_DAYS
    unknown_media_days: int = UNKNOWN_MEDIA_DAYS
    patterns_line: timedelta = PATTERNS_AGE
    patterns_media: timedelta = PATTERNS_MEDIA_AGE

    def machine(
        self, endpoint: Endpoint, terminal: Terminal, *, excepted: bool, patterns_excepted: bool = False
    ) -> Machine:
        """Return what the rule needs to know of a machine."""
        by_medium = endpoint.link is Link.MEDIA
        silent = timedelta(days=self.unknown_media_days if by_medium else self.unknown_days)
        begun = terminal.in_service_on or self.at.date()
        patience = silent if by_medium else timedelta(0)
        patterns = self.patterns_media if by_medium else self.patterns_line
        allowed = (silent, patience, excepted, patterns, patterns_excepted)
        return Machine(endpoint.code.value, terminal.asset_number, begun, *allowed)


@dataclass(frozen=True, slots=True)
class Row:
    """A machine with its endpoint, its last word, where it stands, its exception, and why its word was refused."""

    endpoint: Endpoint
    terminal: Terminal
    machine: Machine
    said: Kept | None
    judgement: Judgement
    exception: ControlException | None = None
    refused: str = ""

    @property
    def standing(self) -> Standing:
        """Where it stands."""
        return self.judgement.standing


@dataclass(frozen=True, slots=True)
class Day:
    """How many machines stood where at a moment: the end of a day in Japan, the last one the moment of the question."""

    at: datetime
    counts: Mapping[Standing, int]


@dataclass(frozen=True, slots=True)
class Group:
    """Machines that have something in common: how many stand where, and the greatest age of a missing update."""

    name: str
    counts: Mapping[Standing, int]
    oldest_days: int

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def percent(self) -> float:
        """The share that is up to date."""
        return 100 * self.counts.get(Standing.UP_TO_DATE, 0) / self.total if self.total else 0.0


@dataclass(frozen=True)
class Report:
    """The answer. `rows` are in the order of codes; `unserved` are endpoints without a machine in service."""

    fleet: Fleet = field(repr=False)
    question: Question
    want: Wanted
    rows: tuple[Row, ...] = field(repr=False)
    trend: tuple[Day, ...] = field(repr=False)
    unserved: tuple[Endpoint, ...] = field(repr=False, default=())

    @cached_property
    def counts(self) -> Counter[Standing]:
        """How many machines stand where."""
        return Counter(each.standing for each in self.rows)

    @cached_property
    def act_on(self) -> list[Row]:
        """Who needs a person, most urgent first: late by the earliest deadline, then silent ones by their last word."""
        urgent = [each for each in self.rows if each.judgement.alarm]
        return sorted(urgent, key=_urgency)

    @cached_property
    def by_endpoint(self) -> dict[str, list[Row]]:
        """The machines of each endpoint that has any, the worst first."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.endpoint.code.value, []).append(row)
        return {code: sorted(rows, key=lambda row: -row.standing.rank) for code, rows in found.items()}

    def groups(self, of: Callable[[Endpoint], str]) -> list[Group]:
        """Put machines together by something of their endpoints, in the order in which they come."""
        rows: dict[str, list[Row]] = {}
        for row in self.rows:
            rows.setdefault(of(row.endpoint), []).append(row)
        return [self._group(name, members) for name, members in rows.items()]

    @property
    def by_prefecture(self) -> list[Group]:
        """By prefecture, in the order of their codes."""
        return self.groups(lambda endpoint: endpoint.municipality.prefecture)

    @property
    def by_ring(self) -> list[Group]:
        """By ring, in the order of fleet.yml."""
        order = {ring: place for place, ring in enumerate(self.fleet.settings.rings)}
        return sorted(self.groups(lambda endpoint: endpoint.ring), key=lambda group: order[group.name])

    @property
    def with_old_patterns(self) -> int:
        """How many machines' antivirus patterns were too old when they spoke last."""
        return sum(row.judgement.patterns_old for row in self.rows)

    @property
    def with_unsaid_patterns(self) -> int:
        """Of how many machines the antivirus has said nothing of its patterns for longer than these may be old."""
        return sum(row.judgement.patterns_unsaid for row in self.rows)

    def lacking(self, released: Released) -> int:
        """How many machines lack an update, by their last word."""
        return sum(released.update.kb in row.judgement.lacks for row in self.rows)

    def _group(self, name: str, rows: Sequence[Row]) -> Group:
        ages = [row.judgement.age_days(self.question.at) for row in rows]
        return Group(name, Counter(row.standing for row in rows), max(ages))


def survey(
    fleet: Fleet,
    states: PatchStates,
    catalogues: Sequence[Catalogue],
    believer: Believer,
    exceptions: Sequence[ControlException],
    question: Question,
) -> Report:
    """Judge every machine in service, now and at the end of each of the days before.

    Args:
        fleet: whose machines.
        states: what they said.
        catalogues: verified, in any order; at least one.
        believer: by whom their words are believed.
        exceptions: the fleet's.
        question: as of when.

    Raises:
        StoreError: the store can't be read.
    """
    maintenance = fleet.settings.maintenance
    allowed = maintenance.deadline_days, maintenance.urgent_deadline_days
    want = wanted(catalogues, question.at, *allowed)
    rows = [_row(each, states, believer, want, question) for each in _machines(fleet, exceptions, question)]
    served = {row.endpoint.code.value for row in rows}
    endpoints = [site.endpoint for site in fleet.sites.values() if site.endpoint]
    unserved = tuple(each for each in endpoints if each.code.value not in served)

    def wanted_at(at: datetime) -> Wanted:
        return wanted(catalogues, at, *allowed)

    first = min(each.issued_at for each in catalogues)
    days = [*_trend([row.machine for row in rows], states, wanted_at, question, first)]
    return Report(fleet, question, want, tuple(rows), (*days, Day(question.at, _counts(rows))), unserved)


_Place = tuple[Endpoint, Terminal, ControlException | None, bool]


def _machines(fleet: Fleet, exceptions: Sequence[ControlException], question: Question) -> Iterator[_Place]:
    """Yield the machines in service with their endpoints, in the order of codes, and what excuses them."""
    terminals: dict[str, list[Terminal]] = {}
    for terminal in fleet.terminals:
        if terminal.state is State.IN_SERVICE:
            terminals.setdefault(terminal.code.value, []).append(terminal)
    today = question.at.astimezone(JST).date()
    relevant = [each for each in exceptions if each.control in CONTROLS and today <= each.until]
    patterns = [each for each in exceptions if each.control == PATTERNS_CONTROL and today <= each.until]
    for code, site in fleet.sites.items():
        for terminal in terminals.get(code, ()):
            host = site.hosts[Part.TERMINAL]
            assert site.endpoint is not None  # noqa: S101 - only endpoints have terminals
            exception = next((each for each in relevant if each.covers(host)), None)
            yield site.endpoint, terminal, exception, any(each.covers(host) for each in patterns)


def _row(place: _Place, states: PatchStates, believer: Believer, want: Wanted, question: Question) -> Row:
    endpoint, terminal, exception, patterns = place
    machine = question.machine(endpoint, terminal, excepted=exception is not None, patterns_excepted=patterns)
    found = states.newest(machine.endpoint, machine.terminal, int(question.at.timestamp()))
    said, refused, before = None, "", None
    if found is not None:
        try:
            believer.open(found.entry, found.envelope, datetime.fromtimestamp(found.kept.said_at, question.at.tzinfo))
            said = found.kept
            if said.patterns_made_at is None:
                before = states.patterns_before(said.endpoint, said.terminal, said.said_at)
        except ExchangeError as error:
            refused = str(error)
    judgement = judge(machine, said, want, question.at, before)
    return Row(endpoint, terminal, machine, said, judgement, exception, refused)


def _trend(
    machines: Sequence[Machine],
    states: PatchStates,
    wanted_at: Callable[[datetime], Wanted],
    question: Question,
    first: datetime,
) -> Iterator[Day]:
    """Go through what was said, and stop at the end of each day; none is judged before the first catalogue."""
    today = question.at.astimezone(JST).date()
    ends = [datetime.combine(today - timedelta(days=back), time(), JST) for back in range(question.days - 1, -1, -1)]
    ends = [end for end in ends if first < end < question.at]
    if not ends:
        return
    longest = max((machine.silent for machine in machines), default=timedelta(0))
    # a word older than the longest silence allowed changes nothing: whoever has no other is unknown
    words = states.between(int((ends[0] - longest).timestamp()), int(question.at.timestamp()))
    said: dict[tuple[str, str], Kept] = {}
    patterns: dict[tuple[str, str], int] = {}
    word = next(words, None)
    for end in ends:
        while word is not None and word.said_at <= end.timestamp():
            said[word.endpoint, word.terminal] = word
            if word.patterns_made_at is not None:
                patterns[word.endpoint, word.terminal] = word.patterns_made_at
            word = next(words, None)
        want = wanted_at(end)
        serving = [each for each in machines if each.in_service_on <= end.astimezone(JST).date()]
        places = [(each, (each.endpoint, each.terminal)) for each in serving]
        judged = (judge(each, said.get(place), want, end, patterns.get(place)) for each, place in places)
        yield Day(end, Counter(each.standing for each in judged))


def _counts(rows: Sequence[Row]) -> Counter[Standing]:
    return Counter(row.standing for row in rows)


def _urgency(row: Row) -> tuple[int, float, str]:
    """Late before unknown; the earliest deadline, or the oldest word, first."""
    if row.standing is Standing.LATE:
        deadline = row.judgement.deadline
        return 0, deadline.timestamp() if deadline else 0.0, row.machine.endpoint
    return 1, float(row.said.said_at if row.said else 0), row.machine.endpoint
