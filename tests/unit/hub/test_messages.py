"""The way of a parcel through the hub, from its sender to its recipient, and of the receipt back."""

import json
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any
from uuid import uuid4

from renkei.exchange.documents import payload_sha256
from renkei.exchange.parties import Party
from renkei.exchange.payloads import PART_SIZE, Manifest, Profile, Receipt


def test_a_parcel_goes_its_way_and_the_receipt_comes_back(bench: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = shinjuku.send(ministry.machine)
    page = ministry.inbox()
    [item] = page["items"]
    assert (item["cursor"], item["kind"], page["next"]) == (1, "manifest", 1)
    assert json.dumps(item["entry"]) == json.dumps(json.loads(shinjuku.machine.entry.to_json()))
    manifest = Manifest.open(item["envelope"].encode(), shinjuku.machine.key.public_key())
    assert manifest.id == parcel.id
    answer = ministry.content("131041", parcel)
    assert (answer.status_code, answer.content) == (200, parcel.sealed)
    assert ministry.receipt(parcel, "131041").status_code == 201
    [item] = shinjuku.inbox()["items"]
    assert item["kind"] == "receipt"
    receipt = Receipt.open(item["envelope"].encode(), ministry.machine.key.public_key())
    assert receipt.content_sha256 == parcel.content_sha256
    assert ministry.inbox()["items"] == []
    assert bench.store.database.read(lambda c: c.execute("SELECT count(*) FROM parts").fetchall()) == [(0,)]


def test_the_acceptance_is_the_hubs_signed_word(bench: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = shinjuku.send(ministry.machine)
    acceptance = bench.acceptance(shinjuku.offer(parcel).content)
    assert (acceptance.id, acceptance.sender, acceptance.epoch) == (parcel.id, "131041", 1)
    assert acceptance.manifest_sha256 == payload_sha256(parcel.manifest)
    entries = ministry.get("/v1/journal/entries?from=0&to=99").json()["entries"]
    assert entries[acceptance.journal_index]["act"] == "message"


def test_a_duplicate_gets_the_very_same_acceptance(new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine)
    shinjuku.put_part(parcel.parts[0])
    first = shinjuku.offer(parcel)
    again = shinjuku.offer(parcel)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.content == again.content
    assert len(ministry.inbox()["items"]) == 1
    ministry.receipt(parcel, "131041")
    assert shinjuku.offer(parcel).content == first.content


def test_duplicates_at_the_same_moment_get_the_same_acceptance(new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine)
    shinjuku.put_part(parcel.parts[0])
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: shinjuku.offer(parcel), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.content for answer in answers}) == 1


def test_a_duplicate_needs_no_key_that_is_still_good(bench: Any, shinjuku: Any, ministry: Any, authority: Any) -> None:
    parcel = shinjuku.send(ministry.machine)
    successor = bench.enrol("131041", "T-0002")
    assert authority.put("/v1/revocations", bench.pki.revocation(shinjuku.machine)).status_code == 201
    answer = successor.put(f"/v1/messages/131041/{parcel.id}", parcel.manifest)
    assert answer.status_code == 200
    assert bench.acceptance(answer.content).id == parcel.id


def test_missing_parts_are_named(refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine, sealed=bytes(2 * PART_SIZE + 7))
    digests = [sha256(part).hexdigest() for part in parcel.parts]
    assert shinjuku.request("POST", "/v1/parts/missing", json={"parts": digests}).json()["missing"] == digests[1:]
    shinjuku.put_part(parcel.parts[0])
    assert refused(shinjuku.offer(parcel), 409, "missing-parts")["missing"] == digests[2:]
    shinjuku.put_part(parcel.parts[2])
    assert shinjuku.offer(parcel).status_code == 201


def test_parts_of_another_sender_dont_count(
    refused: Any, new_parcel: Any, sapporo: Any, shinjuku: Any, ministry: Any
) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine)
    sapporo.put_part(parcel.parts[0])
    refused(shinjuku.offer(parcel), 409, "missing-parts")


def test_a_gap_in_the_stream_is_refused_with_the_expected_number(
    refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any
) -> None:
    ahead = new_parcel(shinjuku.machine, ministry.machine, 2)
    shinjuku.put_part(ahead.parts[0])
    assert refused(shinjuku.offer(ahead), 409, "sequence")["expected"] == 1
    shinjuku.send(ministry.machine, 1)
    assert shinjuku.offer(ahead).status_code == 201
    taken = new_parcel(shinjuku.machine, ministry.machine, 2)
    shinjuku.put_part(taken.parts[0])
    assert refused(shinjuku.offer(taken), 409, "sequence")["expected"] == 3


