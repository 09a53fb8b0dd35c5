"""Every molecule scenario, on the hosts of one lab: each folder in molecule/, after those that its file `needs` names.

The production playbook lays the ground on all hosts at once, from nothing: packages, networks, packet filters, and the
software. The scenarios of these roles then show on some of the hosts that nothing changes and what is effective, beside
those of the roles that come on top. A scenario leaves its hosts to those that need it, so each runs once what it needs
has passed, some at a time. Selecting one by `-k` runs what it needs too. With RENKEI_KEEP_LAB set the lab is left for a
look at it, until the next run of any checkout: a machine has one lab for scenarios, and what no run is using was left
behind.
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
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from renkei.lab import Lab, checkouts_of, take_down
from renkei.lab.playbooks import run_playbook
from roles.environment import FLEET, ROLE_TESTS, ROOT, scenario_environment, scenario_lab

_AT_ONCE = 3
_GROUND = ("mirror", "ground", "software")  # tags of site.yml
_SECONDS = 600
_IN_USE = Path("/run/lock/renkei-scenarios.lock")
_SCENARIOS = sorted(path.parent for path in (ROLE_TESTS / "molecule").glob("*/molecule.yml"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a scenario ended, in how many seconds, and what molecule wrote."""

    passed: bool
    seconds: float
    output: str


def _needs(scenario: Path) -> list[str]:
    file = scenario / "needs"
    return file.read_text().split() if file.exists() else []


def _with_needs(names: set[str], needs: dict[str, list[str]]) -> set[str]:
    wanted = set(names)
    while more := {need for name in wanted for need in needs[name]} - wanted:
        wanted |= more
    return wanted


def _molecule(scenario: str, environment: dict[str, str]) -> Outcome:
    started = time.monotonic()
    config = ROOT / ".config" / "molecule" / "config.yml"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "molecule", "--base-config", str(config), "test", "--scenario-name", scenario],
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
    return Outcome(done.returncode == 0, time.monotonic() - started, done.stdout.decode(errors="replace"))


def _run_all(wanted: set[str], needs: dict[str, list[str]], environment: dict[str, str]) -> dict[str, Outcome]:
    order = TopologicalSorter({name: needs[name] for name in wanted})
    order.prepare()
    outcomes: dict[str, Outcome] = {}
    ready: list[str] = []
    running: dict[Future[Outcome], str] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while order.is_active():
            # first what most others wait for
            ready = sorted([*ready, *order.get_ready()], key=lambda name: _behind(name, needs), reverse=True)
            while ready and len(running) < _AT_ONCE:
                name = ready.pop(0)
                if missing := [need for need in needs[name] if not outcomes[need].passed]:
                    outcomes[name] = Outcome(passed=False, seconds=0, output=f"not run: needs {', '.join(missing)}")
                    order.done(name)
                else:
                    running[pool.submit(_molecule, name, environment)] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                outcomes[name] = future.result()
                order.done(name)
    return outcomes


def _behind(name: str, needs: dict[str, list[str]]) -> int:
    """Count the scenarios that come one after the other behind this one."""
    return max((1 + _behind(other, needs) for other in needs if name in needs[other]), default=0)


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
            _lay_the_ground(lab)
            yield lab
        finally:
            if "RENKEI_KEEP_LAB" not in os.environ:
                lab.down()


def _lay_the_ground(lab: Lab) -> None:
    ground = run_playbook(
        ROOT,
        FLEET,
        "site.yml",
        environment=scenario_environment(lab),
        variables={"certificates_root_dir": str(ROOT / "build" / "roles" / "root-ca")},  # every role's is validated
        tags=_GROUND,
    )
    print(f"ground: {ground.seconds:.0f} s")
    assert ground.ok, f"the ground isn't laid; the log is {ground.log}: {ground.failures}"


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[str, Outcome]]:
    selected = {
        str(item.callspec.params["scenario"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and "scenario" in getattr(item, "fixturenames", ())
    }
    needs = {path.name: _needs(path) for path in _SCENARIOS}
    with _fresh(scenario_lab()) as lab:
        yield _run_all(_with_needs(selected, needs), needs, scenario_environment(lab))


@pytest.mark.parametrize("scenario", [path.name for path in _SCENARIOS])
def test_the_scenario_converges_stays_and_has_its_effects(scenario: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[scenario]
    print(f"{scenario}: {outcome.seconds:.0f} s")
    assert outcome.passed, f"molecule test -s {scenario}:\n{outcome.output}"
