"""A hub with real keys, certificates and documents; parties that speak to it as the gateway would let them."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from httpx import ASGITransport, AsyncClient, Response

from renkei.exchange.bindings import DirectoryEntry, TrustAnchor, bind
from renkei.exchange.certificates import (
    Authority,
    certificate_from_pem,
    certificate_to_pem,
    fingerprint,
    issue_authority,
    issue_client,
    make_authority_request,
    make_key,
    make_request,
    make_root,
)
from renkei.exchange.documents import Signer
from renkei.exchange.parties import Party
from renkei.exchange.payloads import PART_SIZE, Acceptance, Manifest, Part, Receipt, Revocation, Void
from renkei.hub import app
from renkei.hub.context import Hub
from renkei.hub.identity import Identity, verified_binding
from renkei.hub.metrics import Metrics
from renkei.hub.settings import Settings
from renkei.store.hub.contract import Bounds
from renkei.store.hub.sqlite import SqliteHubStore

START = datetime.now(UTC).replace(microsecond=0)


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass
class Machine:
    """A party's machine: its keys, its directory entry, and what it can sign."""

    party: Party
    terminal: str
    key: ec.EllipticCurvePrivateKey
    receiving: ec.EllipticCurvePrivateKey
    entry: DirectoryEntry

    @property
    def signer(self) -> Signer:
        return Signer(self.key)

    @property
    def fingerprint(self) -> str:
        return fingerprint(certificate_from_pem(self.entry.certificate))

    @property
    def header(self) -> dict[str, str]:
        return {"X-Client-Certificate": quote(self.entry.certificate, safe="")}


@dataclass
class Pki:
    """The ministry's root and issuing CA."""

    root: Authority
    issuing: Authority
    generation: int = 0

    @property
    def root_pem(self) -> str:
        return certificate_to_pem(self.root.certificate)

    def enrol(self, party: str, terminal: str = "T-0001", begin: datetime = START, days: int = 398) -> Machine:
        key, receiving = make_key(), make_key()
        who = Party(party)
        certificate = issue_client(make_request(key, who, terminal), who, terminal, self.issuing, begin, days)
        self.generation += 1
        end = begin + timedelta(days=days)
        entry = bind(certificate, point(receiving), self.generation, self.issuing, begin, end)
        return Machine(who, terminal, key, receiving, entry)

    def point(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        return point(key)

    def revocation(self, machine: Machine) -> bytes:
        return Revocation(
            endpoint=machine.party,
            terminal=machine.terminal,
            certificate_sha256=machine.fingerprint,
            reason="lost",
            revoked_at=START,
        ).sign(Signer(self.issuing.key))


def make_pki() -> Pki:
    begin = START - timedelta(days=1)
    root = make_root("test root", make_key(), begin, days=4000)
    key = make_key()
    return Pki(root, Authority(issue_authority(make_authority_request(key, "test issuing"), root, begin, 2000), key))


@dataclass
class Parcel:
    """A sealed parcel as the hub sees it: a signed manifest and parts of what it can't read."""

    id: UUID
    manifest: bytes
    parts: list[bytes]
    content_sha256: str

    @property
    def sealed(self) -> bytes:
        return b"".join(self.parts)


def make_parcel(
    sender: Machine,
    recipient: Machine,
    sequence: int = 1,
    /,
    *,
    sealed: bytes | None = None,
    message_id: UUID | None = None,
    content: bytes | None = None,
    **changes: Any,
) -> Parcel:
    sealed = f"sealed {uuid4()}".encode() if sealed is None else sealed
    parts = [sealed[start : start + PART_SIZE] for start in range(0, len(sealed), PART_SIZE)]
    message_id = message_id or uuid4()
    content_sha256 = sha256(content or b"content of " + message_id.bytes).hexdigest()
    fields: dict[str, Any] = {
        "id": message_id,
        "sender": sender.party,
        "recipient": recipient.party,
        "stream": "notices",
        "sequence": sequence,
        "count": 1,
        "layout": 1,
        "mode": "daily",
        "content_sha256": content_sha256,
        "recipient_certificate_sha256": recipient.fingerprint,
        "created_at": START,
        "envelope_sha256": sha256(sealed).hexdigest(),
        "envelope_size": len(sealed),
        "parts": [Part(sha256=sha256(part).hexdigest(), size=len(part)) for part in parts],
        "encapsulated_key": point(make_key()),
    }
    return Parcel(message_id, Manifest(**(fields | changes)).sign(sender.signer), parts, content_sha256)


class Line:
    """Requests to an application in this process, made from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, application: Any) -> None:
        self._loop = loop
        self._client = AsyncClient(transport=ASGITransport(application), base_url="http://hub", timeout=20)

    def request(self, method: str, path: str, **options: Any) -> Response:
        return asyncio.run_coroutine_threadsafe(self._client.request(method, path, **options), self._loop).result(30)

    def get(self, path: str, **options: Any) -> Response:
        return self.request("GET", path, **options)


@dataclass
class Speaker:
    """A party on the line."""

    hub: Hub
    client: Line
    machine: Machine

    def get(self, path: str, **options: Any) -> Response:
        return self.request("GET", path, **options)

    def put(self, path: str, content: bytes = b"", **options: Any) -> Response:
        return self.request("PUT", path, content=content, **options)

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Response:
        return self.client.request(method, path, headers=self.machine.header | (headers or {}), **options)

    def put_part(self, part: bytes) -> Response:
        digest = sha256(part)
        headers = {"Content-Digest": f"sha-256=:{b64encode(digest.digest()).decode()}:"}
        return self.put(f"/v1/parts/{digest.hexdigest()}", part, headers=headers)

    def offer(self, parcel: Parcel) -> Response:
        return self.put(f"/v1/messages/{self.machine.party}/{parcel.id}", parcel.manifest)

    def send(self, recipient: Machine, sequence: int = 1, /, **changes: Any) -> Parcel:
        parcel = make_parcel(self.machine, recipient, sequence, **changes)
        for part in parcel.parts:
            assert self.put_part(part).status_code in {200, 201}
        answer = self.offer(parcel)
        assert answer.status_code == 201, answer.text
        return parcel

    def inbox(self, after: int = 0, **query: int) -> dict[str, Any]:
        answer = self.get("/v1/inbox", params={"after": after, **query})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def content(self, sender: str, parcel: Parcel, headers: dict[str, str] | None = None) -> Response:
        return self.get(f"/v1/messages/{sender}/{parcel.id}/content", headers=headers)

    def receipt(self, parcel: Parcel, sender: str, sequence: int = 1, /, **changes: Any) -> Response:
        fields: dict[str, Any] = {
            "id": parcel.id,
            "sender": Party(sender),
            "recipient": self.machine.party,
            "stream": "notices",
            "sequence": sequence,
            "content_sha256": parcel.content_sha256,
            "received_at": START,
        }
        envelope = Receipt(**fields | changes).sign(self.machine.signer)
        return self.put(f"/v1/receipts/{sender}/{parcel.id}", envelope)

    def void(self, recipient: str, sequence: int, /, **changes: Any) -> Response:
        fields: dict[str, Any] = {
            "sender": self.machine.party,
            "recipient": Party(recipient),
            "stream": "notices",
            "sequence": sequence,
            "reason": "lost medium",
            "voided_at": START,
        }
        envelope = Void(**fields | changes).sign(self.machine.signer)
        return self.put(f"/v1/voids/{recipient}/notices/{sequence}", envelope)


@dataclass
class Bench:
    """A hub in this process, with the usual parties on the line."""

    hub: Hub
    store: SqliteHubStore
    pki: Pki
    client: Line
    enrolment: Line
    health: Line
    own: Machine
    loop: asyncio.AbstractEventLoop
    time: datetime = START

    def speaker(self, machine: Machine) -> Speaker:
        return Speaker(self.hub, self.client, machine)

    def enrol(self, party: str, terminal: str = "T-0001", **options: Any) -> Speaker:
        """A party whose binding the hub has, without asking the authority."""
        machine = self.pki.enrol(party, terminal, **options)
        binding, _ = verified_binding(self.hub.anchor, machine.entry, START)
        assert self.run(self.store.add_binding(binding, "authority", int(START.timestamp())))
        return self.speaker(machine)

    def parcel(self, sender: Machine, recipient: Machine, sequence: int = 1, /, **options: Any) -> Parcel:
        return make_parcel(sender, recipient, sequence, **options)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    @property
    def hub_key(self) -> ec.EllipticCurvePublicKey:
        return self.own.key.public_key()

    def acceptance(self, envelope: bytes) -> Acceptance:
        return Acceptance.open(envelope, self.hub_key)


@pytest.fixture(scope="session")
def pki() -> Pki:
    return make_pki()


@pytest.fixture(scope="session")
def other_pki() -> Pki:
    """Somebody else's root."""
    return make_pki()


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state=tmp_path, run=tmp_path, root=tmp_path / "root.pem")


