"""Ansible inventory from a fleet folder: all hosts with groups, addresses and variables."""

# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

from pathlib import Path
from typing import TypeVar, cast

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template

from renkei.fleet.loader import load_fleet
from renkei.fleet.problems import FleetError
from renkei.fleet.variables import fleet_variables, host_variables

DOCUMENTATION = """
name: renkei
short_description: Hosts of a fleet, from its folder
description:
  - Reads C(fleet.yml), C(endpoints.csv) and C(terminals.csv) of one folder, and the C(municipalities.csv) and
    C(flows.yml) that it names.
  - Groups and variables are those of C(docs/topology.md).
  - What is wrong in the files is reported all at once, as C(file:line).
author: renkei
options:
  plugin:
    description: Marks a C(fleet.yml) as this plugin's.
    required: true
    choices: [renkei]
"""


T = TypeVar("T")


class InventoryModule(BaseInventoryPlugin):
    """The plugin; what it yields comes from `renkei.fleet`."""

    NAME = "renkei"
    # Values come from files under review, as those of a static inventory do; cells that hold a template are refused.
    trusted_by_default = True

    def verify_file(self, path: str) -> bool:
        """Take `fleet.yml`."""
        return super().verify_file(path) and Path(path).name == "fleet.yml"

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002 - Ansible's signature
        """Add groups, hosts and variables.

        Raises:
            AnsibleParserError: the fleet has problems; with all of them.
        """
        super().parse(inventory, loader, path, cache)
        try:
            fleet = load_fleet(Path(path))
        except FleetError as error:
            raise AnsibleParserError(f"the fleet has problems:\n{error}") from error
        for name, value in fleet_variables(fleet).items():
            self.inventory.set_variable("all", name, value)
        for name in fleet.groups:
            self.inventory.add_group(name)
        trust: dict[str, str] = {}
        for host in fleet.hosts.values():
            self.inventory.add_host(host.name)
            # Not set_variable(), which copies and inspects each value: half of the time that the whole country takes.
            self.inventory.hosts[host.name].vars.update(_trusted(host_variables(fleet, host), trust))
        for name, hosts in fleet.groups.items():
            for host in hosts:
                self.inventory.add_child(name, host.name)


def _trusted(value: T, known: dict[str, str]) -> T:
    """Mark the strings in `value` as trusted, in place; equal ones become one object."""
    if isinstance(value, str):
        return cast("T", known.get(value) or known.setdefault(value, trust_as_template(value)))
    if isinstance(value, dict):
        for key, item in value.items():
            value[key] = _trusted(item, known)
    elif isinstance(value, list):
        value[:] = [_trusted(item, known) for item in value]
    return value