def test_streams_and_recipients_count_by_themselves(shinjuku: Any, sapporo: Any, ministry: Any) -> None:
    shinjuku.send(ministry.machine, 1)
    shinjuku.send(ministry.machine, 1, stream="results")
    sapporo.send(ministry.machine, 1)
    ministry.send(shinjuku.machine, 1)
    second = ministry.send(sapporo.machine, 1)
    state = ministry.get("/v1/streams/011011/notices").json()
    assert state == {"next_sequence": 2, "unreceipted": [{"sequence": 1, "id": str(second.id)}]}
    assert ministry.get("/v1/streams/011011/results").json() == {"next_sequence": 1, "unreceipted": []}


def test_the_same_id_with_other_content_is_a_conflict(
    refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any
) -> None:
    parcel = shinjuku.send(ministry.machine)
    other = new_parcel(shinjuku.machine, ministry.machine, message_id=parcel.id, content=b"other")
    shinjuku.put_part(other.parts[0])
    refused(shinjuku.offer(other), 409, "conflict")


def test_a_message_sealed_anew_takes_the_old_ones_place(
    bench: Any, refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any
) -> None:
    parcel = shinjuku.send(ministry.machine)
    successor = bench.enrol("ministry", "moj-linkage-2")
    anew = new_parcel(shinjuku.machine, successor.machine, message_id=parcel.id)
    refused(shinjuku.offer(anew), 409, "missing-parts")
    assert ministry.content("131041", parcel).content == parcel.sealed
    shinjuku.put_part(anew.parts[0])
    answer = shinjuku.offer(anew)
    assert answer.status_code == 201
    assert bench.acceptance(answer.content).manifest_sha256 == payload_sha256(anew.manifest)
    assert [item["cursor"] for item in successor.inbox()["items"]] == [2]
    assert successor.content("131041", anew).content == anew.sealed
    assert shinjuku.get("/v1/streams/ministry/notices").json()["next_sequence"] == 2
    successor.receipt(anew, "131041")
    third = new_parcel(shinjuku.machine, successor.machine, message_id=parcel.id)
    shinjuku.put_part(third.parts[0])
    document = refused(shinjuku.offer(third), 409, "receipted")
    assert Receipt.open(json.dumps(document["receipt"]).encode(), successor.machine.key.public_key()).id == parcel.id


def test_what_the_recipient_could_not_open_is_refused(
    bench: Any, refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any, authority: Any
) -> None:
    bench.enrol("ministry", "moj-linkage-2")
    authority.put("/v1/revocations", bench.pki.revocation(ministry.machine))
    parcel = new_parcel(shinjuku.machine, ministry.machine)
    shinjuku.put_part(parcel.parts[0])
    refused(shinjuku.offer(parcel), 409, "recipient")


def test_a_manifest_in_anothers_name_is_refused(
    bench: Any, refused: Any, new_parcel: Any, shinjuku: Any, sapporo: Any, ministry: Any
) -> None:
    foreign = new_parcel(sapporo.machine, ministry.machine)
    refused(shinjuku.put(f"/v1/messages/011011/{foreign.id}", foreign.manifest), 403, "not-yours")
    refused(shinjuku.put(f"/v1/messages/131041/{foreign.id}", foreign.manifest), 400, "document")
    lying = new_parcel(shinjuku.machine, ministry.machine, sender=sapporo.machine.party)
    refused(shinjuku.put(f"/v1/messages/131041/{lying.id}", lying.manifest), 400, "mismatch")
    refused(shinjuku.put(f"/v1/messages/131041/{uuid4()}", lying.manifest), 400, "mismatch")
    unknown = bench.pki.enrol("131041", "T-9999")
    unsigned = new_parcel(unknown, ministry.machine)
    refused(shinjuku.put(f"/v1/messages/131041/{unsigned.id}", unsigned.manifest), 400, "document")


def test_a_manifest_signed_with_an_older_live_key_is_taken(bench: Any, shinjuku: Any, ministry: Any) -> None:
    successor = bench.enrol("131041", "T-0002")
    parcel = bench.parcel(shinjuku.machine, ministry.machine)
    successor.put_part(parcel.parts[0])
    assert successor.put(f"/v1/messages/131041/{parcel.id}", parcel.manifest).status_code == 201
    [item] = ministry.inbox()["items"]
    assert item["entry"] == json.loads(shinjuku.machine.entry.to_json())