@pytest.fixture
def bench(settings: Settings, pki: Pki, loop: asyncio.AbstractEventLoop) -> Iterator[Bench]:
    limits = settings.limits
    bounds = Bounds(limits.unreceipted_per_stream, limits.pending_enrolments, limits.pending_enrolments_per_address)
    store = SqliteHubStore(settings.database, bounds)
    hub = Hub(store, TrustAnchor(pki.root_pem), settings, lambda: bench.time, Metrics())
    own = pki.enrol("hub", "asp-hub")
    hub.identity = Identity(own.signer, own.entry.to_json(), int(START.timestamp()) + 1)
    lines = (Line(loop, application(hub)) for application in (app.exchange, app.enrolment, app.health))
    bench = Bench(hub, store, pki, *lines, own, loop)
    yield bench
    store.close()


@pytest.fixture
def shinjuku(bench: Bench) -> Speaker:
    return bench.enrol("131041")


@pytest.fixture
def sapporo(bench: Bench) -> Speaker:
    return bench.enrol("011011")


@pytest.fixture
def ministry(bench: Bench) -> Speaker:
    return bench.enrol("ministry", "moj-linkage")


@pytest.fixture
def authority(bench: Bench) -> Speaker:
    return bench.enrol("authority", "moj-linkage")


@pytest.fixture
def new_parcel() -> Callable[..., Parcel]:
    return make_parcel


@pytest.fixture
def refused() -> Callable[[Response, int, str], dict[str, Any]]:
    """Checks that an answer is a problem document of a kind, and returns it."""

    def check(answer: Response, status: int, kind: str) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = answer.json()
        assert document["type"] == f"urn:renkei:problem:{kind}"
        assert document["status"] == status
        assert document["detail"]
        return document

    return check
