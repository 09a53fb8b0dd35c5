"""Each parcel is built in the highest encoding that its recipient has signed that it reads; the rest waits, told."""

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from renkei.agent import directory, media, profiles
from renkei.agent.home import Home, now
from renkei.client.hub import HubClient
from renkei.domain.layouts import Layout, write
from renkei.domain.notices import CardIssueNotice, Notice
from renkei.exchange import encoding
from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.clock import whole_seconds
from renkei.exchange.encoding import EncodingError
from renkei.exchange.parties import MINISTRY, Party
from renkei.exchange.payloads import Profile
from unit.domain.rows import ROWS

SHINJUKU, SAPPORO = "131041", "011011"


def versions(fleet: Any, home: Home, recipient: str) -> list[int]:
    return [fleet.peek(message.manifest)["layout"] for message in home.spool.outgoing.unreceipted(recipient)]


def signed_by(home: Home, *encodings: int, party: str = "") -> bytes:
    return Profile(
        party=Party(party or home.party),
        encodings=list(encodings),
        software="9.9.9",
        declared_at=whole_seconds(now()),
    ).sign(home.keys().signer)


def entry_of(home: Home) -> DirectoryEntry:
    return home.keys().entry


def verified(home: Home) -> Any:
    return home.anchor.verify_entry(entry_of(home), now())


@pytest.fixture
def pair(fleet: Any) -> tuple[Home, Home]:
    return fleet.agent("ministry"), fleet.agent(SHINJUKU)


def test_who_declared_nothing_gets_the_first_version_and_then_the_highest(
    fleet: Any, pair: tuple[Home, Home], residence_csv: Any
) -> None:
    ministry, shinjuku = pair
    (shinjuku.settings.outbox / "a.csv").write_bytes(residence_csv(2))
    fleet.exchange(shinjuku)
    assert versions(fleet, shinjuku, "ministry") == [1]
    fleet.exchange(ministry)
    (shinjuku.settings.outbox / "b.csv").write_bytes(residence_csv(2, first=3))
    fleet.exchange(shinjuku)
    assert versions(fleet, shinjuku, "ministry")[-1] == encoding.LATEST
    assert fleet.exchange(ministry).notices_delivered == 2
    fleet.exchange(shinjuku)
    assert not shinjuku.spool.outgoing.unreceipted()


def test_who_was_met_before_he_declared_anything_is_asked_again_soon(
    fleet: Any, residence_csv: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = {"directory_seconds": 900, "stable_seconds": 0}
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU, exchange=patient)
    fleet.exchange(shinjuku)
    fleet.exchange(ministry)
    later = now() + timedelta(seconds=11)
    monkeypatch.setattr(directory, "now", lambda: later)
    (shinjuku.settings.outbox / "a.csv").write_bytes(residence_csv(2))
    fleet.exchange(shinjuku)
    assert versions(fleet, shinjuku, "ministry") == [2]


def test_a_type_that_the_first_version_lacks_waits_with_an_alarm_until_its_recipient_reads_it(
    fleet: Any, pair: tuple[Home, Home]
) -> None:
    ministry, shinjuku = pair
    notice, _ = CardIssueNotice.parse(ROWS[CardIssueNotice])
    cards: list[Notice] = [] if notice is None else [notice]
    (shinjuku.settings.outbox / "cards.csv").write_bytes(write(cards, Layout()))
    assert fleet.exchange(shinjuku).files_waiting == 1
    [alarm] = [each for each in shinjuku.spool.alarms() if each.kind == "outbox"]
    assert "version 1 of the encoding has no 特定在留カード交付通知" in alarm.text
    assert not shinjuku.spool.outgoing.unreceipted()
    fleet.exchange(ministry)
    assert fleet.exchange(shinjuku).parcels_sent == 1
    assert [each for each in shinjuku.spool.alarms() if each.kind == "outbox"] == []
    assert fleet.exchange(ministry).notices_delivered == 1


def test_what_needs_more_than_its_recipient_was_known_to_read_asks_what_it_reads_now(fleet: Any) -> None:
    patient = {"directory_seconds": 900, "stable_seconds": 0}
    ministry, shinjuku = fleet.agent("ministry"), fleet.agent(SHINJUKU, exchange=patient)
    fleet.exchange(shinjuku)
    fleet.exchange(ministry)
    assert shinjuku.spool.profiles.newest(MINISTRY) is None
    notice, _ = CardIssueNotice.parse(ROWS[CardIssueNotice])
    cards: list[Notice] = [] if notice is None else [notice]
    (shinjuku.settings.outbox / "cards.csv").write_bytes(write(cards, Layout()))
    assert fleet.exchange(shinjuku).parcels_sent == 1
    assert versions(fleet, shinjuku, "ministry") == [2]


