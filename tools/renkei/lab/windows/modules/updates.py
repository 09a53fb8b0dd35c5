"""win_updates and async_status.

Real Windows Update says that something is installed before it is (ansible.windows#525); here an update that needs a
reboot counts once the host was booted again, and the others wait until then.
"""

import time
from typing import Any

from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.model import Call, Failed, Result, model

_SUCCEEDED = 2


@model("ansible.windows.win_updates", internal=("_operation", "_operation_options"))
def win_updates(host: Host, call: Call) -> Result:
    """Search, download and install; the action plugin starts it and then polls for events."""
    operation = call.text("_operation") or "start"
    if operation == "cancel":
        return {}
    if operation == "poll":
        events, host.update_events = host.update_events, []
        return {"output": events}
    _start(host, call)
    return {"cancel_options": {"cancel_id": "simulated", "task_pid": 1}, "poll_options": {"pipe_name": "simulated"}}


@model(
    "ansible.windows.async_status",
    "ansible.legacy.async_status",
    "ansible.builtin.async_status",
    internal=("_async_dir",),
)
def async_status(host: Host, call: Call) -> Result:
    """Say how far a job is."""
    job = host.jobs.get(call.text("jid"))
    if job is None:
        raise Failed("could not find job")
    if call["mode"] == "cleanup":
        del host.jobs[call.text("jid")]
        return {"erased": call["jid"]}
    about = {"started": True, "ansible_job_id": call["jid"]}
    if time.monotonic() < job["at"]:
        return {**about, "finished": False}
    return {**about, "finished": True, **job["result"]}


def _start(host: Host, call: Call) -> None:
    found = [update for update in host.updates if update["id"] not in host.installed]
    chosen = [update for update in found if _wanted(update, call)]
    filtered = [_shown(update) | {"filtered_reasons": ["reject_list"]} for update in found if update not in chosen]
    events: list[dict[str, Any]] = [
        {"task": "search_result", "result": {"updates": [_shown(each) for each in chosen], "filtered": filtered}}
    ]
    state = call.text("state") or "installed"
    changed, reboot = bool(chosen) and state != "searched", False
    if changed and not call.check_mode:
        info = [{"id": each["id"], "result_code": _SUCCEEDED, "hresult": 0} for each in chosen]
        events.append({"task": "download_result", "result": {"info": info}})
        if state == "installed":
            # one that needs a reboot holds up the others until the host was booted again
            now = [each for each in chosen if each.get("reboot")] or chosen
            reboot = any(each.get("reboot") for each in now)
            events.append({"task": "install_result", "result": {"info": [_installed(each) for each in now]}})
            host.installed += [each["id"] for each in now]
            host.reboot_pending = host.reboot_pending or reboot
    events.append({"task": "exit", "result": {"changed": changed, "reboot_required": reboot, "failed": False}})
    host.update_events = events


def _wanted(update: dict[str, Any], call: Call) -> bool:
    names = {*update["kb"], update["title"]}
    if call["accept_list"] and not names.intersection(call["accept_list"]):
        return False
    if call["reject_list"] and names.intersection(call["reject_list"]):
        return False
    categories = call["category_names"] or ["*"]
    return "*" in categories or bool(
        {each.replace(" ", "") for each in update["categories"]} & {each.replace(" ", "") for each in categories}
    )


def _shown(update: dict[str, Any]) -> dict[str, Any]:
    return {key: update[key] for key in ("id", "title", "kb", "categories")}


def _installed(update: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": update["id"],
        "result_code": _SUCCEEDED,
        "hresult": 0,
        "reboot_required": bool(update.get("reboot")),
    }
