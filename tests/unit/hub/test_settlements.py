"""What a sender says of its receipts: the hub goes on behind them, and returns to nobody what it doesn't say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from renkei.exchange.documents import Kind
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Receipt, Settlement

START = datetime(2026, 11, 1, tzinfo=UTC)


def signed(speaker: Any, recipient: str, *settled: tuple[int, int], minutes: int = 0, **changes: Any) -> bytes:
    fields = {
        "sender": speaker.machine.party,
        "recipient": Party(recipient),
        "stream": "notices",
        "settled": [list(each) for each in settled],
        "signed_at": START + timedelta(minutes=minutes),
    }
    return Settlement(**fields | changes).sign(speaker.machine.signer)


def put(speaker: Any, recipient: str, *settled: tuple[int, int], minutes: int = 0) -> Any:
    body = signed(speaker, recipient, *settled, minutes=minutes)
    return speaker.put(f"/v1/settlements/{recipient}/notices", body)


def next_sequence(speaker: Any, recipient: str) -> int:
    return int(speaker.get(f"/v1/streams/{recipient}/notices").json()["next_sequence"])


def receipt_of(parcel: Any, signer: Any, **changes: Any) -> bytes:
    fields = {
        "id": parcel.id,
        "sender": Party("ministry"),
        "recipient": Party("131041"),
        "stream": "notices",
        "sequence": 1,
        "content_sha256": parcel.content_sha256,
        "received_at": START,
    }
    return Receipt(**fields | changes).sign(signer.machine.signer)


def test_the_hub_says_that_it_takes_them(shinjuku: Any) -> None:
    assert Kind.SETTLEMENT.payload_type in shinjuku.get("/v1/hub").json()["reads"]


def test_the_stream_goes_on_behind_what_is_settled_from_its_next_number_on(shinjuku: Any, ministry: Any) -> None:
    assert put(ministry, "131041", (2, 9)).json() == {"next_sequence": 1}
    assert put(ministry, "131041", (1, 3), (5, 9), minutes=1).json() == {"next_sequence": 4}
    assert put(ministry, "131041", (1, 3), minutes=2).json() == {"next_sequence": 4}
    assert next_sequence(ministry, "131041") == 4
    ministry.send(shinjuku.machine, 4)
    assert next_sequence(ministry, "131041") == 5
    assert put(ministry, "131041", (1, 9), minutes=3).json() == {"next_sequence": 10}


def test_its_recipient_gets_the_newest_and_nobody_else_any(bench: Any, shinjuku: Any, ministry: Any) -> None:
    other = bench.enrol("011011")
    assert shinjuku.get("/v1/settlements/ministry/notices").status_code == 404
    for minutes, last in ((5, 3), (4, 2)):
        assert put(ministry, "131041", (1, last), minutes=minutes).status_code == 200
    answer = shinjuku.get("/v1/settlements/ministry/notices").json()
    kept = Settlement.open(answer["envelope"].encode(), ministry.machine.key.public_key())
    assert kept.ranges == ((1, 3),)
    assert other.get("/v1/settlements/ministry/notices").status_code == 404


def test_only_its_sender_settles_a_stream(refused: Any, shinjuku: Any, ministry: Any) -> None:
    in_anothers_name = signed(shinjuku, "131041", (1, 2), sender=Party("ministry"))
    refused(shinjuku.put("/v1/settlements/131041/notices", in_anothers_name), 400, "mismatch")
    refused(shinjuku.put("/v1/settlements/ministry/notices", signed(ministry, "131041", (1, 2))), 400, "document")
    refused(ministry.put("/v1/settlements/131041/results", signed(ministry, "131041", (1, 2))), 400, "mismatch")
    late = signed(ministry, "131041", (1, 2), signed_at=datetime.now(UTC) + timedelta(days=1))
    refused(ministry.put("/v1/settlements/131041/notices", late), 400, "clock")
    assert next_sequence(ministry, "131041") == 1


def test_a_returned_receipt_settles_the_message_and_does_not_come_back(
    bench: Any, refused: Any, shinjuku: Any, ministry: Any
) -> None:
    """It was signed by a machine that is gone; the one in its place isn't offered the message any more."""
    parcel = ministry.send(shinjuku.machine)
    authority = bench.enrol("authority", "moj-linkage-2")
    assert authority.put("/v1/revocations", bench.pki.revocation(shinjuku.machine)).status_code == 201
    successor = bench.enrol("131041", "T-0002")
    assert [each["kind"] for each in successor.get("/v1/inbox").json()["items"]] == ["manifest"]
    path, receipt = f"/v1/receipts/ministry/{parcel.id}", receipt_of(parcel, shinjuku)
    refused(ministry.put(path, receipt_of(parcel, ministry)), 400, "document")
    refused(ministry.put(path, receipt_of(parcel, shinjuku, content_sha256="0" * 64)), 409, "conflict")
    assert [ministry.put(path, receipt).status_code for _ in range(2)] == [201, 200]
    assert successor.get("/v1/inbox").json()["items"] == []
    assert ministry.get("/v1/inbox").json()["items"] == []
    assert ministry.get("/v1/streams/131041/notices").json() == {"next_sequence": 2, "unreceipted": []}
    assert successor.get(f"/v1/messages/ministry/{parcel.id}/content").status_code == 410


@pytest.mark.parametrize("settled", [[(2, 1)], [(1, 2), (3, 4)], [(1, 4), (3, 6)], [(5, 6), (1, 2)], []])
def test_ranges_rise_and_are_apart(ministry: Any, settled: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=r"range|at least 1"):
        signed(ministry, "131041", *settled)
