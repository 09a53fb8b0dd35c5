"""Terminals harmed by a bad update when the wave halts: the halting rule, a gate between phases, `serial`.

The same country (the sample fleet's 1,892 terminals with their models and rings) meets the same updates under each:

- the halting rule (`renkei.domain.halting`), looked at after every outcome, in the middle of a ring;
- a gate, as update products have it: a ring is done whole, the next begins when 95 % of it are well;
- Ansible's `serial: 10%` with `max_fail_percentage: 5`: it counts failed hosts, so a machine that doesn't come back
  from its restart, but not an exchange that has stopped working, and no host that it can't reach.

Beside the update's own harm machines fall out as they do anyway, at half the accepted rates. Harmed is who was given a
bad update that breaks it. Healthy waves, at these rates and exactly at the accepted ones, tell how often the rule
halts for nothing.

Then a month's patching of the country in time (`country.month`: the sample's lines, media, windows and rings, and the
rule) against the fleet's deadlines, and what it costs the controller (`bench.patching.rivals`): signed orders through a
hub against a push by WinRM to the same machines, in processor time of the controller, in this run. Orders: a whole wave
at its real pace, each turn in which something came and some others measured, the rest at what such a one costs; ledger,
signatures and their verification, the client's side with TLS. Push: Ansible and its workers in one play, less a play of
no task; nobody waits for Windows. Counted of neither: hub, machines, the program's start. Waiting is most of the
orders' cost, and the same for many machines: `bench country` has it for all.
"""

import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # what the tests of a country share lies beside this folder

from bench.patching import rivals
from country import month
from renkei.domain.halting import ACCEPTED, Fault, HaltingRule, Tally
from renkei.fleet.capacity.outcome import simulate
from renkei.fleet.capacity.updates import read_month
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet

INVENTORY = Path(__file__).parents[2] / "inventory"
SAMPLE = INVENTORY / "sample"
MACHINES = 20
WAVES, HEALTHY_WAVES = 200, 400
GATE, SERIAL, MAX_FAIL = 0.95, 0.1, 0.05
_OVERDUE = (120, 120)
_MINUTES = {None: (25, 90), Fault.FAILED: (5, 30), Fault.NO_EXCHANGE: (30, 100)}
"""How long a machine takes, by what becomes of it; of the other faults one hears when it is overdue."""
#: What the rule promises (docs/adr/0032): at most this many harmed, in 99 waves of 100.
STATED_OF_ALL, STATED_OF_MODEL, STATED_SLOW = 20, 4, 35


@dataclass(frozen=True, slots=True)
class Machine:
    model: str
    ring: str


@dataclass(frozen=True, slots=True)
class Update:
    """What an update does: it breaks a share of the machines (of a model, or of all) by one fault."""

    name: str
    share: float
    fault: Fault = Fault.NOT_BACK
    model: str | None = None
    stated: int = 0
    usual: float = 0.5
    """What falls out anyway, as a part of the accepted rates."""

    def outcome(self, machine: Machine, random: Random) -> tuple[Fault | None, bool]:
        """What becomes of a machine, and whether the update is to blame."""
        if self.model in {None, machine.model} and random.random() < self.share:
            return self.fault, True
        point = random.random()
        for fault, rate in ACCEPTED.items():
            if (point := point - rate * self.usual) < 0:
                return fault, False
        return None, False


Fate = tuple[Machine, Fault | None, bool]
"""A machine, what becomes of it once it starts, and whether that is the update's doing."""
Policy = Callable[[Sequence[Fate]], tuple[list[Fate], bool]]
"""The wave in its order → whoever was started, and whether the wave was halted."""


def run() -> list[dict[str, Any]]:
    """Simulate; rows of `{name, value, unit, against, ratio, target, holds}`."""
    fleet = load_fleet(SAMPLE)
    country = [
        Machine(site.terminal.model, site.endpoint.ring)
        for site in fleet.sites.values()
        if site.endpoint and site.terminal
    ]
    models = tuple(sorted({machine.model for machine in country}))
    rarest = min(models, key=lambda model: sum(machine.model == model for machine in country))
    rule = HaltingRule(models)
    bad = [
        Update("8 % not back", 0.08, Fault.NOT_BACK, stated=STATED_OF_ALL),
        Update("8 % no exchange", 0.08, Fault.NO_EXCHANGE, stated=STATED_OF_ALL),
        Update("3 % not back", 0.03, Fault.NOT_BACK, stated=STATED_SLOW),
        Update(f"all {rarest} not back", 1, Fault.NOT_BACK, rarest, STATED_OF_MODEL),
        Update(f"all {rarest} no exchange", 1, Fault.NO_EXCHANGE, rarest, STATED_OF_MODEL),
    ]
    rows = [row for update in bad for row in _harm(update, rule, country)]
    for usual, name in ((0.5, "half the accepted rates"), (1.0, "the accepted rates")):
        waves = list(_waves(Update(name, 0, usual=usual), country, HEALTHY_WAVES))
        halted, by_gate, by_serial = (
            fmean(map(itemgetter(1), map(each, waves))) for each in (halting(rule), gate, serial)
        )
        row = _row(f"healthy waves halted, {name}", halted, "of waves")
        against = f"gate: {by_gate:.2f}, serial: {by_serial:.2f}"
        rows.append({**row, "against": against, "target": f"≤ {rule.false_halt}", "holds": halted <= rule.false_halt})
    return [*rows, *_month(fleet), *_cost()]


