"""Each run of this suite checks one host, over ssh. `ansible/playbooks/verify.yml` starts it for every host.

`RENKEI_HOST` holds what the inventory says of the host, as JSON. A check marked with parts is for hosts of these parts.
"""

import json
import os
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

DECLARED: dict[str, Any] = json.loads(os.environ.get("RENKEI_HOST", "{}"))

if not DECLARED:
    collect_ignore_glob = ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "parts(*names): the check is for hosts of these parts only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def concerns(item: pytest.Item) -> bool:
        return all(DECLARED["renkei_part"] in marker.args for marker in item.iter_markers("parts"))

    config.hook.pytest_deselected(items=[item for item in items if not concerns(item)])
    items[:] = [item for item in items if concerns(item)]


@pytest.fixture(scope="session")
def declared() -> dict[str, Any]:
    """What the inventory says of the host."""
    return DECLARED


@pytest.fixture(scope="session")
def open_ports() -> set[str]:
    """`PROTOCOL ADDRESS:PORT` of everything on this host that a flow lets others reach."""
    return {
        f"{rule['protocol']} {address}:{port}"
        for rule in DECLARED["renkei_rules"]
        if rule["chain"] == "input"
        for address in rule["destinations"]
        for port in rule["ports"]
    }


@pytest.fixture(scope="session")
def host() -> Host:
    return testinfra.get_host(
        f"ssh://{DECLARED['ansible_user']}@{DECLARED['ansible_host']}",
        sudo=DECLARED.get("ansible_become", False),
        ssh_extra_args=os.environ.get("RENKEI_SSH_ARGUMENTS") or None,
        ssh_identity_file=os.environ.get("RENKEI_SSH_KEY") or None,
    )
