"""Signed documents: one form, one signer, one verifier (DSSE over RFC 8785 canonical JSON, ECDSA P-256 with SHA-256).

    signer = Signer(private_key)
    envelope = Receipt(id=..., ...).sign(signer)
    receipt = Receipt.open(envelope, public_key_of_the_recipient)

`peek` reads an envelope without believing it: for routing only. What the payloads hold stands in `payloads`.
"""

import json
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from hashlib import sha256
from typing import Any, NoReturn

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.dsse import Envelope

from renkei.exchange.errors import ExchangeError

MAX_ENVELOPE = 64 * 1024
MAX_DEPTH = 8
_MAX_INTEGER = 2**53 - 1  # beyond it JSON readers differ (RFC 7493, 2.2)
_MAX_DIGITS = 17
_PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)
_ECDSA = ec.ECDSA(hashes.SHA256())
_PREFIX, _SUFFIX = "application/vnd.renkei.", "+json"
_WRITTEN = re.compile(
    rb'\{"payload":"([A-Za-z0-9+/=]+)","payloadType":"([a-z.+/-]+)"'
    rb',"signatures":\[\{"keyid":"([0-9a-f]+)","sig":"([A-Za-z0-9+/=]+)"\}\]\}'
)
"""An envelope as `write_envelope` writes it: nearly all are, and need no reader of JSON."""


class DocumentError(ExchangeError):
    """An envelope is too large, malformed, of another kind, not canonical, or not signed by the key it should be."""


class Kind(StrEnum):
    """What a document says; it is signed along with the payload, so one kind can't stand in for another."""

    BINDING = "binding"
    REVOCATION = "revocation"
    MANIFEST = "manifest"
    ACCEPTANCE = "acceptance"
    RECEIPT = "receipt"
    VOID = "void"
    HORIZON = "horizon"
    SETTLEMENT = "settlement"
    PROFILE = "profile"
    MEDIUM = "medium"
    COVER = "cover"
    TREE_HEAD = "tree-head"
    RENEWAL = "renewal"
    SERVER_RENEWAL = "server-renewal"
    IMAGE = "image"
    CATALOGUE = "catalogue"
    CONSENT = "consent"
    ORDER = "order"
    PERMIT = "permit"
    PATCH_STATE = "patch-state"
    PACKAGE_SET = "package-set"
    HOST_STATE = "host-state"
    PATTERNS = "patterns"
    DIRECT_ORDER = "direct-order"
    OBSERVATION = "observation"

    @property
    def payload_type(self) -> str:
        """The DSSE payload type."""
        return f"{_PREFIX}{self.value}{_SUFFIX}"

    @classmethod
    def of(cls, payload_type: str) -> "Kind":
        """Return the kind that a DSSE payload type names.

        Raises:
            ValueError: it names none.
        """
        return cls(payload_type.removeprefix(_PREFIX).removesuffix(_SUFFIX))


@dataclass(frozen=True, slots=True)
class Outline:
    """What kind of document an envelope claims to be and whose.

    Attributes:
        kind: what it says it is.
        key_id: of who says to have signed it.
        payload_sha256: of the payload's bytes (hex).
        body: these bytes.
        signature: over kind and bytes, DER.
    """

    kind: Kind
    key_id: str
    payload_sha256: str
    body: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unverified(Outline):
    """What an envelope claims, its payload in canonical form. Nobody has checked the signature."""

    payload: dict[str, Any]


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 (hex) of the key's SubjectPublicKeyInfo."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A public key and its `key_id`, for who verifies many documents by it."""

    key: ec.EllipticCurvePublicKey
    key_id: str

    @classmethod
    def of(cls, key: ec.EllipticCurvePublicKey) -> "NamedKey":
        """Name a key."""
        return cls(key, key_id(key))


VerifyingKey = ec.EllipticCurvePublicKey | NamedKey


def canonical(value: Mapping[str, object]) -> bytes:
    """Write JSON in the one form of RFC 8785.

    Raises:
        DocumentError: a value that has no such form (a float, an integer beyond 2^53, a lone surrogate).
    """
    return _written(value)[0]


def _written(value: Mapping[str, object]) -> tuple[bytes, bool]:
    """Return the canonical form, and whether the value is plain."""
    try:
        if _is_plain(value):
            # the same bytes at a tenth of the time; a test holds the two against each other
            return _PLAIN.encode(value).encode(), True
        return rfc8785.dumps(dict(value)), False  # type: ignore[arg-type]  # its own type names concrete containers
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        raise DocumentError("the document holds a value that canonical JSON can't express") from None


