"""A terminal that somebody had a hand on is put back to the specification, after a list, and only when told."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from renkei.lab.windows.host import differences
from windows.conftest import ROOT
from windows.staging import Run, Staging, make_staging, served

REPAIR = ROOT / "ansible" / "playbooks" / "repair.yml"
DEDICATED, SHARED = "m011011-terminal", "m011029-terminal"
POLICY_KEY = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System"
UPDATES = r"SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU"
RULES = r"hklm\software\policies\microsoft\windowsfirewall\firewallrules"
GAMES = "v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=27015|"
#: What `spoil` changes, as the list has it: control, or what isn't reached; place; what is there; what should be.
SPOILT = {
    ("idle-lock", rf"HKLM\{POLICY_KEY}: InactivityTimeoutSecs", "-0", "+600"),
    ("lockout", "System Access: LockoutBadCount", "-0", "+5"),
    ("audit-sign-in", "Logon", "-No Auditing", "+Success and Failure"),
    ("no-wireless", "WlanSvc", "-Automatic", "+Disabled"),
    ("no-old-smb", "SMB1Protocol", "-on", "+off"),
    ("updates-by-order", rf"HKLM\{UPDATES}: AUOptions", "-4", "+3"),
    ("terminal_firewall", "games", f"-{GAMES}", "+-"),
    ("terminal_base : The time zone is Japan's", ""),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staging]:
    """Two terminals, one of them shared, staged."""
    made = make_staging(tmp_path_factory.mktemp("bench"), 2, {1: "shared"})
    made.extra = {"agent_platform": "windows", "terminal_base_reboot": False}
    with served(made) as staging:
        staging.assert_well(staging.stage())
        yield staging


def spoil(staging: Staging) -> None:
    """Let somebody loosen what a dedicated machine is set to, in each of the ways that settings are kept."""
    machine = staging.machines[DEDICATED]
    machine.registry[rf"hklm\{POLICY_KEY}".lower()]["inactivitytimeoutsecs"][2] = 0
    machine.registry[rf"hklm\{UPDATES}".lower()]["auoptions"][2] = 4
    machine.security["System Access"]["LockoutBadCount"] = "0"
    machine.audit["logon"] = "none"
    machine.services["wlansvc"] |= {"start_mode": "auto", "state": "running"}
    machine.features["SMB1Protocol"] = True
    machine.registry[RULES]["games"] = ["games", "string", GAMES]
    machine.facts["time_zone"] = "UTC"


def repair(staging: Staging, **variables: object) -> tuple[Run, list[dict[str, Any]]]:
    listed = staging.folder / "drift.json"
    run = staging.assert_well(staging.play(REPAIR, repair_result_file=str(listed), **variables))
    drift: list[dict[str, Any]] = json.loads(listed.read_text())["drift"]
    return run, drift


def test_what_was_changed_is_listed_and_put_back_only_when_told(bench: Staging) -> None:
    staged = {name: machine.state() for name, machine in bench.machines.items()}
    _, before = repair(bench)
    shared = [each for each in before if each["host"] == SHARED]
    assert shared == before
    assert all(each["person"] for each in shared)

    spoil(bench)
    spoiled = {name: machine.state() for name, machine in bench.machines.items()}
    run, listed = repair(bench)
    assert run.total("changed") == 0
    assert {(each["what"], each["place"], *each["lines"]) for each in listed if each["host"] == DEDICATED} == SPOILT
    assert [each for each in listed if each["host"] == SHARED] == shared
    assert [differences(spoiled[name], machine.state()) for name, machine in bench.machines.items()] == [[], []]

    run, left = repair(bench, repair_apply=True)
    assert run.recap[DEDICATED]["changed"] >= 1
    assert run.recap[SHARED]["changed"] == 0
    assert left == shared
    bench.machines[DEDICATED].facts["searched"] = staged[DEDICATED]["facts"]["searched"]  # by the policy that is back
    assert [differences(staged[name], machine.state()) for name, machine in bench.machines.items()] == [[], []]
