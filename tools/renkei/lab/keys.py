"""The controller's ssh: its key, the hosts' keys as read from the hosts themselves, and what Ansible needs of both."""

import hashlib
import os
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from renkei.lab.errors import LabError
from renkei.lab.machine import RUNTIME
from renkei.lab.plan import LabPlan
from renkei.lab.podman import run

_MOST_BYTES_OF_A_KEY = 4096
_CONFIG = """\
# Written by renkei lab up. For example: ssh -F {config} {example}
Host *
  User provisioner
  IdentityFile "{key}"
  IdentitiesOnly yes
  UserKnownHostsFile "{known_hosts}"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  HashKnownHosts no
  PreferredAuthentications publickey
  ConnectTimeout 10
  ServerAliveInterval 5
  ServerAliveCountMax 3
  ControlMaster auto
  ControlPersist 60s
  ControlPath {sockets}/%C
"""


class ControllerKeys:
    """The folder build/<fleet>/ssh of a lab: `id_ed25519`, `known_hosts` and `config`."""

    def __init__(self, checkout: Path, fleet: str) -> None:
        self.folder = checkout / "build" / fleet / "ssh"
        self.config = self.folder / "config"
        self._key = self.folder / "id_ed25519"
        self._known_hosts = self.folder / "known_hosts"
        # Unix socket paths are limited to 108 bytes, so they can't lie in the checkout.
        self._sockets = RUNTIME / hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:8]

    def public_key(self) -> str:
        """Give the controller's public key; the pair is made at the first call.

        Raises:
            LabError: ssh-keygen failed.
        """
        if not self._key.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "renkei-controller", "-f", str(self._key)])
        return self._key.with_suffix(".pub").read_text().strip()

    def write(self, plan: LabPlan, roots: Mapping[str, Path]) -> None:
        """Write known_hosts and the ssh configuration.

        Args:
            plan: the lab.
            roots: for each host's name the folder where its root file system can be read.

        Raises:
            LabError: a host has no key yet.
        """
        RUNTIME.mkdir(mode=0o700, exist_ok=True)
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        lines = [f"{host.address},{host.name} {host_key(host.name, roots[host.name])}\n" for host in plan.hosts]
        self._known_hosts.write_text("".join(lines))
        text = _CONFIG.format(
            config=self.config,
            example=plan.hosts[0].name,
            key=self._key,
            known_hosts=self._known_hosts,
            sockets=self._sockets,
        )
        text += "".join(f"Host {host.name}\n  HostName {host.address}\n" for host in plan.hosts)
        self.config.write_text(text)

    def hang_up(self) -> None:
        """End connections that ssh keeps open for reuse: the hosts behind them may be others now."""
        if self._sockets.exists():
            for socket in self._sockets.iterdir():
                with suppress(LabError):  # nobody listens there any more
                    run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "-"], timeout=10)
                socket.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the keys and everything else of this class."""
        self.hang_up()
        shutil.rmtree(self._sockets, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ansible_environment(self, checkout: Path) -> dict[str, str]:
        """Give the variables by which Ansible reaches the hosts, with their keys checked."""
        return {
            "ANSIBLE_CONFIG": str(checkout / "ansible" / "ansible.cfg"),
            "ANSIBLE_REMOTE_USER": "provisioner",
            "ANSIBLE_PRIVATE_KEY_FILE": str(self._key),
            "ANSIBLE_HOST_KEY_CHECKING": "True",
            "ANSIBLE_SSH_ARGS": f"-F {shlex.quote(str(self.config))}",
        }


def host_key(name: str, root: Path) -> str:
    """Read a host's public key from its own file system, not over the network, where somebody else could answer.

    Raises:
        LabError: it has none yet, or something that isn't a key.
    """
    path = root / "etc/ssh/ssh_host_ed25519_key.pub"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as missing:
        raise LabError(
            f"{name}: has no ssh host key ({missing.strerror}); see renkei lab shell {name} -- journalctl -b"
        ) from missing
    with os.fdopen(descriptor) as file:
        words = file.read(_MOST_BYTES_OF_A_KEY).split()
    if len(words) < 2 or words[0] != "ssh-ed25519":  # noqa: PLR2004 - kind and key; the comment may be missing
        raise LabError(f"{name}: {path.name} holds no ed25519 key")
    return f"{words[0]} {words[1]}"