def test_a_profile_is_declared_once_and_again_when_the_hub_or_the_software_is_another(
    fleet: Any, pair: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    declared: list[bytes] = []
    put = HubClient.put_profile
    monkeypatch.setattr(HubClient, "put_profile", lambda self, p, e: (declared.append(e), put(self, p, e)))
    _, shinjuku = pair
    fleet.back_up()
    for _ in range(2):
        fleet.exchange(shinjuku)
    assert len(declared) == 1
    fleet.restore()
    fleet.exchange(shinjuku)
    assert declared == [declared[0]] * 2
    monkeypatch.setattr(profiles, "_SOFTWARE", "99.0")
    fleet.exchange(shinjuku)
    newer = fleet.peek(declared[-1])
    assert newer["software"] == "99.0"
    assert newer["declared_at"] > fleet.peek(declared[0])["declared_at"], "the newest word counts"


@pytest.mark.quick
def test_only_what_the_party_itself_signed_is_believed(fleet: Any, pair: tuple[Home, Home]) -> None:
    ministry, shinjuku = pair
    others = fleet.agent(SAPPORO)
    for forged in (
        signed_by(others, 1, 2),
        signed_by(others, 1, 2, party=SHINJUKU),
        signed_by(shinjuku, 1, 2, party=SAPPORO),
        b"{}",
    ):
        profiles.learn(ministry, Party(SHINJUKU), forged, [entry_of(shinjuku)])
        assert profiles.version_for(ministry, verified(shinjuku)) == encoding.FIRST
    assert ministry.spool.profiles.newest(SAPPORO) is None, "nobody speaks for another"
    assert [each.kind for each in ministry.spool.alarms()] == ["profile"]
    profiles.learn(ministry, Party(SHINJUKU), signed_by(shinjuku, 1, 2), [entry_of(shinjuku)])
    assert profiles.version_for(ministry, verified(shinjuku)) == encoding.LATEST
    assert ministry.spool.alarms() == []


def test_an_older_profile_replayed_by_the_hub_changes_nothing(fleet: Any, pair: tuple[Home, Home]) -> None:
    ministry, shinjuku = pair
    old = signed_by(shinjuku, 1)
    newer = Profile.read({**fleet.peek(old), "encodings": [1, 2], "declared_at": "2999-01-01T00:00:00Z"})
    for envelope in (old, newer.sign(shinjuku.keys().signer), old):
        profiles.learn(ministry, Party(SHINJUKU), envelope, [entry_of(shinjuku)])
    assert profiles.version_for(ministry, verified(shinjuku)) == encoding.LATEST


@pytest.mark.quick
def test_the_highest_common_version_counts_and_none_is_said_clearly(pair: tuple[Home, Home]) -> None:
    ministry, shinjuku = pair
    terminal = verified(shinjuku)
    profiles.take(ministry, signed_by(shinjuku, 1, 2, 7), terminal)
    assert profiles.version_for(ministry, terminal) == 2
    profiles.take(ministry, signed_by(shinjuku, 7), terminal)
    with pytest.raises(EncodingError, match=r"131041 reads the versions \(7,\).*install the newest release"):
        profiles.version_for(ministry, terminal)


def test_a_profile_is_a_terminals_own(pair: tuple[Home, Home]) -> None:
    ministry, shinjuku = pair
    terminal = verified(shinjuku)
    profiles.take(ministry, signed_by(shinjuku, 1, 2), terminal)
    successor = dataclasses.replace(terminal, terminal="T-successor")
    assert profiles.version_for(ministry, successor) == encoding.FIRST


def test_the_profile_travels_on_media_too(fleet: Any, pair: tuple[Home, Home], tmp_path: Path) -> None:
    ministry, shinjuku = pair
    medium = fleet.medium(shinjuku, tmp_path / "medium", shinjuku.party)
    media.export(shinjuku, medium, MINISTRY)
    assert media.import_all(ministry, medium).refused == 0
    assert profiles.version_for(ministry, verified(shinjuku)) == encoding.LATEST
    forged = medium / media.export(shinjuku, medium, MINISTRY).folder
    (forged / "profile.json").write_bytes(signed_by(fleet.agent(SAPPORO), 1, 2))
    fleet.cover_anew(shinjuku, forged)
    assert media.import_all(ministry, medium).refused == 1
