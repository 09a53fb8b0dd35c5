"""A sender's word on how far a stream is with the hub, as its recipient gets it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from renkei.client.hub import HORIZONS_AT_ONCE
from renkei.exchange.parties import Party
from renkei.exchange.payloads import Horizon

START = datetime(2026, 11, 1, tzinfo=UTC)


def signed(speaker: Any, recipient: str, next_sequence: int, minutes: int = 0, **changes: Any) -> bytes:
    fields = {
        "sender": speaker.machine.party,
        "recipient": Party(recipient),
        "stream": "notices",
        "next_sequence": next_sequence,
        "published_up_to": START + timedelta(minutes=minutes),
    }
    return Horizon(**fields | changes).sign(speaker.machine.signer)


def put(speaker: Any, recipient: str, *horizon: int) -> Any:
    return speaker.put(f"/v1/horizons/{recipient}/notices", signed(speaker, recipient, *horizon))


def told(recipient: Any, sender: Any) -> Horizon:
    answer = recipient.get(f"/v1/horizons/{sender.machine.party}/notices")
    assert answer.status_code == 200, answer.text
    assert answer.json()["entry"] == json.loads(sender.machine.entry.to_json())
    return Horizon.open(answer.json()["envelope"].encode(), sender.machine.key.public_key())


def test_a_recipient_gets_its_senders_signed_word(shinjuku: Any, ministry: Any) -> None:
    ministry.send(shinjuku.machine)
    assert put(ministry, "131041", 2, 5).status_code == 200
    horizon = told(shinjuku, ministry)
    assert (horizon.next_sequence, horizon.published_up_to) == (2, START + timedelta(minutes=5))


def test_without_one_the_answer_is_404(shinjuku: Any) -> None:
    assert shinjuku.get("/v1/horizons/ministry/notices").status_code == 404


def test_the_hub_never_promises_what_it_has_not_got(shinjuku: Any, ministry: Any) -> None:
    answer = put(ministry, "131041", 2)
    assert (answer.status_code, answer.json()["expected"]) == (409, 1)
    assert shinjuku.get("/v1/horizons/ministry/notices").status_code == 404


def test_an_older_word_never_takes_the_place_of_a_newer_one(shinjuku: Any, ministry: Any) -> None:
    ministry.send(shinjuku.machine)
    for horizon in ((2, 5), (2, 4), (1, 9)):
        assert put(ministry, "131041", *horizon).status_code == 200
    assert told(shinjuku, ministry).published_up_to == START + timedelta(minutes=5)


def test_many_go_in_one_request_and_those_that_run_ahead_are_named(bench: Any, shinjuku: Any, ministry: Any) -> None:
    other = bench.enrol("011011")
    envelopes = [signed(ministry, "131041", 1), signed(ministry, "011011", 7)]
    body = json.dumps({"horizons": [envelope.decode() for envelope in envelopes]}).encode()
    answer = ministry.put("/v1/horizons", body)
    assert (answer.status_code, answer.json()) == (200, {"ahead": [{"index": 1, "expected": 1}]})
    assert told(shinjuku, ministry).next_sequence == 1
    assert other.get("/v1/horizons/ministry/notices").status_code == 404


def test_nobody_speaks_for_another(shinjuku: Any, ministry: Any) -> None:
    in_anothers_name = signed(shinjuku, "131041", 1, sender=Party("ministry"))
    assert shinjuku.put("/v1/horizons/131041/notices", in_anothers_name).status_code == 403
    replayed = signed(ministry, "131041", 1)
    assert shinjuku.put("/v1/horizons/131041/notices", replayed).status_code == 400
    assert ministry.put("/v1/horizons/011011/notices", replayed).status_code == 400


def test_a_moment_that_has_not_come_is_refused(ministry: Any) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    answer = ministry.put("/v1/horizons/131041/notices", signed(ministry, "131041", 1, published_up_to=tomorrow))
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:renkei:problem:clock")


def test_a_batch_has_bounds(ministry: Any) -> None:
    for horizons in ([], ["{}"] * 257):
        assert ministry.put("/v1/horizons", json.dumps({"horizons": horizons}).encode()).status_code == 400


def test_as_many_as_a_client_sends_at_once_fit_through_the_gateway(shinjuku: Any) -> None:
    template = (Path(__file__).parents[3] / "roles/gateway/templates/etc/nginx/nginx.conf.j2").read_text()
    longest = signed(shinjuku, "ministry", 2**53 - 1).decode()
    body = json.dumps({"horizons": [longest] * HORIZONS_AT_ONCE})
    assert "client_max_body_size 64k;" in template
    assert len(body) <= 64 * 1024
