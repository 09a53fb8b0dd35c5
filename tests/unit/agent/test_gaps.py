"""A gap in a received stream: held, asked for, alarmed; only a signed void passes over it."""

import datetime as dt
import json
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from renkei.agent import gaps, media
from renkei.agent.home import Home
from renkei.agent.intake import Recipients, Watch, take_all
from renkei.agent.receiving import Received, finish, take
from renkei.agent.status import status_of
from renkei.cli.agent import app
from renkei.exchange.parcels import Dispatch, Parcel, build_parcel
from renkei.exchange.parties import Party
from renkei.store.incoming import State

HOURS_LATER = dt.timedelta(hours=13)


@pytest.fixture
def sides(fleet: Any) -> tuple[Home, Home]:
    return fleet.agent("ministry"), fleet.agent("131041")


def parcel(fleet: Any, sender: Home, recipient: Home, notices: Any, sequence: int) -> Parcel:
    at = dt.datetime.now(dt.UTC)
    to = fleet.pki.anchor.verify_entry(recipient.keys().entry, at)
    dispatch = Dispatch(uuid4(), sender.party, "notices", sequence, "daily", at)
    return build_parcel(notices, dispatch, sender.keys().signer, to)


def bring(home: Home, sender: Home, found: Parcel) -> None:
    """Take a parcel as from a medium."""
    take(home, "manifest", found.manifest_envelope, sender.keys().entry, Received())
    (message,) = home.spool.incoming.in_state(State.ANNOUNCED)
    home.spool.incoming.add_piece(message, 0, found.sealed)
    finish(home, message)


def alarms(home: Home) -> list[tuple[str, str]]:
    return [(alarm.kind, alarm.subject) for alarm in status_of(home).alarms]