def _month(fleet: Fleet) -> Iterator[dict[str, Any]]:
    """A month's patching: of the machines with a line, and of the whole country, where those on media come last."""
    brought = read_month(INVENTORY / "updates.yml")
    models = {site.key: site.terminal.model for site in fleet.sites.values() if site.endpoint and site.terminal}
    for name, day in (
        ("routine", fleet.settings.maintenance.deadline_days),
        ("urgent", fleet.settings.maintenance.urgent_deadline_days),
    ):
        result = simulate(fleet, brought, urgent=name == "urgent")
        found, deadline = month.patch(result, models, 1), result.country.deadline / 24
        for whom, part in (("with a line", found.by_line), ("of the country, media last,", found.whole)):
            days = part.share(1)
            row = _row(f"{name}: all {part.machines:,} {whom} are patched", days, "days")
            against = f"half: {part.share(0.5):.1f}; fell out: {part.fallen}, left: {part.left}, halted: {found.halted}"
            target = f"≤ {deadline:g}, the end of day {day}"
            yield {**row, "against": against, "ratio": days / deadline, "target": target, "holds": days <= deadline}


def _cost() -> Iterator[dict[str, Any]]:
    """What it costs the controller."""
    with tempfile.TemporaryDirectory(prefix="renkei-rivals-") as folder:
        cost = rivals.compare(Path(folder), MACHINES)
    hours, turn = cost.lasts.total_seconds() / 3600, 1000 * cost.turn
    row = _row(f"controller CPU a terminal, orders / push by WinRM, the same {MACHINES}", 1000 * cost.orders, "ms")
    against = f"push: {1000 * cost.push:.1f}; orders: {cost.turns} turns in {hours:.1f} h, {cost.taken} measured"
    yield {**row, "against": against, "ratio": cost.orders / cost.push}
    yield _row("controller CPU of a turn in which nothing came", turn, "ms")


def halting(rule: HaltingRule) -> Policy:
    """The rule: a machine starts when there is room for its model, a ring when the one before has come to an end."""

    def policy(fates: Sequence[Fate]) -> tuple[list[Fate], bool]:
        random = Random(len(fates))  # noqa: S311 - a simulation
        tally, now = Tally(), 0.0
        started: list[Fate] = []
        away: list[tuple[float, int, str, Fault | None]] = []
        for _, ring in groupby(fates, key=lambda fate: fate[0].ring):
            waiting: dict[str, deque[Fate]] = {}
            for fate in ring:
                waiting.setdefault(fate[0].model, deque()).append(fate)
            while away or any(waiting.values()):
                while able := [model for model, queue in waiting.items() if queue and rule.room(tally, model)]:
                    model = max(able, key=lambda model: len(waiting[model]))
                    fate = waiting[model].popleft()
                    tally = tally.start(model)
                    started.append(fate)
                    ends = now + random.uniform(*_MINUTES.get(fate[1], _OVERDUE))
                    heappush(away, (ends, len(started), model, fate[1]))
                now, _, model, fault = heappop(away)
                tally = tally.end(model, fault)
                if fault and rule.judge(tally):
                    return started, True
        return started, False

    return policy


def gate(fates: Sequence[Fate]) -> tuple[list[Fate], bool]:
    """The next ring begins when 95 % of the one before are well."""
    started: list[Fate] = []
    for _, ring in groupby(fates, key=lambda fate: fate[0].ring):
        phase = list(ring)
        started += phase
        if sum(fault is None for _, fault, _ in phase) < GATE * len(phase):
            return started, True
    return started, False


def serial(fates: Sequence[Fate]) -> tuple[list[Fate], bool]:
    """A play ends after a batch of which too many hosts have failed."""
    size = round(len(fates) * SERIAL)
    for start in range(0, len(fates), size):
        batch = fates[start : start + size]
        if sum(fault in {Fault.FAILED, Fault.NOT_BACK} for _, fault, _ in batch) > MAX_FAIL * len(batch):
            return list(fates[: start + size]), True
    return list(fates), False


def _harm(update: Update, rule: HaltingRule, country: Sequence[Machine]) -> Iterator[dict[str, Any]]:
    waves = list(_waves(update, country, WAVES))
    ours = _harmed(waves, halting(rule))
    worst = sorted(ours)[round(0.99 * (len(ours) - 1))]
    row = _row(f"{update.name}: harmed, 99 of 100 waves", worst, "terminals")
    yield {**row, "target": f"≤ {update.stated}", "holds": worst <= update.stated}
    by_gate, by_serial = (fmean(_harmed(waves, policy)) for policy in (gate, serial))
    row = _row(f"{update.name}: harmed, mean", fmean(ours), "terminals")
    yield {**row, "against": f"gate: {by_gate:.1f}, serial: {by_serial:.1f}", "ratio": fmean(ours) / by_serial}


def _harmed(waves: Sequence[Sequence[Fate]], policy: Policy) -> list[int]:
    return [sum(blame for *_, blame in policy(fates)[0]) for fates in waves]


def _waves(update: Update, country: Sequence[Machine], count: int) -> Iterator[list[Fate]]:
    rings = list(dict.fromkeys(("canary", "early", *sorted({machine.ring for machine in country}))))
    for seed in range(count):
        random = Random(seed)  # noqa: S311 - a simulation
        order = sorted(random.sample(country, len(country)), key=lambda machine: rings.index(machine.ring))
        yield [(machine, *update.outcome(machine, random)) for machine in order]


def _row(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "against": None, "ratio": None, "target": None, "holds": None}
