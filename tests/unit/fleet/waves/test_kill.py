"""kill -9 of the controller at every step: each write of the ledger, each file put or taken, before and after."""

import signal
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from renkei.exchange.bindings import DirectoryEntry, VerifiedParty
from renkei.fleet.waves.engine import Engine, Ministry, load
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.post import FolderPost
from renkei.fleet.waves.state import Phase, WaveState
from renkei.store.waves.ledger import Act, Ledger, open_ledger
from unit.dying import die_at
from unit.fleet.waves.country import BEGIN, SIGNER, WAVE, Terminal, Troubles, put_in_folder

pytestmark = pytest.mark.thorough
FORK = get_context("fork")
NAME = str(WAVE)
_STEPS: tuple[tuple[Any, tuple[str, ...]], ...] = ((Ledger, ("add",)), (Path, ("replace", "unlink")))


class Scene:
    """A few terminals, a folder for a post, and a controller that lives for one turn at a time."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.file, self.folder = str(folder / "waves.db"), folder / "post"
        self.terminals = {
            host.terminal: Terminal(host, Random(host.terminal), Troubles(dead=0, full=0, loop=0, breaks=0, clock=0))  # noqa: S311 - a simulation
            for host in plan.hosts
        }
        self.count = self.kills = 0
        with open_ledger(self.file) as ledger:
            ledger.plan(NAME, plan.to_bytes(), 0, b"{}")
            ledger.add(NAME, 0, lambda _: [Act("consent", detail="approver", document=b"{}")])

    def live(self, now: datetime) -> None:
        for name, terminal in self.terminals.items():
            box = {
                path.stem: path.read_bytes()
                for path in (self.folder / "out" / terminal.host.endpoint / name).glob("[!.]*.json")
            }
            for envelope in terminal.act(now, box):
                self.count += 1
                put_in_folder(self.folder, f"{self.count:06d}", name, envelope)

    def control(self, now: datetime) -> None:
        """Have the controller die at its first step, then begin anew and die at its second, until a turn is done."""
        for fatal in range(1, 10_000):
            process = FORK.Process(target=self._turn, args=(now, fatal))
            process.start()
            process.join(60)
            assert process.exitcode in {0, -signal.SIGKILL}
            if process.exitcode == 0:
                return
            self.kills += 1

    def _turn(self, now: datetime, fatal: int) -> None:
        die_at(fatal, _STEPS)
        with open_ledger(self.file) as ledger:
            Engine(ledger, load(ledger, NAME), Ministry(SIGNER, self._believe), FolderPost(self.folder)).turn(now)

    def _believe(self, entry: DirectoryEntry, at: datetime) -> VerifiedParty:
        del at
        terminal = self.terminals[entry.certificate]
        place = {"party": terminal.host.endpoint, "terminal": terminal.host.terminal}
        return cast("VerifiedParty", SimpleNamespace(**place, signing_public_key=terminal.key.public_key()))

    def state(self) -> WaveState:
        with open_ledger(self.file) as ledger:
            return load(ledger, NAME)


def test_a_controller_that_is_killed_at_every_step_does_each_machine_once(plan: Plan, tmp_path: Path) -> None:
    few = [
        *plan.hosts[:4],
        plan.hosts[-1].model_copy(update={"windows": plan.hosts[0].windows}),
    ]  # the last is on media
    scene = Scene(plan.model_copy(update={"hosts": few}), tmp_path)
    now = BEGIN
    while scene.state().phase is not Phase.FINISHED:
        now += timedelta(minutes=10) if 9 <= now.hour < 15 else timedelta(hours=1)
        assert now < BEGIN + timedelta(days=3)
        scene.live(now)
        scene.control(now)
    state = scene.state()
    assert scene.kills > 100
    assert [sum(map(len, terminal.began.values())) for terminal in scene.terminals.values()] == [1] * len(few)
    assert [each.end for each in state.hosts.values()] == ["well"] * len(few)
    assert not list((scene.folder / "in").iterdir())
    assert not list((scene.folder / "refused").iterdir())
