"""Packet filters from flows: which hosts a flow crosses, and the rules that one of them needs.

A flow joins every host of its `from` groups with every host of its `to` groups, with two exceptions: a host needs no
flow to itself, and a host in a core network (a resident register, the immigration system) talks within its own site
only. What a host filters is what it takes in (`input`), sends (`output`) and passes on (`forward`); replies are the
business of connection tracking.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from renkei.fleet.addresses import aggregate
from renkei.fleet.flows import ALL, CONTROLLER, OUTSIDE, Flow, Plane
from renkei.fleet.model import Fleet, Host, Part
from renkei.fleet.problems import Problem

_DEPTH: Final = {"wan0": 0, "edge0": 1, "lan0": 2, "core0": 2}


class Chain(StrEnum):
    """Where a packet filter meets a packet."""

    INPUT = "input"
    OUTPUT = "output"
    FORWARD = "forward"


@dataclass(frozen=True, slots=True)
class Hop:
    """A host that a flow crosses and the interfaces by which it comes and goes; none where it begins or ends."""

    host: Host
    in_interface: str | None
    out_interface: str | None

    @property
    def chain(self) -> Chain:
        """The chain that sees it."""
        if self.in_interface is None:
            return Chain.OUTPUT
        return Chain.INPUT if self.out_interface is None else Chain.FORWARD


@dataclass(frozen=True, slots=True)
class Rule:
    """What one host lets pass: new connections of one flow between any of `sources` and any of `destinations`.

    Addresses are the fewest networks that hold exactly the right ones, as text; an empty tuple is any address
    (beyond `outside0`). Ports are text: `22` or `5000-5010`.
    """

    flow: str
    chain: Chain
    in_interface: str | None
    out_interface: str | None
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    protocol: str
    ports: tuple[str, ...]


def pairs(fleet: Fleet, flow: Flow, site: str | None = None) -> Iterator[tuple[Host | None, Host | None]]:
    """Yield who may open a connection to whom; None is the controller as a source and outside as a destination.

    Args:
        fleet: whose hosts they are.
        flow: the permission.
        site: only pairs with an end in the site of this key; all when None.
    """
    sources, destinations = members(fleet, flow.sources), members(fleet, flow.destinations)
    far = destinations if site is None else [host for host in destinations if host and host.site.key == site]
    for source in sources:
        near = site is None or (source is not None and source.site.key == site)
        for destination in destinations if near else far:
            if source is not destination and _within_reach(flow, source, destination):
                yield source, destination


def members(fleet: Fleet, names: tuple[str, ...]) -> list[Host | None]:
    """Give the hosts of groups, each once; `controller` and `outside` are None."""
    hosts: dict[str, Host | None] = {}
    for name in names:
        if name in {CONTROLLER, OUTSIDE}:
            hosts[name] = None
        elif name == ALL:
            hosts |= fleet.hosts
        else:
            hosts |= {host.name: host for host in fleet.groups[name]}
    return list(hosts.values())


def path(flow: Flow, source: Host | None, destination: Host | None) -> list[Hop]:
    """Give the hosts that a connection of the flow crosses, ends included."""
    if flow.plane is Plane.MANAGEMENT:
        first = [Hop(source, None, "mgmt0")] if source else []
        return first + ([Hop(destination, "mgmt0", None)] if destination else [])
    if source is None or destination is None:
        return [Hop(source, None, "outside0")] if source else []
    hosts = _hosts_between(source, destination)
    links = [_link(near, far) for near, far in pairwise(hosts)]
    return [Hop(*hop) for hop in zip(hosts, [None, *links], [*links, None], strict=True)]


def rules(fleet: Fleet, host: Host) -> list[Rule]:
    """Compute what the host's packet filter lets pass, in the order of the flows."""
    result = []
    for flow in fleet.flows:
        # What comes by one interface and leaves by another is a product: whoever lies behind the first may reach
        # whatever lies behind the second. So a rule a pair of interfaces says exactly what the flow does.
        ends: dict[Hop, tuple[set[int], set[int]]] = {}
        for source, destination in pairs(fleet, flow, host.site.key):
            hops = path(flow, source, destination)
            for hop in hops:
                if hop.host is host:
                    sources, destinations = ends.setdefault(hop, (set(), set()))
                    sources.add(_source_address(fleet, hops[0], source))
                    if destination:
                        destinations.add(destination.addresses[hops[-1].in_interface or ""])
        result += [
            Rule(
                flow=flow.id,
                chain=hop.chain,
                in_interface=hop.in_interface,
                out_interface=hop.out_interface,
                sources=aggregate(sources),
                destinations=aggregate(destinations),
                protocol=flow.protocol.value,
                ports=tuple(map(str, flow.ports)),
            )
            for hop, (sources, destinations) in ends.items()
        ]
    return result


