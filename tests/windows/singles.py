"""The rival of the roles in the bench: a play that sets the same state by the modules, one call a setting."""

from typing import Any

from renkei.fleet.addresses import dotted
from renkei.fleet.controls import files
from renkei.fleet.controls.audit import NUMBERS, WORDS
from renkei.fleet.controls.model import Data
from renkei.fleet.controls.table import read_controls
from renkei.fleet.model import Host
from renkei.fleet.terminal.setup import Choices, Setup, make_setup
from renkei.lab.windows.host import differences
from windows.conftest import ROOT
from windows.staging import PLAYBOOKS, Staging

_CONNECTION = {"vars_files": [str(PLAYBOOKS / "vars" / "windows.yml")]}
_OF_ITS_OWN = (
    *("users/renkei-admin", "facts/recovery", "facts/listener/begin", "facts/listener/end"),
    *("facts/searched", "facts/known_to"),
)
_SCRIPTS = ROOT / "roles" / "terminal_hardening" / "files"


def play_of(staging: Staging) -> list[dict[str, Any]]:
    """Return the play: a task a module, a call a setting (the cheapest way that modules have)."""
    host = staging.fleet.hosts[next(iter(staging.machines))]
    setup = setup_of(staging, host)
    # the firewall's rules are the same for every terminal: they name the hub and the mirror; the update policy is where
    # the endpoints are alike
    registry: dict[str, dict[str, Data]] = {}
    for part in (setup.base, setup.firewall, files.registry(setup.plan)):
        for key, values in part.items():
            registry.setdefault(key, {}).update(values)
    tasks = [
        _task("ansible.windows.win_regedit", _regedit(registry)),
        _task("community.windows.win_security_policy", _security(setup)),
        _task("ansible.windows.win_user_right", _rights(setup)),
        _task("ansible.windows.win_audit_policy_system", _audit(setup)),
        _task("ansible.windows.win_service", _services(setup, staging)),
        _task("ansible.windows.win_optional_feature", _features(setup)),
        _task(
            "ansible.windows.win_user",
            [{"name": "renkei-admin", "password": "of-this-bench-0nly", "groups": ["Administrators"]}],
        ),
        *_tools(),
    ]
    return [
        {"name": "Settings one by one", "hosts": "terminals", "gather_facts": False, "strategy": "terminal_linear"}
        | _CONNECTION
        | {"tasks": tasks}
    ]


def setup_of(staging: Staging, host: Host) -> Setup:
    """Return what a terminal of the bench must be."""
    table = read_controls(ROOT / "inventory" / "controls" / "windows.yml")
    mirror = dotted(staging.fleet.mirror.addresses["lan0"])
    server = f"https://mirror.asp.{staging.fleet.settings.domain}:8531"
    return make_setup(staging.fleet, host, table, (), Choices([mirror], {"update-server": server}))


def same_settings(one: Staging, other: Staging) -> list[str]:
    """Return where the terminals of two benches differ, their own names, secrets and times aside."""
    found = []
    for name in one.machines:
        lines = differences(one.machines[name].state(), other.machines[name].state())
        found += [line for line in lines if not line.startswith(_OF_ITS_OWN)]
    return found


def _task(module: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    keys = sorted({key for call in calls for key in call})
    arguments = {key: "{{ item." + key + " | default(omit) }}" for key in keys}
    return {"name": module, module: arguments, "loop": calls, "loop_control": {"label": "one"}}


def _regedit(registry: dict[str, dict[str, Data]]) -> list[dict[str, Any]]:
    keys = [{"path": key.replace("HKLM\\", "HKLM:\\", 1)} for key, values in registry.items() if not values]
    return keys + [
        {
            "path": key.replace("HKLM\\", "HKLM:\\", 1),
            "name": name,
            "data": data,
            "type": "dword" if isinstance(data, int) else "string",
        }
        for key, values in registry.items()
        for name, data in values.items()
    ]


def _security(setup: Setup) -> list[dict[str, Any]]:
    return [
        {"section": section, "key": key, "value": str(data)}
        for each in setup.plan.wanted
        for section, keys in each.settings.security.items()
        for key, data in keys.items()
    ]


def _rights(setup: Setup) -> list[dict[str, Any]]:
    return [
        {"name": right, "users": list(sids), "action": "set"}
        for each in setup.plan.wanted
        for right, sids in each.settings.rights.items()
    ]


def _audit(setup: Setup) -> list[dict[str, Any]]:
    return [
        {"subcategory": name, "audit_type": WORDS[NUMBERS[kinds]].lower().replace(" and ", ", ")}
        for each in setup.plan.wanted
        for name, kinds in each.settings.audit.items()
    ]


def _services(setup: Setup, staging: Staging) -> list[dict[str, Any]]:
    machine = next(iter(staging.machines.values()))
    off = [name for each in setup.plan.wanted for name in each.settings.services if name.lower() in machine.services]
    return [{"name": name, "start_mode": "disabled", "state": "stopped"} for name in off] + [
        {"name": "W32Time", "start_mode": "auto", "state": "restarted"}
    ]


def _features(setup: Setup) -> list[dict[str, Any]]:
    return [{"name": name, "state": "absent"} for each in setup.plan.wanted for name in each.settings.features]


def _tools() -> list[dict[str, Any]]:
    """The two things that no module sets: their scripts, as in the role."""
    template = ROOT / "roles" / "terminal_hardening" / "templates" / "allow-list.xml.j2"
    allow = {
        "script": (ROOT / "roles/terminal_base/files/Import-Settings.ps1").read_text(),
        "parameters": {
            "Files": "{{ [{'kind': 'applocker', 'content': lookup('template', '" + str(template) + "')}] | to_json }}"
        },
    }
    drive = {"script": (_SCRIPTS / "Protect-SystemDrive.ps1").read_text()}
    module = "ansible.windows.win_powershell"
    return [{"name": "Allow list", module: allow}, {"name": "Drive", module: drive, "no_log": True}]
