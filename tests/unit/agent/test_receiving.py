"""What a dishonest or broken sender or hub can hand over, and what becomes of it."""

import datetime as dt
from typing import Any
from uuid import uuid4

import pytest

from renkei.agent import receiving
from renkei.agent.home import Home
from renkei.agent.receiving import NotBelieved, Received
from renkei.agent.status import status_of
from renkei.exchange.documents import Signer
from renkei.exchange.parcels import Dispatch, Parcel, build_parcel
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import Manifest, Receipt, Void
from renkei.store.incoming import State

SHINJUKU = Party("131041")


@pytest.fixture
def sides(fleet: Any) -> tuple[Home, Home]:
    return fleet.agent("ministry"), fleet.agent("131041")


def parcel(fleet: Any, sender: Home, recipient: Home, notices: Any, sequence: int = 1) -> Parcel:
    at = dt.datetime.now(dt.UTC)
    to = fleet.pki.anchor.verify_entry(recipient.keys().entry, at)
    dispatch = Dispatch(uuid4(), sender.party, "notices", sequence, "daily", at)
    return build_parcel(notices, dispatch, sender.keys().signer, to)


def lie(sender: Home, honest: Parcel, **claims: Any) -> bytes:
    """The honest parcel's manifest with other claims, signed by its sender all the same."""
    values = {name: getattr(honest.manifest, name) for name in Manifest.model_fields}
    return Manifest(**{**values, **claims}).sign(sender.keys().signer)


def upload(sender: Home, manifest: bytes, honest: Parcel) -> None:
    with sender.connect() as client:
        for part in honest.parts:
            client.put_part(part)
        client.put_message(sender.party, str(honest.manifest.id), manifest)


@pytest.mark.quick
@pytest.mark.parametrize("claim", [{"count": 7}, {"content_sha256": "0" * 64}, {"layout": 99}])
def test_a_manifest_that_lies_is_quarantined_alarmed_and_never_receipted(
    fleet: Any, sides: tuple[Home, Home], residence_list: Any, claim: dict[str, object]
) -> None:
    ministry, shinjuku = sides
    honest = parcel(fleet, shinjuku, ministry, residence_list(2))
    upload(shinjuku, lie(shinjuku, honest, **claim), honest)
    outcome = fleet.exchange(ministry)
    assert (outcome.quarantined, outcome.notices_delivered, outcome.receipts_sent) == (1, 0, 0)
    assert [alarm.kind for alarm in status_of(ministry).alarms] == ["quarantine"]
    assert [path.name for path in ministry.settings.rejected.iterdir()] == [
        f"quarantine-131041-{honest.manifest.id}.json"
    ]


def test_a_quarantined_message_holds_its_stream_until_its_sender_voids_it(
    fleet: Any, sides: tuple[Home, Home], residence_list: Any
) -> None:
    ministry, shinjuku = sides
    bad, good = (parcel(fleet, shinjuku, ministry, residence_list(1), number) for number in (1, 2))
    upload(shinjuku, lie(shinjuku, bad, count=2), bad)
    upload(shinjuku, good.manifest_envelope, good)
    assert fleet.exchange(ministry).notices_delivered == 0
    void = Void(
        sender=SHINJUKU,
        recipient=MINISTRY,
        stream="notices",
        sequence=1,
        reason="poison",
        voided_at=dt.datetime.now(dt.UTC),
    )
    with shinjuku.connect() as client:
        client.put_void("ministry", "notices", 1, void.sign(shinjuku.keys().signer))
    assert fleet.exchange(ministry).notices_delivered == 1


@pytest.mark.quick
def test_bytes_that_the_hub_changed_are_fetched_again(
    fleet: Any, sides: tuple[Home, Home], residence_list: Any
) -> None:
    ministry, shinjuku = sides
    honest = parcel(fleet, shinjuku, ministry, residence_list(1))
    upload(shinjuku, honest.manifest_envelope, honest)
    contact = fleet.contact(ministry)
    with contact.client:
        receiving.read_inbox(ministry, contact)
    (message,) = ministry.spool.incoming.in_state(State.ANNOUNCED)
    ministry.spool.incoming.add_piece(message, 0, b"\0" * message.size)
    assert not receiving.finish(ministry, message)
    assert [alarm.kind for alarm in status_of(ministry).alarms] == ["content"]
    assert fleet.exchange(ministry).notices_delivered == 1
    assert status_of(ministry).alarms == ()


