"""Make `inventory/sample/endpoints.csv` and `terminals.csv`: a plausible production fleet of all 1,892 endpoints.

Every choice is drawn from a digest of the endpoint's code, so the same country gives the same fleet, and a new endpoint
changes no other. All of it is invented: lines, machines, places, windows. `weekend-opening.ics` is kept by hand.

    .venv/bin/python tools/generate/sample.py
"""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

from renkei.fleet.municipalities import Kind, Municipality, read_municipalities
from renkei.fleet.problems import FleetError, Problem

T = TypeVar("T")

INVENTORY = Path(__file__).resolve().parents[2] / "inventory"
TODAY = date(2026, 11, 23)

#: Line speeds in kbit/s by kind, each as likely as it stands here often.
LINES = {
    Kind.WARD: (100_000, 100_000, 1_000_000),
    Kind.SPECIAL_WARD: (100_000, 1_000_000),
    Kind.CITY: (10_000, 10_000, 30_000, 100_000, 100_000),
    Kind.TOWN: (3_000, 6_000, 10_000, 10_000, 30_000),
    Kind.VILLAGE: (1_500, 1_500, 3_000, 6_000, 10_000),
}
#: Endpoints in a thousand that hold a connection, and that connect when needed; media for the rest.
ONLINE_PER_MILLE = {Kind.WARD: 600, Kind.SPECIAL_WARD: 900, Kind.CITY: 250, Kind.TOWN: 40, Kind.VILLAGE: 10}
MEDIA_PER_MILLE = 12
CANARIES = ("014001", "131041", "141038", "232238", "271276", "401323", "473821")
#: Prefectures of the eastern ring.
EAST = range(1, 24)
#: Of endpoints in a hundred: whose terminals run day and night, and whose are switched off with the lights.
ALWAYS_ON = {Kind.WARD: 70, Kind.SPECIAL_WARD: 70, Kind.CITY: 35, Kind.TOWN: 10, Kind.VILLAGE: 5}
SWITCHED_OFF = {Kind.WARD: 2, Kind.SPECIAL_WARD: 0, Kind.CITY: 15, Kind.TOWN: 35, Kind.VILLAGE: 50}
#: Milliseconds to the ASP (in Tokyo) and back, by prefecture: the farther, the longer.
FAR = {**dict.fromkeys(range(1, 8), 25), **dict.fromkeys(range(31, 40), 25), **dict.fromkeys(range(40, 48), 35)}
MODELS = (("RK-T100", date(2019, 10, 1)), ("RK-T200", date(2023, 4, 1)), ("RK-T300", date(2026, 2, 1)))
DIVISIONS = {
    Kind.WARD: "区役所 戸籍住民課 住民記録係",
    Kind.SPECIAL_WARD: "戸籍住民課 住民記録係",
    Kind.CITY: "市民課 住民記録係",
    Kind.TOWN: "住民課 戸籍住民係",
    Kind.VILLAGE: "住民福祉課 住民係",
}
PLACES = ("本庁舎1階 事務室", "本庁舎1階 窓口後方", "本庁舎2階 機械室", "別館1階 事務室")


def draw(code: str, topic: str, size: int) -> int:
    """Give a number below `size` that depends on nothing but the code and the topic."""
    return int.from_bytes(hashlib.sha256(f"{code}/{topic}".encode()).digest()[:8]) % size


def pick(code: str, topic: str, choices: Sequence[T]) -> T:
    """Give one of the choices."""
    return choices[draw(code, topic, len(choices))]


