"""The agent waits for enrolment, gets in by its code and no other, keeps to its folders, and comes back."""

import json

import pytest
from testinfra.host import Host

from roles.environment import ROOT
from roles.machines import Machines, wait_until
from roles.probes import given, play, sandboxed, writable

ENROL = ROOT / "ansible" / "playbooks" / "enrol.yml"


@pytest.fixture
def terminal(machine: Machines) -> Host:
    return machine("m131041-terminal")


def is_enrolled(terminal: Host) -> bool:
    return bool(json.loads(terminal.run("renkei-agent status --json").stdout)["enrolled"])


def test_it_runs_before_it_is_enrolled(terminal: Host) -> None:
    assert terminal.service("renkei-agent").is_running


def test_a_wrong_code_does_not_enrol(terminal: Host) -> None:
    if is_enrolled(terminal):
        pytest.skip("it was enrolled by an earlier run on these hosts")
    given(terminal, "WRNG-WRNG-WRNG-WRNG", "renkei-agent enrol --code-file - --wait 30 || true")
    assert not is_enrolled(terminal)


def test_the_code_of_the_authority_enrols_once_and_for_all(terminal: Host) -> None:
    enrolled = play(ENROL, "--limit", "m131041-terminal,moj-linkage")
    assert enrolled.returncode == 0, enrolled.stdout
    assert is_enrolled(terminal)
    again = play(ENROL, "--limit", "m131041-terminal,moj-linkage")
    assert "changed=0" in again.stdout


def test_its_keys_are_its_own(terminal: Host) -> None:
    keys = terminal.file("/var/lib/renkei-agent/keys")
    assert (keys.user, keys.mode) == ("renkei-agent", 0o700)


def test_the_service_exchanges_by_itself_once_it_is_enrolled(terminal: Host) -> None:
    wait_until(lambda: json.loads(terminal.run("renkei-agent status --json").stdout)["last_exchange_at"])


def test_it_writes_nowhere_but_in_its_own_folder(terminal: Host) -> None:
    assert writable(terminal, "renkei-agent", "/var/lib/renkei-agent") == {"/var/lib/renkei-agent"}


def test_it_can_gain_no_rights(terminal: Host) -> None:
    shown = sandboxed(terminal, "renkei-agent", "grep -E '^(CapBnd|NoNewPrivs):' /proc/self/status")
    assert shown.split() == ["CapBnd:", "0000000000000000", "NoNewPrivs:", "1"]


def test_a_reboot_brings_it_back(machine: Machines, terminal: Host) -> None:
    machine.restart("m131041-terminal")
    wait_until(lambda: terminal.service("renkei-agent").is_running)
