"""The simulated Windows host without Ansible: what its firewall and sign-in say, its files of settings, its scripts."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from renkei.cli.lab_windows import app
from renkei.lab.windows import network
from renkei.lab.windows.host import Host, differences, fresh
from renkei.lab.windows.modules import Call, run_model
from renkei.lab.windows.modules.model import Failed
from renkei.lab.windows.modules.policies import apply_template, audit_of, restore_audit, template_of
from renkei.lab.windows.modules.update_client import believe, search, updates_of

CONTROLLER = "10.47.255.254"
SYSTEM = r"hklm\software\microsoft\windows\currentversion\policies\system"
WINRM = r"hklm\software\policies\microsoft\windows\winrm\service"
POLICY = r"hklm\software\policies\microsoft\windowsfirewall"


@pytest.fixture
def host() -> Host:
    return fresh("T1")


def enters(host: Host) -> bool:
    return network.reachable(host, CONTROLLER) and network.may_enter(host, "ansible", by_certificate=True)


def test_a_state_that_was_taken_stays_as_it_was(host: Host) -> None:
    before = host.state()
    host.registry[SYSTEM]["enablelua"] = ["EnableLUA", "dword", 0]
    host.users["ansible"]["disabled"] = True
    assert len(differences(before, host.state())) == 2


def test_a_fresh_host_lets_the_bench_in(host: Host) -> None:
    assert enters(host)


def test_states_are_saved_shown_and_compared(host: Host, tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    host.save(before)
    host.users["yamada"] = {"name": "yamada", "disabled": False, "password": "of this test"}
    host.save(after)
    runner = CliRunner()
    assert "yamada" in runner.invoke(app, ["show", str(after), "--under", "users"]).stdout
    assert runner.invoke(app, ["compare", str(before), str(before)]).exit_code == 0
    compared = runner.invoke(app, ["compare", str(before), str(after), "--json"])
    assert compared.exit_code == 3
    assert json.loads(compared.stdout)["differences"][0].startswith("users/yamada: null → ")
    assert runner.invoke(app, ["show", str(after), "--under", "users/nobody"]).exit_code == 2
    (tmp_path / "other.json").write_text("[]")
    assert runner.invoke(app, ["show", str(tmp_path / "other.json")]).exit_code == 2


@pytest.mark.parametrize(
    "what", ["deny", "allow", "policy", "certificate", "token", "account", "service", "rule", "local"]
)
def test_what_cuts_ansible_off_does_so_here_too(host: Host, what: str) -> None:
    match what:
        case "deny":
            host.rights["SeDenyNetworkLogonRight"] = ["S-1-5-113"]
        case "allow":
            host.rights["SeNetworkLogonRight"] = ["S-1-5-32-545"]
        case "policy":
            host.registry[WINRM] = {"allowautoconfig": ["AllowAutoConfig", "dword", 0]}
        case "certificate":
            host.registry[WINRM] = {"allowcertificate": ["AllowCertificate", "dword", 0]}
        case "token":
            host.registry[SYSTEM]["localaccounttokenfilterpolicy"][2] = 0
        case "account":
            host.users["ansible"]["disabled"] = True
        case "service":
            host.services["winrm"]["state"] = "stopped"
        case "rule":
            del host.rules["renkei-staging"]
        case "local":
            host.registry[rf"{POLICY}\publicprofile"] = {"allowlocalpolicymerge": ["AllowLocalPolicyMerge", "dword", 0]}
    assert not enters(host)


def test_a_rule_of_the_policy_counts_for_its_address_and_port_only(host: Host) -> None:
    text = "v2.32|Action=Allow|Active=TRUE|Dir=Out|Protocol=6|RPort=8443|RPort=8444|RA4=10.64.0.74|Name=x|"
    host.registry[rf"{POLICY}\firewallrules"] = {"x": ["x", "string", text]}
    host.registry[rf"{POLICY}\publicprofile"] = {
        "allowlocalpolicymerge": ["AllowLocalPolicyMerge", "dword", 0],
        "defaultoutboundaction": ["DefaultOutboundAction", "dword", 1],
    }
    assert network.allows(host, "out", "tcp", "10.64.0.74", 8443)
    assert network.allows(host, "out", "tcp", "10.64.0.74", 8444)
    assert not network.allows(host, "out", "tcp", "10.64.0.75", 8443)
    assert not network.allows(host, "out", "udp", "10.64.0.74", 8443)
    assert not network.allows(host, "out", "tcp", "10.64.0.74", 443)
    host.registry[rf"{POLICY}\firewallrules"]["x"][2] = text.replace("TRUE", "FALSE")
    assert not network.allows(host, "out", "tcp", "10.64.0.74", 8443)


@pytest.mark.parametrize("text", ["", "Action=Allow|", "v2.32|Action|", "v2.32|Action=Allow|Dir=Out"])
def test_a_rule_that_a_machine_would_pass_over_is_a_fault(text: str) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        network.policy_rule("x", text)


def test_a_template_goes_in_and_comes_out(host: Host) -> None:
    head = '[Unicode]\r\nUnicode=yes\r\n[Version]\r\nsignature="$CHICAGO$"\r\nRevision=1\r\n'
    apply_template(host, head + "[System Access]\r\nLockoutBadCount = 5\r\n[Privilege Rights]\r\nSeTcbPrivilege =\r\n")
    assert "LockoutBadCount = 5" in template_of(host)
    assert "SeTcbPrivilege" not in template_of(host)  # a right that nobody has isn't exported
    for wrong in ("[System Access]\r\nA = 1\r\n", head + "[Other]\r\nA = 1\r\n", head + "no section"):
        with pytest.raises(Failed, match="secedit"):
            apply_template(host, wrong)


def test_an_audit_policy_counts_by_guid_and_number(host: Host) -> None:
    restore_audit(host, "head\r\n,System,ログオン,{0CCE9215-69AE-11D9-BED3-505054503030},成功,,3\r\n")
    assert host.audit["logon"] == "success and failure"
    assert "{0CCE9215-69AE-11D9-BED3-505054503030},Success and Failure,,3" in audit_of(host)
    with pytest.raises(Failed, match="incorrect"):
        restore_audit(host, "head\r\n,System,Logon,{00000000-0000-0000-0000-000000000000},Success,,1\r\n")


def test_a_script_that_nobody_modelled_fails(host: Host) -> None:
    result = run_model(host, "ansible.windows.win_powershell", Call({"script": "Get-Date"}))
    assert result["failed"]
    assert "no model of this script" in result["msg"]


def test_a_search_goes_to_the_service_that_the_policy_names_or_nowhere(host: Host) -> None:
    key = r"hklm\software\policies\microsoft\windows\windowsupdate"
    host.updates = [{"id": "1", "title": "KB1"}, {"id": "2", "title": "KB2", "severity": "Critical", "offered": 5}]
    assert updates_of(host) == {"searched": None, "missing": []}
    with pytest.raises(Failed, match="would go to the Internet"):
        search(host)
    host.registry[key] = {"wuserver": ["WUServer", "string", "https://a:8531"]}
    host.registry[key] |= {"targetgroup": ["TargetGroup", "string", "early"]}
    host.registry[rf"{key}\au"] = {"usewuserver": ["UseWUServer", "dword", 1]}
    search(host)
    assert host.facts["known_to"] == ["https://a:8531", ""]  # the group counts only where it is switched on
    host.installed = ["1"]
    assert updates_of(host)["missing"] == [{"name": "KB2", "urgent": True, "since": 5}]


def test_only_a_root_becomes_one(host: Host) -> None:
    with pytest.raises(Failed, match="is no certificate"):
        believe(host, "nothing")
    assert host.facts["roots"] == []
