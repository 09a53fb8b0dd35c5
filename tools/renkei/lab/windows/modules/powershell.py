"""win_powershell: the project's own scripts, each known by its exact text; any other fails.

There is no PowerShell here. A model says what a script is meant to do; whoever changes the script has to look at its
model and write the new digest beside it.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from renkei.lab.windows import listeners, network
from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.model import Call, Failed, Result, model
from renkei.lab.windows.modules.policies import apply_template, audit_of, restore_audit, template_of
from renkei.lab.windows.modules.registry import key_of, merge
from renkei.lab.windows.modules.update_client import believe, search, updates_of

_MAINTENANCE: Final = r"hklm\software\renkei\maintenance"
_SYSTEM: Final = r"hklm\software\microsoft\windows\currentversion\policies\system"
_RULES: Final = r"hklm\software\policies\microsoft\windowsfirewall\firewallrules"
_KINDS: Final = {"dword": "DWord", "qword": "QWord", "string": "String", "expandstring": "ExpandString"}
_STARTS: Final = {"auto": "Automatic", "delayed": "Automatic", "manual": "Manual", "disabled": "Disabled"}


@dataclass(frozen=True, slots=True)
class Said:
    """What a script left: the objects of its output, and whether it said that something changed."""

    output: tuple[str, ...] = ()
    changed: bool = True


Script = Callable[[Host, dict[str, Any]], Said]
SCRIPTS: Final[dict[str, tuple[str, Script]]] = {}
"""By the SHA-256 of the text, with line ends as the module gets them: the name, and what it does."""


def digest_of(text: str) -> str:
    """Return what a script is known by."""
    return hashlib.sha256(text.replace("\r\n", "\n").strip().encode()).hexdigest()


def script(name: str, digest: str) -> Callable[[Script], Script]:
    """Register the model of a script."""

    def register(function: Script) -> Script:
        SCRIPTS[digest] = (name, function)
        return function

    return register


@model("ansible.windows.win_powershell")
def win_powershell(host: Host, call: Call) -> Result:
    """Run a script that is known; in check mode it is passed over, as the module does with one without WhatIf."""
    name, function = SCRIPTS.get(digest_of(call.text("script")), ("", None))
    if function is None:
        raise Failed("the simulated host has no PowerShell and no model of this script")
    if call.check_mode:
        return {"changed": True, "msg": "skipped, running in check mode"}
    host.counts[name] += 1
    ran = function(host, dict(call["parameters"] or {}))
    empty: list[str] = []
    return {"changed": ran.changed, "output": list(ran.output), "error": empty, "warning": empty, "result": {}}


@script("Get-TerminalState.ps1", "70ef4bf351e96d7a747fa510b8816dbb14b8eaf59695166ce566280979ce462f")
def get_terminal_state(host: Host, parameters: dict[str, Any]) -> Said:
    """Say what the host is set to."""
    facts, asked = host.facts, json.loads(parameters["Questions"])
    registry = {
        key: {
            name: {"kind": _KINDS.get(kind, kind), "data": data}
            for name, kind, data in host.registry.get(key_of(key), {}).values()
            if "*" in names or name.lower() in {each.lower() for each in names}
        }
        for key, names in asked["registry"].items()
    }
    services = {
        name: _STARTS[host.services[name.lower()]["start_mode"]]
        for name in asked["services"]
        if name.lower() in host.services
    }
    features = {
        name: "Enabled" if host.features[name] else "Disabled" for name in asked["features"] if name in host.features
    }
    accounts = [
        {"name": user["name"], "enabled": not user["disabled"], "full_name": user.get("fullname") or "", "sid": ""}
        | {"last_logon": user.get("last_logon"), "created": user.get("created")}
        for user in host.users.values()
    ]
    state = {
        "host": {
            "name": host.name,
            "next_name": facts.get("next_name", host.name),
            "time_zone": facts["time_zone"],
            "culture": facts["culture"],
            "location": facts["location"],
            "reboot_pending": host.reboot_pending,
        },
        "listener": listeners.described(host),
        "security": template_of(host),
        "audit": audit_of(host),
        "registry": registry,
        "features": features,
        "services": services,
        "accounts": accounts,
        "disk": {"protection": facts["disk_protection"], "method": facts.get("disk_method", "None")},
        "firmware": {"secure_boot": facts["secure_boot"]},
        "tpm": {"ready": facts["tpm_ready"]},
        "applocker": {"enforced": bool(facts["applocker"])},
        "defender": {"real_time": facts["real_time"], "pattern_hours": facts["pattern_hours"]},
        "network": {"wireless": facts["wireless"]},
        "updates": updates_of(host),
        "roots": [each for each in asked["roots"] if each in facts["roots"]],
    }
    return Said((json.dumps(state, ensure_ascii=False),), changed=False)


@script("Import-Settings.ps1", "82cc0c5d5ace2458cb68d0cfe553bb5f3ff6d72e58654b55b416bc24ad9de0e6")
def import_settings(host: Host, parameters: dict[str, Any]) -> Said:
    """Take whole files of settings."""
    for given in json.loads(parameters["Files"]):
        content = str(given["content"])
        match given["kind"]:
            case "security":
                apply_template(host, content)
            case "audit":
                restore_audit(host, content)
            case "registry":
                merge(host, content.encode("utf-16"))
            case "applocker":
                _allow(host, content)
            case other:
                raise Failed(f"there is no kind of file {other}")
    for name in json.loads(parameters.get("Restart") or "[]"):
        host.services[name.lower()] |= {"start_mode": "auto", "state": "running"}
    for name, _kind, text in host.registry.get(_RULES, {}).values():
        network.policy_rule(name, str(text))  # a rule that a machine would pass over without a word is a fault here
    return Said()


@script("Disable-Parts.ps1", "03cd6fe57e4c0f80a3d3a044804b02f383bc9b3d62b4b06aeaf8a36f395e745d")
def disable_parts(host: Host, parameters: dict[str, Any]) -> Said:
    """Disable services, take features away."""
    for name in json.loads(parameters["Services"]):
        if name.lower() in host.services:
            host.services[name.lower()] |= {"start_mode": "disabled", "state": "stopped"}
    for name in json.loads(parameters["Features"]):
        if name not in host.features:
            raise Failed(f"Feature name {name} is unknown.")
        host.features[name] = False
    return Said()


@script("Protect-SystemDrive.ps1", "8125f82dfc4a0f63a8b10926a1dba44526f98c1b4a87bb4109094cb3919eecfe")
def protect_system_drive(host: Host, parameters: dict[str, Any]) -> Said:
    """Encrypt the system drive, say the recovery password."""
    if not host.facts["tpm_ready"]:
        raise Failed("A compatible Trusted Platform Module (TPM) Security Device cannot be found on this computer.")
    if not host.facts["recovery"]:
        parts = (int(hashlib.sha256(f"{host.name} {number}".encode()).hexdigest()[:4], 16) * 11 for number in range(8))
        host.facts["recovery"] = "-".join(f"{part:06}" for part in parts)
    method = str(parameters.get("Method") or "XtsAes256")
    host.facts |= {"disk_protection": "on", "disk_method": method}
    return Said((str(host.facts["recovery"]),))


@script("Add-Authority.ps1", "885af6b1be0b0eef0320d9f91b96632458ce2dccd0ed2f9d3c69389dfa398eba")
def add_authority(host: Host, parameters: dict[str, Any]) -> Said:
    """Believe a root."""
    believe(host, str(parameters["Root"]))
    return Said()


@script("Start-UpdateSearch.ps1", "5cb1e58fa0be31a77d6e83bec781e5e088a615fc2e02bbe1b8e4bc8e71122604")
def start_update_search(host: Host, _parameters: dict[str, Any]) -> Said:
    """Search for updates."""
    search(host)
    return Said()


@script("Open-Maintenance.ps1", "e631c62c62c8ebb41fef831535ca08e09d9fced471f512fb52a66da18853f936")
def open_maintenance(host: Host, parameters: dict[str, Any]) -> Said:
    """Open the host for the controller; its end comes by itself."""
    service = host.services["winrm"]
    listeners.bind(host)
    if _MAINTENANCE not in host.registry:
        token = host.registry.get(_SYSTEM, {}).get("localaccounttokenfilterpolicy", ["", "dword", 0])[2]
        host.registry[_MAINTENANCE] = {
            "winrm": ["WinRM", "string", _STARTS[service["start_mode"]]],
            "tokenfilter": ["TokenFilter", "dword", token],
        }
    account = str(parameters["Account"])
    user = host.users.setdefault(account.lower(), {"name": account, "description": ""})
    user["disabled"] = False
    members = host.groups["administrators"]["members"]
    members.extend([account] if account not in members else [])
    host.registry.setdefault(_SYSTEM, {})["localaccounttokenfilterpolicy"] = [
        "LocalAccountTokenFilterPolicy",
        "dword",
        1,
    ]
    service |= {"start_mode": "auto", "state": "running"}
    host.facts["mapped"] = {str(parameters["Subject"]): account}
    rule = f"v2.32|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=5986|RA4={parameters['Controller']}|"
    rule += "Name=renkei-maintenance|EmbedCtxt=renkei|"
    host.registry.setdefault(_RULES, {})["renkei-maintenance"] = ["renkei-maintenance", "string", rule]
    hours = int(parameters.get("Hours") or 12)
    host.later = [(time.monotonic() + hours * 3600, lambda each: _close(each, account))]
    return Said()


@script("Request-Listener.ps1", "375afad9702eb8f3aca45a30edca4a45530668d2861afb9cfd9ff99161491155")
def request_listener(host: Host, parameters: dict[str, Any]) -> Said:
    """Make a key, say the request for its certificate."""
    return Said((listeners.request(host, str(parameters["Name"]), str(parameters["Address"])),))


@script("Install-Listener.ps1", "7a2c07b2aa5347bb775e3432ee81a74f0b117c4b3232a25ac42861272d65b517")
def install_listener(host: Host, parameters: dict[str, Any]) -> Said:
    """Take the certificate; the next window opens with it."""
    try:
        return Said((listeners.install(host, str(parameters["Chain"])),))
    except ValueError as error:
        raise Failed(str(error)) from error


@script("Close-Maintenance.ps1", "50cea535aacf43eee3fe0bcb9e23a9633f69d6958d663967e87642de9daf2ae1")
def close_maintenance(host: Host, parameters: dict[str, Any]) -> Said:
    """End the window in some seconds."""
    account = str(parameters.get("Account") or "ansible")
    host.later = [(time.monotonic() + int(parameters.get("InSeconds") or 0), lambda each: _close(each, account))]
    return Said()


@script("Test-Acceptance.ps1", "df3ceb07f47baac8c5cba5adff8ce51fd81eeb7302994b686b10d1e01813a475")
def try_acceptance(host: Host, parameters: dict[str, Any]) -> Said:
    """Say what the host's state says; on a simulated host that is all there is to try."""
    facts = host.facts

    def passes(target: str) -> bool:
        address, _, port = target.partition(":")
        return network.allows(host, "out", "tcp", address, int(port))

    reached = [target for target in json.loads(parameters["Reached"]) if not passes(target)]
    opened = [target for target in json.loads(parameters["Blocked"]) if passes(target)]
    stray = network.allows(host, "out", "tcp", "192.0.2.1", 1) or network.allows(host, "in", "tcp", "192.0.2.1", 1)
    items = {
        "system-build": (True, "simulated"),
        "listener-certificate": (bool(facts["listener"]), "simulated"),
        "listener-https-only": (True, "simulated"),
        "certificates-only": (True, "simulated"),
        "firewall-policy-in-force": (not stray, "simulated"),
        "flows-reached": (not reached, f"no answer: {reached}"),
        "others-blocked": (not opened, f"answered: {opened}"),
        "time-source": (host.services["w32time"]["state"] == "running", "simulated"),
        "allow-list-blocks": (bool(facts["applocker"]), "simulated"),
        "malware-protection-acts": (bool(facts["real_time"]), "simulated"),
        "drive-encrypted": (facts["disk_protection"] == "on", "simulated"),
        "page-for-its-group": (bool(parameters["Clerks"]), "simulated"),
        "page-on-loopback-only": (True, "simulated"),
        "window-has-an-end": (True, "simulated"),
    }
    rows = [{"id": name, "passed": passed, "found": found} for name, (passed, found) in items.items()]
    return Said((json.dumps(rows),), changed=False)


