"""A fleet as the rest of the kit sees it: sites with hosts, hosts with addresses, groups, flows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from renkei.domain.windows import Windows
from renkei.fleet.addresses import SiteAddresses
from renkei.fleet.endpoints import Endpoint, Link, RegisterBridge
from renkei.fleet.flows import Flow
from renkei.fleet.maintenance import Profile
from renkei.fleet.municipalities import Municipality
from renkei.fleet.settings import Settings
from renkei.fleet.terminals import Terminal

if TYPE_CHECKING:  # its libraries take a fifth of a second, which few fleets need
    from renkei.fleet.calendars import MunicipalCalendar

MINISTRY: Final = "ministry"
ASP: Final = "asp"
DATABASES: Final = "databases"
REGISTER_SHARES: Final = "register_shares"
"""The group of registers whose terminals mount a share of theirs: those of endpoints with the bridge `folder`."""


class Part(StrEnum):
    """What a host is in its site."""

    ROUTER = "router"
    FIREWALL = "firewall"
    TERMINAL = "terminal"
    REGISTER = "register"
    HUB = "hub"
    MIRROR = "mirror"
    SECOND_HUB = "hub-2"
    LINKAGE = "linkage"
    IMMIGRATION = "immigration"

    @property
    def groups(self) -> tuple[str, ...]:
        """The inventory groups of hosts of this part."""
        return ("gateways", "hubs") if self in {Part.HUB, Part.SECOND_HUB} else (f"{self.value}s",)

    @property
    def uplink(self) -> str:
        """The interface towards LGWAN; interfaces are called by the network they lie on."""
        return _UPLINKS.get(self, "lan0")


_UPLINKS: Final = {
    Part.ROUTER: "wan0",
    Part.FIREWALL: "edge0",
    Part.REGISTER: "core0",
    Part.IMMIGRATION: "core0",
}
PARTS: Final[Mapping[str, tuple[Part, ...]]] = {
    MINISTRY: (Part.ROUTER, Part.FIREWALL, Part.LINKAGE, Part.IMMIGRATION),
    ASP: (Part.ROUTER, Part.FIREWALL, Part.HUB, Part.MIRROR),
}
ENDPOINT_PARTS: Final = (Part.ROUTER, Part.FIREWALL, Part.TERMINAL)
_ROUTER_IN_EDGE, _FIREWALL_IN_EDGE = 1, 2
_FIREWALL_IN_LAN, _FIRST_IN_LAN = 1, 2
_FIREWALL_IN_CORE, _HOST_IN_CORE = 1, 2


@dataclass(frozen=True, slots=True)
class Host:
    """A host: `addresses` by interface, in the order in which docs/topology.md names them."""

    name: str
    part: Part
    site: "Site" = field(repr=False, compare=False)
    addresses: Mapping[str, int] = field(compare=False)

    @property
    def groups(self) -> tuple[str, ...]:
        """The inventory groups that it is in, but `all`. Where there are two hubs, each has the database beside it."""
        endpoint = self.site.endpoint
        databases = "hubs" in self.part.groups and Part.SECOND_HUB in self.site.hosts
        shares = self.part is Part.REGISTER and endpoint and endpoint.register_bridge is RegisterBridge.FOLDER
        more = ((DATABASES,) if databases else ()) + ((REGISTER_SHARES,) if shares else ())
        return self.part.groups + more + self.site.groups

    @property
    def management(self) -> int:
        """The address by which Ansible reaches it."""
        return self.addresses["mgmt0"]


@dataclass(frozen=True, slots=True)
class Site:
    """The ministry, the ASP or an endpoint, whose `key` is its code; only endpoints have `endpoint` and `terminal`."""

    key: str
    name: str
    line_kbps: int
    addresses: SiteAddresses
    endpoint: Endpoint | None = None
    terminal: Terminal | None = None
    hosts: dict[Part, Host] = field(default_factory=dict, repr=False, compare=False)

    @property
    def groups(self) -> tuple[str, ...]:
        """The inventory groups of all its hosts."""
        endpoint = self.endpoint
        if endpoint is None:
            return (self.key,)
        return "municipal", f"prefecture_{self.key[:2]}", f"ring_{endpoint.ring}", f"link_{endpoint.link}"

    @property
    def has_core(self) -> bool:
        """Tell whether a network lies behind the lan; the ASP has none."""
        return self.key != ASP


@dataclass(frozen=True)
class Fleet:
    """A fleet that has no problems. `sites` are the ministry, the ASP and the endpoints in the order of their codes."""

    settings: Settings
    country: Mapping[str, Municipality] = field(repr=False)
    sites: Mapping[str, Site] = field(repr=False)
    terminals: tuple[Terminal, ...] = field(repr=False)
    flows: tuple[Flow, ...] = field(repr=False)
    calendars: "Mapping[str, MunicipalCalendar]" = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.settings.file.parent

    @cached_property
    def hosts(self) -> dict[str, Host]:
        """Every host by name: ministry, ASP, endpoints by code; in a site in the order of docs/topology.md."""
        return {host.name: host for site in self.sites.values() for host in site.hosts.values()}

    @cached_property
    def groups(self) -> dict[str, list[Host]]:
        """Every inventory group but `all`, also those without hosts; names as in docs/topology.md."""
        groups: dict[str, list[Host]] = {name: [] for name in group_names(self.settings)}
        for host in self.hosts.values():
            for name in host.groups:
                groups[name].append(host)
        return groups

    def profile(self, endpoint: Endpoint | None) -> Profile:
        """The profile of an endpoint's windows; None stands for the ministry and the ASP, which have the default."""
        maintenance = self.settings.maintenance
        return maintenance.profiles[(endpoint and endpoint.maintenance) or maintenance.default]

    def windows(self, endpoint: Endpoint | None, first: date, last: date) -> Windows:
        """Give the maintenance windows of an endpoint, with its calendar for the days from `first` to `last`.

        None stands for the ministry and the ASP: the fleet's default profile and calendar.

        Raises:
            FleetError: the calendar's events recur too often.
        """
        calendar = self.calendars.get((endpoint and endpoint.calendar) or self.settings.maintenance.calendar)
        return Windows(self.profile(endpoint).rule, calendar.changes(first, last) if calendar else None)

    @property
    def hub(self) -> Host:
        """The host of gateway and hub."""
        return self.sites[ASP].hosts[Part.HUB]

    @property
    def mirror(self) -> Host:
        """The host of packages, releases and time."""
        return self.sites[ASP].hosts[Part.MIRROR]


