"""The flow file, `flows.yml`: who may talk to whom, by group names; the one source of packet filters."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from renkei.fleet.documents import Document, read_document
from renkei.fleet.problems import Problem

ALL: Final = "all"
CONTROLLER: Final = "controller"
OUTSIDE: Final = "outside"
_LAST_PORT: Final = 65535


class Plane(StrEnum):
    """The networks of the sites and between them, or the network by which Ansible reaches hosts."""

    LGWAN = "lgwan"
    MANAGEMENT = "management"


class Protocol(StrEnum):
    """What has ports."""

    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True)
class Ports:
    """A range of destination ports, both ends included; one port is a range of one."""

    first: int
    last: int

    def __contains__(self, port: int) -> bool:
        """Tell whether the port is in the range."""
        return self.first <= port <= self.last

    def __str__(self) -> str:
        """Write it as the flow file does."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Flow:
    """One permission; `sources` and `destinations` are names of groups, `line` is where it begins in the file."""

    id: str
    why: str
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    protocol: Protocol
    ports: tuple[Ports, ...]
    plane: Plane
    line: int


def read_flows(file: Path, groups: Collection[str], problems: list[Problem]) -> tuple[Flow, ...]:
    """Read the flows of a fleet that has `groups`, adding to `problems` what is wrong between and inside them.

    Raises:
        FleetError: the file can't be read or doesn't match `flows.schema.json`, which lies beside it.
    """
    document = read_document(file, file.with_name("flows.schema.json"))
    flows: list[Flow] = []
    lines: dict[str, int] = {}
    for index in range(len(document.data["flows"])):
        path = ("flows", index)
        flow = _flow(document, path, problems)
        first = lines.setdefault(flow.id, flow.line)
        if first != flow.line:
            what = f"flow {flow.id!r} stands in line {first} already"
            problems.append(document.problem((*path, "id"), what, "give it a name of its own"))
        flows.append(flow)
        _check_groups(document, path, flow, groups, problems)
    return tuple(flows)


def _flow(document: Document, path: tuple[str, int], problems: list[Problem]) -> Flow:
    data = document.data["flows"][path[1]]
    ports = []
    for position, item in enumerate(data["ports"]):
        first, _, last = str(item).partition("-")
        span = Ports(int(first), int(last or first))
        if not span.first <= span.last <= _LAST_PORT or (last and first == last):
            what = f"ports {item} is no range"
            remedy = "write the lower port first, a single port without a hyphen, none over 65535"
            problems.append(document.problem((*path, "ports", position), what, remedy))
        ports.append(span)
    return Flow(
        id=str(data["id"]),
        why=str(data["why"]),
        sources=tuple(map(str, data["from"])),
        destinations=tuple(map(str, data["to"])),
        protocol=Protocol(str(data["protocol"])),
        ports=tuple(ports),
        plane=Plane(str(data.get("plane", Plane.LGWAN))),
        line=document.line(*path, "id"),
    )


def _check_groups(
    document: Document, path: tuple[str, int], flow: Flow, groups: Collection[str], problems: list[Problem]
) -> None:
    for side, names in (("from", flow.sources), ("to", flow.destinations)):
        for position, name in enumerate(names):
            remedy = None
            if name == CONTROLLER and (side == "to" or flow.plane is Plane.LGWAN):
                remedy = "the controller only opens connections, and only on the management plane"
            elif name == OUTSIDE and (side == "from" or flow.plane is Plane.MANAGEMENT or flow.sources != ("mirrors",)):
                remedy = "only mirrors reach outside, and only as the destination of an lgwan flow of their own"
            elif name not in {ALL, CONTROLLER, OUTSIDE, *groups}:
                remedy = f"the groups are {', '.join(sorted({ALL, CONTROLLER, OUTSIDE, *groups}))}"
            if remedy:
                what = f"flow {flow.id!r} can't be {side} {name!r}"
                problems.append(document.problem((*path, side, position), what, remedy))
