from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renkei.domain.notices import ImportResult, Inquiry
from renkei.exchange.documents import Kind, Signer
from renkei.exchange.encoding import EncodingError
from renkei.exchange.parcels import (
    SALT,
    Dispatch,
    Parcel,
    ParcelError,
    _check_notices,
    build_parcel,
    check_sealed,
    open_parcel,
    reseal,
    split,
    verify_manifest,
)
from renkei.exchange.parties import HUB, MINISTRY, Party
from renkei.exchange.payloads import PART_SIZE, Manifest
from renkei.exchange.sealing import SealingError
from unit.examples import examples

SHINJUKU, SAPPORO = Party("131041"), Party("011011")


class Exchange:
    """新宿区 writes to the ministry."""

    def __init__(self, world: Any, sender: Any, recipient: Any, notice: Any) -> None:
        self.world, self.sender, self.recipient, self.notice = world, sender, recipient, notice

    def build(self, notices: Any = None, **changes: Any) -> Parcel:
        values = {
            "id": uuid4(),
            "sender": SHINJUKU,
            "stream": "notices",
            "sequence": 1,
            "mode": "daily",
            "created_at": self.world.now,
        }
        dispatch = Dispatch(**{**values, **changes})
        return build_parcel(notices or [self.notice()], dispatch, self.sender.signer, self.recipient.verified)

    def open(self, envelope: bytes, sealed: bytes) -> Any:
        return open_parcel(envelope, sealed, self.sender.verified, MINISTRY, self.recipient.receiving)

    def signed(self, parcel: Parcel, signer: Signer | None = None, **changes: Any) -> bytes:
        """The manifest with other claims, signed all the same."""
        return (signer or self.sender.signer).sign(Kind.MANIFEST, {**parcel.manifest.to_json(), **changes})


@pytest.fixture(scope="session")
def exchange(world: Any, shinjuku: Any, ministry: Any, a_residence_notice: Any) -> Exchange:
    return Exchange(world, shinjuku, ministry, a_residence_notice)


@settings(max_examples=examples(40))
@given(data=st.data())
def test_the_recipient_gets_what_was_sent(data: st.DataObject, exchange: Exchange, residence_notices: Any) -> None:
    notices = data.draw(residence_notices)
    parcel = exchange.build(notices)
    opened = exchange.open(parcel.manifest_envelope, parcel.sealed)
    assert opened.notices == notices
    assert opened.manifest == parcel.manifest
    assert opened.manifest.count == len(notices)


def test_the_ministry_writes_to_an_endpoint(world: Any, ministry: Any, shinjuku: Any, a_status_notice: Any) -> None:
    dispatch = Dispatch(uuid4(), MINISTRY, "notices", 1, "immediate", world.now)
    parcel = build_parcel([a_status_notice()], dispatch, ministry.signer, shinjuku.verified)
    opened = open_parcel(parcel.manifest_envelope, parcel.sealed, ministry.verified, SHINJUKU, shinjuku.receiving)
    assert opened.notices == [a_status_notice()]


def test_nothing_of_a_notice_can_be_seen_on_the_way(exchange: Exchange) -> None:
    parcel = exchange.build()
    seen = parcel.manifest_envelope + parcel.sealed + repr(parcel).encode() + repr(parcel.manifest).encode()
    for secret in ("NGUYEN", "AB12345678CD", "歌舞伎町", "ベトナム"):
        assert secret.encode() not in seen


def test_the_digest_of_the_content_confirms_no_guess(exchange: Exchange) -> None:
    first, second = exchange.build(), exchange.build()
    assert first.content[SALT:] == second.content[SALT:]
    assert first.manifest.content_sha256 != second.manifest.content_sha256


@settings(max_examples=examples(60))
@given(data=st.data())
def test_an_altered_byte_of_the_sealed_notices_is_found(data: st.DataObject, exchange: Exchange) -> None:
    parcel = exchange.build()
    sealed = bytearray(parcel.sealed)
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ParcelError, match="not those of its manifest"):
        exchange.open(parcel.manifest_envelope, bytes(sealed))


def test_a_foreign_signer_is_refused(exchange: Exchange, sapporo: Any, hub: Any) -> None:
    parcel = exchange.build()
    for machine in (sapporo, hub):
        with pytest.raises(ParcelError, match="from 131041 can't be believed"):
            exchange.open(exchange.signed(parcel, machine.signer), parcel.sealed)