def test_a_manifest_for_somebody_else_or_in_anothers_name_is_not_taken(
    fleet: Any, sides: tuple[Home, Home], residence_list: Any
) -> None:
    ministry, shinjuku = sides
    other = fleet.agent("011011")
    honest = parcel(fleet, shinjuku, ministry, residence_list(1))
    for home, envelope, entry in (
        (other, honest.manifest_envelope, shinjuku.keys().entry),
        (ministry, lie(other, honest), other.keys().entry),
        (ministry, lie(other, honest), shinjuku.keys().entry),
    ):
        with pytest.raises(NotBelieved):
            receiving.take(home, "manifest", envelope, entry, Received())
        assert home.spool.incoming.in_state(State.ANNOUNCED) == []


@pytest.mark.parametrize("claim", [{"content_sha256": "0" * 64}, {"sequence": 2}, {"id": uuid4()}])
def test_only_a_receipt_for_exactly_what_was_sent_counts(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any, claim: dict[str, object]
) -> None:
    ministry, shinjuku = sides
    (shinjuku.settings.outbox / "day.csv").write_bytes(residence_csv(1))
    fleet.exchange(shinjuku)
    (message,) = shinjuku.spool.outgoing.unreceipted()
    true = {
        "sender": SHINJUKU,
        "recipient": MINISTRY,
        "stream": "notices",
        "sequence": 1,
        "id": Manifest.read(fleet.peek(message.manifest)).id,
        "content_sha256": message.content_sha256,
        "received_at": dt.datetime.now(dt.UTC),
    }
    forged = Receipt(**true).sign(Signer(fleet.homes[0].keys().signing_key))
    wrong = Receipt(**{**true, **claim}).sign(ministry.keys().signer)
    for envelope, entry in ((wrong, ministry.keys().entry), (forged, shinjuku.keys().entry)):
        with pytest.raises(NotBelieved):
            receiving.take(shinjuku, "receipt", envelope, entry, Received())
    assert len(shinjuku.spool.outgoing.unreceipted()) == 1
    receiving.take(shinjuku, "receipt", Receipt(**true).sign(ministry.keys().signer), ministry.keys().entry, Received())
    assert shinjuku.spool.outgoing.unreceipted() == []


@pytest.mark.quick
def test_a_document_of_an_unknown_root_is_not_taken(
    fleet: Any, sides: tuple[Home, Home], tmp_path_factory: pytest.TempPathFactory, residence_list: Any
) -> None:
    ministry, shinjuku = sides
    other = type(fleet.pki)(tmp_path_factory.mktemp("other"))
    honest = parcel(fleet, shinjuku, ministry, residence_list(1))
    pending = shinjuku.keyring.prepare(SHINJUKU, "T-131041")
    entry = other.entry(pending.request_pem, "131041", "T-131041", pending.receiving_point)
    with pytest.raises(NotBelieved, match="root"):
        receiving.take(ministry, "manifest", honest.manifest_envelope, entry, Received())


def test_what_a_wrong_clock_makes_doubtful_is_delivered_when_it_is_put_right(
    fleet: Any, residence_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    for number in (1, 2):
        (shinjuku.settings.outbox / f"{number}.csv").write_bytes(residence_csv(1, first=number))
        fleet.exchange(shinjuku)
    with monkeypatch.context() as patch:
        patch.setattr(receiving, "now", lambda: dt.datetime.now(dt.UTC) + dt.timedelta(days=5000))
        assert fleet.exchange(ministry).parcels_received == 0
        assert {alarm.kind for alarm in status_of(ministry).alarms} == {"document"}
    assert ministry.spool.incoming.in_state(State.ANNOUNCED) == []
    assert fleet.exchange(ministry).parcels_delivered == 2
    assert status_of(ministry).alarms == ()
