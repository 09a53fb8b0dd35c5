"""What the benches of the exchange stand on: a fleet's keys and entries, a real hub, the gateway role's own nginx.

    with Ground(folder, ["131041", "011011"]) as ground:
        ground.gateway.port, ground.hub(), ground.members["131041"]

Everything lies in one folder below build/bench and is gone with it. Bounds that would slow a day down which is pressed
into a minute (requests a second) are raised; everything else is as in production.
"""

import asyncio
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from faults.gateway import Gateway
from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, VerifiedParty, bind
from renkei.exchange.certificates import (
    Authority,
    certificate_to_pem,
    issue_authority,
    issue_client,
    issue_server,
    key_to_pem,
    make_authority_request,
    make_key,
    make_request,
    make_root,
    make_server_request,
)
from renkei.exchange.documents import Signer
from renkei.exchange.parties import Party
from renkei.hub.identity import make_keys, verified_binding
from renkei.store.hub.contract import Binding
from renkei.store.hub.sqlite import SqliteHubStore

PROGRAMS = Path(sys.executable).parent
_SETTINGS = """\
state = "{folder}/hub"
run = "{folder}/run"
root = "{folder}/root.pem"
[limits]
requests_per_second = 100000
burst = 100000
ministry_requests_per_second = 100000
ministry_burst = 100000
unreceipted_per_stream = 100000
quota_mib = 4096
"""
_GATEWAY = {"gateway_requests_per_second": 100_000, "gateway_connections_per_certificate": 64}


@dataclass(frozen=True, slots=True)
class Member:
    """A party of the fleet: keys, entry, and the files by which it connects."""

    party: Party
    signer: Signer
    receiving: ec.EllipticCurvePrivateKey
    entry: DirectoryEntry
    verified: VerifiedParty
    chain: Path
    key: Path


class Ground:
    """A hub behind its gateway, and a fleet that it knows.

    Args:
        folder: an empty one.
        parties: codes of endpoints; the ministry is always there.
    """

    def __init__(self, folder: Path, parties: Iterable[str]) -> None:
        self.folder = folder
        self.codes = [*parties]
        for name in ("run", "hub", "keys"):
            (folder / name).mkdir()
        self._begin = datetime.now(UTC) - timedelta(minutes=2)
        self._root = make_root("bench root", make_key(), self._begin, 3650)
        key = make_key()
        certificate = issue_authority(make_authority_request(key, "bench issuing"), self._root, self._begin, 1500)
        self._issuing = Authority(certificate, key)
        self.anchor_file = folder / "root.pem"
        self.anchor_file.write_text(certificate_to_pem(self._root.certificate))
        self.anchor = TrustAnchor(self.anchor_file.read_text())
        self.members = {name: self._enrol(name) for name in ("ministry", *self.codes)}
        self.settings = folder / "hub.toml"
        self.settings.write_text(_SETTINGS.format(folder=folder))
        self._own = self._hub_entry()
        self.fill(folder / "hub" / "hub.db")

    def __enter__(self) -> Self:
        """Start hub and gateway."""
        with (self.folder / "hub.log").open("wb") as log:
            self._hub = subprocess.Popen([PROGRAMS / "renkei-hub", "serve", "--config", self.settings], stderr=log)
        self._wait_for(self.folder / "run" / "hub.sock")
        self._chain, self._key = self._server()
        self.gateway = self.another_gateway(self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both."""
        self.gateway.close()
        self._hub.terminate()
        self._hub.wait(30)

    def another_gateway(self, folder: Path, changes: dict[str, str] | None = None) -> Gateway:
        """Start a gateway with the same certificate, with other words in its configuration."""
        sockets = self.folder / "run"
        return Gateway(folder, sockets, self.anchor_file, self._chain, self._key, changes, **_GATEWAY)

    def context(self, name: str) -> ssl.SSLContext:
        """Return what a party connects with: TLS 1.3, its certificate, the root and no other."""
        member = self.members[name]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self.anchor_file)
        context.load_cert_chain(member.chain, member.key)
        return context

    def hub(self) -> list[psutil.Process]:
        """Return the hub's process."""
        return [psutil.Process(self._hub.pid)]

    def nginx(self) -> list[psutil.Process]:
        """Return the gateway's processes."""
        return family(self.gateway.pid)

    def _enrol(self, name: str) -> Member:
        key, receiving = make_key(), make_key()
        party = Party(name)
        certificate = issue_client(make_request(key, party, "T"), party, "T", self._issuing, self._begin, 300)
        end = certificate.not_valid_after_utc
        entry = bind(certificate, _point(receiving), 1, self._issuing, self._begin, end)
        files = self.folder / "keys" / f"{name}.pem", self.folder / "keys" / f"{name}.key"
        files[0].write_text(entry.certificate + entry.issuer)
        files[1].write_text(key_to_pem(key))
        verified = self.anchor.verify_entry(entry, datetime.now(UTC))
        return Member(party, Signer(key), receiving, entry, verified, *files)

    def fill(self, database: Path) -> None:
        """Make a store that knows every party."""
        asyncio.run(self._fill(database))

    async def _fill(self, database: Path) -> None:
        store = SqliteHubStore(database)
        try:
            now = int(time.time())
            entries = [self._own, *(member.entry for member in self.members.values())]
            await asyncio.gather(*(store.add_binding(self._binding(entry), "authority", now) for entry in entries))
        finally:
            store.close()

    def _hub_entry(self) -> DirectoryEntry:
        keys = make_keys(self.folder / "hub" / "keys")
        request = make_request(keys.signing, Party("hub"), "asp-hub")
        certificate = issue_client(request, Party("hub"), "asp-hub", self._issuing, self._begin, 300)
        return bind(certificate, keys.receiving_point, 1, self._issuing, self._begin, certificate.not_valid_after_utc)

    def _binding(self, entry: DirectoryEntry) -> Binding:
        return verified_binding(self.anchor, entry, datetime.now(UTC))[0]

    def _server(self) -> tuple[Path, Path]:
        key = make_key()
        request = make_server_request(key, "localhost")
        certificate = issue_server(request, ["localhost"], ["127.0.0.1"], self._issuing, self._begin, 30)
        chain, key_file = self.folder / "gateway.pem", self.folder / "gateway.key"
        chain.write_text(certificate_to_pem(certificate) + certificate_to_pem(self._issuing.certificate))
        key_file.write_text(key_to_pem(key))
        return chain, key_file

    def _wait_for(self, socket: Path) -> None:
        deadline = time.monotonic() + 20
        while not socket.exists():
            if self._hub.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the hub didn't start; hub.log says why")
            time.sleep(0.02)


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Return the processor seconds that running processes have used so far."""
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def peak_mib(processes: Sequence[psutil.Process]) -> float:
    """Return the most memory that running processes ever had in main memory, each at its own worst moment."""
    total = 0
    for process in processes:
        status = Path(f"/proc/{process.pid}/status").read_text()
        total += int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    return total / 1024


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
