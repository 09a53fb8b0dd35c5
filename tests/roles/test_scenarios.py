"""Every molecule scenario, on the hosts of one lab: each folder in molecule/.

First comes the scenario `default`, the ground: the production playbook gives all hosts, from nothing, their networks
and their software; `services` and `terminals` are the rest of that playbook. Each role's scenario shows on some hosts
that nothing changes any more and what is effective, some at a time. A scenario names in `disturbs` the hosts that it
restarts, stops or changes, and in `uses` those that must serve it undisturbed; what it finds only when another has
passed it names in `needs`. Selecting one by `-k` runs what it needs too. With RENKEI_KEEP_LAB set the lab is left for a
look at it, until the next run of any checkout: a machine has one lab for scenarios, and what no run is using was left
behind. What molecule wrote is in build/roles/logs/.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from renkei.lab import Lab, checkouts_of, take_down
from roles.environment import ROLE_TESTS, ROOT, scenario_environment, scenario_lab

_AT_ONCE = 4
_GROUND = "default"
_SECONDS = 600
_IN_USE = Path("/run/lock/renkei-scenarios.lock")
_SCENARIOS = sorted(path.parent for path in (ROLE_TESTS / "molecule").glob("*/molecule.yml"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a scenario ended, in how many seconds, and what molecule wrote."""

    passed: bool
    seconds: float
    output: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a scenario waits for: others that have passed, and hosts, its own for as long as it runs."""

    needs: frozenset[str]
    disturbs: frozenset[str]
    uses: frozenset[str]

    def is_in_the_way_of(self, other: "Scenario") -> bool:
        """Tell whether one disturbs a host that the other disturbs or uses."""
        return bool(self.disturbs & (other.disturbs | other.uses) or other.disturbs & self.uses)


def _read(folder: Path) -> Scenario:
    needs, disturbs, uses = (
        frozenset(file.read_text().split() if (file := folder / name).exists() else [])
        for name in ("needs", "disturbs", "uses")
    )
    return Scenario(needs | ({_GROUND} - {folder.name}), disturbs, uses)


def _with_needs(names: set[str], scenarios: dict[str, Scenario]) -> set[str]:
    wanted = set(names)
    while more := {need for name in wanted for need in scenarios[name].needs} - wanted:
        wanted |= more
    return wanted


def _molecule(scenario: str, environment: dict[str, str]) -> Outcome:
    started = time.monotonic()
    config = ROOT / ".config" / "molecule" / "config.yml"
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "molecule",
                "--base-config",
                str(config),
                "test",
                "--destroy=never",
                "--scenario-name",
                scenario,
            ],
            cwd=ROLE_TESTS,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return Outcome(passed=False, seconds=_SECONDS, output=f"not done in time\n{(late.stdout or b'').decode()}")
    log = ROOT / "build" / "roles" / "logs" / f"{scenario}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(done.stdout)
    return Outcome(done.returncode == 0, time.monotonic() - started, done.stdout.decode(errors="replace"))


def _run_all(wanted: set[str], scenarios: dict[str, Scenario], environment: dict[str, str]) -> dict[str, Outcome]:
    # first what most others wait for
    waiting = sorted(wanted, key=lambda name: _kept_waiting(name, scenarios), reverse=True)
    outcomes: dict[str, Outcome] = {}
    running: dict[Future[Outcome], str] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while waiting or running:
            for name in list(waiting):
                scenario = scenarios[name]
                if missing := [need for need in scenario.needs if need in outcomes and not outcomes[need].passed]:
                    outcomes[name] = Outcome(passed=False, seconds=0, output=f"not run: needs {', '.join(missing)}")
                elif (
                    len(running) == _AT_ONCE
                    or not scenario.needs <= outcomes.keys()
                    or any(scenario.is_in_the_way_of(scenarios[other]) for other in running.values())
                ):
                    continue
                else:
                    running[pool.submit(_molecule, name, environment)] = name
                waiting.remove(name)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                outcomes[running.pop(future)] = future.result()
    return outcomes


def _kept_waiting(name: str, scenarios: dict[str, Scenario]) -> int:
    """Count the scenarios that can't run while this one does, or before it has passed."""
    mine = scenarios[name]
    return sum(1 for other in scenarios.values() if mine.is_in_the_way_of(other) or name in other.needs)


@contextmanager
def _fresh(lab: Lab) -> Iterator[Lab]:
    """Bring the lab up in place of any that a killed run, of this checkout or another, has left."""
    with _IN_USE.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail("another run of the scenarios is using this machine: wait until it is done")
        for checkout in checkouts_of(lab.fleet):
            take_down(lab.fleet, checkout if checkout.exists() else lab.root)
        lab.up()
        try:
            yield lab
        finally:
            if "RENKEI_KEEP_LAB" not in os.environ:
                lab.down()


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[str, Outcome]]:
    selected = {
        str(item.callspec.params["scenario"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and "scenario" in getattr(item, "fixturenames", ())
    }
    scenarios = {path.name: _read(path) for path in _SCENARIOS}
    with _fresh(scenario_lab()) as lab:
        yield _run_all(_with_needs(selected, scenarios), scenarios, scenario_environment(lab))


@pytest.mark.parametrize("scenario", [path.name for path in _SCENARIOS])
def test_the_scenario_converges_stays_and_has_its_effects(scenario: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[scenario]
    print(f"{scenario}: {outcome.seconds:.0f} s")
    assert outcome.passed, f"molecule test -s {scenario}:\n{outcome.output}"
