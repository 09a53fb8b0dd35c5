import json
from typing import Any

import pytest

from renkei.agent import directory
from renkei.agent import exchange as exchanging
from renkei.agent.contact import HubNotGenuine
from renkei.agent.exchange import take_offline
from renkei.agent.home import Home
from renkei.agent.intake import Watch
from renkei.agent.status import PeerStatus, status_of
from renkei.client.errors import GatewayNotTrusted, HubUnreachable, NotAllowed
from renkei.exchange import whole
from renkei.exchange.parties import Party
from renkei.store.incoming import State

SHINJUKU = "131041"


def peer(home: Home, party: str) -> PeerStatus:
    return next(p for p in status_of(home).peers if p.party == party)


@pytest.mark.quick
def test_notices_go_both_ways_and_come_back_as_receipts(fleet: Any, residence_csv: Any, status_csv: Any) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    (shinjuku.settings.outbox / "day.csv").write_bytes(residence_csv(3))
    (ministry.settings.outbox / SHINJUKU).mkdir()
    (ministry.settings.outbox / SHINJUKU / "change.csv").write_bytes(status_csv(2))

    assert fleet.exchange(shinjuku).parcels_sent == 1
    to_ministry = fleet.exchange(ministry)
    assert (to_ministry.notices_delivered, to_ministry.receipts_sent) == (3, 1)
    to_shinjuku = fleet.exchange(shinjuku)
    assert (to_shinjuku.notices_delivered, to_shinjuku.receipts_received, to_shinjuku.receipts_sent) == (2, 1, 1)
    assert fleet.exchange(ministry).receipts_received == 1

    (arrived,) = (ministry.settings.inbox / SHINJUKU).iterdir()
    assert arrived.read_bytes() == residence_csv(3)
    (arrived,) = shinjuku.settings.inbox.iterdir()
    assert arrived.read_bytes() == status_csv(2)
    assert [p.name for p in shinjuku.settings.done.iterdir()] == ["day.csv"]
    assert (peer(shinjuku, "ministry").waiting, peer(ministry, SHINJUKU).waiting) == (0, 0)
    assert status_of(shinjuku).alarms == () == status_of(ministry).alarms


def test_an_exchange_with_nothing_to_do_changes_nothing(fleet: Any) -> None:
    shinjuku = fleet.agent(SHINJUKU)
    fleet.exchange(shinjuku)
    again = fleet.exchange(shinjuku)
    assert (again.parcels_sent, again.parcels_received, again.receipts_sent) == (0, 0, 0)


def test_files_for_a_recipient_without_a_terminal_wait_and_are_sent_when_it_has_one(
    fleet: Any, residence_csv: Any
) -> None:
    shinjuku = fleet.agent(SHINJUKU)
    (shinjuku.settings.outbox / "day.csv").write_bytes(residence_csv(1))
    assert fleet.exchange(shinjuku).files_waiting == 1
    assert [alarm.kind for alarm in status_of(shinjuku).alarms] == ["no-binding"]
    fleet.agent("ministry")
    assert fleet.exchange(shinjuku).parcels_sent == 1
    assert status_of(shinjuku).alarms == ()


