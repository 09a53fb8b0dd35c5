"""Parcels: notices encoded, sealed to one recipient, cut into parts, and described by a signed manifest.

    parcel = build_parcel(notices, dispatch, signer, recipient)        # at the sender
    manifest = verify_manifest(envelope, sender, me)                   # at the recipient, before downloading
    opened = open_parcel(envelope, sealed, sender, me, receiving_key)

A sender keeps `content` until the recipient's receipt: `reseal` makes the same parcel anew for a replaced terminal,
with id, sequence and content digest unchanged. The content is `SALT` random bytes and the encoded notices: without the
salt, whoever sees a manifest could find out by its digest whether a guess at a short notice is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from secrets import token_bytes
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec

from renkei.domain.notices import Notice
from renkei.exchange import encoding
from renkei.exchange.bindings import VerifiedParty
from renkei.exchange.documents import DocumentError, Signer
from renkei.exchange.errors import ExchangeError
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import MAX_SEALED, PART_SIZE, Header, Manifest, Mode, Part, Stream
from renkei.exchange.sealing import seal, unseal

SALT = 16


class ParcelError(ExchangeError):
    """A parcel is not what its manifest says, or not from or for whom it should be; no part of a notice is told."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What a sender decides about a parcel before it is made.

    Attributes:
        id: made by the sender; it stays through every repetition.
        sender: the sending party.
        stream: `notices` or `results`.
        sequence: the place in the stream to that recipient, from 1.
        mode: `daily` or `immediate`.
        created_at: aware.
    """

    id: UUID
    sender: Party
    stream: Stream
    sequence: int
    mode: Mode
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel at its sender.

    Attributes:
        manifest: what it is.
        manifest_envelope: the same, signed.
        content: salt and encoded notices in the clear, for `reseal`.
        sealed: what travels.
    """

    manifest: Manifest
    manifest_envelope: bytes
    content: bytes = field(repr=False)
    sealed: bytes = field(repr=False)

    @property
    def parts(self) -> list[bytes]:
        """The sealed bytes in pieces of `PART_SIZE`, in order: what is uploaded."""
        return split(self.sealed)


@dataclass(frozen=True, slots=True)
class OpenedParcel:
    """A parcel at its recipient: everything about it holds.

    `ignored` counts columns of optional items that a newer sender has and this side doesn't know.
    """

    manifest: Manifest
    notices: list[Notice]
    ignored: int = 0


def build_parcel(
    notices: Sequence[Notice],
    dispatch: Dispatch,
    signer: Signer,
    recipient: VerifiedParty,
    version: int = encoding.FIRST,
) -> Parcel:
    """Make a parcel.

    Args:
        notices: 1 to `MAX_NOTICES`, of one type, in order.
        dispatch: what the sender decides.
        signer: the sender's.
        recipient: from the directory, verified.
        version: of the encoding, one that the recipient reads: every recipient reads the first.

    Raises:
        EncodingError: no, too many or too large notices, of several types, or with what the version can't carry.
        ParcelError: notices that the sender may not send to this recipient, or a way that doesn't exist.
    """
    content = token_bytes(SALT) + encoding.encode(notices, version)
    try:
        header = Header(
            id=dispatch.id,
            sender=dispatch.sender,
            recipient=recipient.party,
            stream=dispatch.stream,
            sequence=dispatch.sequence,
            mode=dispatch.mode,
            created_at=dispatch.created_at,
            count=len(notices),
            layout=version,
            content_sha256=sha256(content).hexdigest(),
            recipient_certificate_sha256=recipient.fingerprint,
        )
    except ValueError as error:
        raise ParcelError(f"a parcel can't be sent like this: {error}") from error
    _check_notices(header, notices)
    return _seal(header, content, signer, recipient)


def reseal(manifest: Manifest, content: bytes, signer: Signer, recipient: VerifiedParty) -> Parcel:
    """Make a parcel anew for the recipient's present key; id, sequence and content digest stay.

    Raises:
        ParcelError: another recipient than the manifest's, or other content.
    """
    if recipient.party != manifest.recipient:
        raise ParcelError(f"the parcel {manifest.id} is for {manifest.recipient}, not for {recipient.party}")
    _check_content(manifest, content)
    kept = {name: getattr(manifest, name) for name in Header.model_fields}
    return _seal(Header(**{**kept, "recipient_certificate_sha256": recipient.fingerprint}), content, signer, recipient)


