"""What the authority saw on hosts: handed in by it alone, journalled, and read by those who oversee."""

from datetime import timedelta
from hashlib import sha256
from typing import Any, cast

import pytest

from renkei.client.errors import HubError
from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.documents import Kind
from renkei.exchange.packages import Device, HostState
from renkei.fleet.patching.host_line import Handed, Hub, Reading, hand_in_hosts, read_hosts
from renkei.fleet.patching.intake import Believer
from renkei.hub import registry
from renkei.store.patch_states import Reached
from unit.hub.through import URL, client_of

from .conftest import START

MINUTE = timedelta(minutes=1)
PATH = "/v1/host-states/asp-hub"


def state(host: str = "asp-hub", minutes: int = 0) -> HostState:
    device, seen_at = Device(model="C1111 15.9", version="15.9(3)M10"), START + minutes * MINUTE
    return HostState(host=host, device=device, packages=[], restart=False, seen_at=seen_at)


def acts(speaker: Any) -> list[dict[str, Any]]:
    entries = speaker.get("/v1/journal/entries", params={"from": 0, "to": 99}).json()["entries"]
    return [each for each in entries if each["act"] == "host-state"]


def test_the_newest_of_each_host_is_kept_and_each_that_came_is_in_the_journal(authority: Any, ministry: Any) -> None:
    assert Kind.HOST_STATE.payload_type in ministry.get("/v1/hub").json()["reads"]
    first, second = (state(minutes=minutes).sign(authority.machine.signer) for minutes in (0, 1))
    assert [authority.put(PATH, each).status_code for each in (first, first, second, first)] == [201, 200, 201, 200]
    page = ministry.get("/v1/host-states").json()
    assert [item["envelope"].encode() for item in page["items"]] == [second]
    assert page["items"][0]["entry"]["binding"]
    after = {"after": page["next"]}
    assert authority.get("/v1/host-states", params=after).json() == {"items": [], "next": page["next"]}
    found = acts(ministry)
    assert [each["document_sha256"] for each in found] == [sha256(each).hexdigest() for each in (first, second)]
    assert {each["party"] for each in found} == {"authority"}


def test_the_authority_alone_hands_in_and_terminals_dont_read(
    refused: Any, shinjuku: Any, ministry: Any, authority: Any
) -> None:
    for speaker in (shinjuku, ministry):
        refused(speaker.put(PATH, state().sign(authority.machine.signer)), 403, "not-entitled")
    refused(authority.put(PATH, state().sign(ministry.machine.signer)), 400, "document")
    refused(authority.put(PATH, state("asp-mirror").sign(authority.machine.signer)), 400, "mismatch")
    refused(authority.put(PATH, b"x" * 65_537), 413, "too-large")
    refused(shinjuku.get("/v1/host-states"), 403, "not-entitled")
    refused(authority.get("/v1/host-states", params={"after": 9}), 409, "cursor")
    refused(authority.get("/v1/host-states", params={"limit": 51}), 400, "query")
    assert acts(authority) == []


def test_what_lies_ahead_isnt_taken_and_stands_above_nothing(refused: Any, authority: Any) -> None:
    assert authority.put(PATH, state(minutes=5).sign(authority.machine.signer)).status_code == 201
    refused(authority.put(PATH, state(minutes=6).sign(authority.machine.signer)), 400, "clock")


def test_what_an_earlier_key_of_the_authority_signed_is_taken(bench: Any, authority: Any) -> None:
    envelope = state().sign(authority.machine.signer)
    assert bench.enrol("authority", "second").put(PATH, envelope).status_code == 201


def test_one_controller_hands_in_and_another_reads_from_where_it_was(bench: Any, authority: Any, ministry: Any) -> None:
    def hand_in(*states: HostState) -> Handed:
        return hand_in_hosts(
            [(each.host, each.sign(authority.machine.signer)) for each in states], client_of(authority), URL
        )

    def read(known: Reached | None) -> list[Reading]:
        believer = Believer(TrustAnchor(bench.pki.root_pem))
        return list(read_hosts(client_of(ministry), URL, known, believer, START + MINUTE))

    assert hand_in(state(), state("asp-mirror")) == Handed(2, 0, ())
    ahead = hand_in(state(minutes=1), state("asp-mirror"), state("asp-router", 9))
    assert (ahead.new, ahead.known, [each.place for each in ahead.refused]) == (1, 1, ["asp-router"])
    assert "clock" in ahead.refused[0].why
    [page] = read(None)
    assert [found for found, _ in page.seen] == [state("asp-mirror"), state(minutes=1)]
    assert (page.refused, page.reached) == ((), Reached(URL, 1, 3))
    assert read(page.reached) == []
    hand_in(state(minutes=2))
    assert [found for each in read(page.reached) for found, _ in each.seen] == [state(minutes=2)]
    [again] = read(Reached(URL, 7, 3))  # of another epoch: from the beginning
    assert len(again.seen) == 2


def test_what_isnt_the_authoritys_word_is_named_and_passed(authority: Any, ministry: Any, other_pki: Any) -> None:
    hand_in_hosts([("asp-hub", state().sign(authority.machine.signer))], client_of(authority), URL)
    [page] = read_hosts(client_of(ministry), URL, None, Believer(TrustAnchor(other_pki.root_pem)), START)
    assert (page.seen, [each.place for each in page.refused]) == ((), [f"{URL} host-state 1"])


def test_a_hub_of_an_earlier_release_is_named(authority: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_READS", (Kind.ORDER.payload_type,))
    with pytest.raises(HubError, match="earlier release and keeps no host states"):
        hand_in_hosts([], client_of(authority), URL)
    with pytest.raises(HubError, match="earlier release and keeps no host states"):
        next(read_hosts(cast("Hub", client_of(authority)), URL, None, cast("Believer", None), START))
