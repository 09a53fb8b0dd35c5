"""Ansible lookup: what the update service approves for which ring, by the signed catalogue."""
# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from renkei.fleet.approvals import approvals, read_catalogue

DOCUMENTATION = """
name: renkei_approvals
short_description: What the update service approves for which ring
description:
  - Believes a signed catalogue by the root, and gives for each of its updates the rings that may have it; what an
    update requires comes with it.
author: renkei
options:
  _terms:
    description: The catalogue's file on the controller, one.
    type: list
    elements: str
    required: true
  root:
    description: The trust anchor, PEM.
    type: path
    required: true
  rings:
    description: By ring, the articles that it may have.
    type: dict
    required: true
"""

EXAMPLES = """
- name: It is known what to approve
  ansible.builtin.set_fact:
    approvals: "{{ lookup('renkei_approvals', 'catalogue.json', root='root.pem', rings={'canary': ['KB5058411']}) }}"
"""

RETURN = """
_raw:
  description: By article, the rings.
  type: list
  elements: dict
"""


class LookupModule(LookupBase):
    """The plugin; `renkei.fleet.approvals` does the work."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - Ansible's signature
        """Give the approvals of each catalogue in `terms`.

        Raises:
            AnsibleLookupError: it can't be believed, or lacks what a ring is to have.
        """
        self.set_options(var_options=variables or {}, direct=kwargs)
        root = Path(str(self.get_option("root")))
        rings = {str(ring): [str(each) for each in kbs] for ring, kbs in dict(self.get_option("rings")).items()}
        try:
            return [approvals(read_catalogue(Path(file), root, datetime.now(UTC)), rings) for file in terms]
        except ValueError as error:
            raise AnsibleLookupError(str(error)) from error
