"""Directory, enrolments, renewals, bindings and revocations."""

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from renkei.exchange.bindings import bind
from renkei.exchange.certificates import certificate_from_pem, issue_client, make_key, make_request
from renkei.exchange.documents import Signer
from renkei.exchange.enrolment import EnrolmentFields, EnrolmentRequest, code_key, new_code
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Revocation, TreeHead
from renkei.hub.settings import Limits, Settings


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    limits = Limits(pending_enrolments=3, pending_enrolments_per_address=2, enrolment_requests_per_minute=100)
    return Settings(state=tmp_path, run=tmp_path, root=tmp_path / "root.pem", limits=limits)


def fields(party: str = "131041", terminal: str = "T-0001", key: ec.EllipticCurvePrivateKey | None = None) -> Any:
    return EnrolmentFields(
        endpoint=Party(party),
        terminal=terminal,
        machine_serial="SN-1",
        csr=make_request(key or make_key(), Party(party), terminal),
        receiving_key=b"\x04" + bytes(64),
    )


def proven(terminal: str = "T-0001") -> EnrolmentRequest:
    asked = fields(terminal=terminal)
    request: EnrolmentRequest = asked.prove(code_key(new_code(), asked.endpoint, asked.terminal))
    return request


def ask(bench: Any, request: EnrolmentRequest, address: str = "172.20.0.7") -> Any:
    headers = {"X-Forwarded-For": address}
    return bench.enrolment.request("POST", "/v1/enrolments", content=request.to_json(), headers=headers)


def state(bench: Any, enrolment_id: str) -> Any:
    return bench.enrolment.get(f"/v1/enrolments/{enrolment_id}").json()


def entry_of(machine: Any) -> Any:
    return json.loads(machine.entry.to_json())


def test_an_enrolment_waits_for_the_authority_and_makes_the_certificate_live(
    bench: Any, refused: Any, authority: Any
) -> None:
    request = proven()
    answer = ask(bench, request)
    assert answer.status_code == 202
    asked_id = answer.json()["id"]
    assert state(bench, asked_id) == {"state": "pending"}
    [queued] = authority.get("/v1/enrolments?state=pending").json()["enrolments"]
    assert (queued["id"], queued["kind"]) == (asked_id, "enrolment")
    assert EnrolmentRequest.from_json(json.dumps(queued["request"]).encode()) == request
    machine = bench.pki.enrol("131041")
    speaker = bench.speaker(machine)
    refused(speaker.get("/v1/hub"), 403, "certificate")
    approval = {"state": "approved", "entry": entry_of(machine)}
    assert authority.request("PUT", f"/v1/enrolments/{asked_id}", json=approval).status_code == 201
    assert authority.request("PUT", f"/v1/enrolments/{asked_id}", json=approval).status_code == 200
    assert state(bench, asked_id) == approval
    assert speaker.get("/v1/hub").status_code == 200
    assert authority.get("/v1/enrolments").json() == {"enrolments": []}
    other = {"state": "approved", "entry": entry_of(bench.pki.enrol("131041"))}
    refused(authority.request("PUT", f"/v1/enrolments/{asked_id}", json=other), 409, "conflict")


def test_a_refusal_has_its_reason_and_may_be_asked_about_anew(bench: Any, refused: Any, authority: Any) -> None:
    request = proven()
    asked_id = ask(bench, request).json()["id"]
    refusal = {"state": "refused", "reason": "the code is used"}
    assert authority.request("PUT", f"/v1/enrolments/{asked_id}", json=refusal).status_code == 201
    assert authority.request("PUT", f"/v1/enrolments/{asked_id}", json=refusal).status_code == 200
    assert state(bench, asked_id) == refusal
    late = {"state": "approved", "entry": entry_of(bench.pki.enrol("131041"))}
    refused(authority.request("PUT", f"/v1/enrolments/{asked_id}", json=late), 409, "conflict")
    assert ask(bench, request).json()["id"] == asked_id
    assert state(bench, asked_id) == {"state": "pending"}
    assert authority.request("PUT", f"/v1/enrolments/{asked_id}", json=late).status_code == 201


def test_the_same_request_has_the_same_id(bench: Any, authority: Any) -> None:
    request = proven()
    assert ask(bench, request).json() == ask(bench, request).json() != ask(bench, proven()).json()
    assert len(authority.get("/v1/enrolments").json()["enrolments"]) == 2


