"""Who may speak to the hub, and who may do what."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

SOME = str(uuid4())
EXCHANGE = [
    ("POST", "/v1/parts/missing"),
    ("PUT", f"/v1/parts/{'0' * 64}"),
    ("PUT", f"/v1/messages/131041/{SOME}"),
    ("PUT", "/v1/messages/131041"),
    ("GET", f"/v1/messages/131041/{SOME}/content"),
    ("GET", "/v1/inbox"),
    ("PUT", f"/v1/receipts/131041/{SOME}"),
    ("PUT", "/v1/voids/ministry/notices/1"),
    ("GET", "/v1/streams/ministry/notices"),
]
OVERSIGHT = [("GET", "/v1/journal/entries?from=0&to=1")]
REGISTRATION = [
    ("GET", "/v1/enrolments"),
    ("PUT", f"/v1/enrolments/{SOME}"),
    ("PUT", "/v1/bindings"),
    ("PUT", "/v1/revocations"),
]
ANYBODY = [
    ("GET", "/v1/hub"),
    ("GET", "/v1/directory/ministry"),
    ("GET", "/v1/journal/head"),
    ("GET", "/v1/journal/proofs/inclusion?index=0&size=1"),
    ("GET", "/v1/journal/proofs/consistency?from=1&to=1"),
    ("GET", f"/v1/renewals/{SOME}"),
    ("POST", "/v1/renewals"),
]
EVERYTHING = [*EXCHANGE, *OVERSIGHT, *REGISTRATION, *ANYBODY]
ENTITLED = {
    "131041": [*EXCHANGE, *ANYBODY],
    "ministry": [*EXCHANGE, *OVERSIGHT, *ANYBODY],
    "authority": [*OVERSIGHT, *REGISTRATION, *ANYBODY],
    "hub": [*OVERSIGHT, *ANYBODY],
}


def kind(answer: Any) -> str:
    problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.json()["type"].rsplit(":", 1)[-1] if problem else ""


@pytest.mark.parametrize("party", ENTITLED)
def test_each_party_may_do_what_it_is_entitled_to_and_nothing_else(bench: Any, party: str) -> None:
    speaker = bench.enrol(party)
    for method, path in EVERYTHING:
        barred = kind(speaker.request(method, path)) == "not-entitled"
        assert barred != ((method, path) in ENTITLED[party]), (method, path)


def test_nobody_speaks_without_a_live_certificate(bench: Any, refused: Any) -> None:
    stranger = bench.speaker(bench.pki.enrol("131041"))
    for method, path in EVERYTHING:
        refused(stranger.request(method, path), 403, "certificate")
        refused(bench.client.request(method, path), 403, "certificate")


def test_what_is_no_certificate_is_refused(bench: Any, refused: Any) -> None:
    for header in ("", "nonsense", "%FF%00", quote("-----BEGIN CERTIFICATE-----\nx\n"), "x" * 20_000):
        refused(bench.client.get("/v1/hub", headers={"X-Client-Certificate": header}), 403, "certificate")


def test_two_certificates_are_refused(bench: Any, refused: Any, shinjuku: Any, ministry: Any) -> None:
    names = [
        ("X-Client-Certificate", speaker.machine.header["X-Client-Certificate"]) for speaker in (shinjuku, ministry)
    ]
    refused(bench.client.get("/v1/hub", headers=names), 403, "certificate")


def test_a_revocation_acts_on_the_next_request(bench: Any, refused: Any, shinjuku: Any, authority: Any) -> None:
    assert shinjuku.get("/v1/hub").status_code == 200
    assert authority.put("/v1/revocations", bench.pki.revocation(shinjuku.machine)).status_code == 201
    refused(shinjuku.get("/v1/hub"), 403, "certificate")
    assert shinjuku.get("/v1/directory/131041").status_code == 403
    assert authority.get("/v1/directory/131041").json() == {"entries": [], "profile": None}


def test_a_revocation_ends_a_long_poll(bench: Any, refused: Any, shinjuku: Any, authority: Any) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(shinjuku.get, "/v1/inbox?wait=20")
        while not len(bench.hub.waiters):
            pass
        authority.put("/v1/revocations", bench.pki.revocation(shinjuku.machine))
        refused(waiting.result(5), 403, "certificate")


def test_a_certificate_is_good_for_its_time_only(bench: Any, refused: Any, shinjuku: Any) -> None:
    bench.time += timedelta(days=397)
    assert shinjuku.get("/v1/hub").status_code == 200
    bench.time += timedelta(days=1)
    refused(shinjuku.get("/v1/hub"), 403, "certificate")


def test_a_certificate_of_the_future_is_not_good_yet(bench: Any, refused: Any) -> None:
    speaker = bench.enrol("131041", begin=bench.time + timedelta(hours=1))
    refused(speaker.get("/v1/hub"), 403, "certificate")
    assert speaker.machine.terminal not in bench.enrol("ministry").get("/v1/directory/131041").text
    bench.time += timedelta(minutes=56)  # clocks may differ by five minutes
    assert speaker.get("/v1/hub").status_code == 200
    bench.time += timedelta(minutes=4)
    assert speaker.get("/v1/hub").status_code == 200


def test_an_endpoint_asks_for_its_own_streams_only(refused: Any, shinjuku: Any, ministry: Any) -> None:
    refused(shinjuku.get("/v1/streams/011011/notices"), 403, "not-yours")
    refused(ministry.get("/v1/streams/ministry/notices"), 403, "not-yours")
    refused(ministry.get("/v1/streams/131041/gossip"), 404, "not-found")
    refused(ministry.get("/v1/streams/131042/notices"), 404, "not-found")


def test_a_hub_without_its_entry_answers_what_needs_no_signature(bench: Any, refused: Any, shinjuku: Any) -> None:
    assert bench.health.get("/healthz").status_code == 200
    bench.hub.identity = None
    refused(shinjuku.get("/v1/hub"), 503, "not-ready")
    refused(shinjuku.put(f"/v1/messages/131041/{SOME}", b"{}"), 503, "not-ready")
    assert shinjuku.inbox() == {"items": [], "next": 0}
    answer = bench.health.get("/healthz")
    assert (answer.status_code, answer.text[:7]) == (503, "waiting")


def test_paths_that_are_none(bench: Any, refused: Any, shinjuku: Any) -> None:
    refused(shinjuku.get("/"), 404, "not-found")
    refused(shinjuku.get("/v1/inbox/"), 404, "not-found")
    refused(shinjuku.request("DELETE", "/v1/inbox"), 405, "method")
    refused(bench.enrolment.get("/v1/hub", headers=shinjuku.machine.header), 404, "not-found")
    refused(bench.enrolment.get("/healthz"), 404, "not-found")
    refused(bench.client.get("/metrics", headers=shinjuku.machine.header), 404, "not-found")


def test_contacts_are_noted(bench: Any, shinjuku: Any) -> None:
    shinjuku.get("/v1/hub")
    assert bench.hub.contacts == {"131041": int(bench.time.timestamp())}
