"""The compact form of signed documents: the same envelope in a third of the bytes, for lines and media.

    packed = pack(envelope)            # begins with FORM; or the envelope itself, which begins with {
    unpack(packed) == envelope         # byte for byte, always

A signature is over the payload's JSON, which `unpack` writes again from its values: hex, UUIDs, times, base64 and
points travel as what they stand for. A packed document is FORM and deterministic CBOR (RFC 8949, 4.2) of `[kind, value
of each field, …, key id, signature]`. `SHAPES` are frozen: a kind that gets another field gets another number. An
envelope that hasn't exactly such a shape travels as it is.
"""

import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.clock import format_time, parse_time
from renkei.exchange.documents import (
    MAX_ENVELOPE,
    DocumentError,
    Kind,
    Outline,
    Unverified,
    outline,
    unverified,
    write_envelope,
)
from renkei.exchange.errors import ExchangeError
from renkei.exchange.payloads import PART_SIZE

MEDIA_TYPE = "application/vnd.renkei.document"
FORM = b"\x01"
_DEPTH = 3
_ROLES = ("ministry", "authority", "hub")
_SCALAR = 32
_IDENTIFIER_BYTES = 16
_DIGITS = 6
_FAULTS = (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, RecursionError, ExchangeError)
"""What packing or unpacking a document of another form may raise."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How a field's JSON value is written and read.

    `read` refuses what `write` wouldn't have written: with that, a document has one compact form.
    """

    write: Callable[[Any], object]
    read: Callable[[Any], object]


def _party_out(value: str) -> int:
    return _ROLES.index(value) if value in _ROLES else int(value) + len(_ROLES)


def _party_in(value: object) -> str:
    value = _natural(value)
    return _ROLES[value] if value < len(_ROLES) else f"{value - len(_ROLES):0{_DIGITS}d}"


def _point_out(value: str) -> bytes:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b64decode(value, validate=True))
    return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def _point_in(value: bytes) -> str:
    if len(value) != 1 + _SCALAR:
        raise ValueError("not a compressed point")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), value)
    return b64encode(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).decode()


def _parts_out(value: list[dict[str, Any]]) -> list[bytes]:
    """The digests of the parts; their sizes follow from the whole's, and one part alone is the whole."""
    return [bytes.fromhex(part["sha256"]) for part in value] if len(value) > 1 else []


def _parts_in(value: list[bytes]) -> list[bytes]:
    if type(value) is not list or len(value) == 1 or not all(type(digest) is bytes for digest in value):
        raise TypeError("not digests of parts")
    return value


def _identifier_in(value: bytes) -> str:
    if type(value) is not bytes or len(value) != _IDENTIFIER_BYTES:
        raise ValueError("not an identifier")
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(1024)  # what is said in one second is said together
def _time_in(value: int) -> str:
    return format_time(datetime.fromtimestamp(value, UTC))


def _hex(value: bytes) -> str:
    if type(value) is not bytes:
        raise TypeError("not bytes")
    return value.hex()


