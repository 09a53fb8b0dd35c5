"""Several small parcels in one body, for one request and one commit; and the answers, one for each.

    batch = Batch()
    batch.add(envelope, sealed)        # False: there is no room for it any more
    offers = unpack_offers(batch.body())
    answers = unpack_answers(pack_answers([Answer(201, acceptance), Answer(409, problem)]))

Deterministic CBOR (RFC 8949, 4.2): `[[document, sealed], …]`, each parcel as `whole` has it alone, and `[[status,
body], …]`. Both readers see to the frame only: whether a document is one is for whoever reads it, so that one bad
parcel spoils no other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor2

from renkei.exchange.compact import pack
from renkei.exchange.documents import DocumentError

MEDIA_TYPE = "application/vnd.renkei.parcels"
ANSWERS_TYPE = "application/vnd.renkei.answers"
LIMIT = 64 * 1024
"""Bytes of the whole body: what the gateway lets through in one request, and what a cut line has to carry again."""
MOST = 32
"""Parcels in one request: so long, some hundredths of a second, nobody else is served by the hub."""

_HEAD = 2
"""Bytes before the first parcel: the head of a CBOR array of up to 255."""
_DEPTH = 3
_STATUSES = range(200, 600)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one parcel: a status of HTTP, and the acceptance (in either form) or a problem document."""

    status: int
    body: bytes = field(repr=False)

    @property
    def is_good(self) -> bool:
        """Whether the body is an acceptance."""
        return self.status in {200, 201}


class Batch:
    """Parcels that go together, in the order in which they were added."""

    def __init__(self) -> None:
        self._parcels: list[list[bytes]] = []
        self._size = _HEAD

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._parcels)

    def add(self, manifest: bytes, sealed: bytes) -> bool:
        """Add a parcel, its manifest in compact form where it has one; false, and not added, without room for it."""
        if len(self._parcels) == MOST or self._size + len(sealed) > LIMIT:
            return False
        parcel = [pack(manifest), sealed]
        size = self._size + len(cbor2.dumps(parcel, canonical=True))
        if size > LIMIT:
            return False
        self._parcels.append(parcel)
        self._size = size
        return True

    def body(self) -> bytes:
        """Return the body of the request, at most `LIMIT` bytes."""
        return cbor2.dumps(self._parcels, canonical=True)


def unpack_offers(body: bytes) -> list[tuple[bytes, bytes]]:
    """Return (document, sealed bytes) of each parcel of a body whose size is bounded already.

    Raises:
        DocumentError: it isn't one to `MOST` parcels in deterministic CBOR.
    """
    rows = _rows(body, "parcels")
    if not all(type(document) is bytes and type(sealed) is bytes for document, sealed in rows):
        raise DocumentError("a parcel is a manifest and its sealed bytes, both byte strings")
    return rows


def pack_answers(answers: Sequence[Answer]) -> bytes:
    """Return the body of an answer."""
    return cbor2.dumps([[answer.status, answer.body] for answer in answers], canonical=True)


def unpack_answers(body: bytes) -> list[Answer]:
    """Return the answers of a body whose size is bounded already; nothing in it is believed by that.

    Raises:
        DocumentError: it isn't one to `MOST` answers in deterministic CBOR.
    """
    rows = _rows(body, "answers")
    if not all(type(status) is int and status in _STATUSES and type(found) is bytes for status, found in rows):
        raise DocumentError("an answer is a status and a byte string")
    return [Answer(status, found) for status, found in rows]


def _rows(body: bytes, what: str) -> list[tuple[Any, Any]]:
    """Return the pairs of a body."""
    try:
        value = cbor2.loads(body, max_depth=_DEPTH, allow_indefinite=False)
        faithful = cbor2.dumps(value, canonical=True) == body
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, MemoryError, OverflowError):
        raise DocumentError(f"the {what} are not in CBOR") from None
    if type(value) is not list or not 1 <= len(value) <= MOST:
        raise DocumentError(f"there are 1 to {MOST} {what} in a body")
    if not all(type(row) is list and len(row) == 2 for row in value):  # noqa: PLR2004 (a pair)
        raise DocumentError(f"the {what} are not pairs")
    if not faithful:
        raise DocumentError(f"the {what} are not in deterministic form (RFC 8949, 4.2)")
    return [(first, second) for first, second in value]
