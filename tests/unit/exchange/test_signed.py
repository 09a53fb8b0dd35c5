"""A signed document with its signer's entry, in a file: read back as written, anything else refused in words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.exchange.bindings import DirectoryEntry
from renkei.exchange.errors import ExchangeError
from renkei.exchange.signed import MAX_SIGNED, Signed

ENTRY = {"binding": "b", "certificate": "c", "issuer": "i"}


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(codec="ascii")))
def test_it_reads_back_as_it_was_written(binding: str, envelope: str) -> None:
    signed = Signed(DirectoryEntry.read({**ENTRY, "binding": binding}), envelope.encode())
    assert Signed.from_json(signed.to_json()) == signed


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[]",
        json.dumps({"entry": ENTRY}).encode(),
        json.dumps({"entry": {**ENTRY, "issuer": 1}, "envelope": "e"}).encode(),
        json.dumps({"entry": ENTRY, "envelope": ["e"]}).encode(),
        json.dumps({"entry": ENTRY, "envelope": "\ud800"}).encode(),
        json.dumps({"entry": ENTRY, "envelope": "封"}).encode(),
        json.dumps({"entry": {**ENTRY, "binding": "\ud800"}, "envelope": "e"}).encode(),
        json.dumps({"entry": {**ENTRY, "\ud800": "b"}, "envelope": "e"}).encode(),
        b"[" * MAX_SIGNED,
        json.dumps({"entry": ENTRY, "envelope": "e" * MAX_SIGNED}).encode(),
    ],
    ids=[
        *("nothing", "no-text", "a-list", "no-envelope", "entry-of-numbers", "envelope-of-lists"),
        *("envelope-half-a-character", "envelope-no-ascii", "binding-half-a-character", "entry-of-more"),
        *("deep", "large"),
    ],
)
def test_what_is_of_another_form_or_too_large_is_refused(text: bytes) -> None:
    with pytest.raises(ExchangeError):
        Signed.from_json(text)


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(text: bytes) -> None:
    with pytest.raises(ExchangeError):
        Signed.from_json(text)
