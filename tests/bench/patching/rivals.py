"""What patching costs the controller: signed orders through a hub, and a push by WinRM, both to the same machines.

Counted is processor time of the controller alone, without the start of its program.

With orders that is a whole wave: every turn from its beginning to its end at the pace of `renkei wave run`, among
them those in which nothing comes (`country.cost`), with the ledger, all signatures and whom they are of, and the
client's side of each request. In the country requests don't go by TLS: what they cost more through the gateway is
measured beside it.

With a push it is Ansible and its workers, less what a play of no task costs. The play does what the agent does: search,
download, install, restart, and look again. The simulated hosts install at once, so a push waits for nobody here, and
all machines are in one play though their windows aren't the same ones: both are in its favour.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.exchanging.ground import Ground
from country.building import KB, country
from country.machine import UNTROUBLED
from country.wire import HUB
from country.world import BEGIN, World
from renkei.client.connection import Connection, Credentials
from renkei.client.hub import HubClient
from renkei.exchange.bindings import TrustAnchor
from renkei.fleet.waves.state import Phase
from windows.staging import PLAYBOOKS, Run, Staging, make_staging, served

_UPDATE = {"id": "1", "title": "Cumulative", "kb": [KB], "categories": ["Security Updates"], "reboot": True}
_SEARCHED = "ansible.windows.win_updates"
_TIMES = 100


@dataclass(frozen=True)
class Cost:
    """Processor seconds of the controller for each machine; of a turn in which nothing came; the wave's turns."""

    orders: float
    push: float
    turn: float
    turns: int
    taken: int
    lasts: timedelta


def compare(folder: Path, machines: int) -> Cost:
    """Patch the same machines in both ways.

    Raises:
        RuntimeError: not every one of them was patched.
    """
    row = {"link": "online", "ring": "early", "line_kbps": "100000", "maintenance": ""}
    for name in ("push", "orders", "line"):
        (folder / name).mkdir()
    staging = make_staging(folder / "push", machines, endpoints=dict.fromkeys(range(machines), row))
    push = _push(staging, machines)
    with _quiet(), country(staging.fleet, folder / "orders", 1, UNTROUBLED, anchor=TrustAnchor) as world:
        _patch_all(world, machines)
        cost, more = world.cost, more_by_line(folder / "line", world)
    return Cost(cost.whole(more) / machines, push, cost.of_idle(more), cost.turns, cost.taken.turns, world.now - BEGIN)


def _patch_all(world: World, machines: int) -> None:
    state = world.run(16)
    ends = [each.end for each in state.hosts.values()]
    if state.phase is not Phase.FINISHED or ends != ["well"] * machines:
        raise RuntimeError(f"the wave over {machines} machines is {state.phase}, they are {ends}")


def more_by_line(folder: Path, world: World) -> float:
    """Return the processor seconds that a request costs the client more through the gateway than in a world.

    Args:
        folder: an empty one, for a hub, its gateway and their keys.
        world: one in which a wave has passed.
    """

    def spent() -> float:
        return time.process_time() - world.wire.tally.seconds

    within = _request(Connection(HUB, world.wire), spent)
    with Ground(folder, []) as ground:
        member = ground.members["ministry"]
        url, credentials = f"https://localhost:{ground.gateway.port}", Credentials(member.chain, member.key)
        through = _request(Connection.to_gateway(url, ground.anchor_file, credentials))
    return through - within


def _request(connection: Connection, spent: Callable[[], float] = time.process_time) -> float:
    """Return the client's processor seconds for one of the three requests of a turn in which nothing comes."""
    states = exchanges = 0
    with HubClient(connection) as client:
        while (said := client.patch_states(states)).items:
            states = said.next
        while (seen := client.exchanges(exchanges)) is not None and seen.items:
            exchanges = seen.next
        before = spent()
        for _ in range(_TIMES):
            client.state()
            client.patch_states(states)
            client.exchanges(exchanges)
        return (spent() - before) / (3 * _TIMES)


def _push(staging: Staging, machines: int) -> float:
    with served(staging):
        for machine in staging.machines.values():
            machine.updates = [dict(_UPDATE)]
        empty = _well(staging, staging.play(_play(staging, "nothing", [])))
        named = {"accept_list": [KB], "category_names": ["*"]}
        done = _well(
            staging,
            staging.play(
                _play(
                    staging,
                    "patch",
                    [
                        {"name": "It is installed", _SEARCHED: {**named, "reboot": True}},
                        {"name": "It is looked again", _SEARCHED: {**named, "state": "searched"}},
                    ],
                )
            ),
        )
        left = [name for name, machine in staging.machines.items() if machine.installed != ["1"]]
    if left or done.total("changed") != machines:
        raise RuntimeError(f"not patched: {left[:5]}\n{done.output[-2000:]}")
    return (done.seconds - empty.seconds) / machines


def _play(staging: Staging, name: str, tasks: list[dict[str, object]]) -> Path:
    file = staging.folder / f"{name}.yml"
    play = {"name": name, "hosts": "terminals", "gather_facts": False, "tasks": tasks}
    file.write_text(json.dumps([{**play, "vars_files": [str(PLAYBOOKS / "vars" / "windows.yml")]}]))
    return file


def _well(staging: Staging, run: Run) -> Run:
    if run.code or run.total("unreachable") or run.total("failed"):
        raise RuntimeError(f"the play failed on some of {len(staging.machines)} hosts\n{run.output[-3000:]}")
    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Agents and hub log what they see."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
