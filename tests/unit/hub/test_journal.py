"""The journal: what the hub did, provable to whoever kept an earlier head."""

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.documents import canonical
from renkei.exchange.journal import ProofError, verify_consistency, verify_inclusion
from renkei.exchange.payloads import TreeHead
from renkei.hub.identity import verified_binding
from renkei.hub.journal import keep_head


def head_of(bench: Any, speaker: Any) -> TreeHead:
    head: TreeHead = TreeHead.open(speaker.get("/v1/journal/head").content, bench.hub_key)
    return head


def proof(speaker: Any, path: str) -> list[bytes]:
    return [bytes.fromhex(step) for step in speaker.get(f"/v1/journal/proofs/{path}").json()["proof"]]


def test_every_entry_is_provably_in_every_later_tree(bench: Any, shinjuku: Any, ministry: Any) -> None:
    heads = [head_of(bench, ministry)]
    for sequence in range(1, 6):
        parcel = shinjuku.send(ministry.machine, sequence)
        ministry.receipt(parcel, "131041", sequence)
        heads.append(head_of(bench, ministry))
    last = heads[-1]
    entries = ministry.get(f"/v1/journal/entries?from=0&to={last.size}").json()["entries"]
    assert [entry["index"] for entry in entries] == list(range(last.size))
    for head in heads:
        root = bytes.fromhex(head.root)
        for index in range(head.size):
            path = proof(shinjuku, f"inclusion?index={index}&size={head.size}")
            verify_inclusion(canonical(entries[index]), index, head.size, path, root)
        path = proof(shinjuku, f"consistency?from={head.size}&to={last.size}")
        verify_consistency(head.size, root, last.size, bytes.fromhex(last.root), path)


def test_a_sender_can_rebuild_the_entry_of_its_acceptance(bench: Any, shinjuku: Any, ministry: Any) -> None:
    parcel = shinjuku.send(ministry.machine)
    envelope = shinjuku.offer(parcel).content
    acceptance = bench.acceptance(envelope)
    entry = {
        "index": acceptance.journal_index,
        "act": "message",
        "at": acceptance.to_json()["accepted_at"],
        "party": "131041",
        "document_sha256": sha256(envelope).hexdigest(),
    }
    head = head_of(bench, shinjuku)
    path = proof(shinjuku, f"inclusion?index={acceptance.journal_index}&size={head.size}")
    verify_inclusion(canonical(entry), acceptance.journal_index, head.size, path, bytes.fromhex(head.root))
    other = canonical(entry | {"party": "011011"})
    with pytest.raises(ProofError):
        verify_inclusion(other, acceptance.journal_index, head.size, path, bytes.fromhex(head.root))


def test_each_act_leaves_its_entry(bench: Any, shinjuku: Any, ministry: Any, authority: Any) -> None:
    first = head_of(bench, ministry).size
    parcel = shinjuku.send(ministry.machine)
    ministry.receipt(parcel, "131041")
    shinjuku.void("ministry", 2)
    machine = bench.pki.enrol("011011")
    authority.put("/v1/bindings", machine.entry.to_json())
    authority.put("/v1/revocations", bench.pki.revocation(machine))
    for _ in range(2):  # repeats and refusals leave none
        shinjuku.offer(parcel)
        shinjuku.void("ministry", 2)
        shinjuku.void("ministry", 9)
        ministry.receipt(parcel, "131041")
        authority.put("/v1/revocations", bench.pki.revocation(machine))
    entries = ministry.get(f"/v1/journal/entries?from={first}&to=99").json()["entries"]
    acts = [(entry["act"], entry["party"]) for entry in entries]
    assert acts == [
        ("message", "131041"),
        ("receipt", "ministry"),
        ("void", "131041"),
        ("binding", "authority"),
        ("revocation", "authority"),
    ]
    assert str(parcel.id) not in json.dumps(entries)


def test_entries_come_in_bounded_pages(ministry: Any, refused: Any) -> None:
    assert len(ministry.get("/v1/journal/entries?from=0&to=0").json()["entries"]) == 1
    assert ministry.get("/v1/journal/entries?from=999999&to=9999999").json() == {"entries": [], "leaves": []}
    refused(ministry.get("/v1/journal/entries?from=2&to=1"), 400, "query")
    refused(ministry.get("/v1/journal/entries"), 400, "query")


def test_what_isnt_in_the_journal_isnt_proven(refused: Any, shinjuku: Any) -> None:
    for path in ("inclusion?index=1&size=1", "inclusion?index=0&size=99"):
        refused(shinjuku.get(f"/v1/journal/proofs/{path}"), 404, "not-found")
    for path in ("consistency?from=1&to=99", "consistency?from=2&to=1"):
        refused(shinjuku.get(f"/v1/journal/proofs/{path}"), 404, "not-found")


def test_the_hub_keeps_a_signed_head_every_hour_and_hands_it_on(bench: Any, shinjuku: Any) -> None:
    bench.run(bench.store.add_binding(verified_binding(bench.hub.anchor, bench.own.entry, bench.time)[0], "test", 0))
    assert bench.run(keep_head(bench.hub))
    assert not bench.run(keep_head(bench.hub)), "an hour isn't over"
    bench.time += timedelta(hours=1)
    assert bench.run(keep_head(bench.hub)), "also when nothing happened: it says that"
    found = shinjuku.get("/v1/journal/heads?from=1").json()["heads"]
    assert [each["number"] for each in found] == [1, 2]
    for each in found:
        entry = DirectoryEntry.read(each["entry"])
        hub = bench.hub.anchor.verify_entry(entry, bench.time)
        head = TreeHead.open(each["envelope"].encode(), hub.signing_public_key)
        assert head.size == head_of(bench, shinjuku).size
    assert shinjuku.get("/v1/journal/heads?from=3").json() == {"heads": []}


def test_a_head_is_signed_anew_once_something_was_added_or_it_is_some_seconds_old(
    bench: Any, shinjuku: Any, ministry: Any
) -> None:
    first = shinjuku.get("/v1/journal/head").content
    assert shinjuku.get("/v1/journal/head").content == first
    bench.time += timedelta(seconds=10)
    later = head_of(bench, shinjuku)
    assert later.signed_at == bench.time
    assert later.size == TreeHead.open(first, bench.hub_key).size
    shinjuku.send(ministry.machine)
    assert head_of(bench, shinjuku).size == later.size + 1
