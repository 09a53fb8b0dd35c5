"""kill -9 of the controller of machines that Ansible reaches, at every step: nobody is done twice, the wave goes on."""

import signal
from multiprocessing import get_context
from pathlib import Path

import pytest

from renkei.fleet.waves.direct import DirectPost
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.state import Phase
from renkei.store.waves.ledger import Ledger, open_ledger
from unit.dying import die_at
from unit.fleet.waves.staging_bench import Bench, Machines, Scene, at_the_bench, begin

FORK = get_context("fork")
_STEPS = ((Ledger, ("add",)), (Machines, ("put",)), (Bench, ("play",)), (DirectPost, ("rest", "settle")))


def _life(folder: Path, fatal: int, minutes: int) -> None:
    """A controller's life, `minutes` after the wave's begin; its plays die with it."""
    die_at(fatal, _STEPS)
    with open_ledger(str(folder / "waves.db")) as ledger:
        scene = Scene(ledger, None, folder)
        scene.pass_minutes(minutes)
        assert scene.go().phase is Phase.FINISHED


def _die_again_and_again(plan: Plan, folder: Path, minutes: int) -> int:
    """Have a controller die at its first step, the next at its second, until one has ended the wave; say how many."""
    with open_ledger(str(folder / "waves.db")) as ledger:
        begin(ledger, plan)
    for fatal in range(1, 1000):
        process = FORK.Process(target=_life, args=(folder, fatal, fatal * minutes))
        process.start()
        process.join(60)
        assert process.exitcode in {0, -signal.SIGKILL}
        if process.exitcode == 0:
            return fatal
    raise AssertionError("no controller ever ended the wave")


@pytest.mark.parametrize(
    ("machines", "minutes"),
    [(1, 1), pytest.param(5, 1, marks=pytest.mark.thorough), pytest.param(2, 16, marks=pytest.mark.thorough)],
)
def test_a_controller_that_is_killed_at_every_step_does_each_machine_once(
    plan: Plan, tmp_path: Path, machines: int, minutes: int
) -> None:
    """Also where each permit is over before the next controller is there."""
    few = at_the_bench(plan, {"A": machines}).model_copy(update={"overdue_minutes": 1440})
    assert _die_again_and_again(few, tmp_path, minutes) > 5  # steps of threads: how many hangs on which dies first
    stories = Machines(tmp_path / "machines").everybody()
    assert {(each["installs"], each["restarts"]) for each in stories.values()} == {(1, 1)}
    assert len(stories) == machines
    with open_ledger(str(tmp_path / "waves.db")) as ledger:
        scene = Scene(ledger, None, tmp_path)
        assert scene.ends() == {"well": machines}