def test_nobody_signs_in_anothers_name(exchange: Exchange, sapporo: Any) -> None:
    envelope = exchange.signed(exchange.build(), sapporo.signer)
    with pytest.raises(ParcelError, match="011011 signed a manifest in the name of 131041"):
        verify_manifest(envelope, sapporo.verified)


def test_what_is_for_another_recipient_is_refused(
    world: Any, ministry: Any, shinjuku: Any, a_status_notice: Any
) -> None:
    dispatch = Dispatch(uuid4(), MINISTRY, "notices", 1, "daily", world.now)
    parcel = build_parcel([a_status_notice()], dispatch, ministry.signer, shinjuku.verified)
    with pytest.raises(ParcelError, match="is for 131041, not for 011011"):
        verify_manifest(parcel.manifest_envelope, ministry.verified, SAPPORO)
    assert verify_manifest(parcel.manifest_envelope, ministry.verified) == parcel.manifest


def test_another_recipients_key_opens_nothing(exchange: Exchange, sapporo: Any) -> None:
    parcel = exchange.build()
    with pytest.raises(SealingError):
        open_parcel(parcel.manifest_envelope, parcel.sealed, exchange.sender.verified, MINISTRY, sapporo.receiving)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stream", "results"),
        ("sequence", 2),
        ("count", 2),
        ("mode", "immediate"),
        ("layout", 2),
        ("id", "0b5f4c1e-3c2b-4b1e-9a55-0c8b8d1f7a10"),
        ("created_at", "2027-01-01T00:00:00Z"),
        ("recipient_certificate_sha256", "ab" * 32),
        ("content_sha256", "ab" * 32),
    ],
)
def test_sealed_notices_replayed_under_another_manifest_do_not_open(
    name: str, value: object, exchange: Exchange
) -> None:
    """Even the sender's own key can't put sealed bytes into another place: sealing binds the manifest."""
    parcel = exchange.build()
    with pytest.raises(SealingError):
        exchange.open(exchange.signed(parcel, **{name: value}), parcel.sealed)


def test_sealed_notices_taken_over_by_another_sender_do_not_open(exchange: Exchange, sapporo: Any) -> None:
    parcel = exchange.build()
    envelope = exchange.signed(parcel, sapporo.signer, sender="011011")
    with pytest.raises(SealingError):
        open_parcel(envelope, parcel.sealed, sapporo.verified, MINISTRY, exchange.recipient.receiving)


def test_a_manifest_without_its_content_is_refused(exchange: Exchange) -> None:
    parcel = exchange.build()
    for sealed in (b"", parcel.sealed[:-1], exchange.build().sealed):
        with pytest.raises(ParcelError, match="not those of its manifest"):
            exchange.open(parcel.manifest_envelope, sealed)
    for changes in ({"parts": [], "envelope_size": 0}, {"count": 0}):
        with pytest.raises(ParcelError, match="not as the protocol has it"):
            exchange.open(exchange.signed(parcel, **changes), b"")


def test_parts_other_than_the_listed_ones_are_refused(exchange: Exchange) -> None:
    digests = (sha256(b"%d" % number).hexdigest() for number in range(3000))
    notices = [exchange.notice(number=f"{number}", address=f"東京都{digest}") for number, digest in enumerate(digests)]
    parcel = exchange.build(notices)
    first, *rest = split(parcel.sealed)
    assert [len(first), 1 + len(rest)] == [PART_SIZE, len(parcel.manifest.parts)]
    assert len(rest) >= 1
    assert exchange.open(parcel.manifest_envelope, parcel.sealed).notices == notices
    for wrong in (rest, [*rest, first], [first, first, *rest[1:]], [first, *rest, b"x"]):
        with pytest.raises(ParcelError):
            check_sealed(parcel.manifest, b"".join(wrong))
    told: dict[str, Any] = parcel.manifest.to_json()
    told["parts"][0]["sha256"] = "ab" * 32
    lying = Manifest.read(told)
    with pytest.raises(ParcelError, match="other parts"):
        check_sealed(lying, parcel.sealed)


def test_a_sender_speaks_for_itself_only(exchange: Exchange, world: Any, ministry: Any, sapporo: Any) -> None:
    with pytest.raises(ParcelError, match="of 131041 holds a notice of 011011"):
        exchange.build([exchange.notice(municipality="011011")])
    dispatch = Dispatch(uuid4(), SAPPORO, "notices", 1, "daily", world.now)
    with pytest.raises(ParcelError, match="of 011011 holds a notice of 131041"):
        build_parcel([exchange.notice()], dispatch, sapporo.signer, ministry.verified)


