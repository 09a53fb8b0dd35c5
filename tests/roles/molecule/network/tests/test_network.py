"""Ways between the sites, given by the inventory alone, also after a restart."""

import json
from typing import Any

import pytest

from roles.machines import Machines, wait_until


def way(machine: Machines, name: str, address: str) -> dict[str, Any]:
    """The next hop to an address, as the kernel would take it."""
    return dict(json.loads(machine(name).check_output("ip -json route get %s", address))[0])


@pytest.mark.parametrize(
    ("name", "interface", "next_host", "next_interface"),
    [
        ("m131041-terminal", "lan0", "m131041-firewall", "lan0"),
        ("m131041-firewall", "edge0", "m131041-router", "edge0"),
        ("m131041-router", "wan0", "asp-router", "wan0"),
        ("asp-router", "edge0", "asp-firewall", "edge0"),
    ],
)
def test_the_way_from_a_terminal_to_the_hub_leads_over_both_sites(
    machine: Machines, name: str, interface: str, next_host: str, next_interface: str
) -> None:
    route = way(machine, name, machine.address("asp-hub", "lan0"))
    assert (route["dev"], route["gateway"]) == (interface, machine.address(next_host, next_interface))


def test_a_register_has_no_way_out_of_its_network(machine: Machines) -> None:
    assert machine("m131041-register").run("ip route get %s", machine.address("asp-hub", "lan0")).rc != 0


def test_the_management_interface_is_left_alone(machine: Machines) -> None:
    links = json.loads(machine("m131041-router").check_output("networkctl --json=short list"))["Interfaces"]
    states = {link["Name"]: link["AdministrativeState"] for link in links}
    assert states == {"lo": "unmanaged", "mgmt0": "unmanaged", "wan0": "configured", "edge0": "configured"}


def test_an_address_that_nobody_declared_is_gone_after_a_reload(machine: Machines) -> None:
    router = machine("m131041-router")
    router.check_output("ip address add 192.0.2.7/24 dev edge0")
    router.check_output("networkctl reconfigure edge0")
    wait_until(lambda: "192.0.2.7" not in router.check_output("ip address show dev edge0"))
    assert machine.address("m131041-router", "edge0") in router.check_output("ip address show dev edge0")


def test_the_ways_return_after_a_restart(machine: Machines) -> None:
    hub = machine.address("asp-hub", "lan0")
    machine.restart("m131041-router")
    wait_until(lambda: machine("m131041-router").run("ip route get %s", hub).rc == 0)
    assert way(machine, "m131041-router", hub)["gateway"] == machine.address("asp-router", "wan0")