def group_names(settings: Settings) -> tuple[str, ...]:
    """Give the names of all groups that a fleet can have, but `all`."""
    return (
        *dict.fromkeys(group for part in Part for group in part.groups),
        *(DATABASES, REGISTER_SHARES, MINISTRY, ASP, "municipal"),
        *(f"prefecture_{number:02}" for number in range(1, 48)),
        *(f"ring_{ring}" for ring in settings.rings),
        *(f"link_{link}" for link in Link),
    )


def make_site(site: Site, settings: Settings) -> Site:
    """Give the site its hosts, with names and addresses."""
    prefix = {MINISTRY: "moj", ASP: "asp"}.get(site.key, f"m{site.key}")
    parts = PARTS.get(site.key, ENDPOINT_PARTS + ((Part.REGISTER,) if settings.registers else ()))
    if site.key == ASP and settings.databases:
        parts += (Part.SECOND_HUB,)  # the last, so that nobody's address changes when it comes
    plan = site.addresses
    edge, lan, core = plan.edge.base, plan.lan.base, plan.core.base
    in_lan = lan + _FIRST_IN_LAN
    for position, part in enumerate(parts):
        if part is Part.ROUTER:
            addresses = {"wan0": plan.wan, "edge0": edge + _ROUTER_IN_EDGE}
        elif part is Part.FIREWALL:
            addresses = {"edge0": edge + _FIREWALL_IN_EDGE, "lan0": lan + _FIREWALL_IN_LAN}
            if site.has_core:
                addresses["core0"] = core + _FIREWALL_IN_CORE
        elif part.uplink == "core0":
            addresses = {"core0": core + _HOST_IN_CORE}
        else:
            addresses = {"lan0": in_lan}
            in_lan += 1
        if part is Part.MIRROR and settings.outside:
            addresses["outside0"] = settings.outside.address
        addresses["mgmt0"] = plan.management + position
        site.hosts[part] = Host(f"{prefix}-{part.value}", part, site, addresses)
    return site
