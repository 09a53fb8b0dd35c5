"""The client offers several parcels in one request to a hub that takes them, and believes no answer of another form."""

import json

import httpx
import pytest

from renkei.client.connection import Connection
from renkei.client.errors import BadAnswer, HubBusy, WrongSequence
from renkei.client.hub import HubClient
from renkei.exchange import compact, together
from renkei.exchange.together import Answer, Batch, pack_answers, unpack_offers
from unit.client.answers import ACCEPTANCE, RECEIPT, STATE, answer

GAP = json.dumps({"type": "urn:renkei:problem:sequence", "status": 409, "expected": 7}).encode()
TAKEN = [Answer(201, compact.pack(ACCEPTANCE)), Answer(409, GAP), Answer(200, ACCEPTANCE)]


class FakeHub:
    """Answers a request with parcels by what it is made with."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body
        self.taken: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/hub":
            return answer(200, json.dumps({**STATE, "reads": [together.MEDIA_TYPE]}).encode(), {})
        self.taken.append(request)
        return answer(self.status, self.body, {"Content-Type": together.ANSWERS_TYPE})

    def client(self) -> HubClient:
        return HubClient(Connection("https://hub", httpx.MockTransport(self)))


def batch() -> Batch:
    made = Batch()
    for sealed in (b"one", b"two", b"three"):
        made.add(RECEIPT, sealed)
    return made


def test_each_parcel_gets_its_acceptance_or_the_reason_why_not() -> None:
    hub = FakeHub(200, pack_answers(TAKEN))
    with hub.client() as client:
        assert not client.takes_together, "before the hub has said what it reads"
        client.state()
        assert client.takes_together
        first, second, third = client.put_together("131041", batch())
    assert first == third == ACCEPTANCE
    assert isinstance(second, WrongSequence)
    assert second.expected == 7
    [request] = hub.taken
    assert (request.method, request.url.path) == ("PUT", "/v1/messages/131041")
    assert request.headers["content-type"] == together.MEDIA_TYPE
    assert compact.MEDIA_TYPE in request.headers["accept"]
    assert [sealed for _, sealed in unpack_offers(request.read())] == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        pack_answers(TAKEN[:2]),
        pack_answers([*TAKEN, TAKEN[0]]),
        pack_answers([Answer(201, compact.FORM + b"no document"), *TAKEN[1:]]),
        pack_answers(TAKEN) + b"\0",
    ],
)
def test_an_answer_of_another_form_or_length_is_none(body: bytes) -> None:
    with FakeHub(200, body).client() as client, pytest.raises(BadAnswer, match="breaks the protocol"):
        client.put_together("131041", batch())


def test_a_request_may_be_refused_as_a_whole() -> None:
    with FakeHub(503, b"{}").client() as client, pytest.raises(HubBusy):
        client.put_together("131041", batch())
