"""Who gets at what on the ministry's hosts, and that files find their way between them."""

from typing import Any

import pytest
from testinfra.host import Host

from roles.machines import Machines, wait_until
from roles.probes import reached, sandboxed, writable

SERVICES = ("renkei-authority", "renkei-connector", "renkei-agent")
OWN = "/var/lib/renkei-immigration"
SIMULATE = "runuser -u %s -- renkei ministry %s --out %s --notices 3 --seed $(date +%%s) %s 131041"


@pytest.fixture
def linkage(machine: Machines) -> Host:
    return machine("moj-linkage")


@pytest.fixture
def immigration(machine: Machines) -> Host:
    return machine("moj-immigration")


def at_drop(immigration: Host, commands: str) -> str:
    """Let the immigration system's account do something at the drop; answer what sftp said."""
    service = immigration.check_output("grep -oE 'immigration@[0-9.]+' /usr/local/bin/renkei-drop")
    options = "-o UserKnownHostsFile=.ssh/known_hosts -o BatchMode=yes"
    done = immigration.run(
        f"cd {OWN} && printf %s %s | runuser -u immigration -- sftp {options} -b - %s", "%b", commands, service
    )
    return str(done.stdout + done.stderr)


def test_notices_get_from_the_immigration_system_into_the_agents_outbox(immigration: Host, linkage: Host) -> None:
    linkage.check_output("systemctl stop renkei-agent")
    immigration.check_output(SIMULATE, "immigration", "simulate", f"{OWN}/to-municipalities", "--endpoints")
    immigration.check_output("systemctl start renkei-drop")
    assert immigration.check_output("ls %s/to-municipalities", OWN) == ""
    outbox = "/var/lib/renkei-agent/outbox/131041"
    assert wait_until(lambda: str(linkage.run("ls %s", outbox).stdout).split())
    linkage.check_output("rm -r %s && systemctl start renkei-agent", outbox)


def test_notices_get_from_the_agents_inbox_to_the_immigration_system(immigration: Host, linkage: Host) -> None:
    inbox = "/var/lib/renkei-agent/inbox/131041"
    linkage.check_output(SIMULATE, "renkei-agent", "simulate-register", inbox, "--endpoint")

    def arrived() -> list[str]:
        immigration.check_output("systemctl start renkei-drop")
        return str(immigration.check_output("ls %s/from-municipalities", OWN)).split()

    assert wait_until(arrived)
    assert linkage.check_output("ls %s", inbox) == ""
    immigration.check_output("rm %s/from-municipalities/*", OWN)


def test_the_drop_is_all_that_the_immigration_system_sees(immigration: Host) -> None:
    assert "from-municipalities" in at_drop(immigration, "ls -1 /")
    assert "not found" in at_drop(immigration, "ls /etc")
    assert "Permission denied" in at_drop(immigration, "put .ssh/known_hosts /known_hosts")


def test_the_immigration_system_gets_no_shell(immigration: Host) -> None:
    address = immigration.check_output("grep -oE 'immigration@[0-9.]+' /usr/local/bin/renkei-drop")
    options = f"-o UserKnownHostsFile={OWN}/.ssh/known_hosts -o BatchMode=yes -i {OWN}/.ssh/id_ed25519"
    said = immigration.run(f"timeout 5 ssh {options} %s id", address).stdout
    assert said == "This service allows sftp connections only.\n"


def test_nobody_but_the_authority_reads_the_key_of_the_issuing_ca(linkage: Host) -> None:
    key = "/var/lib/renkei-authority/issuing/issuing.key"
    assert linkage.file(key).mode == 0o600
    for other in ("renkei-agent", "immigration"):
        assert "Permission denied" in linkage.run("runuser -u %s -- cat %s", other, key).stderr


def test_the_connector_sees_the_agents_notices_and_not_its_keys(linkage: Host) -> None:
    assert sandboxed(linkage, "renkei-connector", "ls /var/lib/renkei-agent").split() == ["inbox", "outbox"]


def test_the_connector_has_no_network(linkage: Host, declared: dict[str, Any]) -> None:
    hub = declared["renkei_gateway"]
    assert reached(linkage, "renkei-connector", hub["address"], hub["port"]) == "Network is unreachable"
    assert reached(linkage, "renkei-agent", hub["address"], hub["port"]) != "Network is unreachable"


@pytest.mark.parametrize("service", SERVICES)
def test_a_program_writes_nowhere_but_in_its_own_folder(linkage: Host, service: str) -> None:
    assert writable(linkage, service, f"/var/lib/{service}") == {f"/var/lib/{service}"}


def test_a_reboot_brings_the_services_back(machine: Machines, linkage: Host, immigration: Host) -> None:
    machine.restart("moj-linkage")
    machine.restart("moj-immigration")
    for service in SERVICES:
        wait_until(lambda service=service: linkage.service(service).is_running)
    assert immigration.service("renkei-drop.timer").is_running
