"""One endpoint's trouble never slows another's: slow uploads and all the long polls that the hub takes, as a ratio."""

import asyncio
import csv
import datetime as dt
import resource
import ssl
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from faults.killing import until
from renkei.agent.keys import point_of
from renkei.client.errors import HubBusy
from renkei.exchange.certificates import make_key, make_request
from renkei.exchange.parties import Party
from renkei.hub.identity import verified_binding
from renkei.store.hub.contract import Bounds
from renkei.store.hub.sqlite import SqliteHubStore
from unit.agent.front import length

ROOT = Path(__file__).parents[2]
SHINJUKU, TROUBLED = "131041", "011011"
POLLS, POLLS_A_PARTY = 6000, 4
SLOW_UPLOADS = 48
FILES = 20_000
REQUESTS = 80
MOST = 3.0
"""How many times the latency of an undisturbed endpoint it may become: both are medians in one run on one machine."""


class Crowd:
    """Connections that do as little as they can for as long as they are let."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._tasks: list[asyncio.Task[None]] = []

    def upload_slowly(self, port: int, context: ssl.SSLContext, count: int) -> None:
        asyncio.run_coroutine_threadsafe(self._begin([self._upload(port, context) for _ in range(count)]), self._loop)

    def poll(self, socket: Path, certificates: list[str]) -> None:
        polls = [self._poll(socket, certificate) for certificate in certificates]
        asyncio.run_coroutine_threadsafe(self._begin(polls), self._loop)

    async def _begin(self, work: list[Any]) -> None:
        for number, each in enumerate(work):
            self._tasks.append(self._loop.create_task(each))
            if number % 200 == 199:
                await asyncio.sleep(0.05)

    async def _upload(self, port: int, context: ssl.SSLContext) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
                writer.write(
                    f"PUT /v1/parts/{'0' * 64} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\n\r\n".encode()
                )
                while not writer.is_closing():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.2)
            except OSError:
                pass
            await asyncio.sleep(0.2)  # turned away: it comes again, as somebody would who means it

    async def _poll(self, socket: Path, certificate: str) -> None:
        head = f"GET /v1/inbox?after=0&wait=55 HTTP/1.1\r\nHost: hub\r\nX-Client-Certificate: {certificate}\r\n\r\n"
        while True:
            writer = None
            try:
                reader, writer = await asyncio.open_unix_connection(str(socket))
                while True:  # nothing came for this party, or there was no place: it asks again
                    writer.write(head.encode())
                    await reader.readexactly(length(await reader.readuntil(b"\r\n\r\n")))
                    await asyncio.sleep(0.5)
            except (OSError, asyncio.IncompleteReadError):  # more at one moment than the socket holds
                await asyncio.sleep(0.2)
            finally:
                if writer is not None:
                    writer.transport.abort()

    def close(self) -> None:
        async def stop() -> None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0.05)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def crowd() -> Iterator[Crowd]:
    made = Crowd()
    try:
        yield made
    finally:
        made.close()


def latency(home: Any) -> float:
    """Seconds of a request of this endpoint, half of them uploads: the median."""
    seconds = []
    with home.connect() as client:
        client.state()
        for number in range(REQUESTS):
            begin = time.perf_counter()
            client.put_part(f"{begin} {number}".encode()) if number % 2 else client.state()
            seconds.append(time.perf_counter() - begin)
            time.sleep(0.02)  # under the gateway's rate: that one bounds each endpoint by itself
    return statistics.median(seconds)


def enrol_many(fleet: Any, count: int) -> list[str]:
    """Endpoints that are on the hub's allow-list; their certificates as the gateway hands them on."""
    with (ROOT / "inventory" / "municipalities.csv").open(encoding="utf-8") as file:
        codes = [row["code"] for row in csv.DictReader(file)][:count]
    key, point, now = make_key(), point_of(make_key().public_key()), dt.datetime.now(dt.UTC)
    taken = {SHINJUKU, TROUBLED}
    entries = [fleet.pki.entry(make_request(key, Party(c), "T"), c, "T", point) for c in codes if c not in taken]

    async def add() -> None:
        store = SqliteHubStore(fleet.hub_settings.database, Bounds())
        try:
            bindings = [verified_binding(fleet.pki.anchor, entry, now)[0] for entry in entries]
            await asyncio.gather(*(store.add_binding(binding, "test", int(time.time())) for binding in bindings))
        finally:
            store.close()

    asyncio.run(add())
    return [quote(entry.certificate, safe="") for entry in entries]


def waiting_polls(fleet: Any) -> int:
    transport = httpx.HTTPTransport(uds=str(fleet.folder / "run" / "health.sock"))
    with httpx.Client(transport=transport, base_url="http://hub", timeout=30) as client:
        text = client.get("/metrics").text
    return int(float(next(line for line in text.splitlines() if line.startswith("renkei_hub_polls ")).split()[1]))


def test_slow_uploads_and_six_thousand_polls_do_not_slow_a_healthy_endpoint(fleet: Any) -> None:
    for pid in (0, fleet.hub.pid):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (FILES, FILES))
    healthy, troubled = fleet.agent(SHINJUKU), fleet.agent(TROUBLED)
    certificates = enrol_many(fleet, POLLS // POLLS_A_PARTY + 2)[: POLLS // POLLS_A_PARTY]
    undisturbed = latency(healthy)
    credentials = troubled.keys().credentials
    context = ssl.create_default_context(cafile=str(fleet.pki.anchor_file))
    context.load_cert_chain(credentials.chain, credentials.key)
    with crowd() as others:
        others.upload_slowly(fleet.front.port, context, SLOW_UPLOADS)
        others.poll(fleet.folder / "run" / "hub.sock", certificates * POLLS_A_PARTY)
        until(lambda: waiting_polls(fleet) > 0.99 * POLLS, seconds=90)
        disturbed = latency(healthy)
    assert disturbed < MOST * undisturbed, f"{disturbed * 1000:.1f} ms where {undisturbed * 1000:.1f} ms were"


def test_polls_beyond_the_bound_are_told_to_come_later(fleet: Any) -> None:
    healthy, troubled = fleet.agent(SHINJUKU), fleet.agent(TROUBLED)
    certificate = quote(troubled.keys().entry.certificate, safe="")
    socket = fleet.folder / "run" / "hub.sock"
    transport = httpx.HTTPTransport(uds=str(socket))
    with (
        crowd() as others,
        httpx.Client(transport=transport, base_url="http://hub", timeout=30) as line,
        healthy.connect() as other,
    ):
        others.poll(socket, [certificate] * POLLS_A_PARTY)
        until(lambda: waiting_polls(fleet) == POLLS_A_PARTY)
        answer = line.get("/v1/inbox?after=0&wait=5", headers={"X-Client-Certificate": certificate})
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
        assert other.inbox(0, wait=1).items == ()


def test_the_troubled_endpoint_itself_is_told_to_come_later(fleet: Any) -> None:
    troubled, healthy = fleet.agent(TROUBLED), fleet.agent(SHINJUKU)
    credentials = troubled.keys().credentials
    context = ssl.create_default_context(cafile=str(fleet.pki.anchor_file))
    context.load_cert_chain(credentials.chain, credentials.key)
    with crowd() as others:
        others.upload_slowly(fleet.front.port, context, SLOW_UPLOADS)

        def is_refused() -> bool:
            try:
                with troubled.connect() as client:
                    client.state()
            except HubBusy:
                return True
            return False

        until(is_refused)
        with healthy.connect() as client:
            client.state()
