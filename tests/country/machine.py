"""A Windows that is updated, with its troubles: what may go wrong with a machine, drawn from its seed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Literal
from uuid import UUID

from renkei.agent.updates.machine import Progress, Work
from unit.agent.update_host import GIB, MINUTE, Host

Harm = Literal["not back", "no exchange", "fails at the hub"]


@dataclass(frozen=True)
class Troubles:
    """How often each thing happens to a machine, as a share of all; `poison` is what the update itself does."""

    dead: float = 0.01
    full: float = 0.005
    loop: float = 0.001
    breaks: float = 0.001
    clock: float = 0.005
    cut: float = 0.02
    early: float = 0.02
    bad_line: float = 0.01
    poison: float = 0.0
    model: str | None = None
    harm: Harm = "not back"


UNTROUBLED = Troubles(dead=0, full=0, loop=0, breaks=0, clock=0, cut=0, early=0, bad_line=0)


@dataclass
class Windows(Host):
    """A machine: time is the world's, but for one on media, which goes by its own clock."""

    random: Random = field(default_factory=Random)
    downloads: timedelta = timedelta()
    fetching: UUID | None = None
    fetched_at: datetime | None = None
    breaks: bool = False
    poisoned: Harm | None = None
    harmed: bool = False
    cuts: int = 0
    will_cut: bool = False
    off_until: datetime | None = None
    gone: bool = False

    def fetch(self, work: Work) -> Progress:
        """Windows' update source brings the packages, as fast as the line lets it."""
        if self.fetched_at is None or work.order.id != self.fetching:
            self.fetching, self.fetched_at = work.order.id, self.now + self.downloads
        return Progress(done=self.now >= self.fetched_at)

    def start(self, work: Work) -> None:
        super().start(work)
        assert self.running is not None
        self.running = (work, self.now + self.random.randint(10, 40) * MINUTE)
        self.harmed = self.harmed or (self.poisoned is not None and work.order.action == "install")
        if self.will_cut:
            self.will_cut, self.cuts = False, self.cuts + 1
            self.off_until = self.now + self.random.randint(1, 300) * MINUTE

    def come_back(self) -> None:
        """The power is there again: what was being installed is undone, or ended by the start."""
        self.off_until = None
        self.cut_power(staged=self.random.random() < 0.5)

    def boot(self) -> None:
        """Start Windows, which takes its minutes; a bad update, or old hardware, doesn't come back."""
        super().boot()
        self.off_until = self.now + self.random.randint(3, 30) * MINUTE
        self.gone = self.gone or self.breaks or (self.harmed and self.poisoned == "not back")

    @property
    def exchanges(self) -> bool:
        """Whether its exchange works after what happened to it."""
        return not (self.harmed and self.poisoned == "no exchange")

    def fill(self) -> None:
        """Fill the disk."""
        self.free_bytes = 2 * GIB

    def mend(self) -> None:
        """Somebody has been there: whatever was wrong with it is over, and what was running is given up."""
        self.faults, self.free_bytes, self.poisoned = set(), 40 * GIB, None
        self.breaks = self.harmed = self.gone = self.will_cut = False
        self.running, self.off_until = None, None