@pytest.mark.quick
def test_a_cut_upload_goes_on_with_the_parts_that_are_missing(fleet: Any, residence_csv: Any) -> None:
    fleet.agent("ministry")
    shinjuku = fleet.agent(SHINJUKU)
    (shinjuku.settings.outbox / "big.csv").write_bytes(residence_csv(700))
    fleet.front.cut_after["up"] = 120_000
    with pytest.raises(HubUnreachable):
        fleet.exchange(shinjuku)
    fleet.front.requests.clear()
    assert fleet.exchange(shinjuku).parcels_sent == 1
    (message,) = shinjuku.spool.outgoing.unreceipted()
    parts = -(-len(message.sealed) // 65536)
    put = sum(line.startswith("PUT /v1/parts/") for line in fleet.front.requests)
    assert 0 < put < parts


def test_a_cut_download_goes_on_where_it_stood(fleet: Any, residence_csv: Any) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    (shinjuku.settings.outbox / "big.csv").write_bytes(residence_csv(700))
    fleet.exchange(shinjuku)
    fleet.front.cut_after["down"] = 150_000
    with pytest.raises(HubUnreachable):
        fleet.exchange(ministry)
    (message,) = ministry.spool.incoming.in_state(State.ANNOUNCED)
    here = ministry.spool.incoming.fetched_bytes(message)
    assert 100_000 < here < message.size
    outcome = fleet.exchange(ministry)
    assert outcome.bytes_received == message.size - here
    assert outcome.notices_delivered == 700


def test_a_hub_that_cannot_be_reached_leaves_the_parcels_ready(fleet: Any, residence_csv: Any) -> None:
    fleet.agent("ministry")
    shinjuku = fleet.agent(SHINJUKU)
    fleet.exchange(shinjuku)
    (shinjuku.settings.outbox / "first.csv").write_bytes(residence_csv(1))
    fleet.exchange(shinjuku)
    (shinjuku.settings.outbox / "day.csv").write_bytes(residence_csv(2))
    fleet.stop_hub()
    with pytest.raises(HubUnreachable):
        fleet.exchange(shinjuku)
    assert [m.sequence for m in shinjuku.spool.outgoing.unreceipted()] == [1, 2]
    assert not list(shinjuku.settings.outbox.iterdir())
    fleet.start_hub()
    assert fleet.exchange(shinjuku).parcels_sent == 1


def test_a_replaced_terminal_gets_what_was_sealed_to_the_old_one(fleet: Any, status_csv: Any) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    (ministry.settings.outbox / SHINJUKU).mkdir()
    (ministry.settings.outbox / SHINJUKU / "change.csv").write_bytes(status_csv(2))
    fleet.exchange(ministry)
    (before,) = ministry.spool.outgoing.unreceipted()
    (old,) = [g.entry for g in shinjuku.keyring.generations()]
    replacement = fleet.replace(shinjuku, revoked=old)
    fleet.exchange(ministry)
    (after,) = ministry.spool.outgoing.unreceipted()
    assert (after.id, after.sequence, after.content_sha256) == (before.id, before.sequence, before.content_sha256)
    assert after.recipient_certificate_sha256 != before.recipient_certificate_sha256
    assert fleet.exchange(replacement).notices_delivered == 2
    assert fleet.exchange(ministry).receipts_received == 1


def test_a_replaced_terminal_goes_on_where_the_old_one_stopped(fleet: Any, residence_csv: Any, status_csv: Any) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    (ministry.settings.outbox / SHINJUKU).mkdir()
    for number in (1, 2):
        (shinjuku.settings.outbox / f"{number}.csv").write_bytes(residence_csv(1, first=number))
        (ministry.settings.outbox / SHINJUKU / f"{number}.csv").write_bytes(status_csv(1, first=number))
        fleet.exchange(shinjuku)
        fleet.exchange(ministry)
        fleet.exchange(shinjuku)
    replacement = fleet.replace(shinjuku, revoked=shinjuku.keys().entry)
    (replacement.settings.outbox / "3.csv").write_bytes(residence_csv(1, first=3))
    (ministry.settings.outbox / SHINJUKU / "3.csv").write_bytes(status_csv(1, first=3))
    for _ in range(2):
        fleet.exchange(ministry)
        fleet.exchange(replacement)
    fleet.exchange(ministry)
    assert [path.name[:16] for path in replacement.settings.inbox.iterdir()] == ["notices-00000003"]
    assert len(list((ministry.settings.inbox / SHINJUKU).iterdir())) == 3
    assert ministry.spool.outgoing.unreceipted() == []
    assert status_of(replacement).alarms == () == status_of(ministry).alarms


def test_what_was_sealed_to_a_terminal_replaced_a_moment_ago_is_sealed_anew_when_the_hub_says_so(
    fleet: Any, status_csv: Any
) -> None:
    ministry, shinjuku = fleet.agent("ministry", exchange={"directory_seconds": 900}), fleet.agent(SHINJUKU)
    (ministry.settings.outbox / SHINJUKU).mkdir()
    with ministry.connect() as client:
        directory.refresh(ministry, client, Party(SHINJUKU))
    replacement = fleet.replace(shinjuku, revoked=shinjuku.keys().entry)
    (ministry.settings.outbox / SHINJUKU / "change.csv").write_bytes(status_csv(1))
    assert fleet.exchange(ministry).parcels_sent == 1
    assert fleet.exchange(replacement).notices_delivered == 1


@pytest.mark.thorough
def test_nothing_is_lost_when_the_hub_is_restored_from_an_old_backup(
    fleet: Any, residence_csv: Any, status_csv: Any
) -> None:
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU)
    (ministry.settings.outbox / SHINJUKU).mkdir()

    def send_both(number: int) -> None:
        (shinjuku.settings.outbox / f"{number}.csv").write_bytes(residence_csv(1, first=number))
        (ministry.settings.outbox / SHINJUKU / f"{number}.csv").write_bytes(status_csv(1, first=number))
        fleet.exchange(shinjuku)
        fleet.exchange(ministry)

    send_both(1)
    fleet.back_up()
    send_both(2)
    fleet.exchange(shinjuku)  # 1 and 2 to the ministry are receipted, and the restored hub knows nothing of 2
    fleet.restore()
    send_both(3)
    for _ in range(2):
        fleet.exchange(shinjuku)
        fleet.exchange(ministry)
    assert len(list((ministry.settings.inbox / SHINJUKU).iterdir())) == 3
    assert len(list(shinjuku.settings.inbox.iterdir())) == 3
    assert (peer(shinjuku, "ministry").waiting, peer(ministry, SHINJUKU).waiting) == (0, 0)
    assert status_of(shinjuku).alarms == () == status_of(ministry).alarms


