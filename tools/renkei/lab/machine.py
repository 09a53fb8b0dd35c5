"""What the lab changes on the machine itself, besides podman's containers: bridge addresses and kernel settings."""

import json
import os
import shutil
from ipaddress import IPv4Interface
from pathlib import Path

from renkei.lab.errors import LabError
from renkei.lab.podman import run

#: Gone after a reboot of the machine, just as the settings that it remembers.
RUNTIME = Path("/run/renkei")
_REMEMBERED = RUNTIME / "kernel"
#: Settings of the kernel, the names under which their former values are kept, and the least values that a lab needs:
#: forwarding for the mirror's way out, and for each host the few inotify instances that its systemd needs.
_SETTINGS = {
    Path("/proc/sys/net/ipv4/ip_forward"): ("ip_forward", 1),
    Path("/proc/sys/fs/inotify/max_user_instances"): ("inotify_instances", 8192),
}
_PROGRAMS = ("podman", "runc", "conmon", "nft", "ip", "mmdebstrap", "ssh", "ssh-keygen")


def require_ability() -> None:
    """Check that this machine can carry a lab at all.

    Raises:
        LabError: what is missing, and what to do.
    """
    if os.geteuid() != 0:
        raise LabError("the lab needs root: run it by sudo ./kit")
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        raise LabError(f"missing on this machine: {', '.join(missing)}. Run ./kit env")
    cgroups = Path("/proc/mounts").read_text()
    if "cgroup2 " not in cgroups and "name=systemd" not in cgroups:
        raise LabError(
            "no cgroup hierarchy for systemd is mounted (neither cgroup2 nor name=systemd): the hosts can't boot"
        )


def hold_bridge(bridge: str, address: IPv4Interface) -> None:
    """Give the machine an address on a bridge, and keep the bridge while its hosts restart.

    Podman removes a bridge together with its last container, and the address would go with it; so one end of a
    pair of virtual cables, plugged in nowhere else, stays in it.

    Raises:
        LabError: there is no such bridge.
    """
    if not Path(f"/sys/class/net/{_plug(bridge)}").exists():
        run(["ip", "link", "add", "name", _plug(bridge), "type", "veth", "peer", "name", f"{_plug(bridge)}e"])
    run(["ip", "link", "set", _plug(bridge), "master", bridge, "up"])
    if address not in addresses_of(bridge):
        run(["ip", "address", "add", str(address), "brd", "+", "dev", bridge])


def release_bridge(bridge: str) -> None:
    """Undo `hold_bridge` and remove the bridge that it kept, whether it was called or not.

    Raises:
        LabError: the kernel refuses.
    """
    for link in (_plug(bridge), bridge):
        if Path(f"/sys/class/net/{link}").exists():
            run(["ip", "link", "delete", link])


def _plug(bridge: str) -> str:
    return f"rk-{bridge}"


def addresses_of(bridge: str) -> list[IPv4Interface]:
    """Give the machine's IPv4 addresses on a bridge.

    Raises:
        LabError: there is no such bridge.
    """
    listing = json.loads(run(["ip", "-json", "-4", "address", "show", "dev", bridge]))
    return [
        IPv4Interface(f"{entry['local']}/{entry['prefixlen']}")
        for link in listing
        for entry in link.get("addr_info", [])
    ]


def set_kernel() -> None:
    """Set what the lab needs of the kernel, and remember what it was before."""
    _REMEMBERED.mkdir(mode=0o700, parents=True, exist_ok=True)
    for setting, (name, least) in _SETTINGS.items():
        before = int(setting.read_text())
        if before < least:
            if not (_REMEMBERED / name).exists():
                (_REMEMBERED / name).write_text(f"{before}\n")
            setting.write_text(f"{least}\n")


def restore_kernel() -> None:
    """Set back what the first lab on this machine had changed of the kernel."""
    for setting, (name, _) in _SETTINGS.items():
        if (_REMEMBERED / name).exists():
            setting.write_text((_REMEMBERED / name).read_text())
    shutil.rmtree(_REMEMBERED, ignore_errors=True)
    if RUNTIME.exists() and not any(RUNTIME.iterdir()):
        RUNTIME.rmdir()
