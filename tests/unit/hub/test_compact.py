"""Documents in compact form on the line: taken, answered and handed on, beside JSON, which stays as it was."""

import json
from typing import Any

from renkei.exchange import compact, pages
from renkei.exchange.documents import payload_sha256

PACKED = {"Content-Type": compact.MEDIA_TYPE}
ACCEPTING = {"Accept": f"{compact.MEDIA_TYPE}, application/json"}


def offered(bench: Any, speaker: Any, recipient: Any) -> tuple[str, Any]:
    """The path of a message whose parts are there, and its parcel."""
    parcel = bench.parcel(speaker.machine, recipient.machine)
    for part in parcel.parts:
        speaker.put_part(part)
    return f"/v1/messages/{speaker.machine.party}/{parcel.id}", parcel


def test_the_hub_says_that_it_reads_the_compact_form(shinjuku: Any) -> None:
    assert compact.MEDIA_TYPE in shinjuku.get("/v1/hub").json()["reads"]


def test_a_manifest_may_come_in_either_form_and_its_acceptance_is_the_same(
    bench: Any, shinjuku: Any, ministry: Any
) -> None:
    path, parcel = offered(bench, shinjuku, ministry)
    packed = compact.pack(parcel.manifest)
    assert packed != parcel.manifest
    first = shinjuku.put(path, packed, headers=PACKED | ACCEPTING)
    assert (first.status_code, first.headers["content-type"]) == (201, compact.MEDIA_TYPE)
    again = shinjuku.put(path, parcel.manifest)
    assert (again.status_code, again.headers["content-type"]) == (200, "application/json")
    assert compact.unpack(first.content) == again.content
    assert bench.acceptance(again.content).manifest_sha256 == payload_sha256(parcel.manifest)


def test_the_inbox_comes_in_either_form_and_says_the_same(bench: Any, shinjuku: Any, ministry: Any) -> None:
    for sequence in (1, 2, 3):
        parcel = shinjuku.send(ministry.machine, sequence)
    packed = ministry.get("/v1/inbox", headers={"Accept": f"{pages.MEDIA_TYPE}, application/json"})
    assert packed.headers["content-type"] == pages.MEDIA_TYPE
    items, following = pages.unpack_page(packed.content)
    plain = ministry.get("/v1/inbox")
    assert plain.headers["content-type"] == "application/json"
    assert following == plain.json()["next"]
    assert [(i.cursor, i.kind, i.envelope.decode(), json.loads(i.entry)) for i in items] == [
        (i["cursor"], i["kind"], i["envelope"], i["entry"]) for i in plain.json()["items"]
    ]
    assert len(packed.content) < len(plain.content) / 5, "the entry stands once"
    assert items[-1].envelope == parcel.manifest
    assert bench.store is not None


def test_receipts_and_voids_may_be_packed_too(shinjuku: Any, ministry: Any) -> None:
    parcel = shinjuku.send(ministry.machine)
    receipt = ministry.receipt(parcel, "131041")
    assert receipt.status_code == 201
    [item] = shinjuku.inbox()["items"]
    packed = compact.pack(item["envelope"].encode())
    assert packed.startswith(compact.FORM)
    answer = ministry.put(f"/v1/receipts/131041/{parcel.id}", packed, headers=PACKED)
    assert answer.status_code == 200, "the very same receipt"


def test_what_claims_to_be_packed_and_is_not_is_refused(bench: Any, shinjuku: Any, ministry: Any, refused: Any) -> None:
    path, parcel = offered(bench, shinjuku, ministry)
    packed = compact.pack(parcel.manifest)
    refused(shinjuku.put(path, packed[:-1], headers=PACKED), 400, "document")
    refused(shinjuku.put(path, packed + b"\0", headers=PACKED), 400, "document")
    refused(shinjuku.put(path, packed), 400, "document")
    refused(shinjuku.put(path, bytes(70_000), headers=PACKED), 413, "too-large")
    assert shinjuku.put(path, parcel.manifest, headers=PACKED).status_code == 201, "JSON begins with {"
