"""Which networks and containers a fleet's lab consists of: computed from the fleet, touching nothing.

Example:
    >>> plan = plan_lab("lab", Path("/srv/renkei"), hosts, controller=IPv4Address("10.47.255.254"))
    >>> plan.host("m131041-terminal").container
    'renkei-lab-m131041-terminal'
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import Any, Self

from renkei.lab.errors import LabError

MANAGEMENT, LGWAN, OUTSIDE = "mgmt0", "wan0", "outside0"
_OF_A_SITE = {"edge0": "edge", "lan0": "lan", "core0": "core"}
_OF_THE_FLEET = {MANAGEMENT: "management", LGWAN: "lgwan", OUTSIDE: "outside"}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

#: Locally administered MAC addresses (IEEE 802): these two bytes, then the four of the IPv4 address.
MAC_OF_MANAGEMENT, _MAC_OF_OTHERS = "02:6d", "02:72"
#: IPv6 prefix (RFC 4193) of all lab networks; the IPv4 network's address follows. It is there to be dropped.
_IPV6 = int(IPv6Address("fd72:656e::"))
MIRROR_PORT = 3142
FUSE = "/dev/fuse"
"""What a terminal mounts its register's share by: no file system of the network is to be had from every kernel."""


@dataclass(frozen=True, slots=True)
class InterfaceSpec:
    """One interface as the inventory describes it."""

    name: str
    address: IPv4Interface
    gateway: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One host as the inventory describes it."""

    name: str
    site: str
    part: str
    interfaces: tuple[InterfaceSpec, ...]

    @classmethod
    def from_variables(cls, name: str, variables: Mapping[str, Any]) -> Self:
        """Read the host from the variables that the inventory plugin gives it (docs/topology.md)."""
        interfaces = tuple(
            InterfaceSpec(
                leg["name"], IPv4Interface(leg["address"]), IPv4Address(leg["gateway"]) if leg.get("gateway") else None
            )
            for leg in variables["renkei_interfaces"]
        )
        return cls(name, variables["renkei_site"], variables["renkei_part"], interfaces)


@dataclass(frozen=True, slots=True)
class Network:
    """A podman network: an own bridge that gives the machine no address and leads nowhere."""

    name: str
    kind: str
    ipv4: IPv4Network
    ipv6: IPv6Network | None


@dataclass(frozen=True, slots=True)
class Leg:
    """A host's interface on a network."""

    interface: str
    network: str
    ipv4: IPv4Interface
    ipv6: IPv6Interface | None
    mac: str


@dataclass(frozen=True, slots=True)
class LabHost:
    """A host of the lab and the container that stands for it."""

    name: str
    site: str
    part: str
    container: str
    legs: tuple[Leg, ...]
    default_route: IPv4Address | None

    @property
    def address(self) -> IPv4Address:
        """The address at which the controller reaches it."""
        return next(leg.ipv4.ip for leg in self.legs if leg.interface == MANAGEMENT)


@dataclass(frozen=True, slots=True)
class LabPlan:
    """Everything that `up` makes and `down` removes.

    `outside_gateway` is the machine's address on the mirror's way out, `controller` the one on the management network.
    """

    fleet: str
    checkout: Path
    networks: tuple[Network, ...]
    hosts: tuple[LabHost, ...]
    controller: IPv4Interface
    outside_gateway: IPv4Interface | None
    mirror: IPv4Address | None

    @property
    def prefix(self) -> str:
        """What the names of this lab's containers and networks begin with."""
        return name_prefix(self.fleet)

    @property
    def table(self) -> str:
        """The name of this lab's nftables tables."""
        return table_name(self.fleet)

    def host(self, name: str) -> LabHost:
        """Find a host by its name in the inventory.

        Raises:
            LabError: there is none of that name.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(f'the fleet "{self.fleet}" has no host "{name}"; renkei lab status lists them')

    def network(self, kind: str) -> Network | None:
        """Find one of the networks that all sites share: management, lgwan or outside."""
        return next((network for network in self.networks if network.kind == kind), None)


def name_prefix(fleet: str) -> str:
    """Give what all names of a fleet's containers and networks begin with."""
    return f"renkei-{fleet}-"


