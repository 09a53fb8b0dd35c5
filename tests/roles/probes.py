"""How the verifications of the programs' roles look at their effects: playbooks, sandboxes, clients of the gateway."""

import json
import os
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from testinfra.host import Host

from renkei.exchange.certificates import (
    Authority,
    certificate_from_pem,
    certificate_to_pem,
    issue_authority,
    issue_client,
    key_from_pem,
    key_to_pem,
    make_authority_request,
    make_key,
    make_request,
    make_root,
)
from renkei.exchange.parties import Party
from roles.environment import FLEET, ROLE_TESTS, ROOT

CERTIFICATES_ROOT = ROOT / "build" / "roles" / "root-ca"

#: Puts one request to a listener and prints what came of it: {"refused": why} or {"status": …, "body": …}.
_ASK = """
import http.client, json, ssl, sys
asked = json.load(sys.stdin)
context = ssl.create_default_context(cafile=asked["root"])
if asked["oldest"]:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
if asked["chain"]:
    open("/run/probe.pem", "w").write(asked["chain"])
    context.load_cert_chain("/run/probe.pem")
context.check_hostname = asked["check"]
line = http.client.HTTPSConnection(asked["name"], asked["port"], context=context, timeout=10)
try:
    line.request(asked["method"], asked["path"], b"x" * asked["size"] or None, asked["headers"])
    answer = line.getresponse()
    print(json.dumps({"status": answer.status, "body": answer.read(65536).decode()}))
except (OSError, http.client.HTTPException) as refusal:
    print(json.dumps({"refused": str(refusal) or type(refusal).__name__}))
"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client's certificate with its issuers and its key, in one PEM."""

    pem: str
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Door:
    """One of the gateway's listeners, as a host finds it."""

    host: Host
    name: str
    port: int

    def ask(self, method: str = "GET", path: str = "/v1/hub", **other: Any) -> dict[str, Any]:
        """Put one request; `refused` says why there was no answer, otherwise there are `status` and `body`."""
        asked = {"method": method, "path": path, "name": self.name, "port": self.port, "check": True}
        asked |= {"root": "/etc/renkei/pki/root.pem", "oldest": False, "chain": "", "size": 0, "headers": {}, **other}
        told: dict[str, Any] = json.loads(given(self.host, json.dumps(asked), "python3 -c %s", _ASK))
        return told


def given(host: Host, stdin: str, command: str, *arguments: str) -> str:
    """Run a command on a host with this standard input; return its output."""
    encoded = b64encode(stdin.encode()).decode()
    return str(host.check_output(f"printf %s %s | base64 --decode | {command}", "%s", encoded, *arguments))


def issuing_authority(linkage: Host) -> Authority:
    """Take the fleet's issuing CA from where it is, to issue what it never would."""
    folder = "/var/lib/renkei-authority/issuing"
    certificate, key = (linkage.file(f"{folder}/issuing.{kind}").content_string for kind in ("pem", "key"))
    return Authority(certificate_from_pem(certificate), key_from_pem(key))


def foreign_authority(at: datetime) -> Authority:
    """Make an issuing CA like ours under another root."""
    root = make_root("another root", make_key(), at, 365)
    key = make_key()
    return Authority(issue_authority(make_authority_request(key, "another issuing"), root, at, 365), key)


def foreign_credentials(party: str, terminal: str, at: datetime) -> Credentials:
    """Make credentials that are right in all but one: another root vouches for them."""
    return client_credentials(foreign_authority(at), party, terminal, at, 30)


def client_credentials(issuing: Authority, party: str, terminal: str, at: datetime, days: int) -> Credentials:
    """Issue credentials that begin at a time and are good for so many days."""
    key = make_key()
    request = make_request(key, Party(party), terminal)
    certificate = issue_client(request, Party(party), terminal, issuing, at, days)
    chain = certificate_to_pem(certificate) + certificate_to_pem(issuing.certificate)
    return Credentials(chain + key_to_pem(key), certificate)


def sandboxed(host: Host, service: str, script: str) -> str:
    """Run a shell script in place of a service's program, in the very same sandbox; return what it printed."""
    unit = host.check_output("systemctl cat --no-pager %s", f"{service}.service")
    dropped = ("ExecStart=", "Type=", "Restart", "RuntimeDirectory", "StateDirectory=", "WantedBy=", "[Install]")
    lines = [line for line in unit.splitlines() if not line.startswith(dropped)]
    service_at = lines.index("[Service]") + 1
    lines[service_at:service_at] = [
        "Type=oneshot",
        "ExecStart=/bin/sh /run/probe.sh",
        "StandardOutput=truncate:/run/probe.out",
    ]
    lines[service_at:service_at] = [line for line in unit.splitlines() if line.startswith("StateDirectory=")]
    given(host, script, "tee /run/probe.sh >/dev/null")
    given(host, "\n".join(lines) + "\n", "tee /run/systemd/system/probe.service >/dev/null")
    host.check_output("systemctl daemon-reload && systemctl start probe")
    return str(host.file("/run/probe.out").content_string)


def writable(host: Host, service: str, own: str = "") -> set[str]:
    """Let a service's sandbox try to write in folders that aren't its own, and in one that is; name where it could."""
    folders = f"/ /etc /etc/renkei /home /opt/renkei /root /srv /usr/local/bin /var/lib /var/log /var/spool {own}"
    attempt = "touch $folder/probe 2>/dev/null && rm $folder/probe && echo $folder"
    return set(sandboxed(host, service, f"for folder in {folders}; do {attempt}; done; true").split())


def reached(host: Host, service: str, address: str, port: int) -> str:
    """Let a service's sandbox open a TCP connection; `open`, or the kernel's reason against it."""
    connect = f"""
import socket
try:
    socket.create_connection(("{address}", {port}), 3).close()
    print("open")
except OSError as refusal:
    print(refusal.strerror or refusal)
"""
    return sandboxed(host, service, f"python3 - <<'END'\n{connect}END\n").strip()


def play(playbook: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook on the scenarios' hosts."""
    fleet = str(FLEET / "fleet.yml")
    variables = ["--extra-vars", f"certificates_root_dir={CERTIFICATES_ROOT}"]
    return subprocess.run(
        ["ansible-playbook", "--inventory", fleet, str(playbook), *variables, *arguments],
        cwd=ROLE_TESTS,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible" / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
