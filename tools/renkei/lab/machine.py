"""What the lab changes on the machine itself, besides what podman does: cables to its bridges, kernel settings."""

import os
import shutil
from ipaddress import IPv4Interface
from pathlib import Path

from renkei.lab.errors import LabError
from renkei.lab.plan import FUSE
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
    if not Path(FUSE).exists():
        raise LabError(f"{FUSE} isn't there: terminals can't mount their registers' shares. Try: modprobe fuse")
    cgroups = Path("/proc/mounts").read_text()
    if "cgroup2 " not in cgroups and "name=systemd" not in cgroups:
        raise LabError(
            "no cgroup hierarchy for systemd is mounted (neither cgroup2 nor name=systemd): the hosts can't boot"
        )


def cable(bridge: str) -> tuple[str, str]:
    """Name the two ends of the cable from the machine to one of its bridges: the machine's and the bridge's."""
    return f"rk-{bridge}", f"rk-{bridge}p"


def plug_in(bridge: str, address: IPv4Interface) -> None:
    """Give the machine a place on a network: a cable of its own to the bridge, with an address on its end.

    The address isn't the bridge's own, for podman removes a bridge together with the last container on it, and with
    each container that starts it forbids the bridges of internal networks to forward.

    Raises:
        LabError: there is no such bridge.
    """
    end, plug = cable(bridge)
    if not Path(f"/sys/class/net/{end}").exists():
        run(["ip", "link", "add", "name", end, "type", "veth", "peer", "name", plug])
    # Else the bridge would answer ARP for the address beside it.
    Path(f"/proc/sys/net/ipv4/conf/{bridge}/arp_ignore").write_text("1\n")
    run(["ip", "link", "set", plug, "master", bridge, "up"])
    run(["ip", "link", "set", end, "up"])
    run(["ip", "address", "replace", str(address), "brd", "+", "dev", end])


def unplug(bridge: str) -> None:
    """Undo `plug_in` and remove the bridge that the cable kept, whether they are there or not.

    Raises:
        LabError: the kernel refuses.
    """
    for link in (cable(bridge)[0], bridge):
        if Path(f"/sys/class/net/{link}").exists():
            run(["ip", "link", "delete", link])


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
