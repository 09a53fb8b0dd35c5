"""The host as a whole: facts, name, time zone, region, power, firewall, policies, and the platform's own tools."""

import re
import shlex
from typing import Any, Final

from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.files import path_of
from renkei.lab.windows.modules.model import Call, Failed, Result, model, update
from renkei.lab.windows.modules.policies import TOOLS

_PLANS: Final = ("power saver", "balanced", "high performance")
_RULE: Final = (
    *("action", "direction", "enabled", "profiles", "program", "service", "protocol", "description", "group"),
    *("localip", "localport", "remoteip", "remoteport", "icmp_type_code"),
)
_AUDIT: Final[dict[tuple[str, ...], str]] = {("success",): "success", ("failure",): "failure", ("none",): "none"}
_FIRST_OF_11: Final = 22_000
_VERSION: Final = r"hklm\software\microsoft\windows nt\currentversion"


@model("ansible.windows.win_ping", "ansible.builtin.ping", "ansible.legacy.ping")
def win_ping(_host: Host, call: Call) -> Result:
    """Answer."""
    if call["data"] == "crash":
        raise Failed("boom")
    return {"ping": call.text("data") or "pong"}


@model("ansible.windows.setup", "ansible.legacy.setup", "ansible.builtin.setup", "setup")
def setup(host: Host, _call: Call) -> Result:
    """Gather facts."""
    build = host.registry[_VERSION]["currentbuild"][2]
    name = f"Microsoft Windows {11 if int(build) >= _FIRST_OF_11 else 10} IoT Enterprise LTSC"
    return {
        "ansible_facts": {
            "ansible_os_family": "Windows",
            "ansible_os_name": name,
            "ansible_distribution": name,
            "ansible_distribution_version": f"10.0.{build}.0",
            "ansible_system": "Win32NT",
            "ansible_architecture": "64-bit",
            "ansible_hostname": host.name,
            "ansible_product_serial": host.facts["serial"],
            "ansible_powershell_version": 5,
            "ansible_reboot_pending": host.reboot_pending,
            "ansible_user_id": "ansible",
        }
    }


@model("ansible.windows.win_hostname")
def win_hostname(host: Host, call: Call) -> Result:
    """Rename the host; the new name counts once it was booted again."""
    name, old = call.text("name"), str(host.facts.get("next_name", host.name))
    changed = name.lower() != old.lower()
    if changed and not call.check_mode:
        host.facts["next_name"], host.reboot_pending = name, True
    return {"changed": changed, "old_name": old, "reboot_required": changed}


@model("ansible.windows.win_timezone")
def win_timezone(host: Host, call: Call) -> Result:
    """Set the time zone."""
    before = host.facts["time_zone"]
    changed = update(host.facts, {"time_zone": call["timezone"]}, check_mode=call.check_mode)
    return {"changed": changed, "previous_timezone": before, "timezone": call["timezone"]}


@model("ansible.windows.win_region")
def win_region(host: Host, call: Call) -> Result:
    """Set formats and location."""
    wanted = {"culture": call["format"], "location": call["location"], "unicode_language": call["unicode_language"]}
    restart = call["unicode_language"] not in {None, host.facts.get("unicode_language")}
    changed = update(host.facts, wanted, check_mode=call.check_mode)
    return {"changed": changed, "restart_required": restart}


@model("community.windows.win_power_plan")
def win_power_plan(host: Host, call: Call) -> Result:
    """Choose a power plan."""
    name = call.text("name").lower()
    if name not in _PLANS:
        raise Failed(f"Defined power_plan: ({call['name']}) is not available")
    changed = update(host.facts, {"power_plan": name}, check_mode=call.check_mode)
    return {"changed": changed, "power_plan_name": name, "power_plan_enabled": True}


@model("ansible.windows.win_firewall")
def win_firewall(host: Host, call: Call) -> Result:
    """Switch the firewall on or off by profile, and set what it does with what no rule names."""
    changed = False
    for profile in [str(each).lower() for each in call["profiles"] or ["Domain", "Private", "Public"]]:
        wanted: dict[str, Any] = {
            f"{profile} inbound": call["inbound_action"],
            f"{profile} outbound": call["outbound_action"],
        }
        if call["state"] is not None:
            wanted[profile] = call["state"] == "enabled"
        changed |= update(host.firewall, wanted, check_mode=call.check_mode)
    return {"changed": changed, "profiles": call["profiles"], "state": call["state"]}


@model("community.windows.win_firewall_rule")
def win_firewall_rule(host: Host, call: Call) -> Result:
    """Make, change or remove a rule."""
    name, key = call.text("name"), call.text("name").lower()
    rule = host.rules.get(key)
    if call["state"] == "absent":
        if rule is not None and not call.check_mode:
            del host.rules[key]
        return {"changed": rule is not None, "msg": f"Firewall rule '{name}' removed."}
    changed = rule is None
    rule = dict(rule) if rule else {"name": name}
    changed |= update(rule, {field: call[field] for field in _RULE}, check_mode=False)
    if not call.check_mode:
        host.rules[key] = rule
    return {"changed": changed, "msg": f"Firewall rule '{name}' set."}


@model("community.windows.win_security_policy")
def win_security_policy(host: Host, call: Call) -> Result:
    """Set one value of the local security policy."""
    section = host.security.get(call.text("section"))
    if section is None:
        raise Failed(f"The section '{call['section']}' does not exist in SecurityPolicy.inf output ini")
    changed = update(section, {call.text("key"): call.text("value")}, check_mode=call.check_mode)
    return {"changed": changed, "section": call["section"], "key": call["key"], "value": call["value"]}


@model("ansible.windows.win_audit_policy_system")
def win_audit_policy_system(host: Host, call: Call) -> Result:
    """Set what a subcategory of the audit policy records."""
    kinds = tuple(sorted({str(kind).lower() for kind in call["audit_type"]}))
    wanted = _AUDIT.get(kinds, "success and failure")
    name = call.text("subcategory") or call.text("category")
    changed = host.audit.get(name.lower(), "none") != wanted
    if changed and not call.check_mode:
        host.audit[name.lower()] = wanted
    return {"changed": changed, "current_audit_policy": {name: wanted}}


@model("ansible.windows.win_command", internal=("_raw_params",))
def win_command(host: Host, call: Call) -> Result:
    """Run one of the platform's own tools, which take a whole file of settings at once."""
    if call["creates"] and path_of(call.text("creates")) in host.files.keys() | host.folders:
        return {"changed": False, "rc": 0, "stdout": "skipped, since it exists", "stderr": ""}
    words = call["argv"] or shlex.split(call.text("_raw_params") or call.text("cmd"), posix=False)
    path = path_of(str(words[0]).strip('"'))
    program = re.sub(r"\.exe$", "", path.rpartition("\\")[2])
    installed, tool = host.programs.get(path), TOOLS.get(program)
    if installed is None and tool is None:
        raise Failed(f"the simulated host has no model of the program {program!r}")
    if call.check_mode:
        return {
            "changed": True,
            "skipped": True,
            "msg": "remote module (ansible.windows.win_command) does not support check mode",
        }
    if installed is not None:
        code, output, error = installed(host, [str(word) for word in words])
        return {"changed": True, "failed": code != 0, "rc": code, "stdout": output, "stderr": error, "cmd": words}
    output = tool(host, [str(word).strip('"') for word in words[1:]]) if tool else ""
    return {"changed": True, "rc": 0, "stdout": output, "stderr": "", "cmd": words}