def verify_manifest(envelope: bytes, sender: VerifiedParty, recipient: Party | None = None) -> Manifest:
    """Return the manifest of an envelope once the sender's signature holds.

    Args:
        envelope: as it came.
        sender: from the directory entry that came along, verified.
        recipient: whom it must be for; None (at the hub) accepts any permitted way.

    Raises:
        ParcelError: not signed by this sender, in another's name, or for another recipient.
    """
    try:
        manifest = Manifest.open(envelope, sender.signing_public_key)
    except DocumentError as error:
        raise ParcelError(f"the manifest said to be from {sender.party} can't be believed: {error}") from error
    if manifest.sender != sender.party:
        raise ParcelError(f"{sender.party} signed a manifest in the name of {manifest.sender}")
    if recipient is not None and manifest.recipient != recipient:
        raise ParcelError(f"the parcel {manifest.id} is for {manifest.recipient}, not for {recipient}")
    return manifest


def open_parcel(
    envelope: bytes,
    sealed: bytes,
    sender: VerifiedParty,
    recipient: Party,
    receiving_key: ec.EllipticCurvePrivateKey,
) -> OpenedParcel:
    """Return the notices of a parcel once everything about it holds.

    Args:
        envelope: the signed manifest.
        sealed: all the sealed bytes.
        sender: verified.
        recipient: who opens it.
        receiving_key: the key of the certificate that the manifest names.

    Raises:
        ParcelError: wrong sender, recipient, size, digest or count; notices that the sender may not send.
        SealingError: sealed for another key, or altered.
        EncodingError: the content is not notices.
    """
    manifest = verify_manifest(envelope, sender, recipient)
    check_sealed(manifest, sealed)
    content = unseal(manifest.encapsulated_key, sealed, receiving_key, manifest.sealing_info())
    _check_content(manifest, content)
    encoded = content[SALT:]
    if manifest.layout != encoding.version_of(encoded):
        raise ParcelError(
            f"the manifest of the parcel {manifest.id} says layout {manifest.layout}, its content is in another"
        )
    decoded = encoding.decode(encoded)
    _check_notices(manifest, decoded.notices)
    return OpenedParcel(manifest, decoded.notices, decoded.ignored)


def split(sealed: bytes) -> list[bytes]:
    """Cut sealed bytes into parts of `PART_SIZE`, the last one shorter."""
    return [sealed[start : start + PART_SIZE] for start in range(0, len(sealed), PART_SIZE)]


def check_sealed(manifest: Manifest, sealed: bytes) -> None:
    """Check that these are the sealed bytes that the manifest describes, part by part.

    Raises:
        ParcelError: they aren't.
    """
    if len(sealed) != manifest.envelope_size or sha256(sealed).hexdigest() != manifest.envelope_sha256:
        raise ParcelError(f"the sealed bytes of the parcel {manifest.id} are not those of its manifest")
    if _describe(sealed) != manifest.parts:
        raise ParcelError(f"the manifest of the parcel {manifest.id} lists other parts than the sealed bytes have")


def _seal(header: Header, content: bytes, signer: Signer, recipient: VerifiedParty) -> Parcel:
    encapsulated_key, sealed = seal(content, recipient.receiving_public_key, header.sealing_info())
    if len(sealed) > MAX_SEALED:
        raise ParcelError(f"a parcel is at most {MAX_SEALED} bytes sealed; send fewer notices at once")
    manifest = Manifest(
        **{name: getattr(header, name) for name in Header.model_fields},
        envelope_sha256=sha256(sealed).hexdigest(),
        envelope_size=len(sealed),
        parts=_describe(sealed),
        encapsulated_key=encapsulated_key,
    )
    return Parcel(manifest, manifest.sign(signer), content, sealed)


def _describe(sealed: bytes) -> list[Part]:
    return [Part(sha256=sha256(part).hexdigest(), size=len(part)) for part in split(sealed)]


def _check_content(manifest: Header, content: bytes) -> None:
    if sha256(content).hexdigest() != manifest.content_sha256:
        raise ParcelError(f"the content of the parcel {manifest.id} is not that of its manifest")


def _check_notices(header: Header, notices: Sequence[Notice]) -> None:
    """Nobody speaks for another, and each type has its way and its stream."""
    if len(notices) != header.count:
        raise ParcelError(f"the parcel {header.id} holds {len(notices)} notices, its manifest says {header.count}")
    to_ministry = header.recipient == MINISTRY
    endpoint = header.sender if to_ministry else header.recipient
    for notice in notices:
        if not (notice.TO_MINISTRY if to_ministry else notice.TO_ENDPOINT):
            raise ParcelError(f"the parcel {header.id} holds {notice.TYPE}, which doesn't go to {header.recipient}")
        if notice.STREAM != header.stream:  # noqa: SIM300 - STREAM is a class's, no constant
            raise ParcelError(
                f"the parcel {header.id} is of the stream {header.stream}; {notice.TYPE} travels in {notice.STREAM}"
            )
        if notice.municipality != endpoint:
            raise ParcelError(f"the parcel {header.id} of {endpoint} holds a notice of {notice.municipality}")
