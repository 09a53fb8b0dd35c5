"""20 MB of parcels over the line of a village in 2009: 1.5 Mbps, 60 ms there and back, cut every 20 seconds.

The terminal is the real agent with its spool, behind it gateway and hub. What it puts on the line is counted in front
of the line, what is lost with a cut included, and held against the sealed bytes that had to go.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

from bench.exchanging.rows import row
from faults.place import fleet_behind, lines_to_hub
from faults.proxy import Course, Cut, Proxy
from renkei.agent.exchange import take_offline
from renkei.agent.intake import Watch
from renkei.client.errors import HubError
from unit.agent.conftest import Fleet, Pki
from unit.agent.rows import write_residence_csv

ENDPOINT = "131041"
NEEDED = 20_000_000
FILES = 6
NOTICES = 10_000
"""Of each file; their addresses are noise, which no encoding shortens."""
BYTES_PER_SECOND = 1_500_000 / 8
ONE_WAY = 0.03
CUT_EVERY = 20.0
MOST_SENT = 1.05
_PIECE = 2 * 1024
_LONGEST = 400.0


class SlowLine(Proxy):
    """A proxy that takes bytes no faster than the line does, and hands them on when they have travelled.

    Args:
        target: where it leads.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.sent = 0
        """Bytes that came from the side that connects, and went onto the line."""
        self.cuts = 0
        super().__init__(target, seed=1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        due = CUT_EVERY - self._loop.time() % CUT_EVERY
        try:
            async with asyncio.timeout(due):
                await super()._serve(reader, writer)
        except TimeoutError:
            self.cuts += 1

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, course: Course) -> None:
        del course
        up = sink.get_extra_info("peername") == self._target
        travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.ensure_future(self._arrive(travelling, sink))
        try:
            free = self._loop.time()
            while piece := await source.read(_PIECE):
                free = max(free, self._loop.time()) + len(piece) / BYTES_PER_SECOND
                await asyncio.sleep(free - self._loop.time())
                self.sent += len(piece) * up
                travelling.put_nowait((self._loop.time() + ONE_WAY, piece))
            await asyncio.sleep(ONE_WAY)
            raise Cut
        finally:
            arriving.cancel()
            await asyncio.gather(arriving, return_exceptions=True)

    async def _arrive(self, travelling: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        while True:
            due, piece = await travelling.get()
            await asyncio.sleep(due - self._loop.time())
            sink.write(piece)
            await sink.drain()


def measure(folder: Path) -> list[dict[str, Any]]:
    """Return the rows."""
    pki = Pki(folder)
    with lines_to_hub(folder, pki, seed=1) as lines, fleet_behind(lines, folder, pki) as fleet:
        fleet.agent("ministry")
        with SlowLine(("127.0.0.1", lines.outside.port)) as line:
            needed, seconds = _send(fleet, line)
            sent, cuts = line.sent, line.cuts
    return [
        row("1.5 Mbps with cuts, bytes sent", sent / 1e6, "MB", against=needed / 1e6, most=MOST_SENT),
        row("1.5 Mbps with cuts, seconds", seconds, "s", against=needed / BYTES_PER_SECOND),
        row("1.5 Mbps with cuts, connections cut", cuts, "cuts"),
    ]


def _send(fleet: Fleet, line: SlowLine) -> tuple[int, float]:
    """Send all; return the sealed bytes that had to go, and the seconds that it took."""
    fleet.front = line  # type: ignore[assignment]  # both have a port
    home = fleet.agent(ENDPOINT)
    _try(fleet, home)
    for number in range(FILES):
        content = write_residence_csv(NOTICES, ENDPOINT, 1 + number * NOTICES)
        (home.settings.outbox / f"{number}.csv").write_bytes(content)
    take_offline(home, Watch(0))
    needed = sum(len(message.sealed or b"") for message in home.spool.outgoing.unreceipted())
    if needed < NEEDED:
        raise RuntimeError(f"the parcels have {needed} bytes; let there be more notices in each file")
    begin, line.sent = time.monotonic(), 0
    while not _try(fleet, home):
        if time.monotonic() > begin + _LONGEST:
            raise RuntimeError("the parcels didn't all get through")
    seconds = time.monotonic() - begin
    if any(message.accepted_epoch is None for message in home.spool.outgoing.unreceipted()):
        raise RuntimeError("an exchange ended well though a parcel wasn't accepted")
    return needed, seconds


def _try(fleet: Fleet, home: Any) -> bool:
    try:
        fleet.exchange(home)
    except HubError:
        return False
    return True
