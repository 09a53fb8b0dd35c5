"""A month of patching in time: lines as `renkei capacity` has them, windows and the halting rule as waves have them.

A machine with a line has its updates when that has brought them (`renkei.fleet.capacity`: all lines share the ASP's).
It is ordered when it is its ring's turn, asks in its windows, and begins when the rule lets one more of its model be
away. Those on media come last: a medium with the order and the updates sets out on the working day after the order was
given, and the work begins in the first window after its arrival. Machines fall out as they do anyway, at half the
accepted rates; they are left to the next wave. Steps of ten minutes, which is how often a machine asks.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from math import inf
from random import Random
from typing import Final

from renkei.domain.halting import ACCEPTED, Fault, HaltingRule, Tally
from renkei.fleet.capacity.calendar import working_day
from renkei.fleet.capacity.outcome import Outcome, Result
from renkei.fleet.waves.plan import MEDIA_GROUP

STEP: Final = 1 / 6
"""Hours."""
NEED: Final = 1.0
OVERDUE: Final = 2.0
_TAKES: Final = (0.4, 1.5)


@dataclass
class Machine:
    """A machine: hours since the release until it has its updates, its windows, and what became of it."""

    group: str
    model: str
    ready: float
    windows: Sequence[tuple[float, float]]
    fault: Fault | None
    takes: float
    ends: float | None = None
    place: int = 0

    def is_open(self, hour: float) -> bool:
        """Whether there is a window with time enough; time only goes on."""
        while self.place < len(self.windows) and self.windows[self.place][1] < hour + NEED:
            self.place += 1
        return self.place < len(self.windows) and self.windows[self.place][0] <= hour

    def asks(self, hour: float) -> bool:
        """Whether it would begin now."""
        return self.ends is None and self.ready <= hour and self.is_open(hour)

    def begin(self, hour: float) -> None:
        """Begin: it ends after a while, well or not."""
        self.ends = hour + self.takes

    def had_its_turn(self, hour: float) -> bool:
        """Whether the next ring waits for it no more."""
        ended = self.ends is not None and self.ends <= hour
        return ended or not self.windows or hour >= self.windows[0][1] + OVERDUE


@dataclass
class OnMedia(Machine):
    """One without a line; `arrives` gives the hour at which a medium is read there whose order was given at another."""

    arrives: Callable[[float], float] = field(kw_only=True)

    def asks(self, hour: float) -> bool:
        """Nobody asks here: it is ordered as soon as the rule lets it."""
        del hour
        return self.ends is None

    def begin(self, hour: float) -> None:
        """Give the order, which a medium brings."""
        ready = self.arrives(hour)
        begins = (max(ready, start) for start, end in self.windows if max(ready, start) + NEED <= end)
        self.ends = next(begins, inf) + self.takes


@dataclass(frozen=True)
class Patched:
    """What a month came to: hours until each machine was patched, and how many weren't reached."""

    hours: Sequence[float]
    fallen: int
    left: int

    @property
    def machines(self) -> int:
        """How many there are, those that fell out among them."""
        return len(self.hours) + self.fallen + self.left

    def share(self, part: float) -> float:
        """Return the days until so large a part of those that didn't fall out was patched."""
        place = round(part * (len(self.hours) + self.left)) - 1
        return sorted(self.hours)[place] / 24 if place < len(self.hours) else inf


@dataclass(frozen=True)
class Month:
    """A month of the machines with a line, of all, and how often the wave was halted."""

    by_line: Patched
    whole: Patched
    halted: int


def patch(result: Result, models: Mapping[str, str], seed: int) -> Month:
    """Let a month pass for all machines of a fleet.

    Args:
        result: of `renkei.fleet.capacity.outcome.simulate`.
        models: of machines, by endpoint.
        seed: of what falls out, and how long each takes.
    """
    random, clock = Random(seed), result.country.clock  # noqa: S311 - a simulation
    outcomes = sorted(result.outcomes, key=lambda each: each.by_medium)
    machines = [_machine(each, result, models[each.endpoint.code.value], random) for each in outcomes]
    rule, tally, halted = HaltingRule(tuple(sorted(set(models.values())))), Tally(), 0
    away: list[Machine] = []
    groups = [
        [each for each in machines if each.group == group] for group in (*result.fleet.settings.rings, MEDIA_GROUP)
    ]
    turn, hour = 0, 0.0
    while hour < clock.hours and (away or any(each.ends is None for each in machines)):
        for machine in [each for each in away if each.ends is not None and each.ends <= hour]:
            away.remove(machine)
            tally = tally.end(machine.model, machine.fault)
        if rule.judge(tally):
            halted, tally = halted + 1, Tally()
            for machine in away:
                tally = tally.start(machine.model)
        while turn + 1 < len(groups) and all(each.had_its_turn(hour) for each in groups[turn]):
            turn += 1
        asking = [each for group in groups[: turn + 1] for each in group if each.asks(hour)]
        random.shuffle(asking)
        on_media = Counter(each.model for each in away if isinstance(each, OnMedia))
        for machine in asking:
            counts = tally if isinstance(machine, OnMedia) else tally.without(on_media)
            if rule.room(counts, machine.model):
                machine.begin(hour)
                tally = tally.start(machine.model)
                on_media[machine.model] += isinstance(machine, OnMedia)
                away.append(machine)
        hour += STEP
    lines = [each for each in machines if not isinstance(each, OnMedia)]
    return Month(_patched(lines, clock.hours), _patched(machines, clock.hours), halted)


def _patched(machines: Sequence[Machine], hours: float) -> Patched:
    ended = [(each.ends, each.fault) for each in machines if each.ends is not None and each.ends <= hours]
    well = [ends for ends, fault in ended if fault is None]
    return Patched(well, len(ended) - len(well), len(machines) - len(ended))


def _machine(outcome: Outcome, result: Result, model: str, random: Random) -> Machine:
    country, endpoint = result.country, outcome.endpoint
    begins = 24.0 * country.begins[endpoint.ring]
    windows = [
        (max(start, begins), end)
        for start, end in country.habits[endpoint.code.value].windows
        if end - max(start, begins) >= NEED
    ]
    point, fault = random.random(), None
    for each, rate in ACCEPTED.items():
        if (point := point - rate / 2) < 0:
            fault = each
            break
    takes = OVERDUE if fault in {Fault.UNREACHABLE, Fault.NOT_BACK} else random.uniform(*_TAKES)
    ready = inf if outcome.fetched_at is None else country.clock.since(outcome.fetched_at)
    if not outcome.by_medium:
        return Machine(endpoint.ring, model, ready, windows, fault, takes)
    return OnMedia(MEDIA_GROUP, model, ready, windows, fault, takes, arrives=partial(_arrives, result, ready % 24))


def _arrives(result: Result, of_day: float, ordered: float) -> float:
    """Give when a medium is read, at an hour of the day, that sets out on the working day after an order."""
    first = result.country.clock.first
    sent = working_day(first + timedelta(days=int(ordered // 24) + 1), 0)
    return 24 * (working_day(sent, result.month.media.carrying_days) - first).days + of_day