def _text(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _number(value: int) -> int:
    if type(value) is not int:
        raise TypeError("not a number")
    return value


def _natural(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("not a number from 0")
    return value


def _numbers(value: list[int]) -> list[int]:
    if type(value) is not list:
        raise TypeError("not numbers")
    return [_number(each) for each in value]


_TEXT = _Form(_text, _text)
_NUMBER = _Form(_number, _number)
_NUMBERS = _Form(_numbers, _numbers)
_DIGEST = _Form(bytes.fromhex, _hex)
_IDENTIFIER = _Form(lambda value: UUID(value).bytes, _identifier_in)
_TIME = _Form(lambda value: int(parse_time(value).timestamp()), lambda value: _time_in(_number(value)))
_PARTY = _Form(_party_out, _party_in)
_POINT = _Form(_point_out, _point_in)
_STREAM = _Form(("notices", "results").index, lambda value: ("notices", "results")[_natural(value)])
_MODE = _Form(("daily", "immediate").index, lambda value: ("daily", "immediate")[_natural(value)])
_PARTS = _Form(_parts_out, _parts_in)

_WAY = {"sender": _PARTY, "recipient": _PARTY, "stream": _STREAM}
_PLACE = {**_WAY, "sequence": _NUMBER}

SHAPES: tuple[tuple[Kind, Mapping[str, _Form]], ...] = (
    (
        Kind.MANIFEST,
        {
            "id": _IDENTIFIER,
            **_PLACE,
            "count": _NUMBER,
            "layout": _NUMBER,
            "mode": _MODE,
            "content_sha256": _DIGEST,
            "recipient_certificate_sha256": _DIGEST,
            "created_at": _TIME,
            "envelope_sha256": _DIGEST,
            "envelope_size": _NUMBER,
            "parts": _PARTS,
            "encapsulated_key": _POINT,
        },
    ),
    (Kind.RECEIPT, {"id": _IDENTIFIER, **_PLACE, "content_sha256": _DIGEST, "received_at": _TIME}),
    (
        Kind.ACCEPTANCE,
        {
            "id": _IDENTIFIER,
            "sender": _PARTY,
            "manifest_sha256": _DIGEST,
            "accepted_at": _TIME,
            "journal_index": _NUMBER,
            "epoch": _NUMBER,
        },
    ),
    (Kind.VOID, {**_PLACE, "reason": _TEXT, "voided_at": _TIME}),
    (Kind.HORIZON, {**_WAY, "next_sequence": _NUMBER, "published_up_to": _TIME}),
    (Kind.PROFILE, {"party": _PARTY, "encodings": _NUMBERS, "software": _TEXT, "declared_at": _TIME}),
    (
        Kind.BINDING,
        {
            "endpoint": _PARTY,
            "terminal": _TEXT,
            "certificate_sha256": _DIGEST,
            "receiving_key": _POINT,
            "generation": _NUMBER,
            "not_before": _TIME,
            "not_after": _TIME,
        },
    ),
)
"""A shape's number is its place; fields stand in this order. Frozen: new ones are added at the end."""
_NUMBERS_OF = {kind: number for number, (kind, _) in enumerate(SHAPES)}


def pack(envelope: bytes, *, own: bool = False) -> bytes:
    """Return the compact form of an envelope, or the envelope itself where that isn't possible without loss.

    Args:
        envelope: of a document.
        own: it was just signed here from a model in `payloads`, which lets nothing by that would get lost: half of the
            time goes into finding that out.
    """
    try:
        values = _values(envelope)
        return _write(values) if own or _read(values)[0] == envelope else envelope
    except _FAULTS:
        return envelope


def unpack(document: bytes) -> bytes:
    """Return the envelope of a document that came in either form; an envelope is returned unread.

    Raises:
        DocumentError: neither form, beyond the bound of an envelope, or not as `pack` writes it.
    """
    return _opened(document)[0] if document.startswith(FORM) else document


def read(document: bytes) -> tuple[bytes, Outline]:
    """Return the envelope of a document that came in either form, and what it claims: for who goes on to open it.

    Raises:
        DocumentError: as `unpack`; or the envelope is malformed.
    """
    return _opened(document) if document.startswith(FORM) else (document, outline(document))


def _opened(document: bytes) -> tuple[bytes, Unverified]:
    if len(document) > MAX_ENVELOPE:
        raise DocumentError(f"an envelope is at most {MAX_ENVELOPE} bytes, this has {len(document)}")
    try:
        envelope, claimed = _unpack(document)
    except (*_FAULTS, cbor2.CBORError, MemoryError):
        raise DocumentError("the document is not in the one compact form that it has") from None
    if len(envelope) > MAX_ENVELOPE:
        raise DocumentError(f"an envelope is at most {MAX_ENVELOPE} bytes, this has {len(envelope)}")
    return envelope, claimed


def _values(envelope: bytes) -> list[Any]:
    """Return what an envelope seems to hold; whether it is all of it shows when it is read back."""
    outer = json.loads(envelope)
    [signature] = outer["signatures"]
    payload = json.loads(b64decode(outer["payload"]))
    number = _NUMBERS_OF[Kind.of(outer["payloadType"])]
    _, shape = SHAPES[number]
    if payload.keys() != shape.keys():
        raise ValueError("another shape")
    values = [form.write(payload[field]) for field, form in shape.items()]
    r, s = decode_dss_signature(b64decode(signature["sig"]))
    raw = r.to_bytes(_SCALAR) + s.to_bytes(_SCALAR)
    return [number, *values, bytes.fromhex(signature["keyid"]), raw]


def _write(values: list[Any]) -> bytes:
    return FORM + cbor2.dumps(values, canonical=True)


def _unpack(document: bytes) -> tuple[bytes, Unverified]:
    value = cbor2.loads(document[len(FORM) :], max_depth=_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
    if _write(value) != document:
        raise ValueError("not in deterministic form (RFC 8949, 4.2)")
    return _read(cast("list[Any]", value))


def _read(value: list[Any]) -> tuple[bytes, Unverified]:
    """Return the envelope that some values stand for, and what it claims."""
    number, *values, key_id, raw = value
    if type(raw) is not bytes or len(raw) != 2 * _SCALAR:
        raise ValueError("another shape")
    kind, shape = SHAPES[_natural(number)]
    payload = {field: form.read(each) for (field, form), each in zip(shape.items(), values, strict=True)}
    if kind is Kind.MANIFEST:
        payload["parts"] = _parts(payload)
    signature = encode_dss_signature(int.from_bytes(raw[:_SCALAR]), int.from_bytes(raw[_SCALAR:]))
    claimed = unverified(payload, kind, _hex(key_id), signature)
    return write_envelope(claimed.body, kind, claimed.key_id, signature), claimed


def _parts(payload: Mapping[str, Any]) -> list[dict[str, object]]:
    digests = [digest.hex() for digest in payload["parts"]] or [payload["envelope_sha256"]]
    last = payload["envelope_size"] - PART_SIZE * (len(digests) - 1)
    return [
        {"sha256": digest, "size": last if place == len(digests) - 1 else PART_SIZE}
        for place, digest in enumerate(digests)
    ]


def pack_entry(entry: bytes) -> bytes:
    """Return the compact form of a directory entry (JSON), or the entry itself: `[binding, certificate, issuer]`."""
    try:
        found = DirectoryEntry.from_json(entry)
        certificates = [ssl.PEM_cert_to_DER_cert(pem) for pem in (found.certificate, found.issuer)]
        packed = FORM + cbor2.dumps([pack(found.binding.encode()), *certificates], canonical=True)
        return packed if unpack_entry(packed) == entry else entry
    except _FAULTS:
        return entry


def unpack_entry(document: bytes) -> bytes:
    """Return the directory entry (JSON) of one that came in either form; what is JSON is returned unread.

    Raises:
        DocumentError: neither form, or beyond the bound of an envelope.
    """
    if not document.startswith(FORM):
        return document
    if len(document) > MAX_ENVELOPE:
        raise DocumentError(f"a directory entry is at most {MAX_ENVELOPE} bytes, this has {len(document)}")
    try:
        binding, certificate, issuer = cbor2.loads(document[len(FORM) :], max_depth=_DEPTH, allow_indefinite=False)
        entry = DirectoryEntry(
            binding=unpack(binding).decode(),
            certificate=ssl.DER_cert_to_PEM_cert(certificate),
            issuer=ssl.DER_cert_to_PEM_cert(issuer),
        )
    except (*_FAULTS, cbor2.CBORError, MemoryError):
        raise DocumentError("the directory entry is not in compact form") from None
    return entry.to_json()