def test_notices_go_in_their_own_direction_only(exchange: Exchange, a_status_notice: Any) -> None:
    with pytest.raises(ParcelError, match="法務省通知, which doesn't go to ministry"):
        exchange.build([a_status_notice()])


def test_each_type_of_notice_travels_in_its_own_stream(exchange: Exchange, a_status_notice: Any) -> None:
    with pytest.raises(ParcelError, match="of the stream results; 市町村伝達 travels in notices"):
        exchange.build(stream="results")
    header = exchange.build().manifest
    back = header.model_copy(update={"sender": MINISTRY, "recipient": SHINJUKU, "stream": "results"})
    result = ImportResult(
        number="1", municipality="131041", target="2", result="取込済", processed_on=exchange.world.now.date()
    )
    inquiry = Inquiry(number="1", municipality="131041", target="2", kind="状態照会")
    for notice in (result, inquiry):
        for way in (header.model_copy(update={"stream": "results"}), back):
            _check_notices(way, [notice])
        with pytest.raises(ParcelError, match="of the stream notices"):
            _check_notices(header, [notice])
    with pytest.raises(ParcelError, match="of the stream results; 法務省通知 travels in notices"):
        _check_notices(back, [a_status_notice()])


def test_a_way_that_does_not_exist_is_refused(exchange: Exchange) -> None:
    for sender in (HUB, MINISTRY):
        with pytest.raises(ParcelError, match=f"nothing goes from {sender} to ministry"):
            exchange.build(sender=sender)


def test_notices_that_cannot_be_encoded_make_no_parcel(exchange: Exchange) -> None:
    with pytest.raises(EncodingError):
        exchange.build([exchange.notice()] * 10_001)


def test_a_parcel_sealed_anew_is_the_same_parcel_for_the_new_terminal(exchange: Exchange, world: Any) -> None:
    parcel = exchange.build()
    successor = world.enrol(MINISTRY, "linkage-2", 2)
    again = reseal(parcel.manifest, parcel.content, exchange.sender.signer, successor.verified)
    same = ("id", "sender", "recipient", "stream", "sequence", "content_sha256", "count", "created_at")
    assert all(getattr(again.manifest, name) == getattr(parcel.manifest, name) for name in same)
    assert again.manifest.envelope_sha256 != parcel.manifest.envelope_sha256
    assert again.manifest.recipient_certificate_sha256 == successor.verified.fingerprint
    opened = open_parcel(again.manifest_envelope, again.sealed, exchange.sender.verified, MINISTRY, successor.receiving)
    assert opened.notices == [exchange.notice()]
    with pytest.raises(SealingError):
        exchange.open(again.manifest_envelope, again.sealed)


def test_only_the_same_content_for_the_same_recipient_is_sealed_anew(exchange: Exchange, sapporo: Any) -> None:
    parcel, other = exchange.build(), exchange.build()
    with pytest.raises(ParcelError, match="is for ministry, not for 011011"):
        reseal(parcel.manifest, parcel.content, exchange.sender.signer, sapporo.verified)
    with pytest.raises(ParcelError, match="not that of its manifest"):
        reseal(parcel.manifest, other.content, exchange.sender.signer, exchange.recipient.verified)


def test_content_that_does_not_match_its_digest_is_refused(exchange: Exchange) -> None:
    """A careless sender, who seals other content than he digested."""
    from renkei.exchange.parcels import _seal  # noqa: PLC0415 - only a sender at fault could do this

    parcel, other = exchange.build(), exchange.build()
    wrong = _seal(parcel.manifest, other.content, exchange.sender.signer, exchange.recipient.verified)
    with pytest.raises(ParcelError, match="not that of its manifest"):
        exchange.open(wrong.manifest_envelope, wrong.sealed)


def test_a_verified_party_of_another_key_is_no_help(exchange: Exchange, sapporo: Any) -> None:
    parcel = exchange.build()
    impostor = replace(exchange.sender.verified, signing_public_key=sapporo.verified.signing_public_key)
    with pytest.raises(ParcelError, match="can't be believed"):
        verify_manifest(parcel.manifest_envelope, impostor)
