"""Optional features, packages, scheduled tasks."""

from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.files import path_of
from renkei.lab.windows.modules.model import Call, Failed, Result, model, update

_TASK = (
    *("actions", "triggers", "description", "username", "group", "logon_type", "run_level", "enabled", "hidden"),
    *("execution_time_limit", "multiple_instances", "start_when_available", "disallow_start_if_on_batteries"),
)


@model("ansible.windows.win_optional_feature")
def win_optional_feature(host: Host, call: Call) -> Result:
    """Switch optional features on or off."""
    names = call["name"] or []
    if unknown := [name for name in names if name not in host.features]:
        raise Failed(f"Failed to find feature '{unknown[0]}'")
    wanted = call["state"] != "absent"
    changing = [name for name in names if host.features[name] is not wanted]
    if not call.check_mode:
        host.features.update(dict.fromkeys(changing, wanted))
    return {"changed": bool(changing), "reboot_required": False}


@model("ansible.windows.win_package")
def win_package(host: Host, call: Call) -> Result:
    """Install or remove a package; one counts as there by its product id, or by what it creates."""
    key = (call.text("product_id") or path_of(call.text("path"))).lower()
    if not key:
        raise Failed("state is present but all of the following are missing: path")
    created = path_of(call.text("creates_path"))
    there = key in host.packages or bool(created and created in host.files.keys() | host.folders)
    if call["state"] == "absent":
        if there and not call.check_mode:
            host.packages.pop(key, None)
        return {"changed": there, "rc": 0, "reboot_required": False}
    if not there and "\\" in call.text("path") and path_of(call.text("path")) not in host.files:
        raise Failed(f"the path {call['path']} does not exist on the host")
    if not there and not call.check_mode:
        host.packages[key] = {"path": call["path"], "arguments": call["arguments"], "product_id": call["product_id"]}
    return {"changed": not there, "rc": 0, "reboot_required": False}


@model("community.windows.win_scheduled_task")
def win_scheduled_task(host: Host, call: Call) -> Result:
    """Make, change or remove a scheduled task."""
    name = f"{call.text('path') or chr(92)}{call['name']}"
    key, task = name.lower(), host.tasks.get(name.lower())
    if call["state"] == "absent":
        if task is not None and not call.check_mode:
            del host.tasks[key]
        return {"changed": task is not None}
    changed = task is None
    task = dict(task) if task else {"name": name}
    changed |= update(task, {field: call[field] for field in _TASK}, check_mode=False)
    if not call.check_mode:
        host.tasks[key] = task
    return {"changed": changed}