def _allow(host: Host, text: str) -> None:
    """Take a list of what may run; keep its digest."""
    try:
        policy = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise Failed(f"Set-AppLockerPolicy: the policy is no XML: {error}") from None
    enforced = {
        each.get("Type", "") for each in policy.iter("RuleCollection") if each.get("EnforcementMode") == "Enabled"
    }
    if policy.tag != "AppLockerPolicy" or not enforced.issuperset({"Exe", "Msi", "Script"}):
        raise Failed("Set-AppLockerPolicy: the policy enforces no list of programs, installers and scripts")
    host.facts["applocker"] = hashlib.sha256(etree.tostring(policy, method="c14n")).hexdigest()


def _close(host: Host, account: str) -> None:
    before = host.registry.pop(_MAINTENANCE, {})
    start = str(before["winrm"][2]) if "winrm" in before else "Disabled"
    token = int(before["tokenfilter"][2]) if "tokenfilter" in before else 0
    host.registry.get(_RULES, {}).pop("renkei-maintenance", None)
    host.rules.pop("renkei-staging", None)
    host.users[account.lower()]["disabled"] = True
    host.facts["mapped"] = {}
    host.registry.setdefault(_SYSTEM, {})["localaccounttokenfilterpolicy"] = [
        "LocalAccountTokenFilterPolicy",
        "dword",
        token,
    ]
    modes = {"Automatic": "auto", "Manual": "manual", "Disabled": "disabled"}
    host.services["winrm"]["start_mode"] = modes[start]
    if start == "Disabled":
        host.services["winrm"]["state"] = "stopped"
