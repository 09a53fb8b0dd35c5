"""What a party says it reads, as its senders get it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from renkei.exchange.documents import DocumentError
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Profile


def signed(speaker: Any, at: datetime, encodings: tuple[int, ...] = (1, 2), party: str = "") -> bytes:
    return Profile(
        party=Party(party or speaker.machine.party),
        encodings=list(encodings),
        software="1.4.0",
        declared_at=at,
    ).sign(speaker.machine.signer)


def told(asker: Any, speaker: Any) -> Profile | None:
    answer = asker.get(f"/v1/directory/{speaker.machine.party}").json()
    assert answer["entries"] == [json.loads(speaker.machine.entry.to_json())]
    profile = answer["profile"]
    return None if profile is None else Profile.open(profile.encode(), speaker.machine.key.public_key())


@pytest.fixture
def at(bench: Any) -> datetime:
    moment: datetime = bench.time
    return moment


def test_the_directory_hands_on_what_a_party_signed(shinjuku: Any, ministry: Any, at: datetime) -> None:
    assert told(ministry, shinjuku) is None
    assert shinjuku.put("/v1/profiles/131041", signed(shinjuku, at)).status_code == 201
    found = told(ministry, shinjuku)
    assert found is not None
    assert (found.encodings, found.software, found.declared_at) == ([1, 2], "1.4.0", at)


def test_the_newest_word_counts_and_a_repeat_changes_nothing(shinjuku: Any, ministry: Any, at: datetime) -> None:
    newest = signed(shinjuku, at, (1, 2, 3))
    for envelope, status in (
        (signed(shinjuku, at - timedelta(days=1), (1,)), 201),
        (newest, 201),
        (newest, 200),
        (signed(shinjuku, at - timedelta(seconds=1), (1,)), 200),
    ):
        assert shinjuku.put("/v1/profiles/131041", envelope).status_code == status
    found = told(ministry, shinjuku)
    assert found is not None
    assert found.encodings == [1, 2, 3]


def test_each_new_word_is_in_the_journal(shinjuku: Any, ministry: Any, at: datetime) -> None:
    envelope = signed(shinjuku, at)
    for _ in range(2):
        shinjuku.put("/v1/profiles/131041", envelope)
    entries = ministry.get("/v1/journal/entries?from=0&to=99").json()["entries"]
    assert [(entry["act"], entry["party"]) for entry in entries if entry["act"] == "profile"] == [("profile", "131041")]


def test_nobody_declares_for_another(shinjuku: Any, ministry: Any, at: datetime) -> None:
    assert ministry.put("/v1/profiles/131041", signed(ministry, at)).status_code == 403
    assert ministry.put("/v1/profiles/131041", signed(shinjuku, at)).status_code == 403
    assert shinjuku.put("/v1/profiles/131041", signed(ministry, at)).status_code == 400
    assert shinjuku.put("/v1/profiles/131041", signed(shinjuku, at, party="011011")).status_code == 400
    assert told(ministry, shinjuku) is None


def test_a_profile_of_the_future_is_refused_lest_no_later_one_counts(shinjuku: Any, at: datetime) -> None:
    answer = shinjuku.put("/v1/profiles/131041", signed(shinjuku, at + timedelta(hours=1)))
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:renkei:problem:clock")
    assert shinjuku.put("/v1/profiles/131041", signed(shinjuku, at + timedelta(seconds=200))).status_code == 201


@pytest.mark.parametrize("encodings", [(), (0,), (2, 1), (1, 1), (256,), tuple(range(1, 18))])
def test_what_is_no_list_of_encodings_is_no_profile(encodings: tuple[int, ...]) -> None:
    with pytest.raises(DocumentError):
        Profile.read(
            {
                "party": "131041",
                "encodings": list(encodings),
                "software": "1",
                "declared_at": datetime(2026, 11, 26, tzinfo=UTC).isoformat().replace("+00:00", "Z"),
            }
        )