def test_the_queue_is_bounded_for_each_address_and_in_all(bench: Any, refused: Any) -> None:
    requests = [proven(f"T-{number}") for number in range(5)]
    assert [ask(bench, request).status_code for request in requests[:2]] == [202, 202]
    refused(ask(bench, requests[2]), 507, "quota")
    assert ask(bench, requests[2], "172.20.0.8").status_code == 202
    refused(ask(bench, requests[3], "172.20.0.9"), 507, "quota")
    assert ask(bench, requests[0]).status_code == 202


def test_a_malformed_request_is_refused_and_named(bench: Any, refused: Any) -> None:
    def post(content: bytes) -> Any:
        return bench.enrolment.request("POST", "/v1/enrolments", content=content)

    whole = json.loads(proven().to_json())
    assert "terminal" in refused(post(json.dumps(whole | {"terminal": "../x"}).encode()), 400, "document")["detail"]
    refused(post(json.dumps(whole | {"more": 1}).encode()), 400, "document")
    refused(post(b"{}"), 400, "document")
    refused(post(bytes(40_000)), 413, "too-large")


def test_an_approval_must_be_for_who_asked(bench: Any, refused: Any, authority: Any) -> None:
    asked_id = ask(bench, proven()).json()["id"]
    for machine in (bench.pki.enrol("011011"), bench.pki.enrol("131041", "T-0002")):
        approval = {"state": "approved", "entry": entry_of(machine)}
        refused(authority.request("PUT", f"/v1/enrolments/{asked_id}", json=approval), 400, "mismatch")
    assert state(bench, asked_id) == {"state": "pending"}
    approval = {"state": "approved", "entry": entry_of(bench.pki.enrol("131041"))}
    refused(authority.request("PUT", "/v1/enrolments/nonesuch", json=approval), 404, "not-found")
    refused(authority.request("PUT", f"/v1/enrolments/{asked_id}", json={"state": "maybe"}), 400, "body")
    refused(authority.request("PUT", f"/v1/enrolments/{asked_id}", json={"state": "refused"}), 400, "body")


def test_the_authoritys_word_counts_only_with_the_issuing_cas_signature(
    bench: Any, refused: Any, authority: Any, other_pki: Any
) -> None:
    foreign = other_pki.enrol("131041")
    refused(authority.put("/v1/bindings", foreign.entry.to_json()), 400, "document")
    asked_id = ask(bench, proven()).json()["id"]
    approval = {"state": "approved", "entry": entry_of(foreign)}
    refused(authority.request("PUT", f"/v1/enrolments/{asked_id}", json=approval), 400, "document")
    good, other = bench.pki.enrol("131041"), bench.pki.enrol("011011")
    swapped = good.entry.model_copy(update={"certificate": other.entry.certificate})
    refused(authority.put("/v1/bindings", swapped.to_json()), 400, "document")
    machine = bench.enrol("131041").machine
    own_word = Revocation(
        endpoint=machine.party,
        terminal=machine.terminal,
        certificate_sha256=machine.fingerprint,
        reason="lost",
        revoked_at=bench.time,
    )
    refused(authority.put("/v1/revocations", own_word.sign(authority.machine.signer)), 400, "document")
    refused(authority.put("/v1/revocations", own_word.sign(Signer(other_pki.issuing.key))), 400, "document")
    refused(authority.put("/v1/revocations", b"{}"), 400, "document")
    assert bench.speaker(machine).get("/v1/hub").status_code == 200


def test_bindings_and_revocations_can_be_repeated(bench: Any, refused: Any, authority: Any) -> None:
    machine = bench.pki.enrol("131041")
    assert authority.put("/v1/bindings", machine.entry.to_json()).status_code == 201
    assert authority.put("/v1/bindings", machine.entry.to_json()).status_code == 200
    revocation = bench.pki.revocation(machine)
    assert authority.put("/v1/revocations", revocation).status_code == 201
    assert authority.put("/v1/revocations", revocation).status_code == 200
    assert authority.put("/v1/bindings", machine.entry.to_json()).status_code == 200
    refused(bench.speaker(machine).get("/v1/hub"), 403, "certificate")


def test_a_revocation_may_come_before_the_binding(bench: Any, refused: Any, authority: Any) -> None:
    machine = bench.pki.enrol("131041")
    assert authority.put("/v1/revocations", bench.pki.revocation(machine)).status_code == 201
    assert authority.put("/v1/bindings", machine.entry.to_json()).status_code == 201
    refused(bench.speaker(machine).get("/v1/hub"), 403, "certificate")


def test_a_certificate_has_one_binding(bench: Any, refused: Any, authority: Any) -> None:
    machine = bench.enrol("131041").machine
    certificate = certificate_from_pem(machine.entry.certificate)
    receiving = bench.pki.point(make_key())
    other = bind(certificate, receiving, 99, bench.pki.issuing, bench.time, bench.time + timedelta(days=1))
    refused(authority.put("/v1/bindings", other.to_json()), 409, "conflict")


