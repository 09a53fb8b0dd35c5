"""A month of patching in time: lines as `renkei capacity` has them, windows and the halting rule as waves have them.

Each machine has its updates when its line has brought them (`renkei.fleet.capacity`: all lines share the ASP's). It is
ordered when it is its ring's turn, asks in its windows, and begins when the rule lets one more of its model be away.
Machines fall out as they do anyway, at half the accepted rates; they are left to the next wave. Steps of ten minutes,
which is how often a machine asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from renkei.domain.halting import ACCEPTED, Fault, HaltingRule, Tally
from renkei.fleet.capacity.outcome import Outcome, Result

STEP: Final = 1 / 6
"""Hours."""
NEED: Final = 1.0
OVERDUE: Final = 2.0
_TAKES: Final = (0.4, 1.5)


@dataclass
class Machine:
    """A machine: hours since the release until it has its updates, its windows, and what became of it."""

    ring: str
    model: str
    ready: float
    windows: Sequence[tuple[float, float]]
    fault: Fault | None
    takes: float
    began: float | None = None
    ended: float | None = None
    place: int = 0

    def is_open(self, hour: float) -> bool:
        """Whether there is a window with time enough; time only goes on."""
        while self.place < len(self.windows) and self.windows[self.place][1] < hour + NEED:
            self.place += 1
        return self.place < len(self.windows) and self.windows[self.place][0] <= hour


@dataclass(frozen=True)
class Patched:
    """What a month came to: hours until each machine was patched, how many fell out, and how many weren't reached."""

    hours: Sequence[float]
    fallen: int
    left: int
    halted: int

    def share(self, part: float) -> float:
        """Return the days until so large a part of those that didn't fall out was patched."""
        whole = len(self.hours) + self.left
        place = round(part * whole) - 1
        return sorted(self.hours)[place] / 24 if place < len(self.hours) else float("inf")


def patch(result: Result, models: Mapping[str, str], seed: int) -> Patched:
    """Let a month pass for the machines that have a line.

    Args:
        result: of `renkei.fleet.capacity.outcome.simulate`.
        models: of machines, by endpoint.
        seed: of what falls out, and how long each takes.
    """
    random, country = Random(seed), result.country  # noqa: S311 - a simulation
    machines = [
        _machine(each, result, models[each.endpoint.code.value], random)
        for each in result.outcomes
        if not each.by_medium and each.fetched_at is not None
    ]
    left = sum(1 for each in result.outcomes if not each.by_medium and each.fetched_at is None)
    rule, tally, halted = HaltingRule(tuple(sorted(set(models.values())))), Tally(), 0
    away: list[Machine] = []
    rings = [[each for each in machines if each.ring == ring] for ring in result.fleet.settings.rings]
    turn, hour = 0, 0.0
    while hour < country.clock.hours and any(each.ended is None for each in machines):
        for machine in [each for each in away if each.began is not None and each.began + each.takes <= hour]:
            away.remove(machine)
            machine.ended = hour
            tally = tally.end(machine.model, machine.fault)
        if rule.judge(tally):
            halted, tally = halted + 1, Tally()
            for machine in away:
                tally = tally.start(machine.model)
        while turn + 1 < len(rings) and all(_had_its_turn(each, hour) for each in rings[turn]):
            turn += 1
        asking = [
            each
            for ring in rings[: turn + 1]
            for each in ring
            if each.began is None and each.ready <= hour and each.is_open(hour)
        ]
        random.shuffle(asking)
        for machine in asking:
            if rule.room(tally, machine.model):
                machine.began, tally = hour, tally.start(machine.model)
                away.append(machine)
        hour += STEP
    hours = [each.ended for each in machines if each.ended is not None and each.fault is None]
    fallen = sum(each.ended is not None and each.fault is not None for each in machines)
    return Patched(hours, fallen, left + sum(each.ended is None for each in machines), halted)


def _machine(outcome: Outcome, result: Result, model: str, random: Random) -> Machine:
    country, endpoint = result.country, outcome.endpoint
    begins = 24.0 * country.begins[endpoint.ring]
    windows = [
        (max(start, begins), end)
        for start, end in country.habits[endpoint.code.value].windows
        if end - max(start, begins) >= NEED
    ]
    assert outcome.fetched_at is not None
    point, fault = random.random(), None
    for each, rate in ACCEPTED.items():
        if (point := point - rate / 2) < 0:
            fault = each
            break
    takes = OVERDUE if fault in {Fault.UNREACHABLE, Fault.NOT_BACK} else random.uniform(*_TAKES)
    return Machine(endpoint.ring, model, country.clock.since(outcome.fetched_at), windows, fault, takes)


def _had_its_turn(machine: Machine, hour: float) -> bool:
    return machine.ended is not None or not machine.windows or hour >= machine.windows[0][1] + OVERDUE