def _is_plain(value: object) -> bool:
    """Tell whether Python's own encoder writes a value as RFC 8785 does: no fractions, and keys that sort alike."""
    if isinstance(value, str):
        return True
    if isinstance(value, int):
        return -_MAX_INTEGER <= value <= _MAX_INTEGER
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                return False
            if type(item) is not str and not _is_plain(item):
                return False
        return True
    return value is None or (isinstance(value, list) and all(map(_is_plain, value)))


class Signer:
    """Signs documents with one P-256 key."""

    __slots__ = ("_key", "key_id", "public_key")

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        """Hold the key; its id goes into every signature."""
        _check_curve(private_key)
        self._key = private_key
        self.public_key = private_key.public_key()
        self.key_id = key_id(self.public_key)

    def sign(self, kind: Kind, payload: Mapping[str, object]) -> bytes:
        """Return the signed envelope.

        Raises:
            DocumentError: `payload` can't be written canonically, or is nested or long beyond the bounds.
        """
        body, plain = _written(payload)
        if plain:
            _check_depth(payload, body, "payload")
        else:
            _read_json(body, "payload")
        encoded = write_envelope(body, kind, self.key_id, self._key.sign(_signed_bytes(body, kind), _ECDSA))
        if len(encoded) > MAX_ENVELOPE:
            raise DocumentError(f"an envelope is at most {MAX_ENVELOPE} bytes, this {kind} has {len(encoded)}")
        return encoded


def open_document(document: bytes | Outline, kind: Kind, public_key: VerifyingKey) -> dict[str, Any]:
    """Return the payload once it is a document of this kind, signed by this key, and canonical.

    Args:
        document: an envelope, or what was read of one already.
        kind: what it must be.
        public_key: whose it must be.

    Raises:
        DocumentError: anything else; the text says which.
    """
    claimed = outline(document) if isinstance(document, bytes) else document
    if claimed.kind != kind:
        raise DocumentError(f"the document is a {claimed.kind}, not a {kind}")
    named = public_key if isinstance(public_key, NamedKey) else NamedKey.of(public_key)
    _check_curve(named.key)
    if claimed.key_id != named.key_id:
        raise DocumentError(f"the {kind} is signed by the key {claimed.key_id[:16]}…, not by {named.key_id[:16]}…")
    try:
        named.key.verify(claimed.signature, _signed_bytes(claimed.body, kind), _ECDSA)
    except InvalidSignature:
        raise DocumentError(
            f"the signature of the {kind} does not hold; it was altered or made by another key"
        ) from None
    return claimed.payload if isinstance(claimed, Unverified) else _payload(claimed.body)


def outline(envelope: bytes) -> Outline:
    """Read what an envelope claims without a look at its payload. Believe nothing of it before `open_document`.

    Raises:
        DocumentError: too large or malformed.
    """
    if len(envelope) > MAX_ENVELOPE:
        raise DocumentError(f"an envelope is at most {MAX_ENVELOPE} bytes, this has {len(envelope)}")
    if (written := _WRITTEN.fullmatch(envelope)) is not None:
        payload, payload_type, keyid, signature = (each.decode() for each in written.groups())
    else:
        payload, payload_type, keyid, signature = _members(_read_json(envelope, "envelope"))
    body = _from_base64(payload)
    try:
        kind = Kind.of(payload_type)
    except ValueError:
        raise DocumentError("the envelope's payload type is none that the protocol knows") from None
    return Outline(kind, keyid, sha256(body).hexdigest(), body, _from_base64(signature))


def peek(envelope: bytes) -> Unverified:
    """Read what an envelope claims, for routing. Believe nothing of it before `open_document`.

    Raises:
        DocumentError: too large or malformed.
    """
    claimed = outline(envelope)
    return Unverified(
        claimed.kind, claimed.key_id, claimed.payload_sha256, claimed.body, claimed.signature, _payload(claimed.body)
    )


def unverified(payload: dict[str, Any], kind: Kind, keyid: str, signature: bytes) -> Unverified:
    """Return what an envelope with these values claims: as `peek` does of its bytes, which `write_envelope` writes.

    Raises:
        DocumentError: the payload can't be written canonically.
    """
    body = canonical(payload)
    return Unverified(kind, keyid, sha256(body).hexdigest(), body, signature, payload)


