"""Several small parcels in one request: each is answered as it would be alone, and all of them by one commit."""

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest

from renkei.exchange import compact, together
from renkei.exchange.documents import Kind
from renkei.exchange.payloads import PART_SIZE
from renkei.exchange.together import Answer
from renkei.hub.settings import Limits, Settings

TOGETHER = {"Content-Type": together.MEDIA_TYPE}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    limits = Limits(requests_per_second=1, burst=40)
    return Settings(state=tmp_path, run=tmp_path, root=tmp_path / "root.pem", limits=limits)


def body_of(*parcels: Any) -> bytes:
    """As whoever wants writes it, whatever it holds."""
    return cbor2.dumps([[each.manifest, each.sealed] for each in parcels], canonical=True)


def put(speaker: Any, body: bytes, **headers: str) -> Any:
    return speaker.put(f"/v1/messages/{speaker.machine.party}", body, headers=TOGETHER | headers)


def offer(speaker: Any, *parcels: Any, **headers: str) -> list[Answer]:
    answer = put(speaker, body_of(*parcels), **headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == together.ANSWERS_TYPE
    return together.unpack_answers(answer.content)


def kinds(answers: list[Answer]) -> list[str]:
    """What each was answered: its status, or the kind of its problem, of which status and document agree."""
    found = []
    for each in answers:
        problem = {} if each.is_good else json.loads(each.body)
        assert problem.get("status", each.status) == each.status
        found.append(str(problem.get("type", each.status)).rsplit(":", 1)[-1])
    return found


def sent(shinjuku: Any, ministry: Any, new_parcel: Any, *numbers: int) -> list[Any]:
    return [new_parcel(shinjuku.machine, ministry.machine, number) for number in numbers]


def test_the_hub_says_that_it_takes_parcels_together(shinjuku: Any) -> None:
    assert together.MEDIA_TYPE in shinjuku.get("/v1/hub").json()["reads"]


def test_all_are_taken_in_their_order_by_one_commit(bench: Any, new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    parcels = sent(shinjuku, ministry, new_parcel, 1, 2, 3)
    parcels.insert(1, new_parcel(shinjuku.machine, ministry.machine, 1, stream="results"))
    commits = bench.store.statistics.commits
    answers = offer(shinjuku, *parcels)
    assert bench.store.statistics.commits == commits + 1
    assert kinds(answers) == ["201"] * 4
    acceptances = [bench.acceptance(each.body) for each in answers]
    assert [each.id for each in acceptances] == [parcel.id for parcel in parcels]
    entries = ministry.get("/v1/journal/entries?from=0&to=99").json()["entries"]
    places = [each.journal_index for each in acceptances]
    assert places == list(range(places[0], places[0] + 4))
    assert {entries[place]["act"] for place in places} == {"message"}
    assert [item["envelope"].encode() for item in ministry.inbox()["items"]] == [each.manifest for each in parcels]
    for parcel in parcels:
        assert ministry.content("131041", parcel).content == parcel.sealed


def test_a_request_may_serve_several_recipients(new_parcel: Any, shinjuku: Any, sapporo: Any, ministry: Any) -> None:
    parcels = [new_parcel(ministry.machine, each.machine) for each in (shinjuku, sapporo)]
    assert kinds(offer(ministry, *parcels)) == ["201", "201"]
    for speaker, parcel in zip((shinjuku, sapporo), parcels, strict=True):
        assert speaker.inbox()["items"][0]["envelope"].encode() == parcel.manifest


def test_what_one_is_refused_for_spoils_no_other(
    bench: Any, new_parcel: Any, shinjuku: Any, sapporo: Any, ministry: Any
) -> None:
    """Four faults between good parcels of two streams: of the one with a fault all that follows is a gap."""
    good = sent(shinjuku, ministry, new_parcel, 1)
    results = [new_parcel(shinjuku.machine, ministry.machine, number, stream="results") for number in (1, 2)]
    foreign = new_parcel(sapporo.machine, ministry.machine)
    elsewhere = new_parcel(shinjuku.machine, sapporo.machine, recipient="ministry")
    garbled, next_one = sent(shinjuku, ministry, new_parcel, 2, 3)
    rows = [[each.manifest, each.sealed] for each in (*good, results[0], foreign, elsewhere)]
    rows += [[b"no document", b"x"], [garbled.manifest, garbled.sealed + b"!"]]
    rows += [[each.manifest, each.sealed] for each in (next_one, results[1])]
    answer = put(shinjuku, cbor2.dumps(rows, canonical=True))
    answers = together.unpack_answers(answer.content)
    expected = ["201", "201", "document", "recipient", "document", "digest", "sequence", "201"]
    assert kinds(answers) == expected
    assert json.loads(answers[6].body)["expected"] == 2
    assert len(ministry.inbox()["items"]) == 3
    assert bench.run(bench.store.check()) == []
    assert kinds(offer(shinjuku, *good, garbled, next_one)) == ["200", "201", "201"], "and mended it goes on"


def test_a_request_that_comes_again_gets_the_very_same_acceptances(
    new_parcel: Any, shinjuku: Any, ministry: Any
) -> None:
    """Its answer was lost; meanwhile there is more to send."""
    parcels = sent(shinjuku, ministry, new_parcel, 1, 2, 3)
    first = offer(shinjuku, *parcels[:2])
    again = offer(shinjuku, *parcels)
    assert kinds(again) == ["200", "200", "201"]
    assert [each.body for each in again[:2]] == [each.body for each in first]
    assert shinjuku.offer(parcels[0]).content == first[0].body, "alone it is the same message"
    assert len(ministry.inbox()["items"]) == 3


def test_a_parcel_twice_in_a_request_is_one_message(new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    first, second = sent(shinjuku, ministry, new_parcel, 1, 2)
    other = new_parcel(shinjuku.machine, ministry.machine, 2, message_id=first.id)
    answers = offer(shinjuku, first, first, other, second)
    assert kinds(answers) == ["201", "200", "conflict", "201"]
    assert answers[0].body == answers[1].body
    assert len(ministry.inbox()["items"]) == 2


def test_what_was_accepted_once_stays_accepted_whatever_became_of_the_keys(
    new_parcel: Any, shinjuku: Any, authority: Any, bench: Any, ministry: Any
) -> None:
    known, new = sent(shinjuku, ministry, new_parcel, 1, 2)
    first = offer(shinjuku, known)
    successor = bench.enrol("131041", "T-0002")
    authority.put("/v1/revocations", bench.pki.revocation(shinjuku.machine))
    answers = offer(successor, known, new)
    assert kinds(answers) == ["200", "document"]
    assert answers[0].body == first[0].body


def test_acceptances_are_compact_for_who_accepts_that(new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    parcels = sent(shinjuku, ministry, new_parcel, 1, 2)
    plain = offer(shinjuku, *parcels)
    packed = offer(shinjuku, *parcels, Accept=f"{together.ANSWERS_TYPE}, {compact.MEDIA_TYPE}")
    assert [compact.unpack(each.body) for each in packed] == [each.body for each in plain]
    assert all(each.body.startswith(compact.FORM) for each in packed)


def test_each_message_counts_against_the_rate(refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    parcels = sent(shinjuku, ministry, new_parcel, *range(1, 33))
    assert kinds(offer(shinjuku, *parcels)) == ["201"] * 32
    assert kinds(offer(shinjuku, *parcels)) == ["200"] * 32, "what begins within the rate is answered whole"
    refused(put(shinjuku, body_of(*parcels)), 429, "rate")
    assert int(put(shinjuku, body_of(*parcels)).headers["retry-after"]) > 20, "and paid for by who comes next"


def test_a_hub_short_of_room_takes_none_but_answers_what_it_took(
    bench: Any, new_parcel: Any, shinjuku: Any, ministry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, new = sent(shinjuku, ministry, new_parcel, 1, 2)
    offer(shinjuku, known)
    monkeypatch.setattr(bench.hub.room, "shortage", lambda: "full")
    assert kinds(offer(shinjuku, known, new)) == ["200", "room"]


def test_a_refused_manifest_may_claim_any_id(shinjuku: Any) -> None:
    for claimed in ("\0", "x" * 5000, 7, None, "AAAAAAAA-0000-0000-0000-000000000000"):
        envelope = shinjuku.machine.signer.sign(Kind.MANIFEST, {"id": claimed})
        answers = put(shinjuku, cbor2.dumps([[envelope, b"sealed"]], canonical=True))
        assert kinds(together.unpack_answers(answers.content)) == ["document"]


def test_problems_are_counted_each(bench: Any, new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    assert kinds(offer(shinjuku, *sent(shinjuku, ministry, new_parcel, 2, 3))) == ["sequence"] * 2
    assert 'renkei_hub_problems_total{kind="sequence"} 2.0' in bench.health.get("/metrics").text


def test_a_request_is_bounded_and_has_one_form(refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = new_parcel(shinjuku.machine, ministry.machine)
    body = body_of(parcel)
    spoilt = (b"", b"\x80", body[:-1], body + b"\0", b"\x9f" + body[1:] + b"\xff", b"\x81\x01", b"\x81\x81\x41a")
    for each in (*spoilt, b"\x98\x01" + body[1:], b"\x81\x82\x01\x41a", parcel.manifest):
        refused(put(shinjuku, each), 400, "document")
    refused(put(shinjuku, cbor2.dumps([[b"a", b"b"]] * 33, canonical=True)), 400, "document")
    refused(put(shinjuku, bytes(together.LIMIT + 1)), 413, "too-large")
    refused(shinjuku.put("/v1/messages/131041", body), 400, "document")
    assert ministry.inbox()["items"] == []


def test_a_large_parcel_has_no_place_among_small_ones(new_parcel: Any, shinjuku: Any, ministry: Any) -> None:
    large = new_parcel(shinjuku.machine, ministry.machine, sealed=bytes(PART_SIZE + 7))
    answers = put(shinjuku, cbor2.dumps([[large.manifest, large.parts[1]]], canonical=True))
    assert kinds(together.unpack_answers(answers.content)) == ["digest"]


def test_nobody_sends_in_anothers_name(
    refused: Any, new_parcel: Any, shinjuku: Any, sapporo: Any, ministry: Any, bench: Any
) -> None:
    body = body_of(new_parcel(shinjuku.machine, ministry.machine))
    refused(sapporo.put("/v1/messages/131041", body, headers=TOGETHER), 403, "not-yours")
    refused(sapporo.put("/v1/messages/nobody", body, headers=TOGETHER), 404, "not-found")
    bench.hub.identity = None
    refused(put(shinjuku, body), 503, "not-ready")