def test_a_download_is_resumed_by_range(shinjuku: Any, ministry: Any) -> None:
    sealed = bytes(range(256)) * 600
    parcel = shinjuku.send(ministry.machine, sealed=sealed)
    for range_, wanted in {
        "bytes=0-": slice(0, None),
        "bytes=65535-65536": slice(65535, 65537),
        "bytes=100000-": slice(100_000, None),
        "bytes=5-9999999": slice(5, None),
        "bytes=-3": slice(len(sealed) - 3, None),
    }.items():
        answer = ministry.content("131041", parcel, headers={"Range": range_})
        first, length = wanted.start, len(sealed[wanted])
        assert (answer.status_code, answer.content) == (206, sealed[wanted])
        assert answer.headers["content-length"] == str(length)
        assert answer.headers["content-range"] == f"bytes {first}-{first + length - 1}/{len(sealed)}"
    for ignored in ("bytes=0-0,5-6", "bytes=-", "lines=1-2"):
        answer = ministry.content("131041", parcel, headers={"Range": ignored})
        assert (answer.status_code, answer.content) == (200, sealed)


def test_a_range_beyond_the_end_is_refused(refused: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = shinjuku.send(ministry.machine, sealed=b"x" * 100)
    for range_ in ("bytes=100-", "bytes=9-8", "bytes=-0"):
        answer = ministry.content("131041", parcel, headers={"Range": range_})
        refused(answer, 416, "range")
        assert answer.headers["content-range"] == "bytes */100"


def test_content_is_for_its_recipient_alone(
    refused: Any, shinjuku: Any, sapporo: Any, ministry: Any, authority: Any
) -> None:
    parcel = ministry.send(shinjuku.machine)
    assert shinjuku.content("ministry", parcel).status_code == 200
    refused(sapporo.content("ministry", parcel), 403, "not-yours")
    refused(ministry.content("ministry", parcel), 403, "not-yours")
    refused(authority.content("ministry", parcel), 403, "not-entitled")
    refused(sapporo.receipt(parcel, "ministry"), 403, "not-yours")
    assert sapporo.inbox()["items"] == []


def test_content_is_gone_after_the_receipt(refused: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = shinjuku.send(ministry.machine)
    ministry.receipt(parcel, "131041")
    refused(ministry.content("131041", parcel), 410, "gone")


def test_a_receipt_must_fit_the_message(
    bench: Any, refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any
) -> None:
    parcel = shinjuku.send(ministry.machine)
    refused(ministry.receipt(parcel, "131041", content_sha256="0" * 64), 409, "conflict")
    refused(ministry.receipt(parcel, "131041", 2), 400, "mismatch")
    refused(ministry.receipt(parcel, "131041", stream="results"), 400, "mismatch")
    refused(ministry.receipt(parcel, "131041", id=uuid4()), 400, "mismatch")
    refused(ministry.receipt(new_parcel(shinjuku.machine, ministry.machine), "131041"), 404, "not-found")
    stranger = bench.pki.enrol("ministry", "moj-other")
    forged = bench.speaker(stranger)
    forged.machine.entry = ministry.machine.entry
    refused(forged.receipt(parcel, "131041"), 400, "document")
    assert ministry.receipt(parcel, "131041").status_code == 201
    assert ministry.receipt(parcel, "131041").status_code == 200
    assert len(shinjuku.inbox()["items"]) == 1


def test_a_void_passes_over_a_number(refused: Any, shinjuku: Any, ministry: Any) -> None:
    assert shinjuku.void("ministry", 1).status_code == 201
    assert shinjuku.void("ministry", 1).status_code == 200
    refused(shinjuku.void("ministry", 3), 409, "sequence")
    parcel = shinjuku.send(ministry.machine, 2)
    assert [item["kind"] for item in ministry.inbox()["items"]] == ["void", "manifest"]
    assert shinjuku.void("ministry", 2).status_code == 201
    assert [item["kind"] for item in ministry.inbox()["items"]] == ["void", "void"]
    refused(ministry.content("131041", parcel), 410, "gone")
    shinjuku.send(ministry.machine, 3)
    assert shinjuku.get("/v1/streams/ministry/notices").json()["next_sequence"] == 4


def test_what_the_recipient_has_cannot_be_voided(refused: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = shinjuku.send(ministry.machine)
    ministry.receipt(parcel, "131041")
    refused(shinjuku.void("ministry", 1), 409, "receipted")


def test_a_receipt_that_crossed_the_void_is_taken(shinjuku: Any, ministry: Any) -> None:
    parcel = shinjuku.send(ministry.machine)
    shinjuku.void("ministry", 1)
    assert ministry.receipt(parcel, "131041").status_code == 201
    assert [item["kind"] for item in shinjuku.inbox()["items"]] == ["receipt"]


def test_a_void_must_fit_its_path_and_sender(refused: Any, shinjuku: Any, sapporo: Any, ministry: Any) -> None:
    refused(shinjuku.void("ministry", 1, sequence=2), 400, "mismatch")
    refused(shinjuku.void("ministry", 1, stream="results"), 400, "mismatch")
    refused(shinjuku.void("ministry", 1, sender=sapporo.machine.party), 400, "mismatch")
    refused(ministry.void("011011", 1, recipient=shinjuku.machine.party), 400, "mismatch")


def test_the_inbox_goes_on_from_a_cursor(refused: Any, shinjuku: Any, ministry: Any) -> None:
    for sequence in range(1, 6):
        shinjuku.send(ministry.machine, sequence)
    first = ministry.inbox(limit=2)
    assert ([item["cursor"] for item in first["items"]], first["next"]) == ([1, 2], 2)
    assert [item["cursor"] for item in ministry.inbox(after=2)["items"]] == [3, 4, 5]
    assert ministry.inbox(after=5) == {"items": [], "next": 5}
    assert refused(ministry.get("/v1/inbox?after=6"), 409, "cursor")["end"] == 5


def test_a_page_of_the_inbox_is_bounded_in_bytes(bench: Any, shinjuku: Any, ministry: Any) -> None:
    for sequence in range(1, 4):
        shinjuku.send(ministry.machine, sequence)
    page = bench.run(bench.store.inbox("ministry", 0, 100, 1))
    assert [item.cursor for item in page.items] == [1]


def test_a_long_poll_is_woken_by_what_comes(shinjuku: Any, ministry: Any) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ministry.inbox, wait=20)
        while not len(shinjuku.hub.waiters):
            pass
        shinjuku.send(ministry.machine)
        assert [item["kind"] for item in waiting.result(5)["items"]] == ["manifest"]


def test_the_ministrys_long_poll_ends_when_the_directory_changes(bench: Any, shinjuku: Any, ministry: Any) -> None:
    """Nothing came for it; but what it holds back for want of a terminal, or of what that reads, may go now."""
    profile = Profile(party=Party("131041"), encodings=[1, 2], software="1.0", declared_at=bench.time)
    authority = bench.enrol("authority", "moj-linkage-2")
    changes = (
        lambda: shinjuku.put("/v1/profiles/131041", profile.sign(shinjuku.machine.signer)),
        lambda: authority.put("/v1/bindings", bench.pki.enrol("011011").entry.to_json()),
    )
    for change in changes:
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(ministry.inbox, wait=20)
            while not len(shinjuku.hub.waiters):
                pass
            assert change().status_code == 201
            assert waiting.result(5) == {"items": [], "next": 0}


def test_a_long_poll_ends_with_its_time(ministry: Any) -> None:
    assert ministry.inbox(wait=1) == {"items": [], "next": 0}
    assert len(ministry.hub.waiters) == 0


def test_a_long_poll_ends_when_the_hub_stops(bench: Any, ministry: Any) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ministry.inbox, wait=20)
        while not len(bench.hub.waiters):
            pass
        bench.loop.call_soon_threadsafe(bench.hub.waiters.close)
        assert waiting.result(5)["items"] == []
    assert ministry.inbox(wait=20)["items"] == []


def test_a_part_must_be_what_it_says(refused: Any, shinjuku: Any) -> None:
    part = b"a part"
    name = sha256(part).hexdigest()
    digest = {"Content-Digest": f"sha-256=:{b64encode(sha256(part).digest()).decode()}:"}
    assert shinjuku.put(f"/v1/parts/{name}", part, headers=digest).status_code == 201
    assert shinjuku.put(f"/v1/parts/{name}", part, headers=digest).status_code == 200
    refused(shinjuku.put(f"/v1/parts/{name}", part), 400, "digest")
    refused(shinjuku.put(f"/v1/parts/{name}", b"altered", headers=digest), 400, "digest")
    refused(shinjuku.put(f"/v1/parts/{'0' * 64}", part, headers=digest), 400, "digest")
    refused(shinjuku.put(f"/v1/parts/{name}", part, headers={"Content-Digest": "sha-512=:AA==:"}), 400, "digest")
    refused(shinjuku.put("/v1/parts/nonsense", part, headers=digest), 404, "not-found")


def test_a_part_of_another_size_than_the_manifest_says_is_refused(
    refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any
) -> None:
    parcel = new_parcel(
        shinjuku.machine,
        ministry.machine,
        sealed=b"four",
        envelope_size=5,
        parts=[{"sha256": sha256(b"four").hexdigest(), "size": 5}],
    )
    shinjuku.put_part(b"four")
    refused(shinjuku.offer(parcel), 409, "conflict")
