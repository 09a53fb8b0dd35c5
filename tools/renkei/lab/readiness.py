"""Tells when a host has booted so far that Ansible can work on it."""

import os
import socket
import time
from ipaddress import IPv4Address
from pathlib import Path

_PAUSE = 0.1
_LONGEST_ANSWER = 1.0


def wait_until_ready(address: IPv4Address, root: Path, *, seconds: float) -> bool:
    """Wait until the host's sshd answers and lets people in; False if it doesn't within `seconds`.

    Args:
        address: where the controller reaches it.
        root: where the host's file system can be read.
        seconds: at most so long.
    """
    deadline = time.monotonic() + seconds
    while not is_ready(address, root):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def is_ready(address: IPv4Address, root: Path) -> bool:
    """Tell whether the host's sshd answers and the boot is over, as far as logging in goes (pam_nologin)."""
    if os.path.lexists(root / "run/nologin") or not (root / "run/systemd/system").exists():
        return False
    try:
        with socket.create_connection((str(address), 22), timeout=_LONGEST_ANSWER) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
