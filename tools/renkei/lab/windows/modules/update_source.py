"""The update service (WSUS) of a simulated Windows Server: win_feature, and the scripts of the role update_source.

What the service is lies in the fact `update_source`: None before its database is made. What its upstream offers is the
fact `upstream`: products by title, and the articles of updates. That TLS works, that IIS takes the certificate and that
anything is ever downloaded is for a real server to show.
"""

import json
from typing import Any, Final

from renkei.lab.windows.host import Host, fresh
from renkei.lab.windows.modules.model import Call, Failed, Result, model
from renkei.lab.windows.modules.powershell import Said, script

_FEATURES: Final = ("UpdateServices-Services", "UpdateServices-WidDB", "Web-Server")
_NEW: Final[dict[str, Any]] = {
    "content": "",
    "name": "",
    "tls": False,
    "certificate": "",
    "upstream": "",
    "daily_at": "",
    "languages": ["de", "en", "ja"],
    "targeting": "Server",
    "products": ["Windows 10"],
    "classifications": [],
    "groups": ["All Computers", "Unassigned Computers"],
    "rules": ["Default Automatic Approval Rule"],
    "automatic": ["e6cf1350-c01b-414d-a61f-263d14d133b4"],
    "automatic_for": ["All Computers"],
    "approvals": {},
    "declined": [],
}
"""As `wsusutil postinstall` leaves it; its own rule stands for what an administrator may have switched on."""


def fresh_server(name: str, certificate: str) -> Host:
    """Return a Windows Server as it is after Setup.

    Args:
        name: computer name.
        certificate: thumbprint of the one with a key in the machine's store.
    """
    host = fresh(name)
    host.features |= dict.fromkeys(_FEATURES, False)
    host.facts |= {"certificates": [certificate.upper()], "update_source": None}
    host.facts["upstream"] = {
        "products": ["Microsoft Defender Antivirus", "Windows 10 LTSB", "Windows 11"],
        "articles": [],
    }
    return host


@model("ansible.windows.win_feature")
def win_feature(host: Host, call: Call) -> Result:
    """Install roles and features of a server."""
    names = list(call["name"])
    if unknown := [name for name in names if name not in host.features]:
        raise Failed(f"Failed to install Windows Feature: the target name {unknown[0]} was not found")
    wanted = call["state"] != "absent"
    changing = [name for name in names if host.features[name] is not wanted]
    if not call.check_mode:
        host.features.update(dict.fromkeys(changing, wanted))
    return {"changed": bool(changing), "success": True, "exitcode": "Success", "reboot_required": False}


@script("Get-UpdateSource.ps1", "27477a069809e6d53f2e23d72d20fc9a8794dfa19443e415764db5850cb233b3")
def get_update_source(host: Host, parameters: dict[str, Any]) -> Said:
    """Say what the service is set to; of articles only what it knows."""
    service = host.facts["update_source"]
    state = {"certificates": host.facts["certificates"], "content": ""}
    if service is not None:
        asked = json.loads(parameters["Articles"])
        known = {article: rings for article, rings in service["approvals"].items() if article in asked}
        declined = [article for article in service["declined"] if article in asked]
        state |= service | {"approvals": known, "declined": declined}
    return Said((json.dumps(state, ensure_ascii=False),), changed=False)


@script("Install-UpdateSource.ps1", "729ce02e0a3c41e81f224f1582fbf5098abe17b1c89ff0b0407234e56c0f8268")
def install_update_source(host: Host, parameters: dict[str, Any]) -> Said:
    """Make the database."""
    if not host.features["UpdateServices-Services"]:
        raise Failed("wsusutil.exe is not there: the feature isn't installed")
    host.facts["update_source"] = json.loads(json.dumps(_NEW)) | {"content": str(parameters["Content"])}
    return Said()


@script("Set-UpdateSource.ps1", "0eae43d32ca3dc9fa9e0e5a73d4f024ce9e21babc5547c9198aff9e7822c0ccc")
def set_update_source(host: Host, parameters: dict[str, Any]) -> Said:
    """Set the service to what is wanted, and synchronise."""
    service, want = _service(host), json.loads(parameters["Wanted"])
    if want["certificate"] not in host.facts["certificates"]:
        raise Failed("AddSslCertificate: a specified logon session does not exist")
    offered = host.facts["upstream"]["products"]
    if unknown := [title for title in want["products"] if title not in offered]:
        raise Failed(f"the upstream offers no products {', '.join(unknown)}")
    same = ("name", "certificate", "languages", "targeting", "upstream", "products", "classifications", "daily_at")
    service |= {key: want[key] for key in same} | {"tls": True, "rules": ["renkei patterns"]}
    service["groups"] += [ring for ring in want["groups"] if ring not in service["groups"]]
    service |= {"automatic": want["automatic"], "automatic_for": want["groups"]}
    for article in host.facts["upstream"]["articles"]:
        service["approvals"].setdefault(article, [])
    return Said()


@script("Set-Approvals.ps1", "f69887db678ffd537b2f5dd261ca781d443d2f54b01dae17c43e8f2398891369")
def set_approvals(host: Host, parameters: dict[str, Any]) -> Said:
    """Approve for rings, take back, decline."""
    service, rings = _service(host), set(json.loads(parameters["Rings"]))
    for article, wanted in json.loads(parameters["Approvals"]).items():
        if article in service["approvals"] and article not in service["declined"]:
            others = [group for group in service["approvals"][article] if group not in rings]
            service["approvals"][article] = [*others, *wanted]
    for article in json.loads(parameters["Declined"]):
        if article in service["approvals"]:
            service["approvals"][article] = []
            service["declined"] = sorted({*service["declined"], article})
    return Said()


def _service(host: Host) -> dict[str, Any]:
    service: dict[str, Any] | None = host.facts["update_source"]
    if service is None:
        raise Failed("Get-WsusServer: the service isn't set up")
    return service
