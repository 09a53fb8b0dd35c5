"""What the hub sees of the exchanges of a wave's machines, as acts of the wave.

    watch = Watch(hub_client.exchanges)
    Engine(ledger, state, ministry, post, watch)

A machine's first failure in the wave is an act, with the numbers of those that might have failed at that moment: the
updated ones (well by their own word, and not failing) and the others (not begun, and not failing), of all and of its
model. Only whom the hub has heard of within a day is among them, and by line: who is switched off can't fail. Who is in
the middle of the update counts in neither, for its restart cuts what it was doing; nor does who failed in the week
before the wave: its line does that without an update. The ledger has what was counted, so whoever reads it finds the
same evidence.
"""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from renkei.client.answers import ExchangesSeen, TerminalExchanges
from renkei.client.errors import CursorGone
from renkei.fleet.waves.plan import MEDIA_GROUP
from renkei.fleet.waves.state import HostState, WaveState
from renkei.store.waves.ledger import Act

BEFORE: Final = timedelta(days=7)
"""Who failed so long before the wave is left out."""

HEARD: Final = timedelta(days=1)
"""Who wasn't heard of by the hub for so long can't fail."""

_ALL_EVERY: Final = timedelta(hours=1)
"""How often it is asked of every machine when it was last there; who failed is asked at each turn."""

_PAGES: Final = 20

log = logging.getLogger("renkei.waves")

Read = Callable[[int], ExchangesSeen | None]
"""(cursor) → what changed after it; None where the hub doesn't say. It raises `CursorGone` behind the hub's end."""


class Watch:
    """The hub's counts, as far as they were read. They are in memory alone: a controller that begins anew reads all."""

    def __init__(self, read: Read) -> None:
        """Read by a function: `HubClient.exchanges`."""
        self._read = read
        self._cursor = 0
        self._all_at: datetime | None = None
        self._told = False
        self._seen: dict[tuple[str, str], TerminalExchanges] = {}

    def look(self, now: datetime) -> None:
        """Read what changed; once an hour everything.

        Raises:
            HubError: the hub can't be asked.
        """
        if self._all_at is None or now - self._all_at >= _ALL_EVERY:
            self._all_at, self._cursor = now, 0
        for _ in range(_PAGES):
            try:
                page = self._read(self._cursor)
            except CursorGone:
                self._cursor = 0
                continue
            if page is None:
                self._say_once()
                return
            for item in page.items:
                self._seen[item.endpoint, item.terminal] = item
            if not page.items:
                return
            self._cursor = page.next

    def acts(self, state: WaveState, now: datetime) -> Iterator[Act]:
        """Yield what is new, oldest first. Who takes an act into the state has it counted in those that follow."""
        if state.begun_at is None:
            return
        begun, place = state.begun_at, {name: host.host.endpoint for name, host in state.hosts.items()}
        new = [
            seen
            for (endpoint, terminal), seen in self._seen.items()
            if seen.failed_at is not None
            and place.get(terminal) == endpoint
            and not state.hosts[terminal].failing
            and seen.failed_at >= begun - BEFORE
        ]
        for seen in sorted(new, key=lambda each: (each.failed_at, each.terminal)):
            act = self._act(state, seen, begun, now)
            if act is not None:
                yield act

    def _act(self, state: WaveState, seen: TerminalExchanges, begun: datetime, now: datetime) -> Act | None:
        host, at = state.hosts[seen.terminal], seen.failed_at
        words = ", ".join(f"{how} {number}" for how, number in sorted(seen.failed.items()) if number)
        ended = host.ended_at
        if at is None or host.host.group == MEDIA_GROUP:
            return None
        if at < begun:
            return Act("failing", seen.terminal, f"before the wave: {words}")
        if not (host.is_updated or host.is_unbegun) or (host.is_updated and ended is not None and at <= ended):
            return None
        if now - at >= HEARD:
            return Act("failing", seen.terminal, f"heard of late: {words}")
        strata = {"": self._at_risk(state, None, now), host.host.model: self._at_risk(state, host.host.model, now)}
        document = {"updated": host.is_updated, "of": strata}
        return Act("failing", seen.terminal, words, json.dumps(document, sort_keys=True).encode())

    def _at_risk(self, state: WaveState, model: str | None, now: datetime) -> list[int]:
        """Count who might fail now: [updated, others]."""
        hosts = [
            host
            for name, host in state.hosts.items()
            if model in {None, host.host.model} and not host.failing and self._is_heard(host, name, now)
        ]
        return [sum(host.is_updated for host in hosts), sum(host.is_unbegun for host in hosts)]

    def _is_heard(self, host: HostState, terminal: str, now: datetime) -> bool:
        seen = self._seen.get((host.host.endpoint, terminal))
        moments = (seen.exchanged_at, seen.failed_at) if seen is not None and host.host.group != MEDIA_GROUP else ()
        return any(moment is not None and now - moment < HEARD for moment in moments)

    def _say_once(self) -> None:
        if not self._told:
            log.warning(
                "the hub is of an earlier release and doesn't say which exchanges fail: the wave is judged by the "
                "machines' own word alone; upgrade the hub"
            )
            self._told = True
