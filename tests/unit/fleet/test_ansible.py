"""The plugins as Ansible runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader, lookup_loader

from renkei.fleet.model import Fleet
from renkei.fleet.policy import rules

from .conftest import INVENTORY, ROOT, Draft

ANSIBLE = ROOT / "ansible"


@pytest.fixture(scope="module", autouse=True)
def plugins() -> None:
    inventory_loader.add_directory(str(ANSIBLE / "plugins" / "inventory"))
    lookup_loader.add_directory(str(ANSIBLE / "plugins" / "lookup"))


def parse(file: Path) -> InventoryData:
    plugin = inventory_loader.get("renkei")
    inventory, loader = InventoryData(), DataLoader()
    assert plugin.verify_file(str(file))
    plugin.parse(inventory, loader, str(file))
    inventory.reconcile_inventory()
    return inventory


def look_up(file: Path, *terms: str, host: str = "") -> list[dict[str, Any]]:
    plugin = lookup_loader.get("renkei_rules", loader=DataLoader())
    result: list[dict[str, Any]] = plugin.run(list(terms), {"inventory_file": str(file), "inventory_hostname": host})
    return result


@pytest.fixture(scope="module")
def listed() -> dict[str, Any]:
    """What the program itself prints of the lab, with the kit's own settings."""
    program = Path(sys.executable).with_name("ansible-inventory")
    command = [str(program), "-i", str(INVENTORY / "lab" / "fleet.yml"), "--list"]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg")}
    finished = subprocess.run(command, env=environment, capture_output=True, check=True)
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def test_the_lab_has_its_sites_parts_rings_and_links_as_groups(listed: dict[str, Any]) -> None:
    hosts = {name: sorted(group.get("hosts", [])) for name, group in listed.items()}
    assert hosts["gateways"] == hosts["hubs"] == ["asp-hub"]
    assert hosts["registers"] == ["m011011-register", "m012271-register", "m131041-register"]
    assert hosts["register_shares"] == ["m011011-register", "m131041-register"]
    assert hosts["prefecture_13"] == hosts["link_online"] == hosts["ring_canary"]
    assert hosts["prefecture_01"] == sorted(hosts["link_media"] + hosts["link_on_demand"])
    assert len(hosts["municipal"]) == 12
    assert len(hosts["ministry"]) == len(hosts["asp"]) == 4
    assert "ungrouped" not in hosts


def test_variables_are_plain_values(listed: dict[str, Any]) -> None:
    terminal = listed["_meta"]["hostvars"]["m131041-terminal"]
    assert "__ansible_unsafe" not in json.dumps(listed)
    assert terminal["ansible_host"] == "10.33.153.130"
    assert terminal["renkei_interfaces"] == [
        {"name": "lan0", "address": "10.70.102.10/29", "gateway": "10.70.102.9"},
        {"name": "mgmt0", "address": "10.33.153.130/12"},
    ]
    assert terminal["renkei_terminal"]["asset_number"] == "R2026-0001"
    assert terminal["renkei_gateway"] == {"name": "gateway.asp.renkei.test", "address": "10.64.0.74", "port": 8443}
    assert terminal["ansible_user"] == "provisioner"


def test_no_variable_bears_a_name_that_ansible_reserves(listed: dict[str, Any], lab: Fleet) -> None:
    names = {name for variables in listed["_meta"]["hostvars"].values() for name in variables}
    assert "serial" not in names
    names -= lab.settings.defaults.keys()  # what the fleet gives to roles, under the roles' own names
    assert all(name.startswith(("renkei_", "ansible_")) for name in names)


@pytest.mark.thorough
def test_the_sample_has_5676_municipal_hosts_and_8_central_ones() -> None:
    inventory = parse(INVENTORY / "sample" / "fleet.yml")
    sizes = {name: len(group.get_hosts()) for name, group in inventory.groups.items()}
    assert (sizes["municipal"], sizes["ministry"], sizes["asp"], sizes["all"]) == (5676, 4, 4, 5684)
    assert sizes["routers"] == sizes["firewalls"] == 1892 + 2
    assert (sizes["terminals"], sizes["registers"]) == (1892, 0)
    assert sum(sizes[f"prefecture_{number:02}"] for number in range(1, 48)) == 5676
    addresses = {host.vars["ansible_host"] for host in inventory.hosts.values()}
    assert len(addresses) == 5684


def test_the_test_fleet_of_the_roles_lies_beside_the_lab(lab: Fleet) -> None:
    inventory = parse(ROOT / "tests" / "roles" / "fleet" / "fleet.yml")
    assert len(inventory.hosts) == 13
    ours = {str(host.vars["ansible_host"]) for host in inventory.hosts.values()}
    assert ours.isdisjoint(str(host.management) for host in lab.hosts.values())


def test_a_fleet_with_problems_is_refused_with_all_of_them(draft: Draft) -> None:
    draft.edit("endpoints.csv", ",online,", ",always,")
    draft.edit("terminals.csv", ",shared,", ",rented,")
    with pytest.raises(AnsibleParserError) as caught:
        parse(draft.folder / "fleet.yml")
    assert "endpoints.csv:4: link 'always' is unknown" in str(caught.value)
    assert "terminals.csv:4: profile 'rented' is unknown" in str(caught.value)


def test_another_file_is_left_to_other_plugins(tmp_path: Path) -> None:
    other = tmp_path / "hosts.yml"
    other.write_text("all: {}\n")
    assert not inventory_loader.get("renkei").verify_file(str(other))


def test_the_lookup_gives_the_rules_of_the_host_that_runs(lab: Fleet) -> None:
    file = INVENTORY / "lab" / "fleet.yml"
    found = look_up(file, host="m131041-firewall")
    assert found == look_up(file, "m131041-firewall")
    assert [rule["flow"] for rule in found] == [rule.flow for rule in rules(lab, lab.hosts["m131041-firewall"])]
    assert found[0] == {
        "flow": "exchange",
        "why": lab.flows[0].why,
        "chain": "forward",
        "in_interface": "lan0",
        "out_interface": "edge0",
        "sources": ["10.70.102.10"],
        "destinations": ["10.64.0.74"],
        "protocol": "tcp",
        "ports": ["8443"],
    }


def test_the_lookup_names_a_host_that_is_not_there() -> None:
    with pytest.raises(AnsibleLookupError, match="has no host m999999-router"):
        look_up(INVENTORY / "lab" / "fleet.yml", "m999999-router")
