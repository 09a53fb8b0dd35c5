"""Ansible lookup: what a Windows terminal must be, and how far it is from that."""
# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from renkei.fleet.controls.exceptions import ControlException
from renkei.fleet.controls.model import Table
from renkei.fleet.controls.plan import WrongValue
from renkei.fleet.controls.verdict import BadState
from renkei.fleet.model import Fleet
from renkei.fleet.problems import FleetError
from renkei.fleet.terminal.loaded import loaded
from renkei.fleet.terminal.setup import Choices, as_variables, make_setup
from renkei.fleet.terminal.updates import thumbprint

DOCUMENTATION = """
name: renkei_terminal
short_description: What a Windows terminal must be
description:
  - Puts together, for one host of the fleet, the controls of its profile less its exceptions, the firewall's rules from
    the flows, and the time and power settings, each as the platform's own file.
  - With O(state), what C(Get-TerminalState.ps1) said, also what differs, by role.
author: renkei
options:
  _terms:
    description: Names of hosts. Without one, C(inventory_hostname).
    type: list
    elements: str
  fleet:
    description: Path of the C(fleet.yml). By default the inventory source that the play's host came from.
    type: path
  time_servers:
    description: Addresses of the time servers.
    type: list
    elements: str
    required: true
  parameters:
    description: Parameters of the controls by name.
    type: dict
    default: {}
  accounts:
    description: Names of the accounts that may be enabled.
    type: list
    elements: str
  interface:
    description: The interface towards LGWAN, whose flows become rules.
    type: str
    default: lan0
  port:
    description: The port by which the controller comes while a window is open.
    type: int
    default: 5986
  authority:
    description: PEM file of the root of the update service's certificate. None where machines know it already.
    type: str
    default: ""
  state:
    description: The machine's state, as JSON.
    type: str
"""

EXAMPLES = """
- name: It is known what differs
  ansible.builtin.set_fact:
    terminal: "{{ lookup('renkei_terminal', time_servers=renkei_time_servers, state=said.output[0]) }}"
"""

RETURN = """
_raw:
  description:
    - C(profile), and without O(state) the C(questions); with it C(deviations) and their C(kinds) by role, the C(files)
      that mend them, and the C(exceptions).
  type: list
  elements: dict
"""

_CONTROLS = Path(__file__).parents[3] / "inventory" / "controls"


class LookupModule(LookupBase):
    """The plugin; everything comes from `renkei.fleet.terminal.setup`."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - Ansible's signature
        """Give what each host in `terms` must be.

        Raises:
            AnsibleLookupError: the fleet, table, exceptions or a parameter has problems, or there is no such host.
        """
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        path = self.get_option("fleet") or variables.get("inventory_file")
        if not path:
            raise AnsibleLookupError(
                "renkei_terminal doesn't know the fleet: run with -i FLEET/fleet.yml, or give fleet="
            )
        fleet, table, exceptions = _loaded(str(path))
        accounts, authority = self.get_option("accounts"), str(self.get_option("authority") or "")
        choices = Choices(
            time_servers=[str(each) for each in self.get_option("time_servers")],
            parameters=dict(self.get_option("parameters")),
            accounts=None if accounts is None else [str(each) for each in accounts],
            interface=str(self.get_option("interface")),
            port=int(self.get_option("port")),
            authority=_thumbprint(authority),
        )
        said = self.get_option("state")
        result = []
        for name in terms or [variables["inventory_hostname"]]:
            host = fleet.hosts.get(name)
            if host is None:
                raise AnsibleLookupError(f"{path} has no host {name}: renkei inventory list shows them")
            try:
                state = json.loads(str(said)) if said else None
                result.append(as_variables(make_setup(fleet, host, table, exceptions, choices), state))
            except (WrongValue, BadState, LookupError, ValueError) as error:
                raise AnsibleLookupError(f"{name}: {error}") from error
        return result


def _thumbprint(authority: str) -> str:
    try:
        return thumbprint(Path(authority).expanduser()) if authority else ""
    except ValueError as error:
        raise AnsibleLookupError(str(error)) from error


def _loaded(path: str) -> tuple[Fleet, Table, tuple[ControlException, ...]]:
    try:
        return loaded(Path(path), _CONTROLS)
    except FleetError as error:
        raise AnsibleLookupError(f"the fleet or its controls have problems:\n{error}") from error
