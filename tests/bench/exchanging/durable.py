"""Durable PUT and GET of parcels, through gateway and mTLS, against what else the same machine can do.

A parcel is 4 KiB of sealed bytes and its manifest. Where several wait, an agent of today hands them in together: as
many as fit into a request of 64 KiB, in compact form, each answered by the hub's signed acceptance after the one commit
that has all of them and their journal entries. One that is alone goes whole, in a request of its own; larger parcels,
and those of agents from before, go apart: part and manifest, two requests and two commits. Rivals get the same bytes
from the same number of connections at once; where the row is of whole or apart, the manifest is in JSON on both sides.

    raw ASGI   an application on the same store with the same statements and commits, on a Unix socket: no gateway, TLS,
               authority, signature; as a whole or apart, as what it is held against
    bare       the same application only inserts the bytes into a table of one column
    nginx      the same gateway throws the bytes away
    append     one process a lane appends them to a file, with fdatasync after each
    sftp       OpenSSH, one session a lane: a file written under another name, synced (`put -f`), renamed. The client
               has all its commands beforehand and sends a file's pieces without waiting for each answer. Its rename is
               not synced, for which the protocol has nothing: it promises less than an acceptance does

The machine may be anybody's: each round measures all of them one after the other, every second round in the opposite
order, and what counts is the median over the rounds of the ratio within a round. "All CPU" is that of each process that
takes part, the clients' included, from when the connections stand.
"""

import os
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.exchanging import sftp
from bench.exchanging.ground import PROGRAMS, Ground, cpu_seconds
from bench.exchanging.load import Driven, Lane, drive
from bench.exchanging.offers import Offer, get, in_batches, offer, put, put_together, refusal_in
from bench.exchanging.rows import row
from renkei.exchange.payloads import Stream

LANES = 16
PARCELS = 40
"""Of each lane in each round."""
ROUNDS = 9
REPEATED_GETS = 4
"""Each content is got so often in a round, which would be over too soon else."""
BYTES = 4096
LEAST_OF_RAW = 0.4
LEAST_OF_SFTP = 1.0
LEAST_OF_SFTP_SESSIONS = 10.0
MINISTRY = "ministry"
STREAMS: tuple[Stream, Stream] = ("notices", "results")
"""Of what goes whole, and of what goes apart: each is in order by itself."""
Offers = list[list[Offer]]
Requests = Callable[[Offer], list[bytes]]
Run = Callable[[], tuple[float, float]]
"""Measures something; returns how many a second, and the CPU seconds of all but gateway and hub."""
Runs = dict[str, Run]


class Spent(NamedTuple):
    """CPU seconds of gateway and hub, and of everybody else."""

    served: float
    others: float


def measure(folder: Path, codes: list[str]) -> list[dict[str, Any]]:
    """Return the rows."""
    rates: dict[str, list[float]] = defaultdict(list)
    cpus: dict[str, list[Spent]] = defaultdict(list)
    with (
        Ground(folder, codes[: 2 * LANES]) as ground,
        _raw(ground) as raw,
        _discarding(ground) as discarding,
        sftp.Server(folder / "sftp") as server,
    ):
        for turn in range(ROUNDS):
            for runs in _groups(ground, raw, discarding, server, turn):
                for name in runs if turn % 2 else reversed(runs):
                    before = cpu_seconds(ground.hub()) + cpu_seconds(ground.nginx())
                    rate, others = runs[name]()
                    rates[name].append(rate)
                    served = cpu_seconds(ground.hub()) + cpu_seconds(ground.nginx()) - before
                    cpus[name].append(Spent(served, others))
        at_once = max(map(len, in_batches(_offers(ground, ground.codes[0], ROUNDS, "notices"))))
    return _rows(rates, cpus, at_once)


