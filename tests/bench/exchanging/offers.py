"""Requests of the protocol as bytes, made beforehand: parcels signed for real, of random bytes in place of sealed."""

import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

import cbor2
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.exchanging.ground import Member
from renkei.exchange import compact, together, whole
from renkei.exchange.certificates import make_key
from renkei.exchange.parcels import split
from renkei.exchange.payloads import Manifest, Part, Receipt, Stream

_POINT = make_key().public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
_ANSWERED = f"Accept: {compact.MEDIA_TYPE}"


@dataclass(frozen=True, slots=True)
class Offer:
    """A parcel as the hub sees it."""

    sender: str
    manifest: Manifest
    envelope: bytes
    parts: tuple[bytes, ...]

    @property
    def path(self) -> str:
        """Where the message lies."""
        return f"/v1/messages/{self.sender}/{self.manifest.id}"

    def puts(self, *headers: str) -> list[bytes]:
        """Return the requests that hand it in: its parts, then the manifest."""
        return [*(put_part(part, *headers) for part in self.parts), put(self.path, self.envelope, *headers)]

    def put_whole(self) -> bytes:
        """Return the one request that hands it in whole, its manifest in JSON."""
        body = cbor2.dumps([self.envelope, b"".join(self.parts)], canonical=True)
        return put(self.path, body, media_type=whole.MEDIA_TYPE)

    def put_compact(self) -> bytes:
        """Return the one request that hands it in whole and compact, and wants its acceptance so: as agents do."""
        body = whole.pack_whole(self.envelope, b"".join(self.parts))
        if body is None:
            raise ValueError("the parcel is too large for one request")
        return put(self.path, body, _ANSWERED, media_type=whole.MEDIA_TYPE)

    @property
    def compact(self) -> bytes:
        """What goes over the line of it, whoever carries it: sealed bytes and manifest in compact form."""
        return b"".join((*self.parts, compact.pack(self.envelope)))

    def receipt(self, recipient: Member) -> bytes:
        """Return the request that hands in its receipt."""
        envelope = Receipt(
            id=self.manifest.id,
            sender=self.manifest.sender,
            recipient=self.manifest.recipient,
            stream=self.manifest.stream,
            sequence=self.manifest.sequence,
            content_sha256=self.manifest.content_sha256,
            received_at=datetime.now(UTC).replace(microsecond=0),
        ).sign(recipient.signer)
        return put(f"/v1/receipts/{self.sender}/{self.manifest.id}", envelope)


def offer(
    sender: Member, recipient: Member, sequence: int, sealed_bytes: int, count: int = 1, stream: Stream = "notices"
) -> Offer:
    """Make a parcel of random bytes in the place of sealed ones: to the hub they are the same."""
    sealed = os.urandom(sealed_bytes)
    parts = tuple(split(sealed))
    manifest = Manifest(
        id=uuid4(),
        sender=sender.party,
        recipient=recipient.party,
        stream=stream,
        sequence=sequence,
        count=count,
        layout=1,
        mode="daily",
        content_sha256=sha256(sealed).hexdigest(),
        recipient_certificate_sha256=recipient.verified.fingerprint,
        created_at=datetime.now(UTC).replace(microsecond=0),
        envelope_sha256=sha256(sealed).hexdigest(),
        envelope_size=len(sealed),
        parts=[Part(sha256=sha256(part).hexdigest(), size=len(part)) for part in parts],
        encapsulated_key=_POINT,
    )
    return Offer(sender.party, manifest, manifest.sign(sender.signer), parts)


def put_together(offers: Sequence[Offer]) -> list[bytes]:
    """Return the requests that hand parcels in together and want their acceptances compact: as agents do."""
    path = f"/v1/messages/{offers[0].sender}"
    return [put(path, batch.body(), _ANSWERED, media_type=together.MEDIA_TYPE) for batch in in_batches(offers)]


def in_batches(offers: Sequence[Offer]) -> list[together.Batch]:
    """Return parcels as they go together: in order, as many in each request as fit.

    Raises:
        ValueError: one doesn't fit into any.
    """
    batches = [together.Batch()]
    for each in offers:
        sealed = b"".join(each.parts)
        if batches[-1].add(each.envelope, sealed):
            continue
        batches.append(together.Batch())
        if not batches[-1].add(each.envelope, sealed):
            raise ValueError("the parcel is too large for one request")
    return batches


def refusal_in(answer: bytes) -> str:
    """Return what is refused in the answer to a request that `put_together` made, "" when all of it is taken."""
    refused = [each for each in together.unpack_answers(answer) if not each.is_good]
    return f"{len(refused)} refused: {refused[0].body[:300]!r}" if refused else ""


def get(path: str) -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def put(path: str, body: bytes, *headers: str, media_type: str = "application/json") -> bytes:
    """Return a request with a body."""
    lines = [f"PUT {path} HTTP/1.1", "Host: localhost", f"Content-Type: {media_type}", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def put_part(part: bytes, *headers: str) -> bytes:
    """Return the request that puts a part."""
    digest = sha256(part)
    value = b64encode(digest.digest()).decode()
    return put(f"/v1/parts/{digest.hexdigest()}", part, f"Content-Digest: sha-256=:{value}:", *headers)
