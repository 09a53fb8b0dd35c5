"""A staging bench without Ansible: a player that does machines by the plays' rules, and their stories on the disk."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from renkei.exchange.certificates import make_key
from renkei.exchange.updates import Window
from renkei.fleet.waves.direct import DirectPost, Player, PlayError, Told
from renkei.fleet.waves.engine import Engine, Ministry, load
from renkei.fleet.waves.plan import BENCH_GROUP, Plan
from renkei.fleet.waves.state import Phase, WaveState
from renkei.store.waves.ledger import Act, Ledger
from unit.fleet.waves.plans import BEGIN, KB, NEW, OLD, SIGNER, WAVE

NAME = str(WAVE)
STRANGER = make_key()


def at_the_bench(plan: Plan, models: Mapping[str, int]) -> Plan:
    """The same wave over so many machines of each model at the bench."""
    window = Window(opens=BEGIN, closes=BEGIN + timedelta(days=1))
    names = [model for number in range(max(models.values())) for model in models if number < models[model]]
    hosts = [
        host.model_copy(
            update={"model": model, "group": BENCH_GROUP, "windows": [window], "direct": f"m{host.endpoint}-terminal"}
        )
        for host, model in zip(plan.hosts, names, strict=False)
    ]
    return plan.model_copy(update={"hosts": hosts})


def begin(ledger: Ledger, plan: Plan) -> None:
    """Keep a wave, approved."""
    ledger.plan(NAME, plan.to_bytes(), 0, b"{}")
    ledger.add(NAME, 0, lambda _: [Act("consent", detail="approver", document=b"{}")])


class Machines:
    """Windows machines as plays see them; each has a file, so that a controller's death doesn't change it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def get(self, host: str) -> dict[str, Any]:
        file = self._folder / host
        blank = {"installs": 0, "restarts": 0, "installed": False, "pending": False}
        return {**blank, **(json.loads(file.read_text()) if file.exists() else {})}

    def put(self, host: str, **changes: Any) -> None:
        new = self._folder / f".{host}"
        new.write_text(json.dumps({**self.get(host), **changes}))
        new.replace(self._folder / host)

    def everybody(self) -> dict[str, dict[str, Any]]:
        return {path.name: self.get(path.name) for path in self._folder.glob("[!.]*")}


@dataclass
class Bench:
    """A player (`direct.Player`). `fates` says by host what goes wrong there:

    off, full       nothing is touched
    dead            it doesn't come back from its restart
    fails           the installation fails
    same build      it counts as installed, and the build is the old one
    no exchange     the exchange doesn't work afterwards
    silent          Ansible says nothing of it
    breaks off      Ansible breaks off while it installs
    """

    machines: Machines
    fates: dict[str, str] = field(default_factory=dict)
    batches: list[list[str]] = field(default_factory=list)
    orders: list[Mapping[str, Any]] = field(default_factory=list)

    def play(self, orders: Mapping[str, Mapping[str, Any]], tell: Callable[[Told], None], seconds: int) -> None:
        assert seconds >= 20 * 60
        self.batches.append(list(orders))
        self.orders += list(orders.values())
        for host, order in orders.items():
            for seen in self._seen(host, order):
                tell(Told(host, seen))
        if "breaks off" in [self.fates.get(host) for host in orders]:
            raise PlayError("killed")

    def _seen(self, host: str, order: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        fate, machine = self.fates.get(host, ""), self.machines.get(host)
        if fate == "silent":
            return
        if fate == "off" or (fate == "dead" and machine["restarts"]):
            yield {"stage": "failed", "problem": "no route to host", "unreachable": True}
            return
        if not (machine["installed"] or machine["pending"]):
            if fate == "full" or order["standstill"]:
                yield {
                    "stage": "blocked",
                    "problem": "2 GiB are free,\n10 are needed" if fate == "full" else "not begun",
                }
                return
            yield {"stage": "begun"}
            if fate == "fails":
                yield {"stage": "failed", "problem": "The updates are installed: 0x80070643"}
                return
            self.machines.put(host, installs=machine["installs"] + 1, pending=True)
        if fate != "breaks off":
            yield from self._restarted(host, fate)

    def _restarted(self, host: str, fate: str) -> Iterator[dict[str, Any]]:
        machine = self.machines.get(host)
        if machine["pending"]:
            yield {"stage": "restarting"}
            dead = fate == "dead"
            self.machines.put(host, restarts=machine["restarts"] + 1, pending=dead, installed=not dead)
            if dead:
                yield {"stage": "failed", "problem": "timed out waiting for the machine to come back"}
                return
        yield {"stage": "checking"}
        build = OLD if fate == "same build" else NEW
        yield {"stage": "done", "build": build, "installed": [KB], "served": fate != "no exchange"}


@dataclass(frozen=True)
class Playing:
    """A player that does what a function does."""

    do: Callable[[Mapping[str, Mapping[str, Any]], Callable[[Told], None]], None]

    def play(self, orders: Mapping[str, Mapping[str, Any]], tell: Callable[[Told], None], seconds: int) -> None:
        del seconds
        self.do(orders, tell)


class Scene:
    """A controller over the bench, whose clock moves only when it is told to; without a plan it takes the wave over.

    Another player than the bench's may stand in for it.
    """

    def __init__(
        self, ledger: Ledger, plan: Plan | None, folder: Path, *, player: Player | None = None, **fates: str
    ) -> None:
        if plan is not None:
            begin(ledger, plan)
        self.ledger, self.now = ledger, BEGIN
        by_terminal = {host.terminal: str(host.direct) for host in (plan.hosts if plan else [])}
        of_hosts = {by_terminal[terminal]: fate for terminal, fate in fates.items()}
        self.bench = Bench(Machines(folder / "machines"), of_hosts)
        self.player = player or self.bench
        self.start()

    def start(self) -> None:
        """Begin anew, as a controller does that was killed."""
        state = load(self.ledger, NAME)
        self.post = DirectPost(state, self.player, SIGNER, "controller-1", clock=lambda: self.now, gather=0.0)
        self.engine = Engine(self.ledger, state, Ministry(SIGNER, cast("Any", None)), self.post)

    def pass_minutes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    def turn(self) -> WaveState:
        state = self.engine.turn(self.now)
        running = state.phase in {Phase.APPROVED, Phase.RUNNING}
        standstill = None if running else f"the wave is {state.phase}"
        self.post.rest(5 if self.post.is_busy else 0, standstill=standstill)
        self.now += timedelta(seconds=1)
        return state

    def go(self, minutes: int = 30) -> WaveState:
        """Take turns until the wave has ended or halted, and nothing is under way; time passes when nothing happens."""
        end = self.now + timedelta(minutes=minutes)
        while self.now < end:
            acts = len(self.ledger.acts(NAME))
            state = self.turn()
            if state.phase not in {Phase.APPROVED, Phase.RUNNING} and not self.post.is_busy:
                return state
            if len(self.ledger.acts(NAME)) == acts and not self.post.is_busy:
                self.now += timedelta(minutes=1)
        return self.engine.state

    def ends(self) -> Counter[str | None]:
        return Counter(each.end for each in self.engine.state.hosts.values())

    def installs(self) -> dict[str, int]:
        return {host: machine["installs"] for host, machine in self.bench.machines.everybody().items()}
