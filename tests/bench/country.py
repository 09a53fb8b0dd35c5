"""The whole country under waves: 1,892 agents of our own, real orders, permits and evidence through a real hub.

`tests/country` says what is real and what is simulated. Four countries of one seed: one with its ordinary troubles
(dead machines, full disks, update loops, power cuts, wrong clocks, windows that close early, slow lines, a controller
that is killed), which comes to its end and converges once the faults are over; and three that get a bad update. What is
counted is processor time of everything together, agents, hub and controller.
"""

import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # what the tests of a country share lies beside this folder

from bench.patching import rivals
from country.building import SECOND, country, mend, planned_for
from country.machine import Troubles
from country.statements import checked, contradictions
from country.world import BEGIN, World
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.waves.state import Phase, WaveState
from unit.agent.update_host import AFTER

SAMPLE = Path(__file__).parents[2] / "inventory" / "sample"
MEMORY = Path("/dev/shm")  # noqa: S108 - folders of their own are made there
SEED = 1
STATED_OF_ALL, STATED_OF_MODEL = 20, 4
RARE = "RK-T300"
BAD = {
    "8 % not back": (Troubles(poison=0.08), STATED_OF_ALL),
    f"all {RARE} not back": (Troubles(poison=1, model=RARE), STATED_OF_MODEL),
    "8 % fail at the hub": (Troubles(poison=0.08, harm="fails at the hub"), STATED_OF_ALL),
}


def run() -> Iterator[dict[str, Any]]:
    """Simulate; yields, as they come, rows of `{name, value, unit, against, ratio, target, holds}`.

    Raises:
        RuntimeError: a wave didn't come to where it should.
    """
    logging.disable(logging.CRITICAL)  # agents and hub log what they see, and some of them see wrong clocks
    try:
        fleet = load_fleet(SAMPLE)
        yield from _ordinary(fleet)
        for name, (troubles, stated) in BAD.items():
            yield from _bad(fleet, name, troubles, stated)
    finally:
        logging.disable(logging.NOTSET)


def _ordinary(fleet: Fleet) -> Iterator[dict[str, Any]]:
    begun, wall = time.process_time(), time.monotonic()
    with _folder() as folder, country(fleet, Path(folder), SEED, Troubles(), killed=0.0005) as world:
        state, resumed = _to_the_end(world)
        days, counts, cost = (world.now - BEGIN).total_seconds() / 86_400, replace(world.counts), world.cost
        with _folder() as place:
            more = rivals.more_by_line(Path(place), world)
        found, statements = contradictions(world), checked(world)
        well = sum(each.end == "well" for each in state.hosts.values())
        agents = len(world.terminals)
        mend(world)
        world.begin(planned_for(world, SECOND))
        state, again = _to_the_end(world)
        found, statements = [*found, *contradictions(world)], statements + checked(world)
        left = sum(each.machine.build != AFTER for each in world.terminals.values())
        requests = world.wire.tally.requests
    yield _row("agents of our own", agents, "terminals")
    yield _row("well in the first wave", well, "terminals")
    yield _row("days until everybody has come to his end", days, "days")
    yield _row("halted for nothing and resumed", resumed + again, "times")
    yield _row("controllers killed", counts.kills, "kills", holds=counts.kills > 0)
    yield _row("agents woken; not woken for nothing", counts.wakes, "turns", against=counts.passed)
    yield _row("requests to the hub", requests, "requests")
    yield _row("statements checked", statements, "statements")
    yield _row("statements that don't hold", len(found), "statements", holds=not found, against="; ".join(found[:3]))
    yield _row("not updated once the faults ended", left, "terminals", holds=left == 0)
    yield _row(
        "controller's CPU a terminal, first wave",
        1000 * cost.whole(more) / agents,
        "ms",
        against=f"{cost.turns} turns, {cost.taken.turns} of them measured, the others in which nothing came at "
        f"{1000 * cost.of_idle(more):.1f} each; the client's side with TLS",
    )
    yield _row("CPU, both waves", time.process_time() - begun, "s")
    yield _row("wall, both waves", time.monotonic() - wall, "s")


def _bad(fleet: Fleet, name: str, troubles: Troubles, stated: int) -> list[dict[str, Any]]:
    with _folder() as folder, country(fleet, Path(folder), SEED, troubles, killed=0.0005) as world:
        state = world.run(16)
        if state.phase is not Phase.HALTED:
            raise RuntimeError(f"{name}: the wave is {state.phase}")
        world.run(1, until=frozenset())
        harmed = sum(each.machine.harmed for each in world.terminals.values())
        found = contradictions(world)
    return [
        _row(f"{name}: harmed at halt", harmed, "terminals", holds=harmed <= stated, target=stated),
        _row(f"{name}: statements that don't hold", len(found), "statements", holds=not found),
    ]


def _to_the_end(world: World) -> tuple[WaveState, int]:
    resumed = 0
    while (state := world.run(16)).phase is Phase.HALTED and resumed < 4:
        world.say("resume", "looked at")
        resumed += 1
    if state.phase is not Phase.FINISHED:
        raise RuntimeError(f"the wave is {state.phase}: {state.halted}")
    return state, resumed


def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)


def _row(
    name: str,
    value: float,
    unit: str,
    *,
    holds: bool | None = None,
    against: object = None,
    target: object = None,
) -> dict[str, Any]:
    shown = None if target is None else f"≤ {target}"
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "against": against or None,
        "ratio": None,
        "target": shown,
        "holds": holds,
    }