def mac(vendor: str, address: IPv4Address) -> str:
    """Give the hardware address that belongs to an IPv4 address: two bytes of our own, then its four."""
    return ":".join([vendor, *(f"{byte:02x}" for byte in address.packed)])


def table_name(fleet: str) -> str:
    """Give the name of the nftables tables of a fleet's lab."""
    return f"renkei_{fleet.replace('-', '_')}"


def plan_lab(fleet: str, checkout: Path, hosts: Iterable[HostSpec], *, controller: IPv4Address) -> LabPlan:
    """Plan the networks and containers of a fleet.

    Args:
        fleet: the fleet's name.
        checkout: the folder of the repository.
        hosts: the hosts of the inventory.
        controller: the controller's address on the management network.

    Raises:
        LabError: a host has no management interface, lies on an unknown network, or two don't agree on a network.
    """
    if not _NAME.fullmatch(fleet):
        raise LabError(f"a lab's fleet can't be called \"{fleet}\": use a-z, 0-9 and hyphens, at most 63")
    networks: dict[str, Network] = {}
    planned = []
    gateway: IPv4Interface | None = None
    mirror: IPv4Address | None = None
    for spec in sorted(hosts, key=lambda spec: spec.name):
        legs = tuple(_leg(fleet, spec, interface, networks) for interface in spec.interfaces)
        management = [leg.ipv4 for leg in legs if leg.interface == MANAGEMENT]
        if len(management) != 1 or controller not in management[0].network:
            raise LabError(f"{spec.name}: needs one interface {MANAGEMENT} on the controller's network ({controller})")
        outside = next((interface for interface in spec.interfaces if interface.name == OUTSIDE), None)
        if outside:
            if outside.gateway is None:
                raise LabError(f"{spec.name}: {OUTSIDE} needs a gateway, which the machine then is")
            gateway = IPv4Interface((outside.gateway, outside.address.network.prefixlen))
        if spec.part == "mirror":
            mirror = management[0].ip
        planned.append(
            LabHost(
                name=spec.name,
                site=spec.site,
                part=spec.part,
                container=f"{name_prefix(fleet)}{spec.name}",
                legs=legs,
                default_route=outside.gateway if outside else None,
            )
        )
    if not planned:
        raise LabError(f'the fleet "{fleet}" has no hosts')
    management_network = networks[f"{name_prefix(fleet)}management"]
    return LabPlan(
        fleet=fleet,
        checkout=checkout,
        networks=tuple(networks.values()),
        hosts=tuple(planned),
        controller=IPv4Interface((controller, management_network.ipv4.prefixlen)),
        outside_gateway=gateway,
        mirror=mirror,
    )


def _leg(fleet: str, spec: HostSpec, given: InterfaceSpec, networks: dict[str, Network]) -> Leg:
    interface, address = given.name, given.address
    if interface in _OF_THE_FLEET:
        kind = _OF_THE_FLEET[interface]
        name = f"{name_prefix(fleet)}{kind}"
    elif interface in _OF_A_SITE:
        kind = _OF_A_SITE[interface]
        name = f"{name_prefix(fleet)}{spec.site}-{kind}"
    else:
        raise LabError(f'{spec.name}: the lab knows no network for the interface "{interface}" (docs/topology.md)')
    has_ipv6 = interface not in {MANAGEMENT, OUTSIDE}
    network = Network(name, kind, address.network, _ipv6_network(address.network) if has_ipv6 else None)
    known = networks.setdefault(name, network)
    if known != network:
        raise LabError(f"{spec.name}: {interface} {address} lies outside {known.ipv4}, where its site's others are")
    vendor = MAC_OF_MANAGEMENT if interface == MANAGEMENT else _MAC_OF_OTHERS
    ipv6 = IPv6Interface((network.ipv6.network_address + int(address.ip), 64)) if network.ipv6 else None
    return Leg(interface, name, address, ipv6, mac(vendor, address.ip))


def _ipv6_network(ipv4: IPv4Network) -> IPv6Network:
    return IPv6Network((_IPV6 + (int(ipv4.network_address) << 64), 64))
