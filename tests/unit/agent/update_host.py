"""A Windows that is updated, as its double: what it has, what a restart would end, and how it fails.

It judges, too: whoever installs what is installed or staged already, or outside of the order's windows, is wrong.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from renkei.agent.updates.machine import Progress, Result, Survey, Work
from renkei.exchange.parties import Party
from renkei.exchange.patterns import PatternState
from renkei.exchange.updates import Order, Update, Window

AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BEFORE, AFTER = "26100.2314", "26100.4061"
GIB = 1024**3
PLACE = (Party("131041"), "T")
TAKES = 20 * MINUTE
FAULTS = ("disk full", "loop", "no restart", "build stays")


def update(kb: str = "KB5058411", build: str = AFTER, *requires: str, size: int = 700_000) -> Update:
    file = f"windows11.0-{kb.lower()}-x64.msu"
    return Update(
        kb=kb, build=build, file=file, sha256="ab" * 32, size=size, urgency="routine", requires=list(requires)
    )


def order(number: int = 1, begin: datetime = AT, nights: int = 3, **changes: Any) -> Order:
    """An order for nights of five hours that begin half an hour after `begin`, the work taking an hour."""
    opens = begin + 30 * MINUTE
    values: dict[str, Any] = {
        "endpoint": PLACE[0],
        "terminal": PLACE[1],
        "id": UUID(int=number),
        "wave": UUID(int=77),
        "action": "install",
        "updates": [update()],
        "windows": [
            Window(opens=opens + 24 * night * HOUR, closes=opens + (24 * night + 5) * HOUR) for night in range(nights)
        ],
        "minutes": 60,
        "permit": True,
        "issued_at": begin - HOUR,
        "expires": opens + (24 * (nights - 1) + 5) * HOUR,
    }
    return Order(**{**values, **changes})


@dataclass
class Host:
    """One machine; time is what `now` says."""

    now: datetime = AT
    build: str = BEFORE
    installed: list[str] = field(default_factory=lambda: ["KB5043080"])
    free_bytes: int = 40 * GIB
    on_mains: bool = True
    faults: set[str] = field(default_factory=set)
    boots: int = 1
    restart_pending: bool = False
    staged: Order | None = None
    running: tuple[Work, datetime] | None = None
    answers: dict[tuple[UUID, int], Result] = field(default_factory=dict)
    fetched: bool = True
    began: list[tuple[UUID, datetime]] = field(default_factory=list)
    restarts: list[datetime] = field(default_factory=list)
    patterns: PatternState | None = None
    patterns_asked: list[datetime] = field(default_factory=list)

    # -- what the agent sees and does (`renkei.agent.updates.machine.Machine`)

    def survey(self) -> Survey:
        self.run_to(self.now)
        installed = tuple(sorted(self.installed))
        base = self.build, installed, self.free_bytes, self.on_mains, self.restart_pending, f"boot {self.boots}"
        return Survey(*base, self.patterns)

    def fetch(self, work: Work) -> Progress:
        del work
        return Progress(done=True) if self.fetched else Progress(problem="the package isn't here; bring a medium")

    def start(self, work: Work) -> None:
        assert self.running is None, "two installations at a time"
        assert self.staged is None, "the same installation twice: it waits for its restart"
        kbs = {each.kb for each in work.order.updates}
        wanted = kbs <= set(self.installed) if work.order.action == "install" else not kbs & set(self.installed)
        assert not (wanted and self.build == work.order.updates[-1].build), "the same installation twice"
        window = work.order.open_at(self.now)
        assert window is not None, "outside of the order's windows"
        assert self.now + work.order.minutes * MINUTE <= window.closes, "the window is too short"
        assert self.now < work.order.expires
        assert self.on_mains
        self.began.append((work.order.id, self.now))
        self.running = (work, self.now + TAKES)

    def is_working(self, work: Work) -> bool:
        del work
        self.run_to(self.now)
        return self.running is not None

    def result(self, work: Work) -> Result | None:
        return self.answers.get((work.order.id, work.number))

    def end(self) -> None:
        """Nothing is kept here."""

    def install_patterns(self) -> None:
        self.patterns_asked.append(self.now)

    def restart(self, work: Work) -> None:
        window = work.order.open_at(self.now)
        assert window is not None, "a restart outside of the order's windows"
        assert self.now + 15 * MINUTE <= window.closes, "a restart at the end of the window"
        assert self.running is None, "a restart in the middle of an installation"
        self.restarts.append(self.now)
        if "no restart" not in self.faults:
            self.boot()

    # -- what happens to it

    def run_to(self, now: datetime) -> None:
        """Let time pass: an installation ends."""
        self.now = now
        if self.running is not None and now >= self.running[1]:
            work, _ = self.running
            self.running = None
            if "disk full" in self.faults:
                self.answers[work.order.id, work.number] = Result("dism: 0x80070070, there is not enough space")
                return
            self.staged, self.restart_pending = work.order, True
            self.answers[work.order.id, work.number] = Result()

    def cut_power(self, *, staged: bool) -> None:
        """Cut the power: an installation that runs is undone or, when it was nearly done, ended by the next start."""
        self.run_to(self.now)
        if self.running is not None:
            work, _ = self.running
            self.running = None
            if staged and "disk full" not in self.faults:
                self.staged, self.restart_pending = work.order, True
        self.boot()

    def boot(self) -> None:
        """Start Windows, which ends what is staged, as far as its faults let it."""
        self.boots += 1
        done, self.staged, self.restart_pending = self.staged, None, False
        if done is None or "loop" in self.faults:
            return
        kbs = [each.kb for each in done.updates]
        if done.action == "uninstall":
            self.installed = [each for each in self.installed if each not in kbs]
            self.build = BEFORE
            return
        self.installed = sorted({*self.installed, *kbs})
        if "build stays" not in self.faults:
            self.build = done.updates[-1].build
