"""The compact form of documents: the same bytes come back, and nothing but its one form is read."""

import random
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.domain.notices import ResidenceNotice
from renkei.exchange.certificates import make_key
from renkei.exchange.compact import FORM, SHAPES, pack, pack_entry, unpack, unpack_entry
from renkei.exchange.documents import MAX_ENVELOPE, DocumentError, Kind, Signer
from renkei.exchange.parcels import Dispatch, Parcel, build_parcel
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import PART_SIZE, Acceptance, Horizon, Manifest, Profile, Receipt, TreeHead, Void

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SIGNER = Signer(make_key())
PLACE: dict[str, Any] = {"sender": Party("131041"), "recipient": MINISTRY, "stream": "notices", "sequence": 7}


@pytest.fixture(scope="module")
def parcel(shinjuku: Any, ministry: Any, a_residence_notice: Callable[..., ResidenceNotice]) -> Parcel:
    dispatch = Dispatch(uuid4(), Party("131041"), "notices", 1, "daily", AT)
    return build_parcel([a_residence_notice()], dispatch, shinjuku.signer, ministry.verified, 2)


def with_parts(manifest: Manifest, count: int) -> Manifest:
    digests = [f"{number:064x}" for number in range(count)]
    sizes = [PART_SIZE] * (count - 1) + [77]
    parts = [{"sha256": digest, "size": size} for digest, size in zip(digests, sizes, strict=True)]
    changed = {**manifest.to_json(), "parts": parts, "envelope_size": sum(sizes)}
    return Manifest.read({**changed, "envelope_sha256": digests[0]} if count == 1 else changed)


@pytest.fixture(scope="module")
def envelopes(parcel: Parcel, shinjuku: Any, hub: Any) -> dict[str, bytes]:
    receipt = Receipt(**PLACE, id=uuid4(), content_sha256="ab" * 32, received_at=AT)
    acceptance = Acceptance(
        id=uuid4(), sender=MINISTRY, manifest_sha256="cd" * 32, accepted_at=AT, journal_index=0, epoch=1
    )
    return {
        "manifest": parcel.manifest_envelope,
        "two parts": with_parts(parcel.manifest, 2).sign(shinjuku.signer),
        "256 parts": with_parts(parcel.manifest, 256).sign(shinjuku.signer),
        "receipt": receipt.sign(shinjuku.signer),
        "acceptance": acceptance.sign(hub.signer),
        "void": Void(**PLACE, reason="媒体を紛失した", voided_at=AT).sign(shinjuku.signer),
        "horizon": Horizon(
            sender=MINISTRY,
            recipient=Party("011011"),
            stream="results",
            next_sequence=2**53 - 1,
            published_up_to=AT - timedelta(days=20_000),
        ).sign(shinjuku.signer),
        "profile": Profile(party=Party("011011"), encodings=[1, 2], software="1.0", declared_at=AT).sign(
            shinjuku.signer
        ),
        "binding": shinjuku.entry.binding.encode(),
    }


def test_every_document_comes_back_byte_for_byte(envelopes: dict[str, bytes]) -> None:
    for name, envelope in envelopes.items():
        packed = pack(envelope)
        assert packed.startswith(FORM), name
        assert unpack(packed) == envelope, name
        assert pack(envelope) == packed, "one form"


def test_a_manifest_takes_a_quarter_of_its_bytes(envelopes: dict[str, bytes]) -> None:
    assert len(pack(envelopes["manifest"])) < len(envelopes["manifest"]) / 4
    assert len(pack(envelopes["manifest"])) < 310


def test_every_signature_survives(shinjuku: Any) -> None:
    """Scalars of every length, with and without the sign byte of DER."""
    for number in range(200):
        receipt = Receipt(**PLACE, id=uuid4(), content_sha256=f"{number:064x}", received_at=AT)
        envelope = receipt.sign(shinjuku.signer)
        assert Receipt.open(unpack(pack(envelope)), shinjuku.key.public_key()) == receipt


def test_the_shapes_are_frozen() -> None:
    assert [(kind.value, *shape) for kind, shape in SHAPES] == [
        (
            *("manifest", "id", "sender", "recipient", "stream", "sequence", "count", "layout", "mode"),
            *("content_sha256", "recipient_certificate_sha256", "created_at", "envelope_sha256", "envelope_size"),
            *("parts", "encapsulated_key"),
        ),
        ("receipt", "id", "sender", "recipient", "stream", "sequence", "content_sha256", "received_at"),
        ("acceptance", "id", "sender", "manifest_sha256", "accepted_at", "journal_index", "epoch"),
        ("void", "sender", "recipient", "stream", "sequence", "reason", "voided_at"),
        ("horizon", "sender", "recipient", "stream", "next_sequence", "published_up_to"),
        ("profile", "party", "encodings", "software", "declared_at"),
        (
            *("binding", "endpoint", "terminal", "certificate_sha256", "receiving_key", "generation"),
            *("not_before", "not_after"),
        ),
    ]


