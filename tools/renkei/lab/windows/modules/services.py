"""win_service and win_service_info."""

from typing import Any, Final

from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.model import Call, Failed, Result, model, update

_STATES: Final = {"started": "running", "restarted": "running", "stopped": "stopped", "paused": "paused"}
_ATTRIBUTES: Final = (
    *("path", "display_name", "description", "username", "start_mode", "failure_actions", "failure_command"),
    *("failure_reset_period_sec", "failure_actions_on_non_crash_failure", "sid_info", "required_privileges"),
    *("service_type", "error_control", "pre_shutdown_timeout_ms", "load_order_group"),
)


@model("ansible.windows.win_service")
def win_service(host: Host, call: Call) -> Result:
    """Make, change, start, stop or remove a service."""
    name, state = call.text("name"), call["state"]
    service = host.services.get(name.lower())
    if state == "absent":
        if service is not None and not call.check_mode:
            del host.services[name.lower()]
        return {"changed": service is not None, "exists": False}
    if service is None and call["path"] is None:
        raise Failed(f"Service '{name}' is not installed and path is not set, no service will be created")
    changed = service is None
    service = _new(name, call) if service is None else service
    if call.check_mode:
        service = dict(service)
    elif changed:
        host.services[name.lower()] = service
    changed |= update(service, {key: call[key] for key in _ATTRIBUTES}, check_mode=False)
    changed |= _depend(service, call)
    if state is not None:
        if service["start_mode"] == "disabled" and _STATES[state] == "running":
            raise Failed(f"Failed to start service {name}: it is disabled")
        if state == "restarted" and service["state"] == "running":
            changed |= update(service, {"state": "stopped"}, check_mode=False)
        changed |= update(service, {"state": _STATES[state]}, check_mode=False) or state == "restarted"
    return {"changed": changed, "exists": True, **_shown(service)}


@model("ansible.windows.win_service_info")
def win_service_info(host: Host, call: Call) -> Result:
    """Say what services there are."""
    wanted = call.text("name").lower()
    found = [service for key, service in sorted(host.services.items()) if not wanted or key == wanted]
    return {"exists": bool(found), "services": [_shown(service) for service in found]}


def _new(name: str, call: Call) -> dict[str, Any]:
    return {
        "name": name,
        "display_name": call.text("display_name") or name,
        "start_mode": "auto",
        "state": "stopped",
        "path": call["path"],
        "username": "LocalSystem",
        "description": "",
        "dependencies": [],
        "failure_actions": [],
    }


def _depend(service: dict[str, Any], call: Call) -> bool:
    wanted = call["dependencies"]
    if wanted is None:
        return False
    before = list(service["dependencies"])
    if call["dependency_action"] == "add":
        wanted = [*before, *(name for name in wanted if name not in before)]
    elif call["dependency_action"] == "remove":
        wanted = [name for name in before if name not in wanted]
    service["dependencies"] = list(wanted)
    return bool(service["dependencies"] != before)


def _shown(service: dict[str, Any]) -> Result:
    return {key: value for key, value in service.items() if key != "password"}
