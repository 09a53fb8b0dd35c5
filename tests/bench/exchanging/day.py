"""The national day: every endpoint connects in one morning, on a day with ten times the usual notices.

Weights over the endpoints follow Zipf's law, fitted to what is known of the country: 23,000 notices a day each way,
some 290 at the largest endpoint, under 10 at most of them. As in daily mode each endpoint sends one parcel and gets
one.

    night    the ministry hands its 1,892 parcels to the hub and publishes its horizons
    morning  each endpoint connects (TLS, certificate), asks for hub, horizon and inbox, hands in its parcel, fetches
             the ministry's and gives its receipt; the ministry's one connection waits in its inbox, fetches, receipts

Endpoints come as fast as the machine lets them: what takes 15 minutes in the country is pressed together. Parcels and
receipts are signed beforehand; in the place of sealed notices stand as many random bytes, which are the same to a hub.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.exchanging.ground import Ground, cpu_seconds, peak_mib
from bench.exchanging.load import Lane, Line, UnexpectedAnswer, drive
from bench.exchanging.offers import Offer, get, offer, put
from bench.exchanging.rows import row
from renkei.exchange import encoding
from renkei.exchange.documents import peek
from renkei.exchange.parcels import Dispatch, build_parcel
from renkei.exchange.payloads import Horizon
from renkei.ministry.simulator import residence_notices, status_notices
from renkei.store.hub.sqlite import SqliteHubStore

MINISTRY = "ministry"
NOTICES = 230_000
"""Each way: ten times the country's day."""
_SHIFT = 16
_MORNING = 15 * 60
_LANES = 8
_AT_ONCE = 128
MOST_CPU_SECONDS = 60.0
MOST_MIB = 300.0
_SIZES = (1, 3, 10, 30, 100, 300, 1000, 3000)


@dataclass(slots=True)
class Day:
    """The day's parcels, by endpoint."""

    down: dict[str, Offer]
    up: dict[str, Offer]


