"""What a patched host says of itself (build, updates, whether its agent exchanges), and what a bad update does to it.

An update in `host.updates` may say `build`, the revision (UBR) that Windows has after it, and `breaks`, what it does to
this host: NOT_BACK from the restart, SAME_BUILD although it counts as installed, or NO_EXCHANGE. What was installed
counts once the host was booted again.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from renkei.lab.windows.host import Host
from renkei.lab.windows.modules.model import Call, Failed, Result, model
from renkei.lab.windows.modules.powershell import Said, script

NOT_BACK: Final = "not back"
SAME_BUILD: Final = "same build"
NO_EXCHANGE: Final = "no exchange"
_VERSION: Final = r"hklm\software\microsoft\windows nt\currentversion"
_FREE: Final = 60 * 1024**3


def stays_down(host: Host) -> bool:
    """Whether a host doesn't come back from the restart that it begins now."""
    return any(update.get("breaks") == NOT_BACK for update in _installed(host))


@script("Get-UpdateState.ps1", "8a11031077c266787c60ae843f879d8279dbf92179799381e92f0913750d781b")
def get_update_state(host: Host, _parameters: dict[str, Any]) -> Said:
    """Say what this Windows has."""
    version = host.registry[_VERSION]
    held = [] if host.reboot_pending else list(_installed(host))
    revisions = [int(each["build"]) for each in held if "build" in each and each.get("breaks") != SAME_BUILD]
    state = {
        "build": f"{version['currentbuild'][2]}.{max([int(version['ubr'][2]), *revisions])}",
        "installed": sorted({kb for each in held for kb in each["kb"]}),
        "free_bytes": host.facts.get("free_bytes", _FREE),
        "on_mains": host.facts.get("on_mains", True),
        "restart_pending": host.reboot_pending,
        "boot": str(host.boot_time),
        "patterns": None,
    }
    return Said((json.dumps(state),), changed=False)


@script("Test-Exchange.ps1", "50515fcc7ac3b6802557b03d3de02e268a364b210bd5e6ebd0f68ab2b176152b")
def try_exchange(host: Host, _parameters: dict[str, Any]) -> Said:
    """Say whether the agent exchanges: it does unless an update broke that, or the fact `exchanges` is false."""
    broken = any(update.get("breaks") == NO_EXCHANGE for update in _installed(host))
    exchanged = bool(host.facts.get("exchanges", True)) and not broken
    problem = "" if exchanged else "no exchange works: the hub can't be reached"
    return Said((json.dumps({"exchanged": exchanged, "problem": problem}),), changed=False)


@model("ansible.windows.win_hotfix")
def win_hotfix(host: Host, call: Call) -> Result:
    """Remove an update; it is gone once the host was booted again."""
    kb = call.text("hotfix_kb")
    if call["state"] != "absent" or not kb:
        raise Failed("the simulated host removes updates by their number, and installs none by this module")
    found = [update["id"] for update in _installed(host) if kb in update["kb"]]
    if found and not call.check_mode:
        host.installed = [each for each in host.installed if each not in found]
        host.reboot_pending = True
    return {"changed": bool(found), "reboot_required": bool(found), "kb": kb, "identifier": kb}


def _installed(host: Host) -> Iterator[dict[str, Any]]:
    return (update for update in host.updates if update["id"] in host.installed)
