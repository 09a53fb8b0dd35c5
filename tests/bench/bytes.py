"""What a notice takes: whole parcels, signed and sealed, against files that are neither, and against the entropy floor.

A parcel's bytes are those of its manifest, in compact form, and of its sealed content. The notices are of seeds and of
a city (東京都足立区) that no dictionary was trained on: its training had the prefectures of `generate.dictionary`.
Small parcels are measured many times, for they differ. The floor is the exact information of the same notices
(`entropy.likelihood`). Beside it stands what goes over the line at the gateway, both ways and with all of TLS, HTTP
and the exchange around the parcel: a whole exchange of the sender, by a real agent, gateway and hub.
"""

import gzip
import lzma
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

sys.path.append(str(Path(__file__).parents[1]))  # what benches and tests share lies beside this folder

from bench.entropy.likelihood import bits_of
from faults.place import fleet_behind, lines_to_hub
from renkei.domain.layouts import Format, Layout, write
from renkei.domain.notices import Notice
from renkei.exchange import encoding
from renkei.exchange.compact import pack
from renkei.exchange.parcels import Dispatch, build_parcel
from renkei.exchange.parties import MINISTRY, Party
from renkei.ministry.simulator import residence_notices, status_notices
from unit.agent.conftest import Pki
from unit.exchange.conftest import NOW, Machine, World

ENDPOINT, PLACE = "131211", "東京都足立区"
TODAY = date(2026, 11, 23)
FIRST_SEED = 770_000
SAMPLES = {1: 200, 10: 100, 100: 20, 1_000: 5, 10_000: 1}
"""How many parcels of each size are measured."""
AT_MOST_OF_FLOOR = (1_000, 1.7)
AT_MOST_OF_CSV = (10, 1.0)
_SEED = 1

Make = Callable[[int, int], Sequence[Notice]]


@dataclass(slots=True)
class Measured:
    """Bytes a notice, of parcels of one size."""

    parcel: float = 0
    first: float = 0
    csv: float = 0
    xml: float = 0
    xz: float = 0
    floor: float = 0


def run() -> list[dict[str, Any]]:
    """Measure; rows of `{name, value, unit, against, ratio, target, holds}`."""
    world = World()
    endpoint, ministry = world.enrol(Party(ENDPOINT)), world.enrol(MINISTRY, "linkage")
    lines = _lines()
    rows = []
    for name, make, sender, recipient in (
        ("市町村伝達", _residence, endpoint, ministry),
        ("法務省通知", _status, ministry, endpoint),
    ):
        for count, samples in SAMPLES.items():
            measured = _measure(make, count, samples, sender, recipient)
            rows += _rows(f"{name} × {count:,}", count, measured, lines[name, count])
    return rows


def _residence(count: int, seed: int) -> Sequence[Notice]:
    return residence_notices(ENDPOINT, count, seed, TODAY, PLACE)


def _status(count: int, seed: int) -> Sequence[Notice]:
    return status_notices([ENDPOINT], count, seed, TODAY)


def _measure(make: Make, count: int, samples: int, sender: Machine, recipient: Machine) -> Measured:
    measured = Measured()
    every = count * samples
    for number in range(samples):
        notices = make(count, FIRST_SEED + number)
        csv, xml = (write(notices, Layout(form, 1)) for form in Format)
        measured.parcel += _parcel(notices, number, sender, recipient, encoding.LATEST) / every
        measured.first += _parcel(notices, number, sender, recipient, encoding.FIRST) / every
        measured.csv += len(gzip.compress(csv, 9)) / every
        measured.xml += len(gzip.compress(xml, 9)) / every
        measured.xz += min(len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)) for text in (csv, xml)) / every
        measured.floor += bits_of(notices, TODAY) / 8 / every
    return measured


def _parcel(notices: Sequence[Notice], number: int, sender: Machine, recipient: Machine, version: int) -> int:
    """The bytes of a parcel with all of its envelope; version 1 as it was, with its manifest in JSON."""
    party = sender.verified.party
    dispatch = Dispatch(UUID(int=number, version=4), party, notices[0].STREAM, number + 1, "daily", NOW)
    parcel = build_parcel(notices, dispatch, sender.signer, recipient.verified, version)
    manifest = parcel.manifest_envelope if version == encoding.FIRST else pack(parcel.manifest_envelope)
    return len(manifest) + len(parcel.sealed)


def _lines() -> dict[tuple[str, int], float]:
    """Bytes a notice over the line, of a whole exchange by its sender."""
    found: dict[tuple[str, int], float] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        pki = Pki(folder)
        with lines_to_hub(folder, pki, _SEED) as lines, fleet_behind(lines, folder, pki) as fleet:
            ministry, endpoint = fleet.agent("ministry"), fleet.agent(ENDPOINT)
            for home in (ministry, endpoint, ministry):  # who is who, and what each reads
                fleet.exchange(home)
            (ministry.settings.outbox / ENDPOINT).mkdir()
            for kind, make, home, outbox in (
                ("市町村伝達", _residence, endpoint, endpoint.settings.outbox),
                ("法務省通知", _status, ministry, ministry.settings.outbox / ENDPOINT),
            ):
                for place, count in enumerate(SAMPLES):  # each under numbers of its own
                    (outbox / f"{count}.csv").write_bytes(write(make(count, FIRST_SEED + place), Layout()))
                    before = lines.outside.passed
                    sent = fleet.exchange(home).parcels_sent
                    if sent != 1:
                        raise RuntimeError(f"{count} notices were to go in one parcel, they went in {sent}")
                    found[kind, count] = (lines.outside.passed - before) / count
                    for other in (endpoint, ministry, endpoint):  # receipts, so that nothing is left for the next
                        fleet.exchange(other)
    return found


def _rows(name: str, count: int, measured: Measured, line: float) -> list[dict[str, Any]]:
    floor = AT_MOST_OF_FLOOR[1] if count == AT_MOST_OF_FLOOR[0] else None
    csv = AT_MOST_OF_CSV[1] if count == AT_MOST_OF_CSV[0] else None
    return [
        _row(f"{name}, entropy floor", measured.parcel, measured.floor, floor),
        _row(f"{name}, bare CSV+gzip", measured.parcel, measured.csv, csv),
        _row(f"{name}, bare XML+gzip", measured.parcel, measured.xml, None),
        _row(f"{name}, bare xz", measured.parcel, measured.xz, None),
        _row(f"{name}, encoding 1 with manifest in JSON", measured.parcel, measured.first, None),
        _row(f"{name}, a whole exchange on the line", line, None, None),
    ]


def _row(name: str, value: float, against: float | None, target: float | None) -> dict[str, Any]:
    ratio = None if against is None else value / against
    return {
        "name": name,
        "value": round(value, 2),
        "unit": "B/notice",
        "against": against and round(against, 2),
        "ratio": ratio and round(ratio, 3),
        "target": target,
        "holds": None if target is None or ratio is None else ratio <= target,
    }