@pytest.mark.quick
def test_an_agent_whose_certificate_was_revoked_is_told_so(fleet: Any) -> None:
    shinjuku = fleet.agent(SHINJUKU)
    fleet.revoke(shinjuku.keys().entry)
    with pytest.raises(NotAllowed, match="not revoked"):
        fleet.exchange(shinjuku)


@pytest.mark.quick
def test_a_gateway_of_another_root_is_not_talked_to(fleet: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = type(fleet.pki)(tmp_path_factory.mktemp("other"))
    shinjuku = fleet.agent(SHINJUKU)
    server = other.server(fleet.folder, "localhost")
    fleet.front.context.load_cert_chain(server.chain, server.key)
    fleet.front.requests.clear()
    with pytest.raises(GatewayNotTrusted):
        fleet.exchange(shinjuku)
    assert fleet.front.requests == []


@pytest.mark.quick
def test_a_hub_that_rewrites_its_journal_is_found_out(fleet: Any) -> None:
    shinjuku = fleet.agent(SHINJUKU)
    fleet.exchange(shinjuku)
    head = shinjuku.spool.tree_head(shinjuku.spool.epoch)
    shinjuku.spool.note_tree_head(type(head)(head.epoch, head.size, "00" * 32), b"{}")
    with pytest.raises(HubNotGenuine):
        fleet.exchange(shinjuku)
    assert "hub" in [alarm.kind for alarm in status_of(shinjuku).alarms]


@pytest.mark.quick
def test_a_status_holds_no_personal_data(fleet: Any, residence_csv: Any) -> None:
    fleet.agent("ministry")
    shinjuku = fleet.agent(SHINJUKU)
    (shinjuku.settings.outbox / "day.csv").write_bytes(residence_csv(2))
    fleet.exchange(shinjuku)
    text = json.dumps(status_of(shinjuku).model_dump(mode="json"))
    assert "TEST PERSON" not in text
    assert peer(shinjuku, "ministry").notices_sent == 2


def test_what_waited_until_the_senders_certificate_had_ended_is_signed_anew(fleet: Any, residence_csv: Any) -> None:
    ministry, sender = fleet.agent("ministry"), fleet.agent("131041")
    fleet.exchange(sender)
    (sender.settings.outbox / "day.csv").write_bytes(residence_csv(3))
    take_offline(sender, Watch(0))  # signed by the first key, and then the line is away for long
    ended = sender.keys().entry
    fleet.enrol(sender)
    fleet.revoke(ended)
    assert fleet.exchange(sender).parcels_sent == 1
    assert fleet.exchange(ministry).notices_delivered == 3
    assert status_of(sender).alarms == ()


def test_a_receipt_that_waited_until_its_signers_certificate_had_ended_is_signed_anew(
    fleet: Any, residence_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ministry, sender = fleet.agent("ministry"), fleet.agent("131041")
    (sender.settings.outbox / "day.csv").write_bytes(residence_csv(2))
    fleet.exchange(sender)
    with monkeypatch.context() as patched:
        patched.setattr(exchanging, "_send_receipts", lambda *_: 0)  # the line is cut just before
        assert fleet.exchange(ministry).notices_delivered == 2
    ended = ministry.keys().entry
    fleet.enrol(ministry)
    fleet.revoke(ended)
    fleet.exchange(ministry)
    assert fleet.exchange(sender).receipts_received == 1
    assert status_of(ministry).alarms == () == status_of(sender).alarms


def test_a_small_parcel_goes_in_one_request_and_to_an_older_hub_in_two(
    fleet: Any, residence_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.agent("ministry")
    shinjuku = fleet.agent(SHINJUKU)
    fleet.exchange(shinjuku)

    def puts(name: str, first: int) -> list[str]:
        (shinjuku.settings.outbox / name).write_bytes(residence_csv(2, first=first))
        fleet.front.requests.clear()
        assert fleet.exchange(shinjuku).parcels_sent == 1
        return [line.split("/")[2] for line in fleet.front.requests if line.startswith("PUT /v1/")]

    assert puts("a.csv", 1) == ["messages"]
    monkeypatch.setattr(whole, "MEDIA_TYPE", "application/vnd.renkei.unheard-of")
    assert puts("b.csv", 3) == ["parts", "messages"]
