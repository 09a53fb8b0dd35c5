"""Ansible lookup: what the packet filter of one host lets pass, computed from the flow file."""
# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from renkei.fleet.loader import load_fleet
from renkei.fleet.model import Fleet
from renkei.fleet.policy import rule_variables, rules
from renkei.fleet.problems import FleetError

DOCUMENTATION = """
name: renkei_rules
short_description: The packet filter rules of a host
description:
  - Computes from the flows of the fleet what one host takes in, sends and passes on. Everything else is to be dropped;
    replies are left to connection tracking.
author: renkei
options:
  _terms:
    description: Names of hosts. Without one, C(inventory_hostname).
    type: list
    elements: str
  fleet:
    description: Path of the C(fleet.yml). By default the inventory source that the play's host came from.
    type: path
"""

EXAMPLES = """
- name: The rules of this host are known
  ansible.builtin.set_fact:
    __firewall_rules: "{{ query('renkei_rules') }}"
"""

RETURN = """
_raw:
  description: Rules in the order of the flows.
  type: list
  elements: dict
  contains:
    flow: {description: Id of the flow., type: str}
    why: {description: The flow's reason., type: str}
    chain: {description: C(input), C(output) or C(forward)., type: str}
    in_interface: {description: Where the packet comes in; empty in output., type: str}
    out_interface: {description: Where it goes out; empty in input., type: str}
    sources: {description: Addresses and networks; an empty list is any., type: list}
    destinations: {description: Addresses and networks; an empty list is any., type: list}
    protocol: {description: C(tcp) or C(udp)., type: str}
    ports: {description: "Destination ports, such as C(22) or C(5000-5010), as text.", type: list}
"""


class LookupModule(LookupBase):
    """The plugin; the rules come from `renkei.fleet.policy`."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - Ansible's signature
        """Give the rules of each host in `terms`.

        Raises:
            AnsibleLookupError: the fleet has problems or no such host.
        """
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        path = self.get_option("fleet") or variables.get("inventory_file")
        if not path:
            raise AnsibleLookupError("renkei_rules doesn't know the fleet: run with -i FLEET/fleet.yml, or give fleet=")
        fleet = _fleet(str(path))
        result = []
        for name in terms or [variables["inventory_hostname"]]:
            host = fleet.hosts.get(name)
            if host is None:
                raise AnsibleLookupError(f"{path} has no host {name}: renkei inventory list shows them")
            result += [rule_variables(fleet, rule) for rule in rules(fleet, host)]
        return result


@lru_cache(maxsize=4)
def _fleet(path: str) -> Fleet:
    try:
        return load_fleet(Path(path))
    except FleetError as error:
        raise AnsibleLookupError(f"the fleet has problems:\n{error}") from error
