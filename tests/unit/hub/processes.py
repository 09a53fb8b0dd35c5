"""A hub as a process of its own, in a folder, and what speaks to it."""

import os
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from renkei.cli.hub import app
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, bind
from renkei.exchange.certificates import issue_client
from renkei.exchange.enrolment import EnrolmentFields
from renkei.hub.identity import verified_binding
from renkei.hub.settings import read_settings
from renkei.hub.setup import with_store
from renkei.store.hub.store import SqlHubStore
from unit.lines import NO_CAS

PROGRAM = Path(sys.executable).with_name("renkei-hub")


class Place:
    """A hub's folders and settings, and its command line."""

    def __init__(self, folder: Path, pki: Any) -> None:
        self.folder = folder
        self.pki = pki
        self.config = folder / "hub.toml"
        self.config.write_text(f'state = "{folder}"\nrun = "{folder}"\nroot = "{folder}/root.pem"\n', "utf-8")
        (folder / "root.pem").write_text(pki.root_pem, "ascii")

    def run(self, *arguments: str) -> Any:
        return CliRunner().invoke(app, [*arguments, "--config", str(self.config)])

    def file(self, name: str, entry: DirectoryEntry) -> str:
        path = self.folder / name
        path.write_bytes(entry.to_json())
        return str(path)

    def issue(self, begin: Any, endpoint: str = "hub", terminal: str = "asp-hub") -> DirectoryEntry:
        """What the authority answers to `renkei-hub init`."""
        asked = EnrolmentFields.model_validate_json(self.run("init", "--terminal", terminal).output)
        assert asked.endpoint == endpoint
        certificate = issue_client(asked.csr, asked.endpoint, asked.terminal, self.pki.issuing, begin)
        return bind(certificate, asked.receiving_key, 1, self.pki.issuing, begin, begin + timedelta(days=398))

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """A hub that has said it is ready."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            address = f"\0renkei-test-{os.getpid()}-{id(self)}"
            ready.bind(address)
            ready.settimeout(20)
            environment = os.environ | {"NOTIFY_SOCKET": "@" + address[1:]}
            process = subprocess.Popen(
                [PROGRAM, "serve", "--config", self.config], env=environment, stderr=subprocess.DEVNULL
            )
            try:
                assert ready.recv(1000).startswith(b"READY=1")
                yield process
            finally:
                process.kill()
                process.wait(10)

    def client(self, name: str = "hub.sock", headers: dict[str, str] | None = None) -> httpx.Client:
        transport = httpx.HTTPTransport(verify=NO_CAS, uds=str(self.folder / name))
        return httpx.Client(transport=transport, base_url="http://hub", headers=headers, timeout=20)


def add_bindings(place: Place, machines: Iterable[Any], now: datetime) -> None:
    """Put bindings where the authority's PUT /v1/bindings would."""
    anchor = TrustAnchor(place.pki.root_pem)

    async def add(store: SqlHubStore) -> None:
        for machine in machines:
            binding, _ = verified_binding(anchor, machine.entry, now)
            await store.add_binding(binding, "authority", int(now.timestamp()))

    with_store(read_settings(place.config), add)


def content_digest(digest: str) -> dict[str, str]:
    return {"Content-Digest": f"sha-256=:{b64encode(bytes.fromhex(digest)).decode()}:"}