def _groups(ground: Ground, raw: Path, discarding: int, server: sftp.Server, turn: int) -> list[Runs]:
    """Return what is measured in a round: what is held against each other stands in one group."""
    ours, others = ground.codes[:LANES], ground.codes[LANES:]  # what goes compact is others': no rival gets it
    whole, apart = ([_offers(ground, code, turn, stream) for code in ours] for stream in STREAMS)
    compact, together = ([_offers(ground, code, turn, stream) for code in others] for stream in STREAMS)
    files = sftp.write_files(ground.folder / f"files{turn}", together)
    return [
        {
            "sftp": lambda: server.put_in_open_sessions(files),
            "put together": lambda: _sent_together(ground, together),
            "put compact": lambda: _sent(ground.gateway.port, ground, compact, _compact),
        },
        {
            "put": lambda: _sent(ground.gateway.port, ground, whole, _whole),
            "raw put": lambda: _raw_sent(raw, whole, _whole),
        },
        {
            "put apart": lambda: _sent(ground.gateway.port, ground, apart, Offer.puts),
            "raw put apart": lambda: _raw_sent(raw, apart, lambda each: each.puts(f"X-Sender: {each.sender}")),
        },
        {
            "get": lambda: _sent(ground.gateway.port, ground, whole, _gets, MINISTRY),
            "raw get": lambda: _raw_sent(raw, whole, _gets),
        },
        {
            "bare put": lambda: _raw_sent(raw, whole, _bare),
            "discarded": lambda: _sent(discarding, ground, whole, _whole),
            "appended": lambda: (_appended(ground.folder / f"appended{turn}", whole), 0.0),
            "sftp sessions": lambda: (server.put_in_a_session_each(files), 0.0),
        },
    ]


def _rows(rates: dict[str, list[float]], cpus: dict[str, list[Spent]], at_once: int) -> list[dict[str, Any]]:
    together = f"{at_once} parcels a request"

    def against(what: str, ours: str, rival: str, least: float | None = None) -> dict[str, Any]:
        ratio = median(mine / other for mine, other in zip(rates[ours], rates[rival], strict=True))
        each = 2 if ours.endswith("apart") else 1  # two requests are a parcel
        return row(
            what, median(rates[ours]) / each, "/s", against=median(rates[rival]) / each, ratio=ratio, least=least
        )

    def cost(what: str, name: str, requests: int) -> dict[str, Any]:
        return row(f"gateway and hub, {what}", median(s.served for s in cpus[name]) / requests * 1000, "ms of CPU")

    parcels = LANES * PARCELS
    ours = [(sum(spent) / parcels * 1000) for spent in cpus["put together"]]
    theirs = [spent.others / parcels * 1000 for spent in cpus["sftp"]]
    ratio = median(mine / other for mine, other in zip(ours, theirs, strict=True))
    return [
        against("PUT of a parcel whole, against raw ASGI", "put", "raw put", LEAST_OF_RAW),
        against("PUT of part and manifest, against raw ASGI", "put apart", "raw put apart", LEAST_OF_RAW),
        against("GET of the content, against raw ASGI", "get", "raw get", LEAST_OF_RAW),
        against(f"PUT, {together}, against sftp, open sessions", "put together", "sftp", LEAST_OF_SFTP),
        against(
            f"PUT, {together}, against sftp, a session each",
            *("put together", "sftp sessions", LEAST_OF_SFTP_SESSIONS),
        ),
        against("PUT, 1 parcel a request, against sftp, open sessions", "put compact", "sftp"),
        against("PUT whole, against bare INSERTs by ASGI", "put", "bare put"),
        against("PUT whole, against nginx discarding it", "put", "discarded"),
        against("PUT whole, against append and fdatasync", "put", "appended"),
        row(f"PUT, {together}, all CPU, against sftp", median(ours), "ms", against=median(theirs), ratio=ratio),
        cost(f"a parcel put, {together}", "put together", parcels),
        cost("a parcel put whole", "put", parcels),
        cost("a parcel put whole, manifest and acceptance compact", "put compact", parcels),
        cost("a parcel put in part and manifest", "put apart", parcels),
        cost("a content got", "get", parcels * REPEATED_GETS),
    ]


