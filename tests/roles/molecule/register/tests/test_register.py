"""The share between terminal and register: for the agent alone, and there again by itself whenever it was away."""

import json
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from roles.machines import Machines, wait_until
from roles.probes import given

CODE = "131041"
MOUNT, SHARE, STATE = "/srv/renkei-register/folder", "/srv/renkei-register/share", "/var/lib/renkei-register"
AS_REGISTER = "runuser --user=register --"


@pytest.fixture
def terminal(machine: Machines) -> Host:
    return machine(f"m{CODE}-terminal")


@pytest.fixture
def register(machine: Machines) -> Host:
    return machine(f"m{CODE}-register")


def is_mounted(terminal: Host) -> bool:
    return terminal.run("mountpoint --quiet %s", MOUNT).rc == 0


def alarms(terminal: Host) -> list[str]:
    told = json.loads(terminal.run("renkei-agent status --json").stdout)["alarms"]
    return [alarm["text"] for alarm in told if alarm["kind"] == "register"]


def write_notices(register: Host, seed: int) -> None:
    made = f"renkei ministry simulate-lives --out={SHARE}/from-register --of={CODE} --places={CODE}=東京都新宿区"
    register.check_output(f"{AS_REGISTER} {made} --people=4 --seed={seed}")


def unfetched(register: Host) -> str:
    return str(register.check_output(f"ls {SHARE}/from-register"))


def test_the_share_is_mounted_and_the_agent_has_prepared_it(terminal: Host, register: Host) -> None:
    assert is_mounted(terminal)
    sign = json.loads(register.file(f"{SHARE}/.renkei-register.json").content_string)
    assert sign["endpoint"] == CODE
    assert alarms(terminal) == []


def test_nobody_else_on_the_terminal_looks_into_it(terminal: Host) -> None:
    assert terminal.run(f"runuser --user=renkei-agent -- ls {MOUNT}").rc == 0
    assert "Permission denied" in terminal.run(f"runuser --user=provisioner -- ls {MOUNT}").stderr


def test_the_key_opens_the_share_and_no_shell(terminal: Host, register: Host, machine: Machines) -> None:
    address = machine.address(f"m{CODE}-register", "core0")
    keys = "/etc/renkei/register-share"
    options = f"-o BatchMode=yes -o UserKnownHostsFile={keys}/known_hosts -i {keys}/id_ed25519"
    assert terminal.file(f"{keys}/id_ed25519").mode == 0o600
    assert terminal.run(f"ssh {options} terminal@{address} id").stdout == "This service allows sftp connections only.\n"
    listed = given(terminal, "ls -1 /\n", f"sftp -q {options} -b - terminal@{address}")
    assert listed.split() == ["sftp>", "ls", "-1", "/", "/share"]
    assert register.run(f"{AS_REGISTER} ls {SHARE}/to-register").rc == 0


def test_the_register_opens_no_connection_to_the_terminal(machine: Machines) -> None:
    address = machine.address(f"m{CODE}-terminal", "lan0")
    with machine.conquered(f"m{CODE}-register"):
        assert machine.connect(f"m{CODE}-register", address, 22) == "silence"


def test_what_the_register_writes_is_fetched_by_the_running_service(register: Host) -> None:
    write_notices(register, 1)
    wait_until(lambda: unfetched(register) == "", 60)


@pytest.fixture
def away(terminal: Host, register: Host) -> Iterator[None]:
    """The register is switched off for the terminal: its ssh answers nobody, and what was open is cut."""
    register.check_output("systemctl stop ssh.service && { pkill --exact --uid=terminal sshd || true; }")
    yield
    register.check_output("systemctl start ssh.service")
    wait_until(lambda: is_mounted(terminal), 60)


@pytest.mark.usefixtures("away")
def test_a_share_that_is_away_is_an_alarm_and_no_folder_that_swallows_notices(terminal: Host) -> None:
    wait_until(lambda: not is_mounted(terminal), 60)
    wait_until(lambda: terminal.run("renkei-agent exchange").rc >= 0 and alarms(terminal), 60)
    assert terminal.run(f"runuser --user=renkei-agent -- touch {MOUNT}/lost").rc != 0


def test_a_share_that_came_back_serves_the_agent_that_has_run_all_the_time(terminal: Host, register: Host) -> None:
    wait_until(lambda: terminal.run("renkei-agent exchange").rc >= 0 and alarms(terminal) == [], 60)
    write_notices(register, 2)
    wait_until(lambda: unfetched(register) == "", 90)


def test_a_reboot_of_the_terminal_brings_it_back(machine: Machines, terminal: Host) -> None:
    machine.restart(f"m{CODE}-terminal")
    wait_until(lambda: is_mounted(terminal), 60)