def test_the_directory_has_live_entries_newest_first(bench: Any, shinjuku: Any, authority: Any) -> None:
    second = bench.enrol("131041", "T-0002").machine
    entries = shinjuku.get("/v1/directory/131041").json()["entries"]
    assert entries == [entry_of(second), entry_of(shinjuku.machine)]
    authority.put("/v1/revocations", bench.pki.revocation(second))
    assert shinjuku.get("/v1/directory/131041").json()["entries"] == [entry_of(shinjuku.machine)]
    assert shinjuku.get("/v1/directory/011011").json() == {"entries": [], "profile": None}


def test_the_hub_says_who_it_is(bench: Any, shinjuku: Any) -> None:
    answer = shinjuku.get("/v1/hub").json()
    assert (answer["epoch"], answer["entry"]) == (1, entry_of(bench.own))
    assert answer["time"] == bench.time.strftime("%Y-%m-%dT%H:%M:%SZ")
    head = TreeHead.open(answer["tree_head"].encode(), bench.hub_key)
    assert (head.epoch, head.size) == (1, 1)


def test_a_renewal_is_proven_by_the_old_key(bench: Any, refused: Any, shinjuku: Any, authority: Any) -> None:
    def renew(request: EnrolmentRequest) -> Any:
        return shinjuku.request("POST", "/v1/renewals", content=request.to_json())

    new = make_key()
    asked = fields(key=new)
    refused(renew(asked.prove_by_old_key(Signer(make_key()))), 400, "document")
    other = fields(terminal="T-0002")
    refused(renew(other.prove_by_old_key(shinjuku.machine.signer)), 403, "not-yours")
    request = asked.prove_by_old_key(shinjuku.machine.signer)
    renewal_id = renew(request).json()["id"]
    assert renew(request).json()["id"] == renewal_id
    assert shinjuku.get(f"/v1/renewals/{renewal_id}").json() == {"state": "pending"}
    [queued] = authority.get("/v1/enrolments").json()["enrolments"]
    assert queued["kind"] == "renewal"
    certificate = issue_client(asked.csr, asked.endpoint, asked.terminal, bench.pki.issuing, bench.time)
    end = bench.time + timedelta(days=398)
    entry = bind(certificate, bench.pki.point(make_key()), 99, bench.pki.issuing, bench.time, end)
    approval = {"state": "approved", "entry": json.loads(entry.to_json())}
    assert authority.request("PUT", f"/v1/enrolments/{renewal_id}", json=approval).status_code == 201
    assert shinjuku.get(f"/v1/renewals/{renewal_id}").json() == approval
    assert len(shinjuku.get("/v1/directory/131041").json()["entries"]) == 2
    refused(bench.enrol("011011").get(f"/v1/renewals/{renewal_id}"), 403, "not-yours")
    refused(bench.enrolment.get(f"/v1/enrolments/{renewal_id}"), 404, "not-found")


def test_states_of_the_queue_are_asked_for_by_name(refused: Any, authority: Any) -> None:
    refused(authority.get("/v1/enrolments?state=all"), 400, "query")


def test_the_ministry_hands_in_renewals_that_came_by_medium(
    bench: Any, refused: Any, shinjuku: Any, ministry: Any, authority: Any
) -> None:
    asked = fields(terminal=shinjuku.machine.terminal)
    request = asked.prove_by_old_key(shinjuku.machine.signer)
    answer = ministry.request("POST", "/v1/renewals", content=request.to_json())
    assert answer.status_code == 202
    assert ministry.get(f"/v1/renewals/{answer.json()['id']}").json() == {"state": "pending"}
    (queued,) = authority.get("/v1/enrolments").json()["enrolments"]
    assert (queued["kind"], queued["request"]["endpoint"]) == ("renewal", "131041")
    unproven = asked.prove_by_old_key(ministry.machine.signer)
    refused(ministry.request("POST", "/v1/renewals", content=unproven.to_json()), 400, "document")
    unknown = fields(terminal="T-9999").prove_by_old_key(shinjuku.machine.signer)
    refused(ministry.request("POST", "/v1/renewals", content=unknown.to_json()), 403, "not-yours")
    for_hub = fields("hub").prove_by_old_key(ministry.machine.signer)
    refused(ministry.request("POST", "/v1/renewals", content=for_hub.to_json()), 403, "not-yours")
    refused(bench.enrol("012271").request("POST", "/v1/renewals", content=request.to_json()), 403, "not-yours")
