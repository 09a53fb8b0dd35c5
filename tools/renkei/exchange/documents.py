"""Signed documents: one form, one signer, one verifier (DSSE over RFC 8785 canonical JSON, ECDSA P-256 with SHA-256).

    signer = Signer(private_key)
    envelope = Receipt(id=..., ...).sign(signer)
    receipt = Receipt.open(envelope, public_key_of_the_recipient)

`peek` reads an envelope without believing it: for routing only. What the payloads hold stands in `payloads`.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, NoReturn

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import (  # type: ignore[attr-defined]  # public, but its __init__ lacks __all__
    CryptoSigner,
    Key,
    Signature,
    SSlibKey,
)

from renkei.exchange.errors import ExchangeError

MAX_ENVELOPE = 64 * 1024
MAX_DEPTH = 8
_MAX_INTEGER = 2**53 - 1  # beyond it JSON readers differ (RFC 7493, 2.2)
_MAX_DIGITS = 17
_PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)
_ECDSA = ec.ECDSA(hashes.SHA256())
_PREFIX, _SUFFIX = "application/vnd.renkei.", "+json"


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
    PROFILE = "profile"
    MEDIUM = "medium"
    COVER = "cover"
    TREE_HEAD = "tree-head"
    RENEWAL = "renewal"
    IMAGE = "image"

    @property
    def payload_type(self) -> str:
        """The DSSE payload type."""
        return f"{_PREFIX}{self.value}{_SUFFIX}"


@dataclass(frozen=True, slots=True)
class Outline:
    """What kind of document an envelope claims to be and whose; `payload_sha256` of the payload's bytes (hex)."""

    kind: Kind
    key_id: str
    payload_sha256: str


@dataclass(frozen=True, slots=True)
class Unverified(Outline):
    """What an envelope claims. Nobody has checked the signature."""

    payload: dict[str, Any]


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 (hex) of the key's SubjectPublicKeyInfo."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def canonical(value: Mapping[str, object]) -> bytes:
    """Write JSON in the one form of RFC 8785.

    Raises:
        DocumentError: a value that has no such form (a float, an integer beyond 2^53, a lone surrogate).
    """
    try:
        if _is_plain(value):
            # the same bytes at a tenth of the time; a test holds the two against each other
            return _PLAIN.encode(value).encode()
        return rfc8785.dumps(dict(value))  # type: ignore[arg-type]  # its own type for JSON names concrete containers
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        raise DocumentError("the document holds a value that canonical JSON can't express") from None


def _is_plain(value: object) -> bool:
    """Tell whether Python's own encoder writes a value as RFC 8785 does: no fractions, and keys that sort alike."""
    if isinstance(value, dict):
        return all(type(key) is str and key.isascii() and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, int):
        return -_MAX_INTEGER <= value <= _MAX_INTEGER
    return value is None or isinstance(value, str)


class _PublicKey(Key):
    """A key that documents are verified with, as securesystemslib wants one; it stays as it was loaded."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey) -> None:
        super().__init__(key_id(public_key), "ecdsa", "ecdsa-sha2-nistp256", {})
        self._public_key = public_key

    @classmethod
    def from_dict(cls, keyid: str, key_dict: dict[str, Any]) -> NoReturn:
        """Refuse: keys come from certificates."""
        raise NotImplementedError

    def to_dict(self) -> NoReturn:
        """Refuse: keys travel in certificates."""
        raise NotImplementedError

    def verify_signature(self, signature: Signature, data: bytes) -> None:
        """See `Key`."""
        try:
            self._public_key.verify(bytes.fromhex(signature.signature), data, _ECDSA)
        except InvalidSignature as error:
            raise UnverifiedSignatureError(f"not signed by {self.keyid}") from error


class _PrivateKey(CryptoSigner):
    """A key that documents are signed with; P-256 needs none of securesystemslib's choices a signature."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        public_key = private_key.public_key()
        super().__init__(private_key, SSlibKey.from_crypto(public_key, keyid=key_id(public_key)))
        self._key = private_key

    def sign(self, payload: bytes) -> Signature:
        """See `Signer`."""
        return Signature(self.public_key.keyid, self._key.sign(payload, _ECDSA).hex())


class Signer:
    """Signs documents with one P-256 key."""

    __slots__ = ("_signer", "key_id")

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        """Hold the key; its id goes into every signature."""
        _check_curve(private_key)
        self._signer = _PrivateKey(private_key)
        self.key_id = self._signer.public_key.keyid

    def sign(self, kind: Kind, payload: Mapping[str, object]) -> bytes:
        """Return the signed envelope.

        Raises:
            DocumentError: `payload` can't be written canonically, or is nested or long beyond the bounds.
        """
        body = canonical(payload)
        if _is_plain(payload):
            _check_depth(payload, "payload")
        else:
            _read_json(body, "payload")
        envelope = Envelope(body, kind.payload_type, {})
        envelope.sign(self._signer)
        encoded = canonical(envelope.to_dict())
        if len(encoded) > MAX_ENVELOPE:
            raise DocumentError(f"an envelope is at most {MAX_ENVELOPE} bytes, this {kind} has {len(encoded)}")
        return encoded


