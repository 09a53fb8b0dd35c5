"""The hub serves its sockets to whom they are for, reaches nobody, writes nowhere else, and comes back."""

import json

import pytest
from testinfra.host import Host

from roles.machines import Machines, wait_until
from roles.probes import reached, writable

_ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.settimeout(5)
    line.connect(sys.argv[1])
    line.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: hub\\r\\nConnection: close\\r\\n\\r\\n")
    print(line.recv(64).split()[1].decode())
"""


@pytest.fixture
def hub(machine: Machines) -> Host:
    return machine("asp-hub")


def healthy(hub: Host) -> bool:
    return bool(hub.run("python3 -c %s /run/renkei-hub/health.sock", _ASK).stdout.strip() == "200")


def test_it_is_healthy_and_the_authority_vouches_for_it(hub: Host) -> None:
    wait_until(lambda: healthy(hub))
    assert json.loads(hub.check_output("renkei-hub status --json"))["live_certificates"] >= 2


@pytest.mark.parametrize(("user", "may"), [("www-data", True), ("nobody", False)])
@pytest.mark.parametrize("name", ["hub", "enrolment"])
def test_only_the_gateway_opens_its_doors(hub: Host, user: str, name: str, *, may: bool) -> None:
    path = f"/run/renkei-hub/{name}.sock"
    assert (hub.run("runuser -u %s -- python3 -c %s %s", user, _ASK, path).rc == 0) == may


def test_the_gateway_does_not_open_the_door_of_health(hub: Host) -> None:
    refused = hub.run("runuser -u www-data -- python3 -c %s /run/renkei-hub/health.sock", _ASK)
    assert "PermissionError" in refused.stderr


def test_nobody_else_reads_its_store_or_its_keys(hub: Host) -> None:
    for path in ("hub.db", "keys"):
        assert "Permission denied" in hub.run("runuser -u www-data -- ls /var/lib/renkei-hub/%s", path).stderr


def test_it_has_no_network(hub: Host, machine: Machines) -> None:
    mirror = machine.address("asp-mirror", "lan0")
    assert machine.connect("asp-hub", mirror, 3142) == "open"
    assert reached(hub, "renkei-hub", mirror, 3142) == "Network is unreachable"


def test_it_writes_nowhere_but_in_its_own_folder(hub: Host) -> None:
    assert writable(hub, "renkei-hub", "/var/lib/renkei-hub") == {"/var/lib/renkei-hub"}


def test_it_comes_back_when_it_is_killed(hub: Host) -> None:
    hub.check_output("systemctl kill --signal=KILL renkei-hub")
    wait_until(lambda: healthy(hub))


def test_a_reboot_brings_it_back(machine: Machines, hub: Host) -> None:
    machine.restart("asp-hub")
    wait_until(lambda: healthy(hub))
