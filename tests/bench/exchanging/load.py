"""A client that costs next to nothing: requests made beforehand, one connection a process, nothing but read and write.

A client in Python's HTTP libraries would take more of the machine than what is measured.
"""

import multiprocessing
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

_FORK = multiprocessing.get_context("fork")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_NO_CONTENT = 204
_PIECE = 256 * 1024


class UnexpectedAnswer(Exception):
    """An answer that the bench can't go on from; the text has its beginning."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One connection's work.

    Args:
        address: (host, port) or the path of a Unix socket.
        requests: whole requests, sent one after the other, each when the last one's answer is there.
        context: for TLS, None for none.
        expected: the statuses that are good.
        fault: says of an answer's body what is wrong with it, "" when nothing is; asked when the last one is there.
    """

    address: tuple[str, int] | Path
    requests: Sequence[bytes]
    context: ssl.SSLContext | None = None
    expected: frozenset[int] = frozenset({200, 201, 204})
    fault: Callable[[bytes], str] | None = None


@dataclass(slots=True)
class Driven:
    """What came of all lanes: answers, seconds from first request to last answer, the client's processor seconds."""

    answers: int
    seconds: float
    cpu: float
    latencies: list[float] = field(repr=False)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def quantile(self, share: float) -> float:
        """Return the seconds within which this share of the answers came."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Line:
    """One connection; not for several threads."""

    def __init__(self, lane: Lane) -> None:
        if isinstance(lane.address, Path):
            plain = socket.socket(socket.AF_UNIX)
            plain.connect(str(lane.address))
        else:
            plain = socket.create_connection(lane.address, timeout=60)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = lane.context.wrap_socket(plain, server_hostname="localhost") if lane.context else plain

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return status and body of the answer."""
        self._socket.sendall(request)
        head, body = b"", b""
        while b"\r\n\r\n" not in head:
            head += self._receive()
        head, body = head.split(b"\r\n\r\n", 1)
        status = int(head[9:12])
        found = _LENGTH.search(head)
        if found is None and status != _NO_CONTENT:
            raise UnexpectedAnswer(f"an answer without a length: {head[:200]!r}")
        length = int(found[1]) if found else 0
        if len(body) == length:
            return status, body
        pieces, size = [body], len(body)
        while size < length:
            pieces.append(self._receive())
            size += len(pieces[-1])
        return status, b"".join(pieces)

    def _receive(self) -> bytes:
        piece = self._socket.recv(_PIECE)
        if not piece:
            raise UnexpectedAnswer("the connection was closed")
        return piece

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def drive(lanes: Sequence[Lane]) -> Driven:
    """Send all lanes' requests at once, a process a lane; connecting doesn't count.

    Raises:
        UnexpectedAnswer: one ended otherwise than expected.
    """
    ready = _FORK.Barrier(len(lanes))
    workers = []
    for lane in lanes:
        ours, theirs = _FORK.Pipe()
        process = _FORK.Process(target=_work, args=(lane, ready, theirs), daemon=True)
        process.start()
        workers.append((process, ours))
    results = []
    for process, pipe in workers:
        results.append(pipe.recv())
        process.join()
    if failures := [result for result in results if isinstance(result, str)]:
        raise UnexpectedAnswer(failures[0])
    begins, ends, cpus, latencies = zip(*results, strict=True)
    every = [seconds for lane in latencies for seconds in lane]
    return Driven(len(every), max(ends) - min(begins), sum(cpus), every)


def _work(lane: Lane, ready: Barrier, pipe: Connection) -> None:
    try:
        line = Line(lane)
        ready.wait(60)
        latencies, bodies = [], []
        begin = last = time.monotonic()
        before = os.times()
        for request in lane.requests:
            status, body = line.ask(request)
            if status not in lane.expected:
                pipe.send(f"{request[:100]!r} was answered {status}: {body[:300]!r}")
                return
            bodies.append(body)
            now = time.monotonic()
            latencies.append(now - last)
            last = now
        after = os.times()
        cpu = after.user + after.system - before.user - before.system
        if lane.fault is not None and (faults := [*filter(None, map(lane.fault, bodies))]):
            pipe.send(f"a good answer has a fault: {faults[0]}")
            return
        pipe.send((begin, last, cpu, latencies))
    except Exception as error:  # noqa: BLE001 - whatever it is, the bench must hear of it
        pipe.send(f"{type(error).__name__}: {error}")