def write_envelope(payload: bytes, kind: Kind, keyid: str, signature: bytes) -> bytes:
    """Write an envelope in canonical form; whether the signature (DER) holds is for `open_document` to say.

    The values have no character that JSON escapes, and the members stand in the order of RFC 8785.
    """
    return b'{"payload":"%s","payloadType":"%s","signatures":[{"keyid":"%s","sig":"%s"}]}' % (
        b64encode(payload),
        kind.payload_type.encode(),
        keyid.encode(),
        b64encode(signature),
    )


def payload_sha256(envelope: bytes) -> str:
    """Return the SHA-256 (hex) of the payload's bytes: the same for every signature over the same document.

    Raises:
        DocumentError: too large or malformed.
    """
    return outline(envelope).payload_sha256


def _check_curve(key: ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) -> None:
    if not isinstance(key.curve, ec.SECP256R1):
        raise DocumentError("documents are signed with keys on the curve P-256, this key is on another")


def _signed_bytes(payload: bytes, kind: Kind) -> bytes:
    """Return what is signed of a document (DSSE's pre-authentication encoding): its type and its bytes."""
    encoded: bytes = Envelope(payload, kind.payload_type, {}).pae()
    return encoded


def _from_base64(text: str) -> bytes:
    try:
        decoded = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        decoded = b""
    if not decoded or b64encode(decoded).decode() != text:  # the last character may have bits that nobody reads
        raise DocumentError("a payload or signature is not base64")
    return decoded


def _members(envelope: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return payload, payload type, key id and signature of an envelope that was read as JSON."""
    match envelope:
        case {
            "payload": str(payload),
            "payloadType": str(payload_type),
            "signatures": [{"keyid": str(keyid), "sig": str(signature), **other}],
            **others,
        } if not other and not others:
            return payload, payload_type, keyid, signature
        case _:
            raise DocumentError("an envelope has payload, payloadType and one signature of keyid and sig, nothing else")


def _payload(body: bytes) -> dict[str, Any]:
    if (plain := _read_plain(body)) is not None:
        return plain
    payload = _read_json(body, "payload")
    if canonical(payload) != body:
        raise DocumentError("the payload is not in canonical form (RFC 8785)")
    return payload


def _read_plain(body: bytes) -> dict[str, Any] | None:
    """Read a payload as nearly all are, at a third of the time: None where one has to look closer.

    What Python's encoder writes back in the same bytes has no key twice; in ASCII it is what RFC 8785 writes.
    """
    try:
        value = _READ_PLAIN.decode(body.decode("ascii"))
        written = _PLAIN.encode(value).encode("ascii")
    except (ValueError, RecursionError):
        return None
    if written != body or not isinstance(value, dict):
        return None
    _check_depth(value, body, "payload")
    return value


def _read_json(text: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object: no duplicate keys, no floats, no integers beyond 2^53, bounded depth."""
    try:
        value = _decoder(what).decode(text.decode())
    except (ValueError, RecursionError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"the {what} is not well-formed JSON in UTF-8, or too deeply nested") from None
    if not isinstance(value, dict):
        raise DocumentError(f"the {what} is not a JSON object")
    _check_depth(value, text, what)
    return value


@cache
def _decoder(what: str) -> json.JSONDecoder:
    """Return the reader of an envelope or a payload, whose errors say which of the two it was."""
    return json.JSONDecoder(
        object_pairs_hook=_unique(what),
        parse_float=_refuse(what, "a fraction"),
        parse_constant=_refuse(what, "NaN or infinity"),
        parse_int=_integer(what),
    )


def _check_depth(value: object, text: bytes, what: str) -> None:
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return  # no need to go through what hasn't as many brackets
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        deeper = [child for item in level if isinstance(item, dict) for child in item.values()]
        deeper += [child for item in level if isinstance(item, list) for child in item]
        level = [child for child in deeper if isinstance(child, dict | list)]
        if not level:
            return
    raise DocumentError(f"the {what} is nested more than {MAX_DEPTH} deep")


def _unique(what: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) != len(pairs):
            raise DocumentError(f"the {what} has a key twice")
        return built

    return build


def _refuse(what: str, found: str) -> Callable[[str], NoReturn]:
    def refuse(text: str) -> NoReturn:
        del text
        raise DocumentError(f"the {what} has {found}; numbers are integers")

    return refuse


def _integer(what: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        if len(text) > _MAX_DIGITS or abs(value := int(text)) > _MAX_INTEGER:
            raise DocumentError(f"the {what} has an integer beyond 2^53")
        return value

    return read


_READ_PLAIN = json.JSONDecoder(
    parse_float=_refuse("payload", "a fraction"),
    parse_constant=_refuse("payload", "NaN or infinity"),
    parse_int=_integer("payload"),
)
