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


def test_it_writes_nowhere_but_in_its_own_folders(terminal: Host) -> None:
    own = {"/var/lib/renkei-agent", "/var/lib/renkei-page"}
    assert writable(terminal, "renkei-agent", " ".join(sorted(own))) == own


def test_the_page_is_for_the_members_of_its_group(terminal: Host) -> None:
    wait_until(lambda: terminal.file("/var/lib/renkei-page/renkei.html").exists)
    for name, group in (("page-clerk", "renkei-clerks"), ("page-guest", "users")):
        terminal.run_expect([0, 9], f"useradd --system --groups {group} {name}")
    read = "cat /var/lib/renkei-page/renkei.html"
    assert "127.0.0.1:8470" in terminal.check_output(f"runuser --user page-clerk -- {read}")
    assert terminal.run(f"runuser --user page-guest -- {read}").rc == 1
    assert terminal.run("runuser --user page-guest -- renkei-agent page open").rc == 1


def test_the_page_listens_on_loopback_and_on_no_other_address(terminal: Host) -> None:
    assert terminal.socket("tcp://127.0.0.1:8470").is_listening
    assert not terminal.socket("tcp://0.0.0.0:8470").is_listening


def test_it_can_gain_no_rights(terminal: Host) -> None:
    shown = sandboxed(terminal, "renkei-agent", "grep -E '^(CapBnd|NoNewPrivs):' /proc/self/status")
    assert shown.split() == ["CapBnd:", "0000000000000000", "NoNewPrivs:", "1"]


def test_a_reboot_brings_it_back(machine: Machines, terminal: Host) -> None:
    machine.restart("m131041-terminal")
    wait_until(lambda: terminal.service("renkei-agent").is_running)
