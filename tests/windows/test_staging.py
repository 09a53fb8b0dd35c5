"""Terminals at the staging bench: set up once, hold every control, shut at the end. The hosts are simulated Windows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from renkei.fleet.addresses import dotted
from renkei.fleet.terminal.vault import Vault
from renkei.lab.windows import network
from renkei.lab.windows.host import differences
from windows.conftest import ROOT
from windows.staging import Staging, make_staging, served

DEVICES = r"hklm\software\policies\microsoft\windows\deviceinstall\restrictions\allowdeviceids"
STICK = r"USBSTOR\DiskACME____Stick_1.00"
PERSON = {"name": "yamada", "full_name": "山田 花子"}
EXCEPTION = """exceptions:
  - control: idle-lock
    where: [m011029-terminal]
    reason: 窓口の案内表示を兼ねるため
    approver: 情報政策課長 佐藤
    until: "2099-03-31"
"""
DEDICATED, EXCEPTED, SHARED = "m011011-terminal", "m011029-terminal", "m011037-terminal"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staging]:
    """Three terminals, one of them with an exception and one shared, staged."""
    made = make_staging(tmp_path_factory.mktemp("bench"), 3, {2: "shared"}, exceptions=EXCEPTION)
    made.extra = {"terminal_base_accounts": [PERSON], "terminal_hardening_report_dir": str(made.folder)}
    made.machines[DEDICATED].name = "DESKTOP-7QK2"
    made.machines[DEDICATED].facts |= {"time_zone": "UTC", "culture": "en-US", "location": "244"}
    made.machines[SHARED].users["tantou"] = {"name": "tantou", "disabled": False, "description": ""}
    with served(made) as staging:
        yield staging


@pytest.fixture(scope="module")
def staged(bench: Staging) -> dict[str, Any]:
    """The states before the bench was staged; check mode changes nothing, a second run finds nothing to do."""
    before = {name: machine.state() for name, machine in bench.machines.items()}
    checked = bench.assert_well(bench.stage("--check"))
    assert checked.recap[DEDICATED]["changed"] >= 10
    assert [differences(before[name], machine.state()) for name, machine in bench.machines.items()] == [[]] * 3
    bench.assert_well(bench.stage())
    after = {name: machine.state() for name, machine in bench.machines.items()}
    second = bench.assert_well(bench.stage())
    assert second.total("changed") == 0, second.output
    assert [differences(after[name], machine.state()) for name, machine in bench.machines.items()] == [[]] * 3
    return before


@pytest.mark.usefixtures("staged")
def test_a_terminal_is_what_the_inventory_says(bench: Staging) -> None:
    machine = bench.machines[DEDICATED]
    assert (machine.facts["next_name"], machine.facts["time_zone"]) == ("R2024-011011-1", "Tokyo Standard Time")
    assert (machine.facts["culture"], machine.facts["location"]) == ("ja-JP", "122")
    assert machine.counts["reboot"] == 1
    assert bench.machines[EXCEPTED].counts["reboot"] == 0
    time = machine.registry[r"hklm\system\currentcontrolset\services\w32time\parameters"]
    mirror = dotted(bench.fleet.mirror.addresses["lan0"])
    assert time["ntpserver"] == ["NtpServer", "string", f"{mirror},0x8"]
    assert machine.services["w32time"]["state"] == "running"
    assert machine.security["System Access"]["LockoutBadCount"] == "5"
    assert machine.audit["logon"] == "success and failure"
    assert not machine.features["SMB1Protocol"]
    assert machine.services["wlansvc"]["start_mode"] == "disabled"
    assert machine.facts["disk_protection"] == "on"


@pytest.mark.usefixtures("staged")
def test_an_exception_holds_on_its_host_and_nowhere_else(bench: Staging) -> None:
    policy = r"hklm\software\microsoft\windows\currentversion\policies\system"
    assert "inactivitytimeoutsecs" not in bench.machines[EXCEPTED].registry[policy]
    assert bench.machines[DEDICATED].registry[policy]["inactivitytimeoutsecs"][2] == 600
    report = json.loads((bench.folder / f"{EXCEPTED}.json").read_text())
    assert report["exceptions"] == {"idle-lock": "2099-03-31"}


def test_on_a_shared_machine_nothing_but_its_own_rules_is_touched(bench: Staging, staged: dict[str, Any]) -> None:
    """The whole machine is compared: files, registry, services, accounts, rights, audit, firewall, features, facts."""
    changes = differences(staged[SHARED], bench.machines[SHARED].state())
    rules = r"registry/hklm\software\policies\microsoft\windowsfirewall\firewallrules"
    assert len(changes) == 1
    assert changes[0].startswith(f"{rules}: null → ")
    own = bench.machines[SHARED].registry[rules.removeprefix("registry/")]
    assert set(own) == {"renkei-exchange", "renkei-enrolment", "renkei-maintenance"}
    assert all("|Svc=renkei-agent|" in own[name][2] for name in ("renkei-exchange", "renkei-enrolment"))
    report = json.loads((bench.folder / f"{SHARED}.json").read_text())
    found = {each["control"] for each in report["deviations"]}
    assert {"lockout", "audit-sign-in", "no-autorun", "disk-encryption", "no-wireless"} <= found
    assert "listed-software" not in found  # a control of dedicated terminals


@pytest.mark.usefixtures("staged")
def test_the_firewall_lets_out_what_the_flows_name_and_nothing_in(bench: Staging) -> None:
    machine = bench.machines[DEDICATED]
    hub, mirror = (dotted(host.addresses["lan0"]) for host in (bench.fleet.hub, bench.fleet.mirror))
    assert network.allows(machine, "out", "tcp", hub, 8443)
    assert network.allows(machine, "out", "udp", mirror, 123)
    assert network.allows(machine, "out", "tcp", mirror, 8530)
    assert network.allows(machine, "out", "tcp", mirror, 8531)
    for direction, protocol, address, port in (
        ("out", "tcp", hub, 443),
        ("out", "tcp", "198.51.100.7", 8443),
        ("out", "udp", "198.51.100.7", 53),
        ("out", "udp", mirror, 67),
        ("in", "tcp", hub, 445),
        ("in", "tcp", mirror, 5986),
    ):
        assert not network.allows(machine, direction, protocol, address, port), (direction, protocol, address, port)
    assert network.allows(machine, "in", "tcp", dotted(bench.fleet.settings.controller), 5986)


@pytest.mark.usefixtures("staged")
def test_the_acceptance_run_writes_evidence_and_takes_nothing_for_tried(bench: Staging) -> None:
    playbook, folder = ROOT / "ansible" / "playbooks" / "accept.yml", bench.folder / "acceptance"
    limit = ("--limit", DEDICATED)
    run = bench.play(playbook, *limit, accept_by="佐藤", accept_dir=str(folder), accept_answers={"screen-locks": True})
    assert run.code != 0
    nobody = " ".join(run.output.split()).partition("tried by nobody:")[2].partition("refused: .")[0]
    assert "usb-unregistered-refused" in nobody
    assert "screen-locks" not in nobody
    evidence = json.loads((folder / f"{DEDICATED}.json").read_text())
    assert (evidence["by"], evidence["attended"]) == ("佐藤", {"screen-locks": True})
    tried = {each["id"]: each["passed"] for each in evidence["tried"]}
    assert all(tried.values()), evidence["tried"]
    assert {"ports-silent", "state-after-start", "flows-reached", "others-blocked"} <= tried.keys()
    answers = dict.fromkeys(["screen-locks", *evidence["missing"]], True)
    whole = bench.play(playbook, *limit, accept_by="佐藤", accept_dir=str(folder), accept_answers=answers)
    assert whole.code == 0, whole.output


@pytest.mark.usefixtures("staged")
def test_passwords_are_each_machines_own_and_nowhere_but_sealed(bench: Staging) -> None:
    admins = [bench.machines[name].users["renkei-admin"]["password"] for name in (DEDICATED, EXCEPTED)]
    assert len(set(admins)) == 2
    now, vault = datetime.now(UTC), Vault(bench.vault)
    kept = vault.read("R2024-011011-1", "renkei-admin", bench.vault_key, "sato", "test", now)
    assert [(each.password, each.confirmed) for each in kept] == [(admins[0], True)]
    assert bench.machines[DEDICATED].users["yamada"]["password_expired"]
    texts = [path.read_text(errors="replace") for path in bench.folder.rglob("*") if path.is_file()]
    assert not [text for text in texts for password in admins if password in text]
    recovery = vault.read("R2024-011011-1", "bitlocker", bench.vault_key, "sato", "test", now)[0].password
    assert recovery == bench.machines[DEDICATED].facts["recovery"]
    # one that was read is made anew at the next run, on this machine alone; a stick that was registered works
    again = bench.assert_well(bench.stage(terminal_hardening_parameters={"usb-devices": [STICK]}))
    assert (again.recap[DEDICATED]["changed"], again.recap[EXCEPTED]["changed"]) == (2, 1)
    assert bench.machines[DEDICATED].users["renkei-admin"]["password"] != admins[0]
    assert bench.machines[EXCEPTED].users["renkei-admin"]["password"] == admins[1]
    assert [value[2] for value in bench.machines[DEDICATED].registry[DEVICES].values()] == [STICK]


@pytest.mark.usefixtures("staged")
def test_an_account_that_a_function_would_share_is_refused_before_anything_is_touched(bench: Staging) -> None:
    wrong = [{"name": "madoguchi1", "full_name": "窓口"}, {"name": "suzuki"}]
    run = bench.stage(terminal_base_accounts=wrong)
    assert run.code != 0
    assert "(missing: suzuki) and a name that isn't a function's (madoguchi1)" in " ".join(run.output.split())
    assert run.total("changed") == 0


@pytest.mark.usefixtures("staged")
def test_too_many_forks_are_refused(bench: Staging) -> None:
    run = bench.play(ROOT / "ansible" / "playbooks" / "stage.yml", forks=51)
    assert run.code != 0
    assert "at most 50 forks" in run.output


@pytest.mark.usefixtures("staged")
def test_a_terminal_that_drops_out_is_named(bench: Staging) -> None:
    machine = bench.machines[EXCEPTED]
    machine.users["ansible"]["disabled"] = True
    try:
        run = bench.stage()
    finally:
        machine.users["ansible"]["disabled"] = False
    assert run.code != 0
    assert f"didn't report to the end: {EXCEPTED}" in run.output
    # the others were set up all the same: a stick that isn't registered any more is none now
    assert bench.machines[DEDICATED].registry[DEVICES] == {}


def test_the_window_is_shut_at_the_end(bench: Staging, staged: dict[str, Any]) -> None:
    """The last of this file: afterwards nobody gets in, and a shared machine is as it was before."""
    run = bench.stage(stage_shut=True, terminal_base_window_shut_seconds=2)
    assert run.code == 0, run.output
    machine, controller = bench.machines[DEDICATED], dotted(bench.fleet.settings.controller)
    assert not network.reachable(machine, controller)
    assert not network.allows(machine, "in", "tcp", controller, 5986)
    assert machine.users["ansible"]["disabled"]
    assert (machine.services["winrm"]["state"], machine.services["winrm"]["start_mode"]) == ("stopped", "disabled")
    assert bench.stage().total("unreachable") == 3
    assert staged
