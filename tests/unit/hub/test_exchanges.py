"""What the hub sees of terminals' exchanges, and whom it tells."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect

from renkei.client.connection import Connection
from renkei.client.errors import CursorGone
from renkei.client.hub import HubClient
from renkei.hub import app
from renkei.hub.exchanges import how_of
from renkei.hub.problems import Problem as HubProblem
from renkei.hub.upkeep import flush_once
from unit.hub.through import URL, client_of


def seen(bench: Any, authority: Any) -> dict[str, Any]:
    bench.run(flush_once(bench.hub, bench.store))
    found: dict[str, Any] = {item["terminal"]: item for item in authority.get("/v1/exchanges").json()["items"]}
    return found


def test_failures_are_counted_by_terminal_and_kind_and_what_the_protocol_brings_is_none(
    bench: Any, authority: Any, ministry: Any
) -> None:
    good, bad = bench.enrol("131041", "T-GOOD"), bench.enrol("131041", "T-BAD")
    assert good.get("/v1/hub").status_code == 200
    assert good.get("/v1/settlements/ministry/notices").status_code == 404
    parcel = bench.parcel(bad.machine, ministry.machine)
    forged = parcel.manifest.replace(b'"sig": "', b'"sig": "AAAA').replace(b'"sig":"', b'"sig":"AAAA')
    assert forged != parcel.manifest
    assert bad.put(f"/v1/messages/131041/{parcel.id}", forged).status_code == 400
    digest = {"Content-Digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"}
    assert bad.put(f"/v1/parts/{'0' * 64}", b"part", headers=digest).status_code == 400
    assert bad.get("/v1/patch-states").status_code == 403
    found = seen(bench, authority)
    assert set(found) == {"T-GOOD", "T-BAD"}, "the ministry's machines are no terminals"
    assert found["T-GOOD"]["failed_at"] is None
    assert found["T-GOOD"]["exchanged_at"] is not None
    assert set(found["T-GOOD"]["failed"].values()) == {0}
    assert found["T-BAD"]["failed"] == {"refused": 0, "signature": 1, "cut": 1, "other": 1}
    assert found["T-BAD"]["exchanged_at"] is None


def test_a_certificate_that_ended_or_was_revoked_is_a_failure_of_whom_it_names(bench: Any, authority: Any) -> None:
    terminal = bench.enrol("131041", "T-OLD", days=1)
    bench.time = bench.time.replace(year=bench.time.year + 1)
    assert terminal.get("/v1/hub").status_code == 403
    assert bench.pki.enrol("131041", "T-STRANGER")
    stranger = bench.speaker(bench.pki.enrol("131041", "T-STRANGER"))
    assert stranger.get("/v1/hub").status_code == 403
    found = seen(bench, authority)
    assert {name: item["failed"]["refused"] for name, item in found.items()} == {"T-OLD": 1}


def test_an_upload_that_is_cut_off_counts(bench: Any, authority: Any) -> None:
    terminal = bench.enrol("131041", "T-CUT")
    scope = {
        "type": "http",
        "method": "PUT",
        "path": "/v1/profiles/131041",
        "raw_path": b"/v1/profiles/131041",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in terminal.machine.header.items()],
    }

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError(message)

    bench.run(app.exchange(bench.hub)(scope, receive, send))
    assert seen(bench, authority)["T-CUT"]["failed"]["cut"] == 1


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (ClientDisconnect(), "cut"),
        (HubProblem(408, "timeout", ""), "cut"),
        (HubProblem(413, "too-large", ""), "other"),
        (HubProblem(409, "sequence", ""), None),
        (HubProblem(429, "rate", ""), None),
        (HubProblem(503, "store", ""), None),
        (ValueError(), None),
    ],
)
def test_what_is_the_hubs_or_the_protocols_is_no_failure(error: Exception, how: str | None) -> None:
    assert how_of(error) == how


def test_the_ministry_and_the_authority_are_told_and_nobody_else(bench: Any, authority: Any, ministry: Any) -> None:
    terminal = bench.enrol("131041", "T-1")
    assert terminal.get("/v1/exchanges").status_code == 403
    assert ministry.get("/v1/exchanges").status_code == authority.get("/v1/exchanges").status_code == 200


def test_the_client_goes_on_from_a_cursor_and_knows_a_restored_hub(bench: Any, authority: Any) -> None:
    for name in ("T-1", "T-2", "T-3"):
        bench.enrol("131041", name).get("/v1/hub")
    bench.run(flush_once(bench.hub, bench.store))
    client = client_of(authority)
    first = client.exchanges(0, 2)
    assert first is not None
    rest = client.exchanges(first.next)
    assert rest is not None
    assert [len(first.items), len(rest.items)] == [2, 1]
    assert [item.terminal for item in (*first.items, *rest.items)] == ["T-1", "T-2", "T-3"]
    last = client.exchanges(rest.next)
    assert last is not None
    assert last.items == ()
    with pytest.raises(CursorGone):
        client.exchanges(rest.next + 1)


def test_a_hub_of_an_earlier_release_does_not_say() -> None:
    older = HubClient(Connection(URL, httpx.MockTransport(lambda _: httpx.Response(404, stream=httpx.ByteStream(b"")))))
    assert older.exchanges(0) is None