def test_a_parcel_after_a_missing_one_is_held_and_alarmed_with_how_long(
    fleet: Any, sides: tuple[Home, Home], residence_list: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ministry, shinjuku = sides
    third = parcel(fleet, shinjuku, ministry, residence_list(1), 3)
    bring(ministry, shinjuku, third)
    outcome = fleet.exchange(ministry)
    assert (outcome.gaps, outcome.notices_delivered) == (1, 0)
    assert outcome.needs_person
    assert alarms(ministry) == [("gap", "131041/notices")]
    later = dt.datetime.now(dt.UTC) + HOURS_LATER
    monkeypatch.setattr(gaps, "now", lambda: later)
    gaps.watch(ministry)
    (alarm,) = status_of(ministry).alarms
    assert "numbers 1 to 2 of 131041's notices missing for 13 h 0 min, 1 parcels behind wait" in alarm.text
    assert "renkei-agent void ministry notices 1" in alarm.text


def test_the_hub_is_asked_for_what_is_missing_and_has_it(
    fleet: Any, sides: tuple[Home, Home], residence_list: Any
) -> None:
    ministry, shinjuku = sides
    parcels = [parcel(fleet, shinjuku, ministry, residence_list(1, first=n), n) for n in (1, 2)]
    with shinjuku.connect() as client:
        for each in parcels:
            for part in each.parts:
                client.put_part(part)
            client.put_message(shinjuku.party, str(each.manifest.id), each.manifest_envelope)
    fleet.contact(ministry)
    ministry.spool.note(cursor="1")  # as if the first had been passed over, because it couldn't be believed then
    outcome = fleet.exchange(ministry)
    assert (outcome.notices_delivered, outcome.gaps, alarms(ministry)) == (2, 0, [])


def test_the_hub_is_asked_again_only_after_a_while(
    fleet: Any, sides: tuple[Home, Home], residence_list: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ministry, shinjuku = sides
    second = parcel(fleet, shinjuku, ministry, residence_list(1), 2)
    take(ministry, "manifest", second.manifest_envelope, shinjuku.keys().entry, Received())
    assert gaps.to_ask(ministry)
    assert not gaps.to_ask(ministry)
    later = dt.datetime.now(dt.UTC) + HOURS_LATER
    monkeypatch.setattr(gaps, "now", lambda: later)
    assert gaps.to_ask(ministry)


def put(home: Home, name: str, content: bytes) -> None:
    path = home.settings.outbox / name
    path.write_bytes(content)


def send_offline(fleet: Any, home: Home, recipient: Home, name: str, content: bytes) -> None:
    """Take a file into the spool without a line, sealed to its recipient."""
    put(home, name, content)
    to = fleet.pki.anchor.verify_entry(recipient.keys().entry, dt.datetime.now(dt.UTC))
    take_all(home, Watch(0), Recipients(lambda _party: to))


def void(fleet: Any, home: Home, sequence: int, reason: str = "媒体の紛失") -> tuple[int, Any]:
    config = fleet.write_config(home)
    arguments = ["void", "ministry", "notices", str(sequence), "--reason", reason, "--config", str(config), "--json"]
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, json.loads(result.stdout) if result.exit_code == 0 else result.stderr


@pytest.mark.quick
def test_a_voided_message_is_passed_over_at_hub_and_recipient_and_both_sides_list_it(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any
) -> None:
    ministry, shinjuku = sides
    for number in (1, 2, 3):
        send_offline(fleet, shinjuku, ministry, f"{number}.csv", residence_csv(2, first=10 * number))
    assert void(fleet, shinjuku, 2)[0] == 0
    assert fleet.exchange(shinjuku).parcels_sent == 2
    outcome = fleet.exchange(ministry)
    assert (outcome.notices_delivered, outcome.gaps) == (4, 0)
    fleet.exchange(shinjuku)
    assert [peer.waiting for peer in status_of(shinjuku).peers] == [0]
    assert [(v.direction, v.party, v.sequence, v.reason) for v in status_of(shinjuku).voids] == [
        ("out", "ministry", 2, "媒体の紛失")
    ]
    assert [(v.direction, v.party, v.sequence) for v in status_of(ministry).voids] == [("in", "131041", 2)]


def test_what_isnt_there_is_receipted_or_void_already_cant_be_voided(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any
) -> None:
    ministry, shinjuku = sides
    send_offline(fleet, shinjuku, ministry, "1.csv", residence_csv(1, first=1))
    send_offline(fleet, shinjuku, ministry, "2.csv", residence_csv(1, first=2))
    assert void(fleet, shinjuku, 2)[0] == 0
    for side in (shinjuku, ministry, shinjuku):
        fleet.exchange(side)
    for sequence, why in ((1, "receipted"), (2, "was voided"), (3, "no message")):
        code, said = void(fleet, shinjuku, sequence)
        assert (code, why in str(said)) == (1, True), said
    assert void(fleet, shinjuku, 1, "")[0] == 1


def test_a_void_of_what_was_delivered_meanwhile_is_withdrawn_and_alarmed(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any
) -> None:
    ministry, shinjuku = sides
    send_offline(fleet, shinjuku, ministry, "1.csv", residence_csv(1))
    fleet.exchange(shinjuku)
    fleet.exchange(ministry)
    assert void(fleet, shinjuku, 1)[0] == 0  # its receipt is still on the way
    fleet.exchange(shinjuku)
    status = status_of(shinjuku)
    assert (status.voids, [peer.receipts_received for peer in status.peers]) == ((), [1])


def test_a_medium_carries_the_void_of_a_lost_one(
    fleet: Any, sides: tuple[Home, Home], residence_csv: Any, tmp_path: Any
) -> None:
    ministry, shinjuku = sides
    for number in (1, 2):
        send_offline(fleet, shinjuku, ministry, f"{number}.csv", residence_csv(1, first=number))
    assert void(fleet, shinjuku, 1)[0] == 0
    medium = fleet.medium(shinjuku, tmp_path / "medium", shinjuku.party)
    media.export(shinjuku, medium, Party("ministry"))
    brought = media.import_all(ministry, medium)
    assert (brought.delivered, brought.refused, alarms(ministry)) == (1, 0, [])
