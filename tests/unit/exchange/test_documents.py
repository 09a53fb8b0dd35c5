import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import (  # type: ignore[attr-defined]  # public, but its __init__ lacks __all__
    CryptoSigner,
    SSlibKey,
)

from renkei.exchange.certificates import make_key
from renkei.exchange.documents import (
    MAX_DEPTH,
    MAX_ENVELOPE,
    DocumentError,
    Kind,
    NamedKey,
    Signer,
    canonical,
    open_document,
    payload_sha256,
    peek,
)


def reference_key(signer: Signer) -> SSlibKey:
    """The signer's public key as the reference of DSSE has it."""
    return SSlibKey.from_crypto(signer._key.public_key(), keyid=signer.key_id)


KEY = make_key()
PUBLIC = KEY.public_key()
SIGNER = Signer(KEY)
SIGNED = SIGNER.sign(Kind.RECEIPT, {"id": "x", "count": 3})
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé漢", max_size=4), inner, max_size=4),
    max_leaves=10,
)
PAYLOADS = st.dictionaries(st.text("abcxyz_", min_size=1, max_size=8), st.integers(0, 9) | st.text("漢a", max_size=9))


def sign_bytes(payload: bytes, payload_type: str = Kind.RECEIPT.payload_type, signer: Signer = SIGNER) -> bytes:
    """Sign any bytes with the reference of DSSE, as an attacker with a key of his own or a careless sender would."""
    envelope = Envelope(payload, payload_type, {})
    envelope.sign(CryptoSigner(signer._key, reference_key(signer)))
    return json.dumps(envelope.to_dict()).encode()


@given(PAYLOADS, st.sampled_from(Kind))
def test_an_envelope_is_one_of_dsses_reference_in_canonical_form(payload: dict[str, Any], kind: Kind) -> None:
    signed = SIGNER.sign(kind, payload)
    read = Envelope.from_dict(json.loads(signed))
    read.verify([reference_key(SIGNER)], 1)
    assert rfc8785.dumps(read.to_dict()) == signed
    assert open_document(sign_bytes(canonical(payload), kind.payload_type), kind, PUBLIC) == payload


@given(PAYLOADS, st.sampled_from(Kind))
def test_a_signed_document_opens_with_the_signers_key_and_kind(payload: dict[str, Any], kind: Kind) -> None:
    assert open_document(SIGNER.sign(kind, payload), kind, PUBLIC) == payload


@given(PAYLOADS, st.sampled_from(Kind))
def test_an_envelope_is_read_alike_however_its_json_is_written(payload: dict[str, Any], kind: Kind) -> None:
    signed = SIGNER.sign(kind, payload)
    spaced = json.dumps(dict(reversed(json.loads(signed).items())), indent=1).encode()
    assert peek(spaced) == peek(signed)


@given(st.dictionaries(st.text("ab\x7f/é", max_size=4), JSON, max_size=4))
def test_a_payload_is_read_as_any_reader_of_json_does(value: dict[str, Any]) -> None:
    body = rfc8785.dumps(value)
    assert peek(sign_bytes(body)).payload == json.loads(body)


@given(st.dictionaries(st.text("abc", max_size=4), JSON, max_size=4))
def test_canonical_json_says_the_same_in_one_form(value: dict[str, Any]) -> None:
    once = canonical(value)
    assert json.loads(once) == value
    assert canonical(dict(reversed(value.items()))) == once


@given(st.dictionaries(st.text("ab\x7f/é", max_size=4), JSON, max_size=4))
def test_canonical_json_is_that_of_the_reference(value: dict[str, Any]) -> None:
    assert canonical(value) == rfc8785.dumps(value)


def test_canonical_json_of_every_character_is_that_of_the_reference() -> None:
    text = "".join(chr(point) for point in range(0x11000) if not 0xD800 <= point < 0xE000)
    assert canonical({"a": text}) == rfc8785.dumps({"a": text})
    keys = {chr(point): point for point in (0x20, 0x7F, 0x80, 0xE000, 0xFFFD, 0x10000)}
    assert canonical(keys) == rfc8785.dumps(keys)


def test_a_document_of_another_kind_is_refused() -> None:
    with pytest.raises(DocumentError, match="is a receipt, not a void"):
        open_document(SIGNER.sign(Kind.RECEIPT, {"id": 1}), Kind.VOID, PUBLIC)


def test_the_kind_is_signed_along_so_it_cannot_be_exchanged() -> None:
    envelope = json.loads(SIGNER.sign(Kind.RECEIPT, {"id": 1}))
    envelope["payloadType"] = Kind.VOID.payload_type
    with pytest.raises(DocumentError, match="signature of the void does not hold"):
        open_document(json.dumps(envelope).encode(), Kind.VOID, PUBLIC)


def test_a_foreign_signer_is_named_and_refused() -> None:
    foreign = Signer(make_key())
    with pytest.raises(DocumentError, match=f"signed by the key {foreign.key_id[:16]}"):
        open_document(foreign.sign(Kind.RECEIPT, {}), Kind.RECEIPT, PUBLIC)


