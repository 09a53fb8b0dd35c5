from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.documents import DocumentError, Kind, Signer
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import (
    MAX_PARTS,
    PART_SIZE,
    Acceptance,
    Binding,
    Manifest,
    Part,
    Payload,
    Receipt,
    Revocation,
    Settlement,
    TreeHead,
    Void,
)

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DIGEST = "ab" * 32
POINT = b"\x04" + b"\x01" * 64
ID = UUID("0b5f4c1e-3c2b-4b1e-9a55-0c8b8d1f7a10")
WAY: dict[str, Any] = {"sender": Party("131041"), "recipient": MINISTRY, "stream": "notices", "sequence": 1}
PLACE: dict[str, Any] = {"endpoint": Party("131041"), "terminal": "T-0001", "certificate_sha256": DIGEST}


def manifest(sizes: list[int], **changes: Any) -> Manifest:
    values: dict[str, Any] = {
        **WAY,
        "id": ID,
        "count": 1,
        "layout": 1,
        "mode": "daily",
        "content_sha256": DIGEST,
        "recipient_certificate_sha256": DIGEST,
        "created_at": AT,
        "envelope_sha256": DIGEST,
        "envelope_size": sum(sizes),
        "parts": [Part(sha256=DIGEST, size=size) for size in sizes],
        "encapsulated_key": POINT,
    }
    return Manifest(**{**values, **changes})


DOCUMENTS: list[Payload] = [
    Binding(**PLACE, receiving_key=POINT, generation=1, not_before=AT, not_after=AT.replace(year=2027)),
    Revocation(**PLACE, reason="lost", revoked_at=AT),
    manifest([PART_SIZE, 17]),
    Acceptance(id=ID, sender=MINISTRY, manifest_sha256=DIGEST, accepted_at=AT, journal_index=0, epoch=1),
    Receipt(**WAY, id=ID, content_sha256=DIGEST, received_at=AT),
    Void(**WAY, reason="poison", voided_at=AT),
    Settlement(sender=MINISTRY, recipient=Party("131041"), stream="notices", settled=[[1, 4], [6, 6]], signed_at=AT),
    TreeHead(epoch=1, size=0, root=DIGEST, signed_at=AT),
]


def each(document: Payload) -> str:
    return document.KIND


@pytest.mark.parametrize("document", DOCUMENTS, ids=each)
def test_a_payload_comes_back_from_its_envelope(document: Payload, shinjuku: Any) -> None:
    assert type(document).open(document.sign(shinjuku.signer), shinjuku.verified.signing_public_key) == document


@pytest.mark.parametrize("document", DOCUMENTS, ids=each)
def test_every_field_is_needed_and_no_other_is_taken(document: Payload) -> None:
    values = document.to_json()
    for name in values:
        with pytest.raises(DocumentError, match=name):
            type(document).read({other: value for other, value in values.items() if other != name})
    with pytest.raises(DocumentError, match="surplus"):
        type(document).read({**values, "surplus": 1})


@pytest.mark.parametrize("document", DOCUMENTS, ids=each)
def test_no_field_takes_a_value_of_another_type(document: Payload) -> None:
    for name, value in document.to_json().items():
        for wrong in (None, True, [], {}, -1, str(value) + "\x07", "x" * 2000):
            if wrong != value:
                with pytest.raises(DocumentError, match=name):
                    type(document).read({**document.to_json(), name: wrong})


def test_the_names_of_the_protocol_are_in_the_envelope() -> None:
    assert set(manifest([5]).to_json()) == {
        *("id", "sender", "recipient", "stream", "sequence", "count", "layout", "mode", "content_sha256"),
        *("envelope_sha256", "envelope_size", "parts", "encapsulated_key", "recipient_certificate_sha256"),
        "created_at",
    }
    assert manifest([5]).to_json()["created_at"] == "2026-11-23T09:00:00Z"


@pytest.mark.parametrize(
    ("sizes", "envelope_size"), [([5], 6), ([5, 5], 10), ([PART_SIZE, PART_SIZE], PART_SIZE), ([], 0)]
)
def test_a_manifest_whose_parts_do_not_make_up_the_whole_is_refused(sizes: list[int], envelope_size: int) -> None:
    values = {**manifest([5]).to_json(), "envelope_size": envelope_size}
    values["parts"] = [{"sha256": DIGEST, "size": size} for size in sizes]
    with pytest.raises(DocumentError):
        Manifest.read(values)


def test_the_largest_manifest_fits_into_an_envelope_and_a_larger_one_is_refused(shinjuku: Any) -> None:
    manifest([PART_SIZE] * MAX_PARTS).sign(shinjuku.signer)
    with pytest.raises(ValueError, match="parts"):
        manifest([PART_SIZE] * (MAX_PARTS + 1), envelope_size=MAX_PARTS * PART_SIZE)


def test_a_binding_that_ends_before_it_begins_is_refused() -> None:
    binding = DOCUMENTS[0].to_json()
    for not_after in ("2026-11-23T09:00:00Z", "2026-11-22T09:00:00Z"):
        with pytest.raises(DocumentError, match="not earlier"):
            Binding.read({**binding, "not_after": not_after})


@pytest.mark.parametrize(("sender", "recipient"), [("131041", "011011"), ("ministry", "hub"), ("hub", "131041")])
def test_a_way_that_does_not_exist_is_refused(sender: str, recipient: str) -> None:
    with pytest.raises(DocumentError, match=f"nothing goes from {sender} to {recipient}"):
        Manifest.read({**manifest([5]).to_json(), "sender": sender, "recipient": recipient})


def test_sealing_binds_all_that_is_not_made_by_sealing() -> None:
    one = manifest([5])
    same = manifest([7], envelope_sha256="cd" * 32, encapsulated_key=b"\x04" + b"\x02" * 64)
    assert one.sealing_info() == same.sealing_info()
    for name, value in (("sequence", 2), ("stream", "results"), ("sender", Party("011011")), ("count", 2)):
        assert manifest([5], **{name: value}).sealing_info() != one.sealing_info()


@given(st.text(max_size=30), st.sampled_from(["terminal", "reason", "certificate_sha256", "endpoint"]))
def test_an_error_never_repeats_what_was_wrong(text: str, name: str) -> None:
    values = {**Revocation(**PLACE, reason="lost", revoked_at=AT).to_json(), name: f"秘密{text}" * 300}
    with pytest.raises(DocumentError) as refused:
        Revocation.read(values)
    assert "秘密" not in str(refused.value)


def test_a_document_signed_under_another_kind_is_not_read(shinjuku: Any) -> None:
    signer: Signer = shinjuku.signer
    envelope = signer.sign(Kind.VOID, Receipt(**WAY, id=ID, content_sha256=DIGEST, received_at=AT).to_json())
    with pytest.raises(DocumentError, match="is a void, not a receipt"):
        Receipt.open(envelope, shinjuku.verified.signing_public_key)