def endpoint(place: Municipality) -> list[str]:
    """Give the row of an endpoint."""
    code, kind = place.code.value, place.kind
    chance = draw(code, "link", 1000)
    link = "online" if chance < ONLINE_PER_MILLE[kind] else "on_demand"
    if chance >= 1000 - MEDIA_PER_MILLE:
        link = "media"
    ring = "main_east" if int(place.code.prefecture) in EAST else "main_west"
    if code in CANARIES:
        ring = "canary"
    elif draw(code, "ring", 10) == 0 and link != "media":
        ring = "early"
    bridge = "media" if link == "media" or draw(code, "bridge", 4) == 0 else "folder"
    if draw(code, "no bridge", 60) == 0:
        bridge = "none"
    note = "回線工事中" if link == "media" else ""
    line = pick(code, "line", LINES[kind])
    chance = draw(code, "maintenance", 100)
    profile = "always_on" if chance < ALWAYS_ON[kind] else ""
    if chance >= 100 - SWITCHED_OFF[kind]:
        profile = "switched_off"
    calendar = "weekend-opening.ics" if kind is Kind.WARD else ""
    trip = FAR.get(int(place.code.prefecture), 12) + draw(code, "round trip", 10)
    windows = [profile, calendar, str(trip)]
    return [code, link, ring, bridge, str(line), "", "", *windows, pick(code, "place", PLACES), DIVISIONS[kind], note]


def machines(place: Municipality) -> Iterable[list[str]]:
    """Give the rows of an endpoint's machines, the oldest first: some replaced, some about to be."""
    code = place.code.value
    delivered = date(2020, 4, 1) + timedelta(days=draw(code, "first", 5 * 365))
    fate = draw(code, "fate", 100)
    life = timedelta(days=700 + draw(code, "life", 400))
    first = _machine(place, 1, delivered, retired=delivered + life if fate < 18 else None)  # noqa: PLR2004 - in a hundred
    yield first
    if fate < 18:  # noqa: PLR2004 - in a hundred
        yield _machine(place, 2, delivered + life - timedelta(days=20), replaces=first[0])
    elif fate < 21:  # noqa: PLR2004 - in a hundred
        yield _machine(place, 2, TODAY - timedelta(days=5 + draw(code, "staged", 30)), replaces=first[0], staged=True)


def _machine(
    place: Municipality,
    number: int,
    delivered: date,
    *,
    retired: date | None = None,
    replaces: str = "",
    staged: bool = False,
) -> list[str]:
    code = place.code.value
    asset = f"R{delivered.year}-{code}-{number}"
    model = [name for name, since in MODELS if since <= delivered][-1]
    label = hashlib.sha256(f"{code}/machine {number}".encode()).hexdigest()[:10].upper()
    profile = "shared" if draw(code, "profile", 5) == 0 else "dedicated"
    in_service = "" if staged else str(delivered + timedelta(days=14))
    state = "staged" if staged else "retired" if retired else "in_service"
    note = (
        pick(code, "why", ("電源部故障のため更新", "記憶装置故障のため更新", "性能不足のため更新")) if retired else ""
    )
    days = [str(delivered), in_service, str(retired or "")]
    return [asset, code, profile, model, f"RKS{label}", state, *days, replaces, note]


def write(file: Path, header: str, rows: Iterable[list[str]]) -> int:
    """Write a table; give the number of its rows."""
    table = [header.split(","), *rows]
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(table)
    return len(table) - 1


def main() -> None:
    """Read the country, write the fleet's two tables."""
    problems: list[Problem] = []
    country = read_municipalities(INVENTORY / "municipalities.csv", problems).values()
    if problems:
        raise FleetError(problems)
    sample = INVENTORY / "sample"
    endpoints = write(
        sample / "endpoints.csv",
        "code,link,ring,register_bridge,line_kbps,wan_address,site_block,maintenance,calendar,round_trip_ms,place,contact,note",
        map(endpoint, country),
    )
    terminals = write(
        sample / "terminals.csv",
        "asset_number,code,profile,model,machine_serial,state,delivered_on,in_service_on,retired_on,replaces,note",
        (row for place in country for row in machines(place)),
    )
    print(f"{endpoints} endpoints, {terminals} machines")


if __name__ == "__main__":
    main()