def test_a_key_may_come_with_its_id() -> None:
    named = NamedKey.of(PUBLIC)
    assert named.key_id == SIGNER.key_id
    assert open_document(SIGNED, Kind.RECEIPT, named) == {"id": "x", "count": 3}
    for other in (NamedKey.of(make_key().public_key()), NamedKey(make_key().public_key(), named.key_id)):
        with pytest.raises(DocumentError):
            open_document(SIGNED, Kind.RECEIPT, other)


def test_a_foreign_signature_under_the_right_key_id_is_refused() -> None:
    envelope = json.loads(Signer(make_key()).sign(Kind.RECEIPT, {}))
    envelope["signatures"][0]["keyid"] = SIGNER.key_id
    with pytest.raises(DocumentError, match="does not hold"):
        open_document(json.dumps(envelope).encode(), Kind.RECEIPT, PUBLIC)


@given(st.data())
def test_an_altered_byte_is_always_found(data: st.DataObject) -> None:
    envelope = bytearray(SIGNED)
    position = data.draw(st.integers(0, len(envelope) - 1))
    envelope[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DocumentError):
        open_document(bytes(envelope), Kind.RECEIPT, PUBLIC)


@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_worse(noise: bytes) -> None:
    with pytest.raises(DocumentError):
        peek(noise)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"b":1,"a":2}', "canonical"),
        (b'{"a": 1}', "canonical"),
        (b'{"a":1,"a":1}', "twice"),
        (b'{"a":1.5}', "a fraction"),
        (b'{"a":1e3}', "a fraction"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":9007199254740993}', "beyond 2"),
        (b'{"a":' + b"9" * 5000 + b"}", "beyond 2"),
        (b'{"a":"\\ud800"}', "canonical JSON"),
        (b'["a"]', "not a JSON object"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "deep"),
        (b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "deep"),
    ],
)
def test_a_payload_out_of_form_is_refused_even_if_signed(payload: bytes, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        open_document(sign_bytes(payload), Kind.RECEIPT, PUBLIC)


def test_nesting_up_to_the_bound_is_fine() -> None:
    payload: dict[str, Any] = {"a": 1}
    for _ in range(MAX_DEPTH - 1):
        payload = {"a": payload}
    assert open_document(SIGNER.sign(Kind.RECEIPT, payload), Kind.RECEIPT, PUBLIC) == payload
    with pytest.raises(DocumentError, match="deep"):
        SIGNER.sign(Kind.RECEIPT, {"a": payload})


def test_an_envelope_over_its_bound_is_neither_read_nor_made() -> None:
    with pytest.raises(DocumentError, match="at most"):
        peek(b" " * (MAX_ENVELOPE + 1))
    with pytest.raises(DocumentError, match="at most"):
        SIGNER.sign(Kind.RECEIPT, {"a": "x" * MAX_ENVELOPE})


def test_an_unknown_payload_type_is_refused() -> None:
    with pytest.raises(DocumentError, match="payload type"):
        peek(sign_bytes(b"{}", "application/vnd.in-toto+json"))


@pytest.mark.parametrize("change", ["none", "two", "extra", "no-payload", "other-base64", "url-base64"])
def test_an_envelope_of_another_shape_is_refused(change: str) -> None:
    envelope = json.loads(SIGNER.sign(Kind.RECEIPT, {"a": "??>>"}))
    match change:
        case "none":
            envelope["signatures"] = []
        case "two":
            envelope["signatures"] *= 2
        case "extra":
            envelope["signatures"][0]["cert"] = ""
        case "no-payload":
            del envelope["payload"]
        case "other-base64":
            envelope["payload"] = envelope["payload"].rstrip("=") + " "
        case "url-base64":
            envelope["payload"] = b64encode(b64decode(envelope["payload"]), altchars=b"-_").decode() + "\n"
    with pytest.raises(DocumentError):
        open_document(json.dumps(envelope).encode(), Kind.RECEIPT, PUBLIC)


def test_base64_has_one_form_even_in_the_bits_that_nobody_reads() -> None:
    envelope = json.loads(SIGNER.sign(Kind.RECEIPT, {"a": 1}))
    assert envelope["payload"].endswith("Q==")
    envelope["payload"] = envelope["payload"].replace("Q==", "R==")
    assert b64decode(envelope["payload"]) == b'{"a":1}'
    with pytest.raises(DocumentError, match="base64"):
        open_document(json.dumps(envelope).encode(), Kind.RECEIPT, PUBLIC)


def test_every_signature_over_a_document_has_the_same_payload_digest() -> None:
    first, second = (SIGNER.sign(Kind.RECEIPT, {"id": 1}) for _ in range(2))
    assert first != second
    assert payload_sha256(first) == payload_sha256(second) == peek(first).payload_sha256


def test_peek_tells_what_is_claimed_without_a_key() -> None:
    claimed = peek(SIGNER.sign(Kind.VOID, {"sequence": 7}))
    assert (claimed.kind, claimed.key_id, claimed.payload) == (Kind.VOID, SIGNER.key_id, {"sequence": 7})


def test_a_signer_never_shows_its_key() -> None:
    secret = f"{KEY.private_numbers().private_value}"
    assert secret not in repr(SIGNER)
    assert f"{KEY.private_numbers().private_value:x}" not in repr(SIGNER)