def open_document(envelope: bytes, kind: Kind, public_key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """Return the payload once it is a document of this kind, signed by this key, and canonical.

    Raises:
        DocumentError: anything else; the text says which.
    """
    opened, payload_type = _parse(envelope)
    if payload_type != kind:
        raise DocumentError(f"the document is a {payload_type}, not a {kind}")
    _check_curve(public_key)
    key = _PublicKey(public_key)
    if list(opened.signatures) != [key.keyid]:
        raise DocumentError(f"the {kind} is signed by the key {_only(opened).keyid[:16]}…, not by {key.keyid[:16]}…")
    try:
        opened.verify([key], 1)
    except (UnverifiedSignatureError, VerificationError):
        raise DocumentError(
            f"the signature of the {kind} does not hold; it was altered or made by another key"
        ) from None
    return _payload(opened)


def outline(envelope: bytes) -> Outline:
    """Read what an envelope claims without a look at its payload. Believe nothing of it before `open_document`.

    Raises:
        DocumentError: too large or malformed.
    """
    opened, kind = _parse(envelope)
    return Outline(kind, _only(opened).keyid, sha256(opened.payload).hexdigest())


def peek(envelope: bytes) -> Unverified:
    """Read what an envelope claims, for routing. Believe nothing of it before `open_document`.

    Raises:
        DocumentError: too large or malformed.
    """
    opened, kind = _parse(envelope)
    return Unverified(kind, _only(opened).keyid, sha256(opened.payload).hexdigest(), _payload(opened))


def read_envelope(envelope: bytes) -> tuple[dict[str, Any], Kind, str, bytes]:
    """Return what an envelope holds: payload, kind, key id (hex) and signature (DER), for another form of the same.

    Raises:
        DocumentError: too large or malformed.
    """
    opened, kind = _parse(envelope)
    signature = _only(opened)
    return _payload(opened), kind, signature.keyid, bytes.fromhex(signature.signature)


def write_envelope(payload: bytes, kind: Kind, keyid: str, signature: bytes) -> bytes:
    """Write an envelope again from what it holds; whether the signature holds is for `open_document` to say."""
    return canonical(Envelope(payload, kind.payload_type, {keyid: Signature(keyid, signature.hex())}).to_dict())


def payload_sha256(envelope: bytes) -> str:
    """Return the SHA-256 (hex) of the payload's bytes: the same for every signature over the same document.

    Raises:
        DocumentError: too large or malformed.
    """
    return outline(envelope).payload_sha256


def _check_curve(key: ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) -> None:
    if not isinstance(key.curve, ec.SECP256R1):
        raise DocumentError("documents are signed with keys on the curve P-256, this key is on another")


def _only(envelope: Envelope) -> Signature:
    return next(iter(envelope.signatures.values()))


def _parse(envelope: bytes) -> tuple[Envelope, Kind]:
    if len(envelope) > MAX_ENVELOPE:
        raise DocumentError(f"an envelope is at most {MAX_ENVELOPE} bytes, this has {len(envelope)}")
    match _read_json(envelope, "envelope"):
        case {
            "payload": str(payload),
            "payloadType": str(payload_type),
            "signatures": [{"keyid": str(keyid), "sig": str(signature), **other}],
            **others,
        } if not other and not others:
            signatures = {keyid: Signature(keyid, _from_base64(signature).hex())}
            opened = Envelope(_from_base64(payload), payload_type, signatures)
        case _:
            raise DocumentError("an envelope has payload, payloadType and one signature of keyid and sig, nothing else")
    try:
        return opened, Kind(payload_type.removeprefix(_PREFIX).removesuffix(_SUFFIX))
    except ValueError:
        raise DocumentError("the envelope's payload type is none that the protocol knows") from None


def _from_base64(text: str) -> bytes:
    try:
        decoded = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        decoded = b""
    if not decoded or b64encode(decoded).decode() != text:  # the last character may have bits that nobody reads
        raise DocumentError("a payload or signature is not base64")
    return decoded


def _payload(envelope: Envelope) -> dict[str, Any]:
    payload = _read_json(envelope.payload, "payload")
    if canonical(payload) != envelope.payload:
        raise DocumentError("the payload is not in canonical form (RFC 8785)")
    return payload


def _read_json(text: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object: no duplicate keys, no floats, no integers beyond 2^53, bounded depth."""
    try:
        value = json.loads(
            text.decode(),
            object_pairs_hook=_unique(what),
            parse_float=_refuse(what, "a fraction"),
            parse_constant=_refuse(what, "NaN or infinity"),
            parse_int=_integer(what),
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"the {what} is not well-formed JSON in UTF-8, or too deeply nested") from None
    if not isinstance(value, dict):
        raise DocumentError(f"the {what} is not a JSON object")
    _check_depth(value, what)
    return value


def _check_depth(value: object, what: str) -> None:
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
