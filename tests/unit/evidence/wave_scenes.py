"""Waves as their page shows them: driven by the real engine over a real ledger, machines' words made up."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from renkei.exchange.update_problems import say
from renkei.exchange.updates import Consent
from renkei.fleet.model import Fleet
from renkei.fleet.waves.consents import plan_consent
from renkei.fleet.waves.engine import act_of_person, load
from renkei.fleet.waves.plan import Plan
from renkei.fleet.waves.report import WaveReport, report
from renkei.fleet.waves.state import Phase
from renkei.store.waves.ledger import Act, What, open_ledger
from unit.fleet.waves.controller import MINUTE, NAME, OPEN, Controller
from unit.fleet.waves.plans import BEGIN, OLD, SIGNER, WAVE, planned

EVIL = "<img src=x onerror=alert(1)>\"'&"
HALTS = (Phase.APPROVED, Phase.RUNNING)


def with_canaries(fleet: Fleet, number: int, **model: str) -> Plan:
    """A wave over a fleet whose first ring has so many machines in the same windows, of their own models or of one."""
    plan = planned(fleet)
    same = {"group": "canary", "windows": plan.hosts[0].windows, **model}
    hosts = [host.model_copy(update=same) for host in plan.hosts[:number]]
    return plan.model_copy(update={"hosts": [*hosts, *plan.hosts[number:]]})


@dataclass
class Scene:
    """A wave with its controller; its clock moves with its turns."""

    fleet: Fleet
    folder: Path
    plan: Plan
    now: datetime = OPEN
    controller: Controller = field(init=False)

    def __post_init__(self) -> None:
        words = {"wave": str(WAVE), "plan_sha256": self.plan.sha256, "person": "suzuki", "role": "approver"}
        approval = Consent.read({**words, "at": BEGIN}).sign(SIGNER)
        ledger = open_ledger(str(self.folder / "waves.db"))
        self.controller = Controller(ledger, self.plan, consents=(plan_consent(self.plan, SIGNER, BEGIN), approval))

    @property
    def names(self) -> list[str]:
        return self.plan.terminals

    def turn(self, minutes: int = 1) -> None:
        self.now += minutes * MINUTE
        self.controller.turn(self.now)

    def permit(self, *terminals: str) -> None:
        self.turn()
        for name in terminals:
            self.controller.says(name, "ready", self.now)
        self.turn()

    def end(self, *terminals: str, harmed: Sequence[str] = ()) -> None:
        """Have machines end: well, or with an exchange that doesn't work any more."""
        at = self.now + 29 * MINUTE
        for name in terminals:
            bad = {"exchanged_at": BEGIN, "problem": say("no-exchange", days=1)} if name in harmed else {}
            self.controller.says(name, "done", at, **bad)
        self.turn(30)

    def by_person(self, what: What, why: str, *phases: Phase) -> None:
        act = Act(what, detail=f"suzuki: {why}", at=int(self.now.timestamp()))
        act_of_person(self.controller.ledger, load(self.controller.ledger, NAME), act, frozenset(phases))
        self.turn()

    def report(self, now: datetime | None = None) -> WaveReport:
        ledger = self.controller.ledger
        return report(load(ledger, NAME), ledger.acts(NAME), self.fleet, now or self.now)

    def close(self) -> None:
        self.controller.ledger.__exit__(None, None, None)


def running(scene: Scene) -> Scene:
    """One is at work, and something stands in another's way."""
    first, second, *_ = scene.names
    scene.permit(first)
    scene.controller.says(first, "restarting", scene.now)
    scene.controller.says(second, "blocked", scene.now, build=OLD, problem=say("disk-full", free=812, needed=10240))
    scene.turn()
    return scene


def halted_by_rule(scene: Scene) -> Scene:
    """Two have the update, and exchange no more."""
    first, second, *_ = scene.names
    scene.permit(first, second)
    scene.end(first, second, harmed=(first, second))
    return scene


def halted_by_person(scene: Scene, why: str = "smoke") -> Scene:
    """One is at work when somebody halts it."""
    running(scene).by_person("halt", why, *HALTS)
    return scene


def ended(scene: Scene) -> Scene:
    """All but one are well; that one never had a chance."""
    for name in scene.names[:-1]:
        scene.permit(name)
        scene.end(name)
    scene.turn(60 * 24 * 40)
    return scene


def poisoned(scene: Scene, *, rounds: int = 12) -> Scene:
    """A whole country's first ring, in which every machine of one model exchanges no more after the update."""
    canaries = [host for host in scene.plan.hosts if host.group == "canary"]
    blocked, lost, *others = canaries
    scene.permit(lost.terminal)
    problem = say("disk-full", free=812, needed=10240)
    scene.controller.says(blocked.terminal, "blocked", scene.now, build=OLD, problem=problem)
    model = Counter(host.model for host in others).most_common()[0][0]
    for number in range(rounds):
        asking = [host for host in others[number * 4 : number * 4 + 4] if number > 1 or host.model != model]
        scene.permit(*(host.terminal for host in asking))
        begun = [host for host in asking if host.terminal in scene.controller.permitted()]
        harmed = [host.terminal for host in begun if host.model == model]
        scene.end(*(host.terminal for host in begun), harmed=harmed)
        if scene.controller.engine.state.phase is Phase.HALTED:
            break
    return scene
