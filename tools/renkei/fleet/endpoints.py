"""The endpoints of a fleet, from `endpoints.csv`: a row a municipality or ward that is linked."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from renkei.domain.codes import MunicipalityCode
from renkei.domain.layouts import Layout
from renkei.fleet.addresses import Network, parse_address
from renkei.fleet.municipalities import Municipality, read_code
from renkei.fleet.problems import Problem
from renkei.fleet.tables import Row, read_table

REQUIRED = ("code", "link", "ring", "register_bridge", "line_kbps")
WINDOWS = ("maintenance", "calendar", "round_trip_ms")
OPTIONAL = ("wan_address", "site_block", "layout", *WINDOWS, "place", "contact", "note")
SLOWEST_KBPS, FASTEST_KBPS = 64, 100_000_000
LONGEST_ROUND_TRIP_MS = 2_000
_CALENDAR = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}\.ics")


class Link(StrEnum):
    """How an endpoint exchanges: it may hold a connection, connects when needed, or carries media."""

    ONLINE = "online"
    ON_DEMAND = "on_demand"
    MEDIA = "media"


class RegisterBridge(StrEnum):
    """How notices get from the terminal to the resident register and back."""

    FOLDER = "folder"
    MEDIA = "media"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A linked municipality or ward.

    `line_kbps` is its LGWAN line in kbit/s; `wan_address` and `site_block` are set where LGWAN gave them. `line` is the
    row's line in the file. `layout` is that of what it gets, `maintenance` the profile of its windows and `calendar`
    the file of its calendar, where they aren't the fleet's; `round_trip_ms` is the line's to the ASP and back, where it
    was measured.
    """

    municipality: Municipality
    link: Link
    ring: str
    register_bridge: RegisterBridge
    line_kbps: int
    wan_address: int | None
    site_block: Network | None
    layout: Layout | None
    maintenance: str | None
    calendar: str | None
    round_trip_ms: int | None
    place: str
    contact: str
    note: str
    line: int

    @property
    def code(self) -> MunicipalityCode:
        """The code, which is its name everywhere."""
        return self.municipality.code


def read_endpoints(
    file: Path, country: Mapping[str, Municipality], known: Mapping[str, Collection[str]], problems: list[Problem]
) -> tuple[list[Endpoint], Collection[str]]:
    """Read the endpoints, adding to `problems` what is wrong with them.

    Args:
        file: the table.
        country: by code.
        known: the names that `fleet.yml` gives for `ring` and `maintenance`; any will do of a column that isn't there.
        problems: is added to.

    Returns:
        The endpoints whose rows are right, and the codes of all rows.
    """
    endpoints: list[Endpoint] = []
    seen: dict[str, int] = {}
    for row in read_table(file, REQUIRED, OPTIONAL, problems):
        code = read_code(file, row, "code", problems)
        municipality = country.get(code.value) if code else None
        if code and code.value in seen:
            what = f"endpoint {code} stands in line {seen[code.value]} already"
            problems.append(Problem(file, row.line, what, "remove one of the rows"))
        elif code and municipality is None:
            what = f"code {code} is of no municipality or ward"
            remedy = "look it up in municipalities.csv; of a designated city take the wards"
            problems.append(Problem(file, row.line, what, remedy))
        if code:
            seen.setdefault(code.value, row.line)
        endpoint = _endpoint(file, row, municipality, known, problems)
        if endpoint:
            endpoints.append(endpoint)
    return endpoints, seen


def _endpoint(
    file: Path,
    row: Row,
    municipality: Municipality | None,
    known: Mapping[str, Collection[str]],
    problems: list[Problem],
) -> Endpoint | None:
    before = len(problems)
    for column, choices in (
        ("link", tuple(Link)),
        ("ring", known.get("ring")),
        ("register_bridge", tuple(RegisterBridge)),
        ("layout", [str(layout) for layout in Layout.every()] if row["layout"] else None),
        ("maintenance", known.get("maintenance") if row["maintenance"] else None),
    ):
        if choices is not None and row[column] not in choices:
            named = {"ring": "ring", "maintenance": "profile"}.get(column)
            where = f" or add the {named} to fleet.yml" if named else ""
            what = f"{column} {row[column]!r} is unknown"
            problems.append(Problem(file, row.line, what, f"write one of {', '.join(choices)}{where}"))
    round_trip_ms = _windows(file, row, problems)
    kbps = row["line_kbps"]
    if not (kbps.isascii() and kbps.isdigit() and SLOWEST_KBPS <= int(kbps[:12]) <= FASTEST_KBPS):
        what = f"line_kbps {kbps!r} is no line speed"
        problems.append(Problem(file, row.line, what, f"write kbit/s, a number from {SLOWEST_KBPS} to {FASTEST_KBPS}"))
    wan_address, site_block = None, None
    if row["wan_address"]:
        try:
            wan_address = parse_address(row["wan_address"])
        except ValueError:
            what = f"wan_address {row['wan_address']!r} is no IPv4 address"
            problems.append(Problem(file, row.line, what, "write it as 172.20.0.17, or leave it empty"))
    if row["site_block"]:
        try:
            site_block = Network.parse(row["site_block"])
        except ValueError as error:
            what = f"site_block {row['site_block']!r} is no IPv4 network ({error})"
            problems.append(Problem(file, row.line, what, "write it as 10.64.0.32/27, or leave it empty"))
    if municipality is None or len(problems) > before:
        return None
    return Endpoint(
        municipality=municipality,
        link=Link(row["link"]),
        ring=row["ring"],
        register_bridge=RegisterBridge(row["register_bridge"]),
        line_kbps=int(kbps),
        wan_address=wan_address,
        site_block=site_block,
        layout=Layout.parse(row["layout"]) if row["layout"] else None,
        maintenance=row["maintenance"] or None,
        calendar=row["calendar"] or None,
        round_trip_ms=round_trip_ms,
        place=row["place"],
        contact=row["contact"],
        note=row["note"],
        line=row.line,
    )


def _windows(file: Path, row: Row, problems: list[Problem]) -> int | None:
    """Check what a row says of calendar and round trip; give the latter."""
    if row["calendar"] and not _CALENDAR.fullmatch(row["calendar"]):
        what = f"calendar {row['calendar']!r} is no name of an iCalendar file"
        problems.append(Problem(file, row.line, what, "write the name of an .ics file beside this one"))
    trip = row["round_trip_ms"]
    if not trip:
        return None
    if trip.isascii() and trip.isdigit() and 1 <= int(trip[:12]) <= LONGEST_ROUND_TRIP_MS:
        return int(trip)
    what = f"round_trip_ms {trip!r} is no time"
    problems.append(Problem(file, row.line, what, f"write milliseconds, 1 to {LONGEST_ROUND_TRIP_MS}, or nothing"))
    return None
