"""The post of machines that Ansible reaches directly: it has permitted machines done by plays, and says what they saw.

    post = DirectPost(state, Plays(settings), signer, observer="controller-1")
    while …:
        state = engine.turn(now)
        post.rest(15, standstill=None if state.phase is Phase.RUNNING else f"the wave is {state.phase}")

A machine's course: `ready` is said for it while its window is open; with a permit it is said that it has `begun`; only
when the ledger has that is it handed to a play, together with whoever else waits. The play looks before it acts, and
what it says on the way (`patch_seen`, docs/updates.md) becomes observations that the controller signs. A machine of
which a play has nothing more to say is lost; none is forgotten.

A controller that was killed begins anew from the ledger: who is away there and had begun is handed to a play again,
which looks at what it finds. One controller at a time does this; `plays.sole` and `plays.at_home` see to it.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol

from pydantic import ValidationError

from renkei.exchange.clock import whole_seconds
from renkei.exchange.direct import DirectOrder, Observation, read_order
from renkei.exchange.documents import Signer, peek
from renkei.exchange.text import printable
from renkei.exchange.updates import Permit
from renkei.fleet.waves.plan import PlannedHost
from renkei.fleet.waves.post import Heard, Name
from renkei.fleet.waves.state import WaveState

MOST_AT_ONCE: Final = 50
"""With more forks Ansible passes over tasks without a word (ansible#82471)."""
ASKED_AGAIN: Final = timedelta(minutes=10)
"""After something stood in a machine's way."""
_ASKING: Final = 16
"""Of each model so many ask at once: more than that never may begin in one turn."""
_PROBLEM: Final = 300
_MAX_TRIES: Final = 2
"""What broke off is looked at once more."""
_OVER: Final = frozenset({"blocked", "done", "lost"})
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_SAID: Final = _OVER | {"restarting", "checking"}


@dataclass(frozen=True, slots=True)
class Told:
    """What a play says of a machine: `seen` is its `patch_seen`, or what the player found out instead of it.

    Attributes:
        host: its name in the inventory.
        seen: `stage` and what belongs to it.
    """

    host: str
    seen: Mapping[str, Any]


class PlayError(Exception):
    """A play broke off before its end, or didn't begin; the text says what Ansible said."""


class Player(Protocol):
    """Who runs plays."""

    def play(self, orders: Mapping[str, Mapping[str, Any]], tell: Callable[[Told], None], seconds: int) -> None:
        """Have machines done, to the end; say at once what is seen.

        Args:
            orders: by name in the inventory, what the play gets as `patch_order`.
            tell: is called from this thread.
            seconds: after which a run that hasn't ended is broken off: its machines are overdue.

        Raises:
            PlayError: it broke off.
        """


@dataclass(slots=True, eq=False)
class _Machine:
    """Where a machine stands with this post.

    `run` is the number of the run of Ansible that it is in, 0 where it is in none; `begun` tells that a play may have
    touched it, `stage` what this controller's plays said last, `before` how far it was by the ledger when a controller
    took it over that hadn't begun it.
    """

    host: PlannedHost
    order: DirectOrder | None = None
    withdrawn: bool = False
    permit: bytes = b""
    spent: bytes = b""
    permit_ends: datetime = _NEVER
    queued: bool = False
    run: int = 0
    begun: bool = False
    before: str = ""
    stage: str = ""
    said_at: datetime | None = None
    tries: int = 0
    asks_at: datetime | None = None

    @property
    def is_free(self) -> bool:
        return self.order is not None and not (self.withdrawn or self.permit or self.queued or self.run)


@dataclass(slots=True)
class _Pending:
    """What was seen and isn't in the ledger yet."""

    name: str
    machine: _Machine
    envelope: bytes
    launches: bool = False
    asks: bool = False


@dataclass
class DirectPost:
    """The post (`post.Post`) of a wave's direct machines.

    Attributes:
        state: the wave as it was loaded; who is away there is looked at first.
        player: runs plays.
        signer: the controller's key.
        observer: this controller's name, for the evidence.
        clock: what time it is.
        gather: seconds that machines wait for others to be done along with them, while plays run.
    """

    state: WaveState
    player: Player
    signer: Signer
    observer: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    gather: float = 10.0
    _machines: dict[str, _Machine] = field(init=False)
    _told: deque[tuple[int, Told]] = field(init=False, default_factory=deque)
    _pending: dict[str, _Pending] = field(init=False, default_factory=dict)
    _news: threading.Condition = field(init=False, default_factory=threading.Condition)
    _threads: list[threading.Thread] = field(init=False, default_factory=list)
    _number: int = field(init=False, default=0)
    _runs: int = field(init=False, default=0)
    _gathering: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Take from the ledger who had begun when the last controller ended."""
        hosts = [each for each in self.state.hosts.values() if each.host.direct]
        self._machines = {each.host.terminal: _Machine(each.host) for each in hosts}
        self._by_name = {str(each.host.direct): self._machines[each.host.terminal] for each in hosts}
        for each in hosts:
            if each.is_away and each.stage:
                machine = self._machines[each.host.terminal]
                machine.order = _direct(each.envelope)
                machine.said_at = each.heard
                machine.begun = machine.queued = True
                machine.before, machine.spent = each.stage, each.permit

    @property
    def is_busy(self) -> bool:
        """Whether plays run, or something isn't in the ledger yet."""
        queued = any(machine.queued or machine.run for machine in self._machines.values())
        return queued or bool(self._told) or bool(self._pending)

    def send(self, endpoint: str, terminal: str, name: Name, envelope: bytes) -> None:
        """See `Post`: an order makes the machine ask, a permit lets it begin, each permit once."""
        del endpoint
        machine = self._machines[terminal]
        if name == "order":
            machine.order = _direct(envelope)
        elif machine.is_free and envelope != machine.spent:
            machine.permit = machine.spent = envelope

    def withdraw(self, endpoint: str, terminal: str, order: str) -> None:
        """See `Post`; a play that has begun goes on, and what it says is still taken.

        Who has a permit and isn't with a play yet gives it back: nobody else could say that it was never used.
        """
        del endpoint, order
        machine = self._machines[terminal]
        unused = bool(machine.permit) or (machine.queued and not machine.begun)
        machine.withdrawn, machine.permit, machine.queued = True, b"", False
        if unused:
            self._give_back(machine, "its order was taken back")

    def heard(self) -> Iterator[Heard]:
        """See `Post`: what plays saw, who begins, and who asks for a permit."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._pending = {name: each for name, each in self._pending.items() if not each.asks}  # asked anew, if it holds
        while self._told:
            self._take(*self._told.popleft())
        now = self.clock()
        asking: Counter[str] = Counter()
        waiting = [each.machine for each in self._pending.values()]
        for machine in self._machines.values():
            order = machine.order
            if order is None or machine in waiting:
                continue
            if machine.permit:
                machine.permit_ends = Permit.read(peek(machine.permit).payload).expires
                if now < machine.permit_ends:
                    self._say(machine, {"stage": "begun"}, launches=True)
                machine.permit = b""
            elif machine.is_free and (machine.asks_at is None or now >= machine.asks_at) and order.open_at(now):
                asking[machine.host.model] += 1
                if asking[machine.host.model] <= _ASKING:
                    self._say(machine, {"stage": "ready"})
        yield from [Heard(each.name, None, each.envelope) for each in self._pending.values()]

    def settle(self, name: str, *, refused: bool) -> None:
        """See `Post`: what is in the ledger may be done."""
        each = self._pending.pop(name)
        if each.launches and not refused:
            each.machine.queued = not each.machine.withdrawn
            if each.machine.withdrawn:
                self._give_back(each.machine, "its order was taken back")

    def rest(self, seconds: float, *, standstill: str | None) -> None:
        """Hand to a play whoever may begin; then wait until there is news, or for some seconds.

        Args:
            seconds: how long at most.
            standstill: why nobody may begin now, None where the wave runs; only those go on that had begun before.
        """
        now = self.clock()
        for machine in [each for each in self._machines.values() if each.queued and not each.begun]:
            if standstill is not None or now >= machine.permit_ends:
                machine.queued = False
                self._give_back(machine, standstill or "its permit ran out")
        waiting = [machine for machine in self._machines.values() if machine.queued]
        room = MOST_AT_ONCE - sum(machine.run > 0 for machine in self._machines.values())
        if waiting and room > 0 and self._is_gathered():
            self._launch(waiting[:room], standstill or "")
        with self._news:
            if not (self._told or self._pending):
                self._news.wait(min(seconds, self.gather) if waiting else seconds)

    def _is_gathered(self) -> bool:
        """Whether those who wait needn't wait for more: nothing runs, or they have waited long enough."""
        if not self._threads:
            return True
        self._gathering = self._gathering or time.monotonic()
        return time.monotonic() >= self._gathering + self.gather

    def _launch(self, machines: list[_Machine], standstill: str) -> None:
        """Hand machines to a play; one that hadn't begun may only where there is no standstill."""
        self._gathering = None
        self._runs += 1
        orders = {}
        for machine in machines:
            machine.queued, machine.run = False, self._runs
            machine.tries += 1
            order = machine.order.to_json() if machine.order else {}
            orders[str(machine.host.direct)] = {**order, "resumed": machine.begun, "standstill": standstill}
        thread = threading.Thread(target=self._play, args=(self._runs, orders), name="plays", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _play(self, run: int, orders: Mapping[str, Mapping[str, Any]]) -> None:
        """Run a play in a thread of its own; whatever becomes of it, each machine is heard of."""
        problem = ""
        try:
            self.player.play(orders, partial(self._tell, run), 60 * self.state.plan.overdue_minutes)
        except Exception as error:  # noqa: BLE001 - it is said of each machine, and none may be forgotten for it
            problem = f"Ansible broke off: {error}"
        for host in orders:
            silent = {"stage": "silent", "problem": problem or "Ansible has no result for it", "ended": not problem}
            self._tell(run, Told(host, silent))

    def _tell(self, run: int, told: Told) -> None:
        with self._news:
            self._told.append((run, told))
            self._news.notify_all()

    def _take(self, run: int, told: Told) -> None:
        """Take what a run said of a machine; one that it is through with may be in another by now, or in none."""
        machine = self._by_name.get(told.host)
        if machine is None or machine.run != run:
            return
        stage, seen = str(told.seen.get("stage", "")), dict(told.seen)
        if stage == "silent":
            again = machine.tries < _MAX_TRIES and not machine.withdrawn
            if again and not told.seen["ended"]:
                machine.run, machine.queued = 0, True
                return
            seen["stage"] = stage = "lost" if machine.begun or told.seen["ended"] else "blocked"
        elif stage == "failed":
            seen["stage"] = stage = self._end_of(machine, unreachable=bool(seen.pop("unreachable", False)))
        elif stage == "blocked" and machine.before in {"restarting", "checking"}:
            seen["stage"] = stage = "done"  # it was installed already: what it is now is how it ends
        if stage == "begun":
            machine.begun = True
            return
        if stage not in _SAID:
            seen = {"stage": (stage := "done"), "problem": "the play said a stage that there isn't"}
        machine.stage = stage
        if stage in _OVER:
            machine.run, machine.tries = 0, 0
            if stage == "blocked":
                machine.begun, machine.before = False, ""
                machine.asks_at = self.clock() + ASKED_AGAIN
        self._say(machine, seen)

    @staticmethod
    def _end_of(machine: _Machine, *, unreachable: bool) -> str:
        """What it is that a task failed: nothing was touched, the machine is lost, or it didn't do its work."""
        if not machine.begun:
            return "blocked"
        return "lost" if unreachable or machine.stage == "restarting" else "done"

    def _give_back(self, machine: _Machine, why: str) -> None:
        self._say(machine, {"stage": "blocked", "problem": f"{why} before a play had begun"})

    def _say(self, machine: _Machine, seen: Mapping[str, Any], *, launches: bool = False) -> None:
        order = machine.order
        if order is None:
            return
        now = whole_seconds(self.clock())
        if machine.said_at is not None:  # the clock may have been set back; the ledger takes nothing older
            now = max(now, machine.said_at)
        machine.said_at = now
        words: dict[str, Any] = {
            "endpoint": order.endpoint,
            "terminal": order.terminal,
            "answers": order.id,
            "stage": seen["stage"],
            "build": seen.get("build"),
            "installed": seen.get("installed") or [],
            "packages": seen.get("packages") or [],
            "exchanged_at": now if seen.get("served") is True else None,
            "problem": _one_line(seen.get("problem")),
            "checked_at": now,
            "observed_by": self.observer,
        }
        try:
            said = Observation.model_validate(words)
        except ValidationError as error:
            fields = sorted({str(each["loc"][0]) for each in error.errors() if each["loc"]})
            blank: dict[str, Any] = {"build": None, "installed": [], "packages": [], "exchanged_at": None}
            stage = seen["stage"] if seen["stage"] in {"blocked", "lost"} else "done"
            problem = f"what the play said isn't of the form: {', '.join(fields) or 'as a whole'}"
            said = Observation.model_validate({**words, **blank, "stage": stage, "problem": problem})
        self._number += 1
        name = f"{self._number:09d}"
        asks = said.stage == "ready"
        self._pending[name] = _Pending(name, machine, said.sign(self.signer), launches, asks)


def _direct(envelope: bytes) -> DirectOrder:
    order = read_order(peek(envelope))
    if not isinstance(order, DirectOrder):
        raise TypeError("a direct machine's order is a direct-order")
    return order


def _one_line(problem: object) -> str | None:
    text = " ".join(printable(str(problem or "")).split())
    return text[:_PROBLEM] or None
