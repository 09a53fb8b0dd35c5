"""The client speaks the newer forms with a hub that reads them, and JSON with one that doesn't."""

import json

import httpx
import pytest

from renkei.client.connection import Connection
from renkei.client.errors import BadAnswer
from renkei.client.hub import HubClient
from renkei.exchange import compact, pages, whole
from unit.client.answers import ACCEPTANCE, ENTRY, RECEIPT, STATE, answer

READS = [compact.MEDIA_TYPE, whole.MEDIA_TYPE]
PAGE = pages.pack_page([pages.PageItem(5, "receipt", RECEIPT, json.dumps(ENTRY).encode())], 5)


class FakeHub:
    def __init__(self, *, newer: bool, spoil: bytes = b"") -> None:
        self.newer, self.spoil = newer, spoil
        self.taken: list[tuple[str | None, bytes]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        accepted = request.headers.get("accept", "") if self.newer else ""
        if request.method == "PUT":
            self.taken.append((request.headers.get("content-type"), request.read()))
            if compact.MEDIA_TYPE in accepted:
                packed = compact.pack(ACCEPTANCE) + self.spoil
                return answer(201, packed, {"Content-Type": compact.MEDIA_TYPE})
            return answer(201, ACCEPTANCE, {"Content-Type": "application/json"})
        if request.url.path == "/v1/hub":
            return answer(200, json.dumps({**STATE, **({"reads": READS} if self.newer else {})}).encode(), {})
        if pages.MEDIA_TYPE in accepted:
            return answer(200, PAGE + self.spoil, {"Content-Type": pages.MEDIA_TYPE})
        item = {"cursor": 5, "kind": "receipt", "envelope": RECEIPT.decode(), "entry": ENTRY}
        return answer(200, json.dumps({"items": [item], "next": 5}).encode(), {})

    def client(self) -> HubClient:
        return HubClient(Connection("https://hub", httpx.MockTransport(self)))


@pytest.mark.parametrize("age", ["newer", "older"])
def test_both_hubs_are_understood_and_told_what_they_read(age: str) -> None:
    newer = age == "newer"
    hub = FakeHub(newer=newer)
    with hub.client() as client:
        client.put_receipt("131041", "1", RECEIPT)
        client.state()
        client.put_receipt("131041", "1", RECEIPT)
        assert client.put_message("ministry", "1", RECEIPT) == ACCEPTANCE
        page = client.inbox(0)
    assert [(item.cursor, item.kind, item.envelope) for item in page.items] == [(5, "receipt", RECEIPT)]
    assert page.items[0].entry.certificate == "x"
    assert hub.taken[0] == ("application/json", RECEIPT), "before the hub has said what it reads"
    later = (compact.MEDIA_TYPE, compact.pack(RECEIPT)) if newer else ("application/json", RECEIPT)
    assert hub.taken[1:] == [later, later]


def test_answers_that_are_no_documents_are_refused() -> None:
    with FakeHub(newer=True, spoil=b"\0").client() as client:
        with pytest.raises(BadAnswer, match="breaks the protocol"):
            client.put_message("ministry", "1", RECEIPT)
        with pytest.raises(BadAnswer, match="breaks the protocol"):
            client.inbox(0)


def test_a_small_parcel_goes_whole_to_a_hub_that_takes_it_and_in_parts_to_any_other() -> None:
    hub = FakeHub(newer=True)
    with hub.client() as client:
        assert client.put_whole("ministry", "1", RECEIPT, b"sealed") is None, "before the hub has said what it reads"
        client.state()
        assert client.put_whole("ministry", "1", RECEIPT, b"sealed") == ACCEPTANCE
        assert client.put_whole("ministry", "1", RECEIPT, bytes(whole.LIMIT)) is None, "too large"
    [(kind, body)] = hub.taken
    assert kind == whole.MEDIA_TYPE
    envelope, _, sealed = whole.unpack_whole(body)
    assert (envelope, sealed) == (RECEIPT, b"sealed")
    older = FakeHub(newer=False)
    with older.client() as client:
        client.state()
        assert client.put_whole("ministry", "1", RECEIPT, b"sealed") is None
    assert older.taken == []
