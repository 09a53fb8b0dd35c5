"""The state of one simulated Windows host: what modules change, what can be saved, compared and shown.

Names of files, registry keys, users and services don't distinguish case on Windows: they are kept under their
lower-case form, along with how they were written.
"""

import copy
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

SYSTEM_DRIVE = "C:"
BOOT = 133_500_000_000_000_000
"""LastBootUpTime of a fresh host, in FILETIME units of 100 ns."""

_STATE = (
    *("registry", "files", "folders", "services", "users", "groups", "rights", "audit", "security", "firewall"),
    *("rules", "tasks", "features", "packages", "acls", "updates", "installed", "facts"),
)


class Ran(NamedTuple):
    """What a program left: its exit code, what it printed."""

    code: int
    output: str
    error: str


Program = Callable[["Host", Sequence[str]], Ran]
"""What stands in for a program on a host; it gets the words of the command line, the program's path first."""


@dataclass(slots=True)
class Host:
    """One host.

    Attributes:
        name: computer name.
        registry: key (lower case) → value name (lower case) → [name, type, data].
        files: path (lower case) → content.
        folders: paths (lower case).
        services, users, groups, packages, tasks, rules, features: by lower-case name → attributes.
        rights: user right (SeServiceLogonRight …) → account names.
        audit: subcategory → success, failure, success and failure, none.
        security: section → key → value, as a security template has them.
        firewall: profile (domain, private, public) → on; `public inbound` … → what it does with what no rule names.
        acls: path (lower case) → access control entries.
        updates: what Windows Update offers; installed: ids of those that are.
        programs: path (lower case) → what stands in for the program that lies there.
        facts: what `setup` says beyond what the state tells.
        counts: how often each module ran and each thing was asked.
        secrets: what never leaves the host, as private keys; no part of its state.
        later: what happens at a moment (of the monotonic clock), such as the end of a maintenance window.
    """

    name: str
    registry: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    rights: dict[str, list[str]] = field(default_factory=dict)
    audit: dict[str, str] = field(default_factory=dict)
    security: dict[str, dict[str, str]] = field(default_factory=dict)
    firewall: dict[str, bool | str] = field(default_factory=dict)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    features: dict[str, bool] = field(default_factory=dict)
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    acls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    installed: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    boot_time: int = BOOT
    reboot_pending: bool = False
    down_until: float = 0.0
    jobs: dict[str, Any] = field(default_factory=dict)
    update_events: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    later: list[tuple[float, Callable[["Host"], None]]] = field(default_factory=list)

    def tick(self) -> None:
        """Let happen what is due."""
        now = time.monotonic()
        due, self.later = (
            [each for each in self.later if each[0] <= now],
            [each for each in self.later if each[0] > now],
        )
        for _, happen in due:
            happen(self)

    def groups_of(self, user: str) -> list[str]:
        """Return the names of the groups that an account is in."""
        return [group["name"] for group in self.groups.values() if user.lower() in map(str.lower, group["members"])]

    def state(self) -> dict[str, Any]:
        """Return what the host is, as JSON values; two hosts with the same state are set up alike."""
        found: dict[str, Any] = {name: copy.deepcopy(getattr(self, name)) for name in _STATE}
        found["files"] = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(self.files.items())}
        found["folders"] = sorted(self.folders)
        return {"name": self.name, **found}

    def save(self, file: Path) -> None:
        """Write the state as JSON; of files their digests."""
        file.write_text(json.dumps(self.state(), ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def differences(before: Mapping[str, Any], after: Mapping[str, Any], where: str = "") -> list[str]:
    """Return what differs between two states, a line a leaf: `where: before → after`."""
    lines = []
    for key in sorted({*before, *after}, key=str):
        old, new = before.get(key), after.get(key)
        place = f"{where}/{key}" if where else str(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines += differences(old, new, place)
        elif old != new:
            lines.append(f"{place}: {_shown(old)} → {_shown(new)}")
    return lines


def fresh(name: str, serial: str = "") -> Host:
    """Return a host as it is after Setup: the services, accounts, features and settings that a playbook meets."""
    host = Host(name)
    host.folders |= {
        *("c:", r"c:\windows", r"c:\windows\temp", r"c:\users", r"c:\users\ansible", r"c:\program files"),
        *(r"c:\programdata", r"c:\users\ansible\appdata\local\temp"),
    }
    for service, display, mode in _SERVICES:
        host.services[service.lower()] = _service(service, display, mode)
    for user, about in _USERS.items():
        host.users[user.lower()] = {"name": user, **about}
    for group in ("Administrators", "Users", "Guests", "Remote Management Users", "Performance Log Users"):
        host.groups[group.lower()] = {"name": group, "description": "", "members": []}
    host.groups["administrators"]["members"] = ["Administrator", "ansible"]
    host.rights = {right: list(members) for right, members in _RIGHTS.items()}
    host.security = {
        "System Access": {"MinimumPasswordLength": "0", "PasswordComplexity": "0", "LockoutBadCount": "0"},
        "Event Audit": {},
        "Registry Values": {},
        "Privilege Rights": {},
    }
    host.firewall = {"domain": True, "private": True, "public": True}
    host.features = dict.fromkeys(
        ("SMB1Protocol", "MicrosoftWindowsPowerShellV2Root", "MicrosoftWindowsPowerShellV2", "TelnetClient"),
        False,
    )
    host.registry = {
        r"hklm\software\microsoft\windows nt\currentversion": {
            "editionid": ["EditionID", "string", "IoTEnterpriseS"],
            "currentbuild": ["CurrentBuild", "string", "26100"],
            "ubr": ["UBR", "dword", 1742],
        },
        # what the first boot from the kit's media opens, for the staging bench
        r"hklm\software\microsoft\windows\currentversion\policies\system": {
            "localaccounttokenfilterpolicy": ["LocalAccountTokenFilterPolicy", "dword", 1]
        },
    }
    host.rules = {name.lower(): _rule(name, *about) for name, about in _RULES.items()}
    host.facts = {
        "serial": serial or f"SIM{name.upper()}",
        "time_zone": "UTC",
        "culture": "en-US",
        "location": "244",
        "secure_boot": True,
        "tpm_ready": True,
        "disk_protection": "off",
        "recovery": "",
        "applocker": "",
        "real_time": True,
        "pattern_hours": 2,
        "wireless": [],
        "listener": None,
        "listener_bound": "",
        "mapped": {"controller@renkei": "ansible"},
        "searched": None,
        "roots": [],
    }
    return host


_SERVICES = (
    ("wuauserv", "Windows Update", "manual"),
    ("W32Time", "Windows Time", "manual"),
    ("WinRM", "Windows Remote Management (WS-Management)", "auto"),
    ("mpssvc", "Windows Defender Firewall", "auto"),
    ("WinDefend", "Microsoft Defender Antivirus Service", "auto"),
    ("LanmanServer", "Server", "auto"),
    ("WlanSvc", "WLAN AutoConfig", "manual"),
    ("bthserv", "Bluetooth Support Service", "manual"),
    ("RemoteRegistry", "Remote Registry", "disabled"),
    ("Spooler", "Print Spooler", "auto"),
    ("AppIDSvc", "Application Identity", "manual"),
    ("TermService", "Remote Desktop Services", "manual"),
    ("SessionEnv", "Remote Desktop Configuration", "manual"),
    ("SSDPSRV", "SSDP Discovery", "manual"),
    ("RemoteAccess", "Routing and Remote Access", "disabled"),
)
_RIGHTS = {
    "SeServiceLogonRight": ("S-1-5-80-0",),
    "SeNetworkLogonRight": ("S-1-1-0", "S-1-5-32-544", "S-1-5-32-545", "S-1-5-32-551"),
    "SeDenyNetworkLogonRight": ("Guest",),
    "SeDenyInteractiveLogonRight": ("Guest",),
    "SeInteractiveLogonRight": ("Guest", "S-1-5-32-544", "S-1-5-32-545", "S-1-5-32-551"),
    "SeBackupPrivilege": ("S-1-5-32-544", "S-1-5-32-551"),
    "SeShutdownPrivilege": ("S-1-5-32-544", "S-1-5-32-545", "S-1-5-32-551"),
}
_RULES = {
    "CoreNet-DHCP-Out": ("out", "udp", "67"),
    "CoreNet-DNS-Out-UDP": ("out", "udp", "53"),
    "FPS-SMB-In-TCP": ("in", "tcp", "445"),
    "RemoteAssistance-In-TCP": ("in", "tcp", "3389"),
    "renkei-staging": ("in", "tcp", "5986"),
}
_USERS: dict[str, dict[str, Any]] = {
    "Administrator": {"disabled": True, "description": "Built-in account"},
    "Guest": {"disabled": True, "description": "Built-in account for guest access"},
    "ansible": {"disabled": False, "description": "Provisioning"},
}


def _service(name: str, display: str, mode: str) -> dict[str, Any]:
    return {
        "name": name,
        "display_name": display,
        "start_mode": mode,
        "state": "running" if mode == "auto" else "stopped",
        "path": rf"C:\Windows\system32\svchost.exe -k {name}",
        "username": "LocalSystem",
        "description": "",
        "dependencies": [],
        "failure_actions": [],
    }


def _rule(name: str, direction: str, protocol: str, port: str) -> dict[str, Any]:
    ports = {"localport" if direction == "in" else "remoteport": port}
    return {"name": name, "direction": direction, "action": "allow", "protocol": protocol, "enabled": True, **ports}


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}…"  # noqa: PLR2004 - a line of a terminal
