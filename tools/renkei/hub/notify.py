"""The word to systemd that the hub serves: sd_notify(3) without its library."""

import os
import socket


def notify(*lines: str) -> None:
    """Tell systemd, where there is one; a line is for example READY=1."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall("\n".join(lines).encode())
