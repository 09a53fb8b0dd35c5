"""The plan of a lab: which networks and containers follow from a fleet."""

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.lab.errors import LabError
from renkei.lab.inventory import read_plan
from renkei.lab.plan import HostSpec, InterfaceSpec, LabPlan, plan_lab

ROOT = Path(__file__).parents[3]
CONTROLLER = IPv4Address("10.47.255.254")


def spec(name: str, part: str, site: str = "131041", **interfaces: str) -> HostSpec:
    legs = []
    for interface, text in interfaces.items():
        address, _, gateway = text.partition(" via ")
        legs.append(InterfaceSpec(interface, IPv4Interface(address), IPv4Address(gateway) if gateway else None))
    return HostSpec(name, site, part, tuple(legs))


def small_lab(fleet: str = "lab") -> LabPlan:
    mirror = {"lan0": "10.64.0.75/29", "outside0": "10.31.255.2/30 via 10.31.255.1", "mgmt0": "10.32.0.19/12"}
    hosts = [
        spec("m131041-router", "router", wan0="172.20.51.64/15", edge0="10.70.102.1/30", mgmt0="10.33.153.128/12"),
        spec("m131041-firewall", "firewall", edge0="10.70.102.2/30", lan0="10.70.102.9/29", mgmt0="10.33.153.129/12"),
        spec("asp-mirror", "mirror", "asp", **mirror),
    ]
    return plan_lab(fleet, Path("/srv/renkei"), hosts, controller=CONTROLLER)


@pytest.fixture(scope="module")
def lab() -> LabPlan:
    return read_plan(ROOT / "inventory" / "lab", ROOT)


def test_neighbours_share_a_network_and_sites_share_only_lgwan_and_management(lab: LabPlan) -> None:
    members: dict[str, set[str]] = {}
    for host in lab.hosts:
        for leg in host.legs:
            members.setdefault(leg.network, set()).add(host.site)
    shared = {network for network, sites in members.items() if len(sites) > 1}
    assert shared == {"renkei-lab-lgwan", "renkei-lab-management"}


def test_a_register_has_no_leg_but_its_core_and_management(lab: LabPlan) -> None:
    register = lab.host("m131041-register")
    assert [leg.interface for leg in register.legs] == ["core0", "mgmt0"]


def test_only_the_mirror_has_a_way_out(lab: LabPlan) -> None:
    assert [host.name for host in lab.hosts if host.default_route] == ["asp-mirror"]
    outside = [host.name for host in lab.hosts if any(leg.network == "renkei-lab-outside" for leg in host.legs)]
    assert outside == ["asp-mirror"]


def test_the_roles_test_fleet_lies_beside_the_lab(lab: LabPlan) -> None:
    roles = read_plan(ROOT / "tests" / "roles" / "fleet", ROOT)
    overlapping = [(a.name, b.name) for a in lab.networks for b in roles.networks if a.ipv4.overlaps(b.ipv4)]
    assert overlapping == []
    assert not {a.name for a in lab.networks} & {b.name for b in roles.networks}
    assert lab.table != roles.table


def test_every_interface_of_the_lab_has_its_own_hardware_address(lab: LabPlan) -> None:
    macs = [leg.mac for host in lab.hosts for leg in host.legs]
    assert len(macs) == len(set(macs))


def test_management_is_told_apart_by_the_hardware_address() -> None:
    router = small_lab().host("m131041-router")
    assert {leg.interface: leg.mac for leg in router.legs} == {
        "wan0": "02:72:ac:14:33:40",
        "edge0": "02:72:0a:46:66:01",
        "mgmt0": "02:6d:0a:21:99:80",
    }


def test_ipv6_is_there_to_be_dropped_on_all_networks_of_the_sites_and_not_on_management() -> None:
    plan = small_lab()
    kinds = {network.kind: network.ipv6 is not None for network in plan.networks}
    assert kinds == {"lgwan": True, "edge": True, "lan": True, "management": False, "outside": False}
    edge = next(leg for leg in plan.host("m131041-router").legs if leg.interface == "edge0")
    assert str(edge.ipv6) == "fd72:656e:a46:6600::a46:6601/64"


@given(st.sampled_from(["lab", "roles", "a-b", "x1"]))
def test_names_begin_with_renkei_and_the_fleet(fleet: str) -> None:
    plan = small_lab(fleet)
    names = [*(network.name for network in plan.networks), *(host.container for host in plan.hosts)]
    assert all(name.startswith(f"renkei-{fleet}-") for name in names)
    assert plan.table == f"renkei_{fleet.replace('-', '_')}"


@pytest.mark.parametrize("fleet", ["", "Lab", "a b", "../lab", "-lab", "a" * 64, "lab\n"])
def test_a_name_that_podman_or_nftables_could_misread_is_refused(fleet: str) -> None:
    with pytest.raises(LabError, match="can't be called"):
        small_lab(fleet)


def test_a_host_without_management_is_refused() -> None:
    with pytest.raises(LabError, match="x: needs one interface mgmt0"):
        plan_lab("lab", Path("/x"), [spec("x", "router", wan0="172.20.0.1/15")], controller=CONTROLLER)


def test_a_host_whose_management_the_controller_cannot_reach_is_refused() -> None:
    with pytest.raises(LabError, match="x: needs one interface mgmt0"):
        plan_lab("lab", Path("/x"), [spec("x", "router", mgmt0="10.48.0.8/12")], controller=CONTROLLER)


def test_neighbours_in_different_networks_are_refused() -> None:
    hosts = [
        spec("a", "router", edge0="10.70.102.1/30", mgmt0="10.32.0.1/12"),
        spec("b", "firewall", edge0="10.70.102.6/30", mgmt0="10.32.0.2/12"),
    ]
    with pytest.raises(LabError, match=r"b: edge0 10\.70\.102\.6/30 lies outside 10\.70\.102\.0/30"):
        plan_lab("lab", Path("/x"), hosts, controller=CONTROLLER)


def test_an_unknown_interface_is_refused() -> None:
    with pytest.raises(LabError, match='no network for the interface "eth7"'):
        plan_lab("lab", Path("/x"), [spec("a", "router", eth7="10.1.1.1/30")], controller=CONTROLLER)


def test_a_way_out_without_a_gateway_is_refused() -> None:
    host = spec("asp-mirror", "mirror", outside0="10.31.255.2/30", mgmt0="10.32.0.19/12")
    with pytest.raises(LabError, match="outside0 needs a gateway"):
        plan_lab("lab", Path("/x"), [host], controller=CONTROLLER)


def test_asking_for_an_unknown_host_names_it() -> None:
    with pytest.raises(LabError, match='no host "asp-hup"'):
        small_lab().host("asp-hup")
