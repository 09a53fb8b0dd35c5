"""The endpoints of a fleet, from `endpoints.csv`: a row a municipality or ward that is linked."""

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
OPTIONAL = ("wan_address", "site_block", "layout", "place", "contact", "note")
SLOWEST_KBPS, FASTEST_KBPS = 64, 100_000_000


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
    row's line in the file. `layout` is that of what it gets, where it isn't the fleet's.
    """

    municipality: Municipality
    link: Link
    ring: str
    register_bridge: RegisterBridge
    line_kbps: int
    wan_address: int | None
    site_block: Network | None
    layout: Layout | None
    place: str
    contact: str
    note: str
    line: int

    @property
    def code(self) -> MunicipalityCode:
        """The code, which is its name everywhere."""
        return self.municipality.code


def read_endpoints(
    file: Path, country: Mapping[str, Municipality], rings: Collection[str] | None, problems: list[Problem]
) -> tuple[list[Endpoint], Collection[str]]:
    """Read the endpoints, adding to `problems` what is wrong with them; any ring will do when `rings` is None.

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
        endpoint = _endpoint(file, row, municipality, rings, problems)
        if endpoint:
            endpoints.append(endpoint)
    return endpoints, seen


def _endpoint(
    file: Path, row: Row, municipality: Municipality | None, rings: Collection[str] | None, problems: list[Problem]
) -> Endpoint | None:
    before = len(problems)
    for column, known in (
        ("link", tuple(Link)),
        ("ring", rings),
        ("register_bridge", tuple(RegisterBridge)),
        ("layout", [str(layout) for layout in Layout.every()] if row["layout"] else None),
    ):
        if known is not None and row[column] not in known:
            where = " or add the ring to fleet.yml" if column == "ring" else ""
            what = f"{column} {row[column]!r} is unknown"
            problems.append(Problem(file, row.line, what, f"write one of {', '.join(known)}{where}"))
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
        place=row["place"],
        contact=row["contact"],
        note=row["note"],
        line=row.line,
    )
