"""Small parcels whole: one request instead of two, with everything checked that is checked of the two."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from renkei.exchange import compact, whole
from renkei.exchange.documents import DocumentError, payload_sha256
from renkei.exchange.payloads import PART_SIZE
from renkei.hub.settings import Limits, Settings

WHOLE = {"Content-Type": whole.MEDIA_TYPE}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state=tmp_path, run=tmp_path, root=tmp_path / "root.pem", limits=Limits(quota_mib=1))


def offer(speaker: Any, parcel: Any, sealed: bytes | None = None, **headers: str) -> Any:
    """Put a parcel whole, with other bytes than its own where they are given."""
    body = whole.pack_whole(parcel.manifest, parcel.sealed if sealed is None else sealed)
    return speaker.put(f"/v1/messages/{speaker.machine.party}/{parcel.id}", body, headers=WHOLE | headers)


def test_the_hub_says_that_it_takes_small_parcels_whole(shinjuku: Any) -> None:
    assert whole.MEDIA_TYPE in shinjuku.get("/v1/hub").json()["reads"]


def test_a_whole_parcel_goes_the_way_of_every_other(bench: Any, new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine, sealed=bytes(range(256)) * 200)
    first = offer(shinjuku, parcel)
    assert first.status_code == 201, first.text
    acceptance = bench.acceptance(first.content)
    assert (acceptance.id, acceptance.manifest_sha256) == (parcel.id, payload_sha256(parcel.manifest))
    entries = ministry.get("/v1/journal/entries?from=0&to=99").json()["entries"]
    assert entries[acceptance.journal_index]["act"] == "message"
    [item] = ministry.inbox()["items"]
    assert item["envelope"].encode() == parcel.manifest
    assert ministry.content("131041", parcel).content == parcel.sealed
    assert ministry.receipt(parcel, "131041").status_code == 201
    assert bench.store.database.read(lambda c: c.execute("SELECT count(*) FROM parts").fetchall()) == [(0,)]


def test_whole_and_in_parts_are_the_same_message(new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine)
    first = offer(shinjuku, parcel)
    again, in_parts = offer(shinjuku, parcel), shinjuku.offer(parcel)
    assert (first.status_code, again.status_code, in_parts.status_code) == (201, 200, 200)
    assert first.content == again.content == in_parts.content
    assert len(ministry.inbox()["items"]) == 1
    packed = offer(shinjuku, parcel, Accept=compact.MEDIA_TYPE)
    assert compact.unpack(packed.content) == first.content


def test_its_part_may_have_been_put_before(bench: Any, new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine)
    shinjuku.put_part(parcel.parts[0])
    assert offer(shinjuku, parcel).status_code == 201
    assert ministry.content("131041", parcel).content == parcel.sealed
    assert bench.store.database.read(lambda c: c.execute("SELECT uses FROM parts").fetchall()) == [(1,)]


def test_other_bytes_than_the_manifest_names_are_refused(
    refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any
) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine)
    refused(offer(shinjuku, parcel, parcel.sealed[:-1] + b"!"), 400, "digest")
    refused(offer(shinjuku, parcel, parcel.sealed + b"!"), 400, "digest")
    refused(offer(shinjuku, parcel, b""), 400, "digest")
    assert ministry.inbox()["items"] == []
    larger = new_parcel(shinjuku.machine, ministry.machine, sealed=bytes(PART_SIZE + 7))
    refused(offer(shinjuku, replace(larger, parts=larger.parts[1:])), 400, "digest")


def test_what_is_checked_of_a_manifest_is_checked_of_a_whole_parcel(
    bench: Any, refused: Any, new_parcel: Any, shinjuku: Any, sapporo: Any, ministry: Any
) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine)
    body = whole.pack_whole(parcel.manifest, parcel.sealed)
    refused(sapporo.put(f"/v1/messages/131041/{parcel.id}", body, headers=WHOLE), 403, "not-yours")
    refused(sapporo.put(f"/v1/messages/011011/{parcel.id}", body, headers=WHOLE), 400, "document")
    other = new_parcel(shinjuku.machine, ministry.machine)
    refused(shinjuku.put(f"/v1/messages/131041/{other.id}", body, headers=WHOLE), 400, "mismatch")
    refused(offer(shinjuku, new_parcel(shinjuku.machine, sapporo.machine, recipient="ministry")), 409, "recipient")
    ahead = new_parcel(shinjuku.machine, ministry.machine, 2)
    assert refused(offer(shinjuku, ahead), 409, "sequence")["expected"] == 1
    assert bench.store.database.read(lambda c: c.execute("SELECT count(*) FROM parts").fetchall()) == [(0,)]


def test_a_whole_parcel_counts_against_the_quota(refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    large = [
        new_parcel(shinjuku.machine, ministry.machine, number + 1, sealed=bytes([number]) * 60_000)
        for number in range(18)
    ]
    answers = [offer(shinjuku, parcel) for parcel in large[:17]]
    assert {answer.status_code for answer in answers} == {201}
    refused(offer(shinjuku, large[17]), 507, "quota")
    assert ministry.receipt(large[0], "131041").status_code == 201
    assert offer(shinjuku, large[17]).status_code == 201


def test_a_hub_short_of_room_takes_none_but_answers_what_it_took(
    bench: Any, refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, new = (new_parcel(shinjuku.machine, ministry.machine, number) for number in (1, 2))
    taken = offer(shinjuku, known)
    monkeypatch.setattr(bench.hub.room, "shortage", lambda: "full")
    refused(offer(shinjuku, new), 507, "room")
    answer = offer(shinjuku, known)
    assert (answer.status_code, answer.content) == (200, taken.content)


def test_a_whole_parcel_is_bounded_and_has_one_form(
    refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any
) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine)
    path, body = f"/v1/messages/131041/{parcel.id}", whole.pack_whole(parcel.manifest, parcel.sealed)
    assert body is not None
    for spoilt in (
        body[:-1],
        body + b"\0",
        b"",
        b"\x80",
        b"\x82\x01\x41a",
        b"\x9f" + body[1:] + b"\xff",
        parcel.manifest,
    ):
        refused(shinjuku.put(path, spoilt, headers=WHOLE), 400, "document")
    refused(shinjuku.put(path, bytes(whole.LIMIT + 1), headers=WHOLE), 413, "too-large")
    refused(shinjuku.put(path, body), 400, "document")
    with pytest.raises(DocumentError, match="deterministic"):
        whole.unpack_whole(b"\x82\x58\x01a\x41b")


def test_what_is_too_large_for_one_request_is_not_packed(new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    manifest = new_parcel(shinjuku.machine, ministry.machine).manifest
    room = whole.LIMIT - len(whole.pack_whole(manifest, bytes(60_000)) or b"") + 60_000
    assert len(whole.pack_whole(manifest, bytes(room)) or b"") == whole.LIMIT
    assert whole.pack_whole(manifest, bytes(room + 1)) is None
    assert whole.pack_whole(manifest, bytes(PART_SIZE)) is None
