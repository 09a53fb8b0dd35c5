"""Who is killed while what goes on; what the kills leave behind must keep the promises."""

import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from faults.kills import EXCHANGE, SERVE, Point, count_calls, kill, running
from faults.promises import assert_promises, numbers
from faults.work import attempt, settle
from renkei.agent.home import Home
from unit.agent.conftest import Fleet

SHINJUKU = "131041"
LARGE = 250
"""Notices of a parcel that is too large for one request: it goes in two parts, and then its manifest."""
_A_RUN = 60
_TRIES = 3


@dataclass
class Scene:
    """A municipality that sends to the ministry, whose inbox is emptied as soon as something appears."""

    fleet: Fleet
    file: Callable[..., bytes]
    ministry: Home = field(init=False)
    sender: Home = field(init=False)
    given: int = 0
    taken: list[str] = field(default_factory=list)
    kills: int = 0

    def __post_init__(self) -> None:
        self.ministry, self.sender = self.fleet.agent("ministry"), self.fleet.agent(SHINJUKU)
        settle(self.ministry, self.sender)

    def give(self) -> None:
        """Files for the outbox: a parcel that goes whole, one that goes in parts, behind it two that go together."""
        for count in (2, LARGE, 1, 1):
            (self.sender.settings.outbox / f"{self.given:06d}.csv").write_bytes(self.file(count, first=self.given + 1))
            self.given += count

    def take(self) -> None:
        inbox = self.ministry.settings.inbox / SHINJUKU
        self.taken += numbers(inbox)
        for path in inbox.iterdir() if inbox.is_dir() else ():
            path.unlink()

    def check(self) -> None:
        """Come to rest and check that all that was given was delivered once, in order."""
        self.come_to_rest()
        assert_promises(self.ministry, self.sender, self.expected, self.taken)

    def come_to_rest(self) -> None:
        settle(self.sender, self.ministry)
        self.take()

    @property
    def sizes(self) -> set[int]:
        """How many parts the parcels had that the sender made: 1 goes whole, more go one by one."""
        kept = self.sender.spool._database.read(lambda c: c.execute("SELECT manifest FROM outgoing").fetchall())
        return {len(Fleet.peek(manifest)["parts"]) for (manifest,) in kept}

    @property
    def expected(self) -> list[str]:
        """The numbers of the notices that were given, in order."""
        return [f"N-{SHINJUKU}-{number:06d}" for number in range(1, self.given + 1)]

    # -- each of these is one run of one of the three: its calls go to `trace`, strace does to them what `inject` says

    def sends(self, *, trace: Path | None = None, inject: str = "") -> None:
        """The sender exchanges: a file of its outbox becomes a parcel at the hub, an earlier one gets its receipt."""
        attempt(self.ministry)
        self.take()
        self.give()
        self._agent(self.sender, trace, inject)

    def receives(self, *, trace: Path | None = None, inject: str = "") -> None:
        """The recipient exchanges: a parcel becomes a file of its inbox, and its receipt goes back."""
        self.give()
        attempt(self.sender)
        self._agent(self.ministry, trace, inject)
        self.take()

    def serves(self, *, trace: Path | None = None, inject: str = "") -> None:
        """The hub starts, takes a parcel, hands it on, takes the receipt."""
        self.fleet.stop_hub()
        self.give()
        socket_file = self.fleet.folder / "run" / "hub.sock"
        socket_file.unlink(missing_ok=True)
        with self._run(SERVE, self.fleet.folder / "hub.toml", trace, inject) as process:
            until(lambda: socket_file.exists() or not process.is_alive())
            for home in (self.sender, self.ministry, self.sender):
                attempt(home)
            self.take()
            self._note(process)
        self.fleet.start_hub()

    def reference(self, subject: str, trace: Path) -> Counter[str]:
        """The writing calls of a run to which nothing happens."""
        run = SUBJECTS[subject]
        run(self)  # the first run makes folders and the like; later ones are alike
        counts = []
        for _ in range(2):  # what both runs call is called by others, too
            run(self, trace=trace)
            counts.append(count_calls(trace))
        return counts[0] & counts[1]

    def _agent(self, home: Home, trace: Path | None, inject: str) -> None:
        with self._run(EXCHANGE, self.fleet.write_config(home), trace, inject) as process:
            process.join(_A_RUN)
            assert process.exitcode in {0, 1, 2, 3, -signal.SIGKILL}, process.exitcode
            self._note(process)

    def _run(self, program: str, config: Path, trace: Path | None, inject: str) -> Any:
        return running(program, config, trace=trace, inject=[inject] if inject else [])

    def _note(self, process: BaseProcess) -> None:
        self.kills += process.exitcode == -signal.SIGKILL


SUBJECTS = {"hub": Scene.serves, "sender": Scene.sends, "recipient": Scene.receives}


def kill_at(scene: Scene, subject: str, points: Iterable[Point]) -> None:
    """One run a point; another where a run ended before it came to the point (a checkpoint less, say)."""
    for point in points:
        before = scene.kills
        for _ in range(_TRIES):
            SUBJECTS[subject](scene, inject=kill(point))
            if scene.kills > before:
                break


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it didn't happen in time"
        sleep(0.01)
