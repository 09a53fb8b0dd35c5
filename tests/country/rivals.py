"""What patching costs the controller: signed orders through a hub, and a push by WinRM, each to the same few machines.

Counted is processor time of the controller alone. With orders it is the engine's turns, with the ledger, all signatures
and the client's side of the requests; the hub's and the agents' part is the ASP's and the terminals'. With a push it is
Ansible and its workers, without what a play of no task costs; the simulated hosts run beside it and aren't counted. The
play does what the agent does: search, download, install, restart, and look again.
"""

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from country.machine import UNTROUBLED
from country.world import KB, country
from renkei.fleet.model import Fleet
from renkei.fleet.waves.state import Phase
from windows.staging import PLAYBOOKS, Run, Staging, make_staging, served

_UPDATE = {"id": "1", "title": "Cumulative", "kb": [KB], "categories": ["Security Updates"], "reboot": True}
_SEARCHED = "ansible.windows.win_updates"
_IDLE_TURNS = 50


@dataclass(frozen=True)
class Cost:
    """Processor seconds of the controller: a machine's, with orders also of a turn in which nothing came."""

    seconds: float
    turn: float = 0.0


def orders(fleet: Fleet, folder: Path, machines: int) -> Cost:
    """Patch machines of a fleet by a wave.

    Raises:
        RuntimeError: not every one of them was patched.
    """
    whole = sum(1 for site in fleet.sites.values() if site.terminal)
    logging.disable(logging.CRITICAL)
    try:
        with country(fleet, folder, 1, UNTROUBLED, whole // machines) as world:
            state = world.run(16)
            ends = [each.end for each in state.hosts.values()]
            if state.phase is not Phase.FINISHED or set(ends) != {"well"}:
                raise RuntimeError(f"the wave is {state.phase}, its machines are {ends}")
            spent, hub = world.counts.controller_seconds, world.wire.tally.seconds
            assert world.engine is not None
            before = time.process_time()
            for _ in range(_IDLE_TURNS):
                world.engine.turn(world.now)
            idle = time.process_time() - before - (world.wire.tally.seconds - hub)
            return Cost(spent / len(ends), idle / _IDLE_TURNS)
    finally:
        logging.disable(logging.NOTSET)


def push(folder: Path, machines: int) -> Cost:
    """Patch machines by Ansible over WinRM.

    Raises:
        RuntimeError: not every one of them was patched.
    """
    row = {"link": "online", "ring": "early", "line_kbps": "100000", "maintenance": ""}
    with served(make_staging(folder, machines, endpoints=dict.fromkeys(range(machines), row))) as staging:
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
    return Cost((done.seconds - empty.seconds) / machines)


def _play(staging: Staging, name: str, tasks: list[dict[str, object]]) -> Path:
    file = staging.folder / f"{name}.yml"
    play = {"name": name, "hosts": "terminals", "gather_facts": False, "tasks": tasks}
    file.write_text(json.dumps([{**play, "vars_files": [str(PLAYBOOKS / "vars" / "windows.yml")]}]))
    return file


def _well(staging: Staging, run: Run) -> Run:
    if run.code or run.total("unreachable") or run.total("failed"):
        raise RuntimeError(f"the play failed on some of {len(staging.machines)} hosts\n{run.output[-3000:]}")
    return run
