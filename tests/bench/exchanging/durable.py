"""Durable PUT and GET of parcels, through gateway and mTLS, against what else the same machine can do.

A parcel is 4 KiB of sealed bytes and its manifest. An agent of today hands it in whole: one request, one commit, with
the hub's signed acceptance and the journal's entry. Larger parcels, and agents from before, hand it in apart: part and
manifest, two requests and two commits. Rivals get the same bytes from the same number of connections at once:

    raw ASGI   an application on the same store with the same statements and commits, on a Unix socket: no gateway, TLS,
               authority, signature; as a whole or apart, as what it is held against
    bare       the same application only inserts the bytes into a table of one column
    nginx      the same gateway throws the bytes away
    append     one process a lane appends them to a file, with fdatasync after each
    sftp       OpenSSH, one session a lane: a file written under another name, synced (`put -f`), renamed. Its rename is
               not synced, for which the protocol has nothing: it promises less than an acceptance does

The machine may be anybody's: each round measures all of them one after the other, every second round in the opposite
order, and what counts is the median over the rounds of the ratio within a round.
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
from typing import Any

from bench.exchanging import sftp
from bench.exchanging.ground import PROGRAMS, Ground, cpu_seconds
from bench.exchanging.load import Lane, drive
from bench.exchanging.offers import Offer, get, offer, put
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
Runs = dict[str, Callable[[], float]]


def measure(folder: Path, codes: list[str]) -> list[dict[str, Any]]:
    """Return the rows."""
    rates: dict[str, list[float]] = defaultdict(list)
    cpus: dict[str, list[float]] = defaultdict(list)
    with (
        Ground(folder, codes[:LANES]) as ground,
        _raw(ground) as raw,
        _discarding(ground) as discarding,
        sftp.Server(folder / "sftp") as server,
    ):
        for turn in range(ROUNDS):
            for runs in _groups(ground, raw, discarding, server, turn):
                for name in runs if turn % 2 else reversed(runs):
                    before = cpu_seconds(ground.hub()) + cpu_seconds(ground.nginx())
                    rates[name].append(runs[name]())
                    cpus[name].append(cpu_seconds(ground.hub()) + cpu_seconds(ground.nginx()) - before)
    return _rows(rates, cpus)


def _groups(ground: Ground, raw: Path, discarding: int, server: sftp.Server, turn: int) -> list[Runs]:
    """Return what is measured in a round: what is held against each other stands in one group."""
    whole, apart = ([_offers(ground, code, turn, stream) for code in ground.codes] for stream in STREAMS)
    files = sftp.write_files(ground.folder / f"files{turn}", whole)
    return [
        {
            "sftp": lambda: server.put_in_open_sessions(files),
            "put": lambda: _sent(ground.gateway.port, ground, whole, _whole),
            "raw put": lambda: _raw_sent(raw, whole, Offer.puts_raw),
        },
        {
            "put apart": lambda: _sent(ground.gateway.port, ground, apart, Offer.puts) / 2,
            "raw put apart": lambda: _raw_sent(raw, apart, lambda each: each.puts(f"X-Sender: {each.sender}")) / 2,
        },
        {
            "get": lambda: _sent(ground.gateway.port, ground, whole, _gets, MINISTRY),
            "raw get": lambda: _raw_sent(raw, whole, _gets),
        },
        {
            "bare put": lambda: _raw_sent(raw, whole, _bare),
            "discarded": lambda: _sent(discarding, ground, whole, _whole),
            "appended": lambda: _appended(ground.folder / f"appended{turn}", whole),
            "sftp sessions": lambda: server.put_in_a_session_each(files),
        },
    ]


def _rows(rates: dict[str, list[float]], cpus: dict[str, list[float]]) -> list[dict[str, Any]]:
    def against(what: str, ours: str, rival: str, least: float | None = None) -> dict[str, Any]:
        ratio = median(mine / other for mine, other in zip(rates[ours], rates[rival], strict=True))
        return row(what, median(rates[ours]), "/s", against=median(rates[rival]), ratio=ratio, least=least)

    def cost(what: str, name: str, requests: int) -> dict[str, Any]:
        return row(f"gateway and hub, {what}", median(cpus[name]) / requests * 1000, "ms of CPU")

    parcels = LANES * PARCELS
    return [
        against("PUT of a parcel whole, against raw ASGI", "put", "raw put", LEAST_OF_RAW),
        against("PUT of part and manifest, against raw ASGI", "put apart", "raw put apart", LEAST_OF_RAW),
        against("GET of the content, against raw ASGI", "get", "raw get", LEAST_OF_RAW),
        against("PUT whole, against sftp, open sessions", "put", "sftp", LEAST_OF_SFTP),
        against("PUT whole, against sftp, a session each", "put", "sftp sessions", LEAST_OF_SFTP_SESSIONS),
        against("PUT whole, against bare INSERTs by ASGI", "put", "bare put"),
        against("PUT whole, against nginx discarding it", "put", "discarded"),
        against("PUT whole, against append and fdatasync", "put", "appended"),
        cost("a parcel put whole", "put", parcels),
        cost("a parcel put in part and manifest", "put apart", parcels),
        cost("a content got", "get", parcels * REPEATED_GETS),
    ]


def _offers(ground: Ground, code: str, turn: int, stream: Stream) -> list[Offer]:
    sender, recipient = ground.members[code], ground.members[MINISTRY]
    numbers = range(turn * PARCELS + 1, (turn + 1) * PARCELS + 1)
    return [offer(sender, recipient, number, BYTES, stream=stream) for number in numbers]


def _whole(each: Offer) -> list[bytes]:
    return [each.put_whole()]


def _gets(each: Offer) -> list[bytes]:
    return [get(f"{each.path}/content")] * REPEATED_GETS


def _bare(each: Offer) -> list[bytes]:
    return [put(f"/bare/{os.urandom(8).hex()}", b"".join((*each.parts, each.envelope)))]


def _sent(port: int, ground: Ground, offers: Offers, requests: Requests, party: str | None = None) -> float:
    """Send each lane's requests as the parcels' sender, or as `party`; return how many were answered a second."""
    lanes = [
        Lane(("127.0.0.1", port), _all(lane, requests), ground.context(party or lane[0].sender)) for lane in offers
    ]
    return drive(lanes).rate


def _raw_sent(raw: Path, offers: Offers, requests: Requests) -> float:
    return drive([Lane(raw, _all(lane, requests)) for lane in offers]).rate


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
