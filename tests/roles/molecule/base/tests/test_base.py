"""Who gets in, what the time and the packages come from, and what survives a restart."""

from collections.abc import Iterator
from typing import Any

import pytest
from testinfra.host import Host

from roles.machines import Machines, wait_until

HOST = "asp-hub-2"


@pytest.fixture(scope="module")
def host(machine: Machines) -> Host:
    return machine(HOST)


@pytest.fixture(scope="module")
def key(host: Host) -> Iterator[str]:
    """A key that three accounts have: a person of the inventory, somebody unknown to it, and root."""
    host.check_output("rm -f /run/key && ssh-keygen -q -t ed25519 -N '' -f /run/key")
    host.check_output("useradd --create-home stranger")
    for account, home in (("jdoe", "/home/jdoe"), ("stranger", "/home/stranger"), ("root", "/root")):
        host.check_output(f"install -d -m 0700 -o {account} {home}/.ssh")
        host.check_output(f"install -m 0600 -o {account} /run/key.pub {home}/.ssh/authorized_keys")
    yield "/run/key"
    host.check_output("userdel --remove stranger; rm -rf /root/.ssh /home/jdoe/.ssh /run/key /run/key.pub")


def sign_in(machine: Machines, account: str, options: str) -> str:
    command = (
        f"ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5 {options} "
        f"{account}@{machine.address(HOST, 'mgmt0')} id --user --name"
    )
    result = machine(HOST).run(command)
    return result.stdout.strip() or result.stderr.strip().splitlines()[-1]


def test_a_named_person_signs_in_with_a_key(machine: Machines, key: str) -> None:
    assert sign_in(machine, "jdoe", f"-o BatchMode=yes -i {key}") == "jdoe"


@pytest.mark.parametrize("account", ["stranger", "root"])
def test_a_key_alone_lets_nobody_else_in(machine: Machines, key: str, account: str) -> None:
    assert sign_in(machine, account, f"-o BatchMode=yes -i {key}").endswith("Permission denied (publickey).")


def test_a_password_lets_nobody_in(machine: Machines, host: Host) -> None:
    host.check_output("echo jdoe:wonderland | chpasswd")
    host.check_output("printf '#!/bin/sh\\necho wonderland\\n' > /run/askpass && chmod 0700 /run/askpass")
    options = "-o PreferredAuthentications=password,keyboard-interactive -o PubkeyAuthentication=no"
    said = sign_in(machine, "jdoe", options).rpartition(": ")[2]
    host.check_output("passwd --lock jdoe; rm /run/askpass")
    assert said == "Permission denied (publickey)."


@pytest.mark.parametrize(("name", "interfaces"), [(HOST, {"mgmt0"}), ("moj-linkage", {"mgmt0", "lan0"})])
def test_ssh_is_reached_by_the_management_network_and_where_a_flow_needs_it(
    machine: Machines, name: str, interfaces: set[str]
) -> None:
    def listening() -> set[str]:
        said = machine(name).run("ss --no-header --listening --numeric --tcp 'sport = 22'").stdout
        return {line.split()[3] for line in said.splitlines()}

    expected = {f"{machine.address(name, interface)}:22" for interface in interfaces}
    wait_until(lambda: listening() == expected)  # another scenario restarts the linkage host


def test_packages_come_through_the_mirror_and_by_no_other_way(host: Host) -> None:
    assert host.run("apt-get update --error-on=any").rc == 0
    assert host.run("apt-get update --error-on=any -o Acquire::Retries=0 -o Acquire::http::Proxy=false").rc != 0


def test_a_source_over_tls_does_not_go_around_the_mirror(host: Host) -> None:
    source = "deb [trusted=yes] https://deb.debian.org/debian bookworm main"
    host.check_output("echo %s > /run/tls.list", source)
    options = "-o Acquire::Retries=0 -o Dir::Etc::SourceParts=- -o Dir::Etc::SourceList=/run/tls.list"
    update = host.run(f"apt-get update --error-on=any {options}")
    host.check_output("rm /run/tls.list")
    assert update.rc != 0
    assert "403" in update.stdout + update.stderr


def test_nothing_is_upgraded_without_a_wave_whoever_starts_debians_own_upgrades(host: Host) -> None:
    state = "stat --format '%n %Y' /var/lib/apt/lists /var/lib/dpkg/status /var/lib/apt/periodic/* 2>/dev/null"
    before = host.run(state).stdout
    assert host.check_output("systemctl list-units --failed --no-legend 'apt-daily*'") == ""
    for unit in ("apt-daily", "apt-daily-upgrade"):
        assert "is masked" in host.run(f"systemctl start {unit}.service").stderr
    for action in ("update", "install", ""):  # and by hand: what these units would have run
        assert host.run(f"/usr/lib/apt/apt.systemd.daily {action}").rc == 0
    assert host.run(state).stdout == before
    timers = host.check_output("systemctl list-timers --all --no-legend 'apt-*'").splitlines()
    assert all(line.split()[:2] == ["-", "-"] for line in timers), timers  # neither a next time nor one left
    assert not host.exists("unattended-upgrade")


def test_the_clock_follows_the_mirror_and_is_never_set_from_a_container(machine: Machines, host: Host) -> None:
    chosen = f"^* {machine.address('asp-mirror', 'lan0')} "
    wait_until(lambda: chosen in host.check_output("chronyc -n sources"), 60)
    pid = host.check_output("systemctl show --property=MainPID --value chrony.service")
    assert "-x" in host.file(f"/proc/{pid}/cmdline").content_string.split("\0")


def test_names_of_the_fleet_resolve_without_dns(host: Host, declared: dict[str, Any]) -> None:
    gateway = declared["renkei_gateway"]
    assert host.check_output("getent hosts %s", gateway["name"]).split()[0] == gateway["address"]
    assert host.run("getent hosts deb.debian.org").rc != 0


def test_the_journal_goes_to_the_disk_and_is_bounded(host: Host) -> None:
    host.check_output("logger --tag=renkei-test on-the-disk && journalctl --sync")
    stored = host.check_output("journalctl --directory=/var/log/journal --identifier=renkei-test --output=cat")
    assert "on-the-disk" in stored
    assert "max 512.0M" in host.check_output("journalctl --unit=systemd-journald.service --output=cat")


def test_a_restart_brings_everything_back(machine: Machines, host: Host) -> None:
    host.check_output("logger --tag=renkei-test before-the-restart")
    machine.restart(HOST)
    assert "before-the-restart" in host.check_output("journalctl --identifier=renkei-test --output=cat")
    assert all(host.service(name).is_running for name in ("ssh", "chrony"))
    assert host.sysctl("net.ipv4.conf.lan0.rp_filter") == 1