def _offers(ground: Ground, code: str, turn: int, stream: Stream) -> list[Offer]:
    sender, recipient = ground.members[code], ground.members[MINISTRY]
    numbers = range(turn * PARCELS + 1, (turn + 1) * PARCELS + 1)
    return [offer(sender, recipient, number, BYTES, stream=stream) for number in numbers]


def _whole(each: Offer) -> list[bytes]:
    return [each.put_whole()]


def _compact(each: Offer) -> list[bytes]:
    return [each.put_compact()]


def _sent_together(ground: Ground, offers: Offers) -> tuple[float, float]:
    """Send each lane's parcels in as few requests as take them; parcels, not answers, are counted. See `Run`."""
    address = "127.0.0.1", ground.gateway.port
    lanes = [
        Lane(address, put_together(lane), ground.context(lane[0].sender), frozenset({200}), refusal_in)
        for lane in offers
    ]
    driven = drive(lanes)
    return sum(map(len, offers)) / driven.seconds, driven.cpu


def _gets(each: Offer) -> list[bytes]:
    return [get(f"{each.path}/content")] * REPEATED_GETS


def _bare(each: Offer) -> list[bytes]:
    return [put(f"/bare/{os.urandom(8).hex()}", b"".join((*each.parts, each.envelope)))]


def _sent(
    port: int, ground: Ground, offers: Offers, requests: Requests, party: str | None = None
) -> tuple[float, float]:
    """Send each lane's requests as the parcels' sender, or as `party`; see `Run`."""
    lanes = [
        Lane(("127.0.0.1", port), _all(lane, requests), ground.context(party or lane[0].sender)) for lane in offers
    ]
    return _came_of(drive(lanes))


def _raw_sent(raw: Path, offers: Offers, requests: Requests) -> tuple[float, float]:
    return _came_of(drive([Lane(raw, _all(lane, requests)) for lane in offers]))


def _came_of(driven: Driven) -> tuple[float, float]:
    return driven.rate, driven.cpu


def _all(lane: list[Offer], requests: Requests) -> list[bytes]:
    return [request for each in lane for request in requests(each)]


def _appended(folder: Path, offers: list[list[Offer]]) -> float:
    """Append each body to a file a lane, and have it on disk before the next."""
    folder.mkdir()
    begin = time.monotonic()
    children = []
    for number, lane in enumerate(offers):
        if child := os.fork():
            children.append(child)
            continue
        status = 1
        try:
            with (folder / str(number)).open("ab", buffering=0) as file:
                for body in (body for each in lane for body in (*each.parts, each.envelope)):
                    file.write(body)
                    os.fdatasync(file.fileno())
            status = 0
        finally:
            os._exit(status)
    if any(os.waitpid(child, 0)[1] for child in children):
        raise RuntimeError(f"{folder}: not everything could be appended")
    return LANES * PARCELS / (time.monotonic() - begin)


@contextmanager
def _raw(ground: Ground) -> Iterator[Path]:
    folder = ground.folder / "raw"
    folder.mkdir()
    ground.fill(folder / "hub.db")
    socket = folder / "raw.sock"
    program = Path(__file__).with_name("raw_app.py")
    with subprocess.Popen([PROGRAMS / "python", program, socket, folder]) as process:
        try:
            while not socket.exists() and process.poll() is None:
                time.sleep(0.05)
            time.sleep(0.3)
            yield socket
        finally:
            process.terminate()


@contextmanager
def _discarding(ground: Ground) -> Iterator[int]:
    """The same gateway, but it throws every body away and says that all is well."""
    folder = ground.folder / "discarding"
    folder.mkdir()
    gateway = ground.another_gateway(folder, {"proxy_pass http://hub;": "return 204;"})
    try:
        yield gateway.port
    finally:
        gateway.close()
        shutil.rmtree(folder)
