"""Durable PUT and GET of parcels, through gateway and mTLS, against what else the same machine can do.

A parcel is one part of 4 KiB and its manifest: two requests, and two commits, of which one carries the hub's signed
acceptance and the journal's entry. Rivals get the same bytes from the same number of connections at once. All run in
turn, `ROUNDS` times; of each the best round counts, for others use this machine too.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.exchanging import sftp
from bench.exchanging.ground import PROGRAMS, Ground, cpu_seconds
from bench.exchanging.load import Driven, Lane, drive
from bench.exchanging.offers import Offer, get, offer, put
from bench.exchanging.rows import row

LANES = 16
PARCELS = 50
"""Of each lane in each round."""
ROUNDS = 3
REPEATED_GETS = 4
"""Each content is got so often in a round, which would be over too soon else."""
BYTES = 4096
LEAST_OF_RAW = 0.4
LEAST_OF_SFTP_SESSIONS = 10.0
MINISTRY = "ministry"


def measure(folder: Path, codes: list[str]) -> list[dict[str, Any]]:
    """Return the rows."""
    with Ground(folder, codes[:LANES]) as ground, _raw(ground) as raw, _discarding(ground) as discarding:
        best: dict[str, float] = {}
        for turn in range(ROUNDS):
            offers = [_offers(ground, code, turn) for code in codes[:LANES]]
            files = sftp.write_files(folder / f"files{turn}", offers)
            measures: dict[str, Callable[[], float]] = {
                "put": lambda offers=offers: _put(ground, offers),
                "raw put": lambda offers=offers: _raw_put(raw, offers),
                "bare put": lambda offers=offers: _bare_put(raw, offers),
                "get": lambda offers=offers: _get(ground, offers),
                "raw get": lambda offers=offers: _raw_get(raw, offers),
                "discarded": lambda offers=offers: _discarded(ground, discarding, offers),
                "appended": lambda offers=offers, turn=turn: _appended(folder / f"appended{turn}", offers),
                "sftp": lambda files=files: server.put_in_open_sessions(files),
                "sftp sessions": lambda files=files: server.put_in_a_session_each(files),
            }
            with sftp.Server(folder / f"sftp{turn}") as server:
                for name, run in measures.items():
                    best[name] = max(best.get(name, 0.0), run())
        hub_cpu = cpu_seconds(ground.hub()) + cpu_seconds(ground.nginx())
    parcels = ROUNDS * LANES * PARCELS
    return [
        row("PUT, against raw ASGI on the same store", best["put"], "/s", against=best["raw put"], least=LEAST_OF_RAW),
        row("GET, against raw ASGI on the same store", best["get"], "/s", against=best["raw get"], least=LEAST_OF_RAW),
        row("PUT, against bare INSERTs by ASGI", best["put"], "/s", against=best["bare put"]),
        row("PUT, against nginx discarding the bodies", best["put"], "/s", against=best["discarded"]),
        row("PUT, against append and fdatasync", best["put"], "/s", against=best["appended"]),
        row("PUT, against sftp, open sessions", best["put"], "/s", against=best["sftp"], least=1.0),
        row(
            "PUT, against sftp, a session each",
            best["put"],
            "/s",
            against=best["sftp sessions"],
            least=LEAST_OF_SFTP_SESSIONS,
        ),
        row("gateway and hub, a parcel put and got", hub_cpu / parcels * 1000, "ms of CPU"),
    ]


def _offers(ground: Ground, code: str, turn: int) -> list[Offer]:
    sender, recipient = ground.members[code], ground.members[MINISTRY]
    return [offer(sender, recipient, turn * PARCELS + number, BYTES) for number in range(1, PARCELS + 1)]


def _parcels(driven: Driven) -> float:
    """Parcels a second, of two requests each."""
    return driven.rate / 2


def _put(ground: Ground, offers: list[list[Offer]]) -> float:
    address = ("127.0.0.1", ground.gateway.port)
    return _parcels(drive([Lane(address, _puts(lane), ground.context(lane[0].sender)) for lane in offers]))


def _puts(lane: list[Offer]) -> list[bytes]:
    return [request for each in lane for request in each.puts()]


def _gets(lane: list[Offer]) -> list[bytes]:
    return [get(f"{each.path}/content") for each in lane] * REPEATED_GETS


def _get(ground: Ground, offers: list[list[Offer]]) -> float:
    address, context = ("127.0.0.1", ground.gateway.port), ground.context(MINISTRY)
    return drive([Lane(address, _gets(lane), context) for lane in offers]).rate


def _raw_put(raw: Path, offers: list[list[Offer]]) -> float:
    lanes = [[request for each in lane for request in each.puts(f"X-Sender: {each.sender}")] for lane in offers]
    return _parcels(drive([Lane(raw, lane) for lane in lanes]))


def _raw_get(raw: Path, offers: list[list[Offer]]) -> float:
    return drive([Lane(raw, _gets(lane)) for lane in offers]).rate


def _bare_put(raw: Path, offers: list[list[Offer]]) -> float:
    lanes = [[body for each in lane for body in (*each.parts, each.envelope)] for lane in offers]
    return _parcels(drive([Lane(raw, [put(f"/bare/{os.urandom(8).hex()}", body) for body in lane]) for lane in lanes]))


def _discarded(ground: Ground, port: int, offers: list[list[Offer]]) -> float:
    address = ("127.0.0.1", port)
    return _parcels(drive([Lane(address, _puts(lane), ground.context(lane[0].sender)) for lane in offers]))


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
