"""Orders and permits lie at the hub for the terminal that they name; what terminals say of updates lies for IT."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from renkei.exchange.documents import Kind, payload_sha256
from renkei.exchange.parties import Party
from renkei.exchange.updates import Order, PatchState, Permit, Update, Window

START = datetime(2026, 11, 1, tzinfo=UTC)
FIRST, SECOND = UUID(int=1), UUID(int=2)
UPDATE = Update(
    kb="KB5058411", build="26100.4061", file="a.msu", sha256="ab" * 32, size=9, urgency="routine", requires=[]
)


def order(number: UUID = FIRST, terminal: str = "T-0001", minutes: int = 0) -> Order:
    issued_at = START + timedelta(minutes=minutes)
    closes = START + timedelta(days=2)
    return Order(
        endpoint=Party("131041"),
        terminal=terminal,
        id=number,
        wave=UUID(int=9),
        action="install",
        updates=[UPDATE],
        windows=[Window(opens=START + timedelta(days=1), closes=closes)],
        minutes=60,
        permit=True,
        issued_at=issued_at,
        expires=closes,
    )


def permit(envelope: bytes) -> Permit:
    given_at = START + timedelta(days=1)
    return Permit(
        endpoint=Party("131041"),
        terminal="T-0001",
        order=FIRST,
        order_sha256=payload_sha256(envelope),
        given_at=given_at,
        expires=given_at + timedelta(minutes=15),
    )


def state(terminal: str = "T-0001", minutes: int = 0, **changes: Any) -> PatchState:
    fields = {
        "endpoint": Party("131041"),
        "terminal": terminal,
        "answers": FIRST,
        "stage": "ready",
        "build": "26100.4000",
        "installed": [],
        "missing": ["KB5058411"],
        "catalogue": 7,
        "exchanged_at": None,
        "problem": None,
        "checked_at": START + timedelta(minutes=minutes),
    }
    return PatchState(**fields | changes)


@pytest.fixture
def authority(bench: Any) -> Any:
    return bench.enrol("authority")


def put(authority: Any, document: Order | Permit, status: int = 201) -> bytes:
    envelope = document.sign(authority.machine.signer)
    answer = authority.put(f"/v1/orders/{document.endpoint}/{document.terminal}", envelope)
    assert answer.status_code == status, answer.text
    return envelope


def found(asker: Any, path: str = "/v1/orders") -> list[tuple[str, str, bytes]]:
    items = asker.get(path).json()["items"]
    return [(each["terminal"], each["kind"], each["envelope"].encode()) for each in items]


def test_the_hub_says_that_it_carries_them(shinjuku: Any) -> None:
    assert Kind.ORDER.payload_type in shinjuku.get("/v1/hub").json()["reads"]


def test_a_terminal_finds_its_order_and_its_permit_and_nobody_elses(bench: Any, shinjuku: Any, authority: Any) -> None:
    assert found(shinjuku) == []
    envelope = put(authority, order())
    given = put(authority, permit(envelope))
    put(authority, order(SECOND, "T-0002"))
    assert found(shinjuku) == [("T-0001", "order", envelope), ("T-0001", "permit", given)]
    assert shinjuku.get("/v1/orders").json()["items"][0]["entry"]["binding"]
    assert found(bench.enrol("011011")) == []


def test_the_ministry_finds_those_of_an_endpoint_for_its_media(shinjuku: Any, ministry: Any, authority: Any) -> None:
    put(authority, order())
    put(authority, order(SECOND, "T-0002"))
    assert [terminal for terminal, *_ in found(ministry, "/v1/orders/131041")] == ["T-0001", "T-0002"]
    assert shinjuku.get("/v1/orders/131041").status_code == 403


def test_only_the_authority_gives_and_withdraws(refused: Any, shinjuku: Any, ministry: Any, authority: Any) -> None:
    for speaker in (shinjuku, ministry):
        refused(speaker.put("/v1/orders/131041/T-0001", order().sign(speaker.machine.signer)), 403, "not-entitled")
    refused(authority.put("/v1/orders/131041/T-0001", order().sign(shinjuku.machine.signer)), 400, "document")
    refused(authority.put("/v1/orders/131041/T-0002", order().sign(authority.machine.signer)), 400, "mismatch")
    refused(authority.put("/v1/orders/131041/T-0001", state().sign(authority.machine.signer)), 400, "document")
    put(authority, order())
    put(authority, order(), status=200)
    withdrawal = "/v1/orders/131041/T-0001/withdrawal"
    refused(shinjuku.request("POST", withdrawal, json={"order": str(FIRST)}), 403, "not-entitled")
    assert authority.request("POST", withdrawal, json={"order": str(SECOND)}).status_code == 200
    assert len(found(shinjuku)) == 1
    assert authority.request("POST", withdrawal, json={"order": str(FIRST)}).status_code == 200
    assert found(shinjuku) == []


def test_what_a_terminal_says_is_read_from_a_cursor_on(shinjuku: Any, authority: Any, ministry: Any) -> None:
    first, second = (state(minutes=minutes).sign(shinjuku.machine.signer) for minutes in (0, 10))
    path = "/v1/patch-states/131041/T-0001"
    assert [shinjuku.put(path, each).status_code for each in (first, first, second, first)] == [201, 200, 201, 200]
    page = authority.get("/v1/patch-states").json()
    assert [item["envelope"].encode() for item in page["items"]] == [second]
    assert page["items"][0]["entry"]["binding"]
    after = {"after": page["next"]}
    assert authority.get("/v1/patch-states", params=after).json() == {"items": [], "next": page["next"]}
    done = state(minutes=20, stage="done").sign(shinjuku.machine.signer)
    assert shinjuku.put(path, done).status_code == 201
    assert len(ministry.get("/v1/patch-states", params=after).json()["items"]) == 1
    assert authority.get("/v1/patch-states", params={"after": 99}).status_code == 409
    assert shinjuku.get("/v1/patch-states").status_code == 403


def test_nobody_says_it_for_another_but_ministry_and_authority_hand_in_what_came_otherwise(
    bench: Any, refused: Any, shinjuku: Any, ministry: Any, authority: Any
) -> None:
    path = "/v1/patch-states/131041/T-0001"
    other = bench.enrol("011011")
    refused(other.put(path, state().sign(other.machine.signer)), 403, "not-yours")
    refused(shinjuku.put(path, state().sign(other.machine.signer)), 400, "document")
    refused(shinjuku.put(path, state("T-0002").sign(shinjuku.machine.signer)), 400, "mismatch")
    refused(ministry.put(path, state().sign(ministry.machine.signer)), 400, "document")
    assert ministry.put(path, state().sign(shinjuku.machine.signer)).status_code == 201
    refused(authority.put(path, state(minutes=5).sign(authority.machine.signer)), 400, "document")
    assert authority.put(path, state(minutes=5).sign(shinjuku.machine.signer)).status_code == 201
