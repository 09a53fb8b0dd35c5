"""Simulated Windows hosts in a thread, and real Ansible that talks to them."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.exchange.certificates import (
    Authority,
    certificate_to_pem,
    issue_authority,
    issue_controller,
    issue_server,
    key_to_pem,
    make_authority_request,
    make_key,
    make_root,
    make_server_request,
)
from renkei.lab.windows.engine import Behaviour
from renkei.lab.windows.host import Host, fresh
from renkei.lab.windows.server import Listener, Server

ROOT = Path(__file__).parents[2]
PORT = 5986
CONTROLLER = "controller@renkei"
PASSWORD = "correct horse battery staple"  # noqa: S105 - of hosts that exist in this test only


@dataclass(frozen=True)
class Bench:
    """A staging bench: hosts by name, the files that a client needs."""

    hosts: dict[str, Host]
    addresses: Mapping[str, str]
    listener: Listener
    folder: Path
    issuing: Authority

    def play(
        self,
        tasks: list[dict[str, Any]],
        *,
        connection: str = "winrm",
        transport: str = "certificate",
        check: bool = False,
        patience: int = 30,
    ) -> "Played":
        """Run tasks on all hosts with real Ansible; `patience` in seconds, for a host that takes its time."""
        inventory = {"all": {"hosts": {name: {"ansible_host": self.addresses[name]} for name in self.hosts}}}
        play = [{"name": "Test", "hosts": "all", "gather_facts": False, "tasks": tasks}]
        (self.folder / "inventory.yml").write_text(json.dumps(inventory))
        (self.folder / "play.json").write_text(json.dumps(play))
        (self.folder / "vars.json").write_text(json.dumps(self._variables(connection, transport, patience)))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.yml", "play.json"]
        command += ["-e", "@vars.json", "--forks", "50", *(["--check"] if check else [])]
        environment = {
            **os.environ,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_HOME": str(self.folder),
            "ANSIBLE_CONFIG": str(ROOT / "ansible" / "ansible.cfg"),
            "ANSIBLE_STRATEGY": "linear",
            "ANSIBLE_INVENTORY_ENABLED": "yaml",
            "NO_PROXY": "*",
        }
        finished = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        start = finished.stdout.find("{")
        assert start >= 0, finished.stdout + finished.stderr
        return Played(json.loads(finished.stdout[start:]), finished.returncode)

    def _variables(self, connection: str, transport: str, patience: int) -> dict[str, Any]:
        own = {"certificate": ("certificate", "certificate"), "ntlm": ("ntlm", "negotiate")}[transport]
        authority, pem, key = (str(self.folder / name) for name in ("root.pem", "client.pem", "client.key"))
        common: dict[str, Any] = {"ansible_connection": connection, "ansible_port": PORT, "ansible_user": "ansible"}
        if transport == "ntlm":
            common["ansible_password"] = PASSWORD
        if connection == "winrm":
            return common | {
                "ansible_winrm_operation_timeout_sec": patience - 10,
                "ansible_winrm_read_timeout_sec": patience,
                "ansible_winrm_scheme": "https",
                "ansible_winrm_transport": own[0],
                "ansible_winrm_ca_trust_path": authority,
                "ansible_winrm_cert_pem": pem,
                "ansible_winrm_cert_key_pem": key,
            }
        return common | {
            "ansible_psrp_protocol": "https",
            "ansible_psrp_auth": own[1],
            "ansible_psrp_ca_cert": authority,
            "ansible_psrp_certificate_pem": pem,
            "ansible_psrp_certificate_key_pem": key,
        }


@dataclass(frozen=True)
class Played:
    """What Ansible reported."""

    report: dict[str, Any]
    code: int

    @property
    def stats(self) -> dict[str, dict[str, int]]:
        """ok, changed, failures, unreachable by host."""
        stats: dict[str, dict[str, int]] = self.report["stats"]
        return stats

    def results(self, host: str) -> list[dict[str, Any]]:
        """Each task's result on a host."""
        return [task["hosts"][host] for task in self.report["plays"][0]["tasks"] if host in task["hosts"]]

    def changed(self) -> int:
        """How many tasks changed something, on all hosts together."""
        return sum(each["changed"] for each in self.stats.values())

    def assert_well(self) -> "Played":
        """Check that every host did everything."""
        messages = [
            result.get("msg", result)
            for task in self.report["plays"][0]["tasks"]
            for result in task["hosts"].values()
            if result.get("failed") or result.get("unreachable")
        ]
        assert messages == []
        assert self.code == 0
        return self


def make_bench(folder: Path, count: int) -> Bench:
    """Make hosts with a listener's certificate, and the controller's, which they map to `ansible`."""
    begin = datetime.now(UTC) - timedelta(hours=1)
    root = make_root("test root", make_key(), begin, 30)
    issuing_key = make_key()
    issuing = Authority(
        issue_authority(make_authority_request(issuing_key, "test issuing"), root, begin, 20), issuing_key
    )
    block = _free_block()
    addresses = {f"term{number:04}": f"127.{block}.{number // 250}.{number % 250 + 1}" for number in range(count)}
    server_key, client_key = make_key(), make_key()
    server = issue_server(
        make_server_request(server_key, "winrm"), ["winrm"], list(addresses.values()), issuing, begin, 10
    )
    client = issue_controller(make_server_request(client_key, CONTROLLER), CONTROLLER, issuing, begin, 10)
    chain = certificate_to_pem(issuing.certificate)
    for name, content in {
        "root.pem": certificate_to_pem(root.certificate),
        "server.pem": certificate_to_pem(server) + chain,
        "server.key": key_to_pem(server_key),
        "client.pem": certificate_to_pem(client) + chain,
        "client.key": key_to_pem(client_key),
    }.items():
        (folder / name).write_text(content)
    listener = Listener(
        certificate=folder / "server.pem",
        key=folder / "server.key",
        client_authority=folder / "root.pem",
        passwords={"ansible": PASSWORD},
    )
    return Bench({name: fresh(name) for name in addresses}, addresses, listener, folder, issuing)


def _free_block() -> int:
    """Find a part of loopback that no other process on this machine serves hosts on."""
    for number in range(os.getpid(), os.getpid() + 250):
        block = number % 250 + 1
        with socket.socket() as probe:
            try:
                probe.bind((f"127.{block}.0.1", PORT))
            except OSError:
                continue
            return block
    raise RuntimeError("every part of loopback serves hosts already")


def serve(bench: Bench) -> Iterator[Bench]:
    """Serve the bench's hosts from a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    hosts = {bench.addresses[name]: host for name, host in bench.hosts.items()}
    server = Server(hosts, bench.listener, port=PORT, behaviour=Behaviour(reboot_seconds=1.0))
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(30)
    try:
        yield bench
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from serve(make_bench(tmp_path, 2))
