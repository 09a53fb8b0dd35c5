"""What Ansible is told of a fleet: groups, variables of all hosts, variables of one (docs/topology.md)."""

from typing import Any, Final

from renkei.fleet.addresses import CORE_PREFIX, EDGE_PREFIX, LAN_PREFIX, Network, dotted
from renkei.fleet.maintenance import WEEK
from renkei.fleet.model import ASP, Fleet, Host, Part, Site
from renkei.fleet.policy import core_reaches_lan

EXCHANGE_PORT: Final = 8443
ENROLMENT_PORT: Final = 8444
MIRROR_PORT: Final = 3142


def fleet_variables(fleet: Fleet) -> dict[str, Any]:
    """Give the variables of group `all`: the fleet's defaults, and what every host must know of the central sites."""
    settings = fleet.settings
    domain = settings.domain
    mirror = dotted(fleet.mirror.addresses["lan0"])
    hubs = [host for host in fleet.sites[ASP].hosts.values() if "hubs" in host.groups]
    listeners = _listeners(domain, fleet.hub)
    names = [each["name"] for each in listeners.values()]
    variables: dict[str, Any] = dict(settings.defaults) | listeners
    variables |= {
        "renkei_fleet": settings.name,
        "renkei_domain": domain,
        "renkei_timezone": settings.timezone,
        "renkei_controller_address": dotted(settings.controller),
        "renkei_package_mirror": {"address": dotted(fleet.mirror.management), "port": MIRROR_PORT},
        "renkei_time_servers": [mirror],
        "renkei_names": [
            *({"address": dotted(each.addresses["lan0"]), "names": names} for each in hubs),
            {"address": mirror, "names": [f"mirror.asp.{domain}"]},
        ],
        "renkei_exchange_times": list(settings.exchange_times),
        "renkei_exchange_jitter_seconds": settings.exchange_jitter_seconds,
    }
    if settings.databases:
        machines = [{"name": each.name, "address": dotted(each.addresses["lan0"])} for each in hubs]
        primary, standby = settings.databases.primary, settings.databases.standby or ""
        variables["renkei_databases"] = {"machines": machines, "primary": primary, "standby": standby}
    return variables


def host_variables(fleet: Fleet, host: Host) -> dict[str, Any]:
    """Give the variables of one host; always new objects, so that a caller may change them."""
    site = host.site
    variables: dict[str, Any] = {
        "ansible_host": dotted(host.management),
        "renkei_site": site.key,
        "renkei_part": host.part.value,
        "renkei_interfaces": interfaces(fleet, host),
    }
    if host.part is Part.SECOND_HUB:  # a hub like the first: the same names, at its own address
        variables |= {"renkei_part": Part.HUB.value, **_listeners(fleet.settings.domain, host)}
    endpoint, terminal = site.endpoint, site.terminal
    if endpoint:
        variables |= {
            "renkei_code": endpoint.code.value,
            "renkei_name": site.name,
            "renkei_place": f"{endpoint.municipality.prefecture}{endpoint.municipality.name}",
            "renkei_prefecture": endpoint.code.prefecture,
            "renkei_link": endpoint.link.value,
            "renkei_ring": endpoint.ring,
            "renkei_line_kbps": endpoint.line_kbps,
            "renkei_register_bridge": endpoint.register_bridge.value,
            "renkei_layout": str(endpoint.layout or fleet.settings.exchange_layout),
        }
    if endpoint and host.part is Part.TERMINAL and not (endpoint.calendar or fleet.settings.maintenance.calendar):
        # a calendar may allow maintenance in office hours, and the terminal doesn't know it
        rule = fleet.profile(endpoint).rule
        closed_on = [WEEK[day] for day in sorted(rule.closed_on)]
        variables["renkei_maintenance"] = {"office_hours": str(rule.office_hours), "closed_on": closed_on}
    if terminal and host.part is Part.TERMINAL:
        variables["renkei_terminal"] = {
            "asset_number": terminal.asset_number,
            "computer_name": terminal.computer_name,
            "machine_serial": terminal.machine_serial,
            "profile": terminal.profile.value,
            "model": terminal.model,
            "state": terminal.state.value,
            "replaces": terminal.replaces or "",
        }
    return variables


def _listeners(domain: str, hub: Host) -> dict[str, dict[str, Any]]:
    address = dotted(hub.addresses["lan0"])
    return {
        "renkei_gateway": {"name": f"gateway.asp.{domain}", "address": address, "port": EXCHANGE_PORT},
        "renkei_enrolment": {"name": f"enrol.asp.{domain}", "address": address, "port": ENROLMENT_PORT},
    }


def interfaces(fleet: Fleet, host: Host) -> list[dict[str, Any]]:
    """Give a host's interfaces: `{name, address (with prefix length), gateway?, routes?: [{to, via}], rate_kbps?}`."""
    nets = fleet.settings.supernets
    prefixes = {
        "wan0": nets.lgwan.prefix,
        "edge0": EDGE_PREFIX,
        "lan0": LAN_PREFIX,
        "core0": CORE_PREFIX,
        "outside0": fleet.settings.outside.prefix if fleet.settings.outside else 0,
        "mgmt0": nets.management.prefix,
    }
    result: list[dict[str, Any]] = [
        {"name": name, "address": f"{dotted(address)}/{prefixes[name]}"} for name, address in host.addresses.items()
    ]
    first, second = result[0], result[1]
    site = host.site
    firewall = site.hosts[Part.FIREWALL].addresses
    match host.part:
        case Part.ROUTER:
            first["rate_kbps"] = site.line_kbps
            first["routes"] = _routes_over_lgwan(fleet, site)
            second["routes"] = [_route(site.addresses.block, firewall["edge0"])]
        case Part.FIREWALL:
            first["gateway"] = dotted(site.hosts[Part.ROUTER].addresses["edge0"])
        case Part.REGISTER | Part.IMMIGRATION:
            if core_reaches_lan(fleet, host):
                first["routes"] = [_route(site.addresses.lan, firewall["core0"])]
        case Part.MIRROR if fleet.settings.outside:
            # its way out is the other one: only what lies in LGWAN goes by the firewall
            first["routes"] = [_route(network, firewall["lan0"]) for network in (nets.sites, nets.lgwan)]
            second["gateway"] = dotted(fleet.settings.outside.gateway)
        case _:
            first["gateway"] = dotted(firewall["lan0"])
    return result


def _routes_over_lgwan(fleet: Fleet, site: Site) -> list[dict[str, str]]:
    """Give the way to all other sites: by LGWAN's gateway where there is one, else by each one's router."""
    gateway = fleet.settings.lgwan_gateway
    if gateway is not None:
        return [_route(fleet.settings.supernets.sites, gateway)]
    return [_route(other.addresses.block, other.addresses.wan) for other in fleet.sites.values() if other is not site]


def _route(network: Network, via: int) -> dict[str, str]:
    return {"to": str(network), "via": dotted(via)}