def measure(folder: Path, codes: list[str]) -> list[dict[str, Any]]:
    """Return the rows."""
    with Ground(folder, codes) as ground:
        day = _prepare(ground, codes)
        night = [request for each in day.down.values() for request in each.puts()] + _horizons(ground, codes)
        before = cpu_seconds(ground.hub()) + cpu_seconds(ground.nginx())
        sent = drive([Lane(("127.0.0.1", ground.gateway.port), night, ground.context(MINISTRY))])
        begin = time.monotonic()
        latencies = [*sent.latencies, *_morning(ground, day)]
        seconds = time.monotonic() - begin
        cpu = cpu_seconds(ground.hub()) + cpu_seconds(ground.nginx()) - before
        hub_mib, gateway_mib = peak_mib(ground.hub()), peak_mib(ground.nginx())
    parcels, unreceipted = _outcome(folder)
    latencies.sort()
    return [
        row("day x10, delivered and receipted", parcels - unreceipted, "parcels", against=2 * len(codes), least=1),
        row("day x10, gateway and hub", cpu, "s of CPU", most=MOST_CPU_SECONDS),
        row("day x10, memory of gateway and hub", hub_mib + gateway_mib, "MiB", most=MOST_MIB),
        row("day x10, memory of the hub alone", hub_mib, "MiB"),
        row("day x10, p50 of requests", latencies[len(latencies) // 2] * 1000, "ms"),
        row("day x10, p99 of requests", latencies[int(len(latencies) * 0.99)] * 1000, "ms"),
        row("day x10, the morning, pressed together", seconds, "s", against=_MORNING),
    ]


def counts(codes: Sequence[str]) -> list[int]:
    """Return how many notices each endpoint sends and gets that day."""
    weights = [1 / (rank + _SHIFT) for rank in range(1, len(codes) + 1)]
    total = sum(weights)
    return [max(1, round(NOTICES * weight / total)) for weight in weights]


def _prepare(ground: Ground, codes: list[str]) -> Day:
    ministry, sizes = ground.members[MINISTRY], _sizes(ground, codes[0])
    day = Day({}, {})
    for code, count in zip(codes, counts(codes), strict=True):
        member = ground.members[code]
        day.down[code] = offer(ministry, member, 1, _size(sizes["down"], count), count)
        day.up[code] = offer(member, ministry, 1, _size(sizes["up"], count), count)
    return day


def _sizes(ground: Ground, code: str) -> dict[str, list[int]]:
    """Build real parcels of some sizes, and return how many sealed bytes they have."""
    ministry, member = ground.members[MINISTRY], ground.members[code]
    today, sizes = date(2026, 11, 23), {"down": [], "up": []}
    for count in _SIZES:
        filed = residence_notices(code, count, 1, today, "東京都新宿区")
        told = status_notices([code], count, 1, today)
        for way, notices, sender, recipient in (("up", filed, member, ministry), ("down", told, ministry, member)):
            dispatch = Dispatch(uuid4(), sender.party, "notices", 1, "daily", datetime.now(UTC))
            parcel = build_parcel(notices, dispatch, sender.signer, recipient.verified, encoding.LATEST)
            sizes[way].append(len(parcel.sealed))
    return sizes


def _size(sizes: list[int], count: int) -> int:
    """Interpolate between the counts that were built."""
    above = next((place for place, known in enumerate(_SIZES) if known >= count), len(_SIZES) - 1)
    if _SIZES[above] == count or above == 0:
        return sizes[above]
    (low, high), (small, large) = _SIZES[above - 1 : above + 1], sizes[above - 1 : above + 1]
    return round(small + (large - small) * (count - low) / (high - low))


def _horizons(ground: Ground, codes: list[str]) -> list[bytes]:
    ministry, now = ground.members[MINISTRY], datetime.now(UTC).replace(microsecond=0)
    envelopes = [
        Horizon(
            sender=ministry.party,
            recipient=ground.members[code].party,
            stream="notices",
            next_sequence=2,
            published_up_to=now,
        ).sign(ministry.signer)
        for code in codes
    ]
    pages = [envelopes[start : start + _AT_ONCE] for start in range(0, len(envelopes), _AT_ONCE)]
    return [put("/v1/horizons", json.dumps({"horizons": [each.decode() for each in page]}).encode()) for page in pages]


def _morning(ground: Ground, day: Day) -> list[float]:
    """Let everybody do his exchange; return the seconds of each request but the ministry's waiting."""
    fork = get_context("fork")
    codes = list(day.up)
    jobs = [(_ministry, ground, day, codes)]
    jobs += [(_endpoints, ground, day, codes[lane::_LANES]) for lane in range(_LANES)]
    workers = []
    for job in jobs:
        ours, theirs = fork.Pipe()
        process = fork.Process(target=_work, args=(*job, theirs), daemon=True)
        process.start()
        workers.append((process, ours))
    latencies: list[float] = []
    for process, pipe in workers:
        result = pipe.recv()
        process.join()
        if isinstance(result, str):
            raise UnexpectedAnswer(result)
        latencies += result
    return latencies


def _work(role: Any, ground: Ground, day: Day, codes: list[str], pipe: Connection) -> None:
    try:
        pipe.send(role(ground, day, codes))
    except Exception as error:  # noqa: BLE001 - whatever it is, the bench must hear of it
        pipe.send(f"{role.__name__}: {type(error).__name__}: {error}")


def _endpoints(ground: Ground, day: Day, codes: list[str]) -> list[float]:
    """Connect as one endpoint after the other; what a request takes includes, for the first, the handshake."""
    latencies: list[float] = []
    for code in codes:
        down, up = day.down[code], day.up[code]
        requests = [get("/v1/hub"), get("/v1/horizons/ministry/notices"), get("/v1/inbox?after=0&limit=100")]
        requests += [*up.puts(), get(f"{down.path}/content"), down.receipt(ground.members[code])]
        last = time.monotonic()
        line = Line(Lane(("127.0.0.1", ground.gateway.port), (), ground.context(code)))
        for request in requests:
            body = _ask(line, request)
            now = time.monotonic()
            latencies.append(now - last)
            last = now
            if b"/content" in request[:120] and body != b"".join(down.parts):
                raise UnexpectedAnswer(f"{code} got other bytes than the ministry sent")
        line.close()
    return latencies


def _ministry(ground: Ground, day: Day, codes: list[str]) -> list[float]:
    """Wait in the inbox, fetch and receipt what comes, until every endpoint's parcel is here."""
    offers = {str(each.manifest.id): each for each in day.up.values()}
    receipts = {id_: each.receipt(ground.members[MINISTRY]) for id_, each in offers.items()}
    line = Line(Lane(("127.0.0.1", ground.gateway.port), (), ground.context(MINISTRY)))
    latencies: list[float] = []
    cursor = done = 0
    while done < len(codes):
        page = json.loads(_ask(line, get(f"/v1/inbox?after={cursor}&limit=100&wait=20")))
        cursor = page["next"]
        for item in page["items"]:
            if item["kind"] != "manifest":
                continue
            id_ = peek(item["envelope"].encode()).payload["id"]
            for request in (get(f"{offers[id_].path}/content"), receipts[id_]):
                begin = time.monotonic()
                _ask(line, request)
                latencies.append(time.monotonic() - begin)
            done += 1
    line.close()
    return latencies


def _ask(line: Line, request: bytes) -> bytes:
    status, body = line.ask(request)
    if status not in {200, 201}:
        raise UnexpectedAnswer(f"{request[:100]!r} was answered {status}: {body[:300]!r}")
    return body


def _outcome(folder: Path) -> tuple[int, int]:
    """Return how many messages the hub has, and how many of them have no receipt."""

    async def look() -> tuple[int, int]:
        store = SqliteHubStore(folder / "hub" / "hub.db")
        try:
            found = await store.counts()
            return sum(each.sent for each in found), sum(each.waiting for each in found)
        finally:
            store.close()

    return asyncio.run(look())
