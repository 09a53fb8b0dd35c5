"""What a wave costs its controller in processor time, also in the turns that the simulation passes over.

A controller takes a turn every 15 seconds in windows, for days (`renkei.fleet.waves.pace`); time in the country goes
from event to event, so most turns in which nothing comes aren't taken. They are counted all the same, each at what such
a turn costs: now and then one is taken in the middle of the wave, and measured.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from country.wire import Tally

TURN: Final = timedelta(seconds=15)


@dataclass
class Spent:
    """Turns, the controller's processor seconds in them (the hub's are none of them), and its requests."""

    turns: int = 0
    seconds: float = 0.0
    requests: int = 0

    @contextmanager
    def turn(self, tally: Tally) -> Iterator[None]:
        """Measure a turn; of what goes to the hub meanwhile nothing is another's."""
        before, hub, asked = time.process_time(), tally.seconds, tally.requests
        try:
            yield
        finally:
            self.turns += 1
            self.seconds += time.process_time() - before - (tally.seconds - hub)
            self.requests += tally.requests - asked


@dataclass
class Cost:
    """A wave's turns: `taken`, `idle` ones as a sample, and how many the simulation has `passed` over."""

    taken: Spent = field(default_factory=Spent)
    idle: Spent = field(default_factory=Spent)
    passed: int = 0
    at: datetime | None = None

    def come_to(self, now: datetime, rest: Callable[[datetime], float]) -> None:
        """Count the turns that were due since the last one, and weren't taken; `rest` is the pause after each."""
        while self.at is not None and (at := self.at + timedelta(seconds=rest(self.at))) < now:
            self.at, self.passed = at, self.passed + 1
        self.at = now

    @property
    def turns(self) -> int:
        """All turns of the wave."""
        return self.taken.turns + self.passed

    def of_idle(self, by_line: float = 0.0) -> float:
        """Return the processor seconds of a turn in which nothing came."""
        return (self.idle.seconds + by_line * self.idle.requests) / self.idle.turns

    def whole(self, by_line: float = 0.0) -> float:
        """Return the processor seconds of all turns.

        Args:
            by_line: what a request costs the client more when it goes by TLS and not within this process.
        """
        return self.taken.seconds + by_line * self.taken.requests + self.passed * self.of_idle(by_line)
