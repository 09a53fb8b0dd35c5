"""Ansible module: what a Debian host is, what packages it has, and what its mirror offers beyond them."""

# ruff: noqa: INP001 - Ansible finds modules by their folder, not as a package

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.debian_packages import ENVIRONMENT, AptError, Debian, needs_restart

DOCUMENTATION = """
module: debian_host
short_description: What a Debian host is and has, and what its mirror offers
description:
  - Fetches the mirror's lists and asks apt what an upgrade would bring. Nothing is installed.
author: The renkei authors
options: {}
"""

RETURN = """
found: {description: As renkei.fleet.hosts.found has it but for the host's name., type: dict}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    home = Path("/var/lib/renkei-packages/archives")
    debian = Debian(lambda command: module.run_command(command, environ_update=ENVIRONMENT), home)
    try:
        debian.refresh()
        steps = {step.name: step for step in debian.upgrades() if step.after}
        offered = debian.offered({name: step.after for name, step in steps.items()})
        for each in offered:
            each["urgency"] = "urgent" if steps[str(each["name"])].security else "routine"
        lines = Path("/etc/os-release").read_text().splitlines()
        release = {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
        version = Path("/etc/debian_version").read_text().strip()
        found = {
            "seen_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),  # noqa: UP017 - the host's own Python
            "architecture": debian.architecture(),
            "device": {"model": f"{release['ID']}-{release['VERSION_ID']}", "version": version},
            "packages": [f"{name}={has}" for name, has in sorted(debian.installed().items())],
            "restart": bool(needs_restart()),
            "offered": offered,
        }
    except (AptError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, found=found)


if __name__ == "__main__":
    main()
