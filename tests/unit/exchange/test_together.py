"""The frame of several parcels in one body, and of their answers: one form, bounded, nothing else is read."""

import json

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange import compact
from renkei.exchange.certificates import make_key
from renkei.exchange.documents import DocumentError, Kind, Signer
from renkei.exchange.together import LIMIT, MOST, Answer, Batch, pack_answers, unpack_answers, unpack_offers

MANIFEST = Signer(make_key()).sign(Kind.MANIFEST, {"id": "any"})
PAIRS = st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300)), min_size=1, max_size=MOST)
ANSWERS = st.lists(st.builds(Answer, st.integers(200, 599), st.binary(max_size=300)), min_size=1, max_size=MOST)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=2),
    max_leaves=12,
)


@given(PAIRS)
def test_parcels_come_back_as_they_were_packed(pairs: list[tuple[bytes, bytes]]) -> None:
    assert unpack_offers(cbor2.dumps(pairs, canonical=True)) == pairs


@given(ANSWERS)
def test_answers_come_back_as_they_were_packed(answers: list[Answer]) -> None:
    assert unpack_answers(pack_answers(answers)) == answers


@given(PAIRS, st.data())
def test_a_changed_body_is_refused_or_means_something_else(
    pairs: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    body = cbor2.dumps(pairs, canonical=True)
    place = data.draw(st.integers(0, len(body) - 1))
    change = data.draw(
        st.sampled_from((b"", b"\x00", b"\x9f", bytes([body[place] ^ 1 << data.draw(st.integers(0, 7))])))
    )
    changed = body[:place] + change + body[place + 1 :]
    try:
        found = unpack_offers(changed)
    except DocumentError:
        return
    assert cbor2.dumps(found, canonical=True) == changed


@given(st.binary(max_size=200) | VALUES.map(cbor2.dumps))
def test_whatever_else_comes_is_refused(noise: bytes) -> None:
    for unpack in (unpack_offers, unpack_answers):
        try:
            found = unpack(noise)
        except DocumentError:
            continue
        rows = [[each.status, each.body] if isinstance(each, Answer) else [*each] for each in found]
        assert cbor2.dumps(rows, canonical=True) == noise


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x80",
        b"\x81\x81\x41a",
        b"\x81\x83\x41a\x41b\x41c",
        b"\x81\x82\x41a\x61b",
        b"\x81\x82\x41a\x41b\x00",
        b"\x98\x01\x82\x41a\x41b",
        b"\x9f\x82\x41a\x41b\xff",
        b"\x82\xd8\x1c\x82\x41a\x41b\xd8\x1d\x00",  # the second refers to the first
        b"\xa1\x41a\x41b",
        b"\x81" * 5000,
        b"\x9b" + b"\xff" * 8,
        cbor2.dumps([[b"a", b"b"]] * (MOST + 1), canonical=True),
    ],
)
def test_a_body_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(DocumentError):
        unpack_offers(body)


@pytest.mark.parametrize("status", [True, 199, 600, -1, 2**70, "201", b"201"])
def test_a_status_is_one_of_http(status: object) -> None:
    with pytest.raises(DocumentError):
        unpack_answers(cbor2.dumps([[status, b""]], canonical=True))


def test_a_batch_takes_what_fits_into_a_request_and_no_more() -> None:
    many, few = Batch(), Batch()
    assert [many.add(MANIFEST, b"small") for _ in range(MOST + 1)] == [True] * MOST + [False]
    taken = 0
    while few.add(MANIFEST, bytes(4096)):
        taken += 1
    assert unpack_offers(few.body()) == [(MANIFEST, bytes(4096))] * taken == [(MANIFEST, bytes(4096))] * len(few)
    one_more = cbor2.dumps([[MANIFEST, bytes(4096)]] * (taken + 1), canonical=True)
    assert len(few.body()) <= LIMIT < len(one_more)


def test_the_last_byte_of_a_request_is_used() -> None:
    room = LIMIT - 2 - len(cbor2.dumps([MANIFEST, bytes(60_000)], canonical=True)) + 60_000
    assert not Batch().add(MANIFEST, bytes(room + 1))
    batch = Batch()
    assert batch.add(MANIFEST, bytes(room))
    assert len(batch.body()) == LIMIT - 1, "the head of few parcels is a byte shorter than that of many"


def test_manifests_go_compact_where_they_have_that_form() -> None:
    void = Signer(make_key()).sign(
        Kind.VOID,
        {
            "sender": "ministry",
            "recipient": "131041",
            "stream": "notices",
            "sequence": 1,
            "reason": "x",
            "voided_at": "2026-11-26T00:00:00Z",
        },
    )
    batch = Batch()
    batch.add(void, b"")
    batch.add(json.dumps(json.loads(void), indent=1).encode(), b"")
    [(packed, _), (spaced, _)] = unpack_offers(batch.body())
    assert packed == compact.pack(void) != void
    assert compact.unpack(spaced) == spaced