def test_what_has_another_shape_travels_as_it_is(envelopes: dict[str, bytes], hub: Any, shinjuku: Any) -> None:
    head = TreeHead(epoch=1, size=0, root="ab" * 32, signed_at=AT).sign(hub.signer)
    later = shinjuku.signer.sign(Kind.RECEIPT, {"of": "a later release"})
    odd = shinjuku.signer.sign(
        Kind.PROFILE, {"party": "131041", "encodings": [True], "software": 7, "declared_at": "yesterday"}
    )
    spaced = envelopes["receipt"].replace(b'{"payload"', b'{ "payload"')
    upper = envelopes["receipt"].replace(b'"keyid":"', b'"keyid":"\xc3\xa9')
    for envelope in (head, later, odd, spaced, upper, b"{}", b"", b"not JSON", b"\xff" * 10):
        assert pack(envelope) == envelope
        assert unpack(envelope) == envelope


def test_a_payload_in_upper_case_hex_keeps_it(shinjuku: Any) -> None:
    payload = Receipt(**PLACE, id=uuid4(), content_sha256="ab" * 32, received_at=AT).to_json()
    for changes in ({"content_sha256": "AB" * 32}, {"id": str(uuid4()).upper()}, {"content_sha256": "ab" * 31}):
        envelope = shinjuku.signer.sign(Kind.RECEIPT, {**payload, **changes})
        assert unpack(pack(envelope)) == envelope


@given(
    st.uuids(),
    st.sampled_from(["ministry", "131041", "011011"]),
    st.binary(min_size=32, max_size=32),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 (of bounds)
    st.integers(0, 2**53 - 1),
    st.integers(1, 2**53 - 1),
)
def test_an_acceptance_just_signed_needs_no_look_back(
    message: UUID, sender: str, digest: bytes, at: datetime, index: int, epoch: int
) -> None:
    envelope = Acceptance(
        id=message,
        sender=Party(sender),
        manifest_sha256=digest.hex(),
        accepted_at=at,
        journal_index=index,
        epoch=epoch,
    ).sign(SIGNER)
    assert pack(envelope, own=True) == pack(envelope)
    assert unpack(pack(envelope, own=True)) == envelope


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(DocumentError):
        unpack(FORM + noise)


def test_changed_bytes_are_refused_or_another_document(envelopes: dict[str, bytes]) -> None:
    chance = random.Random(1)  # noqa: S311 - damage needs no secrecy
    for envelope in envelopes.values():
        packed = pack(envelope)
        for _ in range(100):
            damaged = bytearray(packed)
            damaged[chance.randrange(1, len(damaged))] ^= 1 << chance.randrange(8)
            try:
                found = unpack(bytes(damaged))
            except DocumentError:
                continue
            assert found != envelope
            assert pack(found) == bytes(damaged)


def test_another_spelling_is_refused(envelopes: dict[str, bytes]) -> None:
    packed = pack(envelopes["receipt"])
    value = cbor2.loads(packed[1:])
    for wrong in (
        FORM + b"\x98" + bytes([len(value)]) + packed[2:],
        packed + b"\x00",
        FORM + cbor2.dumps([*value, 1], canonical=True),
        FORM + cbor2.dumps([-1, *value[1:]], canonical=True),
        FORM + cbor2.dumps([99, *value[1:]], canonical=True),
        FORM + cbor2.dumps({}, canonical=True),
        FORM + b"\x81" * 100_000,
        FORM + bytes(MAX_ENVELOPE),
    ):
        with pytest.raises(DocumentError):
            unpack(wrong)


def test_a_point_that_is_not_on_the_curve_travels_as_it_is(parcel: Parcel, shinjuku: Any) -> None:
    payload = parcel.manifest.to_json()
    point = bytearray(b64decode(str(payload["encapsulated_key"])))
    point[-1] ^= 1
    envelope = shinjuku.signer.sign(Kind.MANIFEST, {**payload, "encapsulated_key": b64encode(point).decode()})
    assert pack(envelope) == envelope


def test_a_directory_entry_comes_back_byte_for_byte_in_half_its_bytes(shinjuku: Any) -> None:
    entry = shinjuku.entry.to_json()
    packed = pack_entry(entry)
    assert len(packed) < len(entry) * 0.6
    assert unpack_entry(packed) == entry
    spaced = entry.replace(b'{"binding"', b'{ "binding"')
    for other in (spaced, b"{}", b"", b"no JSON"):
        assert pack_entry(other) == other
        assert unpack_entry(other) == other
    for wrong in (packed[:-1], FORM, FORM + cbor2.dumps([1, 2, 3]), FORM + bytes(MAX_ENVELOPE)):
        with pytest.raises(DocumentError):
            unpack_entry(wrong)