def rule_variables(fleet: Fleet, rule: Rule) -> dict[str, Any]:
    """Give a rule as plain data with the reason of its flow; an absent interface is empty text."""
    return {
        "flow": rule.flow,
        "why": next(flow.why for flow in fleet.flows if flow.id == rule.flow),
        "chain": rule.chain.value,
        "in_interface": rule.in_interface or "",
        "out_interface": rule.out_interface or "",
        "sources": list(rule.sources),
        "destinations": list(rule.destinations),
        "protocol": rule.protocol,
        "ports": list(rule.ports),
    }


def check_policy(fleet: Fleet) -> list[Problem]:
    """Find flows that join nobody although their groups have hosts, so that nothing is declared in vain."""
    problems = []
    for flow in fleet.flows:
        ends = members(fleet, flow.sources), members(fleet, flow.destinations)
        if all(ends) and next(pairs(fleet, flow), None) is None:
            what = f"flow {flow.id!r} joins no two hosts"
            remedy = "hosts in a core network reach their own site only; correct its groups or remove it"
            problems.append(Problem(fleet.settings.policy, flow.line, what, remedy))
    return problems


def core_reaches_lan(fleet: Fleet, host: Host) -> bool:
    """Tell whether a flow joins a host in a core network with the lan of its site, either way."""
    here = {ALL, *host.groups}
    lan = {ALL}.union(*(other.groups for other in host.site.hosts.values() if other.part.uplink == "lan0"))
    return any(
        flow.plane is Plane.LGWAN
        and any(
            not near.isdisjoint(flow.sources) and not far.isdisjoint(flow.destinations)
            for near, far in ((here, lan), (lan, here))
        )
        for flow in fleet.flows
    )


def _within_reach(flow: Flow, source: Host | None, destination: Host | None) -> bool:
    if flow.plane is Plane.MANAGEMENT or source is None:
        return True
    if destination is None:
        return "outside0" in source.addresses
    return source.site is destination.site or "core0" not in {source.part.uplink, destination.part.uplink}


def _hosts_between(source: Host, destination: Host) -> list[Host]:
    up, down = _climb(source), _climb(destination)
    networks = [_network(host) for host in down]
    meeting = next(index for index, host in enumerate(up) if _network(host) in networks)
    turn = networks.index(_network(up[meeting]))
    below = down[turn::-1]
    return up[: meeting + 1] + (below[1:] if below[0] is up[meeting] else below)


def _climb(host: Host) -> list[Host]:
    """Give the host and those above it, up to the router of its site."""
    firewall, router = host.site.hosts[Part.FIREWALL], host.site.hosts[Part.ROUTER]
    if host is router:
        return [router]
    return [firewall, router] if host is firewall else [host, firewall, router]


def _network(host: Host) -> tuple[str, str]:
    uplink = host.part.uplink
    return uplink, "" if uplink == "wan0" else host.site.key


def _link(near: Host, far: Host) -> str:
    """Give the network that two neighbours share."""
    if near.site is not far.site:
        return "wan0"
    return max(near.part.uplink, far.part.uplink, key=_DEPTH.__getitem__)


def _source_address(fleet: Fleet, first: Hop, source: Host | None) -> int:
    """Give the address that packets bear: that of the interface by which they leave their host."""
    return fleet.settings.controller if source is None else source.addresses[first.out_interface or ""]
