"""kill -9 of the controller at every step: each write of the ledger, each file put or taken, before and after."""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from renkei.exchange.bindings import DirectoryEntry, VerifiedParty
from renkei.exchange.certificates import make_key
from renkei.exchange.documents import Signer
from renkei.exchange.errors import ExchangeError
from renkei.exchange.updates import Order, PatchState, Stage, check_start
from renkei.fleet.waves.engine import Engine, Ministry, load
from renkei.fleet.waves.plan import Plan, PlannedHost
from renkei.fleet.waves.post import FolderPost
from renkei.fleet.waves.state import Phase, WaveState
from renkei.store.waves.ledger import Act, Ledger, open_ledger
from unit.dying import die_at
from unit.fleet.waves.plans import AUTHORITY, BEGIN, KB, NEW, OLD, SIGNER, WAVE

pytestmark = pytest.mark.thorough
FORK = get_context("fork")
NAME = str(WAVE)
_STEPS: tuple[tuple[Any, tuple[str, ...]], ...] = ((Ledger, ("add",)), (Path, ("replace", "unlink")))


@lru_cache(maxsize=64)
def opened(envelope: bytes) -> Order:
    """An order, verified once: a terminal looks at it every few minutes."""
    return Order.open(envelope, AUTHORITY.public_key())


@dataclass
class Terminal:
    """A machine that does as it is ordered, and its own story: when it began what."""

    host: PlannedHost
    random: Random
    key: ec.EllipticCurvePrivateKey = field(default_factory=make_key)
    build: str = OLD
    exchanged_at: datetime = BEGIN
    began: dict[UUID, list[datetime]] = field(default_factory=dict)
    order: Order | None = None
    fetched_at: datetime = BEGIN
    busy_until: datetime | None = None
    told_restart: bool = False
    done: bool = False
    asks_at: datetime = BEGIN
    tried: bytes | None = None

    def act(self, now: datetime, box: dict[str, bytes]) -> Iterator[bytes]:
        """Live until now; yield what it says. `box` is what has come for it."""
        if self.busy_until is not None:
            yield from self._work(now)
        elif "order" in box:
            order = opened(box["order"])
            if self.order is None or order.id != self.order.id:
                self.order = order
                self.fetched_at = now + timedelta(minutes=self.random.choice([1, 2, 20, 200]))  # slow lines
            if not self.done and now >= self.fetched_at and order.open_at(now):
                yield from self._begin(order, now, box)

    def _begin(self, order: Order, now: datetime, box: dict[str, bytes]) -> Iterator[bytes]:
        permit = box.get("permit")
        if not order.permit or permit != self.tried:
            self.tried = permit
            try:
                place = (self.host.endpoint, self.host.terminal)
                check_start(order, box["order"], permit, AUTHORITY.public_key(), place, now)
            except ExchangeError:
                pass
            else:
                self.began.setdefault(order.id, []).append(now)
                self.busy_until = now + timedelta(minutes=self.random.randint(10, 40))
                return
        if order.permit and now >= self.asks_at:
            self.asks_at = now + timedelta(minutes=self.random.randint(10, 25))
            yield self.says("ready", now)

    def _work(self, now: datetime) -> Iterator[bytes]:
        assert self.busy_until is not None
        if now < self.busy_until:
            return
        if not self.told_restart:
            self.told_restart = True
            self.busy_until = now + timedelta(minutes=self.random.randint(3, 30))
            yield self.says("restarting", now)
            return
        self.done, self.build, self.busy_until, self.exchanged_at = True, NEW, None, now
        yield self.says("done", now)

    def says(self, stage: Stage, now: datetime) -> bytes:
        assert self.order is not None
        return PatchState(
            endpoint=self.host.endpoint,
            terminal=self.host.terminal,
            answers=self.order.id,
            stage=stage,
            build=self.build,
            installed=[KB] if self.build == NEW else [],
            missing=[] if self.build == NEW else [KB],
            catalogue=7,
            exchanged_at=self.exchanged_at,
            problem=None,
            checked_at=now,
        ).sign(Signer(self.key))


class Scene:
    """A few terminals, a folder for a post, and a controller that lives for one turn at a time."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.file, self.folder = str(folder / "waves.db"), folder / "post"
        self.terminals = {
            host.terminal: Terminal(host, Random(host.terminal))  # noqa: S311 - a simulation
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


def put_in_folder(folder: Path, name: str, terminal: str, envelope: bytes) -> None:
    """Put what a terminal says where a controller's post looks, whole."""
    entry = DirectoryEntry(binding="", certificate=terminal, issuer="")
    (folder / "in").mkdir(parents=True, exist_ok=True)
    new = folder / "in" / f".{name}.new"
    new.write_text(json.dumps({"entry": entry.model_dump(), "envelope": envelope.decode()}))
    new.replace(folder / "in" / f"{name}.json")


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
