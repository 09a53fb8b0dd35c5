"""Bounds in time: how many requests a party makes, how many of them wait."""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from renkei.hub.problems import Problem

_MAX_KEYS = 16_384


@dataclass(slots=True)
class _Level:
    tokens: float
    at: float


class TokenBuckets:
    """A token bucket for each key: `rate` tokens a second, `burst` at most; the keys are bounded, too.

    Where there are more keys than the bound, the one unused for longest is forgotten. It finds a full bucket when it
    comes back, so use this only where keys can't be made at will: parties, addresses of a closed network.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._levels: OrderedDict[str, _Level] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """Take a token at the time `now` (seconds of any steady clock); return 0, or the seconds to wait for one."""
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = _Level(self._burst, now)
            if len(self._levels) > _MAX_KEYS:
                self._levels.popitem(last=False)
        self._levels.move_to_end(key)
        level.tokens = min(self._burst, level.tokens + (now - level.at) * self._rate)
        level.at = now
        if level.tokens < 1:
            return (1 - level.tokens) / self._rate
        level.tokens -= 1
        return 0.0

    def owe(self, key: str, tokens: int) -> None:
        """Take further tokens for what was let in by `take`, also those that aren't there yet: the next one waits."""
        if (level := self._levels.get(key)) is not None:
            level.tokens -= tokens


class Waiters:
    """Requests that wait for something to come into a party's inbox, bounded for each party and in all."""

    def __init__(self, per_party: int, total: int) -> None:
        self._per_party = per_party
        self._total = total
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._count = 0
        self._closed = False

    def __len__(self) -> int:
        """Return how many requests wait."""
        return self._count

    @contextmanager
    def place(self, party: str) -> Iterator[asyncio.Event]:
        """Give a place to wait in: the event is set when there may be something.

        Raises:
            Problem: 429, all places are taken.
        """
        if len(self._waiting.get(party, ())) >= self._per_party or self._count >= self._total:
            raise Problem(429, "polls", "too many requests wait already; end one, or ask with wait=0", headers=_LATER)
        event = asyncio.Event()
        if self._closed:
            event.set()
        self._waiting[party].add(event)
        self._count += 1
        try:
            yield event
        finally:
            self._count -= 1
            self._waiting[party].discard(event)
            if not self._waiting[party]:
                del self._waiting[party]

    def wake(self, party: str | None) -> None:
        """Wake those who wait for `party`; None: everybody."""
        woken = self._waiting.values() if party is None else [self._waiting.get(party, set())]
        for events in woken:
            for event in events:
                event.set()

    def close(self) -> None:
        """Wake everybody, and let nobody wait from now on: the hub is stopping."""
        self._closed = True
        self.wake(None)


_LATER = {"Retry-After": "5"}
