"""Ansible action: a playbook is run in check mode, and what it would change comes back as a list."""

# ruff: noqa: INP001 - Ansible finds plugins by their folder, not as a package

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase

from renkei.fleet.drift import differences

DOCUMENTATION = """
name: renkei_drift
short_description: What a playbook would change
description:
  - Runs a playbook with C(--check --diff) on hosts, with this run's inventories, extra variables, users and forks, and
    returns what it would change. Nothing is changed by it.
author: renkei
options:
  playbook: {description: Path of the playbook on the controller., type: path, required: true}
  hosts: {description: Names of the hosts., type: list, elements: str, required: true}
"""

RETURN = """
drift:
  description: What differs, each with C(host), C(what), C(place), C(lines), C(checked) and C(person).
  type: list
  elements: dict
"""


class ActionModule(ActionBase):
    """The plugin; `renkei.fleet.drift` reads what the run says."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the playbook and list what it would change."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given, known = self._task.args, task_vars or {}
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "--check", "--diff"]
        command += [f"--inventory={source}" for source in known["ansible_inventory_sources"]]
        command += [f"--extra-vars={each}" for each in context.CLIARGS.get("extra_vars") or ()]
        command += [f"--forks={known['ansible_forks']}", f"--limit={','.join(given['hosts'])}"]
        if user := context.CLIARGS.get("remote_user"):
            command.append(f"--user={user}")
        # what shows this run, be it ansible-runner, doesn't show that one
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_CALLBACK")}
        environment["ANSIBLE_STDOUT_CALLBACK"] = "ansible.posix.json"
        environment["ANSIBLE_CONFIG"] = str(known["ansible_config_file"])
        done = subprocess.run(  # noqa: S603 - the operator's own words, handed on; no shell
            [*command, str(given["playbook"])],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            drift = [asdict(each) for each in differences(json.loads(done.stdout[done.stdout.index("{") :]))]
        except (ValueError, KeyError, TypeError, AttributeError):
            said = (done.stderr or done.stdout)[-2000:]
            return result | {"failed": True, "msg": f"the check of {given['playbook']} broke off: {said}"}
        return result | {"changed": False, "drift": drift}
