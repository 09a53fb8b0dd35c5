"""A line that goes wrong: it passes bytes on and, at places that a seed decides, does to them what lines do.

    with Proxy(("127.0.0.1", 8443), seed=7) as proxy:
        proxy.trouble = Trouble({Fault.CUT, Fault.LOSE}, every=20_000)
        ...                         # connect to 127.0.0.1:proxy.port
        proxy.trouble = CALM

Where something happens is counted in bytes of one direction of one connection, so a seed means the same however the
bytes come in pieces. Connections are numbered in the order in which they come.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

_PIECE = 16 * 1024
_AFFECTED = 40
"""Bytes that are lost or sent twice at one place."""


class Fault(StrEnum):
    """What happens at a place."""

    CUT = "cut"
    SILENCE = "silence"
    """Half open: from here on nothing passes in either direction, and nobody is told."""
    CORRUPT = "corrupt"
    REPEAT = "repeat"
    LOSE = "lose"
    WAIT = "wait"


@dataclass(frozen=True)
class Trouble:
    """Which faults, how many bytes apart on average, how long a wait at most, and how fast the line is (0: as is)."""

    faults: frozenset[Fault] | set[Fault] = frozenset()
    every: int = 0
    wait_seconds: float = 0.05
    bytes_per_second: int = 0


CALM = Trouble()


class Cut(ConnectionError):
    """The line is cut here."""


class Silent(Exception):
    """Nothing passes any more."""


class Course:
    """What one direction of one connection goes through."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)  # noqa: S311 (the same again for the same seed is the point)
        self._trouble = CALM
        self._faults: list[Fault] = []
        self._ahead = -1

    def _next(self) -> int:
        return 1 + int(self._random.expovariate(1 / self._trouble.every)) if self._faults else -1

    def through(self, piece: bytes, trouble: Trouble) -> Iterator[tuple[bytes, Fault | None]]:
        """Cut a piece where something happens: what passes, and what happens then."""
        if trouble is not self._trouble:
            self._trouble, self._faults = trouble, sorted(trouble.faults)
            self._ahead = self._next()
        while 0 <= self._ahead < len(piece):
            passing, piece = piece[: self._ahead], piece[self._ahead :]
            fault = self._random.choice(self._faults)
            affected = piece[:_AFFECTED]
            if fault is Fault.CORRUPT:
                piece = bytes([piece[0] ^ (1 << self._random.randrange(8))]) + piece[1:]
            elif fault is Fault.REPEAT:
                piece = affected + piece
            elif fault is Fault.LOSE:
                piece = piece[_AFFECTED:]
            yield passing, fault
            self._ahead = len(affected) + self._next()
        if self._ahead >= 0:
            self._ahead -= len(piece)
        yield piece, None


class Proxy:
    """Passes connections on to `target`, a port or a Unix socket; itself a port of 127.0.0.1 or a Unix socket."""

    def __init__(self, target: tuple[str, int] | Path, seed: int, listen: Path | None = None) -> None:
        self.trouble = CALM
        self.happened: Counter[Fault] = Counter()
        self.passed = 0
        self._target = target
        self._seed = seed
        self._listen = listen
        self._connections = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        self.port = 0 if listen else self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> asyncio.Server:
        if self._listen is not None:
            self._listen.unlink(missing_ok=True)
            return await asyncio.start_unix_server(self._accept, str(self._listen))
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.01)  # aborted connections are closed on the loop's next turns

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task that is held here: once its ends are closed nothing else holds it."""
        task = self._loop.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        name = f"{self._seed}/{self._connections}"
        onward: asyncio.StreamWriter | None = None
        try:
            back, onward = await self._connect()
            up, down = Course(f"{name}/up"), Course(f"{name}/down")
            ways = [
                asyncio.ensure_future(self._pass_on(reader, onward, up)),
                asyncio.ensure_future(self._pass_on(back, writer, down)),
            ]
            try:
                done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
                silent = any(isinstance(each.exception(), Silent) for each in done)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
            if silent:
                await asyncio.Event().wait()  # both ends keep a connection that leads nowhere
        except OSError:
            pass
        finally:
            for end in (onward, writer):
                if end is not None:
                    end.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(str(self._target))
        return await asyncio.open_connection(*self._target)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, course: Course) -> None:
        while piece := await source.read(_PIECE):
            for passing, fault in course.through(piece, self.trouble):
                await self._send(sink, passing)
                await self._happen(fault)
        sink.write_eof()

    async def _send(self, sink: asyncio.StreamWriter, passing: bytes) -> None:
        if not passing:
            return
        sink.write(passing)
        await sink.drain()
        self.passed += len(passing)
        if rate := self.trouble.bytes_per_second:
            await asyncio.sleep(len(passing) / rate)

    async def _happen(self, fault: Fault | None) -> None:
        if fault is None:
            return
        self.happened[fault] += 1
        if fault is Fault.CUT:
            raise Cut
        if fault is Fault.SILENCE:
            raise Silent
        if fault is Fault.WAIT:
            await asyncio.sleep(self.trouble.wait_seconds)
