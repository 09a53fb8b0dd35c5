"""What others can make the hub do is bounded: sizes, counts, rates, waiting."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.payloads import MAX_PARTS, PART_SIZE
from renkei.hub.limits import TokenBuckets
from renkei.hub.settings import Limits, Settings


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    limits = Limits(
        burst=30,
        requests_per_second=1,
        polls_per_party=2,
        polls=3,
        quota_mib=1,
        ministry_quota_mib=2,
        unreceipted_per_stream=3,
        enrolment_requests_per_minute=5,
        body_seconds=1,
    )
    return Settings(state=tmp_path, run=tmp_path, root=tmp_path / "root.pem", limits=limits)


def test_a_part_of_64_kib_is_the_largest(refused: Any, shinjuku: Any) -> None:
    assert shinjuku.put_part(bytes(PART_SIZE)).status_code == 201
    refused(shinjuku.put_part(bytes(PART_SIZE + 1)), 413, "too-large")


def test_a_body_without_a_length_is_bounded_all_the_same(refused: Any, shinjuku: Any) -> None:
    def endless() -> Iterator[bytes]:
        sent = 0
        while sent < 10 * PART_SIZE:
            sent += 1024
            yield bytes(1024)
        pytest.fail("the hub read on and on")

    async def pieces() -> Any:
        for piece in endless():
            yield piece

    refused(shinjuku.put(f"/v1/messages/131041/{uuid4()}", pieces()), 413, "too-large")


def test_a_body_that_comes_too_slowly_is_given_up(refused: Any, shinjuku: Any) -> None:
    async def slow() -> Any:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    refused(shinjuku.put(f"/v1/messages/131041/{uuid4()}", slow()), 408, "timeout")


def test_documents_are_bounded(refused: Any, shinjuku: Any) -> None:
    for path in (f"/v1/messages/131041/{uuid4()}", "/v1/voids/ministry/notices/1"):
        refused(shinjuku.put(path, bytes(64 * 1024 + 1)), 413, "too-large")
        refused(shinjuku.put(path, b"[" * 60_000), 400, "document")
        refused(shinjuku.put(path, b"\xff"), 400, "document")


def test_a_question_for_parts_is_bounded(refused: Any, shinjuku: Any) -> None:
    digests = [sha256(bytes([number % 256, number // 256])).hexdigest() for number in range(MAX_PARTS + 1)]
    assert shinjuku.request("POST", "/v1/parts/missing", json={"parts": digests[1:]}).json() == {"missing": digests[1:]}
    refused(shinjuku.request("POST", "/v1/parts/missing", json={"parts": digests}), 400, "body")
    refused(shinjuku.request("POST", "/v1/parts/missing", json={"parts": ["x"]}), 400, "body")
    refused(shinjuku.request("POST", "/v1/parts/missing", json={"other": []}), 400, "body")
    refused(shinjuku.request("POST", "/v1/parts/missing", content=b"no json"), 400, "body")


@pytest.mark.parametrize(
    "query",
    [
        "after=-1",
        "after=x",
        "after=9007199254740992",
        "limit=0",
        "limit=101",
        "wait=56",
        "wait=1e3",
        "after=" + "9" * 50,
    ],
)
def test_the_inboxs_numbers_are_bounded(refused: Any, shinjuku: Any, query: str) -> None:
    refused(shinjuku.get(f"/v1/inbox?{query}"), 400, "query")


def test_headers_and_query_are_bounded(refused: Any, shinjuku: Any) -> None:
    refused(shinjuku.get("/v1/hub", headers={"X-Other": "x" * 40_000}), 431, "too-large")
    refused(shinjuku.get("/v1/inbox?after=0&x=" + "x" * 5000), 431, "too-large")


def test_a_party_that_asks_too_fast_is_told_when_to_come_back(bench: Any, refused: Any, shinjuku: Any) -> None:
    for _ in range(30):
        assert shinjuku.get("/v1/inbox").status_code == 200
    answer = shinjuku.get("/v1/inbox")
    refused(answer, 429, "rate")
    assert int(answer.headers["retry-after"]) >= 1
    assert bench.enrol("011011").get("/v1/inbox").status_code == 200
    ministry = bench.enrol("ministry")
    assert {ministry.get("/v1/inbox").status_code for _ in range(60)} == {200}


def test_waiting_requests_are_bounded(bench: Any, refused: Any, shinjuku: Any, ministry: Any) -> None:
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(shinjuku.inbox, wait=20) for _ in range(2)]
        while len(bench.hub.waiters) < 2:
            time.sleep(0.001)
        refused(shinjuku.get("/v1/inbox?wait=20"), 429, "polls")
        waiting.append(threads.submit(ministry.inbox, wait=20))
        while len(bench.hub.waiters) < 3:
            time.sleep(0.001)
        sapporo = bench.enrol("011011")
        refused(sapporo.get("/v1/inbox?wait=20"), 429, "polls")
        assert sapporo.get("/v1/inbox").status_code == 200
        bench.loop.call_soon_threadsafe(bench.hub.waiters.close)
        for each in waiting:
            each.result(5)
    assert len(bench.hub.waiters) == 0


def test_a_sender_holds_no_more_than_its_quota_until_receipts_come(refused: Any, shinjuku: Any, ministry: Any) -> None:
    parts = [bytes([number]) * PART_SIZE for number in range(18)]
    message = shinjuku.send(ministry.machine, sealed=b"".join(parts[:15]))
    refused(shinjuku.put_part(parts[15]), 507, "quota")  # the 16th would fit, were it not for the manifest
    assert shinjuku.put_part(parts[14]).status_code == 200
    assert ministry.put_part(parts[15]).status_code == 201
    ministry.receipt(message, "131041")
    assert shinjuku.put_part(parts[15]).status_code == 201


def test_the_ministry_may_hold_more(refused: Any, ministry: Any) -> None:
    parts = [bytes([number]) * PART_SIZE for number in range(33)]
    assert {ministry.put_part(part).status_code for part in parts[:32]} == {201}
    refused(ministry.put_part(parts[32]), 507, "quota")


def test_unreceipted_messages_of_a_stream_are_bounded(
    refused: Any, new_parcel: Any, shinjuku: Any, ministry: Any
) -> None:
    sent = [shinjuku.send(ministry.machine, sequence) for sequence in (1, 2, 3)]
    fourth = new_parcel(shinjuku.machine, ministry.machine, 4)
    shinjuku.put_part(fourth.parts[0])
    refused(shinjuku.offer(fourth), 507, "quota")
    ministry.receipt(sent[0], "131041", 1)
    assert shinjuku.offer(fourth).status_code == 201


def test_strangers_are_bounded_by_address(bench: Any, refused: Any) -> None:
    address = {"X-Forwarded-For": "172.20.0.7"}
    for _ in range(5):
        assert bench.enrolment.get("/v1/enrolments/x", headers=address).status_code == 404
    refused(bench.enrolment.get("/v1/enrolments/x", headers=address), 429, "rate")
    assert bench.enrolment.get("/v1/enrolments/x", headers={"X-Forwarded-For": "172.20.0.8"}).status_code == 404


@given(st.lists(st.floats(0, 5), max_size=60))
def test_a_bucket_never_gives_more_than_its_rate_and_burst(pauses: list[float]) -> None:
    buckets = TokenBuckets(rate=2, burst=5)
    now, taken = 100.0, 0
    for pause in pauses:
        now += pause
        wait = buckets.take("131041", now)
        if wait:
            assert 0 < wait <= 0.5
        taken += not wait
        assert taken <= 5 + (now - 100) * 2 + 1e-6


def test_a_bucket_fills_up_again_to_its_burst_and_no_further() -> None:
    buckets = TokenBuckets(rate=1, burst=2)
    assert [buckets.take("a", 0) == 0 for _ in range(3)] == [True, True, False]
    assert [buckets.take("a", 1000) == 0 for _ in range(3)] == [True, True, False]


def test_the_buckets_themselves_are_bounded() -> None:
    buckets = TokenBuckets(rate=1, burst=1)
    for number in range(20_000):
        buckets.take(str(number), 0)
    assert len(buckets._levels) == 16_384
    assert buckets.take("19999", 0) > 0
