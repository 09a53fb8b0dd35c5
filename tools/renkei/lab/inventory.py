"""Reads a fleet and plans its lab."""

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from renkei.fleet.addresses import CORE_PREFIX, EDGE_PREFIX, LAN_PREFIX
from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet, Host
from renkei.fleet.problems import FleetError
from renkei.fleet.settings import read_settings
from renkei.lab.errors import LabError
from renkei.lab.plan import OUTSIDE, HostSpec, InterfaceSpec, LabPlan, plan_lab


def read_plan(fleet_dir: Path, checkout: Path) -> LabPlan:
    """Plan the lab of the fleet in a folder.

    Raises:
        LabError: the fleet has problems (each is named with file and line), or a lab can't be made of it.
    """
    try:
        fleet = load_fleet(fleet_dir)
    except FleetError as error:
        raise LabError(f"the fleet in {fleet_dir} has problems:\n{error}") from error
    specs = [HostSpec(host.name, host.site.key, host.part, _interfaces(fleet, host)) for host in fleet.hosts.values()]
    return plan_lab(fleet.settings.name, checkout, specs, controller=IPv4Address(fleet.settings.controller))


def fleet_name(fleet_dir: Path) -> str:
    """Read a fleet's name, even if the rest of the fleet has problems.

    Raises:
        LabError: its fleet.yml can't be read.
    """
    try:
        return read_settings(fleet_dir / "fleet.yml").name
    except FleetError as error:
        raise LabError(f"the fleet in {fleet_dir} has problems:\n{error}") from error


def _interfaces(fleet: Fleet, host: Host) -> tuple[InterfaceSpec, ...]:
    settings = fleet.settings
    prefixes = {
        "wan0": settings.supernets.lgwan.prefix,
        "edge0": EDGE_PREFIX,
        "lan0": LAN_PREFIX,
        "core0": CORE_PREFIX,
        "mgmt0": settings.supernets.management.prefix,
    }
    gateway = None
    if settings.outside:
        prefixes[OUTSIDE] = settings.outside.prefix
        gateway = IPv4Address(settings.outside.gateway)
    return tuple(
        InterfaceSpec(name, IPv4Interface((address, prefixes[name])), gateway if name == OUTSIDE else None)
        for name, address in host.addresses.items()
    )
